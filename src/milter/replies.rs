//! Verdicts as packets: edits first, the answer last, all for one write, strictly formed whatever the mail said.

use super::negotiate::Agreement;
use super::packets::pack;
use crate::outcome::{Action, Edit, Reply, Verdict};
use indymilter::message::Message;
use indymilter::message::reply::ReplyKind;
use indymilter::{Actions, ProtoOpts};

/// Characters of an SMTP reply's text. RFC 5321 §4.5.3.1.5: 512 octets for the line.
const REPLY_TEXT: usize = 400;

/// The packets of a verdict, and what of it the mail server does not let us do.
pub fn verdict(verdict: &Verdict, agreement: &Agreement) -> (Vec<u8>, Vec<&'static str>) {
    let mut out = Vec::new();
    let mut undone = Vec::new();
    match &verdict.action {
        Action::Accept | Action::Quarantine(_) => {
            edits(&mut out, &verdict.edits, agreement, &mut undone);
            if let Action::Quarantine(reason) = &verdict.action {
                if agreement.actions.contains(Actions::QUARANTINE) {
                    let reason = printable(reason, REPLY_TEXT);
                    let reason = if reason.is_empty() { "held".to_owned() } else { reason };
                    put(&mut out, ReplyKind::Quarantine, &[reason.as_bytes(), b"\0"]);
                } else {
                    undone.push("quarantine");
                }
            }
            put(&mut out, ReplyKind::Continue, &[]);
        }
        Action::Discard => put(&mut out, ReplyKind::Discard, &[]),
        Action::TempFail(reply) => answer(&mut out, reply, 4),
        Action::Reject(reply) => answer(&mut out, reply, 5),
    }
    (out, undone)
}

fn edits(out: &mut Vec<u8>, edits: &[Edit], agreement: &Agreement, undone: &mut Vec<&'static str>) {
    let space: &[u8] = if agreement.options.contains(ProtoOpts::LEADING_SPACE) { b" " } else { b"" };
    for edit in edits {
        let (needs, name) = match edit {
            Edit::Prepend { name, .. } | Edit::Append { name, .. } => (Actions::ADD_HEADER, name),
            Edit::Replace { name, .. } | Edit::Remove { name, .. } => (Actions::CHANGE_HEADER, name),
        };
        if !agreement.actions.contains(needs) || !is_field_name(name) {
            undone.push("header edit");
            continue;
        }
        let name = name.as_bytes();
        match edit {
            Edit::Prepend { value, .. } => {
                put(out, ReplyKind::InsertHeader, &[&0u32.to_be_bytes(), name, b"\0", space, &field_value(value), b"\0"]);
            }
            Edit::Append { value, .. } => put(out, ReplyKind::AddHeader, &[name, b"\0", space, &field_value(value), b"\0"]),
            Edit::Replace { occurrence, value, .. } => {
                put(out, ReplyKind::ChangeHeader, &[&occurrence.to_be_bytes(), name, b"\0", space, &field_value(value), b"\0"]);
            }
            Edit::Remove { occurrence, .. } => put(out, ReplyKind::ChangeHeader, &[&occurrence.to_be_bytes(), name, b"\0\0"]),
        }
    }
    undone.dedup();
}

/// One answer of a stage before the message.
pub fn answer(out: &mut Vec<u8>, reply: &Reply, class: u16) {
    let text = line(reply, class);
    put(out, ReplyKind::ReplyCode, &[text.as_bytes(), b"\0"]);
}

/// `550 5.7.1 text`, whatever was asked for: the mail server must be able to send it as it stands. libmilter's
/// smfi_setreply wants `%` doubled; Postfix and Sendmail take it back.
fn line(reply: &Reply, class: u16) -> String {
    let code = if reply.code / 100 == class && reply.code < 600 { reply.code } else { class * 100 + 50 };
    let mut parts = reply.status.split('.');
    let right = parts.next().and_then(|c| c.parse().ok()) == Some(class)
        && (0..2).all(|_| parts.next().is_some_and(|part| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())))
        && parts.next().is_none();
    let status = if right { reply.status.clone() } else { format!("{class}.7.1") };
    let text = printable(&reply.text, REPLY_TEXT).replace('%', "%%");
    format!("{code} {status} {}", if text.is_empty() { "not accepted" } else { &text })
}

pub fn simple(out: &mut Vec<u8>, kind: ReplyKind) {
    put(out, kind, &[]);
}

