//! From the tree to the program of the backtracking machine.

use super::first::{Next, first};
use super::frequency;
use super::octets::Octets;
use super::opening::Opening;
use super::program::*;
use super::tree::{Assertion, Condition, Conditional, Look, Node, Repeat, RepeatKind, Verb};

/// Copies of a repeated body are written out up to this many instructions.
const WRITTEN_OUT: usize = 160;

/// Patterns from this size on have an opening: it is asked before each attempt.
const WORTH_OPENING: usize = 8;

/// A body so small is written twice, where that tells better what follows.
const SMALL: usize = 64;

/// Copies of a repeat that are worth a checkpoint.
const WORTH_CHECKPOINT: u32 = 8;

/// Octets of a run at the beginning that are worth a leap.
const WORTH_LEAP: u32 = 5;

/// `captures`: keep all groups; otherwise only those that the pattern itself refers to.
pub fn assemble(tree: &Node, groups: u32, captures: bool) -> Program {
    let program = Program {
        code: vec![Instruction::Fail],
        sets: Vec::new(),
        loops: Vec::new(),
        choices: Vec::new(),
        counted: Vec::new(),
        words: Vec::new(),
        references: Vec::new(),
        registers: 2 * (groups as usize + 1),
        checkpoints: 0,
        start: start(tree),
        opening: opening(tree),
        boundary: begins_with(tree, &|node| *node == Node::Assert(Assertion::WordBoundary)),
        lone: if let Node::Set(set) = tree { Some(*set) } else { None },
        leap: leap(tree),
        least: tree.width().0 as usize,
    };
    let recursive = tree.any(&|node| matches!(node, Node::Recurse(_)));
    let mut kept = vec![captures || recursive; groups as usize + 1];
    if !captures {
        mark_referenced(tree, &mut kept);
    }
    let mut assembler =
        Assembler { program, kept, recursive, entries: vec![FAIL; groups as usize + 1], calls: Vec::new(), inside: 0, varied: false };
    assembler.entries[0] = assembler.here();
    assembler.node(tree, Next::ANY);
    if recursive {
        assembler.push(Instruction::Return { group: 0 });
    }
    assembler.push(Instruction::Match);
    for (at, group) in std::mem::take(&mut assembler.calls) {
        let to = assembler.entries.get(group as usize).copied().unwrap_or(FAIL);
        assembler.program.code[at as usize] = Instruction::Call { to, group };
    }
    assembler.program.look_for_words();
    assembler.program.code.shrink_to_fit();
    assembler.program
}

impl Program {
    /// Where a word follows a loop, the loop's end is sought by the word's rarest octet.
    fn look_for_words(&mut self) {
        for both in self.code.windows(2) {
            let [Instruction::Loop(number), Instruction::Word(word)] = both else { continue };
            let share = |(octet, other): (u8, u8)| frequency::share(&Octets::of(&[octet, other]));
            let letters = self.words[*word as usize].letters().enumerate();
            let rarest = letters.min_by(|(_, a), (_, b)| share(*a).total_cmp(&share(*b)));
            self.loops[*number as usize].probe = rarest.map(|(after, (octet, other))| Probe { octets: [octet, other, other], after });
        }
    }
}

fn mark_referenced(node: &Node, kept: &mut [bool]) {
    let mut mark = |groups: &[u32]| groups.iter().for_each(|group| kept.get_mut(*group as usize).into_iter().for_each(|kept| *kept = true));
    match node {
        Node::Backreference(reference) => mark(&reference.groups),
        Node::Conditional(conditional) => {
            if let Condition::Set(groups) = &conditional.condition {
                mark(groups);
            }
        }
        _ => {}
    }
    node.children().into_iter().for_each(|child| mark_referenced(child, kept));
}

