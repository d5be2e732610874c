//! The MIME tree as SpamAssassin splits it, built iteratively with bounded depth and count.

use super::content_type::ContentType;
use super::decode;
use super::fields::{self, Field, Section};
use super::part::{Header, Part, PartId, Source};
use crate::base::limits;
use memchr::{memmem, memrchr};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// What building the tree found odd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Oddities {
    pub too_deep: bool,
    pub too_many_parts: bool,
    pub missing_boundary: bool,
    pub unclosed_multipart: bool,
    /// SpamAssassin's flags of the message itself, not of messages inside it: a part begins with a line that is no field.
    pub part_without_fields: bool,
    /// No empty line stands between a part's fields and its body.
    pub part_without_separator: bool,
    /// Text other than dots and blanks stands behind a closing boundary.
    pub epilogue: bool,
}

/// Mail::SpamAssassin::Message: levels of containers that are opened, parts of one multipart.
const LEVELS: usize = 20;
const PARTS_OF_ONE: usize = 1000;
/// Constants.pm, MAX_BODY_LINE_LENGTH.
pub(super) const LINE_LIMIT: usize = 2048;

struct Pending {
    part: PartId,
    boundary: Option<Vec<u8>>,
    source: Source,
    range: Range<usize>,
    levels: usize,
    /// Text stands before the first boundary, so the body is read as if it began with an empty line.
    empty_line_first: bool,
    /// Belongs to a message inside the message.
    nested: bool,
}

struct Builder {
    parts: Vec<Part>,
    queue: VecDeque<Pending>,
    odd: Oddities,
}

/// The tree in depth-first order.
pub(super) fn build(message: &Source, section: &Section) -> (Vec<Part>, Oddities) {
    let mut builder = Builder { parts: Vec::with_capacity(4), queue: VecDeque::new(), odd: Oddities::default() };
    builder.message(None, message, section, LEVELS);
    while let Some(pending) = builder.queue.pop_front() {
        let is_multipart = builder.parts[pending.part].content_type.starts_with("multipart/");
        if is_multipart && pending.levels == 0 {
            builder.odd.too_deep = true;
        }
        match &pending.boundary {
            Some(boundary) if is_multipart && pending.levels > 0 => builder.multipart(&pending, boundary),
            _ => builder.single(pending, is_multipart),
        }
    }
    (depth_first(builder.parts), builder.odd)
}

impl Builder {
    fn add(&mut self, parent: Option<PartId>, header: Header) -> PartId {
        let depth = parent.map_or(0, |p| self.parts[p].depth + 1);
        self.parts.push(Part::new(parent, depth, header));
        let id = self.parts.len() - 1;
        if let Some(p) = parent {
            self.parts[p].children.push(id);
            self.parts[p].leaf = false;
        }
        id
    }

    /// A whole message: the one that came in, or one inside it.
    fn message(&mut self, parent: Option<PartId>, source: &Source, section: &Section, levels: usize) {
        let header = Header { source: source.clone(), fields: section.fields.clone(), crlf: section.crlf, of_message: true };
        let id = self.add(parent, header);
        let part = &mut self.parts[id];
        let content_type = ContentType::parse(part.value("content-type").as_deref());
        let boundary = content_type.boundary.clone();
        part.describe(content_type, None);
        let (source, range) = match mend(&source[section.body..], section.crlf) {
            Some(mended) => {
                let range = 0..mended.len();
                (Arc::new(mended), range)
            }
            None => (source.clone(), section.body..source.len()),
        };
        let body = &source[range.clone()];
        let empty_line_first = part.content_type.starts_with("multipart/") && begins_with_text(body, boundary.as_deref());
        self.queue.push_back(Pending { part: id, boundary, source, range, levels, empty_line_first, nested: parent.is_some() });
    }

