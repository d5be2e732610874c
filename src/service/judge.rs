//! The judge that serves mail: the engine's findings, the policy's decision, the edits that carry it out.

use super::authentication::Desk;
use super::config::Config;
use super::daemon::Wishes;
use super::doors::Doors;
use super::gate::{self, Gate};
use super::learning::{self, School};
use super::list_check;
use super::memory::Memory;
use super::rule_files;
use super::watched::{self, Watched};
use super::weight_check::{self, Instances, WeightCheck};
use crate::base::{Clock, Complaint, Severity};
use crate::facts::{Answer, Authentication};
use crate::lists::Guard;
use crate::mail::{Arrival, Client, Envelope, HeaderQuery, Mail, Reading, Wanted};
use crate::milter::judge::Stages;
use crate::milter::{Judge, Judgement, Letter, Summary};
use crate::outcome::{Action, Edit, Findings, Verdict};
use crate::policy::edits::{Rewrite, Standing, applied, edits};
use crate::policy::{self, Decision, decide, stricter};
use crate::rules::engine::Program;
use crate::rules::report::{Occasion, Rendering};
use crate::rules::{self, RuleSet};
use crate::scan::learner::{Ending, Learning};
use crate::scan::{Antivirus, Engine, Judged, Network, Wish};
use crate::virus::Scanner;
use std::sync::Arc;
use std::time::Duration;

/// Time left for edits and signing when the engine must have come to an end.
const RESERVE: Duration = Duration::from_secs(2);

/// Builds everything that a configuration asks for. To be called inside the runtime on which the network will be asked.
///
/// # Errors
/// Mistakes that make it unusable as a whole.
pub fn build(config: &Config, wishes: &Wishes, memory: &Memory) -> Result<(Box<dyn Judge>, Vec<Complaint>), Vec<Complaint>> {
    let (set, mut complaints) = rule_files::load_all(config);
    complaints.extend(unknown_rules(&config.policy, &set));
    if complaints.iter().any(|complaint| complaint.severity == Severity::Error) {
        return Err(complaints);
    }
    let (desk, of_authentication) = Desk::build(config, wishes)?;
    complaints.extend(of_authentication);
    let (watched, of_watched) = Watched::new(&config.rules.observe, &set);
    complaints.extend(of_watched);
    let mut engine = Engine::local(Program::new(set));
    let mut lists = None;
    if let (false, Ok(runtime)) = (config.rules.local, tokio::runtime::Handle::try_current()) {
        let (guard, check, wrong) = list_check::build(config, &desk.resolver, &engine.program.set);
        complaints.extend(wrong);
        let network = Network::new(desk.resolver.clone(), desk.verifier.clone(), guard, Clock::System, runtime);
        list_check::watch(&network.guard, config);
        lists = Some((Arc::clone(&network.guard), check));
        let scanner = Scanner::new(&config.virus).map_err(|what| vec![of_virus(what)])?.map(Arc::new);
        let wanted = Wanted { readings: scanner.is_some(), ..engine.wanted };
        let gather = Antivirus { scanner, others: Arc::new(network) };
        engine = Engine { gather: Some(Arc::new(gather)), network: true, wanted, ..engine };
    }
    if config.bayes.enabled {
        let bayes = memory.classifier(config, wishes, &engine.program.set.options)?;
        engine = engine.with_classifier(&bayes);
    }
    let (school, of_learning) = School::build(config, memory, &engine)?;
    complaints.extend(of_learning);
    // Made now, so that it is not the first message that waits for it.
    engine.program.plan(engine.score_set());
    let host = host_name();
    let (gate, mut checks, of_the_door) = Gate::build(config, wishes, memory, &host)?;
    complaints.extend(of_the_door);
    let guard = lists.map(|(guard, check)| {
        checks.push(Box::new(check.at(&gate, &guard)));
        guard
    });
    let (weights, of_weights) = weight_check::load(config);
    complaints.extend(of_weights);
    let weighed = weights.filter(|_| !config.rules.local).map(|weights| {
        let check = WeightCheck::new(&gate, weights, desk.resolver.clone(), config.weight.mode);
        let instances = check.instances();
        checks.push(Box::new(check));
        instances
    });
    // Asked in this order.
    let doors = Doors(checks);
    Ok((Box::new(Filter { engine, school, desk, doors, gate, guard, weighed, watched, policy: config.policy.clone(), host }), complaints))
}