struct Assembler {
    program: Program,
    kept: Vec<bool>,
    recursive: bool,
    /// Where each group's code begins, for calls.
    entries: Vec<u32>,
    calls: Vec<(u32, u32)>,
    /// Repeats and bodies judged alone around the node in hand.
    inside: u32,
    /// Several ways may have led here.
    varied: bool,
}

impl Assembler {
    fn here(&self) -> u32 {
        self.program.code.len() as u32
    }

    fn push(&mut self, instruction: Instruction) -> u32 {
        let at = self.here();
        self.program.code.push(instruction);
        at
    }

    fn register(&mut self) -> u32 {
        self.program.registers += 1;
        self.program.registers as u32 - 1
    }

    fn set(&mut self, set: Octets) -> u32 {
        let at = self.program.sets.iter().position(|known| *known == set).unwrap_or_else(|| {
            self.program.sets.push(set);
            self.program.sets.len() - 1
        });
        at as u32
    }

    /// `follow` must not be narrowed where a body ends that is entered from several places or judged alone.
    fn node(&mut self, node: &Node, follow: Next) {
        let follow = if self.recursive { Next::ANY } else { follow };
        if let (Node::Repeat(repeat), 0) = (node, self.inside)
            && self.varied
        {
            self.checkpoint(repeat);
        }
        let is_apart = matches!(node, Node::Repeat(_) | Node::Atomic(_) | Node::Look(_) | Node::Conditional(_));
        self.inside += u32::from(is_apart);
        match node {
            Node::Empty => {}
            Node::Set(set) => self.octet(*set),
            Node::Concat(nodes) => self.sequence(nodes, follow),
            Node::Alternate(branches) => self.alternation(branches, follow),
            Node::Repeat(repeat) => self.repeat(repeat, follow),
            Node::Group(number, node) => self.group(*number, node, follow),
            Node::Atomic(node) => self.atomic(node),
            Node::Look(look) => self.look(look),
            Node::Assert(assertion) => {
                self.push(Instruction::Assert(*assertion));
            }
            Node::Backreference(reference) => {
                self.program.references.push((reference.groups.clone(), reference.fold));
                let at = self.program.references.len() as u32 - 1;
                self.push(Instruction::Reference(at));
            }
            Node::Keep => {
                self.push(Instruction::Keep);
            }
            Node::Conditional(conditional) => self.conditional(conditional, follow),
            Node::Recurse(group) => {
                let at = self.push(Instruction::Fail);
                self.calls.push((at, *group));
            }
            Node::Verb(verb) => {
                self.push(Instruction::Barrier(match verb {
                    Verb::Commit => Barrier::Commit,
                    Verb::Prune => Barrier::Prune,
                    Verb::Skip => Barrier::Skip,
                }));
            }
        }
        self.inside -= u32::from(is_apart);
        self.varied |= self.inside == 0 && matches!(node, Node::Repeat(_) | Node::Alternate(_));
    }

    /// Before a repeat that may take long, in a place where it may be come to again.
    fn checkpoint(&mut self, repeat: &Repeat) {
        let long = !matches!(repeat.node, Node::Set(_)) && repeat.max.is_none_or(|max| max >= WORTH_CHECKPOINT);
        if let (true, false, Ok(number)) = (long, self.recursive, u16::try_from(self.program.checkpoints)) {
            self.program.checkpoints += 1;
            self.push(Instruction::Checkpoint(number));
        }
    }

    fn octet(&mut self, set: Octets) {
        let instruction = match set.single() {
            Some(octet) => Instruction::Octet(octet),
            None if set.is_empty() => Instruction::Fail,
            None => Instruction::Set(self.set(set)),
        };
        self.push(instruction);
    }

    fn sequence(&mut self, nodes: &[Node], follow: Next) {
        // What may follow each node, from the right.
        let mut nexts = vec![follow; nodes.len()];
        for at in (1..nodes.len()).rev() {
            nexts[at - 1] = first(&nodes[at], nexts[at]);
        }
        let mut at = 0;
        while at < nodes.len() {
            let literal = nodes[at..].iter().map_while(letter).collect::<Vec<_>>();
            if literal.len() >= 2 {
                self.literal(&literal);
                at += literal.len();
            } else {
                self.node(&nodes[at], nexts[at]);
                at += 1;
            }
        }
    }

