//! A pattern loosened to chains: octet sets that must follow one another, with sets of octets that may lie between.

use super::first::{Next, first};
use super::frequency;
use super::octets::Octets;
use super::tree::Node;
use std::collections::HashMap;

type Width = (u32, Option<u32>);

/// Copies of a repeated node that are written out.
const COPIES: u32 = 12;
/// Links of a chain that is searched for.
const LINKS: usize = 60;
/// Bits of rarity that are enough, that more are asked for, and that are worth a search at all.
const ENOUGH: f32 = 13.0;
const MORE: f32 = 5.0;
const LEAST: f32 = 5.0;
/// Parts of one branch that are weighed.
const PARTS: usize = 10;
/// Branches of one pattern; alternations in it that are tried; how deep they are spread; octets of a word.
const BRANCHES: usize = 16;
const PLACES: usize = 6;
const DEPTH: usize = 2;
const WORD: u32 = 3;

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

/// A way to tell that a pattern cannot match: of each branch some parts of it; every match holds all parts of one branch.
pub type Way = Vec<Vec<Chain>>;

/// Ways for one pattern: as a whole, and with an alternation in it spread into its branches.
pub fn ways(tree: &Node) -> Vec<Way> {
    let (mut ways, mut nodes, mut pieces) = (Vec::new(), Vec::new(), Pieces::default());
    flatten(tree, &mut nodes);
    for branches in spreads(&nodes, BRANCHES, DEPTH, &mut pieces) {
        let way: Way = branches.iter().map(|nodes| parts(&pieces.links(nodes))).collect();
        if way.iter().all(|parts| !parts.is_empty()) {
            ways.push(way);
        }
    }
    ways
}

/// Bits of the most common of the chains.
pub fn bits(bits: impl Iterator<Item = f32>) -> f32 {
    let share: f32 = bits.map(|bits| (-bits).exp2()).sum();
    -share.max(f32::MIN_POSITIVE).log2()
}

/// Nodes one after the other, groups opened.
fn flatten<'t>(tree: &'t Node, nodes: &mut Vec<&'t Node>) {
    match tree {
        Node::Group(_, node) | Node::Atomic(node) => flatten(node, nodes),
        Node::Concat(inner) => inner.iter().for_each(|node| flatten(node, nodes)),
        other => nodes.push(other),
    }
}

/// The nodes as they are, and with each alternation of words in turn spread, then those of its branches.
fn spreads<'t>(nodes: &[&'t Node], most: usize, depth: usize, pieces: &mut Pieces) -> Vec<Vec<Vec<&'t Node>>> {
    let mut all = vec![vec![nodes.to_vec()]];
    if depth == 0 {
        return all;
    }
    let words = |node: &&&'t Node| match node {
        Node::Alternate(inner) => (inner.len() <= most && inner.iter().any(|node| node.width().0 >= WORD)).then_some(inner),
        _ => None,
    };
    let places = nodes.iter().enumerate().filter_map(|(at, node)| Some((at, words(&node)?)));
    for (at, inner) in places.take(PLACES) {
        let branch = |node: &'t Node| {
            let mut branch = nodes[..at].to_vec();
            flatten(node, &mut branch);
            branch.extend(&nodes[at + 1..]);
            branch
        };
        let branches: Vec<Vec<&Node>> = inner.iter().map(branch).collect();
        if depth > 1 {
            let rest = (most / branches.len()).max(1);
            let mut finer = Vec::new();
            for nodes in &branches {
                let spreads = spreads(nodes, rest, depth - 1, pieces);
                finer.extend(finest(spreads, pieces));
            }
            all.push(finer);
        }
        all.push(branches);
    }
    all
}

/// The spread whose chains a model takes for the rarest.
fn finest<'t>(spreads: Vec<Vec<Vec<&'t Node>>>, pieces: &mut Pieces) -> Vec<Vec<&'t Node>> {
    if spreads.len() == 1 {
        return spreads.into_iter().next().unwrap_or_default();
    }
    let mut rarity = |branches: &Vec<Vec<&Node>>| {
        let best = |nodes: &Vec<&Node>| parts(&pieces.links(nodes)).first().map_or(0.0, |chain| chain.bits.min(ENOUGH));
        bits(branches.iter().map(best))
    };
    let weighed = spreads.into_iter().map(|branches| (rarity(&branches), branches));
    weighed.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, branches)| branches).unwrap_or_default()
}

/// Links of nodes, each looked into once.
#[derive(Default)]
struct Pieces(HashMap<*const Node, Builder>);

impl Pieces {
    fn links(&mut self, nodes: &[&Node]) -> Vec<Link> {
        let mut builder = Builder::new((0, Some(0)));
        for node in nodes {
            let piece = self.0.entry(std::ptr::from_ref(*node)).or_insert_with(|| {
                let mut piece = Builder::new((0, Some(0)));
                piece.add(node);
                piece
            });
            builder.append(piece);
        }
        builder.links
    }
}

struct Builder {
    links: Vec<Link>,
    /// What may lie before the first link.
    ahead: Octets,
    width: Width,
}

impl Builder {
    fn new(width: Width) -> Builder {
        Builder { links: Vec::new(), ahead: Octets::NONE, width }
    }

    fn append(&mut self, piece: &Builder) {
        self.gap(piece.ahead);
        let before = self.width;
        self.links.extend(piece.links.iter().map(|link| Link { end: plus(before, link.end), ..*link }));
        self.width = plus(before, piece.width);
    }

    fn gap(&mut self, octets: Octets) {
        let gap = self.links.last_mut().map_or(&mut self.ahead, |last| &mut last.gap);
        *gap = gap.union(octets);
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
                let mut builder = Builder::new(before);
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

/// Parts that may be rare enough, short ones and longer ones, the best first.
fn parts(links: &[Link]) -> Vec<Chain> {
    let weigh = |link: &Link| -> (f32, f32) {
        let own = -frequency::share(&link.octets).max(1e-9).log2();
        let stay = frequency::share(&link.gap).min(0.95);
        (own, -(1.0 - stay).log2())
    };
    let weights: Vec<(f32, f32)> = links.iter().map(weigh).collect();
    let mut found: Vec<(f32, Chain)> = Vec::new();
    for from in 0..links.len() {
        let (mut bits, mut wanted) = (0.0, ENOUGH);
        let last = links.len().min(from + LINKS) - 1;
        for at in from..=last {
            bits += weights[at].0;
            if bits >= wanted || at == last && bits >= LEAST {
                // The gap after the last link does not count.
                let value = bits.min(wanted) - 0.25 * (at - from) as f32;
                found.push((value, Chain { links: links[from..=at].to_vec(), bits }));
                wanted += MORE;
            }
            if wanted > ENOUGH + 2.0 * MORE {
                break;
            }
            bits -= weights[at].1;
        }
    }
    found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    found.truncate(PARTS);
    found.into_iter().map(|(_, chain)| chain).collect()
}
