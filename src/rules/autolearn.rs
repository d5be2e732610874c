//! Whether a judged message is so plainly spam or wanted mail that the classifier may learn it unasked: the conditions of
//! Mail::SpamAssassin::Plugin::AutoLearnThreshold and the points of PerMsgStatus that they read.

use super::engine::ScoreSet;
use super::model::{EvalKind, Expression, Rule, Test};
use super::options::Options;
use super::set::RuleSet;
use crate::outcome::{Findings, Hit};
use std::collections::HashSet;
use std::sync::Arc;

/// Points that spam needs of header rules and of body rules each, unless a rule forces learning.
const EACH_SIDE: f64 = 3.0;
const WHERE_FORCED: f64 = -99.0;
/// The classifier must not say the opposite by more than this.
const OPPOSITE: f64 = 1.0;
/// Sums of scores are compared without what floating point adds or loses.
const DUST: f64 = 1e-6;

/// `bayes_auto_learn` and kin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// A message that scores less is wanted.
    pub ham: f64,
    /// One that scores as much is spam.
    pub spam: f64,
    /// Learn only what the classifier did not know already.
    pub on_error: bool,
}

impl Thresholds {
    pub fn read(options: &Options) -> Thresholds {
        Thresholds {
            ham: options.number("bayes_auto_learn_threshold_nonspam", 0.1),
            spam: options.number("bayes_auto_learn_threshold_spam", 12.0),
            on_error: options.is_on("bayes_auto_learn_on_error", false),
        }
    }
}

/// The message's points as automatic learning counts them: in the score set that holds without the classifier, without
/// rules whose tflags say learn, userconf or noautolearn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    /// `_AUTOLEARNSCORE_`, three decimals.
    pub total: f64,
    pub head: f64,
    pub body: f64,
    /// Of the classifier's own rules, in the score set in force.
    pub learned: f64,
    /// Rules that hit and have tflags autolearn_force, in order.
    pub forced: Vec<Arc<str>>,
}

/// Why a message is not learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    BetweenThresholds,
    FewBodyPoints,
    FewHeadPoints,
    /// The classifier says the opposite.
    Contradicted,
    /// The whole score says the opposite.
    Verdict,
    /// `bayes_auto_learn_on_error`, and it was no error.
    KnownAlready,
}

/// Points of rules whose type is neither header nor body (full, DNS lists) count for the total alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Head,
    Body,
    Neither,
}

impl Points {
    pub fn of(set: &RuleSet, findings: &Findings, scores: ScoreSet) -> Points {
        Points::of_hits(set, findings, scores, &|_| true)
    }

    /// As `of`, without the metas that `leaning` names: what is left would be said without the classifier.
    pub fn without_opinion(set: &RuleSet, findings: &Findings, scores: ScoreSet, leaning: &HashSet<usize>) -> Points {
        Points::of_hits(set, findings, scores, &|hit| set.index(&hit.rule).is_none_or(|at| !leaning.contains(&at)))
    }

    fn of_hits(set: &RuleSet, findings: &Findings, scores: ScoreSet, counts: &dyn Fn(&Hit) -> bool) -> Points {
        let plain = ScoreSet { bayes: false, ..scores };
        let mut points = Points::default();
        for hit in findings.hits.iter().filter(|hit| counts(hit)) {
            points.add(set, hit, plain);
        }
        points.total = thousandths(points.total);
        points
    }

    fn add(&mut self, set: &RuleSet, hit: &Hit, plain: ScoreSet) {
        let times = f64::from(hit.count.max(1));
        let rule = set.get(&hit.rule);
        let mut wanted = None;
        if let Some(flags) = rule.map(|rule| &rule.flags) {
            if flags.noautolearn || flags.userconf {
                return;
            }
            if flags.learn {
                self.learned += hit.score * times;
                return;
            }
            if flags.autolearn_force {
                self.forced.extend(std::iter::repeat_n(Arc::clone(&hit.rule), hit.count.max(1) as usize));
            }
            wanted = flags.others.iter().find_map(|flag| match flag.as_str() {
                "autolearn_header" => Some(Side::Head),
                "autolearn_body" => Some(Side::Body),
                _ => None,
            });
        }
        // The score of a hit that no file defines is its own in every set.
        let score = rule.map_or(hit.score, |rule| rule.scores.get(plain.column()).copied().unwrap_or(hit.score)) * times;
        if score == 0.0 {
            return;
        }
        match (wanted, rule) {
            (Some(side), _) => self.add_to(side, score),
            (None, Some(Rule { test: Test::Meta(expression), .. })) => {
                let each = score / times;
                let (head, body) = shares(set, expression, each);
                self.head += head * times;
                self.body += body * times;
            }
            (None, Some(rule)) => self.add_to(side(rule), score),
            (None, None) => {}
        }
        self.total += score;
    }

