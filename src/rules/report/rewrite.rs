//! The whole message as delivered: with fields added, or as an attachment of the report (`report_safe`).

use super::{Rendering, one_line};
use crate::mail::Mail;
use std::collections::HashSet;

/// The message as `spamassassin` prints it.
pub fn message(rendering: &Rendering<'_, '_>) -> Vec<u8> {
    let mail = rendering.reading.mail;
    let spam = rendering.findings.is_spam();
    let safe = rendering.options().output.report_safe;
    let mut out = separator(mail).to_vec();
    if spam && safe > 0 {
        out.extend(wrapped(rendering, safe))
    } else {
        out.extend(marked(rendering))
    }
    out
}

/// An mbox separator line before the fields.
fn separator(mail: &Mail) -> &[u8] {
    mail.as_seen().get(..mail.section().start).unwrap_or_default()
}

/// Line ends as the message has them.
fn line_ends(mail: &Mail, text: Vec<u8>) -> Vec<u8> {
    if !mail.section().crlf {
        return text;
    }
    let mut out = Vec::with_capacity(text.len() + text.len() / 32);
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(rest) => {
                out.extend_from_slice(rest.strip_suffix(b"\r").unwrap_or(rest));
                out.extend_from_slice(b"\r\n");
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

fn added(rendering: &Rendering<'_, '_>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in rendering.fields() {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(&value);
        out.push(b'\n');
    }
    out
}

/// A header section as lines, each with its line end.
fn lines(header: &[u8]) -> Vec<Vec<u8>> {
    header.split_inclusive(|octet| *octet == b'\n').map(<[u8]>::to_vec).collect()
}

fn begins(line: &[u8], prefix: &str) -> bool {
    line.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

fn is_fold(line: &[u8]) -> bool {
    line.first().is_some_and(|octet| *octet == b' ' || *octet == b'\t')
}

/// Fields of earlier filters go, the copies of what they rewrote stay.
fn without_earlier(header: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut dropping = false;
    let mut kept = Vec::with_capacity(header.len());
    for line in header {
        let earlier = begins(&line, "X-Spam-") && !begins(&line, "X-Spam-Prev-");
        dropping = earlier || dropping && is_fold(&line);
        if !dropping {
            kept.push(line);
        }
    }
    kept
}

/// Fields added and rewritten, the body as it was.
fn marked(rendering: &Rendering<'_, '_>) -> Vec<u8> {
    let mail = rendering.reading.mail;
    let pristine = mail.pristine_header();
    let mut header = without_earlier(lines(&pristine));
    let empty_line = match header.last() {
        Some(last) if last.iter().all(u8::is_ascii_whitespace) => header.pop().unwrap_or_default(),
        Some(_) | None => Vec::new(),
    };
    rewrite(rendering, &mut header);
    let mut out = Vec::new();
    // A Return-Path stays on top.
    if header.first().is_some_and(|line| begins(line, "Return-Path:")) {
        let folds = header.iter().skip(1).take_while(|line| is_fold(line)).count();
        header.drain(..1 + folds).for_each(|line| out.extend(line));
    }
    out.extend(added(rendering));
    out.extend(header.concat());
    out.extend(empty_line);
    let mut out = line_ends(mail, out);
    out.extend_from_slice(mail.body());
    out
}

/// `rewrite_header`, with what stood there before kept in `X-Spam-Prev-…`.
fn rewrite(rendering: &Rendering<'_, '_>, header: &mut Vec<Vec<u8>>) {
    let spam = rendering.findings.is_spam();
    let templates = &rendering.options().output.rewrite;
    if templates.is_empty() {
        return;
    }
    let created = !has_subject(header) && templates.contains_key("Subject");
    if created {
        header.push(b"Subject: \n".to_vec());
    }
    let prefix = templates.get("Subject").and_then(|_| rendering.subject_prefix()).map(|prefix| {
        let line = one_line(rendering.expand(&prefix));
        let end = line.iter().rposition(|octet| !octet.is_ascii_whitespace()).map_or(0, |at| at + 1);
        line.get(..end).unwrap_or_default().to_vec()
    });
    let mut copies: Vec<Vec<u8>> = Vec::new();
    for line in header.iter_mut() {
        let Some(field) = ["From", "Subject", "To"].into_iter().find(|field| begins(line, &format!("{field}:"))) else { continue };
        let Some(template) = templates.get(field).filter(|_| spam || field == "Subject") else { continue };
        if spam {
            let copy = if created { b"X-Spam-Prev-Subject: (nonexistent)\n".to_vec() } else { [b"X-Spam-Prev-", &line[..]].concat() };
            copies.push(copy);
        }
        if let Some(prefix) = &prefix {
            put_tag(line, prefix);
        }
        if spam {
            let tag = one_line(rendering.expand(template));
            put_tag(line, &if field == "Subject" { tag } else { [b"(", &tag[..], b")"].concat() });
        }
    }
    header.extend(copies);
}

fn has_subject(header: &[Vec<u8>]) -> bool {
    header.iter().any(|line| {
        let colon = line.iter().position(|octet| *octet == b':').unwrap_or(0);
        line.get(..colon).is_some_and(|name| name.trim_ascii_end().eq_ignore_ascii_case(b"Subject"))
    })
}

/// `Name: tag rest`; a tag that is there already is not put twice.
fn put_tag(line: &mut Vec<u8>, tag: &[u8]) {
    let Some(colon) = line.iter().position(|octet| *octet == b':') else { return };
    let value = line.get(colon + 1..).unwrap_or_default();
    let blanks = value.iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
    let rest = value.get(blanks..).unwrap_or_default();
    let there = rest.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag)) && rest.get(tag.len()) == Some(&b' ');
    let rest = if there { rest.get(tag.len() + 1..).unwrap_or_default() } else { rest };
    *line = [line.get(..=colon).unwrap_or_default(), b" ", tag, b" ", rest].concat();
}

/// All values of a field as they stand after the colon and its blanks, with their line end; the decoded one where the field
/// cannot be found so.
fn pristine_values(mail: &Mail, name: &str) -> Vec<Vec<u8>> {
    let header = mail.pristine_header();
    let section = crate::mail::fields::split(&header);
    let named = section.fields.iter().filter(|field| field.name(&header).eq_ignore_ascii_case(name.as_bytes()));
    named
        .map(|field| {
            let value = field.value(&header);
            let blanks = value.iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
            value.get(blanks..).unwrap_or_default().to_vec()
        })
        .collect()
}

/// The report, with the message as an attachment (1: message/rfc822, 2: text/plain).
fn wrapped(rendering: &Rendering<'_, '_>, safe: u8) -> Vec<u8> {
    let mail = rendering.reading.mail;
    let mut head = received(rendering).into_bytes();
    head.extend(copied(rendering, true));
    head.extend(envelope_fields(rendering));
    head.extend(added(rendering));
    head.extend(copied(rendering, false));

    let boundary = boundary(rendering);
    let charset = rendering.options().text("report_charset", "UTF-8");
    let kind = if safe > 1 { "text/plain" } else { "message/rfc822" };
    let mut report = report(rendering);
    let content_type = mail.parts().first().and_then(|part| part.value("Content-Type")).unwrap_or_default();
    let plain = content_type.trim_ascii().is_empty() || contains_ignoring_case(&content_type, b"text/plain");
    if !plain {
        report.extend(rendering.expand(&rendering.options().output.unsafe_report));
    }
    head.extend_from_slice(
        format!(
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\n\n\
             This is a multi-part message in MIME format.\n\n--{boundary}\n\
             Content-Type: text/plain; charset={charset}\nContent-Disposition: inline\nContent-Transfer-Encoding: 8bit\n\n"
        )
        .as_bytes(),
    );
    head.extend(report);
    head.extend_from_slice(
        format!(
            "\n\n--{boundary}\nContent-Type: {kind}; x-spam-type=original\n\
             Content-Description: original message before SpamAssassin\n\
             Content-Disposition: {}\nContent-Transfer-Encoding: 8bit\n\n",
            if plain { "inline" } else { "attachment" }
        )
        .as_bytes(),
    );
    let mut out = line_ends(mail, head);
    out.extend_from_slice(&mail.pristine());
    out.extend(line_ends(mail, format!("\n--{boundary}--\n\n").into_bytes()));
    out
}

fn contains_ignoring_case(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted))
}

