//! One part of the MIME tree: its header fields, what they say, its octets.

use super::content_type::{ContentType, disposition_name};
use super::decode;
use super::fields::{self, Field};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Index into `Mail::parts`.
pub type PartId = usize;

/// Octets shared between a message and what was decoded out of it.
pub(super) type Source = Arc<Vec<u8>>;

#[derive(Clone, Debug)]
pub struct Part {
    pub parent: Option<PartId>,
    pub depth: usize,
    pub children: Vec<PartId>,
    pub(super) leaf: bool,
    pub(super) header: Header,
    /// Lower-cased `type/subtype`, as SpamAssassin's parse_content_type gives it; may be empty.
    pub content_type: String,
    /// After the rules on `text…` and on names that end in .htm.
    pub effective_type: String,
    pub charset: String,
    pub name: String,
    pub boundary: Option<Vec<u8>>,
    /// Lower-cased Content-Transfer-Encoding.
    pub encoding: String,
    pub disposition: String,
    pub(super) source: Source,
    /// The body as it stands in `source`: the message, or a decoded or mended copy.
    pub(super) body: Range<usize>,
    pub(super) decoded: OnceLock<decode::Decoded>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Header {
    pub(super) source: Source,
    pub(super) fields: Vec<Field>,
    pub(super) crlf: bool,
    /// The header section of a message, not of a part: values are cut (Constants.pm, MAX_HEADER_VALUE_LENGTH).
    pub(super) of_message: bool,
}

/// Constants.pm: octets of a name, of a value.
pub(super) const NAME_LIMIT: usize = 256;
pub(super) const VALUE_LIMIT: usize = 8192;
/// Constants.pm, MAX_HEADER_LENGTH: octets of all fields together.
pub(super) const ALL_LIMIT: usize = 65_536;

impl Part {
    pub(super) fn new(parent: Option<PartId>, depth: usize, header: Header) -> Part {
        Part {
            parent,
            depth,
            children: Vec::new(),
            leaf: true,
            header,
            content_type: String::new(),
            effective_type: String::new(),
            charset: String::new(),
            name: String::new(),
            boundary: None,
            encoding: String::new(),
            disposition: String::new(),
            source: Source::default(),
            body: 0..0,
            decoded: OnceLock::new(),
        }
    }

    /// No container, not even an empty one.
    pub fn is_leaf(&self) -> bool {
        self.leaf
    }

    /// The part's own header fields as `(name, raw value)`, in order: LF line ends, the value as rules see it with `:raw`.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], Cow<'_, [u8]>)> {
        self.header.fields.iter().map(|f| self.header.field(f))
    }

    /// Raw values of the fields of that name.
    pub fn raw_values<'a>(&'a self, name: &'a [u8]) -> impl DoubleEndedIterator<Item = Cow<'a, [u8]>> {
        let header = &self.header;
        header.fields.iter().filter(move |f| f.name(&header.source).eq_ignore_ascii_case(name)).map(move |f| header.field(f).1)
    }

    /// Cooked value of the last field of that name, without a final LF.
    pub fn value(&self, name: &str) -> Option<Vec<u8>> {
        self.raw_values(name.as_bytes()).next_back().map(|v| decode::header(&v, name.as_bytes()))
    }

    /// The body as it stands, before its transfer encoding is undone; lines of a multipart beyond 2,048 octets are broken.
    pub fn raw(&self) -> &[u8] {
        self.source.get(self.body.clone()).unwrap_or_default()
    }

    /// Decoded octets, no charset conversion. Empty for containers.
    pub fn decoded(&self) -> &[u8] {
        if !self.leaf {
            return b"";
        }
        match self.encoding.as_str() {
            "quoted-printable" | "base64" => &self.decode().bytes,
            _ => self.raw(),
        }
    }

    /// What `decoded` begins with, of the first octets of `raw` alone; empty where only the whole can tell.
    pub fn decoded_start(&self, octets: usize) -> Vec<u8> {
        let start = self.raw().get(..octets).unwrap_or_default();
        // Padding is read by what comes after it, line ends of texts likewise.
        if self.leaf && self.encoding == "base64" && !is_text(&self.content_type) && memchr::memchr(b'=', start).is_none() {
            decode::base64(start).bytes
        } else {
            Vec::new()
        }
    }

    /// Whether the body keeps to its transfer encoding.
    pub fn is_cleanly_encoded(&self) -> bool {
        !matches!(self.encoding.as_str(), "quoted-printable" | "base64") || self.decode().clean
    }

    fn decode(&self) -> &decode::Decoded {
        self.decoded.get_or_init(|| {
            decode::body(self.raw(), &self.encoding, is_text(&self.content_type))
                .unwrap_or(decode::Decoded { bytes: Vec::new(), clean: true })
        })
    }

    pub(super) fn describe(&mut self, content_type: ContentType, inherited: Option<Vec<u8>>) {
        self.encoding =
            self.value("content-transfer-encoding").map(|v| String::from_utf8_lossy(&v).to_ascii_lowercase()).unwrap_or_default();
        self.disposition = self.value("content-disposition").map(|v| String::from_utf8_lossy(&v).into_owned()).unwrap_or_default();
        self.boundary = content_type.boundary.or(inherited);
        self.charset = content_type.charset.unwrap_or_default();
        self.name = disposition_name(&self.disposition).or(content_type.name).unwrap_or_default();
        self.content_type = content_type.kind;
    }

    pub(super) fn settle(&mut self) {
        let name = self.name.strip_suffix('\n').unwrap_or(&self.name).as_bytes();
        let ends_in = |end: &str| name.len().checked_sub(end.len()).is_some_and(|at| name[at..].eq_ignore_ascii_case(end.as_bytes()));
        let is_html = [".htm", ".html", ".shtm", ".shtml"].into_iter().any(ends_in);
        self.effective_type = if is_html { "text/html".into() } else { self.content_type.clone() };
    }
}

fn is_text(content_type: &str) -> bool {
    content_type.starts_with("text/") || content_type.starts_with("message/")
}

impl Header {
    fn field(&self, field: &Field) -> (&[u8], Cow<'_, [u8]>) {
        let name = field.name(&self.source);
        let value = field.value(&self.source);
        if !self.of_message {
            return (name, Cow::Borrowed(value));
        }
        (&name[..name.len().min(NAME_LIMIT)], cut_value(value, self.crlf))
    }
}

/// A message's value as rules see it raw: LF line ends in a CRLF message, at most 8,192 octets.
pub(super) fn cut_value(value: &[u8], crlf: bool) -> Cow<'_, [u8]> {
    let cut = |v: &[u8]| v.len().min(VALUE_LIMIT);
    match if crlf { fields::unix_lines(value) } else { Cow::Borrowed(value) } {
        Cow::Borrowed(v) => Cow::Borrowed(&v[..cut(v)]),
        Cow::Owned(mut v) => {
            v.truncate(VALUE_LIMIT);
            Cow::Owned(v)
        }
    }
}
