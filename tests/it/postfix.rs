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
    daemon.logged(2 * mails.len());
}

const GTUBE: &[u8] = b"From: <a@sender.example>\nTo: <b@victim.example>\nSubject: test\nDate: Thu, 01 Jan 2026 00:00:00 +0000\n\
    Message-ID: <gtube@sender.example>\n\nXJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\n";

/// A daemon on a TCP port, and a Postfix that asks it.
fn site(name: &str, toml: &str, more: &[&str]) -> (Folder, Daemon, Postfix) {
    let folder = Folder::new(name);
    let port = free_port();
    let daemon = Daemon::start(&folder, toml, &[format!("inet:{port}@127.0.0.1")], more);
    let postfix = Postfix::start(&[&format!("inet:127.0.0.1:{port}")], "");
    (folder, daemon, postfix)
}

fn field<'f>(fields: &'f [Vec<u8>], name: &str) -> Option<&'f [u8]> {
    fields.iter().find(|field| is_named(field, name)).map(|field| field[name.len() + 1..].trim_ascii())
}

#[test]
#[ignore = "needs postfix"]
fn gtube_is_refused_or_marked_as_configured() {
    let (_folder, daemon, postfix) = site("refuse", "", &["--local"]);
    let mut smtp = Smtp::outside(postfix.ports[0]).unwrap();
    let reply = smtp.send("a@sender.example", "box0@victim.example", GTUBE).unwrap();
    let id = daemon.logged(1)[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(reply.trim_end(), format!("550 5.7.1 message refused as spam, id {id}"));
    assert!(postfix.mailbox("box0").is_empty());

    let (_folder, _daemon, postfix) = site("mark", GENTLE, &["--local"]);
    let forged = [b"X-Spam-Flag: NO\nx-spam-status: No\nX-Spam-Flag: NO\n", GTUBE].concat();
    let mut smtp = Smtp::outside(postfix.ports[0]).unwrap();
    assert!(smtp.send("a@sender.example", "box0@victim.example", &forged).unwrap().starts_with("250"));
    let mail = postfix.delivered(&["box0".to_owned()], Duration::from_secs(20)).remove(0).remove(0);
    let (fields, _) = split(&read(&mail));
    assert_eq!(fields.iter().filter(|field| is_named(field, "X-Spam-Flag")).count(), 1);
    assert_eq!(field(&fields, "X-Spam-Flag"), Some(&b"YES"[..]));
    assert_eq!(fields.iter().filter(|field| is_named(field, "X-Spam-Status")).count(), 1);
    assert!(field(&fields, "X-Spam-Status").unwrap().starts_with(b"Yes, score=100"));
    assert_eq!(field(&fields, "Subject"), Some(&b"test"[..]));
}

#[test]
#[ignore = "needs postfix"]
fn quarantine_holds_and_discard_drops() {
    let (_folder, _daemon, postfix) = site("hold", "[policy]\nreject = \"off\"\nquarantine = \"score >= 100\"\n", &["--local"]);
    let mut smtp = Smtp::outside(postfix.ports[0]).unwrap();
    assert!(smtp.send("a@sender.example", "box0@victim.example", GTUBE).unwrap().starts_with("250"));
    let held = postfix.folder.0.join("spool/hold");
    assert_eq!(std::fs::read_dir(held).unwrap().count(), 1);

    let toml = "[policy]\nreject = \"off\"\ntempfail = \"GTUBE && !spam\"\ndiscard = \"GTUBE\"\n";
    let (_folder, daemon, postfix) = site("discard", toml, &["--local"]);
    let mut smtp = Smtp::outside(postfix.ports[0]).unwrap();
    assert!(smtp.send("a@sender.example", "box0@victim.example", GTUBE).unwrap().starts_with("250"));
    assert_eq!(daemon.logged(1)[0]["action"], "discard");
    std::thread::sleep(Duration::from_secs(1));
    assert!(postfix.mailbox("box0").is_empty());
}

#[test]
#[ignore = "needs postfix"]
fn a_postmasters_usual_lines_work_after_a_reload() {
    let rules = Folder::new("rules");
    let local = rules.0.display().to_string();
    let (_folder, daemon, postfix) = site("local", "", &["--local", "--rules-add", &local]);
    let mut smtp = Smtp::outside(postfix.ports[0]).unwrap();
    let mail = b"From: <a@sender.example>\nTo: <b@victim.example>\nSubject: Urgent: action is required\n\
        Date: Thu, 01 Jan 2026 00:00:00 +0000\nMessage-ID: <u@sender.example>\n\nYou can make money\nfast, they say.\n";
    let mut subject = |name: &str| {
        assert!(smtp.send("a@sender.example", &format!("{name}@victim.example"), mail).unwrap().starts_with("250"));
        let delivered = postfix.delivered(&[name.to_owned()], Duration::from_secs(20)).remove(0).remove(0);
        let (fields, _) = split(&read(&delivered));
        (
            String::from_utf8_lossy(field(&fields, "Subject").unwrap()).into_owned(),
            String::from_utf8_lossy(field(&fields, "X-Spam-Status").unwrap()).into_owned(),
        )
    };
    let (before, _) = subject("box0");
    assert_eq!(before, "Urgent: action is required");
    rules.write(
        "local.cf",
        "required_score 5.0\nrewrite_header Subject [SPAM]\n\
         header CUSTOM_PHISHING Subject =~ /urgent.{0,10}action.{0,10}required/i\ndescribe CUSTOM_PHISHING Urgent action\n\
         score CUSTOM_PHISHING 3.0\nbody CUSTOM_SPAM_BODY /\\b(make money fast|work from home|guaranteed income)\\b/i\n\
         describe CUSTOM_SPAM_BODY Typical\nscore CUSTOM_SPAM_BODY 2.5\n",
    );
    assert!(daemon.reload());
    let (after, status) = subject("box1");
    assert_eq!(after, "[SPAM] Urgent: action is required");
    assert!(status.starts_with("Yes, ") && status.contains("CUSTOM_PHISHING") && status.contains("CUSTOM_SPAM_BODY"), "{status}");
    // A wrong line costs itself alone; a wrong configuration keeps the old.
    rules.write("broken.cf", "header BROKEN Subject =~ /(unclosed/\nscore BROKEN 1\nno_such_option 1\n");
    assert!(daemon.reload());
    daemon.says("broken.cf:1");
    let config = daemon.log.with_file_name("hamgate.toml");
    std::fs::write(&config, "[policy]\nrejct = \"off\"\n").unwrap();
    assert!(!daemon.reload());
    daemon.says("hamgate.toml:2");
    assert_eq!(subject("box2").0, "[SPAM] Urgent: action is required");
}

#[test]
#[ignore = "needs postfix and HAMGATE_CORPUS"]
fn the_same_rules_hit_at_the_milter_and_in_scan_of_what_was_delivered() {
    same_rules_at_the_milter_and_in_scan(site("same", GENTLE, &["--local"]), &[], 500);
}

#[test]
#[ignore = "needs postfix, SpamAssassin's rules and HAMGATE_CORPUS"]
fn the_stock_rules_hit_at_the_milter_by_configuration_alone() {
    let stock = std::env::var("HAMGATE_STOCK").unwrap_or_else(|_| "/usr/share/spamassassin".to_owned());
    let toml = format!("{GENTLE}\n[rules]\nonly = [\"{stock}\"]\n");
    let most = same_rules_at_the_milter_and_in_scan(site("stock", &toml, &["--local"]), &["--rules", &stock], 300);
    assert!(most >= 5, "the stock rules are at work: {most} hits on one message at most");
}

/// Answers the number of hits on the message that had most.
fn same_rules_at_the_milter_and_in_scan((folder, daemon, postfix): (Folder, Daemon, Postfix), rules: &[&str], most: usize) -> usize {
    let mails = corpus(most);
    let names: Vec<String> = (0..mails.len()).map(|number| format!("box{number}")).collect();
    let mut smtp = Smtp::outside(postfix.ports[0]).unwrap();
    for (name, mail) in names.iter().zip(&mails) {
        let reply = smtp.send("sender@sender.example", &format!("{name}@victim.example"), &read(mail)).unwrap();
        assert!(reply.starts_with("250"), "{}: {reply}", mail.display());
    }
    let boxes = postfix.delivered(&names, Duration::from_secs(60));
    let mut paths = Vec::new();
    for (name, mails) in names.iter().zip(&boxes) {
        let (mut fields, body) = split(&read(&mails[0]));
        // The newest of each belongs to this delivery; the envelope sender is told in place of Return-Path.
        for added in ["Return-Path", "X-Original-To", "Delivered-To"] {
            let at = fields.iter().position(|field| is_named(field, added)).unwrap();
            fields.remove(at);
        }
        fields.retain(|field| !is_ours(field));
        let path = folder.0.join(format!("{name}.eml"));
        std::fs::write(&path, [fields.concat(), b"\n".to_vec(), body].concat()).unwrap();
        paths.push(path);
    }
    let scanned = std::process::Command::new(env!("CARGO_BIN_EXE_hamgate"))
        .args(["scan", "--json", "--local", "--threads", "1", "--mail-from", "sender@sender.example"])
        .args(rules)
        .args(&paths)
        .output()
        .unwrap();
    let at_the_milter = daemon.logged(mails.len());
    let (mut different, mut most) = (Vec::new(), 0);
    for ((line, logged), mail) in scanned.stdout.split(|octet| *octet == b'\n').zip(&at_the_milter).zip(&mails) {
        let line: serde_json::Value = serde_json::from_slice(line).unwrap();
        let scanned: Vec<&str> = line["rules"].as_array().unwrap().iter().map(|rule| rule["name"].as_str().unwrap()).collect();
        most = most.max(scanned.len());
        let logged = logged["rules"].as_str().unwrap_or("");
        if scanned.join(",") != logged {
            different.push(format!("{}: milter {logged}; scan {}", mail.display(), scanned.join(",")));
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
    most
}

/// Delivers in parallel over `clients` connections; a message that is asked to come back comes back. Answers how often that
/// happened.
fn deliver_all(port: u16, clients: usize, messages: usize, mails: &[Vec<u8>]) -> usize {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let retries = std::sync::atomic::AtomicUsize::new(0);
    let order = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut smtp = None;
                loop {
                    let number = next.fetch_add(1, order);
                    if number >= messages {
                        return;
                    }
                    let to = format!("box{number}@victim.example");
                    let deadline = std::time::Instant::now() + Duration::from_secs(60);
                    loop {
                        let said = match smtp.take().map_or_else(|| Smtp::outside(port), Ok) {
                            Ok(mut open) => {
                                let said = open.send("sender@sender.example", &to, &mails[number % mails.len()]);
                                if said.is_ok() {
                                    smtp = Some(open);
                                }
                                said
                            }
                            Err(error) => Err(error),
                        };
                        match said {
                            Ok(reply) if reply.starts_with('2') => break,
                            Ok(reply) => assert!(reply.starts_with('4'), "{reply}"),
                            Err(_) => {}
                        }
                        // Postfix keeps an error of the milter for the rest of the session.
                        smtp = None;
                        retries.fetch_add(1, order);
                        assert!(std::time::Instant::now() < deadline, "a message never passes");
                        std::thread::sleep(Duration::from_millis(20));
                    }
                }
            });
        }
    });
    retries.into_inner()
}

