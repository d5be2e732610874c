//! Repeats of one octet set in the machine: runs are measured at once, and given back only where what follows can be.

use super::machine::Entry;
use super::octets::Octets;
use super::program::*;
use super::thread::Thread;

impl Thread<'_, '_> {
    pub(super) fn set_loop(&mut self, set_loop: &SetLoop) -> bool {
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
                // Where runs are measured fast, all up to `most` is of the set; else it is looked at in time.
                let most = if set_loop.scan == Scan::Table { most } else { self.run_end(set_loop, least, most) };
                self.charge(most - least, true);
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
            Scan::Until(few) => first_of(few, there),
            Scan::Table => there.iter().position(|octet| !set_loop.set.contains(*octet)),
        };
        length.map_or(most, |length| at + length)
    }

    fn may_follow(&self, set_loop: &SetLoop, at: usize) -> bool {
        if set_loop.follow_line && at > 0 && self.search.subject.get(at - 1) != Some(&b'\n') {
            return false;
        }
        match (&set_loop.follow, self.search.subject.get(at)) {
            (None, _) => true,
            (Some(octets), Some(octet)) => octets.contains(*octet),
            (Some(_), None) => set_loop.follow_end,
        }
    }

    /// Go on at the last place from `end` down to `least` where what follows is possible.
    fn settle(&mut self, pc: u32, set_loop: &SetLoop, end: usize, least: usize) -> bool {
        let subject = self.search.subject;
        let fast = set_loop.probe.is_some() || set_loop.follow_line;
        let place = match (&set_loop.follow, set_loop.probe) {
            (Some(_), _) if set_loop.follow_line => self.last_line(set_loop, end, least),
            (None, _) => match self.search.program.code.get(pc as usize + 1) {
                Some(Instruction::Reference(reference)) => self.last_echo(*reference, end, least),
                _ => Some(end),
            },
            (Some(_), Some(Probe { octets, after })) => {
                let there = subject.get(least + after..(end + after + 1).min(subject.len()));
                there.and_then(|there| last_of(octets, there)).map(|found| least + found)
            }
            (Some(octets), None) => last_place(subject, octets, set_loop.follow_end, end, least),
        };
        self.charge(end - place.unwrap_or(least), fast);
        let Some(place) = place else { return false };
        if place > least {
            self.push(Entry::Greedy { pc, at: place as u32, least: least as u32 });
        }
        (self.pc, self.at) = (pc + 1, place);
        true
    }

    /// The last place from `end` down to `least` where the text of a group may begin again.
    fn last_echo(&mut self, reference: u32, end: usize, least: usize) -> Option<usize> {
        let subject = self.search.subject;
        let (start, to, fold) = self.referred(reference)?;
        if start == to {
            return Some(end);
        }
        let first = *subject.get(start)?;
        let there = subject.get(least..(end + 1).min(subject.len()))?;
        let other = fold.class(first).iter().find(|octet| *octet != first).unwrap_or(first);
        memchr::memrchr2(first, other, there).map(|found| least + found)
    }

    /// The last beginning of a line from `end` down to `least` where what follows is possible.
    fn last_line(&self, set_loop: &SetLoop, end: usize, least: usize) -> Option<usize> {
        let subject = self.search.subject;
        let from = least.saturating_sub(1);
        let mut most = end;
        loop {
            let feed = memchr::memrchr(b'\n', subject.get(from..most)?);
            let place = match feed {
                Some(feed) => from + feed + 1,
                None if least == 0 => 0,
                None => return None,
            };
            if self.may_follow(set_loop, place) {
                return Some(place);
            }
            most = place.checked_sub(1)?;
        }
    }

    pub(super) fn give_up_one(&mut self, pc: u32, at: usize, least: usize) -> bool {
        let Some(Instruction::Loop(number)) = self.search.program.code.get(pc as usize) else { return false };
        self.settle(pc, &self.search.program.loops[*number as usize], at - 1, least)
    }

    /// Go on at the first place from `at` up to `most` where what follows is possible; all before must be of the set.
    fn offer_more(&mut self, pc: u32, set_loop: &SetLoop, at: usize, most: usize) -> bool {
        let fast = set_loop.scan != Scan::Table && (set_loop.probe.is_some() || set_loop.follow_line);
        let place = match set_loop.probe {
            _ if fast && set_loop.follow_line => self.first_line(set_loop, at, most),
            Some(Probe { octets, after }) if fast => {
                let there = self.search.subject.get(at + after..(most + after + 1).min(self.search.subject.len()));
                there.and_then(|there| first_of(octets, there)).map(|found| at + found)
            }
            _ => self.first_place(set_loop, at, most),
        };
        self.charge(place.unwrap_or(most) - at, fast);
        let Some(place) = place else { return false };
        if place < most {
            self.push(Entry::Lazy { pc, at: place as u32, most: most as u32 });
        }
        (self.pc, self.at) = (pc + 1, place);
        true
    }

    fn first_place(&self, set_loop: &SetLoop, at: usize, most: usize) -> Option<usize> {
        let subject = self.search.subject;
        let open = set_loop.scan != Scan::Table;
        let mut place = at;
        while !self.may_follow(set_loop, place) {
            if place >= most || !(open || set_loop.set.contains(subject[place])) {
                return None;
            }
            place += 1;
        }
        Some(place)
    }

    /// The first beginning of a line from `at` up to `most` where what follows is possible.
    fn first_line(&self, set_loop: &SetLoop, at: usize, most: usize) -> Option<usize> {
        let subject = self.search.subject;
        let mut from = at;
        while from <= most {
            let before = from.checked_sub(1);
            let place = match before {
                Some(before) => before + memchr::memchr(b'\n', subject.get(before..most)?)? + 1,
                None => 0,
            };
            if self.may_follow(set_loop, place) {
                return Some(place);
            }
            from = place + 1;
        }
        None
    }

    pub(super) fn take_one(&mut self, pc: u32, at: usize, most: usize) -> bool {
        let Some(Instruction::Loop(number)) = self.search.program.code.get(pc as usize) else { return false };
        let set_loop = &self.search.program.loops[*number as usize];
        let inside = self.search.subject.get(at).is_some_and(|octet| set_loop.set.contains(*octet));
        inside && self.offer_more(pc, set_loop, at + 1, most)
    }
}

fn first_of([a, b, c]: [u8; 3], there: &[u8]) -> Option<usize> {
    match (a == b, b == c) {
        (true, _) => memchr::memchr(a, there),
        (false, true) => memchr::memchr2(a, b, there),
        (false, false) => memchr::memchr3(a, b, c, there),
    }
}

fn last_of([a, b, c]: [u8; 3], there: &[u8]) -> Option<usize> {
    match (a == b, b == c) {
        (true, _) => memchr::memrchr(a, there),
        (false, true) => memchr::memrchr2(a, b, there),
        (false, false) => memchr::memrchr3(a, b, c, there),
    }
}

fn last_place(subject: &[u8], follow: &Octets, at_end: bool, end: usize, least: usize) -> Option<usize> {
    (least..=end).rev().find(|place| match subject.get(*place) {
        Some(octet) => follow.contains(*octet),
        None => at_end,
    })
}
