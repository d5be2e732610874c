//! Captured tags (`(?<NAME>…)`) and the patterns that are made of them for each message (`%{NAME}`).
//!
//! Mail::SpamAssassin::Conf, "CAPTURING TAGS USING REGEX NAMED CAPTURE GROUPS".

use crate::outcome::View;
use crate::pattern::{Found, Pattern};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A rule whose pattern has `%{NAME}` in it.
#[derive(Clone, Debug)]
pub struct TemplateRow {
    pub rule: u32,
    pub view: View,
    pieces: Vec<Piece>,
    /// Some tag stands inside a negative look-around: its value need not occur in what matches.
    inside_negation: bool,
    /// The pattern with anything at all for its tags: where it does not match, no value makes it match.
    hull: Option<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Arc<str>),
    Tag(Arc<str>),
}

/// Values of tags, by name.
#[derive(Clone, Debug, Default)]
pub struct Tags {
    values: BTreeMap<Arc<str>, Vec<Vec<u8>>>,
}

impl Tags {
    /// A rule has run: what it captured takes the place of what the tag held. Values come once each, in order.
    pub fn set(&mut self, name: &str, values: Vec<Vec<u8>>) {
        // PerMsgStatus, set_captures: only such names become tags.
        if !is_tag_name(name) {
            return;
        }
        let mut distinct: Vec<Vec<u8>> = Vec::with_capacity(values.len());
        for value in values {
            if !distinct.contains(&value) {
                distinct.push(value);
            }
        }
        self.values.insert(Arc::from(name), distinct);
    }

    pub fn get(&self, name: &str) -> Option<&[Vec<u8>]> {
        self.values.get(name).map(Vec::as_slice)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Vec<Vec<u8>>)> {
        self.values.iter()
    }
}

/// `[A-Z][A-Z0-9]*(_[A-Z0-9]+)*`
fn is_tag_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.split('_').all(|word| !word.is_empty() && word.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()))
}

impl TemplateRow {
    pub fn new(rule: u32, view: View, text: &str) -> TemplateRow {
        let (pieces, inside_negation) = split(text);
        let hull = hull(&pieces);
        TemplateRow { rule, view, pieces, inside_negation, hull }
    }

    /// The names it waits for.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Tag(name) => Some(&**name),
            Piece::Text(_) => None,
        })
    }

    /// Tells of texts whether the pattern can match there at all, given the values of its tags: each tag needs one of its
    /// values there.
    pub fn may_match<'t>(&'t self, values: &'t [Vec<Vec<u8>>]) -> impl Fn(&[u8]) -> bool + 't {
        let needles: Vec<Vec<Needle<'t>>> =
            values.iter().map(|values| values.iter().filter_map(|value| Needle::new(value)).collect()).collect();
        let hull = |text: &[u8]| self.hull.as_ref().is_none_or(|hull| !matches!(hull.find(text, 0), Found::Miss));
        move |text| self.inside_negation || needles.iter().all(|tag| tag.iter().any(|needle| needle.occurs(text))) && hull(text)
    }

    /// The pattern for one message; `None` where a tag has no value (the rule does not run) or the text is no pattern.
    pub fn fill(&self, values: &[Vec<Vec<u8>>]) -> Option<Pattern> {
        let mut text = String::new();
        let mut tags = values.iter();
        for piece in &self.pieces {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Tag(_) => {
                    let values: Vec<&Vec<u8>> = tags.next()?.iter().filter(|value| !value.is_empty()).collect();
                    if values.is_empty() {
                        return None;
                    }
                    text.push_str("(?:");
                    for (at, value) in values.iter().enumerate() {
                        if at > 0 {
                            text.push('|');
                        }
                        quote(value, &mut text);
                    }
                    text.push(')');
                }
            }
        }
        Pattern::from_rule(&text).ok()
    }
}

/// Perl's quotemeta, in ASCII: letters, digits and `_` stay, all else is given by its number, so that no delimiter
/// of the rule can occur in it.
fn quote(value: &[u8], text: &mut String) {
    for octet in value {
        match octet {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' => text.push(char::from(*octet)),
            other => text.push_str(&format!("\\x{other:02x}")),
        }
    }
}

/// A value that texts are looked through for.
struct Needle<'v> {
    value: &'v [u8],
    /// The place of an octet that texts have seldom: in an address its `@`.
    anchor: usize,
    octet: u8,
}

