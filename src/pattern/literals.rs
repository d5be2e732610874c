//! Literals that a match needs: sets of texts of which one must stand in the subject, and how far after the match's start.

use super::frequency;
use super::octets::Octets;
use super::tree::Node;
use super::usual::Usual;

/// Strings of one set, and octets of one class that are spelled out.
const STRINGS: usize = 64;
const CLASS: u32 = 8;
/// Literals of one pattern.
const LITERALS: usize = 1024;
/// Octets of a literal.
const SHORTEST: usize = 3;
const LONGEST: usize = 12;
/// Rarest literals that are worth a gate: one place in 2^6.
const LEAST_BITS: f32 = 6.0;
/// Line feeds between a match's start and a literal that are counted back from it.
pub const LINES: u32 = 2;

#[derive(Clone, Debug, PartialEq)]
pub struct Literal {
    /// ASCII letters in lower case: compared with the subject in lower case.
    pub text: Vec<u8>,
    /// What lies between the start of the match and this text.
    pub before: Span,
}

/// Octets of a stretch of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub least: u32,
    /// `None`: no bound is known.
    pub most: Option<u32>,
    /// Most line feeds among them; `None` likewise.
    pub feeds: Option<u32>,
}

impl Span {
    const NONE: Span = Span { least: 0, most: Some(0), feeds: Some(0) };

    fn of(node: &Node) -> Span {
        let (least, most) = node.width();
        Span { least, most, feeds: node.feeds() }
    }

    fn and(self, other: Span) -> Span {
        let sum = |a: Option<u32>, b: Option<u32>| a.zip(b).and_then(|(a, b)| a.checked_add(b));
        Span { least: self.least.saturating_add(other.least), most: sum(self.most, other.most), feeds: sum(self.feeds, other.feeds) }
    }
}

/// One of the literals must stand in the subject, all together at least `times` times.
#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    pub literals: Vec<Literal>,
    pub times: u32,
    /// Share of places in mail that hold one of them.
    pub share: f32,
}

impl Need {
    /// How rare it is that enough of them stand in a text.
    pub fn bits(&self) -> f32 {
        -self.share.log2() + 3.0 * (self.times - 1) as f32
    }

    /// The lower, the better the gate.
    fn cost(&self) -> f32 {
        let unbounded = self.literals.iter().any(|literal| literal.before.most.is_none_or(|most| most > 200));
        self.share * if unbounded { 6.0 } else { 1.0 } / (self.times * self.times) as f32
    }
}

/// The rarest literals that every match needs.
pub fn need(tree: &Node, usual: &Usual) -> Option<Need> {
    let facts = facts(tree, usual);
    let whole = facts.exact.as_ref().and_then(|strings| usable(strings, Span::NONE, usual));
    better(facts.best, whole).filter(|need| need.bits() >= LEAST_BITS)
}

/// A string of a run; `head` of its octets stand before the run's base.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Text {
    octets: Vec<u8>,
    head: u32,
}

struct Facts {
    /// All strings the node can match.
    exact: Option<Vec<Text>>,
    /// Strings of which one begins, ends any match.
    prefix: Option<Vec<Text>>,
    suffix: Option<Vec<Text>>,
    best: Option<Need>,
    width: Span,
}

impl Facts {
    fn exact(strings: Vec<Text>, width: Span) -> Facts {
        Facts { exact: Some(strings), prefix: None, suffix: None, best: None, width }
    }

    fn unknown(width: Span) -> Facts {
        Facts { exact: None, prefix: None, suffix: None, best: None, width }
    }

    /// What one can say of the node's own literals, wherever it stands.
    fn best(&self, usual: &Usual) -> Option<Need> {
        let exact = self.exact.as_ref().and_then(|strings| usable(strings, Span::NONE, usual));
        better(self.best.clone(), exact)
    }
}

fn nothing() -> Vec<Text> {
    vec![Text { octets: Vec::new(), head: 0 }]
}

