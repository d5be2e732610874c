//! Zip (APPNOTE.TXT 6.3.10): every directory in the file, and every entry that no directory names, since programs
//! that unpack differ in which of them they believe.

use super::octets::{name, piece, piece_or_rest, size16, size32, u16le, u32le, u64le};
use super::{Budget, Entry, Fact, Opened, stream};
use memchr::memmem;
use std::collections::HashSet;

/// Directories read of one file.
const DIRECTORIES: usize = 8;
const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";

/// Where an entry's data stands and how it is packed.
#[derive(Clone, Debug, Default)]
struct Place {
    flags: u16,
    method: u16,
    data: usize,
    packed: usize,
    /// Octets that come out; `u64::MAX` where it is not known.
    full: u64,
    /// Sizes come after the data.
    unknown_size: bool,
    name: String,
}

pub(super) fn open(bytes: &[u8], budget: &mut Budget) -> Opened {
    let mut opened = Opened::default();
    let mut seen: HashSet<usize> = HashSet::new();
    let mut covered: Vec<(usize, usize)> = Vec::new();
    let mut directories = 0;
    let ends: Vec<usize> = memmem::rfind_iter(bytes, END).take(DIRECTORIES).collect();
    for end in ends {
        // An archive inside an entry of this one is that entry's affair.
        if covered.iter().any(|(start, stop)| (*start..*stop).contains(&end)) {
            continue;
        }
        let Some(directory) = directory_of(bytes, end) else { continue };
        let before = opened.entries.len();
        if !read_directory(bytes, directory, &mut seen, &mut covered, &mut opened, budget) {
            return opened;
        }
        directories += usize::from(opened.entries.len() > before);
        covered.push((directory.0, end + 22));
    }
    if directories > 1 {
        opened.facts.insert(Fact::AmbiguousArchive);
    }
    covered.sort_unstable();
    strays(bytes, &covered, &seen, &mut opened, budget);
    opened
}

/// A zip that stands behind something else.
pub(super) fn open_behind_program(bytes: &[u8], budget: &mut Budget) -> Opened {
    if memmem::rfind(bytes, END).is_none() { Opened::default() } else { open(bytes, budget) }
}

/// Offset of the directory, and what must be added to its offsets (something stands before the archive).
fn directory_of(bytes: &[u8], end: usize) -> Option<(usize, usize)> {
    let size = size32(bytes, end + 12)?;
    let offset = size32(bytes, end + 16)?;
    // §4.3.16: the directory stands right before its end, or before the zip64 records.
    let by_size = end.checked_sub(size).filter(|at| piece(bytes, *at, 4) == Some(CENTRAL));
    if let Some(at) = by_size {
        return Some((at, at.saturating_sub(offset)));
    }
    if let Some(record) = end.checked_sub(76).filter(|at| piece(bytes, *at, 4) == Some(b"PK\x06\x06")) {
        let at = usize::try_from(u64le(bytes, record + 48)?).ok()?;
        if piece(bytes, at, 4) == Some(CENTRAL) {
            return Some((at, 0));
        }
    }
    (piece(bytes, offset, 4) == Some(CENTRAL)).then_some((offset, 0))
}

fn read_directory(
    bytes: &[u8],
    (mut at, base): (usize, usize),
    seen: &mut HashSet<usize>,
    covered: &mut Vec<(usize, usize)>,
    opened: &mut Opened,
    budget: &mut Budget,
) -> bool {
    while piece(bytes, at, 4) == Some(CENTRAL) {
        let Some((place, local, next)) = central_entry(bytes, at, base) else { break };
        at = next;
        let inner = local_entry(bytes, local);
        if inner.is_none() && !seen.insert(local) {
            continue;
        }
        seen.insert(local);
        let mut place = place;
        let mut names = vec![place.name.clone()];
        let mut differs = false;
        if let Some(inner) = inner {
            place.data = inner.data;
            // Whichever says so: the one that unpacks will ask for the password.
            place.flags |= inner.flags & 1;
            covered.push((local, inner.data.saturating_add(place.packed).saturating_add(16)));
            if inner.name != place.name {
                names.push(inner.name);
                differs = true;
            }
        } else {
            place.data = bytes.len();
        }
        let mut entry = unpack(bytes, &place, budget);
        entry.names = names;
        if differs {
            entry.facts.insert(Fact::AmbiguousArchive);
        }
        if is_folder(&entry) {
            continue;
        }
        if !opened.push(entry, budget) {
            return false;
        }
    }
    true
}

fn is_folder(entry: &Entry) -> bool {
    entry.bytes.is_empty() && entry.names.iter().all(|name| name.ends_with('/')) && !entry.facts.contains(&Fact::Encrypted)
}

