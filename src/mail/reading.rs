//! The message as rules see it: pure, lazy views, each made at most once.

use super::{Arrival, HeaderQuery, HtmlFacts, Link, Mail, PartId, Relays, ViewOptions};

pub struct Reading<'m> {
    pub mail: &'m Mail,
    pub arrival: &'m Arrival,
    pub options: &'m ViewOptions,
}

impl<'m> Reading<'m> {
    pub fn new(mail: &'m Mail, arrival: &'m Arrival, options: &'m ViewOptions) -> Self {
        Reading { mail, arrival, options }
    }

    /// The joined value that a header rule matches; `None`: absent.
    pub fn header(&self, _query: &HeaderQuery) -> Option<Vec<u8>> {
        todo!()
    }

    /// The values one by one (`get` in list context).
    pub fn header_values(&self, _query: &HeaderQuery) -> Vec<Vec<u8>> {
        todo!()
    }

    /// The value of a part's last field of that name, as `mimeheader` rules match it (cooked, `:raw`, or `ALL`); part 0 is
    /// the message itself. `None`: absent.
    pub fn part_header(&self, _part: PartId, _query: &HeaderQuery) -> Option<Vec<u8>> {
        todo!()
    }

    /// Paragraphs of rendered text in UTF-8 octets; element 0 is the subject.
    pub fn body(&self) -> &[Vec<u8>] {
        todo!()
    }

    /// Rendered text that a reader can see, and what is hidden (for Bayes and HTML functions).
    pub fn visible(&self) -> &[Vec<u8>] {
        todo!()
    }

    pub fn invisible(&self) -> &[Vec<u8>] {
        todo!()
    }

    /// Decoded, not rendered, in chunks of up to 4,096 octets.
    pub fn rawbody(&self) -> &[Vec<u8>] {
        todo!()
    }

    /// Pristine header and body in one string.
    pub fn full(&self) -> &[u8] {
        todo!()
    }

    pub fn links(&self) -> &[Link] {
        todo!()
    }

    /// Distinct cleaned forms, what `uri` rules match.
    pub fn uris(&self) -> &[Vec<u8>] {
        todo!()
    }

    pub fn relays(&self) -> &Relays {
        todo!()
    }

    /// Facts of the last HTML part; `None` without one.
    pub fn html(&self) -> Option<&HtmlFacts> {
        todo!()
    }
}
