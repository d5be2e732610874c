//! One message's evaluation: stages in order, questions raised, answers told, findings at the end.

use super::board::Board;
use super::dns::{self, Said};
use super::plan::{EvalRow, Plan, ScoreSet, Stage};
use super::template::Tags;
use super::walk;
use crate::facts::{Answer, Facts, Question, Told};
use crate::mail::Reading;
use crate::outcome::{Findings, View};
use crate::pattern::Candidates;
use crate::rules::eval::{self, Answered, Memo, Needs};
use crate::rules::model::{EvalKind, Rule, Test};
use crate::rules::options::Options;
use std::rc::Rc;
use std::sync::Arc;

/// The caller's watch over one message: rules themselves know no clock.
pub trait Watch {
    /// Whether the time allowed is used up.
    fn expired(&self) -> bool;
    /// One part of the work is done; for those who measure.
    fn passed(&self, _part: &'static str) {}
}

impl<F: Fn() -> bool> Watch for F {
    fn expired(&self) -> bool {
        self()
    }
}

/// What the caller decides for one message.
#[derive(Clone, Copy)]
pub struct Circumstances<'r> {
    pub set: ScoreSet,
    /// Seconds since 1970.
    pub now: u64,
    /// Keep the places of sub-rules too.
    pub explain: bool,
    pub watch: &'r dyn Watch,
}

/// The evaluation of one message.
pub struct Run<'r, 'm> {
    pub(super) board: Board<'r>,
    pub(super) plan: &'r Plan,
    pub(super) options: &'r Options,
    pub(super) reading: &'r Reading<'m>,
    pub(super) circumstances: Circumstances<'r>,
    pub(super) tags: Tags,
    pub(super) memo: Rc<Memo>,
    facts: Facts,
    /// The next stage to run.
    next: usize,
    /// Rules that wait for answers.
    pending: Vec<Pending>,
    asked_early: bool,
    /// Questions to the network will be answered.
    network: bool,
    pub(super) expired: bool,
    /// Values of named groups by rule, until the class has run.
    pub(super) captured: Vec<(u32, Arc<str>, Vec<u8>)>,
    /// Reused for candidates of one text.
    pub(super) scratch: Candidates,
}

#[derive(Clone, Copy)]
enum Pending {
    Eval(u32, EvalKind, &'static eval::Row),
    Dns(u32),
}

/// What ran out, or ended it: the classes that come after are left out.
struct Over;

impl<'r, 'm> Run<'r, 'm> {
    pub(super) fn new(
        rules: &'r [Rule],
        options: &'r Options,
        plan: &'r Plan,
        reading: &'r Reading<'m>,
        circumstances: Circumstances<'r>,
    ) -> Run<'r, 'm> {
        Run {
            board: Board::new(rules, plan, circumstances.explain),
            plan,
            options,
            reading,
            circumstances,
            tags: Tags::default(),
            memo: Rc::default(),
            facts: Facts::default(),
            next: 0,
            pending: Vec::new(),
            asked_early: false,
            network: circumstances.set.network && dns::is_available(options),
            expired: false,
            captured: Vec::new(),
            scratch: Candidates::default(),
        }
    }

    /// Questions that no answer is known to yet; `None`: the evaluation needs nothing more.
    ///
    /// The first call raises what can be asked before any text was looked at, so that answers travel while `work` runs.
    pub fn questions(&mut self) -> Option<Vec<Question>> {
        if !self.asked_early {
            self.asked_early = true;
            let mut early = self.early_questions();
            if self.keep_allowed(&mut early) {
                return Some(early);
            }
        }
        self.work();
        let mut open = self.retry_pending();
        // What may not be asked is answered with silence here; rules that waited for it may go on.
        while !open.is_empty() && !self.keep_allowed(&mut open) {
            open = self.retry_pending();
        }
        if open.is_empty() { None } else { Some(open) }
    }

    /// Takes out what `dns_query_restriction` denies; whether something is left to ask.
    fn keep_allowed(&mut self, open: &mut Vec<Question>) -> bool {
        let options = self.options;
        open.retain(|question| match question {
            Question::Dns(about) if dns::is_denied(options, about) => {
                self.facts.tell(Told::Dns(about.clone(), Answer::Silent));
                false
            }
            Question::Dns(_) | Question::Authentication | Question::Bayes | Question::Virus => true,
        });
        !open.is_empty()
    }

    /// Runs all that can run without further answers.
    pub fn work(&mut self) {
        while self.next < self.plan.stages.len() && !self.is_over() {
            self.run_next();
        }
    }

