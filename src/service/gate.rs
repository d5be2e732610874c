//! Memory at the door, put together: access tables, harvest, limits and greylisting as checks of the door, and what they say at
//! the end of a message.

use super::access_files;
use super::config::Config;
use super::daemon::Wishes;
use super::doors::DoorCheck;
use super::gate_checks::{AccessCheck, GreylistCheck, HarvestCheck, LimitCheck};
use super::memory::Memory;
use super::observed;
use crate::access::{Access, Subject, Word};
use crate::base::{Clock, Complaint, Mode, Severity};
use crate::facts::Authentication;
use crate::mail::received_build::date;
use crate::mail::{Arrival, Client, Envelope, Mail, bounce};
use crate::outcome::{Action, Edit, Findings, Reply};
use crate::pace::{Accounts, Applies, Bounced, Greylisting, Harvest, Letter, Limits, Ruling, Sent, Tidy, When};
use crate::policy::{self, Expression, Sender};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

/// Messages whose wait at RCPT is remembered until their end.
const REMEMBERED: usize = 10_000;

/// What is shared by the checks.
pub struct Gate {
    pub policy: policy::Settings,
    pub memory: Memory,
    pub clock: Clock,
    pub access: Access,
    pub access_mode: Mode,
    pub greylist: Option<Greylisting>,
    harvest: Option<Arc<Harvest>>,
    doubtful: Expression,
    except: Expression,
    accounts: Option<Accounts>,
    sent: Option<Sent>,
    tidy: Option<Tidy>,
    /// By connection: the longest wait of a recipient that came back.
    waited: Mutex<HashMap<String, u64>>,
    host: String,
}

/// What is said at the end of a message.
#[derive(Default)]
pub struct AtEnd {
    pub action: Option<Action>,
    pub edits: Vec<Edit>,
    pub notes: Vec<String>,
}

/// A message that has been judged, as greylisting sees it.
pub struct Judged<'a> {
    pub id: &'a str,
    pub client: &'a Client,
    pub envelope: &'a Envelope,
    pub findings: &'a Findings,
    pub facts: Option<&'a Authentication>,
    pub action: &'a Action,
    pub mail: &'a Mail,
}

impl Gate {
    /// The gate, its checks in the order in which they are asked, and what is wrong with the files.
    ///
    /// # Errors
    /// A file that is missing, or a condition that cannot be read.
    pub fn build(
        config: &Config,
        wishes: &Wishes,
        memory: &Memory,
        host: &str,
    ) -> Result<(Arc<Gate>, Vec<Box<dyn DoorCheck>>, Vec<Complaint>), Vec<Complaint>> {
        let (files, mut complaints) = access_files::load(config);
        let mut condition = |name: &str, text: &str| {
            Expression::parse(text).unwrap_or_else(|remedy| {
                complaints.push(Complaint {
                    severity: Severity::Error,
                    place: None,
                    what: format!("{name} in [greylist], \"{text}\""),
                    remedy,
                });
                Expression::default()
            })
        };
        let doubtful = condition("doubtful", &config.greylist.doubtful);
        let except = condition("except", &config.greylist.except);
        if config.greylist.at == When::Recipient && config.greylist.applies == Applies::Doubtful {
            complaints.push(Complaint {
                severity: Severity::Error,
                place: None,
                what: "at = \"recipient\" in [greylist]: what is doubtful is not known before the message has come".to_owned(),
                remedy: "write applies = \"always\", or at = \"message\"".to_owned(),
            });
        }
        if complaints.iter().any(|complaint| complaint.severity == Severity::Error) {
            return Err(complaints);
        }
        let limits: Vec<_> = config.limits.iter().filter(|limit| limit.mode != Mode::Off).cloned().collect();
        let wants_store = config.greylist.mode != Mode::Off
            || config.harvest.mode != Mode::Off
            || config.accounts.alarm != Mode::Off
            || config.bounces.remember
            || !limits.is_empty();
        let store = match wants_store.then(|| memory.store(&config.store, wishes)) {
            Some(Ok(store)) => Some(store),
            Some(Err(trouble)) => {
                complaints.push(Complaint {
                    severity: Severity::Warning,
                    place: None,
                    what: format!("the store of greylist and limits cannot be opened ({trouble}): these checks rest"),
                    remedy: "correct that and reload".to_owned(),
                });
                None
            }
            None => None,
        };
        let on = |mode: Mode| store.clone().filter(|_| mode != Mode::Off);
        let tidy = store.clone().map(|store| Tidy::new(store, config.greylist.retry_window.0, config.greylist.age.0, Clock::System.unix()));
        let greylist = on(config.greylist.mode)
            .map(|store| Greylisting::new(config.greylist.clone(), files.clients, files.recipients, store, Clock::System));
        let gate = Arc::new(Gate {
            policy: config.policy.clone(),
            memory: memory.clone(),
            clock: Clock::System,
            access: files.access,
            access_mode: config.access.mode,
            greylist,
            harvest: on(config.harvest.mode).map(|store| Arc::new(Harvest::new(config.harvest.clone(), store))),
            doubtful,
            except,
            accounts: on(config.accounts.alarm).map(|store| Accounts::new(config.accounts.clone(), store)),
            sent: store.clone().filter(|_| config.bounces.remember).map(|store| Sent::new(config.bounces.clone(), store)),
            tidy,
            waited: Mutex::default(),
            host: host.to_owned(),
        });
        let mut checks: Vec<Box<dyn DoorCheck>> = Vec::new();
        if !gate.access.is_empty() && gate.access_mode != Mode::Off {
            checks.push(Box::new(AccessCheck(Arc::clone(&gate))));
        }
        if let Some(harvest) = &gate.harvest {
            checks.push(Box::new(HarvestCheck { gate: Arc::clone(&gate), harvest: Arc::clone(harvest) }));
        }
        if let Some(store) = store.filter(|_| !limits.is_empty()) {
            let limits = Arc::new(Limits::new(limits, store, memory.open_connections()));
            checks.push(Box::new(LimitCheck { gate: Arc::clone(&gate), limits }));
        }
        if gate.greylist.is_some() && config.greylist.at == When::Recipient {
            checks.push(Box::new(GreylistCheck(Arc::clone(&gate))));
        }
        Ok((gate, checks, complaints))
    }

