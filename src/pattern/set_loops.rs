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
            Scan::Until([a, b, c]) if b == c => {
                if a == b {
                    memchr::memchr(a, there)
                } else {
                    memchr::memchr2(a, b, there)
                }
            }
            Scan::Until([a, b, c]) => memchr::memchr3(a, b, c, there),
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
        let place = match (&set_loop.follow, set_loop.follow_one) {
            (Some(_), _) if set_loop.follow_line => self.last_line(set_loop, end, least),
            (None, _) => Some(end),
            (Some(_), Some(octet)) => {
                let most = (end + 1).min(subject.len());
                subject.get(least..most).and_then(|there| memchr::memrchr(octet, there)).map(|found| least + found)
            }
            (Some(octets), None) => last_place(subject, octets, set_loop.follow_end, end, least),
        };
        let Some(place) = place else {
            self.charge(end - least, set_loop.follow_one.is_some() || set_loop.follow_line);
            return false;
        };
        self.charge(end - place, set_loop.follow_one.is_some() || set_loop.follow_line);
        if place > least {
            self.push(Entry::Greedy { pc, at: place as u32, least: least as u32 });
        }
        (self.pc, self.at) = (pc + 1, place);
        true
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
        let mut place = at;
        if set_loop.follow_line && set_loop.scan == Scan::All && at > 0 {
            let feed = self.search.subject.get(at - 1..most).and_then(|there| memchr::memchr(b'\n', there));
            place = feed.map_or(most, |feed| at + feed);
            self.charge(place - at, true);
        }
        let from = place;
        while !self.may_follow(set_loop, place) {
            if place >= most || !set_loop.set.contains(self.search.subject[place]) {
                self.charge(place - from, false);
                return false;
            }
            place += 1;
        }
        self.charge(place - from, false);
        if place < most {
            self.push(Entry::Lazy { pc, at: place as u32, most: most as u32 });
        }
        (self.pc, self.at) = (pc + 1, place);
        true
    }

    pub(super) fn take_one(&mut self, pc: u32, at: usize, most: usize) -> bool {
        let Some(Instruction::Loop(number)) = self.search.program.code.get(pc as usize) else { return false };
        let set_loop = &self.search.program.loops[*number as usize];
        let inside = self.search.subject.get(at).is_some_and(|octet| set_loop.set.contains(*octet));
        inside && self.offer_more(pc, set_loop, at + 1, most)
    }
}

fn last_place(subject: &[u8], follow: &Octets, at_end: bool, end: usize, least: usize) -> Option<usize> {
    (least..=end).rev().find(|place| match subject.get(*place) {
        Some(octet) => follow.contains(*octet),
        None => at_end,
    })
}
