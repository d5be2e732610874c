//! The functions of `eval:` rules, each called as a rule calls it.

use hamgate::facts::{Answer, Bayes, DnsReply, Facts, Question, Told};
use hamgate::mail::{Arrival, Mail, Reading};
use hamgate::rules::eval::{self, Answered, Context, Memo, Needs};
use hamgate::rules::model::{EvalKind, Rule, Test};
use hamgate::rules::{NoFiles, RuleSet, Settings, Source, load};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Where Debian puts the stock rules.
const STOCK: &str = "/usr/share/spamassassin";

/// Every plugin that has functions.
fn plugins() -> String {
    let names: HashSet<&str> = eval::rows().map(|row| row.plugin).filter(|plugin| !plugin.is_empty()).collect();
    names.iter().map(|name| format!("loadplugin Mail::SpamAssassin::Plugin::{name}\n")).collect()
}

fn rules(pre: &str, texts: &[&str]) -> RuleSet {
    let mut sources = vec![Source::Text { name: "site.pre".into(), text: pre.into() }];
    sources.extend(texts.iter().enumerate().map(|(at, text)| Source::Text { name: format!("{at}.cf"), text: (*text).into() }));
    load(&sources, &NoFiles, &Settings { local_tests_only: true, ..Settings::default() }).0
}

/// A fixed day, 2026-01-01.
const NOW: u64 = 1_767_225_600;

/// What the rules say of a message, by name; those without an answer of their own are left out.
fn answers(set: &RuleSet, message: &[u8], wanted: impl Fn(&Rule) -> bool) -> BTreeMap<String, bool> {
    let mail = Mail::parse(message.to_vec());
    let arrival = Arrival::FromFields;
    let reading = Reading::new(&mail, &arrival, &set.options.view);
    let (memo, facts) = (Memo::default(), Facts::default());
    let mut found = BTreeMap::new();
    // Functions of header rules come first, as in SpamAssassin.
    let is_later = |rule: &&Rule| !matches!(rule.test, Test::Eval { kind: EvalKind::Head, .. });
    let mut ordered: Vec<&Rule> = set.rules.iter().filter(|rule| wanted(rule)).collect();
    ordered.sort_by_key(is_later);
    for rule in ordered {
        let Test::Eval { kind, function, arguments } = &rule.test else { continue };
        let Some(row) = eval::find(function) else { continue };
        if matches!(row.needs, Needs::ToCome) {
            continue;
        }
        let context = Context {
            reading: &reading,
            options: &set.options,
            facts: &facts,
            memo: &memo,
            rule: &rule.name,
            kind: *kind,
            flags: &rule.flags,
            network: false,
            bayes: false,
            now: NOW,
        };
        let answer = (row.run)(&context, arguments);
        found.insert(rule.name.to_string(), matches!(answer, Answered::Hit(_) | Answered::HitWith(..)));
    }
    found
}

