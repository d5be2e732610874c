//! 7z (7zFormat.txt): names, encryption, and content packed by one chain of simple coders.

use super::octets::{piece, u64le, utf16le};
use super::{Budget, Entry, Fact, Opened, stream};

/// Headers inside headers, files, coders: more is damage.
const HEADERS: usize = 4;
const FILES: usize = 20_000;
const FOLDERS: usize = 2_000;

#[derive(Clone, Debug, Default)]
struct Folder {
    /// Method and properties, in the order in which they are undone.
    coders: Vec<(Vec<u8>, Vec<u8>)>,
    packed_streams: usize,
    /// Several streams into one coder (BCJ2), or a chain that is no line.
    branched: bool,
    sizes: Vec<u64>,
    /// Sizes of the files in it.
    files: Vec<u64>,
}

#[derive(Clone, Debug, Default)]
struct Streams {
    pack_at: u64,
    pack_sizes: Vec<u64>,
    folders: Vec<Folder>,
}

struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    fn octet(&mut self) -> Option<u8> {
        let octet = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(octet)
    }

    fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let taken = piece(self.bytes, self.at, len)?;
        self.at += len;
        Some(taken)
    }

    /// The first octet's leading ones tell how many octets follow.
    fn number(&mut self) -> Option<u64> {
        let first = self.octet()?;
        let mut mask = 0x80;
        let mut value = 0;
        for i in 0..8 {
            if first & mask == 0 {
                return Some(value | u64::from(first & (mask - 1)) << (8 * i));
            }
            value |= u64::from(self.octet()?) << (8 * i);
            mask >>= 1;
        }
        Some(value)
    }

    fn count(&mut self, most: usize) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|n| *n <= most)
    }

    /// Bits, or a mark that all are set.
    fn bits(&mut self, count: usize, may_be_all: bool) -> Option<Vec<bool>> {
        if may_be_all && self.octet()? != 0 {
            return Some(vec![true; count]);
        }
        let octets = self.take(count.div_ceil(8))?;
        Some((0..count).map(|i| octets[i / 8] & (0x80 >> (i % 8)) != 0).collect())
    }

    fn skip_digests(&mut self, count: usize) -> Option<Vec<bool>> {
        let defined = self.bits(count, true)?;
        self.take(defined.iter().filter(|d| **d).count() * 4)?;
        Some(defined)
    }
}

pub(super) fn open(bytes: &[u8], budget: &mut Budget) -> Opened {
    let mut opened = Opened::default();
    let encrypted = |opened: &Opened| opened.facts.contains(&Fact::Encrypted);
    if read(bytes, &mut opened, budget).is_none() && !encrypted(&opened) {
        opened.facts.insert(Fact::DamagedArchive);
    }
    opened
}

fn read(bytes: &[u8], opened: &mut Opened, budget: &mut Budget) -> Option<()> {
    let offset = usize::try_from(u64le(bytes, 12)?).ok()?.checked_add(32)?;
    let len = usize::try_from(u64le(bytes, 20)?).ok()?;
    let mut header = piece(bytes, offset, len)?.to_vec();
    for _ in 0..HEADERS {
        let mut cursor = Cursor { bytes: &header, at: 0 };
        match cursor.octet()? {
            0x01 => return files(bytes, &mut cursor, opened, budget),
            0x17 => {
                let streams = streams(&mut cursor)?;
                let folder = streams.folders.first()?;
                if is_encrypted(folder) {
                    opened.facts.insert(Fact::Encrypted);
                    return None;
                }
                header = unfold(bytes, &streams, 0, budget)?.0;
            }
            _ => return None,
        }
    }
    None
}

fn streams(c: &mut Cursor<'_>) -> Option<Streams> {
    let mut s = Streams::default();
    loop {
        match c.octet()? {
            0x00 => return Some(s),
            0x06 => pack_info(c, &mut s)?,
            0x07 => folders(c, &mut s)?,
            0x08 => substreams(c, &mut s)?,
            _ => return None,
        }
    }
}

fn pack_info(c: &mut Cursor<'_>, s: &mut Streams) -> Option<()> {
    s.pack_at = c.number()?;
    let count = c.count(FOLDERS)?;
    loop {
        match c.octet()? {
            0x00 => return Some(()),
            0x09 => {
                for _ in 0..count {
                    s.pack_sizes.push(c.number()?);
                }
            }
            0x0A => {
                c.skip_digests(count)?;
            }
            _ => return None,
        }
    }
}

