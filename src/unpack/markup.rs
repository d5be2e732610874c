//! HTML, SVG, RTF and spreadsheet text: what they run, ask for and carry.

use super::octets::{contains_ignoring_case, find_ignoring_case};
use super::{Budget, Entry, Fact, Facts, Kind, Opened, ole};
use memchr::memmem;

pub(super) fn html(bytes: &[u8]) -> Facts {
    let mut facts = Facts::default();
    let marks = marks(bytes);
    if marks.asks_password {
        facts.insert(Fact::PasswordForm);
    }
    if marks.form && contains_ignoring_case(bytes, b"post") && contains_ignoring_case(bytes, b"action") {
        facts.insert(Fact::FormPost);
    }
    if marks.script {
        facts.insert(Fact::Script);
        script(bytes, &mut facts);
    }
    facts
}

/// What one pass over a page tells; most pages hold none of it, and nothing more is looked for.
#[derive(Default)]
struct Marks {
    form: bool,
    /// An input field whose tag says `password`.
    asks_password: bool,
    script: bool,
}

fn marks(bytes: &[u8]) -> Marks {
    let mut marks = Marks::default();
    // The end of the last input field: a tag inside of it is none.
    let mut inputs_end = 0;
    let follows = |at: usize, word: &[u8]| bytes.get(at..at + word.len()).is_some_and(|text| text.eq_ignore_ascii_case(word));
    let precedes = |end: usize, word: &[u8]| end.checked_sub(word.len()).is_some_and(|at| follows(at, word));
    for at in memchr::memchr3_iter(b'<', b':', b'=', bytes) {
        match bytes[at] {
            b'<' => match bytes.get(at + 1).map(u8::to_ascii_lowercase) {
                Some(b'f') => marks.form |= follows(at + 1, b"form"),
                Some(b's') => marks.script |= follows(at + 1, b"script"),
                Some(b'i') if !marks.asks_password && at >= inputs_end && follows(at + 1, b"input") => {
                    let end = memchr::memchr(b'>', &bytes[at..]).map_or(bytes.len(), |n| at + n);
                    marks.asks_password = contains_ignoring_case(&bytes[at..end], b"password");
                    inputs_end = end.max(at + 6);
                }
                _ => {}
            },
            b':' => marks.script |= precedes(at, b"javascript") || precedes(at, b"vbscript"),
            _ => marks.script |= precedes(at, b"onload") || precedes(at, b"onerror"),
        }
    }
    marks
}

/// Script that hides what it writes, and script that builds a file.
fn script(bytes: &[u8], facts: &mut Facts) {
    let has = |word: &str| contains_ignoring_case(bytes, word.as_bytes());
    let decodes = has("unescape(") || has("atob(") || has("fromcharcode") || has("decodeuricomponent(") || has("parseint(");
    let runs = has("eval(")
        || has("document.write")
        || has("innerhtml")
        || has("new function(")
        || has("settimeout(")
        || has("insertadjacenthtml");
    let escapes = memmem::find_iter(bytes, b"%")
        .filter(|at| bytes.get(at + 1..at + 3).is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit)))
        .take(400)
        .count();
    let hex = memmem::find_iter(bytes, b"\\x").take(200).count();
    if runs && (decodes && (escapes >= 200 || hex >= 50 || longest_word(bytes) >= 400) || hex >= 150) {
        facts.insert(Fact::ObfuscatedScript);
    }
    let builds = has("new blob(") || has("mssaveoropenblob") || has("mssaveblob") || has("createobjecturl");
    if builds && (has(".download") || has("mssave") || has(".click(") || has("location")) {
        facts.insert(Fact::Smuggling);
    }
}

