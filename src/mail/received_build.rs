//! The Received field that our own mail server has not written yet, in Postfix's form.
//!
//! A milter is asked before the server puts its field on top; rules need it, since it alone tells who handed the mail over.

use super::{Client, Envelope};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Which optional lines the mail server writes. Postfix's defaults are neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// `smtpd_tls_received_header = yes`.
    pub tls: bool,
    /// `smtpd_sasl_authenticated_header = yes`.
    pub login: bool,
}

/// The field with its name, folded, with CRLF line ends. `at`: when the mail arrived; written in UTC.
pub fn field(client: &Client, envelope: &Envelope, style: Style, at: SystemTime) -> Vec<u8> {
    let mut lines: Vec<String> = Vec::new();
    let server = plain(&envelope.server);
    let protocol = protocol(client, envelope);
    match client.ip {
        Some(ip) => {
            let name = if client.name.is_empty() { "unknown".to_string() } else { plain(&client.name) };
            let helo = if client.helo.is_empty() { name.clone() } else { plain(&client.helo) };
            let address = match ip {
                IpAddr::V4(v4) => v4.to_string(),
                IpAddr::V6(v6) => format!("IPv6:{v6}"),
            };
            lines.push(format!("Received: from {helo} ({name} [{address}])"));
            if style.tls && !client.tls_version.is_empty() {
                lines.extend(tls_lines(client, envelope));
            }
            if style.login && !client.login.is_empty() {
                lines.push(format!("(Authenticated sender: {})", plain(&client.login)));
            }
            lines.push(format!("by {server} (Postfix) with {protocol} id {}", plain(&envelope.queue_id)));
        }
        // Submitted on this host: Postfix's pickup names no client.
        None => {
            lines.push(format!("Received: by {server} (Postfix)"));
            lines.push(format!("id {}", plain(&envelope.queue_id)));
        }
    }
    let date = date(at);
    match envelope.recipients.as_slice() {
        [one] if client.ip.is_some() => lines.push(format!("for <{}>; {date}", plain(one))),
        _ => {
            if let Some(last) = lines.last_mut() {
                last.push(';');
            }
            lines.push(date);
        }
    }
    let mut text = lines.join("\r\n\t");
    text.push_str("\r\n");
    text.into_bytes()
}

/// RFC 3848: S for TLS, A for a login. Only Sendmail tells the protocol (macro `r`); others greet with EHLO.
fn protocol(client: &Client, envelope: &Envelope) -> String {
    let told = envelope.macros.get("r").map(|r| r.to_ascii_uppercase());
    let base = if told.as_deref() == Some("SMTP") { "SMTP" } else { "ESMTP" };
    let tls = if client.tls_version.is_empty() { "" } else { "S" };
    let login = if client.login.is_empty() { "" } else { "A" };
    format!("{base}{tls}{login}")
}

fn tls_lines(client: &Client, envelope: &Envelope) -> Vec<String> {
    let cipher = |name: &str| envelope.macros.get(name).map(|value| plain(value)).filter(|value| !value.is_empty());
    let mut using = format!("(using {}", plain(&client.tls_version));
    if let Some(name) = cipher("cipher") {
        let _ = write!(using, " with cipher {name}");
    }
    if let Some(bits) = cipher("cipher_bits") {
        let _ = write!(using, " ({bits}/{bits} bits)");
    }
    using.push(')');
    let certificate = match cipher("cert_subject") {
        Some(_) => "(Client certificate presented)",
        None => "(No client certificate requested)",
    };
    vec![using, certificate.to_string()]
}

/// What a client says may not end the line or open one of its own.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || c.is_whitespace() { '?' } else { c }).collect()
}

