//! The facet of learned tokens.

use super::{Effect, Lesson, LessonEntry, Trouble, Which};

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

pub trait Tokens: Send + Sync {
    /// The key of the hash that made the tokens: random, made with the store, shared by all who share it.
    fn key(&self) -> Result<[u8; 16], Trouble>;

    /// Totals and the counts of `tokens`, in their order, from one snapshot.
    fn counts(&self, classifier: &str, tokens: &[Token]) -> Result<(Totals, Vec<Count>), Trouble>;

    /// Applies lessons in one transaction: each is learned wholly or not at all. Answers in their order.
    fn learn(&self, lessons: &[Lesson]) -> Result<Vec<Effect>, Trouble>;

    /// Takes back every lesson that `which` names; the number of them.
    fn revert(&self, which: &Which) -> Result<u64, Trouble>;

    /// The journal, oldest first.
    fn lessons(&self, which: &Which, each: &mut dyn FnMut(LessonEntry)) -> Result<(), Trouble>;

    /// Every token row of a classifier.
    fn rows(&self, classifier: &str, each: &mut dyn FnMut(Token, Count, u32)) -> Result<(), Trouble>;

    /// Adds rows and totals as another system learned them; no journal entry stands for them.
    fn import(&self, classifier: &str, totals: Totals, rows: &mut dyn Iterator<Item = (Token, Count, u32)>) -> Result<u64, Trouble>;

    /// Keeps at most `keep` tokens of a classifier, those seen last; works in short steps, so that scoring never waits.
    fn expire(&self, classifier: &str, keep: u64) -> Result<Expired, Trouble>;

    /// Names of the classifiers that learned anything.
    fn classifiers(&self) -> Result<Vec<String>, Trouble>;

    /// Copies everything to a file while others read and write.
    fn backup(&self, to: &std::path::Path) -> Result<(), Trouble>;

    /// Puts what `backup` wrote in place of everything, in one transaction; others may read meanwhile.
    fn restore(&self, from: &std::path::Path) -> Result<(), Trouble>;
}
