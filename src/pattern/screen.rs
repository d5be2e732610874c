//! A pattern loosened to what a lazy automaton decides in one pass: it says "no" for certain, or "perhaps".

use super::octets::Octets;
use super::tree::{Assertion, Node};
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{Compiler, Config, WhichCaptures};
use regex_automata::util::pool::Pool;
use regex_automata::{Input, hybrid};
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, Look, Repetition};
use std::panic::{RefUnwindSafe, UnwindSafe};

/// Octets of the automaton's states that are kept; beyond it is begun anew.
const CACHE: usize = 1 << 20;
/// Octets of the automaton before it is made deterministic.
const NFA: usize = 2 << 20;
/// Counts are kept up to this number, then loosened to "or more".
const COPIES: u32 = 6;

type MakeCache = Box<dyn Fn() -> Cache + Send + Sync + UnwindSafe + RefUnwindSafe>;

pub struct Screen {
    dfa: DFA,
    caches: Pool<Cache, MakeCache>,
}

impl Screen {
    pub fn new(tree: &Node) -> Option<Screen> {
        let config = Config::new().utf8(false).which_captures(WhichCaptures::None).nfa_size_limit(Some(NFA));
        let nfa = Compiler::new().configure(config).build_from_hir(&loosened(tree)).ok()?;
        let config = hybrid::dfa::Config::new().cache_capacity(CACHE).skip_cache_capacity_check(true).minimum_cache_clear_count(Some(4));
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).ok()?;
        let maker = dfa.clone();
        let caches: Pool<Cache, MakeCache> = Pool::new(Box::new(move || maker.create_cache()));
        Some(Screen { dfa, caches })
    }

    /// Could a match begin at or after `from`?
    pub fn may_match(&self, subject: &[u8], from: usize) -> bool {
        if from > subject.len() {
            return false;
        }
        let input = Input::new(subject).range(from..).earliest(true);
        let mut cache = self.caches.get();
        // An automaton that gave up knows nothing: perhaps.
        self.dfa.try_search_fwd(&mut cache, &input).map_or(true, |found| found.is_some())
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
fn loosened(node: &Node) -> Hir {
    match node {
        Node::Empty | Node::Look(_) | Node::Keep | Node::Verb(_) => Hir::empty(),
        Node::Set(set) => class(*set),
        Node::Concat(nodes) => Hir::concat(nodes.iter().map(loosened).collect()),
        Node::Alternate(nodes) => Hir::alternation(nodes.iter().map(loosened).collect()),
        Node::Group(_, node) | Node::Atomic(node) => loosened(node),
        Node::Repeat(repeat) => Hir::repetition(Repetition {
            min: repeat.min.min(COPIES),
            max: repeat.max.filter(|max| *max <= COPIES),
            greedy: true,
            sub: Box::new(loosened(&repeat.node)),
        }),
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
        Node::Conditional(conditional) => Hir::alternation(vec![loosened(&conditional.yes), loosened(&conditional.no)]),
    }
}

fn anything() -> Hir {
    Hir::repetition(Repetition { min: 0, max: None, greedy: true, sub: Box::new(class(Octets::ALL)) })
}
