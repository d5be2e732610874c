//! Learning put together: the alias map from the disk, whose classifier a message goes to, and what the daemon learns.

use super::config::Config;
use super::judge::standing;
use super::memory::Memory;
use crate::base::{Complaint, NetSet, Place, Severity};
use crate::learn::{Auto, Mailboxes, Queue, Quota, Then, Users, forwarded, users};
use crate::mail::{Arrival, Client, Mail};
use crate::milter::judge::Afterwards;
use crate::milter::{Judgement, Letter, Summary};
use crate::outcome::{Action, Reply, Verdict};
use crate::policy::edits::edits;
use crate::scan::classifier;
use crate::scan::learner::{self, Ending, Learner, Learning};
use crate::scan::teaching::Teaching;
use crate::scan::{Engine, Judged};
use crate::store::{Label, Lesson};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Octets of a source in the journal.
const LONGEST_SOURCE: usize = 200;

/// Who teaches, as the command line gives it: one line of printable text.
///
/// # Errors
/// What to write.
pub fn source(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > LONGEST_SOURCE || text.chars().any(char::is_control) {
        return Err(format!("give 1 to {LONGEST_SOURCE} characters without control characters, such as dovecot:alice"));
    }
    Ok(text.to_owned())
}

/// Recipients to users; `None`: there is one classifier for all.
///
/// # Errors
/// A map that is missing, or each of its mistakes with file, line and remedy.
pub fn users(config: &Config) -> Result<Option<Users>, Vec<Complaint>> {
    let settings = &config.learn;
    if !settings.per_user {
        return Ok(None);
    }
    if settings.aliases.is_empty() {
        return Ok(Some(Users::without_aliases(&settings.recipient_delimiter)));
    }
    let text = std::fs::read(&settings.aliases).map_err(|error| {
        vec![Complaint {
            severity: Severity::Error,
            place: Some(Place { file: settings.aliases.as_str().into(), line: 0 }),
            what: format!("cannot be read ({error})"),
            remedy: "check aliases in [learn], and the permissions of the file".to_owned(),
        }]
    })?;
    let (users, complaints) = Users::parse(&String::from_utf8_lossy(&text), &settings.aliases, &settings.recipient_delimiter);
    if complaints.is_empty() { Ok(Some(users)) } else { Err(complaints) }
}

/// Mistakes of `[learn]` that its table of settings cannot see.
pub fn complaints(config: &Config) -> Vec<Complaint> {
    let settings = &config.learn;
    let mut complaints = users(config).err().unwrap_or_default();
    let mut complain = |severity, what: String, remedy: &str| {
        complaints.push(Complaint { severity, place: None, what, remedy: remedy.to_owned() });
    };
    for both in settings.spam_addresses.0.iter().filter(|address| settings.ham_addresses.0.contains(address)) {
        complain(Severity::Error, format!("{both} stands in spam_addresses and ham_addresses of [learn]"), "take it out of one of them");
    }
    if !settings.aliases.is_empty() && !settings.per_user {
        complain(
            Severity::Warning,
            "aliases in [learn] has no effect without per_user".to_owned(),
            "write per_user = true, or take it out",
        );
    }
    if !config.bayes.enabled && (!settings.spam_addresses.0.is_empty() || !settings.ham_addresses.0.is_empty()) {
        let what = "mail to the addresses of [learn] is mail like any while [bayes] has enabled = false";
        complain(Severity::Warning, what.to_owned(), "write enabled = true");
    }
    complaints
}

/// The judge with the classifiers of users, where there are such; `user` in place of the recipients'.
///
/// # Errors
/// No name of a user, or mistakes of the alias map.
pub fn with_users(judge: classifier::Judge, config: &Config, user: Option<&str>) -> Result<classifier::Judge, Vec<Complaint>> {
    let Some(users) = users(config)? else { return Ok(judge) };
    let user = match user {
        Some(user) => Some(users.of(user).ok_or_else(|| {
            let (what, remedy) = (format!("\"{user}\" is no single user"), "give the name or address of one".to_owned());
            vec![Complaint { severity: Severity::Error, place: None, what, remedy }]
        })?),
        None => None,
    };
    Ok(judge.with_users(&Arc::new(users), config.learn.user_weight, user))
}

