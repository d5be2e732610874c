//! The antivirus daemon's socket: clamd's INSTREAM over a local or a TCP socket (clamd(8), "COMMANDS").

mod clamd;
pub mod settings;

pub use settings::{Server, Settings};

use crate::facts::{Answer, Virus};
use crate::mail::Mail;
use clamd::Session;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A server that failed is asked after the others for so long.
const REST: Duration = Duration::from_secs(30);

/// Asks one of several daemons.
pub struct Scanner {
    servers: Vec<Server>,
    largest: usize,
    timeout: Duration,
    /// Whose turn it is.
    next: AtomicUsize,
    failed: Mutex<Vec<Option<Instant>>>,
}

impl Scanner {
    /// `None`: no daemon is configured.
    ///
    /// # Errors
    /// The server that cannot be understood, and how to write it.
    pub fn new(settings: &Settings) -> Result<Option<Scanner>, String> {
        let servers = settings.servers.iter().map(|text| Server::parse(text)).collect::<Result<Vec<Server>, String>>()?;
        if servers.is_empty() {
            return Ok(None);
        }
        let failed = Mutex::new(vec![None; servers.len()]);
        let largest = usize::try_from(settings.largest.0).unwrap_or(usize::MAX);
        Ok(Some(Scanner { servers, largest, timeout: settings.timeout.0, next: AtomicUsize::new(0), failed }))
    }

    /// The verdict on a message, and on what it keeps of other readings (`Wanted::readings`). Blocks until it has come, or
    /// the deadline.
    pub fn inspect(&self, mail: &Mail, deadline: Instant) -> Answer<Virus> {
        let raw = mail.as_sent();
        if raw.len() > self.largest {
            return Answer::Known(Virus::Unseen(format!("larger than {} octets", self.largest)));
        }
        let deadline = deadline.min(Instant::now() + self.timeout);
        // What the daemon's own reading of the structure may not find.
        let mut total = raw.len();
        let mut fits = |part: &&[u8]| {
            let fits = total + part.len() <= self.largest;
            total += if fits { part.len() } else { 0 };
            fits
        };
        let hidden: Vec<&[u8]> = mail.carried().readings.iter().map(Vec::as_slice).filter(&mut fits).collect();
        for number in self.order() {
            let Some(server) = self.servers.get(number) else { continue };
            match ask(server, raw, &hidden, deadline) {
                Ok(verdict) => {
                    self.note(number, None);
                    return Answer::Known(verdict);
                }
                Err(error) => {
                    tracing::warn!(server = %server, %error, "the antivirus daemon did not answer");
                    self.note(number, Some(Instant::now()));
                }
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        Answer::Silent
    }

    /// In turn, those that failed lately last.
    fn order(&self) -> Vec<usize> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.servers.len();
        let failed = self.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let rests = |number: &usize| failed.get(*number).copied().flatten().is_some_and(|at| at.elapsed() < REST);
        let mut order: Vec<usize> = (0..count).map(|i| (first % count + i) % count).collect();
        order.sort_by_key(rests);
        order
    }

    fn note(&self, number: usize, failure: Option<Instant>) {
        let mut failed = self.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(place) = failed.get_mut(number) {
            *place = failure;
        }
    }
}

fn ask(server: &Server, raw: &[u8], hidden: &[&[u8]], deadline: Instant) -> io::Result<Virus> {
    let mut session = Session::open(server, deadline)?;
    let mut verdict = session.scan(raw)?;
    for part in hidden {
        if !matches!(verdict, Virus::Clean) {
            break;
        }
        verdict = session.scan(part)?;
    }
    Ok(verdict)
}

#[cfg(test)]
mod tests;
