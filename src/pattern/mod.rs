//! Perl's patterns over octets: parsed to a tree, run by the engine that fits, gated by the literals they need.

#[cfg(test)]
mod against_perl;
mod assemble;
mod chain;
mod delimiters;
mod first;
mod frequency;
mod gate;
#[cfg(test)]
mod generate;
mod literals;
mod machine;
mod octets;
mod opening;
mod parse;
mod parse_class;
mod parse_escape;
mod parse_group;
mod program;
mod rows;
mod screen;
mod set;
mod set_loops;
mod sieve;
#[cfg(test)]
mod tests;
mod thread;
mod tree;
mod usual;

pub use set::{Candidate, Candidates, PatternSet};
pub use usual::Usual;

use machine::{Ending, Scratch, Search};
use parse::Flags;
use program::Program;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// Steps of one search; a step takes about 5 ns.
const STEPS: u64 = 500_000;

/// Steps of one search that count as cost, and in all before a pattern gets a screen.
const WORTH_NOTING: u64 = 64;
const COSTLY: u64 = 1 << 15;
/// Octets that a screen passes over in the time of one step.
const OCTETS_A_STEP: u64 = 4;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// One pattern. Clones share the program, which is made at first use.
#[derive(Clone)]
pub struct Pattern(Arc<Inner>);

struct Inner {
    /// The expression with its flags in front, without delimiters.
    source: Vec<u8>,
    tree: tree::Node,
    groups: u32,
    /// Steps of one search.
    steps: u64,
    names: Vec<(Box<str>, u32)>,
    group_names: Vec<Option<Arc<str>>>,
    program: OnceLock<Program>,
    capturing: OnceLock<Program>,
    screen: OnceLock<Option<screen::Screen>>,
    /// Steps spent, and octets they were spent on: a pattern that proves costly gets a screen.
    spent: AtomicU64,
    searched: AtomicU64,
}

/// A pattern could not be read; says why and what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(pub String);

impl PatternError {
    fn new(text: String) -> PatternError {
        PatternError(text)
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PatternError {}

/// What a search said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Hit(Range<usize>),
    Miss,
    /// The match budget ran out: a finding, counted as a miss.
    OverBudget,
}

/// How often a pattern was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub hits: u32,
    /// The budget ran out before the subject ended.
    pub over_budget: bool,
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({})", self.source())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.0.source == other.0.source
    }
}

impl Pattern {
    /// `/re/mods`, `m{re}mods`, `qr!re!`: the text of a rule line after `=~`, as SpamAssassin's compile_regexp reads it.
    pub fn from_rule(text: &str) -> Result<Pattern, PatternError> {
        Pattern::from_rule_octets(text.as_bytes())
    }

    /// The same of a rule file that is not UTF-8: patterns are octets.
    pub fn from_rule_octets(text: &[u8]) -> Result<Pattern, PatternError> {
        let parts = delimiters::split(text)?;
        Pattern::with_modifiers(parts.expression, parts.modifiers)
    }

    /// Delimiters may be left out, as in SpamAssassin's options that take a pattern (compile_regexp with strip_delimiters 2).
    pub fn from_option(text: &str) -> Result<Pattern, PatternError> {
        let parts = delimiters::split_if_delimited(text.as_bytes())?;
        Pattern::with_modifiers(parts.expression, parts.modifiers)
    }

    /// An expression without delimiters; flags may stand in front as `(?is)`, as in `source()`.
    pub fn from_expression(expression: &[u8]) -> Result<Pattern, PatternError> {
        Pattern::bounded(expression, STEPS)
    }

    /// The same; a search gives up after so many steps.
    pub fn bounded(expression: &[u8], steps: u64) -> Result<Pattern, PatternError> {
        let parsed = parse::parse(expression, Flags::RULE)?;
        let mut group_names = vec![None; parsed.groups as usize + 1];
        for (name, number) in &parsed.names {
            group_names[*number as usize] = Some(Arc::from(&**name));
        }
        Ok(Pattern(Arc::new(Inner {
            source: expression.to_vec(),
            tree: parsed.tree,
            groups: parsed.groups,
            steps,
            names: parsed.names,
            group_names,
            program: OnceLock::new(),
            capturing: OnceLock::new(),
            screen: OnceLock::new(),
            spent: AtomicU64::new(0),
            searched: AtomicU64::new(0),
        })))
    }

