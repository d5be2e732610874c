//! TNEF (MS-OXTNEF): Outlook's winmail.dat.

use super::octets::{name, piece_or_rest, size32, u16le, u32le, until_nul, utf16le};
use super::{Budget, Entry, Fact, Opened};

const START: u32 = 0x0006_9002;
const TITLE: u32 = 0x0001_8010;
const DATA: u32 = 0x0006_800F;
const PROPERTIES: u32 = 0x0006_9005;

pub(super) fn open(bytes: &[u8], budget: &mut Budget) -> Opened {
    let mut opened = Opened::default();
    let mut at = 6;
    let mut entry: Option<Entry> = None;
    while let (Some(id), Some(len)) = (u32le(bytes, at + 1), size32(bytes, at + 5)) {
        let data = piece_or_rest(bytes, at + 9, len);
        if data.len() < len {
            opened.facts.insert(Fact::DamagedArchive);
        }
        at = at.saturating_add(11).saturating_add(len);
        if id == START
            && let Some(done) = entry.replace(Entry::default())
            && !opened.push(done, budget)
        {
            return opened;
        }
        match (&mut entry, id) {
            (Some(entry), TITLE) => entry.names.push(name(until_nul(data))),
            (Some(entry), DATA) => {
                let (content, fact) = budget.copy(data);
                entry.bytes = content;
                entry.facts.extend(fact);
            }
            (Some(entry), PROPERTIES) => {
                let (long, object) = properties(data);
                if let Some(long) = long.filter(|long| !entry.names.contains(long)) {
                    entry.names.insert(0, long);
                }
                if let Some(object) = object.filter(|_| entry.bytes.is_empty()) {
                    entry.bytes = budget.copy(object).0;
                }
            }
            _ => {}
        }
    }
    if let Some(done) = entry {
        opened.push(done, budget);
    }
    opened
}

/// MS-OXTNEF §2.1.3.4: the long name (0x3707) and an embedded object (0x3701), as far as properties can be walked.
fn properties(data: &[u8]) -> (Option<String>, Option<&[u8]>) {
    let (mut long, mut object) = (None, None);
    let mut at = 4;
    for _ in 0..size32(data, 0).unwrap_or(0).min(1000) {
        let (Some(kind), Some(id)) = (u16le(data, at), u16le(data, at + 2)) else { break };
        at += 4;
        if id >= 0x8000 {
            // A named property: its set, then a number or a name.
            at += 16;
            let Some(form) = u32le(data, at) else { break };
            let extra = if form == 0 { 4 } else { size32(data, at + 4).map_or(0, |n| 4 + n.div_ceil(4) * 4) };
            at = at.saturating_add(4).saturating_add(extra);
        }
        let fixed = match kind & 0xFFF {
            0x02 | 0x03 | 0x04 | 0x0A | 0x0B => Some(4),
            0x05 | 0x06 | 0x07 | 0x14 | 0x40 => Some(8),
            0x48 => Some(16),
            _ => None,
        };
        if let Some(len) = fixed {
            at += len;
            continue;
        }
        // Variable: how many values, then length and octets, padded to four.
        let Some(len) = size32(data, at + 4) else { break };
        let value = piece_or_rest(data, at + 8, len);
        match (id, kind & 0xFFF) {
            (0x3707, 0x1F) => long = Some(utf16le(value)),
            (0x3707, _) => long = Some(name(until_nul(value))),
            // An embedded message begins with the identifier of its interface.
            (0x3701, 0x0D) => object = value.get(16..),
            (0x3701, _) => object = Some(value),
            _ => {}
        }
        at = at.saturating_add(8).saturating_add(len.div_ceil(4).saturating_mul(4));
    }
    (long, object)
}