/// `Tue,  3 Mar 2026 10:00:05 +0000 (UTC)`.
pub fn date(at: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{}, {day:2} {} {year} {:02}:{:02}:{:02} +0000 (UTC)",
        DAYS[(days % 7) as usize],
        MONTHS[(month - 1) as usize],
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Days since 1970-01-01 to year, month and day of the Gregorian calendar; years are counted from March, so that the leap
/// day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / ERA, shifted % ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Arrival, HeaderQuery, Mail, Reading, ViewOptions};

    fn live() -> (Client, Envelope) {
        let client = Client { ip: "192.0.2.7".parse().ok(), name: "a.example".into(), helo: "helo.example".into(), ..Client::default() };
        let envelope = Envelope {
            mail_from: "me@a.example".into(),
            recipients: vec!["you@b.example".into()],
            queue_id: "4XyZ".into(),
            server: "mx.b.example".into(),
            ..Envelope::default()
        };
        (client, envelope)
    }

    fn at() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_772_532_005)
    }

    #[test]
    fn the_field_looks_like_postfixs() {
        let (client, envelope) = live();
        let text = String::from_utf8(field(&client, &envelope, Style::default(), at())).unwrap();
        assert_eq!(
            text,
            "Received: from helo.example (a.example [192.0.2.7])\r\n\tby mx.b.example (Postfix) with ESMTP id 4XyZ\r\n\t\
             for <you@b.example>; Tue,  3 Mar 2026 10:00:05 +0000 (UTC)\r\n"
        );
    }

    #[test]
    fn a_login_over_tls_is_told() {
        let (mut client, mut envelope) = live();
        (client.login, client.tls_version, client.ip) = ("me".into(), "TLSv1.3".into(), "2001:db8::1".parse().ok());
        envelope.recipients.push("third@b.example".into());
        envelope.macros.insert("cipher".into(), "TLS_AES_256_GCM_SHA384".into());
        envelope.macros.insert("cipher_bits".into(), "256".into());
        let text = String::from_utf8(field(&client, &envelope, Style { tls: true, login: true }, at())).unwrap();
        assert_eq!(
            text,
            "Received: from helo.example (a.example [IPv6:2001:db8::1])\r\n\t\
             (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n\t(No client certificate requested)\r\n\t\
             (Authenticated sender: me)\r\n\tby mx.b.example (Postfix) with ESMTPSA id 4XyZ;\r\n\t\
             Tue,  3 Mar 2026 10:00:05 +0000 (UTC)\r\n"
        );
    }

    #[test]
    fn rules_see_the_live_client_and_sender() {
        let (mut client, envelope) = live();
        client.helo = "x\r\nSubject: forged".into();
        let received = field(&client, &envelope, Style::default(), at());
        let mail = Mail::arriving(b"Subject: true\n\nbody\n", &received);
        let arrival = Arrival::Live(Box::new((client, envelope)));
        let options = ViewOptions::default();
        let reading = Reading::new(&mail, &arrival, &options);
        let get = |query: &str| reading.header(&HeaderQuery::parse(query).unwrap()).map(|v| String::from_utf8_lossy(&v).into_owned());
        assert_eq!(get("EnvelopeFrom").as_deref(), Some("me@a.example"));
        assert_eq!(get("Subject").as_deref(), Some("true\n"));
        let relay = &reading.relays().all[reading.relays().untrusted[0]];
        assert_eq!((relay.ip_text.as_str(), relay.rdns.as_str(), relay.by.as_str()), ("192.0.2.7", "a.example", "mx.b.example"));
        assert_eq!(mail.as_sent(), b"Subject: true\n\nbody\n");
    }

    #[test]
    fn dates_run_through_leap_years() {
        for (seconds, text) in [
            (0, "Thu,  1 Jan 1970 00:00:00 +0000 (UTC)"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 +0000 (UTC)"),
            (951_868_799, "Tue, 29 Feb 2000 23:59:59 +0000 (UTC)"),
            (4_107_542_400, "Mon,  1 Mar 2100 00:00:00 +0000 (UTC)"),
        ] {
            assert_eq!(date(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
