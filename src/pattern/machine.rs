//! The search: where a match may begin, place by place, and what the machine says there.

use super::octets::Octets;
use super::program::*;
use super::screen::Screen;
use super::thread::Thread;

/// A register that holds nothing.
pub const UNSET: u32 = u32::MAX;
/// What a search ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Start and end.
    Hit(usize, usize),
    Miss,
    OverBudget,
}

/// Memory that searches use again.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) stack: Vec<Entry>,
    pub(super) registers: Vec<u32>,
    pub(super) frames: Vec<Frame>,
    /// Of each checkpoint the place last seen to fail.
    pub(super) failed: Vec<u32>,
}

impl Scratch {
    fn reset(&mut self, registers: usize) {
        self.stack.clear();
        self.frames.clear();
        self.registers.clear();
        self.registers.resize(registers, UNSET);
    }

    /// Span of a group after a hit.
    pub fn group(&self, group: usize) -> Option<(usize, usize)> {
        let (start, end) = (*self.registers.get(2 * group)?, *self.registers.get(2 * group + 1)?);
        (start != UNSET && end != UNSET).then_some((start as usize, end as usize))
    }
}

/// What the machine goes back to, or takes back, when it fails.
#[derive(Clone, Copy, Debug)]
pub enum Entry {
    Branch {
        pc: u32,
        at: u32,
    },
    Register {
        register: u32,
        old: u32,
    },
    /// May give back from `at` down to `least`.
    Greedy {
        pc: u32,
        at: u32,
        least: u32,
    },
    /// May take more from `at` up to `most`.
    Lazy {
        pc: u32,
        at: u32,
        most: u32,
    },
    Choice {
        pc: u32,
        at: u32,
        list: u16,
        next: u16,
    },
    Behind {
        pc: u32,
        at: u32,
        length: u32,
    },
    Barrier {
        kind: Barrier,
        at: u32,
    },
    Frame {
        old: u32,
    },
    /// All after it failed; `reads`: groups read before.
    Checkpoint {
        number: u16,
        at: u32,
        reads: u32,
    },
}

/// A call of a group: where to go on, and the registers as they were.
#[derive(Debug)]
pub struct Frame {
    pub outer: u32,
    pub group: u32,
    pub back: u32,
    pub registers: Vec<u32>,
}

/// What one start led to.
pub enum Attempt {
    Hit(usize),
    /// All choices were taken back, and all registers with them.
    Miss,
    /// Nothing can begin before this offset.
    SkipTo(usize),
    Never,
    OverBudget,
}

pub struct Search<'a> {
    pub program: &'a Program,
    pub subject: &'a [u8],
    pub from: usize,
    /// A match must end after `from`.
    pub not_empty: bool,
    /// Spans of offsets where a match may begin, ascending by the first; the rest of each is the pattern's number.
    pub spans: Option<&'a [(u32, u32, u32)]>,
    /// Asked before a start is tried.
    pub screen: Option<&'a Screen>,
}

