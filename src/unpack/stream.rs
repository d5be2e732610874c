//! Formats that pack one file: gzip (RFC 1952), bzip2, xz, lzma, zstd (RFC 8878).

use super::octets::{name, u64le, until_nul};
use super::{Budget, Entry, Fact, Kind, Opened};
use std::io::Read;

type Got = (Vec<u8>, Option<Fact>);

/// Memory that a decoder may take for its dictionary: the largest that usual settings of these programs use.
const DICTIONARY_KIB: u32 = 66 << 10;
const WINDOW: u64 = 16 << 20;

pub(super) fn open(kind: Kind, bytes: &[u8], budget: &mut Budget) -> Opened {
    let mut opened = Opened::default();
    let (written, got) = match kind {
        Kind::Gzip => {
            let decoder = flate2::bufread::MultiGzDecoder::new(bytes);
            let written = decoder.header().and_then(|header| header.filename()).map(|n| name(until_nul(n)));
            (written, keep(budget.read(decoder, bytes.len())))
        }
        Kind::Bzip2 => (None, keep(bzip2(bytes, budget))),
        Kind::Xz => (None, keep(xz(bytes, budget))),
        Kind::Lzma => {
            let properties = bytes.first().copied().unwrap_or(0);
            let dictionary = super::octets::size32(bytes, 1).unwrap_or(0);
            let size = u64le(bytes, 5).unwrap_or(u64::MAX);
            (None, keep(lzma_raw(bytes.get(13..).unwrap_or_default(), properties, dictionary, size, budget)))
        }
        Kind::Zstd => (None, keep(zstd(bytes, budget))),
        _ => (None, (Vec::new(), Some(Fact::Unread))),
    };
    let (data, fact) = got;
    opened.facts.extend(fact);
    if !data.is_empty() || written.is_some() {
        let entry = Entry { names: written.into_iter().collect(), bytes: data, facts: fact.into_iter().collect() };
        opened.push(entry, budget);
    }
    opened
}

/// Something behind the end is no damage where something came out.
fn keep((data, fact): Got) -> Got {
    let fact = if fact == Some(Fact::DamagedArchive) && !data.is_empty() { None } else { fact };
    (data, fact)
}

pub(super) fn bzip2(bytes: &[u8], budget: &mut Budget) -> Got {
    budget.read_slowly(bzip2::bufread::MultiBzDecoder::new(bytes), bytes.len())
}

pub(super) fn xz(bytes: &[u8], budget: &mut Budget) -> Got {
    budget.read_slowly(lzma_rust2::XzReader::new_mem_limit(bytes, true, DICTIONARY_KIB), bytes.len())
}

pub(super) fn zstd(bytes: &[u8], budget: &mut Budget) -> Got {
    let mut rest = bytes;
    match ruzstd::decoding::StreamingDecoder::new_with_max_window_size(&mut rest, WINDOW) {
        Ok(decoder) => budget.read(decoder, bytes.len()),
        Err(_) => (Vec::new(), Some(Fact::DamagedArchive)),
    }
}

/// `size`: octets that come out, `u64::MAX` where the stream marks its end.
pub(super) fn lzma_raw(bytes: &[u8], properties: u8, dictionary: usize, size: u64, budget: &mut Budget) -> Got {
    // What comes out is bounded, so a larger dictionary would never fill.
    let dictionary = u32::try_from(dictionary).unwrap_or(u32::MAX).min(DICTIONARY_KIB << 10);
    match lzma_rust2::LzmaReader::new_with_props(bytes, size, properties, dictionary, None) {
        Ok(reader) => budget.read_slowly(reader, bytes.len()),
        Err(_) => (Vec::new(), Some(Fact::DamagedArchive)),
    }
}

pub(super) fn lzma2(bytes: &[u8], dictionary: usize, budget: &mut Budget) -> Got {
    let dictionary = u32::try_from(dictionary).unwrap_or(u32::MAX).min(DICTIONARY_KIB << 10);
    budget.read_slowly(lzma_rust2::Lzma2Reader::new(bytes, dictionary, None), bytes.len())
}

/// Memory that a PPMd model may take.
const MODEL: u32 = 64 << 20;

/// PPMd var.H of 7z: order, memory. It marks no end: `size` octets come out.
pub(super) fn ppmd7(bytes: &[u8], order: u32, memory: u32, size: u64, budget: &mut Budget) -> Got {
    if memory > MODEL {
        return (Vec::new(), Some(Fact::Unread));
    }
    match ppmd_rust::Ppmd7Decoder::new(bytes, order, memory) {
        Ok(decoder) => budget.read_modelled(decoder.take(size), bytes.len()),
        Err(_) => (Vec::new(), Some(Fact::DamagedArchive)),
    }
}

/// PPMd var.I of zip (APPNOTE.TXT §5.10): two octets of parameters come first. `size` as in `ppmd7`.
pub(super) fn ppmd8(bytes: &[u8], size: u64, budget: &mut Budget) -> Got {
    let (Some(parameters), Some(rest)) = (super::octets::u16le(bytes, 0), bytes.get(2..)) else {
        return (Vec::new(), Some(Fact::DamagedArchive));
    };
    let memory = (u32::from(parameters >> 4 & 0xFF) + 1) << 20;
    if memory > MODEL {
        return (Vec::new(), Some(Fact::Unread));
    }
    let order = u32::from(parameters & 0xF) + 1;
    match ppmd_rust::Ppmd8Decoder::new(rest, order, memory, ppmd_rust::RestoreMethod::from(parameters >> 12)) {
        Ok(decoder) => budget.read_modelled(decoder.take(size), rest.len()),
        Err(_) => (Vec::new(), Some(Fact::DamagedArchive)),
    }
}