fn of_virus(what: String) -> Complaint {
    Complaint {
        severity: Severity::Error,
        place: None,
        what: format!("servers in [virus]: {what}"),
        remedy: "correct it, or leave it out".to_owned(),
    }
}

/// Conditions that name a rule which no file defines: it would never hold.
fn unknown_rules(policy: &policy::Settings, set: &RuleSet) -> Vec<Complaint> {
    policy
        .conditions()
        .flat_map(|(name, condition)| condition.rules().map(move |rule| (name, rule)))
        .filter(|(_, rule)| set.index(rule).is_none())
        .map(|(name, rule)| Complaint {
            severity: Severity::Warning,
            place: None,
            what: format!("{name} in [policy] names {rule}, which no rule file defines"),
            remedy: "correct the name, or add the rule; until then it counts as not hit".to_owned(),
        })
        .collect()
}

struct Filter {
    engine: Engine,
    school: School,
    desk: Desk,
    doors: Doors,
    gate: Arc<Gate>,
    guard: Option<Arc<Guard>>,
    weighed: Option<Arc<Instances>>,
    watched: Watched,
    policy: policy::Settings,
    host: String,
}

impl Judge for Filter {
    fn stages(&self) -> &dyn Stages {
        &self.doors
    }

    fn message(&self, letter: Letter) -> Judgement {
        let letter = match self.school.sent_to_learn(letter, &self.engine) {
            Ok(judgement) => return judgement,
            Err(letter) => letter,
        };
        let Letter { id, mut arrival, raw, deadline, truncated } = letter;
        self.gate.tell_rules(&mut arrival, &raw);
        let wish = Wish { deadline: deadline.checked_sub(RESERVE), ..Wish::default() };
        let mut judged = self.engine.judge(raw, arrival, wish);
        let arrival = Arc::clone(&judged.arrival);
        let (client, envelope) = match &*arrival {
            Arrival::Live(live) => (&live.0, &live.1),
            Arrival::Sender(_) | Arrival::FromFields => (&Client::default(), &Envelope::default()),
        };
        if let Some(guard) = &self.guard {
            for (zone, rule) in rules::engine::dns::blocked(&self.engine.program.set, |rule| judged.findings.has(rule)) {
                guard.block(zone, rule);
            }
        }
        let mut decision = decide(&judged.findings, client, envelope, &self.policy, &id);
        if let Some((rest, hits)) = self.watched.apart(&judged.findings) {
            let without = decide(&rest, client, envelope, &self.policy, &id);
            watched::tell(&id, (client, envelope), &hits, &without, &decision);
            (decision, judged.findings) = (without, rest);
        }
        let outsider = self.desk.outsider(&judged.mail, &judged.arrival);
        let facts = judged.facts.authentication.as_ref().and_then(Answer::known);
        let sent = judged.mail.as_sent();
        if let Some(refusal) = facts.and_then(|facts| self.desk.action(sent, client, outsider.as_ref(), facts)) {
            decision.action = stricter(decision.action, refusal);
        }
        let at_end = self.gate.at_end(&gate::Judged {
            id: &id,
            client,
            envelope,
            findings: &judged.findings,
            facts,
            action: &decision.action,
            mail: &judged.mail,
        });
        if let Some(action) = at_end.action {
            decision.action = stricter(decision.action, action);
        }
        let ending = Ending { deferred: matches!(decision.action, Action::TempFail(_)), truncated };
        let learning = self.school.consider(&self.engine, &judged, ending);
        let edits = match &decision.action {
            Action::Accept | Action::Quarantine(_) => {
                let mut edits = self.edits(&judged, &decision, &learning);
                edits.extend(at_end.edits);
                edits.extend(self.weighed.as_ref().and_then(|weighed| weighed.field(&id)));
                edits.extend(self.desk.edits(sent, envelope, outsider.as_ref(), facts));
                // Last, over the fields as they will be.
                let leaving = || applied(sent, &standing(&judged.mail), &edits);
                edits.extend(match outsider {
                    None => self.desk.signatures(&leaving(), client),
                    Some(_) => self.desk.seal(leaving, envelope, outsider.as_ref(), facts),
                });
                edits
            }
            Action::Discard | Action::TempFail(_) | Action::Reject(_) => Vec::new(),
        };
        let mut summary = summary(&judged.findings, &decision, facts);
        summary.notes.extend(at_end.notes);
        summary.notes.extend(learning::note(&learning));
        let afterwards = self.school.afterwards(learning.lesson);
        Judgement { verdict: Verdict { action: decision.action, spam: decision.spam, edits }, summary, afterwards }
    }
}

