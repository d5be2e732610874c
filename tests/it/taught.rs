//! What the classifier learned takes part where mail flows, and mail flows without it.

use super::mailserver::{MailServer, Message, PLAIN};
use super::site::{Daemon, Folder, Postfix, Smtp, free_port, is_named, read, split};
use std::path::Path;
use std::process::Command;

const SPAM: &str = "lottery winner claims prize unexpected fortune transfer";
const HAM: &str = "minutes meeting agenda thursday committee garden invoice";

fn letter(number: usize, words: &str) -> String {
    format!(
        "From: Ann <a{number}@sender.example>\nTo: b@victim.example\nDate: Thu, 01 Jan 2026 00:00:00 +0000\n\
         Message-ID: <{number}.{}@sender.example>\nSubject: {words}\n\n{words}, and so on.\n",
        words.len()
    )
}

/// 200 letters of each kind, taught while the daemon runs.
fn teach(folder: &Folder, state: &Path) {
    for (kind, words) in [("spam", SPAM), ("ham", HAM)] {
        for number in 0..200 {
            folder.write(&format!("{kind}/{number}.eml"), &letter(number, words));
        }
        let out = Command::new(env!("CARGO_BIN_EXE_hamgate"))
            .args(["train", &format!("--{kind}"), "--state"])
            .args([state, &folder.0.join(kind)])
            .output()
            .unwrap();
        assert!(String::from_utf8_lossy(&out.stdout).contains("200 learned"), "{out:?}");
    }
}

#[test]
#[ignore = "needs postfix"]
fn what_postfix_delivers_says_what_was_taught() {
    let folder = Folder::new("taught");
    let port = free_port();
    let toml = "[policy]\nreject = \"off\"\nrewrite = \"off\"\n";
    let daemon = Daemon::start(&folder, toml, &[format!("inet:{port}@127.0.0.1")], &["--local"]);
    let postfix = Postfix::start(&[&format!("inet:127.0.0.1:{port}")], "");
    teach(&folder, &daemon.state);
    std::thread::sleep(std::time::Duration::from_secs(2));
    let mut smtp = Smtp::outside(postfix.ports[0]).unwrap();
    let names = ["box0".to_owned(), "box1".to_owned()];
    for (name, words) in names.iter().zip([SPAM, HAM]) {
        let reply = smtp.send("a@sender.example", &format!("{name}@victim.example"), letter(999, words).as_bytes()).unwrap();
        assert!(reply.starts_with("250"), "{reply}");
    }
    let status: Vec<String> = postfix
        .delivered(&names, std::time::Duration::from_secs(20))
        .iter()
        .map(|mails| {
            let (fields, _) = split(&read(&mails[0]));
            let status = fields.iter().find(|field| is_named(field, "X-Spam-Status")).expect("a status");
            String::from_utf8_lossy(status).into_owned()
        })
        .collect();
    assert!(status[0].contains("BAYES_99"), "{status:?}");
    assert!(status[1].contains("BAYES_0"), "{status:?}");
}

#[test]
fn mail_flows_over_a_damaged_database() {
    let folder = Folder::new("damaged");
    std::fs::create_dir_all(folder.0.join("state")).unwrap();
    std::fs::write(folder.0.join("state/hamgate.sqlite"), vec![0x55; 100_000]).unwrap();
    let port = free_port();
    let daemon = Daemon::start(&folder, "", &[format!("inet:{port}@127.0.0.1")], &["--local"]);
    let mut server = MailServer::tcp(&format!("127.0.0.1:{port}")).greet();
    server.connect("203.0.113.7").unwrap();
    assert_eq!(server.deliver(&PLAIN).unwrap().answer.0, 'c');
    daemon.says("set aside as");
    assert!(std::fs::metadata(folder.0.join("state/hamgate.sqlite")).is_ok(), "learning starts anew");
}

#[test]
fn an_opinion_is_there_while_somebody_writes_the_database() {
    let folder = Folder::new("written");
    let port = free_port();
    let daemon = Daemon::start(&folder, "", &[format!("inet:{port}@127.0.0.1")], &["--local"]);
    teach(&folder, &daemon.state);
    std::thread::sleep(std::time::Duration::from_secs(2));
    let writer = rusqlite::Connection::open(daemon.state.join("hamgate.sqlite")).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE; UPDATE classifier SET spam = spam + 1;").unwrap();
    let mut server = MailServer::tcp(&format!("127.0.0.1:{port}")).greet();
    server.connect("203.0.113.7").unwrap();
    let body = format!("{SPAM}, and so on.\r\n");
    let message = Message { fields: &[("From", " a@sender.example"), ("Subject", &format!(" {SPAM}"))], body: body.as_bytes(), ..PLAIN };
    for _ in 0..3 {
        let outcome = server.deliver(&message).unwrap();
        let told = outcome.edits.iter().any(|edit| String::from_utf8_lossy(&edit.1).contains("BAYES_9"));
        assert!(told, "{:?}", outcome.edits);
    }
}
