//! Octets of a declared charset to text, by SpamAssassin's order of guesses.

use super::fields::is_space;
use encoding_rs::{CoderResult, DecoderResult, Encoding};
use std::borrow::Cow;

/// Text of octets that claim a charset (Mail::SpamAssassin::Message::Node): valid UTF-8 first, whatever is declared; then
/// the declared charset strictly; then Windows-1252. With `insist` the declared charset is taken at its word and bad
/// octets are replaced.
pub fn normalize<'a>(octets: &'a [u8], declared: &str, insist: bool) -> Cow<'a, str> {
    let ascii = octets.is_ascii();
    if ascii && !changes_ascii(declared) {
        return Cow::Borrowed(std::str::from_utf8(octets).unwrap_or_default());
    }
    if !ascii
        && !insist
        && let Some(text) = strict_utf8(octets)
    {
        return Cow::Borrowed(text);
    }
    if let Some(text) = by_declaration(octets, declared, insist) {
        return Cow::Owned(text);
    }
    if ascii {
        return Cow::Borrowed(std::str::from_utf8(octets).unwrap_or_default());
    }
    Cow::Owned(windows_1252(octets))
}

/// As `normalize`, to octets, for header fields: UTF-16 that could be read stays undecoded there.
pub fn normalize_field<'a>(octets: &'a [u8], declared: &str, insist: bool) -> Cow<'a, [u8]> {
    let sniffed = !insist && !octets.is_ascii() && strict_utf8(octets).is_some();
    if is_utf16(declared) && !sniffed && utf16_guess(octets).and_then(|big| utf16(octets, big, true)).is_some() {
        return Cow::Borrowed(octets);
    }
    match normalize(octets, declared, insist) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// Whether a name stands for a charset that we can read.
pub fn is_known(declared: &str) -> bool {
    declared.is_empty() || find(declared).is_some() || changes_ascii(declared) && is_utf16(declared)
}

/// Valid UTF-8 without noncharacters, which Perl's strict decoder refuses.
pub fn strict_utf8(octets: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(octets).ok()?;
    // Noncharacters are EF B7 90-AF, EF BF BE/BF, and Fx xF BF BE/BF of the higher planes.
    let suspicious = memchr::memchr3_iter(0xEF, 0xF0, 0xF4, octets).next().is_some() || octets.iter().any(|b| (0xF1..0xF4).contains(b));
    (!suspicious || !text.chars().any(is_noncharacter)).then_some(text)
}

fn is_noncharacter(c: char) -> bool {
    let c = u32::from(c);
    c & 0xFFFE == 0xFFFE || (0xFDD0..=0xFDEF).contains(&c)
}

fn is_utf16(declared: &str) -> bool {
    let d = declared.to_ascii_lowercase();
    d.strip_prefix("utf").is_some_and(|rest| rest.trim_start_matches(['-', ' ']).starts_with("16"))
}

