//! The milter's way as a mail server sees it: `HAMGATE_CORPUS=… cargo bench --bench milter [-- serve options…]`.
//!
//! Messages a second and latency at 1, 4 and 16 connections over both kinds of socket, CPU of the daemon a message, peak
//! memory, time to start. Latency counts from MAIL to the verdict. Without a corpus one message of its own is sent again and
//! again, so that the bench always runs.
#![allow(clippy::unwrap_used)]

#[path = "../tests/it/mailserver.rs"]
#[allow(dead_code)]
mod mailserver;

use mailserver::{MailServer, Message};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Fields and body of one message.
struct Mail {
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

const SAMPLE: &[u8] = b"From: One <one@example.org>\nTo: two@example.com\nSubject: village\nDate: Wed, 25 Nov 2026 12:00:00 +0000\n\n\
    The village has a village hall.\nhttp://www.example.net/\n";

fn main() {
    // `cargo test --benches` runs benches with this flag: nothing is measured then.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let options: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let mails: Vec<Mail> = match std::env::var_os("HAMGATE_CORPUS") {
        Some(corpus) => corpus_mails(Path::new(&corpus)),
        None => vec![split(SAMPLE)],
    };
    let total = mails.len().max(1000);
    println!("{total} messages a line, {} different ones", mails.len());
    println!(
        "{:<6}{:>6}{:>12}{:>10}{:>10}{:>10}{:>10}{:>14}",
        "socket", "conns", "messages/s", "p50 ms", "p90 ms", "p99 ms", "max ms", "CPU us/mail"
    );
    for kind in ["unix", "inet"] {
        let daemon = Daemon::start(kind, &options);
        daemon.run(&mails, mails.len(), 1);
        for connections in [1, 4, 16] {
            let cpu = daemon.cpu();
            let begun = Instant::now();
            let mut latencies = daemon.run(&mails, total, connections);
            let took = begun.elapsed().as_secs_f64();
            let cpu = (daemon.cpu() - cpu).as_secs_f64() * 1e6 / total as f64;
            latencies.sort();
            let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
            println!(
                "{kind:<6}{connections:>6}{:>12.0}{:>10.2}{:>10.2}{:>10.2}{:>10.2}{cpu:>14.0}",
                total as f64 / took,
                at(0.5),
                at(0.9),
                at(0.99),
                at(1.0)
            );
        }
        println!(
            "{kind}: started in {:.0} ms, {} kB at first, {} kB at most",
            daemon.started.as_secs_f64() * 1e3,
            daemon.first,
            daemon.kilobytes("VmHWM:")
        );
    }
}

fn corpus_mails(corpus: &Path) -> Vec<Mail> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(corpus)
        .expect("HAMGATE_CORPUS is a folder of folders")
        .flatten()
        .filter_map(|folder| std::fs::read_dir(folder.path()).ok())
        .flat_map(|folder| folder.flatten().map(|entry| entry.path()))
        .collect();
    paths.sort();
    let step = (paths.len() / 1000).max(1);
    paths.iter().step_by(step).filter_map(|path| std::fs::read(path).ok()).map(|raw| split(&raw)).collect()
}

/// As a mail server reads a message: fields with their folds, then the body with CR LF.
fn split(raw: &[u8]) -> Mail {
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut lines = raw.split_inclusive(|octet| *octet == b'\n').peekable();
    while let Some(line) = lines.peek() {
        let text = String::from_utf8_lossy(line).trim_end_matches(['\r', '\n']).replace('\0', "");
        if text.is_empty() {
            lines.next();
            break;
        }
        if let (true, Some((_, value))) = (text.starts_with([' ', '\t']), fields.last_mut()) {
            value.push('\n');
            value.push_str(&text);
        } else if let Some((name, value)) = text.split_once(':').filter(|(name, _)| !name.is_empty() && !name.contains(' ')) {
            fields.push((name.to_owned(), value.to_owned()));
        } else {
            break;
        }
        lines.next();
    }
    let mut body = Vec::new();
    for line in lines {
        body.extend_from_slice(line.strip_suffix(b"\n").map_or(line, |text| text.strip_suffix(b"\r").unwrap_or(text)));
        body.extend_from_slice(b"\r\n");
    }
    Mail { fields, body }
}

struct Daemon {
    child: Child,
    at: String,
    folder: PathBuf,
    started: Duration,
    /// Kilobytes resident before the first message.
    first: u64,
}

impl Daemon {
    fn start(kind: &str, options: &[String]) -> Daemon {
        let folder = std::env::temp_dir().join(format!("hamgate-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the socket");
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let (at, listen) = match kind {
            "unix" => (folder.join("m.sock").display().to_string(), format!("unix:{}", folder.join("m.sock").display())),
            _ => (format!("127.0.0.1:{port}"), format!("inet:{port}@127.0.0.1")),
        };
        let begun = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_hamgate"))
            .args(["serve", "--local", "--listen", &listen, "--state"])
            .arg(folder.join("state"))
            .args(options)
            .stderr(Stdio::null())
            .spawn()
            .expect("the daemon starts");
        let mut daemon = Daemon { child, at, folder, started: Duration::ZERO, first: 0 };
        while !daemon.answers() {
            assert!(begun.elapsed() < Duration::from_secs(20), "the daemon does not answer");
            std::thread::sleep(Duration::from_millis(1));
        }
        daemon.started = begun.elapsed();
        daemon.first = daemon.kilobytes("VmRSS:");
        daemon
    }

    fn answers(&self) -> bool {
        match self.at.strip_prefix('/') {
            Some(_) => std::os::unix::net::UnixStream::connect(&self.at).is_ok(),
            None => std::net::TcpStream::connect(&self.at).is_ok(),
        }
    }

    fn connect(&self) -> MailServer {
        let mut server = if self.at.starts_with('/') { MailServer::unix(self.at.as_ref()) } else { MailServer::tcp(&self.at) }.greet();
        server.connect("203.0.113.7").expect("CONNECT is answered");
        server
    }

    /// Sends so many messages; the time each took.
    fn run(&self, mails: &[Mail], total: usize, connections: usize) -> Vec<Duration> {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..connections)
                .map(|_| {
                    scope.spawn(|| {
                        let mut server = self.connect();
                        let mut took = Vec::new();
                        loop {
                            let number = next.fetch_add(1, Ordering::Relaxed);
                            if number >= total {
                                return took;
                            }
                            let mail = &mails[number % mails.len()];
                            let fields: Vec<(&str, &str)> =
                                mail.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                            let message =
                                Message { from: "<a@sender.example>", to: &["<b@victim.example>"], fields: &fields, body: &mail.body };
                            let begun = Instant::now();
                            server.deliver(&message).expect("the message is answered");
                            took.push(begun.elapsed());
                        }
                    })
                })
                .collect();
            workers.into_iter().flat_map(|worker| worker.join().expect("a client")).collect()
        })
    }

    /// User and system time so far, in ticks of 10 ms.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("/proc");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }

    fn kilobytes(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("/proc");
        status.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
