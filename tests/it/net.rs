//! Rules that ask the network, against SpamAssassin's own answers over the same zone.

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
