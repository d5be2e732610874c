//! The one field splitter: rules, authentication and the removal of forged fields all read header sections by it.

use crate::base::limits;
use memchr::{memchr, memchr_iter};
use std::borrow::Cow;
use std::ops::Range;

/// A header field, by offsets into the section it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// As written, without spaces before the colon.
    pub name: Range<usize>,
    /// All after the colon: leading space, folds and the final line end included.
    pub value: Range<usize>,
}

impl Field {
    pub fn name<'a>(&self, section: &'a [u8]) -> &'a [u8] {
        section.get(self.name.clone()).unwrap_or_default()
    }

    pub fn value<'a>(&self, section: &'a [u8]) -> &'a [u8] {
        section.get(self.value.clone()).unwrap_or_default()
    }

    /// The whole field with its line end.
    pub fn whole(&self) -> Range<usize> {
        self.name.start..self.value.end
    }
}

/// A message cut into header section and body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    pub fields: Vec<Field>,
    /// Where the section begins: after an mbox separator line.
    pub start: usize,
    /// Where the body begins.
    pub body: usize,
    /// First or last line ends in CRLF: bare LF of the section count as CRLF, and CRLF of values as LF.
    pub crlf: bool,
    /// No empty line stands between fields and body.
    pub missing_separator: bool,
    /// Lines that are no field.
    pub bad_lines: usize,
    /// A bare LF stands in a section whose lines end in CRLF.
    pub bare_lf: bool,
    /// Fields beyond `limits::FIELDS` or octets beyond `limits::HEADER_BYTES` were left out.
    pub too_many_fields: bool,
    pub too_large: bool,
}

/// Mail::SpamAssassin::Message: four lines that are no field end the section before the fourth.
const BAD_LINES_TOLERATED: usize = 3;

/// Fields that most messages have at most.
const USUAL_FIELDS: usize = 32;

/// Splits a message by SpamAssassin's rules, which tolerate three odd lines, a missing empty line and an mbox separator.
pub fn split(message: &[u8]) -> Section {
    let start = separator_line(message);
    let crlf = ends_in_crlf(message, start);
    let fields = Vec::with_capacity(USUAL_FIELDS);
    let mut section = Section { fields, start, body: message.len(), missing_separator: true, crlf, ..Section::default() };
    let mut open: Option<usize> = None;
    let mut at = start;
    for end in line_ends(message, start) {
        let line = &message[at..end];
        let has_cr = line.ends_with(b"\r\n");
        section.bare_lf |= section.crlf && !has_cr && line.ends_with(b"\n");
        if matches!(line[0], b' ' | b'\t') {
            open = open.or(Some(at));
            at = end;
            continue;
        }
        section.close(message, &mut open, at);
        let is_empty = if section.crlf { matches!(line, b"\r\n" | b"\n") } else { line == b"\n" };
        if is_empty {
            section.body = end;
            section.missing_separator = false;
            return section;
        }
        if line.starts_with(b"--") {
            section.body = at;
            return section;
        }
        if !begins_field(line) {
            section.bad_lines += 1;
            if section.bad_lines > BAD_LINES_TOLERATED {
                section.body = at;
                return section;
            }
        }
        open = Some(at);
        at = end;
    }
    section.close(message, &mut open, message.len());
    section
}

impl Section {
    fn close(&mut self, message: &[u8], open: &mut Option<usize>, end: usize) {
        let Some(start) = open.take() else { return };
        let Some(colon) = memchr(b':', &message[start..end]) else { return };
        if end - self.start > limits::HEADER_BYTES {
            self.too_large = true;
        } else if self.fields.len() >= limits::FIELDS {
            self.too_many_fields = true;
        } else {
            let name = &message[start..start + colon];
            let blanks = name.iter().rev().take_while(|b| matches!(b, b' ' | b'\t')).count();
            self.fields.push(Field { name: start..start + colon - blanks, value: start + colon + 1..end });
        }
    }

    /// The header section as `full` and `ALL:raw` see it: in a CRLF message bare LF are completed.
    pub fn pristine<'a>(&self, message: &'a [u8]) -> Cow<'a, [u8]> {
        let raw = message.get(self.start..self.body).unwrap_or_default();
        if self.bare_lf { Cow::Owned(complete_line_ends(raw)) } else { Cow::Borrowed(raw) }
    }
}

fn complete_line_ends(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 32);
    for &b in text {
        if b == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(b);
    }
    out
}

/// Octets that stand in a name.
static OF_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut octet = 0x21;
    while octet <= 0x7E {
        table[octet as usize] = octet != b':';
        octet += 1;
    }
    table
};

/// `name[ \t]*:` with a name of printable ASCII without colon (RFC 5322 §3.6.8, §4.5).
pub fn begins_field(line: &[u8]) -> bool {
    let Some(name) = line.iter().position(|b| !OF_NAME[usize::from(*b)]) else { return false };
    let blanks = line[name..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    name > 0 && line.get(name + blanks) == Some(&b':')
}

/// Ends of all lines from `from` on, each with its LF; the last line may have none.
pub fn line_ends(text: &[u8], from: usize) -> impl Iterator<Item = usize> + '_ {
    let rest = text.get(from..).unwrap_or_default();
    let open = rest.last().is_some_and(|b| *b != b'\n').then_some(text.len());
    memchr_iter(b'\n', rest).map(move |at| from + at + 1).chain(open)
}

