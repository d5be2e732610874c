//! The MIME fields of one entity, read leniently: every value is kept, since readers differ in which one they take.

use super::decode;
use super::fields::is_space;
use std::ops::Range;

/// Octets of a value that are read, fields of one name, parameters of one value.
const VALUE: usize = 128 << 10;
const FIELDS: usize = 50;
const PARAMETERS: usize = 500;

/// Content-* fields of one header section.
#[derive(Clone, Debug, Default)]
pub struct MimeFields {
    /// Raw values, folds included, in order.
    pub types: Vec<Vec<u8>>,
    pub encodings: Vec<Vec<u8>>,
    pub dispositions: Vec<Vec<u8>>,
    /// Something about the fields that readers take differently: a name with foreign octets, a field without a colon.
    pub odd: bool,
    pub crowded: bool,
}

/// A value taken apart.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    /// Lower case, without comments.
    pub main: Vec<u8>,
    /// Name in lower case, value without quotes.
    pub list: Vec<(Vec<u8>, Vec<u8>)>,
    /// It is not written as RFC 2045 §5.1 has it, in a way that readers resolve differently.
    pub odd: bool,
}

/// Reads a header section line by line; true: the line belongs to a field.
pub(super) fn read(text: &[u8], header: Range<usize>) -> MimeFields {
    let mut fields = MimeFields::default();
    let section = text.get(header).unwrap_or_default();
    let mut at = 0;
    while at < section.len() {
        let mut end = line_end(section, at);
        while matches!(section.get(end), Some(b' ' | b'\t')) {
            end = line_end(section, end);
        }
        fields.take(&section[at..end]);
        at = end;
    }
    fields
}

fn line_end(text: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |n| at + n + 1)
}

impl MimeFields {
    fn take(&mut self, field: &[u8]) {
        // The letters of the name alone: readers differ in what they forgive around them.
        let head = &field[..field.len().min(60)];
        let skipped = head.iter().take_while(|b| !b.is_ascii_alphanumeric()).count();
        if skipped > 4 || !head[skipped..].get(..7).is_some_and(|n| n.eq_ignore_ascii_case(b"content")) {
            return;
        }
        let name_len = head.iter().position(|b| matches!(b, b':')).unwrap_or(head.len());
        let letters: Vec<u8> = head[..name_len].iter().filter(|b| b.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
        let (list, plain): (&mut Vec<Vec<u8>>, &[u8]) = if letters.starts_with(b"contenttype") {
            (&mut self.types, b"content-type")
        } else if letters.starts_with(b"contenttransferencoding") {
            (&mut self.encodings, b"content-transfer-encoding")
        } else if letters.starts_with(b"contentdisposition") {
            (&mut self.dispositions, b"content-disposition")
        } else {
            return;
        };
        let is_plain = field.get(..plain.len()).is_some_and(|n| n.eq_ignore_ascii_case(plain)) && field.get(plain.len()) == Some(&b':');
        self.odd |= !is_plain;
        let from = if name_len < head.len() { name_len + 1 } else { (skipped + plain.len()).min(field.len()) };
        if list.len() >= FIELDS {
            self.crowded = true;
            return;
        }
        list.push(field[from..field.len().min(from + VALUE)].to_vec());
    }
}

impl Parameters {
    pub fn parse(value: &[u8]) -> Parameters {
        let mut found = Parameters::default();
        let mut pieces = Vec::new();
        found.odd = split(value, &mut pieces);
        let mut pieces = pieces.into_iter();
        found.main = pieces.next().unwrap_or_default().0.to_ascii_lowercase();
        found.main.retain(|b| !is_space(*b));
        for (piece, quoted) in pieces.take(PARAMETERS) {
            let Some(equals) = memchr::memchr(b'=', &piece) else {
                found.odd |= piece.iter().any(|b| !is_space(*b));
                continue;
            };
            let name: Vec<u8> = piece[..equals].iter().filter(|b| !is_space(**b)).map(u8::to_ascii_lowercase).collect();
            let value = trim_odd(&piece[equals + 1..]);
            found.odd |= name.iter().any(|b| !b.is_ascii_graphic()) || !quoted && value.iter().any(|b| matches!(b, b'"' | b'\\'));
            found.list.push((name, value.to_vec()));
        }
        found
    }