fn changes_ascii(declared: &str) -> bool {
    match find(declared) {
        Some(Codec::Iso2022Jp | Codec::Iso2022Kr | Codec::Hz | Codec::Utf7 | Codec::Utf16 { .. } | Codec::Utf32(_)) => true,
        Some(
            Codec::Ascii | Codec::Utf8 | Codec::Windows1252 | Codec::Latin5 | Codec::Thai | Codec::Dos(_) | Codec::Table(_) | Codec::Gb2312,
        ) => false,
        None => is_utf16(declared),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    Ascii,
    Utf8,
    Windows1252,
    /// ISO 8859-9: Windows-1254 with C1 controls.
    Latin5,
    /// ISO 8859-11: Windows-874 with C1 controls.
    Thai,
    Dos(&'static [char; 128]),
    Table(&'static Encoding),
    Gb2312,
    Iso2022Jp,
    Iso2022Kr,
    Hz,
    Utf7,
    Utf16 {
        big: bool,
    },
    /// Byte order by mark alone where `None`.
    Utf32(Option<bool>),
}

fn by_declaration(octets: &[u8], declared: &str, insist: bool) -> Option<String> {
    if is_utf16(declared) {
        return utf16_guess(octets).and_then(|big| utf16(octets, big, true));
    }
    let strict = !insist;
    match find(declared)? {
        Codec::Ascii if strict => None,
        Codec::Ascii => Some(octets.iter().map(|b| if b.is_ascii() { char::from(*b) } else { char::REPLACEMENT_CHARACTER }).collect()),
        Codec::Utf8 if strict => None,
        Codec::Utf8 => Some(
            String::from_utf8_lossy(octets).chars().map(|c| if is_noncharacter(c) { char::REPLACEMENT_CHARACTER } else { c }).collect(),
        ),
        Codec::Windows1252 => {
            let text = windows_1252(octets);
            (insist || !text.contains(char::REPLACEMENT_CHARACTER)).then_some(text)
        }
        Codec::Latin5 => with_c1(octets, encoding_rs::WINDOWS_1254),
        Codec::Thai => with_c1(octets, encoding_rs::WINDOWS_874).filter(|t| insist || !t.contains(char::REPLACEMENT_CHARACTER)),
        Codec::Dos(high) => Some(octets.iter().map(|b| if b.is_ascii() { char::from(*b) } else { high[usize::from(*b & 0x7F)] }).collect()),
        Codec::Table(encoding) => by_table(octets, encoding, strict),
        Codec::Gb2312 => (insist || is_gb2312(octets)).then(|| by_table(octets, encoding_rs::GBK, strict)).flatten(),
        Codec::Iso2022Jp => {
            let cut = octets.iter().position(|b| !b.is_ascii()).unwrap_or(octets.len());
            by_table(&octets[..cut], encoding_rs::ISO_2022_JP, false)
        }
        Codec::Iso2022Kr => by_table(&shifted_korean(octets), encoding_rs::EUC_KR, strict),
        Codec::Hz => by_table(&shifted_chinese(octets), encoding_rs::GBK, strict),
        Codec::Utf7 => Some(utf7(octets)),
        Codec::Utf16 { big } => utf16(octets, big, strict),
        Codec::Utf32(order) => utf32(octets, order, strict),
    }
}

/// Names as Perl's Encode knows them.
fn find(declared: &str) -> Option<Codec> {
    let mut buffer = [0u8; 40];
    let mut len = 0;
    for b in declared.bytes().filter(|b| !is_space(*b)) {
        *buffer.get_mut(len)? = if b == b'_' { b'-' } else { b.to_ascii_lowercase() };
        len += 1;
    }
    let name = std::str::from_utf8(&buffer[..len]).ok()?;
    let name = name.strip_suffix("@euro").unwrap_or(name);
    if let Some((_, codec)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some(*codec);
    }
    if let Some(number) = after_any(name, &["iso-8859-", "iso8859-", "iso8859"]) {
        return latin(number);
    }
    if let Some(number) = after_any(name, &["latin-", "latin"]) {
        const PARTS: [u8; 11] = [0, 1, 2, 3, 4, 9, 10, 13, 14, 15, 16];
        return latin(PARTS.get(number.parse::<usize>().ok()?)?.to_string().as_str());
    }
    if let Some(number) = after_any(name, &["windows-", "windows", "cp-", "cp", "ibm-", "ibm", "ms-", "ms"]) {
        return code_page(number);
    }
    if name.contains("euc") && (name.ends_with("cn") || name.starts_with("cn")) || name.starts_with("gb2312") || name.starts_with("gb-2312")
    {
        return Some(Codec::Gb2312);
    }
    if name.contains("euc") && name.ends_with("jp") {
        return Some(Codec::Table(encoding_rs::EUC_JP));
    }
    if name.contains("euc") && name.ends_with("kr") {
        return Some(Codec::Table(encoding_rs::EUC_KR));
    }
    if name.starts_with("shift") && name.ends_with("jis") {
        return Some(Codec::Table(encoding_rs::SHIFT_JIS));
    }
    None
}

fn after_any<'a>(name: &'a str, prefixes: &[&str]) -> Option<&'a str> {
    prefixes.iter().find_map(|p| {
        let at = name.rfind(p)?;
        let boundary = at == 0 || !name.as_bytes()[at - 1].is_ascii_alphanumeric();
        let rest = &name[at + p.len()..];
        (boundary && !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit())).then_some(rest)
    })
}