/// The classifier that learns on behalf of a user: the user's, or the site's where there is one for all.
///
/// # Errors
/// No name that can be kept, or mistakes of the alias map.
pub fn classifier_of(config: &Config, user: &str) -> Result<Arc<str>, Vec<String>> {
    let users = users(config).map_err(|complaints| complaints.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let Some(users) = users else { return Ok(Arc::from("")) };
    users::name(user).map_err(|why| vec![why])?;
    users
        .of(user)
        .map(Arc::from)
        .ok_or_else(|| vec![format!("{user} stands for several users in {}: name one of them", config.learn.aliases)])
}

/// What the daemon learns: unasked, and of mail sent to be learned.
#[derive(Default)]
pub struct School {
    queue: Option<Arc<Queue>>,
    learner: Option<Learner>,
    sent: Option<Sent>,
}

/// Mail sent to be learned.
struct Sent {
    mailboxes: Mailboxes,
    networks: NetSet,
    quota: Arc<Quota>,
    then: Then,
    /// Whose classifier learns what a login sends; `None`: the site's.
    users: Option<Users>,
}

impl School {
    /// Nothing is learned where the classifier is switched off.
    ///
    /// # Errors
    /// Mistakes that make the configuration unusable.
    pub fn build(config: &Config, memory: &Memory, engine: &Engine) -> Result<(School, Vec<Complaint>), Vec<Complaint>> {
        let mut complaints = complaints(config);
        if complaints.iter().any(|complaint| complaint.severity == Severity::Error) {
            return Err(complaints);
        }
        let settings = &config.learn;
        let options = &engine.program.set.options;
        let auto = match settings.auto {
            Auto::On => true,
            Auto::Off => false,
            Auto::Rules => options.is_on("bayes_auto_learn", false),
        };
        let mailboxes = Mailboxes { spam: settings.spam_addresses.0.clone(), ham: settings.ham_addresses.0.clone() };
        let judge = engine.bayes.as_ref().filter(|judge| judge.is_enabled() && (auto || !mailboxes.is_empty()));
        let Some(judge) = judge else { return Ok((School::default(), complaints)) };
        let queue = match memory.queue(judge) {
            Ok(queue) => queue,
            Err(error) => {
                let (what, remedy) = (format!("nothing is learned: no thread can be started ({error})"), "raise the limit".to_owned());
                complaints.push(Complaint { severity: Severity::Warning, place: None, what, remedy });
                return Ok((School::default(), complaints));
            }
        };
        let learner = auto.then(|| {
            let quota = memory.quota("auto", settings.auto_most, settings.auto_per.0);
            Learner::new(&engine.program.set, judge, &quota, &queue)
        });
        let sent = (!mailboxes.is_empty()).then(|| Sent {
            mailboxes,
            networks: settings.networks.clone(),
            quota: memory.quota("sent", settings.sent_most, settings.sent_per.0),
            then: settings.then,
            // Read a moment ago for the judge; a map that was broken since is told at the next reload.
            users: users(config).unwrap_or_default(),
        });
        Ok((School { queue: Some(queue), learner, sent }, complaints))
    }

    pub fn consider(&self, engine: &Engine, judged: &Judged, ending: Ending) -> Learning {
        let set = &engine.program.set;
        match &self.learner {
            Some(learner) => learner.consider(set, judged, ending, engine.clock.unix()),
            None => Learning::disabled(set, judged),
        }
    }

    /// Hands lessons in once the mail server took the verdict.
    pub fn afterwards(&self, lessons: impl IntoIterator<Item = Lesson>) -> Afterwards {
        let lessons: Vec<Lesson> = lessons.into_iter().collect();
        match &self.queue {
            Some(queue) if !lessons.is_empty() => {
                let queue = Arc::clone(queue);
                Afterwards::new(move || lessons.into_iter().for_each(|lesson| queue.put(lesson)))
            }
            Some(_) | None => Afterwards::default(),
        }
    }

    /// The answer to mail that was sent to be learned.
    ///
    /// # Errors
    /// It is none: the letter comes back.
    pub fn sent_to_learn(&self, letter: Letter, engine: &Engine) -> Result<Judgement, Letter> {
        let (Some(sent), Some(queue), Some(judge), Arrival::Live(live)) = (&self.sent, &self.queue, &engine.bayes, &letter.arrival) else {
            return Err(letter);
        };
        let (client, envelope) = &**live;
        let Some(label) = sent.mailboxes.label(&envelope.recipients).filter(|_| sent.admits(client)) else { return Err(letter) };
        let judgement = |action, edits, note: String, lessons: Vec<Lesson>| Judgement {
            verdict: Verdict { action, spam: false, edits },
            summary: Summary { notes: vec![note], ..Summary::default() },
            afterwards: self.afterwards(lessons),
        };
        let refused = |code, status: &str, text: &str, note: &str| {
            let reply = Reply { code, status: status.to_owned(), text: text.to_owned() };
            let action = if code < 500 { Action::TempFail(reply) } else { Action::Reject(reply) };
            judgement(action, Vec::new(), format!("not-learned:{note}"), Vec::new())
        };
        if letter.truncated {
            return Ok(refused(552, "5.3.4", "too large to be learned", "truncated"));
        }
        let Some(classifier) = judge.classifier().filter(|_| queue.has_room()) else {
            return Ok(refused(451, "4.3.0", "nothing can be learned now, try again later", "store"));
        };
        let who = sender(client);
        let mail = Mail::parse(letter.raw);
        let messages = forwarded::messages(&mail);
        if messages.is_empty() {
            let text = "nothing to learn: attach the messages (message/rfc822), or redirect one";
            return Ok(refused(550, "5.6.0", text, "no-message"));
        }
        let now = engine.clock.unix();
        let teaching =
            Teaching { label: Some(label), classifier: sent.classifier(client), source: Arc::from(format!("sent:{who}")), at: now };
        let allowed = messages.into_iter().take_while(|_| sent.quota.take(&who, now));
        let lessons = allowed.filter_map(|raw| teaching.lesson(&classifier, &engine.program.set.options, raw).ok());
        let lessons: Vec<Lesson> = lessons.collect();
        if lessons.is_empty() {
            return Ok(refused(450, "4.7.1", "you have had enough learned for now, try again later", "quota"));
        }
        let kind = match label {
            Label::Spam => "spam",
            Label::Ham => "ham",
        };
        let note = format!("learned:{kind}:{}", lessons.len());
        Ok(match sent.then {
            Then::Discard => judgement(Action::Discard, Vec::new(), note, lessons),
            // Forged X-Spam fields go, as from any message.
            Then::Accept => judgement(Action::Accept, edits(&standing(&mail), &[], &[], ""), note, lessons),
        })
    }
}

impl Sent {
    fn admits(&self, client: &Client) -> bool {
        // Without a client it was handed in on this machine.
        !client.login.is_empty() || self.networks.contains(client.ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)))
    }

    fn classifier(&self, client: &Client) -> Arc<str> {
        let user = self.users.as_ref().filter(|_| !client.login.is_empty()).and_then(|users| users.of(&client.login));
        user.map_or_else(|| Arc::from(""), Arc::from)
    }
}

