//! The backtracking machine: Perl's order of trials, on a stack of its own, within a budget of steps.

use super::machine::{Attempt, Entry, Frame, Scratch, Search, UNSET, at_boundary};
use super::program::*;
use super::tree::{Assertion, Fold};

/// Entries of the stack of choices.
const STACK: usize = 1 << 19;

pub struct Thread<'a, 's> {
    pub(super) search: &'a Search<'a>,
    pub(super) scratch: &'s mut Scratch,
    pub(super) pc: u32,
    pub(super) at: usize,
    /// The call being run.
    frame: u32,
    /// How often groups were read.
    reads: u32,
    /// Choices that were open after the last failure.
    height: usize,
    steps: &'s mut u64,
}

impl<'a, 's> Thread<'a, 's> {
    pub fn new(search: &'a Search<'a>, scratch: &'s mut Scratch, start: usize, steps: &'s mut u64) -> Thread<'a, 's> {
        Thread { search, scratch, pc: 1, at: start, frame: UNSET, reads: 0, height: 0, steps }
    }

    pub fn run(&mut self) -> Attempt {
        let program = self.search.program;
        loop {
            let Some(instruction) = program.code.get(self.pc as usize) else { return Attempt::Never };
            self.pc += 1;
            if let Instruction::Match = instruction
                && !(self.search.not_empty && self.at <= self.search.from)
            {
                self.scratch.registers[1] = self.at as u32;
                return Attempt::Hit(self.at);
            }
            let goes_on = self.follow(*instruction);
            if goes_on {
                continue;
            }
            if self.is_spent() {
                return Attempt::OverBudget;
            }
            // A step for the failure, and one for each choice that was left open on the way to it.
            let opened = self.scratch.stack.len().saturating_sub(self.height);
            *self.steps = self.steps.saturating_sub(1 + opened as u64);
            if let Some(ending) = self.backtrack() {
                return ending;
            }
            self.height = self.scratch.stack.len();
        }
    }

    fn is_spent(&self) -> bool {
        *self.steps == 0 || self.scratch.stack.len() > STACK
    }

    /// Octets looked at one by one, or many at a time, as steps.
    pub(super) fn charge(&mut self, octets: usize, many: bool) {
        let steps = octets as u64 / if many { 128 } else { 8 };
        if steps > 0 {
            *self.steps = self.steps.saturating_sub(steps);
        }
    }

    fn step(&mut self, inside: bool) -> bool {
        self.at += 1;
        inside
    }

