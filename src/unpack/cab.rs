//! Cabinets (MS-CAB): stored, MSZIP and LZX folders.

use super::octets::{name, piece, size16, size32, u16le, until_nul};
use super::{Budget, Entry, Fact, Opened};
use std::io::Read;

/// MS-CAB §2.3: one block gives at most this much.
const BLOCK: usize = 32_768;

struct Folder {
    first_block: usize,
    blocks: usize,
    method: u16,
}

pub(super) fn open(bytes: &[u8], budget: &mut Budget) -> Opened {
    let mut opened = Opened::default();
    if read(bytes, &mut opened, budget).is_none() {
        opened.facts.insert(Fact::DamagedArchive);
    }
    opened
}

fn read(bytes: &[u8], opened: &mut Opened, budget: &mut Budget) -> Option<()> {
    let mut file_at = size32(bytes, 16)?;
    let folder_count = size16(bytes, 26)?;
    let file_count = size16(bytes, 28)?;
    let flags = u16le(bytes, 30)?;
    let mut at = 36;
    let (mut per_folder, mut per_block) = (0, 0);
    if flags & 4 != 0 {
        let per_header = size16(bytes, at)?;
        per_folder = usize::from(*bytes.get(at + 2)?);
        per_block = usize::from(*bytes.get(at + 3)?);
        at += 4 + per_header;
    }
    for neighbour in [1, 2] {
        if flags & neighbour != 0 {
            for _ in 0..2 {
                at += until_nul(bytes.get(at..)?).len() + 1;
            }
        }
    }
    let mut folders = Vec::new();
    for _ in 0..folder_count.min(1000) {
        folders.push(Folder { first_block: size32(bytes, at)?, blocks: size16(bytes, at + 4)?, method: u16le(bytes, at + 6)? });
        at += 8 + per_folder;
    }
    let mut open_folder: Option<(usize, Vec<u8>, Option<Fact>)> = None;
    for _ in 0..file_count {
        let size = size32(bytes, file_at)?;
        let offset = size32(bytes, file_at + 4)?;
        let folder = size16(bytes, file_at + 8)?;
        let written = until_nul(bytes.get(file_at + 16..)?);
        file_at += 16 + written.len() + 1;
        if open_folder.as_ref().is_none_or(|(number, _, _)| *number != folder) {
            let (data, fact) = match folders.get(folder) {
                Some(folder) => unpack(bytes, folder, per_block, budget),
                None => (Vec::new(), Some(Fact::Unread)),
            };
            open_folder = Some((folder, data, fact));
        }
        let (data, fact) = open_folder.as_ref().map_or((&[][..], None), |(_, data, fact)| (data.as_slice(), *fact));
        let content = super::octets::piece_or_rest(data, offset, size);
        let mut entry = Entry::new(name(written), budget.copy(content));
        if content.len() < size {
            entry.facts.insert(fact.unwrap_or(Fact::DamagedArchive));
        }
        if !opened.push(entry, budget) {
            break;
        }
    }
    Some(())
}

/// All blocks of a folder, one after another.
fn unpack(bytes: &[u8], folder: &Folder, per_block: usize, budget: &mut Budget) -> (Vec<u8>, Option<Fact>) {
    let mut out: Vec<u8> = Vec::new();
    let mut at = folder.first_block;
    let method = folder.method & 0xF;
    let mut lzx = (method == 3).then(|| lzx(folder.method >> 8 & 0x1F)).flatten();
    for _ in 0..folder.blocks {
        let (Some(packed), Some(full)) = (size16(bytes, at + 4), size16(bytes, at + 6)) else { return (out, Some(Fact::DamagedArchive)) };
        let Some(data) = piece(bytes, at + 8 + per_block, packed) else { return (out, Some(Fact::DamagedArchive)) };
        at += 8 + per_block + packed;
        let full = full.min(BLOCK);
        let block = match (method, &mut lzx) {
            (0, _) => Some(data.to_vec()),
            (1, _) => mszip(data, &out, full),
            (3, Some(decoder)) => decoder.decompress_next(data, full).ok().map(<[u8]>::to_vec),
            _ => return (out, Some(Fact::Unread)),
        };
        let Some(block) = block else { return (out, Some(Fact::DamagedArchive)) };
        budget.pay(block.len());
        out.extend_from_slice(&block);
        if budget.is_spent() {
            return (out, Some(Fact::ArchiveBomb));
        }
    }
    (out, None)
}

/// A block is deflated with what came before as its dictionary: that stands before it as a stored block.
fn mszip(data: &[u8], before: &[u8], full: usize) -> Option<Vec<u8>> {
    let data = data.strip_prefix(b"CK")?;
    let dictionary = &before[before.len().saturating_sub(BLOCK)..];
    let len = u16::try_from(dictionary.len()).ok()?;
    let mut head = vec![0];
    head.extend_from_slice(&len.to_le_bytes());
    head.extend_from_slice(&(!len).to_le_bytes());
    head.extend_from_slice(dictionary);
    let mut out = Vec::with_capacity(dictionary.len() + full);
    let reader = head.as_slice().chain(data);
    let mut decoder = flate2::read::DeflateDecoder::new(reader).take((dictionary.len() + full) as u64);
    let read = decoder.read_to_end(&mut out);
    if read.is_err() && out.len() <= dictionary.len() {
        return None;
    }
    Some(out.split_off(dictionary.len().min(out.len())))
}

fn lzx(bits: u16) -> Option<lzxd::Lzxd> {
    use lzxd::WindowSize as W;
    let sizes = [W::KB32, W::KB64, W::KB128, W::KB256, W::KB512, W::MB1, W::MB2];
    sizes.get(usize::from(bits.checked_sub(15)?)).map(|size| lzxd::Lzxd::new(*size))
}
