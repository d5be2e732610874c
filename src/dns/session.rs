//! The short-lived half: what one message may still ask, and until when.

use super::Trouble;
use super::name::checked;
use super::resolver::Resolver;
use super::wire::Records;
use crate::facts::{Answer, DnsQuestion, DnsReply, DnsType};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Questions that go to the network; answers from the cache are free.
    pub questions: u32,
    pub deadline: Duration,
}

/// Shared by everything that asks on behalf of one message.
#[derive(Debug)]
pub struct Session {
    resolver: Resolver,
    left: AtomicU32,
    until: Instant,
}

impl Session {
    pub(super) fn new(resolver: Resolver, caps: Caps) -> Session {
        Session { resolver, left: AtomicU32::new(caps.questions), until: Instant::now() + caps.deadline }
    }

    pub async fn look_up(&self, name: &str, kind: DnsType) -> Result<Arc<Records>, Trouble> {
        let name = checked(name).ok_or(Trouble::BadName)?;
        let question = DnsQuestion { name: name.into(), kind };
        if let Some(records) = self.resolver.cached(&question) {
            return Ok(records);
        }
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).map_err(|_| Trouble::TooMany)?;
        timeout_at(self.until, self.resolver.ask(question)).await.unwrap_or(Err(Trouble::Silent))
    }

    /// In the shared vocabulary. A name that cannot be asked does not exist; a cap that was hit is silence.
    pub async fn ask(&self, question: &DnsQuestion) -> Answer<DnsReply> {
        match self.look_up(&question.name, question.kind).await {
            Ok(records) => Answer::Known(records.reply()),
            Err(Trouble::BadName) => Answer::Known(DnsReply::default()),
            Err(Trouble::Silent | Trouble::TooMany) => Answer::Silent,
        }
    }
}
