//! The weighing of envelopes beside policyd-weight itself, over one zone.

use hamgate::base::units::Span;
use hamgate::dns::{Resolver, Settings, Zone, ZoneServer};
use hamgate::lists::weight::{Caches, Request, Weights};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// policyd-weight asks port 53 alone.
const SERVER: &str = "127.0.0.77:53";

const ZONE: &str = r#"{
 "example.com": ["MX 10 mail.example.com", "A 192.0.2.10"], "mail.example.com": ["A 192.0.2.10"], "out.example.com": ["A 192.0.2.99"],
 "10.2.0.192.in-addr.arpa": ["PTR mail.example.com"], "99.2.0.192.in-addr.arpa": ["PTR out.example.com"],
 "77.113.0.203.bl.spamcop.net": ["A 127.0.0.2"], "77.113.0.203.in-addr.arpa": ["PTR 77-113-0-203.dsl.example.net"],
 "78.113.0.203.bl.spamcop.net": ["A 127.0.0.2"], "78.113.0.203.pbl.spamhaus.org": ["A 127.0.0.10"],
 "79.113.0.203.bl.spamcop.net": ["A 127.0.0.2"], "79.113.0.203.pbl.spamhaus.org": ["A 127.0.0.10"], "79.113.0.203.ix.dnsbl.manitu.net": ["A 127.0.0.2"],
 "80.113.0.203.ix.dnsbl.manitu.net": ["A 127.0.0.2"], "80.113.0.203.in-addr.arpa": ["PTR host80.example.net"], "host80.example.net": ["A 203.0.113.80"],
 "bogus.example": ["MX 10 mx.bogus.example"], "mx.bogus.example": ["A 127.0.0.1"],
 "private.example": ["A 10.1.2.3"], "listed.example": ["MX 5 mail.example.com"], "listed.example.multi.surbl.org": ["A 127.0.0.2"],
 "spf.example.co.uk": ["A 198.51.100.4"], "example.co.uk": ["MX 10 mx.example.co.uk"], "mx.example.co.uk": ["A 198.51.100.7"],
 "4.100.51.198.in-addr.arpa": ["PTR spf.example.co.uk"], "5.100.51.198.in-addr.arpa": ["PTR near.example.co.uk"],
 "6.7.51.198.in-addr.arpa": ["PTR cable-6.example.net"], "example.net": ["MX 10 mx.example.net"], "mx.example.net": ["A 203.0.113.5"]}"#;

/// Address, name, HELO, sender.
const ENVELOPES: &[[&str; 4]] = &[
    ["192.0.2.10", "mail.example.com", "mail.example.com", "anna@example.com"],
    ["192.0.2.99", "out.example.com", "out.example.com", "anna@example.com"],
    ["192.0.2.99", "out.example.com", "mail.example.com", "anna@example.com"],
    ["192.0.2.50", "unknown", "mail.example.com", "anna@example.com"],
    ["192.0.7.50", "unknown", "mail.example.com", "anna@example.com"],
    ["203.0.113.77", "unknown", "77-113-0-203.dsl.example.net", "anna@example.com"],
    ["203.0.113.77", "unknown", "mail.example.com", "anna@example.com"],
    ["203.0.113.78", "unknown", "friend", "anna@example.com"],
    ["203.0.113.78", "unknown", "host.example.org", "nobody@bogus.example"],
    ["203.0.113.79", "unknown", "host.example.org", "a@bogus.example"],
    ["203.0.113.80", "host80.example.net", "host80.example.net", "a@example.net"],
    ["203.0.113.80", "host80.example.net", "host80.example.net", "a@example.com"],
    ["203.0.113.80", "host80.example.net", "host80.example.net", "xkcdfgh@listed.example"],
    ["198.51.100.9", "unknown", "[198.51.100.9]", "a@example.com"],
    ["198.51.100.9", "unknown", "[198.51.100.8]", "a@example.com"],
    ["198.51.100.9", "unknown", "198.51.100.9", "a@example.com"],
    ["198.51.100.4", "spf.example.co.uk", "spf.example.co.uk", "news@example.co.uk"],
    ["198.51.100.5", "near.example.co.uk", "mx.example.co.uk", "news@example.co.uk"],
    ["198.51.7.6", "cable-6.example.net", "mx.example.co.uk", "news@example.co.uk"],
    ["198.51.100.9", "unknown", "nowhere.example.org", "a@nowhere.example"],
    ["198.51.100.9", "unknown", "mail.example.com", "a@bogus.example"],
    ["198.51.100.9", "unknown", "mail.example.com", "a@private.example"],
    ["192.0.2.10", "mail.example.com", "mail.example.com", "a@listed.example"],
    ["192.0.2.10", "mail.example.com", "mail.example.com", "anonymous@example.co.uk"],
    ["192.0.2.10", "mail.example.com", "mail.example.com", "aeioua@other.example"],
    ["192.0.2.10", "mail.example.com", "mail.example.com", "list+tag-x@example.com"],
    ["192.0.2.10", "mail.example.com", "mail.example.com", ""],
    ["203.0.113.80", "host80.example.net", "mail.example.com", "a@sub.deep.example.com"],
    ["203.0.113.5", "unknown", "mx.example.net", "a@example.net"],
    ["198.51.7.6", "cable-6.example.net", "cable-6.example.net", "bcdfgj@example.net"],
];

