//! Received, Message-ID and Content-Type values before they become SpamAssassin's tokens: what differs from message to
//! message is taken out (Bayes.pm, _pre_chew_…).

use regex::bytes::{NoExpand, Regex};
use std::sync::LazyLock;

struct Cut {
    pattern: Regex,
    put: &'static [u8],
}

/// In this order; none is optional, so that a table that cannot be compiled is empty and a test tells.
fn table(rows: &[(&str, &'static [u8])]) -> Vec<Cut> {
    let compiled: Option<Vec<Cut>> =
        rows.iter().map(|(pattern, put)| Some(Cut { pattern: Regex::new(&format!("(?-u){pattern}")).ok()?, put })).collect();
    compiled.unwrap_or_default()
}

static RECEIVED: LazyLock<Vec<Cut>> = LazyLock::new(|| {
    let date = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),\s)?[0-3\s]?[0-9]\s(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\s(?:19|20)?[0-9]{2}\s[0-2][0-9](?::[0-5][0-9]){1,2}\s(?:\s*\(|\)|\s*[+-][0-9]{4}|\s*(?:UT|[A-Z]{2,3}T))*";
    table(&[
        (r"\swith\sSMTP\sid\sg[\dA-Z]{10,12}\s", b" "),
        (r"\swith\sESMTP\sid\s[\dA-F]{10,12}\s", b" "),
        (r"\bid\s[a-zA-Z0-9]{7,20}\b", b" "),
        (r"\bid\s[A-Za-z0-9]{7}-[A-Za-z0-9]{6}-0[A-Za-z0-9]", b" "),
        (date, b""),
    ])
});
static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?-u)\b(\d{1,3}\.\d{1,3}\.\d{1,3})(\.\d{1,3})\b").ok());
static COMMON: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?-u)\b(?:with|from|for|SMTP|ESMTP)\b").ok());

/// Ids and dates out; addresses as their network and as a word of their own.
pub fn of_received(value: &[u8]) -> Vec<u8> {
    let mut text = value.to_vec();
    for cut in RECEIVED.iter() {
        text = cut.pattern.replace_all(&text, NoExpand(cut.put)).into_owned();
    }
    if let (Some(address), Some(common)) = (ADDRESS.as_ref(), COMMON.as_ref()) {
        text = address.replace_all(&text, &b"$1 ip*$1$2 "[..]).into_owned();
        text = common.replace_all(&text, NoExpand(b" ")).into_owned();
    }
    text
}

struct MessageIds {
    outlook: Regex,
    exim: Regex,
    sendmail: Regex,
}

static MESSAGE_IDS: LazyLock<Option<MessageIds>> = LazyLock::new(|| {
    Some(MessageIds {
        outlook: Regex::new(r"(?-u)<([0-9a-f]{4})[0-9a-f]{8}\$([0-9a-f]{4})[0-9a-f]{4}\$([0-9a-f]{8})@(\S+)>").ok()?,
        exim: Regex::new(r"(?-u)<[A-Za-z0-9]{7}-[A-Za-z0-9]{6}-0[A-Za-z0-9]@").ok()?,
        sendmail: Regex::new(r"(?-u)<20\d\d[01]\d[0-3]\d[0-2]\d[0-5]\d[0-5]\d\.[A-F0-9]{10,12}@").ok()?,
    })
});

/// The pieces that a server or program has of its own.
pub fn of_message_id(value: &[u8]) -> Vec<u8> {
    let mut text = value.to_vec();
    if let Some(ids) = MESSAGE_IDS.as_ref() {
        text = ids.outlook.replace_all(&text, &b" OEA$1 OEB$2 OEC$3 $4 "[..]).into_owned();
        text = ids.exim.replace(&text, NoExpand(b"")).into_owned();
        text = ids.sendmail.replace_all(&text, NoExpand(b"")).into_owned();
    }
    text.iter().map(|octet| if octet.is_ascii_alphanumeric() || *octet == b'_' { *octet } else { b' ' }).collect()
}

static BOUNDARY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"(?-u)(?i)boundary=["'](.*?)["']"#).ok());
static SEPARATORS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?-u)[-_.=]+").ok());
static STOPPED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?-u)\b(?:text|charset)\b").ok());

/// The boundary as its shape, at the end.
pub fn of_content_type(value: &[u8]) -> Vec<u8> {
    let (Some(boundary), Some(separators), Some(stopped)) = (BOUNDARY.as_ref(), SEPARATORS.as_ref(), STOPPED.as_ref()) else {
        return value.to_vec();
    };
    let mut text = boundary.replace_all(value, NoExpand(b" ")).into_owned();
    if let Some(last) = boundary.captures_iter(value).last() {
        let shape: Vec<u8> = last[1].iter().map(|octet| if octet.is_ascii_hexdigit() { b'H' } else { *octet }).collect();
        text.extend_from_slice(&separators.replace_all(&shape, &b" $0 "[..]));
    }
    stopped.replace_all(&text, NoExpand(b" ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(octets: Vec<u8>) -> String {
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn what_changes_with_every_message_is_taken_out() {
        let value = b"from a.example (192.0.2.7) by b.example with ESMTP id 0123456789AB for <x@y>; Mon, 3 Mar 2026 10:00:05 +0000 (UTC)";
        assert_eq!(text(of_received(value)), "  a.example (192.0.2 ip*192.0.2.7 ) by b.example   <x@y>; C)");
        assert_eq!(text(of_message_id(b"<000a01c2a1b2$c3d40e0f$0200a8c0@host>")).trim(), "OEA000a OEBc3d4 OEC0200a8c0 host");
        assert_eq!(text(of_content_type(b"multipart/x; boundary=\"--=_a1z\"")), "multipart/x;   --=_ HHz");
        assert_eq!(RECEIVED.len(), 5);
    }
}
