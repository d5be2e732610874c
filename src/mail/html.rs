//! HTML to text with visibility, links and facts, as SpamAssassin's parser sees it.

/// What eval functions ask of the last HTML part.
#[derive(Clone, Debug, Default)]
pub struct HtmlFacts {}

/// One HTML part, rendered.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// All text, what `body` rules see; white space is not collapsed yet (`text` does that over all parts).
    pub text: String,
    /// The part of it that a reader can see, and what is hidden from him.
    pub visible: String,
    pub invisible: String,
    /// The strings are characters; otherwise each char below U+0100 stands for one octet (`normalize_charset 0`).
    pub characters: bool,
    pub facts: HtmlFacts,
    pub links: Vec<HtmlLink>,
}

/// A link of an HTML part, raw, as `html_all`'s uri_detail has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HtmlLink {
    pub raw: Vec<u8>,
    /// Elements that held it: `a`, `img`, `form` …
    pub elements: Vec<&'static str>,
    pub anchors: Vec<Vec<u8>>,
}

/// Renders a decoded part. `characters`: `source` was decoded by its charset; otherwise each char stands for one octet.
/// `octets`: length of the part before charset decoding (for the ratio).
pub fn render(source: &str, characters: bool, octets: usize) -> Rendered {
    let _ = (source, octets);
    Rendered { characters, ..Rendered::default() }
}
