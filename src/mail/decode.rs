//! Content-Transfer-Encodings and RFC 2047 words, leniently, as SpamAssassin decodes them.

use super::charset;
use super::fields::{is_space, trim, unix_lines};
use memchr::memmem::Finder;
use memchr::{memchr, memchr3};
use std::borrow::Cow;
use std::sync::LazyLock;

/// How well the input kept to its encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    pub bytes: Vec<u8>,
    pub clean: bool,
}

/// The largest value of a character; what follows are no values.
const SEXTET: u8 = 63;
const SKIP: u8 = 0xFF;
const PAD: u8 = 0xFE;
const BLANK: u8 = 0xFD;

const BASE64: [u8; 256] = {
    let mut table = [SKIP; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut i = 0;
    while i < 64 {
        table[alphabet[i] as usize] = i as u8;
        i += 1;
    }
    let blanks = b" \t\n\r\x0b\x0c";
    let mut i = 0;
    while i < blanks.len() {
        table[blanks[i] as usize] = BLANK;
        i += 1;
    }
    table[b'=' as usize] = PAD;
    table
};

/// A bit that no group of four has.
const NO_GROUP: u32 = 1 << 24;

/// By place in a group of four: the bits that a character of base64 adds.
static GROUPS: [[u32; 256]; 4] = [bits_at(18), bits_at(12), bits_at(6), bits_at(0)];

const fn bits_at(shift: u32) -> [u32; 256] {
    let mut bits = [NO_GROUP; 256];
    let mut octet = 0;
    while octet < 256 {
        if BASE64[octet] <= SEXTET {
            bits[octet] = (BASE64[octet] as u32) << shift;
        }
        octet += 1;
    }
    bits
}

fn group([a, b, c, d]: [u8; 4]) -> u32 {
    GROUPS[0][usize::from(a)] | GROUPS[1][usize::from(b)] | GROUPS[2][usize::from(c)] | GROUPS[3][usize::from(d)]
}

fn three_octets(group: u32) -> [u8; 3] {
    [(group >> 16) as u8, (group >> 8) as u8, group as u8]
}

/// Base64. Well-formed text may hold `=` inside, which count as zero bits; otherwise foreign octets are skipped, an inner
/// `=` counts like `/`, and a last single character is dropped.
pub fn base64(text: &[u8]) -> Decoded {
    whole_groups(text).map_or_else(|| odd_base64(text), |bytes| Decoded { bytes, clean: true })
}

/// Base64 as programs write it: whole groups of four on each line, padding in the last one alone. `None`: written otherwise.
fn whole_groups(text: &[u8]) -> Option<Vec<u8>> {
    let text = trim(text);
    let padding = text.iter().rev().take_while(|b| **b == b'=').count();
    let (body, last) = match padding {
        0 => (text, None),
        1 | 2 => text.split_last_chunk::<4>().map(|(body, last)| (body, Some(last)))?,
        _ => return None,
    };
    let mut bytes = vec![0; text.len() / 4 * 3];
    let (mut at, mut written) = (0, 0);
    while at < body.len() {
        let end = memchr(b'\n', &body[at..]).map_or(body.len(), |n| at + n);
        let line = body[at..end].strip_suffix(b"\r").unwrap_or(&body[at..end]);
        let (groups, []) = line.as_chunks::<4>() else { return None };
        let mut all = 0;
        for (characters, out) in groups.iter().zip(bytes[written..].as_chunks_mut::<3>().0) {
            let bits = group(*characters);
            all |= bits;
            *out = three_octets(bits);
        }
        if all >= NO_GROUP {
            return None;
        }
        written += groups.len() * 3;
        at = end + 1;
    }
    bytes.truncate(written);
    if let Some(mut last) = last.copied() {
        // The character for zero.
        last[4 - padding..].fill(b'A');
        let bits = group(last);
        if bits >= NO_GROUP {
            return None;
        }
        bytes.extend_from_slice(&three_octets(bits)[..3 - padding]);
    }
    Some(bytes)
}

fn odd_base64(text: &[u8]) -> Decoded {
    let mut sextets = Vec::with_capacity(text.len());
    let mut foreign = false;
    for &b in text {
        match BASE64[usize::from(b)] {
            SKIP => foreign = true,
            BLANK => {}
            value => sextets.push(value),
        }
    }
    let well_formed = !foreign && sextets.len().is_multiple_of(4);
    let padding = sextets.iter().rev().take_while(|s| **s == PAD).count();
    sextets.truncate(sextets.len() - padding);
    let inner_pad = sextets.contains(&PAD);
    if inner_pad {
        let value = if well_formed { 0 } else { 63 };
        sextets.iter_mut().filter(|s| **s == PAD).for_each(|s| *s = value);
    }
    let mut bytes = Vec::with_capacity(sextets.len() / 4 * 3 + 3);
    let mut groups = sextets.chunks_exact(4);
    for g in &mut groups {
        let bits = u32::from(g[0]) << 18 | u32::from(g[1]) << 12 | u32::from(g[2]) << 6 | u32::from(g[3]);
        bytes.extend_from_slice(&[(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
    }
    match *groups.remainder() {
        [a, b] => bytes.push(a << 2 | b >> 4),
        [a, b, c] => bytes.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2]),
        _ => {}
    }
    Decoded { bytes, clean: well_formed && !inner_pad && padding < 3 }
}

/// Quoted-printable: blanks before a line end go, soft breaks join, `=XX` in either case is an octet, another `=` stays.
pub fn quoted_printable(text: &[u8]) -> Decoded {
    let mut joined = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(n) = memchr(b'\n', &text[at..]) {
        let (mut line, mut end): (&[u8], &[u8]) = (&text[at..at + n], b"\n");
        if let Some(rest) = line.strip_suffix(b"\r") {
            (line, end) = (rest, b"\r\n");
        }
        let blanks = line.iter().rev().take_while(|b| matches!(b, b' ' | b'\t')).count();
        line = &line[..line.len() - blanks];
        let soft = line.strip_suffix(b"=").or_else(|| if end == b"\n" { line.strip_suffix(b"=\r") } else { None });
        match soft {
            Some(rest) => joined.extend_from_slice(rest),
            None => {
                joined.extend_from_slice(line);
                joined.extend_from_slice(end);
            }
        }
        at += n + 1;
    }
    joined.extend_from_slice(&text[at..]);
    let clean = unescape(&mut joined);
    Decoded { bytes: joined, clean }
}

/// `=XX` to octets, in place; false when an `=` was left over.
fn unescape(text: &mut Vec<u8>) -> bool {
    let Some(first) = memchr(b'=', text) else { return true };
    let (mut read, mut write, mut clean) = (first, first, true);
    while read < text.len() {
        if text[read] != b'=' {
            let run = memchr(b'=', &text[read..]).unwrap_or(text.len() - read);
            text.copy_within(read..read + run, write);
            read += run;
            write += run;
            continue;
        }
        let digit = |at: usize| text.get(at).map_or(NO_DIGIT, |b| HEX[usize::from(*b)]);
        let (high, low) = (digit(read + 1), digit(read + 2));
        if high != NO_DIGIT && low != NO_DIGIT {
            text[write] = high << 4 | low;
            read += 3;
        } else {
            clean = false;
            text[write] = b'=';
            read += 1;
        }
        write += 1;
    }
    text.truncate(write);
    clean
}

const NO_DIGIT: u8 = 0xFF;

/// Values of hexadecimal digits.
const HEX: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        let digit = b"0123456789abcdef"[value];
        table[digit as usize] = value as u8;
        table[digit.to_ascii_uppercase() as usize] = value as u8;
        value += 1;
    }
    table
};

