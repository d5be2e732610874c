//! Exchangers that share what they learned over one Valkey or Redis server, and mail while the server is away.

use crate::mailserver::{MailServer, Message};
use crate::site::{Daemon, Folder, corpus, free_port};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Messages that are learned, and that both judge.
const LEARNED: usize = 900;
const JUDGED: usize = 100;

/// A server of the test's own, on a socket in the test's folder; what it holds outlives it.
struct Server {
    child: Child,
    folder: PathBuf,
}

impl Server {
    fn start(folder: &Path) -> Server {
        let _ = std::fs::remove_file(folder.join("socket"));
        let is_there = |program: &&str| Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
        let program = ["valkey-server", "redis-server"].into_iter().find(is_there).expect("a server");
        let child = Command::new(program)
            .current_dir(folder)
            .args(["--port", "0", "--save", "", "--appendonly", "yes", "--unixsocket"])
            .arg(folder.join("socket"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Server { child, folder: folder.to_owned() };
        while std::os::unix::net::UnixStream::connect(server.folder.join("socket")).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn stop(&mut self) {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One exchanger: its own state and configuration, the store of all.
struct Exchanger {
    state: PathBuf,
    config: PathBuf,
}

impl Exchanger {
    fn new(folder: &Folder, name: &str, socket: &Path) -> Exchanger {
        let toml = format!("[bayes]\nstore = \"redis+unix://{}\"\n", socket.display());
        Exchanger { state: folder.0.join(name), config: folder.write(&format!("{name}.toml"), &toml) }
    }

    fn command(&self, arguments: &[&str], paths: &[PathBuf]) -> Command {
        let mut hamgate = Command::new(env!("CARGO_BIN_EXE_hamgate"));
        hamgate.args(arguments).arg("--state").arg(&self.state).arg("--config").arg(&self.config).args(paths);
        hamgate
    }

    fn run(&self, arguments: &[&str], paths: &[PathBuf]) -> String {
        let out = self.command(arguments, paths).output().unwrap();
        assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// The probability of each message, as it is printed.
    fn opinions(&self, paths: &[PathBuf]) -> Vec<String> {
        let told = self.command(&["scan", "--local", "--json"], paths).output().unwrap();
        let text = String::from_utf8(told.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["bayes"].to_string()).collect()
    }
}

fn by_label(paths: Vec<PathBuf>) -> (Vec<PathBuf>, Vec<PathBuf>) {
    paths.into_iter().partition(|path| path.parent().is_some_and(|folder| !folder.to_string_lossy().contains("ham")))
}

#[test]
#[ignore = "needs redis and HAMGATE_CORPUS"]
fn two_exchangers_over_one_server_think_alike() {
    let folder = Folder::new("shared");
    let server = Server::start(&folder.0);
    let socket = server.folder.join("socket");
    let (one, other) = (Exchanger::new(&folder, "one", &socket), Exchanger::new(&folder, "other", &socket));
    let mut learned = corpus(LEARNED + JUDGED);
    let judged: Vec<PathBuf> = (0..JUDGED).rev().map(|number| learned.remove(number * learned.len() / JUDGED)).collect();
    let (mut spam, mut ham) = by_label(learned);
    let (later_spam, later_ham) = (spam.split_off(spam.len() * 2 / 3), ham.split_off(ham.len() * 2 / 3));
    one.run(&["train", "--spam"], &spam);
    println!("{}", one.run(&["train", "--ham"], &ham).trim());
    let before = one.opinions(&judged);
    assert_eq!(before, other.opinions(&judged));
    let opinions = before.iter().filter(|opinion| *opinion != "null").count();
    assert!(opinions > JUDGED * 9 / 10, "{opinions} opinions");
    // One learns while the other reads.
    let mut trainer = one.command(&["train", "--spam"], &later_spam).stdout(Stdio::null()).spawn().unwrap();
    let mut reads = 0;
    while trainer.try_wait().unwrap().is_none() || reads == 0 {
        assert!(other.opinions(&judged[..5]).iter().all(|opinion| opinion != "null"));
        reads += 1;
    }
    other.run(&["train", "--ham"], &later_ham);
    let after = one.opinions(&judged);
    assert_eq!(after, other.opinions(&judged));
    assert_ne!(after, before);
    // What the server holds goes into a file and back.
    let backup = folder.0.join("backup");
    one.run(&["bayes", "backup"], std::slice::from_ref(&backup));
    other.run(&["train", "--forget"], &spam);
    assert_ne!(one.opinions(&judged), after);
    other.run(&["bayes", "restore"], std::slice::from_ref(&backup));
    assert_eq!(one.opinions(&judged), after);
    println!("{} of {} messages with one opinion, {reads} readings while the other learned", opinions, judged.len());
}

/// Words that only spam has here.
const SPAM: &str = "lottery winner claims prize unexpected fortune transfer";
const HAM: &str = "minutes meeting agenda thursday committee garden invoice";

#[test]
#[ignore = "needs redis"]
fn mail_flows_while_the_server_is_away_and_opinions_come_back_with_it() {
    let folder = Folder::new("away");
    let mut server = Server::start(&folder.0);
    let store = format!("[policy]\nreject = \"off\"\n[bayes]\nstore = \"redis+unix://{}\"\n", server.folder.join("socket").display());
    let port = free_port();
    let daemon = Daemon::start(&folder, &store, &[format!("inet:{port}@127.0.0.1")], &["--local"]);
    let trainer = Exchanger { state: daemon.state.clone(), config: folder.0.join("hamgate.toml") };
    for (label, words) in [("spam", SPAM), ("ham", HAM)] {
        for number in 0..200 {
            let text =
                format!("From: a{number}@sender.example\nMessage-ID: <{number}.{label}@sender.example>\nSubject: {words}\n\n{words}\n");
            folder.write(&format!("{label}/{number}.eml"), &text);
        }
        trainer.run(&["train", &format!("--{label}")], &[folder.0.join(label)]);
    }
    let body = format!("{SPAM}\r\n");
    let subject = format!(" {SPAM}");
    let message = Message {
        from: "<a@sender.example>",
        to: &["<b@victim.example>"],
        fields: &[("From", " <a@sender.example>"), ("Subject", &subject), ("Date", " Thu, 01 Jan 2026 00:00:00 +0000")],
        body: body.as_bytes(),
    };
    let mut mail = MailServer::tcp(&format!("127.0.0.1:{port}")).greet();
    mail.connect("203.0.113.7").unwrap();
    let (mut sent, mut slowest) = (0, Duration::ZERO);
    // Every message is accepted; whether the classifier had an opinion.
    let mut deliver = || {
        let begun = Instant::now();
        let outcome = mail.deliver(&message).unwrap();
        slowest = slowest.max(begun.elapsed());
        sent += 1;
        assert_eq!(outcome.answer.0, 'c', "{outcome:?}");
        outcome.edits.iter().any(|edit| String::from_utf8_lossy(&edit.1).contains("BAYES_9"))
    };
    let mut until = |has_opinion: bool| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while deliver() != has_opinion {
            assert!(Instant::now() < deadline, "opinion: {has_opinion}");
        }
    };
    until(true);
    for _ in 0..3 {
        server.stop();
        until(false);
        let away = Instant::now();
        while away.elapsed() < Duration::from_secs(2) {
            until(false);
        }
        server = Server::start(&folder.0);
        until(true);
    }
    println!("{sent} messages, the slowest took {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    daemon.says("judged without it");
}
