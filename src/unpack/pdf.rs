//! PDF (ISO 32000-1): names of actions, embedded files, encryption; object streams are looked into. No page is drawn.

use super::octets::{contains_ignoring_case, piece_or_rest};
use super::{Budget, Entry, Fact, Facts, Opened};
use memchr::memmem;
use std::borrow::Cow;

/// Streams inflated of one file, and what one of them may give.
const STREAMS: usize = 500;
const INFLATED: usize = 8 << 20;

/// Names, and what they say.
const NAMES: &[(&[u8], Fact)] = &[
    (b"JavaScript", Fact::PdfJavaScript),
    (b"JS", Fact::PdfJavaScript),
    (b"Launch", Fact::PdfLaunch),
    (b"EmbeddedFile", Fact::PdfEmbedded),
    (b"EmbeddedFiles", Fact::PdfEmbedded),
    (b"OpenAction", Fact::PdfOpenAction),
    (b"AA", Fact::PdfOpenAction),
    (b"SubmitForm", Fact::PdfForm),
    (b"XFA", Fact::PdfForm),
    (b"URI", Fact::PdfLink),
    (b"Encrypt", Fact::EncryptedDocument),
];

/// `stream … endstream`: the dictionary before it, and its data.
pub(super) struct Stream<'b> {
    pub(super) dictionary: &'b [u8],
    pub(super) data: &'b [u8],
}

pub(super) fn streams(bytes: &[u8]) -> impl Iterator<Item = Stream<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let found = at + memmem::find(bytes.get(at..)?, b"stream")?;
            at = found + 6;
            if bytes[..found].ends_with(b"end") {
                continue;
            }
            let mut start = found + 6;
            start += usize::from(bytes.get(start) == Some(&b'\r'));
            start += usize::from(bytes.get(start) == Some(&b'\n'));
            let end = memmem::find(bytes.get(start..)?, b"endstream").map_or(bytes.len(), |n| start + n);
            at = end;
            let from = found.saturating_sub(4096);
            let head = &bytes[from..found];
            let from = memmem::rfind(head, b" obj").map_or(0, |n| n);
            return Some(Stream { dictionary: &head[from..], data: &bytes[start..end] });
        }
    })
}

pub(super) fn has_name(dictionary: &[u8], name: &[u8]) -> bool {
    names(dictionary).any(|found| found.as_ref() == name)
}

/// Names with `#xx` undone (§7.3.5).
fn names(bytes: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    memchr::memchr_iter(b'/', bytes).map(|at| {
        let rest = &bytes[at + 1..];
        let len = rest
            .iter()
            .take(128)
            .take_while(|b| {
                !b.is_ascii_whitespace() && !matches!(b, 0 | b'/' | b'<' | b'>' | b'[' | b']' | b'(' | b')' | b'{' | b'}' | b'%')
            })
            .count();
        let raw = &rest[..len];
        if !raw.contains(&b'#') {
            return Cow::Borrowed(raw);
        }
        let mut out = Vec::with_capacity(len);
        let mut i = 0;
        while i < raw.len() {
            let hex = raw.get(i + 1..i + 3).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
            match (raw[i], hex) {
                (b'#', Some(octet)) => {
                    out.push(octet);
                    i += 3;
                }
                (b, _) => {
                    out.push(b);
                    i += 1;
                }
            }
        }
        Cow::Owned(out)
    })
}

fn collect(bytes: &[u8], facts: &mut Facts) {
    for name in names(bytes) {
        facts.extend(NAMES.iter().filter(|(known, _)| *known == name.as_ref()).map(|(_, fact)| *fact));
    }
}

