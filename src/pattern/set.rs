//! Patterns that are tried on the same texts: one pass over a text tells which of them are worth trying, and where.

use super::gate::{Gate, GateHits};
use super::machine::Search;
use super::rows::Rows;
use super::sieve::{Sieve, sieves};
use super::usual::Usual;
use super::{Count, Found, Pattern, STEPS, Walk};
use std::cell::{Cell, RefCell};

/// Spans kept of one text; with more, patterns are tried everywhere.
const SPANS: usize = 1 << 16;
/// Steps of all searches in the texts of one message, about a second of CPU; after it a search gets a little and no more.
const ALLOWED: u64 = 60_000_000;
const LITTLE: u64 = 10_000;

thread_local! {
    static CANDIDATES: RefCell<Candidates> = RefCell::new(Candidates::default());
}

/// Patterns by number, in the order given.
#[derive(Debug, Default)]
pub struct PatternSet {
    patterns: Vec<Pattern>,
    gate: Gate,
    rows: Rows,
    /// Patterns without literals.
    always: Vec<u32>,
    gated: Vec<u32>,
    /// Patterns that match the empty text.
    on_empty: Vec<u32>,
}

/// What a pass over a text found: memory to be used again for the next text of the same message.
#[derive(Debug, Default)]
pub struct Candidates {
    hits: GateHits,
    list: Vec<Candidate>,
    /// Steps spent on all texts so far: beyond what one message is allowed, each search gets little.
    spent: Cell<u64>,
}

/// A pattern that may match the text last scanned, and where.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    pub pattern: u32,
    /// Among the spans; none: anywhere.
    spans: Option<(u32, u32)>,
}

impl Candidates {
    /// In order of the patterns.
    pub fn iter(&self) -> impl Iterator<Item = Candidate> + '_ {
        self.list.iter().copied()
    }

    pub fn of(&self, pattern: u32) -> Option<Candidate> {
        let place = self.list.binary_search_by_key(&pattern, |candidate| candidate.pattern).ok()?;
        self.list.get(place).copied()
    }

    /// Have searches taken all the steps that one message is allowed?
    pub fn is_spent(&self) -> bool {
        self.spent.get() > ALLOWED
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl PatternSet {
    /// `usual`: a text like those that will be searched.
    pub fn new(patterns: impl IntoIterator<Item = Pattern>, usual: &Usual) -> PatternSet {
        let patterns: Vec<Pattern> = patterns.into_iter().collect();
        let (mut needs, mut chained, mut always, mut gated) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (number, sieve) in sieves(&patterns, usual).into_iter().enumerate() {
            let number = number as u32;
            if matches!(sieve, Sieve::Nothing) {
                always.push(number)
            } else {
                gated.push(number)
            }
            needs.push(match sieve {
                Sieve::Literals(need) => Some(need),
                Sieve::Chains(chains) => {
                    chained.extend(chains.into_iter().map(|chain| (number, chain)));
                    None
                }
                Sieve::Nothing => None,
            });
        }
        let on_empty =
            always.iter().copied().filter(|number| patterns.get(*number as usize).is_some_and(|pattern| pattern.is_match(b""))).collect();
        PatternSet {
            gate: Gate::new(&needs, usual),
            rows: Rows::new(&chained.iter().map(|(number, chain)| (*number, chain)).collect::<Vec<_>>()),
            patterns,
            always,
            gated,
            on_empty,
        }
    }

    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Adds the numbers (in the order given to `new`, ascending) of all patterns that may match the text.
    pub fn candidates(&self, text: &[u8], found: &mut Vec<u32>) {
        CANDIDATES.with_borrow_mut(|candidates| {
            self.scan(text, candidates);
            found.extend(candidates.iter().map(|candidate| candidate.pattern));
        });
    }

    /// Finds out which patterns may match the text; `candidates` is overwritten.
    pub fn scan(&self, text: &[u8], candidates: &mut Candidates) {
        candidates.list.clear();
        if text.is_empty() {
            candidates.list.extend(self.on_empty.iter().map(|pattern| Candidate { pattern: *pattern, spans: None }));
            return;
        }
        self.gate.scan(text, &mut candidates.hits);
        self.rows.scan(text, &mut candidates.hits.spans);
        if candidates.hits.spans.len() > 1 {
            candidates.hits.spans.sort_unstable_by_key(|(pattern, first, _)| u64::from(*pattern) << 32 | u64::from(*first));
        }
        let anywhere = |pattern: &u32| Candidate { pattern: *pattern, spans: None };
        candidates.list.extend(self.always.iter().map(anywhere));
        if candidates.hits.spans.len() > SPANS {
            candidates.list.extend(self.gated.iter().map(anywhere));
        } else {
            self.gated_candidates(candidates);
        }
        candidates.list.sort_unstable_by_key(|candidate| candidate.pattern);
    }

    fn gated_candidates(&self, candidates: &mut Candidates) {
        let spans = &candidates.hits.spans;
        let mut from = 0;
        while let Some((pattern, _, _)) = spans.get(from) {
            let length = spans[from..].iter().take_while(|span| span.0 == *pattern).count();
            let enough = self.gate.times.get(*pattern as usize).is_some_and(|times| length >= *times as usize);
            if enough {
                candidates.list.push(Candidate { pattern: *pattern, spans: Some((from as u32, (from + length) as u32)) });
            }
            from += length;
        }
    }

    /// How often the candidate hits in its text, up to `max`: as `Pattern::count`, but tried only where the scan saw a reason to.
    pub fn count(&self, text: &[u8], candidates: &Candidates, candidate: Candidate, max: u32) -> Count {
        self.walk(text, candidates, candidate).map_or_else(Count::default, |mut walk| walk.count(max))
    }

    /// The first match of the candidate in its text.
    pub fn find(&self, text: &[u8], candidates: &Candidates, candidate: Candidate) -> Found {
        self.walk(text, candidates, candidate).and_then(|mut walk| walk.next_found()).unwrap_or(Found::Miss)
    }

    /// All matches of the candidate in its text, as `Pattern::find_iter` gives them.
    pub fn find_iter<'a>(&'a self, text: &'a [u8], candidates: &'a Candidates, candidate: Candidate) -> impl Iterator<Item = Found> + 'a {
        let mut walk = self.walk(text, candidates, candidate);
        std::iter::from_fn(move || walk.as_mut().and_then(Walk::next_found))
    }

    fn walk<'a>(&'a self, text: &'a [u8], candidates: &'a Candidates, candidate: Candidate) -> Option<Walk<'a>> {
        let pattern = self.patterns.get(candidate.pattern as usize)?;
        let spans = candidate.spans.and_then(|(from, to)| candidates.hits.spans.get(from as usize..to as usize));
        let steps = if candidates.is_spent() { LITTLE } else { STEPS };
        let walk = Walk::new(pattern, pattern.program(), text);
        Some(Walk { search: Search { spans, ..walk.search }, steps, spent: Some(&candidates.spent), ..walk })
    }
}
