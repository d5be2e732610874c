//! The long-lived half: servers and cache, shared by all messages.

use super::cache::Cache;
use super::session::{Caps, Session};
use super::settings::Settings;
use super::wire::{Records, Told};
use super::{Trouble, transport};
use crate::facts::{DnsQuestion, DnsType};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// Names asked anew because a server did not follow its own aliases.
const FURTHER_ALIASES: usize = 8;

#[derive(Clone, Debug)]
pub struct Resolver {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    servers: Vec<SocketAddr>,
    /// Index of the server that answered last, asked first.
    preferred: AtomicUsize,
    timeout: Duration,
    tries: u32,
    caps: Caps,
    cache: Cache,
}

impl Resolver {
    /// Fails when a name server of the settings is no address.
    pub fn new(settings: &Settings) -> Result<Resolver, String> {
        Ok(Resolver {
            inner: Arc::new(Inner {
                servers: settings.servers()?,
                preferred: AtomicUsize::new(0),
                timeout: settings.timeout.0,
                tries: settings.retries.saturating_add(1),
                caps: Caps { questions: settings.questions_per_message, deadline: settings.deadline.0 },
                cache: Cache::new(settings.cache_entries),
            }),
        })
    }

    /// What one message may ask, from now until the deadline.
    pub fn session(&self) -> Session {
        self.session_with(self.inner.caps)
    }

    pub fn session_with(&self, caps: Caps) -> Session {
        Session::new(self.clone(), caps)
    }

    pub fn caps(&self) -> Caps {
        self.inner.caps
    }

    pub fn forget(&self) {
        self.inner.cache.clear();
    }

    pub(super) fn cached(&self, question: &DnsQuestion) -> Option<Arc<Records>> {
        self.inner.cache.get(question)
    }

    /// Over the network; what was learnt is kept. A silent server is not remembered: the next message asks again.
    pub(super) async fn ask(&self, question: DnsQuestion) -> Result<Arc<Records>, Trouble> {
        let mut name = question.name.to_string();
        let mut ttl = Duration::MAX;
        for _ in 0..FURTHER_ALIASES {
            match self.ask_servers(&name, question.kind).await {
                Told::Answer(mut records) => {
                    records.ttl = records.ttl.min(ttl);
                    let records = Arc::new(records);
                    self.inner.cache.keep(question, &records);
                    return Ok(records);
                }
                Told::Alias(target) => {
                    name = super::name::checked(&target).ok_or(Trouble::Silent)?;
                    ttl = Duration::from_secs(60);
                }
                Told::Truncated | Told::Failed | Told::Foreign => return Err(Trouble::Silent),
            }
        }
        Err(Trouble::Silent)
    }

    /// The first try that answers wins. One that has not answered after a quarter of its time, by a lost packet most often,
    /// is joined by the next, and listened to all the same.
    async fn ask_servers(&self, name: &str, kind: DnsType) -> Told {
        let inner = &*self.inner;
        let first = inner.preferred.load(Ordering::Relaxed);
        let tries = usize::try_from(inner.tries).unwrap_or(1);
        let mut under_way = JoinSet::new();
        for round in 0..tries {
            let index = first.wrapping_add(round) % inner.servers.len().max(1);
            let Some(server) = inner.servers.get(index).copied() else { return Told::Failed };
            let (name, timeout) = (name.to_owned(), inner.timeout);
            under_way.spawn(async move { (index, transport::ask(server, &name, kind, timeout).await) });
            let is_last = round + 1 == tries;
            let patience = if is_last { timeout * 2 } else { timeout / 4 * (1 << round.min(2)) };
            let until = Instant::now() + patience;
            // A try that failed makes room for the next at once; the last one waits for all that are under way.
            while let Ok(Some(done)) = timeout_at(until, under_way.join_next()).await {
                match done {
                    Ok((index, told @ (Told::Answer(_) | Told::Alias(_)))) => {
                        inner.preferred.store(index, Ordering::Relaxed);
                        return told;
                    }
                    Ok((_, Told::Failed | Told::Foreign | Told::Truncated)) | Err(_) if is_last => {}
                    Ok((_, Told::Failed | Told::Foreign | Told::Truncated)) | Err(_) => break,
                }
            }
        }
        Told::Failed
    }
}
