//! HTML to text with visibility, links and facts, as SpamAssassin's parser sees it.

mod attributes;
mod colours;
mod elements;
mod entities;
mod facts;
mod letters;
mod renderer;
mod source;
mod style;
mod target;
mod tokenizer;

pub use facts::{Fact, HtmlFacts, HtmlLink};
pub use letters::is_word;
pub use target::is_space;

use renderer::Renderer;
use std::borrow::Cow;
use tokenizer::Tokenizer;

/// A string as Perl holds it. Where it is not `wide`, each char is below U+0100 and stands for one octet: white space
/// and letters are ASCII's alone then, and what stays so to the end is matched as those octets, not as UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    pub chars: String,
    pub wide: bool,
}

impl Text {
    /// A char for each octet.
    pub fn of_octets(octets: &[u8]) -> Text {
        let chars =
            if octets.is_ascii() { String::from_utf8_lossy(octets).into_owned() } else { octets.iter().copied().map(char::from).collect() };
        Text { chars, wide: false }
    }

    fn push(&mut self, chars: &str, wide: bool) {
        self.chars.push_str(chars);
        self.wide |= wide;
    }

    /// The octets that patterns match: UTF-8 where wide.
    pub fn octets(&self) -> Vec<u8> {
        self.as_octets().into_owned()
    }

    pub fn as_octets(&self) -> Cow<'_, [u8]> {
        octets_of(&self.chars, self.wide)
    }

    pub fn into_octets(self) -> Vec<u8> {
        if self.wide || self.chars.is_ascii() { self.chars.into_bytes() } else { self.octets() }
    }
}

/// As `Text::octets`.
pub fn octets_of(chars: &str, wide: bool) -> Cow<'_, [u8]> {
    if wide || chars.is_ascii() { Cow::Borrowed(chars.as_bytes()) } else { Cow::Owned(chars.chars().map(|c| c as u32 as u8).collect()) }
}

/// Cuts a link to the 8,192 characters that are kept; whether it was longer.
pub fn target_limit(uri: &mut Text) -> bool {
    if uri.chars.len() <= target::LONGEST {
        return false;
    }
    let Some((at, _)) = uri.chars.char_indices().nth(target::LONGEST) else { return false };
    uri.chars.truncate(at);
    true
}

/// What the renderer's source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Characters of a decoded charset.
    Characters,
    /// Charsets are honoured but nothing had to be decoded (ASCII throughout, in practice); a char an octet.
    Octets,
    /// Charsets are not honoured (`normalize_charset 0`) and the part was not read as UTF-8; a char an octet.
    Undecoded,
}

/// One HTML part, rendered.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// All text, what `body` rules see; white space is not collapsed yet (`text` does that over all parts).
    pub text: Text,
    /// Which stretches of it a reader can see, in order and without gaps.
    seen: Vec<Seen>,
    pub facts: HtmlFacts,
}

/// A stretch of rendered text.
#[derive(Clone, Copy, Debug)]
struct Seen {
    end: usize,
    unseen: bool,
    wide: bool,
}

impl Rendered {
    /// The part of the text that a reader can see.
    pub fn visible(&self) -> Text {
        self.stretches(false)
    }

    /// What is hidden from him.
    pub fn invisible(&self) -> Text {
        self.stretches(true)
    }

    fn stretches(&self, unseen: bool) -> Text {
        let mut found = Text::default();
        let mut start = 0;
        for stretch in &self.seen {
            if stretch.unseen == unseen {
                found.push(self.text.chars.get(start..stretch.end).unwrap_or(""), stretch.wide);
            }
            start = stretch.end;
        }
        found
    }
}

/// Renders a decoded part. `octets`: length of the part before charset decoding (for the ratio).
pub fn render(source: &str, input: Input, octets: usize) -> Rendered {
    render_counting(source, input, octets).0
}

