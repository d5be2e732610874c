//! Bodies that some reader may find, whatever the structure says: header-like and boundary-like lines cut a message into
//! pieces, and each piece is offered with every encoding that it or its fields hint at. One pass, no recursion.

use super::ambiguous_decode::uu_begin;
use super::attachments_fields::{self, MimeFields};
use crate::unpack::octets::Word;
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    Identity,
    Base64,
    QuotedPrintable,
    Uuencode,
}

/// Octets that some reader may decode.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub body: Range<usize>,
    pub how: How,
    /// The fields before it; none where only the octets themselves look encoded.
    pub fields: Option<MimeFields>,
    /// Of a uuencoded file.
    pub name: Option<Vec<u8>>,
}

static BASE64: Word = Word::new(b"base64");
static QUOTED: Word = Word::new(b"quoted");
static PRINTABLE: Word = Word::new(b"printable");
static UUE: Word = Word::new(b"uue");
static CONTENT: Word = Word::new(b"content");

/// Base64 without any field to announce it counts from this many characters on.
const RUN: usize = 24;
/// Readings to the end of the text, of which each costs a pass.
const EXTENDED: usize = 8;

#[derive(Default)]
struct Segment {
    header: Range<usize>,
    has_field: bool,
    says_base64: bool,
    says_quoted: bool,
    says_uu: bool,
    body: Option<usize>,
    /// No empty line stands before the body.
    no_separator: bool,
}

/// Its first character tells its length.
fn is_uu_line(line: &[u8]) -> bool {
    let Some(first) = line.first().filter(|b| (b'!'..=b'M').contains(b)) else { return false };
    let len = usize::from(first - b' ');
    line.len() > 8 && line.len() - 1 == len.div_ceil(3) * 4 && line.iter().all(|b| (b' '..=b'`').contains(b))
}

struct Sweep<'t> {
    text: &'t [u8],
    out: Vec<Candidate>,
    most: usize,
    segment: Segment,
    run: Option<(usize, usize, usize)>,
    uu: Option<(usize, bool, Vec<u8>)>,
    extended: usize,
    boundaries: &'t [Vec<u8>],
}

/// The body of a part by the rules, in which a sweep would find nothing but that part.
#[derive(Clone, Debug)]
pub struct Quiet {
    /// Up to the line of the delimiter.
    pub body: Range<usize>,
    /// Every reader decodes it alike whatever the fields hint at.
    pub base64: bool,
    /// Lines begin with two dashes.
    pub dashes: bool,
}

/// At most `most` candidates. `boundaries`: those that were declared; `quiet`: in the order of the text.
pub fn sweep(text: &[u8], boundaries: &[Vec<u8>], quiet: &[Quiet], most: usize) -> Vec<Candidate> {
    let mut sweep = Sweep { text, out: Vec::new(), most, segment: Segment::default(), run: None, uu: None, extended: 0, boundaries };
    let mut at = 0;
    let mut quiet = quiet.iter().peekable();
    while at < text.len() && sweep.out.len() < most {
        while quiet.next_if(|part| part.body.start < at).is_some() {}
        if let Some(part) = quiet.peek()
            && part.body.start == at
            && sweep.may_skip(part)
        {
            sweep.segment = Segment::default();
            at = part.body.end.max(at);
            quiet.next();
            continue;
        }
        // CRLF, LF, and the CR alone that some readers take for a line end.
        let end = memchr::memchr2(b'\n', b'\r', &text[at..]).map_or(text.len(), |n| at + n + 1);
        let end = if text[end - 1] == b'\r' && text.get(end) == Some(&b'\n') { end + 1 } else { end };
        sweep.line(at, end);
        at = end;
    }
    sweep.end_run();
    sweep.end_uu(text.len());
    sweep.flush(text.len());
    sweep.out
}

/// What stands before a line's first visible character.
fn skip_odd(line: &[u8]) -> &[u8] {
    let skipped = line.iter().take_while(|b| **b <= b' ' || **b == 0x7F || **b >= 0x80).count();
    &line[skipped..]
}