const NAMES: &[(&str, Codec)] = &[
    ("utf-8", Codec::Utf8),
    ("us-ascii", Codec::Ascii),
    ("ascii", Codec::Ascii),
    ("ansi-x3.4-1968", Codec::Ascii),
    ("iso-646-us", Codec::Ascii),
    ("iso646-us", Codec::Ascii),
    ("646", Codec::Ascii),
    ("utf8", Codec::Utf8),
    ("utf-8-strict", Codec::Utf8),
    ("unicode-1-1-utf-8", Codec::Utf8),
    ("cp65001", Codec::Utf8),
    ("koi8-r", Codec::Table(encoding_rs::KOI8_R)),
    ("koi8r", Codec::Table(encoding_rs::KOI8_R)),
    ("koi8-u", Codec::Table(encoding_rs::KOI8_U)),
    ("koi8u", Codec::Table(encoding_rs::KOI8_U)),
    ("big5", Codec::Table(encoding_rs::BIG5)),
    ("big-5", Codec::Table(encoding_rs::BIG5)),
    ("cn-big5", Codec::Table(encoding_rs::BIG5)),
    ("big5-eten", Codec::Table(encoding_rs::BIG5)),
    ("big5-hkscs", Codec::Table(encoding_rs::BIG5)),
    ("gbk", Codec::Table(encoding_rs::GBK)),
    ("gb18030", Codec::Table(encoding_rs::GBK)),
    ("gb-18030", Codec::Table(encoding_rs::GBK)),
    ("gb18030-2000", Codec::Table(encoding_rs::GBK)),
    ("hz", Codec::Hz),
    ("hz-gb-2312", Codec::Gb2312),
    ("euc-cn", Codec::Gb2312),
    ("sjis", Codec::Table(encoding_rs::SHIFT_JIS)),
    ("x-sjis", Codec::Table(encoding_rs::SHIFT_JIS)),
    ("windows-31j", Codec::Table(encoding_rs::SHIFT_JIS)),
    ("ujis", Codec::Table(encoding_rs::EUC_JP)),
    ("iso-2022-jp", Codec::Iso2022Jp),
    ("iso-2022-jp-1", Codec::Iso2022Jp),
    ("jis", Codec::Iso2022Jp),
    ("iso-2022-kr", Codec::Iso2022Kr),
    ("ks-c-5601-1987", Codec::Table(encoding_rs::EUC_KR)),
    ("uhc", Codec::Table(encoding_rs::EUC_KR)),
    ("x-uhc", Codec::Table(encoding_rs::EUC_KR)),
    ("x-windows-949", Codec::Table(encoding_rs::EUC_KR)),
    ("cyrillic", Codec::Table(encoding_rs::ISO_8859_5)),
    ("arabic", Codec::Table(encoding_rs::ISO_8859_6)),
    ("greek", Codec::Table(encoding_rs::ISO_8859_7)),
    ("hebrew", Codec::Table(encoding_rs::ISO_8859_8)),
    ("thai", Codec::Thai),
    ("tis-620", Codec::Thai),
    ("tis620", Codec::Thai),
    ("macintosh", Codec::Table(encoding_rs::MACINTOSH)),
    ("macroman", Codec::Table(encoding_rs::MACINTOSH)),
    ("x-mac-roman", Codec::Table(encoding_rs::MACINTOSH)),
    ("x-mac-cyrillic", Codec::Table(encoding_rs::X_MAC_CYRILLIC)),
    ("maccyrillic", Codec::Table(encoding_rs::X_MAC_CYRILLIC)),
    ("utf-7", Codec::Utf7),
    ("utf7", Codec::Utf7),
    ("unicode-1-1-utf-7", Codec::Utf7),
    ("cp65000", Codec::Utf7),
    ("ucs-2", Codec::Utf16 { big: true }),
    ("ucs2", Codec::Utf16 { big: true }),
    ("ucs-2be", Codec::Utf16 { big: true }),
    ("iso-10646-1", Codec::Utf16 { big: true }),
    ("ucs-2le", Codec::Utf16 { big: false }),
    ("utf-32", Codec::Utf32(None)),
    ("utf32", Codec::Utf32(None)),
    ("ucs-4", Codec::Utf32(None)),
    ("utf-32be", Codec::Utf32(Some(true))),
    ("utf-32le", Codec::Utf32(Some(false))),
];

