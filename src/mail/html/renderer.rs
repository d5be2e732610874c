//! Events to text, visibility, links and facts.

use super::attributes::{Decoded, decode};
use super::elements::{self, ELEMENTS, Element, Links, Space, row_of};
use super::facts::{HtmlFacts, HtmlLink, Inside};
use super::letters::{head_length, is_letter, tail_length};
use super::style::{Attributes, Styles, Unseen};
use super::tokenizer::{Attribute, Sink};
use super::{Input, Seen, Text, target};
use crate::base::limits;
use crate::mail::links::LinkKind;
use crate::mail::text::next_odd;
use regex::Regex;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

/// A stretch of rendered text: what one event put out.
#[derive(Clone, Copy)]
struct Piece {
    start: usize,
    end: usize,
    space: bool,
    unseen: bool,
    wide: bool,
}

/// Counts as SpamAssassin keeps them; `None` where it never set one.
#[derive(Default)]
struct Counts {
    tags: u32,
    tags_seen: u32,
    elements: u32,
    elements_seen: u32,
    closed_extra: u32,
    obfuscation: u32,
    /// Pairs of lengths (1 to 7 each) of the letters around a break inside a word.
    backhair: u64,
    image_area: f64,
}

pub struct Renderer {
    input: Input,
    out: String,
    pieces: Vec<Piece>,
    styles: Styles,
    counts: Counts,
    /// By row of the element table; unknown names in `inside_others`.
    inside: Vec<Option<i64>>,
    inside_others: HashMap<String, i64>,
    base_href: String,
    links: Vec<HtmlLink>,
    /// Links after the first few.
    by_target: HashMap<String, usize>,
    /// The link that `<a>` opened last.
    anchor: Option<usize>,
    facts: HtmlFacts,
}

/// Numbers that most parts have at most.
const USUAL_FACTS: usize = 14;

/// Links that are looked through one by one.
const FEW_LINKS: usize = 16;

// Elements that something of their own is done about.
const A: usize = row_of("a");
const EMBED: usize = row_of("embed");
const FONT: usize = row_of("font");
const FORM: usize = row_of("form");
const IMG: usize = row_of("img");
const OBJECT: usize = row_of("object");
const SCRIPT: usize = row_of("script");
const STYLE: usize = row_of("style");
const TITLE: usize = row_of("title");

static FACE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?i)^\s*["'.]?[a-z ][a-z -]*[a-z]\d?["']?(?:,\s*["']?[a-z][a-z -]*[a-z]\d?["']?)*;?\n?$"#).ok());
static REFRESH: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)\burl\s*=").ok());
static REFRESH_START: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)^.*\burl\s*=\s*").ok());
static BASE_FILE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)^([a-z]+:/{0,2}[^/]+/.*?)[^/.]+\.[^/.]{2,4}\n?$").ok());

