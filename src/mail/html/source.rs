//! The source of a document, read by place: bounds that hold, and a count of what was looked at.

use std::cell::Cell;

/// Classes of octets within a tag, by bit.
pub mod class {
    pub const SPACE: u8 = 1;
    pub const GT: u8 = 2;
    pub const EQUALS: u8 = 4;
}

static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut octet = b'\t';
    while octet <= b'\r' {
        table[octet as usize] = class::SPACE;
        octet += 1;
    }
    table[b' ' as usize] = class::SPACE;
    table[b'>' as usize] = class::GT;
    table[b'=' as usize] = class::EQUALS;
    table
};

/// Whether an octet is of one of these classes.
#[inline]
pub fn is(b: u8, classes: u8) -> bool {
    CLASSES[usize::from(b)] & classes != 0
}

#[inline]
pub fn is_space(b: u8) -> bool {
    is(b, class::SPACE)
}

pub fn is_name_first(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_'
}

pub fn is_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':')
}

/// A view of the source that reads NUL beyond its end, as a C string does.
#[derive(Clone, Copy)]
pub struct Source<'t> {
    pub text: &'t str,
    pub bytes: &'t [u8],
    pub looked_at: &'t Cell<usize>,
}

impl<'t> Source<'t> {
    #[inline]
    pub fn at(self, index: usize) -> u8 {
        self.bytes.get(index).copied().unwrap_or(0)
    }

    pub fn end(self) -> usize {
        self.bytes.len()
    }

    /// All boundaries are at ASCII characters, so that a slice is never refused.
    pub fn slice(self, from: usize, to: usize) -> &'t str {
        self.text.get(from..to).unwrap_or("")
    }

    pub fn find(self, byte: u8, from: usize) -> usize {
        let place = self.bytes.get(from..).and_then(|rest| memchr::memchr(byte, rest)).map_or(self.end(), |at| from + at);
        self.looked_at.set(self.looked_at.get() + place.saturating_sub(from));
        place
    }

    #[inline]
    pub fn skip(self, from: usize, member: impl Fn(u8) -> bool) -> usize {
        let length = |rest: &[u8]| rest.iter().position(|b| !member(*b)).unwrap_or(rest.len());
        let place = from + self.bytes.get(from..).map_or(0, length);
        self.looked_at.set(self.looked_at.get() + (place - from));
        place
    }
}

/// Where the `]]>` of a CDATA or RCDATA section begins.
pub fn section_end(source: Source<'_>, mut s: usize) -> Option<usize> {
    loop {
        s = source.find(b']', s);
        if s >= source.end() {
            return None;
        }
        if source.at(s + 1) == b']' && source.at(s + 2) == b'>' {
            return Some(s);
        }
        s += 1;
    }
}

/// The `>` that ends an end tag: not one in quotes that follow a space or an equals sign.
pub fn skip_until_gt(source: Source<'_>, from: usize) -> usize {
    if source.at(from) == b'>' {
        return from;
    }
    let mut quote = None;
    let mut previous = b' ';
    for (offset, &b) in source.bytes.get(from..).unwrap_or(&[]).iter().enumerate() {
        match b {
            b'>' if quote.is_none() => return from + offset,
            b'"' | b'\'' if quote == Some(b) => quote = None,
            b'"' | b'\'' if quote.is_none() && matches!(previous, b' ' | b'=') => quote = Some(b),
            _ => {}
        }
        previous = b;
    }
    source.looked_at.set(source.looked_at.get() + source.end() - from.min(source.end()));
    source.end()
}

/// `DOCTYPE …>` or `ENTITY …>` that begins at `s`: its end, or where it fails to be one, or nothing where it has no end.
pub fn doctype(source: Source<'_>, s: usize) -> Result<usize, Option<usize>> {
    let end = source.end();
    let name_end = source.skip(s + 1, is_name);
    if name_end >= end {
        return Err(None);
    }
    let name = source.slice(s, name_end);
    if !name.eq_ignore_ascii_case("DOCTYPE") && !name.eq_ignore_ascii_case("ENTITY") {
        return Err(Some(name_end));
    }
    let mut s = name_end;
    loop {
        s = source.skip(s, is_space);
        if s >= end {
            return Err(None);
        }
        s = match source.at(s) {
            b'>' => return Ok(s + 1),
            quote @ (b'"' | b'\'') => source.find(quote, s + 1) + 1,
            b'-' if s + 1 < end && source.at(s + 1) != b'-' => return Err(Some(s + 1)),
            b'-' => {
                let mut dash = s + 2;
                loop {
                    dash = source.find(b'-', dash) + 1;
                    if dash >= end {
                        return Err(None);
                    }
                    if source.at(dash) == b'-' {
                        break dash + 1;
                    }
                }
            }
            _ => source.skip(s + 1, |b| !is(b, class::SPACE | class::GT)),
        };
        if s >= end {
            return Err(None);
        }
    }
}
