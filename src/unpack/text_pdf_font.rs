//! Tokens of PDF (ISO 32000-1 §7.2, §7.3), and fonts as far as they tell which character a code is (§9.10).

use super::text::Extracted;
use super::text_ole::windows_1252;
use std::collections::HashMap;

/// Characters of one map.
const MAPPED: usize = 70_000;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(f64),
    Name(Vec<u8>),
    /// A string, escapes or hexadecimal digits undone.
    Text(Vec<u8>),
    /// An operator or keyword. Brackets are passed over.
    Word(Vec<u8>),
}

pub(super) struct Lexer<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Lexer<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Lexer<'b> {
        Lexer { bytes, at: 0 }
    }

    fn word(&mut self) -> &'b [u8] {
        let rest = &self.bytes[self.at..];
        let ends = |b: &u8| b.is_ascii_whitespace() || matches!(b, 0 | b'/' | b'<' | b'>' | b'[' | b']' | b'(' | b')' | b'{' | b'}' | b'%');
        let len = rest.iter().position(ends).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    /// §7.3.4.2: parentheses may nest.
    fn literal(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut depth = 0usize;
        while let Some(b) = self.bytes.get(self.at).copied() {
            self.at += 1;
            match b {
                b'(' => depth += 1,
                b')' if depth == 0 => break,
                b')' => depth -= 1,
                b'\\' => {
                    let Some(escaped) = self.bytes.get(self.at).copied() else { break };
                    self.at += 1;
                    match escaped {
                        b'n' => out.push(b'\n'),
                        b'r' => out.push(b'\r'),
                        b't' => out.push(b'\t'),
                        b'b' | b'f' => out.push(b' '),
                        b'\n' => {}
                        b'\r' => self.at += usize::from(self.bytes.get(self.at) == Some(&b'\n')),
                        b'0'..=b'7' => {
                            let rest = &self.bytes[self.at - 1..];
                            let digits = rest.iter().take(3).take_while(|b| (b'0'..=b'7').contains(*b)).count();
                            let code = rest[..digits].iter().fold(0u32, |code, digit| code * 8 + u32::from(digit - b'0'));
                            self.at += digits - 1;
                            out.push((code & 0xFF) as u8);
                        }
                        other => out.push(other),
                    }
                    continue;
                }
                _ => {}
            }
            out.push(b);
        }
        out
    }

    fn hexadecimal(&mut self) -> Vec<u8> {
        let rest = &self.bytes[self.at..];
        let len = memchr::memchr(b'>', rest).unwrap_or(rest.len());
        self.at += len + 1;
        let digits: Vec<u8> = rest[..len].iter().filter_map(|b| char::from(*b).to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)).collect()
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let b = *self.bytes.get(self.at)?;
            match b {
                b'(' => {
                    self.at += 1;
                    return Some(Token::Text(self.literal()));
                }
                b'<' if self.bytes.get(self.at + 1) != Some(&b'<') => {
                    self.at += 1;
                    return Some(Token::Text(self.hexadecimal()));
                }
                b'<' => self.at += 2,
                b'/' => {
                    self.at += 1;
                    return Some(Token::Name(self.word().to_vec()));
                }
                b'%' => {
                    let rest = &self.bytes[self.at..];
                    self.at += memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                }
                _ => {
                    let word = self.word();
                    if word.is_empty() {
                        self.at += 1;
                        continue;
                    }
                    let is_number = matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.');
                    let number = std::str::from_utf8(word).ok().filter(|_| is_number).and_then(|text| text.parse().ok());
                    return Some(number.map_or_else(|| Token::Word(word.to_vec()), Token::Number));
                }
            }
        }
    }
}

/// Which characters the codes of a font are.
#[derive(Clone, Debug, Default)]
pub(super) struct Font {
    map: HashMap<u32, String>,
    /// Codes take two octets.
    wide: bool,
}

impl Font {
    /// `map`: a CMap to Unicode (§9.10.3), may be empty; `composite`: codes are of two octets where the map does not tell.
    pub(super) fn new(map: &[u8], composite: bool) -> Font {
        let mut font = Font { map: HashMap::new(), wide: composite };
        let mut texts: Vec<Vec<u8>> = Vec::new();
        // Texts since a range's second one: those of an array.
        let mut section: &[u8] = b"";
        let mut tokens = Lexer::new(map);
        loop {
            let in_array = map.get(tokens.at..).is_some_and(|rest| rest.trim_ascii_start().starts_with(b"["));
            let Some(token) = tokens.next() else { break };
            match token {
                Token::Word(word) => {
                    section = match word.as_slice() {
                        b"begincodespacerange" => b"space",
                        b"beginbfchar" => b"char",
                        b"beginbfrange" => b"range",
                        b"endcodespacerange" | b"endbfchar" | b"endbfrange" => b"",
                        _ => section,
                    };
                    texts.clear();
                }
                Token::Text(text) => {
                    match (section, texts.len()) {
                        (b"space", 0) => font.wide = text.len() > 1,
                        (b"char", 1) => {
                            font.add(code(&texts[0]), utf16be(&text));
                            texts.clear();
                            continue;
                        }
                        (b"range", 2) if in_array => {
                            font.array(code(&texts[0]), text, &mut tokens);
                            texts.clear();
                            continue;
                        }
                        (b"range", 2) => {
                            font.range(code(&texts[0]), code(&texts[1]), &text);
                            texts.clear();
                            continue;
                        }
                        _ => {}
                    }
                    texts.push(text);
                }
                Token::Number(_) | Token::Name(_) => {}
            }
        }
        font
    }

    fn add(&mut self, code: u32, text: String) {
        if self.map.len() < MAPPED {
            self.map.insert(code, text);
        }
    }

    /// The texts of an array up to its bracket.
    fn array(&mut self, first: u32, text: Vec<u8>, tokens: &mut Lexer<'_>) {
        self.add(first, utf16be(&text));
        let mut at = first;
        while tokens.bytes.get(tokens.at..).is_some_and(|rest| rest.trim_ascii_start().starts_with(b"<")) {
            let Some(Token::Text(text)) = tokens.next() else { return };
            at = at.saturating_add(1);
            self.add(at, utf16be(&text));
        }
    }

    fn range(&mut self, first: u32, last: u32, text: &[u8]) {
        let text = utf16be(text);
        let Some(start) = text.chars().next_back() else { return };
        let head: String = text.chars().take(text.chars().count() - 1).collect();
        for (step, code) in (first..=last).take(1 << 16).enumerate() {
            let next = u32::try_from(step).ok().and_then(|step| char::from_u32(u32::from(start).checked_add(step)?));
            let Some(next) = next.filter(|_| self.map.len() < MAPPED) else { return };
            self.add(code, format!("{head}{next}"));
        }
    }

    pub(super) fn show(&self, octets: &[u8], found: &mut Extracted) {
        for piece in octets.chunks(if self.wide { 2 } else { 1 }) {
            match self.map.get(&code(piece)) {
                Some(text) => found.push_str(text),
                // Without a map, letters are where ASCII has them in all usual encodings.
                None if !self.wide => piece.iter().filter(|b| **b >= b' ').for_each(|b| found.push(windows_1252(*b))),
                None => {}
            }
        }
    }
}

fn code(octets: &[u8]) -> u32 {
    octets.iter().take(4).fold(0, |code, octet| code << 8 | u32::from(*octet))
}

fn utf16be(octets: &[u8]) -> String {
    let units = octets.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).filter_map(Result::ok).filter(|c| !c.is_control() || *c == '\n').collect()
}