/// Lines that eval rules depend on; patterns are left out, since compiling them takes long.
fn stock_text() -> String {
    const PATTERNS: [&str; 10] = ["header", "body", "rawbody", "uri", "full", "meta", "mimeheader", "uri_detail", "describe", "askdns"];
    let mut files: Vec<PathBuf> = fs::read_dir(STOCK).map(|dir| dir.flatten().map(|e| e.path()).collect()).unwrap_or_default();
    files.retain(|file| file.extension().is_some_and(|e| e == "cf"));
    files.sort();
    let mut text = String::new();
    for file in files {
        let content = fs::read(&file).unwrap_or_default();
        for line in String::from_utf8_lossy(&content).lines() {
            let word = line.split_whitespace().next().unwrap_or_default();
            if !PATTERNS.contains(&word) || line.contains("eval:") {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

/// Rules that SpamAssassin runs in a local scan without Bayes.
fn runs_locally(rule: &Rule) -> bool {
    let kind = matches!(rule.test, Test::Eval { kind: EvalKind::Head | EvalKind::Body | EvalKind::RawBody | EvalKind::Full, .. });
    kind && !rule.flags.net && !rule.flags.learn && rule.scores[0] != 0.0
}

struct Tally {
    equal: usize,
    different: BTreeMap<String, Vec<String>>,
}

impl Tally {
    fn compare(&mut self, path: &str, ours: &BTreeMap<String, bool>, truth: &Value) {
        let scored: HashSet<&str> = truth["rules"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (rule, hit) in ours {
            let theirs = scored.contains(rule.as_str()) || truth["subrules"].get(rule).is_some();
            if *hit == theirs {
                self.equal += 1;
            } else {
                let sign = if *hit { '+' } else { '-' };
                self.different.entry(rule.clone()).or_default().push(format!("{sign}{path}"));
            }
        }
    }

    fn print(&self) {
        for (rule, paths) in &self.different {
            println!("{rule:40} {:5}  {}", paths.len(), paths.iter().take(4).cloned().collect::<Vec<_>>().join(" "));
        }
        let different: usize = self.different.values().map(Vec::len).sum();
        println!("equal {} different {different}", self.equal);
    }
}

fn truth_folder() -> PathBuf {
    PathBuf::from(env::var("HAMGATE_TRUTH").expect("HAMGATE_TRUTH names the folder of answers"))
}

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
#[ignore = "needs the parity folder (HAMGATE_TRUTH), its corpus (HAMGATE_CORPUS) and the stock rules"]
fn functions_say_of_the_corpus_what_spamassassins_say() {
    let corpus = PathBuf::from(env::var("HAMGATE_CORPUS").expect("HAMGATE_CORPUS"));
    let pre = fs::read_to_string(truth_folder().join("site/stock.pre")).expect("stock.pre");
    let set = rules(&pre, &[&stock_text()]);
    let step = env::var("HAMGATE_STEP").ok().and_then(|step| step.parse().ok()).unwrap_or(1);
    let mut tally = Tally { equal: 0, different: BTreeMap::new() };
    for truth in lines(&truth_folder().join("truth.jsonl")).iter().step_by(step) {
        let path = truth["path"].as_str().expect("path");
        let message = fs::read(corpus.join(path)).expect("message");
        tally.compare(path, &answers(&set, &message, runs_locally), truth);
    }
    tally.print();
    let different: usize = tally.different.values().map(Vec::len).sum();
    assert!(tally.equal > 0 && different == 0, "{different} answers differ");
}

#[test]
#[ignore = "needs the parity folder (HAMGATE_TRUTH) and the stock rules"]
fn functions_say_of_edge_cases_what_spamassassins_say() {
    let edge = truth_folder().join("edge");
    let pre = fs::read_to_string(truth_folder().join("site/stock.pre")).expect("stock.pre");
    let stock = stock_text();
    let plain = rules(&pre, &[&stock]);
    let mut tally = Tally { equal: 0, different: BTreeMap::new() };
    for truth in lines(&edge.join("truth.jsonl")) {
        // What comes after a short circuit is not asked; that is the engine's.
        if truth["rules"].as_array().is_some_and(|rules| rules.iter().any(|rule| rule == "SHORTCIRCUIT")) {
            continue;
        }
        let path = truth["path"].as_str().expect("path");
        let message = fs::read(edge.join(path)).expect("message");
        let own = fs::read(edge.join(path).with_extension("cf")).ok();
        let extended = own.map(|own| rules(&pre, &[&stock, &String::from_utf8_lossy(&own)]));
        tally.compare(path, &answers(extended.as_ref().unwrap_or(&plain), &message, runs_locally), &truth);
    }
    tally.print();
    let different: usize = tally.different.values().map(Vec::len).sum();
    assert!(tally.equal > 0 && different == 0, "{different} answers differ");
}

#[test]
fn every_function_of_a_plugin_is_known() {
    let set = rules(&plugins(), &[]);
    assert!(eval::rows().all(|row| row.plugin.is_empty() || set.options.plugins.contains(row.plugin)), "{:?}", set.options.plugins);
}

/// One message of `tests/cases/evals.txt` with the rules that SpamAssassin 4.0.1 said hit.
struct Example {
    message: Vec<u8>,
    hits: Vec<String>,
}

/// `### title`, rules and options, then messages, each behind `=== RULE RULE …`; `\xNN` stands for an octet.
fn examples() -> Vec<(String, String, Vec<Example>)> {
    let text = include_str!("../cases/evals.txt");
    let mut cases = Vec::new();
    for case in text.split("### ").skip(1) {
        let mut pieces: Vec<String> = case.split("\n=== ").map(|piece| format!("{piece}\n")).collect();
        // The last one kept its line end.
        if let Some(last) = pieces.last_mut() {
            last.pop();
        }
        let head = pieces.remove(0);
        let (title, config) = head.split_once('\n').unwrap_or((&head, ""));
        let example = |piece: &String| {
            let (hits, message) = piece.split_once('\n').expect("a message");
            Example { message: octets(message), hits: hits.split_whitespace().map(str::to_owned).collect() }
        };
        let examples = pieces.iter().map(example);
        cases.push((title.to_owned(), config.to_owned(), examples.collect()));
    }
    cases
}

fn octets(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x") {
        out.extend_from_slice(before.as_bytes());
        out.push(u8::from_str_radix(&after[..2], 16).expect("two digits"));
        rest = &after[2..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

#[test]
fn each_function_hits_and_just_misses_as_spamassassins_does() {
    let domains = "util_rb_tld com org net example edu biz info name\n";
    let mut wrong = Vec::new();
    for (title, config, examples) in examples() {
        let set = rules(&plugins(), &[domains, &config]);
        for (at, example) in examples.iter().enumerate() {
            let found = answers(&set, &example.message, |_| true);
            let ours: Vec<&str> = found.iter().filter(|(_, hit)| **hit).map(|(name, _)| name.as_str()).collect();
            if ours != example.hits {
                wrong.push(format!("{title}, message {}: ours {ours:?}, SpamAssassin's {:?}", at + 1, example.hits));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Asks what a rule asks, answers from a table of names, and gives the rule's last word.
fn with_dns(set: &RuleSet, message: &[u8], zone: &[(&str, &str)]) -> Vec<String> {
    let mail = Mail::parse(message.to_vec());
    let arrival = Arrival::FromFields;
    let reading = Reading::new(&mail, &arrival, &set.options.view);
    let (memo, mut facts) = (Memo::default(), Facts::default());
    let mut hits = Vec::new();
    for pass in 0..3 {
        for rule in &set.rules {
            let Test::Eval { kind, function, arguments } = &rule.test else { continue };
            let Some(row) = eval::find(function) else { continue };
            let context = Context {
                reading: &reading,
                options: &set.options,
                facts: &facts,
                memo: &memo,
                rule: &rule.name,
                kind: *kind,
                flags: &rule.flags,
                network: true,
                bayes: true,
                now: NOW,
            };
            if pass == 2 {
                match (row.run)(&context, arguments) {
                    Answered::Hit(_) => hits.push(rule.name.to_string()),
                    Answered::HitWith(_, text) => hits.push(format!("{} ({text})", rule.name)),
                    Answered::Miss => {}
                    Answered::Pending => hits.push(format!("{} waits", rule.name)),
                }
                continue;
            }
            for question in row.questions(&context, arguments) {
                let told = match question {
                    Question::Dns(asked) => {
                        let records: Vec<String> =
                            zone.iter().filter(|(name, _)| *name == &*asked.name).map(|(_, record)| (*record).into()).collect();
                        let exists = !records.is_empty();
                        Told::Dns(asked, Answer::Known(DnsReply { records, exists }))
                    }
                    Question::Bayes => Told::Bayes(Answer::Known(Bayes { probability: Some(0.97) })),
                    Question::Authentication | Question::Virus => continue,
                };
                facts.tell(told);
            }
        }
    }
    hits
}

#[test]
fn lists_are_asked_and_their_answers_tested() {
    let set = rules(
        &plugins(),
        &["util_rb_tld com org example
trusted_networks 198.51.100.1
header A_SUB eval:check_rbl_sub('zen', '127.0.0.3')
header B_ALL eval:check_rbl('zen', 'zen.example.')
header C_LAST eval:check_rbl('zen-lastexternal', 'zen.example.', '^127\\.0\\.0\\.[45]$')
header D_BITS eval:check_rbl('bits', 'bits.example.', '4')
header E_NOT eval:check_rbl('bits', 'bits.example.', '2')
header F_TXT eval:check_rbl_txt('txt', 'txt.example.', '(?i:listed)')
header G_FROM eval:check_rbl_envfrom('from', 'dom.example.')
body H_HASH eval:check_hashbl_bodyre('hash.example', 'raw/max=10', 'coin(\\w+)')
body I_BAYES eval:check_bayes('0.95', '0.99')
body J_BAYES eval:check_bayes('0.99', '1.00')
"],
    );
    let message = b"Return-Path: <a@Shop.com>\n\
        Received: from x.com (x.com [192.0.2.9]) by mx.org (Postfix) with SMTP id 1; Mon, 6 May 2013 12:00:00 +0000\n\nsend CoinABC\n";
    let zone = [
        ("9.2.0.192.zen.example", "127.0.0.4"),
        ("9.2.0.192.zen.example", "127.0.0.3"),
        ("9.2.0.192.bits.example", "127.0.0.4"),
        ("9.2.0.192.txt.example", "It is LISTED"),
        ("shop.com.dom.example", "127.0.0.2"),
        ("abc.hash.example", "127.0.0.2"),
    ];
    let found = with_dns(&set, &String::from_utf8_lossy(message).replace("CoinABC", "coinABC").into_bytes(), &zone);
    assert_eq!(
        found,
        [
            "A_SUB (192.0.2.9 listed in zen.example)",
            "B_ALL (192.0.2.9 listed in zen.example)",
            "C_LAST (192.0.2.9 listed in zen.example)",
            "D_BITS (192.0.2.9 listed in bits.example)",
            "F_TXT (It is LISTED)",
            "G_FROM (listed in shop.com.dom.example)",
            "H_HASH (abc)",
            "I_BAYES (score: 0.9700)",
        ]
    );
}
