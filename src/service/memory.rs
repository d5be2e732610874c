//! What outlives a reload: the door's store and its open connections; and how often trouble with it is told.

use super::daemon::Wishes;
use super::state;
use crate::bayes;
use crate::pace::limits::Open;
use crate::rules::Options;
use crate::scan::classifier::{self, Tally};
use crate::store::{self, Pace, Trouble};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Trouble with the store is told at most this often.
const QUIET: Duration = Duration::from_secs(60);

#[derive(Clone, Default)]
pub struct Memory(Arc<Inner>);

#[derive(Default)]
struct Inner {
    open: Open,
    store: Mutex<Option<(String, Arc<dyn Pace>)>>,
    told: Mutex<Option<Instant>>,
    bayes: Arc<Tally>,
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
    pub fn classifier(&self, settings: &bayes::Settings, wishes: &Wishes, options: &Options) -> Arc<classifier::Judge> {
        let folder = state::folder(wishes.state.as_deref());
        if settings.store.is_empty()
            && let Err(error) = state::make(&folder)
        {
            tracing::error!(%error, folder = %folder.display(), "no state folder, so the classifier has no opinion");
        }
        let judge = classifier::Judge::new(settings, &folder, classifier::Access::Keep, options).counting(&self.0.bayes);
        // Opened now, so that it is not the first message that waits for it.
        judge.classifier();
        Arc::new(judge)
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
