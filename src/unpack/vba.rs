//! Macros: their compression (MS-OVBA §2.4.1), and words in their source.

use super::octets::contains_ignoring_case;
use super::{Fact, Facts};
use memchr::memmem;

/// Source kept of one module.
const SOURCE: usize = 4 << 20;

/// The source in a module's stream: a compressed container that begins with the module's attributes.
pub fn source(stream: &[u8]) -> Option<Vec<u8>> {
    let at = memmem::find(stream, b"\x00Attribut\x00e ")?.checked_sub(3)?;
    decompress(stream.get(at..)?)
}

/// A compressed container to its text; what is damaged ends it.
pub fn decompress(container: &[u8]) -> Option<Vec<u8>> {
    if container.first() != Some(&1) {
        return None;
    }
    let mut out: Vec<u8> = Vec::new();
    let mut at = 1;
    while let Some(header) = super::octets::u16le(container, at) {
        let len = usize::from(header & 0xFFF) + 3;
        let chunk = super::octets::piece_or_rest(container, at + 2, len.saturating_sub(2));
        if header >> 12 & 7 != 3 {
            break;
        }
        if header & 0x8000 == 0 {
            out.extend_from_slice(chunk);
        } else {
            chunk_into(chunk, &mut out);
        }
        at += len;
        if out.len() > SOURCE {
            break;
        }
    }
    Some(out)
}

/// §2.4.1.3.2: flag octets, each for eight tokens; a token is an octet or a copy out of this chunk.
fn chunk_into(chunk: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let mut at = 0;
    while let Some(flags) = chunk.get(at) {
        at += 1;
        for bit in 0..8 {
            if flags & (1 << bit) == 0 {
                let Some(octet) = chunk.get(at) else { return };
                out.push(*octet);
                at += 1;
                continue;
            }
            let Some(token) = super::octets::u16le(chunk, at) else { return };
            at += 2;
            let done = out.len() - start;
            // §2.4.1.3.19.1: as many bits for the offset as the position needs, four at least.
            let bits = (4..12).find(|b| 1usize << b >= done).unwrap_or(12);
            let len = usize::from(token & (0xFFFF >> bits)) + 3;
            let offset = usize::from(token >> (16 - bits)) + 1;
            let Some(from) = out.len().checked_sub(offset).filter(|from| *from >= start) else { return };
            for i in 0..len {
                out.push(out[from + i]);
            }
            if out.len() - start > 1 << 16 {
                return;
            }
        }
    }
}

/// Procedures that Office runs by itself (support articles of Microsoft on each program's automatic macros).
const AUTOMATIC: &[&str] = &[
    "autoopen",
    "auto_open",
    "autoexec",
    "autonew",
    "autoclose",
    "auto_close",
    "autoexit",
    "document_open",
    "documentopen",
    "document_close",
    "document_new",
    "workbook_open",
    "workbook_activate",
    "workbook_beforeclose",
    "workbook_close",
    "worksheet_activate",
    "app_documentopen",
    "inkpicture1_painted",
    "_onconnecting",
    "_mousemove",
    "_mousehover",
    "_layout",
    "presentation_open",
    "slideshow_begin",
];

/// Calls that reach out of a document.
const SUSPICIOUS: &[&str] = &[
    "shell(",
    "shell ",
    "wscript.shell",
    "shellexecute",
    "createobject",
    "powershell",
    "cmd.exe",
    "cmd /c",
    "mshta",
    "regsvr32",
    "rundll32",
    "winmgmts",
    "win32_process",
    "createthread",
    "virtualalloc",
    "rtlmovememory",
    "adodb.stream",
    "savetofile",
    "environ(",
    "callbyname",
    "strreverse",
    "frombase64string",
];

const DOWNLOADS: &[&str] = &[
    "urldownloadtofile",
    "msxml2.xmlhttp",
    "winhttp.winhttprequest",
    "msxml2.serverxmlhttp",
    "downloadfile",
    "downloadstring",
    "bitsadmin",
    "certutil",
    "invoke-webrequest",
];

pub fn inspect(source: &[u8]) -> Facts {
    let has = |words: &[&str]| words.iter().any(|word| contains_ignoring_case(source, word.as_bytes()));
    // A module that holds its attributes alone does nothing.
    let has_code = ["sub ", "function ", "property "].iter().any(|word| contains_ignoring_case(source, word.as_bytes()));
    let mut facts = Facts::from_iter([Fact::Macro]);
    if has_code {
        facts.extend(has(AUTOMATIC).then_some(Fact::AutoRun));
        facts.extend(has(SUSPICIOUS).then_some(Fact::SuspiciousMacro));
        facts.extend(has(DOWNLOADS).then_some(Fact::MacroDownload));
    }
    facts
}
