//! The language of rule files, rule by rule beside SpamAssassin's own parser.

use hamgate::base::Severity;
use hamgate::rules::model::{Flags, Matcher, Shortcircuit, Test};
use hamgate::rules::{Rule, RuleSet};
use hamgate::service::config::RuleSettings;
use hamgate::service::rule_files;
use serde_json::Value;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const STOCK: &str = "/usr/share/spamassassin";

fn site() -> PathBuf {
    Path::new(&std::env::var("HAMGATE_TRUTH").expect("HAMGATE_TRUTH names the folder of answers")).join("site")
}

fn stock_and_site() -> (RuleSet, Vec<hamgate::base::Complaint>) {
    let settings = RuleSettings { only: vec![STOCK.into(), site()], local: true, ..RuleSettings::default() };
    rule_files::load(&settings)
}

/// One JSON object for each rule that SpamAssassin has.
fn theirs(stock: &Path, site: &Path) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/dump_rules.pl");
    // SpamAssassin takes C.UTF-8 for a language without lines.
    let mut perl = Command::new("perl");
    perl.env("LANGUAGE", rule_files::locale()).arg(script).arg(stock).arg(site);
    let output = perl.output().expect("perl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// SpamAssassin's name for the type.
fn kind(rule: &Rule) -> &str {
    match &rule.test {
        Test::MimeHeader { .. } | Test::UriDetail(_) => "body eval",
        Test::Dns { directive, .. } if &**directive == "askdns" => "empty",
        Test::Dns { .. } => "body eval",
        test => test.kind(),
    }
}

/// The expression without what every pattern of SpamAssassin has around it.
fn their_pattern(printed: &Value) -> String {
    let text = printed.as_str().unwrap_or("");
    let inside = text.strip_prefix("(?^aa:").and_then(|rest| rest.strip_suffix(')')).unwrap_or(text);
    inside.strip_prefix("(?aa)").unwrap_or(inside).to_owned()
}

/// Ours, where SpamAssassin says that tags may have been replaced.
fn pattern(rule: &Rule, printed: &Value) -> String {
    let matcher = match &rule.test {
        Test::Header { pattern, .. } => pattern,
        Test::Body(matcher) | Test::RawBody(matcher) | Test::Full(matcher) | Test::Uri(matcher) => matcher,
        _ => return String::new(),
    };
    match matcher {
        Matcher::Fixed(pattern) if printed.is_string() => pattern.source(),
        _ => String::new(),
    }
}

/// A meta in a circle, or one that reads such a meta.
fn waits_for_itself(set: &RuleSet, name: &str) -> bool {
    let mut solved: HashSet<usize> = HashSet::new();
    loop {
        let before = solved.len();
        for (at, rule) in set.rules.iter().enumerate() {
            let ready = match &rule.test {
                Test::Meta(expression) => expression.operands().iter().all(|operand| solved.contains(operand)),
                _ => true,
            };
            if ready {
                solved.insert(at);
            }
        }
        if solved.len() == before {
            return set.index(name).is_some_and(|at| !solved.contains(&at));
        }
    }
}

fn differences(set: &RuleSet, theirs: &Value) -> Vec<String> {
    let name = theirs["name"].as_str().unwrap();
    let Some(ours) = set.get(name) else { return vec!["missing".into()] };
    let mut ours_flags = ours.flags.clone();
    ours_flags.others.sort();
    let mut their_flags = Flags::parse(theirs["flags"].as_str().unwrap());
    their_flags.others.sort();
    let mut priorities = (i64::from(ours.priority), theirs["priority"].as_i64().unwrap());
    // SpamAssassin passes `net` from meta to meta in the order of a hash, another one each time; a meta's own stage does
    // not matter.
    if matches!(ours.test, Test::Meta(_)) && ours_flags.net != their_flags.net {
        their_flags.net = ours_flags.net;
        priorities = (0, 0);
    }
    let operands: Vec<&str> = match &ours.test {
        // SpamAssassin forgets the operands of a meta that can never be evaluated.
        Test::Meta(_) if theirs["operands"] == Value::Array(Vec::new()) && waits_for_itself(set, name) => Vec::new(),
        Test::Meta(expression) => expression.operands().into_iter().map(|at| &*set.rules[at].name).collect(),
        _ => Vec::new(),
    };
    let their_operands: Vec<&str> = theirs["operands"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let their_scores: Vec<f64> = theirs["scores"].as_array().unwrap().iter().map(|score| score.as_f64().unwrap()).collect();
    let short = match ours.shortcircuit {
        Shortcircuit::Off => "off",
        Shortcircuit::On => "on",
        Shortcircuit::Ham => "ham",
        Shortcircuit::Spam => "spam",
    };
    let pairs = [
        ("type", kind(ours).to_owned(), theirs["kind"].as_str().unwrap().to_owned()),
        ("priority", priorities.0.to_string(), priorities.1.to_string()),
        ("scores", format!("{:?}", ours.scores), format!("{:?}", their_scores.as_slice())),
        ("flags", ours_flags.to_string(), their_flags.to_string()),
        ("description", format!("{:?}", ours.describe.as_deref()), format!("{:?}", theirs["describe"].as_str())),
        ("operands", operands.join(" "), their_operands.join(" ")),
        ("short circuit", short.to_owned(), theirs["shortcircuit"].as_str().unwrap().to_owned()),
        ("pattern with tags replaced", pattern(ours, &theirs["replaced"]), their_pattern(&theirs["replaced"])),
        ("captures", ours.captures.to_string(), theirs["captures"].to_string()),
    ];
    pairs.into_iter().filter(|(_, a, b)| a != b).map(|(what, a, b)| format!("{what}: {a} for {b}")).collect()
}

#[test]
#[ignore = "needs spamassassin"]
fn every_stock_rule_is_loaded_as_spamassassin_loads_it() {
    let (set, complaints) = stock_and_site();
    for complaint in complaints.iter().filter(|complaint| complaint.severity > Severity::Note) {
        println!("{complaint}");
    }
    let theirs = theirs(Path::new(STOCK), &site());
    let mut faults = Vec::new();
    for rule in &theirs {
        faults.extend(differences(&set, rule).into_iter().map(|fault| format!("{}: {fault}", rule["name"])));
    }
    faults.extend(more_than(&set, &theirs));
    assert!(theirs.len() > 1000, "SpamAssassin has {} rules", theirs.len());
    assert!(faults.is_empty(), "{} of {} differ:\n{}", faults.len(), theirs.len(), faults.join("\n"));
}

/// Rules that are ours alone.
fn more_than(set: &RuleSet, theirs: &[Value]) -> Vec<String> {
    let named: HashSet<&str> = theirs.iter().map(|rule| rule["name"].as_str().unwrap()).collect();
    let more = set.rules.iter().filter(|rule| !rule.definition.is_empty() && !named.contains(&*rule.name));
    more.map(|rule| format!("{}: SpamAssassin has no such rule", rule.name)).collect()
}

#[test]
#[ignore = "needs spamassassin"]
fn odd_rule_files_are_loaded_as_spamassassin_loads_them() {
    let truth = PathBuf::from(std::env::var("HAMGATE_TRUTH").expect("HAMGATE_TRUTH names the folder of answers"));
    let scratch = std::env::temp_dir().join(format!("hamgate-language-{}", std::process::id()));
    let (empty, site) = (scratch.join("stock"), scratch.join("site"));
    std::fs::create_dir_all(&empty).unwrap();
    // SpamAssassin wants at least one file of its own.
    std::fs::write(empty.join("none.cf"), "\n").unwrap();
    let mut files: Vec<PathBuf> = std::fs::read_dir(truth.join("edge")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "cf"));
    files.sort();
    let mut faults = Vec::new();
    for file in &files {
        let _ = std::fs::remove_dir_all(&site);
        std::fs::create_dir_all(&site).unwrap();
        for name in ["stock.pre", "local.cf"] {
            std::fs::copy(truth.join("site").join(name), site.join(name)).unwrap();
        }
        std::fs::copy(file, site.join(file.file_name().unwrap())).unwrap();
        let (set, _) = rule_files::load(&RuleSettings { only: vec![empty.clone(), site.clone()], local: true, ..RuleSettings::default() });
        let theirs = theirs(&empty, &site);
        let different = theirs.iter().flat_map(|rule| {
            let name = rule["name"].to_string();
            differences(&set, rule).into_iter().map(move |fault| format!("{name}: {fault}"))
        });
        faults.extend(different.chain(more_than(&set, &theirs)).map(|fault| format!("{}: {fault}", file.display())));
    }
    let _ = std::fs::remove_dir_all(&scratch);
    assert!(faults.is_empty(), "{} differ in {} files:\n{}", faults.len(), files.len(), faults.join("\n"));
}

#[test]
#[ignore = "needs spamassassin"]
fn the_stock_folder_has_no_mistake() {
    for only in [vec![STOCK.into()], vec![STOCK.into(), site()]] {
        let (_, complaints) = rule_files::load(&RuleSettings { only, local: true, ..RuleSettings::default() });
        let mistakes: Vec<String> =
            complaints.iter().filter(|complaint| complaint.severity > Severity::Note).map(ToString::to_string).collect();
        assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    }
}