fn theirs(config: &std::path::Path, envelope: &[&str; 4], number: usize) -> String {
    let [ip, name, helo, sender] = envelope;
    let mut child = Command::new("policyd-weight")
        .arg("-f")
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let request = format!(
        "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address={ip}\nclient_name={name}\nhelo_name={helo}\nsender={sender}\n\
         recipient=user@example.org\ninstance=1.{number}\n\n"
    );
    child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    output.trim().strip_prefix("action=").unwrap_or_else(|| panic!("{envelope:?}: {output}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs policyd-weight and root"]
async fn envelopes_weigh_what_policyd_weight_says() {
    let _server = ZoneServer::start_at(Zone::parse(ZONE).unwrap(), SERVER.parse().unwrap()).await.unwrap();
    let resolver =
        Resolver::new(&Settings { name_servers: vec![SERVER.into()], timeout: Span(Duration::from_secs(1)), ..Settings::default() })
            .unwrap();
    let folder = std::env::temp_dir().join(format!("hamgate-weight-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut wrong = Vec::new();
    // At a level that nothing reaches, the answer tells the weight and every reason for it.
    for level in ["1", "1000"] {
        let place = folder.display();
        let text = format!(
            "$REJECTLEVEL = {level};\n$syslog_socktype = 'console';\n$NS = '127.0.0.77';\n$CACHESIZE = 0;\n$POSCACHESIZE = 0;\n$LOCKPATH = \
             '{place}/';\n$SPATH = '{place}/sock';\n$PIDFILE = '{place}/pid';\n1;\n"
        );
        let config = folder.join("policyd-weight.conf");
        std::fs::write(&config, &text).unwrap();
        let (weights, _) = Weights::parse(&text);
        for (number, envelope) in ENVELOPES.iter().enumerate() {
            let [ip, name, helo, sender] = envelope.map(str::to_owned);
            let request = Request { ip: ip.parse().unwrap(), name, helo, sender, recipient: "user@example.org".into() };
            let ours = weights.weigh(&resolver.session(), &request, &Caches::default(), 0).await.action;
            let (config, envelope) = (config.clone(), *envelope);
            let theirs = tokio::task::spawn_blocking(move || theirs(&config, &envelope, number)).await.unwrap();
            if ours.trim() != theirs.trim() {
                wrong.push(format!("{envelope:?}\n  ours   {ours}\n  theirs {theirs}"));
            }
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
    println!("{} of {} answers alike", 2 * ENVELOPES.len() - wrong.len(), 2 * ENVELOPES.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Seconds before it, and which envelope.
const SEQUENCE: &[(u64, usize)] = &[
    (0, 0),
    (0, 7),
    (0, 0),
    (0, 7),
    (0, 21),
    (4, 7),
    (0, 0),
    (1, 0),
    (4, 7),
    (0, 1),
    (0, 6),
    (0, 6),
    (0, 21),
    (4, 6),
    (0, 0),
    (0, 0),
    (0, 1),
    (4, 6),
    (0, 22),
    (0, 23),
    (0, 26),
];

/// policyd-weight as its own daemon, with its cache beside it.
struct Theirs(Child, u16, std::path::PathBuf);

impl Drop for Theirs {
    fn drop(&mut self) {
        for action in [["-k", "stop"].as_slice(), &["stop"]] {
            let _ = Command::new("policyd-weight").arg("-f").arg(&self.2).args(action).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Theirs {
    fn start(config: &std::path::Path, port: u16) -> Theirs {
        let mut command = Command::new("policyd-weight");
        command.arg("-f").arg(config).args(["-D", "start"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let theirs = Theirs(command.spawn().unwrap(), port, config.to_owned());
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "policyd-weight does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        // Its cache needs a moment of its own.
        std::thread::sleep(Duration::from_secs(2));
        theirs
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.1)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.trim().strip_prefix("action=").unwrap_or(&line).to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs policyd-weight and root"]
async fn what_was_weighed_is_remembered_as_policyd_weight_remembers_it() {
    let _server = ZoneServer::start_at(Zone::parse(ZONE).unwrap(), "127.0.0.78:53".parse().unwrap()).await.unwrap();
    let settings = Settings { name_servers: vec!["127.0.0.78:53".into()], timeout: Span(Duration::from_secs(1)), ..Settings::default() };
    let resolver = Resolver::new(&settings).unwrap();
    let folder = std::env::temp_dir().join(format!("hamgate-weight-cache-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let owned = Command::new("chown").arg("polw:polw").arg(&folder).status().unwrap();
    assert!(owned.success());
    let port = crate::site::free_port();
    let place = folder.display();
    let text = format!(
        "$TCP_PORT = {port};\n$syslog_socktype = 'console';\n$NS = '127.0.0.78';\n$LOCKPATH = '{place}/';\n$SPATH = '{place}/sock';\n$PIDFILE = '{place}/pid';\n\
         $NTIME = 2;\n$PTIME = '30s';\n$TEMP_PTIME = '3s';\n$PTTL = 2;\n$CACHEREJECTMSG = $REJECTMSG . ' [cached]';\n\
         @dnsbl_checks_only_regexps = ( qr/^out\\.example\\.com$/, qr/nowhere/i );\n1;\n"
    );
    let config = folder.join("policyd-weight.conf");
    std::fs::write(&config, &text).unwrap();
    let (weights, unknown) = Weights::parse(&text);
    assert!(!unknown.iter().any(|name| name.contains("TIME") || name.contains("CACHE")), "{unknown:?}");
    let (at, caches) = (config.clone(), Caches::default());
    let theirs = tokio::task::spawn_blocking(move || Theirs::start(&at, port)).await.unwrap();
    let theirs = std::sync::Arc::new(theirs);
    let mut wrong = Vec::new();
    for (number, (pause, envelope)) in SEQUENCE.iter().enumerate() {
        tokio::time::sleep(Duration::from_secs(*pause)).await;
        let [ip, name, helo, sender] = ENVELOPES[*envelope].map(str::to_owned);
        let asked = format!(
            "request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address={ip}\nclient_name={name}\nhelo_name={helo}\nsender={sender}\n\
             recipient=user@example.org\ninstance=2.{number}\n\n"
        );
        let request = Request { ip: ip.parse().unwrap(), name, helo, sender, recipient: "user@example.org".into() };
        let daemon = std::sync::Arc::clone(&theirs);
        let said = tokio::task::spawn_blocking(move || daemon.ask(&asked)).await.unwrap();
        // What is weighed takes policyd-weight seconds where a name does not exist; it counts from when it is through.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let ours = weights.weigh(&resolver.session(), &request, &caches, now).await.action;
        println!("{number}: {said}");
        if ours.trim() != said.trim() {
            wrong.push(format!("{number} {envelope}\n  ours   {ours}\n  theirs {said}"));
        }
    }
    tokio::task::spawn_blocking(move || drop(theirs)).await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
