//! Lessons on their way to the store: whoever judges mail puts them here and goes on; one thread writes them.

use crate::store::{Effect, Lesson, Trouble};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// Lessons that wait at most; a lesson takes some kilobytes.
pub const WAITING: usize = 1_000;
/// Lessons of one transaction.
const BATCH: usize = 100;
/// A store that is away is asked again after this, and then the lessons are let go.
const AGAIN: Duration = Duration::from_secs(2);
const QUIET: Duration = Duration::from_secs(60);

/// What became of lessons.
#[derive(Debug, Default)]
pub struct Counters {
    pub learned: AtomicU64,
    /// The message was known.
    pub known: AtomicU64,
    /// The queue was full.
    pub dropped: AtomicU64,
    /// The store could not write.
    pub failed: AtomicU64,
}

/// Writes lessons; called by the queue's thread alone.
pub type Write = Box<dyn Fn(&[Lesson]) -> Result<Vec<Effect>, Trouble> + Send>;

/// Dropping it ends the thread once all that waits is written.
#[derive(Debug)]
pub struct Queue {
    sender: SyncSender<Lesson>,
    waiting: Arc<AtomicU64>,
    counters: Arc<Counters>,
}

impl Queue {
    /// # Errors
    /// No thread can be started.
    pub fn start(write: Write, counters: &Arc<Counters>) -> std::io::Result<Queue> {
        Queue::with_room(WAITING, write, counters)
    }

    fn with_room(room: usize, write: Write, counters: &Arc<Counters>) -> std::io::Result<Queue> {
        let (sender, receiver) = sync_channel(room);
        let waiting = Arc::new(AtomicU64::new(0));
        let writer = Writer { receiver, write, waiting: Arc::clone(&waiting), counters: Arc::clone(counters), told: None };
        std::thread::Builder::new().name("learning".to_owned()).spawn(move || writer.run())?;
        Ok(Queue { sender, waiting, counters: Arc::clone(counters) })
    }

    /// Never waits; a full queue drops the lesson and counts it.
    pub fn put(&self, lesson: Lesson) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        match self.sender.try_send(lesson) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                self.counters.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Waits for room, for those who may.
    pub fn put_in_time(&self, lesson: Lesson) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // An error: the thread is gone, and with it what it would write.
        if self.sender.send(lesson).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn has_room(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) < WAITING as u64
    }

    /// Waits until all is written, but no longer than `patience`.
    pub fn settle(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while self.waiting.load(Ordering::Relaxed) > 0 {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

struct Writer {
    receiver: Receiver<Lesson>,
    write: Write,
    waiting: Arc<AtomicU64>,
    counters: Arc<Counters>,
    told: Option<Instant>,
}

impl Writer {
    fn run(mut self) {
        while let Ok(first) = self.receiver.recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH
                && let Ok(next) = self.receiver.try_recv()
            {
                batch.push(next);
            }
            self.learn(&batch);
            self.waiting.fetch_sub(batch.len() as u64, Ordering::Relaxed);
        }
    }

    fn learn(&mut self, batch: &[Lesson]) {
        let written = (self.write)(batch).or_else(|_| {
            std::thread::sleep(AGAIN);
            (self.write)(batch)
        });
        match written {
            Ok(effects) => {
                for effect in effects {
                    let counter = match effect {
                        Effect::Learned | Effect::Relearned | Effect::Forgotten => &self.counters.learned,
                        Effect::AlreadyKnown | Effect::Unknown => &self.counters.known,
                    };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            }
            Err(trouble) => {
                self.counters.failed.fetch_add(batch.len() as u64, Ordering::Relaxed);
                if self.told.is_none_or(|at| at.elapsed() >= QUIET) {
                    self.told = Some(Instant::now());
                    tracing::error!(target: "hamgate::bayes", %trouble, lessons = batch.len(), "what was to be learned is lost");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Label;
    use std::sync::Mutex;

    fn lesson(number: u8) -> Lesson {
        let (classifier, source) = (Arc::from(""), Arc::from("auto"));
        Lesson { classifier, digest: [number; 20], label: Some(Label::Spam), tokens: vec![1], source, at: 0, yields: true }
    }

    #[test]
    fn what_is_put_in_is_written_in_order() {
        let (counters, seen) = (Arc::default(), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&seen);
        let write: Write = Box::new(move |batch| {
            kept.lock().unwrap().extend(batch.iter().map(|lesson| lesson.digest[0]));
            Ok(vec![Effect::Learned; batch.len()])
        });
        let queue = Queue::start(write, &counters).unwrap();
        (0..200).for_each(|number| queue.put(lesson(number)));
        assert!(queue.settle(Duration::from_secs(10)));
        assert_eq!(*seen.lock().unwrap(), (0..200).collect::<Vec<u8>>());
        assert_eq!(counters.learned.load(Ordering::Relaxed), 200);
    }

    #[test]
    fn a_full_queue_lets_go_and_counts() {
        let (counters, gate) = (Arc::default(), Arc::new(Mutex::new(())));
        let (closed, shut) = (Arc::clone(&gate), gate.lock().unwrap());
        let write: Write = Box::new(move |batch| {
            drop(closed.lock().unwrap());
            Ok(vec![Effect::AlreadyKnown; batch.len()])
        });
        let queue = Queue::with_room(3, write, &counters).unwrap();
        (0..20).for_each(|number| queue.put(lesson(number)));
        assert!(!queue.settle(Duration::ZERO));
        let dropped = counters.dropped.load(Ordering::Relaxed);
        assert!((16..=17).contains(&dropped), "{dropped}");
        drop(shut);
        assert!(queue.settle(Duration::from_secs(10)));
        assert_eq!(counters.known.load(Ordering::Relaxed), 20 - dropped);
    }

    #[test]
    fn a_store_that_stays_away_costs_the_lesson_alone() {
        let counters = Arc::default();
        let queue = Queue::start(Box::new(|_| Err(Trouble("away".into()))), &counters).unwrap();
        queue.put(lesson(1));
        assert!(queue.settle(Duration::from_secs(10)));
        assert_eq!(counters.failed.load(Ordering::Relaxed), 1);
    }
}
