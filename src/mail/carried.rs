//! What a message carries, found out once and shared by rules, the antivirus daemon and `scan --json`.

use super::attachments::{self, Item, Origin};
use super::{Defect, Mail};
use crate::unpack::{Facts, Kind};
use aws_lc_rs::digest::{SHA256, digest};
use std::collections::BTreeSet;

/// Parts of other readings that are kept: more are not shown to the antivirus daemon.
const READINGS: usize = 32;
/// Octets of them together.
const READINGS_OCTETS: usize = 32 << 20;

/// What shall be kept of each part and file beyond what rules ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// SHA-256.
    pub digests: bool,
    /// The octets of what only some readers see.
    pub readings: bool,
}

/// One part or file.
#[derive(Debug)]
pub struct File {
    /// `1.2`, `1.2!b/c.exe`, `~1` for what only some readers see.
    pub path: String,
    /// Every name that some reader shows; may be empty.
    pub names: Vec<String>,
    /// The declared media type in lower case; empty for entries.
    pub declared: String,
    pub kind: Kind,
    pub facts: Facts,
    pub origin: Origin,
    /// Octets, decoded.
    pub size: usize,
    /// SHA-256, where it was wanted.
    pub digest: Option<[u8; 32]>,
}

impl File {
    /// What the content is; the declared type where content does not tell more.
    pub fn media_type(&self) -> &str {
        let is_declared = self.declared.contains('/') && self.declared.is_ascii();
        if self.kind.is_vague() && is_declared { &self.declared } else { self.kind.media_type() }
    }
}

/// Everything that a message carries.
#[derive(Debug, Default)]
pub struct Carried {
    pub files: Vec<File>,
    /// What readers take differently.
    pub odd: BTreeSet<Defect>,
    /// Octets of what only some readers see, where they were wanted.
    pub readings: Vec<Vec<u8>>,
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut octets = [0; 32];
    octets.copy_from_slice(digest(&SHA256, bytes).as_ref());
    octets
}

impl Carried {
    pub(super) fn collect(mail: &Mail, wanted: Wanted) -> Carried {
        let mut carried = Carried::default();
        let mut kept = 0;
        let odd = attachments::walk(mail, &mut |item: &Item<'_>| {
            if wanted.readings
                && item.origin == Origin::Reading
                && carried.readings.len() < READINGS
                && kept + item.bytes.len() <= READINGS_OCTETS
            {
                kept += item.bytes.len();
                carried.readings.push(item.bytes.to_vec());
            }
            carried.files.push(File {
                path: item.path.to_owned(),
                names: item.names.to_vec(),
                declared: item.declared.to_owned(),
                kind: item.kind,
                facts: item.facts.clone(),
                origin: item.origin,
                size: item.bytes.len(),
                digest: wanted.digests.then(|| sha256(item.bytes)),
            });
        });
        carried.odd = odd;
        carried
    }
}
