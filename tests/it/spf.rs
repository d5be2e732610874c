//! SPF against the suites of RFC 7208 and RFC 4408, over real DNS packets.

use super::suites;
use hamgate::auth::spf::{self, Envelope};
use hamgate::base::units::Span;
use hamgate::dns::{Resolver, Settings, ZoneServer};
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;

/// Cases of the 4408 suite where RFC 7208 answers otherwise.
const OTHERWISE_IN_7208: &[&str] = &[];

async fn run(suite: &str) -> (usize, Vec<String>) {
    let folder = suites::folder().join("spf-rfc7208");
    let zones: HashMap<String, Value> = serde_json::from_slice(&std::fs::read(folder.join("zones.json")).unwrap()).unwrap();
    let cases = std::fs::read_to_string(folder.join("cases.jsonl")).unwrap();
    let mut servers: HashMap<String, (ZoneServer, Resolver)> = HashMap::new();
    let (mut count, mut wrong) = (0, Vec::new());
    for case in cases.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).filter(|case| case["suite"] == suite) {
        let id = case["id"].as_str().unwrap();
        let key = id.rsplit_once('/').unwrap().0.to_owned();
        if !servers.contains_key(&key) {
            let server = ZoneServer::start(suites::spf_zone(&zones[&key])).await.unwrap();
            let settings = Settings {
                name_servers: vec![server.address.to_string()],
                timeout: Span(Duration::from_millis(150)),
                retries: 0,
                ..Settings::default()
            };
            servers.insert(key.clone(), (server, Resolver::new(&settings).unwrap()));
        }
        let envelope = Envelope {
            ip: case["ip"].as_str().unwrap().parse().unwrap(),
            helo: case["helo"].as_str().unwrap(),
            mail_from: case["mail_from"].as_str().unwrap(),
            receiver: "unknown",
            now: 0,
        };
        let (_, outcome) = spf::check_mail_from(&servers[&key].1.session(), envelope).await;
        let expected = case["expect"]["spf"].as_array().unwrap();
        let explained = case["explanation"].as_str().filter(|text| *text != "DEFAULT");
        count += 1;
        let result = spf::word(outcome.result);
        let odd = !expected.iter().any(|word| word == result);
        let misspoken = explained.is_some_and(|text| outcome.explanation.as_deref() != Some(text));
        if odd || misspoken {
            wrong.push(format!("{id}: {result} ({}, {:?}), expected {expected:?} {explained:?}", outcome.reason, outcome.explanation));
        }
    }
    (count, wrong)
}

#[tokio::test]
#[ignore = "needs HAMGATE_SUITES"]
async fn all_cases_of_the_rfc_7208_suite_hold() {
    let (count, wrong) = run("7208").await;
    assert!(wrong.is_empty(), "{} of {count} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(count, 203);
}

#[tokio::test]
#[ignore = "needs HAMGATE_SUITES"]
async fn the_rfc_4408_suite_differs_only_where_rfc_7208_does() {
    let (count, wrong) = run("4408").await;
    let differing: Vec<&str> = wrong.iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(differing, OTHERWISE_IN_7208, "of {count}:\n{}", wrong.join("\n"));
}
