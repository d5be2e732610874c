//! Shapes of Received lines: patterns over words and addresses, and what is asked of a line before one is tried.
//!
//! In a shape `<helo>`, `<rdns>`, `<by>` and their kin stand for a word, `<helo?>` for a word that may be empty, `<ip>` for
//! an address, `<boxed ip>` for one whose place is plain from what stands around it, so that what stands there is read
//! after the match, and `LOCALHOST` for the names of this host.

use crate::mail::ip;
use crate::pattern::{Found, Pattern};
use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};
use std::ops::Range;
use std::sync::OnceLock;

/// Steps of one search: lines as programs write them take some hundred.
const STEPS: u64 = 30_000;

/// A text that is looked for in every line.
pub struct Mark {
    text: &'static str,
    finder: OnceLock<Finder<'static>>,
}

impl Mark {
    pub const fn new(text: &'static str) -> Mark {
        Mark { text, finder: OnceLock::new() }
    }

    pub fn is_in(&self, line: &[u8]) -> bool {
        self.finder().find(line).is_some()
    }

    /// Where it stands in a line.
    pub fn places<'l>(&'l self, line: &'l [u8]) -> impl Iterator<Item = usize> + 'l {
        self.finder().find_iter(line)
    }

    /// Where what follows it begins.
    pub fn ends<'l>(&'l self, line: &'l [u8]) -> impl Iterator<Item = usize> + 'l {
        self.places(line).map(|at| at + self.text.len())
    }

    fn finder(&self) -> &Finder<'static> {
        self.finder.get_or_init(|| Finder::new(self.text))
    }
}

/// Marks that are looked for together: where none of them stands, none has to be looked for alone.
pub struct Marks {
    any: OnceLock<Option<Regex>>,
}

impl Marks {
    pub const fn new() -> Marks {
        Marks { any: OnceLock::new() }
    }

    /// Whether one of them, which are always the same, stands in a line.
    pub fn any<'m>(&self, line: &[u8], marks: impl Iterator<Item = &'m Mark>) -> bool {
        let any = self.any.get_or_init(|| {
            let literals: Vec<String> = marks.map(|mark| regex::escape(mark.text)).collect();
            RegexBuilder::new(&literals.join("|")).unicode(false).build().ok()
        });
        any.as_ref().is_none_or(|any| any.is_match(line))
    }
}

/// A shape that is compiled when first needed.
pub struct Shape {
    pub text: &'static str,
    compiled: OnceLock<Option<Pattern>>,
    opening: Opening,
}

impl Shape {
    pub const fn new(text: &'static str) -> Shape {
        Shape { text, compiled: OnceLock::new(), opening: Opening::of(text.as_bytes()) }
    }

    pub fn pattern(&self) -> Option<&Pattern> {
        self.compiled.get_or_init(|| Pattern::bounded(expand(self.text).as_bytes(), STEPS).ok()).as_ref()
    }

    pub fn is_match(&self, line: &[u8]) -> bool {
        self.find(line).is_some()
    }

    /// Where it stands in a line.
    pub fn find(&self, line: &[u8]) -> Option<Range<usize>> {
        match self.pattern()?.find(line, 0) {
            Found::Hit(place) => Some(place),
            Found::Miss | Found::OverBudget => None,
        }
    }

    /// Whether a line that begins so may match.
    pub fn may_match(&self, line: Beginning) -> bool {
        line.first & self.opening.line.first != 0 && line.second & self.opening.mask == self.opening.line.second
    }

    /// A match whose addresses are addresses.
    pub fn captures<'l>(&'l self, line: &'l [u8]) -> Option<Groups<'l>> {
        let pattern = self.pattern()?;
        let found = Groups { line, spans: pattern.captures(line)?, pattern };
        found.get("ip").is_none_or(is_address).then_some(found)
    }
}

/// How a line begins. Words of a line have one space between them.
#[derive(Clone, Copy)]
pub struct Beginning {
    /// What its first octet may be of, by bit.
    first: u8,
    /// Four octets behind its first word.
    second: u32,
}

/// Bits of `Beginning::first`.
const SQUARE: u8 = 1;
const ROUND: u8 = 2;
const ADDRESS: u8 = 4;
const ANY: u8 = 8;