    fn add_to(&mut self, side: Side, score: f64) {
        match side {
            Side::Head => self.head += score,
            Side::Body => self.body += score,
            Side::Neither => {}
        }
    }
}

/// Spam or not, as which the message may be learned.
///
/// # Errors
/// The first condition that does not hold.
pub fn verdict(points: &Points, findings: &Findings, thresholds: &Thresholds) -> Result<bool, Refusal> {
    let is_spam = if points.total < thresholds.ham {
        false
    } else if points.total >= thresholds.spam {
        true
    } else {
        return Err(Refusal::BetweenThresholds);
    };
    if is_spam {
        let each = if points.forced.is_empty() { EACH_SIDE } else { WHERE_FORCED };
        if points.body < each - DUST {
            return Err(Refusal::FewBodyPoints);
        }
        if points.head < each - DUST {
            return Err(Refusal::FewHeadPoints);
        }
    }
    let opposite = if is_spam { points.learned < -OPPOSITE } else { points.learned > OPPOSITE };
    if opposite {
        return Err(Refusal::Contradicted);
    }
    if findings.is_spam() != is_spam {
        return Err(Refusal::Verdict);
    }
    let known = if is_spam { "BAYES_99" } else { "BAYES_00" };
    if thresholds.on_error && findings.hits.iter().any(|hit| &*hit.rule == known) {
        return Err(Refusal::KnownAlready);
    }
    Ok(is_spam)
}

/// As `sprintf "%0.3f"`.
fn thousandths(number: f64) -> f64 {
    format!("{number:.3}").parse().unwrap_or(number) + 0.0
}

fn side(rule: &Rule) -> Side {
    match &rule.test {
        Test::Header { .. } | Test::Exists(_) | Test::Eval { kind: EvalKind::Head, .. } => Side::Head,
        // The plugins MIMEHeader and URIDetail register their rules as evals of the body.
        Test::Body(_) | Test::RawBody(_) | Test::Uri(_) | Test::MimeHeader { .. } | Test::UriDetail(_) => Side::Body,
        Test::Eval { kind: EvalKind::Body | EvalKind::RawBody, .. } => Side::Body,
        Test::Dns { directive, .. } => {
            // `uridnsbl` and kin complete a body rule; `askdns` stands alone, without a type.
            if &**directive == "askdns" { Side::Neither } else { Side::Body }
        }
        Test::Full(_) | Test::Eval { kind: EvalKind::Full | EvalKind::Rbl, .. } | Test::Meta(_) => Side::Neither,
        Test::Empty => as_written(&rule.definition),
    }
}

/// A rule that never runs, for want of its function for example, still has the type that its line gave it.
fn as_written(definition: &str) -> Side {
    let mut words = definition.split_ascii_whitespace();
    let (directive, test) = (words.next().unwrap_or(""), words.nth(1).unwrap_or(""));
    match directive {
        "header" if test.starts_with("eval:check_rbl") || test.starts_with("eval:check_dns") => Side::Neither,
        "header" => Side::Head,
        "body" | "rawbody" | "uri" | "mimeheader" | "uri_detail" => Side::Body,
        _ => Side::Neither,
    }
}

/// A meta's score goes to both sides as its operands stand on them, each as often as it is written.
fn shares(set: &RuleSet, expression: &Expression, score: f64) -> (f64, f64) {
    let (mut head, mut body) = (0u32, 0u32);
    let mut open = vec![expression];
    while let Some(expression) = open.pop() {
        match expression {
            Expression::Number(_) => {}
            Expression::Rule(index) => match set.rules.get(*index).map(side) {
                Some(Side::Head) => head += 1,
                Some(Side::Body) => body += 1,
                Some(Side::Neither) | None => {}
            },
            Expression::Not(inner) => open.push(inner),
            Expression::Binary(_, left, right) => open.extend([&**left, &**right]),
            Expression::Choose(condition, yes, no) => open.extend([&**condition, &**yes, &**no]),
        }
    }
    let all = f64::from(head + body);
    if all == 0.0 {
        return (0.0, 0.0);
    }
    (thousandths(score * (f64::from(head) / all)), thousandths(score * (f64::from(body) / all)))
}

