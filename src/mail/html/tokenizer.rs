//! HTML to events, in one pass and without recursion, where HTML::Parser 3.81 (with marked sections) sees them.
//!
//! The oddities are the point: what is a tag here decides which text and which links rules see. Source is scanned to
//! and fro a bounded number of times: whatever was searched for once and not found is not searched for again.

use super::source::{Source, class, doctype, is, is_name, is_name_first, is_space, section_end, skip_until_gt};
use std::cell::Cell;

/// An attribute as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'t> {
    pub name: &'t str,
    /// Without its quotes, references not decoded; `None` for a name alone, whose value is the name.
    pub value: Option<&'t str>,
}

/// Who is told. An event that cannot be taken ends the parse (`false`).
pub trait Sink {
    fn start(&mut self, tag: &str, attributes: &[Attribute<'_>]) -> bool;
    fn end(&mut self, tag: &str);
    /// `literal`: references stand for themselves.
    fn text(&mut self, text: &str, literal: bool);
    /// With its delimiters.
    fn comment(&mut self, text: &str);
    fn declaration(&mut self, text: &str);
}

/// An element whose content holds no tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Literal {
    Script,
    Style,
    Xmp,
    Iframe,
    Plaintext,
    Title,
    Textarea,
}

impl Literal {
    const ALL: [Literal; 7] =
        [Literal::Script, Literal::Style, Literal::Xmp, Literal::Iframe, Literal::Plaintext, Literal::Title, Literal::Textarea];

    fn named(tag: &str) -> Option<Literal> {
        if !matches!(tag.as_bytes().first()?.to_ascii_lowercase(), b's' | b'x' | b'i' | b'p' | b't') || tag.len() < 3 {
            return None;
        }
        Literal::ALL.into_iter().find(|literal| tag.eq_ignore_ascii_case(literal.name()))
    }

    fn name(self) -> &'static str {
        match self {
            Literal::Script => "script",
            Literal::Style => "style",
            Literal::Xmp => "xmp",
            Literal::Iframe => "iframe",
            Literal::Plaintext => "plaintext",
            Literal::Title => "title",
            Literal::Textarea => "textarea",
        }
    }

    fn decodes(self) -> bool {
        matches!(self, Literal::Title | Literal::Textarea)
    }
}

/// SGML marked sections, the strongest last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Marked {
    #[default]
    None,
    Include,
    RcData,
    CData,
    Ignore,
}

/// What a construct that begins with `<` turned out to be.
enum Step {
    /// It ends here.
    To(usize),
    /// Its end is missing; more source might bring it.
    Unfinished,
    /// No markup: text.
    Text,
}

