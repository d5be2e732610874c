//! A pattern loosened to what a lazy automaton decides: whether a match may begin at a place, "no" for certain or "perhaps".
//! It is asked from that place on alone: an automaton that looks for all beginnings at once has far more states to make.

use super::assemble::size;
use super::octets::Octets;
use super::tree::{Assertion, Node, Repeat};
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{Compiler, Config, WhichCaptures};
use regex_automata::util::pool::{Pool, PoolGuard};
use regex_automata::{Anchored, Input, hybrid};
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, Look, Repetition};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Octets of the automaton's states that are kept; beyond it is begun anew.
const CACHE: usize = 3 << 20;
/// Octets of the automaton before it is made deterministic.
const NFA: usize = 4 << 20;
/// Counts of one octet set, of other nodes, and of large nodes are kept up to these numbers, then loosened to "or more".
const OCTETS: u32 = 16;
const COPIES: u32 = 6;
const LARGE_COPIES: u32 = 3;
/// Nodes of a large node.
const LARGE: usize = 60;
/// Places after which it is seen whether the screen is worth its cost, and how often it may give up.
const TRIAL: u32 = 256;
const GIVEN_UP: u32 = 3;
/// Octets that a beginning is followed before it is believed.
const REACH: usize = 512;

type MakeCache = Box<dyn Fn() -> Cache + Send + Sync + UnwindSafe + RefUnwindSafe>;

pub struct Screen {
    dfa: DFA,
    caches: Pool<Cache, MakeCache>,
    /// Places asked about, how many of them were let through, and how often the automaton outgrew its memory.
    asked: AtomicU32,
    passed: AtomicU32,
    given_up: AtomicU32,
}

impl Screen {
    pub fn new(tree: &Node) -> Option<Screen> {
        let config = Config::new().utf8(false).which_captures(WhichCaptures::None).nfa_size_limit(Some(NFA));
        let nfa = Compiler::new().configure(config).build_from_hir(&loosened(tree, true)).ok()?;
        let config = hybrid::dfa::Config::new()
            .cache_capacity(CACHE)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(1))
            .minimum_bytes_per_state(Some(8));
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).ok()?;
        let maker = dfa.clone();
        let caches: Pool<Cache, MakeCache> = Pool::new(Box::new(move || maker.create_cache()));
        let [asked, passed, given_up] = [0; 3].map(AtomicU32::new);
        Some(Screen { dfa, caches, asked, passed, given_up })
    }

    /// Has it turned away too little for what it costs?
    pub fn is_useless(&self) -> bool {
        let asked = self.asked.load(Relaxed);
        self.given_up.load(Relaxed) > GIVEN_UP || asked > TRIAL && self.passed.load(Relaxed) > asked / 4
    }

    pub fn questions(&self) -> Questions<'_> {
        Questions { screen: self, cache: self.caches.get(), asked: 0, passed: 0 }
    }
}

/// Questions of one search to a screen.
pub struct Questions<'s> {
    screen: &'s Screen,
    cache: PoolGuard<'s, Cache, MakeCache>,
    asked: u32,
    passed: u32,
}

impl Questions<'_> {
    /// Could a match begin here? Octets looked at are taken off `steps`.
    pub fn may_begin(&mut self, subject: &[u8], start: usize, steps: &mut u64) -> bool {
        let end = subject.len().min(start + REACH);
        let input = Input::new(subject).range(start..subject.len()).anchored(Anchored::Yes);
        self.asked += 1;
        let (perhaps, octets) = self.follow(&input, subject.get(start..end).unwrap_or(&[]), end == subject.len());
        *steps = steps.saturating_sub(octets as u64 / 8);
        self.passed += u32::from(perhaps);
        perhaps
    }

    fn follow(&mut self, input: &Input<'_>, octets: &[u8], to_end: bool) -> (bool, usize) {
        let dfa = &self.screen.dfa;
        let Ok(mut state) = dfa.start_state_forward(&mut self.cache, input) else { return (true, 0) };
        for (at, octet) in octets.iter().enumerate() {
            match dfa.next_state(&mut self.cache, state, *octet) {
                Ok(next) if next.is_dead() => return (false, at),
                Ok(next) if next.is_match() || next.is_quit() => return (true, at),
                Ok(next) => state = next,
                Err(_) => {
                    self.screen.given_up.fetch_add(1, Relaxed);
                    return (true, at);
                }
            }
        }
        let at_end = to_end && dfa.next_eoi_state(&mut self.cache, state).is_ok_and(|state| !state.is_match());
        (!at_end, octets.len())
    }
}

