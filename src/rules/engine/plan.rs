//! What is known before any message: which rules run in a score set, in which stages, and which metas become ready when.
//!
//! SpamAssassin walks priorities in ascending order and, within each, the classes of `Class` in their order, then the
//! metas that became ready (Plugin/Check.pm, check_main). Where nothing can tell the order apart, priorities are
//! joined into one stage, so that each text is walked once: an order shows only through a short circuit, through
//! captured tags, through functions that change the text, and through metas without an order of their own.

use super::bits::Bits;
use super::meta::{self, Code};
use super::sweep::{HeaderGroup, MimeGroup, Row, Sweep};
use super::template::TemplateRow;
use super::usual;
use crate::mail::HeaderQuery;
use crate::outcome::View;
use crate::rules::eval;
use crate::rules::model::{EvalKind, Matcher, Rule, Shortcircuit, Test};
use crate::rules::options::Options;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Which of the four columns of scores is in force (Mail::SpamAssassin::Conf, score).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoreSet {
    pub network: bool,
    pub bayes: bool,
}

impl ScoreSet {
    pub const ALL: [ScoreSet; 4] = [
        ScoreSet { network: false, bayes: false },
        ScoreSet { network: true, bayes: false },
        ScoreSet { network: false, bayes: true },
        ScoreSet { network: true, bayes: true },
    ];

    pub fn column(self) -> usize {
        usize::from(self.network) + 2 * usize::from(self.bayes)
    }
}

/// What ends an evaluation early (Mail::SpamAssassin::Plugin::Shortcircuit).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stops {
    /// `shortcircuit_spam_score`.
    pub spam_score: f64,
    /// `shortcircuit_ham_score`.
    pub ham_score: f64,
    /// `shortcircuit_min_ham_score`: below it the evaluation ends.
    pub least: Option<f64>,
    /// `shortcircuit_max_spam_score`: above it.
    pub most: Option<f64>,
}

impl Stops {
    pub fn read(options: &Options) -> Stops {
        let bound = |name: &str| options.settings.get(name).and_then(|text| text.trim().parse().ok());
        Stops {
            spam_score: options.number("shortcircuit_spam_score", 100.0),
            ham_score: options.number("shortcircuit_ham_score", -100.0),
            least: bound("shortcircuit_min_ham_score"),
            most: bound("shortcircuit_max_spam_score"),
        }
    }

    fn watch_the_score(&self) -> bool {
        self.least.is_some() || self.most.is_some()
    }
}

/// An `eval:` rule with its function.
#[derive(Clone, Debug)]
pub struct EvalRow {
    pub rule: u32,
    pub kind: EvalKind,
    pub function: &'static eval::Row,
}

/// Rules that run together.
#[derive(Debug, Default)]
pub struct Stage {
    /// The lowest priority in it.
    pub priority: i32,
    pub headers: Vec<HeaderGroup>,
    pub body: Sweep,
    pub uri: Sweep,
    pub raw_body: Sweep,
    pub full: Sweep,
    pub mime: Vec<MimeGroup>,
    pub link_details: Vec<u32>,
    pub evals: Vec<EvalRow>,
    /// Rules whose pattern is made for each message from captured tags.
    pub templates: Vec<TemplateRow>,
    /// Network rules of their own syntax, by rule.
    pub dns: Vec<u32>,
    /// Metas, by position, that become ready when this stage is done.
    pub ready: Bits,
    pub any_ready: bool,
}

/// A meta by its position: each stands after those it looks at.
#[derive(Debug)]
pub struct Meta {
    pub rule: u32,
    pub code: Code,
    /// A true one of these is never marked as done (score 0: got_hit returns early).
    pub unscored: bool,
}

/// The compiled order of evaluation in one score set.
#[derive(Debug)]
pub struct Plan {
    pub set: ScoreSet,
    /// Score by rule.
    pub scores: Vec<f64>,
    pub stages: Vec<Stage>,
    pub metas: Vec<Meta>,
    /// By rule: positions of metas that look at it.
    users: Users,
    /// Those of them that its hit may make true.
    woken: Users,
    /// Metas that are evaluated in the final pass alone.
    pub last: Bits,
    /// Metas that must be evaluated though nothing they look at hit.
    pub always: Bits,
    /// Rules that never become ready.
    pub never: Bits,
    /// Metas without an order, evaluated once, after the lowest priority, over what has hit by then.
    pub unordered: Vec<Meta>,
    /// Some rule may end the evaluation early.
    pub may_stop: bool,
    pub stops: Stops,
}

