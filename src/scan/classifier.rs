//! The classifier's answer, beside those of others. Whatever goes wrong with its store is "no opinion": mail flows.

use super::gather::{Asked, Gather, Outstanding};
use crate::bayes::{Classifier, Opinion, Settings, spamassassin};
use crate::facts::{Answer, Bayes, Question, Told};
use crate::learn::Users;
use crate::learn::queue::{Counters, Write};
use crate::mail::{Arrival, Reading};
use crate::rules::Options;
use crate::store::{self, Count, Effect, Token, Totals, Trouble};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A store that could not be opened is tried again after this; trouble is told at most this often.
const AGAIN: Duration = Duration::from_secs(5);
const QUIET: Duration = Duration::from_secs(60);
/// Whether enough was learned is asked again after this.
const FRESH: Duration = Duration::from_secs(1);
/// Messages learned by the daemon after which surplus tokens are looked for.
const EXPIRY: u64 = 1_000;

/// What the classifier did since it was made.
#[derive(Debug, Default)]
pub struct Tally {
    /// Messages with an opinion.
    pub opinions: AtomicU64,
    /// Times that the store did not answer, or could not be opened.
    pub troubles: AtomicU64,
    /// Messages learned unasked, or sent to be learned.
    pub lessons: Arc<Counters>,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { learned, known, dropped, failed } = &*self.lessons;
        write!(f, "bayes_opinions={} bayes_troubles={}", of(&self.opinions), of(&self.troubles))?;
        write!(f, " bayes_learned={} bayes_known={} bayes_dropped={} bayes_failed={}", of(learned), of(known), of(dropped), of(failed))
    }
}

/// How the store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A missing file is made, a damaged one set aside.
    Keep,
    /// What is there is read; nothing is made or changed.
    Look,
}

/// The classifier as rules ask it: opened when it is needed, and again when its store was away.
pub struct Judge {
    settings: Settings,
    state: PathBuf,
    access: Access,
    tokens: spamassassin::Options,
    /// Messages of spam and of ham that must have been learned.
    least: (u64, u64),
    /// Tokens that stay of one classifier.
    kept: Option<u64>,
    /// `use_learner`, `use_bayes`.
    enabled: bool,
    open: Mutex<Open>,
    told: Mutex<Option<Instant>>,
    ready: Mutex<Option<(Instant, bool)>>,
    people: Option<People>,
    pub tally: Arc<Tally>,
}

/// Classifiers of users over the site's.
struct People {
    users: Arc<Users>,
    /// A message of the user's counts as so many of the site's.
    weight: u32,
    /// The user asked for, whoever the recipients are.
    user: Option<String>,
}

#[derive(Default)]
struct Open {
    classifier: Option<Arc<Classifier>>,
    tried: Option<Instant>,
}

impl Judge {
    /// `options` are those of the rule files: `use_bayes`, `bayes_min_spam_num` and kin.
    pub fn new(settings: &Settings, state: &Path, access: Access, options: &Options) -> Judge {
        let least = |name: &str| options.number(name, settings.least_learned as f64).max(0.0) as u64;
        Judge {
            settings: settings.clone(),
            state: state.to_owned(),
            access,
            tokens: token_options(options),
            least: (least("bayes_min_spam_num"), least("bayes_min_ham_num")),
            kept: kept(settings, options),
            enabled: settings.enabled && options.is_on("use_learner", true) && options.is_on("use_bayes", true),
            open: Mutex::default(),
            told: Mutex::default(),
            ready: Mutex::default(),
            people: None,
            tally: Arc::default(),
        }
    }

    /// Counts on where another counted before.
    #[must_use]
    pub fn counting(self, tally: &Arc<Tally>) -> Judge {
        Judge { tally: Arc::clone(tally), ..self }
    }

    /// Asks the classifier of one recipient's user too; `user` in place of the recipients' where given.
    #[must_use]
    pub fn with_users(self, users: &Arc<Users>, weight: u32, user: Option<String>) -> Judge {
        Judge { people: Some(People { users: Arc::clone(users), weight: weight.max(1), user }), ..self }
    }

