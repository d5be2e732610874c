//! Which fields SpamAssassin's classifier reads, and their values as it breaks them up (Bayes.pm, _tokenize_headers).

use super::line::of_address;
use super::received::{of_content_type, of_message_id, of_received};
use crate::mail::{HeaderQuery, Reading, addresses};
use std::collections::HashSet;

/// Fields that deliveries, lists and other filters write, lower case; those that begin with `x-` or not are in both forms.
const IGNORED: &[&str] = &[
    "content-class",
    "content-length",
    "date",
    "delivered-to",
    "delivery-date",
    "envelope-to",
    "forwarded",
    "lines",
    "list-admin",
    "list-archive",
    "list-comment",
    "list-help",
    "list-host",
    "list-id",
    "list-manager",
    "list-name",
    "list-owner",
    "list-post",
    "list-subscribe",
    "list-unsubscribe",
    "list-url",
    "mail-followup-to",
    "mailing-list",
    "original-date",
    "original-from",
    "original-to",
    "replied",
    "resent-date",
    "resent-from",
    "resent-to",
    "sender",
    "spam",
    "spam-apparently-to",
    "status",
    "subject",
    "thread-index",
    "thread-topic",
    "x-antispam",
    "x-ap-spam-score",
    "x-ap-spam-status",
    "x-beenthere",
    "x-bogosity",
    "x-converted-to-plain-text",
    "x-egroups-from",
    "x-egroups-return",
    "x-envelope-to",
    "x-filtered-by",
    "x-flags",
    "x-gnus-mail-source",
    "x-imapbase",
    "x-keywords",
    "x-list",
    "x-list-admin",
    "x-list-archive",
    "x-list-comment",
    "x-list-help",
    "x-list-host",
    "x-list-id",
    "x-list-manager",
    "x-list-name",
    "x-list-owner",
    "x-list-post",
    "x-list-subscribe",
    "x-list-unsubscribe",
    "x-list-url",
    "x-loop",
    "x-mailing-list",
    "x-mailman-version",
    "x-mailscanner",
    "x-mailscanner-spamcheck",
    "x-mass-check-id",
    "x-mdaemon-deliver-to",
    "x-mdmailing-list",
    "x-mime-autoconverted",
    "x-original-date",
    "x-original-from",
    "x-original-to",
    "x-originalarrivaltime",
    "x-perlmx-spam",
    "x-pyzor",
    "x-rbl-warning",
    "x-resent-date",
    "x-resent-from",
    "x-resent-to",
    "x-ripe-spam-status",
    "x-scanned-by",
    "x-scanner",
    "x-sender",
    "x-smtpd",
    "x-spam",
    "x-spam-apparently-to",
    "x-spam-checker-version",
    "x-spam-flag",
    "x-spam-hits",
    "x-spam-level",
    "x-spam-report",
    "x-spam-score",
    "x-spam-status",
    "x-status",
    "x-sympa-to",
    "x-uid",
    "x-uidl",
    "x-unsub",
    "x-unsubscribe",
    "x-virus-scanned",
    "x-vm-bookmark",
    "x-vm-imap-retrieved",
    "x-vm-labels",
    "x-vm-last-modified",
    "x-vm-message-order",
    "x-vm-pop-retrieved",
    "x-vm-summary-format",
    "x-vm-vheader",
    "x-xemacs-list",
    "xref",
];
/// The same by the beginning of the name.
const IGNORED_BEGINNINGS: &[&str] = &["x-bugzilla-", "x-spamcop-"];
/// Long and never the same twice: their value is not read.
const PRESENCE_ONLY: &[&str] = &[
    "arc-message-signature",
    "arc-seal",
    "autocrypt",
    "dkim-signature",
    "domainkey-signature",
    "x-face",
    "x-gnu-pg-fingerprint",
    "x-gnu-pg-key-fingerprint",
    "x-gnupg-fingerprint",
    "x-gnupg-key-fingerprint",
    "x-google-dkim-signature",
    "x-gpg-fingerprint",
    "x-gpg-key-fingerprint",
    "x-pgp-fingerprint",
    "x-pgp-key-fingerprint",
];
/// Frequent names in their short form; as written in the message.
const SHORT: &[(&str, &str)] = &[
    ("Message-Id", "*m"),
    ("Message-ID", "*M"),
    ("Received", "*r"),
    ("User-Agent", "*u"),
    ("References", "*f"),
    ("In-Reply-To", "*i"),
    ("From", "*F"),
    ("Reply-To", "*R"),
    ("Return-Path", "*p"),
    ("Return-path", "*rp"),
    ("X-Mailer", "*x"),
    ("X-Authentication-Warning", "*a"),
    ("Organization", "*o"),
    ("Organisation", "*o"),
    ("Content-Type", "*ct"),
    ("Content-Disposition", "*cd"),
    ("Content-Transfer-Encoding", "*ce"),
    ("x-spam-relays-trusted", "*RT"),
    ("x-spam-relays-untrusted", "*RU"),
];
/// What rules can ask for like a field, in alphabetic order; the message does not hold it.
const METADATA: &[(&str, &str)] = &[
    ("X-AuthorDomain", "x-authordomain"),
    ("X-SenderDomain", "x-senderdomain"),
    ("X-Spam-Relays-External", "x-spam-relays-external"),
    ("X-Spam-Relays-Internal", "x-spam-relays-internal"),
    ("X-Spam-Relays-Trusted", "x-spam-relays-trusted"),
    ("X-Spam-Relays-Untrusted", "x-spam-relays-untrusted"),
];

