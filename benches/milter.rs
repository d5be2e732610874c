//! The milter's way as a mail server sees it: `HAMGATE_CORPUS=… cargo bench --bench milter [-- serve options…]`.
//!
//! Messages a second and latency at 1, 4 and 16 connections over both kinds of socket, CPU of the daemon a message, peak
//! memory, time to start; the same with everything that asks the DNS, from a server 20 ms away (`-- network`: this alone). Latency counts from MAIL to the verdict. Without a corpus one message of its own is sent again and
//! again, so that the bench always runs. Where OpenDKIM is installed, verifying and signing are measured beside it.
#![allow(clippy::unwrap_used)]

#[path = "../tests/it/mailserver.rs"]
#[allow(dead_code)]
mod mailserver;
#[path = "milter/network.rs"]
mod network;

use hamgate::auth::letter::Letter;
use hamgate::auth::sign::key::Kind;
use hamgate::auth::sign::{Entry, Form, PrivateKey, sign};
use hamgate::dns::{Zone, ZoneServer};
use mailserver::{MailServer, Message};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Fields and body of one message.
#[derive(Clone)]
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
    let mut options: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let only_network = options.first().is_some_and(|option| option == "network");
    options.drain(..usize::from(only_network));
    let mails: Vec<Mail> = match std::env::var_os("HAMGATE_CORPUS") {
        Some(corpus) => corpus_mails(Path::new(&corpus)),
        None => vec![split(SAMPLE)],
    };
    if only_network {
        return network::run(&mails);
    }
    let total = mails.len().max(1000);
    println!("{total} messages a line, {} different ones", mails.len());
    println!(
        "{:<6}{:>6}{:>12}{:>10}{:>10}{:>10}{:>10}{:>14}",
        "socket", "conns", "messages/s", "p50 ms", "p90 ms", "p99 ms", "max ms", "CPU us/mail"
    );
    for kind in ["unix", "inet"] {
        let options = [&["--local".to_owned()], options.as_slice()].concat();
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
    network::run(&mails);
    match Command::new("opendkim").arg("-V").output() {
        Ok(_) => beside_opendkim(&mails),
        Err(_) => println!("opendkim is not installed: verifying and signing are not compared"),
    }
}

/// Messages that are signed, or verified, in one go.
const DKIM_MESSAGES: usize = 600;

