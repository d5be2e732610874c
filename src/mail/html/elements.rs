//! The elements that SpamAssassin knows, and what each does to text, style and links. One row an element.

/// White space that an element puts into the text at its start and its end alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    None,
    Blank,
    Line,
    Paragraph,
}

/// Which attributes of an element hold links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    None,
    Background,
    Href,
    Src,
    Action,
    Base,
    Refresh,
}

/// Which attributes change the style of the text inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Styling {
    /// None, and the element has no style of its own.
    None,
    Bigger,
    Smaller,
    /// `style`.
    Css,
    /// `color`, `size`, `face`.
    Font,
    /// As `Font`, and `size` sets what relative sizes start from.
    BaseFont,
    /// `text`.
    Body,
}

#[derive(Debug)]
pub struct Element {
    pub name: &'static str,
    /// Named by HTML 4.01 or XHTML 1.0, or else only rendered.
    pub standard: bool,
    pub space: Space,
    pub styling: Styling,
    pub links: Links,
}

const fn row(name: &'static str, space: Space, styling: Styling, links: Links) -> Element {
    Element { name, standard: true, space, styling, links }
}

const fn plain(name: &'static str) -> Element {
    row(name, Space::None, Styling::None, Links::None)
}

const fn spaced(name: &'static str, space: Space) -> Element {
    row(name, space, Styling::None, Links::None)
}

const fn unlisted(name: &'static str, space: Space, links: Links) -> Element {
    Element { name, standard: false, space, styling: Styling::None, links }
}

/// In order of their names.
pub const ELEMENTS: &[Element] = &[
    row("a", Space::None, Styling::Css, Links::Href),
    plain("abbr"),
    plain("acronym"),
    plain("address"),
    plain("applet"),
    row("area", Space::None, Styling::None, Links::Href),
    plain("b"),
    row("base", Space::None, Styling::None, Links::Base),
    row("basefont", Space::None, Styling::BaseFont, Links::None),
    plain("bdo"),
    unlisted("bgsound", Space::None, Links::Src),
    row("big", Space::None, Styling::Bigger, Links::None),
    spaced("blockquote", Space::Paragraph),
    row("body", Space::None, Styling::Body, Links::Background),
    spaced("br", Space::Line),
    plain("button"),
    plain("caption"),
    plain("center"),
    plain("cite"),
    plain("code"),
    plain("col"),
    plain("colgroup"),
    spaced("dd", Space::Blank),
    plain("del"),
    plain("dfn"),
    plain("dir"),
    row("div", Space::Line, Styling::Css, Links::None),
    plain("dl"),
    spaced("dt", Space::Blank),
    plain("em"),
    unlisted("embed", Space::Blank, Links::Src),
    plain("fieldset"),
    row("font", Space::None, Styling::Font, Links::None),
    row("form", Space::None, Styling::None, Links::Action),
    row("frame", Space::None, Styling::None, Links::Src),
    plain("frameset"),
    spaced("h1", Space::Blank),
    spaced("h2", Space::Blank),
    spaced("h3", Space::Blank),
    spaced("h4", Space::Blank),
    spaced("h5", Space::Blank),
    spaced("h6", Space::Blank),
    plain("head"),
    spaced("hr", Space::Paragraph),
    plain("html"),
    plain("i"),
    row("iframe", Space::None, Styling::None, Links::Src),
    row("img", Space::None, Styling::None, Links::Src),
    plain("input"),
    plain("ins"),
    plain("isindex"),
    plain("kbd"),
    plain("label"),
    plain("legend"),
    spaced("li", Space::Blank),
    row("link", Space::None, Styling::None, Links::Href),
    unlisted("listing", Space::Paragraph, Links::None),
    plain("map"),
    plain("menu"),
    row("meta", Space::None, Styling::None, Links::Refresh),
    plain("nobr"),
    plain("noframes"),
    plain("noscript"),
    plain("object"),
    plain("ol"),
    plain("optgroup"),
    plain("option"),
    row("p", Space::Paragraph, Styling::Css, Links::None),
    plain("param"),
    unlisted("plaintext", Space::Paragraph, Links::None),
    spaced("pre", Space::Paragraph),
    plain("q"),
    plain("s"),
    plain("samp"),
    row("script", Space::None, Styling::None, Links::Src),
    plain("select"),
    row("small", Space::None, Styling::Smaller, Links::None),
    row("span", Space::None, Styling::Css, Links::None),
    plain("strike"),
    plain("strong"),
    plain("style"),
    plain("sub"),
    plain("sup"),
    row("table", Space::None, Styling::Css, Links::Background),
    plain("tbody"),
    row("td", Space::Blank, Styling::Css, Links::Background),
    plain("textarea"),
    plain("tfoot"),
    row("th", Space::Blank, Styling::Css, Links::None),
    plain("thead"),
    spaced("title", Space::Paragraph),
    row("tr", Space::None, Styling::Css, Links::Background),
    plain("tt"),
    plain("u"),
    plain("ul"),
    plain("var"),
    plain("x-sigsep"),
    plain("x-tab"),
    unlisted("xmp", Space::Paragraph, Links::None),
];

