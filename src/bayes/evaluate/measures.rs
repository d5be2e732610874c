//! How good a classifier is: area under the curve, spam caught at a bearable loss of ham, errors at its own threshold.

/// One message as a classifier scored it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    pub path: String,
    pub spam: bool,
    pub fold: u32,
    /// Natural log-odds; 0: no opinion.
    pub score: f64,
}

/// Percentages, as `bayes evaluate` prints them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measures {
    pub ham: usize,
    pub spam: usize,
    /// Spam caught with at most 0, 0.1, 0.5 and 1 % of ham lost.
    pub caught: [f64; 4],
    /// Chance that a random ham scores above a random spam, with a 95 % interval by bootstrap.
    pub one_minus_auc: f64,
    pub low: f64,
    pub high: f64,
    /// Logistic mean of the two error rates at the native threshold.
    pub lam: f64,
    pub ham_lost: usize,
    pub spam_missed: usize,
}

const BUDGETS: [f64; 4] = [0.0, 0.001, 0.005, 0.01];
const DRAWS: usize = 400;

pub fn measure(scored: &[Scored]) -> Measures {
    let order = Order::new(scored);
    let (ham, spam) = (order.ham, order.spam);
    let draws = draws(&order, |weights| one_minus_auc(&order, weights));
    let (low, high) = interval(draws);
    let ham_lost = scored.iter().filter(|s| !s.spam && s.score > 0.0).count();
    let spam_missed = scored.iter().filter(|s| s.spam && s.score <= 0.0).count();
    Measures {
        ham,
        spam,
        caught: BUDGETS.map(|budget| caught(scored, budget)),
        one_minus_auc: one_minus_auc(&order, &vec![1; scored.len()]),
        low,
        high,
        lam: logistic_mean(rate(ham_lost, ham), rate(spam_missed, spam)),
        ham_lost,
        spam_missed,
    }
}

/// Two classifiers over the same messages, by the same draws.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Share of draws in which the first has the smaller 1-AUC.
    pub better: f64,
    /// 1-AUC of the first less that of the second, percent: over all messages, and its 95 % interval.
    pub difference: f64,
    pub low: f64,
    pub high: f64,
}

/// `None`: they do not hold the same messages in the same order.
pub fn compare(a: &[Scored], b: &[Scored]) -> Option<Comparison> {
    if a.len() != b.len() || a.iter().zip(b).any(|(x, y)| x.path != y.path || x.spam != y.spam) {
        return None;
    }
    let (first, second) = (Order::new(a), Order::new(b));
    let difference = |weights: &[u32]| one_minus_auc(&first, weights) - one_minus_auc(&second, weights);
    let differences = draws(&first, difference);
    let better = differences.iter().filter(|d| **d < 0.0).count() as f64 / DRAWS as f64;
    let (low, high) = interval(differences);
    Some(Comparison { better, difference: difference(&vec![1; a.len()]), low, high })
}

/// Messages by rising score, ties together.
struct Order {
    sorted: Vec<(f64, bool, usize)>,
    ham: usize,
    spam: usize,
}

impl Order {
    fn new(scored: &[Scored]) -> Order {
        let mut sorted: Vec<_> = scored.iter().enumerate().map(|(i, s)| (s.score, s.spam, i)).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let spam = scored.iter().filter(|s| s.spam).count();
        Order { sorted, ham: scored.len() - spam, spam }
    }
}

/// Percent; `weights` by message.
fn one_minus_auc(order: &Order, weights: &[u32]) -> f64 {
    let (mut spam_below, mut wrong, mut ham_all) = (0.0f64, 0.0f64, 0.0f64);
    let mut at = 0;
    while at < order.sorted.len() {
        let score = order.sorted[at].0;
        let (mut ham, mut spam) = (0.0f64, 0.0f64);
        while let Some((_, is_spam, index)) = order.sorted.get(at).filter(|s| s.0 == score) {
            let weight = f64::from(weights[*index]);
            if *is_spam {
                spam += weight
            } else {
                ham += weight
            }
            at += 1;
        }
        wrong += ham * (spam_below + spam / 2.0);
        spam_below += spam;
        ham_all += ham;
    }
    if spam_below * ham_all == 0.0 { 0.0 } else { 100.0 * wrong / (spam_below * ham_all) }
}

