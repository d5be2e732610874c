//! Text of PDF (ISO 32000-1 §9): what the operators of each page show, through the font's map to Unicode where it has one,
//! and targets of links (§12.6.4.7). Files that ask for a password stay closed.

use super::Budget;
use super::octets::piece_or_rest;
use super::pdf::{Stream, decode, has_name, streams};
use super::text::{Extracted, TEXT};
use super::text_pdf_font::{Font, Lexer, Token};
use memchr::memmem;
use std::borrow::Cow;
use std::collections::HashMap;

/// Objects read, pages and forms shown, octets inflated of one file.
const OBJECTS: usize = 50_000;
const PAGES: usize = 400;
const INFLATED: usize = 16 << 20;
/// Values above it in the tree of pages.
const PARENTS: usize = 8;

/// An object's own text, without the stream behind it; the stream's data.
#[derive(Clone, Default)]
struct Object<'b> {
    text: Cow<'b, [u8]>,
    stream: Option<&'b [u8]>,
}

struct Document<'b> {
    objects: HashMap<u32, Object<'b>>,
    /// In the order of the file.
    order: Vec<u32>,
    fonts: HashMap<u32, Font>,
    left: usize,
}

pub(super) fn extract(bytes: &[u8], budget: &mut Budget) -> Extracted {
    let mut found = Extracted::default();
    if memmem::find(bytes, b"/Encrypt").is_some() {
        return found;
    }
    let mut document = Document { objects: HashMap::new(), order: Vec::new(), fonts: HashMap::new(), left: INFLATED };
    document.read(bytes, budget);
    for number in &document.order {
        if let Some(object) = document.objects.get(number) {
            links(&object.text, &mut found);
        }
    }
    let shown = |text: &[u8]| has_pair(text, b"Type", b"Page") || has_pair(text, b"Subtype", b"Form");
    let pages: Vec<u32> =
        document.order.iter().copied().filter(|n| document.objects.get(n).is_some_and(|o| shown(&o.text))).take(PAGES).collect();
    for number in pages {
        document.page(number, budget, &mut found);
        found.line();
        if found.text.len() >= TEXT {
            break;
        }
    }
    found
}

