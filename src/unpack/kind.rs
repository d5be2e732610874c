//! The type of a file by its content: magic numbers of the formats' own specifications.

use super::octets::{contains_ignoring_case, u16le};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Zip,
    SevenZip,
    Rar,
    Tar,
    Gzip,
    Bzip2,
    Xz,
    Lzma,
    Zstd,
    Compress,
    Cab,
    Iso,
    /// Formats that are told but not opened: ARJ, LHA, ACE, ALZ, WIM.
    OldArchive,
    /// VHD, VHDX, VMDK, VDI, UDF.
    DiskImage,
    Tnef,
    /// Compound file of Office, Outlook and others.
    Ole,
    Msi,
    OneNote,
    Rtf,
    Pdf,
    Pe,
    Elf,
    MachO,
    JavaClass,
    /// Windows shortcut.
    Shortcut,
    Chm,
    Flash,
    Script,
    Html,
    Svg,
    Xml,
    Message,
    Image,
    Media,
    Text,
    Data,
    Empty,
}

struct Row {
    kind: Kind,
    word: &'static str,
    media_type: &'static str,
}

const fn row(kind: Kind, word: &'static str, media_type: &'static str) -> Row {
    Row { kind, word, media_type }
}

/// One row a kind: the word that rules use, and a media type.
const ROWS: &[Row] = &[
    row(Kind::Zip, "zip", "application/zip"),
    row(Kind::SevenZip, "7z", "application/x-7z-compressed"),
    row(Kind::Rar, "rar", "application/vnd.rar"),
    row(Kind::Tar, "tar", "application/x-tar"),
    row(Kind::Gzip, "gzip", "application/gzip"),
    row(Kind::Bzip2, "bzip2", "application/x-bzip2"),
    row(Kind::Xz, "xz", "application/x-xz"),
    row(Kind::Lzma, "lzma", "application/x-lzma"),
    row(Kind::Zstd, "zstd", "application/zstd"),
    row(Kind::Compress, "compress", "application/x-compress"),
    row(Kind::Cab, "cab", "application/vnd.ms-cab-compressed"),
    row(Kind::Iso, "iso", "application/x-iso9660-image"),
    row(Kind::OldArchive, "old-archive", "application/octet-stream"),
    row(Kind::DiskImage, "disk-image", "application/octet-stream"),
    row(Kind::Tnef, "tnef", "application/vnd.ms-tnef"),
    row(Kind::Ole, "ole", "application/x-ole-storage"),
    row(Kind::Msi, "msi", "application/x-msi"),
    row(Kind::OneNote, "onenote", "application/onenote"),
    row(Kind::Rtf, "rtf", "application/rtf"),
    row(Kind::Pdf, "pdf", "application/pdf"),
    row(Kind::Pe, "pe", "application/vnd.microsoft.portable-executable"),
    row(Kind::Elf, "elf", "application/x-executable"),
    row(Kind::MachO, "mach-o", "application/x-mach-binary"),
    row(Kind::JavaClass, "java-class", "application/java-vm"),
    row(Kind::Shortcut, "shortcut", "application/x-ms-shortcut"),
    row(Kind::Chm, "chm", "application/vnd.ms-htmlhelp"),
    row(Kind::Flash, "flash", "application/x-shockwave-flash"),
    row(Kind::Script, "script", "text/x-script"),
    row(Kind::Html, "html", "text/html"),
    row(Kind::Svg, "svg", "image/svg+xml"),
    row(Kind::Xml, "xml", "text/xml"),
    row(Kind::Message, "message", "message/rfc822"),
    row(Kind::Image, "image", "image/*"),
    row(Kind::Media, "media", "application/octet-stream"),
    row(Kind::Text, "text", "text/plain"),
    row(Kind::Data, "data", "application/octet-stream"),
    row(Kind::Empty, "empty", "application/x-empty"),
];