fn facts(node: &Node, usual: &Usual) -> Facts {
    let width = Span::of(node);
    match node {
        Node::Empty | Node::Assert(_) | Node::Keep | Node::Verb(_) => Facts::exact(nothing(), width),
        Node::Look(look) if look.ahead && !look.negative => {
            let best = facts(&look.node, usual).best(usual);
            Facts { best, ..Facts::exact(nothing(), width) }
        }
        Node::Look(_) => Facts::exact(nothing(), width),
        Node::Set(set) => match spelled(*set) {
            Some(octets) => Facts::exact(octets.into_iter().map(|octet| Text { octets: vec![octet], head: 0 }).collect(), width),
            None => Facts::unknown(width),
        },
        Node::Concat(nodes) => concat(nodes, width, usual),
        Node::Alternate(nodes) => alternate(nodes, width, usual),
        Node::Group(_, node) | Node::Atomic(node) => facts(node, usual),
        Node::Repeat(repeat) => {
            let inner = facts(&repeat.node, usual);
            // What several look-aheads need may be one and the same text.
            let copies = if repeat.node.any(&|node| matches!(node, Node::Look(_))) { 1 } else { repeat.min };
            let best = inner.best(usual).filter(|_| repeat.min > 0).map(|need| Need { times: need.times.saturating_mul(copies), ..need });
            match (inner.exact, repeat.min, repeat.max) {
                (Some(strings), 0, Some(1)) => match union(vec![strings, nothing()]) {
                    Some(strings) => Facts::exact(strings, width),
                    None => Facts::unknown(width),
                },
                (_, 0, _) => Facts::unknown(width),
                (Some(strings), min, max) => {
                    let copies = (1..min.min(LONGEST as u32)).try_fold(strings.clone(), |all, _| cross(&all, &strings));
                    let whole = max == Some(min) && min < LONGEST as u32;
                    match copies {
                        Some(copies) if whole => Facts { best, ..Facts::exact(copies, width) },
                        copies => {
                            let ends = copies.unwrap_or(strings);
                            Facts { exact: None, prefix: Some(ends.clone()), suffix: Some(ends), best, width }
                        }
                    }
                }
                (None, _, _) => Facts { exact: None, prefix: inner.prefix, suffix: inner.suffix, best, width },
            }
        }
        Node::Backreference(_) | Node::Conditional(_) | Node::Recurse(_) => Facts::unknown(width),
    }
}

/// The octets of a small class, letters in lower case.
fn spelled(set: Octets) -> Option<Vec<u8>> {
    if set.len() > 2 * CLASS {
        return None;
    }
    let mut octets: Vec<u8> = set.iter().map(|octet| octet.to_ascii_lowercase()).collect();
    octets.sort_unstable();
    octets.dedup();
    (octets.len() <= CLASS as usize).then_some(octets)
}

fn cross(left: &[Text], right: &[Text]) -> Option<Vec<Text>> {
    if left.len() * right.len() > STRINGS {
        return None;
    }
    let mut all = Vec::with_capacity(left.len() * right.len());
    for a in left {
        for b in right {
            if a.octets.len() + b.octets.len() > 2 * LONGEST {
                return None;
            }
            all.push(Text { octets: [&a.octets[..], &b.octets[..]].concat(), head: a.head });
        }
    }
    tidy(all)
}

fn union(sets: Vec<Vec<Text>>) -> Option<Vec<Text>> {
    tidy(sets.into_iter().flatten().collect())
}

fn tidy(mut all: Vec<Text>) -> Option<Vec<Text>> {
    all.sort_unstable();
    all.dedup();
    (all.len() <= STRINGS).then_some(all)
}

fn alternate(nodes: &[Node], width: Span, usual: &Usual) -> Facts {
    let branches: Vec<Facts> = nodes.iter().map(|node| facts(node, usual)).collect();
    let all = |pick: &dyn Fn(&Facts) -> Option<Vec<Text>>| branches.iter().map(pick).collect::<Option<Vec<_>>>().and_then(union);
    let exact = all(&|facts| facts.exact.clone());
    let best = branches.iter().map(|facts| facts.best(usual)).collect::<Option<Vec<_>>>().and_then(together);
    if exact.is_some() {
        return Facts { best, ..Facts { exact, prefix: None, suffix: None, best: None, width } };
    }
    let prefix = all(&|facts| facts.exact.clone().or(facts.prefix.clone()));
    let suffix = all(&|facts| facts.exact.clone().or(facts.suffix.clone()));
    Facts { exact: None, prefix, suffix, best, width }
}

