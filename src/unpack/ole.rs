//! Compound files (MS-CFB): Office 97 documents, Outlook messages, installers. Read tolerantly, since a broken file that
//! Office still mends must not hide its macros.

use super::octets::{name, piece, piece_or_rest, size16, size32, u32le, u64le, until_nul, utf16le};
use super::{Budget, Entry, Fact, Facts, Opened, vba};
use memchr::memmem;

const FREE: u32 = 0xFFFF_FFFA;
/// Folder entries read; streams beyond are left out.
const ENTRIES: usize = 20_000;
/// MS-MSI: the class of an installer package.
const INSTALLER: &[u8] = b"\x84\x10\x0c\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00F";

pub(super) struct Compound<'b> {
    bytes: &'b [u8],
    sector: usize,
    fat: Vec<u32>,
    mini_fat: Vec<u32>,
    mini: Vec<u8>,
    cutoff: usize,
    pub(super) streams: Vec<Stream>,
    class: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(super) struct Stream {
    /// Storages and name, joined by `/`.
    pub(super) path: String,
    start: u32,
    size: usize,
}

impl<'b> Compound<'b> {
    pub(super) fn parse(bytes: &'b [u8]) -> Option<Compound<'b>> {
        let shift = size16(bytes, 30).filter(|s| matches!(s, 9 | 12)).unwrap_or(9);
        let sector = 1 << shift;
        let mut file = Compound {
            bytes,
            sector,
            fat: Vec::new(),
            mini_fat: Vec::new(),
            mini: Vec::new(),
            cutoff: size32(bytes, 56).unwrap_or(4096),
            streams: Vec::new(),
            class: Vec::new(),
        };
        file.read_fat();
        let folder = file.chain(u32le(bytes, 48)?, ENTRIES * 128);
        let mini_fat = file.chain(u32le(bytes, 60)?, bytes.len());
        file.mini_fat = mini_fat.chunks_exact(4).filter_map(|c| u32le(c, 0)).collect();
        file.read_folder(&folder);
        Some(file)
    }

    fn sector_at(&self, number: u32) -> Option<&'b [u8]> {
        let at = usize::try_from(number).ok()?.checked_add(1)?.checked_mul(self.sector)?;
        (at < self.bytes.len()).then(|| piece_or_rest(self.bytes, at, self.sector))
    }

    fn read_fat(&mut self) {
        let mut numbers: Vec<u32> = (0..109).filter_map(|i| u32le(self.bytes, 76 + i * 4)).take_while(|n| *n < FREE).collect();
        let most = self.bytes.len() / self.sector + 1;
        let mut next = u32le(self.bytes, 68).unwrap_or(FREE);
        let per = self.sector / 4 - 1;
        // §2.5: further sectors of numbers, linked by their last one.
        for _ in 0..most {
            let Some(sector) = self.sector_at(next).filter(|_| next < FREE) else { break };
            numbers.extend((0..per).filter_map(|i| u32le(sector, i * 4)).filter(|n| *n < FREE));
            next = u32le(sector, per * 4).unwrap_or(FREE);
            if numbers.len() > most {
                break;
            }
        }
        numbers.truncate(most);
        for number in numbers {
            let Some(sector) = self.sector_at(number) else { continue };
            self.fat.extend(sector.chunks_exact(4).filter_map(|c| u32le(c, 0)));
            if self.fat.len() > most + per {
                break;
            }
        }
    }

    /// The sectors from `start` on, at most `most` octets; a chain that runs in a circle ends there.
    fn chain(&self, start: u32, most: usize) -> Vec<u8> {
        let most = most.min(self.bytes.len());
        let mut out = Vec::new();
        let mut next = start;
        while next < FREE && out.len() < most {
            let Some(sector) = self.sector_at(next) else { break };
            out.extend_from_slice(sector);
            match usize::try_from(next).ok().and_then(|n| self.fat.get(n)) {
                Some(following) => next = *following,
                None => break,
            }
        }
        out.truncate(most);
        out
    }