fn small_mails() -> Vec<Vec<u8>> {
    corpus(100).iter().map(|path| read(path)).filter(|mail| mail.len() < 20_000).collect()
}

fn all_filtered_once(postfix: &Postfix, messages: usize) {
    let names: Vec<String> = (0..messages).map(|number| format!("box{number}")).collect();
    for (name, mails) in names.iter().zip(postfix.delivered(&names, Duration::from_secs(60))) {
        assert_eq!(mails.len(), 1, "{name}");
        let (fields, _) = split(&read(&mails[0]));
        assert_eq!(fields.iter().filter(|field| is_named(field, "X-Spam-Checker-Version")).count(), 1, "{name} was not filtered");
    }
}

#[test]
#[ignore = "needs postfix and HAMGATE_CORPUS"]
fn a_hundred_reloads_under_load_cost_no_message() {
    let (_folder, daemon, postfix) = site("reloads", GENTLE, &["--local"]);
    let mails = small_mails();
    let retries = std::thread::scope(|scope| {
        let delivery = scope.spawn(|| deliver_all(postfix.ports[0], 4, 600, &mails));
        for _ in 0..50 {
            assert!(daemon.reload());
            daemon.signal("HUP");
            std::thread::sleep(Duration::from_millis(20));
        }
        delivery.join().unwrap()
    });
    assert_eq!(retries, 0);
    all_filtered_once(&postfix, 600);
    let reloads = daemon.log_text().matches("\"event\":\"reloaded\"").count();
    assert!(reloads >= 90, "{reloads} reloads (signals that come while one is pending are one)");
}

