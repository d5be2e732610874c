//! Octets of a declared charset to text, by SpamAssassin's order of guesses.

mod names;
mod shifted;
mod unicode;

use encoding_rs::{CoderResult, DecoderResult, Encoding};
use names::{Codec, find};
use shifted::{is_gb2312, shifted_chinese, shifted_korean};
use std::borrow::Cow;
use unicode::{is_noncharacter, utf7, utf16, utf16_guess, utf32};

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
    let suspicious = octets.iter().fold(0, |highest: u8, b| highest.max(*b)) >= 0xEF;
    let char_at = |at: usize| text.get(at..).and_then(|rest| rest.chars().next());
    let holds_one = || octets.iter().enumerate().any(|(at, b)| *b >= 0xEF && char_at(at).is_some_and(is_noncharacter));
    (!suspicious || !holds_one()).then_some(text)
}

fn is_utf16(declared: &str) -> bool {
    let d = declared.to_ascii_lowercase();
    d.strip_prefix("utf").is_some_and(|rest| rest.trim_start_matches(['-', ' ']).starts_with("16"))
}

fn changes_ascii(declared: &str) -> bool {
    // What most mail declares.
    if ["utf-8", "us-ascii", "iso-8859-1", "windows-1252", ""].iter().any(|name| declared.eq_ignore_ascii_case(name)) {
        return false;
    }
    match find(declared) {
        Some(Codec::Iso2022Jp | Codec::Iso2022Kr | Codec::Hz | Codec::Utf7 | Codec::Utf16 { .. } | Codec::Utf32(_)) => true,
        Some(
            Codec::Ascii | Codec::Utf8 | Codec::Windows1252 | Codec::Latin5 | Codec::Thai | Codec::Dos(_) | Codec::Table(_) | Codec::Gb2312,
        ) => false,
        None => is_utf16(declared),
    }
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

/// Windows-1252; its five unassigned octets, which the WHATWG table gives as C1 controls, are replaced.
pub fn windows_1252(octets: &[u8]) -> String {
    let text = encoding_rs::WINDOWS_1252.decode_without_bom_handling(octets).0.into_owned();
    let is_unassigned = |b: u8| matches!(b, 0x81 | 0x8D | 0x8F | 0x90 | 0x9D);
    if !octets.iter().fold(false, |any, b| any | is_unassigned(*b)) {
        return text;
    }
    text.chars().map(|c| if is_c1(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Each octet as the character of that number.
pub fn latin1(octets: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(octets) {
        Ok(text) if octets.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(octets.iter().map(|b| char::from(*b)).collect()),
    }
}

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
