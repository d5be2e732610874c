//! The state of one message's evaluation: values, hits, evidence, which rules are ready, what ended it early.

use super::bits::Bits;
use super::plan::{Meta, Plan};
use crate::outcome::{Evidence, View};
use crate::rules::model::{Rule, Shortcircuit};
use std::sync::Arc;

/// Octets of matched text that are kept.
const EVIDENCE: usize = 256;
/// Places kept of one rule.
const PLACES: usize = 8;

/// The evaluation ended before all rules ran.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// What the rule SHORTCIRCUIT scores.
    pub score: f64,
    /// The rule that asked for it; `None`: the score itself went out of bounds.
    pub rule: Option<u32>,
    pub spam: bool,
}

pub struct Board<'r> {
    pub rules: &'r [Rule],
    pub plan: &'r Plan,
    /// What metas read.
    values: Vec<f64>,
    /// Number of hits.
    pub counts: Vec<u32>,
    /// Rules that hit, each once, in the order of their hits.
    pub hits: Vec<u32>,
    /// Metas to be evaluated when they are ready.
    dirty: Bits,
    /// Rules that wait for an answer or a tag.
    late: Bits,
    any_late: bool,
    /// Metas put off to the final pass.
    deferred: Bits,
    never: Bits,
    /// Metas that had an order and came out true.
    pub found_true: Vec<&'r Meta>,
    pub evidence: Vec<(u32, Evidence)>,
    /// Sub-rules keep evidence too.
    explain: bool,
    running_score: f64,
    pub stopped: Option<Stopped>,
    pub over_budget: Vec<u32>,
}

