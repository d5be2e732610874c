//! The same rules hit as in SpamAssassin 4.0.1: the corpus and the synthetic corner cases against its own answers.
//!
//! `HAMGATE_CORPUS` names the messages, `HAMGATE_TRUTH` the folder with `truth.jsonl`, `site/` and `edge/`; stock rules are
//! read from `HAMGATE_STOCK`, or where Debian's spamassassin puts them. Each test prints a table of the rules that differ.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

struct Answer {
    score: f64,
    spam: bool,
    /// A `tflags multiple` rule once for each hit.
    rules: Vec<String>,
    subrules: BTreeMap<String, u64>,
}

fn folder(variable: &str) -> PathBuf {
    PathBuf::from(std::env::var(variable).unwrap_or_else(|_| panic!("set {variable}")))
}

fn stock() -> PathBuf {
    std::env::var("HAMGATE_STOCK").map_or_else(|_| PathBuf::from("/usr/share/spamassassin"), PathBuf::from)
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|v| v.as_str().or_else(|| v["name"].as_str())).map(str::to_owned).collect()
}

fn answers(lines: &str) -> BTreeMap<String, Answer> {
    let mut answers = BTreeMap::new();
    for line in lines.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        assert!(value["error"].is_null(), "{line}");
        let mut rules = strings(&value["rules"]);
        rules.sort();
        let subrules = value["subrules"].as_object().unwrap().iter().map(|(name, count)| (name.clone(), count.as_u64().unwrap())).collect();
        let spam = value["spam"].as_u64() == Some(1) || value["verdict"].as_str() == Some("spam");
        let answer = Answer { score: value["score"].as_f64().unwrap(), spam, rules, subrules };
        answers.insert(value["path"].as_str().unwrap().to_owned(), answer);
    }
    answers
}

fn scan(rules: &[&Path], messages: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hamgate"));
    // `lang` lines are read as where SpamAssassin ran.
    command.env("LANGUAGE", "en_US").args(["scan", "--local", "--no-bayes", "--json"]);
    for path in rules {
        command.arg("--rules").arg(path);
    }
    let output = command.arg(messages).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[derive(Default)]
struct Table {
    messages: usize,
    rules: usize,
    subrules: usize,
    scores: usize,
    verdicts: usize,
    /// By rule: missing, extra, an example.
    differ: BTreeMap<String, (usize, usize, String)>,
}

impl Table {
    fn add(&mut self, path: &str, truth: &Answer, ours: &Answer) {
        self.messages += 1;
        self.rules += usize::from(truth.rules == ours.rules);
        self.subrules += usize::from(truth.subrules.keys().eq(ours.subrules.keys()));
        self.scores += usize::from((truth.score - ours.score).abs() < 0.0005);
        self.verdicts += usize::from(truth.spam == ours.spam);
        let names = |answer: &Answer| -> BTreeSet<String> { answer.rules.iter().chain(answer.subrules.keys()).cloned().collect() };
        let (theirs, mine) = (names(truth), names(ours));
        for rule in theirs.symmetric_difference(&mine) {
            let row = self.differ.entry(rule.clone()).or_insert_with(|| (0, 0, path.to_owned()));
            if theirs.contains(rule) { row.0 += 1 } else { row.1 += 1 }
        }
    }

    fn print(&self, title: &str) {
        println!("{title}: {} messages", self.messages);
        for (what, count) in [
            ("identical rules", self.rules),
            ("identical sub-rules", self.subrules),
            ("same score", self.scores),
            ("same verdict", self.verdicts),
        ] {
            println!("{what:22}{count:6} {:7.2} %", self.share(count) * 100.0);
        }
        println!("rule                                      missing  extra  example");
        for (rule, (missing, extra, example)) in &self.differ {
            println!("{rule:42}{missing:7}{extra:7}  {example}");
        }
    }

    fn share(&self, count: usize) -> f64 {
        count as f64 / self.messages.max(1) as f64
    }
}

#[test]
#[ignore = "needs the corpus and SpamAssassin's answers"]
fn the_corpus_hits_the_same_rules() {
    let truth = folder("HAMGATE_TRUTH");
    let corpus = folder("HAMGATE_CORPUS");
    let known = answers(&std::fs::read_to_string(truth.join("truth.jsonl")).unwrap());
    let prefix = format!("{}/", corpus.to_string_lossy().trim_end_matches('/'));
    let mut table = Table::default();
    for (path, ours) in answers(&scan(&[&stock(), &truth.join("site")], &corpus)) {
        if let Some(theirs) = path.strip_prefix(&prefix).and_then(|rest| known.get(rest)) {
            table.add(&path, theirs, &ours);
        }
    }
    table.print("corpus");
    assert!(table.messages > 0 && table.share(table.rules) >= 0.999 && table.share(table.verdicts) >= 0.999);
}

#[test]
#[ignore = "needs SpamAssassin's answers to the corner cases"]
fn the_corner_cases_hit_the_same_rules() {
    let truth = folder("HAMGATE_TRUTH");
    let known = answers(&std::fs::read_to_string(truth.join("edge/truth.jsonl")).unwrap());
    let mut table = Table::default();
    for (path, theirs) in &known {
        let message = truth.join("edge").join(path);
        let (stock, site, own) = (stock(), truth.join("site"), message.with_extension("cf"));
        let mut rules = vec![stock.as_path(), site.as_path()];
        if own.exists() {
            rules.push(&own);
        }
        for ours in answers(&scan(&rules, &message)).values() {
            table.add(path, theirs, ours);
        }
    }
    table.print("corner cases");
    assert!(table.messages > 0 && table.share(table.rules) >= 0.98);
}