fn is_mime_field(line: &[u8]) -> bool {
    line.len() > 12
        && line[..7].eq_ignore_ascii_case(b"content")
        && [b"-type".as_slice(), b"-transfer-", b"-disposition", b"_type", b"_transfer", b" type", b" transfer"]
            .iter()
            .any(|rest| line.get(7..7 + rest.len()).is_some_and(|l| l.eq_ignore_ascii_case(rest)))
}

/// A name, and a colon before any blank.
fn is_field(line: &[u8]) -> bool {
    let name = line.iter().take(80).take_while(|b| b.is_ascii_graphic() && **b != b':').count();
    let blanks = line[name..].iter().take_while(|b| matches!(b, b' ' | b'\t' | 0)).count();
    name > 0 && line.get(name + blanks) == Some(&b':')
}

fn is_base64(line: &[u8]) -> bool {
    !line.is_empty() && line.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
}

/// Whether lines of a text could make a candidate of their own: fields of MIME, base64 without announcement, uuencode.
/// `Some`: none does; whether lines begin with two dashes. The twin of `Sweep::line`, for what it need not do.
pub fn plain(text: &[u8]) -> Option<bool> {
    let names_field = |at: usize| matches!(text.get(at + 7), Some(b'-' | b'_' | b' '));
    let mut from = 0;
    while let Some(at) = CONTENT.find(text, from) {
        if names_field(at) {
            return None;
        }
        from = at + 7;
    }
    if memchr::memmem::find(text, b"begin ").is_some() || memchr::memmem::find(text, b"begin-base64 ").is_some() {
        return None;
    }
    let first = &text[..memchr::memchr2(b'\n', b'\r', text).unwrap_or(text.len())];
    if is_uu_line(super::fields::trim(first)) {
        return None;
    }
    let (mut at, mut run, mut dashes) = (0, 0, false);
    while at < text.len() {
        let end = memchr::memchr2(b'\n', b'\r', &text[at..]).map_or(text.len(), |n| at + n + 1);
        let line = super::fields::trim(&text[at..end]);
        at = end;
        if is_base64(line) {
            run += line.len();
            if run >= RUN {
                return None;
            }
            continue;
        }
        let visible = skip_odd(line);
        if !visible.is_empty() {
            run = 0;
            dashes |= visible.starts_with(b"--");
        }
    }
    Some(dashes)
}