impl Beginning {
    pub fn of(line: &[u8]) -> Beginning {
        let first = match line.first() {
            Some(b'[') => SQUARE,
            Some(b'(') => ROUND,
            Some(b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' | b'i' | b'I' | b':') => ADDRESS,
            Some(_) | None => 0,
        };
        let second = memchr::memchr(b' ', line).map_or(&[][..], |space| &line[space + 1..]);
        let octet = |at| second.get(at).copied().unwrap_or(0);
        Beginning { first: first | ANY, second: u32::from_be_bytes([octet(0), octet(1), octet(2), octet(3)]) }
    }
}

/// What a line must begin with to match a shape.
struct Opening {
    line: Beginning,
    /// Bits of `line.second` that matter.
    mask: u32,
}

impl Opening {
    const fn of(shape: &[u8]) -> Opening {
        let first = match shape {
            [b'^', b'\\', b'[', after, ..] if *after != b'?' => SQUARE,
            [b'^', b'\\', b'(', after, ..] if *after != b'?' => ROUND,
            [b'^', b'<', b'i', b'p', b'>', ..] => ADDRESS,
            _ => ANY,
        };
        let words: [&[u8]; 5] = [b"^<helo> ", b"^<rdns> ", b"^\\S+ ", b"^<ip> ", b"^\\[<ip>\\] "];
        let (mut second, mut mask) = (0, 0);
        let mut at = 0;
        while at < words.len() {
            if let Some((start, rest)) = shape.split_at_checked(words[at].len())
                && same(start, words[at])
            {
                (second, mask) = literal(rest);
            }
            at += 1;
        }
        Opening { line: Beginning { first, second }, mask }
    }
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// Up to four octets of literal text that a shape begins with, and their mask.
const fn literal(mut shape: &[u8]) -> (u32, u32) {
    let (mut text, mut mask, mut shift) = (0, 0, 32);
    while shift > 0 {
        let (octet, rest) = match shape {
            [b'\\', octet @ (b'(' | b')' | b'[' | b']'), rest @ ..] => (*octet, rest),
            [octet @ (b' ' | b'a'..=b'z' | b'A'..=b'Z'), rest @ ..] => (*octet, rest),
            _ => break,
        };
        if matches!(rest, [b'?' | b'*' | b'+' | b'{', ..]) {
            break;
        }
        shift -= 8;
        text |= (octet as u32) << shift;
        mask |= 0xFF << shift;
        shape = rest;
    }
    (text, mask)
}

/// What the groups of a shape stand for in a line.
pub struct Groups<'l> {
    line: &'l [u8],
    spans: Vec<Option<Range<usize>>>,
    pattern: &'l Pattern,
}

impl<'l> Groups<'l> {
    /// Names with what they stand for.
    pub fn all(&self) -> impl Iterator<Item = (&'l str, &'l [u8])> {
        self.pattern.named_groups().filter_map(|(name, number)| Some((name, self.line.get(self.spans.get(number)?.clone()?)?)))
    }

    pub fn get(&self, name: &str) -> Option<&'l [u8]> {
        self.all().find_map(|(known, octets)| (known == name).then_some(octets))
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(text)
    }
}

/// The pattern is loose on IPv6; brackets may stand around it.
fn is_address(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"[").unwrap_or(text);
    let text = text.strip_suffix(b"]").unwrap_or(text);
    ip::length_at(text, 0) == Some(text.len())
}

const QUAD: &str = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}";
const LOCALHOST: &str = r"(?i:localhost(?:\.localdomain)?|127\.0\.0\.1|(?:IPv6:)?(?:0{0,4}:){1,7}(?:ffff:127\.0\.0\.1|0{0,3}1))";

fn expand(shape: &str) -> String {
    let address = format!(r"(?:{QUAD}|(?i:IPv6:)?[0-9A-Fa-f]{{0,4}}:[0-9A-Fa-f:]{{1,38}}(?:{QUAD})?)");
    // A group that is written out keeps its name.
    let mut text = shape.replace("(?P<", "(?P\0");
    text = text
        .replace("<boxed ip>", "(?P\0ip>[0-9A-Fa-fIPVipv.:]+)")
        .replace("<ip>", &format!("(?P\0ip>{address})"))
        .replace("<an ip>", &address)
        .replace("LOCALHOST", LOCALHOST);
    for name in ["helo", "rdns", "by", "ident", "word"] {
        text =
            text.replace(&format!("<{name}>"), &format!("(?P\0{name}>\\S+)")).replace(&format!("<{name}?>"), &format!("(?P\0{name}>\\S*)"));
    }
    text.replace("(?P\0", "(?P<")
}

pub fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_word_is_told_from_the_shape() {
        for (shape, second) in [
            (r"^<helo> \(<rdns> \[<ip>\]\) by <by> ", "("),
            (r"^<helo> \(\[?<ip>\]?\) by", "("),
            (r"^\S+ \( \[<ip>\]\).*? by <by> ", "( ["),
            (r"^<rdns> \((?:HELO|EHLO) <helo?>\)", "("),
            (r"^\S+ by \S+ with BSMTP", "by "),
            (r"^<ip> by <by>", "by "),
            (r"^\[<ip>\] \((?P<sub>[^\)]+)\) by <by> ", "("),
            (r"^<rdns>\(<ip>\) by", ""),
        ] {
            let Opening { line, mask } = Opening::of(shape.as_bytes());
            let expected: Vec<u8> = second.bytes().take(4).chain([0; 4]).take(4).collect();
            assert_eq!(
                (line.second.to_be_bytes().as_slice(), mask.count_ones() as usize),
                (&*expected, 8 * second.len().min(4)),
                "{shape}"
            );
        }
    }
}
