//! ISO 9660 (ECMA-119) with Joliet names: the way programs come when mail servers refuse zip.

use super::octets::{name, piece, piece_or_rest, size32};
use super::{Budget, Entry, Fact, Opened};
use std::collections::HashSet;

const SECTOR: usize = 2048;
/// Volume descriptors looked at, folders walked.
const DESCRIPTORS: usize = 32;
const FOLDERS: usize = 1000;

pub(super) fn open(bytes: &[u8], budget: &mut Budget) -> Opened {
    let mut opened = Opened::default();
    let mut volume: Option<(bool, &[u8])> = None;
    for number in 16..16 + DESCRIPTORS {
        let Some(sector) = piece(bytes, number * SECTOR, SECTOR).filter(|s| &s[1..6] == b"CD001") else { break };
        // ECMA-119 §8: 1 primary, 2 supplementary (Joliet by its escape sequence).
        match sector[0] {
            1 if volume.is_none() => volume = Some((false, sector)),
            2 if sector[88..].starts_with(b"%/") => volume = Some((true, sector)),
            255 => break,
            _ => {}
        }
    }
    let Some((joliet, volume)) = volume else {
        opened.facts.insert(Fact::DamagedArchive);
        return opened;
    };
    let mut folders: Vec<(String, usize, usize)> = Vec::new();
    if let (Some(extent), Some(len)) = (size32(volume, 156 + 2), size32(volume, 156 + 10)) {
        folders.push((String::new(), extent, len));
    }
    let mut visited = HashSet::new();
    while let Some((path, extent, len)) = folders.pop() {
        if visited.len() >= FOLDERS || !visited.insert(extent) {
            continue;
        }
        let table = piece_or_rest(bytes, extent.saturating_mul(SECTOR), len);
        if !read_folder(bytes, table, joliet, &path, &mut folders, &mut opened, budget) {
            break;
        }
    }
    opened
}

fn read_folder(
    bytes: &[u8],
    table: &[u8],
    joliet: bool,
    path: &str,
    folders: &mut Vec<(String, usize, usize)>,
    opened: &mut Opened,
    budget: &mut Budget,
) -> bool {
    let mut at = 0;
    while let Some(len) = table.get(at).map(|n| usize::from(*n)) {
        if len == 0 {
            // §6.8.1.1: records do not cross sectors.
            at = (at / SECTOR + 1) * SECTOR;
            continue;
        }
        let Some(record) = piece(table, at, len.max(33)) else { break };
        at += len;
        let (Some(extent), Some(size)) = (size32(record, 2), size32(record, 10)) else { break };
        let written = piece_or_rest(record, 33, usize::from(record[32]));
        if matches!(written, [0] | [1]) {
            continue;
        }
        let decoded = if joliet { utf16be(written) } else { name(written) };
        let decoded = decoded.split(';').next().unwrap_or_default();
        let full = if path.is_empty() { decoded.to_owned() } else { format!("{path}/{decoded}") };
        if record[25] & 2 != 0 {
            folders.push((full, extent, size));
            continue;
        }
        let data = piece_or_rest(bytes, extent.saturating_mul(SECTOR), size);
        if !opened.push(Entry::new(full, budget.copy(data)), budget) {
            return false;
        }
    }
    true
}

fn utf16be(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|c| u16::from_be_bytes([c[0], c[1]]));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