#[test]
#[ignore = "needs postfix and HAMGATE_CORPUS"]
fn fifty_kills_lose_nothing_and_let_nothing_pass_unfiltered() {
    let (_folder, mut daemon, postfix) = site("kills", GENTLE, &["--local"]);
    let mails = small_mails();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let delivery = scope.spawn(|| {
            let retries = deliver_all(postfix.ports[0], 4, 1000, &mails);
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            retries
        });
        let mut kills = 0;
        while kills < 50 || !done.load(std::sync::atomic::Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(37 + 13 * (kills % 7)));
            if kills < 50 {
                daemon.kill();
                daemon.restart();
                kills += 1;
            }
        }
        assert!(delivery.join().unwrap() > 0, "no kill has met a message");
    });
    all_filtered_once(&postfix, 1000);
}

#[test]
#[ignore = "needs postfix and HAMGATE_CORPUS"]
fn a_stop_answers_fifty_messages_in_flight() {
    let (_folder, mut daemon, postfix) = site("stop", GENTLE, &["--local"]);
    let mails = small_mails();
    let ready = std::sync::Barrier::new(51);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..50)
            .map(|number| {
                let (ready, mail, port) = (&ready, &mails[number % mails.len()], postfix.ports[0]);
                scope.spawn(move || {
                    let mut smtp = Smtp::outside(port).unwrap();
                    for line in ["MAIL FROM:<a@sender.example>".to_owned(), format!("RCPT TO:<box{number}@victim.example>")] {
                        assert!(smtp.command(&line).unwrap().starts_with("250"));
                    }
                    // Fifty messages have begun at the milter.
                    ready.wait();
                    std::thread::sleep(Duration::from_millis(100 + 20 * number as u64));
                    smtp.data(mail).unwrap()
                })
            })
            .collect();
        ready.wait();
        let (status, took) = daemon.stop();
        for client in clients {
            let reply = client.join().unwrap();
            assert!(reply.starts_with("250"), "{reply}");
        }
        assert_eq!(status, Some(0));
        assert!(took < Duration::from_secs(10), "{took:?}");
    });
    all_filtered_once(&postfix, 50);
}
