//! Archives and documents: opened, inspected and read for their text as what they are, and as what they are not.
#![no_main]

use hamgate::unpack::{self, Budget, Kind, text};
use libfuzzer_sys::fuzz_target;

/// Kinds that are taken apart.
const KINDS: &[Kind] = &[
    Kind::Zip, Kind::SevenZip, Kind::Rar, Kind::Tar, Kind::Gzip, Kind::Bzip2, Kind::Xz, Kind::Lzma, Kind::Zstd, Kind::Cab, Kind::Iso,
    Kind::Tnef, Kind::Ole, Kind::Msi, Kind::Pdf, Kind::Rtf, Kind::OneNote, Kind::Html, Kind::Svg, Kind::Xml,
];
const NAMES: &[&str] = &["word/document.xml", "content.xml", "_rels/.rels", "table.csv"];

fn look(kind: Kind, name: &str, bytes: &[u8]) {
    let mut budget = Budget::default();
    let opened = unpack::open(kind, bytes, &mut budget);
    unpack::inspect(kind, name, bytes, &mut budget);
    text::extract(kind, name, bytes, &mut budget);
    for entry in opened.entries.iter().take(20) {
        let name = entry.names.first().map_or("", String::as_str);
        unpack::inspect_document_entry(name, &entry.bytes);
        text::extract(Kind::of(&entry.bytes), name, &entry.bytes, &mut budget);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let name = NAMES[bytes.len() % NAMES.len()];
    look(Kind::of(bytes), name, bytes);
    let other = bytes.last().map_or(0, |last| usize::from(*last)) % KINDS.len();
    look(KINDS[other], name, bytes);
});
