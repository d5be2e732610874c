//! Tar: ustar, GNU and pax headers (POSIX.1-2001 pax).

use super::octets::{name, piece, piece_or_rest, until_nul};
use super::{Budget, Entry, Opened};

const BLOCK: usize = 512;

/// Whether a header stands at the start, by its checksum: old archives have no magic.
pub(super) fn has_header(bytes: &[u8]) -> bool {
    bytes.get(..BLOCK).is_some_and(|header| header[0] != 0 && checksum_fits(header))
}

fn checksum_fits(header: &[u8]) -> bool {
    let Some(written) = number(&header[148..156]) else { return false };
    let sum: usize = header.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { usize::from(*b) }).sum();
    sum == written && sum > 256
}

/// Octal digits, or base 256 with the high bit set.
fn number(field: &[u8]) -> Option<usize> {
    if field.first()? & 0x80 != 0 {
        return field[1..].iter().try_fold(0usize, |n, b| n.checked_mul(256)?.checked_add(usize::from(*b)));
    }
    let digits = field.iter().skip_while(|b| **b == b' ').take_while(|b| (b'0'..=b'7').contains(*b));
    digits.clone().next()?;
    digits.into_iter().try_fold(0usize, |n, b| n.checked_mul(8)?.checked_add(usize::from(b - b'0')))
}

pub(super) fn open(bytes: &[u8], budget: &mut Budget) -> Opened {
    let mut opened = Opened::default();
    let mut at = 0;
    let mut long_name: Option<String> = None;
    while let Some(header) = piece(bytes, at, BLOCK) {
        at += BLOCK;
        if !checksum_fits(header) {
            if header.iter().all(|b| *b == 0) {
                continue;
            }
            break;
        }
        let size = number(&header[124..136]).unwrap_or(0);
        let data = piece_or_rest(bytes, at, size);
        let padded = size.saturating_add(BLOCK - 1) / BLOCK * BLOCK;
        at = at.saturating_add(padded);
        match header[156] {
            // GNU: the name of the next entry.
            b'L' => long_name = Some(name(until_nul(data))),
            b'K' | b'g' => {}
            b'x' => long_name = pax_path(data).or(long_name),
            b'5' => long_name = None,
            _ => {
                let written = name(until_nul(&header[..100]));
                let prefix = if &header[257..262] == b"ustar" { name(until_nul(&header[345..500])) } else { String::new() };
                let written = if prefix.is_empty() { written } else { format!("{prefix}/{written}") };
                let mut entry = Entry::new(written, budget.copy(data));
                if let Some(long) = long_name.take() {
                    entry.names.insert(0, long);
                }
                if !opened.push(entry, budget) {
                    return opened;
                }
            }
        }
    }
    opened
}

/// `LENGTH path=VALUE\n`
fn pax_path(data: &[u8]) -> Option<String> {
    data.split(|b| *b == b'\n').find_map(|record| {
        let at = memchr::memchr(b' ', record)?;
        record[at + 1..].strip_prefix(b"path=").map(name)
    })
}
