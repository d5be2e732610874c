//! What a file does, beyond what it is.

use super::{Budget, Fact, Facts, Kind, markup, ole, pdf};

/// `name` tells kinds that content does not (spreadsheet text).
pub fn inspect(kind: Kind, name: &str, bytes: &[u8], budget: &mut Budget) -> Facts {
    match kind {
        Kind::Ole => ole::inspect(bytes),
        Kind::Pdf => pdf::inspect(bytes, budget),
        Kind::Html => markup::html(bytes),
        Kind::Svg => markup::svg(bytes),
        Kind::Rtf => markup::rtf(bytes),
        Kind::Xml if super::octets::contains_ignoring_case(bytes, b"macrospresent=\"yes\"") => Facts::from_iter([Fact::Macro]),
        Kind::Text if name.to_ascii_lowercase().ends_with(".csv") => markup::csv(bytes),
        _ => Facts::default(),
    }
}

pub use super::office::inspect_entry as inspect_document_entry;