fn put(out: &mut Vec<u8>, kind: ReplyKind, parts: &[&[u8]]) {
    pack(out, &Message::new(kind, parts.concat()));
}

/// One line of printable ASCII.
pub fn printable(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

/// RFC 5322 §3.6.8: printable ASCII without colon.
fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && name.bytes().all(|b| b.is_ascii_graphic() && b != b':')
}

/// A value can neither end its field nor carry what no field may: a line end is followed by a space, control characters are
/// gone. Folds go over the wire as bare LF, as Postfix and Sendmail want them.
fn field_value(value: &[u8]) -> Vec<u8> {
    let mut safe = Vec::with_capacity(value.len());
    let mut octets = value.iter().copied().filter(|b| *b != b'\r').peekable();
    while let Some(octet) = octets.next() {
        match octet {
            b'\n' => match octets.peek() {
                Some(b' ' | b'\t') => safe.push(b'\n'),
                Some(_) => safe.extend_from_slice(b"\n "),
                None => {}
            },
            b'\t' | b' '..=b'~' | 0x80.. => safe.push(octet),
            0..=8 | 11..=31 | 127 => safe.push(b' '),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::milter::packets::Splitter;

    fn agreement() -> Agreement {
        Agreement { version: 6, actions: Actions::all(), options: ProtoOpts::all() }
    }

    fn packets(bytes: &[u8]) -> Vec<(char, Vec<u8>)> {
        let mut splitter = Splitter::default();
        splitter.room().extend_from_slice(bytes);
        std::iter::from_fn(|| splitter.take().unwrap()).map(|m| (char::from(m.kind), m.buffer.to_vec())).collect()
    }

    fn accept(edits: Vec<Edit>) -> Verdict {
        Verdict { action: Action::Accept, spam: true, edits }
    }

    #[test]
    fn edits_stand_before_the_answer() {
        let edits = vec![
            Edit::Remove { name: "X-Spam-Flag".into(), occurrence: 2 },
            Edit::Replace { name: "Subject".into(), occurrence: 1, value: b"[SPAM] x".to_vec() },
            Edit::Prepend { name: "X-Spam-Flag".into(), value: b"YES".to_vec() },
        ];
        assert_eq!(
            packets(&verdict(&accept(edits), &agreement()).0),
            vec![
                ('m', b"\0\0\0\x02X-Spam-Flag\0\0".to_vec()),
                ('m', b"\0\0\0\x01Subject\0 [SPAM] x\0".to_vec()),
                ('i', b"\0\0\0\0X-Spam-Flag\0 YES\0".to_vec()),
                ('c', vec![]),
            ]
        );
    }

    #[test]
    fn a_value_cannot_break_out_of_its_field() {
        let value = b"a\r\nBcc: x\0y\x07\n\n\tz\n".to_vec();
        let bytes = verdict(&accept(vec![Edit::Append { name: "X".into(), value }]), &agreement()).0;
        assert_eq!(packets(&bytes)[0].1, b"X\0 a\n Bcc: x y \n \n\tz\0");
        let forged = Edit::Append { name: "X: y\nZ".into(), value: vec![] };
        assert_eq!(verdict(&accept(vec![forged]), &agreement()).1, vec!["header edit"]);
    }

    #[test]
    fn a_reply_is_one_line_of_its_class() {
        let reply = |code, status: &str, text: &str| Reply { code, status: status.into(), text: text.into() };
        assert_eq!(line(&reply(550, "5.7.1", "no 100% spam\r\n250 ok"), 5), "550 5.7.1 no 100%% spam??250 ok");
        assert_eq!(line(&reply(250, "2.0.0", ""), 4), "450 4.7.1 not accepted");
        assert_eq!(line(&reply(451, "4.7.x", "later"), 4), "451 4.7.1 later");
    }

    #[test]
    fn what_the_mail_server_does_not_offer_is_told() {
        let poor = Agreement { version: 2, actions: Actions::ADD_HEADER, options: ProtoOpts::empty() };
        let edits = vec![Edit::Remove { name: "X".into(), occurrence: 1 }, Edit::Append { name: "X".into(), value: b"v".to_vec() }];
        let held = Verdict { action: Action::Quarantine("why".into()), spam: true, edits };
        let (bytes, undone) = verdict(&held, &poor);
        assert_eq!(packets(&bytes), vec![('h', b"X\0v\0".to_vec()), ('c', vec![])]);
        assert_eq!(undone, vec!["header edit", "quarantine"]);
    }
}
