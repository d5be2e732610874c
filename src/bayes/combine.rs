//! Token probabilities to one opinion: Robinson's token probability, Fisher's chi-square on both sides, in logarithms.
//!
//! SpamAssassin combines with the same two chi-square tails, but on all tokens as if they were independent and in plain
//! numbers, so that long messages saturate at 0 or 1. Here the evidence is scaled to an effective size and both tails
//! are kept as logarithms: a letter with strong evidence for both sides lands near the middle, and nothing saturates.
//! There, where both tails are small, the balance of the evidence decides: a little of the naive sum of log-odds over the
//! square root of its length.

use crate::store::{Count, Totals};

/// How tokens are weighed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Strength of the prior, in messages (Robinson's s).
    pub strength: f64,
    /// Probability of a token never seen (Robinson's x).
    pub prior: f64,
    /// Tokens nearer to one half than this say nothing.
    pub least: f64,
    /// Share of the tokens that count as independent evidence.
    pub effective: f64,
    /// Weight of the balance: the sum of log-odds over the square root of the number of tokens.
    pub balance: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Weights { strength: 0.03, prior: 0.538, least: 0.346, effective: 0.1, balance: 0.02 }
    }
}

/// Probability that a message with this token is spam.
pub fn probability(count: Count, totals: Totals, weights: &Weights) -> f64 {
    let spam = f64::from(count.spam) / totals.spam.max(1) as f64;
    let ham = f64::from(count.ham) / totals.ham.max(1) as f64;
    if spam + ham == 0.0 {
        return weights.prior;
    }
    let plain = spam / (spam + ham);
    let n = f64::from(count.spam) + f64::from(count.ham);
    let weighed = (weights.strength * weights.prior + n * plain) / (weights.strength + n);
    weighed.clamp(0.0001, 0.9999)
}

/// Natural log-odds of spam, or `None` when no token says anything.
pub fn log_odds(probabilities: impl Iterator<Item = f64>, weights: &Weights) -> Option<f64> {
    let (mut n, mut spam, mut ham) = (0u32, 0.0f64, 0.0f64);
    for p in probabilities.filter(|p| (p - 0.5).abs() >= weights.least) {
        n += 1;
        spam += p.ln();
        ham += (1.0 - p).ln();
    }
    if n == 0 {
        return None;
    }
    let freedom = (weights.effective * f64::from(n)).round().max(1.0) as u32;
    let (s, h) = (tails(-weights.effective * spam, freedom), tails(-weights.effective * ham, freedom));
    Some(two_sided(&s, &h) + weights.balance * (spam - ham) / f64::from(n).sqrt())
}

/// P = (upper of spam + lower of ham) / 2, 1 - P = (upper of ham + lower of spam) / 2, as log-odds.
fn two_sided(spam: &Tails, ham: &Tails) -> f64 {
    if spam.upper.max(ham.upper) < -1.0 {
        // Both lower tails are near 1; their difference is that of the upper tails, to the last bit.
        let difference = spam.upper.exp() - ham.upper.exp();
        return difference.ln_1p() - (-difference).ln_1p();
    }
    log_sum(spam.upper, ham.lower) - log_sum(ham.upper, spam.lower)
}

/// The probability for log-odds.
pub fn to_probability(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// Natural logarithms of both tails of chi-square at 2m with 2v degrees of freedom.
struct Tails {
    upper: f64,
    lower: f64,
}

fn tails(m: f64, v: u32) -> Tails {
    if m <= 0.0 {
        return Tails { upper: 0.0, lower: f64::NEG_INFINITY };
    }
    // The upper tail is the sum of Poisson(m) below v, the lower tail the sum from v on.
    let ln_m = m.ln();
    let mut term = -m;
    let mut upper = f64::NEG_INFINITY;
    for i in 0..v {
        if i > 0 {
            term += ln_m - f64::from(i).ln();
        }
        upper = log_sum(upper, term);
    }
    let mut lower = f64::NEG_INFINITY;
    for i in v..v.saturating_add(100_000) {
        term += ln_m - f64::from(i).ln();
        lower = log_sum(lower, term);
        if f64::from(i) > m && term < lower - 40.0 {
            break;
        }
    }
    Tails { upper: upper.min(0.0), lower: lower.min(0.0) }
}

/// ln(e^a + e^b).
fn log_sum(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tails_make_one() {
        for (m, v) in [(0.1, 1), (1.0, 1), (5.0, 3), (40.0, 12), (0.5, 30)] {
            let t = tails(m, v);
            assert!((t.upper.exp() + t.lower.exp() - 1.0).abs() < 1e-9, "{m} {v}");
        }
    }

    #[test]
    fn chi_square_agrees_with_its_closed_form() {
        // Two degrees of freedom: the upper tail of chi-square at 2m is e^-m.
        assert!((tails(3.0, 1).upper + 3.0).abs() < 1e-12);
        // Four: e^-m (1 + m).
        assert!((tails(3.0, 2).upper - (-3.0 + 4.0f64.ln())).abs() < 1e-12);
    }

    fn strong(n: usize, weights: &Weights) -> f64 {
        log_odds(std::iter::repeat_n(0.9999, n), weights).unwrap()
    }

    #[test]
    fn evidence_for_both_sides_lands_in_the_middle_and_nothing_saturates() {
        let weights = Weights::default();
        let mixed = log_odds((0..400).map(|i| if i % 2 == 0 { 0.9999 } else { 0.0001 }), &weights).unwrap();
        assert!(mixed.abs() < 1e-6, "{mixed}");
        // More for one side, and it shows, though both tails are long out of sight.
        let leaning = log_odds((0..400).map(|i| if i % 3 == 0 { 0.0001 } else { 0.9999 }), &weights).unwrap();
        assert!(leaning > 0.5 && leaning < strong(400, &weights), "{leaning}");
        let (some, more) = (strong(400, &weights), strong(800, &weights));
        assert!(some > 50.0 && more > some && more.is_finite());
        assert_eq!(log_odds([0.5, 0.6].into_iter(), &weights), None);
    }

    #[test]
    fn a_token_never_seen_has_the_prior() {
        let weights = Weights::default();
        assert_eq!(probability(Count::default(), Totals { spam: 10, ham: 10 }, &weights), 0.538);
        assert!(probability(Count { spam: 5, ham: 0 }, Totals { spam: 10, ham: 10 }, &weights) > 0.99);
    }
}
