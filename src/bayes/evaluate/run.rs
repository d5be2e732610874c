//! Walks a plan over messages in memory: learn, score, measure.

use super::measures::Scored;
use super::model::{Model, Row};
use super::protocol::{Plan, Sample, Step};
use crate::bayes::{Opinion, TokenRules, spamassassin};
use crate::store::{Count, Token, Totals};
use std::collections::HashMap;
use std::time::Duration;

/// Messages of the online protocol after which the rule model is fitted anew.
const REFIT: usize = 100;

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

    fn opinion(&self, tokens: &[Token], evidence: &Evidence<'_>) -> Option<Opinion> {
        let counts: Vec<Count> = tokens.iter().filter_map(|token| self.counts.get(token).copied()).collect();
        evidence.rules.opinion(&counts, self.totals, evidence.options)
    }
}

/// What the classifiers read of each sample.
pub struct Evidence<'e> {
    pub rules: TokenRules,
    /// What rule files say of SpamAssassin's tokens.
    pub options: &'e spamassassin::Options,
    pub tokens: &'e [Vec<Token>],
    /// Rules and sub-rules that hit, by number, and how many there are; for the rule model.
    pub hits: Option<(&'e [Vec<u32>], usize)>,
}

/// What a walk said, and what it cost.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    pub bayes: Vec<Scored>,
    /// The rule model's log-odds; empty without rules.
    pub model: Vec<Scored>,
    /// Different tokens at the end of the last fold.
    pub tokens: usize,
    pub learned: usize,
    pub learning: Duration,
    pub scoring: Duration,
}

impl Walk {
    /// Both opinions in one: each divided by its standard deviation over the tested messages, the classifier's after
    /// arcsinh, since its log-odds have long tails.
    pub fn joined(&self) -> Vec<Scored> {
        let bayes: Vec<f64> = self.bayes.iter().map(|s| s.score.asinh()).collect();
        let model: Vec<f64> = self.model.iter().map(|s| s.score).collect();
        let (b, m) = (deviation(&bayes), deviation(&model));
        let scores = bayes.iter().zip(&model).map(|(x, y)| x / b + y / m);
        self.bayes.iter().zip(scores).map(|(scored, score)| Scored { score, ..scored.clone() }).collect()
    }
}

fn deviation(values: &[f64]) -> f64 {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt();
    if deviation > 0.0 { deviation } else { 1.0 }
}

/// `clock`: the CPU time used so far.
pub fn walk(plan: &Plan, samples: &[Sample], evidence: &Evidence<'_>, clock: &dyn Fn() -> Duration) -> Walk {
    let (steps, folds) = plan.steps(samples);
    let (mut memory, mut walk) = (Memory::default(), Walk::default());
    let mut fitter = Fitter::default();
    for step in steps {
        let begun = clock();
        match step {
            Step::Reset => {
                memory = Memory::default();
                fitter = Fitter::default();
            }
            Step::Learn(i) => {
                memory.learn(&evidence.tokens[i], samples[i].spam);
                walk.learned += 1;
                walk.learning += clock().saturating_sub(begun);
                fitter.learned.push(i);
            }
            Step::Score(i) => {
                let opinion = memory.opinion(&evidence.tokens[i], evidence);
                walk.scoring += clock().saturating_sub(begun);
                let scored = |score| Scored { path: samples[i].path.clone(), spam: samples[i].spam, fold: folds[i], score };
                walk.bayes.push(scored(opinion.map_or(0.0, |opinion| opinion.log_odds)));
                if let Some((hits, features)) = evidence.hits {
                    walk.model.push(scored(fitter.model(samples, hits, features).log_odds(&hits[i])));
                }
            }
        }
    }
    walk.tokens = memory.counts.len();
    walk
}

/// The rule model of what was learned so far.
#[derive(Default)]
struct Fitter {
    learned: Vec<usize>,
    model: Option<Model>,
    /// Messages that the model knows.
    known: usize,
}

impl Fitter {
    /// Fitted when first asked, and again when much was learned since.
    fn model(&mut self, samples: &[Sample], hits: &[Vec<u32>], features: usize) -> &Model {
        if self.model.is_none() || self.learned.len() >= self.known + REFIT {
            let rows: Vec<Row<'_>> = self.learned.iter().map(|&i| (hits[i].as_slice(), samples[i].spam)).collect();
            self.known = rows.len();
            self.model = Some(Model::fit(&rows, features));
        }
        self.model.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bayes::evaluate::protocol::Protocol;

    #[test]
    fn rules_and_words_are_learned_by_folds_and_joined() {
        let samples: Vec<Sample> =
            (0..60).map(|i| Sample { path: format!("f/{i}.eml"), spam: i % 2 == 1, only_learned: false, epoch: 0, group: None }).collect();
        let tokens: Vec<Vec<Token>> = (0..60).map(|i| (0..20).map(|n| 100 * (i % 2) + n).collect()).collect();
        let hits: Vec<Vec<u32>> = (0..60).map(|i| vec![i % 2, 2]).collect();
        let plan = Plan { protocol: Protocol::Folds, folds: 5, salt: String::new(), until: None, small: 0 };
        let evidence =
            Evidence { rules: TokenRules::Hamgate, options: &spamassassin::Options::default(), tokens: &tokens, hits: Some((&hits, 3)) };
        let walk = walk(&plan, &samples, &evidence, &|| Duration::ZERO);
        for scored in [&walk.bayes, &walk.model, &walk.joined()] {
            assert_eq!(scored.len(), 60);
            assert!(scored.iter().all(|s| (s.score > 0.0) == s.spam));
        }
    }
}
