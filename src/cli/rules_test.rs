//! `hamgate rules test`: a file of rules tried on messages.

use super::inputs;
use crate::base::{Complaint, Severity};
use crate::mail::Arrival;
use crate::outcome::{Evidence, Findings, Hit};
use crate::rules::engine::Program;
use crate::scan::{Engine, Wish};
use crate::service::config::RuleSettings;
use crate::service::rule_files;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// 0: the file has no mistake and all messages could be read.
pub fn run(settings: &RuleSettings, file: &Path, paths: &[PathBuf]) -> ExitCode {
    if !file.exists() {
        eprintln!("hamgate: {} does not exist", file.display());
        return ExitCode::FAILURE;
    }
    let (set, complaints) = rule_files::load(settings);
    let tried = file.to_string_lossy().into_owned();
    let mistakes: Vec<&Complaint> = complaints
        .iter()
        .filter(|complaint| complaint.severity > Severity::Note && complaint.place.as_ref().is_some_and(|place| is_of(&place.file, &tried)))
        .collect();
    mistakes.iter().for_each(|complaint| eprintln!("{complaint}"));
    let engine = Engine::local(Program::new(set));
    let mut totals: BTreeMap<String, usize> = engine
        .program
        .set
        .rules
        .iter()
        .filter(|rule| !rule.definition.is_empty() && is_of(&rule.place.file, &tried))
        .map(|rule| (rule.name.to_string(), 0))
        .collect();
    let (mut read, mut failed) = (0usize, !mistakes.is_empty());
    for input in inputs::list(paths) {
        match input.read() {
            Ok(raw) => {
                read += 1;
                let judged = engine.judge(raw, Arrival::FromFields, Wish { explain: true, deadline: None });
                print!("{}", say(&input.path, &judged.findings, &mut totals));
            }
            Err(error) => {
                eprintln!("hamgate: {}: {error}", input.path);
                failed = true;
            }
        }
    }
    println!("{read} messages");
    for (rule, hits) in totals {
        println!("  {rule:<32} {hits}");
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The file itself, or one in the folder.
fn is_of(file: &str, tried: &str) -> bool {
    file == tried || file.strip_prefix(tried.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
}

fn say(path: &str, findings: &Findings, totals: &mut BTreeMap<String, usize>) -> String {
    let mut text = format!("{path}: {} of {} points\n", findings.score, findings.required);
    let all = findings.hits.iter().chain(&findings.support);
    let hits: Vec<&Hit> = all.filter(|hit| totals.contains_key(&*hit.rule)).collect();
    for hit in hits {
        if let Some(total) = totals.get_mut(&*hit.rule) {
            *total += 1;
        }
        let _ = write!(text, "  {:<32} {:>7}", hit.rule, hit.score * f64::from(hit.count));
        if hit.count > 1 {
            let _ = write!(text, "  {} times", hit.count);
        }
        if let Some(Evidence { text: matched, place, .. }) = hit.evidence.first() {
            let _ = write!(text, "  {place} \"{}\"", String::from_utf8_lossy(matched).escape_debug());
        }
        text.push('\n');
    }
    text
}