    fn literal(&mut self, letters: &[(u8, bool)]) {
        for word in letters.chunks(8) {
            self.program.words.push(Word::new(word));
            self.push(Instruction::Word(self.program.words.len() as u32 - 1));
        }
    }

    fn alternation(&mut self, branches: &[Node], follow: Next) {
        let at = self.push(Instruction::Fail);
        let mut starts = Vec::new();
        let mut jumps = Vec::new();
        for branch in branches {
            starts.push((self.here(), first(branch, follow)));
            self.node(branch, follow);
            jumps.push(self.push(Instruction::Fail));
        }
        let end = self.here();
        for jump in jumps {
            self.program.code[jump as usize] = Instruction::Jump(end);
        }
        self.program.choices.push(choice(&starts));
        self.program.code[at as usize] = Instruction::Choose(self.program.choices.len() as u32 - 1);
    }

    fn group(&mut self, number: u32, node: &Node, follow: Next) {
        self.entries[number as usize] = self.here();
        if !self.kept[number as usize] {
            return self.node(node, follow);
        }
        let register = self.register();
        self.push(Instruction::Open { register });
        self.node(node, follow);
        self.push(Instruction::Close { group: number, register });
        if self.recursive {
            self.push(Instruction::Return { group: number });
        }
    }

    fn atomic(&mut self, node: &Node) {
        let register = self.register();
        self.push(Instruction::Enter { register, other: FAIL });
        self.node(node, Next::ANY);
        self.push(Instruction::Commit { register, back: false });
    }

    fn look(&mut self, look: &Look) {
        let register = self.register();
        let enter = self.push(Instruction::Enter { register, other: FAIL });
        self.look_body(look);
        if look.negative {
            self.push(Instruction::Undo { register });
            self.push(Instruction::Fail);
            let other = self.here();
            self.program.code[enter as usize] = Instruction::Enter { register, other };
        } else {
            self.push(Instruction::Commit { register, back: true });
        }
    }

    fn look_body(&mut self, look: &Look) {
        if look.ahead {
            return self.node(&look.node, Next::ANY);
        }
        let register = self.register();
        self.push(Instruction::Behind { register, least: look.behind.0, most: look.behind.1 });
        self.node(&look.node, Next::ANY);
        self.push(Instruction::BehindEnd { register });
    }

    fn conditional(&mut self, conditional: &Conditional, follow: Next) {
        let (yes, no) = (&conditional.yes, &conditional.no);
        match &conditional.condition {
            Condition::Never => {
                // Groups inside are only called.
                let over = self.push(Instruction::Fail);
                self.node(yes, Next::ANY);
                let end = self.here();
                self.program.code[over as usize] = Instruction::Jump(end);
            }
            Condition::Set(groups) => {
                // A condition on a group that does not exist is never met.
                let groups = groups.iter().copied().filter(|group| (*group as usize) < self.kept.len()).collect();
                self.program.references.push((groups, super::tree::Fold::None));
                let reference = self.program.references.len() as u32 - 1;
                let at = self.push(Instruction::Fail);
                let other = self.two(yes, no, follow);
                self.program.code[at as usize] = Instruction::IfSet { reference, other };
            }
            Condition::Look(look) => {
                let register = self.register();
                let enter = self.push(Instruction::Fail);
                self.look_body(look);
                let (hit, miss) = if look.negative { (no, yes) } else { (yes, no) };
                self.push(if look.negative { Instruction::Undo { register } } else { Instruction::Commit { register, back: true } });
                let other = self.two(hit, miss, follow);
                self.program.code[enter as usize] = Instruction::Enter { register, other };
            }
        }
    }

