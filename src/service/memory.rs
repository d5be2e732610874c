//! What outlives a reload: the door's store and its open connections; and how often trouble with it is told.

use super::config::Config;
use super::daemon::Wishes;
use super::{learning, state};
use crate::base::Complaint;
use crate::learn::{Queue, Quota};
use crate::pace::limits::Open;
use crate::rules::Options;
use crate::scan::classifier::{self, Tally};
use crate::store::{self, Pace, Trouble};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Trouble with the store is told at most this often.
const QUIET: Duration = Duration::from_secs(60);
/// A daemon that stops waits this long for lessons on their way.
const LAST_LESSONS: Duration = Duration::from_secs(3);

#[derive(Clone, Default)]
pub struct Memory(Arc<Inner>);

#[derive(Default)]
struct Inner {
    open: Open,
    store: Mutex<Option<(String, Arc<dyn Pace>)>>,
    told: Mutex<Option<Instant>>,
    bayes: Arc<Tally>,
    quotas: Mutex<HashMap<&'static str, Counted>>,
    /// Lessons on their way: those of this configuration, and of those before that are not written yet.
    queues: Mutex<Vec<Weak<Queue>>>,
}

/// A quota, and what it allows.
struct Counted {
    most: u32,
    per: Duration,
    quota: Arc<Quota>,
}

impl Memory {
    pub fn open_connections(&self) -> Open {
        self.0.open.clone()
    }

    /// The store at the configured place; the same as before where the place is.
    ///
    /// # Errors
    /// It cannot be opened. A server that is away is no error yet.
    pub fn store(&self, settings: &store::Settings, wishes: &Wishes) -> Result<Arc<dyn Pace>, Trouble> {
        let folder = state::folder(wishes.state.as_deref());
        let place = if settings.door.is_empty() { folder.display().to_string() } else { settings.door.clone() };
        let mut kept = self.0.store.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, store)) = &*kept
            && *before == place
        {
            return Ok(Arc::clone(store));
        }
        if settings.door.is_empty() {
            state::make(&folder).map_err(|error| Trouble(format!("{}: {error}", folder.display())))?;
        }
        let store = store::open_pace(&place)?;
        *kept = Some((place, Arc::clone(&store)));
        Ok(store)
    }

    /// The classifier, with its state folder made.
    ///
    /// # Errors
    /// Mistakes of the map of users.
    pub fn classifier(&self, config: &Config, wishes: &Wishes, options: &Options) -> Result<Arc<classifier::Judge>, Vec<Complaint>> {
        let settings = &config.bayes;
        let folder = state::folder(wishes.state.as_deref());
        if settings.store.is_empty()
            && let Err(error) = state::make(&folder)
        {
            tracing::error!(%error, folder = %folder.display(), "no state folder, so the classifier has no opinion");
        }
        let judge = classifier::Judge::new(settings, &folder, classifier::Access::Keep, options).counting(&self.0.bayes);
        let judge = learning::with_users(judge, config, None)?;
        // Opened now, so that it is not the first message that waits for it.
        judge.classifier();
        Ok(Arc::new(judge))
    }

    /// The quota of this name: the same as before, with what it counted, where it allows as much.
    pub fn quota(&self, name: &'static str, most: u32, per: Duration) -> Arc<Quota> {
        let mut quotas = self.0.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        match quotas.get(name).filter(|counted| (counted.most, counted.per) == (most, per)) {
            Some(counted) => Arc::clone(&counted.quota),
            None => {
                let quota = Arc::new(Quota::new(most, per));
                quotas.insert(name, Counted { most, per, quota: Arc::clone(&quota) });
                quota
            }
        }
    }

    /// A queue for lessons to this classifier.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn queue(&self, judge: &Arc<classifier::Judge>) -> std::io::Result<Arc<Queue>> {
        let queue = Arc::new(Queue::start(judge.writer(), &self.0.bayes.lessons)?);
        let mut queues = self.0.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|queue| queue.strong_count() > 0);
        queues.push(Arc::downgrade(&queue));
        Ok(queue)
    }

    /// Waits for lessons that are not written yet, but not for long.
    pub fn settle(&self) {
        let queues = self.0.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if !queues.iter().filter_map(Weak::upgrade).all(|queue| queue.settle(LAST_LESSONS)) {
            tracing::warn!(target: "hamgate::bayes", "some of what was to be learned is not written");
        }
    }

    /// What the classifier did so far, for the log.
    pub fn bayes(&self) -> &Tally {
        &self.0.bayes
    }

    /// The store did not answer, and mail passes for that.
    pub fn trouble(&self, trouble: &Trouble) {
        let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|at| at.elapsed() >= QUIET) {
            *told = Some(Instant::now());
            tracing::error!(%trouble, "the store of greylist and limits does not answer: all mail passes these checks");
        }
    }
}
