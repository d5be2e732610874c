//! The full view: a message without what its collection or its last servers wrote, so that a classifier cannot learn
//! where a message was collected.

use regex::bytes::{Regex, RegexBuilder};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Fields that deliveries and other filters write, by the beginning of their names.
const DROPPED: &[&str] = &[
    "x-spam",
    "x-bogosity",
    "x-dspam",
    "x-crm114",
    "x-foff",
    "x-virus",
    "x-mailscanner",
    "x-keywords",
    "x-status",
    "content-length",
    "x-uid",
    "x-imap",
    "x-evolution",
    "x-mozilla",
    "x-account-key",
    "x-pyzor",
    "x-razor",
    "x-greylist",
    "x-authentication-warning",
    "delivered-to",
    "x-delivered",
    "envelope-to",
    "x-original-to",
    "x-envelope",
    "return-path",
    "authentication-results",
    "arc-",
    "received-spf",
    "dkim-filter",
    "x-ms-",
    "x-microsoft",
    "x-forefront",
    "x-sid-",
    "x-eop",
    "x-incoming",
    "x-auth-result",
    "x-message-info",
    "x-message-delivery",
    "x-sender-ip",
    "x-exchange",
    "x-originatororg",
    "x-ham-report",
    "x-headermismatch",
    "x-sf-",
    "x-vr-",
    "x-rspamd",
    "x-barracuda",
    "x-ironport",
    "x-proofpoint",
    "x-amavis",
    "x-asf",
    "x-sonic",
    "x-gm-",
    "x-google-smtp",
    "x-received",
    "x-hashtags",
    "x-mailman-rule",
    "x-mailman-version-old",
    "replied",
    "forwarded",
    "x-loop-jm",
    "x-clamav",
    "x-sa-",
    "x-scanned",
    "x-policyd",
    "x-antispam",
    "x-antivirus",
    "x-kaspersky",
    "x-cloudmark",
    "x-cmae",
    "x-rcpt",
    "x-rhop",
    "x-folder",
    "x-apparently",
    "x-yahoo",
    "x-pn-spam",
    "domainkey-status",
    "x-mime-autoconverted",
    "x-content-scanned",
    "x-sanitizer",
    "x-bitdefender",
    "x-nas-",
    "x-hotmail",
    "x-tmn",
    "x-store-info",
    "x-organizationheaders",
    "x-test-filter",
    "x-analysis",
];
/// The same, whole names.
const DROPPED_WHOLE: &[&str] = &["status", "lines"];

struct Own {
    words: &'static [&'static str],
    pattern: Regex,
    put: &'static [u8],
}

fn regex(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern).case_insensitive(true).unicode(false).build().ok()
}

/// Received fields written by the collectors' servers.
static COLLECTORS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(
        r"\bby\s+\S*(netnoteinc|slashnull|jmason|taint\.org|localhost|phobos|dogma|mandark|example\.com|prod\.outlook\.com|protection\.outlook\.com|hotmail\.com|baddomain\.com|lfdr\.de|csmining|hibody|eurprd|namprd|PROD\.EXCHANGELABS)",
    )
});
static TAG: LazyLock<Option<Regex>> = LazyLock::new(|| regex(r"(\[SPAM\]|\*{3,}\s*SPAM\s*\*{3,}|\{Spam\?\}|\[?SUSPECTED SPAM\]?:?)\s*"));

