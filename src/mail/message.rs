//! A message as bytes came, split once.

use super::fields::{self, Section};
use super::part;
use super::tree::{self, Oddities};
use super::{Carried, Defect, Field, Part, PartId, Wanted, charset};
use crate::base::limits;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// Always a message: odd mail has defects.
#[derive(Debug)]
pub struct Mail {
    /// The Received field our own mail server has not written yet (may be empty), then the bytes as they came.
    raw: Arc<Vec<u8>>,
    /// Length of that Received field.
    transport: usize,
    section: Section,
    parts: Vec<Part>,
    odd: Oddities,
    defects: OnceLock<Vec<Defect>>,
    wanted: Wanted,
    carried: OnceLock<Carried>,
}

impl Mail {
    pub fn parse(raw: Vec<u8>) -> Mail {
        Mail::split(raw, 0)
    }

    /// As `parse`, with the Received field (`Received: …` with its line end) that the mail server will write: it stands
    /// first in what rules see and is no part of what signatures cover.
    pub fn arriving(raw: &[u8], received: &[u8]) -> Mail {
        // Its line ends follow the message, whose first line decides how lines are read.
        let first = &raw[..fields::line_end(raw, 0)];
        let received = if first.ends_with(b"\r\n") { Cow::Borrowed(received) } else { fields::unix_lines(received) };
        let mut all = Vec::with_capacity(received.len() + raw.len());
        all.extend_from_slice(&received);
        all.extend_from_slice(raw);
        Mail::split(all, received.len())
    }

    fn split(raw: Vec<u8>, transport: usize) -> Mail {
        let raw = Arc::new(raw);
        let section = fields::split(&raw);
        let (parts, odd) = tree::build(&raw, &section);
        Mail { raw, transport, section, parts, odd, defects: OnceLock::new(), wanted: Wanted::default(), carried: OnceLock::new() }
    }

    /// The same message, of which more shall be kept when `carried` is asked for.
    #[must_use]
    pub fn wanting(self, wanted: Wanted) -> Mail {
        Mail { wanted, carried: OnceLock::new(), ..self }
    }

    /// Parts, files in archives and messages, of every plausible reading: looked at when first asked for, then kept.
    pub fn carried(&self) -> &Carried {
        self.carried.get_or_init(|| Carried::collect(self, self.wanted))
    }

    /// What DKIM verifies: the bytes as they came.
    pub fn as_sent(&self) -> &[u8] {
        &self.raw[self.transport..]
    }

    /// What rules see, before an mbox separator line is taken off and bare LF are completed (`pristine`).
    pub fn as_seen(&self) -> &[u8] {
        &self.raw
    }

    /// Header section and body in one string, as `full` rules see it: without an mbox separator line; in a message of
    /// CRLF lines a bare LF of the header section is completed.
    pub fn pristine(&self) -> Cow<'_, [u8]> {
        match self.section.pristine(&self.raw) {
            Cow::Borrowed(_) => Cow::Borrowed(&self.raw[self.section.start..]),
            Cow::Owned(mut header) => {
                header.extend_from_slice(self.body());
                Cow::Owned(header)
            }
        }
    }

    /// The header section with the empty line that ends it, completed as in `pristine`.
    pub fn pristine_header(&self) -> Cow<'_, [u8]> {
        self.section.pristine(&self.raw)
    }

    /// Fields of the top section, with offsets into `as_seen`.
    pub fn fields(&self) -> &[Field] {
        &self.section.fields
    }

    /// How the top section was split.
    pub fn section(&self) -> &Section {
        &self.section
    }

    /// The body as it came, after the empty line.
    pub fn body(&self) -> &[u8] {
        &self.raw[self.section.body..]
    }

    /// The MIME tree in depth-first order; element 0 is the message itself.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Leaves that rules see: SpamAssassin's find_parts skips parts whose type is empty.
    pub fn leaves(&self) -> impl Iterator<Item = (PartId, &Part)> {
        self.parts.iter().enumerate().filter(|(_, p)| p.is_leaf() && !p.content_type.is_empty())
    }

    /// Whether one of SpamAssassin's flags about parsing is set (check_msg_parse_flags).
    pub fn has_parse_flag(&self, name: &str) -> bool {
        match name {
            "missing_head_body_separator" => self.section.missing_separator,
            "truncated_header" => self.is_header_cut(),
            "missing_mime_headers" => self.odd.part_without_fields,
            "missing_mime_head_body_separator" => self.odd.part_without_separator,
            "mime_epilogue_exists" => self.odd.epilogue,
            "mimepart_limit_exceeded" => self.odd.too_many_parts,
            _ => false,
        }
    }

    /// Some name or value, or all fields together, are longer than rules see them.
    fn is_header_cut(&self) -> bool {
        let mut total = 0;
        self.section.fields.iter().any(|field| {
            let (name, value) = (field.name(&self.raw), field.value(&self.raw));
            let value = if self.section.crlf { super::fields::unix_lines(value).len() } else { value.len() };
            total += name.len() + value.min(part::VALUE_LIMIT) + 2;
            name.len() > part::NAME_LIMIT || value > part::VALUE_LIMIT || total > part::ALL_LIMIT
        })
    }

    pub fn defects(&self) -> &[Defect] {
        self.defects.get_or_init(|| self.find_defects())
    }

    fn find_defects(&self) -> Vec<Defect> {
        let sent = self.as_sent();
        let header_end = self.section.body.saturating_sub(self.transport).min(sent.len());
        let (bare_lf, bare_cr) = bare_line_ends(sent);
        let leaves = || self.parts.iter().filter(|p| p.is_leaf());
        let bad = |encoding: &str| leaves().any(|p| p.encoding == encoding && !p.is_cleanly_encoded());
        let is_encoding = |e: &str| matches!(e, "" | "7bit" | "8bit" | "binary" | "quoted-printable" | "base64");
        [
            (bare_lf, Defect::BareLf),
            (bare_cr, Defect::BareCr),
            (memchr::memchr(0, sent).is_some(), Defect::Nul),
            (header_end == sent.len(), Defect::NoBody),
            (self.section.missing_separator && header_end < sent.len(), Defect::MissingSeparator),
            (self.section.bad_lines > 0, Defect::BadField),
            (self.section.too_many_fields, Defect::TooManyFields),
            (self.section.too_large || self.section.body > limits::HEADER_BYTES, Defect::HeaderTooLarge),
            (self.odd.too_deep, Defect::TooDeep),
            (self.odd.too_many_parts, Defect::TooManyParts),
            (self.odd.missing_boundary, Defect::MissingBoundary),
            (self.odd.unclosed_multipart, Defect::UnclosedMultipart),
            (bad("base64"), Defect::BadBase64),
            (bad("quoted-printable"), Defect::BadQuotedPrintable),
            (leaves().any(|p| !is_encoding(&p.encoding)), Defect::UnknownEncoding),
            (leaves().any(|p| p.effective_type.starts_with("text/") && !charset::is_known(&p.charset)), Defect::UnknownCharset),
        ]
        .into_iter()
        .filter_map(|(found, defect)| found.then_some(defect))
        .collect()
    }
}

