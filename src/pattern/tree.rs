//! A pattern as a tree over octet sets. Flags, classes and case folding are resolved here; every engine is fed from it.

use super::octets::Octets;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    Empty,
    /// One octet of the set; the empty set never matches.
    Set(Octets),
    Concat(Vec<Node>),
    /// Leftmost branch that leads to a match wins.
    Alternate(Vec<Node>),
    Repeat(Box<Repeat>),
    /// A capturing group, by its number.
    Group(u32, Box<Node>),
    Atomic(Box<Node>),
    Look(Box<Look>),
    Assert(Assertion),
    Backreference(Backreference),
    /// `\K`: the match is reported from here.
    Keep,
    Conditional(Box<Conditional>),
    /// `(?R)`, `(?1)`: match the group's pattern again; 0 is the whole pattern.
    Recurse(u32),
    /// `(*COMMIT)`, `(*PRUNE)`, `(*SKIP)`: no way back across this point.
    Verb(Verb),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeat {
    pub node: Node,
    pub min: u32,
    /// `None`: without end.
    pub max: Option<u32>,
    pub kind: RepeatKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepeatKind {
    Greedy,
    Lazy,
    Possessive,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    pub node: Node,
    pub ahead: bool,
    pub negative: bool,
    /// Octets a look-behind may span, fewest and most.
    pub behind: (u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assertion {
    TextStart,
    LineStart,
    TextEnd,
    /// At the end, or before a line feed that is last.
    TextEndOrFinalLf,
    LineEnd,
    WordBoundary,
    NotWordBoundary,
    /// `\G`: where the search began.
    SearchStart,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backreference {
    /// Groups that bear the name (or the one number); the first that is set counts.
    pub groups: Vec<u32>,
    pub fold: Fold,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    None,
    Ascii,
    Latin1,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditional {
    pub condition: Condition,
    pub yes: Node,
    pub no: Node,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// One of these groups is set.
    Set(Vec<u32>),
    Look(Look),
    /// `(DEFINE)`: never.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Commit,
    Prune,
    Skip,
}

impl Fold {
    /// Every octet that stands for the same letter.
    pub fn class(self, octet: u8) -> Octets {
        let set = Octets::one(octet);
        match self {
            Fold::None => set,
            Fold::Ascii => ascii(set, octet),
            // perlre, "/aa": Unicode case rules hold, so Latin-1 letters fold; only pairs across ASCII are forbidden.
            Fold::Latin1 => match octet {
                0xC0..=0xD6 | 0xD8..=0xDE => set.with(octet + 0x20),
                0xE0..=0xF6 | 0xF8..=0xFE => set.with(octet - 0x20),
                _ => ascii(set, octet),
            },
        }
    }

    pub fn same(self, a: u8, b: u8) -> bool {
        a == b || self.class(a).contains(b)
    }
}

fn ascii(set: Octets, octet: u8) -> Octets {
    if octet.is_ascii_alphabetic() { set.with(octet ^ 0x20) } else { set }
}

impl Node {
    pub fn concat(mut nodes: Vec<Node>) -> Node {
        match nodes.len() {
            0 => Node::Empty,
            1 => nodes.swap_remove(0),
            _ => Node::Concat(nodes),
        }
    }

    /// The nodes directly below.
    pub fn children(&self) -> Vec<&Node> {
        match self {
            Node::Concat(nodes) | Node::Alternate(nodes) => nodes.iter().collect(),
            Node::Repeat(repeat) => vec![&repeat.node],
            Node::Group(_, node) | Node::Atomic(node) => vec![node],
            Node::Look(look) => vec![&look.node],
            Node::Conditional(conditional) => match &conditional.condition {
                Condition::Look(look) => vec![&look.node, &conditional.yes, &conditional.no],
                Condition::Set(_) | Condition::Never => vec![&conditional.yes, &conditional.no],
            },
            Node::Empty | Node::Set(_) | Node::Assert(_) | Node::Backreference(_) | Node::Keep | Node::Recurse(_) | Node::Verb(_) => {
                Vec::new()
            }
        }
    }

    /// Does any node of the tree fulfil this?
    pub fn any(&self, test: &dyn Fn(&Node) -> bool) -> bool {
        test(self) || self.children().into_iter().any(|child| child.any(test))
    }

    /// Fewest and most octets a match of this node spans; `None`: no bound is known.
    pub fn width(&self) -> (u32, Option<u32>) {
        match self {
            Node::Set(_) => (1, Some(1)),
            Node::Concat(nodes) => nodes
                .iter()
                .map(Node::width)
                .fold((0, Some(0)), |sum, width| (sum.0.saturating_add(width.0), sum.1.zip(width.1).and_then(|(a, b)| a.checked_add(b)))),
            Node::Alternate(nodes) => nodes.iter().map(Node::width).fold((u32::MAX, Some(0)), either),
            Node::Repeat(repeat) => {
                let (least, most) = repeat.node.width();
                let most = if most == Some(0) { Some(0) } else { most.zip(repeat.max).and_then(|(a, b)| a.checked_mul(b)) };
                (least.saturating_mul(repeat.min), most)
            }
            Node::Group(_, node) | Node::Atomic(node) => node.width(),
            Node::Conditional(conditional) => either(conditional.yes.width(), conditional.no.width()),
            Node::Backreference(_) | Node::Recurse(_) => (0, None),
            Node::Empty | Node::Look(_) | Node::Assert(_) | Node::Keep | Node::Verb(_) => (0, Some(0)),
        }
    }

    /// Most line feeds that a match of this node holds; `None`: no bound is known.
    pub fn feeds(&self) -> Option<u32> {
        match self {
            Node::Set(set) => Some(u32::from(set.contains(b'\n'))),
            Node::Concat(nodes) => nodes.iter().try_fold(0u32, |sum, node| sum.checked_add(node.feeds()?)),
            Node::Alternate(nodes) => nodes.iter().try_fold(0, |most, node| Some(node.feeds()?.max(most))),
            Node::Repeat(repeat) => match repeat.node.feeds() {
                Some(0) => Some(0),
                feeds => feeds?.checked_mul(repeat.max?),
            },
            Node::Group(_, node) | Node::Atomic(node) => node.feeds(),
            Node::Conditional(conditional) => conditional.yes.feeds().zip(conditional.no.feeds()).map(|(a, b)| a.max(b)),
            Node::Backreference(_) | Node::Recurse(_) => None,
            Node::Empty | Node::Look(_) | Node::Assert(_) | Node::Keep | Node::Verb(_) => Some(0),
        }
    }
}

fn either(a: (u32, Option<u32>), b: (u32, Option<u32>)) -> (u32, Option<u32>) {
    (a.0.min(b.0), a.1.zip(b.1).map(|(a, b)| a.max(b)))
}
