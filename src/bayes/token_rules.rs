//! Which rules make tokens of a message and an opinion of their counts: our own, or SpamAssassin's for what it learned.

use super::combine::{self, Weights};
use super::hash::TokenKey;
use super::{spamassassin, tokens};
use crate::mail::Reading;
use crate::store::{Count, Token, Totals};
use serde::Deserialize;

/// Log-odds are stretched by this before they become a probability: the effective size shrinks them, and BAYES_99 is to
/// mean what it means to SpamAssassin's users.
const STRETCH: f64 = 3.1;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenRules {
    #[default]
    Hamgate,
    /// For databases imported from `sa-learn --backup`: the same tokens, the same probability.
    SpamAssassin,
}

impl TokenRules {
    /// As the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            TokenRules::Hamgate => "hamgate",
            TokenRules::SpamAssassin => "spamassassin",
        }
    }

    /// The tokens of a message, sorted, each once. `options` are those of SpamAssassin's rule files.
    pub fn tokens(self, reading: &Reading<'_>, key: &TokenKey, options: &spamassassin::Options) -> Vec<Token> {
        match self {
            TokenRules::Hamgate => tokens::tokens(reading, key),
            TokenRules::SpamAssassin => spamassassin::tokens(reading, key, options),
        }
    }

    /// What the counts of a message's tokens say; `None`: none of them says anything.
    /// `options` are those of SpamAssassin's rule files.
    pub fn opinion(self, counts: &[Count], totals: Totals, options: &spamassassin::Options) -> Option<Opinion> {
        match self {
            TokenRules::SpamAssassin => {
                let least = if options.hapaxes { 1 } else { 2 };
                spamassassin::probability(counts, totals, least).map(Opinion::of_probability)
            }
            TokenRules::Hamgate => {
                let weights = Weights::default();
                let known = counts.iter().filter(|count| count.spam + count.ham > 0);
                let log_odds = combine::log_odds(known.map(|count| combine::probability(*count, totals, &weights)), &weights)?;
                Some(Opinion { log_odds, probability: combine::to_probability(log_odds * STRETCH) })
            }
        }
    }
}

/// What a classifier thinks of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Opinion {
    /// Natural logarithm of the odds of spam: keeps apart what is near 0 or 1 as a probability.
    pub log_odds: f64,
    /// Of spam, as BAYES_nn rules read it.
    pub probability: f64,
}

impl Opinion {
    fn of_probability(probability: f64) -> Opinion {
        let kept = probability.clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON / 2.0);
        Opinion { log_odds: kept.ln() - (1.0 - kept).ln(), probability }
    }
}