/// Values by (short) name, those of one name joined, in order of first appearance.
pub fn collect(reading: &Reading<'_>, ignored: &HashSet<String>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut read = Values::default();
    let all = reading.header(&HeaderQuery::plain("ALL")).unwrap_or_default();
    let mut received: Vec<&[u8]> = Vec::new();
    for line in all.split(|octet| *octet == b'\n') {
        let Some((name, value)) = split(line) else { continue };
        let lower = name.to_ascii_lowercase();
        if lower == b"received" {
            received.push(line);
        } else if !is_ignored(&lower) {
            read.field(name, value, ignored);
        }
    }
    for (name, stored) in METADATA {
        if let Some(value) = reading.header(&HeaderQuery::plain(name)) {
            read.field(stored.as_bytes(), &[b" ", &*value].concat(), ignored);
        }
    }
    for (name, value) in received.iter().rev().take(2).filter_map(|line| split(line)) {
        read.field(name, value, ignored);
    }
    read.0
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    Some((&line[..colon], &line[colon + 1..]))
}

fn is_ignored(lower: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(lower) else { return false };
    IGNORED.binary_search(&name).is_ok()
        || IGNORED_BEGINNINGS.iter().any(|beginning| name.len() > beginning.len() && name.starts_with(beginning))
        || name
            .strip_prefix("x-dcc-")
            .and_then(|rest| rest.strip_suffix("-metrics"))
            .is_some_and(|rest| (2..=25).contains(&rest.len()) && !rest.bytes().any(|octet| octet.is_ascii_whitespace()))
        || name
            .strip_prefix("x-vm-v")
            .and_then(|rest| rest.strip_suffix("-data"))
            .is_some_and(|rest| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit())
}

#[derive(Default)]
struct Values(Vec<(Vec<u8>, Vec<u8>)>);

impl Values {
    fn field(&mut self, name: &[u8], value: &[u8], ignored: &HashSet<String>) {
        let lower = String::from_utf8_lossy(name).to_ascii_lowercase();
        if ignored.contains(&lower) {
            return;
        }
        let value = broken_up(name, &lower, value);
        for (names, together) in [
            (&["in-reply-to", "references", "message-id"][..], "*MI"),
            (&["from", "to", "cc"], "*Ad"),
            (&["x-mailer", "user-agent"], "*UA"),
        ] {
            if names.contains(&lower.as_str()) {
                self.add(together.as_bytes(), &value);
            }
        }
        let short = SHORT.iter().find(|(long, _)| long.as_bytes() == name).map_or(name, |(_, short)| short.as_bytes());
        self.add(short, &value);
    }

    fn add(&mut self, name: &[u8], value: &[u8]) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, all)) => {
                all.push(b' ');
                all.extend_from_slice(value);
            }
            None => self.0.push((name.to_vec(), value.to_vec())),
        }
    }
}

fn broken_up(name: &[u8], lower: &str, value: &[u8]) -> Vec<u8> {
    let bare = lower.strip_prefix("x-").or_else(|| lower.strip_prefix("resent-")).unwrap_or(lower);
    match bare {
        "message-id" => of_message_id(value),
        "return-path" | "from" | "to" | "cc" | "reply-to" | "errors-to" | "mail-followup-to" | "sender" => of_addresses(value),
        _ if name == b"Received" => of_received(value),
        _ if name == b"Content-Type" => of_content_type(value),
        _ if name == b"MIME-Version" => match memchr::memmem::find(value, b"1.0") {
            Some(at) => [&value[..at], &value[at + 3..]].concat(),
            None => value.to_vec(),
        },
        _ if PRESENCE_ONLY.contains(&lower) => b"1".to_vec(),
        _ if matches!(lower, "x-spam-relays-external" | "x-spam-relays-internal" | "x-spam-relays-trusted" | "x-spam-relays-untrusted") => {
            without_keys(value)
        }
        _ => value.to_vec(),
    }
}

/// `N*` for words of the name, `U*` and `D*` for the address.
fn of_addresses(value: &[u8]) -> Vec<u8> {
    let mut tokens: Vec<Vec<u8>> = Vec::new();
    for entry in addresses::parse(value) {
        let phrase = entry.phrase.unwrap_or_default();
        // A split that begins with white space has an empty first word.
        let mut words: Vec<&[u8]> = phrase.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        if phrase.first().is_some_and(u8::is_ascii_whitespace) {
            words.insert(0, b"");
        }
        tokens.extend(words.into_iter().map(|word| [b"N*", word].concat()));
        tokens.extend(of_address(&entry.address.unwrap_or_default()));
    }
    tokens.join(&b' ')
}

/// ` rdns=`, ` helo=` and so on become spaces.
fn without_keys(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    while at < value.len() {
        let letters = value[at + 1..].iter().take_while(|octet| octet.is_ascii_lowercase()).count();
        if value[at] == b' ' && letters > 0 && value.get(at + 1 + letters) == Some(&b'=') {
            out.push(b' ');
            at += letters + 2;
        } else {
            out.push(value[at]);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_ignored_fields_can_be_searched() {
        assert!(IGNORED.is_sorted());
        for name in ["x-list-id", "x-dcc-host-metrics", "x-vm-v5-data", "x-spamcop-note", "date"] {
            assert!(is_ignored(name.as_bytes()), "{name}");
        }
        for name in ["x-dcc-a-metrics", "x-spamcop-", "to", "x-vm-v5"] {
            assert!(!is_ignored(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn keys_of_relays_are_taken_out() {
        assert_eq!(without_keys(b" [ ip=192.0.2.1 rdns= helo=a ]"), b" [ 192.0.2.1  a ]");
    }
}
