//! SpamAssassin's token rules and combining (Mail::SpamAssassin::Plugin::Bayes 4.0), so that a database it learned gives
//! the same probabilities here.

mod combine;
mod fields;
mod line;
mod options;
mod received;

pub use combine::probability;
pub use options::{Options, Sources, Stopwords};

use super::hash::TokenKey;
use crate::mail::{LinkKind, Reading};
use crate::store::Token;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use line::Region;
use std::collections::HashMap;

/// Tokens read of the text, of the links and of the fields (Bayes.pm, tokenize).
const MOST_TEXT: usize = 50_000;
const MOST_LINKS: usize = 10_000;
const MOST_FIELDS: usize = 10_000;

/// The tokens of a message, sorted, each once.
pub fn tokens(reading: &Reading<'_>, key: &TokenKey, options: &Options) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(1_024);
    words(reading, options, &mut |word| tokens.push(key.token(word)));
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

/// Calls `each` for every token in words, as SpamAssassin hashes them.
pub fn words(reading: &Reading<'_>, options: &Options, each: &mut dyn FnMut(&[u8])) {
    if options.sources.mimepart {
        parts(reading, each);
    }
    let Options { ignored_fields, longest, sources, stopwords, hapaxes: _ } = options;
    let mut lines = line::Lines { stopwords, longest: *longest, count: 0, each };
    if sources.visible {
        paragraphs(&mut lines, reading.visible(), b"");
    }
    if sources.uri {
        links(&mut lines, reading);
    }
    if sources.invisible {
        paragraphs(&mut lines, reading.invisible(), b"I*:");
    }
    if sources.header {
        lines.count = 0;
        for (name, value) in fields::collect(reading, ignored_fields) {
            lines.read(&value, &[b"H", name.as_slice(), b":"].concat(), Region::Field);
            if lines.count >= MOST_FIELDS {
                break;
            }
        }
    }
}

fn paragraphs(lines: &mut line::Lines<'_>, texts: &[Vec<u8>], prefix: &[u8]) {
    lines.count = 0;
    for text in texts {
        lines.read(text, prefix, Region::Text);
        if lines.count >= MOST_TEXT {
            break;
        }
    }
}

/// Links of text are octets. Those of HTML stay characters: what is beyond Latin-1 is no token, and the rest is hashed as Latin-1.
fn links(lines: &mut line::Lines<'_>, reading: &Reading<'_>) {
    let uris = reading.uris();
    // Whether it stands in HTML, and in text.
    let mut origins: HashMap<&[u8], (bool, bool)> = HashMap::new();
    if !uris.iter().all(|uri| uri.is_ascii()) {
        for link in reading.links() {
            let html = link.kinds.iter().any(|kind| matches!(kind, LinkKind::Html(_)));
            let text = link.kinds.contains(&LinkKind::Parsed);
            for form in link.cleaned.iter().chain([&link.raw]).filter(|form| !form.is_ascii()) {
                let origin = origins.entry(form).or_default();
                *origin = (origin.0 || html, origin.1 || text);
            }
        }
    }
    lines.count = 0;
    for uri in uris {
        let (html, text) = origins.get(&**uri).copied().unwrap_or((false, true));
        if html {
            let latin: Vec<u8> =
                String::from_utf8_lossy(uri).chars().map(|character| u8::try_from(u32::from(character)).unwrap_or(b' ')).collect();
            lines.read(&latin, b"", Region::LatinLink);
        }
        if text || !html {
            lines.read(uri, b"", Region::Link);
        }
        if lines.count >= MOST_LINKS {
            break;
        }
    }
}

/// Contents that many parts have, by digest and type, and what stands for them.
const FREQUENT: &[(&str, &str, &str)] = &[
    ("da39a3ee5e6b4b0d3255bfef95601890afd80709", "text/plain", "Empty-Plaintext"),
    ("da39a3ee5e6b4b0d3255bfef95601890afd80709", "text/html", "Empty-HTML"),
    ("da39a3ee5e6b4b0d3255bfef95601890afd80709", "text/xml", "Empty-XML"),
    ("adc83b19e793491b1c6ea0fd8b46cd9f32e592fc", "text/plain", "OneNL-Plaintext"),
    ("adc83b19e793491b1c6ea0fd8b46cd9f32e592fc", "text/html", "OneNL-HTML"),
    ("71853c6197a6a7f222db0f1978c7cb232b87c5ee", "text/plain", "TwoNL-Plaintext"),
    ("71853c6197a6a7f222db0f1978c7cb232b87c5ee", "text/html", "TwoNL-HTML"),
];

/// SHA-1 and type of each part.
fn parts(reading: &Reading<'_>, each: &mut dyn FnMut(&[u8])) {
    for part in reading.mail.parts().iter().filter(|part| part.is_leaf()) {
        let octets = digest(&SHA1_FOR_LEGACY_USE_ONLY, part.decoded());
        let hex: String = octets.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
        let kind = part.content_type.as_str();
        let frequent = FREQUENT.iter().find(|(digest, of, _)| *digest == hex && *of == kind);
        each(frequent.map_or_else(|| format!("MIME:{hex}:{kind}"), |(_, _, name)| format!("MIME:{name}")).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Arrival, Mail, ViewOptions};

    fn all(raw: &str) -> Vec<String> {
        all_with(raw, &Options::default())
    }

    fn all_with(raw: &str, options: &Options) -> Vec<String> {
        let mail = Mail::parse(raw.as_bytes().to_vec());
        let (arrival, views) = (Arrival::FromFields, ViewOptions::default());
        let reading = Reading::new(&mail, &arrival, &views);
        let mut found = Vec::new();
        words(&reading, options, &mut |word| found.push(String::from_utf8_lossy(word).into_owned()));
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

    #[test]
    fn only_the_sources_that_were_chosen_are_read() {
        let raw = "From: Anna <anna@mail.example.com>\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n\
                   offer http://www.example.net/x\n--b\nContent-Type: text/html\n\n\n--b--\n";
        let with = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            all_with(raw, &Options { sources: Sources::of(&words), ..Options::default() })
        };
        assert_eq!(with(&[]), Vec::<String>::new());
        assert!(with(&["header"]).iter().all(|token| token.starts_with('H')));
        assert!(with(&["visible"]).contains(&"offer".to_owned()));
        assert!(!with(&["uri"]).contains(&"offer".to_owned()) && with(&["uri"]).iter().any(|token| token.contains("example.net")));
        let parts = with(&["mimepart"]);
        assert!(parts.len() == 2 && parts[0].ends_with(":text/plain") && parts[1] == "MIME:Empty-HTML", "{parts:?}");
    }
}