/// Whether a bare LF stands among CRLF, and whether a bare CR stands anywhere. A file that has LF alone has none.
fn bare_line_ends(text: &[u8]) -> (bool, bool) {
    let (mut lf, mut crlf, mut cr) = (false, false, false);
    for at in memchr::memchr2_iter(b'\n', b'\r', text) {
        match text[at] {
            b'\r' => cr |= text.get(at + 1) != Some(&b'\n'),
            _ if at > 0 && text[at - 1] == b'\r' => crlf = true,
            _ => lf = true,
        }
    }
    (lf && crlf, cr)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(message: &str) -> Vec<String> {
        Mail::parse(message.as_bytes().to_vec()).parts().iter().map(|p| format!("{}{}", "-".repeat(p.depth), p.content_type)).collect()
    }

    #[test]
    fn the_tree_is_walked_depth_first() {
        let message = "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/alternative; boundary=b\n\n\
                       --b\n\none\n--b\nContent-Type: text/html\n\ntwo\n--b--\n--a\nContent-Type: message/rfc822\n\nSubject: x\n\nthree\n--a--\n";
        assert_eq!(
            types(message),
            ["multipart/mixed", "-multipart/alternative", "--text/plain", "--text/html", "-message/rfc822", "--text/plain"]
        );
    }

    #[test]
    fn a_multipart_without_boundary_is_text() {
        let mail = Mail::parse(b"Content-Type: multipart/mixed\n\ntext\nmore\n".to_vec());
        assert_eq!(mail.parts()[0].decoded(), b"\ntext\nmore\n");
        assert_eq!(mail.defects(), [Defect::MissingBoundary]);
    }

    #[test]
    fn the_line_end_before_a_boundary_belongs_to_it() {
        let mail = Mail::parse(b"Content-Type: multipart/mixed; boundary=a\n\npreamble\n--a\n\none\n\n--a\n\ntwo\n--a--\nrest\n".to_vec());
        let bodies: Vec<&[u8]> = mail.leaves().map(|(_, p)| p.decoded()).collect();
        assert_eq!(bodies, [&b"one\n"[..], b"two"]);
    }

    #[test]
    fn containers_beyond_twenty_levels_stay_closed() {
        let mut message = String::new();
        for i in 0..100 {
            message += &format!("Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n");
        }
        let mail = Mail::parse(message.into_bytes());
        assert_eq!(mail.parts().last().map(|p| (p.depth, p.is_leaf())), Some((20, true)));
        assert!(mail.defects().contains(&Defect::TooDeep));
    }

    #[test]
    fn what_our_server_will_write_is_seen_and_was_not_sent() {
        let mail = Mail::arriving(b"A: 1\r\n\r\nx\r\n", b"Received: y\r\n");
        assert_eq!(mail.as_sent(), b"A: 1\r\n\r\nx\r\n");
        assert_eq!((mail.fields().len(), mail.body()), (2, &b"x\r\n"[..]));
        assert_eq!(mail.parts()[0].decoded(), b"x\n");
    }
}
