//! Content-Type and Content-Disposition as SpamAssassin reads them: by search, not by grammar.

use super::fields::is_space;

/// Mail::SpamAssassin::Util::parse_content_type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentType {
    /// Lower-cased `type/subtype`; `text/plain` for any odd `text…`; may be empty.
    pub kind: String,
    pub boundary: Option<Vec<u8>>,
    pub charset: Option<String>,
    pub name: Option<String>,
    /// No field, or none with a type.
    pub missing: bool,
}

impl ContentType {
    /// `value`: the last Content-Type field's cooked value.
    pub fn parse(value: Option<&[u8]>) -> ContentType {
        let Some(text) = value.filter(|v| !matches!(*v, b"" | b"0")) else {
            return ContentType { kind: "text/plain".into(), charset: Some("us-ascii".into()), missing: true, ..ContentType::default() };
        };
        let (kind, missing) = kind(text);
        let name = match first_parameter(text, &[b"name", b"filename"]) {
            Some(n) if !matches!(n, b"" | b"0") => Some(lossy(n)),
            other => continued_name(text).or(other.map(lossy)),
        };
        ContentType { kind, boundary: boundary(text), charset: first_parameter(text, &[b"charset"]).map(lossy), name, missing }
    }
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// The name that a Content-Disposition gives (`name="…` of any parameter).
pub fn disposition_name(value: &str) -> Option<String> {
    if !value.contains('=') {
        return None;
    }
    let text = value.as_bytes();
    let lower = value.to_ascii_lowercase();
    lower.match_indices("name=").find_map(|(at, word)| {
        let mut rest = &text[at + word.len()..];
        let blanks = rest.iter().take_while(|b| is_space(**b)).count();
        let after_blanks = &rest[blanks..];
        rest = after_blanks.strip_prefix(b"\"").unwrap_or(after_blanks);
        let len = rest.iter().take_while(|b| !matches!(b, b'"' | b';')).count();
        if len > 0 {
            return Some(lossy(&rest[..len]));
        }
        // White space alone may be the name, where nothing else is left.
        (blanks > 0).then(|| lossy(&text[at + word.len() + blanks - 1..at + word.len() + blanks]))
    })
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

/// Where `name` stands as a word of its own, followed by blanks, `=`, blanks: the offset after them.
fn assignments<'a>(text: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    memchr::memchr_iter(b'=', text).filter_map(move |sign| {
        let blanks = text[..sign].iter().rev().take_while(|b| is_space(**b)).count();
        let end = sign - blanks;
        let at = end.checked_sub(name.len())?;
        let found = text[at..end].eq_ignore_ascii_case(name) && (at == 0 || !is_word(text[at - 1]));
        let next = sign + 1;
        found.then(|| next + text[next..].iter().take_while(|b| is_space(**b)).count())
    })
}

fn boundary(text: &[u8]) -> Option<Vec<u8>> {
    assignments(text, b"boundary").find_map(|at| {
        let rest = &text[at..];
        if let Some(quoted) = rest.strip_prefix(b"\"") {
            let len = quoted.iter().take_while(|b| **b != b'"').count();
            return (len > 0).then(|| quoted[..len].to_vec());
        }
        let len = rest.iter().take_while(|b| !is_space(**b) && !matches!(b, b'"' | b';')).count();
        (len > 0 && rest.get(len) != Some(&b'"')).then(|| rest[..len].to_vec())
    })
}

/// The value at `at`: up to `;` or the end, one quote off either end.
fn value_at(text: &[u8], at: usize) -> Option<&[u8]> {
    let rest = text.get(at..)?;
    let rest = rest.strip_prefix(b"\"").or_else(|| rest.strip_prefix(b"'")).unwrap_or(rest);
    let end = memchr::memchr2(b';', b'\n', rest).unwrap_or(rest.len());
    if rest.get(end) == Some(&b'\n') && end + 1 != rest.len() {
        return None;
    }
    let value = &rest[..end];
    Some(value.strip_suffix(b"\"").or_else(|| value.strip_suffix(b"'")).unwrap_or(value))
}

/// Of several names the one that stands first.
fn first_parameter<'a>(text: &'a [u8], names: &[&[u8]]) -> Option<&'a [u8]> {
    let at = names.iter().filter_map(|n| assignments(text, n).find(|at| value_at(text, *at).is_some())).min()?;
    value_at(text, at)
}