    fn read_folder(&mut self, folder: &[u8]) {
        let entries: Vec<&[u8]> = folder.chunks_exact(128).collect();
        let Some(root) = entries.first() else { return };
        self.class = root[80..96].to_vec();
        let root_size = usize::try_from(u64le(root, 120).unwrap_or(0)).unwrap_or(0);
        self.mini = self.chain(u32le(root, 116).unwrap_or(FREE), root_size);
        let mut seen = vec![false; entries.len()];
        let mut stack: Vec<(usize, String)> = vec![(size32(root, 76).unwrap_or(usize::MAX), String::new())];
        while let Some((id, folder)) = stack.pop() {
            let Some(entry) = entries.get(id) else { continue };
            if std::mem::replace(&mut seen[id], true) {
                continue;
            }
            let path = format!("{folder}{}", entry_name(entry));
            for sibling in [68, 72] {
                stack.push((size32(entry, sibling).unwrap_or(usize::MAX), folder.clone()));
            }
            match entry[66] {
                1 | 5 if path.len() < 1000 => stack.push((size32(entry, 76).unwrap_or(usize::MAX), format!("{path}/"))),
                2 => self.add(path, entry),
                _ => {}
            }
        }
        // What no storage leads to: a broken folder hides nothing.
        for (id, entry) in entries.iter().enumerate().skip(1) {
            if !seen[id] && entry[66] == 2 {
                self.add(entry_name(entry), entry);
            }
        }
    }

    fn add(&mut self, path: String, entry: &[u8]) {
        // In files of 512-octet sectors the upper half of a size may hold anything.
        let size = size32(entry, 120).unwrap_or(0);
        self.streams.push(Stream { path, start: u32le(entry, 116).unwrap_or(FREE), size });
    }

    /// A stream's octets, at most `most` of them.
    pub(super) fn read(&self, stream: &Stream, most: usize) -> Vec<u8> {
        let size = stream.size.min(most);
        if stream.size >= self.cutoff {
            return self.chain(stream.start, size);
        }
        let mut out = Vec::new();
        let mut next = stream.start;
        while next < FREE && out.len() < size {
            let Some(at) = usize::try_from(next).ok().filter(|n| n * 64 < self.mini.len()) else { break };
            out.extend_from_slice(piece_or_rest(&self.mini, at * 64, 64));
            match self.mini_fat.get(at) {
                Some(following) => next = *following,
                None => break,
            }
        }
        out.truncate(size);
        out
    }

    fn ends_with(&self, end: &str) -> Option<&Stream> {
        self.streams.iter().find(|s| s.path.ends_with(end))
    }
}

fn entry_name(entry: &[u8]) -> String {
    let len = size16(entry, 64).unwrap_or(0).clamp(2, 64) - 2;
    utf16le(&entry[..len])
}

pub(super) fn is_msi(bytes: &[u8]) -> bool {
    let Some(start) = size32(bytes, 48) else { return false };
    let sector = if size16(bytes, 30) == Some(12) { 4096 } else { 512 };
    let root = start.checked_add(1).and_then(|n| n.checked_mul(sector)).and_then(|at| piece(bytes, at.checked_add(80)?, 16));
    root == Some(INSTALLER)
}

/// Files inside: attachments of an Outlook message, packages and objects of a document.
pub(super) fn open(bytes: &[u8], budget: &mut Budget) -> Opened {
    let mut opened = Opened::default();
    let Some(file) = Compound::parse(bytes) else { return opened };
    for stream in &file.streams {
        let last = stream.path.rsplit('/').next().unwrap_or_default();
        let entry = match last {
            // MS-OXMSG §2.2.2: an attachment's data; its long or short name stands beside it.
            "__substg1.0_37010102" => {
                let folder = stream.path.strip_suffix(last).unwrap_or_default();
                let beside = |property: &str| {
                    let path = format!("{folder}__substg1.0_{property}");
                    file.streams.iter().find(|s| s.path == path).map(|s| file.read(s, 1024))
                };
                let name16 = beside("3707001F").or_else(|| beside("3704001F")).map(|n| utf16le(&n));
                let written = name16.or_else(|| beside("3707001E").map(|n| name(until_nul(&n)))).unwrap_or_default();
                Entry::new(written, (file.read(stream, bytes.len()), None))
            }
            "\u{1}Ole10Native" => match package(&file.read(stream, bytes.len())) {
                Some(entry) => entry,
                None => continue,
            },
            // Objects that are whole files: embedded documents of Office 2007 and later.
            "Package" | "CONTENTS" => Entry::new(last.to_owned(), (file.read(stream, bytes.len()), None)),
            // Flat streams that are programs: installers carry cabinets and libraries.
            _ if stream.size > 512 && is_msi(bytes) => {
                let content = file.read(stream, bytes.len());
                if !super::Kind::of(&content).is_archive() && !super::Kind::of(&content).is_program() {
                    continue;
                }
                Entry::new(format!("stream-{}", opened.entries.len()), (content, None))
            }
            _ => continue,
        };
        budget.pay(entry.bytes.len());
        if !opened.push(entry, budget) {
            break;
        }
    }
    opened
}