    fn with_modifiers(expression: &[u8], modifiers: &[u8]) -> Result<Pattern, PatternError> {
        if modifiers.is_empty() {
            return Pattern::from_expression(expression);
        }
        Pattern::from_expression(&[b"(?", modifiers, b")", expression].concat())
    }

    /// The expression with its flags in front, `(?i)...`, without delimiters.
    pub fn source(&self) -> String {
        String::from_utf8_lossy(&self.0.source).into_owned()
    }

    /// The same in octets.
    pub fn source_octets(&self) -> &[u8] {
        &self.0.source
    }

    /// Named groups with their numbers, in order; a name may stand for several.
    pub fn named_groups(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.names.iter().map(|(name, number)| (&**name, *number as usize))
    }

    /// Name of each group by number; element 0, the whole match, has none. A name may stand for several groups.
    pub fn group_names(&self) -> &[Option<Arc<str>>] {
        &self.0.group_names
    }

    /// Text as a pattern that matches just that text (Perl's quotemeta, on octets).
    pub fn quote(text: &[u8]) -> Vec<u8> {
        let mut quoted = Vec::with_capacity(text.len() * 2);
        for octet in text {
            if !(octet.is_ascii_alphanumeric() || *octet == b'_') {
                quoted.push(b'\\');
            }
            quoted.push(*octet);
        }
        quoted
    }

    fn tree(&self) -> &tree::Node {
        &self.0.tree
    }

    fn program(&self) -> &Program {
        self.0.program.get_or_init(|| assemble::assemble(&self.0.tree, self.0.groups, false))
    }

    fn capturing(&self) -> &Program {
        self.0.capturing.get_or_init(|| assemble::assemble(&self.0.tree, self.0.groups, true))
    }

    /// The screen, once the pattern has proved costly.
    fn screen(&self) -> Option<&screen::Screen> {
        let (spent, searched) = (self.0.spent.load(Relaxed), self.0.searched.load(Relaxed));
        if spent < COSTLY || spent * OCTETS_A_STEP < searched {
            return None;
        }
        self.0.screen.get_or_init(|| screen::Screen::new(&self.0.tree)).as_ref().filter(|screen| !screen.is_useless())
    }

    /// First match at or after `from`.
    pub fn find(&self, subject: &[u8], from: usize) -> Found {
        let walk = Walk::new(self, self.program(), subject);
        Walk { search: Search { from, ..walk.search }, ..walk }.next_found().unwrap_or(Found::Miss)
    }

    /// Is there a match?
    pub fn is_match(&self, subject: &[u8]) -> bool {
        matches!(self.find(subject, 0), Found::Hit(_))
    }

    /// Spans of all groups of the first match, group 0 (the whole) first.
    pub fn captures(&self, subject: &[u8]) -> Option<Vec<Option<Range<usize>>>> {
        self.captures_at(subject, 0)
    }

    /// Spans of all groups of the first match at or after `from`.
    pub fn captures_at(&self, subject: &[u8], from: usize) -> Option<Vec<Option<Range<usize>>>> {
        let mut search = Search { from, ..Search::new(self.capturing(), subject) };
        SCRATCH.with_borrow_mut(|scratch| match search.run(scratch, &mut self.0.steps.clone()) {
            Ending::Hit(..) => {
                Some((0..=self.0.groups as usize).map(|group| scratch.group(group).map(|(start, end)| start..end)).collect())
            }
            Ending::Miss | Ending::OverBudget => None,
        })
    }

    /// All matches from the start as Perl's `while (/…/g)` finds them: after an empty match the next one at the same
    /// place must not be empty (perlop). Ends with the first `Miss` or `OverBudget`.
    pub fn find_iter<'a>(&'a self, subject: &'a [u8]) -> impl Iterator<Item = Found> + 'a {
        let mut walk = Walk::new(self, self.program(), subject);
        std::iter::from_fn(move || walk.next_found())
    }

