//! The tag in front of Subject: put once, safe for RFC 2047, and the rest of the field as it was.

/// Octets of the first line beyond which the tag gets a line of its own (RFC 5322 §2.1.1: 998 at most).
const FIRST_LINE: usize = 900;
/// RFC 2047 §2: an encoded word has 75 characters at most; 45 octets are 60 characters of base64.
const WORD: usize = 45;

/// The new value of Subject. `raw` is the value as it stands after the colon, `decoded` the same as text; `None`: the tag is
/// there already, or is empty.
pub fn tagged(raw: Option<&[u8]>, decoded: &str, tag: &str) -> Option<Vec<u8>> {
    let tag: String = tag.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let tag = tag.trim();
    if tag.is_empty() || decoded.trim_start().starts_with(tag) {
        return None;
    }
    let rest = raw.unwrap_or_default().trim_ascii();
    let mut value = encoded(tag).into_bytes();
    if !rest.is_empty() {
        let line = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        value.extend_from_slice(if value.len() + line > FIRST_LINE { b"\n " } else { b" " });
        value.extend_from_slice(rest);
    }
    Some(value)
}

/// A comment behind an address, for `rewrite_header From` and `To` (Mail::SpamAssassin::Conf): `a@example.org (SPAM)`.
pub fn commented(raw: &[u8], tag: &str) -> Option<Vec<u8>> {
    let tag: String = tag.chars().filter(|c| !c.is_control() && !matches!(c, '(' | ')' | '\\')).collect();
    let comment = format!("({})", encoded(tag.trim()));
    let rest = raw.trim_ascii();
    if tag.trim().is_empty() || rest.ends_with(comment.as_bytes()) {
        return None;
    }
    let mut value = rest.to_vec();
    value.extend_from_slice(b" ");
    value.extend_from_slice(comment.as_bytes());
    Some(value)
}

/// As it stands in a header field: ASCII as it is, anything else as encoded words.
fn encoded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    let mut piece = String::new();
    for c in text.chars() {
        if piece.len() + c.len_utf8() > WORD {
            words.push(word(&std::mem::take(&mut piece)));
        }
        piece.push(c);
    }
    words.push(word(&piece));
    words.join(" ")
}

fn word(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::from("=?UTF-8?B?");
    for group in text.as_bytes().chunks(3) {
        let bits = group.iter().fold(0u32, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let sextet = (bits >> (18 - 6 * place)) as usize & 63;
            out.push(if place <= group.len() { char::from(ALPHABET[sextet]) } else { '=' });
        }
    }
    out.push_str("?=");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_is_put_once_and_the_rest_stays() {
        let raw = b" =?utf-8?q?G=C3=BCnstig?=\r\n folded\r\n";
        assert_eq!(tagged(Some(raw), "Günstig folded", "[SPAM]").unwrap(), b"[SPAM] =?utf-8?q?G=C3=BCnstig?=\r\n folded");
        assert_eq!(tagged(Some(b" [SPAM] x"), "[SPAM] x", "[SPAM]"), None);
        assert_eq!(tagged(Some(b" =?utf-8?q?=5BSPAM=5D_x?="), "[SPAM] x", "[SPAM]"), None);
        assert_eq!(tagged(None, "", "[SPAM]").unwrap(), b"[SPAM]");
        assert_eq!(tagged(Some(b"x"), "x", "a\r\nBcc: b").unwrap(), b"a  Bcc: b x");
    }

    #[test]
    fn a_tag_of_other_letters_is_encoded() {
        assert_eq!(tagged(Some(b"x"), "x", "[Müll]").unwrap(), b"=?UTF-8?B?W03DvGxsXQ==?= x");
        assert!(encoded(&"é".repeat(100)).split(' ').all(|word| word.len() <= 75));
    }

    #[test]
    fn a_long_line_is_folded_before_it_breaks() {
        let long = [b'x'; 995];
        assert!(tagged(Some(&long), "x", "[SPAM]").unwrap().starts_with(b"[SPAM]\n x"));
    }

    #[test]
    fn an_address_is_commented() {
        assert_eq!(commented(b" a@b.example\r\n", "SPAM").unwrap(), b"a@b.example (SPAM)");
        assert_eq!(commented(b"a@b.example (SPAM)", "SPAM"), None);
    }
}
