//! OLEVBMacro: Office documents with macros, objects and outside links, as SpamAssassin's plugin looks for them: by name
//! and by marks in the octets. Hamgate's own look at documents is `attachment_has`.

use super::perl::{contains, lossy, pattern, rule_pattern};
use super::{Accepts, Answered, Context, Row, local};
use crate::mail::Part;
use crate::mail::content_type::ContentType;
use crate::pattern::Found;
use crate::unpack::{self, Budget, Entry, Fact, Kind};
use std::collections::BTreeSet;

pub(super) static ROWS: &[Row] = &[
    body("check_olemacro", |c, _| office(c).has_macro.into()),
    body("check_oleobject", |c, _| office(c).object.into()),
    body("check_olertfobject", |c, _| office(c).rtf_object.into()),
    body("check_olemacro_csv", |c, _| office(c).csv.into()),
    body("check_olemacro_malice", |c, _| office(c).malice.into()),
    body("check_olemacro_renamed", |c, _| office(c).renamed.into()),
    body("check_olemacro_encrypted", |c, _| office(c).encrypted.into()),
    body("check_olemacro_zip_password", |c, _| office(c).zip_password.into()),
    body("check_olemacro_download_exe", |c, _| office(c).download.into()),
    body("check_olemacro_redirect_uri", |c, _| links(&office(c).redirects)),
    body("check_olemacro_mhtml_uri", |c, _| links(&office(c).mhtml)),
];

const fn body(name: &'static str, run: super::Function) -> Row {
    local(name, "OLEVBMacro", Accepts::Body, run)
}

fn links(found: &BTreeSet<String>) -> Answered {
    found.first().map_or(Answered::Miss, |link| Answered::HitWith(1.0, link.clone()))
}

#[derive(Clone, Debug, Default)]
pub(super) struct Office {
    has_macro: bool,
    object: bool,
    rtf_object: bool,
    csv: bool,
    malice: bool,
    renamed: bool,
    encrypted: bool,
    zip_password: bool,
    download: bool,
    redirects: BTreeSet<String>,
    mhtml: BTreeSet<String>,
}

const MARK: &[u8] = b"\xd0\xcf\x11\xe0";

/// What the options say; patterns are compared without regard to case.
struct Wanted<'c, 'm> {
    context: &'c Context<'c, 'm>,
    per_zip: usize,
    zip_depth: usize,
    extended: bool,
}

/// How a name is treated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Treatment {
    Zip,
    MacroType,
    OldType,
    Other,
}

impl Wanted<'_, '_> {
    fn matches(&self, option: &str, default: &str, text: &str) -> bool {
        let written = self.context.options.text(option, default);
        rule_pattern(&format!("(?i){written}")).is_some_and(|p| matches!(p.find(text.as_bytes(), 0), Found::Hit(_)))
    }

    fn treatment(&self, name: &str) -> Treatment {
        let rows = [
            ("olemacro_zips", r"(?:zip)$", Treatment::Zip),
            ("olemacro_macro_exts", r"(?:docm|dotm|ppam|potm|ppst|ppsm|pptm|sldm|xlm|xlam|xlsb|xlsm|xltm|xps)$", Treatment::MacroType),
            ("olemacro_exts", r"(?:doc|docx|dot|pot|ppa|pps|ppt|rtf|sldm|xl|xla|xls|xlsx|xlt|xltx|xslb)$", Treatment::OldType),
        ];
        rows.iter().find(|(option, default, _)| self.matches(option, default, name)).map_or(Treatment::Other, |(_, _, t)| *t)
    }

    fn is_skipped(&self, name: &str) -> bool {
        self.matches("olemacro_skip_exts", r"(?:dotx|potx|ppsx|pptx|sldx)$", name)
    }
}

