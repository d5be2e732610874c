//! DNS lists that lie, refuse or keep silent; checks of client and envelope; and nothing asked where nothing may be asked.

use hamgate::auth::Verifier;
use hamgate::base::Clock;
use hamgate::base::units::Span;
use hamgate::dns::{Resolver, Settings, Zone, ZoneServer};
use hamgate::lists::{self, Board, Fault, Guard};
use hamgate::mail::{Arrival, Client, Envelope};
use hamgate::outcome::Findings;
use hamgate::rules::engine::{Program, dns};
use hamgate::rules::{NoFiles, Source, builtin, load};
use hamgate::scan::{Engine, Network, Wish};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;

const MESSAGE: &str = "From: Anna Berg <anna.berg@example.com>\r\nTo: user@example.org\r\nSubject: Minutes\r\n\
    Date: Tue, 3 Mar 2026 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nSee http://link.example.net/x\r\n";

const RULES: &str = "header IN_LIST eval:check_rbl('one-lastexternal', 'bl.example.org.')\nscore IN_LIST 3\ntflags IN_LIST net\n\
    header IN_BITS eval:check_rbl_sub('one-lastexternal', '2')\nscore IN_BITS 3\ntflags IN_BITS net\n\
    header REFUSED eval:check_rbl_sub('one-lastexternal', '127.255.255.254')\nscore REFUSED 0.001\ntflags REFUSED net\n\
    urirhssub IN_LINKS links.example.org. A 2\nbody IN_LINKS eval:check_uridnsbl('IN_LINKS')\nscore IN_LINKS 3\ntflags IN_LINKS net\n\
    askdns IN_NAMES _SENDERDOMAIN_.names.example.org A\nscore IN_NAMES 3\ntflags IN_NAMES net\n";

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn settings(server: SocketAddr) -> Settings {
    Settings {
        name_servers: vec![server.to_string()],
        timeout: Span(Duration::from_millis(150)),
        retries: 0,
        deadline: Span(Duration::from_secs(2)),
        ..Settings::default()
    }
}

/// An engine over these rules (besides the built-in plugins), asking that server; its guard beside it.
fn engine(runtime: &Runtime, server: SocketAddr, sources: &[Source]) -> (Engine, Arc<Guard>) {
    let (set, _) = load(sources, &NoFiles, &hamgate::rules::Settings::default());
    let resolver = Resolver::new(&settings(server)).unwrap();
    let zones = dns::zones(&set);
    let guard = Guard::new(Board::new(zones.iter().map(String::as_str)), resolver.clone(), &lists::Settings::default(), None);
    let network = Network::new(resolver, Verifier::new("mx.example.org", &[]), guard, Clock::System, runtime.handle().clone());
    let guard = Arc::clone(&network.guard);
    (Engine { gather: Some(Arc::new(network)), network: true, ..Engine::local(Program::new(set)) }, guard)
}

fn with_rules(text: &str) -> Vec<Source> {
    let mut sources: Vec<Source> = builtin::sources().into_iter().take(1).collect();
    sources.push(Source::Text { name: "test.cf".into(), text: text.to_owned() });
    sources
}

fn client() -> (Client, Envelope) {
    let client = Client {
        ip: Some("203.0.113.77".parse().unwrap()),
        name: "mail.example.com".into(),
        ptr: "mail.example.com".into(),
        port: 40000,
        helo: "mail.example.com".into(),
        ..Client::default()
    };
    let envelope = Envelope {
        mail_from: "anna.berg@example.com".into(),
        recipients: vec!["user@example.org".into()],
        queue_id: "4711".into(),
        server: "mx.example.org".into(),
        ..Envelope::default()
    };
    (client, envelope)
}

fn judge(engine: &Engine, client: Client, envelope: Envelope) -> Findings {
    let arrival = Arrival::Live(Box::new((client, envelope)));
    engine.judge(MESSAGE.as_bytes().to_vec(), arrival, Wish::default()).findings
}

fn plain(engine: &Engine) -> Findings {
    let (client, envelope) = client();
    judge(engine, client, envelope)
}

#[derive(Deserialize)]
struct Pair {
    hit: Case,
    miss: Case,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Case {
    helo: Option<String>,
    name: Option<String>,
    mail_from: Option<String>,
    rcpt: Option<Vec<String>>,
    login: String,
    bounced: String,
    zone: BTreeMap<String, Vec<String>>,
}

const SOUND: &str = r#"{"77.113.0.203.in-addr.arpa": ["PTR mail.example.com"], "mail.example.com": ["A 203.0.113.77"],
    "example.com": ["MX 10 mail.example.com"], "example.org": ["MX 10 mx.example.org"], "desktop.example.com": ["A 203.0.113.77"]}"#;

