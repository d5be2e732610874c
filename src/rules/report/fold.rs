//! Lines of a given width, and octets that are safe in a header field (Mail::SpamAssassin::Util, wrap; PerMsgStatus,
//! mime_encode_header).

/// Where a text may be broken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Break {
    /// At white space, which then is part of the next line.
    Space,
    /// Behind white space and commas.
    Behind,
}

/// Breaks at white space. `first` stands before the first line, `prefix` before others; `overflow` lets a line grow past
/// the width by its last word.
pub(super) fn wrap(text: &[u8], prefix: &[u8], first: &[u8], width: usize, overflow: bool) -> Vec<u8> {
    broken(text, prefix, first, width, overflow, Break::Space)
}

fn broken(text: &[u8], prefix: &[u8], first: &[u8], width: usize, overflow: bool, at: Break) -> Vec<u8> {
    let mut queue = Some(first).filter(|first| !first.is_empty()).into_iter().chain(pieces(text, at)).peekable();
    let mut out: Vec<u8> = Vec::with_capacity(first.len() + text.len() + text.len() / 8 + 16);
    out.extend_from_slice(queue.next().unwrap_or_default());
    // Where the last line begins, and its columns.
    let (mut start, mut filled) = (0, columns(&out));
    // The line has something; it was begun and has no word yet.
    let (mut grown, mut bare) = (false, false);
    while let Some(next) = queue.peek() {
        let needed = columns(next);
        let more = if grown && !overflow { needed } else { 0 };
        // A line takes one word even where its prefix alone is too wide: so there is an end.
        if bare && columns(prefix) > width || filled + more <= width {
            out.extend_from_slice(next);
            filled += needed;
            bare &= next.iter().all(u8::is_ascii_whitespace);
            queue.next();
            grown = true;
        } else {
            let line = out.get(start..).unwrap_or_default();
            let end = line.iter().rposition(|octet| !octet.is_ascii_whitespace()).map_or(0, |at| at + 1);
            out.truncate(start + end);
            out.push(b'\n');
            start = out.len();
            out.extend_from_slice(prefix);
            filled = columns(prefix);
            (grown, bare) = (false, true);
        }
    }
    out
}

/// A tabulator counts for eight columns.
fn columns(text: &[u8]) -> usize {
    text.len() + 7 * text.iter().filter(|octet| **octet == b'\t').count()
}

