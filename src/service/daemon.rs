//! The daemon: built from its configuration, served, reloaded whole, stopped with every message answered.

use super::config::Config;
use super::control::{self, Reload};
use super::log::Log;
use super::memory::Memory;
use super::{judge, state};
use crate::base::{Complaint, Severity};
use crate::milter::counters::count;
use crate::milter::{Address, Door, Judge, Listener};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sd_notify::NotifyState;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Stack of every thread. What reads mail is iterative; patterns and the DNS library need the most.
const STACK: usize = 4 << 20;

/// What the command line puts in place of the configuration, at the start and at each reload.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    pub config: Option<PathBuf>,
    pub state: Option<PathBuf>,
    pub listen: Vec<Address>,
    pub rules: Vec<PathBuf>,
    pub rules_add: Vec<PathBuf>,
    pub local: bool,
    pub nameserver: Option<SocketAddr>,
    pub authserv_id: Option<String>,
}

impl Wishes {
    /// The configuration in force.
    ///
    /// # Errors
    /// Every mistake of the file.
    pub fn config(&self) -> Result<Config, Vec<Complaint>> {
        let mut config = Config::read(self.config.as_deref())?;
        if !self.listen.is_empty() {
            config.milter.listen.clone_from(&self.listen);
        }
        if !self.rules.is_empty() {
            config.rules.only.clone_from(&self.rules);
        }
        config.rules.add.extend(self.rules_add.iter().cloned());
        config.rules.local |= self.local;
        Ok(config)
    }
}

/// Serves until told to stop. Exit status 0 after a stop, 1 if it could not begin.
pub fn serve(wishes: &Wishes) -> ExitCode {
    let config = match wishes.config() {
        Ok(config) => config,
        Err(complaints) => return refuse(&complaints),
    };
    let log = Log::install(&config.log);
    std::panic::set_hook(Box::new(tell_panic));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).min(4))
        .max_blocking_threads(config.milter.judges.max(1) + 8)
        .thread_stack_size(STACK)
        .thread_keep_alive(Duration::from_secs(30))
        .thread_name("hamgate")
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&[trouble("no threads to run on", &error)]),
    };
    let inside = runtime.enter();
    let memory = Memory::default();
    let (judge, complaints) = match judge::build(&config, wishes, &memory) {
        Ok(built) => built,
        Err(complaints) => return refuse(&complaints),
    };
    drop(inside);
    tell(&complaints);
    raise_descriptors(config.milter.connections);
    let status = runtime.block_on(run(wishes.clone(), config, judge, &memory, &log));
    // A judge that does not come back in time is left behind: its message was asked to come back.
    runtime.shutdown_timeout(Duration::from_millis(500));
    log.flush();
    status
}

async fn run(wishes: Wishes, config: Config, judge: Box<dyn Judge>, memory: &Memory, log: &Log) -> ExitCode {
    let listeners = match listeners(&config.milter.listen) {
        Ok(listeners) => listeners,
        Err(complaint) => return refuse(&[complaint]),
    };
    let (Ok(mut hangup), Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::hangup()), signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return refuse(&[trouble("no signals can be received", &std::io::Error::last_os_error())]);
    };
    let (ask, mut asked) = mpsc::channel::<Reload>(4);
    let state = state::folder(wishes.state.as_deref());
    if let Err(error) = state::make(&state).and_then(|()| control::listen(&state, ask.clone())) {
        tracing::warn!(%error, state = %state.display(), "no control socket, so hamgate reload will not find this daemon; SIGHUP works");
    }
    for listener in &listeners {
        if listener.is_exposed() {
            tracing::warn!(at = listener.name(), "listening beyond this machine: whoever reaches it is believed to be the mail server");
        }
        tracing::info!(at = listener.name(), version = env!("CARGO_PKG_VERSION"), "listening");
    }
    super::observed::open(&state);
    let door = Door::new(judge, config.milter.clone());
    let mut inside = tokio::spawn({
        let door = Arc::clone(&door);
        async move { door.run(listeners).await }
    });
    notify(&[NotifyState::Ready]);
    let mut minute = tokio::time::interval(Duration::from_secs(60));
    minute.reset();
    loop {
        tokio::select! {
            _ = &mut inside => break,
            _ = terminate.recv() => stop(&door),
            _ = interrupt.recv() => stop(&door),
            _ = hangup.recv() => {
                reload(&wishes, &door, memory).await.ok();
            }
            Some(answer) = asked.recv() => {
                let _ = answer.send(reload(&wishes, &door, memory).await);
            }
            _ = minute.tick() => tracing::info!(dropped_lines = log.dropped(), "counters {} {}", door.counters, memory.bayes()),
        }
    }
    memory.settle();
    tracing::info!("stopped; counters {} {}", door.counters, memory.bayes());
    ExitCode::SUCCESS
}

