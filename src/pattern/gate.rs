//! One pass over a text finds the literals of all patterns: a filter on four octets at each place, then a comparison. A few
//! literals are found by vector instructions (aho-corasick's Teddy); of many, those would stop at nearly every place.

use super::literals::{LINES, Need};
use super::usual::Usual;
use aho_corasick::Span;
use aho_corasick::packed::Searcher;
use std::collections::BTreeMap;

/// Places where literals of one pattern stand, as spans of offsets where its match may begin.
#[derive(Debug, Default)]
pub struct GateHits {
    /// The text in lower case, with padding.
    lower: Vec<u8>,
    /// Pattern, first and last offset; sorted by pattern, then offset, once all passes are over.
    pub spans: Vec<(u32, u32, u32)>,
}

#[derive(Debug, Default)]
pub struct Gate {
    /// Finds the leftmost literal where they are few; `filter` and `buckets` are empty then.
    few: Option<Searcher>,
    /// By hash of three octets: which of eight kinds of fourth octets go on to the comparison.
    filter: Vec<u8>,
    /// By hash: the first of its windows in `windows`.
    buckets: Vec<u32>,
    windows: Vec<Window>,
    entries: Vec<Entry>,
    /// Literals in a row.
    text: Vec<u8>,
    users: Vec<User>,
    shift: u32,
    /// Hits each pattern needs.
    pub times: Vec<u32>,
}

/// The octets of a window, which of the four count, and the literals under it.
#[derive(Clone, Copy, Debug)]
struct Window {
    word: u32,
    mask: u32,
    first_entry: u32,
    entries: u32,
}

/// A literal under its window.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Octets of the literal around the window, and which of the eight count: few others hold them all.
    around: u64,
    mask: u64,
    from: u32,
    length: u16,
    /// Of the window, and of the eight octets, within the literal.
    window: u16,
    eight: u16,
    first_user: u32,
    users: u32,
}

/// A pattern that needs a literal.
#[derive(Clone, Copy, Debug)]
struct User {
    pattern: u32,
    least: u32,
    most: u32,
    /// Line feeds between a match's start and the literal, where its octets have no bound.
    feeds: u32,
}

const PADDING: usize = 8;
/// Places that are looked at before those that passed are compared: as many as an octet counts.
const BLOCK: usize = 256;
/// Literals that are few.
const FEW: usize = 32;
const WIDEST: u32 = u32::MAX;
/// Octets before a literal in which the beginning of its line is sought: a text of one line may hold very many literals.
const LOOK_BACK: usize = 4096;

impl Gate {
    pub fn new(needs: &[Option<Need>], usual: &Usual) -> Gate {
        let mut by_text: BTreeMap<&[u8], Vec<User>> = BTreeMap::new();
        for (pattern, need) in needs.iter().enumerate() {
            for literal in need.iter().flat_map(|need| &need.literals) {
                let before = literal.before;
                let (most, feeds) = (before.most.unwrap_or(WIDEST), before.feeds.unwrap_or(WIDEST));
                let user = User { pattern: pattern as u32, least: before.least, most, feeds };
                let users = by_text.entry(&literal.text).or_default();
                match users.iter_mut().find(|known| known.pattern == user.pattern) {
                    Some(known) => {
                        (known.least, known.most, known.feeds) =
                            (known.least.min(user.least), known.most.max(user.most), known.feeds.max(user.feeds))
                    }
                    None => users.push(user),
                }
            }
        }
        let times = needs.iter().map(|need| need.as_ref().map_or(0, |need| need.times)).collect();
        if by_text.is_empty() {
            return Gate { times, ..Gate::default() };
        }
        if by_text.len() <= FEW
            && let Some(few) = Searcher::new(by_text.keys())
        {
            return Gate::of_few(few, by_text, times);
        }
        let slots = (by_text.len() * 16).next_power_of_two().clamp(256, 1 << 15);
        let shift = 32 - slots.trailing_zeros();
        let mut gate = Gate { filter: vec![0; slots], times, shift, ..Gate::default() };
        let mut placed: Vec<(usize, Window, Entry)> = Vec::with_capacity(by_text.len());
        for (text, users) in by_text {
            let at = rarest_window(text, usual);
            let slot = slot(&text[at..], shift);
            gate.filter[slot] |= text.get(at + 3).map_or(u8::MAX, |fourth| 1 << (fourth & 7));
            placed.push((slot, window(text, at), gate.entry(text, at, users)));
        }
        placed.sort_by_key(|(slot, window, _)| (*slot, window.word, window.mask));
        let mut slots_of: Vec<usize> = Vec::new();
        for (number, (slot, window, _)) in placed.iter().enumerate() {
            match (gate.windows.last_mut(), slots_of.last()) {
                (Some(last), Some(of)) if (of, last.word, last.mask) == (slot, window.word, window.mask) => last.entries += 1,
                _ => {
                    gate.windows.push(Window { first_entry: number as u32, ..*window });
                    slots_of.push(*slot);
                }
            }
        }
        gate.buckets = (0..=slots).map(|slot| slots_of.partition_point(|of| *of < slot) as u32).collect();
        gate.entries = placed.into_iter().map(|(.., entry)| entry).collect();
        gate
    }

