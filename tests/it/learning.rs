//! What the daemon learns: unasked at the end of a message, and of mail sent to be learned; and whose classifier is asked.

use crate::mailserver::{MailServer, Message, Outcome};
use crate::site::{Daemon, Folder, Postfix, Smtp, free_port};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Spam by header and by body, wanted mail by nothing, and what only the classifier's own rule would make spam.
const RULES: &str = "\
loadplugin Mail::SpamAssassin::Plugin::Check
loadplugin Mail::SpamAssassin::Plugin::AutoLearnThreshold
loadplugin Mail::SpamAssassin::Plugin::Bayes
header HEAD_SIDE Subject =~ /winner/
score HEAD_SIDE 7
body BODY_SIDE /lottery/
score BODY_SIDE 7
header DOUBT Subject =~ /perhaps/
score DOUBT 1
header LATER Subject =~ /later/
score LATER 0.01
body SURE eval:check_bayes('0.9', '1.00')
tflags SURE learn
score SURE 0 0 0.5 0.5
meta LEANING SURE
tflags LEANING autolearn_force
score LEANING 20
clear_headers
add_header all Status \"_YESNO_, score=_SCORE_ tests=_TESTS_ autolearn=_AUTOLEARN_\"
";

struct Site {
    folder: Folder,
    daemon: Daemon,
    port: u16,
}

impl Site {
    fn new(name: &str, learn: &str) -> Site {
        let folder = Folder::new(name);
        let rules = folder.write("rules.cf", RULES);
        let port = free_port();
        let toml = format!("[policy]\nrewrite = \"off\"\nreject = \"score >= 13\"\ntempfail = \"LATER\"\n[learn]\n{learn}");
        let arguments = ["--local", "--rules", rules.to_str().unwrap()];
        let daemon = Daemon::start(&folder, &toml, &[format!("inet:{port}@127.0.0.1")], &arguments);
        Site { folder, daemon, port }
    }

    fn server(&self, ip: &str, login: &str) -> MailServer {
        let mut server = MailServer::tcp(&format!("127.0.0.1:{}", self.port)).greet();
        server.login = login.to_owned();
        server.connect(ip).unwrap();
        server
    }

