//! Addresses of a header field, by SpamAssassin's relaxed internal parser (Util.pm, parse_header_addresses).

use super::fields::is_space;
use crate::base::limits;
use memchr::{memchr, memmem, memrchr};
use std::borrow::Cow;

/// One entry of an address list; either half may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// The display name, or the comment where there is none; undecoded, quotes taken off.
    pub phrase: Option<Vec<u8>>,
    /// `user@host`.
    pub address: Option<Vec<u8>>,
}

/// Reads a raw field value.
pub fn parse(value: &[u8]) -> Vec<Address> {
    let blanks = value.iter().rev().take_while(|b| is_space(**b)).count();
    let text = without_doubled_backslashes(&value[..value.len() - blanks]);
    let mut rest = after_group(&text);
    let mut found = Vec::new();
    if rest.iter().all(|b| is_space(*b)) {
        return found;
    }
    while let Some((entry, end)) = entry(rest) {
        found.push(entry.read());
        rest = &rest[end..];
        if found.len() >= limits::ADDRESSES {
            return found;
        }
    }
    if memchr(b'@', rest).is_some() {
        enclosed(rest, &mut found);
    }
    found
}

fn without_doubled_backslashes(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memmem::find(rest, b"\\\\") {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// `group: members;` loses its name; an empty group loses all.
fn after_group(text: &[u8]) -> &[u8] {
    let run = text.iter().take_while(|b| !matches!(b, b'"' | b'(' | b')' | b'<' | b'>')).count();
    match memrchr(b':', &text[..run]) {
        Some(colon) if colon > 0 => {
            let rest = &text[colon + 1..];
            let rest = &rest[blanks(rest)..];
            if rest.first() == Some(&b';') { b"" } else { rest }
        }
        _ => text,
    }
}

fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|b| is_space(**b)).count()
}

/// Length of a quoted string at the start, quotes included.
fn quoted(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    if text.first() != Some(&b'"') {
        return None;
    }
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => {
                if matches!(text.get(at + 1)?, b'\n') {
                    return None;
                }
                at += 2;
            }
            _ => at += 1,
        }
    }
}

/// Ends of the pieces of the longest run of quoted strings and of text without `",;<`.
fn phrase_ends(text: &[u8], start: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = start;
    loop {
        let plain = text[at..].iter().take_while(|b| !matches!(b, b'"' | b',' | b';' | b'<')).count();
        if plain > 0 {
            at += plain;
            ends.push(at);
        }
        match quoted(&text[at..]) {
            Some(len) => at += len,
            None => return ends,
        }
        ends.push(at);
    }
}

/// Length of an address at the start.
fn mail_len(text: &[u8]) -> Option<usize> {
    let is_local = |b: &u8| !is_space(*b) && !matches!(b, b'@' | b'<' | b'>' | b'(' | b')' | b'[' | b']' | b',' | b':' | b';');
    let plain = || Some(text.iter().take_while(|b| is_local(b)).count()).filter(|n| *n > 0);
    let with_domain = |local: usize| {
        let rest = text.get(local..)?.strip_prefix(b"@")?;
        let is_domain = |b: &u8| !is_space(*b) && !matches!(b, b'"' | b'<' | b'>' | b'(' | b')' | b'[' | b']' | b',' | b':' | b';');
        let name = rest.iter().take_while(|b| is_domain(b)).count();
        if name > 0 {
            return Some(local + 1 + name);
        }
        let literal = rest.strip_prefix(b"[")?;
        let len = literal.iter().take_while(|b| b.is_ascii_digit() || matches!(b, b':' | b'.')).count();
        (len > 0 && literal.get(len) == Some(&b']')).then_some(local + len + 3)
    };
    quoted(text).and_then(with_domain).or_else(|| plain().and_then(with_domain))
}

/// One entry as it stands.
struct Entry<'a> {
    phrase: Option<&'a [u8]>,
    address: Option<&'a [u8]>,
    enclosed: bool,
    comment: Option<&'a [u8]>,
}

