//! What is learned while processes are killed: each message is learned wholly or not at all, and all counts are those of the
//! journal.

use crate::mailserver::{MailServer, Message};
use crate::site::{Daemon, Folder, corpus, free_port};
use hamgate::store::{Count, Label, LessonEntry, Token, Totals, Which, open};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Messages that are taught, and rounds unless HAMGATE_ROUNDS says otherwise.
const MESSAGES: usize = 1_200;
const ROUNDS: u64 = 200;
/// The daemon is killed too, every so many rounds.
const DAEMON: u64 = 10;

fn rounds() -> u64 {
    std::env::var("HAMGATE_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

fn journal(state: &Path) -> Vec<LessonEntry> {
    let mut lessons = Vec::new();
    open(state.to_str().unwrap()).unwrap().lessons(&Which::default(), &mut |entry| lessons.push(entry)).unwrap();
    lessons
}

/// Opens what a killed process left: the file is sound, and a recount of the journal gives every counter. How much was learned.
fn recount(state: &Path) -> Totals {
    let file = rusqlite::Connection::open(state.join("hamgate.sqlite")).unwrap();
    let sound: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    drop(file);
    let (mut totals, mut counts) = (Totals::default(), BTreeMap::<Token, Count>::new());
    for lesson in journal(state) {
        let (spam, ham) = match lesson.label {
            Label::Spam => (1, 0),
            Label::Ham => (0, 1),
        };
        totals.spam += u64::from(spam);
        totals.ham += u64::from(ham);
        for token in lesson.tokens {
            let count = counts.entry(token).or_default();
            count.spam += spam;
            count.ham += ham;
        }
    }
    let store = open(state.to_str().unwrap()).unwrap();
    let mut kept = BTreeMap::new();
    store.rows("", &mut |token, count, _| assert!(kept.insert(token, count).is_none())).unwrap();
    assert!(kept == counts, "{} rows, {} by the journal", kept.len(), counts.len());
    assert_eq!(store.counts("", &[]).unwrap().0, totals);
    assert!(!state.join("hamgate.damaged-1").exists(), "a sound database was set aside");
    totals
}

fn train(state: &Path, label: &str, folder: &Path) -> std::process::Child {
    let mut train = Command::new(env!("CARGO_BIN_EXE_hamgate"));
    train.args(["train", label, "--threads", "1", "--state"]).args([state, folder]);
    train.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Sends mail until it is told to stop; a daemon that is killed meanwhile is no fault. Counts what was accepted.
fn mail_flows(port: u16, stop: &AtomicBool, accepted: &AtomicUsize) {
    let message = Message {
        from: "<a@sender.example>",
        to: &["<b@victim.example>"],
        fields: &[("From", " <a@sender.example>"), ("Date", " Thu, 01 Jan 2026 00:00:00 +0000"), ("Subject", " village hall")],
        body: b"The village has a village hall.\r\n",
    };
    while !stop.load(Ordering::Relaxed) {
        let sent = std::net::TcpStream::connect(("127.0.0.1", port)).map(drop).and_then(|()| {
            std::panic::catch_unwind(|| {
                let mut server = MailServer::tcp(&format!("127.0.0.1:{port}")).greet();
                server.connect("203.0.113.7").ok()?;
                server.deliver(&message).ok()
            })
            .map_err(|_| std::io::ErrorKind::BrokenPipe.into())
        });
        if let Ok(Some(outcome)) = sent {
            assert!(outcome.answer.0 == 'c' || outcome.answer.0 == 'a', "{outcome:?}");
            accepted.fetch_add(1, Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "needs HAMGATE_CORPUS"]
fn a_kill_at_any_moment_leaves_each_message_learned_wholly_or_not_at_all() {
    let folder = Folder::new("killed");
    let messages = folder.0.join("messages");
    std::fs::create_dir_all(&messages).unwrap();
    for (number, path) in corpus(MESSAGES).iter().enumerate() {
        std::fs::copy(path, messages.join(format!("{number}.eml"))).unwrap();
    }
    // What each message holds, as a trainer learns it that nobody kills; and how long that takes.
    let whole = folder.0.join("whole");
    let begun = Instant::now();
    assert!(train(&whole, "--spam", &messages).wait().unwrap().success());
    let span = begun.elapsed();
    recount(&whole);
    let tokens: BTreeMap<[u8; 20], Vec<Token>> = journal(&whole).into_iter().map(|lesson| (lesson.digest, lesson.tokens)).collect();

    let port = free_port();
    let mut daemon = Daemon::start(&folder, "[policy]\nreject = \"off\"\n", &[format!("inet:{port}@127.0.0.1")], &["--local"]);
    // The same key, so that the same words are the same tokens.
    let state = daemon.state.clone();
    daemon.stop();
    for file in std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path()) {
        let _ = std::fs::remove_file(file);
    }
    std::fs::copy(whole.join("hamgate.key"), state.join("hamgate.key")).unwrap();
    daemon.restart();
    let (stop, accepted) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (mut killed, mut partly) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| mail_flows(port, &stop, &accepted));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..rounds() {
                let label = ["--spam", "--ham", "--spam", "--forget"][round as usize % 4];
                let mut trainer = train(&state, label, &messages);
                // Spread over the whole run by the golden ratio.
                let share = (round as f64 * 0.618_034).fract() * 1.1;
                std::thread::sleep(span.mul_f64(share));
                killed += u64::from(trainer.try_wait().unwrap().is_none());
                let _ = trainer.kill();
                trainer.wait().unwrap();
                if round % DAEMON == DAEMON - 1 {
                    daemon.kill();
                    daemon.restart();
                }
                let totals = recount(&state);
                let learned = totals.spam + totals.ham;
                partly += u64::from(learned > 0 && learned < tokens.len() as u64 || totals.spam > 0 && totals.ham > 0);
                for lesson in journal(&state) {
                    assert!(lesson.tokens == tokens[&lesson.digest], "a message was learned in part");
                }
            }
        }));
        stop.store(true, Ordering::Relaxed);
        outcome.unwrap();
    });
    let accepted = accepted.load(Ordering::Relaxed);
    println!(
        "{} rounds, {killed} trainers killed at work, {partly} left a part of the messages learned, {accepted} mails accepted meanwhile",
        rounds()
    );
    assert!(killed * 2 >= rounds() && partly > 0 && accepted > 0);
    assert!(!daemon.log_text().contains("panicked"));
}