    fn of_few(few: Searcher, by_text: BTreeMap<&[u8], Vec<User>>, times: Vec<u32>) -> Gate {
        let mut gate = Gate { few: Some(few), times, ..Gate::default() };
        gate.entries = by_text.into_iter().map(|(text, users)| gate.entry(text, 0, users)).collect();
        gate
    }

    fn entry(&mut self, text: &[u8], window: usize, users: Vec<User>) -> Entry {
        let eight = window.saturating_sub(4).min(text.len().saturating_sub(8));
        let octets: [u8; 8] = std::array::from_fn(|at| text.get(eight + at).copied().unwrap_or(0));
        let entry = Entry {
            around: u64::from_le_bytes(octets),
            mask: u64::MAX >> (64 - 8 * text.len().min(8)),
            eight: eight as u16,
            from: self.text.len() as u32,
            length: text.len() as u16,
            window: window as u16,
            first_user: self.users.len() as u32,
            users: users.len() as u32,
        };
        self.text.extend(text);
        self.users.extend(users);
        entry
    }

    /// All places of all literals in the text.
    pub fn scan(&self, text: &[u8], hits: &mut GateHits) {
        hits.spans.clear();
        if self.entries.is_empty() || text.len() < 3 {
            return;
        }
        hits.lower.clear();
        hits.lower.extend_from_slice(text);
        hits.lower.make_ascii_lowercase();
        hits.lower.extend_from_slice(&[0; PADDING]);
        let lower = std::mem::take(&mut hits.lower);
        match &self.few {
            Some(few) => self.scan_for_few(few, &lower, text.len(), &mut hits.spans),
            None => self.scan_for_many(&lower, &mut hits.spans),
        }
        hits.lower = lower;
    }

    /// Places that pass are gathered first, without a branch for each.
    fn scan_for_many(&self, lower: &[u8], spans: &mut Vec<(u32, u32, u32)>) {
        let mut passed = [0u8; BLOCK];
        for (block, places) in lower.chunks(BLOCK).enumerate() {
            let from = block * BLOCK;
            let seen = lower.get(from..lower.len().min(from + BLOCK + 4)).unwrap_or(places);
            let mut count = 0usize;
            for (four, eight) in seen.windows(8).step_by(4).enumerate() {
                let eight = eight.try_into().map_or(0, u64::from_le_bytes);
                for place in 0..4 {
                    passed[count & (BLOCK - 1)] = (four * 4 + place) as u8;
                    count += usize::from(self.passes((eight >> (8 * place)) as u32) & 1);
                }
            }
            for place in passed.iter().take(count) {
                self.compare(lower, from + usize::from(*place), spans);
            }
        }
    }

