//! A pattern loosened to what a lazy automaton decides in one pass: it says "no" for certain, or "perhaps".

use super::assemble::{is_anchored, size};
use super::octets::Octets;
use super::tree::{Assertion, Node, Repeat};
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{Compiler, Config, WhichCaptures};
use regex_automata::util::pool::Pool;
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
/// Searches after which it is seen whether the screen is worth its cost, and how often it may give up.
const TRIAL: u32 = 64;
const GIVEN_UP: u32 = 3;

type MakeCache = Box<dyn Fn() -> Cache + Send + Sync + UnwindSafe + RefUnwindSafe>;

pub struct Screen {
    dfa: DFA,
    caches: Pool<Cache, MakeCache>,
    /// A match begins at the start of the text alone.
    anchored: bool,
    /// Octets of the longest match, where that is known.
    longest: Option<u32>,
    /// Searches, how many of them were let through, and how often the automaton outgrew its memory.
    asked: AtomicU32,
    passed: AtomicU32,
    given_up: AtomicU32,
}

impl Screen {
    pub fn new(tree: &Node) -> Option<Screen> {
        let config = Config::new().utf8(false).which_captures(WhichCaptures::None).nfa_size_limit(Some(NFA));
        let nfa = Compiler::new().configure(config).build_from_hir(&loosened(tree, Ends::BOTH)).ok()?;
        let config = hybrid::dfa::Config::new()
            .cache_capacity(CACHE)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(1))
            .minimum_bytes_per_state(Some(8));
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).ok()?;
        let maker = dfa.clone();
        let caches: Pool<Cache, MakeCache> = Pool::new(Box::new(move || maker.create_cache()));
        let (anchored, longest) = (is_anchored(tree), tree.width().1);
        let [asked, passed, given_up] = [0; 3].map(AtomicU32::new);
        Some(Screen { dfa, caches, anchored, longest, asked, passed, given_up })
    }

    /// Has it turned away too little for what it costs?
    pub fn is_useless(&self) -> bool {
        let asked = self.asked.load(Relaxed);
        self.given_up.load(Relaxed) > GIVEN_UP || asked > TRIAL && self.passed.load(Relaxed) > asked / 2
    }

    /// Could a match begin from `from` to `last`?
    pub fn may_match(&self, subject: &[u8], from: usize, last: usize) -> bool {
        if from > subject.len() || self.anchored && from > 0 {
            return false;
        }
        let end = self.longest.map_or(subject.len(), |longest| last.saturating_add(longest as usize).clamp(from, subject.len()));
        let anchored = if self.anchored { Anchored::Yes } else { Anchored::No };
        let input = Input::new(subject).range(from..end).anchored(anchored).earliest(true);
        let mut cache = self.caches.get();
        let found = self.dfa.try_search_fwd(&mut cache, &input);
        if found.is_err() {
            self.given_up.fetch_add(1, Relaxed);
        }
        // An automaton that gave up knows nothing: perhaps.
        let perhaps = found.map_or(true, |found| found.is_some());
        self.asked.fetch_add(1, Relaxed);
        self.passed.fetch_add(u32::from(perhaps), Relaxed);
        perhaps
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

/// Whether a node stands at the beginning, at the end of the pattern: there, what may be empty need not be looked for.
#[derive(Clone, Copy)]
struct Ends {
    front: bool,
    back: bool,
}

impl Ends {
    const BOTH: Ends = Ends { front: true, back: true };
    const NONE: Ends = Ends { front: false, back: false };
}

/// The tree with everything dropped that an automaton cannot judge, and large counts opened: it matches at least as much.
fn loosened(node: &Node, ends: Ends) -> Hir {
    match node {
        Node::Empty | Node::Look(_) | Node::Keep | Node::Verb(_) => Hir::empty(),
        Node::Set(set) => class(*set),
        Node::Concat(nodes) => concat(nodes, ends),
        Node::Alternate(nodes) => Hir::alternation(nodes.iter().map(|node| loosened(node, ends)).collect()),
        Node::Group(_, node) | Node::Atomic(node) => loosened(node, ends),
        Node::Repeat(repeat) => repetition(repeat, ends),
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
        Node::Conditional(conditional) => {
            Hir::alternation(vec![loosened(&conditional.yes, Ends::NONE), loosened(&conditional.no, Ends::NONE)])
        }
    }
}

fn concat(mut nodes: &[Node], ends: Ends) -> Hir {
    // An assertion may say more than the empty match it allows.
    let idle = |node: &Node| node.width().0 == 0 && !node.any(&|node| matches!(node, Node::Assert(_)));
    while let ([first, rest @ ..], true) = (nodes, ends.front)
        && idle(first)
    {
        nodes = rest;
    }
    while let ([rest @ .., last], true) = (nodes, ends.back)
        && idle(last)
    {
        nodes = rest;
    }
    let last = nodes.len().saturating_sub(1);
    let part = |(at, node)| loosened(node, Ends { front: ends.front && at == 0, back: ends.back && at == last });
    Hir::concat(nodes.iter().enumerate().map(part).collect())
}

fn repetition(repeat: &Repeat, ends: Ends) -> Hir {
    let kept = match &repeat.node {
        Node::Set(_) => OCTETS,
        node if size(node) > LARGE => LARGE_COPIES,
        _ => COPIES,
    };
    let min = repeat.min.min(kept);
    if (ends.front || ends.back) && min > 0 {
        let part = |at| loosened(&repeat.node, Ends { front: ends.front && at == 0, back: ends.back && at + 1 == min });
        return Hir::concat((0..min).map(part).collect());
    }
    let max = repeat.max.filter(|max| *max <= kept);
    Hir::repetition(Repetition { min, max, greedy: true, sub: Box::new(loosened(&repeat.node, Ends::NONE)) })
}

fn anything() -> Hir {
    Hir::repetition(Repetition { min: 0, max: None, greedy: true, sub: Box::new(class(Octets::ALL)) })
}