fn latin(part: &str) -> Option<Codec> {
    Some(match part {
        "1" => Codec::Windows1252,
        "2" => Codec::Table(encoding_rs::ISO_8859_2),
        "3" => Codec::Table(encoding_rs::ISO_8859_3),
        "4" => Codec::Table(encoding_rs::ISO_8859_4),
        "5" => Codec::Table(encoding_rs::ISO_8859_5),
        "6" => Codec::Table(encoding_rs::ISO_8859_6),
        "7" => Codec::Table(encoding_rs::ISO_8859_7),
        "8" => Codec::Table(encoding_rs::ISO_8859_8),
        "9" => Codec::Latin5,
        "10" => Codec::Table(encoding_rs::ISO_8859_10),
        "11" => Codec::Thai,
        "13" => Codec::Table(encoding_rs::ISO_8859_13),
        "14" => Codec::Table(encoding_rs::ISO_8859_14),
        "15" => Codec::Table(encoding_rs::ISO_8859_15),
        "16" => Codec::Table(encoding_rs::ISO_8859_16),
        _ => return None,
    })
}

fn code_page(number: &str) -> Option<Codec> {
    Some(match number {
        "1252" => Codec::Windows1252,
        "437" => Codec::Dos(&DOS_437),
        "850" => Codec::Dos(&DOS_850),
        "852" => Codec::Dos(&DOS_852),
        "866" => Codec::Table(encoding_rs::IBM866),
        "874" => Codec::Table(encoding_rs::WINDOWS_874),
        "932" => Codec::Table(encoding_rs::SHIFT_JIS),
        "936" => Codec::Table(encoding_rs::GBK),
        "949" => Codec::Table(encoding_rs::EUC_KR),
        "950" => Codec::Table(encoding_rs::BIG5),
        "1250" => Codec::Table(encoding_rs::WINDOWS_1250),
        "1251" => Codec::Table(encoding_rs::WINDOWS_1251),
        "1253" => Codec::Table(encoding_rs::WINDOWS_1253),
        "1254" => Codec::Table(encoding_rs::WINDOWS_1254),
        "1255" => Codec::Table(encoding_rs::WINDOWS_1255),
        "1256" => Codec::Table(encoding_rs::WINDOWS_1256),
        "1257" => Codec::Table(encoding_rs::WINDOWS_1257),
        "1258" => Codec::Table(encoding_rs::WINDOWS_1258),
        _ => return None,
    })
}

/// The WHATWG tables give the unassigned octets 80-9F of Windows code pages as C1 controls; here they are errors.
fn by_table(octets: &[u8], encoding: &'static Encoding, strict: bool) -> Option<String> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length(octets.len())?);
    if strict {
        let (result, _) = decoder.decode_to_string_without_replacement(octets, &mut text, true);
        if result != DecoderResult::InputEmpty {
            return None;
        }
    } else {
        let (result, _, _) = decoder.decode_to_string(octets, &mut text, true);
        debug_assert_eq!(result, CoderResult::InputEmpty);
    }
    let is_windows = encoding.is_single_byte() && encoding.name().starts_with("windows");
    if is_windows && text.chars().any(is_c1) {
        if strict {
            return None;
        }
        text = text.chars().map(|c| if is_c1(c) { char::REPLACEMENT_CHARACTER } else { c }).collect();
    }
    Some(text)
}

fn is_c1(c: char) -> bool {
    ('\u{80}'..='\u{9F}').contains(&c)
}

fn with_c1(octets: &[u8], table: &'static Encoding) -> Option<String> {
    let mut text = String::with_capacity(octets.len() * 2);
    for &b in octets {
        if b < 0xA0 {
            text.push(char::from(b));
        } else {
            text.push_str(&table.decode_without_bom_handling(&[b]).0);
        }
    }
    Some(text)
}

const W1252: [char; 32] = [
    '\u{20AC}', '\u{FFFD}', '\u{201A}', '\u{192}', '\u{201E}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2C6}', '\u{2030}', '\u{160}',
    '\u{2039}', '\u{152}', '\u{FFFD}', '\u{17D}', '\u{FFFD}', '\u{FFFD}', '\u{2018}', '\u{2019}', '\u{201C}', '\u{201D}', '\u{2022}',
    '\u{2013}', '\u{2014}', '\u{2DC}', '\u{2122}', '\u{161}', '\u{203A}', '\u{153}', '\u{FFFD}', '\u{17E}', '\u{178}',
];