fn received(rendering: &Rendering<'_, '_>) -> String {
    format!(
        "Received: from localhost by {}\n\twith SpamAssassin (version {});\n\t{}\n",
        rendering.occasion.host,
        rendering.version(),
        rendering.occasion.date
    )
}

/// From, To, Cc, Subject, Date and Message-Id of the message, rewritten where asked.
fn envelope_fields(rendering: &Rendering<'_, '_>) -> Vec<u8> {
    let mail = rendering.reading.mail;
    let rewrite = &rendering.options().output.rewrite;
    let mut out = Vec::new();
    for name in ["From", "To", "Cc", "Subject", "Date", "Message-Id"] {
        let mut value = pristine_values(mail, name).pop();
        if let Some(template) = rewrite.get(name) {
            let mut text = value.unwrap_or_else(|| b"\n".to_vec());
            let expanded = rendering.expand(template);
            match name {
                "Subject" => {
                    if let Some(prefix) = rendering.subject_prefix() {
                        text = [one_line(rendering.expand(&prefix)), text].concat();
                    }
                    let tag = [one_line(expanded), b" ".to_vec()].concat();
                    text = [&tag, text.strip_prefix(&tag[..]).unwrap_or(&text)].concat();
                }
                "From" => text = commented(&text, &expanded.into_iter().filter(|octet| *octet != b'\n').collect::<Vec<u8>>()),
                _ => text = commented(&text, &one_line(expanded)),
            }
            value = Some(text);
        }
        if let Some(value) = value {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend(value);
        }
    }
    out
}

