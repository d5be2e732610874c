//! Base64 as signatures and keys use it (RFC 4648 §4): strict, but for white space, which folding may leave anywhere.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Value of each octet; 64: no letter of the alphabet.
const VALUES: [u8; 256] = {
    let mut table = [64; 256];
    let mut i = 0;
    while i < 64 {
        table[ALPHABET[i] as usize] = i as u8;
        i += 1;
    }
    table
};

pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut have, mut letters, mut padding) = (0u32, 0u32, 0usize, 0usize);
    for &octet in text.iter().filter(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n')) {
        if octet == b'=' {
            padding += 1;
            continue;
        }
        let value = VALUES[usize::from(octet)];
        if value == 64 || padding > 0 {
            return None;
        }
        letters += 1;
        bits = bits << 6 | u32::from(value);
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have & 0xff) as u8);
        }
    }
    // Padding may be missing altogether (some signers do), but never wrong; leftover bits are zero.
    let whole = letters % 4 != 1 && padding <= 2 && (padding == 0 || (letters + padding) % 4 == 0);
    (whole && bits & ((1 << have) - 1) == 0).then_some(out)
}

pub fn encode(octets: &[u8]) -> String {
    let mut out = String::with_capacity(octets.len().div_ceil(3) * 4);
    for chunk in octets.chunks(3) {
        let group = chunk.iter().fold(0u32, |all, b| all << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = ALPHABET[(group >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for length in 0..70 {
            let octets: Vec<u8> = (0..length).map(|n| (n * 37 % 256) as u8).collect();
            assert_eq!(decode(encode(&octets).as_bytes()).unwrap(), octets);
        }
        assert_eq!(encode(b"any carnal pleasur"), "YW55IGNhcm5hbCBwbGVhc3Vy");
        assert_eq!(decode(b"YW5\r\n 5IA==").unwrap(), b"any ");
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for odd in ["A", "AA=A", "A===", "AB*=", "AAAAA", "AAAA====", "AB=="] {
            assert_eq!(decode(odd.as_bytes()), None, "{odd}");
        }
    }
}