/// Perl's split with its separators kept; for `Behind` the separators are empty.
fn pieces(text: &[u8], at: Break) -> Vec<&[u8]> {
    let mut found: Vec<&[u8]> = Vec::with_capacity(text.len() / 4 + 1);
    let mut from = 0;
    for (place, octet) in text.iter().enumerate() {
        let space = matches!(octet, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
        match at {
            Break::Space if space => {
                found.extend([text.get(from..place).unwrap_or_default(), text.get(place..=place).unwrap_or_default()]);
                from = place + 1;
            }
            Break::Behind if (space || *octet == b',') && place + 1 < text.len() => {
                found.extend([text.get(from..=place).unwrap_or_default(), &[]]);
                from = place + 1;
            }
            Break::Space | Break::Behind => {}
        }
    }
    found.push(text.get(from..).unwrap_or_default());
    while found.last().is_some_and(|piece| piece.is_empty()) {
        found.pop();
    }
    found
}

/// The value of a field, broken so that no line passes 79 columns where it can be helped.
pub(super) fn field(name: &str, value: &[u8]) -> Vec<u8> {
    const MARK: &[u8] = b"!!";
    const PREFIX: usize = "X-Spam-".len();
    const WIDTH: usize = 79;
    if PREFIX + name.len() + MARK.len() + columns(value) <= WIDTH && !name.contains(['!', '\t']) && !value.contains(&b'\n') {
        return value.to_vec();
    }
    let whole = [b"X-Spam-", name.as_bytes(), MARK, value].concat();
    let wrapped = broken(&whole, b"\t", b"", WIDTH, false, Break::Behind);
    let full: Vec<&[u8]> = wrapped.split(|octet| *octet == b'\n').collect();
    let last = full.len().saturating_sub(1);
    let kept: Vec<&[u8]> = full
        .into_iter()
        .enumerate()
        .filter(|(at, line)| *at == last || line.iter().any(|octet| !octet.is_ascii_whitespace()))
        .map(|(_, line)| line)
        .collect();
    let joined = kept.join(&b'\n');
    memchr::memmem::find(&joined, MARK).and_then(|at| joined.get(at + MARK.len()..)).unwrap_or_default().to_vec()
}

/// A value that has lines of its own: each begins with a tabulator.
pub(super) fn lines(value: &[u8]) -> Vec<u8> {
    let is_space = |octet: &u8| matches!(octet, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    let mut folded = Vec::with_capacity(value.len());
    let mut at = 0;
    while let Some(octet) = value.get(at) {
        if !is_space(octet) {
            folded.push(*octet);
            at += 1;
            continue;
        }
        let run = value.get(at..).unwrap_or_default().iter().take_while(|octet| is_space(octet)).count();
        let space = value.get(at..at + run).unwrap_or_default();
        folded.extend_from_slice(if space.contains(&b'\n') { b"\n\t" } else { space });
        at += run;
    }
    folded
}

/// Encoded words (RFC 2047) for what is not printable ASCII, line by line.
pub(super) fn encoded(value: Vec<u8>) -> Vec<u8> {
    // Looked at without a way out, many octets at a time: nearly always all are plain.
    if value.iter().fold(true, |plain, octet| plain & (is_plain(octet) | (*octet == b'\n'))) {
        return value;
    }
    let mut out = Vec::with_capacity(value.len());
    for line in value.split_inclusive(|octet| *octet == b'\n') {
        encode_line(line, &mut out);
    }
    out
}

fn is_plain(octet: &u8) -> bool {
    matches!(octet, b'\t' | 0x20..=0x7e)
}

fn encode_line(line: &[u8], out: &mut Vec<u8>) {
    let end = line.strip_suffix(b"\n").map_or(line.len(), |text| text.strip_suffix(b"\r").unwrap_or(text).len());
    let (text, line_end) = line.split_at_checked(end).unwrap_or((line, &[]));
    let Some(first_odd) = text.iter().position(|octet| !is_plain(octet)) else {
        out.extend_from_slice(line);
        return;
    };
    let last_odd = text.iter().rposition(|octet| !is_plain(octet)).unwrap_or(first_odd);
    // The words around what must be encoded stay as they are.
    let is_blank = |octet: &u8| matches!(octet, b' ' | b'\t');
    let start = text.iter().take(first_odd).rposition_of(is_blank).map_or(0, |at| at + 1);
    let stop = text.iter().skip(last_odd + 1).position(is_blank).map_or(text.len(), |at| last_odd + 1 + at);
    let word = text.get(start..stop).unwrap_or_default();
    out.extend_from_slice(text.get(..start).unwrap_or_default());
    let odd = word.iter().filter(|octet| matches!(octet, b'=' | b'?' | b'_' | 0..=0x1f | 0x7f..)).count();
    // The shorter of the two encodings, as SpamAssassin reckons.
    if (word.len() + odd * 2) * 3 <= 4 * (word.len() + 2) {
        out.extend_from_slice(b"=?UTF-8?Q?");
        for octet in word {
            match octet {
                b' ' => out.push(b'_'),
                b'=' | b'?' | b'_' | 0..=0x1f | 0x7f.. => out.extend_from_slice(format!("={octet:02X}").as_bytes()),
                _ => out.push(*octet),
            }
        }
    } else {
        out.extend_from_slice(b"=?UTF-8?B?");
        out.extend_from_slice(base64(word).as_bytes());
    }
    out.extend_from_slice(b"?=");
    out.extend_from_slice(text.get(stop..).unwrap_or_default());
    out.extend_from_slice(line_end);
}

/// `rposition` for an iterator that was cut short.
trait RpositionOf<'t> {
    fn rposition_of(self, wanted: impl Fn(&u8) -> bool) -> Option<usize>;
}

impl<'t, I: Iterator<Item = &'t u8>> RpositionOf<'t> for I {
    fn rposition_of(self, wanted: impl Fn(&u8) -> bool) -> Option<usize> {
        self.enumerate().filter(|(_, octet)| wanted(octet)).map(|(at, _)| at).last()
    }
}

fn base64(text: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(text.len().div_ceil(3) * 4);
    for group in text.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let sextet = (bits >> (18 - 6 * place)) as usize & 63;
            out.push(if place <= group.len() { ALPHABET.get(sextet).map_or('=', |octet| char::from(*octet)) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(octets: Vec<u8>) -> String {
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn a_long_field_is_folded_behind_blanks_and_commas() {
        let value = b"Yes, score=14.6 required=5.0 tests=CTE_8BIT_MISMATCH,O_SPAM,RCVD_ILLEGAL_IP autolearn=disabled version=4.0.1";
        assert_eq!(
            text(field("Status", value)),
            "Yes, score=14.6 required=5.0 tests=CTE_8BIT_MISMATCH,O_SPAM,\n\tRCVD_ILLEGAL_IP autolearn=disabled version=4.0.1"
        );
        assert_eq!(text(field("Level", b"")), "");
    }

    #[test]
    fn a_prefix_wider_than_the_line_still_has_an_end() {
        assert_eq!(text(wrap(b"one two three", b"        ", b"> ", 4, false)), "> one\n         two\n         three");
    }

    #[test]
    fn a_value_with_lines_keeps_them() {
        assert_eq!(text(lines(b"\n* a  b \n  * c")), "\n\t* a  b\n\t* c");
    }

    #[test]
    fn what_is_not_ascii_becomes_an_encoded_word() {
        assert_eq!(text(encoded("a é b".into())), "a =?UTF-8?B?w6k=?= b");
        assert_eq!(text(encoded("abcdefghé x".into())), "=?UTF-8?Q?abcdefgh=C3=A9?= x");
        assert_eq!(text(encoded(b"plain\n\ttext".to_vec())), "plain\n\ttext");
    }

    #[test]
    fn text_is_wrapped_at_blanks() {
        let long = b"aaa bbb ccc dddddddd e";
        assert_eq!(text(wrap(long, b"  ", b"> ", 12, false)), "> aaa bbb\n  ccc\n  dddddddd e");
        assert_eq!(text(wrap(long, b"  ", b"> ", 12, true)), "> aaa bbb ccc\n   dddddddd e");
    }
}
