//! A pattern loosened to chains: octet sets that must follow one another, with sets of octets that may lie between.

use super::first::{Next, first};
use super::frequency;
use super::octets::Octets;
use super::tree::Node;

type Width = (u32, Option<u32>);

/// Copies of a repeated node that are written out.
const COPIES: u32 = 12;
/// Links of a chain that is searched for.
const LINKS: usize = 14;
/// Bits of rarity that are enough, and that are worth a search at all.
const ENOUGH: f32 = 13.0;
const LEAST: f32 = 5.0;
/// Chains of one pattern.
const BRANCHES: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    pub octets: Octets,
    /// May follow this octet, any number of times.
    pub gap: Octets,
    /// Octets from the start of the match to the end of this link, without the gap.
    pub end: Width,
}

/// Every match holds these links in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    pub links: Vec<Link>,
    pub bits: f32,
}

/// Chains of which every match holds one.
pub fn chains(tree: &Node) -> Option<Vec<Chain>> {
    let mut branches = Vec::new();
    spread(tree, &mut branches);
    branches.iter().map(|nodes| rarest(&links(nodes))).collect()
}

/// Bits of the most common of the chains.
pub fn bits(chains: &[Chain]) -> f32 {
    let share: f32 = chains.iter().map(|chain| (-chain.bits).exp2()).sum();
    -share.max(f32::MIN_POSITIVE).log2()
}

/// The branches of the first alternation worth spreading, each with what stands around it.
fn spread(tree: &Node, branches: &mut Vec<Vec<Node>>) {
    match tree {
        Node::Group(_, node) | Node::Atomic(node) => spread(node, branches),
        Node::Alternate(nodes) if nodes.len() <= BRANCHES => branches.extend(nodes.iter().map(|node| vec![node.clone()])),
        Node::Concat(nodes) => {
            let choice = |node: &Node| match node {
                Node::Alternate(inner) if inner.len() <= BRANCHES && inner.iter().any(|node| node.width().0 > 1) => Some(inner.clone()),
                _ => None,
            };
            let bare = |node: &Node| match node {
                Node::Group(_, inner) | Node::Atomic(inner) => (**inner).clone(),
                other => other.clone(),
            };
            let nodes: Vec<Node> = nodes.iter().map(bare).collect();
            match nodes.iter().enumerate().find_map(|(at, node)| choice(node).map(|inner| (at, inner))) {
                Some((at, inner)) => branches.extend(inner.into_iter().map(|branch| {
                    let mut all = nodes.clone();
                    if let Some(place) = all.get_mut(at) {
                        *place = branch;
                    }
                    all
                })),
                None => branches.push(nodes),
            }
        }
        other => branches.push(vec![other.clone()]),
    }
}

struct Builder {
    links: Vec<Link>,
    width: Width,
}

fn links(nodes: &[Node]) -> Vec<Link> {
    let mut builder = Builder { links: Vec::new(), width: (0, Some(0)) };
    nodes.iter().for_each(|node| builder.add(node));
    builder.links
}

impl Builder {
    fn gap(&mut self, octets: Octets) {
        if let Some(last) = self.links.last_mut() {
            last.gap = last.gap.union(octets);
        }
    }

    fn skip(&mut self, node: &Node) {
        self.gap(octets_of(node));
        self.width = plus(self.width, node.width());
    }

    fn add(&mut self, node: &Node) {
        match node {
            Node::Set(set) => {
                self.width = plus(self.width, (1, Some(1)));
                self.links.push(Link { octets: *set, gap: Octets::NONE, end: self.width });
            }
            Node::Concat(nodes) => nodes.iter().for_each(|node| self.add(node)),
            Node::Group(_, node) | Node::Atomic(node) => self.add(node),
            Node::Repeat(repeat) if repeat.min == 0 => self.skip(node),
            Node::Repeat(repeat) => {
                let before = self.width;
                for _ in 0..repeat.min.min(COPIES) {
                    self.add(&repeat.node);
                }
                if repeat.max != Some(repeat.min) || repeat.min > COPIES {
                    self.gap(octets_of(&repeat.node));
                }
                self.width = plus(before, node.width());
            }
            Node::Alternate(branches) => self.merge(node, branches),
            Node::Empty | Node::Look(_) | Node::Assert(_) | Node::Keep | Node::Verb(_) => {}
            Node::Backreference(_) | Node::Conditional(_) | Node::Recurse(_) => self.skip(node),
        }
    }

