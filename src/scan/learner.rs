//! Automatic learning: what is plainly spam or wanted teaches the site's classifier, by SpamAssassin's conditions and within
//! guards of our own. Whoever judges gets the lesson back, and hands it in once the mail server took the verdict.

use super::classifier;
use super::engine::Judged;
use crate::base::networks::unmap;
use crate::learn::{Queue, Quota};
use crate::mail::{Arrival, Reading};
use crate::rules::RuleSet;
use crate::rules::autolearn::{self, Points, Thresholds};
use crate::store::{Label, Lesson};
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

/// Octets of a login in the journal.
const LONGEST_LOGIN: usize = 64;

/// Why a message is not learned though SpamAssassin would learn it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// It was asked to come back: it is learned when it does.
    Deferred,
    /// It was cut short, or not all was asked in time.
    Incomplete,
    /// The points come from metas over the classifier's own opinion.
    OwnOpinion,
    /// Its source has taught enough.
    Quota,
    /// Too many lessons wait to be written.
    QueueFull,
    /// The classifier's store cannot be opened.
    NoStore,
}

impl Guard {
    pub fn word(self) -> &'static str {
        match self {
            Guard::Deferred => "deferred",
            Guard::Incomplete => "incomplete",
            Guard::OwnOpinion => "own-opinion",
            Guard::Quota => "quota",
            Guard::QueueFull => "queue-full",
            Guard::NoStore => "no-store",
        }
    }
}

/// How the message ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ending {
    /// With a 4xx.
    pub deferred: bool,
    /// A limit cut it short.
    pub truncated: bool,
}

/// What automatic learning says of one message.
#[derive(Clone, Debug, Default)]
pub struct Learning {
    /// `_AUTOLEARN_`: "ham autolearn_force=no" and kin.
    pub status: String,
    /// `_AUTOLEARNSCORE_`.
    pub points: f64,
    pub guard: Option<Guard>,
    pub lesson: Option<Lesson>,
}

impl Learning {
    /// Nothing is learned here.
    pub fn disabled(set: &RuleSet, judged: &Judged) -> Learning {
        let points = Points::of(set, &judged.findings, judged.scores).total;
        Learning { status: "disabled".to_owned(), points, ..Learning::default() }
    }

    /// As what it is learned.
    pub fn label(&self) -> Option<Label> {
        self.lesson.as_ref().and_then(|lesson| lesson.label)
    }
}

pub struct Learner {
    thresholds: Thresholds,
    /// Metas over the classifier's rules.
    leaning: HashSet<usize>,
    classifier: Arc<classifier::Judge>,
    quota: Arc<Quota>,
    queue: Arc<Queue>,
}

impl Learner {
    pub fn new(set: &RuleSet, classifier: &Arc<classifier::Judge>, quota: &Arc<Quota>, queue: &Arc<Queue>) -> Learner {
        Learner {
            thresholds: Thresholds::read(&set.options),
            leaning: autolearn::leaning(set),
            classifier: Arc::clone(classifier),
            quota: Arc::clone(quota),
            queue: Arc::clone(queue),
        }
    }

    /// Whether the message is to be learned, and the lesson. It counts against the quota of its source. `now` in seconds
    /// since 1970.
    pub fn consider(&self, set: &RuleSet, judged: &Judged, ending: Ending, now: u64) -> Learning {
        let points = Points::of(set, &judged.findings, judged.scores);
        let forced = if points.forced.is_empty() { "no".to_owned() } else { format!("yes ({})", points.forced.join(",")) };
        let said = |word: &str, forced: &str, guard| Learning {
            status: format!("{word} autolearn_force={forced}"),
            points: points.total,
            guard,
            lesson: None,
        };
        // SpamAssassin tells what was forced only where something is learned.
        let Ok(is_spam) = autolearn::verdict(&points, &judged.findings, &self.thresholds) else { return said("no", "no", None) };
        match self.lesson(set, judged, ending, &points, is_spam, now) {
            Ok(lesson) => Learning { lesson: Some(lesson), ..said(if is_spam { "spam" } else { "ham" }, &forced, None) },
            Err(guard @ (Guard::Deferred | Guard::Incomplete | Guard::OwnOpinion | Guard::Quota)) => said("no", &forced, Some(guard)),
            Err(guard @ Guard::QueueFull) => said("failed", &forced, Some(guard)),
            Err(guard @ Guard::NoStore) => said("unavailable", &forced, Some(guard)),
        }
    }

