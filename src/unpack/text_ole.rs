//! Text of Office 97 documents and of Outlook messages: the piece table of Word (MS-DOC §2.8.35, §2.9.38), shared strings of
//! Excel (MS-XLS §2.4.265), text atoms of PowerPoint (MS-PPT §2.9.41 on), the body of a message (MS-OXPROPS).

use super::octets::{name, piece, piece_or_rest, size16, size32, u16le, u32le, utf16le};
use super::ole::Compound;
use super::text::Extracted;

/// Octets read of one stream.
const STREAM: usize = 32 << 20;
/// MS-OSHARED §2.3.7.6: the class of a link by URL.
const URL_MONIKER: &[u8] = b"\xe0\xc9\xea\x79\xf9\xba\xce\x11\x8c\x82\x00\xaa\x00\x4b\xa9\x0b";

pub(super) fn extract(bytes: &[u8]) -> Extracted {
    let mut found = Extracted::default();
    let Some(file) = Compound::parse(bytes) else { return found };
    for stream in &file.streams {
        let read = || file.read(stream, STREAM);
        match stream.path.as_str() {
            "WordDocument" => drop(word(&file, &read(), &mut found)),
            "Workbook" | "Book" => workbook(&read(), &mut found),
            "PowerPoint Document" => slides(&read(), &mut found),
            // PidTagBody.
            "__substg1.0_1000001F" => found.push_str(&wide(&read())),
            "__substg1.0_1000001E" => found.push_str(&name(&read())),
            _ => {}
        }
        if found.is_full() {
            break;
        }
    }
    found
}

/// UTF-16 with all its NULs.
fn wide(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]]));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// The characters that Windows-1252 has in place of controls.
pub(super) fn windows_1252(b: u8) -> char {
    const HIGH: [char; 32] = [
        '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}', '\u{2030}', '\u{160}',
        '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}',
        '\u{2013}', '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}', '\u{203a}', '\u{153}', '\u{9d}', '\u{17e}', '\u{178}',
    ];
    match b {
        0x80..=0x9F => HIGH[usize::from(b - 0x80)],
        _ => char::from(b),
    }
}

fn word(file: &Compound<'_>, main: &[u8], found: &mut Extracted) -> Option<()> {
    // MS-DOC §2.5.1: FibBase; §2.5.6: where the piece table stands.
    let flags = u16le(main, 10)?;
    if u16le(main, 0)? != 0xA5EC || flags & 0x100 != 0 {
        return None;
    }
    let table = if flags & 0x200 != 0 { "1Table" } else { "0Table" };
    let table = file.streams.iter().find(|stream| stream.path == table)?;
    let table = file.read(table, STREAM);
    let clx = piece(&table, size32(main, 0x1A2)?, size32(main, 0x1A6)?)?;
    let mut at = 0;
    // Property modifiers come first.
    while clx.get(at) == Some(&1) {
        at += 3 + size16(clx, at + 1)?;
    }
    if clx.get(at) != Some(&2) {
        return None;
    }
    let pieces = piece_or_rest(clx, at + 5, size32(clx, at + 1)?);
    let count = pieces.len().checked_sub(4)? / 12;
    let mut field = Field::default();
    for i in 0..count {
        let (first, last) = (size32(pieces, i * 4)?, size32(pieces, i * 4 + 4)?);
        let place = u32le(pieces, (count + 1) * 4 + i * 8 + 2)?;
        let characters = last.saturating_sub(first);
        let at = usize::try_from(place & 0x3FFF_FFFF).ok()?;
        if place & 0x4000_0000 != 0 {
            piece_or_rest(main, at / 2, characters).iter().for_each(|b| field.character(windows_1252(*b), found));
        } else {
            wide(piece_or_rest(main, at, characters.saturating_mul(2))).chars().for_each(|c| field.character(c, found));
        }
        if found.is_full() {
            break;
        }
    }
    Some(())
}

/// MS-DOC §2.8.25: 0x13 begins a field's code, 0x14 its result, 0x15 ends it.
#[derive(Default)]
struct Field {
    codes: usize,
    code: String,
}

impl Field {
    fn character(&mut self, c: char, found: &mut Extracted) {
        match c {
            '\u{13}' => self.codes += 1,
            '\u{14}' | '\u{15}' => {
                self.codes = self.codes.saturating_sub(usize::from(!self.code.is_empty() || c == '\u{14}'));
                found.field_code(&std::mem::take(&mut self.code));
            }
            c if self.codes > 0 => {
                if self.code.len() < 8192 {
                    self.code.push(c);
                }
            }
            '\r' | '\u{b}' | '\u{c}' => found.line(),
            '\u{7}' | '\t' => found.space(),
            c if c.is_control() => {}
            c => found.push(c),
        }
    }
}

/// A record and those that continue it.
struct Continued<'b> {
    pieces: Vec<&'b [u8]>,
    piece: usize,
    at: usize,
}

impl Continued<'_> {
    /// Octets up to the end of the piece alone: what a piece cuts may begin anew with flags.
    fn octet(&mut self) -> Option<u8> {
        while self.at >= self.pieces.get(self.piece)?.len() {
            self.piece += 1;
            self.at = 0;
        }
        let octet = self.pieces[self.piece].get(self.at).copied();
        self.at += 1;
        octet
    }

    fn number16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.octet()?, self.octet()?]))
    }

    fn skip(&mut self, mut octets: usize) -> Option<()> {
        while octets > 0 {
            let left = self.pieces.get(self.piece)?.len().saturating_sub(self.at);
            let step = left.min(octets);
            self.at += step;
            octets -= step;
            if octets > 0 {
                self.piece += 1;
                self.at = 0;
            }
        }
        Some(())
    }

    /// MS-XLS §2.5.293: characters; at the start of a piece stands again how wide they are.
    fn characters(&mut self, count: usize, mut is_wide: bool, found: &mut Extracted) -> Option<()> {
        let mut units: Vec<u16> = Vec::with_capacity(count.min(4096));
        for _ in 0..count {
            if self.at >= self.pieces.get(self.piece)?.len() {
                self.piece += 1;
                self.at = 0;
                is_wide = self.octet()? & 1 != 0;
            }
            units.push(if is_wide { self.number16()? } else { u16::from(self.octet()?) });
        }
        found.push_str(&String::from_utf16_lossy(&units));
        found.line();
        Some(())
    }
}