impl Filter {
    fn edits(&self, judged: &Judged, decision: &Decision, learning: &Learning) -> Vec<Edit> {
        let set = &self.engine.program.set;
        let standing = standing(&judged.mail);
        let Some(findings) = shown(&judged.findings, decision, self.policy.headers) else {
            return edits(&standing, &[], &[], "");
        };
        let reading = Reading::new(&judged.mail, &judged.arrival, &set.options.view);
        let now = self.engine.clock.unix();
        let occasion = Occasion {
            host: self.host.clone(),
            now,
            autolearn: learning.status.clone(),
            autolearn_points: Some(learning.points),
            bayes: probability(judged),
            ..Occasion::default()
        };
        let rendering = Rendering { set, reading: &reading, findings: &findings, occasion: &occasion };
        let fields = rendering.fields();
        if !decision.rewrite {
            return edits(&standing, &fields, &[], "");
        }
        let tags: Vec<(&str, String)> =
            rendering.rewrites().into_iter().map(|(field, tag)| (field, String::from_utf8_lossy(&tag).into_owned())).collect();
        let rewrites: Vec<Rewrite<'_>> = tags.iter().map(|(field, tag)| Rewrite { field, tag }).collect();
        let subject = HeaderQuery::parse("Subject").ok().and_then(|query| reading.header(&query)).unwrap_or_default();
        edits(&standing, &fields, &rewrites, &String::from_utf8_lossy(&subject))
    }
}

fn probability(judged: &Judged) -> Option<f64> {
    judged.facts.bayes.as_ref().and_then(Answer::known).and_then(|bayes| bayes.probability)
}

/// The findings that the X-Spam fields speak of; `None`: no field is written. Fields and mark must not contradict each other.
fn shown(findings: &Findings, decision: &Decision, on_ham: bool) -> Option<Findings> {
    match (decision.spam, findings.is_spam()) {
        (true, true) => Some(findings.clone()),
        (false, false) => on_ham.then(|| findings.clone()),
        // Marked by a condition of the operator's below the required score.
        (true, false) => Some(Findings { required: findings.score, ..findings.clone() }),
        // Spam, but `mark` does not hold: mail of those who logged in, for example.
        (false, true) => None,
    }
}

/// The fields as the mail server knows them: without the Received field that it has not written yet.
pub(super) fn standing(mail: &Mail) -> Vec<Standing<'_>> {
    let seen = mail.as_seen();
    let ours = seen.len() - mail.as_sent().len();
    let fields = mail.fields().iter().filter(|field| field.name.start >= ours);
    fields.map(|field| Standing { name: field.name(seen), value: field.value(seen) }).collect()
}

fn summary(findings: &Findings, decision: &Decision, facts: Option<&Authentication>) -> Summary {
    let mut notes = Vec::new();
    if let Some(facts) = facts {
        notes.push(format!("dmarc:{}", format!("{:?}", facts.dmarc.result).to_ascii_lowercase()));
    }
    if findings.partial {
        notes.push("partial".to_owned());
    }
    if decision.divided {
        notes.push("recipients-differ".to_owned());
    }
    notes.extend(findings.over_budget.iter().map(|rule| format!("over-budget:{rule}")));
    let rules = findings.hits.iter().map(|hit| hit.rule.clone()).collect();
    Summary { score: findings.score, required: findings.required, rules, notes }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}