    /// `use_bayes` and kin leave it on.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The classifier, where its store can be opened.
    pub fn classifier(&self) -> Option<Arc<Classifier>> {
        if !self.enabled {
            return None;
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.classifier.is_none() && open.tried.is_none_or(|at| at.elapsed() >= AGAIN) {
            open.tried = Some(Instant::now());
            match self.open_now() {
                Ok(classifier) => open.classifier = classifier.map(Arc::new),
                Err(trouble) => self.trouble(&trouble),
            }
        }
        open.classifier.clone()
    }

    fn open_now(&self) -> Result<Option<Classifier>, Trouble> {
        let classifier = match self.access {
            Access::Keep => Some(Classifier::open(&self.settings, &self.state)?),
            Access::Look => {
                let place = if self.settings.store.is_empty() { self.state.display().to_string() } else { self.settings.store.clone() };
                store::open_as_it_is(&place)?.map(|store| Classifier::over(store, &self.settings)).transpose()?
            }
        };
        Ok(classifier.map(|classifier| classifier.reading(self.tokens.clone())))
    }

    /// Enough was learned for an opinion: only then do the scores count that go with the classifier (Bayes.pm,
    /// learner_is_scan_available).
    pub fn is_ready(&self) -> bool {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        match *ready {
            Some((at, is_ready)) if at.elapsed() < FRESH => is_ready,
            Some(_) | None => {
                let is_ready = self.has_learned_enough();
                *ready = Some((Instant::now(), is_ready));
                is_ready
            }
        }
    }

    fn has_learned_enough(&self) -> bool {
        let Some(classifier) = self.classifier() else { return false };
        match classifier.store().counts("", &[]) {
            Ok((totals, _)) => totals.spam >= self.least.0 && totals.ham >= self.least.1,
            Err(trouble) => {
                self.trouble(&trouble);
                false
            }
        }
    }

    /// The opinion on a message; silence where the store does not answer.
    pub fn ask(&self, reading: &Reading<'_>, arrival: &Arrival) -> Answer<Bayes> {
        let Some(classifier) = self.classifier() else { return Answer::Silent };
        // Tokens cost more than the question whether anybody wants them.
        if !self.is_ready() {
            return Answer::Known(Bayes { probability: None });
        }
        match self.opinion(&classifier, reading, arrival) {
            Ok(opinion) => {
                self.tally.opinions.fetch_add(u64::from(opinion.is_some()), Ordering::Relaxed);
                Answer::Known(Bayes { probability: opinion.map(|opinion| opinion.probability) })
            }
            Err(trouble) => {
                self.trouble(&trouble);
                Answer::Silent
            }
        }
    }

    fn opinion(&self, classifier: &Classifier, reading: &Reading<'_>, arrival: &Arrival) -> Result<Option<Opinion>, Trouble> {
        let tokens = classifier.tokens(reading);
        let (mut totals, mut counts) = classifier.store().counts("", &tokens)?;
        if totals.spam < self.least.0 || totals.ham < self.least.1 {
            return Ok(None);
        }
        if let Some((user, weight)) = self.user(arrival) {
            add_own(classifier, &user, weight, &tokens, &mut totals, &mut counts)?;
        }
        Ok(classifier.opinion(&counts, totals))
    }

    /// Whose classifier is asked beside the site's: that of the one user behind all recipients.
    fn user(&self, arrival: &Arrival) -> Option<(String, u32)> {
        let people = self.people.as_ref()?;
        let user = match (&people.user, arrival) {
            (Some(user), _) => Some(user.clone()),
            (None, Arrival::Live(live)) => people.users.of_all(&live.1.recipients),
            (None, Arrival::Sender(_) | Arrival::FromFields) => None,
        };
        user.map(|user| (user, people.weight))
    }

    /// For the queue of lessons: writes them, and looks for surplus tokens from time to time.
    pub fn writer(self: &Arc<Judge>) -> Write {
        let (judge, since) = (Arc::clone(self), AtomicU64::new(0));
        Box::new(move |lessons| {
            let classifier = judge.classifier().ok_or_else(|| Trouble("the store of the classifier is away".to_owned()))?;
            let effects = classifier.learn(lessons)?;
            let fresh = effects.iter().filter(|effect| matches!(effect, Effect::Learned | Effect::Relearned)).count() as u64;
            let is_time = since.fetch_add(fresh, Ordering::Relaxed) + fresh >= EXPIRY;
            if let Some(keep) = judge.kept.filter(|_| is_time) {
                since.store(0, Ordering::Relaxed);
                let names = classifier.store().classifiers().unwrap_or_default();
                // What was learned is learned; surplus goes the next time.
                names.iter().filter_map(|name| classifier.store().expire(name, keep).err()).for_each(|trouble| judge.trouble(&trouble));
            }
            Ok(effects)
        })
    }

    fn trouble(&self, trouble: &Trouble) {
        let times = self.tally.troubles.fetch_add(1, Ordering::Relaxed) + 1;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|at| at.elapsed() >= QUIET) {
            *told = Some(Instant::now());
            tracing::error!(target: "hamgate::bayes", %trouble, times, "the classifier has no opinion: mail is judged without it");
        }
    }
}

