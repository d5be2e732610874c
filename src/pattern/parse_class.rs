//! Character classes, `[...]` and `\d \w \s ...`, resolved to octet sets (perlrecharclass).

use super::octets::Octets;
use super::parse::{Charset, Parse, Parser};
use super::tree::Fold;

/// One item of a class.
enum Item {
    Code(u32),
    Set(Octets),
}

/// The rest of a class after its `[`.
pub fn class(parser: &mut Parser) -> Parse<Octets> {
    refuse_misplaced_posix(parser)?;
    let negated = parser.eat(b"^");
    let fold = parser.flags.folding();
    let (mut set, mut first) = (Octets::NONE, true);
    loop {
        if parser.flags.spaced_class {
            while matches!(parser.peek(), Some(b' ' | b'\t')) {
                parser.at += 1;
            }
        }
        match parser.peek() {
            None => return parser.fail("the class [ is not closed: add ], or escape it as \\["),
            Some(b']') if !first => {
                parser.at += 1;
                break;
            }
            Some(_) => {}
        }
        first = false;
        let low = item(parser)?;
        let ranged = parser.peek() == Some(b'-') && parser.peek_at(1).is_some_and(|octet| octet != b']');
        set = set.union(match (low, ranged) {
            (Item::Code(low), true) => {
                parser.at += 1;
                range(parser, low, fold)?
            }
            (Item::Set(_), true) => return parser.fail("a class such as \\w cannot begin a range: put the - at the end of the class"),
            (Item::Code(code), false) => code_point(code, fold),
            (Item::Set(set), false) => set,
        });
    }
    Ok(if negated { set.complement() } else { set })
}

fn range(parser: &mut Parser, low: u32, fold: Fold) -> Parse<Octets> {
    let high = match item(parser)? {
        Item::Code(high) => high,
        Item::Set(_) => return parser.fail("a class such as \\w cannot end a range: put the - at the end of the class"),
    };
    if low > high {
        return parser.fail("the range in the class runs backwards: swap its ends");
    }
    let octets = (low..=high.min(0xFF)).fold(Octets::NONE, |set, code| set.union(code_point(code, fold)));
    let beyond = BEYOND
        .iter()
        .filter(|(code, _)| (low..=high).contains(code))
        .fold(Octets::NONE, |set, (code, _)| set.union(code_point(*code, fold)));
    Ok(octets.union(beyond))
}

/// Code points that fold to one octet: the Kelvin sign and the long s are left out, since /aa keeps them from ASCII.
const BEYOND: [(u32, u8); 4] = [(0x178, 0xFF), (0x39C, 0xB5), (0x3BC, 0xB5), (0x212B, 0xE5)];

pub fn code_point(code: u32, fold: Fold) -> Octets {
    match u8::try_from(code) {
        Ok(octet) => fold.class(octet),
        Err(_) if fold == Fold::Latin1 => {
            BEYOND.iter().filter(|(beyond, _)| *beyond == code).fold(Octets::NONE, |set, (_, octet)| set.union(fold.class(*octet)))
        }
        Err(_) => Octets::NONE,
    }
}

fn item(parser: &mut Parser) -> Parse<Item> {
    let Some(octet) = parser.next() else { return parser.fail("the class [ is not closed: add ]") };
    match octet {
        b'[' if matches!(parser.peek(), Some(b':' | b'.' | b'=')) => posix(parser),
        b'\\' => escape(parser),
        other => Ok(Item::Code(u32::from(other))),
    }
}

/// `[:alpha:]` outside a class is a mistake that Perl warns of.
fn refuse_misplaced_posix(parser: &Parser) -> Parse<()> {
    let rest = parser.rest();
    let Some(mark) = rest.first().filter(|mark| matches!(mark, b':' | b'.' | b'=')) else { return Ok(()) };
    let name = rest[1..].iter().take_while(|octet| octet.is_ascii_alphabetic() || **octet == b'^').count();
    if name > 0 && rest.get(1 + name) == Some(mark) && rest.get(2 + name) == Some(&b']') {
        return parser.fail("[:name:] stands inside another class only: write [[:name:]]");
    }
    Ok(())
}

/// After `[` with `:` ahead.
fn posix(parser: &mut Parser) -> Parse<Item> {
    let rest = parser.rest();
    let mark = rest.first().copied().unwrap_or(b':');
    let inner = &rest[1..];
    let length = inner.iter().take_while(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'^' | b'_')).count();
    if inner.get(length) != Some(&mark) || inner.get(length + 1) != Some(&b']') {
        return Ok(Item::Code(u32::from(b'[')));
    }
    if mark != b':' {
        return parser.fail("[. .] and [= =] mean nothing in Perl: list the characters");
    }
    let name = &inner[..length];
    parser.at += length + 3;
    let (negated, name) = name.strip_prefix(b"^").map_or((false, name), |name| (true, name));
    let Some(set) = named(name, parser.flags.charset) else {
        return parser.fail("no class has this name: use alpha, digit, alnum, space, punct, upper, lower, word, xdigit, blank, cntrl, graph, print or ascii");
    };
    // perlrecharclass: under /i, [[:upper:]] and [[:lower:]] take either case.
    let set =
        if parser.flags.fold { set.iter().fold(Octets::NONE, |all, octet| all.union(parser.flags.folding().class(octet))) } else { set };
    Ok(Item::Set(if negated { set.complement() } else { set }))
}

