//! How much may be unpacked of one message. A limit that is hit is a fact, never an error.

use super::Fact;
use std::io::Read;

/// Octets that come out of all containers of a message.
pub const BYTES: usize = 64 << 20;
/// Entries of all containers of a message.
pub const ENTRIES: usize = 2_000;
/// Containers within containers.
pub const DEPTH: usize = 12;
/// More than this many octets out of one octet is a bomb, from `RATIO_FROM` octets on.
const RATIO: usize = 200;
const RATIO_FROM: usize = 4 << 20;
/// What is kept of a bomb: enough to tell its type.
const BOMB_KEPT: usize = 64 << 10;
const CHUNK: usize = 64 << 10;

#[derive(Clone, Debug)]
pub struct Budget {
    bytes: usize,
    entries: usize,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { bytes: BYTES, entries: ENTRIES }
    }
}

impl Budget {
    pub fn is_spent(&self) -> bool {
        self.bytes == 0
    }

    /// Takes one entry; false: there are too many.
    pub fn entry(&mut self) -> bool {
        match self.entries.checked_sub(1) {
            Some(left) => {
                self.entries = left;
                true
            }
            None => false,
        }
    }

    /// Pays for work that leaves nothing behind.
    pub fn pay(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// A stored piece.
    pub fn copy(&mut self, bytes: &[u8]) -> (Vec<u8>, Option<Fact>) {
        let len = bytes.len().min(self.bytes);
        self.bytes -= len;
        (bytes[..len].to_vec(), (len < bytes.len()).then_some(Fact::ArchiveBomb))
    }

    /// Reads to the end, the ratio or the budget, whichever comes first. `packed`: octets that went in.
    pub fn read(&mut self, mut reader: impl Read, packed: usize) -> (Vec<u8>, Option<Fact>) {
        let most = RATIO_FROM.max(packed.saturating_mul(RATIO)).min(self.bytes);
        let mut out = Vec::new();
        let mut chunk = vec![0; CHUNK];
        let fact = loop {
            match reader.read(&mut chunk) {
                Ok(0) => break None,
                Ok(n) => {
                    out.extend_from_slice(chunk.get(..n).unwrap_or_default());
                    if out.len() > most {
                        self.pay(out.len());
                        out.truncate(BOMB_KEPT);
                        out.shrink_to_fit();
                        return (out, Some(Fact::ArchiveBomb));
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break Some(Fact::DamagedArchive),
            }
        };
        self.pay(out.len());
        (out, fact)
    }
}