/// The longest run of letters and digits as base64 has them.
fn longest_word(bytes: &[u8]) -> usize {
    let (mut longest, mut run) = (0, 0);
    for b in bytes {
        run = if b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=') { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

pub(super) fn svg(bytes: &[u8]) -> Facts {
    let mut facts = Facts::default();
    let has = |word: &str| contains_ignoring_case(bytes, word.as_bytes());
    if has("<script") || has("javascript:") || has("onload=") || has("onclick=") || has("onerror=") || has("onbegin=") {
        facts.extend([Fact::SvgScript, Fact::Script]);
        script(bytes, &mut facts);
    }
    if has("<foreignobject") {
        facts.extend(html(bytes));
    }
    facts
}

/// Spreadsheet text whose cells run a program (`=cmd|' /C calc'!A0`).
pub(super) fn csv(bytes: &[u8]) -> Facts {
    let mut facts = Facts::default();
    let found = memchr::memchr_iter(b'|', bytes).take(10_000).any(|at| {
        let from = bytes[..at].iter().rposition(|b| matches!(b, b',' | b';' | b'\t' | b'\n' | b'"')).map_or(0, |n| n + 1);
        let cell = &bytes[from.max(at.saturating_sub(200))..at];
        let is_formula = matches!(cell.first(), Some(b'=' | b'+' | b'-' | b'@'));
        is_formula
            && bytes.get(at + 1) == Some(&b'\'')
            && [b"cmd".as_slice(), b"msexcel", b"powershell", b"mshta", b"regsvr32", b"rundll32", b"wscript"]
                .iter()
                .any(|p| contains_ignoring_case(cell, p))
    });
    if found {
        facts.extend([Fact::CsvCommand, Fact::Dde]);
    }
    facts
}

pub(super) fn rtf(bytes: &[u8]) -> Facts {
    let mut facts = Facts::default();
    let has = |word: &str| contains_ignoring_case(bytes, word.as_bytes());
    if has("\\objdata") || has("\\objocx") {
        facts.insert(Fact::EmbeddedObject);
    }
    if has("\\objupdate") || has("\\objautlink") {
        facts.insert(Fact::AutoRun);
    }
    if let Some(at) = find_ignoring_case(bytes, b"\\*\\template", 0)
        && contains_ignoring_case(&bytes[at..bytes.len().min(at + 300)], b"http")
    {
        facts.insert(Fact::ExternalTemplate);
    }
    if has("ddeauto") {
        facts.insert(Fact::Dde);
    }
    facts
}

/// Objects of an RTF file: hexadecimal digits that any control word may interrupt.
pub(super) fn open_rtf(bytes: &[u8], budget: &mut Budget) -> Opened {
    let mut opened = Opened::default();
    let mut at = 0;
    while let Some(found) = find_ignoring_case(bytes, b"\\objdata", at) {
        at = found + 8;
        let mut octets: Vec<u8> = Vec::new();
        let mut high: Option<u8> = None;
        let mut depth = 0usize;
        while let Some(b) = bytes.get(at) {
            at += 1;
            match b {
                b'{' => depth += 1,
                b'}' if depth == 0 => break,
                b'}' => depth -= 1,
                b'\\' => {
                    while bytes.get(at).is_some_and(u8::is_ascii_alphanumeric) {
                        at += 1;
                    }
                }
                _ => {
                    let Some(digit) = char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok()) else { continue };
                    match high.take() {
                        Some(h) => octets.push(h << 4 | digit),
                        None => high = Some(digit),
                    }
                }
            }
        }
        budget.pay(octets.len());
        for entry in objects(&octets) {
            if !opened.push(entry, budget) {
                return opened;
            }
        }
    }
    opened
}

/// A compound file or a package somewhere in an object's data.
fn objects(octets: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    if let Some(at) = memmem::find(octets, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        entries.push(Entry::new("object".into(), (octets[at..].to_vec(), None)));
    } else if let Some(at) = memmem::find(octets, b"Package\0") {
        // MS-OLEDS §2.2.5: class, topic, item, then the size and the native data.
        let native = octets.get(at + 8 + 8..).unwrap_or_default();
        entries.extend(ole::package(native));
    }
    if entries.is_empty() && octets.len() > 32 && Kind::of(octets) != Kind::Data {
        entries.push(Entry::new("object".into(), (octets.to_vec(), None)));
    }
    entries
}
