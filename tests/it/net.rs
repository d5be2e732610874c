//! Rules that ask the network, against SpamAssassin's own answers over the same zone.

use super::dkim;
use hamgate::dns::{Zone, ZoneServer};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

fn folder(variable: &str) -> PathBuf {
    PathBuf::from(std::env::var(variable).unwrap_or_else(|_| panic!("set {variable}")))
}

fn rules(line: &Value) -> BTreeSet<String> {
    let list = line["rules"].as_array().unwrap();
    list.iter().filter_map(|rule| rule.as_str().or_else(|| rule["name"].as_str())).map(str::to_owned).collect()
}

/// Share of messages with the same rules that is asked for.
const SAME: f64 = 0.99;

#[test]
#[ignore = "needs spamassassin's rules, HAMGATE_TRUTH and HAMGATE_CORPUS"]
fn network_rules_hit_as_spamassassins_do() {
    let (truth, corpus) = (folder("HAMGATE_TRUTH"), folder("HAMGATE_CORPUS"));
    let lines = std::fs::read_to_string(truth.join("net/truth.jsonl")).unwrap();
    let expected: BTreeMap<String, Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| (line["path"].as_str().unwrap().to_owned(), line))
        .collect();
    let stock = std::env::var("HAMGATE_STOCK").unwrap_or_else(|_| "/usr/share/spamassassin".into());
    let output = Command::new(env!("CARGO_BIN_EXE_hamgate"))
        .args(["scan", "--no-bayes", "--json", "--rules", &stock, "--rules"])
        .arg(truth.join("site"))
        .arg("--zone")
        .arg(truth.join("net/zone.json"))
        .args(expected.keys().map(|path| corpus.join(path)))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (mut same, mut differ) = (0, BTreeMap::<String, (usize, String)>::new());
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let ours: Value = serde_json::from_str(line).unwrap();
        let path = ours["path"].as_str().unwrap();
        let path = path.strip_prefix(&format!("{}/", corpus.display())).unwrap();
        let (mine, theirs) = (rules(&ours), rules(&expected[path]));
        same += usize::from(mine == theirs);
        for rule in mine.symmetric_difference(&theirs) {
            let sign = if mine.contains(rule) { '+' } else { '-' };
            differ.entry(format!("{sign}{rule}")).or_insert_with(|| (0, path.to_owned())).0 += 1;
        }
    }
    println!("{same} of {} messages with the same rules", expected.len());
    for (rule, (count, example)) in &differ {
        println!("{rule}\t{count}\t{example}");
    }
    assert!(same as f64 >= SAME * expected.len() as f64, "{differ:?}");
}

/// Names of the rules about authentication.
fn of_authentication(names: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let wanted = ["DKIM_", "SPF_", "T_SPF_", "DMARC_", "USER_IN_DEF_DKIM"];
    names.into_iter().filter(|name| wanted.iter().any(|start| name.starts_with(start))).collect()
}