/// Who sent it, for quota and journal.
fn sender(client: &Client) -> String {
    match (client.login.as_str(), client.ip) {
        ("", Some(ip)) => ip.to_string(),
        ("", None) => "local".to_owned(),
        (login, _) => learner::login(login),
    }
}

/// For the log line of a message.
pub fn note(learning: &Learning) -> Option<String> {
    let said = match (learning.guard, learning.label()) {
        (Some(guard), _) => guard.word(),
        (None, Some(Label::Spam)) => "spam",
        (None, Some(Label::Ham)) => "ham",
        (None, None) => return None,
    };
    Some(format!("autolearn:{said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_classifier_only_where_users_have_them() {
        let config = |text: &str| Config::parse(text, "hamgate.toml").unwrap();
        assert_eq!(classifier_of(&config(""), "Alice").as_deref(), Ok(""));
        assert_eq!(classifier_of(&config("[learn]\nper_user = true\n"), "Alice+x@Example.com").as_deref(), Ok("alice@example.com"));
        assert!(classifier_of(&config("[learn]\nper_user = true\n"), "../alice").is_err());
        let missing = classifier_of(&config("[learn]\nper_user = true\naliases = \"/nowhere/aliases\"\n"), "alice").unwrap_err();
        assert!(missing[0].starts_with("/nowhere/aliases: cannot be read ("), "{missing:?}");
    }

    #[test]
    fn a_source_is_one_line() {
        assert!(source("dovecot:alice").is_ok());
        for wrong in ["", "a\tb", "a\nb", &"x".repeat(201)] {
            assert!(source(wrong).is_err(), "{wrong:?}");
        }
    }
}
