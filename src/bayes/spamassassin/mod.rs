//! SpamAssassin's token rules and combining (Mail::SpamAssassin::Plugin::Bayes 4.0), so that a database it learned gives
//! the same probabilities here.

mod combine;
mod fields;
mod line;
mod received;

pub use combine::probability;

use super::hash::TokenKey;
use crate::mail::Reading;
use crate::store::Token;
use line::{Region, Stopwords};
use std::collections::HashSet;

/// Tokens read of the text, of the links and of the fields (Bayes.pm, tokenize).
const MOST_TEXT: usize = 50_000;
const MOST_LINKS: usize = 10_000;
const MOST_FIELDS: usize = 10_000;

/// What rule files say of tokens.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names of fields that are not read (`bayes_ignore_header`), lower case.
    pub ignored_fields: HashSet<String>,
    /// Octets from which a token is cut to its beginning (`bayes_max_token_length`).
    pub longest: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { ignored_fields: HashSet::new(), longest: 15 }
    }
}

/// The tokens of a message, sorted, each once.
pub fn tokens(reading: &Reading<'_>, key: &TokenKey, options: &Options) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(1_024);
    words(reading, options, &mut |word| tokens.push(key.token(word)));
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

/// Calls `each` for every token in words, as SpamAssassin hashes them.
fn words(reading: &Reading<'_>, options: &Options, each: &mut dyn FnMut(&[u8])) {
    let mut lines = line::Lines { stopwords: Stopwords::default(), longest: options.longest, count: 0, each };
    for (region, prefix, texts, most) in [
        (Region::Text, &b""[..], reading.visible(), MOST_TEXT),
        (Region::Link, b"", reading.uris(), MOST_LINKS),
        (Region::Text, b"I*:", reading.invisible(), MOST_TEXT),
    ] {
        lines.count = 0;
        for text in texts {
            lines.read(text, prefix, region);
            if lines.count >= most {
                break;
            }
        }
    }
    lines.count = 0;
    for (name, value) in fields::collect(reading, &options.ignored_fields) {
        lines.read(&value, &[b"H", name.as_slice(), b":"].concat(), Region::Field);
        if lines.count >= MOST_FIELDS {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Arrival, Mail, ViewOptions};

    fn all(raw: &str) -> Vec<String> {
        let mail = Mail::parse(raw.as_bytes().to_vec());
        let (arrival, views) = (Arrival::FromFields, ViewOptions::default());
        let reading = Reading::new(&mail, &arrival, &views);
        let mut found = Vec::new();
        words(&reading, &Options::default(), &mut |word| found.push(String::from_utf8_lossy(word).into_owned()));
        found
    }

    #[test]
    fn text_links_and_fields_become_tokens() {
        let found = all(
            "From: Anna Example <anna@mail.example.com>\nX-Face: long\nSubject: An Offer\nDate: x\n\nSee http://www.example.com/ Now!!\n",
        );
        let wanted = [
            "offer",
            "Offer",
            "Now!!",
            "now",
            "UD:www.example.com",
            "UD:com",
            "H*F:N*Anna",
            "H*F:U*anna",
            "H*F:D*example.com",
            "H*Ad:D*com",
        ];
        for token in wanted {
            assert!(found.iter().any(|t| t == token), "{token}: {found:?}");
        }
        let unwanted = ["HSubject", "HDate", "HX-Face", "see"];
        assert!(!found.iter().any(|token| unwanted.iter().any(|word| token.starts_with(word))), "{found:?}");
    }
}