/// MS-OLEDS §2.3.6 and the packager's own form: size, flags, label, path, data.
pub(super) fn package(stream: &[u8]) -> Option<Entry> {
    let mut at = 6;
    let label = until_nul(stream.get(at..)?);
    at += label.len() + 1;
    let path = until_nul(stream.get(at..)?);
    at += path.len() + 1 + 4;
    let temporary = size32(stream, at)?;
    at = at.checked_add(4)?.checked_add(temporary)?;
    let len = size32(stream, at)?;
    let data = piece_or_rest(stream, at + 4, len);
    if data.is_empty() || label.is_empty() {
        return None;
    }
    let base = |n: &[u8]| name(n.rsplit(|b| matches!(b, b'\\' | b'/')).next().unwrap_or_default());
    let mut names = vec![base(label)];
    let second = base(path);
    if !second.is_empty() && !names.contains(&second) {
        names.push(second);
    }
    Some(Entry { names, bytes: data.to_vec(), facts: Facts::default() })
}

/// What a document does.
pub(super) fn inspect(bytes: &[u8]) -> Facts {
    let mut facts = Facts::default();
    let Some(file) = Compound::parse(bytes) else { return facts };
    for stream in &file.streams {
        let path = stream.path.as_str();
        let last = path.rsplit('/').next().unwrap_or_default();
        let is_vba = path.contains("VBA/") && !matches!(last, "dir" | "_VBA_PROJECT") && !last.starts_with("__SRP_");
        if last == "_VBA_PROJECT" || path.ends_with("VBA/dir") {
            facts.insert(Fact::Macro);
        }
        if is_vba && let Some(source) = vba::source(&file.read(stream, bytes.len())) {
            facts.extend(vba::inspect(&source));
        }
        match last {
            "EncryptedPackage" => {
                facts.insert(Fact::EncryptedDocument);
            }
            "\u{1}Ole10Native" => {
                facts.insert(Fact::EmbeddedObject);
            }
            "Workbook" | "Book" => workbook(&file.read(stream, bytes.len()), &mut facts),
            "WordDocument" => word(&file.read(stream, bytes.len()), &mut facts),
            _ => {}
        }
        if path.contains("ObjectPool/") || path.contains("MBD") && path.contains('/') {
            facts.insert(Fact::EmbeddedObject);
        }
    }
    if file.ends_with("PowerPoint Document").is_some() && memmem::find(bytes, b"\x2f\x00\x14\x2f").is_some() {
        // MS-PPT §2.3.7: CryptSession10Container.
        facts.insert(Fact::EncryptedDocument);
    }
    facts
}

/// MS-XLS: records of a workbook; macro sheets, passwords, DDE links, sheets that run when opened.
fn workbook(stream: &[u8], facts: &mut Facts) {
    let mut at = 0;
    let mut has_macro_sheet = false;
    while let (Some(id), Some(len)) = (super::octets::u16le(stream, at), size16(stream, at + 2)) {
        let data = piece_or_rest(stream, at + 4, len);
        match id {
            // FilePass.
            0x2F => {
                facts.insert(Fact::EncryptedDocument);
            }
            // BoundSheet8: type 1 is a macro sheet.
            0x85 if data.get(5).is_some_and(|kind| kind & 0xF == 1) => {
                has_macro_sheet = true;
                facts.insert(Fact::Macro);
            }
            // Lbl: built-in name 1 is Auto_Open.
            0x18 if size16(data, 0).is_some_and(|flags| flags & 0x20 != 0) && matches!(data.get(14..16), Some([_, 1 | 2] | [1 | 2, _])) => {
                facts.insert(Fact::AutoRun);
            }
            // ExternName of a DDE link: fWantAdvise and fOle are told in its flags, the link's text begins with the program.
            0x1AE => {
                let text: Vec<u8> = data.iter().copied().filter(|b| *b != 0).collect();
                if [b"cmd\x03".as_slice(), b"CMD\x03", b"cmd|", b"MSEXCEL", b"powershell"].iter().any(|m| memmem::find(&text, m).is_some())
                {
                    facts.insert(Fact::Dde);
                }
            }
            _ => {}
        }
        at += 4 + len;
    }
    if !has_macro_sheet && !facts.contains(&Fact::Macro) {
        facts.remove(&Fact::AutoRun);
    }
}

/// MS-DOC §2.5.2: the flag of encryption in the file's information block; field codes in the text.
fn word(stream: &[u8], facts: &mut Facts) {
    if size16(stream, 10).is_some_and(|flags| flags & 0x100 != 0) {
        facts.insert(Fact::EncryptedDocument);
    }
    let wide: &[u8] = b"D\x00D\x00E\x00A\x00U\x00T\x00O\x00";
    if memmem::find(stream, b"DDEAUTO").is_some() || memmem::find(stream, wide).is_some() {
        facts.insert(Fact::Dde);
    }
}