/// Lists by rule in one allocation.
#[derive(Debug, Default)]
struct Users {
    starts: Vec<u32>,
    positions: Vec<u32>,
}

impl Users {
    fn new(lists: Vec<Vec<u32>>) -> Users {
        let mut users = Users::default();
        for list in lists {
            users.starts.push(users.positions.len() as u32);
            users.positions.extend(list);
        }
        users.starts.push(users.positions.len() as u32);
        users
    }

    fn of(&self, rule: u32) -> &[u32] {
        let at = rule as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(from), Some(to)) => self.positions.get(*from as usize..*to as usize).unwrap_or(&[]),
            _ => &[],
        }
    }
}

impl Plan {
    pub fn new(rules: &[Rule], set: ScoreSet, stops: Stops) -> Plan {
        let scores: Vec<f64> = rules.iter().map(|rule| rule.scores.get(set.column()).copied().unwrap_or(0.0)).collect();
        let active: Vec<bool> = rules.iter().zip(&scores).map(|(rule, score)| runs(rule, *score, set)).collect();
        let codes: Vec<(u32, Code)> = rules
            .iter()
            .enumerate()
            .filter_map(|(at, rule)| match &rule.test {
                Test::Meta(expression) => Some((at as u32, Code::compile(expression))),
                _ => None,
            })
            .collect();
        let is_meta = |rule: u32| rules.get(rule as usize).is_some_and(|rule| matches!(rule.test, Test::Meta(_)));
        let order = meta::order(&codes, &is_meta);
        let mut by_rule: HashMap<u32, Code> = codes.into_iter().collect();
        let unordered: Vec<Meta> = order
            .unsolved
            .iter()
            .filter_map(|rule| Some(Meta { rule: *rule, code: by_rule.remove(rule)?, unscored: unscored(&scores, *rule) }))
            .collect();
        let metas: Vec<Meta> = order
            .solved
            .iter()
            .filter_map(|rule| Some(Meta { rule: *rule, code: by_rule.remove(rule)?, unscored: unscored(&scores, *rule) }))
            .collect();
        let when = Readiness::new(rules, &active, &metas, &unordered);
        let stages = stages(rules, &active, &when, set, !unordered.is_empty(), stops.watch_the_score());
        Plan::join(rules, set, stops, scores, stages, metas, unordered, &when)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one plan, put together once")]
    fn join(
        rules: &[Rule],
        set: ScoreSet,
        stops: Stops,
        scores: Vec<f64>,
        mut stages: Vec<Stage>,
        metas: Vec<Meta>,
        unordered: Vec<Meta>,
        when: &Readiness,
    ) -> Plan {
        let count = metas.len();
        let (mut last, mut always, mut never) = (Bits::new(count), Bits::new(count), Bits::new(rules.len()));
        let (mut users, mut woken) = (vec![Vec::new(); rules.len()], vec![Vec::new(); rules.len()]);
        let zeros = vec![0.0; rules.len()];
        for stage in &mut stages {
            stage.ready = Bits::new(count);
        }
        for (at, meta) in metas.iter().enumerate() {
            let position = at as u32;
            for operand in &meta.code.operands {
                if let Some(list) = users.get_mut(*operand as usize) {
                    list.push(position);
                }
            }
            match when.of(meta.rule) {
                When::Priority(priority) => {
                    if let Some(stage) = stages.iter_mut().rev().find(|stage| stage.priority <= priority) {
                        stage.ready.insert(position);
                        stage.any_ready = true;
                    }
                }
                When::Last => last.insert(position),
                When::Never => never.insert(meta.rule),
            }
            if meta.code.value(&zeros) != 0.0 || meta.unscored {
                always.insert(position);
            }
        }
        // What many metas look at hits often.
        let weight = |rule: u32| users.get(rule as usize).map_or(0, Vec::len);
        for (at, meta) in metas.iter().enumerate() {
            let causes = match rules.get(meta.rule as usize).map(|rule| &rule.test) {
                Some(Test::Meta(expression)) => meta::causes(expression, &weight),
                _ => None,
            };
            for cause in causes.as_ref().unwrap_or(&meta.code.operands) {
                if let Some(list) = woken.get_mut(*cause as usize) {
                    list.push(at as u32);
                }
            }
        }
        let may_stop = stops.watch_the_score() || rules.iter().any(|rule| rule.shortcircuit != Shortcircuit::Off);
        Plan {
            set,
            scores,
            stages,
            metas,
            users: Users::new(users),
            woken: Users::new(woken),
            last,
            always,
            never,
            unordered,
            may_stop,
            stops,
        }
    }

    /// Positions of the metas that look at a rule.
    pub fn users(&self, rule: u32) -> &[u32] {
        self.users.of(rule)
    }

    /// Positions of the metas that may be true now that a rule has hit.
    pub fn woken(&self, rule: u32) -> &[u32] {
        self.woken.of(rule)
    }

    pub fn score(&self, rule: u32) -> f64 {
        self.scores.get(rule as usize).copied().unwrap_or(0.0)
    }
}

fn unscored(scores: &[f64], rule: u32) -> bool {
    scores.get(rule as usize).is_none_or(|score| *score == 0.0)
}

/// Whether a rule that is no meta runs at all (run_generic_tests, run_eval_tests).
fn runs(rule: &Rule, score: f64, set: ScoreSet) -> bool {
    if score == 0.0 || score.is_nan() {
        return false;
    }
    // Only rules of the eval kind are gated by these flags; SpamAssassin runs mimeheader and uri_detail as such.
    let gated = (rule.flags.net && !set.network) || (rule.flags.learn && !set.bayes);
    match &rule.test {
        Test::Header { .. } | Test::Exists(_) | Test::Body(_) | Test::RawBody(_) | Test::Full(_) | Test::Uri(_) => true,
        Test::MimeHeader { .. } | Test::UriDetail(_) => !gated,
        Test::Eval { kind: EvalKind::Rbl, .. } => set.network,
        Test::Eval { .. } => !gated,
        Test::Dns { .. } => set.network,
        Test::Meta(_) | Test::Empty => false,
    }
}

/// When a rule's value is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum When {
    /// After the stage that holds this priority.
    Priority(i32),
    /// In the final pass, which counts whatever did not run as not hit.
    Last,
    /// Waits for a meta that is never marked as done.
    Never,
}

