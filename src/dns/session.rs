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
#[derive(Clone, Debug)]
pub struct Session {
    resolver: Resolver,
    left: Arc<AtomicU32>,
    until: Instant,
}

impl Session {
    pub(super) fn new(resolver: Resolver, caps: Caps) -> Session {
        Session { resolver, left: Arc::new(AtomicU32::new(caps.questions)), until: Instant::now() + caps.deadline }
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

    /// Side by side; answers in the order of the questions.
    pub async fn look_up_all(&self, questions: Vec<(String, DnsType)>) -> Vec<Result<Arc<Records>, Trouble>> {
        if let [(name, kind)] = questions.as_slice() {
            return vec![self.look_up(name, *kind).await];
        }
        let mut answers = vec![Err(Trouble::Silent); questions.len()];
        let mut tasks = tokio::task::JoinSet::new();
        for (index, (name, kind)) in questions.into_iter().enumerate() {
            let session = self.clone();
            tasks.spawn(async move { (index, session.look_up(&name, kind).await) });
        }
        while let Some(done) = tasks.join_next().await {
            if let Ok((index, answer)) = done
                && let Some(slot) = answers.get_mut(index)
            {
                *slot = answer;
            }
        }
        answers
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