impl<'b> Document<'b> {
    fn read(&mut self, bytes: &'b [u8], budget: &mut Budget) {
        let mut packed: Vec<(Stream<'b>, usize, usize)> = Vec::new();
        let mut at = 0;
        while let Some(found) = memmem::find(bytes.get(at..).unwrap_or_default(), b" obj") {
            let place = at + found;
            at = place + 4;
            let Some(number) = number_before(bytes, place) else { continue };
            let rest = &bytes[at..];
            // The object ends where the next begins; what stands between is harmless.
            let next = memmem::find(rest, b" obj").unwrap_or(rest.len());
            let end = memmem::find(&rest[..next], b"endobj").unwrap_or(next);
            let begin = memmem::find(&rest[..end.min(64 << 10)], b"stream");
            let mut object = Object { text: Cow::Borrowed(&rest[..begin.unwrap_or(end)]), stream: None };
            if let Some(stream) = begin.and_then(|begin| streams(&bytes[at + begin..]).next()) {
                object.stream = Some(stream.data);
                let start = stream.data.as_ptr() as usize - bytes.as_ptr() as usize;
                at = start + stream.data.len();
                if has_name(&object.text, b"ObjStm") {
                    let count = number_of(&object.text, b"N").unwrap_or(0);
                    let first = number_of(&object.text, b"First").unwrap_or(0);
                    packed.push((Stream { dictionary: &rest[..begin.unwrap_or(end)], data: stream.data }, count, first));
                }
            }
            self.add(number, object);
            if self.order.len() >= OBJECTS {
                break;
            }
        }
        // §7.5.7.
        for (stream, count, first) in packed {
            let content = self.inflate(&stream, budget);
            let heads: Vec<usize> = Lexer::new(&content[..first.min(content.len())])
                .filter_map(|token| if let Token::Number(n) = token { Some(n.max(0.0) as usize) } else { None })
                .take(count.min(OBJECTS) * 2)
                .collect();
            for (i, pair) in heads.chunks_exact(2).enumerate() {
                let from = first.saturating_add(pair[1]);
                let to = heads.get(i * 2 + 3).map_or(content.len(), |next| first.saturating_add(*next));
                let text = piece_or_rest(&content, from, to.saturating_sub(from)).to_vec();
                self.add(u32::try_from(pair[0]).unwrap_or(0), Object { text: Cow::Owned(text), stream: None });
            }
        }
    }

    fn add(&mut self, number: u32, object: Object<'b>) {
        // A later version of an object counts.
        if self.order.len() < OBJECTS && self.objects.insert(number, object).is_none() {
            self.order.push(number);
        }
    }

    fn inflate(&mut self, stream: &Stream<'_>, budget: &mut Budget) -> Vec<u8> {
        if self.left == 0 || budget.is_spent() {
            return Vec::new();
        }
        let (mut content, _) = decode(stream, budget);
        content.truncate(self.left);
        self.left -= content.len();
        content
    }

    fn content(&mut self, number: u32, budget: &mut Budget) -> Vec<u8> {
        let Some(object) = self.objects.get(&number).cloned() else { return Vec::new() };
        let Some(data) = object.stream else { return Vec::new() };
        self.inflate(&Stream { dictionary: &object.text, data }, budget)
    }

    /// The dictionary or array that a key stands for, in the object or behind a reference.
    fn value(&self, text: &[u8], key: &[u8]) -> Option<Vec<u8>> {
        let rest = after_key(text, key)?;
        match reference(rest).and_then(|number| self.objects.get(&number)) {
            Some(object) => Some(object.text.to_vec()),
            None => Some(balanced(rest).to_vec()),
        }
    }

    fn page(&mut self, number: u32, budget: &mut Budget, found: &mut Extracted) {
        let Some(object) = self.objects.get(&number).cloned() else { return };
        let mut resources = self.value(&object.text, b"Resources");
        let mut above = after_key(&object.text, b"Parent").and_then(reference);
        for _ in 0..PARENTS {
            let Some(parent) = above.filter(|_| resources.is_none()).and_then(|n| self.objects.get(&n)) else { break };
            resources = self.value(&parent.text, b"Resources");
            above = after_key(&parent.text, b"Parent").and_then(reference);
        }
        let fonts = resources.and_then(|resources| self.value(&resources, b"Font")).map(|list| references(&list)).unwrap_or_default();
        for (_, font) in &fonts {
            if !self.fonts.contains_key(font) {
                let read = self.font(*font, budget);
                self.fonts.insert(*font, read);
            }
        }
        let contents = match &object.stream {
            Some(_) => vec![number],
            None => after_key(&object.text, b"Contents").map(|rest| self.streams_of(rest)).unwrap_or_default(),
        };
        let mut content = Vec::new();
        for stream in contents.into_iter().take(PAGES) {
            content.extend(self.content(stream, budget));
            content.push(b'\n');
        }
        show(&content, &fonts, &self.fonts, found);
    }

    /// One reference, or an array of them, which may itself stand behind one.
    fn streams_of(&self, rest: &[u8]) -> Vec<u32> {
        let Some(number) = reference(rest) else { return references_in(balanced(rest)) };
        match self.objects.get(&number) {
            Some(object) if object.stream.is_none() => references_in(&object.text),
            _ => vec![number],
        }
    }

    fn font(&mut self, number: u32, budget: &mut Budget) -> Font {
        let Some(object) = self.objects.get(&number).cloned() else { return Font::default() };
        let map = after_key(&object.text, b"ToUnicode").and_then(reference);
        let map = map.map(|map| self.content(map, budget)).unwrap_or_default();
        Font::new(&map, has_pair(&object.text, b"Subtype", b"Type0"))
    }
}

/// What the operators show (§9.4).
fn show(content: &[u8], names: &[(Vec<u8>, u32)], fonts: &HashMap<u32, Font>, found: &mut Extracted) {
    let plain = Font::default();
    let mut font = &plain;
    let mut stack: Vec<Token> = Vec::new();
    let mut height = f64::NAN;
    for token in Lexer::new(content) {
        if found.text.len() >= TEXT {
            return;
        }
        let Token::Word(operator) = &token else {
            if stack.len() < 1024 {
                stack.push(token);
            }
            continue;
        };
        let number = |from_end: usize| match stack.len().checked_sub(from_end).and_then(|at| stack.get(at)) {
            Some(Token::Number(n)) => *n,
            _ => 0.0,
        };
        match operator.as_slice() {
            b"Tf" => {
                let name = stack.iter().rev().find_map(|token| if let Token::Name(name) = token { Some(name) } else { None });
                let object = name.and_then(|name| names.iter().find(|(known, _)| known == name));
                font = object.and_then(|(_, number)| fonts.get(number)).unwrap_or(&plain);
            }
            b"Td" | b"TD" => {
                if number(1) == 0.0 {
                    found.space()
                } else {
                    found.line()
                }
            }
            b"T*" | b"ET" => found.line(),
            b"Tm" => {
                if number(1) == height {
                    found.space()
                } else {
                    found.line()
                }
                height = number(1);
            }
            b"Tj" | b"'" | b"\"" | b"TJ" => {
                if matches!(operator.as_slice(), b"'" | b"\"") {
                    found.line();
                }
                for token in &stack {
                    match token {
                        Token::Text(octets) => font.show(octets, found),
                        // A wide step to the right stands for a blank.
                        Token::Number(n) if operator == b"TJ" && *n < -180.0 => found.space(),
                        Token::Number(_) | Token::Name(_) | Token::Word(_) => {}
                    }
                }
            }
            _ => {}
        }
        stack.clear();
    }
}

/// `/URI (target)` of actions.
fn links(text: &[u8], found: &mut Extracted) {
    for at in memmem::find_iter(text, b"/URI") {
        let rest = &text[at + 4..];
        if rest.first().is_some_and(u8::is_ascii_alphanumeric) {
            continue;
        }
        if let Some(Token::Text(target)) = Lexer::new(&rest[..rest.len().min(8 << 10)]).next() {
            found.link(&super::octets::name(&target));
        }
    }
}

/// The number of an object before `0 obj`.
fn number_before(bytes: &[u8], at: usize) -> Option<u32> {
    let head = &bytes[at.saturating_sub(24)..at];
    let mut words = head.rsplit(|b| !b.is_ascii_digit()).filter(|word| !word.is_empty());
    words.next()?;
    std::str::from_utf8(words.next()?).ok()?.parse().ok()
}

fn after_key<'t>(text: &'t [u8], key: &[u8]) -> Option<&'t [u8]> {
    memmem::find_iter(text, key).find_map(|at| {
        let rest = &text[at + key.len()..];
        let ends = rest.first().is_none_or(|b| !b.is_ascii_alphanumeric());
        (at > 0 && text[at - 1] == b'/' && ends).then(|| rest.trim_ascii_start())
    })
}

