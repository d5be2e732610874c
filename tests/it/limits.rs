//! Rate limits, directory harvest and account alarms as mail servers meet them.

use crate::greylist::{client, daemon, reply, send};
use crate::mailserver::{MailServer, Message, PLAIN};
use crate::site::{Daemon, Folder};

const FROM: &str = "<a@sender.example>";
const TO: &[&str] = &["<b@victim.example>"];

fn limit(by: &str, count: &str, most: u64, more: &str) -> String {
    format!("[[limit]]\nby = \"{by}\"\ncount = \"{count}\"\nmost = {most}\n{more}\n")
}

#[test]
fn the_message_after_the_last_is_asked_to_come_later_and_a_crash_does_not_free_it() {
    let folder = Folder::new("rate");
    let mut daemon = daemon(&folder, &limit("client", "messages", 100, "per = \"1 min\""), &[]);
    let mut server = client(&daemon, "192.0.2.1");
    for number in 0..100 {
        assert_eq!(server.deliver(&PLAIN).unwrap().answer.0, 'c', "message {number}");
    }
    let late = "450 4.7.1 <192.0.2.1>: too much, try again later: at most 100 messages in 60 seconds";
    assert_eq!(reply(&server.deliver(&PLAIN).unwrap()), late);
    assert_eq!(reply(&send(&daemon, "192.0.2.2", FROM, TO)), "c");
    daemon.kill();
    daemon.restart();
    daemon.wait();
    assert_eq!(reply(&send(&daemon, "192.0.2.1", FROM, TO)), late);
}

#[test]
fn a_window_slides() {
    let folder = Folder::new("slides");
    let daemon = daemon(&folder, &limit("network", "messages", 2, "per = \"2 s\""), &[]);
    let last = || reply(&send(&daemon, "192.0.2.1", FROM, TO));
    assert_eq!([last(), last()], ["c", "c"]);
    assert!(reply(&send(&daemon, "192.0.2.200", FROM, TO)).starts_with("450 "));
    std::thread::sleep(std::time::Duration::from_millis(2_200));
    assert_eq!(last(), "c");
}

#[test]
fn recipients_and_sender_domains_are_counted_too() {
    let folder = Folder::new("recipients");
    let toml = [
        limit("client", "recipients", 3, "per = \"1 h\""),
        limit("sender-domain", "messages", 2, "per = \"1 h\""),
        limit("recipient", "messages", 2, "per = \"1 h\""),
    ];
    let daemon = daemon(&folder, &toml.concat(), &[]);
    let many = ["<1@victim.example>", "<2@victim.example>", "<3@victim.example>", "<4@victim.example>"];
    let mut server = client(&daemon, "192.0.2.1");
    server.ask('M', b"<x@one.example>\0").unwrap();
    let answers: Vec<char> = many.iter().map(|to| server.ask('R', format!("{to}\0").as_bytes()).unwrap().0).collect();
    assert_eq!(answers, ['c', 'c', 'c', 'y']);
    let from = |ip: &str, from: &str, to: &str| reply(&send(&daemon, ip, from, &[to]));
    assert_eq!(from("192.0.2.2", "<x@two.example>", "<5@victim.example>"), "c");
    assert_eq!(from("192.0.2.3", "<y@two.example>", "<5@victim.example>"), "c");
    assert!(from("192.0.2.4", "<z@TWO.example>", "<6@victim.example>").starts_with("450 4.7.1 <two.example>: "));
    assert!(from("192.0.2.5", "<z@three.example>", "<5@victim.example>").starts_with("450 4.7.1 <5@victim.example>: "));
}

fn logged_in(daemon: &Daemon, ip: &str, login: &str) -> MailServer {
    let mut server = client(daemon, ip);
    server.login = login.to_owned();
    server
}

#[test]
fn who_logged_in_has_limits_of_their_own_and_trusted_networks_have_none() {
    let folder = Folder::new("users");
    let toml = limit("client", "messages", 1, "per = \"1 h\"") + &limit("user", "messages", 3, "per = \"1 h\"");
    let daemon = daemon(&folder, &toml, &[]);
    for ip in ["203.0.113.1", "203.0.113.2", "203.0.113.1"] {
        assert_eq!(reply(&logged_in(&daemon, ip, "ann").deliver(&PLAIN).unwrap()), "c");
    }
    assert!(reply(&logged_in(&daemon, "203.0.113.9", "Ann").deliver(&PLAIN).unwrap()).starts_with("450 4.7.1 <ann>: "));
    assert_eq!(reply(&logged_in(&daemon, "203.0.113.9", "bob").deliver(&PLAIN).unwrap()), "c");
    for _ in 0..5 {
        assert_eq!(reply(&send(&daemon, "127.0.0.1", FROM, TO)), "c");
    }
}

