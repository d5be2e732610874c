//! What the functions share with Perl: numbers in strings, white space, patterns over octets, addresses of hosts.

pub(super) use crate::mail::headers::lines;
use crate::pattern::Pattern;
use regex::bytes::{Regex, RegexBuilder};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{LazyLock, Mutex};

/// A constant pattern over octets, without Unicode classes; what it says is checked by the tests that walk every row.
pub(super) fn compile(text: &str) -> Regex {
    RegexBuilder::new(text).unicode(false).build().expect("a constant pattern")
}

/// A constant pattern, compiled at its first use.
macro_rules! pattern {
    ($text:expr) => {{
        static COMPILED: std::sync::LazyLock<regex::bytes::Regex> = std::sync::LazyLock::new(|| $crate::rules::eval::perl::compile($text));
        &*COMPILED
    }};
}
pub(super) use pattern;

/// A pattern that a rule hands over as an argument, without delimiters; `None` where it cannot be read. Compiled once in
/// the life of the process, as often as rule files name it.
pub(super) fn rule_pattern(text: &str) -> Option<Pattern> {
    static COMPILED: LazyLock<Mutex<HashMap<String, Option<Pattern>, foldhash::fast::RandomState>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(known) = compiled.get(text) {
        return known.clone();
    }
    let pattern = Pattern::from_expression(text.as_bytes()).ok();
    compiled.insert(text.to_owned(), pattern.clone());
    pattern
}

/// The number that Perl reads at the start of a string; 0 without one.
pub(super) fn number(text: &str) -> f64 {
    let text = text.trim_start();
    let bytes = text.as_bytes();
    // Nearly all are a few digits.
    if bytes.len() < 10 && bytes.iter().all(u8::is_ascii_digit) {
        return f64::from(bytes.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')));
    }
    let mut end = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let mut dot = false;
    while let Some(&octet) = bytes.get(end) {
        match octet {
            b'0'..=b'9' => {}
            b'.' if !dot => dot = true,
            _ => break,
        }
        end += 1;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let mut tail = end + 1;
        tail += usize::from(matches!(bytes.get(tail), Some(b'+' | b'-')));
        let digits = bytes[tail.min(bytes.len())..].iter().take_while(|o| o.is_ascii_digit()).count();
        if digits > 0 {
            end = tail + digits;
        }
    }
    text[..end].parse().unwrap_or(0.0)
}

/// An argument as a number; `None` where it is absent.
pub(super) fn argument(arguments: &[String], at: usize) -> Option<f64> {
    arguments.get(at).map(|text| number(text))
}

/// An argument as a bound: `None` where it is absent or `undef`.
pub(super) fn bound(arguments: &[String], at: usize) -> Option<f64> {
    arguments.get(at).filter(|text| *text != "undef").map(|text| number(text))
}

/// `\s` of Perl over octets.
pub(super) fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t'..=b'\r')
}

/// `\w` of Perl over octets.
pub(super) fn is_word(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || octet == b'_'
}

/// Every run of white space made one space.
pub(super) fn squeeze(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut space = false;
    for &octet in text {
        if is_space(octet) {
            if !space {
                out.push(b' ');
            }
            space = true;
        } else {
            out.push(octet);
            space = false;
        }
    }
    out
}

/// How many octets are of a kind; many at a time.
pub(super) fn count(text: &[u8], is: impl Fn(u8) -> bool) -> usize {
    // A sum of one octet does not overflow within 192 octets, which are whole registers.
    let of = |some: &[u8]| some.iter().fold(0u8, |sum, octet| sum.wrapping_add(u8::from(is(*octet))));
    text.chunks(192).map(|some| usize::from(of(some))).sum()
}

pub(super) fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&octet| !is_space(octet)).unwrap_or(text.len());
    let end = text.iter().rposition(|&octet| !is_space(octet)).map_or(start, |at| at + 1);
    &text[start..end]
}

