//! The checks of the gate at each stage. Trusted networks and those who logged in pass; whether a client logs in is known at MAIL.

use super::doors::DoorCheck;
use super::gate::{Gate, Observed, greylist_reply, tell_would_have, text_of};
use crate::access::{Stage as Asked, Subject, Word};
use crate::base::Mode;
use crate::mail::Envelope;
use crate::milter::judge::{Promise, Stages};
use crate::milter::{Early, Visit};
use crate::outcome::Reply;
use crate::pace::limits::{Stage, Who};
use crate::pace::{Harvest, Letter, Limits, Over, Ruling};
use crate::policy::Sender;
use crate::store::Trouble;
use std::sync::Arc;

/// Work that may block, off the threads that move bytes. `None`: it panicked, which is logged where it did.
async fn block<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

impl Gate {
    pub(super) fn is_outside(&self, visit: &Visit) -> bool {
        self.sender(&visit.client) == Sender::Outside
    }

    /// Carries an answer out, or tells it.
    pub(super) fn say(&self, mode: Mode, visit: &Visit, envelope: Option<&Envelope>, check: &str, early: Early) -> Early {
        let (would_have, reply) = match &early {
            Early::Continue | Early::Accept => return early,
            Early::Discard => ("discard", String::new()),
            Early::TempFail(reply) => ("tempfail", text_of(reply)),
            Early::Reject(reply) => ("reject", text_of(reply)),
        };
        match mode {
            Mode::On => early,
            Mode::Observe => {
                tell_would_have(&Observed { id: &visit.id, client: &visit.client, envelope }, check, would_have, &reply);
                Early::Continue
            }
            Mode::Off => Early::Continue,
        }
    }
}

/// Access tables. Client and HELO are answered at MAIL, when it is known whether the client has logged in.
pub struct AccessCheck(pub Arc<Gate>);

impl AccessCheck {
    fn ask(&self, stages: &[Asked], visit: &Visit, envelope: &Envelope, recipient: Option<&str>) -> Early {
        let gate = &self.0;
        if !gate.is_outside(visit) {
            return Early::Continue;
        }
        let subject = Subject::new(&visit.client, Some(envelope), recipient);
        for stage in stages {
            let Some(answer) = gate.access.answer(*stage, &subject) else { continue };
            let place = answer.place.to_string();
            let early = match answer.word {
                Word::Reject(reply) => Early::Reject(reply),
                Word::Defer(reply) | Word::DeferIfPermit(reply) | Word::DeferIfReject(reply) => Early::TempFail(reply),
                Word::Discard => Early::Discard,
                Word::Note(true, text) => {
                    tracing::warn!(id = visit.id, place, text, "access table");
                    Early::Continue
                }
                Word::Note(false, text) => {
                    tracing::info!(id = visit.id, place, text, "access table");
                    Early::Continue
                }
                Word::Ok | Word::Dunno | Word::Hold(_) => Early::Continue,
            };
            if early != Early::Continue {
                tracing::debug!(id = visit.id, place, "access table");
                return gate.say(gate.access_mode, visit, Some(envelope), "access", early);
            }
        }
        Early::Continue
    }
}

impl DoorCheck for AccessCheck {
    fn welcomes(&self, visit: &Visit, envelope: Option<&Envelope>, recipient: Option<&str>) -> bool {
        self.0.access_mode == Mode::On && self.0.access.exempts(&Subject::new(&visit.client, envelope, recipient))
    }
}

impl Stages for AccessCheck {
    fn mail<'a>(&'a self, visit: &'a Visit, envelope: &'a Envelope) -> Promise<'a, Early> {
        Box::pin(async move { self.ask(&[Asked::Client, Asked::Helo, Asked::Sender], visit, envelope, None) })
    }

    fn rcpt<'a>(&'a self, visit: &'a Visit, envelope: &'a Envelope, recipient: &'a str) -> Promise<'a, Early> {
        Box::pin(async move { self.ask(&[Asked::Recipient], visit, envelope, Some(recipient)) })
    }
}

/// Directory harvest.
pub struct HarvestCheck {
    pub gate: Arc<Gate>,
    pub harvest: Arc<Harvest>,
}

impl HarvestCheck {
    async fn ask(&self, visit: &Visit, envelope: &Envelope) -> Early {
        let Some(ip) = visit.client.ip.filter(|_| self.gate.is_outside(visit)) else { return Early::Continue };
        let (harvest, now) = (Arc::clone(&self.harvest), self.gate.milliseconds());
        match block(move || harvest.is_barred(ip, now)).await {
            Some(Ok(Some(_))) => {
                let early = Early::TempFail(self.harvest.reply());
                self.gate.say(self.harvest.settings.mode, visit, Some(envelope), "harvest", early)
            }
            Some(Err(trouble)) => {
                self.gate.memory.trouble(&trouble);
                Early::Continue
            }
            Some(Ok(None)) | None => Early::Continue,
        }
    }
}

impl DoorCheck for HarvestCheck {}