    fn lesson(&self, set: &RuleSet, judged: &Judged, ending: Ending, points: &Points, is_spam: bool, now: u64) -> Result<Lesson, Guard> {
        if ending.deferred {
            return Err(Guard::Deferred);
        }
        if ending.truncated || judged.findings.partial {
            return Err(Guard::Incomplete);
        }
        let alone = Points::without_opinion(set, &judged.findings, judged.scores, &self.leaning);
        if autolearn::verdict(&alone, &judged.findings, &self.thresholds) != Ok(is_spam) {
            return Err(Guard::OwnOpinion);
        }
        if !self.queue.has_room() {
            return Err(Guard::QueueFull);
        }
        let classifier = self.classifier.classifier().ok_or(Guard::NoStore)?;
        let reading = Reading::new(&judged.mail, &judged.arrival, &set.options.view);
        let from = source(&reading, &judged.arrival);
        if !self.quota.take(&from, now) {
            return Err(Guard::Quota);
        }
        let label = if is_spam { Label::Spam } else { Label::Ham };
        let source = Arc::from(format!("auto:{from}:{}", why(points)));
        Ok(Lesson { yields: true, ..classifier.lesson(&reading, Some(label), &source, now) })
    }

    /// Hands a lesson in; never waits.
    pub fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }
}

/// For the journal: `score=14.2,head=6,body=8.2`.
fn why(points: &Points) -> String {
    let rounded = |number: f64| format!("{number:.3}").trim_end_matches('0').trim_end_matches('.').to_owned();
    let mut why = format!("score={},head={},body={}", rounded(points.total), rounded(points.head), rounded(points.body));
    if let Some(rule) = points.forced.first() {
        why.push_str(&format!(",forced={rule}"));
    }
    why
}

/// Who sent it, as quotas count and the journal tells: a login, or the network of the client that brought it.
fn source(reading: &Reading<'_>, arrival: &Arrival) -> String {
    let client = match arrival {
        Arrival::Live(live) if !live.0.login.is_empty() => return login(&live.0.login),
        Arrival::Live(live) => live.0.ip,
        Arrival::Sender(_) | Arrival::FromFields => None,
    };
    // Behind a relay of ours it is the client of that relay.
    let relays = reading.relays();
    let stranger = relays.untrusted.first().and_then(|at| relays.all.get(*at)).and_then(|relay| relay.ip);
    stranger.or(client).map_or_else(|| "local".to_owned(), network)
}

/// As the journal may hold it: one word, without what separates its parts.
pub fn login(login: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._+=@-".contains(c) { c } else { '?' };
    login.chars().take(LONGEST_LOGIN).map(plain).collect()
}

/// /24 or /64.
pub fn network(ip: IpAddr) -> String {
    let ip = unmap(ip);
    let length = if ip.is_ipv4() { 24 } else { 64 };
    ipnet::IpNet::new(ip, length).map_or_else(|_| ip.to_string(), |net| net.trunc().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_networks_and_plain_logins() {
        assert_eq!(network("192.0.2.77".parse().unwrap()), "192.0.2.0/24");
        assert_eq!(network("::ffff:192.0.2.77".parse().unwrap()), "192.0.2.0/24");
        assert_eq!(network("2001:db8:1:2:3::4".parse().unwrap()), "2001:db8:1:2::/64");
        assert_eq!(login("al:ice\tx@example.com"), "al?ice?x@example.com");
    }

    #[test]
    fn the_journal_tells_why() {
        let points = Points { total: 14.2, head: 6.0, body: 8.25, learned: 0.0, forced: vec![Arc::from("SURE")] };
        assert_eq!(why(&points), "score=14.2,head=6,body=8.25,forced=SURE");
    }
}