impl Sweep<'_> {
    /// What the segment's fields hint at is what the part's fields say, and the sweep stands at the first octet of its body.
    fn may_skip(&self, part: &Quiet) -> bool {
        let segment = &self.segment;
        let begins = segment.body == Some(part.body.start) && self.run.is_none() && self.uu.is_none();
        // Beyond these `is_declared` does not look.
        let few = self.boundaries.len() <= 64;
        let plain = !(segment.says_base64 || segment.says_uu || segment.no_separator || segment.says_quoted && part.dashes);
        begins && few && (part.base64 || plain)
    }

    fn line(&mut self, at: usize, end: usize) {
        let line = super::fields::trim(&self.text[at..end]);
        // Long runs of base64 are most of large messages.
        if self.segment.body.is_some() && is_base64(line) {
            match &mut self.run {
                Some((_, last, len)) => (*last, *len) = (end, *len + line.len()),
                None => self.run = Some((at, end, line.len())),
            }
            return;
        }
        let visible = skip_odd(line);
        // An empty line does not end a run: some encoders write one after each line.
        if !visible.is_empty() {
            self.end_run();
        }
        if let Some((is_base64, name)) = uu_begin(line) {
            self.end_uu(at);
            self.uu = Some((end, is_base64, name.to_vec()));
        } else if line == b"end" || line == b"====" {
            self.end_uu(end);
        }
        if visible.starts_with(b"--") {
            self.flush(at);
            self.segment = Segment { header: end..end, ..Segment::default() };
            return;
        }
        let is_mime = is_mime_field(visible);
        if self.segment.body.is_some() {
            if is_mime {
                self.flush(at);
                self.segment = Segment { header: at..end, ..Segment::default() };
                self.note(visible, true);
            }
            return;
        }
        self.segment.header.end = end;
        if visible.is_empty() {
            // The empty line before the first field is a reader's mistake that another makes good.
            if self.segment.has_field || line.is_empty() {
                self.segment.body = Some(end);
            }
            return;
        }
        let folded = matches!(self.text[at], b' ' | b'\t');
        if is_mime || is_field(visible) || folded {
            self.note(visible, is_mime);
        } else {
            self.segment.body = Some(at);
            self.segment.no_separator = true;
            if is_base64(line) {
                self.run = Some((at, end, line.len()));
            }
        }
    }

    fn note(&mut self, line: &[u8], is_mime: bool) {
        let segment = &mut self.segment;
        segment.has_field |= is_mime;
        if segment.has_field {
            segment.says_base64 |= BASE64.is_in(line);
            segment.says_quoted |= QUOTED.is_in(line) || PRINTABLE.is_in(line);
            segment.says_uu |= UUE.is_in(line);
        }
    }

    fn push(&mut self, body: Range<usize>, how: How, with_fields: bool, name: Option<Vec<u8>>) {
        if self.out.len() < self.most && !body.is_empty() {
            let fields = with_fields.then(|| attachments_fields::read(self.text, self.segment.header.clone()));
            self.out.push(Candidate { body, how, fields, name });
        }
    }

    fn end_run(&mut self) {
        if let Some((start, end, len)) = self.run.take()
            && len >= RUN
        {
            let has_field = self.segment.has_field;
            self.push(start..end, How::Base64, has_field, None);
        }
    }

    fn end_uu(&mut self, end: usize) {
        if let Some((start, is_base64, name)) = self.uu.take() {
            self.push(start..end, if is_base64 { How::Base64 } else { How::Uuencode }, false, Some(name));
        }
    }

    /// The line at `at` is a boundary as it was declared, or no boundary at all.
    fn is_declared(&self, at: usize) -> bool {
        let line = super::fields::trim(&self.text[at..super::fields::line_end(self.text, at)]);
        let rest = line.strip_prefix(b"--").unwrap_or(line);
        self.boundaries.iter().take(64).any(|b| rest == b.as_slice() || rest.strip_suffix(b"--") == Some(b))
    }

    /// The segment ends.
    fn flush(&mut self, end: usize) {
        self.end_run();
        self.end_uu(end);
        let segment = std::mem::take(&mut self.segment);
        let Some(start) = segment.body.filter(|start| *start < end) else { return };
        let body = start..end;
        let may_go_on = end < self.text.len() && self.extended < EXTENDED && !self.is_declared(end);
        let quoted = segment.says_quoted;
        let (base64, uu, has_field) = (segment.says_base64, segment.says_uu, segment.has_field);
        self.segment = segment;
        if !has_field {
            return;
        }
        if base64 {
            self.push(body.clone(), How::Base64, true, None);
            if may_go_on {
                self.extended += 1;
                self.push(start..self.text.len(), How::Base64, true, None);
            }
        }
        if quoted || !base64 && looks_quoted(&self.text[body.clone()]) {
            self.push(body.clone(), How::QuotedPrintable, true, None);
            if quoted && may_go_on {
                // A boundary that only some readers see stands inside.
                self.extended += 1;
                self.push(start..self.text.len(), How::QuotedPrintable, true, None);
            }
        }
        let first = super::fields::line_end(self.text, start).min(end);
        if uu || is_uu_line(super::fields::trim(&self.text[start..first])) {
            self.push(body.clone(), How::Uuencode, true, None);
        }
        if self.segment.no_separator && first < end {
            // The line that ended the fields may be none of the body.
            for how in [(base64, How::Base64), (true, How::QuotedPrintable), (true, How::Identity)] {
                if how.0 {
                    self.push(first..end, how.1, true, None);
                }
            }
        }
        self.push(body, How::Identity, true, None);
    }
}

fn looks_quoted(body: &[u8]) -> bool {
    let is_mark = |at: &usize| body.get(at + 1..at + 3).is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit));
    memchr::memchr_iter(b'=', body).take(2000).filter(is_mark).take(4).count() >= 4
}
