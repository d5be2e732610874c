//! UTF-16, UTF-32 and UTF-7, as Perl's Encode reads them.

use crate::mail::decode;

pub fn is_noncharacter(c: char) -> bool {
    let c = u32::from(c);
    c & 0xFFFE == 0xFFFE || (0xFDD0..=0xFDEF).contains(&c)
}

/// Byte order of UTF-16 without a mark, by spaces and by where the heavier octets stand; `None` with a mark or at a tie.
pub fn utf16_guess(octets: &[u8]) -> Option<bool> {
    if octets.starts_with(b"\xFF\xFE") || octets.starts_with(b"\xFE\xFF") {
        return None;
    }
    let (mut little, mut big) = (0u64, 0u64);
    let (mut even, mut odd) = (0u64, 0u64);
    for pair in octets.chunks(2) {
        let (first, second) = (pair[0], pair.get(1).copied().unwrap_or(0));
        even += u64::from(first >> 4) + u64::from(first & 15);
        odd += u64::from(second >> 4) + u64::from(second & 15);
        little += u64::from(first == 0x20 && second == 0);
        big += u64::from(first == 0 && second == 0x20);
    }
    little += u64::from(even > odd * 4);
    big += u64::from(odd * 4 > even);
    (little != big).then_some(big > little)
}

pub fn utf16(octets: &[u8], big: bool, strict: bool) -> Option<String> {
    let units = octets.chunks_exact(2).map(|p| if big { u16::from_be_bytes([p[0], p[1]]) } else { u16::from_le_bytes([p[0], p[1]]) });
    if strict && octets.len() % 2 == 1 {
        return None;
    }
    let mut text = String::with_capacity(octets.len());
    for unit in char::decode_utf16(units) {
        match unit {
            Ok(c) if !is_noncharacter(c) => text.push(c),
            _ if strict => return None,
            _ => text.push(char::REPLACEMENT_CHARACTER),
        }
    }
    Some(text)
}

pub fn utf32(octets: &[u8], order: Option<bool>, strict: bool) -> Option<String> {
    let (big, octets) = match order {
        Some(big) => (big, octets),
        None => match octets.first_chunk::<4>()? {
            [0, 0, 0xFE, 0xFF] => (true, &octets[4..]),
            [0xFF, 0xFE, 0, 0] => (false, &octets[4..]),
            _ => return None,
        },
    };
    if strict && octets.len() % 4 != 0 {
        return None;
    }
    let mut text = String::with_capacity(octets.len() / 2);
    for quad in octets.chunks_exact(4) {
        let quad = [quad[0], quad[1], quad[2], quad[3]];
        let number = if big { u32::from_be_bytes(quad) } else { u32::from_le_bytes(quad) };
        match char::from_u32(number).filter(|c| !is_noncharacter(*c)) {
            Some(c) => text.push(c),
            None if strict => return None,
            None => text.push(char::REPLACEMENT_CHARACTER),
        }
    }
    Some(text)
}

/// RFC 2152, leniently.
pub fn utf7(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    let mut rest = octets;
    while let Some(plus) = memchr::memchr(b'+', rest) {
        text.extend(rest[..plus].iter().map(|b| char::from(*b)));
        rest = &rest[plus + 1..];
        let run = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count();
        if run == 0 {
            text.push('+');
        } else {
            let units = decode::base64(&rest[..run]).bytes;
            text.push_str(&utf16(&units, true, false).unwrap_or_default());
        }
        rest = rest[run..].strip_prefix(b"-").unwrap_or(&rest[run..]);
    }
    text.extend(rest.iter().map(|b| char::from(*b)));
    text
}
