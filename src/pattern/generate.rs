//! Texts that a pattern should match, made from its tree: for tests.

use super::octets::Octets;
use super::tree::{Assertion, Condition, Node};

/// A small generator of numbers (xorshift), the same in every run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end.max(1)
    }
}

/// A text that the tree matches, unless look-arounds or boundaries say otherwise.
pub fn text(tree: &Node, dice: &mut Dice) -> Vec<u8> {
    let mut writer = Writer { out: Vec::new(), groups: Vec::new(), dice, depth: 0, root: tree };
    writer.write(tree);
    writer.out
}

struct Writer<'a, 'd> {
    out: Vec<u8>,
    groups: Vec<(u32, Vec<u8>)>,
    dice: &'d mut Dice,
    depth: u32,
    root: &'a Node,
}

impl Writer<'_, '_> {
    fn write(&mut self, node: &Node) {
        if self.out.len() > 4000 {
            return;
        }
        match node {
            Node::Set(set) => self.octet(set),
            Node::Concat(nodes) => nodes.iter().for_each(|node| self.write(node)),
            Node::Alternate(nodes) => {
                let pick = self.dice.below(nodes.len());
                nodes.get(pick).into_iter().for_each(|node| self.write(node));
            }
            Node::Repeat(repeat) => {
                let most = repeat.max.unwrap_or(repeat.min + 4).min(repeat.min + 6);
                let times = repeat.min + self.dice.below((most - repeat.min + 1) as usize) as u32;
                (0..times).for_each(|_| self.write(&repeat.node));
            }
            Node::Group(number, node) => {
                let start = self.out.len();
                self.write(node);
                let text = self.out[start.min(self.out.len())..].to_vec();
                self.groups.push((*number, text));
            }
            Node::Atomic(node) => self.write(node),
            // What is looked for ahead is often what follows anyway; sometimes it must be written.
            Node::Look(look) if look.ahead && !look.negative && self.dice.below(4) == 0 => self.write(&look.node),
            Node::Look(look) if !look.ahead && !look.negative => self.write(&look.node),
            Node::Backreference(reference) => {
                let text = self.groups.iter().rev().find(|(number, _)| reference.groups.contains(number)).map(|(_, text)| text.clone());
                self.out.extend(text.unwrap_or_default());
            }
            Node::Conditional(conditional) => {
                let set = match &conditional.condition {
                    Condition::Set(groups) => self.groups.iter().any(|(number, _)| groups.contains(number)),
                    Condition::Look(_) => self.dice.below(2) == 0,
                    Condition::Never => false,
                };
                self.write(if set { &conditional.yes } else { &conditional.no });
            }
            Node::Assert(Assertion::LineStart) if !self.out.is_empty() && self.dice.below(2) == 0 => self.out.push(b'\n'),
            Node::Recurse(0) if self.depth < 3 => {
                self.depth += 1;
                let root = self.root;
                self.write(root);
            }
            Node::Recurse(_) | Node::Empty | Node::Look(_) | Node::Assert(_) | Node::Keep | Node::Verb(_) => {}
        }
    }

    fn octet(&mut self, set: &Octets) {
        let printable: Vec<u8> = set.iter().filter(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b' ' | b'.' | b'-')).collect();
        let all: Vec<u8> = if printable.is_empty() || self.dice.below(8) == 0 { set.iter().collect() } else { printable };
        let pick = self.dice.below(all.len());
        self.out.extend(all.get(pick));
    }
}
