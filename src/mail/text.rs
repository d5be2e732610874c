//! Rendered and raw text assembled for `body` and `rawbody` rules: paragraphs, chunks, scan sizes.

use super::fields::line_ends;
use super::html::Text;
use super::tree::LINE_LIMIT;
use memchr::{memchr, memrchr};
use std::borrow::Cow;

/// Rendered text of one part. Without `characters` each char below U+0100 stands for one octet.
#[derive(Clone, Debug, Default)]
pub struct PartText<'a> {
    pub text: Cow<'a, str>,
    pub characters: bool,
}

impl PartText<'_> {
    pub fn of(text: Text) -> PartText<'static> {
        PartText { text: Cow::Owned(text.chars), characters: text.wide }
    }
}

/// Cuts may move this far forward to fall on a line end, a tag's end or a space.
const SLACK: usize = 1024;

/// Paragraphs of all parts after the subject (Message.pm, get_body_text_array_common): runs of white space that hold two
/// line ends or more separate them, other runs become one space; pieces hold at most 2,048 octets or so.
pub fn paragraphs(subject: &[u8], parts: &[PartText<'_>], scan_size: usize) -> Vec<Vec<u8>> {
    let characters = parts.iter().any(|p| p.characters);
    let joined = joined(parts, scan_size);
    let mut squeezed = Vec::with_capacity(subject.len() + joined.len());
    squeezed.extend_from_slice(subject);
    squeeze(&joined, characters, &mut squeezed);
    if !characters && !joined.is_ascii() {
        let octets = String::from_utf8_lossy(&squeezed[subject.len()..])
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
            .collect::<Vec<u8>>();
        squeezed.truncate(subject.len());
        squeezed.extend_from_slice(&octets);
    }
    short_lines(&squeezed)
}

/// All parts, a line end before each that is not the first with text.
fn joined<'p>(parts: &'p [PartText<'_>], scan_size: usize) -> Cow<'p, str> {
    if let [part] = parts {
        return Cow::Borrowed(scanned(&part.text, scan_size));
    }
    let mut joined = String::with_capacity(parts.iter().map(|p| p.text.len() + 1).sum());
    for part in parts {
        if !joined.is_empty() {
            joined.push('\n');
        }
        joined.push_str(scanned(&part.text, scan_size));
    }
    Cow::Owned(joined)
}

/// The first `scan_size` characters, up to the next line end or space where one is near.
fn scanned(text: &str, scan_size: usize) -> &str {
    if scan_size == 0 || text.len() <= scan_size {
        return text;
    }
    let Some((limit, _)) = text.char_indices().nth(scan_size) else { return text };
    let rest = &text[limit..];
    let near = |c: char| rest.char_indices().take(SLACK + 1).find(|(_, x)| *x == c).map(|(at, _)| limit + at + 1);
    &text[..near('\n').or_else(|| near(' ')).unwrap_or(limit)]
}

/// Length of the white space character at the start, 0 for none. Octets know ASCII's alone.
fn space_len(text: &[u8], characters: bool) -> usize {
    match text {
        [b' ' | b'\t'..=b'\r', ..] => 1,
        [first, ..] if !characters || first.is_ascii() => 0,
        [0xC2, 0x85 | 0xA0, ..] => 2,
        [0xE1, 0x9A, 0x80, ..] | [0xE2, 0x80, 0x80..=0x8A | 0xA8 | 0xA9 | 0xAF, ..] | [0xE2, 0x81, 0x9F, ..] | [0xE3, 0x80, 0x80, ..] => 3,
        _ => 0,
    }
}

/// The first place at or after `from` that is odd, or is a space with another space, something odd or the end behind it.
/// Sixteen octets are looked at together, since words are too short for a branch at each of their ends.
#[inline]
pub(super) fn next_odd(text: &[u8], from: usize, is_odd: impl Fn(u8) -> bool) -> usize {
    const WIDTH: usize = 16;
    let stops = |b: u8, next: u8| is_odd(b) | ((b == b' ') & ((next == b' ') | is_odd(next)));
    let mut at = from;
    while let Some(window) = text.get(at..).and_then(|rest| rest.first_chunk::<{ WIDTH + 1 }>()) {
        let mut any = false;
        for place in 0..WIDTH {
            any |= stops(window[place], window[place + 1]);
        }
        if any {
            break;
        }
        at += WIDTH;
    }
    while let Some(b) = text.get(at) {
        if stops(*b, text.get(at + 1).copied().unwrap_or(b' ')) {
            break;
        }
        at += 1;
    }
    at
}

/// White space other than the blank may begin with it; also NUL and all other control characters.
fn may_be_space(b: u8) -> bool {
    (b < b' ') | (b == 0xC2) | (b.wrapping_sub(0xE1) < 3)
}

fn squeeze(text: &str, characters: bool, out: &mut Vec<u8>) {
    let text = text.as_bytes();
    let mut at = 0;
    let mut plain = 0;
    loop {
        // A lone space stays as it is.
        at = next_odd(text, at, may_be_space);
        let Some(&b) = text.get(at) else { break };
        if b == 0 {
            out.extend_from_slice(&text[plain..at]);
            out.push(b'\n');
            at += 1;
            plain = at;
            continue;
        }
        let first = space_len(&text[at..], characters);
        if first == 0 {
            at += 1;
            continue;
        }
        out.extend_from_slice(&text[plain..at]);
        let start = at;
        let (mut first_line_end, mut last_line_end, mut lines) = (0, 0, 0);
        loop {
            let len = space_len(&text[at..], characters);
            if len == 0 {
                break;
            }
            if text[at] == b'\n' {
                if lines == 0 {
                    first_line_end = at;
                }
                last_line_end = at;
                lines += 1;
            }
            at += len;
        }
        if lines < 2 {
            out.push(b' ');
        } else {
            if first_line_end > start {
                out.push(b' ');
            }
            out.push(b'\n');
            if last_line_end + 1 < at {
                out.push(b' ');
            }
        }
        plain = at;
    }
    out.extend_from_slice(&text[plain..]);
}

/// Pieces that end after LF; longer ones are cut after the last space that fits.
fn short_lines(text: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::with_capacity(text.len() / 64 + 4);
    let mut at = 0;
    for end in line_ends(text, 0) {
        let mut line = &text[at..end];
        at = end;
        while line.len() > LINE_LIMIT {
            let cut = memrchr(b' ', &line[..=LINE_LIMIT]).map_or(LINE_LIMIT, |n| n + 1);
            pieces.push(line[..cut].to_vec());
            line = &line[cut..];
        }
        pieces.push(line.to_vec());
    }
    pieces
}

/// Chunks of one decoded part (Message.pm, split_into_array_of_short_paragraphs): up to 4,096 octets, cut at a line end,
/// else after `>`, else after a space.
pub fn chunks(octets: &[u8], scan_size: usize, out: &mut Vec<Vec<u8>>) {
    let text = &octets[..scanned_octets(octets, scan_size)];
    if text.len() <= LINE_LIMIT {
        out.push(text.to_vec());
        return;
    }
    let mut at = 0;
    while text.len() - at > 2 * LINE_LIMIT {
        let window = &text[at + LINE_LIMIT..at + 2 * LINE_LIMIT];
        let cut = [b'\n', b'>', b' '].iter().find_map(|b| memchr(*b, window)).unwrap_or(0);
        let end = at + LINE_LIMIT + cut + 1;
        out.push(text[at..end].to_vec());
        at = end;
    }
    if at < text.len() {
        out.push(text[at..].to_vec());
    }
}

fn scanned_octets(octets: &[u8], scan_size: usize) -> usize {
    if scan_size == 0 || octets.len() <= scan_size {
        return octets.len();
    }
    let near = &octets[scan_size..octets.len().min(scan_size + SLACK + 1)];
    [b'\n', b'>', b' '].iter().find_map(|b| memchr(*b, near)).map_or(scan_size, |n| scan_size + n + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(subject: &str, text: &str) -> Vec<String> {
        let parts = [PartText { text: text.into(), characters: true }];
        paragraphs(subject.as_bytes(), &parts, 50_000).into_iter().map(|p| String::from_utf8_lossy(&p).into_owned()).collect()
    }

    #[test]
    fn empty_lines_separate_paragraphs() {
        assert_eq!(body("S  x\n", "one\ntwo  \n \n\n  three\n"), ["S  x\n", "one two \n", " three "]);
        assert_eq!(body("S\n", "\n\nafter"), ["S\n", "\n", "after"]);
        assert_eq!(body("S\n", ""), ["S\n"]);
    }

    #[test]
    fn unicode_spaces_collapse_in_characters_alone() {
        assert_eq!(body("\n", "a\u{a0} \u{2003}b\0c"), ["\n", "a b\n", "c"]);
        let octets = [PartText { text: "a\u{a0}b".into(), characters: false }];
        assert_eq!(paragraphs(b"", &octets, 0), [b"a\xa0b"]);
    }

    #[test]
    fn what_is_odd_is_found_wherever_it_stands() {
        let plain = b"one two three four five six seven eight nine ten eleven twelve";
        assert_eq!(next_odd(plain, 0, may_be_space), plain.len());
        for at in 0..=plain.len() {
            for odd in [&b"\n"[..], b"  ", b" \xc2", b"\xe3", b"\0"] {
                let text = [&plain[..at], odd, b"x"].concat();
                // A space before it counts as well.
                let expected = at - usize::from(text[..at].ends_with(b" "));
                assert_eq!(next_odd(&text, 0, may_be_space), expected, "{at} {odd:?}");
            }
        }
        assert_eq!(next_odd(b"word ", 0, may_be_space), 4);
    }

    #[test]
    fn long_paragraphs_are_cut_after_a_space() {
        let found = body("\n", &("x".repeat(2040) + " " + &"y".repeat(3000)));
        assert_eq!(found.iter().map(String::len).collect::<Vec<_>>(), [1, 2041, 2048, 952]);
    }

    #[test]
    fn a_part_is_scanned_up_to_the_next_line_end() {
        assert_eq!(scanned("abcdef\nghi", 3), "abcdef\n");
        assert_eq!(scanned("ab def ghi", 3), "ab def ");
        assert_eq!(scanned("abcdef", 3), "abc");
    }

    #[test]
    fn raw_text_is_cut_into_chunks_at_line_ends() {
        let mut text = vec![b'a'; 3000];
        text.push(b'\n');
        text.extend(vec![b'b'; 3000]);
        let mut out = Vec::new();
        chunks(&text, 0, &mut out);
        assert_eq!(out.iter().map(Vec::len).collect::<Vec<_>>(), [3001, 3000]);
    }
}