/// Octets at an offset, and what they mean. The first that fits counts.
const MAGIC: &[(usize, &[u8], Kind)] = &[
    (0, b"PK\x03\x04", Kind::Zip),
    (0, b"PK\x05\x06", Kind::Zip),
    (0, b"PK\x07\x08PK\x03\x04", Kind::Zip),
    (0, b"7z\xbc\xaf\x27\x1c", Kind::SevenZip),
    (0, b"Rar!\x1a\x07", Kind::Rar),
    (0, b"\x1f\x8b\x08", Kind::Gzip),
    (0, b"BZh", Kind::Bzip2),
    (0, b"\xfd7zXZ\x00", Kind::Xz),
    (0, b"\x28\xb5\x2f\xfd", Kind::Zstd),
    (0, b"\x1f\x9d", Kind::Compress),
    (0, b"MSCF\x00\x00\x00\x00", Kind::Cab),
    (0, b"\x60\xea", Kind::OldArchive),
    (7, b"**ACE**", Kind::OldArchive),
    (2, b"-lh", Kind::OldArchive),
    (0, b"ALZ\x01", Kind::OldArchive),
    (0, b"MSWIM\x00\x00\x00", Kind::OldArchive),
    (0, b"xar!", Kind::OldArchive),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind::Ole),
    (0, b"\x78\x9f\x3e\x22", Kind::Tnef),
    // MS-ONESTORE §2.3.1: guidFileType of .one and .onetoc2.
    (0, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", Kind::OneNote),
    (0, b"\xa1\x2f\xff\x43\xd9\xef\x76\x4c\x9e\xe2\x10\xea\x57\x22\x76\x5f", Kind::OneNote),
    (0, b"{\\rt", Kind::Rtf),
    (0, b"\x7fELF", Kind::Elf),
    (0, b"\xfe\xed\xfa\xce", Kind::MachO),
    (0, b"\xfe\xed\xfa\xcf", Kind::MachO),
    (0, b"\xce\xfa\xed\xfe", Kind::MachO),
    (0, b"\xcf\xfa\xed\xfe", Kind::MachO),
    (0, b"\xca\xfe\xba\xbe\x00\x00\x00\x02", Kind::MachO),
    (0, b"\xca\xfe\xba\xbe", Kind::JavaClass),
    // MS-SHLLINK §2.1: header size and class.
    (0, b"L\x00\x00\x00\x01\x14\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00F", Kind::Shortcut),
    (0, b"ITSF", Kind::Chm),
    (0, b"FWS", Kind::Flash),
    (0, b"CWS", Kind::Flash),
    (0, b"ZWS", Kind::Flash),
    (0, b"conectix", Kind::DiskImage),
    (0, b"vhdxfile", Kind::DiskImage),
    (0, b"KDMV", Kind::DiskImage),
    (0, b"# Disk DescriptorFile", Kind::DiskImage),
    (0x40, b"\x7f\x10\xda\xbe", Kind::DiskImage),
    (0, b"\x89PNG\r\n\x1a\n", Kind::Image),
    (0, b"\xff\xd8\xff", Kind::Image),
    (0, b"GIF8", Kind::Image),
    (0, b"II*\x00", Kind::Image),
    (0, b"MM\x00*", Kind::Image),
    (8, b"WEBP", Kind::Image),
    (0, b"\x00\x00\x01\x00", Kind::Image),
    (4, b"ftypheic", Kind::Image),
    (4, b"ftypavif", Kind::Image),
    (0, b"8BPS", Kind::Image),
    (4, b"ftyp", Kind::Media),
    (0, b"ID3", Kind::Media),
    (0, b"OggS", Kind::Media),
    (0, b"fLaC", Kind::Media),
    (0, b"RIFF", Kind::Media),
    (0, b"\x1aE\xdf\xa3", Kind::Media),
    (257, b"ustar", Kind::Tar),
    (0x8001, b"CD001", Kind::Iso),
    (0x8801, b"CD001", Kind::Iso),
    (0x8001, b"BEA01", Kind::DiskImage),
    (0, b"#!", Kind::Script),
];

/// How far into a file marks of text formats are looked for.
const HEAD: usize = 4096;

impl Kind {
    pub fn of(bytes: &[u8]) -> Kind {
        if bytes.is_empty() {
            return Kind::Empty;
        }
        let fits = |(at, magic, _): &&(usize, &[u8], Kind)| bytes.get(*at..).is_some_and(|rest| rest.starts_with(magic));
        if let Some((_, _, kind)) = MAGIC.iter().find(fits) {
            let believed = match kind {
                Kind::Bzip2 => bytes.get(3).is_some_and(u8::is_ascii_digit),
                Kind::OldArchive if bytes.starts_with(b"\x60\xea") => bytes.len() > 10 && bytes[2..4] != [0, 0],
                Kind::OldArchive if bytes[2..].starts_with(b"-lh") => bytes.get(6) == Some(&b'-'),
                Kind::Image if bytes.starts_with(b"\x00\x00\x01\x00") => bytes.get(5) == Some(&0),
                _ => true,
            };
            if believed {
                return if *kind == Kind::Ole && super::ole::is_msi(bytes) { Kind::Msi } else { *kind };
            }
        }
        binary(bytes).unwrap_or_else(|| text(bytes))
    }

