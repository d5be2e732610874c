//! How much may be unpacked of one message. A limit that is hit is a fact, never an error.

use super::Fact;
use std::io::Read;

/// Octets that come out of all containers of a message beyond what went into them: an archive in an archive that packs
/// nothing any further costs its own size again and no more.
pub const BYTES: usize = 64 << 20;
/// Octets written by all decoders, what went into the slow ones counted `SLOW` times: time, not memory.
const WORK: usize = 400 << 20;
/// LZMA and bzip2 take so much longer for an octet that went in than others for one that comes out.
const SLOW: usize = 6;
/// PPMd models every octet: so much longer for one that went in (where nothing can be foretold), and for one that comes out.
const MODELLED: (usize, usize) = (110, 12);
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
    /// What the container that is open may still give for nothing.
    free: usize,
    work: usize,
    entries: usize,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { bytes: BYTES, free: 0, work: WORK, entries: ENTRIES }
    }
}

impl Budget {
    pub fn is_spent(&self) -> bool {
        self.bytes == 0 || self.work == 0
    }

    /// Why nothing more is unpacked.
    pub fn spent(&self) -> Option<Fact> {
        match (self.bytes, self.work) {
            (0, _) => Some(Fact::ArchiveBomb),
            // Slow is not yet hostile.
            (_, 0) => Some(Fact::Unread),
            _ => None,
        }
    }

    /// A container of so many octets is opened. It is given up for what comes out of it.
    pub fn begin(&mut self, container: usize) {
        self.free = container;
    }

    fn room(&self) -> usize {
        self.bytes.saturating_add(self.free).min(self.work)
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

    /// Pays for octets that came out.
    pub fn pay(&mut self, bytes: usize) {
        let free = bytes.min(self.free);
        self.free -= free;
        self.bytes = self.bytes.saturating_sub(bytes - free);
        self.work = self.work.saturating_sub(bytes);
    }

    /// A stored piece.
    pub fn copy(&mut self, bytes: &[u8]) -> (Vec<u8>, Option<Fact>) {
        let len = bytes.len().min(self.room());
        self.pay(len);
        (bytes[..len].to_vec(), (len < bytes.len()).then_some(Fact::ArchiveBomb))
    }

    /// As `read`, of a method that takes its time.
    pub fn read_slowly(&mut self, reader: impl Read, packed: usize) -> (Vec<u8>, Option<Fact>) {
        self.work = self.work.saturating_sub(packed.saturating_mul(SLOW));
        self.read(reader, packed)
    }

    /// As `read`, of PPMd: what would take too long is not looked into.
    pub fn read_modelled(&mut self, reader: impl Read, packed: usize) -> (Vec<u8>, Option<Fact>) {
        let (going_in, coming_out) = MODELLED;
        let work = packed.saturating_mul(going_in);
        if work >= self.work {
            return (Vec::new(), Some(Fact::Unread));
        }
        self.work -= work;
        let most = self.work / coming_out;
        let (out, fact) = self.read(reader.take(most as u64 + 1), packed);
        self.work = self.work.saturating_sub(out.len().saturating_mul(coming_out - 1));
        let is_cut = out.len() > most;
        (out, if is_cut { Some(Fact::Unread) } else { fact })
    }

    /// Reads to the end, the ratio or the budget, whichever comes first. `packed`: octets that went in.
    pub fn read(&mut self, mut reader: impl Read, packed: usize) -> (Vec<u8>, Option<Fact>) {
        let most = RATIO_FROM.max(packed.saturating_mul(RATIO)).min(self.room());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_packs_nothing_costs_nothing_however_deep_it_lies() {
        let mut budget = Budget::default();
        let content = vec![7; 20 << 20];
        for _ in 0..10 {
            budget.begin(content.len());
            assert_eq!(budget.copy(&content).1, None);
        }
        assert!(!budget.is_spent());
    }

    #[test]
    fn what_grows_is_paid_for_and_so_is_time() {
        let mut budget = Budget::default();
        budget.begin(1 << 20);
        assert_eq!(budget.copy(&vec![7; 65 << 20]).1, None);
        assert!(budget.is_spent());
        let mut budget = Budget::default();
        let content = vec![7; 20 << 20];
        let mut times = 0;
        while !budget.is_spent() {
            budget.begin(content.len());
            budget.read_slowly(content.as_slice(), content.len());
            times += 1;
        }
        assert_eq!((times, budget.spent()), (3, Some(Fact::Unread)));
        let mut budget = Budget::default();
        assert_eq!(budget.read_modelled(content.as_slice(), 2 << 20).1, Some(Fact::Unread));
        assert_eq!(budget.read_modelled(content.as_slice(), 4 << 20), (Vec::new(), Some(Fact::Unread)));
    }
}