    pub fn sender(&self, client: &Client) -> Sender {
        Sender::of(client, &self.policy)
    }

    /// A recipient came back at RCPT: the field is written when the message has come.
    pub fn remember_wait(&self, connection: &str, seconds: u64) {
        let mut waited = self.waited.lock().unwrap_or_else(PoisonError::into_inner);
        if waited.len() >= REMEMBERED {
            waited.clear();
        }
        let longest = waited.entry(connection.to_owned()).or_default();
        *longest = seconds.max(*longest);
    }

    /// What rules are told beside the envelope: how many recipients of this client were refused of late, and what a bounce is
    /// about. Blocks.
    pub fn tell_rules(&self, arrival: &mut Arrival, raw: &[u8]) {
        self.tell_bounced(arrival, raw);
        let Arrival::Live(live) = arrival else { return };
        let (client, envelope) = &mut **live;
        // Nobody else may say so.
        envelope.macros.remove(Envelope::REFUSED);
        let harvest = self.harvest.as_ref().filter(|harvest| harvest.settings.mode == Mode::On);
        let (Some(harvest), Some(ip)) = (harvest, client.ip.filter(|_| self.sender(client) == Sender::Outside)) else { return };
        match harvest.refused_of_late(ip, self.milliseconds()) {
            Ok(0) => {}
            Ok(count) => {
                envelope.macros.insert(Envelope::REFUSED.to_owned(), count.to_string());
            }
            Err(trouble) => self.memory.trouble(&trouble),
        }
    }

    fn tell_bounced(&self, arrival: &mut Arrival, raw: &[u8]) {
        let Arrival::Live(live) = arrival else { return };
        let (client, envelope) = &mut **live;
        envelope.macros.remove(Envelope::BOUNCED);
        let Some(sent) = self.sent.as_ref().filter(|_| self.sender(client) == Sender::Outside) else { return };
        // Whoever sends it, a report comes from nobody or says what it is at its top.
        let may_be = envelope.mail_from.is_empty() || memchr::memmem::find(raw, b"report").is_some();
        if !may_be {
            return;
        }
        let mail = Mail::parse(raw.to_vec());
        if !bounce::is_bounce(&mail, &envelope.mail_from) {
            return;
        }
        match sent.judge(&bounce::sent_back(&mail), &bounce::referred_to(&mail), self.milliseconds()) {
            Ok(Bounced::Unknown) => {}
            Ok(about @ (Bounced::Ours | Bounced::Foreign)) => {
                envelope.macros.insert(Envelope::BOUNCED.to_owned(), about.word().to_owned());
            }
            Err(trouble) => self.memory.trouble(&trouble),
        }
    }

