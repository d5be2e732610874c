//! The one field splitter: rules, authentication and the removal of forged fields all read header sections by it.

use std::ops::Range;

/// A header field, by offsets into the section it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// As written, without spaces before the colon.
    pub name: Range<usize>,
    /// All after the colon: leading space, folds and the final line end included.
    pub value: Range<usize>,
}
