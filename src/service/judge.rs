//! The judge that serves mail: the engine's findings, the policy's decision, the edits that carry it out.

use super::authentication::Desk;
use super::config::Config;
use super::daemon::Wishes;
use crate::base::Complaint;
use crate::mail::{Arrival, Mail};
use crate::milter::{Judge, Judgement, Letter, Summary};
use crate::outcome::{Action, Verdict};

/// Builds everything that a configuration asks for.
///
/// # Errors
/// Mistakes that make it unusable as a whole.
pub fn build(config: &Config, wishes: &Wishes) -> Result<(Box<dyn Judge>, Vec<Complaint>), Vec<Complaint>> {
    let (desk, complaints) = Desk::build(config, wishes)?;
    Ok((Box::new(Filter { desk, local: config.rules.local }), complaints))
}

struct Filter {
    desk: Desk,
    /// No network question at all.
    local: bool,
}

impl Judge for Filter {
    fn message(&self, letter: Letter) -> Judgement {
        let accept = Verdict { action: Action::Accept, spam: false, edits: Vec::new() };
        let mail = Mail::parse(letter.raw);
        let Arrival::Live(live) = &letter.arrival else { return Judgement { verdict: accept, summary: Summary::default() } };
        let (client, envelope) = &**live;
        let sent = mail.as_sent();
        let outsider = self.desk.outsider(&mail, &letter.arrival);
        let facts = match tokio::runtime::Handle::try_current() {
            Ok(runtime) if !self.local => self.desk.ask(&runtime, sent, outsider.as_ref()),
            Ok(_) | Err(_) => None,
        };
        let action = facts.as_ref().and_then(|facts| self.desk.action(sent, client, outsider.as_ref(), facts)).unwrap_or(Action::Accept);
        let mut edits = self.desk.edits(sent, envelope, outsider.as_ref(), facts.as_ref());
        if outsider.is_none() {
            edits.extend(self.desk.signatures(sent, client));
        }
        Judgement { verdict: Verdict { action, edits, ..accept }, summary: Summary::default() }
    }
}
