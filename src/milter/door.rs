//! The door: takes connections in until it is told to close, makes room when there is none, and waits for those inside.

use super::counters::{Counters, count};
use super::judge::Judge;
use super::letter::Budget;
use super::listen::Listener;
use super::registry::Registry;
use super::serve::Serving;
use super::settings::Settings;
use arc_swap::ArcSwap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Open,
    /// No new connections and messages; those in flight are answered.
    Closing,
    /// The deadline has come: whoever waits for a verdict is asked to come back.
    Over,
}

/// What connections share.
pub struct Door {
    judge: ArcSwap<Box<dyn Judge>>,
    settings: ArcSwap<Settings>,
    pub counters: Arc<Counters>,
    pub(super) registry: Arc<Registry>,
    pub(super) budget: Arc<Budget>,
    pub(super) judges: Arc<Semaphore>,
    phase: watch::Sender<Phase>,
}

impl Door {
    pub fn new(judge: Box<dyn Judge>, settings: Settings) -> Arc<Door> {
        Arc::new(Door {
            judge: ArcSwap::from_pointee(judge),
            judges: Arc::new(Semaphore::new(settings.judges.max(1))),
            settings: ArcSwap::from_pointee(settings),
            counters: Arc::default(),
            registry: Arc::default(),
            budget: Arc::default(),
            phase: watch::Sender::new(Phase::Open),
        })
    }

    /// Messages that begin from here on meet the new judge; those in flight keep theirs.
    pub fn swap(&self, judge: Box<dyn Judge>, settings: Settings) {
        self.judge.store(Arc::new(judge));
        self.settings.store(Arc::new(settings));
    }

    pub fn judge(&self) -> Arc<Box<dyn Judge>> {
        self.judge.load_full()
    }

    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Begins the end: `run` returns when the messages in flight are answered or the deadline has come.
    pub fn close(&self) {
        self.phase.send_if_modified(|phase| {
            let open = *phase == Phase::Open;
            if open {
                *phase = Phase::Closing;
            }
            open
        });
    }

    /// Serves all listeners until closed. The error: a task of ours ended by itself.
    pub async fn run(self: &Arc<Self>, listeners: Vec<Listener>) {
        let mut doors = JoinSet::new();
        for listener in listeners {
            doors.spawn(Arc::clone(self).listen(listener));
        }
        let mut connections = JoinSet::new();
        while let Some(ended) = doors.join_next().await {
            if let Ok(inside) = ended {
                connections.spawn(inside);
            }
        }
        while connections.join_next().await.is_some() {}
    }

    /// Takes connections of one listener in; what it returns waits for those still inside.
    async fn listen(self: Arc<Self>, listener: Listener) -> impl Future<Output = ()> + Send + 'static {
        let mut phase = self.phase();
        let mut inside = JoinSet::new();
        let mut complained = None;
        while *phase.borrow_and_update() == Phase::Open {
            while inside.try_join_next().is_some() {}
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = phase.changed() => continue,
            };
            match accepted {
                Ok(stream) => {
                    count(&self.counters.connections);
                    self.wait_for_room(&mut phase, &mut complained).await;
                    let serving = Serving::new(stream, Arc::clone(&self));
                    inside.spawn(serving.run());
                }
                Err(error) if is_exhaustion(&error) => {
                    self.make_room("no file descriptor is left", &mut complained);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                // The peer is gone before it was let in (accept(2) passes on network errors of the new socket).
                Err(error) => {
                    tracing::debug!(%error, "a connection was not taken in");
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
        drop(listener);
        self.last_ones(inside)
    }

    /// Waits for the connections still inside; ends their waiting when the deadline has come.
    fn last_ones(self: Arc<Self>, mut inside: JoinSet<()>) -> impl Future<Output = ()> + Send + 'static {
        let deadline = Instant::now() + self.settings.load().stop.0;
        async move {
            let all = async { while inside.join_next().await.is_some() {} };
            if tokio::time::timeout_at(deadline, all).await.is_err() {
                self.phase.send_replace(Phase::Over);
                // Long enough to write the last replies.
                let all = async { while inside.join_next().await.is_some() {} };
                let _ = tokio::time::timeout(Duration::from_secs(1), all).await;
            }
        }
    }

    /// Returns when there is room for one more: at once where an idle connection can be asked to leave.
    async fn wait_for_room(&self, phase: &mut watch::Receiver<Phase>, complained: &mut Option<Instant>) {
        while self.registry.open() >= self.settings.load().connections && *phase.borrow() == Phase::Open {
            if self.make_room("as many connections as [milter] connections allows", complained) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// `true`: somebody leaves.
    fn make_room(&self, why: &str, complained: &mut Option<Instant>) -> bool {
        let made = self.registry.make_room();
        if made {
            count(&self.counters.evicted);
        }
        if complained.is_none_or(|at: Instant| at.elapsed() > Duration::from_secs(60)) {
            *complained = Some(Instant::now());
            let what = if made { "the connection that was idle longest is closed" } else { "new connections wait" };
            tracing::warn!(open = self.registry.open(), "{why}: {what}");
        }
        made
    }
}

/// EMFILE, ENFILE, ENOBUFS, ENOMEM: it passes when somebody leaves.
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}