/// Adds what a user taught to what the site learned, as if each message had been learned so often. Who taught little leans on
/// the site; who taught much overrules it; and words that stand in all mail still say nothing.
fn add_own(
    classifier: &Classifier,
    user: &str,
    weight: u32,
    tokens: &[Token],
    totals: &mut Totals,
    counts: &mut [Count],
) -> Result<(), Trouble> {
    let (own_totals, own) = classifier.store().counts(user, tokens)?;
    totals.spam += own_totals.spam * u64::from(weight);
    totals.ham += own_totals.ham * u64::from(weight);
    for (count, own) in counts.iter_mut().zip(own) {
        count.spam = count.spam.saturating_add(own.spam.saturating_mul(weight));
        count.ham = count.ham.saturating_add(own.ham.saturating_mul(weight));
    }
    Ok(())
}

/// Tokens that one classifier keeps when it is expired unasked; `None`: it is not (`bayes_auto_expire 0`). SpamAssassin keeps at
/// least 100,000 (BayesStore.pm).
pub fn kept(settings: &Settings, options: &Options) -> Option<u64> {
    let size = options.number("bayes_expiry_max_db_size", 0.0);
    let most = if size > 0.0 { (size as u64).max(100_000) } else { settings.most_tokens };
    options.is_on("bayes_auto_expire", true).then_some(most)
}

/// What rule files say of tokens.
pub fn token_options(options: &Options) -> spamassassin::Options {
    let mut tokens = spamassassin::Options::default();
    tokens.ignored_fields.extend(options.word_list("bayes_ignore_header").iter().map(|name| name.to_ascii_lowercase()));
    tokens.longest = options.number("bayes_max_token_length", tokens.longest as f64).max(1.0) as usize;
    tokens.hapaxes = options.is_on("bayes_use_hapaxes", true);
    if let Some(sources) = options.words.get("bayes_token_sources") {
        tokens.sources = spamassassin::Sources::of(sources);
    }
    let patterns = options.tables.get("bayes_stopword");
    let languages = options.text("bayes_stopword_languages", "en").to_lowercase();
    if patterns.is_some() || languages != "en" {
        let languages = languages.split([',', ' ', '\t']).filter(|language| language.len() == 2);
        let pattern = |language| patterns.and_then(|patterns| patterns.get(language)).map(String::as_str);
        tokens.stopwords = spamassassin::Stopwords::of(languages.map(|language| (language, pattern(language))));
    }
    tokens
}

/// Asks the classifier on the thread that judges, while others look for their answers.
pub struct WithClassifier {
    pub judge: Arc<Judge>,
    pub others: Option<Arc<dyn Gather>>,
}

impl Gather for WithClassifier {
    fn ask(&self, asked: &Asked<'_, '_>) -> Box<dyn Outstanding> {
        let others = self.others.as_ref().map(|others| others.ask(asked));
        let mut told = Vec::new();
        if asked.questions.contains(&Question::Bayes) {
            told.push(Told::Bayes(self.judge.ask(asked.reading, asked.arrival)));
        }
        if others.is_none() {
            told.extend(asked.questions.iter().filter_map(silence));
        }
        Box::new(Known { told, others })
    }
}

/// Nobody else is there to ask.
fn silence(question: &Question) -> Option<Told> {
    match question {
        Question::Authentication => Some(Told::Authentication(Answer::Silent)),
        Question::Dns(about) => Some(Told::Dns(about.clone(), Answer::Silent)),
        Question::Virus => Some(Told::Virus(Answer::Silent)),
        Question::Bayes => None,
    }
}

struct Known {
    told: Vec<Told>,
    others: Option<Box<dyn Outstanding>>,
}

impl Outstanding for Known {
    fn wait(self: Box<Self>) -> Vec<Told> {
        let mut told = self.told;
        told.extend(self.others.into_iter().flat_map(Outstanding::wait));
        told
    }
}
