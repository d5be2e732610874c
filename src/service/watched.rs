//! Rules under `observe`: their hits are told, and count for nothing.

use super::gate::{Observed, tell_would_have, text_of};
use crate::base::{Complaint, Severity};
use crate::mail::{Client, Envelope};
use crate::outcome::{Action, Findings, Hit};
use crate::policy::Decision;
use crate::rules::RuleSet;

/// Names of rules, the last of which may be cut short by an asterisk.
pub struct Watched(Vec<String>);

impl Watched {
    /// Names that no rule has are told.
    pub fn new(names: &[String], set: &RuleSet) -> (Watched, Vec<Complaint>) {
        let watched = Watched(names.to_vec());
        let is_missing = |name: &&String| !set.rules.iter().any(|rule| covers(name, &rule.name));
        let complain = |name: &String| Complaint {
            severity: Severity::Warning,
            place: None,
            what: format!("observe in [rules] names {name}, which no rule file defines"),
            remedy: "correct the name, or add the rule".to_owned(),
        };
        let complaints = names.iter().filter(is_missing).map(complain).collect();
        (watched, complaints)
    }

    /// The findings as if these rules scored nothing, and their hits.
    pub fn apart(&self, findings: &Findings) -> Option<(Findings, Vec<Hit>)> {
        let (hits, rest): (Vec<Hit>, Vec<Hit>) =
            findings.hits.iter().cloned().partition(|hit| self.0.iter().any(|name| covers(name, &hit.rule)));
        if hits.is_empty() {
            return None;
        }
        let apart: f64 = hits.iter().map(|hit| hit.score * f64::from(hit.count)).sum();
        let score = ((findings.score - apart) * 1000.0).round() / 1000.0;
        Some((Findings { score, hits: rest, ..findings.clone() }, hits))
    }
}

/// `HG_HELO_*`, or a whole name.
fn covers(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

/// One line a rule, and one more where they would have changed what becomes of the message.
pub fn tell(id: &str, (client, envelope): (&Client, &Envelope), hits: &[Hit], without: &Decision, with: &Decision) {
    let who = Observed { id, client, envelope: Some(envelope) };
    for hit in hits {
        tell_would_have(&who, &hit.rule, "score", &format!("{:+}", hit.score * f64::from(hit.count)));
    }
    let (word, reply) = match &with.action {
        Action::Accept if with.spam => ("mark", String::new()),
        Action::Accept => ("accept", String::new()),
        Action::Quarantine(why) => ("quarantine", why.clone()),
        Action::Discard => ("discard", String::new()),
        Action::TempFail(reply) => ("tempfail", text_of(reply)),
        Action::Reject(reply) => ("reject", text_of(reply)),
    };
    let differs = std::mem::discriminant(&without.action) != std::mem::discriminant(&with.action) || without.spam != with.spam;
    if differs {
        tell_would_have(&who, "rules", word, &reply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched_counts_for_nothing() {
        let hit = |rule: &str, score: f64| Hit {
            rule: rule.into(),
            score,
            count: 1,
            describe: None,
            place: None,
            area: "",
            evidence: Vec::new(),
        };
        let findings = Findings { score: 3.6, hits: vec![hit("A_ONE", 1.1), hit("A_TWO", 2.2), hit("B", 0.3)], ..Findings::default() };
        let watched = Watched(vec!["A_*".to_owned()]);
        let (rest, hits) = watched.apart(&findings).unwrap();
        assert_eq!((rest.score, rest.hits.len(), hits.len()), (0.3, 1, 2));
        assert!(Watched(vec!["A".to_owned()]).apart(&findings).is_none());
    }
}
