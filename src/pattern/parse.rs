//! Perl's pattern syntax (perlre, 5.36) over octets, read to a tree as `qr/.../aa` reads it.
//!
//! What Perl refuses is refused, and so is what it warns of: SpamAssassin takes a warning for an error.

use super::PatternError;
use super::octets::Octets;
use super::parse_class as class;
use super::tree::{Assertion, Fold, Node, Repeat, RepeatKind};

/// Nesting of groups in a pattern.
const DEPTH: u32 = 250;
/// REG_INFTY - 1 of Perl 5.36.
const MOST_REPEATS: u32 = 65_534;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// `/d`: ASCII rules on octets.
    Native,
    /// `/u`: Latin-1 rules.
    Unicode,
    /// `/l`: as in the C locale.
    Locale,
    /// `/a`
    Ascii,
    /// `/aa`
    AsciiStrict,
}

#[derive(Clone, Copy, Debug)]
pub struct Flags {
    pub fold: bool,
    pub lines: bool,
    pub dot_all: bool,
    pub spaced: bool,
    pub spaced_class: bool,
    pub no_capture: bool,
    pub charset: Charset,
}

impl Flags {
    pub const RULE: Flags = Flags {
        fold: false,
        lines: false,
        dot_all: false,
        spaced: false,
        spaced_class: false,
        no_capture: false,
        charset: Charset::AsciiStrict,
    };

    pub fn folding(&self) -> Fold {
        match (self.fold, self.charset) {
            (false, _) => Fold::None,
            (true, Charset::Native | Charset::Locale) => Fold::Ascii,
            (true, Charset::Unicode | Charset::Ascii | Charset::AsciiStrict) => Fold::Latin1,
        }
    }
}

/// A pattern read.
#[derive(Clone, Debug)]
pub struct Parsed {
    pub tree: Node,
    /// Capturing groups, without group 0.
    pub groups: u32,
    /// Names of groups in the order of their numbers; a name may stand for several.
    pub names: Vec<(Box<str>, u32)>,
}

pub fn parse(text: &[u8], flags: Flags) -> Result<Parsed, PatternError> {
    // `\12` is a back-reference if the pattern has twelve groups, and groups may follow: so count first.
    let mut counting = Parser::new(text, flags, u32::MAX);
    counting.whole()?;
    let (groups, names) = (counting.highest, counting.names);
    let mut parser = Parser::new(text, flags, groups);
    parser.all_names = names;
    let tree = parser.whole()?;
    Ok(Parsed { tree, groups, names: parser.names })
}

pub(super) struct Parser<'a> {
    pub text: &'a [u8],
    pub at: usize,
    pub flags: Flags,
    /// Number of the last group opened.
    pub groups: u32,
    /// Highest number of any group: with branch reset, `groups` goes back.
    pub highest: u32,
    pub total: u32,
    pub names: Vec<(Box<str>, u32)>,
    pub all_names: Vec<(Box<str>, u32)>,
    pub depth: u32,
    pub in_look: bool,
}

pub(super) type Parse<T> = Result<T, PatternError>;

impl<'a> Parser<'a> {
    fn new(text: &'a [u8], flags: Flags, total: u32) -> Parser<'a> {
        Parser { text, at: 0, flags, groups: 0, highest: 0, total, names: Vec::new(), all_names: Vec::new(), depth: 0, in_look: false }
    }

    /// The first of the two readings: numbers and names are not checked yet.
    pub fn counting(&self) -> bool {
        self.total == u32::MAX
    }

    fn whole(&mut self) -> Parse<Node> {
        let tree = self.alternatives()?;
        if self.at < self.text.len() {
            return self.fail("a ')' has no '(' before it: escape it as \\) or remove it");
        }
        Ok(tree)
    }

    pub fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    pub fn next(&mut self) -> Option<u8> {
        let octet = self.peek()?;
        self.at += 1;
        Some(octet)
    }

    pub fn eat(&mut self, word: &[u8]) -> bool {
        let found = self.rest().starts_with(word);
        if found {
            self.at += word.len();
        }
        found
    }

    pub fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or(&[])
    }

    pub fn fail<T>(&self, what: &str) -> Parse<T> {
        Err(PatternError::new(format!("at octet {} of the pattern: {what}", self.at)))
    }

