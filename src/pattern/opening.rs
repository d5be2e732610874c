//! How a match may begin: an automaton over its first octets, a cheap look before an attempt.

use super::octets::Octets;
use super::tree::{Node, Repeat};
use std::collections::{HashMap, VecDeque};

/// Octets of a match that are looked at: what may lie beyond them is not built.
const REACH: u32 = 6;
/// Entries of the automaton's table: beyond them all is let through.
const MOVES: usize = 4096;
/// Octets followed from one place: a loop may go on for long.
const FOLLOWED: usize = 16;
/// Optional copies of a repeated node that are kept apart; more become a loop.
const OPTIONAL: u32 = 3;
/// Steps of a pattern's beginning.
const STEPS: usize = 6000;

/// Says of a place whether a match may begin there: "no" for certain, or "perhaps".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Octets that no pattern step tells apart share a class.
    classes: Box<[u8; 256]>,
    /// Where a state's row stands, with the octet's class added, its next state; states are offsets of rows.
    moves: Vec<u16>,
    /// Of each class of first octets a bit for each class of second ones (those beyond 64 share bits) that may follow.
    pairs: Vec<u64>,
}

const REFUSED: u16 = 0;
const PASSED: u16 = 1;
const START: u16 = 2;

impl Opening {
    /// `None`: a match may begin with anything, or in too many ways.
    pub fn new(tree: &Node) -> Option<Opening> {
        let mut steps = Steps(vec![Step::Passed]);
        let entry = steps.add(tree, THROUGH, 0)?;
        let mut closure = Closure { seen: vec![0; steps.0.len()], steps: &steps.0, round: 0 };
        let start = closure.of(vec![entry])?;
        let (sets, of_step) = steps.sets();
        let (classes, of_set) = classes(&sets);
        let width = classes.iter().max().map_or(1, |most| usize::from(*most) + 1);
        let mut rows = Rows { width, numbers: HashMap::new(), queue: VecDeque::new() };
        rows.state(start);
        let mut moves = vec![REFUSED, PASSED];
        while let Some(state) = rows.queue.pop_front() {
            let mut next: Vec<Vec<u32>> = vec![Vec::new(); width];
            for step in &state {
                let Some(Step::Octet(_, then)) = steps.0.get(*step as usize) else { continue };
                of_set.get(*of_step.get(step)?)?.iter().for_each(|class| next[usize::from(*class)].push(*then));
            }
            moves.extend(next.into_iter().map(|then| closure.of(then).map_or(PASSED, |state| rows.state(state))));
        }
        let pairs: Vec<u64> = (0..width).map(|first| pairs_of(&moves, width, first)).collect();
        pairs.contains(&0).then_some(Opening { classes, moves, pairs })
    }

    /// May a match begin where this text does?
    pub fn holds(&self, text: &[u8]) -> bool {
        let mut state = START;
        for octet in text.iter().take(FOLLOWED) {
            state = self.moves[usize::from(state) + usize::from(self.classes[usize::from(*octet)])];
            if state <= PASSED {
                return state == PASSED;
            }
        }
        text.len() > FOLLOWED
    }

    /// The first place from `at` to `last` where a match may begin.
    pub fn next(&self, subject: &[u8], at: usize, last: usize) -> Option<usize> {
        let mut at = at;
        loop {
            let there = subject.get(at..last.saturating_add(2).min(subject.len()))?;
            let of = |octet: &u8| self.classes[usize::from(*octet)];
            let mut class = of(there.first()?);
            let found = there.iter().skip(1).position(|octet| {
                let first = std::mem::replace(&mut class, of(octet));
                self.pairs[usize::from(first)] >> (class & 63) & 1 == 1
            });
            // The last octet has none after it.
            let place = at + found.unwrap_or(there.len() - 1);
            if place <= last && self.holds(&subject[place..]) {
                return Some(place);
            }
            found?;
            at = place + 1;
        }
    }
}

/// The classes of octets that may follow one of this class.
fn pairs_of(moves: &[u16], width: usize, first: usize) -> u64 {
    match moves.get(usize::from(START) + first).copied() {
        None | Some(REFUSED) => 0,
        Some(PASSED) => u64::MAX,
        Some(state) => {
            let follows = |second: &usize| moves.get(usize::from(state) + second).is_some_and(|next| *next != REFUSED);
            (0..width).filter(follows).fold(0, |bits, second| bits | 1 << (second & 63))
        }
    }
}

/// The states found, by the steps they stand for.
struct Rows {
    width: usize,
    numbers: HashMap<Vec<u32>, u16>,
    queue: VecDeque<Vec<u32>>,
}

impl Rows {
    fn state(&mut self, steps: Vec<u32>) -> u16 {
        if steps.is_empty() {
            return REFUSED;
        }
        if let Some(known) = self.numbers.get(&steps) {
            return *known;
        }
        let row = usize::from(START) + self.numbers.len() * self.width;
        if row + self.width > MOVES {
            return PASSED;
        }
        self.numbers.insert(steps.clone(), row as u16);
        self.queue.push_back(steps);
        row as u16
    }
}

enum Step {
    /// All that is looked at was there.
    Passed,
    /// An octet of the set, then another step.
    Octet(Octets, u32),
    Either(Vec<u32>),
}