    /// `here` and, over a jump, `there`; says where `there` begins.
    fn two(&mut self, here: &Node, there: &Node, follow: Next) -> u32 {
        self.node(here, follow);
        let jump = self.push(Instruction::Fail);
        let other = self.here();
        self.node(there, follow);
        let end = self.here();
        self.program.code[jump as usize] = Instruction::Jump(end);
        other
    }

    fn repeat(&mut self, repeat: &Repeat, follow: Next) {
        if let Node::Set(set) = repeat.node {
            return self.set_loop(set, repeat, follow);
        }
        if repeat.kind == RepeatKind::Possessive {
            let greedy = Repeat { kind: RepeatKind::Greedy, ..repeat.clone() };
            return self.atomic(&Node::Repeat(Box::new(greedy)));
        }
        if repeat.max == Some(0) {
            let over = self.push(Instruction::Fail);
            self.node(&repeat.node, Next::ANY);
            let end = self.here();
            self.program.code[over as usize] = Instruction::Jump(end);
            return;
        }
        let body_follow = follow.union(first(&repeat.node, follow));
        let nullable = repeat.node.width().0 == 0;
        let size = size(&repeat.node);
        let copies = repeat.max.unwrap_or(repeat.min + 1) as usize;
        if (nullable && repeat.max.is_none_or(|max| max > 1)) || size.saturating_mul(copies) > WRITTEN_OUT.max(size) {
            return self.counted(repeat, body_follow, follow);
        }
        for _ in 0..repeat.min {
            self.node(&repeat.node, body_follow);
        }
        match repeat.max {
            None => self.endless(repeat, body_follow, follow),
            Some(max) => self.optional(repeat, max - repeat.min, body_follow, follow),
        }
    }

    fn split(&mut self, at: u32, repeat: &Repeat, other: u32, follow: Next) {
        let entry = first(&repeat.node, follow);
        self.program.code[at as usize] = if repeat.kind == RepeatKind::Lazy {
            Instruction::SplitLast { other }
        } else if !entry.end && entry.octets != Octets::ALL && repeat.node.width().0 > 0 {
            let (on, out) = (self.set(entry.octets), self.set(follow.octets));
            Instruction::SplitIf { on, out, other }
        } else {
            Instruction::Split { other }
        };
    }

    fn endless(&mut self, repeat: &Repeat, body_follow: Next, follow: Next) {
        let at = self.push(Instruction::Fail);
        self.node(&repeat.node, body_follow);
        self.push(Instruction::Jump(at));
        let other = self.here();
        self.split(at, repeat, other, follow);
    }

    fn optional(&mut self, repeat: &Repeat, times: u32, body_follow: Next, follow: Next) {
        let mut splits = Vec::new();
        for _ in 0..times {
            splits.push(self.push(Instruction::Fail));
            self.node(&repeat.node, body_follow);
        }
        let other = self.here();
        for at in splits {
            self.split(at, repeat, other, follow);
        }
    }

    fn counted(&mut self, repeat: &Repeat, body_follow: Next, follow: Next) {
        if repeat.min >= 2 && !self.recursive && repeat.node.width().0 > 0 && size(&repeat.node) <= SMALL {
            // All copies but the last that is needed are followed by another.
            let most = repeat.min - 1;
            let again = first(&repeat.node, body_follow);
            self.counted(&Repeat { min: most, max: Some(most), ..repeat.clone() }, again, again);
            return self.counted(&Repeat { min: 1, max: repeat.max.map(|max| max - most), ..repeat.clone() }, body_follow, follow);
        }
        let nullable = repeat.node.width().0 == 0;
        let count = self.register();
        let last = nullable.then(|| self.register());
        let on = if nullable { None } else { self.narrow(first(&repeat.node, follow)) };
        let out = self.narrow(follow);
        let at = self.program.counted.len() as u32;
        let max = repeat.max.unwrap_or(u32::MAX);
        let lazy = repeat.kind == RepeatKind::Lazy;
        self.program.counted.push(Counted { count, last, min: repeat.min, max, lazy, body: 0, exit: 0, on, out });
        self.push(Instruction::CountStart(at));
        let head = self.push(Instruction::Count(at));
        let body = self.push(Instruction::CountBody(at)) + 1;
        self.node(&repeat.node, body_follow);
        self.push(Instruction::Jump(head));
        let exit = self.here();
        let counted = &mut self.program.counted[at as usize];
        (counted.body, counted.exit) = (body - 1, exit);
    }