struct Readiness {
    when: Vec<When>,
}

impl Readiness {
    fn new(rules: &[Rule], active: &[bool], metas: &[Meta], unordered: &[Meta]) -> Readiness {
        let lowest = rules.iter().map(|rule| rule.priority).min().unwrap_or(0);
        let mut when: Vec<When> =
            rules.iter().zip(active).map(|(rule, active)| if *active { When::Priority(rule.priority) } else { When::Last }).collect();
        for meta in unordered {
            if let Some(slot) = when.get_mut(meta.rule as usize) {
                *slot = When::Priority(lowest);
            }
        }
        for meta in metas {
            let operands = meta.code.operands.iter().filter_map(|operand| when.get(*operand as usize).copied());
            let ready = match operands.max().unwrap_or(When::Priority(lowest)) {
                // Metas of score 0 are not in the list that the final pass walks (check_main, meta_pending).
                When::Last if meta.unscored => When::Never,
                other => other,
            };
            if let Some(slot) = when.get_mut(meta.rule as usize) {
                *slot = ready;
            }
        }
        Readiness { when }
    }

    fn of(&self, rule: u32) -> When {
        self.when.get(rule as usize).copied().unwrap_or(When::Last)
    }
}

/// Rules by stage: see the head of this file for what keeps priorities apart.
fn stages(rules: &[Rule], active: &[bool], when: &Readiness, set: ScoreSet, unordered: bool, all_apart: bool) -> Vec<Stage> {
    let priorities: BTreeSet<i32> = rules.iter().map(|rule| rule.priority).collect();
    let mut alone: BTreeSet<i32> = BTreeSet::new();
    if all_apart {
        alone.extend(&priorities);
    } else if unordered {
        alone.extend(priorities.first());
    }
    for (at, rule) in rules.iter().enumerate() {
        if active.get(at) == Some(&true) && rule.captures {
            alone.insert(rule.priority);
        }
        if rule.shortcircuit != Shortcircuit::Off
            && let When::Priority(priority) = when.of(at as u32)
        {
            alone.insert(priority);
        }
    }
    // What stands before such a function sees the text as it came.
    let changes = rules.iter().zip(active).filter(|(rule, active)| **active && changes_body(rule)).map(|(rule, _)| rule.priority).min();
    let stops = rules.iter().any(|rule| rule.shortcircuit != Shortcircuit::Off);
    let mut stages: Vec<Stage> = Vec::new();
    let mut apart = true;
    for priority in priorities {
        // Questions to the network start at -100 (check_main); it matters only where rules before may end it all.
        let network_starts = stops && set.network && priority >= -100 && stages.last().is_some_and(|stage| stage.priority < -100);
        if apart || alone.contains(&priority) || network_starts || changes == Some(priority) {
            stages.push(Stage { priority, ..Stage::default() });
        }
        apart = alone.contains(&priority);
    }
    let mut builders: BTreeMap<usize, Builder> = BTreeMap::new();
    for (at, rule) in rules.iter().enumerate().filter(|(at, _)| active.get(*at) == Some(&true)) {
        let stage = stages.iter().rposition(|stage| stage.priority <= rule.priority).unwrap_or(0);
        builders.entry(stage).or_default().add(at as u32, rule);
    }
    for (at, builder) in builders {
        if let Some(stage) = stages.get_mut(at) {
            builder.finish(stage);
        }
    }
    stages
}