    fn single(&mut self, pending: Pending, is_multipart: bool) {
        let Pending { part: id, boundary, mut source, mut range, levels, empty_line_first, nested: _ } = pending;
        if empty_line_first {
            let mut text = Vec::with_capacity(range.len() + 1);
            text.push(b'\n');
            text.extend_from_slice(&source[range]);
            range = 0..text.len();
            source = Arc::new(text);
        }
        let full = self.parts.len() >= limits::MIME_PARTS;
        let part = &mut self.parts[id];
        if is_multipart && boundary.is_none() {
            part.content_type = "text/plain".into();
            self.odd.missing_boundary = true;
        }
        (part.source, part.body) = (source, range);
        part.settle();
        let is_message = matches!(part.content_type.as_str(), "message/rfc822" | "message/global");
        if !is_message {
            return;
        }
        if levels == 0 {
            self.odd.too_deep = true;
            return;
        }
        let nested = match part.encoding.as_str() {
            "quoted-printable" | "base64" => Arc::new(part.decoded().to_vec()),
            _ if part.body == (0..part.source.len()) => part.source.clone(),
            _ => Arc::new(part.raw().to_vec()),
        };
        if nested.is_empty() {
            return;
        }
        if full {
            self.odd.too_many_parts = true;
            return;
        }
        part.decoded = OnceLock::new();
        let section = fields::split(&nested);
        self.message(Some(id), &nested, &section, levels - 1);
    }
}

/// SpamAssassin puts an empty line before a multipart body that begins with text instead of its boundary.
fn begins_with_text(body: &[u8], boundary: Option<&[u8]>) -> bool {
    let end = fields::line_end(body, 0);
    let first = &body[..end];
    if end == body.len() || first.iter().all(|b| fields::is_space(*b)) {
        return false;
    }
    !boundary.is_some_and(|b| first.strip_prefix(b"--").is_some_and(|rest| rest.starts_with(b)))
}

/// Blank lines that may follow each other.
const RUN: usize = 20;

/// Whether more blank lines may follow each other: there are none where no `RUN` line ends stand in white space alone.
/// Such a stretch is at least as long, so that one octet in as many is looked at.
fn holds_blank_lines(body: &[u8]) -> bool {
    let is_space = |b: &&u8| fields::is_space(**b);
    let mut at = RUN - 1;
    while let Some(octet) = body.get(at) {
        if fields::is_space(*octet) {
            let start = at - body[..at].iter().rev().take_while(is_space).count();
            let end = at + body[at..].iter().take_while(is_space).count();
            if end - start >= RUN && memchr::memchr_iter(b'\n', &body[start..end]).count() >= RUN {
                return true;
            }
            at = end;
        }
        at += RUN;
    }
    false
}

/// A body's lines with LF, and runs of more than 20 blank lines cut to 20; `None` where nothing changes.
fn mend(body: &[u8], crlf: bool) -> Option<Vec<u8>> {
    if !holds_blank_lines(body) {
        return match crlf.then(|| fields::unix_lines(body)) {
            Some(Cow::Owned(mended)) => Some(mended),
            Some(Cow::Borrowed(_)) | None => None,
        };
    }
    let mut out = Vec::with_capacity(body.len());
    let mut run: Vec<&[u8]> = Vec::new();
    let mut run_at_start = true;
    let mut at = 0;
    while at < body.len() {
        let end = fields::line_end(body, at);
        let line = &body[at..end];
        if line.iter().all(|b| fields::is_space(*b)) {
            run.push(line);
        } else {
            push_run(&mut out, &run, run_at_start);
            run.clear();
            run_at_start = false;
            out.extend_from_slice(line);
        }
        at = end;
    }
    push_run(&mut out, &run, run_at_start);
    Some(if crlf { fields::unix_lines(&out).into_owned() } else { out })
}

/// The first line of a run stays (at the start of a body the first two), and the last 19.
fn push_run(out: &mut Vec<u8>, run: &[&[u8]], at_start: bool) {
    let head = if at_start { 2 } else { 1 };
    if run.len() <= head + 19 {
        run.iter().for_each(|line| out.extend_from_slice(line));
    } else {
        run[..head].iter().chain(&run[run.len() - 19..]).for_each(|line| out.extend_from_slice(line));
    }
}

/// What a line is to a multipart with this boundary.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delimiter {
    Text,
    Open,
    Close,
}

fn delimiter(line: &[u8], boundary: &[u8]) -> Delimiter {
    let Some(rest) = line.strip_prefix(b"--").and_then(|rest| rest.strip_prefix(boundary)) else { return Delimiter::Text };
    let blank = |text: &[u8]| text.iter().all(|b| fields::is_space(*b));
    match rest.strip_prefix(b"--") {
        Some(after) if blank(after) => Delimiter::Close,
        _ if blank(rest) => Delimiter::Open,
        _ => Delimiter::Text,
    }
}

