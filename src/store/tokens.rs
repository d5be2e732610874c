//! The facet of learned tokens.

use super::{Effect, Lesson, LessonEntry, Trouble, Which};
use std::time::{SystemTime, UNIX_EPOCH};

/// A keyed hash of a word, 40 bits.
pub type Token = u64;

/// Messages a classifier learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub spam: u64,
    pub ham: u64,
}

/// Messages that held a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub spam: u32,
    pub ham: u32,
}

/// What an expiry did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    pub removed: u64,
    pub kept: u64,
}

/// The expiry that took tokens last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastExpiry {
    /// Seconds since 1970.
    pub at: u64,
    /// Days between the token seen last of all and the youngest that went.
    pub days: u64,
    pub removed: u64,
}

impl LastExpiry {
    pub(super) fn now(days: u64, removed: u64) -> LastExpiry {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        LastExpiry { at, days, removed }
    }

    pub(super) fn write(&self) -> String {
        format!("{} {} {}", self.at, self.days, self.removed)
    }

    pub(super) fn read(text: &str) -> Option<LastExpiry> {
        let mut numbers = text.split(' ').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(LastExpiry { at: next()?, days: next()?, removed: next()? })
    }
}

/// What was learned under one kind of tokens is of no use to another.
pub fn under_others(before: &str, now: &str) -> Trouble {
    Trouble(format!(
        "what is here was learned with tokens = \"{before}\", the configuration says \"{now}\": write the former below [bayes], or name another place"
    ))
}

pub trait Tokens: Send + Sync {
    /// The key of the hash that made the tokens: random, made with the store, shared by all who share it.
    fn key(&self) -> Result<[u8; 16], Trouble>;

    /// The rules that made the tokens which are here; `None`: nothing says so yet.
    fn rules(&self) -> Result<Option<String>, Trouble>;

    /// From now on tokens come from these rules.
    ///
    /// # Errors
    /// Something was learned under others.
    fn fill_under(&self, rules: &str) -> Result<(), Trouble>;

    /// Totals and the counts of `tokens`, in their order, from one snapshot.
    fn counts(&self, classifier: &str, tokens: &[Token]) -> Result<(Totals, Vec<Count>), Trouble>;

    /// Applies lessons in one transaction: each is learned wholly or not at all. Answers in their order.
    fn learn(&self, lessons: &[Lesson]) -> Result<Vec<Effect>, Trouble>;

    /// Takes back every lesson that `which` names, and what they had replaced stands again; the number of messages.
    fn revert(&self, which: &Which) -> Result<u64, Trouble>;

    /// The journal, oldest first.
    fn lessons(&self, which: &Which, each: &mut dyn FnMut(LessonEntry)) -> Result<(), Trouble>;

    /// Every token row of a classifier.
    fn rows(&self, classifier: &str, each: &mut dyn FnMut(Token, Count, u32)) -> Result<(), Trouble>;

    /// Adds rows and totals as another system learned them; no journal entry stands for them.
    fn import(&self, classifier: &str, totals: Totals, rows: &mut dyn Iterator<Item = (Token, Count, u32)>) -> Result<u64, Trouble>;

    /// Keeps at most `keep` tokens of a classifier, those seen last; works in short steps, so that scoring never waits.
    fn expire(&self, classifier: &str, keep: u64) -> Result<Expired, Trouble>;

    /// The expiry that took tokens of a classifier last.
    fn last_expiry(&self, classifier: &str) -> Result<Option<LastExpiry>, Trouble>;

    /// Names of the classifiers that learned anything.
    fn classifiers(&self) -> Result<Vec<String>, Trouble>;

    /// Copies everything to a file while others read and write.
    fn backup(&self, to: &std::path::Path) -> Result<(), Trouble>;

    /// Puts what `backup` wrote in place of everything, in one transaction; others may read meanwhile.
    fn restore(&self, from: &std::path::Path) -> Result<(), Trouble>;
}
