//! The instructions of the backtracking machine.

use super::octets::Octets;
use super::opening::Opening;
use super::tree::{Assertion, Fold};

/// A set and what may follow, ready for the machine.
#[derive(Clone, Debug)]
pub struct Program {
    pub code: Vec<Instruction>,
    pub sets: Vec<Octets>,
    pub loops: Vec<SetLoop>,
    pub choices: Vec<Choice>,
    pub counted: Vec<Counted>,
    pub words: Vec<Word>,
    pub references: Vec<(Vec<u32>, Fold)>,
    /// Registers: two a group, then those of loops and look-arounds.
    pub registers: usize,
    pub checkpoints: usize,
    pub start: Start,
    /// How a match may begin, where that is worth a look.
    pub opening: Option<Opening>,
    /// A match begins with `\b`.
    pub boundary: bool,
    /// The pattern is one set and nothing else.
    pub lone: Option<Octets>,
    /// A match begins with such a run.
    pub leap: Option<Leap>,
    /// Fewest octets of a match.
    pub least: usize,
}

/// A run of octets of one set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leap {
    pub octets: Octets,
    pub length: usize,
    /// The octets that are not in the set, if they are one, two or three.
    pub outside: Vec<u8>,
}

impl Leap {
    /// What ends the run that would begin at `start`: nothing can begin up to there. `None`: the run is long enough.
    pub fn broken(&self, subject: &[u8], start: usize) -> Option<usize> {
        let run = subject.get(start..start + self.length)?;
        let last = match *self.outside {
            [a] => memchr::memrchr(a, run),
            [a, b] => memchr::memrchr2(a, b, run),
            [a, b, c] => memchr::memrchr3(a, b, c, run),
            _ => run.iter().rposition(|octet| !self.octets.contains(*octet)),
        };
        last.map(|last| start + last)
    }
}

/// Where a match may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Offset 0 alone.
    Text,
    /// Offset 0 or after a line feed.
    Line,
    /// Where the search begins alone.
    Search,
    /// At one of these octets, listed in `few` if they are up to three; `end`: or at the end.
    Octets { octets: Octets, few: Vec<u8>, end: bool },
}

pub const FAIL: u32 = 0;

#[derive(Clone, Copy, Debug)]
pub enum Instruction {
    Fail,
    Match,
    Octet(u8),
    Set(u32),
    /// Up to eight octets.
    Word(u32),
    Jump(u32),
    /// Try the next instruction, later `other`.
    Split {
        other: u32,
    },
    /// Try `other`, later the next instruction.
    SplitLast {
        other: u32,
    },
    /// As `Split`, but go to `other` at once unless the next octet is of the set `on`, and do not keep `other` unless it
    /// is of the set `out`.
    SplitIf {
        on: u32,
        out: u32,
        other: u32,
    },
    Choose(u32),
    Loop(u32),
    /// What comes hangs on this place alone, unless a group is read: if it failed from here, it fails again.
    Checkpoint(u16),
    CountStart(u32),
    Count(u32),
    CountBody(u32),
    Open {
        register: u32,
    },
    Close {
        group: u32,
        register: u32,
    },
    Assert(Assertion),
    /// Begin a body that is cut off at its end; when the body fails, go on at `other`.
    Enter {
        register: u32,
        other: u32,
    },
    /// End of a body: forget its choices; `back`: return to where it began.
    Commit {
        register: u32,
        back: bool,
    },
    /// End of a body: undo it and return to where it began.
    Undo {
        register: u32,
    },
    /// Step back by each length in turn.
    Behind {
        register: u32,
        least: u32,
        most: u32,
    },
    BehindEnd {
        register: u32,
    },
    Reference(u32),
    Keep,
    /// Go to `other` unless one of the groups is set.
    IfSet {
        reference: u32,
        other: u32,
    },
    Call {
        to: u32,
        group: u32,
    },
    /// End of group `group` that may have been called.
    Return {
        group: u32,
    },
    Barrier(Barrier),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barrier {
    /// Backtracked over: no match at all.
    Commit,
    /// No match from this start.
    Prune,
    /// No match from any start before this point.
    Skip,
}

/// A repeat of one octet set.
#[derive(Clone, Debug)]
pub struct SetLoop {
    pub set: Octets,
    pub scan: Scan,
    pub min: u32,
    pub max: u32,
    pub kind: LoopKind,
    /// What may follow; `None`: anything.
    pub follow: Option<Octets>,
    pub follow_end: bool,
    /// What follows must stand at the beginning of a line.
    pub follow_line: bool,
    /// What is searched for to find where the loop may end.
    pub probe: Option<Probe>,
}

/// Up to eight octets in a row, each in one case or in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    octets: u64,
    /// What is set in the octets there before they are compared: the bit that tells the cases apart.
    fold: u64,
    mask: u64,
    pub length: usize,
}

