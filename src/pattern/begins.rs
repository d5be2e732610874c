//! The first two or three octets of a match, as hashed sets: a cheap look before an attempt.

use super::octets::Octets;
use super::tree::Node;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher};

/// Beginnings of one pattern, in sets and spelled out.
const SETS: usize = 1000;
const SPELLED: usize = 60_000;
/// Octets of a class that are spelled out.
const CLASS: u32 = 24;
/// Share of the table that may be filled before it tells nothing.
const FULL: u32 = 4;
const BITS: u32 = 13;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begins {
    pairs: Vec<u64>,
    triples: Vec<u64>,
}

/// Up to three sets, the first octets of a match; shorter: anything may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Beginning {
    sets: [Octets; 3],
    length: u8,
}

const OPEN: Beginning = Beginning { sets: [Octets::NONE; 3], length: 0 };

impl Begins {
    pub fn new(tree: &Node) -> Option<Begins> {
        let beginnings = begin(tree, vec![OPEN])?;
        let mut begins = Begins { pairs: vec![0; 1 << (BITS - 6)], triples: vec![0; 1 << (BITS - 6)] };
        let mut left = SPELLED;
        for beginning in beginnings {
            let spelled: Vec<Vec<u8>> = beginning.sets.iter().take(usize::from(beginning.length)).map_while(spelled).collect();
            let [first, second, rest @ ..] = &spelled[..] else { return None };
            left = left.checked_sub(first.len() * second.len() * rest.first().map_or(1, Vec::len))?;
            for a in first {
                for b in second {
                    match rest.first() {
                        None => set(&mut begins.pairs, pair(*a, *b)),
                        Some(third) => third.iter().for_each(|c| set(&mut begins.triples, triple(*a, *b, *c))),
                    }
                }
            }
        }
        let filled = |table: &[u64]| table.iter().map(|word| word.count_ones()).sum::<u32>();
        (filled(&begins.pairs) * FULL < 1 << BITS && filled(&begins.triples) * FULL < 1 << BITS).then_some(begins)
    }

    /// The first place from `at` to `last` where a match could begin.
    pub fn next(&self, subject: &[u8], at: usize, last: usize) -> Option<usize> {
        let text = subject.get(at..)?;
        let last = text.len().checked_sub(2)?.min(last.checked_sub(at)?);
        (0..=last).find(|place| self.holds(&text[*place..])).map(|place| at + place)
    }

    fn holds(&self, text: &[u8]) -> bool {
        let [a, b, rest @ ..] = text else { return false };
        let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
        rest.first().is_some_and(|c| is_set(&self.triples, triple(a, b, c.to_ascii_lowercase()))) || is_set(&self.pairs, pair(a, b))
    }
}

fn spelled(octets: &Octets) -> Option<Vec<u8>> {
    let mut all: Vec<u8> = octets.iter().map(|octet| octet.to_ascii_lowercase()).collect();
    all.sort_unstable();
    all.dedup();
    (all.len() <= CLASS as usize).then_some(all)
}

fn pair(a: u8, b: u8) -> u32 {
    (u32::from(a) | u32::from(b) << 8).wrapping_mul(0x9E37_79B1) >> (32 - BITS)
}

fn triple(a: u8, b: u8, c: u8) -> u32 {
    (u32::from(a) | u32::from(b) << 8 | u32::from(c) << 16).wrapping_mul(0x85EB_CA6B) >> (32 - BITS)
}

fn set(table: &mut [u64], bit: u32) {
    if let Some(word) = table.get_mut((bit / 64) as usize) {
        *word |= 1 << (bit % 64);
    }
}

fn is_set(table: &[u64], bit: u32) -> bool {
    table.get((bit / 64) as usize).is_some_and(|word| word >> (bit % 64) & 1 == 1)
}

/// Beginnings of `node` followed by what begins as `rest`; too many are allowed, too few are not.
fn begin(node: &Node, rest: Vec<Beginning>) -> Option<Vec<Beginning>> {
    match node {
        Node::Empty | Node::Look(_) | Node::Assert(_) | Node::Keep | Node::Verb(_) => Some(rest),
        Node::Set(set) => tidy(rest.into_iter().map(|then| prepend(*set, then)).collect()),
        Node::Concat(nodes) => nodes.iter().rev().try_fold(rest, |rest, node| begin(node, rest)),
        Node::Alternate(nodes) => {
            let all = nodes.iter().map(|node| begin(node, rest.clone())).collect::<Option<Vec<_>>>()?;
            tidy(all.into_iter().flatten().collect())
        }
        Node::Group(_, node) | Node::Atomic(node) => begin(node, rest),
        Node::Repeat(repeat) => {
            // Three rounds reach three octets; an empty round adds nothing.
            let optional = repeat.max.map_or(3, |max| (max - repeat.min).min(3));
            let mut all = rest.clone();
            for _ in 0..optional {
                all = tidy(begin(&repeat.node, all)?.into_iter().chain(rest.iter().copied()).collect())?;
            }
            (0..repeat.min.min(3)).try_fold(all, |rest, _| begin(&repeat.node, rest))
        }
        Node::Backreference(_) | Node::Recurse(_) | Node::Conditional(_) => Some(vec![OPEN]),
    }
}

fn prepend(set: Octets, then: Beginning) -> Beginning {
    let length = (then.length + 1).min(3);
    Beginning { sets: [set, then.sets[0], then.sets[1]], length }
}

fn tidy(mut all: Vec<Beginning>) -> Option<Vec<Beginning>> {
    let mut seen = HashSet::with_capacity_and_hasher(all.len(), Quick);
    all.retain(|beginning| seen.insert(*beginning));
    (all.len() <= SETS).then_some(all)
}

/// A hash of words by multiplying: patterns come from the operator, and a flood of collisions would cost the loading alone.
struct Quick;

struct Product(u64);

impl BuildHasher for Quick {
    type Hasher = Product;

    fn build_hasher(&self) -> Product {
        Product(0)
    }
}

impl Hasher for Product {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 29
    }

    fn write(&mut self, octets: &[u8]) {
        for chunk in octets.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_u8(&mut self, octet: u8) {
        self.write_u64(u64::from(octet));
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}
