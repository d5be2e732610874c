//! Names of charsets as Perl's Encode knows them, and who reads each.

use crate::mail::fields::is_space;
use encoding_rs::Encoding;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
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

/// Names as Perl's Encode knows them.
pub fn find(declared: &str) -> Option<Codec> {
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
