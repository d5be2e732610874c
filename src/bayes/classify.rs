//! The classifier over a store: an opinion for a message, and lessons from it.

use super::combine::{Weights, log_odds, probability, to_probability};
use super::hash::TokenKey;
use super::tokens::tokens;
use super::{Settings, digest};
use crate::facts::{Answer, Bayes};
use crate::mail::Reading;
use crate::store::{self, Effect, Label, Lesson, Token, Tokens, Trouble};
use std::path::Path;
use std::sync::Arc;

/// Log-odds are stretched by this before they become a probability: the effective size shrinks them, and BAYES_99 is to
/// mean what it means to SpamAssassin's users.
const STRETCH: f64 = 2.0;

pub struct Classifier {
    store: Arc<dyn Tokens>,
    key: TokenKey,
    weights: Weights,
    least_learned: u64,
}

impl Classifier {
    /// Opens the store that the settings name, below `state` where they name none.
    ///
    /// # Errors
    /// The store is away or its folder cannot be used; scoring goes on without an opinion.
    pub fn open(settings: &Settings, state: &Path) -> Result<Classifier, Trouble> {
        let place = if settings.store.is_empty() { state.display().to_string() } else { settings.store.clone() };
        let store = store::open(&place)?;
        let key = TokenKey::new(store.key()?);
        Ok(Classifier { store, key, weights: Weights::default(), least_learned: settings.least_learned })
    }

    pub fn store(&self) -> &Arc<dyn Tokens> {
        &self.store
    }

    pub fn key(&self) -> &TokenKey {
        &self.key
    }

    /// The site's opinion. Trouble with the store is silence, which never scores.
    pub fn classify(&self, reading: &Reading<'_>) -> Answer<Bayes> {
        match self.log_odds_of(&tokens(reading, &self.key)) {
            Ok(odds) => Answer::Known(Bayes { probability: odds.map(|odds| to_probability(odds * STRETCH)) }),
            Err(trouble) => {
                tracing::warn!(target: "hamgate::bayes", "no opinion: {trouble}");
                Answer::Silent
            }
        }
    }

    /// Natural log-odds; `None`: too little learned, or nothing known in the message.
    ///
    /// # Errors
    /// The store did not answer.
    pub fn log_odds_of(&self, tokens: &[Token]) -> Result<Option<f64>, Trouble> {
        let (totals, counts) = self.store.counts("", tokens)?;
        if totals.spam < self.least_learned || totals.ham < self.least_learned {
            return Ok(None);
        }
        let known = counts.iter().filter(|count| count.spam + count.ham > 0);
        Ok(log_odds(known.map(|count| probability(*count, totals, &self.weights)), &self.weights))
    }

    /// What learning this message means; `label` `None` forgets it.
    pub fn lesson(&self, reading: &Reading<'_>, label: Option<Label>, source: &Arc<str>, at: u64) -> Lesson {
        let tokens = if label.is_some() { tokens(reading, &self.key) } else { Vec::new() };
        Lesson { classifier: Arc::from(""), digest: digest::of(reading), label, tokens, source: Arc::clone(source), at }
    }

    /// # Errors
    /// The store could not; nothing of the batch was learned.
    pub fn learn(&self, lessons: &[Lesson]) -> Result<Vec<Effect>, Trouble> {
        self.store.learn(lessons)
    }
}
