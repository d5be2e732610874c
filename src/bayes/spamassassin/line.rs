//! A line of text to SpamAssassin's tokens (Bayes.pm, _tokenize_line). Everything is octets; words are ASCII's.

use super::options::Stopwords;
use regex::bytes::Regex;
use std::sync::LazyLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    Field,
    Text,
    Link,
    /// A link of HTML beyond ASCII, as Latin-1: to Perl its octets are characters, with Unicode's letters and cases.
    LatinLink,
}

impl Region {
    fn is_letter(self, octet: u8) -> bool {
        match self {
            Region::Field | Region::Text | Region::Link => octet.is_ascii_alphanumeric(),
            Region::LatinLink => char::from(octet).is_alphabetic() || octet.is_ascii_digit(),
        }
    }

    fn lower(self, word: &[u8]) -> Vec<u8> {
        let lower = |octet: &u8| match (self, octet) {
            (Region::LatinLink, 0xC0..=0xD6 | 0xD8..=0xDE) => octet + 0x20,
            (Region::Field | Region::Text | Region::Link | Region::LatinLink, _) => octet.to_ascii_lowercase(),
        };
        word.iter().map(lower).collect()
    }

    fn is_link(self) -> bool {
        match self {
            Region::Field | Region::Text => false,
            Region::Link | Region::LatinLink => true,
        }
    }
}

/// Runs of dots and dashes between words, and capitals that only begin a sentence.
struct Patterns {
    dots: Regex,
    dashes: Regex,
    title: Regex,
}

static PATTERNS: LazyLock<Option<Patterns>> = LazyLock::new(|| {
    Some(Patterns {
        dots: Regex::new(r"(?-u)(\w)(\.{3,6})(\w)").ok()?,
        dashes: Regex::new(r"(?-u)(\w)(-{2,6})(\w)").ok()?,
        title: Regex::new(r"(?-u)(?:^|\.\s+)([A-Z])([^A-Z]+)(?:\s|$)").ok()?,
    })
});

/// Reads lines; hands on one token after the other.
pub struct Lines<'e> {
    pub stopwords: &'e Stopwords,
    pub longest: usize,
    /// Tokens handed on so far.
    pub count: usize,
    pub each: &'e mut dyn FnMut(&[u8]),
}

impl Lines<'_> {
    pub fn read(&mut self, text: &[u8], prefix: &[u8], region: Region) {
        let text = spaced(text, region);
        for word in text.split(u8::is_ascii_whitespace) {
            let word = trimmed(word);
            if word.len() >= 3 && !self.stopwords.holds(word) {
                self.word(word, prefix, region);
            }
        }
    }

    fn word(&mut self, word: &[u8], prefix: &[u8], region: Region) {
        let in_body = region != Region::Field;
        if in_body {
            self.addresses_and_domains(word);
        }
        let mut shortened = None;
        if word.len() > self.longest && !word.contains(&b'*') {
            let wide = wide_characters(word);
            if !wide.is_empty() {
                wide.iter().for_each(|character| self.push(&[prefix, b"u8:", character]));
                return;
            }
            // Links are kept whole.
            if !region.is_link() {
                shortened = beginning(word).map(|beginning| [b"sk:", beginning].concat());
            }
        }
        let word = shortened.as_deref().unwrap_or(word);
        if in_body {
            self.plainer(word, prefix, region);
        }
        self.push(&[prefix, word]);
    }

    /// Parts of what looks like an address or a host; these have no prefix of their region.
    fn addresses_and_domains(&mut self, word: &[u8]) {
        let at_inside = word.windows(3).any(|w| w[1] == b'@');
        if at_inside {
            for token in of_address(word) {
                self.push(&[&token]);
            }
        } else if word.windows(3).any(|w| w[1] == b'.' && w[2].is_ascii_alphabetic()) {
            self.push(&[b"UD:", word]);
            for parent in parents(word) {
                self.push(&[b"UD:", parent]);
            }
        }
    }

    /// The word without its odd characters, in lower case, and both.
    fn plainer(&mut self, word: &[u8], prefix: &[u8], region: Region) {
        let is_plain = |octet: &u8| region.is_letter(*octet) || matches!(octet, b'_' | b':' | b'*');
        let odd = !word.iter().all(is_plain);
        let bare: Vec<u8> = word.iter().copied().filter(is_plain).collect();
        if odd {
            self.push(&[prefix, &bare]);
        }
        if word.iter().any(u8::is_ascii_uppercase) {
            self.push(&[prefix, &region.lower(word)]);
            if odd {
                self.push(&[prefix, &region.lower(&bare)]);
            }
        }
    }

    fn push(&mut self, pieces: &[&[u8]]) {
        self.count += 1;
        let token = pieces.concat();
        if !token.is_empty() {
            (self.each)(&token);
        }
    }
}

