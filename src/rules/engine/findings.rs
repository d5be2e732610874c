//! What one message's evaluation says at the end.

use super::run::Run;
use crate::outcome::{Evidence, Findings, Hit, View};
use crate::rules::model::{EvalKind, Rule, Test};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The name SpamAssassin gives to the end of an evaluation before its time, and to one that ran out of it.
const SHORTCIRCUIT: &str = "SHORTCIRCUIT";
const TIME_LIMIT_EXCEEDED: &str = "TIME_LIMIT_EXCEEDED";

pub fn make(mut run: Run<'_, '_>) -> Findings {
    let mut evidence: HashMap<u32, Vec<Evidence>, foldhash::fast::RandomState> = HashMap::default();
    for (rule, found) in std::mem::take(&mut run.board.evidence) {
        evidence.entry(rule).or_default().push(found);
    }
    let board = &run.board;
    for meta in board.found_true.iter().filter(|meta| board.count(meta.rule) > 0 && board.keeps(meta.rule)) {
        for name in board.took(meta) {
            let text = name.as_bytes().to_vec();
            evidence.entry(meta.rule).or_default().push(Evidence { view: View::Meta, place: String::new(), start: 0, end: 0, text });
        }
    }
    let mut findings = Findings { required: run.options.number("required_score", 5.0), ..Findings::default() };
    let mut total = 0.0;
    let mut subrules: Vec<(Arc<str>, u32)> = Vec::with_capacity(board.hits.len());
    // Rules stand in the order of their names.
    let mut by_name = board.hits.clone();
    by_name.sort_unstable();
    for at in &board.hits {
        if board.rule(*at).is_some_and(|rule| !rule.is_subrule()) {
            total += run.plan.score(*at) * f64::from(board.count(*at));
        }
    }
    for at in &by_name {
        let (Some(rule), count) = (board.rule(*at), board.count(*at)) else { continue };
        let score = run.plan.score(*at);
        if rule.is_subrule() {
            subrules.push((Arc::clone(&rule.name), count));
            if run.circumstances.explain {
                findings.support.push(hit(rule, 0.0, count, evidence.remove(at).unwrap_or_default()));
            }
        } else {
            findings.hits.push(hit(rule, score, count, evidence.remove(at).unwrap_or_default()));
        }
    }
    findings.subrules = subrules.into_iter().collect();
    for (name, score) in extra(&run) {
        total += score;
        let known = run.board.rules.iter().find(|rule| &*rule.name == name);
        findings.hits.push(Hit {
            rule: known.map_or_else(|| Arc::from(name), |rule| Arc::clone(&rule.name)),
            score,
            count: 1,
            describe: known.and_then(|rule| rule.describe.clone()),
            place: known.map(|rule| rule.place.clone()),
            area: "",
            evidence: Vec::new(),
        });
    }
    findings.hits.sort_by(|a, b| a.rule.cmp(&b.rule));
    findings.support.sort_by(|a, b| a.rule.cmp(&b.rule));
    findings.score = rounded(total);
    findings.partial = run.expired;
    findings.over_budget = board.over_budget.iter().filter_map(|at| board.rule(*at)).map(|rule| Arc::clone(&rule.name)).collect();
    findings.tags = tags(&run);
    findings
}

/// PerMsgStatus, check_timed: three decimals, as `sprintf` rounds.
fn rounded(score: f64) -> f64 {
    let rounded = format!("{score:.3}").parse().unwrap_or(score);
    // No "-0".
    rounded + 0.0
}

fn extra(run: &Run<'_, '_>) -> impl Iterator<Item = (&'static str, f64)> {
    let stopped = run.board.stopped.as_ref().map(|stopped| (SHORTCIRCUIT, stopped.score));
    stopped.into_iter().chain(run.expired.then_some((TIME_LIMIT_EXCEEDED, 0.001)))
}

fn hit(rule: &Rule, score: f64, count: u32, evidence: Vec<Evidence>) -> Hit {
    Hit {
        rule: Arc::clone(&rule.name),
        score,
        count,
        describe: rule.describe.clone(),
        place: Some(rule.place.clone()),
        area: area(&rule.test),
        evidence,
    }
}

/// What SpamAssassin puts before the description in its report.
fn area(test: &Test) -> &'static str {
    match test {
        Test::Body(_) | Test::Eval { kind: EvalKind::Body, .. } => "BODY: ",
        Test::RawBody(_) | Test::Eval { kind: EvalKind::RawBody, .. } => "RAW: ",
        Test::Full(_) => "FULL: ",
        Test::Uri(_) => "URI: ",
        Test::UriDetail(_) => "BODY: ",
        Test::Header { .. }
        | Test::Exists(_)
        | Test::MimeHeader { .. }
        | Test::Eval { kind: EvalKind::Head | EvalKind::Full | EvalKind::Rbl, .. }
        | Test::Meta(_)
        | Test::Dns { .. }
        | Test::Empty => "",
    }
}

fn tags(run: &Run<'_, '_>) -> BTreeMap<Arc<str>, String> {
    let mut tags: BTreeMap<Arc<str>, String> = run.memo.tags().into_iter().map(|(name, text)| (Arc::from(name), text)).collect();
    for (name, values) in run.tags.iter() {
        tags.insert(Arc::clone(name), String::from_utf8_lossy(&values.join(&b' ')).into_owned());
    }
    if let Some(stopped) = &run.board.stopped {
        let kind = if stopped.spam { "spam" } else { "ham" };
        let rule = stopped.rule.and_then(|at| run.board.rule(at)).map(|rule| Arc::clone(&rule.name));
        tags.insert(Arc::from("SCTYPE"), kind.to_owned());
        tags.insert(Arc::from("SC"), rule.as_ref().map_or_else(|| "no".to_owned(), |rule| format!("{rule} ({kind})")));
        tags.insert(Arc::from("SCRULE"), rule.map_or_else(|| "none".to_owned(), |rule| rule.to_string()));
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_round_as_sprintf_does() {
        for (score, shown) in [(0.1 + 0.2, 0.3), (4.9995, 5.0), (-0.0001, 0.0), (2.0001, 2.0)] {
            assert_eq!(rounded(score), shown, "{score}");
        }
    }
}