pub(super) fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Without the final line feed that `$` would step over.
pub(super) fn chomp(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\n").unwrap_or(text)
}

pub(super) fn contains(text: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(text, needle).is_some()
}

/// Positions of a needle, without regard to ASCII case.
pub(super) fn positions_ignoring_case(text: &[u8], needle: &[u8]) -> Vec<usize> {
    let (text, needle) = (text.to_ascii_lowercase(), needle.to_ascii_lowercase());
    memchr::memmem::find_iter(&text, &needle).collect()
}

/// An IPv4 address; in verbose patterns too.
pub(super) const IPV4: &str = r"(?:1\d\d|2[0-4]\d|25[0-5]|[1-9]\d|\d)(?:\.(?:1\d\d|2[0-4]\d|25[0-5]|[1-9]\d|\d)){3}";

/// An address literal of any spelling between delimiters that are given around it.
pub(super) const IP: &str = concat!(
    r"(?i:(?:(?:1\d\d|2[0-4]\d|25[0-5]|[1-9]\d|\d)(?:\.(?:1\d\d|2[0-4]\d|25[0-5]|[1-9]\d|\d)){3})",
    r"|(?:IPv6:)?(?:[a-f0-9]{0,4}:){2,7}(?:[a-f0-9]{0,4}|(?:1\d\d|2[0-4]\d|25[0-5]|[1-9]\d|\d)(?:\.(?:1\d\d|2[0-4]\d|25[0-5]|[1-9]\d|\d)){3}))"
);

/// Exactly a dotted quad without leading zeros.
pub(super) fn is_ipv4(text: &str) -> bool {
    text.parse::<std::net::Ipv4Addr>().is_ok()
}

/// Whether an address stands in the text, by itself.
pub(super) fn holds_ip(text: &[u8]) -> bool {
    static ALONE: LazyLock<Regex> = LazyLock::new(|| compile(&format!(r"(?:^|[^\w:]){IPV4}\b")));
    if ALONE.is_match(text) {
        return true;
    }
    let is_part = |octet: &u8| octet.is_ascii_hexdigit() || matches!(octet, b':' | b'.');
    text.split(|octet| !is_part(octet)).any(|run| {
        let run = std::str::from_utf8(run).unwrap_or_default().trim_matches('.');
        // "IPv6:" ends the run before it at "v"; what is left begins with "6:".
        run.parse::<Ipv6Addr>().is_ok() || run.strip_prefix("6:").is_some_and(|rest| rest.parse::<Ipv6Addr>().is_ok())
    })
}

/// SpamAssassin's private addresses: 10/8, 127/8, 169.254/16, 172.16/12, 192.168/16, 100.64/10, `::1`, fe80::/10 and
/// IPv4 ones mapped to IPv6.
pub(in crate::rules) fn is_private(text: &str) -> bool {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        Ok(IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
            Some(v4) => is_private(&v4.to_string()),
            None => ip.is_loopback() || (ip.segments()[0] & 0xffc0) == 0xfe80,
        },
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perl_reads_the_number_at_the_start() {
        for (text, value) in [("1.5", 1.5), (" 7x", 7.0), ("-.5", -0.5), ("1e2", 100.0), ("1e", 1.0), ("x", 0.0), ("", 0.0), ("0.01", 0.01)]
        {
            assert_eq!(number(text), value, "{text}");
        }
    }

    #[test]
    fn an_address_is_found_by_itself_alone() {
        for (text, held) in [
            ("192.0.2.1", true),
            ("[192.0.2.1] by", true),
            ("x 1.2.3.4.", true),
            ("999.1.1.1", false),
            ("x:192.0.2.1", false),
            ("x192.0.2.1", false),
            ("192.0.2.1:25", true),
            ("2001:db8::1", true),
            ("IPv6:2001:db8::1", true),
            ("12:30:45", false),
            ("::ffff:192.0.2.1", true),
            ("", false),
        ] {
            assert_eq!(holds_ip(text.as_bytes()), held, "{text}");
        }
    }
}
