//! RAR 4 and 5: names, encryption, and what is stored without packing.

use super::octets::{name, piece, piece_or_rest, size16, u16le, u32le};
use super::{Budget, Entry, Fact, Opened};

pub(super) fn open(bytes: &[u8], budget: &mut Budget) -> Opened {
    let mut opened = Opened::default();
    let whole = if bytes.get(6) == Some(&1) { rar5(bytes, &mut opened, budget) } else { rar4(bytes, &mut opened, budget) };
    if whole.is_none() && opened.entries.is_empty() && opened.facts.is_empty() {
        opened.facts.insert(Fact::DamagedArchive);
    }
    opened
}

fn rar4(bytes: &[u8], opened: &mut Opened, budget: &mut Budget) -> Option<()> {
    const LONG: u16 = 0x8000;
    let mut at = 7;
    loop {
        let kind = *bytes.get(at + 2)?;
        let flags = u16le(bytes, at + 3)?;
        let len = size16(bytes, at + 5)?;
        if len < 7 {
            return None;
        }
        let header = piece(bytes, at, len)?;
        let mut after = at + len;
        match kind {
            // The main header: all headers behind it are encrypted.
            0x73 if flags & 0x80 != 0 => {
                opened.facts.insert(Fact::Encrypted);
                return Some(());
            }
            0x74 | 0x7A => {
                let packed = u64::from(u32le(header, 7)?) | if flags & 0x100 != 0 { u64::from(u32le(header, 32)?) << 32 } else { 0 };
                let packed = usize::try_from(packed).unwrap_or(usize::MAX);
                let method = *header.get(25)?;
                let from = if flags & 0x100 != 0 { 40 } else { 32 };
                let written = piece_or_rest(header, from, size16(header, 26)?);
                let data = piece_or_rest(bytes, after, packed);
                after = after.saturating_add(packed);
                // Attributes of folders: the dictionary bits are all set.
                if kind == 0x74 && flags & 0xE0 != 0xE0 {
                    let entry = entry(rar4_name(written), flags & 4 != 0, method == 0x30, data, budget);
                    if !opened.push(entry, budget) {
                        return Some(());
                    }
                }
            }
            0x7B => return Some(()),
            _ if flags & LONG != 0 => after = after.saturating_add(usize::try_from(u32le(header, 7)?).ok()?),
            _ => {}
        }
        at = after;
    }
}

/// The name in the code page, and behind a NUL its packed form in Unicode: the first is enough to tell an extension.
fn rar4_name(written: &[u8]) -> String {
    name(super::octets::until_nul(written))
}

fn entry(written: String, encrypted: bool, stored: bool, data: &[u8], budget: &mut Budget) -> Entry {
    if encrypted {
        return Entry::unread(written, Fact::Encrypted);
    }
    if stored { Entry::new(written, budget.copy(data)) } else { Entry::unread(written, Fact::Unread) }
}

/// RAR 5.0 archive format: numbers of seven bits an octet, the lowest first.
fn number(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let octet = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(octet & 0x7F) << shift;
        if octet & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn rar5(bytes: &[u8], opened: &mut Opened, budget: &mut Budget) -> Option<()> {
    let mut next = 8;
    loop {
        let mut at = next + 4;
        let len = usize::try_from(number(bytes, &mut at)?).ok()?;
        let start = at;
        let header = piece(bytes, 0, start.checked_add(len)?)?;
        let kind = number(header, &mut at)?;
        let flags = number(header, &mut at)?;
        let extra = if flags & 1 != 0 { usize::try_from(number(header, &mut at)?).ok()? } else { 0 };
        let data_len = if flags & 2 != 0 { usize::try_from(number(header, &mut at)?).unwrap_or(usize::MAX) } else { 0 };
        let data = piece_or_rest(bytes, start + len, data_len);
        next = (start + len).saturating_add(data_len);
        match kind {
            // Encryption of all headers.
            4 => {
                opened.facts.insert(Fact::Encrypted);
                return Some(());
            }
            5 => return Some(()),
            2 => {
                let file_flags = number(header, &mut at)?;
                let _unpacked = number(header, &mut at)?;
                let _attributes = number(header, &mut at)?;
                at += if file_flags & 2 != 0 { 4 } else { 0 } + if file_flags & 4 != 0 { 4 } else { 0 };
                let compression = number(header, &mut at)?;
                let _system = number(header, &mut at)?;
                let name_len = usize::try_from(number(header, &mut at)?).ok()?;
                let written = piece(header, at, name_len)?;
                let records = header.len().checked_sub(extra).and_then(|from| header.get(from..)).unwrap_or_default();
                if file_flags & 1 == 0 {
                    let entry = entry(name(written), is_encrypted(records), compression >> 7 & 7 == 0, data, budget);
                    if !opened.push(entry, budget) {
                        return Some(());
                    }
                }
            }
            _ => {}
        }
    }
}

/// A record of type 1 among the extra ones.
fn is_encrypted(records: &[u8]) -> bool {
    let mut at = 0;
    while let Some(len) = number(records, &mut at) {
        let start = at;
        match number(records, &mut at) {
            Some(1) => return true,
            Some(_) => {}
            None => return false,
        }
        let Some(next) = usize::try_from(len).ok().and_then(|len| start.checked_add(len)).filter(|next| *next > start) else {
            return false;
        };
        at = next;
    }
    false
}
