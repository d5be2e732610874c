//! A real Postfix hands its mail to the daemon.

use crate::site::{Daemon, Folder, Postfix, Smtp, corpus, free_port, is_named, read, split};
use std::time::Duration;

const GENTLE: &str = "[policy]\nreject = \"off\"\nrewrite = \"off\"\n";

/// Fields that Postfix's delivery adds, and those that only the daemon writes.
fn is_of_the_way(field: &[u8]) -> bool {
    ["Delivered-To", "X-Original-To", "Return-Path"].iter().any(|name| is_named(field, name))
}

fn is_ours(field: &[u8]) -> bool {
    field.len() > 7 && field[..7].eq_ignore_ascii_case(b"X-Spam-") || is_named(field, "Authentication-Results")
}

/// Without the fields of the last hop: what both ways of delivery must agree on.
fn as_sent(raw: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let (mut fields, body) = split(raw);
    fields.retain(|field| !is_of_the_way(field) && !is_ours(field));
    // Postfix gives one to a message without; it names the queue id.
    fields.retain(|field| !(is_named(field, "Message-Id") && field.ends_with(b"@mx.victim.example>\n")));
    let newest = fields.iter().position(|field| is_named(field, "Received")).unwrap();
    fields.remove(newest);
    (fields, body)
}

#[test]
#[ignore = "needs postfix and HAMGATE_CORPUS"]
fn corpus_mail_arrives_once_and_unchanged_but_for_our_fields() {
    let folder = Folder::new("equal");
    let inet = format!("inet:{}@127.0.0.1", free_port());
    let socket = folder.0.join("milter.sock").display().to_string();
    let unix = format!("unix:{socket},mode=666");
    let daemon = Daemon::start(&folder, GENTLE, &[inet.clone(), unix], &["--local"]);
    let port = inet.trim_start_matches("inet:").split('@').next().unwrap().to_owned();
    let postfix = Postfix::start(&["", &format!("inet:127.0.0.1:{port}"), &format!("unix:{socket}")], "");
    let mails = corpus(1000);
    let mut names = Vec::new();
    for (way, smtp_port) in ["plain", "inet", "unix"].iter().zip(&postfix.ports) {
        let mut smtp = Smtp::outside(*smtp_port).unwrap();
        for (number, mail) in mails.iter().enumerate() {
            let name = format!("{way}{number}");
            let reply = smtp.send("sender@sender.example", &format!("{name}@victim.example"), &read(mail)).unwrap();
            assert!(reply.starts_with("250"), "{}: {reply}", mail.display());
            names.push(name);
        }
    }
    let boxes = postfix.delivered(&names, Duration::from_secs(120));
    assert!(boxes.iter().all(|mails| mails.len() == 1), "a message arrived more than once");
    let (plain, filtered) = boxes.split_at(mails.len());
    let mut different = Vec::new();
    let mut unseen = 0;
    for (number, way) in filtered.iter().enumerate() {
        let with = read(&way[0]);
        let without = read(&plain[number % mails.len()][0]);
        if as_sent(&with) != as_sent(&without) {
            different.push(mails[number % mails.len()].display().to_string());
        }
        unseen += usize::from(!split(&with).0.iter().any(|field| is_named(field, "X-Spam-Checker-Version")));
    }
    assert!(different.is_empty(), "{} differ: {:?}", different.len(), &different[..different.len().min(5)]);
    assert_eq!(unseen, 0, "messages without our fields");
    assert_eq!(daemon.messages().len(), 2 * mails.len());
}
