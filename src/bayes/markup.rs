//! Tokens of what a message points to and looks like: hosts of links, attributes of HTML.

use super::tokens::Stream;
use crate::mail::Reading;

const MOST_LINKS: usize = 100;
const MOST_ATTRIBUTES: usize = 400;
/// Octets of a tag in which attributes are looked for.
const LONGEST_TAG: usize = 600;

/// Hosts with their parent domains.
pub(super) fn links(reading: &Reading<'_>, stream: &mut Stream<'_>) {
    for (host, _) in reading.links().iter().take(MOST_LINKS).flat_map(|link| &link.hosts) {
        stream.domains("L:", host, false);
    }
}

/// Attributes with their values, digits folded.
pub(super) fn attributes(reading: &Reading<'_>, stream: &mut Stream<'_>) {
    let mut left = MOST_ATTRIBUTES;
    for part in reading.mail.parts().iter().filter(|part| part.is_leaf() && part.effective_type == "text/html") {
        let html = part.decoded();
        for at in memchr::memchr_iter(b'<', html) {
            if left == 0 {
                return;
            }
            let rest = &html[at + 1..html.len().min(at + LONGEST_TAG)];
            let tag = &rest[..memchr::memchr(b'>', rest).unwrap_or(rest.len())];
            if tag.first().is_some_and(u8::is_ascii_alphabetic) && tag.contains(&b'=') {
                tag_attributes(&String::from_utf8_lossy(tag), &mut left, stream);
            }
        }
    }
}

fn tag_attributes(tag: &str, left: &mut usize, stream: &mut Stream<'_>) {
    for piece in tag.split_ascii_whitespace().skip(1) {
        let Some((attribute, value)) = piece.split_once('=') else { continue };
        let attribute = attribute.to_ascii_lowercase();
        // Links have tokens of their own, and texts are no looks.
        if matches!(attribute.as_str(), "href" | "src" | "background" | "action" | "alt" | "title") {
            continue;
        }
        if *left == 0 {
            return;
        }
        *left -= 1;
        let value = folded(value.trim_matches(|c| matches!(c, '"' | '\'' | ';')));
        stream.plain("A:", &format!("{attribute}={value}"));
    }
}

/// Lower case, a run of digits as one 0, at most 24 characters.
fn folded(value: &str) -> String {
    let mut folded = String::with_capacity(24);
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