fn matches(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

fn contains_ignoring_case(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

impl Renderer {
    pub fn new(input: Input, length: usize) -> Renderer {
        Renderer {
            input,
            out: String::with_capacity(length / 2),
            pieces: Vec::with_capacity(length / 32),
            styles: Styles::new(),
            counts: Counts::default(),
            inside: vec![None; ELEMENTS.len()],
            inside_others: HashMap::new(),
            base_href: String::new(),
            links: Vec::new(),
            by_target: HashMap::new(),
            anchor: None,
            facts: HtmlFacts { numbers: HashMap::with_capacity(USUAL_FACTS), ..HtmlFacts::default() },
        }
    }

    fn wide(&self) -> bool {
        self.input == Input::Characters
    }

    fn raw(&self, text: &str) -> Text {
        Text { chars: text.to_owned(), wide: self.wide() }
    }

    fn is_inside(&self, row: usize) -> bool {
        self.inside.get(row).copied().flatten().is_some_and(|open| open > 0)
    }

    pub fn is_inside_style(&self) -> bool {
        self.is_inside(STYLE)
    }

    pub fn is_inside_script(&self) -> bool {
        self.is_inside(SCRIPT)
    }

    /// Counts a tag; the element, unless the name is one that nothing is done about.
    fn count(&mut self, tag: &str, change: i64) -> Option<(usize, &'static Element)> {
        let Some((row, element)) = elements::find(tag) else {
            self.count_other(tag.to_ascii_lowercase(), change);
            return None;
        };
        let entry = self.inside.get_mut(row)?;
        let first = entry.is_none();
        let (open, extra) = opened(*entry, change);
        *entry = Some(open);
        self.tally(first, element.standard, extra);
        Some((row, element))
    }

    /// Counts a tag whose name is in no table.
    fn count_other(&mut self, name: String, change: i64) {
        let counts = elements::is_word_processor_name(&name);
        let known = self.inside_others.get_mut(&name);
        let (open, extra) = opened(known.as_deref().copied(), change);
        let first = known.is_none();
        match known {
            Some(known) => *known = open,
            None => {
                self.inside_others.insert(name, open);
            }
        }
        self.tally(first, counts, extra);
    }

    fn tally(&mut self, first: bool, counts: bool, extra: bool) {
        let c = &mut self.counts;
        c.tags += 1;
        c.tags_seen += u32::from(first);
        c.elements += u32::from(counts);
        c.elements_seen += u32::from(counts && first);
        c.closed_extra += u32::from(extra);
    }

    fn space(&mut self, space: Space) {
        let text = match space {
            Space::None => return,
            Space::Blank => " ",
            Space::Line => "\n",
            Space::Paragraph => "\n\n",
        };
        if let Some(last) = self.pieces.last_mut()
            && !last.space
            && !last.unseen
            && last.end > last.start
            && self.out.ends_with(' ')
        {
            self.out.pop();
            last.end -= 1;
        }
        self.push(text, Piece { start: 0, end: 0, space: true, unseen: false, wide: false });
    }

    fn push(&mut self, text: &str, piece: Piece) {
        let start = self.out.len();
        self.out.push_str(text);
        self.pieces.push(Piece { start, end: self.out.len(), ..piece });
    }

    /// White space becomes single spaces, and so does U+00C2 U+00A0, which is how a no-break space in UTF-8 octets looks.
    /// `blanks`: how many octets of white space it begins with.
    fn push_text(&mut self, text: &str, blanks: usize, unseen: bool, wide: bool) {
        let start = self.out.len();
        let mut rest = text;
        if !unseen && self.pieces.last().is_some_and(|last| last.space) {
            // A leading space goes, however it came about.
            rest = match rest.strip_prefix("\u{C2}\u{A0}") {
                Some(after) => after,
                None => rest.get(blanks..).unwrap_or(""),
            };
        }
        let bytes = rest.as_bytes();
        let (mut plain, mut at) = (0, 0);
        loop {
            // One space is what it should be.
            at = next_odd(bytes, at, |b| (b < b' ') | (b == 0xC3));
            if at >= bytes.len() {
                break;
            }
            let run = bytes.iter().skip(at).take_while(|b| is_plain_space(**b)).count();
            let is_octet_pair = run == 0 && bytes.get(at..at + 4) == Some(&[0xC3, 0x82, 0xC2, 0xA0]);
            let length = if is_octet_pair { 4 } else { run };
            // Neither is the last space anything else, and a control character is no white space.
            if length == 0 || (length == 1 && bytes.get(at) == Some(&b' ')) {
                at += 1;
                continue;
            }
            self.out.push_str(rest.get(plain..at).unwrap_or(""));
            self.out.push(' ');
            at += length;
            plain = at;
        }
        self.out.push_str(rest.get(plain..).unwrap_or(""));
        self.pieces.push(Piece { start, end: self.out.len(), space: false, unseen, wide });
    }

    /// Breaks inside words: what stands before and after the tag are both letters.
    fn note_break(&mut self, text: &str, wide: bool) {
        let Some(last) = self.pieces.last().copied() else { return };
        let before = self.out.get(last.start..last.end).unwrap_or("");
        let between =
            before.chars().next_back().is_some_and(|c| is_letter(c, last.wide)) && text.chars().next().is_some_and(|c| is_letter(c, wide));
        if !between {
            return;
        }
        self.counts.obfuscation += 1;
        if let (Some(left), Some(right)) = (tail_length(before, last.wide), head_length(text, wide)) {
            self.counts.backhair |= 1 << (left * 8 + right);
        }
    }

    fn link(&mut self, target: Cow<'_, str>, wide: bool) -> Option<usize> {
        if let Some(at) = self.known_link(&target) {
            return Some(at);
        }
        if self.links.len() >= limits::LINKS {
            self.facts.too_many_links = true;
            return None;
        }
        let at = self.links.len();
        if at >= FEW_LINKS {
            self.by_target.insert(target.to_string(), at);
        }
        self.links.push(HtmlLink { target: Text { chars: target.into_owned(), wide }, ..HtmlLink::default() });
        Some(at)
    }

    fn known_link(&self, target: &str) -> Option<usize> {
        let few = self.links.iter().take(FEW_LINKS).position(|link| link.target.chars == target);
        few.or_else(|| self.by_target.get(target).copied())
    }

    fn canonical<'t>(&mut self, text: &'t str, wide: bool) -> &'t str {
        let (text, cut) = target::canonical(text, wide);
        self.facts.uri_truncated |= cut;
        text
    }

    fn push_link(&mut self, element: &'static str, uri: &str, wide: bool) {
        let uri = self.canonical(uri, wide);
        if uri.is_empty() {
            return;
        }
        let scheme = memchr::memchr(b':', uri.as_bytes()).and_then(|at| uri.get(..at));
        let kept =
            scheme.is_some_and(|scheme| ["data", "mailto", "file", "cid", "tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known)));
        let target = if kept { Cow::Borrowed(uri) } else { target::resolve(&self.base_href, uri) };
        if target.is_empty() {
            return;
        }
        if let Some(link) = self.link(target, wide).and_then(|at| self.links.get_mut(at)) {
            let kind = LinkKind::Html(element);
            if !link.kinds.contains(&kind) {
                link.kinds.push(kind);
            }
        }
    }

    fn links_of(&mut self, element: &'static Element, attributes: &Decoded<'_, '_>) {
        let found = match element.links {
            Links::None => return,
            Links::Background => attributes.text("background"),
            Links::Action => attributes.text("action"),
            Links::Src => attributes.link("src"),
            Links::Href => {
                if let Some((href, wide)) = attributes.link("href") {
                    self.push_link(element.name, &without_marks(&href, wide), wide);
                }
                attributes.text("data-saferedirecturl")
            }
            Links::Base => return self.set_base(element.name, attributes),
            Links::Refresh => return self.refresh(element.name, attributes),
        };
        if let Some((uri, wide)) = found {
            self.push_link(element.name, &uri, wide);
        }
    }

    /// A base counts where it is absolute and of a standard protocol; its file name goes.
    fn set_base(&mut self, element: &'static str, attributes: &Decoded<'_, '_>) {
        let Some((href, wide)) = attributes.text("href").filter(|(href, _)| !matches!(href.as_ref(), "" | "0")) else { return };
        let uri = self.canonical(&href, wide).to_owned();
        self.push_link(element, &uri, wide);
        let scheme = uri.split(':').next().unwrap_or("");
        if uri.len() == scheme.len() || !["http", "https", "ftp"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return;
        }
        let captures = BASE_FILE.as_ref().and_then(|pattern| pattern.captures(&uri));
        let mut base = captures.and_then(|c| c.get(1).map(|start| start.as_str().to_owned())).unwrap_or(uri);
        if !base.ends_with('/') {
            base.push('/');
        }
        self.base_href = base;
    }

    fn refresh(&mut self, element: &'static str, attributes: &Decoded<'_, '_>) {
        let (Some((equiv, _)), Some((content, wide))) = (attributes.text("http-equiv"), attributes.text("content")) else { return };
        if !contains_ignoring_case(&equiv, "refresh") || !matches(&REFRESH, &content) {
            return;
        }
        let start = REFRESH_START.as_ref().and_then(|pattern| pattern.find(&content)).map_or(0, |found| found.end());
        let uri = content.get(start..).unwrap_or("");
        // What follows a semicolon goes, to the end of that line.
        let uri = match uri.split_once(';') {
            Some((uri, rest)) => {
                let line = rest.find('\n').and_then(|at| rest.get(at..)).unwrap_or("");
                Cow::Owned(format!("{}{line}", uri.trim_end()))
            }
            None => Cow::Borrowed(uri),
        };
        self.push_link(element, &uri, wide);
    }

    fn tests_of(&mut self, row: usize, attributes: &Decoded<'_, '_>) {
        match row {
            FONT if attributes.value("face").is_some_and(|face| !matches(&FACE, &face)) => self.facts.set("font_face_bad", 1.0),
            IMG => self.image(attributes),
            FORM if attributes.value("action").is_some_and(|action| contains_ignoring_case(&action, "mailto:")) => {
                self.facts.set("form_action_mailto", 1.0);
            }
            OBJECT | EMBED => self.facts.set("embeds", 1.0),
            A => {
                let (href, wide) = attributes.link("href").unwrap_or((Cow::Borrowed(""), false));
                let href = without_marks(&href, wide);
                let uri = self.canonical(&href, wide);
                self.anchor = self.link(Cow::Borrowed(uri), wide);
                if let Some(link) = self.anchor.and_then(|at| self.links.get_mut(at)) {
                    link.anchors.push(Text::default());
                }
                self.facts.anchors.push(Text::default());
            }
            TITLE => self.facts.titles.push(Text::default()),
            _ => {}
        }
    }

    fn image(&mut self, attributes: &Decoded<'_, '_>) {
        if self.is_inside(A) {
            self.anchor_text("<img>\n", false);
        }
        if let (Some(width), Some(height)) = (attributes.value("width"), attributes.value("height")) {
            // Percentages are of a screen of 800 by 600; what cannot be read is taken for 200.
            let side = |text: &str, percent: f64| match extent(text, percent) {
                Some(side) if side > 0.0 => side,
                _ => 200.0,
            };
            self.counts.image_area += side(&width, 8.0) * side(&height, 6.0);
        }
    }

    fn anchor_text(&mut self, text: &str, wide: bool) {
        if let Some(anchor) = self.anchor.and_then(|at| self.links.get_mut(at)).and_then(|link| link.anchors.last_mut()) {
            anchor.push(text, wide);
        }
        if let Some(anchor) = self.facts.anchors.last_mut() {
            anchor.push(text, wide);
        }
    }

    /// What the counts come to at the end of the document.
    fn conclude(&mut self) {
        let counts = std::mem::take(&mut self.counts);
        let facts = &mut self.facts;
        facts.set("image_area", counts.image_area);
        facts.set("max_size", self.styles.largest);
        facts.set("min_size", self.styles.smallest);
        let [tags, elements, extra] = [counts.tags, counts.elements, counts.closed_extra].map(f64::from);
        let [tags_seen, elements_seen, obfuscation] = [counts.tags_seen, counts.elements_seen, counts.obfuscation].map(f64::from);
        if tags > 0.0 {
            facts.set("closed_extra_ratio", extra / tags);
        }
        if counts.backhair != 0 {
            facts.set("backhair_count", f64::from(counts.backhair.count_ones()));
        }
        if elements > 0.0 {
            facts.set("bad_tag_ratio", (tags - elements) / tags);
        }
        if elements_seen > 0.0 {
            facts.set("non_element_ratio", (tags_seen - elements_seen) / tags_seen);
        }
        if obfuscation > 0.0 && tags > 0.0 {
            facts.set("obfuscation_ratio", obfuscation / tags);
        }
        facts.inside = Inside { known: std::mem::take(&mut self.inside), others: std::mem::take(&mut self.inside_others) };
        facts.links = std::mem::take(&mut self.links);
    }

    /// Text, which of its pieces are seen, and facts. `complete`: the document was read to its end.
    pub fn finish(mut self, complete: bool, length: usize) -> (Text, Vec<Seen>, HtmlFacts) {
        self.facts.set("html", 1.0);
        if complete {
            self.facts.set("length", length as f64);
            self.conclude();
        } else {
            self.facts = HtmlFacts { numbers: self.facts.numbers, broken_off: true, ..HtmlFacts::default() };
        }
        // Pieces follow each other without gaps: neighbours that are alike are one.
        let mut seen: Vec<Seen> = Vec::new();
        for piece in &self.pieces {
            match seen.last_mut().filter(|last| last.unseen == piece.unseen) {
                Some(last) => (last.end, last.wide) = (piece.end, last.wide | piece.wide),
                None => seen.push(Seen { end: piece.end, unseen: piece.unseen, wide: piece.wide }),
            }
        }
        let wide = self.pieces.iter().any(|piece| piece.wide);
        (Text { chars: self.out, wide }, seen, self.facts)
    }
}

/// How many are open after a start (1) or end (-1) tag, and whether it closed one too many.
fn opened(known: Option<i64>, change: i64) -> (i64, bool) {
    let open = known.unwrap_or(0) + change;
    (open.max(0), open < 0)
}

/// U+FEFF goes, also as three octets.
fn without_marks(href: &str, wide: bool) -> Cow<'_, str> {
    let mark = if wide { "\u{FEFF}" } else { "\u{EF}\u{BB}\u{BF}" };
    if !href.is_ascii() && href.contains(mark) { Cow::Owned(href.replace(mark, "")) } else { Cow::Borrowed(href) }
}

/// `120`, `50%`.
fn extent(text: &str, percent: f64) -> Option<f64> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let (digits, factor) = match text.strip_suffix('%') {
        Some(digits) => (digits, percent),
        None => (text, 1.0),
    };
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    all_digits.then(|| digits.parse::<f64>().ok()).flatten().map(|number| number * factor)
}

