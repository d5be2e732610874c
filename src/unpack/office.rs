//! Office 2007 and later (ECMA-376): the parts of its zip tell what the document does.

use super::octets::{contains_ignoring_case, find_ignoring_case, piece_or_rest, u64le};
use super::{Budget, Entry, Fact, Facts, Kind, Opened};
use memchr::memmem;

/// Facts of the whole document out of one of its entries.
pub fn inspect_entry(name: &str, bytes: &[u8]) -> Facts {
    let mut facts = Facts::default();
    let name = name.to_ascii_lowercase().replace('\\', "/");
    if name.ends_with(".rels") {
        relations(bytes, &mut facts);
    }
    if name.ends_with("vbaproject.bin") || name.contains("/macrosheets/") || name.contains("/intlmacrosheets/") {
        facts.insert(Fact::Macro);
    }
    if name.ends_with("vbaproject.bin") && Kind::of(bytes) == Kind::Ole {
        facts.extend(super::ole::inspect(bytes));
    }
    if name.contains("/embeddings/") {
        facts.insert(Fact::EmbeddedObject);
    }
    if name == "[content_types].xml"
        && (contains_ignoring_case(bytes, b"macroenabled") || contains_ignoring_case(bytes, b"vnd.ms-office.vbaproject"))
    {
        facts.insert(Fact::Macro);
    }
    let is_text = name.starts_with("word/") && name.ends_with(".xml");
    if is_text && (memmem::find(bytes, b"DDEAUTO").is_some() || has_dde_field(bytes)) {
        facts.insert(Fact::Dde);
    }
    if name.starts_with("xl/externallinks/") && contains_ignoring_case(bytes, b"<ddelink") {
        facts.insert(Fact::Dde);
    }
    // Excel 4 macros by their automatic names.
    if name == "xl/workbook.xml" && contains_ignoring_case(bytes, b"_xlnm.auto_open") {
        facts.insert(Fact::AutoRun);
    }
    // OpenDocument: Basic and scripts.
    if (name.starts_with("basic/") || name.starts_with("scripts/")) && !name.ends_with('/') {
        facts.insert(Fact::Macro);
    }
    facts
}

/// `DDE program topic` split over runs of a field code.
fn has_dde_field(bytes: &[u8]) -> bool {
    if memmem::find(bytes, b"instrText").is_none() {
        return false;
    }
    let mut code: Vec<u8> = Vec::new();
    let mut at = 0;
    while let Some(found) = memmem::find(bytes.get(at..).unwrap_or_default(), b"instrText") {
        let from = at + found;
        let Some(open) = memchr::memchr(b'>', &bytes[from..]).map(|n| from + n + 1) else { break };
        let Some(close) = memchr::memchr(b'<', bytes.get(open..).unwrap_or_default()).map(|n| open + n) else { break };
        code.extend_from_slice(&bytes[open..close]);
        at = close.max(from + 9) + 1;
        if bytes.get(close..).is_some_and(|rest| rest.starts_with(b"</")) {
            at = close + memchr::memchr(b'>', &bytes[close..]).unwrap_or(0) + 1;
        }
    }
    contains_ignoring_case(&code, b"ddeauto") || contains_ignoring_case(&code, b" dde \"") || contains_ignoring_case(&code, b" dde c:")
}

/// Relations whose target lies outside, by what they are (ECMA-376 part 2 §9.3).
fn relations(bytes: &[u8], facts: &mut Facts) {
    let mut at = 0;
    while let Some(start) = find_ignoring_case(bytes, b"<relationship ", at) {
        let end = memchr::memchr(b'>', &bytes[start..]).map_or(bytes.len(), |n| start + n);
        at = end;
        let tag = &bytes[start..end];
        let has = |word: &[u8]| contains_ignoring_case(tag, word);
        if !has(b"\"external\"") && !has(b"'external'") {
            continue;
        }
        if has(b"mhtml:") || has(b"!x-usc:") {
            facts.insert(Fact::MhtmlLink);
        }
        if has(b"/attachedtemplate") {
            // A template of the writer's own disk is usual and harmless; one on the network is fetched.
            let target = attribute(tag, b"target=");
            let begins = |word: &[u8]| target.get(..word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word));
            if [b"http:".as_slice(), b"https:", b"ftp:", b"\\\\", b"file://///", b"file:\\\\\\\\", b"mhtml:"]
                .iter()
                .any(|word| begins(word))
            {
                facts.insert(Fact::ExternalTemplate);
            }
        } else if has(b"/oleobject") || has(b"/frame\"") || has(b"/subdocument") || has(b"/package\"") {
            facts.insert(Fact::ExternalObject);
        }
    }
}

/// The value of an attribute, by its name in lower case with the equals sign.
fn attribute<'t>(tag: &'t [u8], name: &[u8]) -> &'t [u8] {
    let Some(at) = find_ignoring_case(tag, name, 0) else { return b"" };
    let rest = &tag[at + name.len()..];
    let Some(quote) = rest.first() else { return b"" };
    let rest = &rest[1..];
    &rest[..memchr::memchr(*quote, rest).unwrap_or(rest.len())]
}

/// MS-ONESTORE §2.6.13: FileDataStoreObject, by its GUID: files embedded in a notebook.
pub(super) fn open_onenote(bytes: &[u8], budget: &mut Budget) -> Opened {
    const HEADER: &[u8] = b"\xe7\x16\xe3\xbd\x65\x26\x11\x45\xa4\xc4\x8d\x4d\x0b\x7a\x9e\xac";
    let mut opened = Opened::default();
    for at in memmem::find_iter(bytes, HEADER) {
        let Some(len) = u64le(bytes, at + 16).and_then(|n| usize::try_from(n).ok()) else { continue };
        let data = piece_or_rest(bytes, at + 36, len);
        if Kind::of(data) == Kind::Image {
            continue;
        }
        let number = opened.entries.len();
        let entry = Entry::new(format!("file-{number}"), budget.copy(data));
        if !opened.push(entry, budget) {
            break;
        }
    }
    if !opened.entries.is_empty() {
        opened.facts.insert(Fact::EmbeddedObject);
    }
    opened
}
