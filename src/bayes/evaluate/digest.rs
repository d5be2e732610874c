//! MD5 (RFC 1321), to put messages into folds the way other evaluations of the same mail do; it protects nothing.

use md5::{Digest, Md5 as Hasher};

/// Compares as its hexadecimal form does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Md5(pub [u8; 16]);

impl Md5 {
    pub fn of(parts: &[&str]) -> Md5 {
        let mut hasher = Hasher::new();
        for part in parts {
            hasher.update(part.as_bytes());
        }
        Md5(hasher.finalize().into())
    }

    /// The digest as an integer, modulo n.
    pub fn modulo(self, n: u32) -> u32 {
        (u128::from_be_bytes(self.0) % u128::from(n.max(1))) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_read_as_an_integer() {
        // RFC 1321, appendix A.5: MD5 ("abc") = 900150983cd24fb0d6963f7d28e17f72.
        assert_eq!(Md5::of(&["a", "bc"]).0[..4], [0x90, 0x01, 0x50, 0x98]);
        assert_eq!(Md5::of(&["abc"]).modulo(5), (0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72u128 % 5) as u32);
    }
}
