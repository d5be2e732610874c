//! The facet of greylisting: triplets that wait or have passed, and who is welcome without waiting.

use super::Trouble;

/// A keyed hash of whatever is counted or remembered.
pub type Key = [u8; 16];

/// Who wrote from where to whom. The words are kept while it waits, so that an operator can see who does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Triplet {
    pub key: Key,
    /// The network (`192.0.2.0`) or the verified domain (`@example.com`).
    pub client: String,
    pub sender: String,
    pub recipient: String,
}

/// When a triplet came, in seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub first: u64,
    pub last: u64,
    /// It came back after the delay.
    pub passed: bool,
}

/// How often somebody came back as asked, and when last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Welcome {
    pub count: u64,
    pub last: u64,
}

/// What is known, in the order of the questions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    pub triplets: Vec<Option<Seen>>,
    pub welcome: Vec<Option<Welcome>>,
}

/// One that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub triplet: Triplet,
    pub seen: Seen,
}

/// What is too old to be kept.
#[derive(Clone, Copy, Debug)]
pub struct Stale {
    /// Waiting triplets seen last before this.
    pub waiting_before: u64,
    /// Passed triplets and welcomes seen last before this.
    pub passed_before: u64,
    /// Milliseconds since 1970: windows that are empty by now.
    pub windows_before: u64,
}

pub trait Greylist: Send + Sync {
    /// The key of the hashes: random, made with the store, shared by all who share it.
    fn secret(&self) -> Result<[u8; 16], Trouble>;

    fn look_up(&self, triplets: &[Key], welcome: &[Key]) -> Result<Known, Trouble>;

    /// Keeps all or nothing; once it has answered, a crash of the process loses none of it.
    fn keep(&self, triplets: &[(Triplet, Seen)], welcome: &[(Key, Welcome)]) -> Result<(), Trouble>;

    /// Those that wait, oldest first, at most `most` of them.
    fn waiting(&self, most: usize) -> Result<Vec<Waiting>, Trouble>;

    /// Forgets what is stale, in steps that hold nobody up; how many rows went.
    fn expire(&self, stale: &Stale) -> Result<u64, Trouble>;
}
