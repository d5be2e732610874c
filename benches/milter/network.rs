//! Everything that asks the DNS at once: stock rules where they are installed, SPF, DKIM and DMARC, lists with early refusal,
//! policyd-weight's weighing. The name server is this process and answers after 20 ms; each message has a client and a
//! sender's domain that nobody has seen before.

use super::mailserver::Message;
use super::{Daemon, Mail};
use hamgate::dns::{Zone, ZoneServer};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const DELAY: Duration = Duration::from_millis(20);
const CONNECTIONS: usize = 64;
const MESSAGES: usize = 1500;
const STOCK: &str = "/usr/share/spamassassin";

/// What the stock rules need besides, where it is installed.
const SITE: &str = "/etc/spamassassin";

const CONFIG: &str = "[lists]\nrefusal = \"on\"\nrefuse_at = 3\n[weight]\nmode = \"on\"\n";
/// Everything is weighed and nobody refused.
const WEIGHT: &str = "$REJECTLEVEL = 1000;\n$MAXDNSBLHITS = 1000;\n$MAXDNSBLSCORE = 1000;\n";

pub fn run(mails: &[Mail]) {
    let folder = std::env::temp_dir().join(format!("hamgate-bench-network-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let lists = (1..=3).map(|number| {
        format!("[[list]]\nzone = \"bl{number}.example.net\"\nasks = \"client\"\nrule = \"OWN_{number}\"\nscore = 0.1\nrefuse = true\n")
    });
    let config = folder.join("hamgate.toml");
    let weight = folder.join("policyd-weight.conf");
    std::fs::write(&weight, WEIGHT).expect("levels");
    std::fs::write(&config, format!("{CONFIG}file = \"{}\"\n{}", weight.display(), lists.collect::<String>())).expect("a configuration");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let names = runtime.block_on(ZoneServer::start_far(zone(), DELAY)).expect("a name server");
    let mut options = vec!["--config".to_owned(), config.display().to_string(), "--nameserver".to_owned(), names.address.to_string()];
    for rules in [STOCK, SITE].into_iter().filter(|folder| Path::new(folder).is_dir()) {
        options.extend(["--rules".to_owned(), rules.to_owned()]);
    }
    println!(
        "all that asks the DNS, answers after {} ms, {MESSAGES} messages of new clients at {CONNECTIONS} connections",
        DELAY.as_millis()
    );
    println!(
        "{:<12}{:>12}{:>10}{:>10}{:>10}{:>10}{:>14}{:>16}",
        "rate", "messages/s", "p50 ms", "p95 ms", "p99 ms", "max ms", "CPU us/mail", "questions/mail"
    );
    let daemon = Daemon::start("inet", &options);
    let clients = AtomicUsize::new(0);
    load(&daemon, mails, MESSAGES / 5, &clients, None);
    let row = |name: &str, total: usize, every: Option<Duration>| {
        let (cpu, asked, begun) = (daemon.cpu(), names.asked(), Instant::now());
        let mut latencies = load(&daemon, mails, total, &clients, every);
        let (took, count) = (begun.elapsed().as_secs_f64(), total as f64);
        latencies.sort();
        let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        println!(
            "{name:<12}{:>12.0}{:>10.1}{:>10.1}{:>10.1}{:>10.1}{:>14.0}{:>16.1}",
            count / took,
            at(0.5),
            at(0.95),
            at(0.99),
            at(1.0),
            (daemon.cpu() - cpu).as_secs_f64() * 1e6 / count,
            (names.asked() - asked) as f64 / count
        );
        took / count
    };
    let each = row("all at once", MESSAGES, None);
    // What arrives by itself, whether or not those before it are through.
    row("half of it", MESSAGES / 2, Some(Duration::from_secs_f64(each * 2.0)));
    println!("{} kB at most", daemon.kilobytes("VmHWM:"));
    drop(daemon);
    let _ = std::fs::remove_dir_all(&folder);
}

/// Names lead everywhere they should; lists list nobody but their test points.
fn zone() -> Zone {
    Zone::parse(
        r#"{"mail.sender.example": ["A 192.0.2.1"], "2.0.0.127.bl1.example.net": ["A 127.0.0.2"],
            "2.0.0.127.bl2.example.net": ["A 127.0.0.2"], "2.0.0.127.bl3.example.net": ["A 127.0.0.2"],
            "*.senders.example": ["MX 10 mail.sender.example", ["TXT", "v=spf1 mx ~all"]]}"#,
    )
    .expect("a zone")
}

/// Times from MAIL to the verdict, each message from a new client over a connection of its own as with Postfix.
fn load(daemon: &Daemon, mails: &[Mail], total: usize, clients: &AtomicUsize, every: Option<Duration>) -> Vec<Duration> {
    let (next, begun) = (AtomicUsize::new(0), Instant::now());
    std::thread::scope(|scope| {
        let work = || {
            let mut took = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= total {
                    return took;
                }
                if let Some(every) = every {
                    let due = begun + every * u32::try_from(number).unwrap_or(u32::MAX);
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                }
                let mail = &mails[number % mails.len()];
                let client = clients.fetch_add(1, Ordering::Relaxed);
                let fields: Vec<(&str, &str)> = mail.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let from = format!("<a@s{client}.senders.example>");
                let message = Message { from: &from, to: &["<b@victim.example>"], fields: &fields, body: &mail.body };
                let mut server = daemon.connect_from(&format!("45.{}.{}.{}", client >> 16 & 255, client >> 8 & 255, client & 255));
                let begun = Instant::now();
                let outcome = server.deliver(&message).expect("the message is answered");
                let put_off = outcome.answer.0 == 't' || outcome.answer.1.starts_with(b"4");
                assert!(!put_off, "a message was put off: {}", String::from_utf8_lossy(&outcome.answer.1));
                took.push(begun.elapsed());
            }
        };
        let workers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a client")).collect()
    })
}