    /// All matches as `find_iter` finds them, each with the spans of all groups.
    pub fn captures_iter<'a>(&'a self, subject: &'a [u8]) -> impl Iterator<Item = Vec<Option<Range<usize>>>> + 'a {
        let mut walk = Walk::new(self, self.capturing(), subject);
        std::iter::from_fn(move || match walk.next()? {
            Ending::Hit(..) => Some(self.spans()),
            Ending::Miss | Ending::OverBudget => None,
        })
    }

    /// Spans of the groups of this thread's last hit.
    fn spans(&self) -> Vec<Option<Range<usize>>> {
        let groups = 0..=self.0.groups as usize;
        SCRATCH.with_borrow(|scratch| groups.map(|group| scratch.group(group).map(|(start, end)| start..end.max(start))).collect())
    }

    /// How often `find_iter` hits, up to `max`.
    pub fn count(&self, subject: &[u8], max: u32) -> Count {
        Walk::new(self, self.program(), subject).count(max)
    }
}

/// A search that goes on where the last match ended, all within one budget.
struct Walk<'a> {
    pattern: &'a Pattern,
    search: Search<'a>,
    steps: u64,
    /// Where steps are added up over several searches.
    spent: Option<&'a Cell<u64>>,
    ended: bool,
}

impl<'a> Walk<'a> {
    fn new(pattern: &'a Pattern, program: &'a Program, subject: &'a [u8]) -> Walk<'a> {
        let search = Search { screen: pattern.screen(), ..Search::new(program, subject) };
        Walk { pattern, search, steps: pattern.0.steps, spent: None, ended: false }
    }

    fn next(&mut self) -> Option<Ending> {
        SCRATCH.with_borrow_mut(|scratch| self.next_with(scratch))
    }

    fn next_with(&mut self, scratch: &mut Scratch) -> Option<Ending> {
        if self.ended {
            return None;
        }
        let ending = match &self.search.program.lone {
            Some(octets) if self.search.spans.is_none() => self.lone(octets),
            _ => self.run(scratch),
        };
        match ending {
            Ending::Hit(start, end) => (self.search.from, self.search.not_empty) = (end, start >= end),
            Ending::Miss | Ending::OverBudget => self.ended = true,
        }
        Some(ending)
    }

    /// A pattern of one set needs no machine.
    fn lone(&self, octets: &octets::Octets) -> Ending {
        let Search { program, subject, from, .. } = self.search;
        let few: &[u8] = match &program.start {
            program::Start::Octets { few, .. } => few,
            _ => &[],
        };
        let found = machine::first_of(subject.get(from..).unwrap_or(&[]), octets, few);
        found.map_or(Ending::Miss, |at| Ending::Hit(from + at, from + at + 1))
    }

    fn run(&mut self, scratch: &mut Scratch) -> Ending {
        let before = self.steps;
        let ending = self.search.run(scratch, &mut self.steps);
        let spent = before - self.steps;
        if spent > WORTH_NOTING {
            self.pattern.0.spent.fetch_add(spent, Relaxed);
            if let Some(sum) = self.spent {
                sum.set(sum.get() + spent);
            }
            self.pattern.0.searched.fetch_add(self.search.subject.len() as u64, Relaxed);
        }
        ending
    }

    fn next_found(&mut self) -> Option<Found> {
        Some(match self.next()? {
            Ending::Hit(start, end) => Found::Hit(start..end.max(start)),
            Ending::Miss => Found::Miss,
            Ending::OverBudget => Found::OverBudget,
        })
    }

    fn count(&mut self, max: u32) -> Count {
        let mut count = Count::default();
        SCRATCH.with_borrow_mut(|scratch| {
            while count.hits < max {
                match self.next_with(scratch) {
                    Some(Ending::Hit(..)) => count.hits += 1,
                    Some(Ending::OverBudget) => count.over_budget = true,
                    Some(Ending::Miss) | None => break,
                }
            }
        });
        count
    }
}