impl<'v> Needle<'v> {
    /// `None`: the value is empty.
    fn new(value: &'v [u8]) -> Option<Needle<'v>> {
        let rare = |octet: &u8| octet.is_ascii_punctuation() && !b"./-".contains(octet);
        let anchor = value.iter().position(rare).unwrap_or(0);
        value.get(anchor).map(|octet| Needle { value, anchor, octet: *octet })
    }

    /// With letters of either case and any octets above ASCII taken for equal: never misses a match.
    fn occurs(&self, text: &[u8]) -> bool {
        let same = |a: u8, b: u8| a.eq_ignore_ascii_case(&b) || (a >= 0x80 && b >= 0x80);
        let stands_around = |at: usize| {
            let there = at.checked_sub(self.anchor).and_then(|from| text.get(from..from + self.value.len()));
            there.is_some_and(|there| there.iter().zip(self.value).all(|(a, b)| same(*a, *b)))
        };
        if self.octet.is_ascii() {
            memchr::memchr2_iter(self.octet.to_ascii_lowercase(), self.octet.to_ascii_uppercase(), text).any(stands_around)
        } else {
            (0..text.len()).any(|at| !text[at].is_ascii() && stands_around(at))
        }
    }
}

/// See `TemplateRow::hull`. What a tag stands for may be given back only where nothing is atomic.
fn hull(pieces: &[Piece]) -> Option<Pattern> {
    let text: String = pieces.iter().map(|piece| if let Piece::Text(text) = piece { text } else { "(?s:.*)" }).collect();
    let atomic = ["(?>", "(*", "*+", "++", "?+", "}+"].iter().any(|mark| text.contains(mark));
    if atomic { None } else { Pattern::from_rule(&text).ok() }
}

/// `%{NAME}` or `%{NAME(argument)}`, unless a backslash stands before it. A delimiter that the values would break
/// (`|`) is exchanged, since values are joined by it.
fn split(text: &str) -> (Vec<Piece>, bool) {
    let text = other_delimiter(text);
    let mut pieces = Vec::new();
    let mut negation = false;
    let mut from = 0;
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find("%{")) {
        let start = at + found;
        at = start + 2;
        let escaped = text.as_bytes().get(start.wrapping_sub(1)) == Some(&b'\\');
        let Some(length) = text.get(at..).and_then(|rest| rest.find('}')) else { break };
        let Some(name) = text.get(at..at + length) else { break };
        let plain = name.split('(').next().unwrap_or("");
        if escaped || !is_tag_name(plain) {
            continue;
        }
        if let Some(before) = text.get(from..start).filter(|before| !before.is_empty()) {
            pieces.push(Piece::Text(Arc::from(before)));
        }
        negation |= in_negation(text.get(..start).unwrap_or(""));
        pieces.push(Piece::Tag(Arc::from(name)));
        at += length + 1;
        from = at;
    }
    if let Some(rest) = text.get(from..).filter(|rest| !rest.is_empty()) {
        pieces.push(Piece::Text(Arc::from(rest)));
    }
    (pieces, negation)
}

/// `m|a|i` with values joined by `|` would end early; `m{a}i` may nest.
fn other_delimiter(text: &str) -> String {
    let Some(rest) = text.strip_prefix("m|").or_else(|| text.strip_prefix("qr|")) else { return text.to_owned() };
    match rest.rsplit_once('|') {
        // An escaped bar stays an escaped bar.
        Some((body, modifiers)) => format!("m\u{1}{body}\u{1}{modifiers}"),
        None => text.to_owned(),
    }
}

/// Whether a place lies inside `(?!…)` or `(?<!…)`.
fn in_negation(before: &str) -> bool {
    let octets = before.as_bytes();
    let mut open: Vec<bool> = Vec::new();
    let mut at = 0;
    while let Some(octet) = octets.get(at) {
        match octet {
            b'\\' => at += 1,
            b'(' => {
                let rest = octets.get(at + 1..).unwrap_or(&[]);
                open.push(rest.starts_with(b"?!") || rest.starts_with(b"?<!"));
            }
            b')' => drop(open.pop()),
            _ => {}
        }
        at += 1;
    }
    open.contains(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_cut_at_its_tags() {
        let (pieces, negation) = split(r"/\%{NO}ref %{ORDER} x%{A_B(1)}/i");
        let text = |t: &str| Piece::Text(Arc::from(t));
        let tag = |t: &str| Piece::Tag(Arc::from(t));
        assert_eq!(pieces, [text(r"/\%{NO}ref "), tag("ORDER"), text(" x"), tag("A_B(1)"), text("/i")]);
        assert!(!negation);
        assert!(split("/(?<!a%{X})/").1);
        assert!(!split(r"/(?<!a)\((?:%{X})/").1);
    }

    #[test]
    fn a_value_is_quoted_whatever_the_delimiter() {
        let mut text = String::new();
        quote(b"a.b@c|/\xe9", &mut text);
        assert_eq!(text, r"a\x2eb\x40c\x7c\x2f\xe9");
        assert_eq!(split("m|a%{X}|i").0.first(), Some(&Piece::Text(Arc::from("m\u{1}a"))));
    }

    #[test]
    fn only_such_names_become_tags() {
        let mut tags = Tags::default();
        for name in ["A", "A_B2", "a", "_A", "A__B", "A_"] {
            tags.set(name, vec![b"1".to_vec(), b"2".to_vec(), b"1".to_vec()]);
        }
        assert_eq!(tags.iter().map(|(name, values)| (&**name, values.len())).collect::<Vec<_>>(), [("A", 2), ("A_B2", 2)]);
    }

    #[test]
    fn a_text_is_tried_where_value_and_pattern_may_stand() {
        let row = |text: &str| TemplateRow::new(0, View::Uri, text);
        let values = [vec![b"a@b.example".to_vec()]];
        let links = row("m|^https?://x/.{2,9}#%{TO}|i");
        let may_match = links.may_match(&values);
        assert!(may_match(b"http://x/abc#A@b.example"));
        assert!(!may_match(b"mailto:a@b.example"));
        assert!(!may_match(b"http://x/abc#c@b.example"));
        assert!(row("/(?>x%{TO}+)y/").hull.is_none());
    }

    #[test]
    fn a_value_occurs_in_either_case() {
        let occurs = |value: &[u8], text: &[u8]| Needle::new(value).is_some_and(|needle| needle.occurs(text));
        assert!(occurs(b"A@b.Example", b"mailto:a@B.example?x"));
        assert!(!occurs(b"a@b.example", b"mailto:a@b.exampl"));
        assert!(!occurs(b"a@b.example", b"@b.example"));
        assert!(occurs("\u{e9}x".as_bytes(), b"a\xc3\xa8X"));
        assert!(!occurs(b"", b"x"));
    }
}
