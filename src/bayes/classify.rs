//! The classifier over a store: an opinion for a message, and lessons from it.

use super::hash::TokenKey;
use super::{Opinion, Settings, TokenRules, digest, spamassassin};
use crate::facts::{Answer, Bayes};
use crate::mail::Reading;
use crate::store::{self, Count, Effect, Label, Lesson, Token, Tokens, Totals, Trouble};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub struct Classifier {
    store: Arc<dyn Tokens>,
    key: TokenKey,
    rules: TokenRules,
    options: spamassassin::Options,
    least_learned: u64,
    /// The store knows that tokens come from these rules.
    is_known: AtomicBool,
}

impl Classifier {
    /// Opens the store that the settings name, below `state` where they name none.
    ///
    /// # Errors
    /// The store is away or its folder cannot be used; scoring goes on without an opinion.
    pub fn open(settings: &Settings, state: &Path) -> Result<Classifier, Trouble> {
        let place = if settings.store.is_empty() { state.display().to_string() } else { settings.store.clone() };
        Self::over(store::open(&place)?, settings)
    }

    /// Over a store that is open.
    ///
    /// # Errors
    /// The store does not tell its key, or was filled under other token rules.
    pub fn over(store: Arc<dyn Tokens>, settings: &Settings) -> Result<Classifier, Trouble> {
        let rules = store.rules()?;
        if let Some(rules) = rules.filter(|rules| rules != settings.tokens.name())
            && !store.classifiers()?.is_empty()
        {
            return Err(store::under_others(&rules, settings.tokens.name()));
        }
        let key = TokenKey::new(store.key()?);
        Ok(Classifier {
            store,
            key,
            rules: settings.tokens,
            options: spamassassin::Options::default(),
            least_learned: settings.least_learned,
            is_known: AtomicBool::new(false),
        })
    }

    /// What rule files say of tokens (`bayes_ignore_header`, `bayes_max_token_length`), for `tokens = "spamassassin"`.
    #[must_use]
    pub fn reading(self, options: spamassassin::Options) -> Classifier {
        Classifier { options, ..self }
    }

    pub fn store(&self) -> &Arc<dyn Tokens> {
        &self.store
    }

    pub fn key(&self) -> &TokenKey {
        &self.key
    }

    /// The site's opinion. Trouble with the store is silence, which never scores.
    pub fn classify(&self, reading: &Reading<'_>) -> Answer<Bayes> {
        match self.opinion_of(&self.tokens(reading)) {
            Ok(opinion) => Answer::Known(Bayes { probability: opinion.map(|opinion| opinion.probability) }),
            Err(trouble) => {
                tracing::warn!(target: "hamgate::bayes", "no opinion: {trouble}");
                Answer::Silent
            }
        }
    }

    /// The message's tokens under the site's rules, sorted, each once.
    pub fn tokens(&self, reading: &Reading<'_>) -> Vec<Token> {
        self.rules.tokens(reading, &self.key, &self.options)
    }

    /// `None`: too little learned, or nothing known in the message.
    ///
    /// # Errors
    /// The store did not answer.
    pub fn opinion_of(&self, tokens: &[Token]) -> Result<Option<Opinion>, Trouble> {
        let (totals, counts) = self.store.counts("", tokens)?;
        if totals.spam < self.least_learned || totals.ham < self.least_learned {
            return Ok(None);
        }
        Ok(self.opinion(&counts, totals))
    }

    /// What counts of a message's tokens say; `None`: none of them says anything.
    pub fn opinion(&self, counts: &[Count], totals: Totals) -> Option<Opinion> {
        self.rules.opinion(counts, totals, &self.options)
    }

    /// What learning this message means; `label` `None` forgets it.
    pub fn lesson(&self, reading: &Reading<'_>, label: Option<Label>, source: &Arc<str>, at: u64) -> Lesson {
        let tokens = if label.is_some() { self.tokens(reading) } else { Vec::new() };
        Lesson { classifier: Arc::from(""), digest: digest::of(reading), label, tokens, source: Arc::clone(source), at, yields: false }
    }

    /// # Errors
    /// The store could not; nothing of the batch was learned.
    pub fn learn(&self, lessons: &[Lesson]) -> Result<Vec<Effect>, Trouble> {
        if !self.is_known.load(Ordering::Relaxed) {
            self.store.fill_under(self.rules.name())?;
            self.is_known.store(true, Ordering::Relaxed);
        }
        self.store.learn(lessons)
    }
}
