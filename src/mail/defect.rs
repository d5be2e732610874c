//! Oddities of a message. Odd mail is not an error: each is a word that a rule may score.

/// Words of `scan --json`'s `defects`. Where mail readers may differ, the word begins with `ambiguous-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Defect {
    BareLf,
    BareCr,
    Nul,
    NoBody,
    MissingSeparator,
    BadField,
    TooManyFields,
    HeaderTooLarge,
    TooDeep,
    TooManyParts,
    TooManyLinks,
    MissingBoundary,
    UnclosedMultipart,
    BadBase64,
    BadQuotedPrintable,
    UnknownEncoding,
    UnknownCharset,
    TextTruncated,
    /// HTML whose reading ends early in SpamAssassin's view (an empty CSS `background`), and in no reader's.
    UnreadableStyle,
    /// A Content-* field whose name readers may not take for one.
    AmbiguousField,
    AmbiguousContentType,
    AmbiguousEncoding,
    AmbiguousDisposition,
    /// Several boundaries, none, encoded ones, or lines that nearly are one.
    AmbiguousBoundary,
    /// A part's fields and body are not told apart by an empty line.
    AmbiguousSeparator,
    /// A part or file stands where the structure has none.
    AmbiguousStructure,
    AmbiguousBase64,
    AmbiguousQuotedPrintable,
    AmbiguousLineEnd,
}

impl Defect {
    pub fn word(self) -> &'static str {
        match self {
            Defect::BareLf => "bare-lf",
            Defect::BareCr => "bare-cr",
            Defect::Nul => "nul",
            Defect::NoBody => "no-body",
            Defect::MissingSeparator => "missing-separator",
            Defect::BadField => "bad-field",
            Defect::TooManyFields => "too-many-fields",
            Defect::HeaderTooLarge => "header-too-large",
            Defect::TooDeep => "too-deep",
            Defect::TooManyParts => "too-many-parts",
            Defect::TooManyLinks => "too-many-links",
            Defect::MissingBoundary => "missing-boundary",
            Defect::UnclosedMultipart => "unclosed-multipart",
            Defect::BadBase64 => "bad-base64",
            Defect::BadQuotedPrintable => "bad-quoted-printable",
            Defect::UnknownEncoding => "unknown-encoding",
            Defect::UnknownCharset => "unknown-charset",
            Defect::TextTruncated => "text-truncated",
            Defect::UnreadableStyle => "ambiguous-style",
            Defect::AmbiguousField => "ambiguous-field",
            Defect::AmbiguousContentType => "ambiguous-content-type",
            Defect::AmbiguousEncoding => "ambiguous-encoding",
            Defect::AmbiguousDisposition => "ambiguous-disposition",
            Defect::AmbiguousBoundary => "ambiguous-boundary",
            Defect::AmbiguousSeparator => "ambiguous-separator",
            Defect::AmbiguousStructure => "ambiguous-structure",
            Defect::AmbiguousBase64 => "ambiguous-base64",
            Defect::AmbiguousQuotedPrintable => "ambiguous-quoted-printable",
            Defect::AmbiguousLineEnd => "ambiguous-line-end",
        }
    }
}