    /// What ours send, so that a bounce of it is known.
    fn remember_sent(&self, judged: &Judged<'_>) {
        if let (Some(sent), Action::Accept | Action::Quarantine(_)) = (&self.sent, judged.action)
            && let Some(id) = bounce::message_id(judged.mail)
            && let Err(trouble) = sent.remember(&id, self.milliseconds())
        {
            self.memory.trouble(&trouble);
        }
    }

    pub fn milliseconds(&self) -> u64 {
        let since = self.clock.now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// What the door says now that the message is known. Runs on the pool, and may block.
    pub fn at_end(&self, judged: &Judged<'_>) -> AtEnd {
        let mut end = AtEnd::default();
        match self.sender(judged.client) {
            Sender::Outside => {
                self.hold(judged, &mut end);
                self.greylist_at_end(judged, &mut end);
            }
            Sender::Authenticated => {
                self.watch_account(judged);
                self.remember_correspondents(judged);
                self.remember_sent(judged);
            }
            Sender::Trusted => {
                self.remember_correspondents(judged);
                self.remember_sent(judged);
            }
        }
        self.look_for_stale();
        end
    }

    /// Forgets what is stale, if it is time. Blocks.
    pub fn look_for_stale(&self) {
        if let Some(Err(trouble)) = self.tidy.as_ref().map(|tidy| tidy.look(self.clock.unix())) {
            self.memory.trouble(&trouble);
        }
    }

    fn hold(&self, judged: &Judged<'_>, end: &mut AtEnd) {
        if self.access_mode == Mode::Off || self.access.is_empty() || !matches!(judged.action, Action::Accept) {
            return;
        }
        let held = judged.envelope.recipients.iter().find_map(|to| {
            let answer = self.access.holds(&Subject::new(judged.client, Some(judged.envelope), Some(to)))?;
            if let Word::Hold(text) = answer.word { Some((text, answer.place)) } else { None }
        });
        match (held, self.access_mode) {
            (Some((text, place)), Mode::On) => {
                end.notes.push(format!("access:{place}"));
                end.action = Some(Action::Quarantine(text));
            }
            (Some((_, place)), Mode::Observe | Mode::Off) => {
                tell_would_have(
                    &Observed { id: judged.id, client: judged.client, envelope: Some(judged.envelope) },
                    "access",
                    "hold",
                    &place.to_string(),
                );
            }
            (None, _) => {}
        }
    }

    fn greylist_at_end(&self, judged: &Judged<'_>, end: &mut AtEnd) {
        let Some(greylist) = &self.greylist else { return };
        let connection = judged.id.rsplit_once('.').map_or(judged.id, |(connection, _)| connection);
        let at_recipient = self.waited.lock().unwrap_or_else(PoisonError::into_inner).remove(connection);
        if !matches!(judged.action, Action::Accept | Action::Quarantine(_)) {
            return;
        }
        let settings = &greylist.settings;
        if settings.at == When::Recipient {
            if let Some(waited) = at_recipient.filter(|_| settings.mode == Mode::On && settings.header) {
                end.edits.push(self.field(waited));
            }
            return;
        }
        let is_asked = match settings.applies {
            Applies::Always => true,
            Applies::Doubtful => self.doubtful.holds(judged.findings),
        };
        if !is_asked || self.except.holds(judged.findings) || self.is_welcome(judged) {
            return;
        }
        let letter = Letter {
            client: judged.client,
            sender: &judged.envelope.mail_from,
            recipients: &judged.envelope.recipients,
            facts: judged.facts,
        };
        match greylist.judge(&letter) {
            Ok(Ruling::Pass { waited, .. }) => {
                if let Some(waited) = waited.filter(|_| settings.mode == Mode::On) {
                    end.notes.push(format!("greylist:waited-{waited}"));
                    if settings.header {
                        end.edits.push(self.field(waited));
                    }
                }
            }
            Ok(Ruling::Wait { seconds }) => {
                let to = judged.envelope.recipients.first().map_or("", String::as_str);
                let reply = greylist_reply(&settings.text, seconds, to);
                if settings.mode == Mode::On {
                    end.notes.push(format!("greylist:{seconds}"));
                    end.action = Some(Action::TempFail(reply));
                } else {
                    let who = Observed { id: judged.id, client: judged.client, envelope: Some(judged.envelope) };
                    tell_would_have(&who, "greylist", "tempfail", &text_of(&reply));
                }
            }
            Err(trouble) => self.memory.trouble(&trouble),
        }
    }

    /// An access table lets in one of the recipients, and so the message.
    fn is_welcome(&self, judged: &Judged<'_>) -> bool {
        let exempts = |to: &String| self.access.exempts(&Subject::new(judged.client, Some(judged.envelope), Some(to)));
        self.access_mode == Mode::On && !self.access.is_empty() && judged.envelope.recipients.iter().any(exempts)
    }

    fn watch_account(&self, judged: &Judged<'_>) {
        let Some(accounts) = self.accounts.as_ref().filter(|_| !judged.client.login.is_empty()) else { return };
        let recipients = judged.envelope.recipients.len() as u64;
        match accounts.sent(&judged.client.login, recipients, self.clock.unix()) {
            Ok(Some(alarm)) => tracing::warn!(
                id = judged.id,
                login = judged.client.login,
                client = judged.client.ip.map(|ip| ip.to_string()).unwrap_or_default(),
                today = alarm.today,
                usual = alarm.usual,
                "an account sends far more than it usually does: has somebody taken it over?"
            ),
            Ok(None) => {}
            Err(trouble) => self.memory.trouble(&trouble),
        }
    }

    fn remember_correspondents(&self, judged: &Judged<'_>) {
        let Some(greylist) = &self.greylist else { return };
        if matches!(judged.action, Action::Accept)
            && let Err(trouble) = greylist.remember_correspondents(&judged.envelope.mail_from, &judged.envelope.recipients)
        {
            self.memory.trouble(&trouble);
        }
    }

    /// `X-Greylist`, as postgrey writes it.
    fn field(&self, waited: u64) -> Edit {
        let when = date(self.clock.now()).replace("+0000 (UTC)", "UTC");
        let value = format!("delayed {waited} seconds by hamgate-{} at {}; {when}", env!("CARGO_PKG_VERSION"), self.host);
        Edit::Prepend { name: "X-Greylist".to_owned(), value: value.into_bytes() }
    }
}

pub(super) fn greylist_reply(text: &str, seconds: u64, recipient: &str) -> Reply {
    let domain = recipient.rsplit_once('@').map_or("", |(_, domain)| domain);
    // RFC 6647 §5: 4yz; RFC 3463 §3.8: X.7.1, refused by policy.
    Reply { code: 450, status: "4.7.1".to_owned(), text: text.replace("{seconds}", &seconds.to_string()).replace("{domain}", domain) }
}

/// Whom a check under `observe` would have answered.
pub(super) struct Observed<'a> {
    pub id: &'a str,
    pub client: &'a Client,
    pub envelope: Option<&'a Envelope>,
}

/// One line for each thing that a check under `observe` did not do.
pub(super) fn tell_would_have(who: &Observed<'_>, check: &str, would_have: &str, reply: &str) {
    observed::note(observed::Line {
        time: observed::now(),
        id: who.id.to_owned(),
        client: who.client.ip.map(|ip| ip.to_string()).unwrap_or_default(),
        from: who.envelope.map(|envelope| envelope.mail_from.clone()).unwrap_or_default(),
        check: check.to_owned(),
        would_have: would_have.to_owned(),
        reply: reply.to_owned(),
    });
    tracing::info!(
        id = who.id,
        client = who.client.ip.map(|ip| ip.to_string()).unwrap_or_default(),
        from = who.envelope.map(|envelope| envelope.mail_from.as_str()).unwrap_or_default(),
        check,
        would_have,
        reply,
        "observed"
    );
}

pub(super) fn text_of(reply: &Reply) -> String {
    format!("{} {} {}", reply.code, reply.status, reply.text)
}