#[test]
fn connections_are_counted_in_a_span_and_at_once() {
    let folder = Folder::new("connections");
    let daemon = daemon(&folder, &(limit("client", "connections", 2, "") + &limit("network", "connections", 4, "per = \"1 h\"")), &[]);
    let knock = |ip: &str| {
        let path = daemon.listen[0].trim_start_matches("unix:").to_owned();
        let mut server = MailServer::unix(path.as_ref()).greet();
        let answer = server.connect(ip).unwrap();
        (String::from_utf8_lossy(&answer.1).into_owned(), server)
    };
    let (_, _one) = knock("192.0.2.1");
    let (_, two) = knock("192.0.2.1");
    assert!(knock("192.0.2.1").0.starts_with("421 4.7.1 <192.0.2.1>: too much, try again later: at most 2 connections at once"));
    drop(two);
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(knock("192.0.2.1").0, "");
    assert_eq!(knock("192.0.2.77").0, "");
    assert!(knock("192.0.2.78").0.starts_with("421 4.7.1 <192.0.2.0>: too much, try again later: at most 4 connections in 3600"));
    assert_eq!(knock("127.0.0.1").0, "");
}

#[test]
fn who_tries_out_recipients_is_sent_away() {
    let folder = Folder::new("harvest");
    let rules = folder.write("harvest.cf", "header HARVEST eval:check_refused_recipients('3')\nscore HARVEST 2\n").display().to_string();
    let toml = "[harvest]\nmode = \"on\"\nmost = 5\n";
    let daemon = daemon(&folder, toml, &["--local", "--rules-add", &rules]);
    // Fewer raise the score alone.
    let mut cautious = client(&daemon, "192.0.2.9");
    let score =
        |outcome: &crate::mailserver::Outcome| outcome.edits.iter().any(|(_, edit)| String::from_utf8_lossy(edit).contains("HARVEST"));
    assert!(!score(&cautious.deliver(&PLAIN).unwrap()));
    cautious.ask('M', b"<a@sender.example>\0").unwrap();
    for number in 0..3 {
        cautious.macros('R', &[("{rcpt_mailer}", "error")]).unwrap();
        cautious.ask('R', format!("<x{number}@victim.example>\0").as_bytes()).unwrap();
    }
    cautious.macros('R', &[("{rcpt_mailer}", "local")]).unwrap();
    cautious.send('A', b"").unwrap();
    assert!(score(&cautious.deliver(&PLAIN).unwrap()));
    let mut server = client(&daemon, "192.0.2.1");
    server.ask('M', b"<a@sender.example>\0").unwrap();
    for number in 0..5 {
        server.macros('R', &[("{rcpt_mailer}", "error"), ("{rcpt_host}", "5.1.1")]).unwrap();
        assert_eq!(server.ask('R', format!("<nobody{number}@victim.example>\0").as_bytes()).unwrap().0, 'c');
    }
    server.macros('R', &[("{rcpt_mailer}", "local")]).unwrap();
    let answer = server.ask('R', b"<b@victim.example>\0").unwrap();
    assert_eq!(answer, ('y', b"421 4.7.1 too many unknown recipients, closing connection\0".to_vec()));
    assert!(reply(&send(&daemon, "192.0.2.1", FROM, TO)).starts_with("421 "));
    assert_eq!(reply(&send(&daemon, "192.0.2.2", FROM, TO)), "c");
    daemon.says("this client tries out recipients");
    let letter = Message { from: FROM, to: TO, ..PLAIN };
    assert_eq!(reply(&logged_in(&daemon, "192.0.2.1", "ann").deliver(&letter).unwrap()), "c");
}

#[test]
fn an_account_that_sends_far_more_than_usual_is_told_once_a_minute() {
    let folder = Folder::new("alarm");
    let daemon = daemon(&folder, "[accounts]\nalarm = \"on\"\nfactor = 2\nleast = 10\n", &[]);
    let mut server = logged_in(&daemon, "203.0.113.1", "ann");
    for _ in 0..30 {
        assert_eq!(server.deliver(&PLAIN).unwrap().answer.0, 'c');
    }
    daemon.logged(30);
    assert_eq!(daemon.log_text().matches("has somebody taken it over?").count(), 1);
    assert!(daemon.log_text().contains("\"login\":\"ann\""));
}

#[test]
fn a_wrong_limit_names_its_line() {
    let folder = Folder::new("wrong-limit");
    let wrong = folder.write("hamgate.toml", "[[limit]]\nby = \"user\"\ncount = \"connections\"\nmost = 1\n\n[[limit]]\nby = \"nobody\"\n");
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_hamgate")).args(["check", "--config"]).arg(&wrong).output().unwrap();
    let told = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(told.contains("hamgate.toml:1: [[limit]]: connections have neither user"), "{told}");
    assert!(told.contains("hamgate.toml:7: [[limit]]: unknown variant `nobody`"), "{told}");
}