/// Ties count against the filter.
fn caught(scored: &[Scored], budget: f64) -> f64 {
    let mut ham: Vec<f64> = scored.iter().filter(|s| !s.spam).map(|s| s.score).collect();
    ham.sort_by(|a, b| b.total_cmp(a));
    let spam: Vec<f64> = scored.iter().filter(|s| s.spam).map(|s| s.score).collect();
    let allowed = (budget * ham.len() as f64).floor() as usize;
    let threshold = ham.get(allowed).copied().unwrap_or(f64::NEG_INFINITY);
    100.0 * rate(spam.iter().filter(|s| **s > threshold).count(), spam.len())
}

/// Bootstrap over messages, ham and spam apart; the same draws for every classifier over the same messages.
fn draws(order: &Order, measure: impl Fn(&[u32]) -> f64) -> Vec<f64> {
    let mut classes: [Vec<usize>; 2] = [Vec::new(), Vec::new()];
    let mut by_index: Vec<_> = order.sorted.iter().map(|(_, spam, index)| (*index, *spam)).collect();
    by_index.sort_unstable();
    for (index, spam) in by_index {
        classes[usize::from(spam)].push(index);
    }
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    (0..DRAWS)
        .map(|_| {
            let mut weights = vec![0u32; order.sorted.len()];
            for class in &classes {
                for _ in 0..class.len() {
                    weights[class[random.below(class.len())]] += 1;
                }
            }
            measure(&weights)
        })
        .collect()
}

fn interval(mut draws: Vec<f64>) -> (f64, f64) {
    draws.sort_by(f64::total_cmp);
    (draws[DRAWS * 25 / 1000], draws[DRAWS * 975 / 1000 - 1])
}

fn rate(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Rates of 0 and 1 are taken as 1 in 100,000 away from there.
fn logistic_mean(a: f64, b: f64) -> f64 {
    let logit = |p: f64| {
        let p = p.clamp(1e-5, 1.0 - 1e-5);
        (p / (1.0 - p)).ln()
    };
    100.0 / (1.0 + (-(logit(a) + logit(b)) / 2.0).exp())
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same draws on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((u128::from(z ^ (z >> 31)) * n as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(scores: &[(f64, bool)]) -> Vec<Scored> {
        scores.iter().enumerate().map(|(i, (score, spam))| Scored { path: i.to_string(), spam: *spam, fold: 0, score: *score }).collect()
    }

    #[test]
    fn a_perfect_classifier_has_no_area_above_its_curve() {
        let m = measure(&scored(&[(-2.0, false), (-1.0, false), (1.0, true), (2.0, true)]));
        assert_eq!((m.one_minus_auc, m.caught, m.ham_lost, m.spam_missed), (0.0, [100.0; 4], 0, 0));
    }

    #[test]
    fn ties_count_half_in_the_area_and_against_the_filter_in_the_catch() {
        let m = measure(&scored(&[(0.0, false), (0.0, true)]));
        assert_eq!((m.one_minus_auc, m.caught[0]), (50.0, 0.0));
        let m = measure(&scored(&[(1.0, false), (0.0, true)]));
        assert_eq!((m.one_minus_auc, m.ham_lost, m.spam_missed), (100.0, 1, 1));
    }

    #[test]
    fn the_better_one_wins_the_paired_draws() {
        let good = scored(&[(-2.0, false), (-1.0, false), (1.0, true), (2.0, true)]);
        let bad = scored(&[(-2.0, false), (3.0, false), (1.0, true), (2.0, true)]);
        let comparison = compare(&good, &bad).unwrap();
        assert!(comparison.better > 0.6 && comparison.difference < 0.0 && comparison.low <= comparison.difference);
        assert_eq!(compare(&good, &scored(&[(0.0, true)])), None);
    }
}