fn stop(door: &Door) {
    tracing::info!("stopping: messages in flight are answered first");
    notify(&[NotifyState::Stopping]);
    door.close();
}

/// Builds anew and swaps whole, or keeps the old and says why.
async fn reload(wishes: &Wishes, door: &Arc<Door>, memory: &Memory) -> Result<String, String> {
    let mut states = vec![NotifyState::Reloading];
    states.extend(NotifyState::monotonic_usec_now().ok());
    notify(&states);
    let (wishes, memory) = (wishes.clone(), memory.clone());
    let before = door.settings();
    let built = tokio::task::spawn_blocking(move || {
        let config = wishes.config()?;
        let (judge, complaints) = judge::build(&config, &wishes, &memory)?;
        Ok::<_, Vec<Complaint>>((config, judge, complaints))
    })
    .await;
    let answer = match built {
        Ok(Ok((config, judge, complaints))) => {
            tell(&complaints);
            if config.milter.listen != before.listen {
                tracing::warn!("listen in [milter] has changed: that needs a restart");
            }
            door.swap(judge, config.milter);
            tracing::info!("reloaded");
            let told: Vec<String> = complaints.iter().map(ToString::to_string).collect();
            Ok(format!("reloaded\n{}", told.join("\n")).trim_end().to_owned())
        }
        Ok(Err(complaints)) => {
            tell(&complaints);
            tracing::error!("not reloaded: the old configuration stays in force");
            Err(complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        }
        Err(_) => {
            count(&door.counters.panics);
            tracing::error!("not reloaded: building failed; the old configuration stays in force");
            Err("building failed: see the log".to_owned())
        }
    };
    notify(&[NotifyState::Ready]);
    answer
}

/// Sockets from systemd where it hands some over, else the configured ones.
fn listeners(addresses: &[Address]) -> Result<Vec<Listener>, Complaint> {
    let inherited = Listener::inherited().map_err(|error| trouble("the sockets of systemd cannot be used", &error))?;
    if !inherited.is_empty() {
        return Ok(inherited);
    }
    let mut all = Vec::new();
    for address in addresses {
        all.extend(Listener::bind(address)?);
    }
    if all.is_empty() {
        return Err(Complaint {
            severity: Severity::Error,
            place: None,
            what: "nothing to listen on".to_owned(),
            remedy: "give listen in [milter] an address such as inet:8891@localhost".to_owned(),
        });
    }
    Ok(all)
}

/// As many descriptors as connections may need, where the hard limit allows.
fn raise_descriptors(connections: usize) {
    let wanted = (connections as u64).saturating_mul(2).saturating_add(256);
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < wanted
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard);
    }
}

fn notify(states: &[NotifyState<'_>]) {
    // Outside of systemd there is nobody to tell.
    let _ = sd_notify::notify(states);
}

/// The place of a panic and its fixed text; a formatted one may hold text of a message.
fn tell_panic(info: &std::panic::PanicHookInfo<'_>) {
    let what = info.payload().downcast_ref::<&'static str>().copied().unwrap_or("see the place");
    let at = info.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(at, what, "panic");
}

fn tell(complaints: &[Complaint]) {
    for complaint in complaints {
        match complaint.severity {
            Severity::Note => tracing::debug!("{complaint}"),
            Severity::Warning => tracing::warn!("{complaint}"),
            Severity::Error => tracing::error!("{complaint}"),
        }
    }
}

fn refuse(complaints: &[Complaint]) -> ExitCode {
    for complaint in complaints {
        eprintln!("hamgate: {complaint}");
    }
    ExitCode::FAILURE
}

fn trouble(what: &str, error: &std::io::Error) -> Complaint {
    Complaint { severity: Severity::Error, place: None, what: format!("{what} ({error})"), remedy: String::new() }
}
