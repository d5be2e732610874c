//! The content view: a message built anew from what its sender wrote, so that age and collection show less.

use super::full::{plain, without_owners, without_tag};
use crate::mail::{Arrival, HeaderQuery, Mail, Reading, ViewOptions, charset};
use regex::Regex;
use std::fmt::Write;
use std::sync::LazyLock;

struct Patterns {
    list_tag: Regex,
    via: Regex,
    year: Regex,
    pot: Regex,
    sponsor: Regex,
    meta_charset: Regex,
    footer_end: Regex,
}

static PATTERNS: LazyLock<Option<Patterns>> = LazyLock::new(|| {
    Some(Patterns {
        list_tag: Regex::new(r"\[[\w .+-]{2,24}\]\s*").ok()?,
        via: Regex::new(r"\s+via\s+[\w.-]+$").ok()?,
        year: Regex::new(r"\b(?:19[89]\d|20[0-3]\d)\b").ok()?,
        pot: Regex::new(r"(?i)phishing[ _-]?pot|phishing@pot").ok()?,
        sponsor: Regex::new(r"(?s)-{10,} ?Yahoo! Groups Sponsor.*").ok()?,
        meta_charset: Regex::new(r#"(?i)(<meta[^>]*charset=)["']?[\w-]+"#).ok()?,
        footer_end: Regex::new(r"(?m)\n(?:--[^\n]{5,80}--?\s*$|\n)").ok()?,
    })
});

/// The view of one message.
pub fn content(raw: &[u8]) -> Vec<u8> {
    let mail = Mail::parse(plain(raw));
    let (arrival, options) = (Arrival::FromFields, ViewOptions::default());
    let reading = Reading::new(&mail, &arrival, &options);
    let mut view = String::new();
    for name in ["From", "Reply-To"] {
        sender(&reading, name, &mut view);
    }
    let subject = first(&reading, "Subject").unwrap_or_default();
    let subject = String::from_utf8_lossy(&without_tag(without_list_tags(&subject).as_bytes())).into_owned();
    let _ = writeln!(view, "To: rcpt@mx.test\nSubject: {}", clean(subject.trim()));
    view.push_str("Date: Mon, 01 Jan 2024 00:00:00 +0000\nMessage-ID: <id@mx.test>\nMIME-Version: 1.0\n");
    let parts = parts(&mail);
    let mut view = view.into_bytes();
    match parts.as_slice() {
        [] => view.extend_from_slice(b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"),
        [one] => one.write(&mut view),
        several => {
            let top = mail.parts().first().map(|p| p.content_type.as_str()).unwrap_or_default();
            let kind = top
                .strip_prefix("multipart/")
                .filter(|k| ["alternative", "mixed", "related", "report", "signed"].contains(k))
                .unwrap_or("mixed");
            view.extend_from_slice(format!("Content-Type: multipart/{kind}; boundary=\"bound\"\n\n").as_bytes());
            for part in several {
                view.extend_from_slice(b"--bound\n");
                part.write(&mut view);
                view.push(b'\n');
            }
            view.extend_from_slice(b"--bound--\n");
        }
    }
    view
}

struct Piece {
    content_type: String,
    encoding: &'static str,
    octets: Vec<u8>,
}

impl Piece {
    fn write(&self, view: &mut Vec<u8>) {
        view.extend_from_slice(format!("Content-Type: {}\nContent-Transfer-Encoding: {}\n\n", self.content_type, self.encoding).as_bytes());
        view.extend_from_slice(&self.octets);
    }
}

fn parts(mail: &Mail) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (_, part) in mail.leaves() {
        if part.content_type.starts_with("multipart/") {
            continue;
        }
        let octets = part.decoded();
        let is_text = part.content_type.starts_with("text/") && (part.name.is_empty() || part.content_type == "text/html");
        if is_text {
            let declared = if part.charset.is_empty() { "utf-8" } else { &part.charset };
            let text = charset::normalize(octets, declared, false).into_owned();
            let text = PATTERNS.as_ref().map_or_else(|| text.clone(), |p| p.sponsor.replace(&without_footer(&text), "").into_owned());
            let text = clean(&text);
            let text = PATTERNS.as_ref().map_or_else(|| text.clone(), |p| p.meta_charset.replace_all(&text, "${1}utf-8").into_owned());
            pieces.push(Piece {
                content_type: format!("{}; charset=utf-8", part.content_type),
                encoding: "8bit",
                octets: text.into_bytes(),
            });
        } else {
            let extension: String =
                part.name.rsplit_once('.').map(|(_, e)| e.chars().filter(|c| c.is_alphanumeric()).take(8).collect()).unwrap_or_default();
            let name = if extension.is_empty() { String::new() } else { format!("; name=\"file.{extension}\"") };
            let kept = &octets[..octets.len().min(2048)];
            pieces.push(Piece { content_type: format!("{}{name}", part.content_type), encoding: "binary", octets: kept.to_vec() });
        }
    }
    pieces
}

fn first(reading: &Reading<'_>, name: &str) -> Option<String> {
    let query = HeaderQuery::parse(name).ok()?;
    let values = reading.header_values(&query);
    values.first().map(|value| String::from_utf8_lossy(value).trim().to_owned())
}

/// The display name and `user@` at the domain.
fn sender(reading: &Reading<'_>, name: &str, view: &mut String) {
    let Some(whole) = first(reading, name) else { return };
    let address = first(reading, &format!("{name}:addr")).unwrap_or_default();
    let mut display = first(reading, &format!("{name}:name")).unwrap_or_default();
    if !address.contains('@') && display.is_empty() {
        display = whole.split('<').next().unwrap_or_default().trim().to_owned();
    }
    if let Some(patterns) = PATTERNS.as_ref() {
        display = patterns.via.replace(&display, "").into_owned();
    }
    let display = clean(&display).replace('"', "");
    let domain = clean(&address.rsplit_once('@').map(|(_, d)| d.to_lowercase()).unwrap_or_default());
    let space = if display.is_empty() { "" } else { " " };
    let shown = if display.is_empty() { String::new() } else { format!("\"{display}\"") };
    let _ = writeln!(view, "{name}: {shown}{space}<user@{domain}>");
}

fn without_list_tags(subject: &str) -> String {
    PATTERNS.as_ref().map_or_else(
        || subject.to_owned(),
        |p| {
            p.list_tag
                .replace_all(subject, |tag: &regex::Captures<'_>| {
                    if tag[0].starts_with("[PATCH") || tag[0].starts_with("[RFC") { tag[0].to_owned() } else { String::new() }
                })
                .into_owned()
        },
    )
}