fn hits(runtime: &Runtime, case: &Case, rule: &str) -> bool {
    let mut zone: serde_json::Value = serde_json::from_str(SOUND).unwrap();
    for (name, records) in &case.zone {
        zone[name] = records.clone().into();
    }
    let server = runtime.block_on(ZoneServer::start(Zone::parse(&zone.to_string()).unwrap())).unwrap();
    let (engine, _) = engine(runtime, server.address, &builtin::sources());
    let (mut client, mut envelope) = client();
    if let Some(helo) = &case.helo {
        client.helo.clone_from(helo);
    }
    if let Some(name) = &case.name {
        client.name.clone_from(name);
    }
    if let Some(sender) = &case.mail_from {
        envelope.mail_from.clone_from(sender);
    }
    if let Some(recipients) = &case.rcpt {
        envelope.recipients.clone_from(recipients);
    }
    if !case.bounced.is_empty() {
        envelope.macros.insert(Envelope::BOUNCED.into(), case.bounced.clone());
    }
    client.login.clone_from(&case.login);
    judge(&engine, client, envelope).has(rule)
}

#[test]
fn each_rule_about_clients_hits_its_case_and_not_the_one_beside_it() {
    let pairs: BTreeMap<String, Pair> = toml::from_str(include_str!("../cases/client.toml")).unwrap();
    let files = builtin::FILES.iter().filter(|(name, _)| ["45_client.cf", "47_bounces.cf"].contains(name));
    let scored = files
        .flat_map(|(_, text)| text.lines())
        .filter_map(|line| line.strip_prefix("score    "))
        .filter_map(|line| line.split_whitespace().next());
    let without: Vec<&str> = scored.filter(|rule| !pairs.contains_key(*rule)).collect();
    assert!(without.is_empty(), "no case for {without:?}");
    let runtime = runtime();
    let mut wrong = Vec::new();
    for (rule, pair) in &pairs {
        if !hits(&runtime, &pair.hit, rule) {
            wrong.push(format!("{rule} does not hit"));
        }
        if hits(&runtime, &pair.miss, rule) {
            wrong.push(format!("{rule} hits what it should not"));
        }
        if hits(&runtime, &Case { login: "user".into(), ..Case::default() }, rule) {
            wrong.push(format!("{rule} hits a user who logged in"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A name server that notes each name it is asked for and answers every question about an address with `answer`, or that
/// there is no such name.
async fn noting(answer: Option<[u8; 4]>, silent: bool) -> (SocketAddr, Arc<Mutex<HashMap<String, usize>>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let names: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let noted = Arc::clone(&names);
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let (mut at, mut labels) = (12, Vec::new());
            while buffer[at] != 0 {
                let size = usize::from(buffer[at]);
                labels.push(String::from_utf8_lossy(&buffer[at + 1..at + 1 + size]).into_owned());
                at += size + 1;
            }
            let end = at + 5;
            let is_address = buffer[at + 1..at + 3] == [0, 1];
            *noted.lock().unwrap().entry(labels.join(".")).or_default() += 1;
            let mut reply = buffer[..end.min(length)].to_vec();
            reply[2] = 0x84;
            reply[3] = if answer.is_some() { 0 } else { 3 };
            reply[6..12].copy_from_slice(&[0, 0, 0, 0, 0, 0]);
            if let Some(answer) = answer.filter(|_| is_address) {
                reply[7] = 1;
                reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                reply.extend_from_slice(&answer);
            }
            if !silent {
                let _ = socket.send_to(&reply, peer).await;
            }
        }
    });
    (address, names)
}

fn asked(names: &Mutex<HashMap<String, usize>>, under: &str) -> usize {
    names.lock().unwrap().iter().filter(|(name, _)| name.ends_with(under)).map(|(_, count)| count).sum()
}

#[test]
fn what_is_switched_off_is_not_asked() {
    let runtime = runtime();
    for (option, address_list, link_list, name_list, any) in [
        ("", true, true, true, true),
        ("skip_rbl_checks 1\n", false, true, true, true),
        ("skip_uribl_checks 1\n", true, false, true, true),
        ("dns_query_restriction deny example.org\n", false, false, false, true),
        ("dns_query_restriction deny example.org\ndns_query_restriction allow names.example.org\n", false, false, true, true),
        ("uridnsbl_skip_domain example.net\n", true, false, true, true),
        ("dns_available no\n", false, false, false, false),
    ] {
        let (server, names) = runtime.block_on(noting(None, false));
        let (engine, _) = engine(&runtime, server, &with_rules(&format!("{RULES}{option}")));
        plain(&engine);
        let found = ["bl.example.org", "links.example.org", "names.example.org", ""].map(|zone| asked(&names, zone) > 0);
        // A name under links.example.org does not end in bl.example.org.
        assert_eq!(found, [address_list, link_list, name_list, any], "{option}");
    }
}

#[test]
fn each_question_is_asked_once() {
    let runtime = runtime();
    let (server, names) = runtime.block_on(noting(None, false));
    let (engine, _) = engine(&runtime, server, &with_rules(RULES));
    plain(&engine);
    plain(&engine);
    assert_eq!(asked(&names, "77.113.0.203.bl.example.org"), 1, "{names:?}");
    assert_eq!(asked(&names, "example.net.links.example.org"), 1, "{names:?}");
}

const ALL: [&str; 4] = ["IN_LIST", "IN_BITS", "IN_LINKS", "IN_NAMES"];

fn found(findings: &Findings) -> Vec<&'static str> {
    ALL.into_iter().filter(|rule| findings.has(rule)).collect()
}

#[test]
fn a_sound_list_counts() {
    let runtime = runtime();
    let zone = r#"{"77.113.0.203.bl.example.org": ["A 127.0.0.2"], "2.0.0.127.bl.example.org": ["A 127.0.0.2"],
        "example.net.links.example.org": ["A 127.0.0.2"], "example.com.names.example.org": ["A 127.0.0.4"]}"#;
    let server = runtime.block_on(ZoneServer::start(Zone::parse(zone).unwrap())).unwrap();
    let (engine, _) = engine(&runtime, server.address, &with_rules(RULES));
    assert_eq!(found(&plain(&engine)), ALL);
}

