//! `/re/mods`, `m{re}mods`, `qr!re!`: a rule's pattern text taken apart (Mail::SpamAssassin::Util, compile_regexp).

use super::PatternError;

/// The expression between its delimiters and the letters after the last one.
#[derive(Debug, PartialEq, Eq)]
pub struct Delimited<'a> {
    pub expression: &'a [u8],
    pub modifiers: &'a [u8],
}

pub fn split(text: &[u8]) -> Result<Delimited<'_>, PatternError> {
    let (rest, close) = opening(text)?;
    let end = rest.iter().rposition(|octet| *octet == close);
    let Some(end) = end.filter(|end| rest[end + 1..].iter().all(|octet| octet.is_ascii_lowercase() && *octet != b'e')) else {
        return Err(PatternError::new(format!(
            "the closing delimiter '{}' is missing, or no modifier letters follow it: end the pattern with it and letters such as i, m, s, x",
            char::from(close)
        )));
    };
    let expression = &rest[..end];
    refuse_code(expression)?;
    if !matches!(close, b'}' | b')' | b']') && stands_unescaped(expression, close) {
        let close = char::from(close);
        return Err(PatternError::new(format!(
            "the delimiter '{close}' stands inside the pattern: write it as \\{close} or choose another delimiter, such as m{{...}}"
        )));
    }
    Ok(Delimited { expression, modifiers: &rest[end + 1..] })
}

/// As `split`, but text without delimiters is an expression.
pub fn split_if_delimited(text: &[u8]) -> Result<Delimited<'_>, PatternError> {
    match opening(text) {
        Ok(_) => split(text),
        Err(_) => {
            refuse_code(text)?;
            Ok(Delimited { expression: text, modifiers: b"" })
        }
    }
}

fn opening(text: &[u8]) -> Result<(&[u8], u8), PatternError> {
    if let Some(rest) = text.strip_prefix(b"/") {
        return Ok((rest, b'/'));
    }
    let named = text.strip_prefix(b"m").or_else(|| text.strip_prefix(b"qr")).and_then(|rest| rest.split_first());
    match named {
        Some((b'\\', _)) => Err(PatternError::new("a backslash cannot be the delimiter: use /.../ or m{...}".to_string())),
        Some((open, rest)) if !(open.is_ascii_alphanumeric() || *open == b'_') => {
            let close = match open {
                b'{' => b'}',
                b'(' => b')',
                b'<' => b'>',
                b'[' => b']',
                other => *other,
            };
            Ok((rest, close))
        }
        _ => Err(PatternError::new("the pattern has no delimiters: write /.../ or m{...}".to_string())),
    }
}

fn refuse_code(expression: &[u8]) -> Result<(), PatternError> {
    let code = expression.windows(3).any(|three| three == b"(?{") || expression.windows(4).any(|four| four == b"(??{");
    if code { Err(PatternError::new("code in a pattern, (?{...}), is not run: leave it out".to_string())) } else { Ok(()) }
}

/// Perl's check: pairs of backslashes are dropped first, then any closer without a backslash before it counts.
fn stands_unescaped(expression: &[u8], close: u8) -> bool {
    let mut escaped = false;
    for octet in expression {
        if *octet == close && !escaped {
            return true;
        }
        escaped = *octet == b'\\' && !escaped;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(String, String)> {
        let parts = split(text.as_bytes()).ok()?;
        Some((String::from_utf8_lossy(parts.expression).into(), String::from_utf8_lossy(parts.modifiers).into()))
    }

    #[test]
    fn delimiters_are_read_as_spamassassin_reads_them() {
        let cases = [
            ("/a/", Some(("a", ""))),
            ("/a/is", Some(("a", "is"))),
            ("m{a{2}}i", Some(("a{2}", "i"))),
            ("m(a(b)c)", Some(("a(b)c", ""))),
            ("qr!a\\!b!x", Some(("a\\!b", "x"))),
            ("m'a'", Some(("a", ""))),
            ("m<a>", Some(("a", ""))),
            ("m<a>b>", None),
            ("/a/b/", None),
            ("/a\\/b/", Some(("a\\/b", ""))),
            ("/a\\\\/b/", None),
            ("/a", None),
            ("/a/e", None),
            ("/a/I", None),
            ("a", None),
            ("mxax", None),
            ("m\\a\\", None),
            ("/(?{ print })/", None),
            ("/(??{ print })/", None),
            ("//", Some(("", ""))),
        ];
        for (text, expected) in cases {
            assert_eq!(parts(text), expected.map(|(a, b)| (a.to_string(), b.to_string())), "{text}");
        }
    }
}
