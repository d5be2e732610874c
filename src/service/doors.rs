//! Checks at the door, before there is a message: one row a check, asked in order at CONNECT, HELO, MAIL and RCPT.

use crate::mail::Envelope;
use crate::milter::judge::Promise;
use crate::milter::{Early, Visit};
use std::future::ready;

/// One check. What it has no opinion about, it leaves out.
pub trait DoorCheck: Send + Sync {
    fn connect<'a>(&'a self, _visit: &'a Visit) -> Promise<'a, Early> {
        Box::pin(ready(Early::Continue))
    }

    fn helo<'a>(&'a self, _visit: &'a Visit) -> Promise<'a, Early> {
        Box::pin(ready(Early::Continue))
    }

    fn mail<'a>(&'a self, _visit: &'a Visit, _envelope: &'a Envelope) -> Promise<'a, Early> {
        Box::pin(ready(Early::Continue))
    }

    fn rcpt<'a>(&'a self, _visit: &'a Visit, _envelope: &'a Envelope, _recipient: &'a str) -> Promise<'a, Early> {
        Box::pin(ready(Early::Continue))
    }

    /// The mail server refused this recipient itself.
    fn refused<'a>(&'a self, _visit: &'a Visit, _envelope: &'a Envelope, _recipient: &'a str) -> Promise<'a, ()> {
        Box::pin(ready(()))
    }

    /// The operator lets these in (an access table said OK): no later check is asked.
    fn welcomes(&self, _visit: &Visit, _envelope: Option<&Envelope>, _recipient: Option<&str>) -> bool {
        false
    }
}

/// The checks, in the order in which they are asked. The first that does not say "go on" decides.
#[derive(Default)]
pub struct Doors(pub Vec<Box<dyn DoorCheck>>);

impl Doors {
    pub async fn connect(&self, visit: &Visit) -> Early {
        for check in &self.0 {
            match check.connect(visit).await {
                Early::Continue if check.welcomes(visit, None, None) => break,
                Early::Continue => {}
                other => return other,
            }
        }
        Early::Continue
    }

    pub async fn helo(&self, visit: &Visit) -> Early {
        for check in &self.0 {
            match check.helo(visit).await {
                Early::Continue if check.welcomes(visit, None, None) => break,
                Early::Continue => {}
                other => return other,
            }
        }
        Early::Continue
    }

    pub async fn mail(&self, visit: &Visit, envelope: &Envelope) -> Early {
        for check in &self.0 {
            match check.mail(visit, envelope).await {
                Early::Continue if check.welcomes(visit, Some(envelope), None) => break,
                Early::Continue => {}
                other => return other,
            }
        }
        Early::Continue
    }

    pub async fn rcpt(&self, visit: &Visit, envelope: &Envelope, recipient: &str) -> Early {
        for check in &self.0 {
            match check.rcpt(visit, envelope, recipient).await {
                Early::Continue if check.welcomes(visit, Some(envelope), Some(recipient)) => break,
                Early::Continue => {}
                other => return other,
            }
        }
        Early::Continue
    }

    pub async fn refused(&self, visit: &Visit, envelope: &Envelope, recipient: &str) {
        for check in &self.0 {
            check.refused(visit, envelope, recipient).await;
        }
    }
}
