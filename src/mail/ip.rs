//! IP addresses in running text, by the rules of SpamAssassin's IP_ADDRESS and IP_PRIVATE patterns.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

fn is_v6_char(b: u8) -> bool {
    b.is_ascii_hexdigit() || b == b':'
}

/// Length of a dotted quad at `at`; octets have no leading zeros.
fn quad_len(text: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    for i in 0..4 {
        if i > 0 {
            if text.get(end) != Some(&b'.') {
                return None;
            }
            end += 1;
        }
        let digits = text.get(end..)?.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
        let octet = &text[end..end + digits];
        let value = octet.iter().fold(0u32, |v, b| v * 10 + u32::from(b - b'0'));
        match digits {
            1 => {}
            2 | 3 if octet[0] != b'0' && value <= 255 => {}
            _ => return None,
        }
        end += digits;
    }
    Some(end - at)
}

/// Length of an address that begins at `at`: IPv4, or IPv6 with an optional `IPv6:` before it.
pub fn length_at(text: &[u8], at: usize) -> Option<usize> {
    let before = at.checked_sub(1).and_then(|i| text.get(i)).copied();
    let first = *text.get(at)?;
    if first.is_ascii_digit()
        && !before.is_some_and(|b| is_word(b) || b == b':')
        && let Some(len) = quad_len(text, at)
        && !text.get(at + len).is_some_and(|b| is_word(*b))
    {
        return Some(len);
    }
    let prefix = if text[at..].get(..5).is_some_and(|p| p.eq_ignore_ascii_case(b"ipv6:")) { 5 } else { 0 };
    if prefix == 0 && (!is_v6_char(first) || before.is_some_and(is_v6_char)) {
        return None;
    }
    let start = at + prefix;
    let run = text[start..].iter().take(46).take_while(|b| is_v6_char(**b)).count();
    let run_text = &text[start..start + run];
    let last_colon = memchr::memrchr(b':', run_text)?;
    let mut end = start + run;
    if text.get(end) == Some(&b'.') {
        let quad = start + last_colon + 1;
        if let Some(len) = quad_len(text, quad)
            && !text.get(quad + len).is_some_and(|b| is_v6_char(*b))
        {
            end = quad + len;
        }
    }
    parse_v6(&text[start..end]).map(|_| end - at)
}

fn parse_v6(text: &[u8]) -> Option<Ipv6Addr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The first address in a text.
pub fn find(text: &[u8]) -> Option<Range<usize>> {
    (0..text.len()).find_map(|at| length_at(text, at).map(|len| at..at + len))
}

/// The first address that stands free of dots and word characters (`:ip`).
pub fn find_free(text: &[u8]) -> Option<&[u8]> {
    (0..text.len()).find_map(|at| {
        let before = at.checked_sub(1).map(|i| text[i]);
        let starts = before.is_none_or(|b| b != b'.' && is_word(b) != is_word(text[at])) && (before.is_some() || is_word(text[at]));
        if !starts {
            return None;
        }
        let end = at + length_at(text, at)?;
        let after = text.get(end).copied();
        let word_ends = after.is_some_and(is_word) != is_word(text[end - 1]);
        (word_ends && after != Some(b'.')).then(|| &text[at..end])
    })
}

/// `4.3.2.1`, or the nibbles of an IPv6 address (RFC 5782 §2.4).
pub fn reversed(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    match text.parse::<IpAddr>().ok()? {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            Some(format!("{d}.{c}.{b}.{a}"))
        }
        IpAddr::V6(v6) => {
            let nibbles: Vec<String> = v6.octets().iter().rev().flat_map(|o| [format!("{:x}", o & 15), format!("{:x}", o >> 4)]).collect();
            Some(nibbles.join("."))
        }
    }
}

/// Addresses used inside sites (RFC 1918, 6598, 3927, loopback, link-local), also mapped into IPv6.
pub fn is_private(ip: IpAddr) -> bool {
    match crate::base::networks::unmap(ip) {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => v6.is_loopback() || v6.segments()[0] & 0xFFC0 == 0xFE80,
    }
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    matches!((a, b), (10 | 127, _) | (169, 254) | (172, 16..=31) | (192, 168) | (100, 64..=127))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_text() {
        for (text, found) in [
            ("from [192.0.2.7] by", Some("192.0.2.7")),
            ("x 1.2.3.4.5 y", None),
            ("id 300.1.2.3", None),
            ("at [IPv6:2001:db8::1] or", Some("IPv6:2001:db8::1")),
            ("v1.2.3.4", None),
            ("::ffff:192.0.2.1", Some("::ffff:192.0.2.1")),
            ("12:30:45 noon", None),
        ] {
            let text = text.as_bytes();
            assert_eq!(
                find_free(text).or_else(|| find(text).filter(|_| text.starts_with(b":")).map(|r| &text[r])),
                found.map(str::as_bytes),
                "{text:?}"
            );
        }
        assert_eq!(reversed(b"192.0.2.1").as_deref(), Some("1.2.0.192"));
    }
}