/// One part while its lines are read.
#[derive(Default)]
struct Open {
    fields: Vec<Field>,
    /// Start of the field whose end is not seen yet.
    field: Option<usize>,
    body: Option<usize>,
    long_lines: bool,
    /// Lines of this boundary belong to a child that uses the same one.
    same_boundary_inside: bool,
}

impl Builder {
    fn multipart(&mut self, pending: &Pending, boundary: &[u8]) {
        let source = pending.source.clone();
        let text = &source[..pending.range.end];
        self.parts[pending.part].leaf = false;
        let (mut at, found) = after_preamble(text, pending.range.start, boundary);
        let mut open = Open::default();
        if !found {
            self.odd.missing_boundary = true;
            if pending.empty_line_first {
                open.body = Some(at);
            }
        }
        let own = !pending.nested;
        self.odd.part_without_fields |= own && found && lacks_field(&text[at..]);
        let mut count = 0;
        let mut same_boundary_inside = false;
        let mark = [b"\n--", boundary].concat();
        let delimiters = memmem::Finder::new(&mark);
        let last_line = memrchr(b'\n', &text[..text.len().saturating_sub(1)]).map_or(0, |lf| lf + 1);
        while at < text.len() {
            let end = fields::line_end(text, at);
            let mut kind = delimiter(&text[at..end], boundary);
            if same_boundary_inside && kind != Delimiter::Text {
                same_boundary_inside = kind != Delimiter::Close;
                kind = Delimiter::Text;
            }
            let last = end == text.len();
            if last || kind != Delimiter::Text {
                self.close_part(pending, &source, std::mem::take(&mut open), at..end, kind);
                count += 1;
                if kind == Delimiter::Close {
                    self.odd.epilogue |= own && text[end..].iter().any(|b| *b != b'.' && !fields::is_space(*b));
                    return;
                }
                self.odd.part_without_fields |= own && lacks_field(&text[end..]);
                if count == PARTS_OF_ONE || self.parts.len() >= limits::MIME_PARTS {
                    self.odd.too_many_parts = true;
                    return;
                }
            } else {
                let in_body = open.body.is_some();
                open.line(text, at, end, boundary);
                self.odd.part_without_separator |= own && !in_body && open.body == Some(at);
                same_boundary_inside |= std::mem::take(&mut open.same_boundary_inside);
            }
            at = end;
            // Of a body only what looks like a delimiter matters, and the last line.
            if open.body.is_some() {
                at = delimiters.find(&text[end - 1..]).map_or(last_line, |found| last_line.min(end + found));
                open.long_lines |= holds_long_line(&text[end..at]);
            }
        }
        self.odd.unclosed_multipart = true;
    }

    fn close_part(&mut self, pending: &Pending, source: &Source, mut open: Open, line: Range<usize>, kind: Delimiter) {
        let (start, mut end) = match kind {
            // The last line of a text without its closing boundary belongs to the part, whatever it looks like.
            Delimiter::Text => {
                open.long_lines |= line.len() > LINE_LIMIT;
                (open.body.unwrap_or(line.start), line.end)
            }
            Delimiter::Open | Delimiter::Close => (open.body.unwrap_or(line.start), line.start),
        };
        // RFC 2046 §5.1.1: the line end before a delimiter belongs to the delimiter.
        if kind != Delimiter::Text && end > start && source[end - 1] == b'\n' {
            end -= 1;
        }
        let header = Header { source: source.clone(), fields: open.fields, crlf: false, of_message: false };
        let id = self.add(Some(pending.part), header);
        let in_digest = self.parts[pending.part].content_type == "multipart/digest";
        let part = &mut self.parts[id];
        let mut content_type = ContentType::parse(part.value("content-type").as_deref());
        if content_type.missing && in_digest {
            content_type.kind = "message/rfc822".into();
        }
        let boundary = content_type.boundary.clone().or_else(|| pending.boundary.clone());
        part.describe(content_type, pending.boundary.clone());
        let (source, range) = if open.long_lines {
            let broken = break_lines(&source[start..end], kind != Delimiter::Text);
            let range = 0..broken.len();
            (Arc::new(broken), range)
        } else {
            (source.clone(), start..end)
        };
        self.queue.push_back(Pending {
            part: id,
            boundary,
            source,
            range,
            levels: pending.levels - 1,
            empty_line_first: false,
            nested: pending.nested,
        });
    }
}