    /// Branches up to the `)` that closes them, or the end.
    pub fn alternatives(&mut self) -> Parse<Node> {
        self.depth += 1;
        if self.depth > DEPTH {
            return self.fail("groups are nested too deeply: simplify the pattern");
        }
        let mut branches = vec![self.branch()?];
        while self.eat(b"|") {
            branches.push(self.branch()?);
        }
        self.depth -= 1;
        Ok(if branches.len() == 1 { branches.swap_remove(0) } else { Node::Alternate(branches) })
    }

    pub fn branch(&mut self) -> Parse<Node> {
        let mut nodes = Vec::new();
        // A brace that is no quantifier stands for itself, but not just after what it could have quantified.
        let mut brace_allowed = true;
        loop {
            self.skip_spaces()?;
            match self.peek() {
                None | Some(b'|' | b')') => return Ok(Node::concat(nodes)),
                Some(_) => {}
            }
            let began = self.at;
            let caret = self.peek() == Some(b'^');
            let Some(atom) = self.atom(brace_allowed)? else {
                brace_allowed = true;
                continue;
            };
            let (node, quantified) = self.quantified(atom, began)?;
            brace_allowed = quantified || caret;
            match node {
                Node::Concat(inner) => nodes.extend(inner),
                Node::Empty => {}
                other => nodes.push(other),
            }
        }
    }

    /// White space and comments under /x, and `(?#...)` always.
    pub fn skip_spaces(&mut self) -> Parse<()> {
        loop {
            if self.eat(b"(?#") {
                match memchr::memchr(b')', self.rest()) {
                    Some(end) => self.at += end + 1,
                    None => return self.fail("the comment (?# is not closed: add )"),
                }
            } else if self.flags.spaced && matches!(self.peek(), Some(b' ' | 9..=13)) {
                self.at += 1;
            } else if self.flags.spaced && self.peek() == Some(b'#') {
                self.at += memchr::memchr(b'\n', self.rest()).map_or(self.rest().len(), |end| end + 1);
            } else {
                return Ok(());
            }
        }
    }

    /// `None`: something without a node, such as `(?i)`.
    fn atom(&mut self, brace_allowed: bool) -> Parse<Option<Node>> {
        let Some(octet) = self.next() else { return Ok(None) };
        let node = match octet {
            b'(' => return self.group(),
            b'[' => Node::Set(class::class(self)?),
            b'.' if self.flags.dot_all => Node::Set(Octets::ALL),
            b'.' => Node::Set(Octets::one(b'\n').complement()),
            b'^' if self.flags.lines => Node::Assert(Assertion::LineStart),
            b'^' => Node::Assert(Assertion::TextStart),
            b'$' if self.flags.lines => Node::Assert(Assertion::LineEnd),
            b'$' => Node::Assert(Assertion::TextEndOrFinalLf),
            b'\\' => return self.escape().map(Some),
            b'*' | b'+' | b'?' => return self.fail("a quantifier follows nothing: escape it as \\* or put something before it"),
            b'{' if !brace_allowed => return self.fail("a '{' that begins no quantifier: escape it as \\{"),
            other => self.literal(other),
        };
        Ok(Some(node))
    }

    pub fn literal(&self, octet: u8) -> Node {
        Node::Set(self.flags.folding().class(octet))
    }

    /// A code point; beyond one octet it never matches.
    pub fn code_point(&self, code: u32) -> Node {
        Node::Set(class::code_point(code, self.flags.folding()))
    }

