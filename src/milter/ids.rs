//! Ids of our own, from CONNECT on: the mail server's queue id is not known before the first recipient has passed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

static COUNTER: AtomicU32 = AtomicU32::new(0);
/// Crockford's alphabet: no i, l, o, u, so that an id can be read over the telephone.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Eleven letters and digits: the time in milliseconds, then a counter of 1,024, so that ids sort by time and do not come
/// again after a restart.
pub fn next() -> String {
    let milliseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
    let number = (milliseconds << 10) | u64::from(COUNTER.fetch_add(1, Ordering::Relaxed) & 0x3ff);
    (0..11).rev().map(|place| char::from(ALPHABET[(number >> (place * 5)) as usize & 31])).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn ids_of_one_moment_differ() {
        let ids: HashSet<String> = (0..1000).map(|_| super::next()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 11));
    }
}