/// `value<TAB>(tag)`, once.
fn commented(value: &[u8], tag: &[u8]) -> Vec<u8> {
    let (text, end) = match value.strip_suffix(b"\n") {
        Some(text) => (text, &b"\n"[..]),
        None => (value, &b""[..]),
    };
    let comment = [b"\t(", tag, b")"].concat();
    [text.strip_suffix(&comment[..]).unwrap_or(text), &comment, end].concat()
}

/// `report_safe_copy_headers`: Received goes on top, others below.
fn copied(rendering: &Rendering<'_, '_>, received: bool) -> Vec<u8> {
    let mut seen: HashSet<String> = ["from", "to", "cc", "subject", "date", "message-id"].map(str::to_owned).into();
    let mut out = Vec::new();
    for name in rendering.options().word_list("report_safe_copy_headers") {
        if !seen.insert(name.to_lowercase()) || name.eq_ignore_ascii_case("received") != received {
            continue;
        }
        for value in pristine_values(rendering.reading.mail, name) {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend(value);
        }
    }
    out
}

/// The report of the body, ending in one empty line.
fn report(rendering: &Rendering<'_, '_>) -> Vec<u8> {
    let template = match rendering.options().output.report.as_str() {
        "" => "(no report template found)",
        text => text,
    };
    let mut report = rendering.expand(template);
    while report.last() == Some(&b'\n') {
        report.pop();
    }
    report.extend_from_slice(b"\n\n");
    report
}

/// A boundary that no line of the message is.
fn boundary(rendering: &Rendering<'_, '_>) -> String {
    let mut boundary = format!("----------=_{:08X}.{:08X}", rendering.occasion.now, rendering.occasion.unique);
    let text = rendering.reading.mail.pristine();
    let mut number = rendering.occasion.unique;
    while text.split(|octet| *octet == b'\n').any(|line| {
        let line = line.strip_suffix(b"--").unwrap_or(line);
        line == boundary.as_bytes()
    }) {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        boundary = format!("{boundary}/{number:08X}");
    }
    boundary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_put_once() {
        let mut line = b"Subject:  hello\n".to_vec();
        put_tag(&mut line, b"[SPAM]");
        assert_eq!(line, b"Subject: [SPAM] hello\n");
        put_tag(&mut line, b"[SPAM]");
        assert_eq!(line, b"Subject: [SPAM] hello\n");
        assert_eq!(commented(b"a@example.org\n", b"x"), b"a@example.org\t(x)\n");
        assert_eq!(commented(b"a@example.org\t(x)\n", b"x"), b"a@example.org\t(x)\n");
    }

    #[test]
    fn fields_of_earlier_filters_go() {
        let header = lines(b"X-Spam-Flag: YES\nA: 1\nX-Spam-Status: Yes,\n\tscore=1\nX-Spam-Prev-Subject: x\nB: 2\n");
        assert_eq!(without_earlier(header).concat(), b"A: 1\nX-Spam-Prev-Subject: x\nB: 2\n");
    }
}
