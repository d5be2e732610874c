//! Checks at the door, before there is a message: one row a check, asked in order at CONNECT, HELO, MAIL and RCPT.

use crate::mail::Envelope;
use crate::milter::judge::{Promise, Stages};
use crate::milter::{Early, Visit};

/// One check.
pub trait DoorCheck: Stages {
    /// The operator lets these in (an access table said OK): no later check is asked.
    fn welcomes(&self, _visit: &Visit, _envelope: Option<&Envelope>, _recipient: Option<&str>) -> bool {
        false
    }
}

/// The checks, in the order in which they are asked. The first that does not say "go on" decides.
#[derive(Default)]
pub struct Doors(pub Vec<Box<dyn DoorCheck>>);

impl Doors {
    /// Asks one check after the other; `welcomes`: no later one need be asked.
    async fn ask<'a>(
        &'a self,
        ask: impl Fn(&'a dyn DoorCheck) -> Promise<'a, Early> + Send,
        welcomes: impl Fn(&'a dyn DoorCheck) -> bool + Send,
    ) -> Early {
        for check in &self.0 {
            match ask(&**check).await {
                Early::Continue if welcomes(&**check) => break,
                Early::Continue => {}
                other => return other,
            }
        }
        Early::Continue
    }
}

impl Stages for Doors {
    fn connect<'a>(&'a self, visit: &'a Visit) -> Promise<'a, Early> {
        Box::pin(self.ask(|check| check.connect(visit), |check| check.welcomes(visit, None, None)))
    }

    fn helo<'a>(&'a self, visit: &'a Visit) -> Promise<'a, Early> {
        Box::pin(self.ask(|check| check.helo(visit), |check| check.welcomes(visit, None, None)))
    }

    fn mail<'a>(&'a self, visit: &'a Visit, envelope: &'a Envelope) -> Promise<'a, Early> {
        Box::pin(self.ask(|check| check.mail(visit, envelope), |check| check.welcomes(visit, Some(envelope), None)))
    }

    fn rcpt<'a>(&'a self, visit: &'a Visit, envelope: &'a Envelope, recipient: &'a str) -> Promise<'a, Early> {
        let welcomes = |check: &'a dyn DoorCheck| check.welcomes(visit, Some(envelope), Some(recipient));
        Box::pin(self.ask(|check| check.rcpt(visit, envelope, recipient), welcomes))
    }

    fn refused<'a>(&'a self, visit: &'a Visit, envelope: &'a Envelope, recipient: &'a str) -> Promise<'a, ()> {
        Box::pin(async move {
            for check in &self.0 {
                check.refused(visit, envelope, recipient).await;
            }
        })
    }
}