/// Owners' names, years and schemes made alike.
fn clean(text: &str) -> String {
    let Some(patterns) = PATTERNS.as_ref() else { return text.to_owned() };
    let text = patterns.pot.replace_all(text, "rcpt");
    let text = String::from_utf8_lossy(&without_owners(text.into_owned().into_bytes())).into_owned();
    patterns.year.replace_all(&text, "2010").replace("https://", "http://")
}

/// Mailing list footers: an underscore rule near the end, then lines that name the list.
fn without_footer(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..3 {
        let Some(rule) = text.rfind(&"_".repeat(40)) else { break };
        if text.len() - rule > 1_500 {
            break;
        }
        let tail = text[rule..].to_lowercase();
        if !["mailing list", "lists.", "-leave@"].iter().any(|word| tail.contains(word)) {
            break;
        }
        let start = text[..rule].trim_end_matches('_').len();
        let rest = PATTERNS
            .as_ref()
            .and_then(|p| p.footer_end.find(&text[rule..]))
            .map_or("\n".to_owned(), |end| text[rule + end.start()..].to_owned());
        text.truncate(start);
        text.push_str(&rest);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_is_built_anew() {
        let raw = b"From: \"Anna via list\" <anna@example.com>\nReceived: x\nSubject: [tag] Hi\nContent-Type: text/plain; charset=iso-8859-1\n\nGr\xfc\xdfe 2003 https://x.example/\n";
        let view = String::from_utf8(content(raw)).unwrap();
        assert!(view.starts_with("From: \"Anna\" <user@example.com>\nTo: rcpt@mx.test\nSubject: Hi\nDate:"), "{view}");
        assert!(view.ends_with("8bit\n\nGrüße 2010 http://x.example/\n"), "{view}");
        assert!(!view.contains("Received"));
    }
}
