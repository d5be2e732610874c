//! Mail sent to be learned: which addresses, and which messages are in it.

use crate::mail::attachments_tree::{self, Encoding, Leaf};
use crate::mail::{Mail, decode};
use crate::store::Label;
use std::borrow::Cow;

/// Messages learned from one that holds them.
const MOST: usize = 100;

/// The addresses of `[learn]`, lower case.
#[derive(Clone, Debug, Default)]
pub struct Mailboxes {
    pub spam: Vec<String>,
    pub ham: Vec<String>,
}

impl Mailboxes {
    pub fn is_empty(&self) -> bool {
        self.spam.is_empty() && self.ham.is_empty()
    }

    /// What a message to all these is to be learned as; `None`: it goes elsewhere too, or to both kinds.
    pub fn label(&self, recipients: &[String]) -> Option<Label> {
        let all = |addresses: &[String]| {
            !recipients.is_empty() && recipients.iter().all(|to| addresses.iter().any(|address| address.eq_ignore_ascii_case(to)))
        };
        match (all(&self.spam), all(&self.ham)) {
            (true, false) => Some(Label::Spam),
            (false, true) => Some(Label::Ham),
            (true, true) | (false, false) => None,
        }
    }
}

/// The messages attached to this one, else itself where somebody redirected it (RFC 5322 §3.6.6, Resent-From). Empty:
/// neither, such as text quoted in a message of the sender's own, which must not be learned as if it were the spam.
pub fn messages(mail: &Mail) -> Vec<Vec<u8>> {
    let text = mail.as_sent();
    let attached: Vec<Vec<u8>> = attachments_tree::read(text, 0)
        .leaves
        .iter()
        .filter(|leaf| is_message(leaf))
        .take(MOST)
        .filter_map(|leaf| Some(octets(text.get(leaf.body.clone())?, leaf.encoding).into_owned()))
        .filter(|octets| !octets.trim_ascii().is_empty())
        .collect();
    if !attached.is_empty() {
        return attached;
    }
    let resent = |name: &[u8]| name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"Resent-"));
    let seen = mail.as_seen();
    let ours = seen.len() - text.len();
    let fields: Vec<_> = mail.fields().iter().filter(|field| field.name.start >= ours).collect();
    if !fields.iter().any(|field| resent(field.name(seen))) {
        return Vec::new();
    }
    // As it was before somebody redirected it.
    let mut original = Vec::with_capacity(text.len());
    let mut at = ours;
    for field in fields.iter().filter(|field| resent(field.name(seen))) {
        let whole = field.whole();
        original.extend_from_slice(seen.get(at..whole.start).unwrap_or_default());
        at = whole.end;
    }
    original.extend_from_slice(seen.get(at..).unwrap_or_default());
    vec![original]
}

/// Attached to the message itself, not to one that is attached.
fn is_message(leaf: &Leaf) -> bool {
    let declared = matches!(leaf.declared.as_str(), "message/rfc822" | "message/global" | "message/news");
    declared && !leaf.path.contains('!')
}

fn octets(body: &[u8], encoding: Encoding) -> Cow<'_, [u8]> {
    // RFC 2046 §5.2.1 forbids these for messages; some servers write them.
    let name = match encoding {
        Encoding::Base64 => "base64",
        Encoding::QuotedPrintable => "quoted-printable",
        Encoding::Identity | Encoding::Uuencode => return Cow::Borrowed(body),
    };
    decode::body(body, name, false).map_or(Cow::Borrowed(body), |decoded| Cow::Owned(decoded.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mail = Mail::parse(text.replace('\n', "\r\n").into_bytes());
        messages(&mail).iter().map(|raw| String::from_utf8_lossy(raw).replace("\r\n", "\n")).collect()
    }

    #[test]
    fn attached_messages_are_learned_and_not_what_holds_them() {
        let text = "Subject: look\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nspam again\n--b\nContent-Type: message/rfc822\n\n\
                    Subject: win\n\nclick\n--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n\
                    U3ViamVjdDogdHdvCgp4Cg==\n--b\nContent-Type: text/plain; name=x.eml\n\nSubject: no\n\n--b--\n";
        assert_eq!(found(text), ["Subject: win\n\nclick", "Subject: two\n\nx\n"]);
    }

    #[test]
    fn only_the_outer_one_of_nested_messages_counts() {
        let inner = "Subject: b\nContent-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: message/rfc822\n\nSubject: c\n\nx\n--c--";
        let text = format!("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n{inner}\n--b--\n");
        assert_eq!(found(&text), [inner]);
    }

    #[test]
    fn a_redirected_message_is_learned_as_it_was() {
        let text = "Resent-From: a@example.com\nResent-To: spam@example.com\nSubject: win\nFrom: b@example.org\n\nclick\n";
        assert_eq!(found(text), ["Subject: win\nFrom: b@example.org\n\nclick\n"]);
    }

    #[test]
    fn what_the_sender_wrote_is_never_learned() {
        assert!(found("From: a@example.com\nSubject: Fwd: win\n\n> click\n").is_empty());
    }

    #[test]
    fn all_recipients_must_want_the_same() {
        let boxes = Mailboxes { spam: vec!["spam@example.com".into()], ham: vec!["ham@example.com".into()] };
        let label = |to: &[&str]| boxes.label(&to.iter().map(|to| to.to_string()).collect::<Vec<_>>());
        assert_eq!(label(&["Spam@Example.com"]), Some(Label::Spam));
        assert_eq!(label(&["ham@example.com", "ham@example.com"]), Some(Label::Ham));
        assert_eq!(label(&["ham@example.com", "spam@example.com"]), None);
        assert_eq!(label(&["spam@example.com", "boss@example.com"]), None);
        assert_eq!(label(&[]), None);
    }
}
