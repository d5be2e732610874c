//! A set of octets: what a character class, a literal or a dot becomes once flags and case folding are resolved.

use std::fmt;

/// 256 bits, one an octet.
#[expect(clippy::derived_hash_with_manual_eq, reason = "both go over the same words")]
#[derive(Clone, Copy, Eq, Hash, Default)]
pub struct Octets([u64; 4]);

/// Word by word: sets are compared by the thousand when patterns are built, and most differ early.
impl PartialEq for Octets {
    fn eq(&self, other: &Octets) -> bool {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        b == f && d == h && a == e && c == g
    }
}

impl Octets {
    pub const NONE: Octets = Octets([0; 4]);
    pub const ALL: Octets = Octets([u64::MAX; 4]);

    pub const fn one(octet: u8) -> Octets {
        let mut bits = [0; 4];
        bits[(octet >> 6) as usize] = 1 << (octet & 63);
        Octets(bits)
    }

    pub fn range(first: u8, last: u8) -> Octets {
        (first..=last).fold(Octets::NONE, |set, octet| set.with(octet))
    }

    pub fn of(octets: &[u8]) -> Octets {
        octets.iter().fold(Octets::NONE, |set, octet| set.with(*octet))
    }

    pub const fn with(self, octet: u8) -> Octets {
        self.union(Octets::one(octet))
    }

    pub const fn union(self, other: Octets) -> Octets {
        Octets([self.0[0] | other.0[0], self.0[1] | other.0[1], self.0[2] | other.0[2], self.0[3] | other.0[3]])
    }

    pub const fn intersection(self, other: Octets) -> Octets {
        Octets([self.0[0] & other.0[0], self.0[1] & other.0[1], self.0[2] & other.0[2], self.0[3] & other.0[3]])
    }

    pub const fn complement(self) -> Octets {
        Octets([!self.0[0], !self.0[1], !self.0[2], !self.0[3]])
    }

    pub const fn contains(&self, octet: u8) -> bool {
        self.0[(octet >> 6) as usize] >> (octet & 63) & 1 == 1
    }

    pub const fn len(&self) -> u32 {
        self.0[0].count_ones() + self.0[1].count_ones() + self.0[2].count_ones() + self.0[3].count_ones()
    }

    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..4u8).flat_map(move |word| {
            let mut bits = self.0[usize::from(word)];
            std::iter::from_fn(move || {
                let at = bits.trailing_zeros();
                (bits != 0).then(|| {
                    bits &= bits - 1;
                    word * 64 + at as u8
                })
            })
        })
    }

    /// The only octet, if there is one only.
    pub fn single(&self) -> Option<u8> {
        if self.len() == 1 { self.iter().next() } else { None }
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = if self.len() > 128 { self.complement() } else { *self };
        write!(f, "[{}", if self.len() > 128 { "^" } else { "" })?;
        for octet in set.iter() {
            write!(f, "{}", octet.escape_ascii())?;
        }
        write!(f, "]")
    }
}