    pub(super) fn push(&mut self, entry: Entry) {
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

    /// Does what one instruction says; `false`: it failed.
    #[inline(always)]
    fn follow(&mut self, instruction: Instruction) -> bool {
        let (subject, program) = (self.search.subject, self.search.program);
        match instruction {
            Instruction::Octet(octet) => return self.step(subject.get(self.at) == Some(&octet)),
            Instruction::Set(set) => {
                let inside = subject.get(self.at).is_some_and(|octet| program.sets[set as usize].contains(*octet));
                return self.step(inside);
            }
            Instruction::Word(word) => {
                let word = &program.words[word as usize];
                let same = word.is_at(subject, self.at);
                self.at += word.length;
                return same;
            }
            Instruction::Jump(to) => {
                self.pc = to;
                // Endless loops pass here: they too cost steps.
                if self.is_spent() {
                    return false;
                }
                *self.steps -= 1;
            }
            Instruction::Split { other } => self.branch(other),
            Instruction::SplitLast { other } => {
                self.branch(self.pc);
                self.pc = other;
            }
            Instruction::SplitIf { on, out, other } => {
                if !self.is_next(on) {
                    self.pc = other;
                } else if self.is_next(out) {
                    self.branch(other);
                }
            }
            Instruction::Choose(choice) => return self.choose(choice),
            Instruction::Checkpoint(number) => {
                let at = self.at as u32;
                if self.scratch.failed[usize::from(number)] == at {
                    return false;
                }
                self.push(Entry::Checkpoint { number, at, reads: self.reads });
            }
            Instruction::Loop(number) => return self.set_loop(&program.loops[number as usize]),
            Instruction::CountStart(counted) => {
                let counted = program.counted[counted as usize];
                self.assign(counted.count, 0);
                if let Some(last) = counted.last {
                    self.assign(last, UNSET);
                }
            }
            Instruction::Count(counted) => return self.count(program.counted[counted as usize]),
            Instruction::CountBody(counted) => {
                let counted = program.counted[counted as usize];
                self.assign(counted.count, self.read(counted.count) + 1);
                if let Some(last) = counted.last {
                    self.assign(last, self.at as u32);
                }
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
                self.reads += 1;
                let (groups, _) = &program.references[reference as usize];
                if !groups.iter().any(|group| self.read(2 * group + 1) != UNSET) {
                    self.pc = other;
                }
            }
            Instruction::Enter { register, other } => {
                let height = self.scratch.stack.len() as u32 + 1;
                self.assign(register, height);
                self.branch(other);
            }
            Instruction::Commit { register, back } => self.commit(register, back),
            Instruction::Undo { register } => self.undo(register),
            Instruction::Behind { register, least, most } => {
                self.assign(register, self.at as u32);
                return self.step_back(self.at as u32, least, most);
            }
            Instruction::BehindEnd { register } => return self.read(register) == self.at as u32,
            Instruction::Call { to, group } => return self.call(to, group),
            Instruction::Return { group } => self.give_back(group),
            Instruction::Barrier(kind) => self.push(Entry::Barrier { kind, at: self.at as u32 }),
            Instruction::Fail | Instruction::Match => return false,
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

    fn count(&mut self, counted: Counted) -> bool {
        let times = self.read(counted.count);
        let idle = times > 0 && counted.last.is_some_and(|last| self.read(last) == self.at as u32);
        let more = times < counted.max && !idle && counted.on.is_none_or(|on| self.is_next(on));
        let enough = times >= counted.min || idle;
        match (more, enough && counted.out.is_none_or(|out| self.is_next(out))) {
            (false, false) => return false,
            (false, true) => self.pc = counted.exit,
            (true, false) => self.pc = counted.body,
            (true, true) if counted.lazy => {
                self.branch(counted.body);
                self.pc = counted.exit;
            }
            (true, true) => {
                self.branch(counted.exit);
                self.pc = counted.body;
            }
        }
        true
    }

    /// Is there a next octet, and is it of this set?
    fn is_next(&self, set: u32) -> bool {
        self.search.subject.get(self.at).is_some_and(|octet| self.search.program.sets[set as usize].contains(*octet))
    }

    fn holds(&self, assertion: Assertion) -> bool {
        let (subject, at) = (self.search.subject, self.at);
        match assertion {
            Assertion::TextStart => at == 0,
            Assertion::LineStart => at == 0 || (at < subject.len() && subject[at - 1] == b'\n'),
            Assertion::TextEnd => at == subject.len(),
            Assertion::TextEndOrFinalLf => at == subject.len() || (at + 1 == subject.len() && subject[at] == b'\n'),
            Assertion::LineEnd => subject.get(at).is_none_or(|octet| *octet == b'\n'),
            Assertion::WordBoundary => at_boundary(subject, at),
            Assertion::NotWordBoundary => !at_boundary(subject, at),
            Assertion::SearchStart => at == self.search.from,
        }
    }

    fn reference(&mut self, reference: u32) -> bool {
        let Some((start, end, fold)) = self.referred(reference) else { return false };
        let subject = self.search.subject;
        let (Some(then), Some(now)) = (subject.get(start..end), subject.get(self.at..self.at + (end - start))) else { return false };
        self.charge(then.len(), false);
        let same = then == now || then.iter().zip(now).all(|(a, b)| fold.same(*a, *b));
        self.at += then.len();
        same
    }

    /// The span of the group referred to that is set, and how its letters are compared.
    pub(super) fn referred(&mut self, reference: u32) -> Option<(usize, usize, Fold)> {
        self.reads += 1;
        let (groups, fold) = &self.search.program.references[reference as usize];
        let group = groups.iter().find(|group| self.read(2 * **group + 1) != UNSET)?;
        Some((self.read(2 * group) as usize, self.read(2 * group + 1) as usize, *fold))
    }

    // Bodies that are judged alone: look-arounds, atomic groups.

    fn commit(&mut self, register: u32, back: bool) {
        let height = self.read(register) as usize;
        if let (true, Some(Entry::Branch { at, .. })) = (back, self.scratch.stack.get(height)) {
            self.at = *at as usize;
        }
        self.forget_choices(height);
    }

    fn undo(&mut self, register: u32) {
        let height = self.read(register) as usize;
        if let Some(Entry::Branch { at, .. }) = self.scratch.stack.get(height) {
            self.at = *at as usize;
        }
        while self.scratch.stack.len() > height {
            self.undo_last();
        }
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
            Some(
                Entry::Branch { .. }
                | Entry::Greedy { .. }
                | Entry::Lazy { .. }
                | Entry::Choice { .. }
                | Entry::Behind { .. }
                | Entry::Barrier { .. }
                | Entry::Checkpoint { .. },
            )
            | None => {}
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
                Some(Entry::Checkpoint { number, at, reads }) => {
                    if reads == self.reads {
                        self.scratch.failed[usize::from(number)] = at;
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
}
