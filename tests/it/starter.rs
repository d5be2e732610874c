//! Each built-in rule hits its case and passes over the one beside it (`tests/cases/starter.toml`).

use hamgate::mail::Arrival;
use hamgate::rules::engine::Program;
use hamgate::rules::{NoFiles, Settings, builtin, load};
use hamgate::scan::{Engine, Wish};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Pair {
    hit: Case,
    miss: Case,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Case {
    /// `Name: value`, in place of the field of that name, or new.
    field: Vec<String>,
    drop: Vec<String>,
    text: Option<String>,
    html: Option<String>,
}

const PLAIN: &[(&str, &str)] = &[
    (
        "Received",
        "from mail.example.com (mail.example.com [192.0.2.10]) by mx.example.org (Postfix) with ESMTP id 4711; Tue, 3 Mar 2026 10:00:05 +0000",
    ),
    ("From", "Anna Berg <anna.berg@example.com>"),
    ("To", "user@example.org"),
    ("Subject", "Minutes of the meeting"),
    ("Date", "Tue, 3 Mar 2026 10:00:00 +0000"),
    ("Message-ID", "<20260303.1@example.com>"),
    ("MIME-Version", "1.0"),
];

fn message(case: &Case) -> Vec<u8> {
    let mut fields: Vec<(String, String)> = PLAIN.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let kind = if case.html.is_some() { "text/html; charset=utf-8" } else { "text/plain; charset=utf-8" };
    fields.push(("Content-Type".into(), kind.into()));
    fields.retain(|(name, _)| !case.drop.contains(name));
    for line in &case.field {
        let (name, value) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
        fields.retain(|(there, _)| there != name);
        fields.push((name.to_owned(), value.to_owned()));
    }
    let mut raw = String::new();
    for (name, value) in fields {
        raw.push_str(&format!("{name}: {value}\n"));
    }
    raw.push('\n');
    raw.push_str(case.html.as_deref().or(case.text.as_deref()).unwrap_or("Dear Anna,\nthe minutes follow tomorrow.\n"));
    raw.push('\n');
    raw.into_bytes()
}

#[test]
fn each_rule_of_the_starter_set_hits_its_case_and_not_the_one_beside_it() {
    let pairs: BTreeMap<String, Pair> = toml::from_str(include_str!("../cases/starter.toml")).unwrap();
    let (set, _) = load(&builtin::sources(), &NoFiles, &Settings::default());
    // What is asked of a daemon or of the classifier has its tests elsewhere.
    let offline = |rule: &&hamgate::rules::model::Rule| !rule.name.starts_with("__") && !rule.flags.net && !rule.flags.learn;
    let scored: Vec<String> = set.rules.iter().filter(offline).map(|rule| rule.name.to_string()).collect();
    assert!(scored.len() >= 60, "{}", scored.len());
    // Those about clients have cases of their own, with a DNS server (tests/it/lists.rs).
    let elsewhere: BTreeMap<String, toml::Value> = toml::from_str(include_str!("../cases/client.toml")).unwrap();
    let without: Vec<_> = scored.iter().filter(|name| !pairs.contains_key(*name) && !elsewhere.contains_key(*name)).collect();
    assert!(without.is_empty(), "no case for {without:?}");
    for rule in set.rules.iter().filter(|rule| !rule.name.starts_with("__")) {
        assert!(rule.describe.is_some() && rule.score_place.is_some(), "{} has no description or no score", rule.name);
    }
    let engine = Engine::local(Program::new(set));
    let hits = |case: &Case, name: &str| engine.judge(message(case), Arrival::FromFields, Wish::default()).findings.has(name);
    let mut wrong = Vec::new();
    for (name, pair) in &pairs {
        if !hits(&pair.hit, name) {
            wrong.push(format!("{name} does not hit"));
        }
        if hits(&pair.miss, name) {
            wrong.push(format!("{name} hits what it should not"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
