//! Lines of rule files: comments, languages, key and value; and the words of expressions.

/// A line without its comment and outer white space; `None` when nothing is left. Octets that are not UTF-8 become
/// `\xNN`, which patterns read as the octet that it was.
pub(super) fn strip(line: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(line.len());
    for chunk in line.utf8_chunks() {
        text.push_str(chunk.valid());
        for octet in chunk.invalid() {
            text.push_str(&format!("\\x{octet:02X}"));
        }
    }
    if text.contains('#') {
        text = uncommented(&text);
    }
    let trimmed = text.trim_matches(is_space);
    // Perl takes a lone zero for false, hence for an empty line.
    (!trimmed.is_empty() && trimmed != "0").then(|| trimmed.to_owned())
}

/// Cuts at the first `#` that no backslash precedes; then every `\#` stands for `#`.
fn uncommented(text: &str) -> String {
    let end = text
        .match_indices('#')
        .map(|(at, _)| at)
        .find(|&at| !text.get(..at).is_some_and(|before| before.ends_with('\\')))
        .unwrap_or(text.len());
    text.get(..end).unwrap_or("").replace("\\#", "#")
}

/// Perl's `\s`.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{0b}' | '\u{0c}')
}

/// The first word and what follows it, without the white space between; the second is empty where there is none.
pub(super) fn first_word(text: &str) -> (&str, &str) {
    match text.find(is_space) {
        Some(at) => {
            let (word, rest) = text.split_at(at);
            (word, rest.trim_start_matches(is_space))
        }
        None => (text, ""),
    }
}

pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// The name of a setting: lower case, with `_` for `-`.
pub(super) fn key(word: &str) -> String {
    word.to_ascii_lowercase().replace('-', "_")
}

/// The words of a condition or meta expression, as SpamAssassin's ARITH_EXPRESSION_LEXER finds them: what fits no
/// alternative is passed over.
pub(super) fn expression_words(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(&octet) = bytes.get(at) {
        let length = match octet {
            b'-' | b'+' | b'.' | b'0'..=b'9' => run(bytes, at, |o| matches!(o, b'-' | b'+' | b'.' | b'0'..=b'9')),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => run(bytes, at, |o| o == b'_' || o == b':' || o.is_ascii_alphanumeric()),
            b'(' | b')' | b'^' | b'*' | b'/' | b'?' | b':' => 1,
            b'|' | b'&' => 2 * usize::from(bytes.get(at + 1) == Some(&octet)),
            b'=' => 2 * usize::from(bytes.get(at + 1) == Some(&b'=')),
            b'!' | b'<' | b'>' => 1 + usize::from(bytes.get(at + 1) == Some(&b'=')),
            _ => 0,
        };
        if let Some(word) = text.get(at..at + length).filter(|word| !word.is_empty()) {
            words.push(word);
        }
        at += length.max(1);
    }
    words
}

fn run(bytes: &[u8], from: usize, wanted: impl Fn(u8) -> bool) -> usize {
    bytes.iter().skip(from).take_while(|&&octet| wanted(octet)).count()
}

/// `[_a-zA-Z][_a-zA-Z0-9]{0,127}`.
pub(super) fn is_rule_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= 128
        && bytes.first().is_some_and(|&octet| octet == b'_' || octet.is_ascii_alphabetic())
        && bytes.iter().all(|&octet| octet == b'_' || octet.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_begins_a_comment_unless_escaped() {
        for (line, left) in [
            ("body A /x/ # why", Some("body A /x/")),
            (r"body A /a\#b/", Some("body A /a#b/")),
            ("   # all", None),
            ("0", None),
            ("\tscore A 1\r", Some("score A 1")),
        ] {
            assert_eq!(strip(line.as_bytes()).as_deref(), left, "{line}");
        }
        assert_eq!(strip(b"body A /caf\xe9/").as_deref(), Some(r"body A /caf\xE9/"));
    }

    #[test]
    fn signs_stick_to_numbers_and_lone_bars_vanish() {
        assert_eq!(expression_words("A+1>=!B"), ["A", "+1", ">=", "!", "B"]);
        assert_eq!(expression_words("(A | B)&&C != 2.5"), ["(", "A", "B", ")", "&&", "C", "!=", "2.5"]);
        assert_eq!(expression_words("plugin (Mail::X)"), ["plugin", "(", "Mail::X", ")"]);
    }
}