fn office<'c>(context: &'c Context<'_, '_>) -> &'c Office {
    context.memo.office.get_or_init(|| {
        let number = |name: &str, default: f64| usize_of(context.options.number(name, default));
        let wanted = Wanted {
            context,
            per_zip: number("olemacro_num_zip", 8.0),
            zip_depth: number("olemacro_zip_depth", 2.0),
            extended: context.options.number("olemacro_extended_scan", 0.0) != 0.0,
        };
        let mut found = Office::default();
        let mut left = number("olemacro_num_mime", 5.0);
        let largest = number("olemacro_max_file", 1_024_000.0);
        for part in context.reading.mail.parts().iter().filter(|part| part.is_leaf() && !part.content_type.is_empty()) {
            if wanted.matches("olemacro_skip_ctypes", r"^(?:text\/)", &part.content_type) {
                continue;
            }
            let name = name_of(part);
            if name.is_empty() || wanted.is_skipped(&name) {
                continue;
            }
            let data = part.decoded();
            let data = &data[..data.len().min(largest)];
            if !data.is_empty() && look(&mut found, &wanted, name, data) {
                left = left.saturating_sub(1);
                if left == 0 {
                    break;
                }
            }
        }
        found
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an option that counts")]
fn usize_of(number: f64) -> usize {
    number.max(0.0) as usize
}

fn name_of(part: &Part) -> String {
    let declared = || ContentType::parse(part.value("content-type").as_deref()).name.unwrap_or_default();
    let name = if part.name.is_empty() { declared() } else { part.name.clone() };
    name.trim().to_owned()
}

/// A file, and what zips in it hold, level by level. False: its name asks for no look.
fn look(found: &mut Office, wanted: &Wanted<'_, '_>, name: String, data: &[u8]) -> bool {
    let mut budget = Budget::default();
    let mut looked = false;
    let mut level: Vec<(String, Vec<u8>)> = vec![(name, data.to_vec())];
    for depth in 0..=wanted.zip_depth {
        let mut next = Vec::new();
        for (name, data) in std::mem::take(&mut level) {
            let treatment = wanted.treatment(&name);
            if treatment == Treatment::Other && !wanted.extended && !name.to_ascii_lowercase().ends_with(".csv") {
                continue;
            }
            looked |= depth == 0;
            let is_zip = document(found, wanted, treatment, &name, &data, &mut budget);
            if is_zip && depth < wanted.zip_depth && wanted.per_zip > 0 {
                next.extend(members(found, wanted, &data, &mut budget));
            }
        }
        level = next;
    }
    looked
}

/// The members that are looked at; encrypted ones count by their names.
fn members(found: &mut Office, wanted: &Wanted<'_, '_>, data: &[u8], budget: &mut Budget) -> Vec<(String, Vec<u8>)> {
    let mut kept = Vec::new();
    for Entry { names, bytes, facts } in unpack::open(Kind::Zip, data, budget).entries {
        let name = names.into_iter().next().unwrap_or_default();
        if wanted.is_skipped(&name) {
            continue;
        }
        if facts.contains(&Fact::Encrypted) {
            found.has_macro |= wanted.treatment(&name) == Treatment::MacroType;
            found.zip_password = true;
            continue;
        }
        if wanted.treatment(&name) != Treatment::Other || wanted.extended || name.to_ascii_lowercase().ends_with(".csv") {
            kept.push((name, bytes));
        }
        if kept.len() >= wanted.per_zip {
            break;
        }
    }
    kept
}

/// Looks at one file; true: its members are to be looked at.
fn document(found: &mut Office, wanted: &Wanted<'_, '_>, treatment: Treatment, name: &str, data: &[u8], budget: &mut Budget) -> bool {
    let is_zip = data.starts_with(b"PK") || name.to_ascii_lowercase().ends_with(".zip");
    if name.to_ascii_lowercase().ends_with(".csv") {
        found.csv |= contains(data, b"cmd.exe") && pattern!(r"(?s)MSEXCEL\|.{1,20}Windows\\System32\\cmd\.exe").is_match(data);
    }
    match treatment {
        Treatment::Zip => return is_zip,
        Treatment::MacroType => {
            found.has_macro = true;
            found.encrypted |= is_encrypted(data);
            new_type(found, data, budget);
            found.download |= downloads(wanted, data);
        }
        Treatment::OldType => {
            found.encrypted |= is_encrypted(data);
            old_type(found, data);
            new_type(found, data, budget);
            found.download |= downloads(wanted, data);
        }
        Treatment::Other if wanted.extended => {
            let encrypted = is_encrypted(data);
            found.encrypted |= encrypted;
            let renamed = data.starts_with(MARK) | encrypted | old_type(found, data) | new_type(found, data, budget);
            found.renamed |= renamed;
            found.download |= renamed && downloads(wanted, data);
            return is_zip;
        }
        Treatment::Other => {}
    }
    false
}

fn downloads(wanted: &Wanted<'_, '_>, data: &[u8]) -> bool {
    pattern!(r"(?i-u)\x00https?://[-a-z0-9+&@#/%?=~_|!:,.;]{10,2000}\.(?:exe|cmd|bat)[\x06|\x00]").is_match(data)
        || wanted.matches("olemacro_download_marker", r"(?:cmd(?:\.exe)? \/c ms\^h\^ta ht\^tps?:\/\^\/)", &lossy(data))
}

/// Office 97 to 2003: marks of a macro's attributes, of objects in RTF, and of macros in flat XML.
fn old_type(found: &mut Office, data: &[u8]) -> bool {
    const ATTRIBUTES: [&[u8]; 2] = [b"\x00Attribut\x00", b"\x01\x00O\x00l\x00e\x001\x000\x00N\x00a\x00"];
    let marked = if data.starts_with(MARK) {
        ATTRIBUTES.iter().any(|mark| contains(data, mark))
    } else {
        [b"\\objemb".as_slice(), b"\\objdat", b"\\ objdat", b"w:macrosPresent=\"yes\"", b"vbaProject.bin.rels"]
            .iter()
            .any(|m| contains(data, m))
    };
    if marked {
        found.has_macro = true;
        found.malice |= is_malice(data);
    }
    marked
}

fn is_malice(data: &[u8]) -> bool {
    pattern!(r"(?i)(?:document|auto|workbook)_?open").is_match(data)
}

/// Office 2007 and later: members of the zip and their relations.
fn new_type(found: &mut Office, data: &[u8], budget: &mut Budget) -> bool {
    if !data.starts_with(b"PK") {
        return false;
    }
    const PROJECTS: [&str; 5] =
        ["word/vbaproject.bin", "macros/vba/_vba_project", "xl/vbaproject.bin", "_vba_project_cur/vba/_vba_project", "ppt/vbaproject.bin"];
    let entries = unpack::open(Kind::Zip, data, budget).entries;
    let (mut is_document, mut project) = (false, false);
    for entry in &entries {
        let written = entry.names.first().map_or("", String::as_str);
        let name = written.to_ascii_lowercase();
        project |= PROJECTS.contains(&name.as_str());
        let has_object = name.starts_with("xl/embeddings/");
        let has_rtf = pattern!(r"(?s)^word/.{1,50}\.rtf\b").is_match(name.as_bytes());
        found.object |= has_object;
        found.rtf_object |= has_rtf;
        is_document |= project || has_object || has_rtf;
        if written == "[Content_Types].xml" {
            is_document = true;
            found.has_macro |= pattern!(
                r#"(?i)ContentType=["']application/vnd\.ms-office\.vbaProject["']|macroEnabled|application/vnd\.ms-excel\.(?:intl)?macrosheet"#
            )
            .is_match(&entry.bytes);
        }
        if written.contains(".rels") {
            relations(found, &entry.bytes);
            is_document |= !entry.bytes.is_empty();
        }
    }
    found.has_macro |= project;
    found.malice |= project && entries.iter().any(|e| e.names.iter().any(|n| n.contains(".bin")) && is_malice(&e.bytes));
    is_document
}

fn relations(found: &mut Office, data: &[u8]) {
    let form = pattern!(r#"(?is)^[^<]*?Target="([^"]*)".*?TargetMode="External""#);
    for piece in lossy(data).split("Relationship ") {
        let Some(target) = form.captures(piece.as_bytes()).and_then(|c| c.get(1)).map(|t| lossy(t.as_bytes())) else { continue };
        let lower = target.to_ascii_lowercase();
        if (lower.starts_with("mhtml:http://") || lower.starts_with("mhtml:https://") || lower.starts_with("mhtml:&#x48;&#x54;&#x50;"))
            && found.mhtml.len() < 5
        {
            found.mhtml.insert(target.clone());
        }
        let bare = if lower.starts_with("mhtml:") { target[6..].to_owned() } else { target };
        let lower = bare.to_ascii_lowercase();
        if (lower.starts_with("http://") || lower.starts_with("https://")) && found.redirects.len() < 10 {
            found.redirects.insert(bare);
        }
    }
}

/// An old document whose octets tell of a password.
fn is_encrypted(data: &[u8]) -> bool {
    if !data.starts_with(MARK) {
        return false;
    }
    let head = &data[..data.len().min(2000)];
    const PACKAGE: &[u8] = b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0";
    const WORKBOOK: &[u8] = b"W\0o\0r\0k\0b\0o\0o\0k\0";
    if pattern!(r"(?i)<encryption xmlns").is_match(data) || contains(head, PACKAGE) {
        return true;
    }
    if contains(head, WORKBOOK) {
        return false;
    }
    data.get(0x208) == Some(&0xFE) || data.get(0x214) == Some(&0x2F) || data.get(0x20B) == Some(&0x13)
}
