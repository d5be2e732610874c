//! Walks a plan over messages in memory: learn, score, measure.

use super::measures::Scored;
use super::protocol::{Plan, Sample, Step};
use crate::bayes::combine::{Weights, log_odds, probability};
use crate::store::{Count, Token, Totals};
use std::collections::HashMap;

/// A classifier's memory while it is evaluated; the site's database is never opened.
#[derive(Default)]
struct Memory {
    totals: Totals,
    counts: HashMap<Token, Count>,
}

impl Memory {
    fn learn(&mut self, tokens: &[Token], spam: bool) {
        if spam {
            self.totals.spam += 1;
        } else {
            self.totals.ham += 1;
        }
        for token in tokens {
            let count = self.counts.entry(*token).or_default();
            if spam {
                count.spam += 1;
            } else {
                count.ham += 1;
            }
        }
    }

    fn score(&self, tokens: &[Token], weights: &Weights) -> f64 {
        let known = tokens.iter().filter_map(|token| self.counts.get(token));
        log_odds(known.map(|count| probability(*count, self.totals, weights)), weights).unwrap_or(0.0)
    }
}

/// What a walk cost, besides what it said.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    pub scored: Vec<Scored>,
    /// Different tokens at the end of the last fold.
    pub tokens: usize,
    pub learned: usize,
}

/// `tokens` by sample.
pub fn walk(plan: &Plan, samples: &[Sample], tokens: &[Vec<Token>], weights: &Weights) -> Walk {
    let (steps, folds) = plan.steps(samples);
    let (mut memory, mut walk) = (Memory::default(), Walk::default());
    for step in steps {
        match step {
            Step::Reset => memory = Memory::default(),
            Step::Learn(i) => {
                memory.learn(&tokens[i], samples[i].spam);
                walk.learned += 1;
            }
            Step::Score(i) => walk.scored.push(Scored {
                path: samples[i].path.clone(),
                spam: samples[i].spam,
                fold: folds[i],
                score: memory.score(&tokens[i], weights),
            }),
        }
    }
    walk.tokens = memory.counts.len();
    walk
}
