//! `"parts"` of `scan --json`, and `--save-parts`: everything that a message carries, by every plausible reading.

use crate::mail::attachments::{self, Item};
use crate::mail::{Defect, Mail};
use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

/// One part, archive entry or file.
#[derive(Serialize)]
pub(super) struct PartLine {
    path: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    bytes: usize,
    sha256: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    facts: Vec<&'static str>,
}

/// Lists the parts and, where a folder is given, writes each to a file named by its digest; the last is the first error
/// in writing.
pub(super) fn list(mail: &Mail, folder: Option<&Path>) -> (Vec<PartLine>, BTreeSet<Defect>, io::Result<()>) {
    let mut lines = Vec::new();
    let mut saved = Ok(());
    let odd = attachments::walk(mail, &mut |item: &Item<'_>| {
        let sha256 = digest(&SHA256, item.bytes).as_ref().iter().fold(String::with_capacity(64), |mut hex, octet| {
            let _ = write!(hex, "{octet:02x}");
            hex
        });
        if let (Some(folder), Ok(())) = (folder, &saved) {
            saved = save(&folder.join(&sha256), item.bytes);
        }
        lines.push(PartLine {
            path: item.path.to_owned(),
            kind: media_type(item),
            name: item.names.first().cloned().unwrap_or_default(),
            bytes: item.bytes.len(),
            sha256,
            facts: item.facts.iter().map(|fact| fact.word()).collect(),
        });
    });
    (lines, odd, saved)
}

/// What the content is; the declared type where content does not tell more.
fn media_type(item: &Item<'_>) -> String {
    let is_declared = item.declared.contains('/') && item.declared.is_ascii();
    if item.kind.is_vague() && is_declared { item.declared.to_owned() } else { item.kind.media_type().to_owned() }
}

/// Two parts may be the same octets, and several threads may write them at once.
fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|there| there.len() == bytes.len() as u64) { Ok(()) } else { fs::write(path, bytes) }
}
