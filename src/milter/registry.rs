//! Who is connected, and who has been idle longest: the one to close when there is no room left.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

const BUSY: u64 = u64::MAX;

/// One connection as others see it.
#[derive(Debug)]
pub struct Pulse {
    /// Milliseconds since the registry was made, since when nothing is going on; `BUSY` otherwise.
    idle_since: AtomicU64,
    pub leave: Notify,
    started: Instant,
}

impl Pulse {
    pub fn idle(&self) {
        self.idle_since.store(milliseconds(self.started), Ordering::Relaxed);
    }

    pub fn busy(&self) {
        self.idle_since.store(BUSY, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub struct Registry {
    started: Instant,
    next: AtomicU64,
    open: Mutex<BTreeMap<u64, Arc<Pulse>>>,
}

/// A place in the registry, left when dropped.
#[derive(Debug)]
pub struct Seat {
    registry: Arc<Registry>,
    number: u64,
    pub pulse: Arc<Pulse>,
}

impl Default for Registry {
    fn default() -> Self {
        Registry { started: Instant::now(), next: AtomicU64::new(0), open: Mutex::default() }
    }
}

impl Registry {
    pub fn enter(self: &Arc<Self>) -> Seat {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let pulse = Arc::new(Pulse { idle_since: AtomicU64::new(milliseconds(self.started)), leave: Notify::new(), started: self.started });
        self.lock().insert(number, Arc::clone(&pulse));
        Seat { registry: Arc::clone(self), number, pulse }
    }

    pub fn open(&self) -> usize {
        self.lock().len()
    }

    /// Asks the connection that has been idle longest to leave; `false`: none is idle.
    pub fn make_room(&self) -> bool {
        let open = self.lock();
        let idle = open.values().map(|pulse| (pulse.idle_since.load(Ordering::Relaxed), pulse));
        match idle.filter(|(since, _)| *since != BUSY).min_by_key(|(since, _)| *since) {
            Some((_, pulse)) => {
                // Not to be chosen a second time while it leaves.
                pulse.busy();
                pulse.leave.notify_one();
                true
            }
            None => false,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<Pulse>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.number);
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(BUSY - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_has_been_idle_longest_leaves() {
        let registry = Arc::new(Registry::default());
        let first = registry.enter();
        let second = registry.enter();
        first.pulse.busy();
        assert!(registry.make_room());
        assert!(!registry.make_room(), "the second leaves already, the first is busy");
        drop(second);
        assert_eq!(registry.open(), 1);
    }
}