impl Word {
    /// Octets and whether they may stand in either case; letters that may, in lower case.
    pub fn new(letters: &[(u8, bool)]) -> Word {
        let put = |word: &dyn Fn(u8, bool) -> u8| {
            let octets = std::array::from_fn(|at| letters.get(at).map_or(0, |(octet, either_case)| word(*octet, *either_case)));
            u64::from_le_bytes(octets)
        };
        Word {
            octets: put(&|octet, _| octet),
            fold: put(&|_, either_case| u8::from(either_case) << 5),
            mask: put(&|_, _| u8::MAX),
            length: letters.len().min(8),
        }
    }

    /// The octets, each with the other that may stand in its place.
    pub fn letters(&self) -> impl Iterator<Item = (u8, u8)> {
        let (octets, fold) = (self.octets.to_le_bytes(), self.fold.to_le_bytes());
        octets.into_iter().zip(fold).map(|(octet, fold)| (octet, octet & !fold)).take(self.length)
    }

    /// Does the word stand there?
    pub fn is_at(&self, subject: &[u8], at: usize) -> bool {
        match subject.get(at..at + 8).and_then(|eight| eight.try_into().ok()) {
            Some(eight) => self.is(u64::from_le_bytes(eight)),
            None => self.is_near_end(subject.get(at..).unwrap_or(&[])),
        }
    }

    fn is(&self, eight: u64) -> bool {
        (eight | self.fold) & self.mask == self.octets
    }

    #[cold]
    fn is_near_end(&self, rest: &[u8]) -> bool {
        let octets = std::array::from_fn(|at| rest.get(at).copied().unwrap_or(0));
        rest.len() >= self.length && self.is(u64::from_le_bytes(octets))
    }
}

/// One of these octets must stand so far after a loop's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    pub octets: [u8; 3],
    pub after: usize,
}

/// Up to three octets, the last repeated.
pub fn few(octets: Octets) -> Option<[u8; 3]> {
    match octets.iter().take(4).collect::<Vec<_>>()[..] {
        [a] => Some([a, a, a]),
        [a, b] => Some([a, b, b]),
        [a, b, c] => Some([a, b, c]),
        _ => None,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    All,
    /// All but these octets: one, two or three, the last repeated.
    Until([u8; 3]),
    Table,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopKind {
    Greedy,
    Lazy,
    /// Possessive, or greedy where nothing could be given back.
    Whole,
}

/// An alternation: the branches that are possible for each next octet.
#[derive(Clone, Debug)]
pub struct Choice {
    pub by_octet: [u8; 256],
    pub at_end: u16,
    pub lists: Vec<Vec<u32>>,
}

#[derive(Clone, Copy, Debug)]
pub struct Counted {
    pub count: u32,
    /// Where the last copy began, if copies may be empty.
    pub last: Option<u32>,
    pub min: u32,
    pub max: u32,
    pub lazy: bool,
    pub body: u32,
    pub exit: u32,
    /// Sets of octets that a copy may begin with, and that may follow the last; `None`: any, or nothing.
    pub on: Option<u32>,
    pub out: Option<u32>,
}
