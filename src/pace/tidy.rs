//! What is stale is forgotten, once in a while. Where the wall clock has jumped against the steady one, nothing is.

use crate::store::greylist::Stale;
use crate::store::{Pace, Trouble};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often.
const EVERY: Duration = Duration::from_secs(600);
/// A clock that has jumped further than this, in seconds, is not believed.
const JUMP: u64 = 3_600;

pub struct Tidy {
    store: Arc<dyn Pace>,
    /// How long those that wait, and those that have passed, are kept.
    waiting: Duration,
    passed: Duration,
    last: Mutex<(Instant, u64)>,
}

impl Tidy {
    pub fn new(store: Arc<dyn Pace>, waiting: Duration, passed: Duration, unix: u64) -> Tidy {
        Tidy { store, waiting, passed, last: Mutex::new((Instant::now(), unix)) }
    }

    /// Forgets what is stale, if it is time. Blocks.
    ///
    /// # Errors
    /// The store is away.
    pub fn look(&self, unix: u64) -> Result<(), Trouble> {
        let (before, then) = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.0.elapsed() < EVERY {
                return Ok(());
            }
            std::mem::replace(&mut *last, (Instant::now(), unix))
        };
        if has_jumped(then, unix, before.elapsed()) {
            tracing::warn!("the clock has jumped: nothing is forgotten this time");
            return Ok(());
        }
        let stale = Stale {
            waiting_before: unix.saturating_sub(self.waiting.as_secs()),
            passed_before: unix.saturating_sub(self.passed.as_secs()),
            windows_before: unix.saturating_mul(1_000),
        };
        self.store.expire(&stale).map(|_| ())
    }
}

/// The wall clock went from `then` to `now` while `steady` passed.
fn has_jumped(then: u64, now: u64, steady: Duration) -> bool {
    then.saturating_add(steady.as_secs()).abs_diff(now) > JUMP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_either_way_is_not_believed() {
        let steady = Duration::from_secs(600);
        assert!(!has_jumped(10_000, 10_600, steady));
        assert!(!has_jumped(10_000, 10_000, steady));
        assert!(has_jumped(10_000, 10_600 + 400 * 86_400, steady));
        assert!(has_jumped(100_000, 100_000 - 86_400, steady));
    }
}