fn changes_body(rule: &Rule) -> bool {
    match &rule.test {
        Test::Eval { function, .. } => eval::find(function).is_some_and(eval::Row::changes_body),
        _ => false,
    }
}

/// Gathers the rules of one stage by what they look at.
#[derive(Default)]
struct Builder {
    headers: HashMap<HeaderQuery, (Vec<Row>, Vec<u32>)>,
    mime: HashMap<HeaderQuery, Vec<Row>>,
    body: Vec<Row>,
    uri: Vec<Row>,
    raw_body: Vec<Row>,
    full: Vec<Row>,
    link_details: Vec<u32>,
    evals: Vec<EvalRow>,
    templates: Vec<TemplateRow>,
    dns: Vec<u32>,
}

impl Builder {
    fn add(&mut self, at: u32, rule: &Rule) {
        match &rule.test {
            Test::Header { query, negated, unset, pattern: Matcher::Fixed(pattern) } => {
                let row = Row::new(at, rule, pattern, *negated, unset.clone());
                self.headers.entry(query.clone()).or_default().0.push(row);
            }
            Test::Exists(query) => self.headers.entry(query.clone()).or_default().1.push(at),
            Test::Body(Matcher::Fixed(pattern)) => self.body.push(Row::new(at, rule, pattern, false, None)),
            Test::RawBody(Matcher::Fixed(pattern)) => self.raw_body.push(Row::new(at, rule, pattern, false, None)),
            Test::Full(Matcher::Fixed(pattern)) => self.full.push(Row::new(at, rule, pattern, false, None)),
            Test::Uri(Matcher::Fixed(pattern)) => self.uri.push(Row::new(at, rule, pattern, false, None)),
            Test::MimeHeader { query, negated, unset, pattern: Matcher::Fixed(pattern) } => {
                let row = Row::new(at, rule, pattern, *negated, unset.clone());
                self.mime.entry(query.clone()).or_default().push(row);
            }
            Test::Header { pattern: Matcher::Template(text), .. } => self.templates.push(TemplateRow::new(at, View::Header, text)),
            Test::Body(Matcher::Template(text)) => self.templates.push(TemplateRow::new(at, View::Body, text)),
            Test::RawBody(Matcher::Template(text)) => self.templates.push(TemplateRow::new(at, View::RawBody, text)),
            Test::Full(Matcher::Template(text)) => self.templates.push(TemplateRow::new(at, View::Full, text)),
            Test::Uri(Matcher::Template(text)) => self.templates.push(TemplateRow::new(at, View::Uri, text)),
            // MIMEHeader compiles before templates are looked for: they have no effect there.
            Test::MimeHeader { pattern: Matcher::Template(_), .. } => {}
            Test::UriDetail(_) => self.link_details.push(at),
            Test::Eval { kind, function, .. } => {
                if let Some(function) = eval::find(function) {
                    self.evals.push(EvalRow { rule: at, kind: *kind, function });
                }
            }
            Test::Dns { .. } => self.dns.push(at),
            Test::Meta(_) | Test::Empty => {}
        }
    }

    fn finish(self, stage: &mut Stage) {
        let mut headers: Vec<HeaderGroup> =
            self.headers.into_iter().map(|(query, (rows, exists))| HeaderGroup::new(query, rows, exists)).collect();
        headers.sort_by(|a, b| a.query.name.cmp(&b.query.name));
        let mut mime: Vec<MimeGroup> = self.mime.into_iter().map(|(query, rows)| MimeGroup::new(query, rows)).collect();
        mime.sort_by(|a, b| a.query.name.cmp(&b.query.name));
        stage.headers = headers;
        stage.mime = mime;
        stage.body = Sweep::new(self.body, &usual::BODY);
        stage.uri = Sweep::new(self.uri, &usual::URI);
        stage.raw_body = Sweep::new(self.raw_body, &usual::RAW_BODY);
        stage.full = Sweep::new(self.full, &usual::FULL);
        stage.link_details = self.link_details;
        stage.evals = self.evals;
        stage.templates = self.templates;
        stage.dns = self.dns;
    }
}