/// One need out of those of all branches.
fn together(needs: Vec<Need>) -> Option<Need> {
    let times = needs.iter().map(|need| need.times).min()?;
    let share = needs.iter().map(|need| need.share).sum();
    let literals: Vec<Literal> = needs.into_iter().flat_map(|need| need.literals).collect();
    (literals.len() <= LITERALS).then_some(Need { literals, times, share })
}

/// A run of strings that stand side by side, and what comes before them.
struct Run<'u> {
    usual: &'u Usual,
    strings: Vec<Text>,
    /// Width of all before the run's base.
    base: Span,
    best: Option<Need>,
}

impl Run<'_> {
    fn weigh(&mut self, strings: &[Text]) {
        let need = usable(strings, self.base, self.usual);
        self.best = better(self.best.take(), need);
    }
}

fn concat(nodes: &[Node], width: Span, usual: &Usual) -> Facts {
    let mut run = Run { usual, strings: nothing(), base: Span::NONE, best: None };
    let (mut before, mut whole, mut prefix) = (Span::NONE, true, None);
    for node in nodes {
        let child = facts(node, usual);
        let shifted = child.best.clone().map(|need| shift(need, before));
        run.best = better(run.best.take(), shifted);
        match &child.exact {
            Some(exact) => match cross(&run.strings, exact) {
                Some(crossed) => run.strings = crossed,
                None => {
                    let end = std::mem::replace(&mut run.strings, exact.clone());
                    run.weigh(&end);
                    prefix = prefix.or(whole.then_some(end));
                    (run.base, whole) = (before, false);
                }
            },
            None => {
                let strings = std::mem::replace(&mut run.strings, nothing());
                let reached = child.prefix.as_ref().and_then(|prefix| cross(&strings, prefix)).unwrap_or(strings);
                run.weigh(&reached);
                prefix = prefix.or(whole.then_some(reached));
                whole = false;
                let inner = child.best(usual).map(|need| shift(need, before));
                run.best = better(run.best.take(), inner);
                run.base = before.and(child.width);
                if let Some(suffix) = &child.suffix {
                    run.strings = suffix.iter().map(|text| Text { octets: text.octets.clone(), head: text.octets.len() as u32 }).collect();
                }
            }
        }
        before = before.and(child.width);
    }
    let strings = std::mem::take(&mut run.strings);
    run.weigh(&strings);
    if whole {
        return Facts { best: run.best, ..Facts::exact(strings, width) };
    }
    let bare = |strings: Vec<Text>| strings.into_iter().map(|text| Text { head: 0, ..text }).collect();
    Facts { exact: None, prefix: prefix.map(bare), suffix: Some(bare(strings)), best: run.best, width }
}

fn shift(need: Need, by: Span) -> Need {
    let literals = need.literals.into_iter().map(|literal| Literal { before: literal.before.and(by), ..literal }).collect();
    Need { literals, ..need }
}

fn better(a: Option<Need>, b: Option<Need>) -> Option<Need> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.cost() < a.cost() { b } else { a }),
        (a, b) => a.or(b),
    }
}

fn usable(strings: &[Text], base: Span, usual: &Usual) -> Option<Need> {
    let mut literals: Vec<Literal> = Vec::with_capacity(strings.len());
    let mut share = 0.0;
    for text in strings {
        if text.octets.len() < SHORTEST {
            return None;
        }
        let (from, length) = rarest(&text.octets);
        let head = text.head.saturating_sub(from as u32);
        let ahead = (from as u32).saturating_sub(text.head);
        let feeds = text.octets.iter().take(from).filter(|octet| **octet == b'\n').count() as u32;
        let before = Span {
            least: base.least.saturating_sub(head) + ahead,
            most: base.most.map(|most| most.saturating_sub(head) + ahead),
            feeds: base.feeds.map(|most| most + feeds),
        };
        let octets = text.octets[from..from + length].to_vec();
        share += (-usual.bits(&octets)).exp2();
        literals.push(Literal { text: octets, before });
    }
    (!literals.is_empty()).then_some(Need { literals, times: 1, share })
}

/// The part of a long text that is kept.
fn rarest(octets: &[u8]) -> (usize, usize) {
    let length = octets.len().min(LONGEST);
    let rarity = |from: &usize| (frequency::bits(&octets[*from..from + length]) * 16.0) as u32;
    let from = (0..=octets.len() - length).max_by_key(rarity).unwrap_or(0);
    (from, length)
}