/// As `render`; also how many octets the tokenizer looked at.
fn render_counting(source: &str, input: Input, octets: usize) -> (Rendered, usize) {
    let wide = input == Input::Characters;
    let is_ascii = source.is_ascii();
    let length = if is_ascii { source.len() } else { source.chars().count() };
    let mut tokenizer = Tokenizer::default();
    let mut renderer = Renderer::new(input, source.len());
    let mut source = prepared(source, wide, is_ascii);
    let mut told = tokenizer.parse(&source, 0, &mut renderer);
    // An unclosed <style> or <script> is closed at the end.
    if renderer.is_inside_style() && !tokenizer.broken {
        source.to_mut().push_str("</style>");
        told = tokenizer.parse(&source, told, &mut renderer);
    }
    if renderer.is_inside_script() && !tokenizer.broken {
        source.to_mut().push_str("</script>");
        told = tokenizer.parse(&source, told, &mut renderer);
    }
    tokenizer.finish(&source, told, &mut renderer);
    let (text, seen, mut facts) = renderer.finish(!tokenizer.broken, length);
    measure(&mut facts, &text, octets);
    (Rendered { text, seen, facts }, tokenizer.looked_at)
}

/// Facts about the length of the rendered text.
fn measure(facts: &mut HtmlFacts, text: &Text, octets: usize) {
    // A wide text knows all white space, another one ASCII's without the form feed.
    let is_space = |b: &u8| matches!(b, b' ' | b'\t'..=b'\x0b' | b'\r') | (text.wide & (*b == 0x0C));
    let octets_of_text = text.chars.as_bytes();
    let all = text.chars.chars().count();
    // An octet counts to 255.
    let of_chunk = |chunk: &[u8]| chunk.iter().fold(0u8, |count, b| count.wrapping_add(u8::from(is_space(b))));
    let mut spaces: usize = octets_of_text.chunks(255).map(|chunk| usize::from(of_chunk(chunk))).sum();
    if text.wide && all < octets_of_text.len() {
        spaces += text.chars.chars().filter(|c| !c.is_ascii() && c.is_whitespace()).count();
    }
    facts.set("html_length", all as f64);
    facts.set("non_space_len", (all - spaces) as f64);
    if octets > 0 {
        facts.set("ratio", (octets as f64 - all as f64) / octets as f64);
    }
}

/// What SpamAssassin mends before it parses: `&nbsp;` to a space, `<br/>` to `<br>`, curly double quotes to `"`.
fn prepared(source: &str, wide: bool, is_ascii: bool) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(source);
    let quotes: [&str; 2] = if wide { ["\u{201C}", "\u{201D}"] } else { ["\u{E2}\u{80}\u{9C}", "\u{E2}\u{80}\u{9D}"] };
    let mends = [("&nbsp;", " "), (quotes[0], "\""), (quotes[1], "\"")];
    for (found, put) in mends.into_iter().take(if is_ascii { 1 } else { 3 }) {
        if let Some(mended) = replaced(&text, found, put) {
            text = Cow::Owned(mended);
        }
    }
    match without_empty_tags(&text, wide) {
        Some(mended) => Cow::Owned(mended),
        None => text,
    }
}

fn replaced(text: &str, found: &str, put: &str) -> Option<String> {
    let mut places = memchr::memmem::find_iter(text.as_bytes(), found.as_bytes()).peekable();
    places.peek()?;
    let (mut mended, mut kept) = (String::with_capacity(text.len()), 0);
    for at in places {
        mended.push_str(text.get(kept..at)?);
        mended.push_str(put);
        kept = at + found.len();
    }
    mended.push_str(text.get(kept..)?);
    Some(mended)
}

/// `<br />` to `<br>`; attributes keep a tag as it is.
fn without_empty_tags(text: &str, wide: bool) -> Option<String> {
    let mut mended = String::new();
    let mut kept = 0;
    for at in memchr::memmem::find_iter(text.as_bytes(), b"/>") {
        let before = text.get(kept..at)?;
        let name = before.trim_end_matches(|c| target::is_space(c, wide));
        let start = name.trim_end_matches(|c| letters::is_word(c, wide));
        if start.len() < name.len() && start.ends_with('<') {
            mended.push_str(name);
            mended.push('>');
            kept = at + 2;
        }
    }
    if kept == 0 {
        return None;
    }
    mended.push_str(text.get(kept..)?);
    Some(mended)
}

#[cfg(test)]
mod tests;
