//! East Asian charsets that shift between tables, brought into their eight-bit forms.

/// ISO-2022-KR (RFC 1557) to EUC-KR: SO and SI become the high bit.
pub fn shifted_korean(octets: &[u8]) -> Vec<u8> {
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
pub fn shifted_chinese(octets: &[u8]) -> Vec<u8> {
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
pub fn is_gb2312(octets: &[u8]) -> bool {
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
