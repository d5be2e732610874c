//! Words to tokens: SpamAssassin's five octets of SHA-1, then a keyed hash, so that text cannot be read back from the
//! database and SpamAssassin's backups can still be imported.

use crate::store::Token;
use aws_lc_rs::digest;
use siphasher::sip::{SipHasher13, SipHasher24};
use std::hash::Hasher;

/// Tokens have 40 bits, as SpamAssassin's.
const BITS: u64 = (1 << 40) - 1;

/// The key of one site; exchangers that share a store share it.
#[derive(Clone)]
pub struct TokenKey([u8; 16]);

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(…)")
    }
}

impl TokenKey {
    pub fn new(key: [u8; 16]) -> TokenKey {
        TokenKey(key)
    }

    pub fn token(&self, word: &[u8]) -> Token {
        self.of_sha1(sha1_tail(word))
    }

    /// The token of a word under our own rules.
    pub fn word(&self, word: &[u8]) -> Token {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(word);
        hasher.finish() & BITS
    }

    /// The token of a word of which only SpamAssassin's hash is known (`sa-learn --backup`).
    pub fn of_sha1(&self, tail: [u8; 5]) -> Token {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(&tail);
        hasher.finish() & BITS
    }
}

/// SpamAssassin's form of a token from the ten hexadecimal digits that stand in `sa-learn --backup`; `None`: it is none.
pub fn from_backup(digits: &str) -> Option<[u8; 5]> {
    let plain = digits.len() == 10 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten()?;
    let [_, _, _, tail @ ..] = number.to_be_bytes();
    Some(tail)
}

/// The last five octets of SHA-1, SpamAssassin's form of a token.
pub fn sha1_tail(word: &[u8]) -> [u8; 5] {
    let whole = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, word);
    let mut tail = [0; 5];
    tail.copy_from_slice(&whole.as_ref()[15..20]);
    tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_tail_of_sha1() {
        // FIPS 180-2, appendix A: SHA-1 of "abc" ends in 9cd0d89d.
        assert_eq!(sha1_tail(b"abc"), [0x6c, 0x9c, 0xd0, 0xd8, 0x9d]);
    }

    #[test]
    fn a_line_of_a_backup_names_the_token_of_its_word() {
        assert_eq!(from_backup("6c9cd0d89d"), Some(sha1_tail(b"abc")));
        assert_eq!((from_backup("6c9cd0d8"), from_backup("+c9cd0d89d"), from_backup("6c9cd0d89dé")), (None, None, None));
    }

    #[test]
    fn another_key_gives_other_tokens() {
        let (a, b) = (TokenKey::new([1; 16]), TokenKey::new([2; 16]));
        assert_ne!(a.token(b"word"), b.token(b"word"));
        assert_eq!(a.token(b"word"), a.of_sha1(sha1_tail(b"word")));
        assert!(a.token(b"word") <= BITS);
    }
}