impl Open {
    fn line(&mut self, text: &[u8], at: usize, end: usize, boundary: &[u8]) {
        let line = &text[at..end];
        if self.body.is_none() {
            if fields::begins_field(line) {
                self.close_field(text, at);
                self.field = Some(at);
                return;
            }
            if matches!(line.first(), Some(b' ' | b'\t')) && self.field.is_some() {
                return;
            }
            if self.close_field(text, at) {
                self.same_boundary_inside = self.declares(text, boundary);
            }
            if matches!(line, b"\n" | b"\r\n" | b"\r" | b"") {
                self.body = Some(end);
                return;
            }
            self.body = Some(at);
        }
        self.long_lines |= line.len() > LINE_LIMIT;
    }

    /// True when the field that ends here is a Content-Type.
    fn close_field(&mut self, text: &[u8], end: usize) -> bool {
        let Some(start) = self.field.take() else { return false };
        let Some(colon) = memchr::memchr(b':', &text[start..end]) else { return false };
        let colon = start + colon;
        let blanks = text[colon + 1..end].iter().take_while(|b| fields::is_space(**b)).count();
        if self.fields.len() < limits::FIELDS {
            self.fields.push(Field { name: start..colon, value: colon + 1 + blanks..end });
        }
        text[start..colon].eq_ignore_ascii_case(b"content-type")
    }

    fn declares(&self, text: &[u8], boundary: &[u8]) -> bool {
        let value = self.fields.last().map(|f| decode::header(f.value(text), b"content-type"));
        ContentType::parse(value.as_deref()).boundary.as_deref() == Some(boundary)
    }
}

/// Whether one of these lines, of which the first begins at the start, is over 2,048 octets.
fn holds_long_line(text: &[u8]) -> bool {
    let mut rest = text;
    while rest.len() > LINE_LIMIT {
        let Some(lf) = memrchr(b'\n', &rest[..LINE_LIMIT]) else { return true };
        rest = &rest[lf + 1..];
    }
    false
}

/// Lines follow, and the first one does not begin a field.
fn lacks_field(text: &[u8]) -> bool {
    let name = text.iter().take_while(|b| matches!(b, 0x21..=0x39 | 0x3B..=0x7E)).count();
    !text.is_empty() && (name == 0 || text.get(name) != Some(&b':'))
}

/// Where the first part begins, and whether a boundary stands before it.
fn after_preamble(text: &[u8], start: usize, boundary: &[u8]) -> (usize, bool) {
    let mut at = start;
    for end in fields::line_ends(text, start) {
        if text[at] == b'-' && delimiter(&text[at..end], boundary) == Delimiter::Open {
            return (end, true);
        }
        at = end;
    }
    (start, false)
}

/// Lines over 2,048 octets are cut, a line end standing between the pieces. `chomped`: the last line end was cut off.
fn break_lines(text: &[u8], chomped: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / LINE_LIMIT + 1);
    let mut at = 0;
    while at < text.len() {
        let end = fields::line_end(text, at);
        let mut line = &text[at..end];
        let missing = usize::from(chomped && !line.ends_with(b"\n"));
        while line.len() + missing > LINE_LIMIT && line.len() >= LINE_LIMIT {
            out.extend_from_slice(&line[..LINE_LIMIT]);
            out.push(b'\n');
            line = &line[LINE_LIMIT..];
        }
        out.extend_from_slice(line);
        at = end;
    }
    out
}

/// Parts come level by level; rules walk them depth first.
fn depth_first(parts: Vec<Part>) -> Vec<Part> {
    let mut order = Vec::with_capacity(parts.len());
    let mut stack = vec![0];
    while let Some(id) = stack.pop() {
        if let Some(part) = parts.get(id) {
            order.push(id);
            stack.extend(part.children.iter().rev());
        }
    }
    if order.iter().enumerate().all(|(new, old)| new == *old) {
        let mut parts = parts;
        parts.truncate(order.len());
        parts.iter_mut().filter(|part| !part.leaf).for_each(Part::settle);
        return parts;
    }
    let mut place = vec![0; parts.len()];
    for (new, old) in order.iter().enumerate() {
        place[*old] = new;
    }
    let mut slots: Vec<Option<Part>> = parts.into_iter().map(Some).collect();
    order
        .iter()
        .filter_map(|old| {
            let mut part = slots[*old].take()?;
            part.parent = part.parent.map(|p| place[p]);
            part.children.iter_mut().for_each(|c| *c = place[*c]);
            if !part.leaf {
                part.settle();
            }
            Some(part)
        })
        .collect()
}
