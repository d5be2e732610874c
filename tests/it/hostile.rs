//! Any octets at all are a message: every view of it answers, and in bounded time.

use hamgate::mail::{Arrival, HeaderQuery, Mail, Reading, ViewOptions};
use std::time::{Duration, Instant};

/// Marsaglia's xorshift: the same mail in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

const PIECES: &[&str] = &[
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    " ",
    "\t",
    "\0",
    "--b",
    "--b--",
    "--b\n",
    "\n--b\n",
    "\n--b--\n",
    ":",
    ";",
    "=",
    "=\n",
    "=?utf-8?Q?",
    "?=",
    "=?utf-16?B?AGE=?=",
    "From ",
    "From: a <b@c.example>\n",
    "To: <<>>(((",
    "Subject: =?x?q?=E9?= =?x?q?=E9?=\n",
    "Content-Type: ",
    "multipart/mixed; boundary=b\n",
    "multipart/digest; boundary=\"b\"\n",
    "message/rfc822\n",
    "text/html; charset=iso-2022-jp\n",
    "text/plain; charset=utf-16\n",
    "charset=gb2312",
    "Content-Transfer-Encoding: base64\n",
    "Content-Transfer-Encoding: quoted-printable\n",
    "Content-Disposition: x; filename*0=a; filename*1=b; name=x.html\n",
    "Received: from a (b [192.0.2.1]) by c with SMTP id 123; x\n",
    "Received: from (HELO ) (x@[::1]) by",
    " by localhost with POP3",
    "<a href=\"",
    "http://",
    "www.example.com/?x=",
    "<style>",
    "</",
    "<!--",
    "\u{e9}",
    "\u{feff}",
    "\u{2028}",
    "<b>",
    "\x1b$B",
    "aGVsbG8=",
    "%41",
    "@",
    "\\",
    "\"",
    "(",
    ")",
    "<",
    ">",
    ",",
    "[127.0.0.1]",
    "DKIM-Signature: d=example.com; ",
    "name*",
    "Return-Path: <>\n",
    "X-Spam-Flag: YES\n",
];

fn message(dice: &mut Dice) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..dice.roll(120) {
        match dice.roll(12) {
            0 => out.push(dice.roll(256) as u8),
            1 => {
                let piece = PIECES[dice.roll(PIECES.len())];
                (0..dice.roll(60)).for_each(|_| out.extend_from_slice(piece.as_bytes()));
            }
            2 => out.extend(std::iter::repeat_n(b'a' + dice.roll(26) as u8, dice.roll(5000))),
            _ => out.extend_from_slice(PIECES[dice.roll(PIECES.len())].as_bytes()),
        }
    }
    out
}

fn ask_everything(raw: Vec<u8>, options: &ViewOptions) {
    const QUERIES: [&str; 22] = [
        "ALL",
        "ALL:raw",
        "ALL-TRUSTED",
        "ALL-TRUSTED:raw",
        "ALL-EXTERNAL",
        "From:addr",
        "From:name",
        "From:raw",
        "From:addr:domain",
        "To:addr:first",
        "ToCc",
        "ToCc:raw",
        "MESSAGEID:host",
        "MESSAGEID:raw",
        "EnvelopeFrom",
        "EnvelopeFrom:addr:host",
        "Subject",
        "Received:ip",
        "Received:revip",
        "X-Spam-Relays-Untrusted",
        "X-AuthorDomain",
        "Subject:last",
    ];
    let mail = Mail::parse(raw);
    let arrival = Arrival::FromFields;
    let reading = Reading::new(&mail, &arrival, options);
    for query in QUERIES {
        let query = HeaderQuery::parse(query).unwrap();
        reading.header(&query);
        for id in 0..mail.parts().len().min(20) {
            reading.part_header(id, &query);
        }
    }
    let pieces = reading.body().len() + reading.rawbody().len() + reading.visible().len() + reading.invisible().len();
    assert!(pieces <= 4 * (reading.full().len() * 8 + 16));
    reading.links();
    reading.uris();
    reading.html();
    mail.defects();
    mail.parts().iter().for_each(|part| {
        part.decoded();
    });
    assert!(mail.parts().iter().enumerate().all(|(id, part)| part.parent.is_none_or(|p| p < id && mail.parts()[p].children.contains(&id))));
}

fn options(normalize: bool) -> ViewOptions {
    let mut options = ViewOptions { normalize_charset: normalize, ..ViewOptions::default() };
    let domains = std::sync::Arc::make_mut(&mut options.domains);
    domains.tlds.extend(["com".to_string(), "example".to_string()]);
    options.originating_ip_headers.push("To".into());
    options
}

#[test]
fn no_message_makes_a_view_fall_over() {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let options = [options(true), options(false)];
    for round in 0..1500 {
        ask_everything(message(&mut dice), &options[round % 2]);
    }
}

#[test]
fn hostile_repetition_takes_linear_time() {
    let options = options(true);
    let header = "Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n";
    for piece in [
        "--b\n",
        "--b\nContent-Type: multipart/mixed; boundary=b\n\n",
        "--b\nContent-Type: message/rfc822\n\n",
        "\n",
        " \n",
        "x",
        "=",
        "=\n",
        "<",
        "<p>",
        "<a href=x>",
        "&",
        "http://a.example/ ",
        "\u{a0}",
        "a@b.example ",
        "www.",
        "--",
        "\0",
    ] {
        let mut raw = header.as_bytes().to_vec();
        raw.extend(piece.repeat(400_000 / piece.len()).into_bytes());
        let begun = Instant::now();
        ask_everything(raw, &options);
        assert!(begun.elapsed() < Duration::from_secs(20), "{piece:?} took {:?}", begun.elapsed());
    }
    for piece in [
        "From: ",
        "From: <",
        "a: b\n",
        "To: x <a@b.example>, ",
        "Received: from a (b) (c) by ",
        "=?a?q?b?= ",
        ":",
        "(",
        "\"",
        "\\",
        " by with (",
        "\n ",
    ] {
        let raw = format!("From: {}\n\nx", piece.repeat(400_000 / piece.len()));
        let begun = Instant::now();
        ask_everything(raw.into_bytes(), &options);
        assert!(begun.elapsed() < Duration::from_secs(20), "{piece:?} took {:?}", begun.elapsed());
    }
}
