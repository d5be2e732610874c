//! Results that are remembered, as policyd-weight's cache process does: who was refused is refused again at once, who has passed
//! for a day passes for a while without being weighed.

use super::config::{Cached, Weights};
use super::number::shown;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What becomes of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    #[default]
    Nothing,
    /// The client is refused for a while.
    Client,
    /// The client with this sender.
    ClientAndSender,
    /// The client with this sender's domain passes.
    Pass,
}

/// What is remembered of an envelope.
#[derive(Clone, Debug, PartialEq)]
pub enum Recall {
    Nothing,
    /// Refused anew, with this text.
    Refused(String),
    /// It passes without being weighed; the rate in policyd-weight's words.
    Passes(String),
    /// It passes if no list says otherwise.
    PassesUnlessListed(String),
}

#[derive(Debug)]
struct Refused {
    retries: i64,
    last: u64,
}

#[derive(Debug)]
struct Passed {
    rate: f64,
    left: i64,
    seen: u64,
    /// When it was weighed, and when it last had to pass the lists.
    begun: u64,
    renewed: u64,
}

/// Of one configuration; times are in seconds.
#[derive(Debug, Default)]
pub struct Caches {
    refused: Mutex<HashMap<String, Refused>>,
    passed: Mutex<HashMap<String, Passed>>,
}

impl Caches {
    pub(super) fn ask(&self, weights: &Weights, (ip, sender, domain): (&str, &str, &str), now: u64) -> Recall {
        let settings = &weights.cached;
        if settings.refused == 0 && settings.passed == 0 {
            return Recall::Nothing;
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        for key in [ip.to_owned(), format!("{ip}-{sender}")] {
            let Some(entry) = refused.get_mut(&key) else { continue };
            let is_patient = now.saturating_sub(entry.last) > settings.retry;
            if entry.retries <= 0 && is_patient {
                refused.remove(&key);
                continue;
            }
            entry.retries -= i64::from(is_patient);
            entry.last = now;
            let Cached { text, retry, .. } = settings;
            return Recall::Refused(format!("{text} - retrying too fast. penalty: {retry} seconds x {} retries.", entry.retries));
        }
        drop(refused);
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = passed.get_mut(&format!("{ip}-{domain}")) else { return Recall::Nothing };
        entry.seen = now;
        let rate = shown(entry.rate);
        if now.saturating_sub(entry.begun) <= settings.trial {
            return Recall::PassesUnlessListed(format!("rate: {rate}"));
        }
        if entry.left > 0 && now.saturating_sub(entry.renewed) < settings.renewal {
            entry.left -= 1;
            return Recall::Passes(format!("rate:hard: {rate}"));
        }
        entry.left = settings.passes;
        entry.renewed = now;
        Recall::PassesUnlessListed(format!("rate: {rate}"))
    }

    pub(super) fn keep(&self, weights: &Weights, (ip, sender, domain): (&str, &str, &str), (what, rate): (Keep, f64), now: u64) {
        let settings = &weights.cached;
        let key = match what {
            Keep::Nothing => return,
            Keep::Client => ip.to_owned(),
            Keep::ClientAndSender => format!("{ip}-{sender}"),
            Keep::Pass => {
                if settings.passed > 0 {
                    let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
                    let entry = Passed { rate, left: settings.passes, seen: now, begun: now, renewed: now };
                    passed.insert(format!("{ip}-{domain}"), entry);
                    shrink(&mut passed, (settings.passed, settings.passed_at_most), |entry| entry.seen);
                }
                return;
            }
        };
        if settings.refused > 0 {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            refused.insert(key, Refused { retries: settings.retries, last: now });
            shrink(&mut refused, (settings.refused, settings.refused_at_most), |entry| entry.last);
        }
    }
}

/// Beyond the second bound, those seen longest ago go until the first holds.
fn shrink<T>(entries: &mut HashMap<String, T>, (wanted, most): (usize, usize), seen: impl Fn(&T) -> u64) {
    if entries.len() <= most.max(wanted) {
        return;
    }
    let mut times: Vec<u64> = entries.values().map(&seen).collect();
    let cut = entries.len() - wanted;
    times.sort_unstable();
    let Some(newest) = times.get(cut.saturating_sub(1)).copied() else { return };
    let mut gone = 0;
    entries.retain(|_, entry| {
        let goes = gone < cut && seen(entry) <= newest;
        gone += usize::from(goes);
        !goes
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: (&str, &str, &str) = ("192.0.2.1", "a@example.com", "example.com");

    #[test]
    fn who_was_refused_waits_and_is_weighed_again() {
        let (weights, caches) = (Weights::default(), Caches::default());
        assert_eq!(caches.ask(&weights, WHO, 0), Recall::Nothing);
        caches.keep(&weights, WHO, (Keep::Client, 5.0), 0);
        let refused = |now| match caches.ask(&weights, WHO, now) {
            Recall::Refused(text) => text.rsplit_once(" x ").map(|(_, rest)| rest.to_owned()),
            Recall::Nothing | Recall::Passes(_) | Recall::PassesUnlessListed(_) => None,
        };
        assert_eq!(refused(10).as_deref(), Some("1 retries."), "too fast: it counts for nothing");
        assert_eq!(refused(50).as_deref(), Some("0 retries."));
        assert_eq!(refused(90), None);
    }

    #[test]
    fn who_has_passed_for_a_day_passes_without_being_weighed() {
        let (weights, caches) = (Weights::default(), Caches::default());
        caches.keep(&weights, WHO, (Keep::Pass, -8.5), 0);
        assert_eq!(caches.ask(&weights, WHO, 60), Recall::PassesUnlessListed("rate: -8.5".into()));
        assert_eq!(caches.ask(&weights, WHO, 90_000), Recall::PassesUnlessListed("rate: -8.5".into()), "after three hours it must show");
        assert_eq!(caches.ask(&weights, WHO, 90_060), Recall::Passes("rate:hard: -8.5".into()));
        let other = ("192.0.2.1", "a@example.net", "example.net");
        assert_eq!(caches.ask(&weights, other, 90_060), Recall::Nothing);
    }

    #[test]
    fn caches_are_bounded() {
        let (weights, caches) = (Weights::default(), Caches::default());
        for number in 0..5_000 {
            let ip = format!("n{number}");
            caches.keep(&weights, (&ip, "a@b", "b"), (Keep::Client, 5.0), number);
        }
        let left = caches.refused.lock().unwrap();
        assert!(left.len() <= 4_000 && left.contains_key("n4999"), "{}", left.len());
    }
}