/// Envelope sender, client, From, and what happens to the body after it was signed.
const SIGNED: [(&str, &str, &str, &str); 5] = [
    ("anna@example.org", "192.0.2.7", "anna@example.org", ""),
    ("anna@example.org", "198.51.100.9", "anna@example.org", ""),
    ("bounce@example.net", "192.0.2.7", "anna@example.org", ""),
    ("anna@example.org", "198.51.100.9", "anna@example.org", "One more line.\r\n"),
    ("bounce@example.net", "198.51.100.9", "anna@example.com", ""),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs spamassassin and HAMGATE_TRUTH"]
async fn signed_messages_hit_as_in_spamassassin() {
    let site = dkim::Site::new("net");
    let key = site.rsa.key.record();
    let zone = format!(
        r#"{{"rsa._domainkey.example.org": [["TXT", "{key}"]], "example.org": [["TXT", "v=spf1 ip4:192.0.2.0/24 -all"], "MX 10 mx.example.org"],
        "example.net": [["TXT", "v=spf1 ip4:192.0.2.0/24 ~all"], "MX 10 mx.example.net"], "example.com": ["MX 10 mx.example.com"],
        "_dmarc.example.org": [["TXT", "v=DMARC1; p=reject"]], "_dmarc.example.com": [["TXT", "v=DMARC1; p=quarantine"]],
        "mx.example.org": ["A 192.0.2.7"]}}"#
    );
    let server = ZoneServer::start(Zone::parse(&zone).unwrap()).await.unwrap();
    let port = server.address.port();
    let place = std::env::temp_dir().join(format!("hamgate-signed-{}", std::process::id()));
    std::fs::create_dir_all(&place).unwrap();
    let config = folder("HAMGATE_TRUTH").join("site");
    let mut wrong = Vec::new();
    for (number, (sender, client, from, more)) in SIGNED.into_iter().enumerate() {
        let text = format!(
            "From: Anna Berg <{from}>\r\nTo: user@mail.local\r\nSubject: Minutes {number}\r\nDate: Tue, 3 Mar 2026 10:00:00 +0000\r\n\
             Message-ID: <{number}@example.org>\r\n\r\nThe minutes follow tomorrow.\r\n"
        );
        let signed = String::from_utf8(dkim::signed(text.as_bytes(), &[&site.rsa], &dkim::form(number))).unwrap();
        let message = format!(
            "Return-Path: <{sender}>\r\nReceived: from mx.example.org (mx.example.org [{client}])\r\n\tby mail.local (Postfix) with ESMTP id 4711\r\n\t\
             for <user@mail.local>; Tue, 3 Mar 2026 10:00:05 +0000 (UTC)\r\n{signed}{more}"
        )
        .replace("\r\n", "\n");
        let file = place.join(format!("{number}.eml"));
        std::fs::write(&file, &message).unwrap();
        let site_path = format!("--siteconfigpath={}", config.display());
        let server_line = format!("--cf=dns_server [127.0.0.1]:{port}");
        let theirs = {
            let file = file.clone();
            tokio::task::spawn_blocking(move || {
                // Mail::DMARC has a resolver of its own, which believes the environment without Perl's taint mode alone.
                Command::new("perl")
                    .env("RES_NAMESERVERS", "127.0.0.1")
                    .env("RES_OPTIONS", format!("port:{port}"))
                    .args(["-e", "$0 = shift; do $0", "/usr/bin/spamassassin"])
                    .args(["-t", &site_path, &server_line, "--cf=dns_available yes", "--cf=use_bayes 0", "--cf=use_pyzor 0"])
                    .args(["--cf=use_razor2 0", "--cf=add_header all Rules _TESTS( )_", "--cf=fold_headers 0"])
                    .stdin(std::fs::File::open(&file).unwrap())
                    .output()
                    .unwrap()
            })
            .await
            .unwrap()
        };
        let output = String::from_utf8_lossy(&theirs.stdout).into_owned();
        let line = output.lines().find_map(|line| line.strip_prefix("X-Spam-Rules: ")).unwrap_or_default().to_owned();
        let theirs = of_authentication(line.split_whitespace().map(str::to_owned));
        let ours = {
            let (config, file) = (config.clone(), file.clone());
            tokio::task::spawn_blocking(move || {
                Command::new(env!("CARGO_BIN_EXE_hamgate"))
                    .args(["scan", "--no-bayes", "--json", "--rules", "/usr/share/spamassassin", "--rules"])
                    .arg(config)
                    .args(["--nameserver", &format!("127.0.0.1:{port}")])
                    .arg(file)
                    .output()
                    .unwrap()
            })
            .await
            .unwrap()
        };
        let ours: Value = serde_json::from_slice(&ours.stdout).unwrap();
        let ours = of_authentication(rules(&ours));
        println!("{number}: {theirs:?}");
        assert!(!theirs.is_empty(), "{output}");
        if ours != theirs {
            wrong.push(format!("{number}: ours {ours:?}, theirs {theirs:?}"));
        }
    }
    std::fs::remove_dir_all(&place).unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