    /// The atom with the quantifier after it, if there is one.
    fn quantified(&mut self, atom: Node, began: usize) -> Parse<(Node, bool)> {
        self.skip_spaces()?;
        let Some((min, max, end)) = self.quantifier()? else { return Ok((atom, false)) };
        let braces = self.peek() == Some(b'{');
        self.at = end;
        if max == Some(min) && self.peek() == Some(b'?') {
            return self.fail("a ? after a fixed number has no use: remove it");
        }
        let kind = if self.eat(b"?") {
            RepeatKind::Lazy
        } else if self.eat(b"+") {
            RepeatKind::Possessive
        } else {
            RepeatKind::Greedy
        };
        self.skip_spaces()?;
        if self.quantifier()?.is_some() {
            return self.fail("a quantifier follows a quantifier: put the first in a group, (?:...)");
        }
        if max.is_none() && !has_width(&atom) {
            let what = String::from_utf8_lossy(&self.text[began..self.at]).into_owned();
            return self.fail(&format!("{what} matches the empty string without end: remove the quantifier"));
        }
        let captures = |node: &Node| node.any(&|node| matches!(node, Node::Group(..) | Node::Backreference(_) | Node::Recurse(_)));
        // Perl's study of the pattern reaches the outermost level for certain.
        if braces && (min > 0 || max == Some(0)) && self.depth == 1 && !self.in_look && atom.width() == (0, Some(0)) && !captures(&atom) {
            return self.fail("a number of times is given for what matches the empty string: remove the braces");
        }
        let node = match (min, max) {
            (1, Some(1)) if kind != RepeatKind::Possessive => atom,
            (0, Some(0)) => no_repeat(atom),
            _ => Node::Repeat(Box::new(Repeat { node: atom, min, max, kind })),
        };
        Ok((node, true))
    }

    /// A quantifier here: its bounds and where it ends.
    fn quantifier(&self) -> Parse<Option<(u32, Option<u32>, usize)>> {
        let end = self.at + 1;
        Ok(match self.peek() {
            Some(b'*') => Some((0, None, end)),
            Some(b'+') => Some((1, None, end)),
            Some(b'?') => Some((0, Some(1), end)),
            Some(b'{') => self.bounds(end)?,
            _ => None,
        })
    }

    /// `n}`, `n,}`, `,m}`, `n,m}`, with blanks allowed inside (perlre, 5.34).
    pub(super) fn bounds(&self, at: usize) -> Parse<Option<(u32, Option<u32>, usize)>> {
        let inside = self.text.get(at..).unwrap_or(&[]);
        let Some(close) = memchr::memchr(b'}', inside) else { return Ok(None) };
        let words: Vec<&[u8]> = inside[..close].split(|octet| *octet == b',').map(trim_blanks).collect();
        let numeric = |word: &[u8]| word.iter().all(u8::is_ascii_digit);
        let (low, high) = match words[..] {
            [only] if !only.is_empty() && numeric(only) => (only, Some(only)),
            [low, high] if numeric(low) && numeric(high) && !(low.is_empty() && high.is_empty()) => (low, Some(high)),
            _ => return Ok(None),
        };
        let read = |word: &[u8]| word.iter().fold(0u32, |sum, digit| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
        let (min, max) = (read(low), high.filter(|high| !high.is_empty()).map(read));
        if min > MOST_REPEATS || max.is_some_and(|max| max > MOST_REPEATS) {
            return self.fail("a quantifier goes up to 65534: use a smaller number, or leave it out as in {1,}");
        }
        if max.is_some_and(|max| max < min) {
            return self.fail("a quantifier whose first number is larger never matches: swap the numbers");
        }
        Ok(Some((min, max, at + close + 1)))
    }
}

fn trim_blanks(word: &[u8]) -> &[u8] {
    let word = word.iter().position(|octet| !matches!(octet, b' ' | b'\t')).map_or(&[][..], |from| &word[from..]);
    word.iter().rposition(|octet| !matches!(octet, b' ' | b'\t')).map_or(&[][..], |last| &word[..=last])
}

/// `X{0}` matches nothing, but groups inside may still be called by number.
fn no_repeat(atom: Node) -> Node {
    match atom.any(&|node| matches!(node, Node::Group(..))) {
        true => Node::Repeat(Box::new(Repeat { node: atom, min: 0, max: Some(0), kind: RepeatKind::Greedy })),
        false => Node::Empty,
    }
}

/// Perl's HASWIDTH: could a match span something? Decides which endless repeats it warns of.
fn has_width(node: &Node) -> bool {
    match node {
        Node::Set(_) | Node::Backreference(_) | Node::Recurse(_) => true,
        Node::Concat(nodes) | Node::Alternate(nodes) => nodes.iter().any(has_width),
        Node::Repeat(repeat) => repeat.max != Some(0) && has_width(&repeat.node),
        Node::Group(_, node) | Node::Atomic(node) => has_width(node),
        Node::Conditional(conditional) => has_width(&conditional.yes) || has_width(&conditional.no),
        Node::Empty | Node::Look(_) | Node::Assert(_) | Node::Keep | Node::Verb(_) => false,
    }
}