/// RFC 2231 §3: `name*0=…; name*1=…`, joined by number.
fn continued_name(text: &[u8]) -> Option<String> {
    const MOST: usize = 1000;
    let mut pieces: Vec<Option<&[u8]>> = Vec::new();
    let mut at = 0;
    let mut has_first = false;
    while let Some(n) = memchr::memchr(b'*', &text[at..]) {
        let star = at + n;
        at = star + 1;
        let before = &text[..star];
        let ends = |name: &[u8]| {
            before.len() >= name.len()
                && before[before.len() - name.len()..].eq_ignore_ascii_case(name)
                && before.len().checked_sub(name.len() + 1).is_none_or(|i| !is_word(before[i]))
        };
        let digits = text[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 || !(ends(b"name") || ends(b"filename")) {
            continue;
        }
        let mut next = at + digits + text[at + digits..].iter().take_while(|b| is_space(**b)).count();
        if text.get(next) != Some(&b'=') {
            continue;
        }
        next += 1;
        next += text[next..].iter().take_while(|b| is_space(**b)).count();
        let number = std::str::from_utf8(&text[at..at + digits]).ok().and_then(|d| d.parse::<usize>().ok()).filter(|n| *n < MOST);
        if let (Some(number), Some(value)) = (number, value_at(text, next)) {
            has_first |= &text[at..at + digits] == b"0";
            if pieces.len() <= number {
                pieces.resize(number + 1, None);
            }
            pieces[number] = Some(value);
        }
    }
    has_first.then(|| lossy(&pieces.into_iter().flatten().flatten().copied().collect::<Vec<u8>>()))
}

fn kind(text: &[u8]) -> (String, bool) {
    let blanks = text.iter().take_while(|b| is_space(**b)).count();
    let text = &text[blanks..];
    let text = text.split(|b| *b == b';').next().unwrap_or_default();
    // "type/subtype": what follows the subtype goes; without a slash all stays.
    let slash = memchr::memchr(b'/', text).filter(|at| *at > 0);
    let end = slash.map_or(text.len(), |at| at + 1 + text[at + 1..].iter().take_while(|b| **b != b'/' && !is_space(**b)).count());
    let mut kind = text[..end].to_ascii_lowercase();
    let missing = matches!(kind.as_slice(), b"" | b"0");
    let is_other_text = matches!(kind.as_slice(), b"text/x-vcard" | b"text/calendar" | b"text/html");
    if missing || (kind.starts_with(b"text") && kind.get(4).is_none_or(|b| !is_word(*b)) && !is_other_text) {
        kind = b"text/plain".to_vec();
    }
    kind.retain(|b| !matches!(b, 0..=0x20 | 0x7F..=0xFF | b'"' | b'(' | b')' | b',' | b':'..=b'?' | b'@' | b'['..=b']'));
    (lossy(&kind), missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ContentType {
        ContentType::parse(Some(text.as_bytes()))
    }

    #[test]
    fn odd_text_types_are_plain_text() {
        for (text, kind) in [
            ("text", "text/plain"),
            ("TEXT/HTML; x", "text/html"),
            ("text/x-foo", "text/plain"),
            ("text plain", "text/plain"),
            ("text/calendar", "text/calendar"),
            ("textual/x", "textual/x"),
            ("application/pdf junk", "application/pdf"),
            ("app(x)lication/\"zip\"", "appxlication/zip"),
            ("()", ""),
        ] {
            assert_eq!(read(text).kind, kind, "{text}");
        }
        assert!(ContentType::parse(None).missing && read("; x=y").missing);
    }

    #[test]
    fn parameters_are_found_by_search() {
        let found = read("multipart/mixed; Boundary = \"a b\"; charset='UTF-8' ; xname=no; name=\"a;b.txt\"");
        assert_eq!(found.boundary.as_deref(), Some(&b"a b"[..]));
        assert_eq!(found.charset.as_deref(), Some("UTF-8' "));
        assert_eq!(found.name.as_deref(), Some("a"));
        assert_eq!(read("a/b; boundary=x\"y; boundary=z").boundary.as_deref(), Some(&b"z"[..]));
        assert_eq!(read("a/b; name*1=c.txt; name*0=\"ab\"").name.as_deref(), Some("abc.txt"));
        assert_eq!(disposition_name("attachment; filename = x; filename=\"a b.pdf\"").as_deref(), Some("a b.pdf"));
    }
}