fn has_pair(text: &[u8], key: &[u8], name: &[u8]) -> bool {
    memmem::find_iter(text, key).any(|at| {
        let rest = text[at + key.len()..].trim_ascii_start();
        at > 0
            && text[at - 1] == b'/'
            && rest
                .strip_prefix(b"/")
                .and_then(|rest| rest.strip_prefix(name))
                .is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_alphanumeric))
    })
}

fn number_of(text: &[u8], key: &[u8]) -> Option<usize> {
    match Lexer::new(after_key(text, key)?).next()? {
        Token::Number(n) => Some(n.max(0.0) as usize),
        Token::Name(_) | Token::Text(_) | Token::Word(_) => None,
    }
}

/// `12 0 R`
fn reference(text: &[u8]) -> Option<u32> {
    let mut tokens = Lexer::new(&text[..text.len().min(40)]);
    match (tokens.next()?, tokens.next()?, tokens.next()?) {
        (Token::Number(number), Token::Number(_), Token::Word(r)) if r == b"R" => u32::try_from(number.max(0.0) as u64).ok(),
        _ => None,
    }
}

fn references_in(text: &[u8]) -> Vec<u32> {
    let mut found = Vec::new();
    let mut numbers: [f64; 2] = [0.0, 0.0];
    for token in Lexer::new(text).take(PAGES * 4) {
        match token {
            Token::Number(n) => numbers = [numbers[1], n],
            Token::Word(word) if word == b"R" => found.push(numbers[0].max(0.0) as u32),
            Token::Name(_) | Token::Text(_) | Token::Word(_) => {}
        }
    }
    found
}

