//! What follows a backslash outside a class (perlrebackslash).

use super::octets::Octets;
use super::parse::{Parse, Parser};
use super::parse_class::shorthand;
use super::tree::{Assertion, Backreference, Node};

impl Parser<'_> {
    /// After a backslash outside a class.
    pub(super) fn escape(&mut self) -> Parse<Node> {
        let Some(octet) = self.peek() else { return self.fail("a backslash ends the pattern: write \\\\") };
        if let Some(node) = self.assertion(octet)? {
            return Ok(node);
        }
        if octet == b'N' && self.peek_at(1) == Some(b'{') && self.bounds(self.at + 2)?.is_none() {
            return match self.character_escape(false)? {
                Some(code) => Ok(self.code_point(code)),
                None => self.fail("\\N{name} is not known here: write the octets as \\xHH"),
            };
        }
        if let Some(set) = shorthand(octet, self.flags.charset) {
            self.at += 1;
            return Ok(Node::Set(set));
        }
        match octet {
            b'p' | b'P' => {
                self.at += 1;
                return self.property(octet == b'P').map(Node::Set);
            }
            b'R' | b'X' => {
                self.at += 1;
                return Ok(line_break(octet == b'X'));
            }
            b'1'..=b'9' => {
                if let Some(node) = self.numbered()? {
                    return Ok(node);
                }
            }
            b'g' => return self.g_reference(),
            b'k' => return self.named_reference(),
            _ => {}
        }
        if let Some(code) = self.character_escape(false)? {
            return Ok(self.code_point(code));
        }
        if octet.is_ascii_alphanumeric() {
            return self.fail(&format!("\\{} means nothing in a pattern: remove the backslash", char::from(octet)));
        }
        self.at += 1;
        Ok(self.literal(octet))
    }

    fn assertion(&mut self, octet: u8) -> Parse<Option<Node>> {
        let assertion = match octet {
            b'A' => Assertion::TextStart,
            b'z' => Assertion::TextEnd,
            b'Z' => Assertion::TextEndOrFinalLf,
            b'b' => Assertion::WordBoundary,
            b'B' => Assertion::NotWordBoundary,
            b'G' => Assertion::SearchStart,
            b'K' if self.in_look => return self.fail("\\K cannot stand in a look-around: move it out"),
            b'K' => {
                self.at += 1;
                return Ok(Some(Node::Keep));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        if matches!(octet, b'b' | b'B') && self.peek() == Some(b'{') {
            return self.fail("\\b{...} is not for octets: use \\b");
        }
        Ok(Some(Node::Assert(assertion)))
    }

    /// One character by its code: `\n`, `\x41`, `\012`, `\cA` ...
    pub(super) fn character_escape(&mut self, in_class: bool) -> Parse<Option<u32>> {
        let Some(octet) = self.peek() else { return Ok(None) };
        let simple = match octet {
            b'a' => 7,
            b'e' => 27,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'0'..=b'7' => return Ok(Some(self.octal())),
            b'x' => {
                self.at += 1;
                return self.hexadecimal().map(Some);
            }
            b'o' if self.peek_at(1) == Some(b'{') => {
                self.at += 2;
                return self.braced(8).map(Some);
            }
            b'c' => {
                self.at += 1;
                return match self.next() {
                    Some(letter @ 0x20..=0x7E) => Ok(Some(u32::from(letter.to_ascii_uppercase() ^ 64))),
                    _ => self.fail("\\c wants a printable ASCII character after it"),
                };
            }
            b'N' if self.rest().starts_with(b"N{U+") => {
                self.at += 4;
                return self.braced(16).map(Some);
            }
            b'N' if in_class => return self.fail("\\N does not stand in a class: use [^\\n]"),
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(simple))
    }

    fn octal(&mut self) -> u32 {
        let digits = self.rest().iter().take(3).take_while(|octet| (b'0'..=b'7').contains(octet)).count();
        let value = self.rest()[..digits].iter().fold(0, |sum, digit| sum * 8 + u32::from(digit - b'0'));
        self.at += digits;
        value
    }

    fn hexadecimal(&mut self) -> Parse<u32> {
        if self.eat(b"{") {
            return self.braced(16);
        }
        let digits = self.rest().iter().take(2).take_while(|octet| octet.is_ascii_hexdigit()).count();
        let value = value(&self.rest()[..digits], 16).unwrap_or(0);
        self.at += digits;
        if digits < 2 && self.peek().is_some_and(|next| next != b']' || digits == 0) {
            return self.fail("\\x wants two hexadecimal digits: write \\x0a or \\x{a}");
        }
        Ok(value)
    }

    /// Digits up to a closing brace.
    fn braced(&mut self, radix: u32) -> Parse<u32> {
        let close = memchr::memchr(b'}', self.rest());
        let digits = close.map(|close| &self.rest()[..close]);
        let trimmed = digits.map(|digits| digits.trim_ascii());
        let (Some(close), Some(value)) = (close, trimmed.and_then(|digits| if digits.is_empty() { Some(0) } else { value(digits, radix) }))
        else {
            return self.fail("a number in braces is wanted here, such as \\x{a0}");
        };
        self.at += close + 1;
        Ok(value)
    }

    /// `\1` .. `\9` always refer to groups; longer numbers only to groups that exist.
    fn numbered(&mut self) -> Parse<Option<Node>> {
        let digits = self.rest().iter().take(9).take_while(|octet| octet.is_ascii_digit()).count();
        let number = value(&self.rest()[..digits], 10).unwrap_or(u32::MAX);
        let octal = self.peek().is_some_and(|first| first < b'8');
        if digits > 1 && octal && (self.counting() || number > self.total) {
            return if self.counting() && number <= 99 { self.skip_number(digits) } else { Ok(None) };
        }
        self.at += digits;
        self.reference(number).map(Some)
    }

    fn skip_number(&mut self, digits: usize) -> Parse<Option<Node>> {
        self.at += digits;
        Ok(Some(Node::Set(Octets::ALL)))
    }

    pub(super) fn reference(&self, number: u32) -> Parse<Node> {
        if number == 0 || (number > self.total && !self.counting()) {
            return self.fail("there is no group of this number");
        }
        Ok(Node::Backreference(Backreference { groups: vec![number], fold: self.flags.folding() }))
    }

    /// `\g1`, `\g-1`, `\g{-1}`, `\g{name}`
    fn g_reference(&mut self) -> Parse<Node> {
        self.at += 1;
        let braced = self.eat(b"{");
        let length = if braced {
            memchr::memchr(b'}', self.rest())
        } else {
            let sign = usize::from(self.peek() == Some(b'-'));
            Some(sign + self.rest()[sign..].iter().take_while(|octet| octet.is_ascii_digit()).count())
        };
        let Some(length) = length.filter(|length| *length > 0) else { return self.fail("\\g wants a group: write \\g{1}") };
        let word = self.rest()[..length].trim_ascii();
        self.at += length + usize::from(braced);
        if let Some(number) = value(word, 10) {
            return self.reference(number);
        }
        if let Some(back) = word.strip_prefix(b"-").and_then(|digits| value(digits, 10)) {
            return match (self.groups + 1).checked_sub(back).filter(|number| *number > 0 && back > 0) {
                Some(number) => self.reference(number),
                None => self.fail("there are not so many groups before this point"),
            };
        }
        self.name_reference(word)
    }

    /// `\k<name>`, `\k'name'`, `\k{name}`
    fn named_reference(&mut self) -> Parse<Node> {
        self.at += 1;
        let close = match self.next() {
            Some(b'<') => b'>',
            Some(b'\'') => b'\'',
            Some(b'{') => b'}',
            _ => return self.fail("\\k wants a name: write \\k<name>"),
        };
        let word = self.up_to(close)?.to_vec();
        self.name_reference(word.trim_ascii())
    }

    pub(super) fn name_reference(&self, name: &[u8]) -> Parse<Node> {
        let groups = self.groups_named(name)?;
        Ok(Node::Backreference(Backreference { groups, fold: self.flags.folding() }))
    }

    pub(super) fn groups_named(&self, name: &[u8]) -> Parse<Vec<u32>> {
        let groups: Vec<u32> = self.all_names.iter().filter(|(known, _)| known.as_bytes() == name).map(|(_, number)| *number).collect();
        if groups.is_empty() && !self.counting() {
            return self.fail(&format!("no group is named {}", String::from_utf8_lossy(name)));
        }
        Ok(groups)
    }

    pub(super) fn up_to(&mut self, close: u8) -> Parse<&[u8]> {
        let rest = self.rest();
        let Some(end) = memchr::memchr(close, rest) else {
            return self.fail(&format!("a name is not closed: add {}", char::from(close)));
        };
        self.at += end + 1;
        Ok(&rest[..end])
    }

    /// After `\p`: `L`, `{Lu}`, `{^Han}`; reduced to what lies in the first 256 code points.
    pub(super) fn property(&mut self, negated: bool) -> Parse<Octets> {
        let name = if self.eat(b"{") { self.up_to(b'}')?.trim_ascii().to_vec() } else { self.next().into_iter().collect() };
        let (flip, name) = name.strip_prefix(b"^").map_or((false, &name[..]), |rest| (true, rest));
        let Some(set) = property_octets(&String::from_utf8_lossy(name)) else {
            return self.fail("no Unicode property has this name");
        };
        Ok(if negated != flip { set.complement() } else { set })
    }
}

fn value(digits: &[u8], radix: u32) -> Option<u32> {
    let text: String = std::str::from_utf8(digits).ok()?.chars().filter(|c| *c != '_').collect();
    if text.starts_with(['+', '-']) { None } else { u32::from_str_radix(&text, radix).ok() }
}

/// `\R`, and `\X`, which on octets is a line break or any one octet.
fn line_break(any: bool) -> Node {
    let lone = if any { Octets::ALL } else { Octets::range(10, 13).with(0x85) };
    let pair = Node::Concat(vec![Node::Set(Octets::one(b'\r')), Node::Set(Octets::one(b'\n'))]);
    Node::Atomic(Box::new(Node::Alternate(vec![pair, Node::Set(lone)])))
}

fn property_octets(name: &str) -> Option<Octets> {
    let plain: String = name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).collect::<String>().to_ascii_lowercase();
    let known = |word: &str| -> String { format!("\\p{{{word}}}") };
    let expression = match plain.strip_prefix("is").unwrap_or(&plain) {
        "any" | "all" | "unicode" => "(?s:.)".to_string(),
        "ascii" | "basiclatin" | "inbasiclatin" => r"[\x00-\x7F]".to_string(),
        "word" | "w" | "perlword" | "xposixword" => r"\w".to_string(),
        "posixdigit" => "[0-9]".to_string(),
        "digit" | "xposixdigit" => r"\d".to_string(),
        "space" | "spaceperl" | "xperlspace" | "xposixspace" => r"\s".to_string(),
        "alnum" | "xposixalnum" => r"[\p{Alphabetic}\p{Nd}]".to_string(),
        "alpha" | "xposixalpha" => known("Alphabetic"),
        "upper" | "xposixupper" => known("Uppercase"),
        "lower" | "xposixlower" => known("Lowercase"),
        "punct" => known("P"),
        "cntrl" => known("Cc"),
        _ => known(name.strip_prefix("Is").filter(|rest| !rest.is_empty()).unwrap_or(name)),
    };
    let hir = regex_syntax::parse(&expression).ok()?;
    let regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(class)) = hir.kind() else {
        return single_property(&hir);
    };
    let octets = |low: char, high: char| (u32::from(low)..=u32::from(high).min(0xFF)).filter_map(|code| u8::try_from(code).ok());
    Some(class.iter().flat_map(|range| octets(range.start(), range.end())).fold(Octets::NONE, Octets::with))
}

/// A property of one code point comes back as a literal.
fn single_property(hir: &regex_syntax::hir::Hir) -> Option<Octets> {
    let regex_syntax::hir::HirKind::Literal(literal) = hir.kind() else { return None };
    let character = std::str::from_utf8(&literal.0).ok()?.chars().next()?;
    Some(u8::try_from(u32::from(character)).map_or(Octets::NONE, Octets::one))
}
