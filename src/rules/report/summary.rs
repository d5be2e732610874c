//! The report's table of rules that hit, long for the body and terse for a field, and the preview of the text.

use super::Rendering;
use super::fold::wrap;
use crate::outcome::{Hit, View};
use crate::rules::model::{EvalKind, Test};
use std::io::Write as _;

/// The turn of a type within its stage (Plugin/Check.pm, check_main).
pub(super) fn turn(test: &Test) -> u8 {
    match test {
        Test::Eval { kind: EvalKind::Rbl, .. } | Test::Dns { .. } => 0,
        Test::Header { .. } | Test::Exists(_) => 1,
        Test::Eval { kind: EvalKind::Head, .. } => 2,
        Test::Body(_) => 3,
        Test::Uri(_) => 4,
        Test::Eval { kind: EvalKind::Body, .. } | Test::MimeHeader { .. } | Test::UriDetail(_) => 5,
        Test::RawBody(_) => 6,
        Test::Eval { kind: EvalKind::RawBody, .. } => 7,
        Test::Full(_) => 8,
        Test::Eval { kind: EvalKind::Full, .. } => 9,
        Test::Meta(_) => 10,
        Test::Empty => 11,
    }
}

/// What functions left to say about a hit.
fn messages(hit: &Hit) -> impl Iterator<Item = &[u8]> {
    hit.evidence.iter().filter(|evidence| evidence.view == View::Eval && evidence.place.is_empty()).map(|evidence| &*evidence.text)
}

impl Rendering<'_, '_> {
    /// `_SUMMARY_`.
    pub(super) fn summary(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for hit in self.hits_in_order() {
            let score = points(hit.score);
            let head = format!("{score} {:<22} {}", hit.rule, hit.area);
            let before = 3 + hit.rule.len() + score.len() + hit.area.len();
            out.extend_from_slice(head.as_bytes());
            out.extend_from_slice(&self.description(hit, before, &b" ".repeat(28)));
            out.push(b'\n');
            for message in self.said(hit) {
                long_message(&message, &mut out);
            }
        }
        out
    }

    /// What stands in `_REPORT_` after its line feed.
    pub(super) fn terse_report(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for hit in self.hits_in_order() {
            let score = points(hit.score);
            let before = 4 + hit.rule.len() + score.len() + hit.area.len();
            out.extend_from_slice(format!("* {score} {} {}", hit.rule, hit.area).as_bytes());
            out.extend_from_slice(&self.description(hit, before, b"*      "));
            out.push(b'\n');
            let messages = self.said(hit);
            if !messages.is_empty() {
                out.extend_from_slice(b"*      ");
            }
            for message in messages {
                for piece in split_message(&message) {
                    out.push(b'[');
                    out.extend_from_slice(piece);
                    out.extend_from_slice(b"]\n");
                }
            }
        }
        out
    }

    fn said(&self, hit: &Hit) -> Vec<Vec<u8>> {
        let hidden = self.set.get(&hit.rule).is_some_and(|rule| rule.flags.others.iter().any(|word| word == "nolog"));
        let all = messages(hit).map(<[u8]>::to_vec);
        if hidden { all.take(1).map(|_| b"*REDACTED*".to_vec()).collect() } else { all.collect() }
    }

    fn description(&self, hit: &Hit, before: usize, prefix: &[u8]) -> Vec<u8> {
        let text = hit.describe.as_deref().filter(|text| !text.is_empty()).unwrap_or("No description available.");
        let width = self.options().number("report_wrap_width", 75.0).max(1.0) as usize;
        let wrapped = wrap(text.as_bytes(), prefix, &b" ".repeat(before), width, false);
        let start = wrapped.iter().position(|octet| !octet.is_ascii_whitespace()).unwrap_or(wrapped.len());
        wrapped.get(start..).unwrap_or_default().to_vec()
    }
}

/// Four columns: one decimal below ten points.
fn points(score: f64) -> String {
    if score.abs() >= 10.0 { format!("{score:4.0}") } else { format!("{score:4.1}") }
}