/// An entry at the start, and where the next one begins.
fn entry(text: &[u8]) -> Option<(Entry<'_>, usize)> {
    let start = blanks(text);
    let ends = phrase_ends(text, start);
    let phrase_end = ends.last().copied().unwrap_or(start);
    if text.get(phrase_end) == Some(&b'<') {
        let phrase = (phrase_end > start).then(|| &text[start..phrase_end]);
        let mut budget = BUDGET;
        if let Some((address, comment, end)) = bracketed(text, phrase_end, &mut budget) {
            return Some((Entry { phrase, address: Some(address), enclosed: true, comment }, end));
        }
    }
    if let Some(len) = mail_len(&text[start..])
        && let Some((comment, end)) = ending(text, start + len)
    {
        return Some((Entry { phrase: None, address: Some(&text[start..start + len]), enclosed: false, comment }, end));
    }
    // A comment may hold what ends a phrase, so shorter ones are tried as well.
    for phrase_end in ends.into_iter().rev() {
        if let Some((comment, end)) = ending(text, phrase_end) {
            return Some((Entry { phrase: Some(&text[start..phrase_end]), address: None, enclosed: false, comment }, end));
        }
    }
    // White space alone is a phrase as well.
    let (comment, end) = (start > 0 && phrase_end == start).then(|| ending(text, start)).flatten()?;
    Some((Entry { phrase: Some(&text[..start]), address: None, enclosed: false, comment }, end))
}

/// Steps that a search for the closing bracket may take in all.
const BUDGET: usize = 20_000;

type Bracketed<'a> = (&'a [u8], Option<&'a [u8]>, usize);

/// `<address>` at `at`, further brackets after it, then a comment and the end of the entry.
fn bracketed<'a>(text: &'a [u8], at: usize, budget: &mut usize) -> Option<Bracketed<'a>> {
    let start = at + 1 + blanks(&text[at + 1..]);
    let stop = start + text[start..].iter().take_while(|b| !matches!(b, b'>' | b'@')).count();
    let close = |inner_end: usize, bracket: usize, budget: &mut usize| {
        let (comment, end) = after_bracket(text, bracket + 1, 0, budget)?;
        Some((&text[start..inner_end], comment, end))
    };
    if stop < text.len() {
        let run_end = stop + text[stop..].iter().take_while(|b| !is_space(**b)).count();
        for (inner_end, bracket) in closers(text, stop, run_end) {
            if let Some(found) = close(inner_end, bracket, budget) {
                return Some(found);
            }
        }
    }
    if text.get(stop) != Some(&b'>') {
        return None;
    }
    let inner = &text[start..stop];
    let inner_end = start + inner.len() - inner.iter().rev().take_while(|b| is_space(**b)).count();
    close(inner_end, stop, budget)
}

/// Where `\S+` from `from` may end, and the `>` after it: the longest first.
fn closers(text: &[u8], from: usize, run_end: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
    let beyond = run_end + blanks(&text[run_end..]);
    let after_blanks = (text.get(beyond) == Some(&b'>')).then_some((run_end, beyond));
    let inside = (from + 1..run_end).rev().filter(|at| text[*at] == b'>').map(|at| (at, at));
    after_blanks.into_iter().chain(inside)
}

/// Some programs write several bracketed addresses; only the first counts.
fn after_bracket<'a>(text: &'a [u8], at: usize, depth: usize, budget: &mut usize) -> Option<(Option<&'a [u8]>, usize)> {
    const MOST: usize = 50;
    *budget = budget.checked_sub(1)?;
    let next = at + blanks(&text[at..]);
    if text.get(next) != Some(&b'<') {
        return ending(text, at);
    }
    if depth == MOST {
        return None;
    }
    let start = next + 1 + blanks(&text[next + 1..]);
    let from = start + quoted(&text[start..]).filter(|len| text.get(start + len).is_some_and(|b| !is_space(*b))).unwrap_or(0);
    if from < text.len() {
        let run_end = from + text[from..].iter().take_while(|b| !is_space(**b)).count();
        for (_, bracket) in closers(text, from, run_end) {
            if let Some(found) = after_bracket(text, bracket + 1, depth + 1, budget) {
                return Some(found);
            }
        }
    }
    (text.get(start) == Some(&b'>')).then(|| after_bracket(text, start + 1, depth + 1, budget)).flatten()
}