    /// Branches side by side, link by link, as far as the shortest reaches.
    fn merge(&mut self, node: &Node, branches: &[Node]) {
        let before = self.width;
        let chains: Vec<Vec<Link>> = branches
            .iter()
            .map(|branch| {
                let mut builder = Builder { links: Vec::new(), width: before };
                builder.add(branch);
                builder.links
            })
            .collect();
        // A branch may begin with what only widens the gap before it: then its first link is not the first octet.
        let opens = |(branch, chain): (&Node, &Vec<Link>)| {
            let next = first(branch, Next { octets: Octets::NONE, end: true, line: false });
            chain.first().is_some_and(|link| !next.end && next.octets == link.octets)
        };
        let length = chains.iter().map(Vec::len).min().unwrap_or(0);
        if length == 0 || !branches.iter().zip(&chains).all(opens) {
            return self.skip(node);
        }
        for at in 0..length {
            let mut merged = Link { octets: Octets::NONE, gap: Octets::NONE, end: (u32::MAX, Some(0)) };
            for chain in &chains {
                let link = chain[at];
                merged.octets = merged.octets.union(link.octets);
                merged.gap = merged.gap.union(link.gap);
                merged.end = (merged.end.0.min(link.end.0), merged.end.1.zip(link.end.1).map(|(a, b)| a.max(b)));
                if at + 1 == length {
                    let rest = chain[length..].iter().fold(Octets::NONE, |all, link| all.union(link.octets).union(link.gap));
                    merged.gap = merged.gap.union(rest);
                }
            }
            self.links.push(merged);
        }
        self.width = plus(before, node.width());
    }
}

fn plus(a: Width, b: Width) -> Width {
    (a.0.saturating_add(b.0), a.1.zip(b.1).and_then(|(a, b)| a.checked_add(b)))
}

/// All octets a match of the node may hold.
fn octets_of(node: &Node) -> Octets {
    match node {
        Node::Set(set) => *set,
        Node::Backreference(_) | Node::Recurse(_) => Octets::ALL,
        Node::Look(_) => Octets::NONE,
        Node::Conditional(conditional) => octets_of(&conditional.yes).union(octets_of(&conditional.no)),
        other => other.children().into_iter().map(octets_of).fold(Octets::NONE, Octets::union),
    }
}

/// The shortest part that is rare enough, else the rarest.
fn rarest(links: &[Link]) -> Option<Chain> {
    let weigh = |link: &Link| -> (f32, f32) {
        let own = -frequency::share(&link.octets).max(1e-9).log2();
        let stay = frequency::share(&link.gap).min(0.95);
        (own, -(1.0 - stay).log2())
    };
    let weights: Vec<(f32, f32)> = links.iter().map(weigh).collect();
    let mut best: Option<(f32, usize, usize)> = None;
    for from in 0..links.len() {
        let mut bits = 0.0;
        for (at, (own, loss)) in weights.iter().enumerate().skip(from).take(LINKS) {
            bits += own;
            // The gap after the last link does not count.
            let value = bits.min(ENOUGH) - 0.25 * (at - from) as f32;
            if best.is_none_or(|(known, _, _)| value > known) {
                best = Some((value, from, at + 1));
            }
            if bits >= ENOUGH {
                break;
            }
            bits -= loss;
        }
    }
    let (_, from, to) = best?;
    let bits = weights[from..to].iter().map(|(own, _)| own).sum::<f32>() - weights[from..to - 1].iter().map(|(_, loss)| loss).sum::<f32>();
    (bits >= LEAST).then(|| Chain { links: links[from..to].to_vec(), bits })
}