    fn run_next(&mut self) {
        let plan = self.plan;
        let Some(stage) = plan.stages.get(self.next) else { return };
        self.next += 1;
        if self.run_stage(stage).is_err() {
            return;
        }
        if self.next == 1 {
            self.board.run_unordered();
        }
        if stage.any_ready {
            self.board.run_metas(&stage.ready);
        }
        self.circumstances.watch.passed("meta");
    }

    pub fn tell(&mut self, told: Vec<Told>) {
        for told in told {
            self.facts.tell(told);
        }
    }

    /// How many answers are known.
    pub fn known(&self) -> usize {
        let facts = &self.facts;
        facts.dns.len()
            + [facts.authentication.is_some(), facts.bayes.is_some(), facts.virus.is_some()].iter().filter(|known| **known).count()
    }

    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The findings; rules whose answers did not come do not hit.
    pub fn finish(mut self) -> Findings {
        self.work();
        let _ = self.retry_pending();
        if !self.is_over() {
            self.board.run_last();
        }
        let watch = self.circumstances.watch;
        let findings = super::findings::make(self);
        watch.passed("findings");
        findings
    }

    fn is_over(&mut self) -> bool {
        self.is_expired() || self.board.stopped.is_some()
    }

    pub(super) fn is_expired(&mut self) -> bool {
        if !self.expired && self.circumstances.watch.expired() {
            self.expired = true;
        }
        self.expired
    }

    /// Between classes (run_generic_tests, run_eval_tests).
    fn go_on(&mut self, part: &'static str) -> Result<(), Over> {
        self.circumstances.watch.passed(part);
        if self.is_over() { Err(Over) } else { Ok(()) }
    }

    fn run_stage(&mut self, stage: &'r Stage) -> Result<(), Over> {
        for rule in &stage.dns {
            self.run_dns(*rule);
        }
        walk::headers(self, stage);
        walk::templates(self, stage, View::Header);
        self.go_on("header")?;
        self.run_evals(stage, EvalKind::Head);
        self.run_evals(stage, EvalKind::Rbl);
        self.go_on("header eval")?;
        walk::texts(self, &stage.body, View::Body);
        walk::templates(self, stage, View::Body);
        self.go_on("body")?;
        walk::texts(self, &stage.uri, View::Uri);
        walk::templates(self, stage, View::Uri);
        self.go_on("uri")?;
        self.run_evals(stage, EvalKind::Body);
        self.circumstances.watch.passed("body eval");
        walk::mime_headers(self, stage);
        walk::link_details(self, stage);
        self.go_on("mimeheader")?;
        walk::texts(self, &stage.raw_body, View::RawBody);
        walk::templates(self, stage, View::RawBody);
        self.go_on("rawbody")?;
        self.run_evals(stage, EvalKind::RawBody);
        self.go_on("rawbody eval")?;
        walk::texts(self, &stage.full, View::Full);
        walk::templates(self, stage, View::Full);
        self.go_on("full")?;
        self.run_evals(stage, EvalKind::Full);
        self.go_on("full eval")
    }

    fn run_evals(&mut self, stage: &'r Stage, kind: EvalKind) {
        for row in stage.evals.iter().filter(|row| row.kind == kind) {
            self.run_eval(row);
        }
    }

    fn run_eval(&mut self, row: &EvalRow) {
        if let Err(pending) = self.try_eval(row.rule, row.kind, row.function) {
            self.board.wait(row.rule);
            self.pending.push(pending);
        }
    }

    fn try_eval(&mut self, at: u32, kind: EvalKind, function: &'static eval::Row) -> Result<(), Pending> {
        let Some(rule) = self.board.rule(at) else { return Ok(()) };
        let Test::Eval { arguments, .. } = &rule.test else { return Ok(()) };
        let pending = Pending::Eval(at, kind, function);
        let context = self.context(rule, kind);
        if let Needs::Asks(ask) = function.needs
            && ask(&context, arguments).iter().any(|question| !self.facts.knows(question))
        {
            return Err(pending);
        }
        let (value, words) = match (function.run)(&context, arguments) {
            Answered::Hit(value) => (value, None),
            Answered::HitWith(value, words) => (value, Some(words)),
            Answered::Miss => return Ok(()),
            Answered::Pending => return Err(pending),
        };
        self.board.hit(at, 1, value);
        if let Some(words) = words {
            self.board.keep_words(at, View::Eval, String::new(), words.as_bytes());
        }
        Ok(())
    }