fn is_plain_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t'..=b'\r')
}

/// White space and U+00C2 U+00A0 alone.
fn is_blank(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let [b' ' | b'\t'..=b'\r', after @ ..] | [0xC3, 0x82, 0xC2, 0xA0, after @ ..] = rest {
        rest = after;
    }
    rest.is_empty()
}

impl Sink for Renderer {
    fn start(&mut self, tag: &str, attributes: &[Attribute<'_>]) -> bool {
        let Some((row, element)) = self.count(tag, 1) else { return true };
        let attributes = Decoded { attributes, input: self.input };
        if element.styling != elements::Styling::None && self.styles.open(row, element.styling, &attributes).is_err() {
            return false;
        }
        self.space(element.space);
        self.links_of(element, &attributes);
        self.tests_of(row, &attributes);
        true
    }

    fn end(&mut self, tag: &str) {
        let Some((row, element)) = self.count(tag, -1) else { return };
        if element.styling != elements::Styling::None {
            self.styles.close(row);
        }
        self.space(element.space);
    }

    fn text(&mut self, text: &str, literal: bool) {
        let (text, wide) = if literal { (Cow::Borrowed(text), self.wide()) } else { decode(text, self.input, true) };
        if self.is_inside_script() {
            self.facts.scripts.push(Text { chars: text.into_owned(), wide });
            return;
        }
        if self.is_inside_style() {
            return;
        }
        if self.is_inside(A) {
            self.anchor_text(&text, wide);
        }
        if self.is_inside(TITLE)
            && let Some(title) = self.facts.titles.last_mut()
        {
            title.push(&text, wide);
        }
        let blanks = text.bytes().take_while(|b| is_plain_space(*b)).count();
        let unseen = if text.get(blanks..).is_none_or(is_blank) { None } else { self.styles.unseen() };
        match unseen {
            Some(Unseen::LowContrast) => self.facts.set("font_low_contrast", 1.0),
            Some(Unseen::InvalidColour) => self.facts.set("font_invalid_color", 1.0),
            Some(Unseen::Hidden) | None => {}
        }
        self.note_break(&text, wide);
        self.push_text(&text, blanks, unseen.is_some(), wide);
    }

    fn comment(&mut self, text: &str) {
        let text = self.raw(text);
        self.facts.comments.push(text);
    }

    fn declaration(&mut self, text: &str) {
        if text.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("<!doctype")) {
            self.counts.elements += 1;
            self.counts.tags += 1;
            self.inside_others.insert("!doctype".to_owned(), 0);
        }
    }
}