/// An optional comment, then `,`, `;` or the end.
fn ending(text: &[u8], at: usize) -> Option<(Option<&[u8]>, usize)> {
    let open = at + blanks(&text[at..]);
    let finish = |at: usize| {
        let at = at + blanks(&text[at..]);
        match text.get(at) {
            None => Some(at),
            Some(b',' | b';') => Some(at + 1),
            Some(_) => None,
        }
    };
    if let Some(len) = comment_len(&text[open..], false)
        && let Some(end) = finish(open + len)
    {
        return Some((Some(&text[open + 1..open + len - 1]), end));
    }
    finish(at).map(|end| (None, end))
}

/// Length of a comment without inner parentheses at the start.
fn comment_len(text: &[u8], escaped_line_ends: bool) -> Option<usize> {
    if text.first() != Some(&b'(') {
        return None;
    }
    let mut at = 1;
    loop {
        match text.get(at)? {
            b')' => return Some(at + 1),
            b'(' => return None,
            b'\\' if !escaped_line_ends && text.get(at + 1) == Some(&b'\n') => return None,
            b'\\' => {
                text.get(at + 1)?;
                at += 2;
            }
            _ => at += 1,
        }
    }
}

fn without_comments(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    // A comment that does not close ends the search: later ones may be inside it.
    while at < text.len() {
        match comment_len(&text[at..], true) {
            Some(len) => at += len,
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

impl Entry<'_> {
    fn read(&self) -> Address {
        let mut address = self.address.map(|a| if self.enclosed { without_comments(a) } else { a.to_vec() });
        address = address.filter(|a| (!self.enclosed || is_whole_address(a)) && is_plausible(a));
        let mut phrase = self.phrase.map(unquoted);
        if let Some(p) = &phrase {
            if address.is_none() && is_whole_address(p) && is_plausible(p) && is_fqdn(host_of(p)) {
                address = phrase.take();
            } else if p.is_empty() || address.as_ref() == Some(p) {
                phrase = None;
            }
        }
        let phrase = phrase.or_else(|| self.comment.map(<[u8]>::to_vec));
        Address { phrase, address: address.map(|a| up_to_second_at(&a).to_vec()) }
    }
}

fn is_whole_address(text: &[u8]) -> bool {
    mail_len(text).is_some_and(|len| len == text.len() || &text[len..] == b"\n")
}

fn is_plausible(address: &[u8]) -> bool {
    !address.starts_with(b"\"\"@") && memchr::memchr_iter(b'"', address).count() != 1
}

fn host_of(address: &[u8]) -> &[u8] {
    address.splitn(3, |b| *b == b'@').nth(1).unwrap_or_default()
}

fn up_to_second_at(address: &[u8]) -> &[u8] {
    let mut ats = memchr::memchr_iter(b'@', address);
    match (ats.next(), ats.next()) {
        (Some(_), Some(second)) => &address[..second],
        _ => address,
    }
}

/// Quoted strings without quotes and backslashes, other text without comments.
fn unquoted(phrase: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(phrase.len());
    let mut rest = phrase;
    while !rest.is_empty() {
        if let Some(len) = quoted(rest) {
            out.extend(rest[1..len - 1].iter().filter(|b| **b != b'\\'));
            rest = &rest[len..];
        } else if let Some(tail) = rest.strip_prefix(b"\"") {
            rest = tail;
        } else {
            let len = memchr(b'"', rest).unwrap_or(rest.len());
            out.extend_from_slice(&without_comments(&rest[..len]));
            rest = &rest[len..];
        }
    }
    out
}

/// What could not be read as a list is searched for `<address>`.
fn enclosed(text: &[u8], found: &mut Vec<Address>) {
    let mut at = 0;
    while let Some(n) = text.get(at..).and_then(|rest| memchr(b'<', rest)) {
        at += n + 1;
        let Some(len) = mail_len(&text[at..]).filter(|len| text.get(at + len) == Some(&b'>')) else { continue };
        let address = &text[at..at + len];
        if is_plausible(address) && found.len() < limits::ADDRESSES {
            found.push(Address { phrase: None, address: Some(up_to_second_at(address).to_vec()) });
        }
        at += len + 1;
    }
}

/// A host name of two labels or more (Util.pm, is_fqdn_valid); `_` may stand in the third label from the right or before.
pub fn is_fqdn(host: &[u8]) -> bool {
    let dots = host.iter().rev().take_while(|b| **b == b'.').count();
    let host = &host[..host.len() - dots];
    let count = host.split(|b| *b == b'.').count();
    count > 1
        && host.len() <= 253
        && host.split(|b| *b == b'.').enumerate().all(|(i, label)| {
            let is_inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
            (1..=63).contains(&label.len())
                && label.iter().all(is_inner)
                && !label.starts_with(b"-")
                && !label.ends_with(b"-")
                && (count - i > 2 || !label.contains(&b'_'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let lossy = |b: Option<Vec<u8>>| b.map_or("-".into(), |b| String::from_utf8_lossy(&b).into_owned());
        parse(text.as_bytes()).into_iter().map(|a| (lossy(a.phrase), lossy(a.address))).collect()
    }

    fn one(phrase: &str, address: &str) -> (String, String) {
        (phrase.into(), address.into())
    }

    #[test]
    fn lists_of_every_form_are_read() {
        for (text, expected) in [
            ("a@x.com", vec![one("-", "a@x.com")]),
            (" \"B, C\" <b@x.com>, d@y.com (Dee)", vec![one("B, C ", "b@x.com"), one("Dee", "d@y.com")]),
            ("<a@x.com>;<b@x.com>", vec![one("-", "-")]),
            ("<a@x.com>; <b@x.com>", vec![one("-", "a@x.com"), one("-", "b@x.com")]),
            ("friends: a@x.com, b@x.com;", vec![one("-", "a@x.com"), one("-", "b@x.com")]),
            ("undisclosed-recipients:;", vec![]),
            ("a@x.com <>", vec![one("a@x.com ", "-")]),
            ("\"a@x.com\" <>", vec![one("a@x.com ", "-")]),
            ("\"a@x.com\"<>", vec![one("-", "a@x.com")]),
            ("A <b@x.com> <c@x.com>", vec![one("A ", "b@x.com")]),
            ("A <b@x.com", vec![]),
            ("x y =?a?q?<b@x.com>?=", vec![one("-", "b@x.com")]),
            ("<>", vec![one("-", "-")]),
            ("\"b\"  (<a@x.com>)", vec![one("b", "-")]),
            ("\"\\\"q\\\"\" <a@[1.2.3.4]>", vec![one("\"q\" ", "a@[1.2.3.4]")]),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn hostile_brackets_take_bounded_time() {
        let text = "<<>".repeat(5000) + &"<a@b >".repeat(5000);
        assert!(parse(text.as_bytes()).len() <= limits::ADDRESSES);
        parse("(".repeat(60_000).as_bytes());
        parse("\"".repeat(60_001).as_bytes());
    }

    #[test]
    fn host_names_have_two_labels() {
        for (host, valid) in
            [("a.b", true), ("a", false), ("a_b.c.d", true), ("a_b.c", false), ("-a.b", false), ("a..b", false), ("a.b..", true)]
        {
            assert_eq!(is_fqdn(host.as_bytes()), valid, "{host}");
        }
    }
}