/// Pieces of 30 to 48 octets, broken at white space.
fn split_message(message: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = message;
    loop {
        // The longest run of up to 48 octets that white space follows; a line feed ends the run.
        let line = rest.iter().position(|octet| *octet == b'\n').unwrap_or(rest.len());
        let end = (30..=48.min(line)).rev().find(|end| rest.get(*end).is_some_and(u8::is_ascii_whitespace));
        let Some(end) = end else { break };
        pieces.push(rest.get(..end).unwrap_or_default());
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    pieces.push(rest);
    pieces
}

fn long_message(message: &[u8], out: &mut Vec<u8>) {
    for piece in split_message(message) {
        let text = [b"[", piece, b"]"].concat();
        let indent = if piece.len() > 47 { 78usize.saturating_sub(text.len()) } else { 28 };
        let _ = write!(out, "{:indent$}", "");
        out.extend_from_slice(&text);
        out.push(b'\n');
    }
}

/// `_PREVIEW_`: the first three paragraphs up to 200 octets, wrapped.
pub(super) fn preview(body: &[Vec<u8>]) -> Vec<u8> {
    let mut text: Vec<u8> = Vec::new();
    for paragraph in body.iter().skip(1).take(3) {
        if text.len() >= 200 {
            break;
        }
        text.extend_from_slice(paragraph);
    }
    let mut cut: Vec<u8> = Vec::with_capacity(700);
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        let (line, end) = line.strip_suffix(b"\n").map_or((line, &b""[..]), |line| (line, b"\n"));
        match line.get(..200).filter(|_| line.len() > 200) {
            Some(start) => {
                cut.extend_from_slice(start);
                cut.extend_from_slice(b" [...]");
            }
            None => cut.extend_from_slice(line),
        }
        cut.extend_from_slice(end);
    }
    if !cut.ends_with(b"\n") {
        cut.push(b'\n');
    }
    let shown = squeezed(&without_noise(&cut));
    let wrapped = wrap(&shown, b"  ", b"Content preview:  ", 75, true);
    let rest = wrapped.strip_prefix(b"Content preview:").unwrap_or(&wrapped);
    let start = rest.iter().position(|octet| !octet.is_ascii_whitespace()).unwrap_or(rest.len());
    rest.get(start..).unwrap_or_default().to_vec()
}

/// Rulers and the set phrases of mail programs say nothing.
fn without_noise(text: &[u8]) -> Vec<u8> {
    const QUOTED: &[u8] = b"-----Original Message-----";
    const MULTIPART: &[u8] = b"This is a multi-part message in MIME format.";
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        match memchr::memmem::find(line, QUOTED) {
            Some(at) => {
                out.extend_from_slice(line.get(..at).unwrap_or_default());
                out.extend_from_slice(if line.ends_with(b"\n") { b"\n" } else { b"" });
            }
            None => out.extend_from_slice(line),
        }
    }
    while let Some(at) = memchr::memmem::find(&out, MULTIPART) {
        out.drain(at..at + MULTIPART.len());
    }
    let mut kept = Vec::with_capacity(out.len());
    let mut rest = &out[..];
    while !rest.is_empty() {
        let ruler = rest.iter().take_while(|octet| b"-_*.".contains(octet)).count();
        let take = if ruler >= 10 { ruler } else { ruler.max(1) };
        if ruler < 10 {
            kept.extend_from_slice(rest.get(..take).unwrap_or_default());
        }
        rest = rest.get(take..).unwrap_or_default();
    }
    kept
}

fn squeezed(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for octet in text {
        let space = matches!(octet, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
        match space {
            true if out.last() == Some(&b' ') => {}
            true => out.push(b' '),
            false => out.push(*octet),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_take_four_columns() {
        assert_eq!([1.3, 12.34, -0.0, -3.25, 100.0].map(points), [" 1.3", "  12", "-0.0", "-3.2", " 100"]);
    }

    #[test]
    fn a_preview_is_short_and_without_rulers() {
        let body = [b"subject\n".to_vec(), b"Hello ---------- you  \n".to_vec(), b"there".to_vec()];
        assert_eq!(preview(&body), b"Hello you there ");
    }

    #[test]
    fn long_messages_are_split() {
        let pieces = split_message(b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbb cccccccccccccc ddd");
        assert_eq!(pieces, [&b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbb"[..], b"cccccccccccccc ddd"]);
    }
}
