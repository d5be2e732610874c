//! The leaves of a message as RFC 2045 and RFC 2046 have them, byte for byte, in one pass without recursion.
//!
//! SpamAssassin's tree (`tree.rs`) mends what it splits, since rules shall see what its rules see; attachments are
//! judged by the very octets that their readers get.

use super::attachments_fields::{self, MimeFields, Parameters};
use crate::base::limits;
use std::ops::Range;

/// A leaf, or a message inside the message.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// `1.2`, `1.2!1`.
    pub path: String,
    pub fields: MimeFields,
    /// Lower case; `text/plain` where nothing is declared.
    pub declared: String,
    pub encoding: Encoding,
    pub body: Range<usize>,
    /// Its parts stand for themselves in the list.
    pub entered: bool,
    /// No level below it was looked at: there are too many.
    pub at_limit: bool,
}

impl Leaf {
    /// Its fields leave no choice to readers.
    pub fn is_sure(&self) -> bool {
        let plain = |value: &Vec<u8>| {
            let value = super::fields::trim(value).to_ascii_lowercase();
            matches!(value.as_slice(), b"7bit" | b"8bit" | b"binary" | b"base64" | b"quoted-printable")
        };
        !self.fields.odd && self.fields.types.len() <= 1 && self.fields.encodings.len() <= 1 && self.fields.encodings.iter().all(plain)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// 7bit, 8bit, binary, nothing, or unknown.
    Identity,
    Base64,
    QuotedPrintable,
    Uuencode,
}

/// What reading found that readers may resolve differently.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    pub leaves: Vec<Leaf>,
    /// Boundaries that were declared.
    pub boundaries: Vec<Vec<u8>>,
    pub too_deep: bool,
    pub too_many: bool,
    /// A header section without the empty line behind it.
    pub missing_separator: bool,
    /// Header sections, for who looks for oddities: their fields, and whether they are of a multipart or message.
    pub entities: Vec<(MimeFields, bool)>,
    pub unclosed: bool,
    pub no_part: bool,
    /// Where preambles and epilogues stand.
    pub margins: Vec<Range<usize>>,
}

struct Open {
    boundary: Vec<u8>,
    path: String,
    parts: usize,
    digest: bool,
    seen: bool,
    /// Where its entity's body begins.
    body: usize,
}

enum Place {
    Header { start: usize },
    Leaf(Leaf),
    Margin { start: usize },
}

struct Reader<'t> {
    text: &'t [u8],
    stack: Vec<Open>,
    /// Messages whose end is not seen yet: the leaf's number, and the height of the stack.
    messages: Vec<(usize, usize)>,
    place: Place,
    path: String,
    layout: Layout,
}

pub fn read(text: &[u8], start: usize) -> Layout {
    let place = Place::Header { start };
    let mut reader = Reader { text, stack: Vec::new(), messages: Vec::new(), place, path: String::new(), layout: Layout::default() };
    let mut at = start;
    while at < text.len() {
        let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |n| at + n + 1);
        reader.line(at, end);
        at = end;
        if reader.layout.leaves.len() >= limits::MIME_PARTS {
            reader.layout.too_many = true;
            break;
        }
    }
    reader.finish(text.len());
    reader.layout
}

