//! What is wrong with the name of an attachment.

use crate::unpack::{Fact, Facts, Kind};

/// Extensions that run something when they are opened (Microsoft's list of files that Outlook blocks, and later ones).
pub const PROGRAMS: &[&str] = &[
    "ade",
    "adp",
    "apk",
    "app",
    "application",
    "appref-ms",
    "appx",
    "asp",
    "aspx",
    "asx",
    "bas",
    "bat",
    "bgi",
    "cab",
    "cer",
    "chm",
    "cmd",
    "cnt",
    "com",
    "cpl",
    "crt",
    "csh",
    "der",
    "diagcab",
    "dll",
    "elf",
    "exe",
    "fxp",
    "gadget",
    "grp",
    "hlp",
    "hpj",
    "hta",
    "htc",
    "img",
    "inf",
    "ins",
    "iso",
    "isp",
    "its",
    "jar",
    "jnlp",
    "js",
    "jse",
    "ksh",
    "library-ms",
    "lnk",
    "mad",
    "maf",
    "mag",
    "mam",
    "maq",
    "mar",
    "mas",
    "mat",
    "mau",
    "mav",
    "maw",
    "mcf",
    "mda",
    "mdb",
    "mde",
    "mdt",
    "mdw",
    "mdz",
    "msc",
    "msh",
    "msh1",
    "msh2",
    "mshxml",
    "msi",
    "msix",
    "msp",
    "mst",
    "msu",
    "ops",
    "osd",
    "pcd",
    "pif",
    "pkg",
    "pl",
    "plg",
    "prf",
    "prg",
    "printerexport",
    "ps1",
    "ps1xml",
    "ps2",
    "psc1",
    "psd1",
    "psm1",
    "pst",
    "py",
    "pyc",
    "pyo",
    "pyw",
    "pyz",
    "reg",
    "scf",
    "scr",
    "sct",
    "search-ms",
    "settingcontent-ms",
    "sh",
    "shb",
    "shs",
    "sys",
    "theme",
    "tmp",
    "url",
    "vb",
    "vbe",
    "vbp",
    "vbs",
    "vhd",
    "vhdx",
    "vsmacros",
    "vsw",
    "vxd",
    "webpnp",
    "website",
    "wim",
    "ws",
    "wsb",
    "wsc",
    "wsf",
    "wsh",
    "xbap",
    "xll",
    "xnk",
];

/// Extensions by which readers take something for harmless.
const HARMLESS: &[&str] = &[
    "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "txt", "rtf", "jpg", "jpeg", "png", "gif", "bmp", "tif", "tiff", "mp3", "mp4",
    "avi", "wav", "htm", "html", "csv", "zip", "rar", "odt", "ods", "xml", "eml", "msg", "svg", "webp", "invoice", "log",
];

/// The extension in lower case, cleaned of what does not show; empty where there is none.
pub fn extension(name: &str) -> String {
    extensions(name).pop().unwrap_or_default()
}

/// What Windows keeps of a name: no blanks and dots at the end, nothing behind a NUL, full-width letters as they look.
fn cleaned(name: &str) -> String {
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let folded: String = base.chars().filter(|c| !is_hidden(*c)).map(folded).collect();
    folded.trim_end_matches(['.', ' ', '\u{a0}']).to_ascii_lowercase()
}

fn folded(c: char) -> char {
    match c {
        // Full-width forms of ASCII.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        '\u{2024}' | '\u{3002}' | '\u{fe52}' => '.',
        c if c.is_whitespace() => ' ',
        c => c,
    }
}

/// Zero width, control, direction, combining and tag characters.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{300}'..='\u{33f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// All extensions of a name, first to last.
fn extensions(name: &str) -> Vec<String> {
    let cleaned = cleaned(name);
    cleaned.split('.').skip(1).map(|piece| piece.trim().to_owned()).filter(|piece| !piece.is_empty()).collect()
}

/// Extensions under which some reader or system opens it: of each name, with and without what stands behind a NUL.
pub fn all_extensions(names: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in names {
        for form in
            [name.as_str(), name.split('\0').next().unwrap_or_default(), name.split(['\r', '\n', ':', '?']).next().unwrap_or_default()]
        {
            let extension = extension(form);
            if !extension.is_empty() && !found.contains(&extension) {
                found.push(extension);
            }
        }
    }
    found
}

/// What all names together say.
pub(super) fn facts(names: &[String]) -> Facts {
    let mut facts = Facts::default();
    for name in names {
        if name.chars().any(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')) {
            facts.insert(Fact::ReversedName);
        }
        let has_hidden = name
            .chars()
            .any(|c| is_hidden(c) && !matches!(c, '\u{300}'..='\u{33f}' | '\u{200d}' | '\u{fe0f}' | '\u{fe0e}' | '\t' | '\r' | '\n'));
        if has_hidden || memchr::memmem::find(name.as_bytes(), b"          ").is_some() {
            facts.insert(Fact::HiddenCharacters);
        }
        let endings = extensions(name);
        if let [.., before, last] = endings.as_slice()
            && HARMLESS.contains(&before.as_str())
            && PROGRAMS.contains(&last.as_str())
        {
            facts.insert(Fact::DoubleExtension);
        }
    }
    if all_extensions(names).len() > 1 {
        facts.insert(Fact::SeveralNames);
    }
    facts
}

/// Content that no program takes for what the name says.
pub(super) fn mismatch(names: &[String], kind: Kind) -> bool {
    names.iter().map(|name| extension(name)).any(|extension| {
        let fits: &[Kind] = match extension.as_str() {
            "pdf" => &[Kind::Pdf],
            "jpg" | "jpeg" | "png" | "gif" | "bmp" | "tif" | "tiff" | "webp" | "ico" => &[Kind::Image, Kind::Media],
            "doc" | "dot" => &[Kind::Ole, Kind::Rtf, Kind::Zip, Kind::Html, Kind::Xml, Kind::Text, Kind::Message],
            "xls" | "xlt" => &[Kind::Ole, Kind::Zip, Kind::Html, Kind::Xml, Kind::Text, Kind::Message],
            "ppt" | "pps" => &[Kind::Ole, Kind::Zip],
            "docx" | "xlsx" | "pptx" | "docm" | "xlsm" | "pptm" | "xlsb" => &[Kind::Zip, Kind::Ole],
            "zip" => &[Kind::Zip],
            "rar" => &[Kind::Rar],
            "7z" => &[Kind::SevenZip],
            "txt" | "csv" | "log" => &[Kind::Text, Kind::Html, Kind::Xml, Kind::Message, Kind::Script],
            "mp3" | "mp4" | "wav" | "avi" => &[Kind::Media, Kind::Data],
            _ => return false,
        };
        // Something else that is certain, not only something unknown.
        let certain = !matches!(kind, Kind::Data | Kind::Empty | Kind::Text | Kind::Media);
        certain && !fits.contains(&kind)
    })
}

/// A name as part of a path: nothing that does not show.
pub(super) fn shown(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(255).collect()
}