impl<'a> Search<'a> {
    /// Of the whole subject, anywhere.
    pub fn new(program: &'a Program, subject: &'a [u8]) -> Search<'a> {
        Search { program, subject, from: 0, not_empty: false, spans: None, screen: None }
    }

    /// The first match at or after `from`; `steps` is what may still be spent. Spans that lie before it are dropped.
    pub fn run(&mut self, scratch: &mut Scratch, steps: &mut u64) -> Ending {
        let (subject, program) = (self.subject, self.program);
        if subject.len() >= UNSET as usize {
            return Ending::OverBudget;
        }
        let mut at = self.from;
        let mut questions = self.screen.map(Screen::questions);
        scratch.reset(program.registers);
        scratch.failed.clear();
        scratch.failed.resize(program.checkpoints, UNSET);
        // `next_start` goes by the opening then.
        let asked = matches!(&program.start, Start::Octets { few, .. } if few.is_empty());
        loop {
            let next = match self.spans {
                None => self.next_start(at, subject.len()),
                Some(_) => self.next_start_within(at),
            };
            let Some(start) = next else { return Ending::Miss };
            if subject.len() - start < program.least {
                return Ending::Miss;
            }
            if program.boundary && !at_boundary(subject, start) {
                at = start + 1;
                continue;
            }
            if let Some(end) = program.leap.as_ref().and_then(|leap| leap.broken(subject, start)) {
                at = end + 1;
                continue;
            }
            if !asked && program.opening.as_ref().is_some_and(|opening| !opening.holds(&subject[start..])) {
                at = start + 1;
                continue;
            }
            if let Some(questions) = &mut questions
                && !questions.may_begin(subject, start, steps)
            {
                if *steps == 0 {
                    return Ending::OverBudget;
                }
                at = start + 1;
                continue;
            }
            match self.attempt(start, scratch, steps) {
                Attempt::Hit(end) => {
                    let start = scratch.registers.first().map_or(start, |start| *start as usize);
                    return Ending::Hit(start, end);
                }
                Attempt::Miss => at = start + 1,
                Attempt::SkipTo(to) => {
                    at = to.max(start + 1);
                    scratch.reset(program.registers);
                }
                Attempt::Never => return Ending::Miss,
                Attempt::OverBudget => return Ending::OverBudget,
            }
        }
    }

    /// The first start from `at` to `last`.
    fn next_start(&self, at: usize, last: usize) -> Option<usize> {
        let subject = self.subject;
        let end = subject.len().min(last + 1);
        let rest = subject.get(at..end)?;
        match &self.program.start {
            Start::Text => (at == 0).then_some(0),
            Start::Search => (at == self.from).then_some(at),
            Start::Line if at == 0 => Some(0),
            Start::Line => {
                let before = subject.get(at - 1..end.min(subject.len() - 1))?;
                memchr::memchr(b'\n', before).map(|lf| at + lf).filter(|start| *start <= last)
            }
            Start::Octets { few, .. }
                if few.is_empty()
                    && let Some(opening) = &self.program.opening =>
            {
                opening.next(subject, at, last)
            }
            Start::Octets { octets, few, end } => match first_of(rest, octets, few) {
                Some(found) => Some(at + found),
                None => (*end && last >= subject.len()).then_some(subject.len()),
            },
        }
    }

    /// The next start that lies in one of the spans; those passed are dropped.
    fn next_start_within(&mut self, at: usize) -> Option<usize> {
        let mut at = at;
        while let Some((span, later)) = self.spans.and_then(<[_]>::split_first) {
            let (first, last) = (span.1 as usize, span.2 as usize);
            if last >= at {
                // Spans begin in order: what the later ones hold before `last` lies in this one too.
                if let Some(found) = self.next_start(at.max(first), last) {
                    return Some(found);
                }
                at = last + 1;
            }
            self.spans = Some(later);
        }
        None
    }

    fn attempt(&self, start: usize, scratch: &mut Scratch, steps: &mut u64) -> Attempt {
        scratch.registers[0] = start as u32;
        Thread::new(self, scratch, start, steps).run()
    }
}

/// Does exactly one of the octets around this place belong to a word?
pub fn at_boundary(subject: &[u8], at: usize) -> bool {
    let word = |octet: Option<&u8>| octet.is_some_and(|octet| octet.is_ascii_alphanumeric() || *octet == b'_');
    let before = at.checked_sub(1).and_then(|at| subject.get(at));
    word(before) != word(subject.get(at))
}

/// The first place of an octet of the set; `few`: its octets, if they are one, two or three.
pub fn first_of(text: &[u8], octets: &Octets, few: &[u8]) -> Option<usize> {
    match *few {
        [a] => memchr::memchr(a, text),
        [a, b] => memchr::memchr2(a, b, text),
        [a, b, c] => memchr::memchr3(a, b, c, text),
        _ => text.iter().position(|octet| octets.contains(*octet)),
    }
}
