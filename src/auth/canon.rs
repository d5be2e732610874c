//! Canonical forms of header fields and bodies (RFC 6376 §3.4). Bare LF counts as a line end: mail servers hand folds to
//! a milter that way.

use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Form {
    #[default]
    Simple,
    Relaxed,
}

impl Form {
    pub fn word(self) -> &'static str {
        match self {
            Form::Simple => "simple",
            Form::Relaxed => "relaxed",
        }
    }
}

/// Header form and body form, as `c=` tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Canonicalization {
    pub header: Form,
    pub body: Form,
}

impl Canonicalization {
    pub const RELAXED: Canonicalization = Canonicalization { header: Form::Relaxed, body: Form::Relaxed };

    /// `relaxed/simple`, `relaxed` (body simple).
    pub fn parse(text: &str) -> Option<Canonicalization> {
        let one = |word: &str| match word {
            _ if word.eq_ignore_ascii_case("simple") => Some(Form::Simple),
            _ if word.eq_ignore_ascii_case("relaxed") => Some(Form::Relaxed),
            _ => None,
        };
        let (header, body) = text.split_once('/').unwrap_or((text, "simple"));
        Some(Canonicalization { header: one(header.trim())?, body: one(body.trim())? })
    }
}

/// Appends one field with its final CRLF. `without`: a range of `whole` that is left out (the value of `b=`).
pub fn field(whole: &[u8], form: Form, without: Option<Range<usize>>, out: &mut Vec<u8>) {
    let (before, after) = match without {
        Some(range) => (whole.get(..range.start).unwrap_or_default(), whole.get(range.end..).unwrap_or_default()),
        None => (whole, &b""[..]),
    };
    match form {
        Form::Simple => {
            let start = out.len();
            with_crlf(before, out);
            with_crlf(after, out);
            if !out.get(start..).unwrap_or_default().ends_with(b"\r\n") {
                out.extend_from_slice(b"\r\n");
            }
        }
        Form::Relaxed => relaxed_field(before, after, out),
    }
}

/// §3.4.2: name in lower case, no space around the colon, runs of white space to one, none at the end.
fn relaxed_field(before: &[u8], after: &[u8], out: &mut Vec<u8>) {
    let colon = memchr::memchr(b':', before).unwrap_or(before.len());
    let (name, rest) = before.split_at(colon);
    out.extend(name.trim_ascii_end().iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let start = out.len();
    let mut space = false;
    for &octet in rest.iter().skip(1).chain(after) {
        match octet {
            b' ' | b'\t' | b'\r' | b'\n' => space = true,
            _ => {
                if space && out.len() > start {
                    out.push(b' ');
                }
                space = false;
                out.push(octet);
            }
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn with_crlf(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\n', rest) {
        let line = rest.get(..at).unwrap_or_default();
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        out.extend_from_slice(b"\r\n");
        rest = rest.get(at + 1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// The whole body in canonical form. Empty lines at the end are gone; a body without line end gets one (§3.4.3, §3.4.4).
pub fn body(body: &[u8], form: Form) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + body.len() / 32 + 2);
    // Length up to the last line that is not empty.
    let mut solid = 0;
    let mut rest = body;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let start = out.len();
        match form {
            Form::Simple => out.extend_from_slice(line),
            Form::Relaxed => relaxed_line(line, &mut out),
        }
        let empty = out.len() == start;
        out.extend_from_slice(b"\r\n");
        if !empty {
            solid = out.len();
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    out.truncate(solid);
    if out.is_empty() && form == Form::Simple {
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn relaxed_line(line: &[u8], out: &mut Vec<u8>) {
    let end = line.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |last| last + 1);
    let mut rest = line.get(..end).unwrap_or_default();
    while let Some(at) = memchr::memchr2(b' ', b'\t', rest) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        out.push(b' ');
        rest = rest.get(at..).unwrap_or_default();
        let run = rest.iter().position(|b| !matches!(b, b' ' | b'\t')).unwrap_or(rest.len());
        rest = rest.get(run..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 6376 §3.4.5: "A: X", "B : Y\t\r\n\tZ  ", " C \r\nD \t E\r\n\r\n\r\n".
    const A: &[u8] = b"A: X\r\n";
    const B: &[u8] = b"B : Y\t\r\n\tZ  \r\n";
    const BODY: &[u8] = b" C \r\nD \t E\r\n\r\n\r\n";

    fn both(form: Form) -> Vec<u8> {
        let mut out = Vec::new();
        field(A, form, None, &mut out);
        field(B, form, None, &mut out);
        out
    }

    #[test]
    fn the_examples_of_rfc_6376_come_out() {
        assert_eq!(both(Form::Relaxed), b"a:X\r\nb:Y Z\r\n");
        assert_eq!(both(Form::Simple), b"A: X\r\nB : Y\t\r\n\tZ  \r\n");
        assert_eq!(body(BODY, Form::Relaxed), b" C\r\nD E\r\n");
        assert_eq!(body(BODY, Form::Simple), b" C \r\nD \t E\r\n");
    }

    #[test]
    fn an_empty_body_is_a_line_end_or_nothing() {
        for empty in [&b""[..], b"\r\n", b"\n\n\r\n"] {
            assert_eq!(body(empty, Form::Simple), b"\r\n");
            assert_eq!(body(empty, Form::Relaxed), b"");
        }
        assert_eq!(body(b" \t\r\n", Form::Relaxed), b"");
    }

    #[test]
    fn bare_lf_and_crlf_are_the_same_line_end() {
        for form in [Form::Simple, Form::Relaxed] {
            assert_eq!(body(b"a\nb  c\n", form), body(b"a\r\nb  c\r\n", form));
            let (mut lf, mut crlf) = (Vec::new(), Vec::new());
            field(b"A: b\n c\n", form, None, &mut lf);
            field(b"A: b\r\n c\r\n", form, None, &mut crlf);
            assert_eq!(lf, crlf);
        }
        assert_eq!(body(b"no end", Form::Simple), b"no end\r\n");
    }
}
