//! HTML to text with visibility, links and facts, as SpamAssassin's parser sees it.

mod facts;

pub use facts::{Fact, HtmlFacts, HtmlLink};

/// A string as Perl holds it. Where it is not `wide`, each char is below U+0100 and stands for one octet: white space
/// and letters are ASCII's alone then, and what stays so to the end is matched as those octets, not as UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    pub chars: String,
    pub wide: bool,
}

impl Text {
    /// The octets that patterns match: UTF-8 where wide.
    pub fn octets(&self) -> Vec<u8> {
        if self.wide || self.chars.is_ascii() {
            self.chars.as_bytes().to_vec()
        } else {
            self.chars.chars().map(|c| c as u32 as u8).collect()
        }
    }
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
    /// The part of it that a reader can see, and what is hidden from him.
    pub visible: Text,
    pub invisible: Text,
    pub facts: HtmlFacts,
}

/// Renders a decoded part. `octets`: length of the part before charset decoding (for the ratio).
pub fn render(_source: &str, _input: Input, _octets: usize) -> Rendered {
    Rendered::default()
}