/// RFC 2047 words are not looked for in these fields.
fn is_plain_field(name: &[u8]) -> bool {
    const PLAIN: [&str; 8] =
        ["received", "message-id", "resent-message-id", "date", "resent-date", "mime-version", "references", "in-reply-to"];
    PLAIN.iter().any(|p| name.eq_ignore_ascii_case(p.as_bytes())) || name.get(..5).is_some_and(|n| n.eq_ignore_ascii_case(b"list-"))
}

/// A field's value as rules see it, without the final LF: unfolded, trimmed, in UTF-8, encoded words decoded.
/// `value` has LF line ends.
pub fn header(value: &[u8], name: &[u8]) -> Vec<u8> {
    let trimmed = unfold(trim(value));
    words(trimmed, name)
}

/// The rest of `header`, for text that is no field's value: a display name.
pub fn words(text: Cow<'_, [u8]>, name: &[u8]) -> Vec<u8> {
    let text = if text.is_ascii() { text } else { Cow::Owned(charset::normalize_field(&text, "UTF-8", false).into_owned()) };
    if word_mark(&text).is_none() || is_plain_field(name) {
        return match text {
            // The line end that most values get has room.
            Cow::Borrowed(text) => {
                let mut value = Vec::with_capacity(text.len() + 1);
                value.extend_from_slice(text);
                value
            }
            Cow::Owned(text) => text,
        };
    }
    decode_words(&join_words(&text))
}