/// §4.3.12. The entry, the offset of its local header, the offset after it.
fn central_entry(bytes: &[u8], at: usize, base: usize) -> Option<(Place, usize, usize)> {
    let name_len = size16(bytes, at + 28)?;
    let extra_len = size16(bytes, at + 30)?;
    let comment_len = size16(bytes, at + 32)?;
    let written = piece(bytes, at + 46, name_len)?;
    let extra = piece_or_rest(bytes, at + 46 + name_len, extra_len);
    let mut packed = u64::from(u32le(bytes, at + 20)?);
    let mut offset = u64::from(u32le(bytes, at + 42)?);
    let full = u32le(bytes, at + 24)?;
    // §4.5.3: what does not fit stands in the zip64 field, in this order.
    if let Some(wide) = extra_field(extra, 1) {
        let mut from = usize::from(full == u32::MAX) * 8;
        for (value, is_wide) in [(&mut packed, u32le(bytes, at + 20)? == u32::MAX), (&mut offset, u32le(bytes, at + 42)? == u32::MAX)] {
            if is_wide {
                *value = u64le(wide, from).unwrap_or(*value);
                from += 8;
            }
        }
    }
    let place = Place {
        flags: u16le(bytes, at + 8)?,
        method: u16le(bytes, at + 10)?,
        data: 0,
        packed: usize::try_from(packed).unwrap_or(usize::MAX),
        full: if full == u32::MAX { u64::MAX } else { u64::from(full) },
        unknown_size: false,
        name: unicode_name(extra).unwrap_or_else(|| name(written)),
    };
    let local = usize::try_from(offset).unwrap_or(usize::MAX).saturating_add(base);
    Some((place, local, at + 46 + name_len + extra_len + comment_len))
}

/// §4.3.7.
fn local_entry(bytes: &[u8], at: usize) -> Option<Place> {
    if piece(bytes, at, 4)? != LOCAL {
        return None;
    }
    let flags = u16le(bytes, at + 6)?;
    let name_len = size16(bytes, at + 26)?;
    let extra_len = size16(bytes, at + 28)?;
    let written = piece(bytes, at + 30, name_len)?;
    let extra = piece_or_rest(bytes, at + 30 + name_len, extra_len);
    let packed = size32(bytes, at + 18)?;
    let full = u32le(bytes, at + 22).filter(|_| flags & 8 == 0).map_or(u64::MAX, u64::from);
    Some(Place {
        flags,
        method: u16le(bytes, at + 8)?,
        data: at + 30 + name_len + extra_len,
        packed,
        full,
        unknown_size: packed == 0 && flags & 8 != 0 || packed == 0xFFFF_FFFF,
        name: unicode_name(extra).unwrap_or_else(|| name(written)),
    })
}

fn extra_field(mut extra: &[u8], wanted: u16) -> Option<&[u8]> {
    while let (Some(id), Some(len)) = (u16le(extra, 0), size16(extra, 2)) {
        let value = piece(extra, 4, len)?;
        if id == wanted {
            return Some(value);
        }
        extra = &extra[4 + len..];
    }
    None
}

/// §4.6.9: Info-ZIP's Unicode path.
fn unicode_name(extra: &[u8]) -> Option<String> {
    extra_field(extra, 0x7075).and_then(|value| value.get(5..)).map(name)
}

/// Entries outside of what directories name: archives without end, or what one of them hides.
fn strays(bytes: &[u8], covered: &[(usize, usize)], seen: &HashSet<usize>, opened: &mut Opened, budget: &mut Budget) {
    let mut from = 0;
    let mut ranges = covered.iter().peekable();
    let had_directory = !opened.entries.is_empty();
    while let Some(found) = memmem::find(bytes.get(from..).unwrap_or_default(), LOCAL) {
        let at = from + found;
        from = at + 4;
        while ranges.next_if(|(_, end)| *end <= at).is_some() {}
        if let Some((start, end)) = ranges.peek()
            && *start <= at
        {
            from = *end;
            continue;
        }
        if seen.contains(&at) {
            continue;
        }
        let Some(mut place) = local_entry(bytes, at).filter(is_plausible) else { continue };
        if place.unknown_size || place.packed > bytes.len() {
            let rest = bytes.get(place.data..).unwrap_or_default();
            let next = [b"PK\x07\x08".as_slice(), LOCAL, CENTRAL].iter().filter_map(|mark| memmem::find(rest, mark)).min();
            place.packed = next.unwrap_or(rest.len());
        }
        let mut entry = unpack(bytes, &place, budget);
        if had_directory {
            entry.facts.insert(Fact::AmbiguousArchive);
        }
        from = from.max(place.data.saturating_add(place.packed).min(bytes.len()));
        if !is_folder(&entry) && !opened.push(entry, budget) {
            return;
        }
    }
}

fn is_plausible(place: &Place) -> bool {
    (place.method <= 20 || matches!(place.method, 93..=99)) && !place.name.is_empty()
}

fn unpack(bytes: &[u8], place: &Place, budget: &mut Budget) -> Entry {
    let data = piece_or_rest(bytes, place.data, place.packed);
    if place.flags & 1 != 0 || place.method == 99 {
        budget.pay(1);
        return Entry::unread(place.name.clone(), Fact::Encrypted);
    }
    let got = match place.method {
        0 => budget.copy(data),
        8 => budget.read(flate2::bufread::DeflateDecoder::new(data), data.len()),
        9 => budget.read(deflate64::Deflate64Decoder::with_buffer(data), data.len()),
        12 => stream::bzip2(data, budget),
        // §5.8.8: version, length of the properties, the properties as in .lzma.
        14 => match (data.get(4), size32(data, 5), data.get(9..)) {
            (Some(properties), Some(dictionary), Some(rest)) => stream::lzma_raw(rest, *properties, dictionary, u64::MAX, budget),
            _ => (Vec::new(), Some(Fact::DamagedArchive)),
        },
        20 | 93 => stream::zstd(data, budget),
        95 => stream::xz(data, budget),
        98 => stream::ppmd8(data, place.full, budget),
        _ => (Vec::new(), Some(Fact::Unread)),
    };
    Entry::new(place.name.clone(), got)
}