fn folders(c: &mut Cursor<'_>, s: &mut Streams) -> Option<()> {
    if c.octet()? != 0x0B {
        return None;
    }
    let count = c.count(FOLDERS)?;
    if c.octet()? != 0 {
        return None;
    }
    let mut outputs = Vec::new();
    for _ in 0..count {
        let (folder, outs) = folder(c)?;
        s.folders.push(folder);
        outputs.push(outs);
    }
    if c.octet()? != 0x0C {
        return None;
    }
    for (folder, outs) in s.folders.iter_mut().zip(outputs) {
        for _ in 0..outs {
            folder.sizes.push(c.number()?);
        }
        // Until told otherwise a folder holds one file.
        folder.files = folder.sizes.iter().max().copied().into_iter().collect();
    }
    loop {
        match c.octet()? {
            0x00 => return Some(()),
            0x0A => {
                c.skip_digests(count)?;
            }
            _ => return None,
        }
    }
}

fn folder(c: &mut Cursor<'_>) -> Option<(Folder, usize)> {
    let mut folder = Folder::default();
    let (mut inputs, mut outputs) = (0, 0);
    for _ in 0..c.count(32)? {
        let flags = c.octet()?;
        let method = c.take(usize::from(flags & 0xF))?.to_vec();
        let (ins, outs) = if flags & 0x10 != 0 { (c.count(32)?, c.count(32)?) } else { (1, 1) };
        folder.branched |= ins != 1 || outs != 1;
        inputs += ins;
        outputs += outs;
        let properties = if flags & 0x20 != 0 {
            let len = c.count(1 << 16)?;
            c.take(len)?.to_vec()
        } else {
            Vec::new()
        };
        folder.coders.push((method, properties));
    }
    let binds = outputs.checked_sub(1)?;
    let mut pairs = Vec::new();
    for _ in 0..binds {
        pairs.push((c.count(64)?, c.count(64)?));
    }
    folder.packed_streams = inputs.checked_sub(binds)?;
    if folder.packed_streams > 1 {
        folder.branched = true;
        for _ in 0..folder.packed_streams {
            c.number()?;
        }
    }
    if !folder.branched {
        folder.coders = in_order(&folder.coders, &pairs)?;
    }
    Some((folder, outputs))
}

/// The coder that reads the packed stream comes first; a pair binds an input to the output that feeds it.
fn in_order(coders: &[(Vec<u8>, Vec<u8>)], pairs: &[(usize, usize)]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut at = (0..coders.len()).find(|i| !pairs.iter().any(|(input, _)| input == i))?;
    let mut order = vec![coders.get(at)?.clone()];
    while let Some((input, _)) = pairs.iter().find(|(_, output)| *output == at) {
        at = *input;
        order.push(coders.get(at)?.clone());
        if order.len() > coders.len() {
            return None;
        }
    }
    Some(order)
}

fn substreams(c: &mut Cursor<'_>, s: &mut Streams) -> Option<()> {
    let mut counts = vec![1; s.folders.len()];
    let mut id = c.octet()?;
    if id == 0x0D {
        for count in &mut counts {
            *count = c.count(FILES)?;
        }
        id = c.octet()?;
    }
    let sized = id == 0x09;
    for (folder, count) in s.folders.iter_mut().zip(&counts) {
        let whole = folder.sizes.iter().max().copied().unwrap_or(0);
        let mut left = whole;
        folder.files.clear();
        for i in 0..*count {
            let size = if i + 1 == *count || !sized { left } else { c.number()? };
            left = left.saturating_sub(size);
            folder.files.push(size);
        }
    }
    if sized {
        id = c.octet()?;
    }
    loop {
        match id {
            0x00 => return Some(()),
            // Digests of what has none so far; none is read.
            0x0A => {
                let unknown: usize = counts.iter().filter(|n| **n != 1).sum::<usize>();
                let single = counts.iter().filter(|n| **n == 1).count();
                let before = c.at;
                let try_count = |c: &mut Cursor<'_>, n: usize| c.skip_digests(n).is_some() && c.bytes.get(c.at) == Some(&0);
                if !try_count(c, unknown) {
                    c.at = before;
                    if !try_count(c, unknown + single) {
                        return None;
                    }
                }
            }
            _ => return None,
        }
        id = c.octet()?;
    }
}

fn is_encrypted(folder: &Folder) -> bool {
    folder.coders.iter().any(|(method, _)| method.as_slice() == [0x06, 0xF1, 0x07, 0x01])
}