/// Metas that read a rule with tflags learn, directly or through others, by index.
pub fn leaning(set: &RuleSet) -> HashSet<usize> {
    let learned = set.rules.iter().enumerate().filter(|(_, rule)| rule.flags.learn).map(|(at, _)| at);
    let mut open: Vec<usize> = learned.collect();
    let mut found = HashSet::new();
    while let Some(at) = open.pop() {
        open.extend(set.metas_of(at).iter().filter(|meta| found.insert(**meta)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{NoFiles, Settings, Source, load};

    const RULES: &str = "\
header HEAD Subject =~ /a/
score HEAD 4 4 2 2
body BODY /a/
score BODY 5
rawbody RAW /a/
score RAW 1
full FULL /a/
score FULL 6
meta BOTH HEAD && BODY && RAW && RAW
score BOTH 4
meta LEANS SURE && HEAD
score LEANS 9
body SURE eval:check_bayes('0.99', '1.00')
tflags SURE learn
score SURE 0 0 3 3
header MINE Subject =~ /b/
tflags MINE userconf
header NOT Subject =~ /c/
tflags NOT noautolearn
header FORCE Subject =~ /d/
tflags FORCE autolearn_force
score FORCE 12
full SIDED /x/
tflags SIDED autolearn_header
score SIDED 3
body BAYES_99 eval:check_bayes('0.99', '1.00')
";

    fn set() -> RuleSet {
        let plugins = "loadplugin Mail::SpamAssassin::Plugin::Bayes\n";
        let sources = [("p.pre", plugins), ("t.cf", RULES)].map(|(name, text)| Source::Text { name: name.into(), text: text.into() });
        load(&sources, &NoFiles, &Settings::default()).0
    }

    fn found(set: &RuleSet, names: &[&str], bayes: bool) -> Findings {
        let column = ScoreSet { network: false, bayes }.column();
        let hits: Vec<Hit> = names
            .iter()
            .map(|name| {
                let rule = set.get(name).unwrap();
                let (place, describe) = (Some(rule.place.clone()), None);
                Hit { rule: Arc::clone(&rule.name), score: rule.scores[column], count: 1, describe, place, area: "", evidence: Vec::new() }
            })
            .collect();
        Findings { score: hits.iter().map(|hit| hit.score).sum(), required: 5.0, hits, ..Findings::default() }
    }

    fn said(names: &[&str], bayes: bool) -> (Points, Result<bool, Refusal>) {
        let set = set();
        let findings = found(&set, names, bayes);
        let points = Points::of(&set, &findings, ScoreSet { network: false, bayes });
        let said = verdict(&points, &findings, &Thresholds { ham: 0.1, spam: 12.0, on_error: true });
        (points, said)
    }

    #[test]
    fn points_go_to_header_and_body_by_type_and_those_of_metas_by_their_operands() {
        let (points, said) = said(&["HEAD", "BODY", "BOTH"], false);
        assert_eq!((points.total, points.head, points.body), (13.0, 5.0, 8.0));
        assert_eq!(said, Ok(true));
    }

    #[test]
    fn the_scores_are_those_without_the_classifier() {
        let (points, said) = said(&["BODY", "HEAD", "SURE", "SIDED"], true);
        assert_eq!((points.total, points.head, points.body, points.learned), (12.0, 7.0, 5.0, 3.0));
        assert_eq!(said, Ok(true));
    }

    #[test]
    fn spam_needs_points_of_both_sides_unless_a_rule_forces_it() {
        assert_eq!(said(&["FULL", "BODY", "RAW"], false).1, Err(Refusal::FewHeadPoints));
        assert_eq!(said(&["FULL", "FULL", "HEAD"], false).1, Err(Refusal::FewBodyPoints));
        let (points, said) = said(&["FORCE"], false);
        assert_eq!((points.forced.len(), said), (1, Ok(true)));
    }

    #[test]
    fn users_own_rules_and_those_that_say_so_do_not_count() {
        let (points, said) = said(&["MINE", "NOT"], false);
        assert_eq!((points.total, said), (0.0, Ok(false)));
        assert_eq!(super::tests::said(&["HEAD"], false).1, Err(Refusal::BetweenThresholds));
    }

    #[test]
    fn neither_the_classifier_nor_the_verdict_may_say_the_opposite() {
        assert_eq!(said(&["SURE"], true).1, Err(Refusal::Contradicted));
        let set = set();
        let mut findings = found(&set, &["HEAD", "BODY", "BOTH"], false);
        let points = Points::of(&set, &findings, ScoreSet { network: false, bayes: false });
        let thresholds = Thresholds { ham: 0.1, spam: 12.0, on_error: true };
        findings.score = 1.0;
        assert_eq!(verdict(&points, &findings, &thresholds), Err(Refusal::Verdict));
        findings.score = 13.0;
        findings.hits.extend(found(&set, &["BAYES_99"], true).hits);
        assert_eq!(verdict(&points, &findings, &thresholds), Err(Refusal::KnownAlready));
        assert_eq!(verdict(&points, &findings, &Thresholds { on_error: false, ..thresholds }), Ok(true));
    }

    #[test]
    fn what_leans_on_the_classifier_can_be_left_out() {
        let set = set();
        let findings = found(&set, &["LEANS", "HEAD", "SURE"], true);
        let scores = ScoreSet { network: false, bayes: true };
        assert_eq!(Points::of(&set, &findings, scores).total, 13.0);
        assert_eq!(Points::without_opinion(&set, &findings, scores, &leaning(&set)).total, 4.0);
    }
}
