//! `bayes evaluate`: protocols, views and measures, so that "better" is a figure.

pub mod content;
pub mod digest;
pub mod full;
pub mod measures;
pub mod model;
pub mod protocol;
pub mod run;

use mail_parser::parsers::MessageStream;
use mail_parser::{DateTime, HeaderValue};

/// When a message arrived: after the last `;` of the top Received field, else its Date; seconds since 1970, 0 where unknown.
pub fn arrival_of(raw: &[u8]) -> i64 {
    let text = full::plain(raw);
    let head = memchr::memmem::find(&text, b"\n\n").map_or(&text[..], |at| &text[..at]);
    let fields = full::fields(head);
    for name in ["received:", "date:"] {
        for field in &fields {
            let Some(value) = field.get(..name.len()).filter(|n| n.eq_ignore_ascii_case(name.as_bytes())).map(|_| &field[name.len()..])
            else {
                continue;
            };
            let date =
                if name == "received:" { value.rsplit(|o| *o == b';').next().filter(|d| d.len() < value.len()) } else { Some(value) };
            let seconds = date.and_then(date_of).filter(|seconds| (800_000_000..1_900_000_000).contains(seconds));
            if let Some(seconds) = seconds {
                return seconds;
            }
        }
    }
    0
}

fn date_of(text: &[u8]) -> Option<i64> {
    // The parser reads to the end of a line; comments are bounded before it sees them.
    let mut line: Vec<u8> = text.iter().map(|o| if o.is_ascii_whitespace() { b' ' } else { *o }).take(200).collect();
    line.push(b'\n');
    match MessageStream::new(&line).parse_date() {
        HeaderValue::DateTime(date) => Some(date.to_timestamp()),
        _ => None,
    }
}

/// Midnight UTC of `2024-09-01`.
pub fn day(text: &str) -> Option<i64> {
    let mut numbers = text.splitn(3, '-').map(str::parse::<u16>);
    let (year, month, day) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    let date = DateTime {
        year,
        month: u8::try_from(month).ok()?,
        day: u8::try_from(day).ok()?,
        hour: 0,
        minute: 0,
        second: 0,
        tz_before_gmt: false,
        tz_hour: 0,
        tz_minute: 0,
    };
    date.is_valid().then(|| date.to_timestamp())
}

/// The bare Subject: threads and campaigns stay together. `None`: nothing is left of it.
pub fn subject_group(raw: &[u8]) -> Option<String> {
    use crate::mail::{Arrival, HeaderQuery, Mail, Reading, ViewOptions};
    let mail = Mail::parse(full::full(raw));
    let (arrival, options) = (Arrival::FromFields, ViewOptions::default());
    let query = HeaderQuery::parse("Subject:first").ok()?;
    let subject =
        Reading::new(&mail, &arrival, &options).header(&query).map(|s| String::from_utf8_lossy(&s).into_owned()).unwrap_or_default();
    let tags = regex::Regex::new(r"(?i)\[[^\]]*\]|\b(?:re|fwd?|aw)\b\s*:").ok()?;
    let bare: String = tags.replace_all(&subject, "").chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
    (!bare.is_empty()).then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_received_field_tells_when() {
        let raw = b"Received: from a\n\tby b; Tue, 3 Mar 2026 10:00:05 +0000 (UTC)\nDate: Mon, 1 Jan 2001 00:00:00 +0000\n\nx";
        assert_eq!(arrival_of(raw), 1_772_532_005);
        assert_eq!(arrival_of(b"Date: Mon, 1 Jan 2001 00:00:00 +0000\n\n"), 978_307_200);
        assert_eq!(arrival_of(b"\n"), 0);
        assert_eq!(day("2024-09-01"), Some(1_725_148_800));
    }

    #[test]
    fn replies_share_their_group() {
        assert_eq!(subject_group(b"Subject: Re: [list] Hello 42\n\n"), Some("hello".into()));
        assert_eq!(subject_group(b"Subject: \n\n"), None);
    }
}
