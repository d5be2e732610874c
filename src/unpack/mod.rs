//! Bytes of containers to types, entries, text and links, within limits.
//!
//! `Kind::of` tells a type by content. `open` gives the entries of one container, one level deep; whoever calls walks
//! the levels with a list of its own, so nothing recurses on what a sender wrote. `inspect` tells what a document does.

pub mod budget;
mod cab;
pub mod facts;
mod inspect;
mod iso;
pub mod kind;
mod markup;
pub mod octets;
mod office;
mod ole;
mod pdf;
mod rar;
mod sevenz;
mod stream;
mod tar;
pub mod text;
mod text_ole;
mod text_pdf;
mod text_pdf_font;
mod text_rtf;
mod tnef;
pub mod vba;
mod zip;

pub use budget::Budget;
pub use facts::{Fact, Facts};
pub use inspect::{inspect, inspect_document_entry};
pub use kind::Kind;

/// One entry of a container.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// As written, path included; more than one where directory and entry differ. May be empty.
    pub names: Vec<String>,
    /// Decoded; empty where it could not be.
    pub bytes: Vec<u8>,
    pub facts: Facts,
}

impl Entry {
    fn new(name: String, (bytes, fact): (Vec<u8>, Option<Fact>)) -> Entry {
        Entry { names: vec![name], bytes, facts: fact.into_iter().collect() }
    }

    /// Known by name alone.
    fn unread(name: String, fact: Fact) -> Entry {
        Entry { names: vec![name], bytes: Vec::new(), facts: Facts::from_iter([fact]) }
    }
}

/// What a container held.
#[derive(Clone, Debug, Default)]
pub struct Opened {
    pub entries: Vec<Entry>,
    /// About the container as a whole.
    pub facts: Facts,
}

impl Opened {
    /// Adds an entry while there is room; false: stop.
    fn push(&mut self, entry: Entry, budget: &mut Budget) -> bool {
        if !budget.entry() {
            self.facts.insert(Fact::TooManyEntries);
            return false;
        }
        self.entries.push(entry);
        if let Some(fact) = budget.spent() {
            self.facts.insert(fact);
            return false;
        }
        true
    }
}

/// The entries of a container; none of what is no container.
pub fn open(kind: Kind, bytes: &[u8], budget: &mut Budget) -> Opened {
    budget.begin(bytes.len());
    match kind {
        Kind::Zip => zip::open(bytes, budget),
        Kind::Tar => tar::open(bytes, budget),
        Kind::Gzip | Kind::Bzip2 | Kind::Xz | Kind::Lzma | Kind::Zstd | Kind::Compress => stream::open(kind, bytes, budget),
        Kind::SevenZip => sevenz::open(bytes, budget),
        Kind::Rar => rar::open(bytes, budget),
        Kind::Cab => cab::open(bytes, budget),
        Kind::Iso => iso::open(bytes, budget),
        Kind::Tnef => tnef::open(bytes, budget),
        Kind::Ole | Kind::Msi => ole::open(bytes, budget),
        Kind::Pdf => pdf::open(bytes, budget),
        Kind::Rtf => markup::open_rtf(bytes, budget),
        // A program may carry an archive behind it that unpacks itself.
        Kind::Pe => zip::open_behind_program(bytes, budget),
        Kind::OneNote => office::open_onenote(bytes, budget),
        Kind::Elf
        | Kind::MachO
        | Kind::JavaClass
        | Kind::Shortcut
        | Kind::Chm
        | Kind::Html
        | Kind::Svg
        | Kind::Xml
        | Kind::Script
        | Kind::Image
        | Kind::DiskImage
        | Kind::OldArchive
        | Kind::Flash
        | Kind::Message
        | Kind::Media
        | Kind::Text
        | Kind::Data
        | Kind::Empty => Opened::default(),
    }
}