    fn run_dns(&mut self, rule: u32) {
        if self.try_dns(rule).is_err() {
            self.board.wait(rule);
            self.pending.push(Pending::Dns(rule));
        }
    }

    fn try_dns(&mut self, at: u32) -> Result<(), Vec<Question>> {
        let Some(rule) = self.board.rule(at) else { return Ok(()) };
        let Test::Dns { directive, .. } = &rule.test else { return Ok(()) };
        let Some(row) = dns::find(directive) else { return Ok(()) };
        match (row.evaluate)(rule, &self.context(rule, EvalKind::Rbl)) {
            Said::Ask(questions) if questions.iter().all(|question| self.facts.knows(question)) => {}
            Said::Ask(questions) => return Err(questions),
            Said::Later => return Err(Vec::new()),
            Said::Hit(words) => {
                self.board.hit(at, 1, 1.0);
                self.board.keep_words(at, View::Eval, String::new(), words.as_bytes());
            }
            Said::Miss => {}
        }
        Ok(())
    }

    pub(super) fn context<'c>(&'c self, rule: &'c Rule, kind: EvalKind) -> eval::Context<'c, 'm> {
        eval::Context {
            reading: self.reading,
            options: self.options,
            facts: &self.facts,
            memo: &self.memo,
            rule: &rule.name,
            kind,
            flags: &rule.flags,
            network: self.network,
            bayes: self.circumstances.set.bayes,
            now: self.circumstances.now,
        }
    }

    /// What rules of the stages to come will ask whatever the text says. Where a rule may end the evaluation, stages
    /// before -100 run first, so that no question is asked in vain.
    fn early_questions(&mut self) -> Vec<Question> {
        if !self.circumstances.set.network && !self.circumstances.set.bayes {
            return Vec::new();
        }
        if self.plan.may_stop {
            while self.plan.stages.get(self.next).is_some_and(|stage| stage.priority < -100) && !self.is_over() {
                self.run_next();
            }
        }
        let mut open = Vec::new();
        if !self.is_over() {
            for stage in self.plan.stages.get(self.next..).unwrap_or(&[]) {
                for row in &stage.evals {
                    self.eval_questions(row.rule, row.kind, row.function, &mut open);
                }
                for rule in &stage.dns {
                    self.dns_questions(*rule, &mut open);
                }
            }
        }
        open
    }

    fn eval_questions(&self, at: u32, kind: EvalKind, function: &'static eval::Row, open: &mut Vec<Question>) {
        let Needs::Asks(ask) = function.needs else { return };
        let Some(rule) = self.board.rule(at) else { return };
        let Test::Eval { arguments, .. } = &rule.test else { return };
        self.add_open(ask(&self.context(rule, kind), arguments), open);
    }

    fn dns_questions(&self, at: u32, open: &mut Vec<Question>) {
        let Some(rule) = self.board.rule(at) else { return };
        let Test::Dns { directive, .. } = &rule.test else { return };
        let Some(row) = dns::find(directive) else { return };
        if let Said::Ask(questions) = (row.evaluate)(rule, &self.context(rule, EvalKind::Rbl)) {
            self.add_open(questions, open);
        }
    }

    fn add_open(&self, questions: Vec<Question>, open: &mut Vec<Question>) {
        for question in questions {
            if !self.facts.knows(&question) && !open.contains(&question) {
                open.push(question);
            }
        }
    }

    /// Tries again what waited for answers; gives the questions still open.
    fn retry_pending(&mut self) -> Vec<Question> {
        let mut open = Vec::new();
        for pending in std::mem::take(&mut self.pending) {
            match pending {
                Pending::Eval(rule, kind, function) => match self.try_eval(rule, kind, function) {
                    Ok(()) => self.board.answered(rule),
                    Err(pending) => {
                        self.eval_questions(rule, kind, function, &mut open);
                        self.pending.push(pending);
                    }
                },
                Pending::Dns(rule) => match self.try_dns(rule) {
                    Ok(()) => self.board.answered(rule),
                    Err(questions) => {
                        self.add_open(questions, &mut open);
                        self.pending.push(pending);
                    }
                },
            }
        }
        open
    }

    /// Values of a tag: captured ones first, then those that functions set.
    pub(super) fn tag_values(&self, name: &str) -> Vec<Vec<u8>> {
        if let Some(values) = self.tags.get(name) {
            return values.to_vec();
        }
        self.memo.tags().get(name).filter(|text| !text.is_empty()).map(|text| vec![text.clone().into_bytes()]).unwrap_or_default()
    }
}
