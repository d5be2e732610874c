//! What was found out about an attachment: words that rules ask for.

use std::collections::BTreeSet;

macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident = $word:literal),* $(,)?) => {
        /// A fact about one part, attachment, container or entry.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fact {
            $($(#[$doc])* $name,)*
        }

        impl Fact {
            pub const ALL: &'static [Fact] = &[$(Fact::$name),*];

            /// The word by which rules ask for it.
            pub fn word(self) -> &'static str {
                match self { $(Fact::$name => $word,)* }
            }
        }
    };
}

facts! {
    // Containers.
    /// An entry (or all names) cannot be read without a password.
    Encrypted = "encrypted",
    /// The limits on what comes out were hit.
    ArchiveBomb = "archive-bomb",
    TooManyEntries = "too-many-entries",
    TooDeep = "too-deep",
    DamagedArchive = "damaged-archive",
    /// A method or format whose names alone are read.
    Unread = "unread",
    /// The directory and the entry call it differently, or two directories stand in one file.
    AmbiguousArchive = "ambiguous-archive",
    // Names.
    DoubleExtension = "double-extension",
    /// Right-to-left override and kin.
    ReversedName = "reversed-name",
    /// Characters that do not show: zero-width, control, NUL, wide blanks before the extension.
    HiddenCharacters = "hidden-characters",
    /// Several names for one part that do not agree.
    SeveralNames = "several-names",
    /// Content of another type than the name says.
    TypeMismatch = "type-mismatch",
    // Documents.
    Macro = "macro",
    AutoRun = "auto-run",
    /// A macro that calls what malicious ones do (Shell, URLDownloadToFile, CreateObject …).
    SuspiciousMacro = "suspicious-macro",
    /// The macro fetches or runs a program.
    MacroDownload = "macro-download",
    ExternalTemplate = "external-template",
    /// Another part of the document is fetched from elsewhere (frame, object, image).
    ExternalObject = "external-object",
    /// `mhtml:` in an external link (CVE-2021-40444).
    MhtmlLink = "mhtml-link",
    Dde = "dde",
    EmbeddedObject = "embedded-object",
    /// Documents with a password of their own.
    EncryptedDocument = "encrypted-document",
    // PDF.
    PdfJavaScript = "pdf-javascript",
    PdfLaunch = "pdf-launch",
    PdfEmbedded = "pdf-embedded",
    PdfOpenAction = "pdf-open-action",
    PdfForm = "pdf-form",
    PdfLink = "pdf-link",
    // Markup.
    PasswordForm = "password-form",
    FormPost = "form-post",
    Script = "script",
    ObfuscatedScript = "obfuscated-script",
    /// Script that builds a file on the reader's side.
    Smuggling = "smuggling",
    SvgScript = "svg-script",
    /// Spreadsheet text that runs commands (`=cmd|…`).
    CsvCommand = "csv-command",
}

impl Fact {
    pub fn by_word(word: &str) -> Option<Fact> {
        Fact::ALL.iter().copied().find(|fact| fact.word() == word)
    }
}

pub type Facts = BTreeSet<Fact>;
