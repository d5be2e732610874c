//! Lists, weights, client checks and bounces at a daemon that runs, as mail servers and operators meet them.

use crate::greylist::{Redis, client, daemon, reply};
use crate::mailserver::{MailServer, Message, Outcome, PLAIN};
use crate::site::{Daemon, Folder, free_port, given};
use hamgate::dns::{Zone, ZoneServer};
use hamgate::pace::{BounceSettings, Sent};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn hamgate(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_hamgate")).args(arguments).stdin(Stdio::null()).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

/// A name server for one test.
struct Names {
    server: ZoneServer,
    _runtime: tokio::runtime::Runtime,
}

impl Names {
    fn of(zone: &str) -> Names {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(ZoneServer::start(Zone::parse(zone).unwrap())).unwrap();
        Names { server, _runtime: runtime }
    }

    fn address(&self) -> String {
        self.server.address.to_string()
    }
}

/// A hostile name server: magic labels in a name make it lie, delay, refuse (its own text says which).
struct Hostile(Child, String);

impl Drop for Hostile {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Hostile {
    fn start(folder: &Folder, zone: &str) -> Hostile {
        let (tool, port) = (given("HAMGATE_TOOLS").join("fdns.py"), free_port());
        let python = std::env::var_os("HAMGATE_PYTHON").unwrap_or_else(|| "python3".into());
        let zone = folder.write("zone.json", zone);
        let mut command = Command::new(python);
        command.arg(tool).args(["--port", &port.to_string(), "--zone"]).arg(zone).stdout(Stdio::null()).stderr(Stdio::null());
        let hostile = Hostile(command.spawn().unwrap(), format!("127.0.0.1:{port}"));
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(&hostile.1).is_err() {
            assert!(Instant::now() < deadline, "the hostile name server does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        hostile
    }
}

/// Zone, and whether the operator must be told of it; a list that says no to everything lacks its test point alone.
const BROKEN: &[&str] =
    &["lie", "drop", "slow3s", "servfail", "garbage", "wrongid", "ptrloop", "short", "nx", "refusing", "parked", "nxplain"];

fn zone_of(word: &str) -> String {
    format!("{word}.bl.example.org")
}

fn broken_site() -> (String, String, String) {
    let (mut lists, mut rules) = (String::from("[lists]\nrefusal = \"on\"\nrefuse_at = 1\n"), String::new());
    for word in BROKEN {
        let (zone, name) = (zone_of(word), word.to_uppercase());
        lists += &format!("[[list]]\nzone = \"{zone}\"\nasks = \"client\"\nrule = \"OWN_{name}\"\nscore = 30\nrefuse = true\n");
        rules += &format!(
            "header RBL_{name} eval:check_rbl('{word}-lastexternal', '{zone}.')\nscore RBL_{name} 30\ntflags RBL_{name} net\n\
             urirhssub URI_{name} {zone}. A 2\nbody URI_{name} eval:check_uridnsbl('URI_{name}')\nscore URI_{name} 30\ntflags URI_{name} net\n\
             askdns ASK_{name} _SENDERDOMAIN_.{zone} A\nscore ASK_{name} 30\ntflags ASK_{name} net\n"
        );
    }
    let wild = |word: &str, answer: &str| {
        let zone = zone_of(word);
        format!(
            "\"*.113.0.203.{zone}\": [\"A {answer}\"], \"example.net.{zone}\": [\"A {answer}\"], \"sender.example.{zone}\": [\"A {answer}\"], "
        )
    };
    let zone = format!(
        "{{{}{}\"sender.example\": [\"MX 10 mail.sender.example\"], \"mail.sender.example\": [\"A 203.0.113.7\"]}}",
        wild("refusing", "127.255.255.254"),
        wild("parked", "192.0.2.80")
    );
    (lists, rules, zone)
}

#[test]
#[ignore = "needs HAMGATE_TOOLS (fdns.py) and python3-dnspython"]
fn broken_lists_refuse_nobody_hold_nobody_up_and_are_told_within_a_minute() {
    let folder = Folder::new("broken-lists");
    let (lists, rules, zone) = broken_site();
    let hostile = Hostile::start(&folder, &zone);
    let rules = folder.write("rules.cf", &rules).display().to_string();
    let daemon = daemon(&folder, &lists, &["--nameserver", &hostile.1, "--rules-add", &rules]);
    let messages: usize = std::env::var("HAMGATE_SAMPLE").ok().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let (next, begun) = (AtomicUsize::new(0), Instant::now());
    let told_at = Mutex::new(None);
    let mut took: Vec<Duration> = std::thread::scope(|scope| {
        let one = || {
            let mut took = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= messages {
                    return took;
                }
                let mut server = client(&daemon, &format!("203.0.113.{}", 1 + number % 250));
                let begun = Instant::now();
                let message = Message { from: "<a@sender.example>", body: b"See http://link.example.net/x\r\n", ..PLAIN };
                let outcome = server.deliver(&message).unwrap();
                assert_eq!(reply(&outcome), "c", "message {number}");
                took.push(begun.elapsed());
            }
        };
        let workers: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
        scope.spawn(|| {
            let waits_for = |text: &str| BROKEN.iter().filter(|word| !text.contains(&format!("\"{}\"", zone_of(word)))).count();
            while waits_for(&daemon.log_text()) > 0 && begun.elapsed() < Duration::from_secs(90) {
                std::thread::sleep(Duration::from_millis(100));
            }
            *told_at.lock().unwrap() = Some(begun.elapsed());
        });
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    took.sort();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    let told_at = told_at.into_inner().unwrap().unwrap();
    println!(
        "{messages} messages: p50 {:?}, p99 {:?}, longest {:?}; the last fault was told after {told_at:?}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    assert!(at(1.0) < Duration::from_secs(10), "{:?}", at(1.0));
    assert!(told_at < Duration::from_secs(60), "{}", daemon.log_text());
    for line in daemon.logged(messages) {
        let rules = line["rules"].to_string();
        let guilty = ["OWN_", "RBL_", "URI_", "ASK_"]
            .iter()
            .find(|start| BROKEN.iter().any(|w| rules.contains(&format!("{start}{}", w.to_uppercase()))));
        assert_eq!(guilty, None, "{rules}");
    }
    let config = folder.0.join("hamgate.toml").display().to_string();
    let (sound, text) = hamgate(&["lists", "test", "--config", &config, "--rules", &rules, "--nameserver", &hostile.1]);
    println!("{text}");
    assert!(!sound);
    let says = |word: &str, what: &str| text.lines().any(|line| line.starts_with(&zone_of(word)) && line.contains(what));
    assert!(says("lie", "lists everything") && says("drop", "does not answer") && says("nx", "test point"), "{text}");
}

/// What is heard, octet for octet.
struct Recorded(UnixStream, Arc<Mutex<Vec<u8>>>);

impl Read for Recorded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.lock().unwrap().extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

impl Write for Recorded {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.0.write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// Three messages of three clients, one of whom has logged in, and all that the daemon says.
fn heard(daemon: &Daemon) -> Vec<u8> {
    let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
    for (ip, login) in [("203.0.113.77", ""), ("203.0.113.78", ""), ("203.0.113.77", "ann")] {
        let path = daemon.listen[0].trim_start_matches("unix:").to_owned();
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut server = MailServer::over(Box::new(Recorded(stream, Arc::clone(&heard)))).greet();
        server.connect(ip).unwrap();
        server.login = login.to_owned();
        for to in [["<b@victim.example>"].as_slice(), &["<c@victim.example>", "<d@victim.example>"]] {
            server.deliver(&Message { to, ..PLAIN }).unwrap();
        }
    }
    Arc::try_unwrap(heard).unwrap().into_inner().unwrap()
}

const LISTED: &str = r#"{"77.113.0.203.bl.example.org": ["A 127.0.0.2"], "2.0.0.127.bl.example.org": ["A 127.0.0.2"],
    "77.113.0.203.bl.spamcop.net": ["A 127.0.0.2"], "77.113.0.203.pbl.spamhaus.org": ["A 127.0.0.10"]}"#;

const LIST: &str = "[[list]]\nzone = \"bl.example.org\"\nasks = \"client\"\nrule = \"OWN_BL\"\nscore = 0.1\nrefuse = true\n";

#[test]
fn a_check_under_observe_changes_no_octet_and_says_what_it_would_have_done() {
    let names = Names::of(LISTED);
    let address = names.address();
    let score = |mode: &str| if mode == "on" { "score HG_PTR_MISSING 30\n" } else { "" };
    let checks: &[(&str, &dyn Fn(&str) -> String)] = &[
        ("lists", &|mode| format!("[lists]\nrefusal = \"{mode}\"\nrefuse_at = 1\n{LIST}")),
        ("weight", &|mode| format!("[weight]\nmode = \"{mode}\"\nfile = \"/nonexistent\"\n{LIST}")),
        ("access", &|mode| format!("[access]\nmode = \"{mode}\"\nclient = [\"cidr:FOLDER/clients\"]\n")),
        ("greylist", &|mode| format!("[greylist]\nmode = \"{mode}\"\napplies = \"always\"\n")),
        ("limit", &|mode| format!("[[limit]]\nby = \"client\"\ncount = \"messages\"\nmost = 1\nper = \"1 h\"\nmode = \"{mode}\"\n")),
        ("HG_PTR_MISSING", &|mode| match mode {
            "observe" => "[rules]\nobserve = [\"HG_PTR_*\"]\n".to_owned(),
            _ => String::new(),
        }),
    ];
    for (check, toml) in checks {
        let mut said = Vec::new();
        for mode in ["on", "observe", "off"] {
            let folder = Folder::new("observe");
            folder.write("clients", "203.0.113.77 REJECT no\n");
            let toml = toml(mode).replace("FOLDER", &folder.0.display().to_string());
            // A rule that is off scores nothing, and stands nowhere.
            let rules = if *check == "HG_PTR_MISSING" && mode == "off" { "score HG_PTR_MISSING 0\n" } else { score(mode) };
            let rules = folder.write("more.cf", rules).display().to_string();
            let daemon = daemon(&folder, &toml, &["--nameserver", &address, "--rules-add", &rules]);
            said.push(heard(&daemon));
            if mode == "observe" {
                daemon.says("would_have");
                let deadline = Instant::now() + Duration::from_secs(5);
                loop {
                    let (_, text) = hamgate(&["report", "--would-have", "--state", &daemon.state.display().to_string()]);
                    if text.lines().any(|line| line.starts_with(&format!("{check}\t"))) {
                        break;
                    }
                    assert!(Instant::now() < deadline, "{check}: {text}");
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
        assert!(said[1] == said[2], "{check} under observe:\n{}\noff:\n{}", text_of(&said[1]), text_of(&said[2]));
        assert!(said[0] != said[2], "{check} does nothing at all");
    }
}

fn text_of(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).replace('\0', "\u{b7}")
}

const BOUNCE: &str = "This is the mail system.\r\n\r\nFrom: <b@victim.example>\r\nMessage-ID: <QUOTED>\r\nSubject: hello\r\n";

fn bounce(daemon: &Daemon, id: &str) -> Outcome {
    let body = BOUNCE.replace("QUOTED", id);
    let fields = &[
        ("From", " MAILER-DAEMON@sender.example (Mail Delivery System)"),
        ("Subject", " Undelivered"),
        ("Message-ID", " <b@sender.example>"),
    ];
    client(daemon, "203.0.113.77").deliver(&Message { from: "<>", to: &["<b@victim.example>"], fields, body: body.as_bytes() }).unwrap()
}

#[test]
fn a_bounce_of_our_own_mail_is_known_and_one_of_a_forgers_too() {
    let folder = Folder::new("bounces");
    let mut daemon = daemon(&folder, "[bounces]\nremember = true\n", &[]);
    let mut ours = client(&daemon, "198.51.100.20");
    ours.login = "ann".to_owned();
    let fields = &[("From", " <b@victim.example>"), ("Message-ID", " <ours@victim.example>")];
    ours.deliver(&Message { fields, ..PLAIN }).unwrap();
    // Strangers do not make mail ours.
    client(&daemon, "203.0.113.9").deliver(&Message { fields: &[("Message-ID", " <theirs@victim.example>")], ..PLAIN }).unwrap();
    daemon.logged(2);
    daemon.kill();
    daemon.restart();
    daemon.wait();
    // A line is written after the reply: each is waited for, so that the last one is that of the last message.
    let rules = |count: usize| daemon.logged(count).pop().unwrap()["rules"].to_string();
    bounce(&daemon, "ours@victim.example");
    assert!(rules(3).contains("HG_BOUNCE_OURS"), "{}", daemon.log_text());
    bounce(&daemon, "theirs@victim.example");
    assert!(!rules(4).contains("HG_BOUNCE_"), "nothing is foreign while memory is young: {}", rules(4));
    remember_a_week_ago(&daemon, "old@victim.example");
    bounce(&daemon, "theirs@victim.example");
    assert!(rules(5).contains("HG_BOUNCE_FOREIGN"), "{}", rules(5));
    bounce(&daemon, "old@victim.example");
    assert!(rules(6).contains("HG_BOUNCE_OURS"), "{}", rules(6));
}

/// As docs/dns-lists.md gives it.
const BESIDE_STOCK: &str = "welcomelist_bounce_relays mail.victim.example\n\
    header   BOUNCE_OURS      eval:bounce_of_our_mail()\nscore    BOUNCE_OURS      -2\n\
    header   __BOUNCE_FOREIGN eval:bounce_of_foreign_mail()\n\
    meta     BACKSCATTER      BOUNCE_MESSAGE && __BOUNCE_FOREIGN\nscore    BACKSCATTER      3\n";

#[test]
#[ignore = "needs spamassassin's rules"]
fn spamassassins_bounce_rules_and_what_is_remembered_stand_together() {
    let folder = Folder::new("vbounce");
    let more = folder.write("more.cf", BESIDE_STOCK).display().to_string();
    let stock = ["--local", "--rules", "/usr/share/spamassassin", "--rules", "/etc/spamassassin", "--rules-add", more.as_str()];
    let daemon = daemon(&folder, "[bounces]\nremember = true\n", &stock);
    remember_a_week_ago(&daemon, "old@victim.example");
    let rules = |count: usize| daemon.logged(count).pop().unwrap()["rules"].to_string();
    bounce(&daemon, "forged@victim.example");
    assert!(rules(1).contains("BACKSCATTER") && rules(1).contains("BOUNCE_MESSAGE"), "{}", rules(1));
    bounce(&daemon, "old@victim.example");
    assert!(rules(2).contains("BOUNCE_OURS") && !rules(2).contains("BACKSCATTER"), "{}", rules(2));
    // SpamAssassin's own sign: it passed one of our relays.
    bounce(&daemon, "forged@victim.example>\r\nReceived: from a.example by mail.victim.example with ESMTP; now\r\nX-End: <x");
    assert!(!rules(3).contains("BOUNCE_MESSAGE"), "{}", rules(3));
}

/// As if it had been sent then.
fn remember_a_week_ago(daemon: &Daemon, id: &str) {
    let store = hamgate::store::open_pace(&daemon.state.display().to_string()).unwrap();
    let then = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - Duration::from_secs(7 * 86_400);
    Sent::new(BounceSettings::default(), store).remember(id, then.as_millis() as u64).unwrap();
}

#[test]
#[ignore = "needs valkey or redis"]
fn what_one_exchanger_sent_the_other_knows_when_it_bounces() {
    let redis = Redis::start();
    let toml = format!("[bounces]\nremember = true\n[store]\ndoor = \"redis://127.0.0.1:{}/0\"\n", redis.1);
    let folders = [Folder::new("mx1"), Folder::new("mx2")];
    let daemons = folders.each_ref().map(|folder| daemon(folder, &toml, &[]));
    let mut ours = client(&daemons[0], "198.51.100.20");
    ours.login = "ann".to_owned();
    ours.deliver(&Message { fields: &[("Message-ID", " <ours@victim.example>")], ..PLAIN }).unwrap();
    bounce(&daemons[1], "ours@victim.example");
    assert!(daemons[1].logged(1)[0]["rules"].to_string().contains("HG_BOUNCE_OURS"), "{}", daemons[1].log_text());
}

#[test]
fn what_was_weighed_stands_in_the_field_of_policyd_weight() {
    let names = Names::of(
        r#"{"sender.example": ["MX 10 mail.sender.example"], "mail.sender.example": ["A 203.0.113.7"],
        "7.113.0.203.in-addr.arpa": ["PTR mail.sender.example"]}"#,
    );
    let folder = Folder::new("weight-field");
    let daemon = daemon(&folder, "[weight]\nmode = \"on\"\nfile = \"/nonexistent\"\n", &["--nameserver", &names.address()]);
    let outcome = client(&daemon, "203.0.113.7").deliver(&Message { to: &["<b@victim.example>", "<c@victim.example>"], ..PLAIN }).unwrap();
    let fields: Vec<String> = outcome.edits.iter().map(|(_, edit)| String::from_utf8_lossy(edit).into_owned()).collect();
    let weighed: Vec<&String> = fields.iter().filter(|field| field.contains("X-policyd-weight")).collect();
    assert!(weighed.len() == 1 && weighed[0].contains("CL_IP_EQ_FROM_MX=-3.1") && weighed[0].contains("; rate: -"), "{fields:?}");
}