enum Event<'e> {
    Start(&'e str),
    End(&'e str),
    Text(&'e str),
    Comment(&'e str),
    Declaration(&'e str),
    Nothing,
}

#[derive(Default)]
pub struct Tokenizer {
    literal: Option<Literal>,
    /// References of the current text stand for themselves.
    as_is: bool,
    /// An end tag that is told before the next event that is no text.
    pending_end: Option<&'static str>,
    /// For each open section the strongest of it and those around it.
    sections: Vec<Marked>,
    /// At the end of the source: `>` ends a comment.
    bare_comment_end: bool,
    /// No end tag of this literal element stands behind this place, up to `searched`.
    unclosed: [Option<usize>; Literal::ALL.len()],
    /// The sink refused.
    pub broken: bool,
    /// Octets that were looked at, each as often as it was: at most a few times the length of the source.
    pub looked_at: usize,
}

impl Tokenizer {
    /// Tells events of `text` from `from` on; gives the place up to which all is told. What follows may still be the
    /// beginning of something: call again when more source is appended, or `finish`.
    pub fn parse(&mut self, text: &str, from: usize, sink: &mut impl Sink) -> usize {
        let looked_at = Cell::new(0);
        let place = self.read(Source { text, bytes: text.as_bytes(), looked_at: &looked_at }, from, sink);
        self.looked_at += looked_at.get();
        place
    }

    fn read(&mut self, source: Source<'_>, from: usize, sink: &mut impl Sink) -> usize {
        let end = source.end();
        let (mut s, mut t) = (from, from);
        let mut attributes = Vec::new();
        while !self.broken {
            if let Some(literal) = self.literal {
                let Some((text_end, name_end, close)) = self.literal_end(source, literal, s) else { return t };
                if t != text_end {
                    self.tell(Event::Text(source.slice(t, text_end)), sink);
                }
                self.tell(Event::End(source.slice(text_end + 2, name_end)), sink);
                self.literal = None;
                self.as_is = false;
                (s, t) = (close, close);
                continue;
            }
            if matches!(self.marked(), Marked::CData | Marked::RcData) {
                let Some(at) = section_end(source, s) else { return t };
                if t != at {
                    self.tell(Event::Text(source.slice(t, at)), sink);
                }
                self.leave_section();
                (s, t) = (at + 3, at + 3);
                continue;
            }
            s = if self.marked() == Marked::None { source.find(b'<', s) } else { self.text_in_section(source, s, &mut t, sink) };
            if matches!(self.marked(), Marked::CData | Marked::RcData) {
                // The section that ended had such a one around it.
                (s, t) = (t, t);
                continue;
            }
            if s != t {
                if source.at(s) == b'<' && s < end {
                    self.tell(Event::Text(source.slice(t, s)), sink);
                    t = s;
                } else {
                    return self.text_at_end(source, t, s, sink);
                }
            }
            if end - s < 3 {
                return s;
            }
            let step = match source.at(s + 1) {
                b if is_name_first(b) => self.start_tag(source, s, &mut attributes, sink),
                b'/' => self.end_tag(source, s, sink),
                b'!' => self.declaration(source, s, sink),
                b'?' => match source.find(b'>', s + 2) {
                    at if at < end => {
                        self.tell(Event::Nothing, sink);
                        Step::To(at + 1)
                    }
                    _ => Step::Unfinished,
                },
                _ => Step::Text,
            };
            match step {
                Step::To(place) => (s, t) = (place, place),
                Step::Unfinished => return t,
                Step::Text => s += 1,
            }
        }
        s
    }

    /// Tells what is left when no more source comes.
    pub fn finish(&mut self, text: &str, from: usize, sink: &mut impl Sink) {
        let looked_at = Cell::new(0);
        let source = Source { text, bytes: text.as_bytes(), looked_at: &looked_at };
        let mut s = from;
        while s < source.end() && !self.broken {
            if let Some(literal) = self.literal {
                match literal {
                    Literal::Plaintext | Literal::Xmp | Literal::Iframe | Literal::Textarea => break,
                    Literal::Script | Literal::Style => self.tell(Event::End(literal.name()), sink),
                    Literal::Title => self.pending_end = Some(literal.name()),
                }
                self.literal = None;
                s = self.parse(text, s, sink);
                continue;
            }
            if source.at(s) == b'<' {
                if !self.bare_comment_end {
                    self.bare_comment_end = true;
                    s = self.parse(text, s, sink);
                    continue;
                }
                let next = source.at(s + 1);
                if s + 1 == source.end() || is_name_first(next) || matches!(next, b'/' | b'!' | b'?') {
                    self.tell(Event::Comment(source.slice(s, source.end())), sink);
                    s = source.end();
                }
            }
            break;
        }
        if s < source.end() && !self.broken {
            self.tell(Event::Text(source.slice(s, source.end())), sink);
        }
        if let Some(tag) = self.pending_end.take() {
            sink.end(tag);
        }
    }

    fn tell(&mut self, event: Event<'_>, sink: &mut impl Sink) {
        self.tell_with(event, &[], sink);
    }

    fn tell_with(&mut self, event: Event<'_>, attributes: &[Attribute<'_>], sink: &mut impl Sink) {
        let ignored = self.marked() == Marked::Ignore;
        if !matches!(event, Event::Text(_) | Event::Comment(_))
            && let Some(tag) = self.pending_end.take()
            && !ignored
        {
            sink.end(tag);
        }
        if ignored {
            return;
        }
        match event {
            Event::Start(tag) => self.broken |= !sink.start(tag, attributes),
            Event::End(tag) => sink.end(tag),
            Event::Text(text) => sink.text(text, self.as_is),
            Event::Comment(text) => sink.comment(text),
            Event::Declaration(text) => sink.declaration(text),
            Event::Nothing => {}
        }
    }

    fn marked(&self) -> Marked {
        self.sections.last().copied().unwrap_or_default()
    }

    fn enter_section(&mut self, kind: Marked) {
        self.sections.push(kind.max(self.marked()));
        self.as_is = self.marked() == Marked::CData;
    }

    fn leave_section(&mut self) {
        self.sections.pop();
        self.as_is = self.marked() == Marked::CData;
    }

    /// Where the text of a literal element ends, its end tag's name and its end tag.
    fn literal_end(&mut self, source: Source<'_>, literal: Literal, from: usize) -> Option<(usize, usize, usize)> {
        let end = source.end();
        // Nothing closes <plaintext>.
        if literal == Literal::Plaintext || self.unclosed[literal as usize] == Some(end) {
            return None;
        }
        let name = literal.name().as_bytes();
        let mut s = source.find(b'<', from);
        while s < end {
            if source.at(s + 1) == b'/' {
                let name_end = s + 2 + name.len();
                if source.bytes.get(s + 2..name_end).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
                    let close = source.skip(name_end, is_space);
                    if source.at(close) == b'>' && close < end {
                        return Some((s, name_end, close + 1));
                    }
                }
            }
            s = source.find(b'<', s + 1);
        }
        self.unclosed[literal as usize] = Some(end);
        None
    }

    /// Skips text to the next `<` where a marked section is open and may end.
    fn text_in_section(&mut self, source: Source<'_>, mut s: usize, t: &mut usize, sink: &mut impl Sink) -> usize {
        while s < source.end() && source.at(s) != b'<' {
            if self.marked() != Marked::None && source.at(s) == b']' {
                let text_end = s;
                s += 1;
                if source.at(s) == b']' {
                    s += 1;
                    if source.at(s) == b'>' {
                        s += 1;
                        self.tell(Event::Text(source.slice(*t, text_end)), sink);
                        self.tell(Event::Nothing, sink);
                        *t = s;
                        self.leave_section();
                        continue;
                    }
                }
            }
            // After a `]` that ends nothing one more octet is skipped, even `<`.
            s += 1;
        }
        s.min(source.end())
    }

    /// The last text before the end: its last word (or its last white space) waits for what may follow.
    fn text_at_end(&mut self, source: Source<'_>, t: usize, end: usize, sink: &mut impl Sink) -> usize {
        let text = source.bytes.get(t..end).unwrap_or(&[]);
        let spaces = |text: &[u8]| text.iter().rev().take_while(|b| is_space(**b)).count();
        let tail = match spaces(text) {
            0 => {
                let word = text.iter().rev().take_while(|b| !is_space(**b)).count();
                word + spaces(text.get(..text.len() - word).unwrap_or(&[]))
            }
            count => count,
        };
        let told = end - tail;
        if told != t {
            self.tell(Event::Text(source.slice(t, told)), sink);
        }
        told
    }

    fn start_tag<'t>(&mut self, source: Source<'t>, begin: usize, attributes: &mut Vec<Attribute<'t>>, sink: &mut impl Sink) -> Step {
        attributes.clear();
        let end = source.end();
        let not_space_gt = |b: u8| !is(b, class::SPACE | class::GT);
        let name_end = source.skip(begin + 2, not_space_gt);
        let tag = source.slice(begin + 1, name_end);
        let mut s = source.skip(name_end, is_space);
        while s < end && not_space_gt(source.at(s)) {
            let name_begin = s;
            s = source.skip(s + 1, |b| !is(b, class::SPACE | class::GT | class::EQUALS));
            let name = source.slice(name_begin, s);
            s = source.skip(s, is_space);
            if s >= end {
                return Step::Unfinished;
            }
            if source.at(s) != b'=' {
                attributes.push(Attribute { name, value: None });
                continue;
            }
            s = source.skip(s + 1, is_space);
            let value = match source.at(s) {
                _ if s >= end => return Step::Unfinished,
                b'>' => {
                    attributes.push(Attribute { name, value: Some("") });
                    break;
                }
                quote @ (b'"' | b'\'') => {
                    let close = source.find(quote, s + 1);
                    let value = source.slice(s + 1, close);
                    s = close + 1;
                    value
                }
                _ => {
                    let word = s;
                    s = source.skip(s, not_space_gt);
                    source.slice(word, s)
                }
            };
            if s >= end {
                return Step::Unfinished;
            }
            attributes.push(Attribute { name, value: Some(value) });
            s = source.skip(s, is_space);
        }
        if s >= end {
            return Step::Unfinished;
        }
        self.tell_with(Event::Start(tag), attributes, sink);
        if let Some(literal) = Literal::named(tag) {
            self.literal = Some(literal);
            self.as_is = !literal.decodes();
        }
        Step::To(s + 1)
    }

    fn end_tag(&mut self, source: Source<'_>, begin: usize, sink: &mut impl Sink) -> Step {
        let name_end = source.skip(begin + 2, |b| !is(b, class::SPACE | class::GT));
        let close = skip_until_gt(source, name_end);
        if close >= source.end() {
            return Step::Unfinished;
        }
        if name_end > begin + 2 {
            self.tell(Event::End(source.slice(begin + 2, name_end)), sink);
        } else {
            self.tell(Event::Comment(source.slice(begin, close + 1)), sink);
        }
        Step::To(close + 1)
    }

    /// `<!…`: comments, marked sections, DOCTYPE and ENTITY; all else is a comment up to the first `>`.
    fn declaration(&mut self, source: Source<'_>, begin: usize, sink: &mut impl Sink) -> Step {
        let s = begin + 2;
        let failed_at = match source.at(s) {
            b'-' => match source.at(s + 1) {
                _ if s + 1 >= source.end() => return Step::Unfinished,
                b'-' => return self.comment(source, begin, sink),
                _ => s + 1,
            },
            b'[' => match self.section(source, begin) {
                Step::Text => s,
                known => return known,
            },
            b if b.is_ascii_alphabetic() => match doctype(source, s) {
                Ok(close) => {
                    self.tell(Event::Declaration(source.slice(begin, close)), sink);
                    return Step::To(close);
                }
                Err(None) => return Step::Unfinished,
                Err(Some(place)) => place,
            },
            _ => s,
        };
        let close = source.find(b'>', failed_at);
        if close >= source.end() {
            return Step::Unfinished;
        }
        self.tell(Event::Comment(source.slice(begin, close + 1)), sink);
        Step::To(close + 1)
    }

    fn comment(&mut self, source: Source<'_>, begin: usize, sink: &mut impl Sink) -> Step {
        let end = source.end();
        let mut s = begin + 4;
        let close = if self.bare_comment_end {
            source.find(b'>', s)
        } else {
            loop {
                s = source.find(b'-', s);
                if s >= end {
                    return Step::Unfinished;
                }
                if source.at(s + 1) == b'-' {
                    let close = source.skip(s + 2, is_space);
                    if source.at(close) == b'>' && close < end {
                        break close;
                    }
                    // Spaces hold no dash: go on behind them, so that they are not counted again.
                    s = close.max(s + 2) - 1;
                    continue;
                }
                s += 1;
            }
        };
        if close >= end {
            return Step::Unfinished;
        }
        self.tell(Event::Comment(source.slice(begin, close + 1)), sink);
        Step::To(close + 1)
    }

    /// `<![` names `[`.
    fn section(&mut self, source: Source<'_>, begin: usize) -> Step {
        let end = source.end();
        let mut kind = None;
        let mut s = begin + 3;
        loop {
            s = source.skip(s, is_space);
            while is_name_first(source.at(s)) {
                let name_begin = s;
                s = source.skip(s + 1, is_name);
                let name = source.slice(name_begin, s).to_ascii_lowercase();
                s = source.skip(s, is_space);
                if s >= end {
                    return Step::Unfinished;
                }
                let named = match name.as_str() {
                    "include" => Marked::Include,
                    "rcdata" => Marked::RcData,
                    "cdata" => Marked::CData,
                    "ignore" => Marked::Ignore,
                    _ => Marked::None,
                };
                kind = kind.max(Some(named));
            }
            match source.at(s) {
                b'-' if source.at(s + 1) == b'-' => {
                    s += 2;
                    loop {
                        s = source.find(b'-', s);
                        if s >= end {
                            return Step::Unfinished;
                        }
                        s += 1;
                        if source.at(s) == b'-' {
                            s += 1;
                            break;
                        }
                    }
                }
                b'[' => {
                    self.enter_section(kind.unwrap_or(Marked::Include));
                    return Step::To(s + 1);
                }
                _ => return Step::Text,
            }
        }
    }
}