/// `/F1 12 0 R` of a dictionary.
fn references(text: &[u8]) -> Vec<(Vec<u8>, u32)> {
    let mut found: Vec<(Vec<u8>, u32)> = Vec::new();
    let mut name: Vec<u8> = Vec::new();
    let mut numbers: [f64; 2] = [0.0, 0.0];
    for token in Lexer::new(text).take(4000) {
        match token {
            Token::Name(n) => name = n,
            Token::Number(n) => numbers = [numbers[1], n],
            Token::Word(word) if word == b"R" && !name.is_empty() => found.push((std::mem::take(&mut name), numbers[0].max(0.0) as u32)),
            Token::Text(_) | Token::Word(_) => {}
        }
    }
    found
}

/// A dictionary or an array at the start of the text, to its end.
fn balanced(text: &[u8]) -> &[u8] {
    let mut depth = 0usize;
    for (at, b) in text.iter().enumerate().take(256 << 10) {
        match b {
            b'<' | b'[' => depth += 1,
            b'>' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return &text[..=at];
                }
            }
            _ => {}
        }
    }
    &text[..text.len().min(256 << 10)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(font: &str, content: &str) -> Vec<u8> {
        format!(
            "%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 \
             /Resources << /Font << /F1 5 0 R >> >> >>\nendobj\n3 0 obj\n<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Annots [ << /Type /Annot \
             /A << /S /URI /URI (http://pdf.example/a\\)b) >> >> ] >>\nendobj\n4 0 obj\n<< /Length {} >>\nstream\n{content}\nendstream\nendobj\n{font}\n%%EOF",
            content.len()
        )
        .into_bytes()
    }

    #[test]
    fn what_a_page_shows_is_text() {
        let font = "5 0 obj\n<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>\nendobj";
        let content = "BT /F1 12 Tf 72 700 Td (Dear \\(all\\),) Tj 0 -14 Td [(W) 80 (in) -300 (money)] TJ T* <4E6F77> Tj ET";
        let found = extract(&made(font, content), &mut Budget::default());
        assert_eq!(found.text, "Dear (all),\nWin money\nNow\n");
        assert_eq!(found.links, ["http://pdf.example/a)b"]);
    }

    #[test]
    fn a_font_of_its_own_numbers_is_read_by_its_map() {
        let map = "/CIDInit /ProcSet findresource begin 1 begincodespacerange <0000> <FFFF> endcodespacerange 2 beginbfchar <0001> <0048> <0002> \
                   <20AC> endbfchar 1 beginbfrange <0010> <0012> <0061> endbfrange 1 beginbfrange <0020> <0021> [<0058> <0059>] endbfrange end";
        let font = format!(
            "5 0 obj\n<< /Type /Font /Subtype /Type0 /ToUnicode 6 0 R >>\nendobj\n6 0 obj\n<< /Length {} >>\nstream\n{map}\nendstream\nendobj",
            map.len()
        );
        let found = extract(&made(&font, "BT /F1 12 Tf <0001001000110012> Tj <00020021> Tj ET"), &mut Budget::default());
        assert_eq!(found.text, "Habc\u{20ac}Y\n");
    }

    #[test]
    fn damage_and_endless_nesting_end_soon() {
        for text in [b"%PDF-1.4 1 0 obj <<".repeat(10_000), b"[".repeat(1 << 20), b"1 0 obj <</Type/Page/Parent 1 0 R>>".to_vec()] {
            assert_eq!(extract(&text, &mut Budget::default()).text.trim(), "");
        }
    }
}