/// CPU of both daemons for the same messages over the same kind of socket: all that Hamgate does for a message without rules,
/// SPF and DMARC among it, against OpenDKIM.
fn beside_opendkim(mails: &[Mail]) {
    let folder = std::env::temp_dir().join(format!("hamgate-bench-dkim-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for keys");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
        path.display().to_string()
    };
    let text = PrivateKey::generate(Kind::Rsa2048).expect("a key");
    let file = write("rsa.key", &text);
    let key = Arc::new(PrivateKey::parse(&text).expect("a key"));
    let record = key.record();
    let entry = Entry { domain: "example.org".into(), selector: "rsa".into(), file: file.clone().into(), key };
    let plain: Vec<Mail> = mails.iter().cycle().take(DKIM_MESSAGES).map(without_signatures).collect();
    let signed: Vec<Mail> = plain.iter().map(|mail| with_signature(mail, &entry)).collect();

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let zone = serde_json::json!({ "rsa._domainkey.example.org": [["TXT", record]] });
    let zone = Zone::parse(&zone.to_string()).expect("a zone");
    let names = runtime.block_on(ZoneServer::start(zone)).expect("a name server");
    let no_rules = write("none.cf", "required_score 5\n");
    let tables = (write("key.table", &format!("k example.org:rsa:{file}\n")), write("signing.table", "* k\n"));
    let known = write("keys.txt", &format!("rsa._domainkey.example.org {record}\n"));
    let signing = write(
        "sign.toml",
        &format!(
            "[dkim]\nkey_table = \"{}\"\nsigning_table = \"refile:{}\"\ninternal = [\"0.0.0.0/0\"]\noversign = [\"From\"]\n",
            tables.0, tables.1
        ),
    );
    let server = names.address.to_string();
    let ours = |more: &[&str]| [&["--rules", no_rules.as_str()], more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
    let theirs = |lines: String| Daemon::opendkim(&write("opendkim.conf", &lines));
    let one = |daemon: &Daemon, mails: &[Mail], mark: &str| {
        let done = daemon.writes(mark, &mails[..mails.len() / 4]);
        assert!(done * 10 >= mails.len() / 4 * 9, "{done} messages of {} got {mark}", mails.len() / 4);
        let (cpu, begun) = (daemon.cpu(), Instant::now());
        daemon.run(mails, mails.len(), 1);
        let count = mails.len() as f64;
        ((daemon.cpu() - cpu).as_secs_f64() * 1e6 / count, count / begun.elapsed().as_secs_f64())
    };
    println!("{DKIM_MESSAGES} messages with RSA-2048: CPU us/mail, messages/s at one connection");
    let rows = [
        ("verifying", "dkim=pass", &signed, ours(&["--nameserver", &server]), format!("Mode v\nTestDNSData {known}\n")),
        (
            "signing",
            "DKIM-Signature",
            &plain,
            ours(&["--local", "--config", &signing]),
            format!(
                "Mode s\nKeyTable {}\nSigningTable refile:{}\nInternalHosts 0.0.0.0/0\nCanonicalization relaxed/relaxed\n",
                tables.0, tables.1
            ),
        ),
    ];
    for (what, mark, mails, options, lines) in rows {
        let (ours, rate) = one(&Daemon::start("inet", &options), mails, mark);
        let (other, their_rate) = one(&theirs(lines), mails, mark);
        println!("{what:<10} Hamgate {ours:.0} ({rate:.0}/s), OpenDKIM {other:.0} ({their_rate:.0}/s): ratio {:.2}", other / ours);
    }
    let began = process_cpu();
    for _ in 0..DKIM_MESSAGES {
        entry.key.sign(b"x").expect("a signature");
    }
    println!("the RSA operation alone: {:.0}", (process_cpu() - began) * 1e6 / DKIM_MESSAGES as f64);
    let _ = std::fs::remove_dir_all(&folder);
}

fn without_signatures(mail: &Mail) -> Mail {
    let mut mail = mail.clone();
    // As if written here: one author, whom both daemons sign for, and no way behind it.
    mail.fields.retain(|(name, _)| !["dkim-signature", "from", "sender", "received"].contains(&name.to_ascii_lowercase().as_str()));
    mail.fields.insert(0, ("From".to_owned(), " Ann <ann@example.org>".to_owned()));
    mail
}

fn with_signature(mail: &Mail, entry: &Entry) -> Mail {
    let fields: String = mail.fields.iter().map(|(name, value)| format!("{name}:{}\r\n", value.replace('\n', "\r\n"))).collect();
    let raw = [fields.as_bytes(), b"\r\n", &mail.body].concat();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let value = sign(&Letter::parse(&raw), entry, "example.org", &Form::default(), now).expect("a signature");
    let mut mail = mail.clone();
    mail.fields.insert(0, ("DKIM-Signature".to_owned(), format!(" {}", value.replace("\r\n", "\n"))));
    mail
}

fn process_cpu() -> f64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("a clock");
    time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9
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
        let mut command = Command::new(env!("CARGO_BIN_EXE_hamgate"));
        command.args(["serve", "--listen", &listen, "--state"]).arg(folder.join("state")).args(options);
        Daemon::of(command, at, folder)
    }

    fn opendkim(config: &str) -> Daemon {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let text = std::fs::read_to_string(config).expect("its configuration");
        std::fs::write(config, format!("Socket inet:{port}@127.0.0.1\nSyslog no\nRequireSafeKeys no\n{text}")).expect("its configuration");
        let mut command = Command::new("opendkim");
        command.args(["-f", "-x", config]);
        Daemon::of(command, format!("127.0.0.1:{port}"), std::env::temp_dir().join(format!("opendkim-bench-{port}")))
    }

    fn of(mut command: Command, at: String, folder: PathBuf) -> Daemon {
        let begun = Instant::now();
        let child = command.stderr(Stdio::null()).spawn().expect("the daemon starts");
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
        self.connect_from("203.0.113.7")
    }

    fn connect_from(&self, client: &str) -> MailServer {
        let mut server = if self.at.starts_with('/') { MailServer::unix(self.at.as_ref()) } else { MailServer::tcp(&self.at) }.greet();
        server.connect(client).expect("CONNECT is answered");
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

    /// Of so many messages, those to which it adds something that holds this.
    fn writes(&self, mark: &str, mails: &[Mail]) -> usize {
        let mut server = self.connect();
        let holds = |edit: &(char, Vec<u8>)| edit.1.windows(mark.len()).any(|octets| octets == mark.as_bytes());
        let mut count = 0;
        for mail in mails {
            let fields: Vec<(&str, &str)> = mail.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let message = Message { from: "<a@sender.example>", to: &["<b@victim.example>"], fields: &fields, body: &mail.body };
            count += usize::from(server.deliver(&message).expect("the message is answered").edits.iter().any(holds));
        }
        count
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
