//! The MIME tree as SpamAssassin splits it, built iteratively with bounded depth and count.

use super::Field;
use std::borrow::Cow;
use std::ops::Range;

/// Index into `Mail::parts`.
pub type PartId = usize;

#[derive(Clone, Debug)]
pub struct Part {
    pub parent: Option<PartId>,
    pub depth: usize,
    pub children: Vec<PartId>,
    /// The part's own header fields.
    pub fields: Vec<Field>,
    /// Lower-cased `type/subtype`, as SpamAssassin's parse_content_type gives it.
    pub content_type: String,
    /// After the rules on `text…` and on names that end in .htm.
    pub effective_type: String,
    pub charset: String,
    pub name: String,
    pub boundary: Option<Vec<u8>>,
    /// Lower-cased Content-Transfer-Encoding.
    pub encoding: String,
    pub disposition: String,
    /// The body as it stands in the message (or in a decoded parent's bytes).
    pub body: Range<usize>,
}

impl Part {
    pub fn is_leaf(&self) -> bool {
        self.children.is_empty()
    }

    /// Decoded octets, no charset conversion.
    pub fn decoded(&self) -> Cow<'_, [u8]> {
        todo!()
    }
}