const THROUGH: u32 = 0;

/// The beginning of a pattern, loosened: what an automaton cannot judge is taken to hold.
struct Steps(Vec<Step>);

impl Steps {
    fn push(&mut self, step: Step) -> Option<u32> {
        self.0.push(step);
        (self.0.len() <= STEPS).then_some(self.0.len() as u32 - 1)
    }

    /// Steps for a node that begins at least so many octets after the match's start; says where to enter.
    fn add(&mut self, node: &Node, then: u32, depth: u32) -> Option<u32> {
        if depth >= REACH {
            return Some(THROUGH);
        }
        match node {
            Node::Empty | Node::Look(_) | Node::Assert(_) | Node::Keep | Node::Verb(_) => Some(then),
            Node::Set(set) => self.push(Step::Octet(*set, then)),
            Node::Concat(nodes) => {
                let depths = nodes.iter().scan(depth, |sum, node| {
                    let before = *sum;
                    *sum = sum.saturating_add(node.width().0);
                    Some(before)
                });
                let within: Vec<(&Node, u32)> = nodes.iter().zip(depths).take_while(|(_, depth)| *depth < REACH).collect();
                let then = if within.len() < nodes.len() { THROUGH } else { then };
                within.into_iter().rev().try_fold(then, |then, (node, depth)| self.add(node, then, depth))
            }
            Node::Alternate(nodes) => {
                let entries = nodes.iter().map(|node| self.add(node, then, depth)).collect::<Option<Vec<u32>>>()?;
                self.push(Step::Either(entries))
            }
            Node::Group(_, node) | Node::Atomic(node) => self.add(node, then, depth),
            Node::Repeat(repeat) => self.repeat(repeat, then, depth),
            Node::Backreference(_) | Node::Recurse(_) | Node::Conditional(_) => Some(THROUGH),
        }
    }

    fn repeat(&mut self, repeat: &Repeat, then: u32, depth: u32) -> Option<u32> {
        let node = &repeat.node;
        let width = node.width().0;
        // Copies that must stand there and begin within reach; those that may be empty count as optional.
        let needed = if width == 0 { 0 } else { repeat.min };
        let copies = needed.min((REACH - depth).div_ceil(width.max(1)));
        let after = depth.saturating_add(copies.saturating_mul(width));
        let optional = repeat.max.map(|max| max.saturating_sub(needed));
        let tail = match optional {
            _ if after >= REACH => THROUGH,
            Some(few) if few <= OPTIONAL => {
                let mut tail = then;
                for _ in 0..few {
                    let body = self.add(node, tail, after)?;
                    tail = self.push(Step::Either(vec![body, then]))?;
                }
                tail
            }
            _ => {
                let again = self.push(Step::Either(Vec::new()))?;
                let body = self.add(node, again, after)?;
                self.0[again as usize] = Step::Either(vec![body, then]);
                again
            }
        };
        (0..copies).rev().try_fold(tail, |then, copy| self.add(node, then, depth + copy * width))
    }

    /// The distinct sets of octet steps, and of each step its set's number.
    fn sets(&self) -> (Vec<Octets>, HashMap<u32, usize>) {
        let (mut sets, mut numbers, mut of_step) = (Vec::new(), HashMap::new(), HashMap::new());
        for (at, step) in self.0.iter().enumerate() {
            if let Step::Octet(set, _) = step {
                let number = *numbers.entry(*set).or_insert_with(|| {
                    sets.push(*set);
                    sets.len() - 1
                });
                of_step.insert(at as u32, number);
            }
        }
        (sets, of_step)
    }
}

/// Octets that no set tells apart share a class; of each octet its class, and of each set its classes.
fn classes(sets: &[Octets]) -> (Box<[u8; 256]>, Vec<Vec<u8>>) {
    let (mut classes, mut of_sets, mut known) = (Box::new([0u8; 256]), vec![Vec::new(); sets.len()], HashMap::new());
    for octet in 0..=u8::MAX {
        let within: Vec<bool> = sets.iter().map(|set| set.contains(octet)).collect();
        let fresh = known.len() as u8;
        classes[usize::from(octet)] = *known.entry(within).or_insert_with_key(|within| {
            of_sets.iter_mut().zip(within).filter(|(_, within)| **within).for_each(|(of_set, _)| of_set.push(fresh));
            fresh
        });
    }
    (classes, of_sets)
}

/// Follows steps that take no octet.
struct Closure<'s> {
    steps: &'s [Step],
    /// The round in which a step was seen last.
    seen: Vec<u32>,
    round: u32,
}

impl Closure<'_> {
    /// The octet steps that may come next, in order; `None`: all may have been passed.
    fn of(&mut self, mut left: Vec<u32>) -> Option<Vec<u32>> {
        self.round += 1;
        let mut found = Vec::new();
        while let Some(entry) = left.pop() {
            if std::mem::replace(self.seen.get_mut(entry as usize)?, self.round) == self.round {
                continue;
            }
            match self.steps.get(entry as usize)? {
                Step::Passed => return None,
                Step::Octet(..) => found.push(entry),
                Step::Either(entries) => left.extend(entries),
            }
        }
        found.sort_unstable();
        Some(found)
    }
}
