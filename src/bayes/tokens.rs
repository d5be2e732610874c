//! A message to tokens: chosen header words under the field's name, words of the visible text, neighbouring pairs of
//! them, hosts and shapes of links, hidden text and HTML attributes under prefixes of their own.

use super::hash::TokenKey;
use super::words::words;
use crate::mail::{HeaderQuery, Reading};
use crate::store::Token;
use std::sync::LazyLock;

/// Words read of one message, headers and text together.
const MOST_WORDS: usize = 1_500;
/// Words read of hidden text, and attributes read of HTML.
const MOST_HIDDEN: usize = 300;
const MOST_ATTRIBUTES: usize = 400;
const MOST_LINKS: usize = 100;

/// A field to read, the prefix of its words, and how many of them.
struct Row {
    query: Option<HeaderQuery>,
    prefix: &'static str,
    most: usize,
    /// Its words join the stream that pairs run along.
    paired: bool,
}

static FIELDS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let rows = [
        ("Subject", "S:", usize::MAX, true),
        ("From", "F:", usize::MAX, true),
        ("Reply-To", "R:", usize::MAX, true),
        ("Content-Type", "T:", 12, true),
        ("X-Mailer", "M:", 12, true),
        ("User-Agent", "U:", 12, true),
        ("Received", "V:", 12, true),
        ("Message-ID", "I:", 12, true),
    ];
    rows.into_iter().map(|(name, prefix, most, paired)| Row { query: HeaderQuery::parse(name).ok(), prefix, most, paired }).collect()
});

/// Sorted, each once.
pub fn tokens(reading: &Reading<'_>, key: &TokenKey) -> Vec<Token> {
    let mut stream = Stream { key, tokens: Vec::with_capacity(1_024), before: String::new(), text: String::new(), left: MOST_WORDS };
    for row in FIELDS.iter() {
        let Some(query) = &row.query else { continue };
        let mut left = row.most;
        for value in reading.header_values(query) {
            words(&String::from_utf8_lossy(&value), |word| {
                if left > 0 {
                    left -= 1;
                    stream.word(row.prefix, word, row.paired);
                }
            });
        }
        stream.pause();
    }
    for paragraph in reading.visible().iter().skip(1) {
        if stream.left == 0 {
            break;
        }
        words(&String::from_utf8_lossy(paragraph), |word| stream.word("", word, true));
    }
    stream.pause();
    stream.left = MOST_HIDDEN;
    for paragraph in reading.invisible() {
        words(&String::from_utf8_lossy(paragraph), |word| stream.word("H:", word, false));
    }
    links(reading, &mut stream);
    attributes(reading, &mut stream);
    let mut tokens = stream.tokens;
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

struct Stream<'k> {
    key: &'k TokenKey,
    tokens: Vec<Token>,
    before: String,
    text: String,
    left: usize,
}

impl Stream<'_> {
    fn word(&mut self, prefix: &str, word: &str, paired: bool) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        self.text.clear();
        self.text.push_str(prefix);
        self.text.push_str(word);
        self.tokens.push(self.key.token(self.text.as_bytes()));
        if paired {
            if !self.before.is_empty() {
                self.before.push(' ');
                self.before.push_str(&self.text);
                self.tokens.push(self.key.token(self.before.as_bytes()));
            }
            std::mem::swap(&mut self.before, &mut self.text);
        }
    }

    /// What follows is no neighbour of what came before.
    fn pause(&mut self) {
        self.before.clear();
    }

    fn plain(&mut self, prefix: &str, text: &str) {
        self.text.clear();
        self.text.push_str(prefix);
        self.text.push_str(text);
        self.tokens.push(self.key.token(self.text.as_bytes()));
    }
}

/// Host and parent domains, words of the path, and the shape.
fn links(reading: &Reading<'_>, stream: &mut Stream<'_>) {
    for link in reading.links().iter().take(MOST_LINKS) {
        for (host, _) in &link.hosts {
            let mut rest = host.as_str();
            loop {
                stream.plain("L:", rest);
                match rest.split_once('.') {
                    Some((_, parent)) if parent.contains('.') => rest = parent,
                    _ => break,
                }
            }
        }
    }
}

/// Tag names with their attributes, digits folded.
fn attributes(reading: &Reading<'_>, stream: &mut Stream<'_>) {
    let mut left = MOST_ATTRIBUTES;
    for part in reading.mail.parts().iter().filter(|part| part.is_leaf() && part.effective_type == "text/html") {
        let html = part.decoded();
        for at in memchr::memchr_iter(b'<', html) {
            if left == 0 {
                return;
            }
            let rest = &html[at + 1..html.len().min(at + 600)];
            let tag = &rest[..memchr::memchr(b'>', rest).unwrap_or(rest.len())];
            if tag.first().is_some_and(u8::is_ascii_alphabetic) {
                tag_attributes(&String::from_utf8_lossy(tag), &mut left, stream);
            }
        }
    }
}

fn tag_attributes(tag: &str, left: &mut usize, stream: &mut Stream<'_>) {
    let mut pieces = tag.split_ascii_whitespace();
    let Some(name) = pieces.next().map(str::to_ascii_lowercase) else { return };
    for piece in pieces {
        let Some((attribute, value)) = piece.split_once('=') else { continue };
        let attribute = attribute.to_ascii_lowercase();
        // Links have tokens of their own.
        if matches!(attribute.as_str(), "href" | "src" | "background" | "action" | "alt" | "title") {
            continue;
        }
        if *left == 0 {
            return;
        }
        *left -= 1;
        let folded = folded(value.trim_matches(|c| matches!(c, '"' | '\'' | ';')));
        stream.plain("A:", &format!("{name} {attribute}={folded}"));
    }
}

/// Lower case, runs of digits as one 0, at most 24 characters.
fn folded(value: &str) -> String {
    let mut folded = String::new();
    for c in value.chars().take(24) {
        if c.is_ascii_digit() {
            if !folded.ends_with('0') {
                folded.push('0');
            }
        } else {
            folded.extend(c.to_lowercase());
        }
    }
    folded
}
