//! policyd-weight's weighing at RCPT.

use super::config::Config;
use super::doors::DoorCheck;
use super::gate::Gate;
use crate::base::{Complaint, Mode, Place, Severity};
use crate::dns::Resolver;
use crate::lists::weight::{Request, Weights};
use crate::mail::Envelope;
use crate::milter::judge::{Promise, Stages};
use crate::milter::{Early, Visit};
use crate::outcome::Reply;
use std::sync::Arc;

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
                complain(
                    Severity::Note,
                    format!("without meaning here: {}", unknown.join(", ")),
                    "Hamgate has no such processes and caches",
                )
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

pub struct WeightCheck {
    pub gate: Arc<Gate>,
    pub weights: Weights,
    pub resolver: Resolver,
    pub mode: Mode,
}

impl WeightCheck {
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
        let weighed = self.weights.weigh(&self.resolver.session(), &request).await;
        tracing::info!(id = visit.id, rate = weighed.rate.unwrap_or_default(), action = weighed.action, "weighed");
        self.gate.say(self.mode, visit, Some(envelope), "weight", early(&weighed.action))
    }
}

impl DoorCheck for WeightCheck {}

impl Stages for WeightCheck {
    fn rcpt<'a>(&'a self, visit: &'a Visit, envelope: &'a Envelope, recipient: &'a str) -> Promise<'a, Early> {
        Box::pin(self.ask(visit, envelope, recipient))
    }
}

/// An action of access(5) as an answer: codes and DEFER words refuse, all else goes on.
fn early(action: &str) -> Early {
    let (word, text) = action.split_once(' ').unwrap_or((action, ""));
    // One line of printable ASCII.
    let text: String = text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect();
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
