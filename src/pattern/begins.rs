//! The first two or three octets of a match, as hashed sets: a cheap look before an attempt.

use super::octets::Octets;
use super::tree::Node;

/// Beginnings of one pattern, in sets and spelled out.
const SETS: usize = 300;
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

/// Up to three sets by their numbers, 16 bits each from the lowest, the first octets of a match, and how many they are in
/// the 16 bits above; fewer than three: anything may follow.
type Beginning = u64;

const OPEN: Beginning = 0;

/// The sets of a pattern by number.
#[derive(Default)]
struct Sets(Vec<Octets>);

impl Sets {
    fn number(&mut self, set: &Octets) -> Option<u64> {
        let known = self.0.iter().position(|known| known == set);
        let number = known.unwrap_or_else(|| {
            self.0.push(*set);
            self.0.len() - 1
        });
        (number < SETS).then_some(number as u64)
    }
}

impl Begins {
    pub fn new(tree: &Node) -> Option<Begins> {
        let mut sets = Sets::default();
        let beginnings = begin(tree, vec![OPEN], &mut sets)?;
        let spelled: Vec<Option<Vec<u8>>> = sets.0.iter().map(spelled).collect();
        let set_at = |beginning: Beginning, at: u64| spelled.get((beginning >> (16 * at) & 0xFFFF) as usize)?.as_deref();
        let mut begins = Begins { pairs: vec![0; 1 << (BITS - 6)], triples: vec![0; 1 << (BITS - 6)] };
        let mut left = SPELLED;
        for beginning in beginnings {
            let length = beginning >> 48;
            if length < 2 {
                return None;
            }
            let (first, second) = (set_at(beginning, 0)?, set_at(beginning, 1)?);
            // A third set too large to be spelled out is left out.
            let third = if length == 3 { set_at(beginning, 2) } else { None };
            left = left.checked_sub(first.len() * second.len() * third.map_or(1, <[u8]>::len))?;
            for a in first {
                for b in second {
                    match third {
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
fn begin(node: &Node, rest: Vec<Beginning>, sets: &mut Sets) -> Option<Vec<Beginning>> {
    match node {
        Node::Empty | Node::Look(_) | Node::Assert(_) | Node::Keep | Node::Verb(_) => Some(rest),
        Node::Set(set) => {
            let number = sets.number(set)?;
            tidy(rest.into_iter().map(|then| prepend(number, then)).collect())
        }
        Node::Concat(nodes) => nodes.iter().rev().try_fold(rest, |rest, node| begin(node, rest, sets)),
        Node::Alternate(nodes) => {
            let mut all = Vec::new();
            for node in nodes {
                all.extend(begin(node, rest.clone(), sets)?);
            }
            tidy(all)
        }
        Node::Group(_, node) | Node::Atomic(node) => begin(node, rest, sets),
        Node::Repeat(repeat) => {
            // Three rounds reach three octets; an empty round adds nothing.
            let optional = repeat.max.map_or(3, |max| (max - repeat.min).min(3));
            let mut all = rest.clone();
            for _ in 0..optional {
                all = tidy(begin(&repeat.node, all, sets)?.into_iter().chain(rest.iter().copied()).collect())?;
            }
            (0..repeat.min.min(3)).try_fold(all, |rest, _| begin(&repeat.node, rest, sets))
        }
        Node::Backreference(_) | Node::Recurse(_) | Node::Conditional(_) => Some(vec![OPEN]),
    }
}

fn prepend(set: u64, then: Beginning) -> Beginning {
    let length = (then >> 48) + 1;
    set | (then & 0xFFFF_FFFF) << 16 | length.min(3) << 48
}

fn tidy(mut all: Vec<Beginning>) -> Option<Vec<Beginning>> {
    all.sort_unstable();
    all.dedup();
    (all.len() <= SETS).then_some(all)
}