    /// The word by which rules ask for it.
    pub fn word(self) -> &'static str {
        self.row().map_or("data", |row| row.word)
    }

    pub fn media_type(self) -> &'static str {
        self.row().map_or("application/octet-stream", |row| row.media_type)
    }

    pub fn by_word(word: &str) -> Option<Kind> {
        ROWS.iter().find(|row| row.word == word).map(|row| row.kind)
    }

    fn row(self) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.kind == self)
    }

    /// A program, or what is run when it is opened.
    pub fn is_program(self) -> bool {
        matches!(
            self,
            Kind::Pe | Kind::Elf | Kind::MachO | Kind::JavaClass | Kind::Shortcut | Kind::Chm | Kind::Flash | Kind::Msi | Kind::Script
        )
    }

    pub fn is_archive(self) -> bool {
        matches!(
            self,
            Kind::Zip
                | Kind::SevenZip
                | Kind::Rar
                | Kind::Tar
                | Kind::Gzip
                | Kind::Bzip2
                | Kind::Xz
                | Kind::Lzma
                | Kind::Zstd
                | Kind::Compress
                | Kind::Cab
                | Kind::Iso
                | Kind::OldArchive
                | Kind::DiskImage
        )
    }

    /// Nothing more precise is known than that it is text or not.
    pub fn is_vague(self) -> bool {
        matches!(self, Kind::Text | Kind::Data | Kind::Empty | Kind::Media | Kind::Image)
    }
}

/// Formats that need more than a constant at a fixed place.
fn binary(bytes: &[u8]) -> Option<Kind> {
    if bytes.starts_with(b"MZ") || bytes.starts_with(b"ZM") {
        // A program has a whole header, or at least is no text.
        let is_text =
            bytes.len() > 2 && bytes.iter().take(HEAD).all(|b| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7E)) && bytes.len() > 64;
        return (!is_text).then_some(Kind::Pe);
    }
    if bytes.starts_with(b"BM") && u16le(bytes, 6) == Some(0) && u16le(bytes, 8) == Some(0) {
        return Some(Kind::Image);
    }
    // ISO 32000-1 §7.5.2, appendix H: readers accept the header within the first 1,024 octets.
    let head = &bytes[..bytes.len().min(1024)];
    if memchr::memmem::find(head, b"%PDF-").is_some() {
        return Some(Kind::Pdf);
    }
    // .lzma: properties, a dictionary of a power of two, a size that is known or -1.
    if bytes.len() > 13 && bytes[0] == 0x5D && bytes[1..3] == [0, 0] && (bytes[5..13] == [0xFF; 8] || bytes[10..13] == [0; 3]) {
        return Some(Kind::Lzma);
    }
    if super::tar::has_header(bytes) {
        return Some(Kind::Tar);
    }
    None
}

/// 1 for octets that no text holds.
const CONTROL: [u8; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = matches!(octet, 0..=8 | 11 | 14..=26 | 28..=31 | 127) as u8;
        octet += 1;
    }
    table
};

fn text(bytes: &[u8]) -> Kind {
    let head = &bytes[..bytes.len().min(HEAD)];
    let utf16: Vec<u8>;
    let head = if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        utf16 = head.iter().copied().filter(|b| !matches!(b, 0 | 0xFF | 0xFE)).collect();
        &utf16
    } else {
        head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head)
    };
    let controls: usize = head.iter().map(|b| usize::from(CONTROL[usize::from(*b)])).sum();
    if controls > 0 && controls * 20 >= head.len() || head.contains(&0) && controls * 100 >= head.len() {
        return Kind::Data;
    }
    let start = head.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(head.len());
    let trimmed = &head[start..];
    let has = |word: &[u8]| contains_ignoring_case(trimmed, word);
    if trimmed.starts_with(b"<") {
        if has(b"<html") || has(b"<!doctype html") || has(b"<script") && !has(b"<svg") || has(b"<hta:") {
            return Kind::Html;
        }
        if has(b"<svg") {
            return Kind::Svg;
        }
        if has(b"<body") || has(b"<head") || has(b"<meta ") || has(b"<form") || has(b"<iframe") {
            return Kind::Html;
        }
        if trimmed.starts_with(b"<?xml") {
            return Kind::Xml;
        }
    }
    if is_message(trimmed) {
        return Kind::Message;
    }
    Kind::Text
}

/// Two header fields of mail at the start, one of which no other text begins with.
fn is_message(text: &[u8]) -> bool {
    const FIELDS: &[&[u8]] = &[
        b"received",
        b"return-path",
        b"from",
        b"to",
        b"subject",
        b"date",
        b"message-id",
        b"mime-version",
        b"content-type",
        b"x-mailer",
        b"delivered-to",
        b"content-transfer-encoding",
        b"dkim-signature",
        b"reply-to",
        b"sender",
        b"cc",
        b"x-sender",
    ];
    let mut known = 0;
    for line in text.split(|b| *b == b'\n').take(40) {
        if matches!(line.first(), Some(b' ' | b'\t')) && known > 0 {
            continue;
        }
        let Some(colon) = memchr::memchr(b':', line).filter(|at| *at > 0) else { break };
        let name = &line[..colon];
        if !name.iter().all(|b| matches!(b, 0x21..=0x39 | 0x3B..=0x7E)) {
            break;
        }
        known += usize::from(FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field)));
        if known >= 2 {
            return true;
        }
    }
    false
}