    /// The set of octets that must come next; `None`: any may, or nothing.
    fn narrow(&mut self, next: Next) -> Option<u32> {
        (!next.end && next.octets != Octets::ALL).then(|| self.set(next.octets))
    }

    fn set_loop(&mut self, set: Octets, repeat: &Repeat, follow: Next) {
        let disjoint = set.intersection(follow.octets).is_empty();
        let kind = match repeat.kind {
            RepeatKind::Possessive => LoopKind::Whole,
            RepeatKind::Lazy => LoopKind::Lazy,
            RepeatKind::Greedy if disjoint => LoopKind::Whole,
            RepeatKind::Greedy => LoopKind::Greedy,
        };
        let free = follow == Next::ANY || repeat.kind == RepeatKind::Possessive;
        let outside = set.complement();
        let scan = match few(outside) {
            _ if outside.is_empty() => Scan::All,
            Some(few) => Scan::Until(few),
            None => Scan::Table,
        };
        self.program.loops.push(SetLoop {
            set,
            scan,
            min: repeat.min,
            max: repeat.max.unwrap_or(u32::MAX),
            kind,
            follow: if free { None } else { Some(follow.octets) },
            follow_end: free || follow.end,
            follow_line: follow.line,
            probe: if free || follow.end { None } else { few(follow.octets).map(|octets| Probe { octets, after: 0 }) },
        });
        let at = self.program.loops.len() as u32 - 1;
        self.push(Instruction::Loop(at));
    }
}

/// A set that is one octet, or one ASCII letter in both cases (then in lower case, true).
fn letter(node: &Node) -> Option<(u8, bool)> {
    let Node::Set(set) = node else { return None };
    if let Some(octet) = set.single() {
        return Some((octet, false));
    }
    let octet = set.iter().find(u8::is_ascii_lowercase)?;
    (*set == Octets::of(&[octet, octet.to_ascii_uppercase()])).then_some((octet, true))
}

fn choice(starts: &[(u32, Next)]) -> Choice {
    let targets = |ways: &[u64]| {
        let possible = |at: &usize| ways.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1);
        starts.iter().enumerate().filter(|(at, _)| possible(at)).map(|(_, (start, _))| *start).collect::<Vec<u32>>()
    };
    // The branches that are possible, a bit each, by octet; then at the end.
    let words = starts.len().div_ceil(64);
    let mut ways = vec![0u64; 257 * words];
    for (at, (_, next)) in starts.iter().enumerate() {
        let mut mark = |row: usize| ways[row * words + at / 64] |= 1 << (at % 64);
        next.octets.iter().for_each(|octet| mark(usize::from(octet)));
        if next.end {
            mark(256);
        }
    }
    let mut known: Vec<&[u64]> = Vec::new();
    let mut number = |row: usize| {
        let ways = &ways[row * words..(row + 1) * words];
        known.iter().position(|known| known.iter().eq(ways)).unwrap_or_else(|| {
            known.push(ways);
            known.len() - 1
        })
    };
    let mut by_octet = [0; 256];
    for octet in 0..=255u8 {
        by_octet[usize::from(octet)] = number(usize::from(octet)) as u8;
    }
    let at_end = number(256) as u16;
    Choice { by_octet, at_end, lists: known.into_iter().map(targets).collect() }
}

