//! The log: one line an event, escaped, bounded, written by a thread of its own so that no scan ever waits for a disk.

use super::log_layer::LogLayer;
use serde::Deserialize;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `name=value` pairs.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Standard error.
    Stderr,
    /// systemd's journal, with fields.
    Journald,
    /// syslog, facility mail.
    Syslog,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

crate::settings! {
    /// The log: one line a message, found again by its id or the queue id; never text of a message.
    pub struct Settings in "log" {
        /// "stderr", "journald", "syslog" (facility mail). A change needs a restart.
        pub to: Target = "\"stderr\"",
        /// "text" or "json"; journald takes fields in any case.
        pub format: Format = "\"text\"",
        /// "error", "warn", "info", "debug".
        pub level: Level = "\"info\"",
    }
}

/// Lines that wait for the writer; beyond it they are dropped and counted.
const WAITING: usize = 8192;

pub(super) enum Item {
    Line(Vec<u8>),
    /// Answered when all before it is written.
    Flush(SyncSender<()>),
}

/// Where events send their lines.
#[derive(Clone)]
pub(super) struct Outlet {
    lines: SyncSender<Item>,
    dropped: Arc<AtomicU64>,
}

impl Outlet {
    pub(super) fn send(&self, line: Vec<u8>) {
        match self.lines.try_send(Item::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// The log of the process.
pub struct Log {
    outlet: Outlet,
}

impl Log {
    /// Installs the log for the whole process; a second call changes nothing.
    pub fn install(settings: &Settings) -> Log {
        let (lines, waiting) = sync_channel(WAITING);
        let outlet = Outlet { lines, dropped: Arc::default() };
        let sink = Sink::open(settings.to);
        let spawned = std::thread::Builder::new().name("log".to_owned()).stack_size(256 * 1024).spawn(move || write(waiting, sink));
        if spawned.is_err() {
            eprintln!("hamgate: no thread for the log");
        }
        let level = match settings.level {
            Level::Error => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
        };
        let layer = LogLayer::new(outlet.clone(), settings.to, settings.format);
        // Libraries speak at warn and above.
        let ours =
            tracing_subscriber::filter::filter_fn(|event| event.target().starts_with("hamgate") || *event.level() <= tracing::Level::WARN);
        let _ = tracing_subscriber::registry().with(level).with(tracing_subscriber::Layer::with_filter(layer, ours)).try_init();
        Log { outlet }
    }

    /// Lines dropped so far, since nobody took them.
    pub fn dropped(&self) -> u64 {
        self.outlet.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all is written, a second at most.
    pub fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.outlet.lines.try_send(Item::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(Duration::from_secs(1));
        }
    }
}

enum Sink {
    Stderr,
    Datagram(UnixDatagram, &'static str),
}

impl Sink {
    fn open(target: Target) -> Sink {
        let path = match target {
            Target::Stderr => return Sink::Stderr,
            Target::Journald => "/run/systemd/journal/socket",
            Target::Syslog => "/dev/log",
        };
        match UnixDatagram::unbound() {
            Ok(socket) => Sink::Datagram(socket, path),
            Err(_) => Sink::Stderr,
        }
    }

    fn put(&self, line: &[u8]) {
        // Nobody is left to tell of a log that cannot be written; mail goes on.
        match self {
            Sink::Stderr => {
                let _ = std::io::stderr().lock().write_all(line);
            }
            Sink::Datagram(socket, path) => {
                let _ = socket.send_to(line, path);
            }
        }
    }
}

fn write(waiting: Receiver<Item>, sink: Sink) {
    while let Ok(item) = waiting.recv() {
        match item {
            Item::Line(line) => sink.put(&line),
            Item::Flush(done) => {
                let _ = done.send(());
            }
        }
    }
}
