//! What is known of each list's health.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Questions in a row without answer after which a list is taken for dead.
const SILENCES: u32 = 3;
/// A proof that a list does not list everything holds so long.
pub const PROOF: Duration = Duration::from_secs(60);
/// How long a list that refused to answer is left alone.
const REFUSED: Duration = Duration::from_secs(300);
/// The longest rest of a silent list, in multiples of the first.
const LONGEST_REST: u32 = 20;

/// Why a list does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It listed what no list may list (RFC 5782 §5: 127.0.0.1; INVALID).
    ListsAll,
    /// It said that we may not ask, by this answer.
    Refuses(String),
    /// It answered as no list does (RFC 5782 §2.3: addresses in 127.0.0.0/8), by this address: a domain that was parked.
    NoList(String),
    /// It did not answer, or too late.
    Silent,
    /// It does not list its own test point (127.0.0.2; TEST): closed, or no list by RFC 5782. What it lists still scores, but
    /// refuses nobody.
    NoTestPoint,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::ListsAll => f.write_str("lists everything"),
            Fault::Refuses(answer) => write!(f, "refuses to answer ({answer})"),
            Fault::NoList(answer) => write!(f, "answers as no list does ({answer}): parked?"),
            Fault::Silent => f.write_str("does not answer"),
            Fault::NoTestPoint => f.write_str("does not list its test point: closed?"),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    fault: Option<Fault>,
    silences: u32,
    /// Not asked before this.
    rests_until: Option<Instant>,
    rest: Option<Duration>,
    /// When it last showed that it does not list everything, by addresses and by names.
    proved: [Option<Instant>; 2],
    /// The same in the negative.
    disproved: [Option<Instant>; 2],
    asked: Option<Instant>,
    /// What it was asked about: addresses, names.
    kinds: [bool; 2],
}

/// One list.
#[derive(Debug)]
pub struct Zone {
    pub name: Arc<str>,
    state: Mutex<State>,
    /// One proof at a time; others wait for it.
    pub(super) proving: tokio::sync::Mutex<()>,
}

/// Addresses, or names and digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Address,
    Name,
}

