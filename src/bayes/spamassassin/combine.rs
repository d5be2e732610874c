//! Counts to SpamAssassin's probability: Robinson's token probability, the 150 strongest, two chi-square tails in plain
//! numbers (Mail::SpamAssassin::Bayes::CombineChi).

use crate::store::{Count, Totals};

const PRIOR: f64 = 0.538;
const STRENGTH: f64 = 0.030;
const LEAST: f64 = 0.346;
const SIGNIFICANT: usize = 150;
/// Below this a product is kept as mantissa and exponent.
const SMALL: f64 = 1e-200;

/// `None`: no token says anything, or one kind was never learned.
/// Tokens seen in fewer than `least` messages are left out.
pub fn probability(counts: &[Count], totals: Totals, least: u32) -> Option<f64> {
    if totals.spam == 0 || totals.ham == 0 {
        return None;
    }
    let known = counts.iter().filter(|count| count.spam.saturating_add(count.ham) >= least.max(1));
    let mut each: Vec<f64> = known.map(|count| of_token(*count, totals)).filter(|p| (p - 0.5).abs() >= LEAST).collect();
    each.sort_by(|a, b| (b - 0.5).abs().total_cmp(&(a - 0.5).abs()));
    each.truncate(SIGNIFICANT);
    if each.is_empty() {
        return None;
    }
    let all = (totals.spam + totals.ham) as f64;
    let spam = Product::of(totals.spam as f64 / all, each.iter().map(|p| 1.0 - p));
    let ham = Product::of(totals.ham as f64 / all, each.iter().copied());
    let (spam, ham) = (1.0 - upper_tail(-spam.ln(), each.len()), 1.0 - upper_tail(-ham.ln(), each.len()));
    Some((spam - ham + 1.0) / 2.0)
}

fn of_token(count: Count, totals: Totals) -> f64 {
    let (spam, ham) = (f64::from(count.spam) * totals.ham as f64, f64::from(count.ham) * totals.spam as f64);
    let n = f64::from(count.spam) + f64::from(count.ham);
    (STRENGTH * PRIOR + n * (spam / (ham + spam))) / (STRENGTH + n)
}

/// A product that does not run out of exponents.
struct Product {
    mantissa: f64,
    /// Natural logarithm of what was taken out.
    taken: f64,
}

impl Product {
    fn of(first: f64, factors: impl Iterator<Item = f64>) -> Product {
        factors.fold(Product { mantissa: first, taken: 0.0 }, |product, factor| {
            let mantissa = product.mantissa * factor;
            if mantissa < SMALL && mantissa > 0.0 {
                Product { mantissa: 1.0, taken: product.taken + mantissa.ln() }
            } else {
                Product { mantissa, ..product }
            }
        })
    }

    fn ln(&self) -> f64 {
        self.mantissa.ln() + self.taken
    }
}

/// Upper tail of the sum: chi-square at 2m with 2v degrees of freedom.
fn upper_tail(m: f64, v: usize) -> f64 {
    let mut term = (-m).exp();
    let mut sum = term;
    for i in 1..v {
        term *= m / i as f64;
        sum += term;
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_side_wins_and_none_is_no_opinion() {
        let totals = Totals { spam: 200, ham: 300 };
        let spammy = vec![Count { spam: 20, ham: 0 }; 30];
        assert!(probability(&spammy, totals, 1).unwrap() > 0.999);
        let hammy = vec![Count { spam: 0, ham: 20 }; 30];
        assert!(probability(&hammy, totals, 1).unwrap() < 0.001);
        assert_eq!(probability(&[Count { spam: 2, ham: 3 }], totals, 1), None);
        let hapaxes = [Count { spam: 1, ham: 0 }; 9];
        assert_eq!((probability(&hapaxes, totals, 2), probability(&hapaxes, totals, 1).is_some()), (None, true));
        assert_eq!(probability(&spammy, Totals { spam: 0, ham: 300 }, 1), None);
    }

    #[test]
    fn hundreds_of_strong_tokens_do_not_underflow() {
        let totals = Totals { spam: 5_000, ham: 5_000 };
        let strong = vec![Count { spam: 4_000, ham: 0 }; 150];
        assert!((probability(&strong, totals, 1).unwrap() - 1.0).abs() < 1e-9);
    }
}
