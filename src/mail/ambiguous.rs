//! What mail readers take differently in a message's MIME structure (published as "Inbox Invasion", CCS 2024): each
//! oddity is a word that rules may score, and every plausible reading is among the attachments (`attachments`).

use super::Defect;
use super::attachments_fields::{MimeFields, Parameters};
use super::attachments_tree::{Encoding, Layout};
use super::fields::trim;
use crate::unpack::octets::contains_ignoring_case;
use std::collections::BTreeSet;

/// Oddities of one text and its layout.
pub(super) fn oddities(text: &[u8], layout: &Layout) -> BTreeSet<Defect> {
    let mut found = BTreeSet::new();
    for (fields, is_container) in &layout.entities {
        of_fields(fields, *is_container, &mut found);
    }
    if layout.no_part {
        found.insert(Defect::AmbiguousBoundary);
    }
    if layout.missing_separator && layout.entities.iter().any(|(fields, _)| !fields.types.is_empty()) {
        found.insert(Defect::AmbiguousSeparator);
    }
    for margin in &layout.margins {
        if has_part(&text[margin.clone()]) {
            found.insert(Defect::AmbiguousStructure);
        }
    }
    if !layout.boundaries.is_empty() && has_near_miss(text, &layout.boundaries) {
        found.insert(Defect::AmbiguousBoundary);
    }
    found
}

fn differ(values: &[Vec<u8>]) -> bool {
    let plain = |v: &Vec<u8>| trim(v).to_ascii_lowercase();
    values.len() > 1 && values[1..].iter().any(|v| plain(v) != plain(&values[0]))
}

fn of_fields(fields: &MimeFields, is_container: bool, found: &mut BTreeSet<Defect>) {
    if fields.odd {
        found.insert(Defect::AmbiguousField);
    }
    if differ(&fields.types) {
        found.insert(Defect::AmbiguousContentType);
    }
    if differ(&fields.encodings) {
        found.insert(Defect::AmbiguousEncoding);
    }
    if differ(&fields.dispositions) {
        found.insert(Defect::AmbiguousDisposition);
    }
    for value in &fields.types {
        let read = Parameters::parse(value);
        let is_multipart = contains_ignoring_case(value, b"multipart") || contains_ignoring_case(value, b"boundary");
        let is_message = contains_ignoring_case(value, b"message/");
        if (is_multipart || is_message) && (read.odd || has_control(value)) || !is_plain_type(&read.main) {
            found.insert(Defect::AmbiguousContentType);
        }
        if is_multipart {
            of_boundary(&read, found);
        }
    }
    for value in &fields.encodings {
        let read = Parameters::parse(value);
        let is_known = matches!(
            read.main.as_slice(),
            b"" | b"7bit" | b"8bit" | b"binary" | b"base64" | b"quoted-printable" | b"x-uuencode" | b"uuencode" | b"7-bit" | b"8-bit"
        );
        let hidden = [b"base64".as_slice(), b"printable", b"uue", b"=?"].iter().any(|word| contains_ignoring_case(value, word));
        let plain = trim(value).to_ascii_lowercase() == read.main;
        if !is_known && (hidden || has_control(value)) || is_known && !plain && !read.main.is_empty() {
            found.insert(Defect::AmbiguousEncoding);
        }
        let is_encoded = !matches!(super::attachments_tree::encoding(value), Encoding::Identity);
        if is_container && is_encoded && fields.types.first().is_some_and(|t| contains_ignoring_case(t, b"multipart")) {
            found.insert(Defect::AmbiguousEncoding);
        }
    }
}

/// RFC 2045 §5.1: `token/token`.
fn is_plain_type(main: &[u8]) -> bool {
    main.is_empty()
        || main.iter().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'=' | b'<' | b'>' | b'@' | b',' | b'\\' | b'[' | b']' | b'?'))
            && main.iter().filter(|b| **b == b'/').count() <= 1
}

fn of_boundary(read: &Parameters, found: &mut BTreeSet<Defect>) {
    let plain: Vec<&[u8]> = read.all(b"boundary").collect();
    let extended = read.list.iter().any(|(name, _)| name.starts_with(b"boundary*"));
    // RFC 2046 §5.1.1: bchars.
    let fits = |b: &[u8]| {
        (1..=70).contains(&b.len())
            && b.iter().all(|c| c.is_ascii_alphanumeric() || b"'()+_,-./:=? %#!$&*;<>@[]^`{|}~".contains(c))
            && !b.ends_with(b" ")
    };
    let encoded = plain.iter().any(|b| b.starts_with(b"=?") && b.ends_with(b"?="));
    let is_multipart = read.main.starts_with(b"multipart");
    if plain.len() > 1 || extended || encoded || plain.iter().any(|b| !fits(b)) || is_multipart && plain.is_empty() {
        found.insert(Defect::AmbiguousBoundary);
    }
}

fn has_control(value: &[u8]) -> bool {
    let mut rest = value;
    // The line ends of folds and of the field are no part of its value.
    while let [head @ .., b'\n' | b'\r'] = rest {
        rest = head;
    }
    rest.iter().enumerate().any(|(i, b)| match b {
        b'\r' => rest.get(i + 1) != Some(&b'\n'),
        b'\n' | b'\t' => false,
        other => other.is_ascii_control(),
    })
}

/// Text that is no part by the rules holds fields of one.
fn has_part(margin: &[u8]) -> bool {
    let margin = &margin[..margin.len().min(1 << 20)];
    margin.split(|b| matches!(b, b'\n' | b'\r')).any(|line| {
        let is = |name: &[u8]| line.get(..name.len()).is_some_and(|l| l.eq_ignore_ascii_case(name));
        is(b"content-type:") || is(b"content-transfer-encoding:") || is(b"content-disposition:")
    })
}

/// Lines that are nearly a declared boundary: blanks before it, something behind it, other case, a missing dash.
fn has_near_miss(text: &[u8], boundaries: &[Vec<u8>]) -> bool {
    const LINES: usize = 20_000;
    let known: Vec<&Vec<u8>> = boundaries.iter().filter(|b| b.len() >= 4).take(16).collect();
    let mut at = 0;
    let mut looked = 0;
    while let Some(n) = memchr::memchr(b'-', text.get(at..).unwrap_or_default()) {
        let dash = at + n;
        let start = text[..dash].iter().rposition(|b| matches!(b, b'\n' | b'\r')).map_or(0, |p| p + 1).max(at.min(dash));
        let end = memchr::memchr2(b'\n', b'\r', &text[dash..]).map_or(text.len(), |n| dash + n);
        at = end.max(dash + 1);
        looked += 1;
        if looked > LINES {
            return false;
        }
        let line = &text[start..end];
        if line.len() > 400 || dash - start > 8 {
            continue;
        }
        let visible: &[u8] = &line[dash - start..];
        let name = visible.strip_prefix(b"--").unwrap_or(visible.strip_prefix(b"-").unwrap_or(visible));
        for boundary in &known {
            let Some(head) = name.get(..boundary.len()).filter(|head| head.eq_ignore_ascii_case(boundary)) else { continue };
            let rest = &name[boundary.len()..];
            let exact = dash == start && visible.starts_with(b"--") && head == boundary.as_slice();
            let longer = known.iter().any(|other| other.len() > boundary.len() && name.starts_with(other));
            let ends = |rest: &[u8]| rest.iter().all(|b| matches!(b, b' ' | b'\t'));
            if !longer && !(exact && (ends(rest) || rest.strip_prefix(b"--").is_some_and(ends))) {
                return true;
            }
        }
    }
    false
}