impl<'r> Board<'r> {
    pub fn new(rules: &'r [Rule], plan: &'r Plan, explain: bool) -> Board<'r> {
        Board {
            rules,
            plan,
            values: vec![0.0; rules.len()],
            counts: vec![0; rules.len()],
            hits: Vec::with_capacity(256),
            dirty: plan.always.clone(),
            late: Bits::new(rules.len()),
            any_late: false,
            deferred: Bits::new(plan.metas.len()),
            never: plan.never.clone(),
            found_true: Vec::new(),
            evidence: Vec::new(),
            explain,
            running_score: 0.0,
            stopped: None,
            over_budget: Vec::new(),
        }
    }

    pub fn count(&self, rule: u32) -> u32 {
        self.counts.get(rule as usize).copied().unwrap_or(0)
    }

    pub fn rule(&self, rule: u32) -> Option<&'r Rule> {
        self.rules.get(rule as usize)
    }

    /// Records hits of a rule, each of the same value (PerMsgStatus, got_hit).
    pub fn hit(&mut self, rule: u32, hits: u32, value: f64) {
        let score = self.plan.score(rule);
        let (Some(slot), Some(count)) = (self.values.get_mut(rule as usize), self.counts.get_mut(rule as usize)) else { return };
        if score == 0.0 || hits == 0 {
            return;
        }
        // "rule values always result in an increase"
        let value = if value > 0.0 { value } else { 1.0 };
        if *count == 0 {
            self.hits.push(rule);
            for position in self.plan.woken(rule) {
                self.dirty.insert(*position);
            }
        }
        *slot += value * f64::from(hits);
        *count = count.saturating_add(hits);
        if self.plan.may_stop {
            self.look_for_a_stop(rule, score, hits);
        }
    }

    fn look_for_a_stop(&mut self, rule: u32, score: f64, hits: u32) {
        let Some(known) = self.rule(rule) else { return };
        if self.stopped.is_some() {
            return;
        }
        let stops = &self.plan.stops;
        if stops.least.is_some_and(|least| self.running_score < least) || stops.most.is_some_and(|most| self.running_score > most) {
            let spam = self.running_score >= 0.0;
            self.stopped = Some(Stopped { score: if spam { 0.001 } else { -0.001 }, rule: None, spam });
        }
        if !known.name.starts_with("__") {
            self.running_score += score * f64::from(hits);
        }
        let (score, spam) = match known.shortcircuit {
            Shortcircuit::Off => return,
            Shortcircuit::On if score < 0.0 => (-0.0001, false),
            Shortcircuit::On => (0.0001, true),
            Shortcircuit::Ham => (stops.ham_score, false),
            Shortcircuit::Spam => (stops.spam_score, true),
        };
        self.stopped = Some(Stopped { score, rule: Some(rule), spam });
    }

    /// Whether the rule's places are worth keeping.
    pub fn keeps(&self, rule: u32) -> bool {
        self.explain || self.rule(rule).is_some_and(|rule| !rule.name.starts_with("__"))
    }

    /// Keeps the place of a match in a text.
    pub fn keep(&mut self, rule: u32, view: View, place: impl FnOnce() -> String, text: &[u8], span: &std::ops::Range<usize>) {
        if !self.keeps(rule) || self.evidence.iter().filter(|(known, _)| *known == rule).count() >= PLACES {
            return;
        }
        let matched = text.get(span.start..span.end.min(span.start + EVIDENCE)).unwrap_or(&[]);
        self.evidence.push((rule, Evidence { view, place: place(), start: span.start, end: span.end, text: matched.to_vec() }));
    }

    /// Keeps what an `eval` function or a network rule said of its hit.
    pub fn keep_words(&mut self, rule: u32, view: View, place: String, words: &[u8]) {
        if self.keeps(rule) {
            let text = words.get(..words.len().min(EVIDENCE)).unwrap_or(&[]).to_vec();
            self.evidence.push((rule, Evidence { view, place, start: 0, end: 0, text }));
        }
    }

    pub fn ran_out(&mut self, rule: u32) {
        if !self.over_budget.contains(&rule) {
            self.over_budget.push(rule);
        }
    }

    /// The rule waits for an answer or a tag: metas that look at it are put off.
    pub fn wait(&mut self, rule: u32) {
        self.late.insert(rule);
        self.any_late = true;
        self.wake_users(rule);
    }

    pub fn answered(&mut self, rule: u32) {
        self.late.remove(rule);
    }

    fn wake_users(&mut self, rule: u32) {
        for position in self.plan.users(rule) {
            self.dirty.insert(*position);
        }
    }

    fn block(&mut self, rule: u32) {
        self.never.insert(rule);
        self.wake_users(rule);
    }

    /// Evaluates metas without an order over what has hit so far, all at once.
    pub fn run_unordered(&mut self) {
        let plan = self.plan;
        let results: Vec<f64> = plan.unordered.iter().map(|meta| meta.code.value(&self.values)).collect();
        for (meta, result) in plan.unordered.iter().zip(results) {
            self.settle(meta, result);
        }
    }

    /// Evaluates the metas of a stage that has run.
    pub fn run_metas(&mut self, ready: &Bits) {
        let plan = self.plan;
        let mut from = 0;
        while let Some(position) = self.dirty.next_in(ready, from) {
            from = position + 1;
            self.dirty.remove(position);
            let Some(meta) = plan.metas.get(position as usize) else { break };
            if self.looks_at(meta, &self.never) {
                self.block(meta.rule);
            } else if self.any_late && self.looks_at(meta, &self.late) {
                if meta.unscored {
                    self.block(meta.rule);
                } else {
                    self.deferred.insert(position);
                    self.dirty.insert(position);
                    self.wait(meta.rule);
                }
            } else {
                self.evaluate(meta);
            }
        }
    }

    /// The final pass: whatever did not run counts as not hit.
    pub fn run_last(&mut self) {
        let plan = self.plan;
        let mut left = plan.last.clone();
        left.add_all(&self.deferred);
        let mut from = 0;
        while let Some(position) = self.dirty.next_in(&left, from) {
            from = position + 1;
            let Some(meta) = plan.metas.get(position as usize) else { break };
            if self.looks_at(meta, &self.never) {
                self.block(meta.rule);
            } else {
                self.evaluate(meta);
            }
        }
    }

    fn evaluate(&mut self, meta: &'r Meta) {
        let result = meta.code.value(&self.values);
        if result != 0.0 {
            self.found_true.push(meta);
        }
        self.settle(meta, result);
    }

    fn looks_at(&self, meta: &Meta, set: &Bits) -> bool {
        meta.code.operands.iter().any(|operand| set.contains(*operand))
    }

    fn settle(&mut self, meta: &Meta, result: f64) {
        if result == 0.0 || result.is_nan() {
            return;
        }
        if meta.unscored {
            // got_hit returns early without a score, before it marks the rule as done.
            self.block(meta.rule);
        } else {
            self.hit(meta.rule, 1, result);
        }
    }

    /// Names of what a meta took: its operands that hit.
    pub fn took(&self, meta: &Meta) -> Vec<Arc<str>> {
        let hit = meta.code.operands.iter().filter(|operand| self.count(**operand) > 0);
        hit.filter_map(|operand| self.rule(*operand).map(|rule| Arc::clone(&rule.name))).collect()
    }
}