fn named(name: &[u8], charset: Charset) -> Option<Octets> {
    let test: fn(&u8) -> bool = match name {
        b"alpha" => u8::is_ascii_alphabetic,
        b"digit" => u8::is_ascii_digit,
        b"alnum" => u8::is_ascii_alphanumeric,
        b"space" => |octet| matches!(octet, b' ' | 9..=13),
        b"punct" => u8::is_ascii_punctuation,
        b"upper" => u8::is_ascii_uppercase,
        b"lower" => u8::is_ascii_lowercase,
        b"word" => |octet| octet.is_ascii_alphanumeric() || *octet == b'_',
        b"xdigit" => u8::is_ascii_hexdigit,
        b"blank" => |octet| matches!(octet, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"graph" => u8::is_ascii_graphic,
        b"print" => |octet| matches!(octet, 0x20..=0x7E),
        b"ascii" => u8::is_ascii,
        _ => return None,
    };
    let ascii = (0..=255u8).filter(test).fold(Octets::NONE, Octets::with);
    let latin1 = match (charset, name) {
        (Charset::Unicode, b"alpha") => latin1_letters(),
        (Charset::Unicode, b"alnum" | b"word") => latin1_letters(),
        (Charset::Unicode, b"upper") => Octets::range(0xC0, 0xD6).union(Octets::range(0xD8, 0xDE)),
        (Charset::Unicode, b"lower") => Octets::range(0xDF, 0xF6).union(Octets::range(0xF8, 0xFF)).union(Octets::of(&[0xAA, 0xB5, 0xBA])),
        (Charset::Unicode, b"space") => Octets::of(&[0x85, 0xA0]),
        (Charset::Unicode, b"blank") => Octets::one(0xA0),
        (Charset::Unicode, b"cntrl") => Octets::range(0x80, 0x9F),
        (Charset::Unicode, b"punct") => Octets::of(&[0xA1, 0xA7, 0xAB, 0xB6, 0xB7, 0xBB, 0xBF]),
        (Charset::Unicode, b"graph") => Octets::range(0xA1, 0xFF),
        (Charset::Unicode, b"print") => Octets::range(0xA0, 0xFF),
        _ => Octets::NONE,
    };
    Some(ascii.union(latin1))
}

fn latin1_letters() -> Octets {
    Octets::range(0xC0, 0xD6).union(Octets::range(0xD8, 0xF6)).union(Octets::range(0xF8, 0xFF)).union(Octets::of(&[0xAA, 0xB5, 0xBA]))
}

/// `\d \D \w \W \s \S \h \H \v \V \N`, alike inside and outside classes.
pub fn shorthand(letter: u8, charset: Charset) -> Option<Octets> {
    let set = match letter.to_ascii_lowercase() {
        b'd' => named(b"digit", charset)?,
        b'w' => named(b"word", charset)?,
        b's' => named(b"space", charset)?,
        b'h' => Octets::of(&[b'\t', b' ', 0xA0]),
        b'v' => Octets::range(10, 13).with(0x85),
        b'n' if letter == b'N' => Octets::one(b'\n'),
        _ => return None,
    };
    Some(if letter.is_ascii_uppercase() { set.complement() } else { set })
}

/// After a backslash inside a class.
fn escape(parser: &mut Parser) -> Parse<Item> {
    let Some(octet) = parser.peek() else { return parser.fail("a backslash ends the pattern: write \\\\") };
    if octet != b'N'
        && let Some(set) = shorthand(octet, parser.flags.charset)
    {
        parser.at += 1;
        return Ok(Item::Set(set));
    }
    if matches!(octet, b'p' | b'P') {
        parser.at += 1;
        return parser.property(octet == b'P').map(Item::Set);
    }
    if octet == b'b' {
        parser.at += 1;
        return Ok(Item::Code(8));
    }
    if let Some(code) = parser.character_escape(true)? {
        return Ok(Item::Code(code));
    }
    if octet.is_ascii_alphanumeric() {
        return parser.fail(&format!("\\{} means nothing in a class: remove the backslash", char::from(octet)));
    }
    parser.at += 1;
    Ok(Item::Code(u32::from(octet)))
}