impl Stages for HarvestCheck {
    fn mail<'a>(&'a self, visit: &'a Visit, envelope: &'a Envelope) -> Promise<'a, Early> {
        Box::pin(self.ask(visit, envelope))
    }

    fn rcpt<'a>(&'a self, visit: &'a Visit, envelope: &'a Envelope, _: &'a str) -> Promise<'a, Early> {
        Box::pin(self.ask(visit, envelope))
    }

    fn refused<'a>(&'a self, visit: &'a Visit, _: &'a Envelope, recipient: &'a str) -> Promise<'a, ()> {
        Box::pin(async move {
            let Some(ip) = visit.client.ip.filter(|_| self.gate.is_outside(visit)) else { return };
            let (harvest, now) = (Arc::clone(&self.harvest), self.gate.milliseconds());
            match block(move || harvest.refused(ip, now)).await {
                Some(Ok(count)) if count == self.harvest.settings.most => {
                    tracing::warn!(id = visit.id, client = %ip, refused = count, last = recipient, "this client tries out recipients");
                }
                Some(Ok(_)) | None => {}
                Some(Err(trouble)) => self.gate.memory.trouble(&trouble),
            }
        })
    }
}

/// Rate limits.
pub struct LimitCheck {
    pub gate: Arc<Gate>,
    pub limits: Arc<Limits>,
}

impl LimitCheck {
    /// The limit that binds answers; those under `observe` are told.
    fn answer(&self, over: Vec<Over>, visit: &Visit, envelope: Option<&Envelope>) -> Early {
        let mut early = Early::Continue;
        for over in over {
            let said = self.gate.say(over.limit.mode, visit, envelope, "limit", Early::TempFail(over.reply()));
            if early == Early::Continue {
                early = said;
            }
        }
        early
    }

    async fn draw(&self, stage: Stage, visit: &Visit, envelope: Option<&Envelope>, recipient: Option<&str>) -> Early {
        let authenticated = match self.gate.sender(&visit.client) {
            Sender::Trusted => return Early::Continue,
            Sender::Authenticated => true,
            Sender::Outside => false,
        };
        if !self.limits.asks(stage) {
            return Early::Continue;
        }
        let (limits, now) = (Arc::clone(&self.limits), self.gate.milliseconds());
        let (client, recipient) = (visit.client.clone(), recipient.map(str::to_owned));
        // The sender is all that is counted of an envelope.
        let sender = envelope.map(|envelope| Envelope { mail_from: envelope.mail_from.clone(), ..Envelope::default() });
        let gate = Arc::clone(&self.gate);
        let drawn: Option<Result<Vec<Over>, Trouble>> = block(move || {
            gate.look_for_stale();
            let who = Who { client: &client, envelope: sender.as_ref(), recipient: recipient.as_deref(), authenticated };
            limits.draw(stage, &who, now)
        })
        .await;
        match drawn {
            Some(Ok(over)) => self.answer(over, visit, envelope),
            Some(Err(trouble)) => {
                self.gate.memory.trouble(&trouble);
                Early::Continue
            }
            None => Early::Continue,
        }
    }
}

impl DoorCheck for LimitCheck {}

impl Stages for LimitCheck {
    fn connect<'a>(&'a self, visit: &'a Visit) -> Promise<'a, Early> {
        Box::pin(async move {
            if !self.gate.is_outside(visit) {
                return Early::Continue;
            }
            let who = Who { client: &visit.client, envelope: None, recipient: None, authenticated: false };
            let (seats, over) = self.limits.enter(&who);
            visit.keeps.keep(Box::new(seats));
            match self.answer(over, visit, None) {
                Early::Continue => self.draw(Stage::Connect, visit, None, None).await,
                refused => refused,
            }
        })
    }

    fn mail<'a>(&'a self, visit: &'a Visit, envelope: &'a Envelope) -> Promise<'a, Early> {
        Box::pin(self.draw(Stage::Mail, visit, Some(envelope), None))
    }

    fn rcpt<'a>(&'a self, visit: &'a Visit, envelope: &'a Envelope, recipient: &'a str) -> Promise<'a, Early> {
        Box::pin(self.draw(Stage::Rcpt, visit, Some(envelope), Some(recipient)))
    }
}

/// Greylisting at each recipient.
pub struct GreylistCheck(pub Arc<Gate>);

impl DoorCheck for GreylistCheck {}

impl Stages for GreylistCheck {
    fn rcpt<'a>(&'a self, visit: &'a Visit, envelope: &'a Envelope, recipient: &'a str) -> Promise<'a, Early> {
        Box::pin(async move {
            if !self.0.is_outside(visit) {
                return Early::Continue;
            }
            let (gate, client) = (Arc::clone(&self.0), visit.client.clone());
            let (sender, recipients) = (envelope.mail_from.clone(), vec![recipient.to_owned()]);
            let ruling = block(move || {
                let letter = Letter { client: &client, sender: &sender, recipients: &recipients, facts: None };
                gate.greylist.as_ref().map(|greylist| (greylist.judge(&letter), greylist.settings.clone()))
            });
            match ruling.await.flatten() {
                Some((Ok(Ruling::Wait { seconds }), settings)) => {
                    let reply: Reply = greylist_reply(&settings.text, seconds, recipient);
                    self.0.say(settings.mode, visit, Some(envelope), "greylist", Early::TempFail(reply))
                }
                Some((Ok(Ruling::Pass { waited, .. }), _)) => {
                    if let Some(waited) = waited {
                        self.0.remember_wait(&visit.id, waited);
                    }
                    Early::Continue
                }
                Some((Err(trouble), _)) => {
                    self.0.memory.trouble(&trouble);
                    Early::Continue
                }
                None => Early::Continue,
            }
        })
    }
}
