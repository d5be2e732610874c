//! Which messages are learned and which are scored, in which order.
//!
//! A message's fold is the MD5 of its path below the folder above the given one, read as an integer, modulo the number
//! of folds; the order of learning is ascending MD5. A fold starts from an empty database and learns nothing while it
//! is tested.

use super::digest::Md5;

/// A message with what a protocol asks of it.
#[derive(Clone, Debug)]
pub struct Sample {
    pub path: String,
    pub spam: bool,
    /// Spam that is only learned (`--old-spam`).
    pub only_learned: bool,
    /// Seconds since 1970 of its arrival; 0 where unknown.
    pub epoch: i64,
    /// What ties messages of one thread or campaign together (`--group subject`).
    pub group: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Learn all folds but one, test that one.
    Folds,
    /// Ham by folds; spam before `until` is learned, later spam is tested.
    Split,
    /// Score, then learn the truth, in order.
    Online,
    /// The first few of each label of the other folds are learned; with `until`, tested as `Split`.
    Small,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub protocol: Protocol,
    pub folds: u32,
    pub salt: String,
    pub until: Option<i64>,
    pub small: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Empty the database.
    Reset,
    Learn(usize),
    Score(usize),
}

impl Plan {
    /// Steps over indices of `samples`, and each sample's fold.
    pub fn steps(&self, samples: &[Sample]) -> (Vec<Step>, Vec<u32>) {
        let folds: Vec<u32> = samples.iter().map(|s| self.fold(s)).collect();
        let mut order: Vec<usize> = (0..samples.len()).collect();
        order.sort_by_cached_key(|&i| Md5::of(&[&self.salt, &samples[i].path]).0);
        let steps = match self.protocol {
            Protocol::Online => [Step::Reset].into_iter().chain(order.iter().flat_map(|&i| [Step::Score(i), Step::Learn(i)])).collect(),
            Protocol::Folds => self.each_fold(&order, |fold| self.rest(samples, &folds, &order, fold), |i, fold| folds[i] == fold),
            Protocol::Split => self.each_fold(
                &order,
                |fold| {
                    order.iter().copied().filter(|&i| if samples[i].spam { !self.late(&samples[i]) } else { folds[i] != fold }).collect()
                },
                |i, fold| folds[i] == fold && self.tested(&samples[i]),
            ),
            Protocol::Small => self.each_fold(
                &order,
                |fold| self.few(samples, &folds, &order, fold),
                |i, fold| folds[i] == fold && self.tested(&samples[i]),
            ),
        };
        (steps, folds)
    }

    fn fold(&self, sample: &Sample) -> u32 {
        let digest = match &sample.group {
            Some(group) => Md5::of(&[&self.salt, group]),
            None => Md5::of(&[&self.salt, &sample.path]),
        };
        digest.modulo(self.folds)
    }

    fn each_fold(&self, order: &[usize], learned: impl Fn(u32) -> Vec<usize>, tested: impl Fn(usize, u32) -> bool) -> Vec<Step> {
        let mut steps = Vec::new();
        for fold in 0..self.folds {
            steps.push(Step::Reset);
            steps.extend(learned(fold).into_iter().map(Step::Learn));
            steps.extend(order.iter().copied().filter(|&i| tested(i, fold)).map(Step::Score));
        }
        steps
    }

    fn rest(&self, samples: &[Sample], folds: &[u32], order: &[usize], fold: u32) -> Vec<usize> {
        order.iter().copied().filter(|&i| folds[i] != fold || samples[i].only_learned).collect()
    }

    /// The first few ham and spam of the other folds; with `until`, spam from before it.
    fn few(&self, samples: &[Sample], folds: &[u32], order: &[usize], fold: u32) -> Vec<usize> {
        let pick = |spam: bool| {
            order
                .iter()
                .copied()
                .filter(move |&i| {
                    samples[i].spam == spam && folds[i] != fold && !(spam && (samples[i].only_learned || self.late(&samples[i])))
                })
                .take(self.small)
        };
        let mut chosen: Vec<usize> = pick(false).chain(pick(true)).collect();
        chosen.sort_by_key(|i| order.iter().position(|o| o == i));
        chosen
    }

    fn late(&self, sample: &Sample) -> bool {
        !sample.only_learned && self.until.is_some_and(|until| sample.epoch >= until)
    }

    fn tested(&self, sample: &Sample) -> bool {
        !sample.only_learned && (!sample.spam || self.until.is_none() || self.late(sample))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Sample> {
        (0..40)
            .map(|i| Sample {
                path: format!("folder/{i:03}.eml"),
                spam: i % 2 == 1,
                only_learned: i % 8 == 1,
                epoch: i64::from(i),
                group: None,
            })
            .collect()
    }

    fn plan(protocol: Protocol) -> Plan {
        Plan { protocol, folds: 5, salt: String::new(), until: Some(20), small: 3 }
    }

    /// What was learned when each message was scored.
    fn walk(steps: &[Step]) -> Vec<(usize, Vec<usize>)> {
        let (mut known, mut scored) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Reset => known.clear(),
                Step::Learn(i) => known.push(*i),
                Step::Score(i) => scored.push((*i, known.clone())),
            }
        }
        scored
    }

    #[test]
    fn no_message_is_known_when_it_is_scored() {
        for protocol in [Protocol::Folds, Protocol::Split, Protocol::Online, Protocol::Small] {
            let (steps, _) = plan(protocol).steps(&samples());
            for (i, known) in walk(&steps) {
                assert!(!known.contains(&i) || samples()[i].only_learned, "{protocol:?} {i}");
            }
        }
    }

    #[test]
    fn split_tests_late_spam_and_learns_the_rest() {
        let all = samples();
        let (steps, _) = plan(Protocol::Split).steps(&all);
        let scored = walk(&steps);
        assert!(scored.iter().all(|(i, _)| !all[*i].spam || (all[*i].epoch >= 20 && !all[*i].only_learned)));
        assert!(scored[0].1.iter().all(|i| !all[*i].spam || all[*i].epoch < 20 || all[*i].only_learned));
    }

    #[test]
    fn small_learns_a_few_of_each_label() {
        let all = samples();
        let (steps, _) = plan(Protocol::Small).steps(&all);
        for (_, known) in walk(&steps) {
            assert_eq!(known.len(), 6);
        }
    }
}
