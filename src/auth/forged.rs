//! Inbound Authentication-Results fields that claim to be ours (RFC 8601 §5), in every disguise, and which to remove.

use super::domain;
use super::letter::Letter;

/// Occurrences (from 1, from the top) of fields that a reader could take for ours, the highest first, so that each number
/// still means what it meant while they are removed.
pub fn claims(letter: &Letter<'_>, ours: &[&str]) -> Vec<(String, u32)> {
    let mut claims = Vec::new();
    let mut seen: Vec<(Vec<u8>, u32)> = Vec::new();
    let ours: Vec<String> = ours.iter().map(|id| normal(id)).collect();
    for field in &letter.fields {
        let name = field.name.to_ascii_lowercase();
        if name != b"authentication-results" && name != b"arc-authentication-results" {
            continue;
        }
        let count = match seen.iter_mut().find(|(other, _)| *other == name) {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                seen.push((name.clone(), 1));
                1
            }
        };
        // ARC's field says which hand wrote it and is sealed: taking one out breaks the chain and helps nobody.
        if name == b"authentication-results" && ours.iter().any(|id| mentions(field.value, id)) {
            claims.push(("Authentication-Results".to_owned(), count));
        }
    }
    claims.reverse();
    claims
}

/// Whether the authserv-id that some reader would see is this one: after comments, folds, quotes and escapes are gone, in
/// either case, with a final dot, as U-label or A-label, with or without a version.
fn mentions(value: &[u8], id: &str) -> bool {
    let text = String::from_utf8_lossy(value);
    // Up to the first semicolon, by readers that know comments and quotes and by those that do not.
    let naive = text.split(';').next().unwrap_or("");
    candidates(&plain(&text)).chain(candidates(naive)).any(|candidate| normal(&candidate) == id)
}

/// The id alone or before a version; a reader may also take another word, or all of them together.
fn candidates(head: &str) -> impl Iterator<Item = String> {
    let apart = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '=');
    let words: Vec<String> = head.split(apart).filter(|w| !w.is_empty()).take(64).map(str::to_owned).collect();
    let joined = words.concat();
    words.into_iter().take(8).chain([joined])
}

fn normal(id: &str) -> String {
    let bare: String = id.chars().filter(|c| !c.is_control() && !"\"'\\()".contains(*c) && !invisible(*c)).collect();
    let bare = bare.trim_matches('.');
    domain::host(bare).unwrap_or_else(|| bare.to_lowercase())
}

/// Zero-width and directional characters.
fn invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{ad}' | char::REPLACEMENT_CHARACTER)
}

/// The text before the first semicolon that stands outside comments and quoted strings, without comments and quotes.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let (mut depth, mut quoted) = (0u32, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                if let Some(next) = chars.next()
                    && depth == 0
                {
                    out.push(next);
                }
            }
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted && depth > 0 => depth -= 1,
            ';' if !quoted && depth == 0 => break,
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(value: &str) -> bool {
        let raw = format!("Subject: x\r\nAuthentication-Results:{value}\r\nFrom: a@b.example\r\n\r\n");
        !claims(&Letter::parse(raw.as_bytes()), &["mx.example.com"]).is_empty()
    }

    #[test]
    fn a_forged_field_is_known_in_every_disguise() {
        for value in [
            " mx.example.com; spf=pass",
            "mx.example.com;spf=pass",
            " MX.Example.COM; spf=pass",
            " mx.example.com.; spf=pass",
            " mx.example.com 1; spf=pass",
            " mx.example.com/1; spf=pass",
            " \"mx.example.com\"; spf=pass",
            " \"mx.ex\\ample.com\"; spf=pass",
            " (comment) mx.example.com; spf=pass",
            " (a (nested; one) here) mx.example.com (after); spf=pass",
            " mx.(x)example.com; spf=pass",
            "\r\n mx.example.com; spf=pass",
            "\r\n\tmx.example.com\r\n\t;\r\n spf=pass",
            " mx.\r\n example.com; spf=pass",
            " mx.example.com",
            " mx\u{ff0e}example\u{ff0e}com; spf=pass",
            " \u{200b}mx.example.com; spf=pass",
            " mx.example.com\0; spf=pass",
            " 'mx.example.com'; spf=pass",
            " (unclosed mx.example.com; spf=pass",
        ] {
            assert!(claimed(value), "{value:?}");
        }
        let long = format!(" mx.example.com; {}", "spf=pass smtp.mailfrom=a.example; ".repeat(500));
        assert!(claimed(&long));
    }

    #[test]
    fn fields_of_others_stay() {
        for value in [" mx.example.org; spf=pass", " other.mx.example.com; spf=pass", " mx.example.com.org; spf=pass", ""] {
            assert!(!claimed(value), "{value:?}");
        }
    }

    #[test]
    fn the_highest_occurrence_goes_first_and_counts_all_of_that_name() {
        let fields = ["a.example", "mx.example.com", "mx.example.com", "b.example", "mx.example.com"];
        let mut raw: String = fields.iter().map(|id| format!("Authentication-Results : {id}; spf=pass\n")).collect();
        raw.push('\n');
        let numbers: Vec<u32> = claims(&Letter::parse(raw.as_bytes()), &["mx.example.com"]).into_iter().map(|(_, n)| n).collect();
        assert_eq!(numbers, [5, 3, 2]);
    }
}
