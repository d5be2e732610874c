//! Names are checked before they are asked: labels of 1 to 63 octets, 253 in all (RFC 1035 §2.3.4).

/// Octets of a whole name in text form.
pub const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

/// Lower case, without the final dot; `None` where the name cannot stand in a packet.
///
/// NUL and backslash are refused: a text form that contains them means different names to different readers.
pub fn checked(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let fits = !name.is_empty()
        && name.len() <= LONGEST_NAME
        && !name.bytes().any(|b| b == 0 || b == b'\\')
        && name.split('.').all(|label| (1..=LONGEST_LABEL).contains(&label.len()));
    fits.then(|| name.to_ascii_lowercase())
}

/// Text of a name that came in a packet, lower case. Dots inside a label, backslashes and control characters are written
/// `\DDD`, so that such a name can be shown but never asked again.
pub fn text<'a>(labels: impl Iterator<Item = &'a [u8]>) -> String {
    let mut out = Vec::new();
    for label in labels {
        if !out.is_empty() {
            out.push(b'.');
        }
        for &octet in label {
            match octet {
                b'.' | b'\\' | ..0x20 | 0x7f => out.extend_from_slice(format!("\\{octet:03}").as_bytes()),
                _ => out.push(octet.to_ascii_lowercase()),
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|odd| String::from_utf8_lossy(odd.as_bytes()).into_owned())
}

/// The name under which an address is asked for in the reverse tree.
pub fn reverse(ip: std::net::IpAddr) -> String {
    match ip {
        std::net::IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        std::net::IpAddr::V6(v6) => {
            let mut out = String::with_capacity(72);
            for octet in v6.octets().iter().rev() {
                out.push_str(&format!("{:x}.{:x}.", octet & 15, octet >> 4));
            }
            out.push_str("ip6.arpa");
            out
        }
    }
}