    pub fn all<'p>(&'p self, name: &'p [u8]) -> impl Iterator<Item = &'p [u8]> {
        self.list.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    /// `name*`, `name*0`, `name*1*` … put together (RFC 2231 §3, §4), percent signs undone.
    pub fn extended(&self, name: &[u8]) -> Option<Vec<u8>> {
        let mut pieces: Vec<(usize, bool, &[u8])> = Vec::new();
        for (known, value) in &self.list {
            let Some(rest) = known.strip_prefix(name).and_then(|rest| rest.strip_prefix(b"*")) else { continue };
            let (digits, encoded) = match rest.strip_suffix(b"*") {
                Some(digits) => (digits, true),
                None => (rest, rest.is_empty()),
            };
            let number = if digits.is_empty() { 0 } else { std::str::from_utf8(digits).ok()?.parse::<usize>().unwrap_or(usize::MAX) };
            pieces.push((number, encoded, value));
        }
        if pieces.is_empty() {
            return None;
        }
        pieces.sort_by_key(|(number, _, _)| *number);
        let mut joined: Vec<u8> = Vec::new();
        for (i, (_, encoded, value)) in pieces.iter().enumerate() {
            let text = if *encoded && i == 0 { after_charset(value) } else { value };
            if *encoded { joined.extend(percent(text)) } else { joined.extend_from_slice(text) }
        }
        Some(joined)
    }
}

/// `charset'language'text`
fn after_charset(value: &[u8]) -> &[u8] {
    let mut quotes = memchr::memchr_iter(b'\'', value);
    match (quotes.next(), quotes.next()) {
        (Some(_), Some(second)) => &value[second + 1..],
        _ => value,
    }
}

fn percent(text: &[u8]) -> Vec<u8> {
    let hex = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match (text[at], hex(text.get(at + 1)), hex(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            (b, _, _) => {
                out.push(b);
                at += 1;
            }
        }
    }
    out
}

fn trim_odd(value: &[u8]) -> &[u8] {
    let odd = |b: &&u8| is_space(**b) || **b == 0;
    let start = value.iter().take_while(odd).count();
    let value = &value[start..];
    let end = value.iter().rev().take_while(odd).count();
    &value[..value.len() - end]
}

/// Pieces between semicolons, comments left out, quotes and their escapes undone. True: written oddly.
fn split(value: &[u8], pieces: &mut Vec<(Vec<u8>, bool)>) -> bool {
    let mut odd = false;
    let mut piece: Vec<u8> = Vec::new();
    let (mut quoted, mut was_quoted, mut comment) = (false, false, 0usize);
    let mut at = 0;
    while let Some(b) = value.get(at) {
        at += 1;
        match (b, quoted, comment) {
            (b'\\', true, _) | (b'\\', _, 1..) => {
                if let Some(escaped) = value.get(at) {
                    if quoted {
                        piece.push(*escaped);
                    }
                    at += 1;
                }
            }
            (b'"', _, 0) => {
                odd |= !quoted && was_quoted;
                quoted = !quoted;
                was_quoted = true;
            }
            (b'(', false, _) => {
                comment += 1;
                odd = true;
            }
            (b')', false, 1..) => comment -= 1,
            (b'\r' | b'\n', _, _) => {}
            (_, false, 1..) => {}
            (b';', false, 0) => {
                pieces.push((std::mem::take(&mut piece), std::mem::take(&mut was_quoted)));
                if pieces.len() > PARAMETERS {
                    return true;
                }
            }
            (b, _, _) => {
                // RFC 2045 §5.1: what follows a quoted value belongs to no parameter.
                odd |= *b == 0 || was_quoted && !quoted && !is_space(*b);
                piece.push(*b);
            }
        }
    }
    odd |= quoted || comment > 0;
    pieces.push((piece, was_quoted));
    odd
}

/// Every name that some reader shows for a part, the likeliest first.
pub(super) fn names(fields: &MimeFields) -> Vec<String> {
    const MOST: usize = 12;
    let mut names: Vec<String> = Vec::new();
    let mut add = |octets: Vec<u8>| {
        let plain = String::from_utf8(octets.clone()).unwrap_or_else(|_| octets.iter().map(|b| char::from(*b)).collect());
        for name in [String::from_utf8_lossy(&decode::words(octets.into(), b"filename")).into_owned(), plain] {
            if !name.is_empty() && !names.contains(&name) && names.len() < MOST {
                names.push(name);
            }
        }
    };
    for (values, keys) in [(&fields.dispositions, [b"filename".as_slice(), b"name"]), (&fields.types, [b"name".as_slice(), b"filename"])] {
        for value in values {
            let read = Parameters::parse(value);
            for key in keys {
                read.extended(key).into_iter().for_each(&mut add);
                read.all(key).map(<[u8]>::to_vec).for_each(&mut add);
            }
            // By search, as lenient readers do: a quote left open, a semicolon inside, a missing one before.
            let text = String::from_utf8_lossy(value);
            if read.odd {
                super::content_type::disposition_name(&text).map(String::into_bytes).into_iter().for_each(&mut add);
                searched(value).for_each(&mut add);
            }
        }
    }
    names
}

fn searched(value: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    memchr::memmem::find_iter(value, b"name").take(20).filter_map(|at| {
        let rest = &value[at + 4..];
        let equals = memchr::memchr(b'=', &rest[..rest.len().min(12)])?;
        let rest = trim_odd(&rest[equals + 1..]);
        let rest = rest.strip_prefix(b"\"").unwrap_or(rest);
        let end = rest.iter().position(|b| matches!(b, b'"' | b'\r' | b'\n' | b';')).unwrap_or(rest.len());
        Some(rest[..end].to_vec())
    })
}
