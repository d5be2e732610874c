//! The backtracking machine: Perl's order of trials, on a stack of its own, within a budget of steps.

use super::octets::Octets;
use super::program::*;
use super::tree::Assertion;

/// A register that holds nothing.
pub const UNSET: u32 = u32::MAX;
/// Entries of the stack of choices.
const STACK: usize = 1 << 19;

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
    stack: Vec<Entry>,
    registers: Vec<u32>,
    frames: Vec<Frame>,
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

#[derive(Clone, Copy, Debug)]
enum Entry {
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
}

/// A call of a group: where to go on, and the registers as they were.
#[derive(Debug)]
struct Frame {
    outer: u32,
    group: u32,
    back: u32,
    registers: Vec<u32>,
}

/// What one start led to.
enum Attempt {
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
}

impl Search<'_> {
    /// The first match at or after `from`; `steps` is what may still be spent.
    pub fn run(&self, scratch: &mut Scratch, steps: &mut u64) -> Ending {
        let (subject, program) = (self.subject, self.program);
        if subject.len() >= UNSET as usize {
            return Ending::OverBudget;
        }
        let mut at = self.from;
        let mut spans = self.spans;
        scratch.reset(program.registers);
        loop {
            let next = match &mut spans {
                None => self.next_start(at),
                Some(spans) => self.next_start_within(at, spans),
            };
            let Some(start) = next else { return Ending::Miss };
            if subject.len() - start < program.least {
                return Ending::Miss;
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

    fn next_start(&self, at: usize) -> Option<usize> {
        let subject = self.subject;
        let rest = subject.get(at..)?;
        match &self.program.start {
            Start::Text => (at == 0).then_some(0),
            Start::Search => (at == self.from).then_some(at),
            Start::Line if at == 0 => Some(0),
            Start::Line => memchr::memchr(b'\n', &subject[at - 1..]).map(|lf| at + lf).filter(|start| *start < subject.len()),
            Start::Begins(begins) => begins.next(subject, at),
            Start::Octets { octets, few, end } => match first_of(rest, octets, few) {
                Some(found) => Some(at + found),
                None => end.then_some(subject.len()),
            },
        }
    }

    /// The next start that lies in one of the spans; those passed are dropped.
    fn next_start_within(&self, at: usize, spans: &mut &[(u32, u32, u32)]) -> Option<usize> {
        let mut at = at;
        loop {
            while spans.first().is_some_and(|span| (span.2 as usize) < at) {
                *spans = &spans[1..];
            }
            let span = spans.iter().find(|span| span.2 as usize >= at)?;
            let begin = at.max(span.1 as usize);
            let found = self.next_start(begin)?;
            if found <= span.2 as usize {
                return Some(found);
            }
            at = found;
        }
    }

    fn attempt(&self, start: usize, scratch: &mut Scratch, steps: &mut u64) -> Attempt {
        scratch.registers[0] = start as u32;
        let mut thread = Thread { search: self, scratch, pc: 1, at: start, frame: UNSET, steps };
        thread.run(start)
    }
}

struct Thread<'a, 's> {
    search: &'a Search<'a>,
    scratch: &'s mut Scratch,
    pc: u32,
    at: usize,
    /// The call being run.
    frame: u32,
    steps: &'s mut u64,
}

impl Thread<'_, '_> {
    fn run(&mut self, start: usize) -> Attempt {
        let (subject, program) = (self.search.subject, self.search.program);
        loop {
            let Some(instruction) = program.code.get(self.pc as usize) else { return Attempt::Never };
            self.pc += 1;
            let goes_on = match *instruction {
                Instruction::Octet(octet) => self.step(subject.get(self.at) == Some(&octet)),
                Instruction::Set(set) => {
                    let inside = subject.get(self.at).is_some_and(|octet| program.sets[set as usize].contains(*octet));
                    self.step(inside)
                }
                Instruction::Text { from, length } => {
                    let text = &program.text[from as usize..(from + length) as usize];
                    let same = subject.get(self.at..self.at + text.len()) == Some(text);
                    self.at += text.len();
                    same
                }
                Instruction::Caseless { from, length } => {
                    let text = &program.text[from as usize..(from + length) as usize];
                    let same = subject.get(self.at..self.at + text.len()).is_some_and(|there| there.eq_ignore_ascii_case(text));
                    self.at += text.len();
                    same
                }
                Instruction::Match => {
                    if !(self.search.not_empty && self.at <= self.search.from) {
                        self.scratch.registers[1] = self.at as u32;
                        return Attempt::Hit(self.at);
                    }
                    false
                }
                other => self.control(other, start),
            };
            if goes_on {
                continue;
            }
            if *self.steps == 0 || self.scratch.stack.len() > STACK {
                return Attempt::OverBudget;
            }
            *self.steps -= 1;
            if let Some(ending) = self.backtrack() {
                return ending;
            }
        }
    }

    /// Octets looked at one by one, or many at a time, as steps.
    fn charge(&mut self, octets: usize, many: bool) {
        let steps = octets as u64 / if many { 128 } else { 8 };
        *self.steps = self.steps.saturating_sub(steps);
    }

    fn step(&mut self, inside: bool) -> bool {
        self.at += 1;
        inside
    }

    fn push(&mut self, entry: Entry) {
        *self.steps = self.steps.saturating_sub(1);
        self.scratch.stack.push(entry);
    }

    fn branch(&mut self, pc: u32) {
        self.push(Entry::Branch { pc, at: self.at as u32 });
    }

    fn assign(&mut self, register: u32, value: u32) {
        let old = std::mem::replace(&mut self.scratch.registers[register as usize], value);
        self.push(Entry::Register { register, old });
    }

    fn read(&self, register: u32) -> u32 {
        self.scratch.registers[register as usize]
    }

    fn control(&mut self, instruction: Instruction, start: usize) -> bool {
        *self.steps = self.steps.saturating_sub(1);
        let program = self.search.program;
        match instruction {
            Instruction::Jump(to) => {
                self.pc = to;
                // Endless loops pass here: they too cost steps.
                if *self.steps == 0 {
                    return false;
                }
                *self.steps -= 1;
            }
            Instruction::Split { other } => self.branch(other),
            Instruction::SplitLast { other } => {
                self.branch(self.pc);
                self.pc = other;
            }
            Instruction::SplitIf { set, other } => {
                if self.search.subject.get(self.at).is_some_and(|octet| program.sets[set as usize].contains(*octet)) {
                    self.branch(other);
                } else {
                    self.pc = other;
                }
            }
            Instruction::Choose(choice) => return self.choose(choice),
            Instruction::Loop(number) => return self.set_loop(&program.loops[number as usize]),
            Instruction::CountStart(counted) => {
                let counted = program.counted[counted as usize];
                self.assign(counted.count, 0);
                self.assign(counted.last, UNSET);
            }
            Instruction::Count(counted) => self.count(program.counted[counted as usize]),
            Instruction::CountBody(counted) => {
                let counted = program.counted[counted as usize];
                self.assign(counted.count, self.read(counted.count) + 1);
                self.assign(counted.last, self.at as u32);
            }
            Instruction::Open { register } => self.assign(register, self.at as u32),
            Instruction::Close { group, register } => {
                self.assign(2 * group, self.read(register));
                self.assign(2 * group + 1, self.at as u32);
            }
            Instruction::Assert(assertion) => return self.holds(assertion),
            Instruction::Reference(reference) => return self.reference(reference),
            Instruction::Keep => self.assign(0, self.at as u32),
            Instruction::IfSet { reference, other } => {
                let (groups, _) = &program.references[reference as usize];
                if !groups.iter().any(|group| self.read(2 * group + 1) != UNSET) {
                    self.pc = other;
                }
            }
            Instruction::Enter { .. }
            | Instruction::Commit { .. }
            | Instruction::Undo { .. }
            | Instruction::Behind { .. }
            | Instruction::BehindEnd { .. } => return self.body(instruction),
            Instruction::Call { to, group } => return self.call(to, group),
            Instruction::Return { group } => self.give_back(group),
            Instruction::Barrier(kind) => self.push(Entry::Barrier { kind, at: self.at as u32 }),
            Instruction::Fail => return false,
            Instruction::Match | Instruction::Octet(_) | Instruction::Set(_) | Instruction::Text { .. } | Instruction::Caseless { .. } => {
                debug_assert!(start <= self.at)
            }
        }
        true
    }

    fn choose(&mut self, choice: u32) -> bool {
        let pc = self.pc - 1;
        let choice = &self.search.program.choices[choice as usize];
        let list = match self.search.subject.get(self.at) {
            Some(octet) => u16::from(choice.by_octet[usize::from(*octet)]),
            None => choice.at_end,
        };
        let targets = &choice.lists[usize::from(list)];
        let Some(first) = targets.first() else { return false };
        match targets.get(1..) {
            Some([second]) => self.branch(*second),
            Some([_, ..]) => self.push(Entry::Choice { pc, at: self.at as u32, list, next: 1 }),
            Some([]) | None => {}
        }
        self.pc = *first;
        true
    }

    fn count(&mut self, counted: Counted) {
        let times = self.read(counted.count);
        let idle = times > 0 && self.read(counted.last) == self.at as u32;
        if idle || times >= counted.max {
            self.pc = counted.exit;
        } else if times < counted.min {
            self.pc = counted.body;
        } else if counted.lazy {
            self.branch(counted.body);
            self.pc = counted.exit;
        } else {
            self.branch(counted.exit);
            self.pc = counted.body;
        }
    }

    fn holds(&self, assertion: Assertion) -> bool {
        let (subject, at) = (self.search.subject, self.at);
        match assertion {
            Assertion::TextStart => at == 0,
            Assertion::LineStart => at == 0 || (at < subject.len() && subject[at - 1] == b'\n'),
            Assertion::TextEnd => at == subject.len(),
            Assertion::TextEndOrFinalLf => at == subject.len() || (at + 1 == subject.len() && subject[at] == b'\n'),
            Assertion::LineEnd => subject.get(at).is_none_or(|octet| *octet == b'\n'),
            Assertion::WordBoundary => self.at_boundary(),
            Assertion::NotWordBoundary => !self.at_boundary(),
            Assertion::SearchStart => at == self.search.from,
        }
    }

    fn at_boundary(&self) -> bool {
        let word = |octet: Option<&u8>| octet.is_some_and(|octet| octet.is_ascii_alphanumeric() || *octet == b'_');
        let before = self.at.checked_sub(1).and_then(|at| self.search.subject.get(at));
        word(before) != word(self.search.subject.get(self.at))
    }

    fn reference(&mut self, reference: u32) -> bool {
        let (groups, fold) = &self.search.program.references[reference as usize];
        let set = groups.iter().find(|group| self.read(2 * **group + 1) != UNSET);
        let Some(group) = set else { return false };
        let (start, end) = (self.read(2 * group) as usize, self.read(2 * group + 1) as usize);
        let subject = self.search.subject;
        let (Some(then), Some(now)) = (subject.get(start..end), subject.get(self.at..self.at + (end - start))) else { return false };
        self.charge(then.len(), false);
        let same = then == now || then.iter().zip(now).all(|(a, b)| fold.same(*a, *b));
        self.at += then.len();
        same
    }

    /// Bodies that are judged alone: look-arounds, atomic groups.
    fn body(&mut self, instruction: Instruction) -> bool {
        match instruction {
            Instruction::Enter { register, other } => {
                let height = self.scratch.stack.len() as u32 + 1;
                self.assign(register, height);
                self.branch(other);
            }
            Instruction::Commit { register, back } => {
                let height = self.read(register) as usize;
                if let (true, Some(Entry::Branch { at, .. })) = (back, self.scratch.stack.get(height)) {
                    self.at = *at as usize;
                }
                self.forget_choices(height);
            }
            Instruction::Undo { register } => {
                let height = self.read(register) as usize;
                if let Some(Entry::Branch { at, .. }) = self.scratch.stack.get(height) {
                    self.at = *at as usize;
                }
                while self.scratch.stack.len() > height {
                    self.undo_last();
                }
            }
            Instruction::Behind { register, least, most } => {
                self.assign(register, self.at as u32);
                return self.step_back(self.at as u32, least, most);
            }
            Instruction::BehindEnd { register } => return self.read(register) == self.at as u32,
            _ => {}
        }
        true
    }

    fn step_back(&mut self, origin: u32, length: u32, most: u32) -> bool {
        if length > origin {
            return false;
        }
        if length < most {
            self.push(Entry::Behind { pc: self.pc, at: origin, length: length + 1 });
        }
        self.at = (origin - length) as usize;
        true
    }

    /// Choices above `height` go; what restores registers stays.
    fn forget_choices(&mut self, height: usize) {
        let mut kept = height;
        self.charge(self.scratch.stack.len().saturating_sub(height), false);
        for at in height..self.scratch.stack.len() {
            let entry = self.scratch.stack[at];
            if matches!(entry, Entry::Register { .. } | Entry::Frame { .. } | Entry::Barrier { .. }) {
                self.scratch.stack[kept] = entry;
                kept += 1;
            }
        }
        self.scratch.stack.truncate(kept);
    }

    fn undo_last(&mut self) {
        match self.scratch.stack.pop() {
            Some(Entry::Register { register, old }) => self.scratch.registers[register as usize] = old,
            Some(Entry::Frame { old }) => self.frame = old,
            _ => {}
        }
    }

    fn call(&mut self, to: u32, group: u32) -> bool {
        let registers = self.scratch.registers.clone();
        *self.steps = self.steps.saturating_sub(registers.len() as u64);
        self.scratch.frames.push(Frame { outer: self.frame, group, back: self.pc, registers });
        self.push(Entry::Frame { old: self.frame });
        self.frame = self.scratch.frames.len() as u32 - 1;
        self.pc = to;
        self.scratch.frames.len() < STACK / 16
    }

    /// The end of a group: back to the caller, if this call was of this group.
    fn give_back(&mut self, group: u32) {
        let Some(frame) = self.scratch.frames.get(self.frame as usize) else { return };
        if frame.group != group {
            return;
        }
        let (outer, back, registers) = (frame.outer, frame.back, frame.registers.clone());
        for (register, value) in registers.into_iter().enumerate() {
            if self.scratch.registers[register] != value {
                self.assign(register as u32, value);
            }
        }
        self.push(Entry::Frame { old: self.frame });
        self.frame = outer;
        self.pc = back;
    }

    /// Back to the last choice; an ending when there is none.
    fn backtrack(&mut self) -> Option<Attempt> {
        loop {
            match self.scratch.stack.pop() {
                None => return Some(Attempt::Miss),
                Some(Entry::Register { register, old }) => self.scratch.registers[register as usize] = old,
                Some(Entry::Frame { old }) => self.frame = old,
                Some(Entry::Branch { pc: FAIL, .. }) => {}
                Some(Entry::Branch { pc, at }) => {
                    (self.pc, self.at) = (pc, at as usize);
                    return None;
                }
                Some(Entry::Greedy { pc, at, least }) => {
                    if self.give_up_one(pc, at as usize, least as usize) {
                        return None;
                    }
                }
                Some(Entry::Lazy { pc, at, most }) => {
                    if self.take_one(pc, at as usize, most as usize) {
                        return None;
                    }
                }
                Some(Entry::Choice { pc, at, list, next }) => {
                    self.next_choice(pc, at, list, next);
                    return None;
                }
                Some(Entry::Behind { pc, at, length }) => {
                    self.pc = pc;
                    if let Some(Instruction::Behind { most, .. }) = self.search.program.code.get(pc as usize - 1)
                        && self.step_back(at, length, *most)
                    {
                        return None;
                    }
                }
                Some(Entry::Barrier { kind: Barrier::Commit, .. }) => return Some(Attempt::Never),
                Some(Entry::Barrier { kind: Barrier::Prune, .. }) => return Some(Attempt::SkipTo(0)),
                Some(Entry::Barrier { kind: Barrier::Skip, at }) => return Some(Attempt::SkipTo(at as usize)),
            }
        }
    }

    fn next_choice(&mut self, pc: u32, at: u32, list: u16, next: u16) {
        let Some(Instruction::Choose(choice)) = self.search.program.code.get(pc as usize) else { return };
        let targets = &self.search.program.choices[*choice as usize].lists[usize::from(list)];
        let after = next + 1;
        if usize::from(after) < targets.len() {
            self.push(Entry::Choice { pc, at, list, next: after });
        }
        (self.pc, self.at) = (targets[usize::from(next)], at as usize);
    }

    // Repeats of one set.

    fn set_loop(&mut self, set_loop: &SetLoop) -> bool {
        let most = self.at.saturating_add(set_loop.max as usize).min(self.search.subject.len());
        let least = self.at + set_loop.min as usize;
        if least > self.search.subject.len() {
            return false;
        }
        let pc = self.pc - 1;
        match set_loop.kind {
            LoopKind::Lazy => {
                self.charge(set_loop.min as usize, false);
                if self.run_end(set_loop, self.at, least) < least {
                    return false;
                }
                self.offer_more(pc, set_loop, least, most)
            }
            LoopKind::Greedy | LoopKind::Whole => {
                let end = self.run_end(set_loop, self.at, most);
                self.charge(end - self.at, set_loop.scan != Scan::Table);
                if end < least {
                    return false;
                }
                if set_loop.kind == LoopKind::Whole {
                    self.at = end;
                    return self.may_follow(set_loop, end);
                }
                self.settle(pc, set_loop, end, least)
            }
        }
    }

    /// How far the set reaches from `at`, up to `most`.
    fn run_end(&self, set_loop: &SetLoop, at: usize, most: usize) -> usize {
        let there = &self.search.subject[at..most];
        let length = match set_loop.scan {
            Scan::All => None,
            Scan::Until(octet) => memchr::memchr(octet, there),
            Scan::Table => there.iter().position(|octet| !set_loop.set.contains(*octet)),
        };
        length.map_or(most, |length| at + length)
    }

    fn may_follow(&self, set_loop: &SetLoop, at: usize) -> bool {
        match (&set_loop.follow, self.search.subject.get(at)) {
            (None, _) => true,
            (Some(octets), Some(octet)) => octets.contains(*octet),
            (Some(_), None) => set_loop.follow_end,
        }
    }

    /// Go on at the last place from `end` down to `least` where what follows is possible.
    fn settle(&mut self, pc: u32, set_loop: &SetLoop, end: usize, least: usize) -> bool {
        let subject = self.search.subject;
        let place = match (&set_loop.follow, set_loop.follow_one) {
            (None, _) => Some(end),
            (Some(_), Some(octet)) => {
                let most = (end + 1).min(subject.len());
                subject.get(least..most).and_then(|there| memchr::memrchr(octet, there)).map(|found| least + found)
            }
            (Some(octets), None) => last_place(subject, octets, set_loop.follow_end, end, least),
        };
        let Some(place) = place else {
            self.charge(end - least, set_loop.follow_one.is_some());
            return false;
        };
        self.charge(end - place, set_loop.follow_one.is_some());
        if place > least {
            self.push(Entry::Greedy { pc, at: place as u32, least: least as u32 });
        }
        (self.pc, self.at) = (pc + 1, place);
        true
    }

    fn give_up_one(&mut self, pc: u32, at: usize, least: usize) -> bool {
        match self.search.program.code.get(pc as usize) {
            Some(Instruction::Loop(number)) => self.settle(pc, &self.search.program.loops[*number as usize], at - 1, least),
            _ => false,
        }
    }

    /// Go on at the first place from `at` up to `most` where what follows is possible; all before must be of the set.
    fn offer_more(&mut self, pc: u32, set_loop: &SetLoop, at: usize, most: usize) -> bool {
        let mut place = at;
        while !self.may_follow(set_loop, place) {
            if place >= most || !set_loop.set.contains(self.search.subject[place]) {
                self.charge(place - at, false);
                return false;
            }
            place += 1;
        }
        self.charge(place - at, false);
        if place < most {
            self.push(Entry::Lazy { pc, at: place as u32, most: most as u32 });
        }
        (self.pc, self.at) = (pc + 1, place);
        true
    }

    fn take_one(&mut self, pc: u32, at: usize, most: usize) -> bool {
        let Some(Instruction::Loop(number)) = self.search.program.code.get(pc as usize) else { return false };
        let set_loop = &self.search.program.loops[*number as usize];
        match self.search.subject.get(at) {
            Some(octet) if set_loop.set.contains(*octet) => self.offer_more(pc, set_loop, at + 1, most),
            _ => false,
        }
    }
}

/// The first place of an octet of the set; `few`: its octets, if they are one, two or three.
fn first_of(text: &[u8], octets: &Octets, few: &[u8]) -> Option<usize> {
    match *few {
        [a] => memchr::memchr(a, text),
        [a, b] => memchr::memchr2(a, b, text),
        [a, b, c] => memchr::memchr3(a, b, c, text),
        _ => text.iter().position(|octet| octets.contains(*octet)),
    }
}

fn last_place(subject: &[u8], follow: &Octets, at_end: bool, end: usize, least: usize) -> Option<usize> {
    (least..=end).rev().find(|place| match subject.get(*place) {
        Some(octet) => follow.contains(*octet),
        None => at_end,
    })
}