impl Drop for Questions<'_> {
    fn drop(&mut self) {
        self.screen.asked.fetch_add(self.asked, Relaxed);
        self.screen.passed.fetch_add(self.passed, Relaxed);
    }
}

fn class(octets: Octets) -> Hir {
    let mut ranges: Vec<ClassBytesRange> = Vec::new();
    for octet in octets.iter() {
        match ranges.last_mut() {
            Some(last) if last.end().checked_add(1) == Some(octet) => *last = ClassBytesRange::new(last.start(), octet),
            _ => ranges.push(ClassBytesRange::new(octet, octet)),
        }
    }
    Hir::class(Class::Bytes(ClassBytes::new(ranges)))
}

/// The tree with everything dropped that an automaton cannot judge, and large counts opened: it matches at least as much.
/// `last`: the node stands at the end of the pattern, where what may be empty need not be looked for.
fn loosened(node: &Node, last: bool) -> Hir {
    match node {
        Node::Empty | Node::Look(_) | Node::Keep | Node::Verb(_) => Hir::empty(),
        Node::Set(set) => class(*set),
        Node::Concat(nodes) => concat(nodes, last),
        Node::Alternate(nodes) => Hir::alternation(nodes.iter().map(|node| loosened(node, last)).collect()),
        Node::Group(_, node) | Node::Atomic(node) => loosened(node, last),
        Node::Repeat(repeat) => repetition(repeat, last),
        Node::Assert(assertion) => match assertion {
            Assertion::TextStart => Hir::look(Look::Start),
            Assertion::LineStart => Hir::look(Look::StartLF),
            Assertion::TextEnd => Hir::look(Look::End),
            Assertion::TextEndOrFinalLf | Assertion::LineEnd => Hir::look(Look::EndLF),
            Assertion::WordBoundary => Hir::look(Look::WordAscii),
            Assertion::NotWordBoundary => Hir::look(Look::WordAsciiNegate),
            Assertion::SearchStart => Hir::empty(),
        },
        Node::Backreference(_) | Node::Recurse(_) => anything(),
        Node::Conditional(conditional) => Hir::alternation(vec![loosened(&conditional.yes, false), loosened(&conditional.no, false)]),
    }
}

fn concat(mut nodes: &[Node], last: bool) -> Hir {
    // An assertion may say more than the empty match it allows.
    let idle = |node: &Node| node.width().0 == 0 && !node.any(&|node| matches!(node, Node::Assert(_)));
    while let ([rest @ .., end], true) = (nodes, last)
        && idle(end)
    {
        nodes = rest;
    }
    let part = |(at, node)| loosened(node, last && at + 1 == nodes.len());
    Hir::concat(nodes.iter().enumerate().map(part).collect())
}

fn repetition(repeat: &Repeat, last: bool) -> Hir {
    let kept = match &repeat.node {
        Node::Set(_) => OCTETS,
        node if size(node) > LARGE => LARGE_COPIES,
        _ => COPIES,
    };
    let min = repeat.min.min(kept);
    if last && min > 0 {
        let part = |at| loosened(&repeat.node, at + 1 == min);
        return Hir::concat((0..min).map(part).collect());
    }
    let max = repeat.max.filter(|max| *max <= kept);
    Hir::repetition(Repetition { min, max, greedy: true, sub: Box::new(loosened(&repeat.node, false)) })
}

fn anything() -> Hir {
    Hir::repetition(Repetition { min: 0, max: None, greedy: true, sub: Box::new(class(Octets::ALL)) })
}