/// §7.4: deflated, or in hexadecimal digits or base 85 before that; other filters are left.
pub(super) fn decode(stream: &Stream<'_>, budget: &mut Budget) -> (Vec<u8>, Option<Fact>) {
    let filter = |name: &[u8], short: &[u8]| has_name(stream.dictionary, name) || has_name(stream.dictionary, short);
    let mut data = Cow::Borrowed(stream.data);
    if filter(b"ASCIIHexDecode", b"AHx") {
        let digits: Vec<u8> = data.iter().filter_map(|b| char::from(*b).to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
        data = Cow::Owned(digits.chunks(2).map(|p| p[0] << 4 | p.get(1).copied().unwrap_or(0)).collect());
    }
    if filter(b"ASCII85Decode", b"A85") {
        data = Cow::Owned(base85(&data));
    }
    if filter(b"FlateDecode", b"Fl") {
        // Several in a row: each is undone while something comes out.
        let rounds = names(stream.dictionary).filter(|n| matches!(n.as_ref(), b"FlateDecode" | b"Fl")).take(4).count();
        for _ in 0..rounds {
            let (out, fact) = budget.read(flate2::bufread::ZlibDecoder::new(data.as_ref()), data.len());
            if fact == Some(Fact::ArchiveBomb) {
                return (out, fact);
            }
            data = Cow::Owned(out);
        }
    }
    (data.into_owned(), None)
}

fn base85(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut group: Vec<u32> = Vec::with_capacity(5);
    for b in text {
        match b {
            b'~' => break,
            b'z' if group.is_empty() => out.extend_from_slice(&[0; 4]),
            b'!'..=b'u' => {
                group.push(u32::from(b - b'!'));
                if group.len() == 5 {
                    let value = group.iter().fold(0u32, |v, d| v.wrapping_mul(85).wrapping_add(*d));
                    out.extend_from_slice(&value.to_be_bytes());
                    group.clear();
                }
            }
            _ => {}
        }
    }
    if group.len() > 1 {
        let kept = group.len() - 1;
        group.resize(5, 84);
        let value = group.iter().fold(0u32, |v, d| v.wrapping_mul(85).wrapping_add(*d));
        out.extend_from_slice(&value.to_be_bytes()[..kept]);
    }
    out
}

pub(super) fn inspect(bytes: &[u8], budget: &mut Budget) -> Facts {
    let mut facts = Facts::default();
    // What lies outside of streams.
    let mut at = 0;
    for stream in streams(bytes) {
        let start = stream.data.as_ptr() as usize - bytes.as_ptr() as usize;
        collect(piece_or_rest(bytes, at, start.saturating_sub(at)), &mut facts);
        at = start + stream.data.len();
    }
    collect(bytes.get(at..).unwrap_or_default(), &mut facts);
    // §7.5.7: objects of later versions stand in streams.
    for stream in streams(bytes).filter(|s| has_name(s.dictionary, b"ObjStm")).take(STREAMS) {
        let (content, fact) = decode(&stream, budget);
        facts.extend(fact);
        collect(&content[..content.len().min(INFLATED)], &mut facts);
        if budget.is_spent() {
            break;
        }
    }
    // An automatic action that only goes to a page is what writers of PDF set by default.
    if facts.contains(&Fact::PdfOpenAction) && !facts.contains(&Fact::PdfJavaScript) && !facts.contains(&Fact::PdfLaunch) {
        facts.remove(&Fact::PdfOpenAction);
    }
    facts
}

/// Embedded files.
pub(super) fn open(bytes: &[u8], budget: &mut Budget) -> Opened {
    let mut opened = Opened::default();
    let is_file = |s: &Stream<'_>| has_name(s.dictionary, b"EmbeddedFile");
    if !contains_ignoring_case(bytes, b"embedded") && memmem::find(bytes, b"#").is_none() {
        // A bomb is told even where nothing is embedded.
        return opened;
    }
    let mut names = file_names(bytes);
    for stream in streams(bytes).filter(is_file).take(STREAMS) {
        let name = if names.is_empty() { String::new() } else { names.remove(0) };
        let content = decode(&stream, budget);
        if !opened.push(Entry::new(name, content), budget) {
            break;
        }
    }
    opened
}

/// `/F (name)` or `/UF (name)` of file specifications, in order, each once.
fn file_names(bytes: &[u8]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for at in memmem::find_iter(bytes, b"/Filespec").take(100) {
        let around = &bytes[at.saturating_sub(300)..bytes.len().min(at + 300)];
        for key in [b"/UF".as_slice(), b"/F"] {
            let Some(found) = memmem::find_iter(around, key).find_map(|k| {
                let rest = around.get(k + key.len()..)?;
                let blanks = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
                let text = rest.get(blanks..)?.strip_prefix(b"(")?;
                let end = memchr::memchr(b')', text)?;
                Some(text[..end].iter().copied().filter(|b| !matches!(b, 0 | 0xFE | 0xFF)).collect::<Vec<u8>>())
            }) else {
                continue;
            };
            let name = super::octets::name(&found);
            if !names.contains(&name) {
                names.push(name);
            }
            break;
        }
    }
    names
}
