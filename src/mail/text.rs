//! Rendered and raw text assembled for `body` and `rawbody` rules: paragraphs, chunks, scan sizes.

use super::tree::LINE_LIMIT;
use memchr::{memchr, memrchr};

/// Rendered text of one part. Without `characters` each char below U+0100 stands for one octet.
#[derive(Clone, Copy, Debug)]
pub struct PartText<'a> {
    pub text: &'a str,
    pub characters: bool,
}

/// Cuts may move this far forward to fall on a line end, a tag's end or a space.
const SLACK: usize = 1024;

/// Paragraphs of all parts after the subject (Message.pm, get_body_text_array_common): runs of white space that hold two
/// line ends or more separate them, other runs become one space; pieces hold at most 2,048 octets or so.
pub fn paragraphs(subject: &[u8], parts: &[PartText<'_>], scan_size: usize) -> Vec<Vec<u8>> {
    let characters = parts.iter().any(|p| p.characters);
    let mut joined = String::with_capacity(parts.iter().map(|p| p.text.len() + 1).sum());
    for part in parts {
        if !joined.is_empty() {
            joined.push('\n');
        }
        joined.push_str(scanned(part.text, scan_size));
    }
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

fn squeeze(text: &str, characters: bool, out: &mut Vec<u8>) {
    let text = text.as_bytes();
    let mut at = 0;
    let mut plain = 0;
    while at < text.len() {
        let b = text[at];
        if b > b' ' && (b.is_ascii() || !matches!(b, 0xC2 | 0xE1 | 0xE2 | 0xE3)) {
            at += 1;
            continue;
        }
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
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = memchr(b'\n', rest).map_or(rest.len(), |n| n + 1);
        let (mut line, after) = rest.split_at(end);
        while line.len() > LINE_LIMIT {
            let cut = memrchr(b' ', &line[..=LINE_LIMIT]).map_or(LINE_LIMIT, |n| n + 1);
            pieces.push(line[..cut].to_vec());
            line = &line[cut..];
        }
        pieces.push(line.to_vec());
        rest = after;
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
        let parts = [PartText { text, characters: true }];
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
        let octets = [PartText { text: "a\u{a0}b", characters: false }];
        assert_eq!(paragraphs(b"", &octets, 0), [b"a\xa0b"]);
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