/// Instructions of a node, about.
pub fn size(node: &Node) -> usize {
    let own = match node {
        Node::Repeat(repeat) if !matches!(repeat.node, Node::Set(_)) => {
            return size(&repeat.node).saturating_mul(repeat.max.unwrap_or(repeat.min + 1).clamp(1, 64) as usize).saturating_add(2);
        }
        _ => 1,
    };
    node.children().into_iter().map(size).fold(own, usize::saturating_add)
}

/// Can the tree match at the start of the subject alone?
pub fn is_anchored(tree: &Node) -> bool {
    begins_with(tree, &|node| *node == Node::Assert(Assertion::TextStart))
}

fn start(tree: &Node) -> Start {
    let begins = |assertion: Assertion| begins_with(tree, &|node| *node == Node::Assert(assertion));
    if begins(Assertion::TextStart) {
        return Start::Text;
    }
    if begins(Assertion::SearchStart) {
        return Start::Search;
    }
    if begins(Assertion::LineStart) {
        return Start::Line;
    }
    let next = first(tree, Next::ANY);
    let few = if next.octets.len() <= 3 { next.octets.iter().collect() } else { Vec::new() };
    Start::Octets { octets: next.octets, few, end: next.end }
}

/// `None`: not worth it, or not allowed: a verb says what happens where an attempt fails.
fn opening(tree: &Node) -> Option<Opening> {
    let once = matches!(start(tree), Start::Text | Start::Search);
    let decides = tree.any(&|node| matches!(node, Node::Verb(_)));
    if once || decides || tree.width().0 < 2 || size(tree) < WORTH_OPENING { None } else { Opening::new(tree) }
}

/// The octets of a run that every match begins with, if it is long enough to leap along.
fn leap(node: &Node) -> Option<Leap> {
    match node {
        Node::Concat(nodes) => {
            let idle = |node: &&Node| matches!(node, Node::Look(_) | Node::Keep | Node::Assert(_));
            leap(nodes.iter().find(|node| !idle(node))?)
        }
        Node::Group(_, node) | Node::Atomic(node) => leap(node),
        Node::Repeat(repeat) => match repeat.node {
            Node::Set(octets) if repeat.min >= WORTH_LEAP => {
                let outside = octets.complement();
                let few = if outside.len() <= 3 { outside.iter().collect() } else { Vec::new() };
                Some(Leap { octets, length: repeat.min as usize, outside: few })
            }
            _ if repeat.min > 0 => leap(&repeat.node),
            _ => None,
        },
        Node::Empty
        | Node::Set(_)
        | Node::Alternate(_)
        | Node::Look(_)
        | Node::Assert(_)
        | Node::Backreference(_)
        | Node::Keep
        | Node::Conditional(_)
        | Node::Recurse(_)
        | Node::Verb(_) => None,
    }
}

/// Does every way into the tree begin with such a node?
fn begins_with(node: &Node, test: &dyn Fn(&Node) -> bool) -> bool {
    test(node)
        || match node {
            Node::Concat(nodes) => {
                let idle = |node: &&Node| matches!(node, Node::Look(_) | Node::Keep) || matches!(node, Node::Assert(_)) && !test(node);
                nodes.iter().find(|node| !idle(node)).is_some_and(|node| begins_with(node, test))
            }
            Node::Alternate(nodes) => nodes.iter().all(|node| begins_with(node, test)),
            Node::Group(_, node) | Node::Atomic(node) => begins_with(node, test),
            Node::Repeat(repeat) => repeat.min > 0 && begins_with(&repeat.node, test),
            Node::Empty
            | Node::Set(_)
            | Node::Look(_)
            | Node::Assert(_)
            | Node::Backreference(_)
            | Node::Keep
            | Node::Conditional(_)
            | Node::Recurse(_)
            | Node::Verb(_) => false,
        }
}
