//! Numbers and pieces of a container, with every bound checked.

pub(super) fn u16le(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

pub(super) fn u32le(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

pub(super) fn u64le(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// A 32-bit number as an offset or length.
pub(super) fn size32(bytes: &[u8], at: usize) -> Option<usize> {
    u32le(bytes, at).and_then(|n| usize::try_from(n).ok())
}

pub(super) fn size16(bytes: &[u8], at: usize) -> Option<usize> {
    u16le(bytes, at).map(usize::from)
}

pub(super) fn piece(bytes: &[u8], at: usize, len: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(len)?)
}

/// As `piece`; what is missing at the end is left out.
pub(super) fn piece_or_rest(bytes: &[u8], at: usize, len: usize) -> &[u8] {
    let at = at.min(bytes.len());
    &bytes[at..at.saturating_add(len).min(bytes.len())]
}

/// UTF-16 in little-endian order, up to a NUL.
pub(super) fn utf16le(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])).take_while(|u| *u != 0);
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// A name as written: UTF-8 where it is, else each octet a character.
pub(super) fn name(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|b| char::from(*b)).collect(),
    }
}

/// Up to the first NUL.
pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

/// Whether `needle` (lower case) stands somewhere in `text`, in any case of ASCII letters.
pub fn contains_ignoring_case(text: &[u8], needle: &[u8]) -> bool {
    find_ignoring_case(text, needle, 0).is_some()
}

/// How often an octet stands in text and pages, roughly, the commonest highest: the rarest of a word is the one to look for.
const COMMONNESS: [u8; 256] = {
    let mut table = [0; 256];
    let common = b"etaoinsrlhdcu/ -=.mpfgyw<>:_bvkxjqz(\"";
    let mut i = 0;
    while i < common.len() {
        table[common[i] as usize] = (common.len() - i) as u8;
        i += 1;
    }
    table
};

/// A word in lower case that is looked for again and again, in any case of ASCII letters.
pub struct Word {
    text: &'static [u8],
    /// Where its rarest octet stands.
    rarest: usize,
}

impl Word {
    pub const fn new(text: &'static [u8]) -> Word {
        assert!(!text.is_empty());
        Word { text, rarest: rarest(text) }
    }

    pub fn is_in(&self, text: &[u8]) -> bool {
        self.find(text, 0).is_some()
    }

    /// Where it stands at or after `from`.
    pub fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        find_by(text, self.text, self.rarest, from)
    }
}

const fn rarest(word: &[u8]) -> usize {
    let (mut best, mut at) = (0, 1);
    while at < word.len() {
        if COMMONNESS[word[at] as usize] < COMMONNESS[word[best] as usize] {
            best = at;
        }
        at += 1;
    }
    best
}

/// Where `needle` (lower case) stands at or after `from`.
pub fn find_ignoring_case(text: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    if needle.is_empty() { None } else { find_by(text, needle, rarest(needle), from) }
}

fn find_by(text: &[u8], needle: &[u8], rarest: usize, from: usize) -> Option<usize> {
    let rare = *needle.get(rarest)?;
    // Nothing before this place can be the rarest octet of what is looked for.
    let rest = text.get(from.checked_add(rarest)?..)?;
    let fits = |at: &usize| text.get(*at..*at + needle.len()).is_some_and(|found| found.eq_ignore_ascii_case(needle));
    memchr::memchr2_iter(rare, rare.to_ascii_uppercase(), rest).map(|at| from + at).find(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_in_any_case_from_a_place_on() {
        let text = b"x Content-Type: a; CONTENT-type=b";
        assert_eq!(find_ignoring_case(text, b"content-type", 0), Some(2));
        assert_eq!(find_ignoring_case(text, b"content-type", 2), Some(2));
        assert_eq!(find_ignoring_case(text, b"content-type", 3), Some(19));
        assert_eq!(find_ignoring_case(text, b"content-type", 20), None);
        assert_eq!(find_ignoring_case(text, b"content-type", 100), None);
        assert_eq!(find_ignoring_case(text, b"b", 0), Some(32));
        assert_eq!(find_ignoring_case(text, b"", 0), None);
    }
}