/// The collectors' names and what stands for them; a word that must occur spares most messages the search.
static OWN: LazyLock<Vec<Own>> = LazyLock::new(|| {
    let rows: [(&[&str], &str, &[u8]); 9] = [
        (&["mstowe"], r"[\w.+=-]{0,40}\bmstowe\b[\w.+=-]{0,40}|mstowe", b"rcpt"),
        (&["baddomain"], r"(?:\w{1,20}\.)?baddomain\.com", b"mx.test"),
        (&["@example.com"], r"user@example\.com|recipient@example\.com", b"rcpt@mx.test"),
        (&["phishing@pot"], r"phishing@pot", b"rcpt@mx.test"),
        (
            &["zzzz", "yyyy", "jm@", "jm-", "jmason"],
            r"\b(?:zzzz|yyyy|jm|jmason)(?:-\w{1,20})?@(?:[\w-]{1,30}\.){0,4}(?:netnoteinc\.com|spamassassin\.taint\.org|jmason\.org|example\.com|slashnull\.org|localhost|taint\.org)",
            b"rcpt@mx.test",
        ),
        (
            &["netnoteinc", "taint.org", "slashnull", "jmason.org"],
            r"(?:netnoteinc\.com|spamassassin\.taint\.org|slashnull\.org|jmason\.org)",
            b"mx.test",
        ),
        (&["zzzz", "yyyy"], r"\b(?:zzzzteana|zzzz|yyyy)\b", b"rcpt"),
        (&["lists+"], r"lists\+[\w.=+-]{1,60}@lfdr\.de", b"rcpt@mx.test"),
        (&["csmin"], r"hibody\.csming\.org|csmining\.org|csming\.org", b"mx.test"),
    ];
    rows.into_iter().filter_map(|(words, pattern, put)| Some(Own { words, pattern: regex(pattern)?, put })).collect()
});

/// Replaces the collectors' names.
pub(super) fn without_owners(text: Vec<u8>) -> Vec<u8> {
    let lower = text.to_ascii_lowercase();
    OWN.iter().filter(|own| own.words.iter().any(|word| memchr::memmem::find(&lower, word.as_bytes()).is_some())).fold(text, |text, own| {
        match own.pattern.replace_all(&text, regex::bytes::NoExpand(own.put)) {
            Cow::Owned(replaced) => replaced,
            Cow::Borrowed(_) => text,
        }
    })
}

pub(super) fn without_tag(subject: &[u8]) -> Vec<u8> {
    TAG.as_ref().map_or_else(|| subject.to_vec(), |tag| tag.replace_all(subject, &b""[..]).into_owned())
}

/// LF line ends, no mbox line.
pub(super) fn plain(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    for (at, &octet) in raw.iter().enumerate() {
        if octet != b'\r' || raw.get(at + 1) != Some(&b'\n') {
            text.push(octet);
        }
    }
    if text.starts_with(b"From ") || text.starts_with(b">From ") {
        let end = memchr::memchr(b'\n', &text).map_or(text.len(), |at| at + 1);
        text.drain(..end);
    }
    text
}

/// The view of one message.
pub fn full(raw: &[u8]) -> Vec<u8> {
    let text = plain(raw);
    let (head, body) = match memchr::memmem::find(&text, b"\n\n") {
        Some(at) => (&text[..at], &text[at + 2..]),
        None => (&text[..], &[][..]),
    };
    let mut view = Vec::with_capacity(text.len());
    for field in fields(head) {
        let Some(colon) = memchr::memchr(b':', field) else { continue };
        let (name, value) = (field[..colon].trim_ascii(), &field[colon + 1..]);
        let lower = String::from_utf8_lossy(name).to_ascii_lowercase();
        if name.contains(&b' ') || DROPPED.iter().any(|d| lower.starts_with(d)) || DROPPED_WHOLE.contains(&lower.as_str()) {
            continue;
        }
        if lower == "received" && COLLECTORS.as_ref().is_some_and(|c| c.is_match(value)) {
            continue;
        }
        view.extend_from_slice(name);
        view.push(b':');
        if lower == "subject" {
            view.extend_from_slice(&without_tag(value));
        } else {
            view.extend_from_slice(value);
        }
        view.push(b'\n');
    }
    view.push(b'\n');
    view.extend_from_slice(body);
    without_owners(view)
}

/// Fields with their folded lines, without the last line end.
pub(super) fn fields(head: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut start = 0;
    for at in memchr::memchr_iter(b'\n', head) {
        if !matches!(head.get(at + 1), Some(b' ' | b'\t')) {
            found.push(&head[start..at]);
            start = at + 1;
        }
    }
    found.push(&head[start..]);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_delivery_wrote_is_gone_and_the_rest_stays() {
        let raw = b"From x@y Mon\r\nReturn-Path: <a@b>\r\nReceived: from a\r\n\tby mail.netnoteinc.com with x\r\nReceived: from c by d\r\nStatus: RO\r\nSubject: [SPAM] Hi jm@jmason.org\r\n\r\nText\r\n";
        assert_eq!(full(raw), b"Received: from c by d\nSubject: Hi rcpt@mx.test\n\nText\n");
    }
}
