//! A message to tokens: words of chosen fields under the field's name, words of the visible text, neighbouring pairs of
//! them, senders' domains, hosts of links, and what HTML looks like.
//!
//! Text that HTML hides is no evidence: whoever hides innocent words from the reader hides them from the classifier.

use super::hash::TokenKey;
use super::markup;
use super::words::words;
use crate::mail::{HeaderQuery, Reading};
use crate::store::Token;
use std::sync::LazyLock;

/// Words read of one message, fields first, then text.
const MOST_WORDS: usize = 1_500;

/// A field to read, the prefix of its words, and how many of them.
struct Field {
    query: Option<HeaderQuery>,
    prefix: &'static str,
    most: usize,
}

static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
    [
        ("Subject", "S:", usize::MAX),
        ("From", "F:", usize::MAX),
        ("Reply-To", "R:", usize::MAX),
        ("Content-Type", "T:", 12),
        ("X-Mailer", "M:", 12),
        ("User-Agent", "U:", 12),
        ("Received", "V:", 100),
        ("Message-ID", "I:", 12),
    ]
    .map(|(name, prefix, most)| Field { query: HeaderQuery::parse(name).ok(), prefix, most })
    .into()
});
/// Addresses of which domain and parent domains are tokens.
static SENDERS: LazyLock<Vec<(Option<HeaderQuery>, &'static str)>> =
    LazyLock::new(|| [("From:addr", "D:"), ("Reply-To:addr", "E:")].map(|(name, prefix)| (HeaderQuery::parse(name).ok(), prefix)).into());

/// Sorted, each once.
pub fn tokens(reading: &Reading<'_>, key: &TokenKey) -> Vec<Token> {
    let mut stream = Stream { key, tokens: Vec::with_capacity(1_024), before: String::new(), text: String::new(), left: MOST_WORDS };
    fields(reading, &mut stream);
    // Paragraph 0 is the Subject, read as a field.
    for paragraph in reading.visible().iter().skip(1) {
        words(&String::from_utf8_lossy(paragraph), |word| stream.word("", word));
        if stream.left == 0 {
            break;
        }
    }
    for (query, prefix) in SENDERS.iter() {
        for address in query.iter().flat_map(|query| reading.header_values(query)) {
            let address = String::from_utf8_lossy(&address).to_lowercase();
            if let Some((_, domain)) = address.trim_end().rsplit_once('@') {
                stream.domains(prefix, domain, true);
            }
        }
    }
    markup::links(reading, &mut stream);
    markup::attributes(reading, &mut stream);
    let mut tokens = stream.tokens;
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

fn fields(reading: &Reading<'_>, stream: &mut Stream<'_>) {
    for field in FIELDS.iter() {
        let mut left = field.most;
        for value in field.query.iter().flat_map(|query| reading.header_values(query)) {
            words(&String::from_utf8_lossy(&value), |word| {
                left = left.saturating_sub(1);
                stream.word(field.prefix, word) && left > 0
            });
            if left == 0 {
                break;
            }
        }
    }
}

/// The words of a message as they come; what they are made of is buffered and reused.
pub(super) struct Stream<'k> {
    key: &'k TokenKey,
    tokens: Vec<Token>,
    before: String,
    text: String,
    left: usize,
}

impl Stream<'_> {
    /// The word and the pair with the one before it; `false`: enough was read.
    fn word(&mut self, prefix: &str, word: &str) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        self.plain(prefix, word);
        if !self.before.is_empty() {
            self.before.push(' ');
            self.before.push_str(&self.text);
            self.tokens.push(self.key.word(self.before.as_bytes()));
        }
        std::mem::swap(&mut self.before, &mut self.text);
        true
    }

    /// A token that no pair runs through.
    pub(super) fn plain(&mut self, prefix: &str, text: &str) {
        self.text.clear();
        self.text.push_str(prefix);
        self.text.push_str(text);
        self.tokens.push(self.key.word(self.text.as_bytes()));
    }

    /// A host and its parents; `with_top`: down to the last label.
    pub(super) fn domains(&mut self, prefix: &str, host: &str, with_top: bool) {
        let mut rest = host;
        loop {
            self.plain(prefix, rest);
            match rest.split_once('.') {
                Some((_, parent)) if with_top || parent.contains('.') => rest = parent,
                Some(_) | None => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Arrival, Mail, ViewOptions};

    fn tokens_of(raw: &str) -> Vec<Token> {
        let mail = Mail::parse(raw.as_bytes().to_vec());
        let (arrival, options) = (Arrival::FromFields, ViewOptions::default());
        tokens(&Reading::new(&mail, &arrival, &options), &TokenKey::new([0; 16]))
    }

    fn has(raw: &str, word: &str) -> bool {
        tokens_of(raw).contains(&TokenKey::new([0; 16]).word(word.as_bytes()))
    }

    #[test]
    fn fields_and_text_make_one_stream_of_words_and_pairs() {
        let raw = "From: Anna <anna@mail.example.com>\nSubject: Win 250 now\n\nClick here\n";
        for word in ["S:win", "S:000", "S:000 S:now", "F:anna", "D:mail.example.com", "D:com", "click", "click here", "F:com click"] {
            assert!(has(raw, word), "{word}");
        }
        assert!(!has(raw, "win") && !has(raw, "click S:win"));
    }

    #[test]
    fn hidden_text_is_no_evidence_and_markup_is() {
        let raw = "Content-Type: text/html\n\n<p style=\"color:#112233\">seen</p><div style=\"display:none\">unseen</div><a href=\"http://www.example.com/login/17?x\">go</a>";
        for word in ["seen", "go", "A:style=color:#0", "L:www.example.com", "L:example.com"] {
            assert!(has(raw, word), "{word}");
        }
        assert!(!has(raw, "unseen") && !has(raw, "seen unseen"));
    }

    #[test]
    fn a_long_message_ends_at_the_limit() {
        let text: String = (0..5_000).map(|i| format!("w{}x ", "y".repeat(i % 7) + &"z".repeat(i / 7 % 9))).collect();
        let raw = format!("Subject: a\n\n{text}");
        assert!(tokens_of(&raw).len() <= 2 * MOST_WORDS + 10);
    }
}