/// Windows-1252; its five unassigned octets are replaced.
pub fn windows_1252(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() + octets.len() / 8);
    for &b in octets {
        text.push(match b {
            0x80..=0x9F => W1252[usize::from(b - 0x80)],
            _ => char::from(b),
        });
    }
    text
}

/// Each octet as the character of that number.
pub fn latin1(octets: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(octets) {
        Ok(text) if octets.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(octets.iter().map(|b| char::from(*b)).collect()),
    }
}

/// Byte order of UTF-16 without a mark, by spaces and by where the heavier octets stand; `None` with a mark or at a tie.
fn utf16_guess(octets: &[u8]) -> Option<bool> {
    if octets.starts_with(b"\xFF\xFE") || octets.starts_with(b"\xFE\xFF") {
        return None;
    }
    let (mut little, mut big) = (0u64, 0u64);
    let (mut even, mut odd) = (0u64, 0u64);
    for pair in octets.chunks(2) {
        let (first, second) = (pair[0], pair.get(1).copied().unwrap_or(0));
        even += u64::from(first >> 4) + u64::from(first & 15);
        odd += u64::from(second >> 4) + u64::from(second & 15);
        little += u64::from(first == 0x20 && second == 0);
        big += u64::from(first == 0 && second == 0x20);
    }
    little += u64::from(even > odd * 4);
    big += u64::from(odd * 4 > even);
    (little != big).then_some(big > little)
}

fn utf16(octets: &[u8], big: bool, strict: bool) -> Option<String> {
    let units = octets.chunks_exact(2).map(|p| if big { u16::from_be_bytes([p[0], p[1]]) } else { u16::from_le_bytes([p[0], p[1]]) });
    if strict && octets.len() % 2 == 1 {
        return None;
    }
    let mut text = String::with_capacity(octets.len());
    for unit in char::decode_utf16(units) {
        match unit {
            Ok(c) if !is_noncharacter(c) => text.push(c),
            _ if strict => return None,
            _ => text.push(char::REPLACEMENT_CHARACTER),
        }
    }
    Some(text)
}

fn utf32(octets: &[u8], order: Option<bool>, strict: bool) -> Option<String> {
    let (big, octets) = match order {
        Some(big) => (big, octets),
        None => match octets.first_chunk::<4>()? {
            [0, 0, 0xFE, 0xFF] => (true, &octets[4..]),
            [0xFF, 0xFE, 0, 0] => (false, &octets[4..]),
            _ => return None,
        },
    };
    if strict && octets.len() % 4 != 0 {
        return None;
    }
    let mut text = String::with_capacity(octets.len() / 2);
    for quad in octets.chunks_exact(4) {
        let quad = [quad[0], quad[1], quad[2], quad[3]];
        let number = if big { u32::from_be_bytes(quad) } else { u32::from_le_bytes(quad) };
        match char::from_u32(number).filter(|c| !is_noncharacter(*c)) {
            Some(c) => text.push(c),
            None if strict => return None,
            None => text.push(char::REPLACEMENT_CHARACTER),
        }
    }
    Some(text)
}

/// RFC 2152, leniently.
fn utf7(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    let mut rest = octets;
    while let Some(plus) = memchr::memchr(b'+', rest) {
        text.extend(rest[..plus].iter().map(|b| char::from(*b)));
        rest = &rest[plus + 1..];
        let run = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count();
        if run == 0 {
            text.push('+');
        } else {
            let units = super::decode::base64(&rest[..run]).bytes;
            text.push_str(&utf16(&units, true, false).unwrap_or_default());
        }
        rest = rest[run..].strip_prefix(b"-").unwrap_or(&rest[run..]);
    }
    text.extend(rest.iter().map(|b| char::from(*b)));
    text
}