/// The content of a folder.
fn unfold(bytes: &[u8], streams: &Streams, number: usize, budget: &mut Budget) -> Option<(Vec<u8>, Option<Fact>)> {
    let folder = streams.folders.get(number)?;
    let first: usize = streams.folders[..number].iter().map(|f| f.packed_streams).sum();
    let start = streams.pack_sizes.iter().take(first).try_fold(streams.pack_at.checked_add(32)?, |at, size| at.checked_add(*size))?;
    let len = usize::try_from(*streams.pack_sizes.get(first)?).ok()?;
    let packed = piece(bytes, usize::try_from(start).ok()?, len)?;
    if folder.branched {
        return Some((Vec::new(), Some(Fact::Unread)));
    }
    let size = folder.sizes.iter().max().copied().unwrap_or(0);
    let mut data: Option<Vec<u8>> = None;
    let mut fact = None;
    for (method, properties) in &folder.coders {
        let input = data.as_deref().unwrap_or(packed);
        let (out, found) = match method.as_slice() {
            [] | [0] => budget.copy(input),
            [3, 1, 1] => {
                let dictionary = super::octets::size32(properties, 1)?;
                stream::lzma_raw(input, *properties.first()?, dictionary, size, budget)
            }
            [0x21] => stream::lzma2(input, dictionary_of(*properties.first()?), budget),
            [4, 1, 8] => budget.read(flate2::bufread::DeflateDecoder::new(input), input.len()),
            [4, 2, 2] => stream::bzip2(input, budget),
            [4, 0xF7, 0x11, 1] => stream::zstd(input, budget),
            [4] | [3, 3, 1, 3] => budget.read(lzma_rust2::filter::bcj::BcjReader::new_x86(input, 0), input.len()),
            [3] => delta(input, usize::from(properties.first().copied().unwrap_or(0)) + 1, budget),
            _ => return Some((Vec::new(), Some(Fact::Unread))),
        };
        fact = fact.or(found);
        data = Some(out);
    }
    Some((data?, fact))
}

/// xz format §5.3.1.
fn dictionary_of(bits: u8) -> usize {
    if bits >= 40 { usize::MAX } else { (2 | usize::from(bits & 1)) << (bits / 2 + 11) }
}

fn delta(input: &[u8], distance: usize, budget: &mut Budget) -> (Vec<u8>, Option<Fact>) {
    let (mut out, fact) = budget.copy(input);
    for i in distance..out.len() {
        out[i] = out[i].wrapping_add(out[i - distance]);
    }
    (out, fact)
}

/// What the list of files says.
#[derive(Default)]
struct Listed {
    names: Vec<String>,
    has_stream: Vec<bool>,
}

fn files(bytes: &[u8], c: &mut Cursor<'_>, opened: &mut Opened, budget: &mut Budget) -> Option<()> {
    let mut main = Streams::default();
    let mut listed = Listed::default();
    loop {
        match c.octet()? {
            0x00 => break,
            0x02 => loop {
                if c.octet()? == 0 {
                    break;
                }
                let len = c.count(1 << 20)?;
                c.take(len)?;
            },
            0x03 => {
                streams(c)?;
            }
            0x04 => main = streams(c)?,
            0x05 => listed = list(c)?,
            _ => return None,
        }
    }
    let mut names = listed.names.into_iter().zip(listed.has_stream);
    for number in 0..main.folders.len() {
        let sizes = main.folders[number].files.clone();
        let (data, fact) = if is_encrypted(&main.folders[number]) {
            (Vec::new(), Some(Fact::Encrypted))
        } else {
            unfold(bytes, &main, number, budget).unwrap_or((Vec::new(), Some(Fact::DamagedArchive)))
        };
        let mut at = 0usize;
        for size in sizes {
            let Some((written, _)) = names.by_ref().find(|(_, has_stream)| *has_stream) else { break };
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            let content = super::octets::piece_or_rest(&data, at, size);
            at = at.saturating_add(size);
            let mut entry = Entry { names: vec![written], bytes: content.to_vec(), facts: Default::default() };
            if content.len() < size {
                entry.facts.extend(fact.or(Some(Fact::DamagedArchive)));
            }
            if !opened.push(entry, budget) {
                return Some(());
            }
        }
    }
    Some(())
}

fn list(c: &mut Cursor<'_>) -> Option<Listed> {
    let count = c.count(FILES)?;
    let mut listed = Listed { names: Vec::new(), has_stream: vec![true; count] };
    loop {
        let id = c.octet()?;
        if id == 0 {
            return (listed.names.len() == count).then_some(listed);
        }
        let len = usize::try_from(c.number()?).ok()?;
        let property = c.take(len)?;
        match id {
            0x0E => {
                let empty = Cursor { bytes: property, at: 0 }.bits(count, false)?;
                listed.has_stream = empty.iter().map(|e| !e).collect();
            }
            0x11 => {
                let mut rest = property.get(1..)?;
                while listed.names.len() < count {
                    let end = rest.chunks_exact(2).position(|unit| unit == [0, 0])? * 2;
                    listed.names.push(utf16le(&rest[..end]));
                    rest = &rest[end + 2..];
                }
            }
            _ => {}
        }
    }
}