    /// Label and source by Message-ID's number, once `count` are there; the journal names messages by digest alone.
    fn journal(&self, count: usize) -> Vec<(String, String, String)> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let journal = lessons(&self.daemon.state);
            if journal.len() >= count || Instant::now() > deadline {
                // Whoever learns too much does so now.
                std::thread::sleep(Duration::from_millis(200));
                let journal = lessons(&self.daemon.state);
                assert_eq!(journal.len(), count, "{journal:?}");
                return journal;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn train(&self, more: &[&str], files: &[(&str, &str)]) {
        let paths: Vec<_> = files.iter().map(|(name, text)| self.folder.write(name, text)).collect();
        let config = self.folder.0.join("hamgate.toml");
        let out = Command::new(env!("CARGO_BIN_EXE_hamgate"))
            .args(["train", "--state"])
            .arg(&self.daemon.state)
            .arg("--config")
            .arg(config)
            .args(more)
            .args(paths)
            .output()
            .unwrap();
        assert!(out.status.success(), "{out:?}");
    }
}

/// Label, whose classifier, source.
fn lessons(state: &Path) -> Vec<(String, String, String)> {
    let out = Command::new(env!("CARGO_BIN_EXE_hamgate")).args(["bayes", "dump", "--lessons", "--state"]).arg(state).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let words = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
    text.lines().map(words).map(|w| (w[2].clone(), w[3].clone(), w[1].clone())).collect()
}

fn deliver(server: &mut MailServer, number: u32, subject: &str, body: &str) -> Outcome {
    let id = format!(" <{number}@sender.example>");
    let subject = format!(" {subject}");
    let fields = [("From", " <a@sender.example>"), ("Subject", subject.as_str()), ("Message-ID", id.as_str())];
    let message = Message { from: "<a@sender.example>", to: &["<b@victim.example>"], fields: &fields, body: body.as_bytes() };
    server.deliver(&message).unwrap()
}

fn status(outcome: &Outcome) -> String {
    let added = outcome.edits.iter().map(|edit| String::from_utf8_lossy(&edit.1).into_owned());
    added.filter(|text| text.contains("X-Spam-Status")).collect::<String>().replace("\n\t", " ")
}

#[test]
fn what_is_plain_is_learned_and_the_status_says_so() {
    let site = Site::new("auto", "auto = \"on\"\n");
    let mut server = site.server("203.0.113.7", "");
    let spam = deliver(&mut server, 1, "winner", "the lottery\r\n");
    assert_eq!(spam.answer.0, 'y', "refused spam teaches too");
    let ham = deliver(&mut server, 2, "minutes", "of thursday\r\n");
    assert!(status(&ham).contains("autolearn=ham autolearn_force=no"), "{ham:?}");
    let one_side = deliver(&mut server, 3, "winner winner", "nothing else\r\n");
    assert!(status(&one_side).contains("autolearn=no autolearn_force=no"), "{one_side:?}");
    deliver(&mut server, 4, "perhaps", "between the thresholds\r\n");
    let journal = site.journal(2);
    let wanted = [("spam", "auto:203.0.113.0/24:score=14,head=7,body=7"), ("ham", "auto:203.0.113.0/24:score=0,head=0,body=0")];
    let told: Vec<(&str, &str)> = journal.iter().map(|(label, _, source)| (label.as_str(), source.as_str())).collect();
    assert_eq!(told, wanted);
}

#[test]
fn nothing_is_learned_unless_asked() {
    let site = Site::new("auto-off", "");
    let mut server = site.server("203.0.113.7", "");
    assert!(status(&deliver(&mut server, 1, "minutes", "of thursday\r\n")).contains("autolearn=disabled"));
    site.journal(0);
}

#[test]
fn what_was_deferred_or_broken_off_is_not_learned() {
    let site = Site::new("auto-deferred", "auto = \"on\"\n");
    let mut server = site.server("203.0.113.7", "");
    assert_eq!(deliver(&mut server, 1, "later", "wanted mail\r\n").answer.0, 'y');
    site.daemon.says("autolearn:deferred");
    // The mail server goes away in the middle of a message.
    server.ask('M', b"<a@sender.example>\0").unwrap();
    server.ask('R', b"<b@victim.example>\0").unwrap();
    server.ask('L', b"Subject\0 minutes\0").unwrap();
    drop(server);
    site.journal(0);
}

#[test]
fn one_network_or_account_teaches_so_much_alone() {
    let site = Site::new("auto-quota", "auto = \"on\"\nauto_most = 2\n");
    let mut server = site.server("203.0.113.7", "");
    (0..3).for_each(|number| drop(deliver(&mut server, number, "minutes", "of thursday\r\n")));
    let mut neighbour = site.server("203.0.113.99", "");
    let last = deliver(&mut neighbour, 10, "minutes", "of thursday\r\n");
    assert!(status(&last).contains("autolearn=no"), "{last:?}");
    site.daemon.says("autolearn:quota");
    deliver(&mut site.server("198.51.100.1", ""), 20, "minutes", "of thursday\r\n");
    deliver(&mut site.server("203.0.113.8", "alice"), 30, "minutes", "of thursday\r\n");
    let mut sources = BTreeMap::new();
    for (_, _, source) in site.journal(4) {
        let (from, _) = source.trim_start_matches("auto:").split_once(":score").unwrap();
        *sources.entry(from.to_owned()).or_insert(0) += 1;
    }
    let wanted = [("198.51.100.0/24", 1), ("203.0.113.0/24", 2), ("alice", 1)];
    assert_eq!(sources, wanted.map(|(from, count)| (from.to_owned(), count)).into());
    // What a reload counted before, it counts still.
    assert!(site.daemon.reload());
    deliver(&mut site.server("203.0.113.7", ""), 40, "minutes", "of thursday\r\n");
    site.journal(4);
}

#[test]
fn people_stand_above_what_was_learned_unasked() {
    let mut site = Site::new("auto-people", "auto = \"on\"\n");
    let text = "From: <a@sender.example>\nSubject: minutes\nMessage-ID: <1@sender.example>\n\nof thursday\n";
    site.train(&["--spam", "--source", "ann"], &[("spam.eml", text)]);
    deliver(&mut site.server("203.0.113.7", ""), 1, "minutes", "of thursday\r\n");
    site.daemon.stop();
    assert_eq!(lessons(&site.daemon.state), [("spam".to_owned(), "-".to_owned(), "train:ann".to_owned())]);
}

#[test]
fn a_daemon_that_stops_writes_what_it_was_about_to_learn() {
    let mut site = Site::new("auto-stop", "auto = \"on\"\nauto_most = 1000\n");
    let mut server = site.server("203.0.113.7", "");
    (0..50).for_each(|number| drop(deliver(&mut server, number, "minutes", "of thursday\r\n")));
    drop(server);
    site.daemon.stop();
    assert_eq!(lessons(&site.daemon.state).len(), 50);
}

fn letters(kind: &str, words: &str, count: u32) -> Vec<(String, String)> {
    let letter =
        |n: u32| format!("From: <a@sender.example>\nSubject: {words}\nMessage-ID: <{kind}{n}@sender.example>\n\n{words} and so on\n");
    (0..count).map(|n| (format!("{kind}/{n}.eml"), letter(n))).collect()
}

fn teach(site: &Site, more: &[&str], letters: &[(String, String)]) {
    let files: Vec<(&str, &str)> = letters.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    site.train(more, &files);
    // Whether enough was learned is looked up once a second.
    std::thread::sleep(Duration::from_millis(1_200));
}

#[test]
fn the_classifiers_own_opinion_teaches_nothing() {
    let site = Site::new("auto-opinion", "auto = \"on\"\n");
    teach(&site, &["--spam"], &letters("spam", "perhaps fortune transfer prize", 200));
    teach(&site, &["--ham"], &letters("ham", "committee garden invoice agenda", 200));
    let mut server = site.server("203.0.113.7", "");
    // A meta over the classifier's rule makes it spam, whatever its flags say.
    assert_eq!(deliver(&mut server, 900, "perhaps fortune transfer prize", "perhaps fortune transfer prize and so on\r\n").answer.0, 'y');
    site.daemon.says("autolearn:own-opinion");
    site.journal(400);
}

fn probability(site: &Site, more: &[&str], path: &Path) -> f64 {
    let out = Command::new(env!("CARGO_BIN_EXE_hamgate"))
        .args(["scan", "--json", "--local", "--config"])
        .arg(site.folder.0.join("hamgate.toml"))
        .args(["--rules".as_ref(), site.folder.0.join("rules.cf").as_os_str(), "--state".as_ref(), site.daemon.state.as_os_str()])
        .args(more)
        .arg(path)
        .output()
        .unwrap();
    let line: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{out:?}"));
    line["bayes"].as_f64().unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn a_user_leans_on_the_site_and_overrules_it_for_nobody_else() {
    let folder = Folder::new("aliases");
    let aliases = folder.write("aliases", "sales@victim.example alice\n");
    let site = Site::new("users", &format!("per_user = true\naliases = \"{}\"\n", aliases.display()));
    let offers = letters("offer", "fortune transfer prize winner", 20);
    teach(&site, &["--spam"], &[letters("spam", "pills without doctor tonight", 180), offers].concat());
    teach(&site, &["--ham"], &letters("ham", "committee garden invoice agenda", 200));
    let ask = |words: &str| site.folder.write("ask.eml", &format!("From: <a@sender.example>\nSubject: {words}\n\n{words} and so on\n"));
    let offer = ask("fortune transfer prize winner");
    assert!(probability(&site, &["--user", "alice"], &offer) > 0.99, "who taught nothing leans on the site");
    // Alice wants such mail.
    let wanted = letters("wanted", "fortune transfer prize winner", 60);
    teach(&site, &["--ham", "--user", "Alice"], &wanted);
    assert!(probability(&site, &["--user", "alice"], &offer) < 0.1);
    assert!(probability(&site, &["--client-ip", "203.0.113.7", "--rcpt", "Sales+x@victim.example"], &offer) < 0.1, "by alias");
    assert!(probability(&site, &[], &offer) > 0.99);
    assert!(probability(&site, &["--user", "bob"], &offer) > 0.99);
    let both = ["--client-ip", "203.0.113.7", "--rcpt", "sales@victim.example", "--rcpt", "bob@victim.example"];
    assert!(probability(&site, &both, &offer) > 0.99, "several users are judged by the site's alone");
    // Words that stand in all mail say nothing more to her.
    let garden = ask("committee garden invoice agenda");
    assert!(probability(&site, &["--user", "alice"], &garden) < 0.05);
    assert!(lessons(&site.daemon.state).iter().filter(|(_, whose, _)| whose == "alice").count() == 60);
    let stats = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hamgate"));
        let command =
            command.args(["bayes", "stats", "--config"]).arg(site.folder.0.join("hamgate.toml")).arg("--state").arg(&site.daemon.state);
        String::from_utf8(command.args(more).output().unwrap().stdout).unwrap()
    };
    assert!(stats(&["--user", "sales@victim.example"]).contains(" 60          0  non-token data: nham"));
    assert!(stats(&[]).contains("200          0  non-token data: nham"));
}

/// A message with another attached.
fn forwarded(inner: &str) -> String {
    format!("look at this\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n{}\r\n--b--\r\n", inner.replace('\n', "\r\n"))
}

fn send(server: &mut MailServer, to: &[&str], kind: &str, body: &str) -> Outcome {
    let fields = [("From", " <ann@victim.example>"), ("Subject", " spam"), ("Content-Type", kind)];
    server.deliver(&Message { from: "<ann@victim.example>", to, fields: &fields, body: body.as_bytes() }).unwrap()
}

const MIXED: &str = " multipart/mixed; boundary=b";
const INNER: &str = "From: <x@sender.example>\nSubject: winner\nMessage-ID: <1@sender.example>\n\nthe lottery\n";
const BOXES: &str = "spam_addresses = [\"spam@victim.example\"]\nham_addresses = [\"ham@victim.example\"]\n";

#[test]
fn what_is_attached_to_mail_for_the_spam_address_is_learned() {
    let site = Site::new("sent", &format!("{BOXES}networks = [\"192.0.2.0/24\"]\n"));
    let outsider = send(&mut site.server("203.0.113.7", ""), &["<spam@victim.example>"], MIXED, &forwarded(INNER));
    assert_eq!(outsider.answer.0, 'c', "from outside it is mail like any");
    let elsewhere = send(&mut site.server("192.0.2.9", ""), &["<spam@victim.example>", "<boss@victim.example>"], MIXED, "--b--\r\n");
    assert_eq!(elsewhere.answer.0, 'c');
    site.journal(0);

    assert_eq!(send(&mut site.server("203.0.113.7", "ann"), &["<Spam@victim.example>"], MIXED, &forwarded(INNER)).answer.0, 'd');
    assert_eq!(site.journal(1), [("spam".to_owned(), "-".to_owned(), "sent:ann".to_owned())]);
    // From a network that is listed; the other way round.
    assert_eq!(send(&mut site.server("192.0.2.9", ""), &["<ham@victim.example>"], MIXED, &forwarded(INNER)).answer.0, 'd');
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(site.journal(1), [("ham".to_owned(), "-".to_owned(), "sent:192.0.2.9".to_owned())]);

    let quoted = send(&mut site.server("203.0.113.7", "ann"), &["<spam@victim.example>"], " text/plain", "> the lottery\r\n");
    let told = String::from_utf8_lossy(&quoted.answer.1).into_owned();
    assert!(quoted.answer.0 == 'y' && told.starts_with("550 5.6.0 nothing to learn"), "{told}");
    site.daemon.says("not-learned:no-message");
}

#[test]
fn a_redirected_message_is_learned_itself_and_may_be_delivered() {
    let site = Site::new("redirected", &format!("{BOXES}then = \"accept\"\nsent_most = 1\n"));
    let fields =
        [("Resent-From", " <ann@victim.example>"), ("Subject", " winner"), ("X-Spam-Status", " No"), ("Message-ID", " <1@s.example>")];
    let message = Message { from: "<ann@victim.example>", to: &["<spam@victim.example>"], fields: &fields, body: b"the lottery\r\n" };
    let outcome = site.server("203.0.113.7", "ann").deliver(&message).unwrap();
    assert_eq!(outcome.answer.0, 'c');
    assert!(outcome.edits.iter().any(|edit| edit.0 == 'm' && edit.1.windows(13).any(|w| w == b"X-Spam-Status")), "{outcome:?}");
    assert_eq!(site.journal(1), [("spam".to_owned(), "-".to_owned(), "sent:ann".to_owned())]);
    let more = site.server("203.0.113.7", "ann").deliver(&message).unwrap();
    assert!(more.answer.0 == 'y' && more.answer.1.starts_with(b"450 4.7.1 "), "{more:?}");
}

#[test]
#[ignore = "needs postfix"]
fn postfix_hands_over_what_is_sent_to_be_learned() {
    let site = Site::new("sent-postfix", "spam_addresses = [\"box9@victim.example\"]\nnetworks = [\"203.0.113.0/24\"]\n");
    let postfix = Postfix::start(&[&format!("inet:127.0.0.1:{}", site.port)], "");
    let mut smtp = Smtp::outside(postfix.ports[0]).unwrap();
    let whole =
        format!("From: <ann@victim.example>\r\nSubject: spam\r\nMIME-Version: 1.0\r\nContent-Type:{MIXED}\r\n\r\n{}", forwarded(INNER));
    let reply = smtp.send("ann@victim.example", "box9@victim.example", whole.as_bytes()).unwrap();
    assert!(reply.starts_with("250"), "{reply}");
    assert_eq!(site.journal(1), [("spam".to_owned(), "-".to_owned(), "sent:203.0.113.7".to_owned())]);
    let reply = smtp.send("ann@victim.example", "box1@victim.example", b"Subject: hello\r\n\r\nhi\r\n").unwrap();
    assert!(reply.starts_with("250"), "{reply}");
    postfix.delivered(&["box1".to_owned()], Duration::from_secs(20));
    assert!(postfix.mailbox("box9").is_empty(), "what was learned is discarded");
}