/// ISO-2022-KR (RFC 1557) to EUC-KR: SO and SI become the high bit.
fn shifted_korean(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    let mut high = 0;
    let mut rest = octets;
    while let Some((&b, tail)) = rest.split_first() {
        rest = tail;
        match b {
            0x0E => high = 0x80,
            0x0F => high = 0,
            0x1B if rest.starts_with(b"$)C") => rest = &rest[3..],
            b'\n' => {
                high = 0;
                out.push(b);
            }
            0x21..=0x7E => out.push(b | high),
            _ => out.push(b),
        }
    }
    out
}

/// HZ (RFC 1843) to GB 2312 octets: `~{` and `~}` become the high bit.
fn shifted_chinese(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    let mut high = 0;
    let mut rest = octets;
    while let Some((&b, tail)) = rest.split_first() {
        rest = tail;
        match (b, rest.first()) {
            (b'~', Some(b'{')) if high == 0 => (high, rest) = (0x80, &rest[1..]),
            (b'~', Some(b'}')) => (high, rest) = (0, &rest[1..]),
            (b'~', Some(b'~')) if high == 0 => {
                out.push(b'~');
                rest = &rest[1..];
            }
            (b'~', Some(b'\n')) if high == 0 => rest = &rest[1..],
            (0x21..=0x7E, _) => out.push(b | high),
            _ => out.push(b),
        }
    }
    out
}

/// Every two-octet character lies in rows 1-9 or 16-87 of GB 2312, and not where only GBK has characters.
fn is_gb2312(octets: &[u8]) -> bool {
    let mut rest = octets;
    while let Some((&lead, tail)) = rest.split_first() {
        if lead.is_ascii() {
            rest = tail;
            continue;
        }
        let Some(&trail) = tail.first() else { return false };
        let fits = match lead {
            0xA1 | 0xA3 | 0xB0..=0xD6 | 0xD8..=0xF7 => (0xA1..=0xFE).contains(&trail),
            0xA2 => matches!(trail, 0xB1..=0xE2 | 0xE5..=0xEE | 0xF1..=0xFC),
            0xA4 => (0xA1..=0xF3).contains(&trail),
            0xA5 => (0xA1..=0xF6).contains(&trail),
            0xA6 => matches!(trail, 0xA1..=0xB8 | 0xC1..=0xD8),
            0xA7 => matches!(trail, 0xA1..=0xC1 | 0xD1..=0xF1),
            0xA8 => matches!(trail, 0xA1..=0xBA | 0xC5..=0xE9),
            0xA9 => (0xA4..=0xEF).contains(&trail),
            0xD7 => (0xA1..=0xF9).contains(&trail),
            _ => false,
        };
        if !fits {
            return false;
        }
        rest = &tail[1..];
    }
    true
}

#[rustfmt::skip]
const DOS_437: [char; 128] = [
    '\u{C7}', '\u{FC}', '\u{E9}', '\u{E2}', '\u{E4}', '\u{E0}', '\u{E5}', '\u{E7}', '\u{EA}', '\u{EB}', '\u{E8}', '\u{EF}',
    '\u{EE}', '\u{EC}', '\u{C4}', '\u{C5}', '\u{C9}', '\u{E6}', '\u{C6}', '\u{F4}', '\u{F6}', '\u{F2}', '\u{FB}', '\u{F9}',
    '\u{FF}', '\u{D6}', '\u{DC}', '\u{A2}', '\u{A3}', '\u{A5}', '\u{20A7}', '\u{192}', '\u{E1}', '\u{ED}', '\u{F3}', '\u{FA}',
    '\u{F1}', '\u{D1}', '\u{AA}', '\u{BA}', '\u{BF}', '\u{2310}', '\u{AC}', '\u{BD}', '\u{BC}', '\u{A1}', '\u{AB}', '\u{BB}',
    '\u{2591}', '\u{2592}', '\u{2593}', '\u{2502}', '\u{2524}', '\u{2561}', '\u{2562}', '\u{2556}', '\u{2555}', '\u{2563}', '\u{2551}', '\u{2557}',
    '\u{255D}', '\u{255C}', '\u{255B}', '\u{2510}', '\u{2514}', '\u{2534}', '\u{252C}', '\u{251C}', '\u{2500}', '\u{253C}', '\u{255E}', '\u{255F}',
    '\u{255A}', '\u{2554}', '\u{2569}', '\u{2566}', '\u{2560}', '\u{2550}', '\u{256C}', '\u{2567}', '\u{2568}', '\u{2564}', '\u{2565}', '\u{2559}',
    '\u{2558}', '\u{2552}', '\u{2553}', '\u{256B}', '\u{256A}', '\u{2518}', '\u{250C}', '\u{2588}', '\u{2584}', '\u{258C}', '\u{2590}', '\u{2580}',
    '\u{3B1}', '\u{DF}', '\u{393}', '\u{3C0}', '\u{3A3}', '\u{3C3}', '\u{B5}', '\u{3C4}', '\u{3A6}', '\u{398}', '\u{3A9}', '\u{3B4}',
    '\u{221E}', '\u{3C6}', '\u{3B5}', '\u{2229}', '\u{2261}', '\u{B1}', '\u{2265}', '\u{2264}', '\u{2320}', '\u{2321}', '\u{F7}', '\u{2248}',
    '\u{B0}', '\u{2219}', '\u{B7}', '\u{221A}', '\u{207F}', '\u{B2}', '\u{25A0}', '\u{A0}',
];