fn workbook(stream: &[u8], found: &mut Extracted) {
    let mut at = 0;
    while let (Some(id), Some(len)) = (u16le(stream, at), size16(stream, at + 2)) {
        let data = piece_or_rest(stream, at + 4, len);
        at += 4 + len;
        match id {
            // FilePass: the rest is encrypted.
            0x2F => return,
            0xFC => {
                let mut pieces = vec![data];
                while let (Some(0x3C), Some(len)) = (u16le(stream, at), size16(stream, at + 2)) {
                    pieces.push(piece_or_rest(stream, at + 4, len));
                    at += 4 + len;
                }
                shared_strings(&mut Continued { pieces, piece: 0, at: 0 }, found);
            }
            // HLink.
            0x1B8 => {
                if let Some(moniker) = memchr::memmem::find(data, URL_MONIKER) {
                    let from = moniker + URL_MONIKER.len();
                    let len = size32(data, from).unwrap_or(0);
                    found.link(&utf16le(piece_or_rest(data, from + 4, len)));
                }
            }
            _ => {}
        }
        if found.is_full() {
            return;
        }
    }
}

fn shared_strings(record: &mut Continued<'_>, found: &mut Extracted) -> Option<()> {
    record.skip(8)?;
    while !found.is_full() {
        let count = usize::from(record.number16()?);
        let flags = record.octet()?;
        let runs = if flags & 8 != 0 { usize::from(record.number16()?) } else { 0 };
        let extra = if flags & 4 != 0 { usize::from(record.number16()?) | usize::from(record.number16()?) << 16 } else { 0 };
        record.characters(count, flags & 1 != 0, found)?;
        record.skip(runs.saturating_mul(4).saturating_add(extra))?;
    }
    Some(())
}

fn slides(stream: &[u8], found: &mut Extracted) {
    let mut at = 0;
    while let (Some(version), Some(kind), Some(len)) = (u16le(stream, at), u16le(stream, at + 2), size32(stream, at + 4)) {
        at += 8;
        // A container: its records follow.
        if version & 0xF == 0xF {
            continue;
        }
        let data = piece_or_rest(stream, at, len);
        match kind {
            0x0FA0 => found.push_str(&wide(data).replace(['\r', '\u{b}'], "\n")),
            0x0FA8 => {
                found.push_str(&data.iter().map(|b| if matches!(b, b'\r' | 0xB) { '\n' } else { char::from(*b) }).collect::<String>())
            }
            0x0FBA => {
                let text = utf16le(data);
                if text.contains("://") || text.starts_with("mailto:") {
                    found.link(&text);
                }
            }
            _ => {}
        }
        if matches!(kind, 0x0FA0 | 0x0FA8) {
            found.line();
        }
        at = at.saturating_add(len);
        if found.is_full() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: u16, data: &[u8]) -> Vec<u8> {
        [&id.to_le_bytes()[..], &u16::try_from(data.len()).unwrap().to_le_bytes(), data].concat()
    }

    #[test]
    fn shared_strings_go_on_in_the_next_record() {
        let mut first = [0u8; 8].to_vec();
        first.extend_from_slice(b"\x03\x00\x00one\x06\x00\x00tw");
        let mut link = [0u8; 32].to_vec();
        link.extend_from_slice(URL_MONIKER);
        let target: Vec<u8> = "http://xls.example/\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
        link.extend_from_slice(&u32::try_from(target.len()).unwrap().to_le_bytes());
        link.extend_from_slice(&target);
        let stream = [record(0xFC, &first), record(0x3C, b"\x01o\x00m\x00o\x00r\x00"), record(0x1B8, &link)].concat();
        let mut found = Extracted::default();
        workbook(&stream, &mut found);
        assert_eq!(found.text, "one\ntwomor\n");
        assert_eq!(found.links, ["http://xls.example/"]);
    }

    #[test]
    fn slides_tell_their_atoms() {
        let atom = |kind: u16, data: &[u8]| {
            [&0u16.to_le_bytes()[..], &kind.to_le_bytes(), &u32::try_from(data.len()).unwrap().to_le_bytes(), data].concat()
        };
        let inner = [atom(0x0FA8, b"title"), atom(0x0FA0, b"m\0o\0r\0e\0")].concat();
        let container =
            [&0xFu16.to_le_bytes()[..], &0x03E8u16.to_le_bytes(), &u32::try_from(inner.len()).unwrap().to_le_bytes(), &inner].concat();
        let mut found = Extracted::default();
        slides(&container, &mut found);
        assert_eq!(found.text, "title\nmore\n");
    }

    #[test]
    fn the_code_of_a_field_is_no_text() {
        let (mut field, mut found) = (Field::default(), Extracted::default());
        "see \u{13} HYPERLINK \"http://doc.example/\" \u{14}here\u{15}.\r".chars().for_each(|c| field.character(c, &mut found));
        assert_eq!(found.text, "see here.\n");
        assert_eq!(found.links, ["http://doc.example/"]);
    }
}