/// LF and the blanks after it become one space; a line end without blanks vanishes.
fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(n) = memchr(b'\n', rest) {
        let line = &rest[..n];
        rest = &rest[n + 1..];
        let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        if blanks == 0 {
            out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        } else {
            out.extend_from_slice(line);
            out.push(b' ');
            rest = &rest[blanks..];
        }
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// The first `=?`.
fn word_mark(text: &[u8]) -> Option<usize> {
    static MARK: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"=?"));
    MARK.find(text)
}

/// Octets of the name of a charset, and of its language.
static OF_CHARSET: [bool; 256] = {
    let mut table = [false; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = (octet as u8).is_ascii_alphanumeric() || matches!(octet as u8, b'*' | b'_' | b'-');
        octet += 1;
    }
    table
};

struct Word<'a> {
    charset: &'a [u8],
    base64: bool,
    text: &'a [u8],
    len: usize,
}

/// `=?charset?B|Q?text?=` at the start of `text`.
fn word(text: &[u8]) -> Option<Word<'_>> {
    let rest = text.strip_prefix(b"=?")?;
    let name = rest.iter().take_while(|b| OF_CHARSET[usize::from(**b)]).count();
    if name == 0 || rest.get(name) != Some(&b'?') || rest.get(name + 2) != Some(&b'?') {
        return None;
    }
    let base64 = match rest.get(name + 1)? {
        b'b' | b'B' => true,
        b'q' | b'Q' => false,
        _ => return None,
    };
    let data = &rest[name + 3..];
    let end = memchr(b'?', data)?;
    (data.get(end + 1) == Some(&b'=')).then(|| Word { charset: &rest[..name], base64, text: &data[..end], len: name + end + 7 })
}

/// RFC 2047 §6.2: white space between adjacent encoded words is ignored.
fn join_words(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    let mut known: Option<Word<'_>> = None;
    loop {
        let first = match known.take() {
            Some(word) => word,
            None => {
                let Some(n) = word_mark(&text[at..]) else { break };
                out.extend_from_slice(&text[at..at + n]);
                at += n;
                let Some(word) = word(&text[at..]) else {
                    out.push(text[at]);
                    at += 1;
                    continue;
                };
                word
            }
        };
        let after = at + first.len;
        let blanks = text[after..].iter().take_while(|b| is_space(**b)).count();
        known = if blanks > 0 { word(&text[after + blanks..]) } else { None };
        // The last octet of a word, `=`, may begin another one.
        let (kept, next) = if known.is_some() { (after, after + blanks) } else { (after - 1, after - 1) };
        out.extend_from_slice(&text[at..kept]);
        at = next;
    }
    out.extend_from_slice(&text[at..]);
    out
}

/// Runs of one charset are joined before they are converted, since senders split characters between words.
fn decode_words(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut run: Vec<u8> = Vec::new();
    let mut run_charset: &[u8] = b"";
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let found = word(rest);
        let charset = found.as_ref().map_or(&b""[..], |word| word.charset);
        if !charset.eq_ignore_ascii_case(run_charset) {
            close_run(&mut out, &mut run, run_charset);
            run_charset = charset;
        }
        at += match found {
            Some(word) => {
                add_octets(&mut run, &word);
                word.len
            }
            None => {
                let len = if rest[0] == b'=' { 1 } else { memchr(b'=', rest).unwrap_or(rest.len()) };
                run.extend_from_slice(&rest[..len]);
                len
            }
        };
    }
    close_run(&mut out, &mut run, run_charset);
    out
}