#[rustfmt::skip]
const DOS_850: [char; 128] = [
    '\u{C7}', '\u{FC}', '\u{E9}', '\u{E2}', '\u{E4}', '\u{E0}', '\u{E5}', '\u{E7}', '\u{EA}', '\u{EB}', '\u{E8}', '\u{EF}',
    '\u{EE}', '\u{EC}', '\u{C4}', '\u{C5}', '\u{C9}', '\u{E6}', '\u{C6}', '\u{F4}', '\u{F6}', '\u{F2}', '\u{FB}', '\u{F9}',
    '\u{FF}', '\u{D6}', '\u{DC}', '\u{F8}', '\u{A3}', '\u{D8}', '\u{D7}', '\u{192}', '\u{E1}', '\u{ED}', '\u{F3}', '\u{FA}',
    '\u{F1}', '\u{D1}', '\u{AA}', '\u{BA}', '\u{BF}', '\u{AE}', '\u{AC}', '\u{BD}', '\u{BC}', '\u{A1}', '\u{AB}', '\u{BB}',
    '\u{2591}', '\u{2592}', '\u{2593}', '\u{2502}', '\u{2524}', '\u{C1}', '\u{C2}', '\u{C0}', '\u{A9}', '\u{2563}', '\u{2551}', '\u{2557}',
    '\u{255D}', '\u{A2}', '\u{A5}', '\u{2510}', '\u{2514}', '\u{2534}', '\u{252C}', '\u{251C}', '\u{2500}', '\u{253C}', '\u{E3}', '\u{C3}',
    '\u{255A}', '\u{2554}', '\u{2569}', '\u{2566}', '\u{2560}', '\u{2550}', '\u{256C}', '\u{A4}', '\u{F0}', '\u{D0}', '\u{CA}', '\u{CB}',
    '\u{C8}', '\u{131}', '\u{CD}', '\u{CE}', '\u{CF}', '\u{2518}', '\u{250C}', '\u{2588}', '\u{2584}', '\u{A6}', '\u{CC}', '\u{2580}',
    '\u{D3}', '\u{DF}', '\u{D4}', '\u{D2}', '\u{F5}', '\u{D5}', '\u{B5}', '\u{FE}', '\u{DE}', '\u{DA}', '\u{DB}', '\u{D9}',
    '\u{FD}', '\u{DD}', '\u{AF}', '\u{B4}', '\u{AD}', '\u{B1}', '\u{2017}', '\u{BE}', '\u{B6}', '\u{A7}', '\u{F7}', '\u{B8}',
    '\u{B0}', '\u{A8}', '\u{B7}', '\u{B9}', '\u{B3}', '\u{B2}', '\u{25A0}', '\u{A0}',
];

