//! policyd-weight's weighing at RCPT.

use super::config::Config;
use super::doors::DoorCheck;
use super::gate::Gate;
use crate::base::{Complaint, Mode, Place, Severity};
use crate::dns::Resolver;
use crate::lists::weight::{Caches, Request, Weights};
use crate::mail::Envelope;
use crate::milter::judge::{Promise, Stages};
use crate::milter::{Early, Visit};
use crate::outcome::{Edit, Reply};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What `[weight]` asks for; `None`: nothing.
pub fn load(config: &Config) -> (Option<Weights>, Vec<Complaint>) {
    let settings = &config.weight;
    if settings.mode == Mode::Off {
        return (None, Vec::new());
    }
    let complain = |severity, what: String, remedy: &str| Complaint {
        severity,
        place: Some(Place { file: settings.file.display().to_string().into(), line: 0 }),
        what,
        remedy: remedy.to_owned(),
    };
    match std::fs::read_to_string(&settings.file) {
        Ok(text) => {
            let (weights, unknown) = Weights::parse(&text);
            let told = (!unknown.is_empty()).then(|| {
                complain(Severity::Note, format!("without meaning here: {}", unknown.join(", ")), "Hamgate has no such processes")
            });
            (Some(weights), told.into_iter().collect())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (Some(Weights::default()), Vec::new()),
        Err(error) => (
            Some(Weights::default()),
            vec![complain(Severity::Warning, format!("cannot be read ({error})"), "policyd-weight's defaults hold until it can")],
        ),
    }
}

/// Connections whose message is under way, of which something is remembered.
const REMEMBERED: usize = 10_000;
const FIELD: &str = "X-policyd-weight";

/// What was said of the first recipient of a message holds for the others: policyd-weight's `instance`.
#[derive(Clone, Debug)]
enum Instance {
    /// The value of the field.
    Accepted(Option<String>),
    /// The answer.
    Blocked(String),
}

pub struct WeightCheck {
    gate: Arc<Gate>,
    weights: Weights,
    resolver: Resolver,
    mode: Mode,
    caches: Caches,
    /// By connection.
    instances: Arc<Instances>,
}

/// What the end of a message must know.
#[derive(Debug, Default)]
pub struct Instances(Mutex<HashMap<String, Instance>>);

impl Instances {
    fn get(&self, connection: &str) -> Option<Instance> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(connection).cloned()
    }

    fn set(&self, connection: &str, instance: Instance) {
        let mut instances = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if instances.len() >= REMEMBERED {
            instances.clear();
        }
        instances.insert(connection.to_owned(), instance);
    }

    fn forget(&self, connection: &str) -> Option<Instance> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(connection)
    }

    /// The field of a message that was weighed; its id is that of its connection and a number.
    pub fn field(&self, id: &str) -> Option<Edit> {
        let connection = id.rsplit_once('.').map_or(id, |(connection, _)| connection);
        match self.forget(connection)? {
            Instance::Accepted(Some(value)) => Some(Edit::Prepend { name: FIELD.to_owned(), value: value.into_bytes() }),
            Instance::Accepted(None) | Instance::Blocked(_) => None,
        }
    }
}

impl WeightCheck {
    pub fn new(gate: &Arc<Gate>, weights: Weights, resolver: Resolver, mode: Mode) -> WeightCheck {
        WeightCheck { gate: Arc::clone(gate), weights, resolver, mode, caches: Caches::default(), instances: Arc::default() }
    }

    /// Where the end of a message asks for its field.
    pub fn instances(&self) -> Arc<Instances> {
        Arc::clone(&self.instances)
    }

    async fn ask(&self, visit: &Visit, envelope: &Envelope, recipient: &str) -> Early {
        let Some(ip) = visit.client.ip.filter(|_| self.gate.is_outside(visit)) else { return Early::Continue };
        let name = if visit.client.name.is_empty() { "unknown" } else { &visit.client.name };
        let request = Request {
            ip,
            name: name.to_owned(),
            helo: visit.client.helo.clone(),
            sender: envelope.mail_from.clone(),
            recipient: recipient.to_owned(),
        };
        let action = match self.instances.get(&visit.id) {
            Some(Instance::Accepted(_)) => return Early::Continue,
            Some(Instance::Blocked(action)) => format!("{action} (multirecipient mail)"),
            None => {
                let weighed = self.weights.weigh(&self.resolver.session(), &request, &self.caches, self.gate.clock.unix()).await;
                tracing::info!(id = visit.id, rate = weighed.rate.unwrap_or_default(), action = weighed.action, "weighed");
                self.remember(visit, &weighed.action);
                weighed.action
            }
        };
        self.gate.say(self.mode, visit, Some(envelope), "weight", early(&action))
    }

    fn remember(&self, visit: &Visit, action: &str) {
        let instance = match early(action) {
            Early::Continue | Early::Accept | Early::Discard => {
                let value = action.strip_prefix("PREPEND ").and_then(|rest| rest.strip_prefix(FIELD)?.strip_prefix(':'));
                // What is only observed writes nothing.
                let value = value.filter(|_| self.mode == Mode::On);
                Instance::Accepted(value.map(|value| printable(value.strip_prefix(' ').unwrap_or(value))))
            }
            Early::TempFail(_) | Early::Reject(_) => Instance::Blocked(action.to_owned()),
        };
        self.instances.set(&visit.id, instance);
    }
}

impl DoorCheck for WeightCheck {}

impl Stages for WeightCheck {
    /// A new message.
    fn mail<'a>(&'a self, visit: &'a Visit, _: &'a Envelope) -> Promise<'a, Early> {
        self.instances.forget(&visit.id);
        Box::pin(std::future::ready(Early::Continue))
    }

    fn rcpt<'a>(&'a self, visit: &'a Visit, envelope: &'a Envelope, recipient: &'a str) -> Promise<'a, Early> {
        Box::pin(self.ask(visit, envelope, recipient))
    }
}

/// One line of printable ASCII.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

/// An action of access(5) as an answer: codes and DEFER words refuse, all else goes on.
fn early(action: &str) -> Early {
    let (word, text) = action.split_once(' ').unwrap_or((action, ""));
    let text = printable(text);
    let reply = |code, status: &str| Reply { code, status: status.to_owned(), text: text.clone() };
    match word.parse::<u16>() {
        Ok(code @ 500..=599) => Early::Reject(reply(code, "5.7.1")),
        Ok(code @ 400..=499) => Early::TempFail(reply(code, "4.7.1")),
        Ok(_) => Early::Continue,
        Err(_) if word.starts_with("DEFER") => Early::TempFail(reply(450, "4.7.1")),
        Err(_) if word == "REJECT" => Early::Reject(reply(550, "5.7.1")),
        Err(_) => Early::Continue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_become_answers() {
        assert!(matches!(early("550 no"), Early::Reject(Reply { code: 550, .. })));
        assert!(matches!(early("DEFER_IF_PERMIT later"), Early::TempFail(Reply { code: 450, .. })));
        assert_eq!(early("PREPEND X-policyd-weight: a"), Early::Continue);
        assert_eq!(early("DUNNO"), Early::Continue);
    }
}
