//! 7z (7zFormat.txt): names, encryption, and content packed by coders, of which one may read what several others give.

use super::octets::{piece, u64le, utf16le};
use super::{Budget, Entry, Fact, Opened, stream};

/// Headers inside headers, files, coders: more is damage.
const HEADERS: usize = 4;
const FILES: usize = 20_000;
const FOLDERS: usize = 2_000;
const CODERS: usize = 32;

#[derive(Clone, Debug, Default)]
struct Folder {
    coders: Vec<Coder>,
    /// Pairs of an input and the output that feeds it, numbered through all coders.
    pairs: Vec<(usize, usize)>,
    /// Inputs that packed streams feed, in their order.
    packed: Vec<usize>,
    sizes: Vec<u64>,
    /// Sizes of the files in it.
    files: Vec<u64>,
}

/// One step of unpacking: inputs to one output.
#[derive(Clone, Debug, Default)]
struct Coder {
    method: Vec<u8>,
    properties: Vec<u8>,
    inputs: usize,
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
    let mut inputs = 0;
    for _ in 0..c.count(CODERS)? {
        let flags = c.octet()?;
        let method = c.take(usize::from(flags & 0xF))?.to_vec();
        let (ins, outs) = if flags & 0x10 != 0 { (c.count(CODERS)?, c.count(CODERS)?) } else { (1, 1) };
        // No method of today has several outputs.
        if outs != 1 {
            return None;
        }
        inputs += ins;
        let properties = if flags & 0x20 != 0 {
            let len = c.count(1 << 16)?;
            c.take(len)?.to_vec()
        } else {
            Vec::new()
        };
        folder.coders.push(Coder { method, properties, inputs: ins });
    }
    let outputs = folder.coders.len();
    let binds = outputs.checked_sub(1)?;
    for _ in 0..binds {
        folder.pairs.push((c.count(64)?, c.count(64)?));
    }
    let packed = inputs.checked_sub(binds)?;
    if packed == 1 {
        folder.packed.push((0..inputs).find(|i| !folder.pairs.iter().any(|(input, _)| input == i))?);
    } else {
        for _ in 0..packed {
            folder.packed.push(c.count(64)?);
        }
    }
    Some((folder, outputs))
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
    folder.coders.iter().any(|coder| coder.method.as_slice() == [0x06, 0xF1, 0x07, 0x01])
}

type Got = (Vec<u8>, Option<Fact>);

/// The content of a folder: what the output is that feeds no other coder. Each round undoes the coders whose inputs are there.
fn unfold(bytes: &[u8], streams: &Streams, number: usize, budget: &mut Budget) -> Option<Got> {
    let folder = streams.folders.get(number)?;
    let last = (0..folder.coders.len()).find(|output| !folder.pairs.iter().any(|(_, fed)| fed == output))?;
    let mut outputs: Vec<Option<Vec<u8>>> = vec![None; folder.coders.len()];
    let mut fact = None;
    for _ in 0..folder.coders.len() {
        let mut first = 0;
        for (at, coder) in folder.coders.iter().enumerate() {
            let ports = first..first + coder.inputs;
            first = ports.end;
            if outputs[at].is_some() {
                continue;
            }
            let inputs: Option<Vec<&[u8]>> = ports.map(|port| input(bytes, streams, number, port, &outputs)).collect();
            let Some(inputs) = inputs else { continue };
            let (out, found) = undo(coder, &inputs, folder.sizes.get(at).copied().unwrap_or(0), budget)?;
            fact = fact.or(found);
            if found == Some(Fact::Unread) {
                return Some((Vec::new(), found));
            }
            outputs[at] = Some(out);
        }
    }
    Some((outputs.swap_remove(last)?, fact))
}

/// What feeds an input: a packed stream, or another coder's output where that is there already.
fn input<'s>(bytes: &'s [u8], streams: &Streams, number: usize, port: usize, outputs: &'s [Option<Vec<u8>>]) -> Option<&'s [u8]> {
    let folder = streams.folders.get(number)?;
    if let Some((_, output)) = folder.pairs.iter().find(|(input, _)| *input == port) {
        return outputs.get(*output)?.as_deref();
    }
    let before: usize = streams.folders[..number].iter().map(|f| f.packed.len()).sum();
    let stream = before + folder.packed.iter().position(|fed| *fed == port)?;
    let start = streams.pack_sizes.iter().take(stream).try_fold(streams.pack_at.checked_add(32)?, |at, size| at.checked_add(*size))?;
    piece(bytes, usize::try_from(start).ok()?, usize::try_from(*streams.pack_sizes.get(stream)?).ok()?)
}

/// `size`: octets that come out.
fn undo(coder: &Coder, inputs: &[&[u8]], size: u64, budget: &mut Budget) -> Option<Got> {
    let input = inputs.first()?;
    let properties = &coder.properties;
    let branches = |filter: lzma_rust2::filter::bcj::BcjReader<&[u8]>, budget: &mut Budget| budget.read(filter, input.len());
    Some(match (coder.method.as_slice(), inputs.len()) {
        ([3, 3, 1, 0x1B], 4) => {
            budget.read(lzma_rust2::filter::bcj2::Bcj2Reader::new(inputs.to_vec(), size), inputs.iter().map(|i| i.len()).sum())
        }
        ([] | [0], 1) => budget.copy(input),
        ([3, 1, 1], 1) => {
            let dictionary = super::octets::size32(properties, 1)?;
            stream::lzma_raw(input, *properties.first()?, dictionary, size, budget)
        }
        ([0x21], 1) => stream::lzma2(input, dictionary_of(*properties.first()?), budget),
        ([3, 4, 1], 1) => stream::ppmd7(input, u32::from(*properties.first()?), super::octets::u32le(properties, 1)?, size, budget),
        ([4, 1, 8], 1) => budget.read(flate2::bufread::DeflateDecoder::new(*input), input.len()),
        ([4, 1, 9], 1) => budget.read(deflate64::Deflate64Decoder::with_buffer(*input), input.len()),
        ([4, 2, 2], 1) => stream::bzip2(input, budget),
        ([4, 0xF7, 0x11, 1], 1) => stream::zstd(input, budget),
        ([4] | [3, 3, 1, 3], 1) => branches(lzma_rust2::filter::bcj::BcjReader::new_x86(input, 0), budget),
        ([7] | [3, 3, 5, 1], 1) => branches(lzma_rust2::filter::bcj::BcjReader::new_arm(input, 0), budget),
        ([8] | [3, 3, 7, 1], 1) => branches(lzma_rust2::filter::bcj::BcjReader::new_arm_thumb(input, 0), budget),
        ([10], 1) => branches(lzma_rust2::filter::bcj::BcjReader::new_arm64(input, 0), budget),
        ([3], 1) => delta(input, usize::from(properties.first().copied().unwrap_or(0)) + 1, budget),
        _ => (Vec::new(), Some(Fact::Unread)),
    })
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