#[rustfmt::skip]
const DOS_852: [char; 128] = [
    '\u{C7}', '\u{FC}', '\u{E9}', '\u{E2}', '\u{E4}', '\u{16F}', '\u{107}', '\u{E7}', '\u{142}', '\u{EB}', '\u{150}', '\u{151}',
    '\u{EE}', '\u{179}', '\u{C4}', '\u{106}', '\u{C9}', '\u{139}', '\u{13A}', '\u{F4}', '\u{F6}', '\u{13D}', '\u{13E}', '\u{15A}',
    '\u{15B}', '\u{D6}', '\u{DC}', '\u{164}', '\u{165}', '\u{141}', '\u{D7}', '\u{10D}', '\u{E1}', '\u{ED}', '\u{F3}', '\u{FA}',
    '\u{104}', '\u{105}', '\u{17D}', '\u{17E}', '\u{118}', '\u{119}', '\u{AC}', '\u{17A}', '\u{10C}', '\u{15F}', '\u{AB}', '\u{BB}',
    '\u{2591}', '\u{2592}', '\u{2593}', '\u{2502}', '\u{2524}', '\u{C1}', '\u{C2}', '\u{11A}', '\u{15E}', '\u{2563}', '\u{2551}', '\u{2557}',
    '\u{255D}', '\u{17B}', '\u{17C}', '\u{2510}', '\u{2514}', '\u{2534}', '\u{252C}', '\u{251C}', '\u{2500}', '\u{253C}', '\u{102}', '\u{103}',
    '\u{255A}', '\u{2554}', '\u{2569}', '\u{2566}', '\u{2560}', '\u{2550}', '\u{256C}', '\u{A4}', '\u{111}', '\u{110}', '\u{10E}', '\u{CB}',
    '\u{10F}', '\u{147}', '\u{CD}', '\u{CE}', '\u{11B}', '\u{2518}', '\u{250C}', '\u{2588}', '\u{2584}', '\u{162}', '\u{16E}', '\u{2580}',
    '\u{D3}', '\u{DF}', '\u{D4}', '\u{143}', '\u{144}', '\u{148}', '\u{160}', '\u{161}', '\u{154}', '\u{DA}', '\u{155}', '\u{170}',
    '\u{FD}', '\u{DD}', '\u{163}', '\u{B4}', '\u{AD}', '\u{2DD}', '\u{2DB}', '\u{2C7}', '\u{2D8}', '\u{A7}', '\u{F7}', '\u{B8}',
    '\u{B0}', '\u{A8}', '\u{2D9}', '\u{171}', '\u{158}', '\u{159}', '\u{25A0}', '\u{A0}',
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_utf_8_wins_over_what_is_declared() {
        assert_eq!(normalize("caf\u{e9}".as_bytes(), "iso-8859-7", false), "caf\u{e9}");
        assert_eq!(normalize(b"caf\xe9", "utf-8", false), "caf\u{e9}");
        assert_eq!(normalize(b"caf\xe9", "utf-8", true), "caf\u{fffd}");
        assert_eq!(normalize(b"\xef\xbf\xbe", "utf-8", false), "\u{ef}\u{bf}\u{be}");
    }

    #[test]
    fn declared_charsets_are_read_strictly() {
        for (octets, declared, text) in [
            (&b"\xcf\xf0\xe8"[..], "Windows-1251", "\u{41f}\u{440}\u{438}"),
            (b"\xf0\xd2\xc9", "koi8-r", "\u{41f}\u{440}\u{438}"),
            (b"\x80\x93", "ISO-8859-1", "\u{20ac}\u{201c}"),
            (b"\x98\xe9", "cp1251", "\u{2dc}\u{e9}"),
            (b"\xd6\xd0", "gb2312", "\u{4e2d}"),
            (b"\x1b$BF|\x1b(B", "iso-2022-jp", "\u{65e5}"),
            (b"A\xa4", "iso-8859-15", "A\u{20ac}"),
            (b"Hi +ZeU-.", "utf-7", "Hi \u{65e5}."),
            (b"\x81", "cp850", "\u{fc}"),
            (b"~{VP~}", "hz", "\u{4e2d}"),
            (b"h\0i\0 \0", "utf-16", "hi "),
            (b"\xe9\x81", "x-unknown", "\u{e9}\u{fffd}"),
        ] {
            assert_eq!(normalize(octets, declared, false), text, "{declared}");
        }
    }

    #[test]
    fn japanese_is_cut_at_the_first_octet_that_is_no_ascii() {
        assert_eq!(normalize(b"ab\xe9cd", "iso-2022-jp", false), "ab");
    }
}
