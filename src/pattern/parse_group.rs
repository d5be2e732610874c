//! What follows `(`: groups, look-arounds, conditions, recursion, in-line flags (perlre, "Extended Patterns").

use super::octets::Octets;
use super::parse::{Charset, Flags, Parse, Parser};
use super::tree::{Condition, Conditional, Look, Node, Verb};

/// perldiag: "Lookbehind longer than 255 not implemented".
const LONGEST_BEHIND: u32 = 255;

impl Parser<'_> {
    /// After `(`. `None`: flags for what follows, no node.
    pub(super) fn group(&mut self) -> Parse<Option<Node>> {
        if self.peek() == Some(b'*') {
            self.at += 1;
            return self.verb().map(Some);
        }
        if !self.eat(b"?") {
            let node = if self.flags.no_capture { self.inside()? } else { self.capture(None)? };
            return Ok(Some(node));
        }
        let node = match self.peek() {
            Some(b':') => self.after(1, Parser::inside)?,
            Some(b'=') => self.after(1, |parser| parser.look(true, false))?,
            Some(b'!') => self.after(1, |parser| parser.look(true, true))?,
            Some(b'>') => Node::Atomic(Box::new(self.after(1, Parser::inside)?)),
            Some(b'|') => self.after(1, Parser::branch_reset)?,
            Some(b'<') if self.peek_at(1) == Some(b'=') => self.after(2, |parser| parser.look(false, false))?,
            Some(b'<') if self.peek_at(1) == Some(b'!') => self.after(2, |parser| parser.look(false, true))?,
            Some(b'<') => self.after(1, |parser| parser.named(b'>'))?,
            Some(b'\'') => self.after(1, |parser| parser.named(b'\''))?,
            Some(b'P') => self.after(1, Parser::python)?,
            Some(b'(') => self.after(1, Parser::conditional)?,
            Some(b'&') => self.after(1, |parser| parser.call_named())?,
            Some(b'R' | b'0'..=b'9' | b'+') => self.call()?,
            Some(b'-') if self.peek_at(1).is_some_and(|octet| octet.is_ascii_digit()) => self.call()?,
            _ => return self.in_line_flags(),
        };
        Ok(Some(node))
    }

    fn after<T>(&mut self, skipped: usize, read: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        self.at += skipped;
        read(self)
    }

    /// The content of a group and its `)`; flags set inside end with it.
    fn inside(&mut self) -> Parse<Node> {
        let flags = self.flags;
        let node = self.alternatives()?;
        self.flags = flags;
        self.close()?;
        Ok(node)
    }

    fn close(&mut self) -> Parse<()> {
        if self.eat(b")") { Ok(()) } else { self.fail("a '(' is not closed: add ), or escape it as \\(") }
    }

    fn capture(&mut self, name: Option<Box<str>>) -> Parse<Node> {
        self.groups += 1;
        self.highest = self.highest.max(self.groups);
        let number = self.groups;
        if let Some(name) = name {
            self.names.push((name, number));
        }
        Ok(Node::Group(number, Box::new(self.inside()?)))
    }

    fn named(&mut self, close: u8) -> Parse<Node> {
        let name = self.up_to(close)?;
        let valid = name.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
            && name.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'_');
        let name: Box<str> = String::from_utf8_lossy(name).into();
        if !valid {
            return self.fail("a group's name is letters, digits and underscores, and begins with no digit");
        }
        self.capture(Some(name))
    }

    /// `(?P<n>...)`, `(?P=n)`, `(?P>n)`
    fn python(&mut self) -> Parse<Node> {
        match self.next() {
            Some(b'<') => self.named(b'>'),
            Some(b'=') => {
                let name = self.up_to(b')')?.to_vec();
                self.name_reference(&name)
            }
            Some(b'>') => self.call_named(),
            _ => self.fail("(?P wants <, = or > after it"),
        }
    }

    fn look(&mut self, ahead: bool, negative: bool) -> Parse<Node> {
        Ok(Node::Look(Box::new(self.look_content(ahead, negative)?)))
    }

    fn look_content(&mut self, ahead: bool, negative: bool) -> Parse<Look> {
        let (outer, before) = (self.in_look, self.groups);
        self.in_look = true;
        let node = self.inside()?;
        self.in_look = outer;
        let behind = match (ahead, node.width()) {
            (true, _) => (0, 0),
            (false, (least, Some(most))) if most <= LONGEST_BEHIND => (least, most),
            (false, _) => return self.fail("a look-behind spans at most 255 octets: bound its quantifiers"),
        };
        if !ahead && behind.0 != behind.1 && self.groups > before {
            return self.fail("a look-behind of variable length cannot capture: use (?:...) inside");
        }
        Ok(Look { node, ahead, negative, behind })
    }

    /// `(?|...)`: each branch numbers its groups from the same start.
    fn branch_reset(&mut self) -> Parse<Node> {
        let (flags, start) = (self.flags, self.groups);
        let (mut most, mut branches) = (start, Vec::new());
        loop {
            self.groups = start;
            branches.push(self.branch()?);
            most = most.max(self.groups);
            if !self.eat(b"|") {
                break;
            }
        }
        (self.groups, self.flags) = (most, flags);
        self.close()?;
        Ok(if branches.len() == 1 { branches.swap_remove(0) } else { Node::Alternate(branches) })
    }

    /// After `(?(`.
    fn conditional(&mut self) -> Parse<Node> {
        let condition = self.condition()?;
        let flags = self.flags;
        let yes = self.branch()?;
        let no = if self.eat(b"|") { self.branch()? } else { Node::Empty };
        self.flags = flags;
        if self.peek() == Some(b'|') {
            return self.fail("a condition has two branches: put further ones in a group");
        }
        self.close()?;
        Ok(Node::Conditional(Box::new(Conditional { condition, yes, no })))
    }

    fn condition(&mut self) -> Parse<Condition> {
        for (word, ahead, negative) in [(&b"?="[..], true, false), (b"?!", true, true), (b"?<=", false, false), (b"?<!", false, true)] {
            if self.eat(word) {
                return self.look_content(ahead, negative).map(Condition::Look);
            }
        }
        let word = self.up_to(b')')?.to_vec();
        if word == b"DEFINE" {
            return Ok(Condition::Never);
        }
        if let Some(number) = std::str::from_utf8(&word).ok().and_then(|word| word.parse::<u32>().ok()) {
            return match number {
                0 => self.fail("group 0 is no condition"),
                number => Ok(Condition::Set(vec![number])),
            };
        }
        let name = match (word.first(), word.last()) {
            (Some(b'<'), Some(b'>')) | (Some(b'\''), Some(b'\'')) if word.len() > 2 => &word[1..word.len() - 1],
            _ => return self.fail("a condition is a group's number, <name>, a look-around or DEFINE"),
        };
        self.groups_named(name).map(Condition::Set)
    }

    /// `(?R)`, `(?0)`, `(?1)`, `(?+1)`, `(?-1)`
    fn call(&mut self) -> Parse<Node> {
        let word = self.up_to(b')')?.to_vec();
        let text = String::from_utf8_lossy(&word).into_owned();
        let number = match (text.strip_prefix('+'), text.strip_prefix('-')) {
            _ if text == "R" => Some(0),
            (Some(ahead), _) => ahead.parse::<u32>().ok().map(|ahead| self.groups + ahead),
            (_, Some(back)) => back.parse::<u32>().ok().and_then(|back| (self.groups + 1).checked_sub(back)).filter(|number| *number > 0),
            _ => text.parse().ok(),
        };
        match number {
            Some(number) if self.counting() || number <= self.total => Ok(Node::Recurse(number)),
            _ => self.fail("there is no group of this number"),
        }
    }

    fn call_named(&mut self) -> Parse<Node> {
        let name = self.up_to(b')')?.to_vec();
        Ok(Node::Recurse(self.groups_named(&name)?.first().copied().unwrap_or(0)))
    }

    fn verb(&mut self) -> Parse<Node> {
        let word = self.up_to(b')')?.to_vec();
        let node = match word.as_slice() {
            b"F" | b"FAIL" => Node::Set(Octets::NONE),
            b"COMMIT" => Node::Verb(Verb::Commit),
            b"PRUNE" => Node::Verb(Verb::Prune),
            b"SKIP" => Node::Verb(Verb::Skip),
            _ => return self.fail("of the (*VERBS), FAIL, COMMIT, PRUNE and SKIP are supported: write the pattern without this one"),
        };
        Ok(node)
    }

    /// `(?i)`, `(?i-s:...)`, `(?^:...)`
    fn in_line_flags(&mut self) -> Parse<Option<Node>> {
        let outer = self.flags;
        if self.eat(b"^") {
            self.flags = Flags { charset: Charset::Native, ..Flags::RULE };
        }
        let (mut on, mut charset) = (true, None);
        loop {
            let Some(letter) = self.next() else { return self.fail("flags are not closed: add : or )") };
            match letter {
                b':' => {
                    let inner = self.alternatives()?;
                    self.flags = outer;
                    self.close()?;
                    return Ok(Some(inner));
                }
                b')' => return Ok(None),
                b'-' if on => on = false,
                b'a' | b'u' | b'l' | b'd' if on => {
                    charset = Some(self.charset(letter, charset)?);
                    self.flags.charset = charset.unwrap_or(Charset::Native);
                }
                other => self.flag(other, on)?,
            }
        }
    }

    fn charset(&self, letter: u8, before: Option<Charset>) -> Parse<Charset> {
        match (letter, before) {
            (b'a', None) => Ok(Charset::Ascii),
            (b'a', Some(Charset::Ascii)) => Ok(Charset::AsciiStrict),
            (b'u', None) => Ok(Charset::Unicode),
            (b'l', None) => Ok(Charset::Locale),
            (b'd', None) => Ok(Charset::Native),
            _ => self.fail("the flags a, u, l and d exclude one another: keep one"),
        }
    }

    fn flag(&mut self, letter: u8, on: bool) -> Parse<()> {
        match letter {
            b'i' => self.flags.fold = on,
            b'm' => self.flags.lines = on,
            b's' => self.flags.dot_all = on,
            b'n' => self.flags.no_capture = on,
            b'p' if on => {}
            b'x' => {
                self.flags.spaced = on;
                self.flags.spaced_class = on && self.eat(b"x");
            }
            _ => return self.fail(&format!("the flag {} is not known: use i, m, s, x or n", char::from(letter))),
        }
        Ok(())
    }
}