#[test]
fn a_list_that_lists_everything_counts_for_nothing() {
    let runtime = runtime();
    let (server, _) = runtime.block_on(noting(Some([127, 0, 0, 2]), false));
    let (engine, guard) = engine(&runtime, server, &with_rules(RULES));
    for _ in 0..1000 {
        assert!(found(&plain(&engine)).is_empty());
    }
    for zone in ["bl.example.org", "links.example.org", "names.example.org"] {
        assert_eq!(guard.board.zone(zone).unwrap().fault(), Some(Fault::ListsAll), "{zone}");
    }
}

#[test]
fn a_list_that_refuses_is_told_and_left_alone() {
    let runtime = runtime();
    let (server, names) = runtime.block_on(noting(Some([127, 255, 255, 254]), false));
    let (engine, guard) = engine(&runtime, server, &with_rules(RULES));
    let first = plain(&engine);
    assert!(found(&first).is_empty());
    assert!(first.has("REFUSED"));
    for _ in 0..1000 {
        assert!(found(&plain(&engine)).is_empty());
    }
    assert!(matches!(guard.board.zone("bl.example.org").unwrap().fault(), Some(Fault::Refuses(_))));
    assert_eq!(asked(&names, "bl.example.org"), 1);
}

#[test]
fn a_list_with_answers_of_the_world_counts_for_nothing() {
    // A parked domain answers with the address of its web server.
    let runtime = runtime();
    let (server, _) = runtime.block_on(noting(Some([192, 0, 2, 80]), false));
    let (engine, _) = engine(&runtime, server, &with_rules(RULES));
    assert!(found(&plain(&engine)).is_empty());
}

#[test]
fn silent_lists_are_left_alone_and_mail_does_not_wait_for_them() {
    let runtime = runtime();
    let (server, names) = runtime.block_on(noting(None, true));
    let (engine, guard) = engine(&runtime, server, &with_rules(&RULES.replace("one-lastexternal", "one")));
    let began = Instant::now();
    for _ in 0..5 {
        assert!(found(&plain(&engine)).is_empty());
    }
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(guard.board.zone("bl.example.org").unwrap().fault(), Some(Fault::Silent));
    let before = asked(&names, "bl.example.org");
    plain(&engine);
    assert_eq!(asked(&names, "bl.example.org"), before);
}

#[test]
fn lists_of_the_configuration_are_rules() {
    let runtime = runtime();
    let rows: Vec<lists::List> = ["client", "helo", "mail-from", "from", "uri", "ptr"]
        .iter()
        .map(|asks| {
            let rule = format!("OWN_{}", asks.replace('-', "_").to_uppercase());
            toml::from_str(&format!(
                "zone = \"{asks}.example.org\"\nasks = \"{asks}\"\nanswer = \"127.0.0.2-127.0.0.9\"\nrule = \"{rule}\"\nscore = 2.0"
            ))
            .unwrap()
        })
        .collect();
    let zone = r#"{"77.113.0.203.client.example.org": ["A 127.0.0.4"], "mail.example.com.helo.example.org": ["A 127.0.0.9"],
        "example.com.mail-from.example.org": ["A 127.0.0.2"], "example.com.from.example.org": ["A 127.0.0.10"],
        "example.net.uri.example.org": ["A 127.0.0.3"], "mail.example.com.ptr.example.org": ["A 127.0.0.3"]}"#;
    let server = runtime.block_on(ZoneServer::start(Zone::parse(zone).unwrap())).unwrap();
    let (engine, _) = engine(&runtime, server.address, &with_rules(&lists::rule_text(&rows)));
    let findings = plain(&engine);
    let hit: Vec<&str> = findings.hits.iter().map(|hit| &*hit.rule).filter(|rule| rule.starts_with("OWN_")).collect();
    assert_eq!(hit, ["OWN_CLIENT", "OWN_HELO", "OWN_MAIL_FROM", "OWN_PTR", "OWN_URI"]);
}
