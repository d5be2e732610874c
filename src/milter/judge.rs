//! What the door knows of whoever judges: one question a stage before the message, and one at its end.

use crate::mail::{Arrival, Client, Envelope};
use crate::outcome::{Reply, Verdict};
use std::any::Any;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

pub type Promise<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One connection, as far as it has come.
#[derive(Clone, Debug, Default)]
pub struct Visit {
    /// Our own id of the connection; messages count on from it (`0hx3k….1`).
    pub id: String,
    pub client: Client,
    pub keeps: Keeps,
}

/// What a judge leaves with a connection; dropped when the connection ends.
#[derive(Clone, Default)]
pub struct Keeps(Arc<Mutex<Vec<Box<dyn Any + Send>>>>);

impl Keeps {
    pub fn keep(&self, thing: Box<dyn Any + Send>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(thing);
    }
}

impl std::fmt::Debug for Keeps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keeps")
    }
}

/// What a stage before the message may say. At RCPT it is about that recipient alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Early {
    Continue,
    /// No further questions about this connection (at CONNECT, HELO) or message.
    Accept,
    Discard,
    TempFail(Reply),
    Reject(Reply),
}

/// A whole message on its way to be judged.
#[derive(Debug)]
pub struct Letter {
    /// Our own id, under which log line and history stand.
    pub id: String,
    pub arrival: Arrival,
    /// Header section, empty line and body, every line of the header ending in CR LF, the body as it came.
    pub raw: Vec<u8>,
    /// A limit cut the message short: `raw` is its beginning.
    pub truncated: bool,
    /// Later answers are not listened to.
    pub deadline: Instant,
}

/// The verdict, and what the log says of it.
#[derive(Debug)]
pub struct Judgement {
    pub verdict: Verdict,
    pub summary: Summary,
    pub afterwards: Afterwards,
}

/// What is done once the mail server has taken the verdict, and never otherwise: not after a timeout, nor where it went
/// away. It must not block.
#[derive(Default)]
pub struct Afterwards(Option<Box<dyn FnOnce() + Send>>);

impl Afterwards {
    pub fn new(act: impl FnOnce() + Send + 'static) -> Afterwards {
        Afterwards(Some(Box::new(act)))
    }

    pub(super) fn act(self) {
        if let Some(act) = self.0 {
            act();
        }
    }
}

impl std::fmt::Debug for Afterwards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Afterwards(…)" } else { "Afterwards" })
    }
}

/// Never text of the message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    pub score: f64,
    pub required: f64,
    /// Names of the rules that hit, in order.
    pub rules: Vec<std::sync::Arc<str>>,
    /// Further words, such as `partial` or the name of a limit.
    pub notes: Vec<String>,
}

/// The stages before the message. Who has no opinion at one leaves it out.
pub trait Stages: Send + Sync {
    fn connect<'a>(&'a self, _visit: &'a Visit) -> Promise<'a, Early> {
        Box::pin(ready(Early::Continue))
    }

    fn helo<'a>(&'a self, _visit: &'a Visit) -> Promise<'a, Early> {
        Box::pin(ready(Early::Continue))
    }

    fn mail<'a>(&'a self, _visit: &'a Visit, _envelope: &'a Envelope) -> Promise<'a, Early> {
        Box::pin(ready(Early::Continue))
    }

    /// `recipient` is not yet among `envelope.recipients`.
    fn rcpt<'a>(&'a self, _visit: &'a Visit, _envelope: &'a Envelope, _recipient: &'a str) -> Promise<'a, Early> {
        Box::pin(ready(Early::Continue))
    }

    /// The mail server refused this recipient itself (SMFIP_RCPT_REJ); nothing can be answered.
    fn refused<'a>(&'a self, _visit: &'a Visit, _envelope: &'a Envelope, _recipient: &'a str) -> Promise<'a, ()> {
        Box::pin(ready(()))
    }
}

/// Whoever judges. A judge that panics costs that message a 4xx.
pub trait Judge: Send + Sync + 'static {
    /// Who is asked before there is a message.
    fn stages(&self) -> &dyn Stages;

    /// Runs on the bounded pool, where it may block; `tokio::runtime::Handle::current()` reaches the runtime.
    fn message(&self, letter: Letter) -> Judgement;
}
