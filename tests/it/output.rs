//! The message as delivered, byte for byte beside what `spamassassin` prints.

use hamgate::mail::{Arrival, Reading};
use hamgate::rules::engine::Program;
use hamgate::rules::report::{self, Occasion, Rendering};
use hamgate::scan::{Engine, Wish};
use hamgate::service::config::RuleSettings;
use hamgate::service::rule_files;
use std::path::{Path, PathBuf};

const STOCK: &str = "/usr/share/spamassassin";

/// A message as `scan --message` writes it, with the stock rules, the site's, and the case's own.
fn delivered(truth: &Path, case: &Path) -> Vec<u8> {
    let mut only: Vec<PathBuf> = vec![STOCK.into(), truth.join("site")];
    let own = case.with_extension("cf");
    if own.exists() {
        only.push(own);
    }
    let (set, _) = rule_files::load(&RuleSettings { only, local: true, ..RuleSettings::default() });
    let engine = Engine::local(Program::new(set));
    let judged = engine.judge(std::fs::read(case).unwrap(), Arrival::FromFields, Wish::default());
    let set = &engine.program.set;
    let reading = Reading::new(&judged.mail, &judged.arrival, &set.options.view);
    let occasion = Occasion { host: "HOST".into(), date: "DATE".into(), autolearn: "disabled".into(), ..Occasion::default() };
    report::message(&Rendering { set, reading: &reading, findings: &judged.findings, occasion: &occasion })
}

/// What differs from run to run, as the file of answers replaces it; octets beyond ASCII become characters.
fn leveled(message: &[u8]) -> String {
    let text: String = message.iter().map(|octet| char::from(*octet)).collect();
    let boundary = "----------=_00000000.00000000";
    text.replace(&format!("--{boundary}"), "BOUNDARY")
        .replace(boundary, "BOUNDARY")
        .replace(report::VERSION, "VERSION")
        .replace(&format!("({})", report::SUBVERSION), "(DATE)")
}

#[test]
#[ignore = "needs spamassassin"]
fn a_judged_message_is_printed_as_spamassassin_prints_it() {
    let truth = PathBuf::from(std::env::var("HAMGATE_TRUTH").expect("HAMGATE_TRUTH names the folder of answers"));
    let answers = std::fs::read_to_string(truth.join("edge/output.jsonl")).unwrap();
    let (mut cases, mut faults) = (0, Vec::new());
    for line in answers.lines() {
        let answer: serde_json::Value = serde_json::from_str(line).unwrap();
        let (path, wanted) = (answer["path"].as_str().unwrap(), answer["output"].as_str().unwrap());
        let ours = leveled(&delivered(&truth, &truth.join("edge").join(path)));
        cases += 1;
        if ours != wanted {
            let place =
                ours.lines().zip(wanted.lines()).position(|(a, b)| a != b).unwrap_or(ours.lines().count().min(wanted.lines().count()));
            let show = |text: &str| text.lines().skip(place).take(4).map(|line| format!("{line:?}")).collect::<Vec<_>>().join("\n    ");
            faults.push(format!("{path}, line {}:\n  ours\n    {}\n  theirs\n    {}", place + 1, show(&ours), show(wanted)));
        }
    }
    assert!(cases > 0);
    assert!(faults.is_empty(), "{} of {cases} differ\n{}", faults.len(), faults.join("\n"));
}