/// `U*` and `D*` tokens of an address.
pub fn of_address(address: &[u8]) -> Vec<Vec<u8>> {
    let Some(at) = memchr::memrchr(b'@', address).filter(|at| *at > 0 && at + 1 < address.len()) else {
        return last_but_one(address);
    };
    split_address(&address[..at], &address[at + 1..])
}

/// The last `@` ends the address: the one before it parts it.
fn last_but_one(address: &[u8]) -> Vec<Vec<u8>> {
    let Some(end) = address.len().checked_sub(1) else { return Vec::new() };
    match memchr::memrchr(b'@', &address[..end]).filter(|at| *at > 0) {
        Some(at) => split_address(&address[..at], &address[at + 1..]),
        None => Vec::new(),
    }
}

fn split_address(user: &[u8], host: &[u8]) -> Vec<Vec<u8>> {
    let domains = std::iter::once(host).chain(parents(host)).map(|domain| [b"D*", domain].concat());
    std::iter::once([b"U*", user].concat()).chain(domains).collect()
}

/// What is left of a host when its labels are taken off from the left; ends at an empty label.
fn parents(host: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(parent(host), |host| parent(host))
}

fn parent(host: &[u8]) -> Option<&[u8]> {
    let dot = memchr::memchr(b'.', host).filter(|dot| *dot > 0)?;
    Some(&host[dot + 1..]).filter(|rest| !rest.is_empty())
}

/// What is no word character becomes a space; a character of UTF-8 stays whole.
fn spaced(text: &[u8], region: Region) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&octet) = text.get(at) {
        let width = width(&text[at..]);
        let is_kept = width > 1 || octet >= 0xA1 || octet.is_ascii_alphanumeric() || b",@*!_'\"$. -".contains(&octet);
        if is_kept {
            out.extend_from_slice(&text[at..at + width]);
        } else {
            out.push(b' ');
        }
        at += width;
    }
    let Some(patterns) = PATTERNS.as_ref() else { return out };
    let apart = &b"$1 $2 $3"[..];
    if memchr::memmem::find(&out, b"...").is_some() {
        out = patterns.dots.replace_all(&out, apart).into_owned();
    }
    if memchr::memmem::find(&out, b"--").is_some() {
        out = patterns.dashes.replace_all(&out, apart).into_owned();
    }
    match region {
        Region::Field => out,
        Region::Text | Region::Link | Region::LatinLink => patterns
            .title
            .replace_all(&out, |found: &regex::bytes::Captures<'_>| {
                [b" ", found[1].to_ascii_lowercase().as_slice(), &found[2], b" "].concat()
            })
            .into_owned(),
    }
}

/// Octets of the character at the start: 2 to 4 of UTF-8, else 1.
fn width(text: &[u8]) -> usize {
    let wanted = match text.first() {
        Some(0xC0..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF4) => 4,
        _ => 1,
    };
    let whole = text.get(1..wanted).is_some_and(|rest| rest.iter().all(|octet| (0x80..=0xBF).contains(octet)));
    if whole { wanted } else { 1 }
}

