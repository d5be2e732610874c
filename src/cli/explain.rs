//! `hamgate explain`: every point of a verdict with the rule, where it stands, and what it matched.

use super::engine::RuleArgs;
use super::inputs;
use super::scan::EnvelopeArgs;
use crate::outcome::{Evidence, Findings, Hit, View};
use crate::scan::classifier::Access;
use crate::scan::{Engine, Wish};
use crate::service::Config;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Messages: files, folders, Maildirs, mboxes, or `-` for standard input.
    #[arg(required = true, value_name = "FILE")]
    paths: Vec<PathBuf>,
    /// Sub-rules that no rule of the verdict took, too.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    envelope: EnvelopeArgs,
}

pub fn run(args: Args) -> ExitCode {
    let engine = match args.rules.engine_with(&Config::default(), Access::Look) {
        Ok(engine) => engine,
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("hamgate: {error}"));
            return ExitCode::from(2);
        }
    };
    let mut status = ExitCode::SUCCESS;
    for input in inputs::list(&args.paths) {
        match input.read() {
            Ok(raw) => {
                let judged = engine.judge(raw, args.envelope.arrival(), Wish { explain: true, deadline: None });
                print!("{}", explain(&input.path, &judged.findings, &engine, args.all));
            }
            Err(error) => {
                eprintln!("hamgate: {}: {error}", input.path);
                status = ExitCode::from(1);
            }
        }
    }
    status
}

fn explain(path: &str, findings: &Findings, engine: &Engine, all: bool) -> String {
    let mut text = String::new();
    let verdict = if findings.is_spam() { "spam" } else { "ham" };
    let _ = writeln!(text, "{path}: {verdict}, {} of {} points", findings.score, findings.required);
    if findings.partial {
        text.push_str("  The time allowed ran out: some rules were not asked.\n");
    }
    let support: BTreeMap<&str, &Hit> = findings.support.iter().map(|hit| (&*hit.rule, hit)).collect();
    let mut hits: Vec<&Hit> = findings.hits.iter().collect();
    // The weightiest first.
    hits.sort_by(|a, b| b.score.abs().total_cmp(&a.score.abs()).then_with(|| a.rule.cmp(&b.rule)));
    let mut told = BTreeSet::new();
    for hit in hits {
        show(&mut text, hit, engine, true, 2);
        took(&mut text, hit, &support, engine, 4, &mut told);
    }
    let rest: Vec<&&Hit> = support.values().filter(|hit| !told.contains(&*hit.rule)).collect();
    if all && !rest.is_empty() {
        text.push_str("  Sub-rules that hit and gave no point:\n");
        for hit in rest {
            show(&mut text, hit, engine, false, 4);
        }
    }
    for rule in &findings.over_budget {
        let _ = writeln!(text, "  {rule} ran out of its budget on this message and counts as not hit");
    }
    text
}

fn show(text: &mut String, hit: &Hit, engine: &Engine, scored: bool, indent: usize) {
    let pad = " ".repeat(indent);
    let times = if hit.count > 1 { format!(" ({} times)", hit.count) } else { String::new() };
    let points = if scored { format!("{:+} ", hit.score) } else { String::new() };
    let place = hit.place.as_ref().map_or_else(String::new, |place| format!("  [{place}]"));
    let _ = writeln!(text, "{pad}{points}{}{times}{place}", hit.rule);
    if let Some(describe) = &hit.describe {
        let _ = writeln!(text, "{pad}  {}{describe}", hit.area);
    }
    let score_place = engine.program.set.get(&hit.rule).and_then(|rule| rule.score_place.as_ref());
    if let Some(place) = score_place.filter(|place| scored && Some(*place) != hit.place.as_ref()) {
        let _ = writeln!(text, "{pad}  score set in {place}");
    }
    for evidence in hit.evidence.iter().filter(|evidence| evidence.view != View::Meta) {
        let _ = writeln!(text, "{pad}  {}", matched(evidence));
    }
}

/// The sub-rules that a meta took, and what those took.
fn took<'h>(
    text: &mut String,
    hit: &Hit,
    support: &BTreeMap<&'h str, &'h Hit>,
    engine: &Engine,
    indent: usize,
    told: &mut BTreeSet<&'h str>,
) {
    const DEEPEST: usize = 16;
    for evidence in hit.evidence.iter().filter(|evidence| evidence.view == View::Meta) {
        let name = String::from_utf8_lossy(&evidence.text);
        match support.get_key_value(&*name) {
            Some((name, sub)) => {
                show(text, sub, engine, false, indent);
                if told.insert(name) && indent < DEEPEST {
                    took(text, sub, support, engine, indent + 2, told);
                }
            }
            None => {
                let _ = writeln!(text, "{}{name}", " ".repeat(indent));
            }
        }
    }
}

fn matched(evidence: &Evidence) -> String {
    let place = match evidence.view {
        View::Header | View::MimeHeader => format!("header {}", evidence.place),
        View::Body if evidence.place == "0" => "subject, as first paragraph".to_owned(),
        View::Body => format!("body, paragraph {}", evidence.place),
        View::RawBody => format!("raw body, chunk {}", evidence.place),
        View::Full => "whole message".to_owned(),
        View::Uri => format!("link {}", evidence.place),
        View::Eval | View::Meta => String::new(),
    };
    let span = if evidence.end > evidence.start { format!(", octets {}-{}", evidence.start, evidence.end) } else { String::new() };
    let more = if evidence.end - evidence.start > evidence.text.len() { " …" } else { "" };
    if evidence.text.is_empty() {
        return place;
    }
    let colon = if place.is_empty() { "" } else { ": " };
    format!("{place}{span}{colon}\"{}\"{more}", evidence.text.escape_ascii())
}
