//! `"parts"` of `scan --json`, and `--save-parts`: everything that a message carries, by every plausible reading.

use crate::mail::Mail;
use crate::mail::attachments::{self, Item};
use crate::mail::carried::{File, sha256};
use serde::Serialize;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

/// One part, archive entry or file.
#[derive(Serialize)]
pub(super) struct PartLine<'m> {
    path: &'m str,
    #[serde(rename = "type")]
    kind: &'m str,
    name: &'m str,
    bytes: usize,
    sha256: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    facts: Vec<&'static str>,
}

/// Lists the parts of a message that keeps digests (`Wanted::digests`).
pub(super) fn list(mail: &Mail) -> Vec<PartLine<'_>> {
    mail.carried().files.iter().map(line).collect()
}

fn line(file: &File) -> PartLine<'_> {
    PartLine {
        path: &file.path,
        kind: file.media_type(),
        name: file.names.first().map_or("", String::as_str),
        bytes: file.size,
        sha256: file.digest.as_ref().map(|digest| hex(digest)).unwrap_or_default(),
        facts: file.facts.iter().map(|fact| fact.word()).collect(),
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(2 * octets.len()), |mut hex, octet| {
        let _ = write!(hex, "{octet:02x}");
        hex
    })
}

/// Writes each part to a file; the first error in writing ends it.
pub(super) fn save(mail: &Mail, folder: &Path) -> io::Result<()> {
    let mut saved = Ok(());
    attachments::walk(mail, &mut |item: &Item<'_>| {
        if saved.is_ok() {
            saved = save_one(&folder.join(hex(&sha256(item.bytes))), item.bytes);
        }
    });
    saved
}

/// Two parts may be the same octets, and several threads may write them at once.
fn save_one(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|there| there.len() == bytes.len() as u64) { Ok(()) } else { fs::write(path, bytes) }
}
