//! Bodies decoded as different readers do where they do not keep to their encoding.

use std::borrow::Cow;

/// What a body decodes to, the strict reading first; `clean`: there is one reading alone.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    pub list: Vec<Vec<u8>>,
    pub clean: bool,
}

impl Readings {
    fn one(bytes: Vec<u8>) -> Readings {
        Readings { list: vec![bytes], clean: true }
    }

    fn add(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() && !self.list.contains(&bytes) {
            self.list.push(bytes);
        }
    }
}

fn sextet(b: u8) -> Option<u32> {
    match b {
        b'A'..=b'Z' => Some(u32::from(b - b'A')),
        b'a'..=b'z' => Some(u32::from(b - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(b - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// Octet for octet, what lookup gives: a sextet, `PAD`, `BLANK` or `FOREIGN`.
const PAD: u8 = 64;
const BLANK: u8 = 65;
const FOREIGN: u8 = 66;

const CLASS: [u8; 256] = {
    let mut table = [FOREIGN; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut i = 0;
    while i < 64 {
        table[alphabet[i] as usize] = i as u8;
        i += 1;
    }
    table[b'=' as usize] = PAD;
    table[b' ' as usize] = BLANK;
    table[b'\t' as usize] = BLANK;
    table[b'\r' as usize] = BLANK;
    table[b'\n' as usize] = BLANK;
    table
};

/// Collects sextets into octets.
#[derive(Default)]
struct Bits {
    out: Vec<u8>,
    group: u32,
    count: u32,
}

impl Bits {
    fn push(&mut self, value: u32) {
        self.group = self.group << 6 | value;
        self.count += 1;
        if self.count == 4 {
            self.out.extend_from_slice(&self.group.to_be_bytes()[1..]);
            (self.group, self.count) = (0, 0);
        }
    }

    /// An incomplete group gives its whole octets.
    fn flush(&mut self) {
        match self.count {
            2 => self.out.push((self.group >> 4) as u8),
            3 => self.out.extend_from_slice(&((self.group >> 2) as u16).to_be_bytes()),
            _ => {}
        }
        (self.group, self.count) = (0, 0);
    }
}

/// Base64 (RFC 2045 §6.8), and where it is damaged every reading that some decoder takes.
pub fn base64(text: &[u8]) -> Readings {
    let mut bits = Bits { out: Vec::with_capacity(text.len() / 4 * 3 + 3), ..Bits::default() };
    let (mut pads, mut clean, mut total) = (0u32, true, 0u32);
    for b in text {
        match CLASS[usize::from(*b)] {
            PAD => pads += 1,
            BLANK => {}
            FOREIGN => clean = false,
            value => {
                clean &= pads == 0;
                total = total.wrapping_add(1);
                bits.push(u32::from(value));
            }
        }
    }
    clean &= pads <= 2 && (total.wrapping_add(pads)) % 4 == 0;
    bits.flush();
    if clean {
        return Readings::one(bits.out);
    }
    let mut readings = Readings { list: Vec::new(), clean: false };
    // Foreign octets skipped, every padding ends a piece (several encoders' output joined).
    readings.add(with_pads(text, Pad::Restart, Foreign::Skip));
    readings.add(bits.out);
    readings.add(with_pads(text, Pad::End, Foreign::Skip));
    readings.add(with_pads(text, Pad::Zero, Foreign::Skip));
    readings.add(with_pads(text, Pad::Restart, Foreign::End));
    readings.add(by_lines(text, |_| true));
    // Lines with something foreign left out as a whole, or read up to it.
    let is_whole = |line: &[u8]| line.iter().all(|b| CLASS[usize::from(*b)] != FOREIGN);
    let kept: Vec<u8> = lines(text).filter(|line| is_whole(line)).flatten().copied().collect();
    readings.add(with_pads(&kept, Pad::Restart, Foreign::Skip));
    let cut: Vec<u8> = lines(text).flat_map(|line| line.iter().take_while(|b| CLASS[usize::from(**b)] != FOREIGN)).copied().collect();
    readings.add(with_pads(&cut, Pad::Restart, Foreign::Skip));
    // Comments as in fields.
    if memchr::memchr(b'(', text).is_some() {
        let mut inside = false;
        let kept: Vec<u8> = text
            .iter()
            .copied()
            .filter(|b| {
                inside |= *b == b'(';
                let keep = !inside;
                inside &= *b != b')';
                keep
            })
            .collect();
        readings.add(with_pads(&kept, Pad::Restart, Foreign::Skip));
    }
    // RFC 4648 §5: the alphabet for file names.
    if text.iter().any(|b| matches!(b, b'-' | b'_')) {
        let mapped: Vec<u8> = text
            .iter()
            .map(|b| {
                if *b == b'-' {
                    b'+'
                } else if *b == b'_' {
                    b'/'
                } else {
                    *b
                }
            })
            .collect();
        readings.add(with_pads(&mapped, Pad::Restart, Foreign::Skip));
    }
    // Percent or quoted-printable marks inside.
    if memchr::memchr(b'=', text).is_some() {
        let undone = quoted(text, Bad::Keep);
        if undone != text {
            readings.add(with_pads(&undone, Pad::Restart, Foreign::Skip));
        }
    }
    readings
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pad {
    Restart,
    End,
    Zero,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Foreign {
    Skip,
    End,
}

fn with_pads(text: &[u8], pad: Pad, foreign: Foreign) -> Vec<u8> {
    let mut bits = Bits::default();
    for b in text {
        match CLASS[usize::from(*b)] {
            PAD => match pad {
                Pad::Restart => bits.flush(),
                Pad::End if bits.count == 0 => {}
                Pad::End => break,
                Pad::Zero => bits.push(0),
            },
            BLANK => {}
            FOREIGN if foreign == Foreign::End => break,
            FOREIGN => {}
            value => bits.push(u32::from(value)),
        }
    }
    bits.flush();
    bits.out
}

/// Each line an encoding of its own.
fn by_lines(text: &[u8], keep: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut bits = Bits::default();
    for line in lines(text).filter(|line| keep(line)) {
        line.iter().filter_map(|b| sextet(*b)).for_each(|value| bits.push(value));
        bits.flush();
    }
    bits.out
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| matches!(b, b'\n' | b'\r'))
}

/// What becomes of an `=` that no two hexadecimal digits follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bad {
    Keep,
    Drop,
    /// With the two characters behind it.
    DropAll,
    /// The text ends there.
    End,
    /// With the character behind it.
    DropTwo,
    /// Blanks between `=` and its digits do not count.
    Search,
    /// Nor do line ends.
    SearchLines,
}

/// Quoted-printable (RFC 2045 §6.7), and where it is damaged every reading that some decoder takes. `is_file`: the part
/// is announced as a file, so that octets which text may hold count as damage.
pub fn quoted_printable(text: &[u8], is_file: bool) -> Readings {
    let strict = quoted(text, Bad::Keep);
    let foreign = is_file && text.iter().any(|b| !matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7E));
    // An empty line behind a soft break, digits behind one: some readers go on looking for the octet.
    let broken = is_file && (memchr::memmem::find(text, b"=\r\n\r\n").is_some() || memchr::memmem::find(text, b"=\n\n").is_some());
    let clean = is_clean_quoted(text) && !foreign && !broken;
    let mut readings = Readings { list: vec![strict], clean };
    if clean && !is_file {
        return readings;
    }
    for bad in [Bad::Drop, Bad::DropAll, Bad::DropTwo, Bad::End, Bad::Search, Bad::SearchLines] {
        readings.add(quoted(text, bad));
    }
    let ascii: Vec<u8> = text.iter().copied().filter(|b| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7E)).collect();
    readings.add(quoted(&ascii, Bad::Keep));
    readings.add(quoted(&ascii, Bad::Drop));
    readings.add(quoted(&ascii, Bad::SearchLines));
    // Twice encoded.
    let twice = quoted(&quoted(text, Bad::Keep), Bad::Keep);
    readings.add(twice);
    readings
}

fn is_hex(b: Option<&u8>) -> bool {
    b.is_some_and(u8::is_ascii_hexdigit)
}

/// Every `=` is followed by two capital hexadecimal digits or ends its line; nothing stands unencoded that may not.
fn is_clean_quoted(text: &[u8]) -> bool {
    memchr::memchr_iter(b'=', text).all(|at| {
        let rest = &text[at + 1..];
        let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        is_hex(rest.first()) && is_hex(rest.get(1))
            || rest[blanks..].is_empty()
            || rest[blanks..].starts_with(b"\n")
            || rest[blanks..].starts_with(b"\r\n")
    })
}

fn quoted(text: &[u8], bad: Bad) -> Vec<u8> {
    let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(n) = text.get(at..).and_then(|rest| memchr::memchr2(b'=', b'\n', rest)) {
        out.extend_from_slice(&text[at..at + n]);
        at += n;
        if text[at] == b'\n' {
            // Blanks before a line end go.
            let has_cr = out.last() == Some(&b'\r');
            if has_cr {
                out.pop();
            }
            while matches!(out.last(), Some(b' ' | b'\t')) && at > 0 && matches!(text.get(at - 1), Some(b' ' | b'\t' | b'\r')) {
                out.pop();
            }
            if has_cr {
                out.push(b'\r');
            }
            out.push(b'\n');
            at += 1;
            continue;
        }
        if let (Some(high), Some(low)) = (digit(text.get(at + 1)), digit(text.get(at + 2))) {
            out.push(high << 4 | low);
            at += 3;
            continue;
        }
        let rest = &text[at + 1..];
        let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let soft = match rest.get(blanks..) {
            Some([]) => Some(blanks),
            Some([b'\n', ..]) => Some(blanks + 1),
            Some([b'\r', b'\n', ..]) => Some(blanks + 2),
            Some([b'\r', ..]) => Some(blanks + 1),
            _ => None,
        };
        if matches!(bad, Bad::Search | Bad::SearchLines) {
            let is_blank = |b: &&u8| matches!(b, b' ' | b'\t') || bad == Bad::SearchLines && matches!(b, b'\r' | b'\n');
            let gap = rest.iter().take(8).take_while(is_blank).count();
            let second = gap + 1 + rest.get(gap + 1..).unwrap_or_default().iter().take(8).take_while(is_blank).count();
            if let (Some(high), Some(low)) = (digit(rest.get(gap)), digit(rest.get(second))) {
                out.push(high << 4 | low);
                at += 2 + second;
                continue;
            }
        }
        if let Some(len) = soft {
            at += 1 + len;
            if bad == Bad::SearchLines {
                at += text[at..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            }
            continue;
        }
        match bad {
            Bad::Keep | Bad::Search | Bad::SearchLines => {
                out.push(b'=');
                at += 1;
            }
            Bad::Drop => at += 1,
            Bad::DropTwo => at = (at + 2).min(text.len()),
            Bad::DropAll => at = (at + 3).min(text.len()),
            Bad::End => return out,
        }
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    out
}

/// A uuencoded file: its name and content. `text` begins behind the line of `begin`.
pub fn uudecode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in text.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line == b"end" || line.starts_with(b"end ") {
            break;
        }
        let Some(first) = line.first().filter(|b| (b' '..=b'`').contains(b)) else { continue };
        let len = usize::from((first - b' ') & 63);
        if len == 0 {
            continue;
        }
        let from = out.len();
        for group in line[1..].chunks(4) {
            let value = |i: usize| u32::from(group.get(i).map_or(0, |b| b.wrapping_sub(b' ') & 63));
            let bits = value(0) << 18 | value(1) << 12 | value(2) << 6 | value(3);
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
        }
        out.truncate(from + len);
    }
    out
}

/// `begin 644 name`, or `begin-base64 644 name`: whether it is base64, and the name.
pub fn uu_begin(line: &[u8]) -> Option<(bool, &[u8])> {
    let (rest, is_base64) = match line.strip_prefix(b"begin-base64 ") {
        Some(rest) => (rest, true),
        None => (line.strip_prefix(b"begin ")?, false),
    };
    let rest = super::fields::trim(rest);
    let digits = rest.iter().take_while(|b| (b'0'..=b'7').contains(*b)).count();
    (matches!(digits, 3..=5)).then(|| (is_base64, super::fields::trim(&rest[digits..])))
}

/// Without line ends and blanks at the end.
pub fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rev().take_while(|b| matches!(b, b'\r' | b'\n' | b' ' | b'\t' | 0)).count();
    &bytes[..bytes.len() - end]
}

/// LF line ends, as readers on Unix store text.
pub fn unix(bytes: &[u8]) -> Cow<'_, [u8]> {
    super::fields::unix_lines(bytes)
}