fn close_run(out: &mut Vec<u8>, run: &mut Vec<u8>, charset: &[u8]) {
    // RFC 2231 §5: a language may follow the charset after an asterisk.
    let name = charset.split(|b| *b == b'*').next().unwrap_or_default();
    if name.is_empty() {
        out.append(run);
    } else {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        out.extend_from_slice(&charset::normalize_field(run, &name, true));
        run.clear();
    }
}

fn add_octets(run: &mut Vec<u8>, word: &Word<'_>) {
    if word.base64 {
        return run.extend_from_slice(&base64(word.text).bytes);
    }
    if memchr3(b'_', b'=', b'\n', word.text).is_none() {
        return run.extend_from_slice(word.text);
    }
    // RFC 2047 §4.2: "_" is octet 20 whatever the charset; written out, since a blank may not vanish at a line end.
    let mut text = Vec::with_capacity(word.text.len() + 8);
    for &b in word.text {
        if b == b'_' { text.extend_from_slice(b"=20") } else { text.push(b) }
    }
    run.extend_from_slice(&quoted_printable(&text).bytes);
}

/// A part's body by its Content-Transfer-Encoding (lower case, compared exactly); `None` where it stands as it is.
pub fn body(raw: &[u8], encoding: &str, is_text: bool) -> Option<Decoded> {
    match encoding {
        "quoted-printable" => {
            let Decoded { bytes, clean } = quoted_printable(raw);
            Some(Decoded { bytes: to_unix(bytes), clean })
        }
        "base64" => {
            let Decoded { bytes, clean } = base64(raw);
            Some(Decoded { bytes: if is_text { to_unix(bytes) } else { bytes }, clean })
        }
        _ => None,
    }
}

fn to_unix(bytes: Vec<u8>) -> Vec<u8> {
    match unix_lines(&bytes) {
        Cow::Owned(converted) => converted,
        Cow::Borrowed(_) => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_leniently() {
        for (text, bytes) in [
            ("aGVs\nbG8=", &b"hello"[..]),
            ("aGVsbG8", b"hello"),
            ("aGVsbG8=!", b"hello"),
            ("aG=sbG8=", b"h`,lo"),
            ("a", b""),
            ("", b""),
            ("====", b""),
        ] {
            assert_eq!(base64(text.as_bytes()).bytes, bytes, "{text}");
        }
        for text in ["aGVs\r\nbG8=\n", "aGVs\n", "aGVsbG8=", "aGVsbG8hYQ==", "aG=s", "aGVs=", "aGVs\n==", "aG==aGVs", "a\nGVs", "aGV s"] {
            let (regular, odd) = (base64(text.as_bytes()), odd_base64(text.as_bytes()));
            assert_eq!(regular, odd, "{text}");
        }
        assert!(base64(b"aGVsbG8=").clean && !base64(b"aGVs*bG8=").clean);
    }

    #[test]
    fn quoted_printable_is_read_leniently() {
        for (text, bytes) in
            [("a=3Db \t\n", &b"a=b\n"[..]), ("a=\r\nb=  \nc", b"abc"), ("=4=g=", b"=4=g="), ("==\n41", b"A"), ("=e9=E9", b"\xe9\xe9")]
        {
            assert_eq!(quoted_printable(text.as_bytes()).bytes, bytes, "{text}");
        }
    }

    #[test]
    fn words_of_one_charset_are_joined_before_conversion() {
        let cooked = |text: &str| String::from_utf8(header(text.as_bytes(), b"Subject")).unwrap();
        assert_eq!(cooked(" =?utf-8?Q?caf=C3?= =?UTF-8?q?=A9_x?=\n"), "caf\u{e9} x");
        assert_eq!(cooked("a =?iso-8859-1*en?Q?=E9?= b"), "a \u{e9} b");
        assert_eq!(cooked("=?utf-8?B?aGk=?=,\n  there "), "hi, there");
        assert_eq!(cooked("=?broken?x?y?="), "=?broken?x?y?=");
        assert_eq!(header(b"=?utf-8?Q?x?=", b"List-Id"), b"=?utf-8?Q?x?=");
    }
}