    /// The lowest bit: may a literal's window stand here?
    fn passes(&self, word: u32) -> u8 {
        self.filter[hash(word & 0xFF_FFFF, self.shift)] >> (word >> 24 & 7)
    }

    fn scan_for_few(&self, few: &Searcher, lower: &[u8], length: usize, spans: &mut Vec<(u32, u32, u32)>) {
        let text = &lower[..length];
        let mut at = 0;
        // The leftmost literal hides others that begin there or overlap it: all are compared, and the search goes on one further.
        while let Some(found) = few.find_in(text, Span { start: at, end: length }) {
            self.compare_with(&self.entries, lower, found.start(), spans);
            at = found.start() + 1;
        }
    }

    fn compare(&self, lower: &[u8], at: usize, spans: &mut Vec<(u32, u32, u32)>) {
        let word = lower.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes);
        let slot = hash(word & 0xFF_FFFF, self.shift);
        let range = self.buckets[slot] as usize..self.buckets[slot + 1] as usize;
        for window in self.windows[range].iter().filter(|window| window.word == word & window.mask) {
            self.compare_with(&self.entries[window.first_entry as usize..(window.first_entry + window.entries) as usize], lower, at, spans);
        }
    }

    fn compare_with(&self, entries: &[Entry], lower: &[u8], at: usize, spans: &mut Vec<(u32, u32, u32)>) {
        let length = lower.len() - PADDING;
        for entry in entries {
            let Some(start) = at.checked_sub(usize::from(entry.window)) else { continue };
            let from = start + usize::from(entry.eight);
            let eight = lower.get(from..from + 8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes);
            let end = start + usize::from(entry.length);
            if eight & entry.mask != entry.around || end > length {
                continue;
            }
            let text = &self.text[entry.from as usize..entry.from as usize + usize::from(entry.length)];
            if text.len() > 8 && lower.get(start..end) != Some(text) {
                continue;
            }
            let start = start as u32;
            for user in &self.users[entry.first_user as usize..(entry.first_user + entry.users) as usize] {
                if let Some(last) = start.checked_sub(user.least) {
                    let by_line = user.most == WIDEST && user.feeds <= LINES;
                    let first = if by_line { line_before(lower, start, user.feeds) } else { start.saturating_sub(user.most) };
                    spans.push((user.pattern, first, last));
                }
            }
        }
    }
}

/// Where a line begins, with so many line feeds between there and `end`; the start of the text, where that is far.
fn line_before(text: &[u8], end: u32, feeds: u32) -> u32 {
    let from = (end as usize).saturating_sub(LOOK_BACK);
    let mut before = text.get(from..end as usize).unwrap_or(&[]);
    for _ in 0..=feeds {
        match memchr::memrchr(b'\n', before) {
            Some(feed) => before = &before[..feed],
            None => return 0,
        }
    }
    (from + before.len()) as u32 + 1
}

/// The four octets of a literal from there, or three.
fn window(text: &[u8], at: usize) -> Window {
    let four = [0, 1, 2, 3].map(|after| text.get(at + after).copied().unwrap_or(0));
    let mask = if text.len() > at + 3 { u32::MAX } else { 0xFF_FFFF };
    Window { word: u32::from_le_bytes(four), mask, first_entry: 0, entries: 1 }
}

fn hash(three: u32, shift: u32) -> usize {
    (three.wrapping_mul(0x9E37_79B1) >> shift) as usize
}

fn slot(text: &[u8], shift: u32) -> usize {
    let octet = |at: usize| u32::from(text.get(at).copied().unwrap_or(0));
    hash(octet(0) | octet(1) << 8 | octet(2) << 16, shift)
}

/// Where in a literal the four octets stand that mail holds least often.
fn rarest_window(text: &[u8], usual: &Usual) -> usize {
    let rarity = |at: &usize| (usual.bits(&text[*at..*at + 4]) * 16.0) as u32;
    (0..=text.len().saturating_sub(4)).filter(|at| at + 4 <= text.len()).max_by_key(rarity).unwrap_or(0)
}