fn bare(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl Reader<'_> {
    fn line(&mut self, at: usize, end: usize) {
        let line = bare(&self.text[at..end]);
        if line.starts_with(b"--")
            && let Some((level, closes)) = self.delimiter(line)
        {
            self.end_entity(at);
            self.close_above(level + 1, at);
            self.end_messages(at);
            if closes {
                self.stack.pop();
                self.place = Place::Margin { start: end };
            } else if let Some(open) = self.stack.last_mut() {
                open.parts += 1;
                open.seen = true;
                self.path = if open.path.is_empty() { open.parts.to_string() } else { format!("{}{}", open.path, open.parts) };
                self.place = Place::Header { start: end };
            }
            return;
        }
        if let Place::Header { start } = self.place {
            if line.is_empty() {
                self.begin(start..at, end);
            } else if at > start && !matches!(line[0], b' ' | b'\t') && !super::fields::begins_field(line) && !is_tolerated(line) {
                self.layout.missing_separator = true;
                self.begin(start..at, at);
            }
        }
    }

    /// The innermost open multipart whose boundary the line is, and whether it closes.
    fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        let rest = &line[2..];
        let blank = |text: &[u8]| text.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r'));
        (0..self.stack.len()).rev().find_map(|level| {
            let after = rest.strip_prefix(self.stack[level].boundary.as_slice())?;
            if blank(after) {
                return Some((level, false));
            }
            after.strip_prefix(b"--").filter(|after| blank(after)).map(|_| (level, true))
        })
    }

    /// The header section is over; the body begins.
    fn begin(&mut self, header: Range<usize>, body: usize) {
        let fields = attachments_fields::read(self.text, header);
        let kind = fields.types.first().map(|value| Parameters::parse(value)).unwrap_or_default();
        let in_digest = self.stack.last().is_some_and(|open| open.digest);
        let declared = match String::from_utf8_lossy(&kind.main).into_owned() {
            none if none.is_empty() => if in_digest { "message/rfc822" } else { "text/plain" }.to_owned(),
            declared => declared,
        };
        let encoding = fields.encodings.first().map_or(Encoding::Identity, |value| encoding(value));
        let boundary = kind.extended(b"boundary").filter(|_| kind.all(b"boundary").next().is_none());
        let boundary = kind.all(b"boundary").next().map(<[u8]>::to_vec).or(boundary);
        let is_multipart = declared.starts_with("multipart/");
        let is_message = matches!(declared.as_str(), "message/rfc822" | "message/global" | "message/news");
        let room = self.stack.len() + self.messages.len() < limits::MIME_DEPTH;
        self.layout.too_deep |= (is_multipart || is_message) && !room;
        self.layout.entities.push((fields.clone(), is_multipart || is_message));
        if let Some(boundary) = boundary.filter(|b| is_multipart && room && !b.is_empty()) {
            let prefix = if self.path.is_empty() || self.path.ends_with('!') { self.path.clone() } else { format!("{}.", self.path) };
            self.layout.boundaries.push(boundary.clone());
            let digest = declared == "multipart/digest";
            self.stack.push(Open { boundary, path: prefix, parts: 0, digest, seen: false, body });
            self.place = Place::Margin { start: body };
            return;
        }
        let path = if self.path.is_empty() || self.path.ends_with('!') { format!("{}1", self.path) } else { self.path.clone() };
        let entered = is_message && room && encoding == Encoding::Identity;
        let leaf = Leaf { path: path.clone(), fields, declared, encoding, body: body..body, entered, at_limit: !room };
        if entered {
            self.messages.push((self.layout.leaves.len(), self.stack.len()));
            self.layout.leaves.push(leaf);
            self.path = format!("{path}!");
            self.place = Place::Header { start: body };
        } else {
            self.place = Place::Leaf(leaf);
        }
    }

    /// RFC 2046 §5.1.1: the line end before a delimiter belongs to it.
    fn before_delimiter(&self, start: usize, at: usize) -> usize {
        let body = &self.text[start.min(at)..at];
        let body = body.strip_suffix(b"\n").map_or(body, |b| b.strip_suffix(b"\r").unwrap_or(b));
        start.min(at) + body.len()
    }

    fn end_entity(&mut self, at: usize) {
        if let Place::Header { start } = self.place {
            // Fields alone, or nothing: an empty body.
            self.begin(start..at, at);
        }
        match std::mem::replace(&mut self.place, Place::Margin { start: at }) {
            Place::Leaf(mut leaf) => {
                leaf.body.end = self.before_delimiter(leaf.body.start, at);
                self.layout.leaves.push(leaf);
            }
            Place::Margin { start } if start < at => self.layout.margins.push(start..at),
            Place::Margin { .. } | Place::Header { .. } => {}
        }
    }

    /// Multiparts inside that had no part at all are what they hold.
    fn close_above(&mut self, level: usize, end: usize) {
        while self.stack.len() > level {
            let Some(open) = self.stack.pop() else { break };
            if !open.seen {
                self.layout.no_part = true;
                let path = open.path.trim_end_matches('.').to_owned();
                let path = if path.is_empty() || path.ends_with('!') { format!("{path}1") } else { path };
                let leaf = Leaf {
                    path,
                    // Nobody knows how to read it.
                    fields: MimeFields { odd: true, ..MimeFields::default() },
                    declared: "text/plain".into(),
                    encoding: Encoding::Identity,
                    body: open.body..self.before_delimiter(open.body, end),
                    entered: false,
                    at_limit: false,
                };
                self.layout.leaves.push(leaf);
            }
        }
    }

    fn end_messages(&mut self, at: usize) {
        while let Some((number, height)) = self.messages.last().copied() {
            if height < self.stack.len() {
                break;
            }
            self.messages.pop();
            if let Some(start) = self.layout.leaves.get(number).map(|leaf| leaf.body.start) {
                let end = self.before_delimiter(start, at);
                self.layout.leaves[number].body.end = end;
            }
        }
    }

    fn finish(&mut self, end: usize) {
        let last = std::mem::replace(&mut self.place, Place::Margin { start: end });
        if let Place::Header { start } = last {
            self.begin(start..end, end);
        } else {
            self.place = last;
        }
        match std::mem::replace(&mut self.place, Place::Margin { start: end }) {
            Place::Leaf(mut leaf) => {
                leaf.body.end = end;
                self.layout.leaves.push(leaf);
            }
            Place::Margin { start } if start < end => self.layout.margins.push(start..end),
            Place::Margin { .. } | Place::Header { .. } => {}
        }
        for (number, _) in std::mem::take(&mut self.messages) {
            if let Some(leaf) = self.layout.leaves.get_mut(number) {
                leaf.body.end = end;
            }
        }
        self.layout.unclosed = !self.stack.is_empty();
        self.close_above(0, end);
    }
}

/// An mbox separator, or what a relay left.
fn is_tolerated(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}

/// RFC 2045 §6.1, without comments and blanks.
pub(super) fn encoding(value: &[u8]) -> Encoding {
    let main = Parameters::parse(value).main;
    match main.as_slice() {
        b"base64" => Encoding::Base64,
        b"quoted-printable" => Encoding::QuotedPrintable,
        b"x-uuencode" | b"x-uue" | b"uuencode" | b"uue" => Encoding::Uuencode,
        _ => Encoding::Identity,
    }
}
