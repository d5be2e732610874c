//! Bounces (RFC 3464, and those that are older), and the Message-IDs that they quote.

use super::Mail;
use super::fields::trim;

/// Message-IDs that are looked at in one message.
const MOST: usize = 20;
/// RFC 5322 §2.1.1: no line is longer.
const LONGEST: usize = 998;

/// A message that speaks of another one: from nobody, or a report (RFC 6522).
pub fn is_bounce(mail: &Mail, mail_from: &str) -> bool {
    mail_from.is_empty() || mail.parts().first().is_some_and(|top| top.content_type == "multipart/report")
}

/// The Message-ID of a message, without angle brackets.
pub fn message_id(mail: &Mail) -> Option<String> {
    mail.parts().first()?.value("Message-ID").and_then(|value| ids(&value).next())
}

/// The Message-IDs of the messages that it sends back: fields named Message-ID (RFC 8098 §3.2.5: Original-Message-ID, too)
/// in its text and attachments, quoted or not.
pub fn sent_back(mail: &Mail) -> Vec<String> {
    let mut found = in_text(mail.body());
    for (_, part) in mail.leaves().filter(|(_, part)| matches!(part.encoding.as_str(), "base64" | "quoted-printable")) {
        found.extend(in_text(part.decoded()));
    }
    found.truncate(MOST);
    found
}

/// The Message-IDs that its own fields refer to (RFC 5322 §3.6.4).
pub fn referred_to(mail: &Mail) -> Vec<String> {
    let Some(top) = mail.parts().first() else { return Vec::new() };
    let values = ["In-Reply-To", "References"].into_iter().filter_map(|name| top.value(name));
    let mut found: Vec<String> = values.flat_map(|value| ids(&value).collect::<Vec<_>>()).collect();
    // The newest stand last.
    found.split_off(found.len().saturating_sub(MOST))
}

fn in_text(text: &[u8]) -> Vec<String> {
    let mut lines = text.split(|octet| *octet == b'\n').peekable();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let Some(value) = value_of(line) else { continue };
        match ids(value).next() {
            Some(id) => found.push(id),
            // Folded behind the name.
            None if trim(value).is_empty() => found.extend(lines.peek().and_then(|next| ids(next).next())),
            None => {}
        }
        if found.len() >= MOST {
            break;
        }
    }
    found
}

/// What stands behind the name of such a field.
fn value_of(line: &[u8]) -> Option<&[u8]> {
    let start = line.iter().position(|octet| !matches!(octet, b'>' | b' ' | b'\t' | b'|'))?;
    let line = line.get(start..)?;
    ["message-id:", "original-message-id:", "x-original-message-id:"].iter().find_map(|name| {
        let (head, rest) = line.split_at_checked(name.len())?;
        head.eq_ignore_ascii_case(name.as_bytes()).then_some(rest)
    })
}

/// Whatever stands in angle brackets.
fn ids(value: &[u8]) -> impl Iterator<Item = String> {
    value.split(|octet| *octet == b'<').skip(1).filter_map(|rest| {
        let id = trim(rest.split(|octet| *octet == b'>').next()?);
        let end = rest.len() > id.len() && !id.is_empty() && id.len() <= LONGEST;
        end.then(|| String::from_utf8_lossy(id).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounce_names_what_it_sends_back() {
        let raw = b"From: MAILER-DAEMON@example.net\nMessage-ID: <own@example.net>\nIn-Reply-To: <0@example.org>\n\nSorry:\n\
            > Message-Id: <1@example.org>\n\nMESSAGE-ID:\n <2@example.org>\nMessage-ID: none\nThe Message-ID: <3@example.org>\n";
        let mail = Mail::parse(raw.to_vec());
        assert_eq!(sent_back(&mail), ["1@example.org", "2@example.org"]);
        assert_eq!(referred_to(&mail), ["0@example.org"]);
        assert_eq!(message_id(&mail).as_deref(), Some("own@example.net"));
    }

    #[test]
    fn what_is_encoded_is_read_too() {
        // "Message-ID: <4@example.org>"
        let raw = b"Content-Transfer-Encoding: base64\nContent-Type: text/plain\n\nTWVzc2FnZS1JRDogPDRAZXhhbXBsZS5vcmc+Cg==\n";
        assert_eq!(sent_back(&Mail::parse(raw.to_vec())), ["4@example.org"]);
    }

    #[test]
    fn a_report_is_a_bounce_whoever_sends_it() {
        let report = Mail::parse(b"Content-Type: multipart/report; boundary=b\n\n--b\n\nx\n--b--\n".to_vec());
        assert!(is_bounce(&report, "postmaster@example.net"));
        let letter = Mail::parse(b"Subject: x\n\nMessage-ID: <1@example.org>\n".to_vec());
        assert!(is_bounce(&letter, "") && !is_bounce(&letter, "ann@example.net"));
    }
}
