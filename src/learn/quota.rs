//! How much one source may teach: a table of bounded size, in memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Sources counted at once; while there are more, those not counted yet teach nothing.
const SOURCES: usize = 10_000;

/// Counts by source in spans that begin with the source's first message.
#[derive(Debug)]
pub struct Quota {
    most: u32,
    per: u64,
    counts: Mutex<HashMap<String, Span>>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    since: u64,
    count: u32,
}

impl Quota {
    pub fn new(most: u32, per: Duration) -> Quota {
        Quota { most, per: per.as_secs().max(1), counts: Mutex::default() }
    }

    /// Takes one; `false`: the source has had all. `now` in seconds since 1970; a clock that was set back begins anew.
    pub fn take(&self, source: &str, now: u64) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = |span: &Span| now < span.since || now - span.since >= self.per;
        if counts.len() >= SOURCES && !counts.contains_key(source) {
            counts.retain(|_, span| !ended(span));
            if counts.len() >= SOURCES {
                return false;
            }
        }
        let span = counts.entry(source.to_owned()).or_insert(Span { since: now, count: 0 });
        if ended(span) {
            *span = Span { since: now, count: 0 };
        }
        let may = span.count < self.most;
        span.count += u32::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_teaches_so_much_and_no_more() {
        let quota = Quota::new(2, Duration::from_secs(100));
        let taken: Vec<bool> = [0, 10, 20, 99, 100].iter().map(|now| quota.take("a", *now)).collect();
        assert_eq!(taken, [true, true, false, false, true]);
        assert!(quota.take("b", 20));
        assert!(!Quota::new(0, Duration::from_secs(1)).take("a", 1));
    }

    #[test]
    fn the_table_does_not_grow_beyond_its_bound() {
        let quota = Quota::new(1, Duration::from_secs(100));
        for number in 0..SOURCES {
            assert!(quota.take(&number.to_string(), 5));
        }
        assert!(!quota.take("one more", 50));
        assert!(quota.take("one more", 200));
    }
}
