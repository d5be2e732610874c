//! Which octets may come next: the first octets of a node, and of what follows it.

use super::octets::Octets;
use super::tree::{Assertion, Node};

/// What the rest of a match may begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    pub octets: Octets,
    /// The rest may succeed at the end of the subject.
    pub end: bool,
    /// The rest succeeds at the beginning of a line alone.
    pub line: bool,
}

impl Next {
    pub const ANY: Next = Next { octets: Octets::ALL, end: true, line: false };
    const NONE: Next = Next { octets: Octets::NONE, end: false, line: true };

    pub fn union(self, other: Next) -> Next {
        Next { octets: self.octets.union(other.octets), end: self.end || other.end, line: self.line && other.line }
    }

    fn intersection(self, other: Next) -> Next {
        Next { octets: self.octets.intersection(other.octets), end: self.end && other.end, line: self.line || other.line }
    }
}

/// What `node` followed by `rest` may begin with; too wide is allowed, too narrow is not.
pub fn first(node: &Node, rest: Next) -> Next {
    match node {
        Node::Empty | Node::Look(_) | Node::Keep | Node::Verb(_) => rest,
        Node::Set(set) => Next { octets: *set, end: false, line: false },
        Node::Concat(nodes) => nodes.iter().rev().fold(rest, |rest, node| first(node, rest)),
        Node::Alternate(nodes) => nodes.iter().fold(Next::NONE, |sum, node| sum.union(first(node, rest))),
        Node::Repeat(repeat) if repeat.max == Some(0) => rest,
        Node::Repeat(repeat) => {
            let body = first(&repeat.node, rest);
            if repeat.min == 0 { body.union(rest) } else { body }
        }
        Node::Group(_, node) | Node::Atomic(node) => first(node, rest),
        Node::Assert(assertion) => asserted(*assertion, rest),
        Node::Backreference(_) | Node::Recurse(_) | Node::Conditional(_) => Next::ANY,
    }
}

fn asserted(assertion: Assertion, rest: Next) -> Next {
    match assertion {
        Assertion::TextEnd => rest.intersection(Next { octets: Octets::NONE, end: true, line: false }),
        Assertion::TextEndOrFinalLf | Assertion::LineEnd => rest.intersection(Next { octets: Octets::one(b'\n'), end: true, line: false }),
        Assertion::LineStart => Next { line: true, ..rest },
        Assertion::TextStart | Assertion::WordBoundary | Assertion::NotWordBoundary | Assertion::SearchStart => rest,
    }
}