impl Zone {
    fn new(name: &str) -> Zone {
        Zone { name: name.into(), state: Mutex::default(), proving: tokio::sync::Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is about to be asked; `false`: it rests.
    pub fn may_be_asked(&self, subject: Subject, now: Instant) -> bool {
        let mut state = self.state();
        state.asked = Some(now);
        if let Some(kind) = state.kinds.get_mut(subject as usize) {
            *kind = true;
        }
        match state.rests_until {
            Some(until) if now < until => false,
            Some(_) => {
                // One question goes out to see; the others of this moment wait for the next rest to end or an answer.
                state.rests_until = state.rest.map(|_| now + Duration::from_secs(2));
                true
            }
            None => true,
        }
    }

    pub fn answered(&self) {
        let mut state = self.state();
        state.silences = 0;
        state.rests_until = None;
        state.rest = None;
        if matches!(state.fault, Some(Fault::Silent | Fault::Refuses(_))) {
            state.fault = None;
            drop(state);
            tracing::info!(zone = %self.name, "DNS list answers again: it counts");
        }
    }

    pub fn kept_silent(&self, first_rest: Duration, now: Instant) {
        let mut state = self.state();
        state.silences = state.silences.saturating_add(1);
        if state.silences >= SILENCES || state.rest.is_some() {
            let rest = state.rest.map_or(first_rest, |rest| (rest * 2).min(first_rest * LONGEST_REST));
            state.rest = Some(rest);
            state.rests_until = Some(now + rest);
            self.tell(state, Fault::Silent);
        }
    }

    /// It did not answer when it was examined, for all patience.
    pub fn is_dead(&self, first_rest: Duration, now: Instant) {
        self.state().silences = SILENCES;
        self.kept_silent(first_rest, now);
    }

    pub fn refused(&self, answer: &str, now: Instant) {
        let mut state = self.state();
        state.rest = Some(REFUSED);
        state.rests_until = Some(now + REFUSED);
        self.tell(state, Fault::Refuses(answer.to_owned()));
    }

    /// Whether it answers as lists do; else with what.
    pub fn speaks(&self, foreign: Option<&str>) {
        let mut state = self.state();
        match (foreign, &state.fault) {
            (Some(answer), _) => self.tell(state, Fault::NoList(answer.to_owned())),
            (None, Some(Fault::NoList(_))) => {
                state.fault = None;
                drop(state);
                tracing::info!(zone = %self.name, "DNS list answers as a list again: it counts");
            }
            (None, Some(_) | None) => {}
        }
    }

    /// What a proof said; `None`: none that still holds.
    pub fn proof(&self, subject: Subject, now: Instant) -> Option<bool> {
        let state = self.state();
        let fresh = |at: Option<&Option<Instant>>| at.and_then(|at| *at).is_some_and(|at| now.duration_since(at) < PROOF);
        if fresh(state.disproved.get(subject as usize)) {
            return Some(false);
        }
        fresh(state.proved.get(subject as usize)).then_some(true)
    }

    pub fn prove(&self, subject: Subject, sound: bool, now: Instant) {
        let mut state = self.state();
        let at = subject as usize;
        if let (Some(proved), true) = (state.proved.get_mut(at), sound) {
            *proved = Some(now);
        }
        if let Some(disproved) = state.disproved.get_mut(at) {
            *disproved = if sound { None } else { Some(now) };
        }
        if !sound {
            self.tell(state, Fault::ListsAll);
        } else if state.fault == Some(Fault::ListsAll) && state.disproved.iter().all(Option::is_none) {
            state.fault = None;
            drop(state);
            tracing::info!(zone = %self.name, "DNS list is sound again: it counts");
        }
    }

    /// Whether the list shows its test point.
    pub fn shows_test_point(&self, shows: bool) {
        let mut state = self.state();
        match (shows, &state.fault) {
            (false, None) => self.tell(state, Fault::NoTestPoint),
            (true, Some(Fault::NoTestPoint)) => state.fault = None,
            (false, Some(_)) | (true, _) => {}
        }
    }

    pub fn fault(&self) -> Option<Fault> {
        self.state().fault.clone()
    }

    /// The subjects that it was asked about lately; `None`: not asked within the last two minutes.
    pub fn in_use(&self, now: Instant) -> Option<Vec<Subject>> {
        let state = self.state();
        let lately = state.asked.is_some_and(|at| now.duration_since(at) < PROOF * 2);
        let kinds = [Subject::Address, Subject::Name].into_iter().filter(|kind| state.kinds.get(*kind as usize) == Some(&true));
        lately.then(|| kinds.collect())
    }

    pub fn rests(&self, now: Instant) -> bool {
        self.state().rests_until.is_some_and(|until| now < until)
    }

    /// A fault is told when it begins, not each time it is seen.
    fn tell(&self, mut state: std::sync::MutexGuard<'_, State>, fault: Fault) {
        if state.fault.as_ref().map(std::mem::discriminant) != Some(std::mem::discriminant(&fault)) {
            state.fault = Some(fault.clone());
            drop(state);
            match fault {
                Fault::NoTestPoint => tracing::warn!(zone = %self.name, %fault, "DNS list refuses nobody until it does"),
                Fault::ListsAll | Fault::Refuses(_) | Fault::NoList(_) | Fault::Silent => {
                    tracing::warn!(zone = %self.name, %fault, "DNS list does not count until it is sound again");
                }
            }
        }
    }
}

/// All lists that are asked, by zone.
#[derive(Debug, Default)]
pub struct Board {
    zones: HashMap<Arc<str>, Arc<Zone>>,
}

impl Board {
    pub fn new<'z>(zones: impl IntoIterator<Item = &'z str>) -> Board {
        let named = zones.into_iter().map(|zone| zone.trim_matches('.').to_ascii_lowercase());
        Board { zones: named.map(|name| (Arc::from(name.as_str()), Arc::new(Zone::new(&name)))).collect() }
    }

    pub fn zone(&self, name: &str) -> Option<&Arc<Zone>> {
        self.zones.get(name)
    }

    pub fn zones(&self) -> Vec<&Arc<Zone>> {
        let mut all: Vec<&Arc<Zone>> = self.zones.values().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The list that a name is asked of, and what stands before its zone.
    pub fn of<'n>(&self, name: &'n str) -> Option<(&Arc<Zone>, &'n str)> {
        let mut from = 0;
        while let Some(dot) = name.get(from..)?.find('.') {
            let parent = name.get(from + dot + 1..)?;
            if let Some(zone) = self.zones.get(parent) {
                return Some((zone, name.get(..from + dot)?));
            }
            from += dot + 1;
        }
        None
    }
}

impl Subject {
    /// `4.3.2.1` or 32 nibbles: an address in reverse.
    pub fn of(labels: &str) -> Subject {
        let nibbles = labels.len() == 63 && labels.split('.').all(|label| label.len() == 1 && label.bytes().all(|o| o.is_ascii_hexdigit()));
        if nibbles || labels.parse::<std::net::Ipv4Addr>().is_ok() { Subject::Address } else { Subject::Name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_zone_is_found_under_a_name() {
        let board = Board::new(["bl.example.org.", "sub.bl.example.org"]);
        let of = |name: &'static str| board.of(name).map(|(zone, labels)| (zone.name.to_string(), labels));
        assert_eq!(of("2.0.0.127.bl.example.org"), Some(("bl.example.org".into(), "2.0.0.127")));
        assert_eq!(of("a.example.sub.bl.example.org"), Some(("sub.bl.example.org".into(), "a.example")));
        assert_eq!(of("example.net"), None);
    }

    #[test]
    fn a_silent_list_rests_and_is_tried_again() {
        let zone = Zone::new("bl.example.org");
        let (rest, mut now) = (Duration::from_secs(30), Instant::now());
        for _ in 0..3 {
            assert!(zone.may_be_asked(Subject::Address, now));
            zone.kept_silent(rest, now);
        }
        assert!(!zone.may_be_asked(Subject::Address, now));
        assert_eq!(zone.fault(), Some(Fault::Silent));
        now += rest;
        assert!(zone.may_be_asked(Subject::Address, now));
        assert!(!zone.may_be_asked(Subject::Address, now));
        zone.answered();
        assert_eq!(zone.fault(), None);
        assert!(zone.may_be_asked(Subject::Address, now));
    }

    #[test]
    fn a_proof_holds_for_a_minute() {
        let zone = Zone::new("bl.example.org");
        let now = Instant::now();
        assert_eq!(zone.proof(Subject::Name, now), None);
        zone.prove(Subject::Name, true, now);
        assert_eq!(zone.proof(Subject::Name, now), Some(true));
        assert_eq!(zone.proof(Subject::Address, now), None);
        assert_eq!(zone.proof(Subject::Name, now + PROOF), None);
        zone.prove(Subject::Name, false, now);
        assert_eq!(zone.fault(), Some(Fault::ListsAll));
    }
}