fn trimmed(word: &[u8]) -> &[u8] {
    let is_edge = |octet: &u8| matches!(octet, b'-' | b'\'' | b'"' | b'.' | b',');
    let start = word.iter().take_while(|octet| is_edge(octet)).count();
    let end = word.iter().skip(start).rev().take_while(|octet| is_edge(octet)).count();
    &word[start..word.len() - end]
}

/// Characters of three or four octets in a long word that has any two continuation octets together; else none.
fn wide_characters(word: &[u8]) -> Vec<&[u8]> {
    let is_more = |octet: u8| (0x80..=0xBF).contains(&octet);
    if !word.windows(2).any(|pair| is_more(pair[0]) && is_more(pair[1])) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut at = 0;
    while at < word.len() {
        let width = width(&word[at..]);
        if width >= 3 {
            found.push(&word[at..at + width]);
        }
        at += width;
    }
    found
}

/// Seven characters, when two octets or more follow.
fn beginning(word: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    for _ in 0..7 {
        at += if at < word.len() { width(&word[at..]) } else { return None };
    }
    (word.len() >= at + 2).then(|| &word[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, region: Region) -> Vec<String> {
        let mut found = Vec::new();
        let mut each = |token: &[u8]| found.push(String::from_utf8_lossy(token).into_owned());
        Lines { stopwords: &Stopwords::default(), longest: 15, count: 0, each: &mut each }.read(text.as_bytes(), b"", region);
        found
    }

    #[test]
    fn odd_characters_and_capitals_have_plainer_forms() {
        assert_eq!(all("BIG Foo!", Region::Text), ["big", "BIG", "Foo", "foo!", "foo", "Foo!"]);
        assert_eq!(all("BIG Foo!", Region::Field), ["BIG", "Foo!"]);
        assert_eq!(
            all("This Word stands. Here", Region::Text),
            ["Word", "stands", "here"]
                .map(|w| w.to_owned())
                .to_vec()
                .into_iter()
                .flat_map(|w| if w == "Word" { vec!["word".to_owned(), w] } else { vec![w] })
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn letters_of_a_link_of_html_are_those_of_unicode() {
        let mut found = Vec::new();
        let mut each = |token: &[u8]| found.push(token.to_vec());
        let mut lines = Lines { stopwords: &Stopwords::default(), longest: 15, count: 0, each: &mut each };
        lines.read(b"smart%20\xBA\xF4\xA7/X\xC9X", b"", Region::LatinLink);
        let wanted: [&[u8]; 5] = [b"smart", b"20\xBA\xF4", b"20\xBA\xF4\xA7", b"x\xE9x", b"X\xC9X"];
        assert_eq!(found, wanted);
    }

    #[test]
    fn long_words_are_skipped_but_for_their_beginning() {
        assert_eq!(all("abcdefghijklmnopqrst", Region::Field), ["sk:abcdefg"]);
        assert_eq!(all("abcdefghijklmnopqrst", Region::Link), ["abcdefghijklmnopqrst"]);
        assert_eq!(all("N*abcdefghijklmnopqrst", Region::Field), ["N*abcdefghijklmnopqrst"]);
        assert_eq!(all("漢字漢字漢字", Region::Text), ["u8:漢", "u8:字", "u8:漢", "u8:字", "u8:漢", "u8:字"]);
    }

    #[test]
    fn addresses_and_hosts_are_taken_apart() {
        assert_eq!(all("bob@a.example", Region::Text), ["U*bob", "D*a.example", "D*example", "bobaexample", "bob@a.example"]);
        assert_eq!(all("a..b.com", Region::Text), ["UD:a..b.com", "UD:.b.com", "abcom", "a..b.com"]);
        assert_eq!(all("wait...what", Region::Field), ["wait", "what"], "dots alone are trimmed away");
    }
}
