//! The Received field that our own mail server has not written yet, in Postfix's form (smtpd(8)), so that a message scores
//! alike at the milter and once delivered.

use crate::mail::{Client, Envelope};
use std::fmt::Write;

/// `Received: from HELO (NAME [IP]) by SERVER (Postfix) with PROTOCOL id ID for <RECIPIENT>; DATE`, folded as Postfix does.
pub fn received(client: &Client, envelope: &Envelope, unix: u64, crlf: bool) -> String {
    let end = if crlf { "\r\n" } else { "\n" };
    let mut field = String::with_capacity(256);
    let server = if envelope.server.is_empty() { "localhost" } else { word(&envelope.server) };
    match client.ip {
        Some(ip) => {
            let name = if client.name.is_empty() { "unknown" } else { word(&client.name) };
            let helo = if client.helo.is_empty() { name } else { word(&client.helo) };
            let _ = write!(field, "Received: from {helo} ({name} [{}{ip}]){end}", if ip.is_ipv6() { "IPv6:" } else { "" });
            if !client.tls_version.is_empty() {
                let _ = write!(field, "\t(using {}){end}", word(&client.tls_version));
            }
            if !client.login.is_empty() {
                let _ = write!(field, "\t(Authenticated sender: {}){end}", word(&client.login));
            }
            let _ = write!(field, "\tby {server} (Postfix) with {}", protocol(client));
        }
        // Local submission: pickup(8).
        None => {
            let _ = write!(field, "Received: by {server} (Postfix)");
        }
    }
    if !envelope.queue_id.is_empty() {
        let _ = write!(field, " id {}", word(&envelope.queue_id));
    }
    if let [recipient] = envelope.recipients.as_slice() {
        let _ = write!(field, "{end}\tfor <{}>", word(recipient));
    }
    let _ = write!(field, "; {}{end}", date(unix));
    field
}

/// RFC 3848.
fn protocol(client: &Client) -> &'static str {
    match (client.tls_version.is_empty(), client.login.is_empty()) {
        (true, true) => "ESMTP",
        (true, false) => "ESMTPA",
        (false, true) => "ESMTPS",
        (false, false) => "ESMTPSA",
    }
}

/// What a client says of itself must not begin another field.
fn word(text: &str) -> &str {
    text.split(['\r', '\n', '\0']).next().unwrap_or("")
}

/// RFC 5322 §3.3, in UTC: `Wed, 25 Nov 2026 21:32:41 +0000 (UTC)`.
fn date(unix: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, second) = (unix / 86_400, unix % 86_400);
    let (year, month, day) = civil(days);
    let name = DAYS.get((days % 7) as usize).unwrap_or(&"Thu");
    let month = MONTHS.get(month).unwrap_or(&"Jan");
    format!("{name}, {day} {month} {year} {:02}:{:02}:{:02} +0000 (UTC)", second / 3600, second / 60 % 60, second % 60)
}

/// Year, month from 0 and day of a number of days since 1970 (proleptic Gregorian calendar, years counted from March).
fn civil(days: u64) -> (u64, usize, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 2 } else { march - 10 };
    let year = year_of_era + era * 400 + u64::from(month < 2);
    (year, month as usize, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_has_the_form_of_postfix() {
        let client = Client { ip: "192.0.2.7".parse().ok(), helo: "mail.example.org".into(), ..Client::default() };
        let envelope = Envelope {
            recipients: vec!["a@example.com".into()],
            queue_id: "4ABC".into(),
            server: "mx.example.com".into(),
            ..Envelope::default()
        };
        assert_eq!(
            received(&client, &envelope, 1_795_642_361, false),
            "Received: from mail.example.org (unknown [192.0.2.7])\n\tby mx.example.com (Postfix) with ESMTP id 4ABC\n\
             \tfor <a@example.com>; Wed, 25 Nov 2026 21:32:41 +0000 (UTC)\n"
        );
    }

    #[test]
    fn a_client_cannot_write_a_field_of_its_own() {
        let client = Client { ip: "2001:db8::1".parse().ok(), helo: "a\r\nX: y".into(), login: "me".into(), ..Client::default() };
        let field = received(&client, &Envelope::default(), 0, true);
        assert!(field.starts_with("Received: from a (unknown [IPv6:2001:db8::1])\r\n\t(Authenticated sender: me)\r\n\tby localhost"));
        assert!(field.ends_with("with ESMTPA; Thu, 1 Jan 1970 00:00:00 +0000 (UTC)\r\n"));
    }

    #[test]
    fn days_become_dates() {
        for (days, expected) in [(0, (1970, 0, 1)), (59, (1970, 2, 1)), (11_016, (2000, 1, 29)), (20_782, (2026, 10, 25))] {
            assert_eq!(civil(days), expected, "{days}");
        }
    }
}