/// End of the line that begins at `at`, its LF included.
pub fn line_end(text: &[u8], at: usize) -> usize {
    memchr(b'\n', text.get(at..).unwrap_or_default()).map_or(text.len(), |n| at + n + 1)
}

/// Length of a first line that separates messages in a mailbox file (mbox, or the University of Washington's MBX).
fn separator_line(message: &[u8]) -> usize {
    let end = line_end(message, 0);
    let line = &message[..end];
    if let Some(rest) = line.strip_prefix(b"From") {
        // "From : x" is a field, yet with two blanks one of them is left over to stand before something else than the colon.
        let blanks = rest.iter().take_while(|b| is_space(**b)).count();
        let colon = rest.get(blanks) == Some(&b':');
        if blanks > 1 || (blanks == 1 && !colon) {
            return end;
        }
    }
    if is_mbx(line) { end } else { 0 }
}

/// `dd-Mon-yyyy hh:mm:ss …,length;flags-uid`.
fn is_mbx(line: &[u8]) -> bool {
    const SHAPE: &[u8] = b"_d-aaa-dddd_dd:dd:dd";
    let fits = line.len() > SHAPE.len()
        && line.iter().zip(SHAPE).enumerate().all(|(i, (b, shape))| match shape {
            b'd' => b.is_ascii_digit(),
            b'a' => b.is_ascii_alphabetic(),
            b'_' => is_space(*b) || (i == 0 && b.is_ascii_digit()),
            other => b == other,
        });
    if !fits {
        return false;
    }
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Some(semicolon) = line.len().checked_sub(22) else { return false };
    let (before, flags) = line.split_at(semicolon);
    let digits = before.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    flags[0] == b';'
        && flags[1..13].iter().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
        && flags[13] == b'-'
        && flags[14..].iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
        && digits > 0
        && digits < before.len()
        && before[before.len() - digits - 1] == b','
}

fn ends_in_crlf(message: &[u8], start: usize) -> bool {
    message[start..line_end(message, start)].ends_with(b"\r\n") || message[start..].ends_with(b"\r\n")
}

/// Perl's `\s` over octets.
pub fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C)
}

pub fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().take_while(|b| is_space(**b)).count();
    let text = &text[start..];
    let end = text.iter().rev().take_while(|b| is_space(**b)).count();
    &text[..text.len() - end]
}

/// CRLF to LF.
pub fn unix_lines(text: &[u8]) -> Cow<'_, [u8]> {
    let mut ends = memchr_iter(b'\r', text).filter(|at| text.get(at + 1) == Some(&b'\n'));
    let Some(first) = ends.next() else { return Cow::Borrowed(text) };
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(&text[..first]);
    let mut kept = first + 1;
    for at in ends {
        out.extend_from_slice(&text[kept..at]);
        kept = at + 1;
    }
    out.extend_from_slice(&text[kept..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(message: &str) -> Vec<(String, String)> {
        let text = message.as_bytes();
        let lossy = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        split(text).fields.iter().map(|f| (lossy(f.name(text)), lossy(f.value(text)))).collect()
    }

    #[test]
    fn a_field_keeps_its_folds_and_loses_spaces_before_the_colon() {
        let found = names("Subject \t: a\n b\nTo:x\n\nbody: no\n");
        assert_eq!(found, [("Subject".into(), " a\n b\n".into()), ("To".into(), "x\n".into())]);
    }

    #[test]
    fn the_fourth_line_that_is_no_field_begins_the_body() {
        let message = b"A: 1\nbad\nbad\nbad\nB: 2\nbad\nC: 3\n";
        let section = split(message);
        assert_eq!(section.fields.len(), 2);
        assert_eq!(&message[section.body..], b"bad\nC: 3\n");
        assert!(section.missing_separator);
    }

    #[test]
    fn a_boundary_line_ends_the_section() {
        let message = b"A: 1\n--x\n\ntext";
        assert_eq!(split(message).body, 5);
    }

    #[test]
    fn mailbox_separators_are_no_field() {
        assert_eq!(split(b"From me@x Mon Jan 1\nA: 1\n\n").start, 20);
        assert_eq!(split(b"From : x\n\n").fields.len(), 1);
        assert_eq!(split(b"From  : x\n\n").fields.len(), 0);
        let mbx = b" 1-Jan-2020 10:00:00 +0000,123;000000000001-0000000a\r\nA: 1\r\n\r\n";
        assert_eq!(split(mbx).fields.len(), 1);
    }

    #[test]
    fn bare_lf_are_completed_in_a_crlf_message() {
        let message = b"A: 1\r\nB: 2\n x\r\n\r\nbody\r\n";
        let section = split(message);
        assert!(section.crlf && section.bare_lf);
        assert_eq!(&*section.pristine(message), b"A: 1\r\nB: 2\r\n x\r\n\r\n");
    }

    #[test]
    fn an_empty_message_has_no_fields() {
        assert_eq!(split(b"").fields, []);
        assert_eq!(split(b"From x\n").fields, []);
    }
}