const COUNT: usize = ELEMENTS.len();

/// Octets of a name that make its key.
const KEY: usize = 8;

const fn key(name: &[u8]) -> u64 {
    let (mut key, mut at) = (0, 0);
    while at < name.len() && at < KEY {
        key = key << 8 | name[at].to_ascii_lowercase() as u64;
        at += 1;
    }
    key
}

const SLOTS: usize = 256;
const NO_ROW: u8 = u8::MAX;

/// Rows by the hash of their key, or else in the next slot that is free.
static ROWS: [u8; SLOTS] = {
    let mut rows = [NO_ROW; SLOTS];
    let mut row = 0;
    while row < COUNT {
        let mut slot = slot_of(key(ELEMENTS[row].name.as_bytes()));
        while rows[slot] != NO_ROW {
            slot = (slot + 1) % SLOTS;
        }
        rows[slot] = row as u8;
        row += 1;
    }
    rows
};

/// Fibonacci hashing.
const fn slot_of(key: u64) -> usize {
    (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as usize
}

static KEYS: [u64; COUNT] = {
    let mut keys = [0; COUNT];
    let mut at = 0;
    while at < COUNT {
        keys[at] = key(ELEMENTS[at].name.as_bytes());
        at += 1;
    }
    keys
};

/// The row of a name that is in the table.
pub const fn row_of(name: &str) -> usize {
    let mut at = 0;
    while at < COUNT && !ELEMENTS[at].name.eq_ignore_ascii_case(name) {
        at += 1;
    }
    at
}

/// The row of a name of any case.
pub fn find(name: &str) -> Option<(usize, &'static Element)> {
    let key = key(name.as_bytes());
    let mut slot = slot_of(key);
    loop {
        let row = usize::from(ROWS[slot]);
        if *KEYS.get(row)? == key {
            let is_it =
                |element: &&Element| element.name.len() == name.len() && (name.len() <= KEY || element.name.eq_ignore_ascii_case(name));
            return ELEMENTS.get(row).filter(is_it).map(|element| (row, element));
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// A name in the namespaces that word processors write (`o:p`, `st1:place`).
pub fn is_word_processor_name(name: &str) -> bool {
    let Some((space, local)) = name.split_once(':') else { return false };
    let mut letters = space.strip_prefix("st").unwrap_or("").chars();
    let smart_tag = matches!((letters.next(), letters.next()), (Some(c), None) if c.is_numeric());
    let local = local.strip_suffix('/').unwrap_or(local);
    (space == "o" || smart_tag) && !local.is_empty() && local.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_in_order() {
        assert!(ELEMENTS.is_sorted_by_key(|element| element.name));
        assert!(KEYS.iter().enumerate().all(|(row, key)| !KEYS[..row].contains(key)));
        assert_eq!(find("TITLE").map(|(_, element)| element.name), Some("title"));
        assert!(find("titles").is_none() && find("titl").is_none() && find("").is_none());
        assert!(find("title\0").is_none() && find("0").is_none() && find("a23456789012345678").is_none() && find("blockquotf").is_none());
        assert!(ELEMENTS.iter().enumerate().all(|(row, element)| row_of(element.name) == row));
    }

    #[test]
    fn names_of_word_processors_are_known_by_their_namespace() {
        for (name, known) in [("o:p", true), ("o:p/", true), ("st1:city", true), ("st:city", false), ("v:shape", false), ("o:", false)] {
            assert_eq!(is_word_processor_name(name), known, "{name}");
        }
    }
}
