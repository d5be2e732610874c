//! Asks lists on behalf of messages, and keeps back what a broken list says.

use super::health::{Board, Subject, Zone};
use super::probe::{self, Point, is_refusal};
use super::settings::Settings;
use crate::base::Mode;
use crate::dns::{Records, Resolver, Session, Trouble};
use crate::facts::{Answer, DnsQuestion, DnsReply, DnsType};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Flights kept in mind before those that are over are looked for.
const MOST_FLIGHTS: usize = 4096;

#[derive(Clone, Debug)]
pub struct Guard {
    pub board: Arc<Board>,
    resolver: Resolver,
    patience: Duration,
    rest: Duration,
    watches: bool,
    /// A list that refuses to answer is left alone for a while.
    rests_refused: bool,
    /// Questions on their way: who asks the same waits, and finds the answer in the cache.
    flights: Arc<Mutex<HashMap<DnsQuestion, Arc<tokio::sync::Mutex<()>>>>>,
}

impl Guard {
    pub fn new(board: Board, resolver: Resolver, settings: &Settings, patience: Option<Duration>) -> Guard {
        Guard {
            board: Arc::new(board),
            resolver,
            patience: patience.unwrap_or(settings.patience.0),
            rest: settings.rest.0,
            watches: settings.health != Mode::Off,
            rests_refused: true,
            flights: Arc::default(),
        }
    }

    /// For a run over files, where one message must not change what another one's lists say.
    pub fn for_files(self) -> Guard {
        Guard { rests_refused: false, ..self }
    }

    pub fn watches(&self) -> bool {
        self.watches
    }

    pub(super) fn session(&self) -> Session {
        self.resolver.session()
    }

    /// As `Session::ask`; what a list says passes only from a list that is sound.
    pub async fn ask(&self, session: &Session, question: &DnsQuestion) -> Answer<DnsReply> {
        let Some((zone, labels)) = self.board.of(&question.name) else {
            return session.ask(question).await;
        };
        let subject = Subject::of(labels);
        if self.watches && !zone.may_be_asked(subject, Instant::now()) {
            return Answer::Silent;
        }
        let asked = tokio::time::timeout(self.patience, self.look_up(session, question)).await;
        match asked.unwrap_or(Err(Trouble::Silent)) {
            Ok(records) => {
                let reply = records.reply();
                if self.watches { self.believe(zone, subject, question.kind, reply).await } else { Answer::Known(reply) }
            }
            Err(Trouble::Silent) => {
                if self.watches {
                    zone.kept_silent(self.rest, Instant::now());
                }
                Answer::Silent
            }
            Err(Trouble::BadName) => Answer::Known(DnsReply::default()),
            Err(Trouble::TooMany) => Answer::Silent,
        }
    }

    async fn look_up(&self, session: &Session, question: &DnsQuestion) -> Result<Arc<Records>, Trouble> {
        let flight = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            // Flights that nobody waits for any more are over.
            if flights.len() >= MOST_FLIGHTS {
                flights.retain(|_, flight| Arc::strong_count(flight) > 1);
            }
            Arc::clone(flights.entry(question.clone()).or_default())
        };
        let asking = flight.lock().await;
        let answer = session.look_up(&question.name, question.kind).await;
        drop(asking);
        if Arc::strong_count(&flight) <= 2 {
            self.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(question);
        }
        answer
    }

    /// Answers into the cache before anybody waits for them.
    pub fn warm(&self, runtime: &tokio::runtime::Handle, questions: Vec<DnsQuestion>) {
        if questions.is_empty() {
            return;
        }
        let guard = self.clone();
        runtime.spawn(async move {
            let session = guard.session();
            let mut tasks = tokio::task::JoinSet::new();
            for question in questions {
                let (guard, session) = (guard.clone(), session.clone());
                tasks.spawn(async move { guard.ask(&session, &question).await });
            }
            while tasks.join_next().await.is_some() {}
        });
    }

    /// A rule tells that a zone is not to be asked for a while (`dns_block_rule`).
    pub fn block(&self, zone: &str, rule: &str) {
        if let Some(zone) = self.board.zone(zone).filter(|_| self.rests_refused && self.watches) {
            zone.refused(rule, Instant::now());
        }
    }

    async fn believe(&self, zone: &Arc<Zone>, subject: Subject, kind: DnsType, reply: DnsReply) -> Answer<DnsReply> {
        if let Some(refusal) = reply.records.iter().find(|record| is_refusal(record)) {
            if self.rests_refused {
                zone.refused(refusal, Instant::now());
            }
            // Rules that name the refusal may tell of it; it is no listing for others.
            return Answer::Known(reply);
        }
        zone.answered();
        if kind == DnsType::A
            && let Some(first) = reply.records.first()
        {
            let is_list = reply.records.iter().any(|record| record.starts_with("127."));
            zone.speaks(Some(first.as_str()).filter(|_| !is_list));
            if !is_list {
                return Answer::Known(DnsReply { records: Vec::new(), exists: reply.exists });
            }
        }
        if reply.records.is_empty() || self.is_sound(zone, subject, kind).await { Answer::Known(reply) } else { Answer::Silent }
    }

    /// Whether the list has shown of late that it does not list everything; if not, it is asked for what no list may list.
    async fn is_sound(&self, zone: &Arc<Zone>, subject: Subject, kind: DnsType) -> bool {
        if let Some(proof) = zone.proof(subject, Instant::now()) {
            return proof;
        }
        let _one_at_a_time = zone.proving.lock().await;
        if let Some(proof) = zone.proof(subject, Instant::now()) {
            return proof;
        }
        let session = self.session();
        let name = probe::never(&zone.name, subject);
        let point = tokio::time::timeout(self.patience, probe::ask(&session, &name, kind)).await.unwrap_or(Point::Silent);
        match point {
            Point::NotListed => {
                zone.prove(subject, true, Instant::now());
                true
            }
            Point::Listed(_) => {
                zone.prove(subject, false, Instant::now());
                false
            }
            // What cannot be proved does not count this time.
            Point::Silent => false,
        }
    }

    /// The zones of these that list the address, sound and complete with test point.
    pub async fn listed_by(&self, ip: std::net::IpAddr, zones: &[(Arc<str>, Wanted)]) -> Vec<Arc<str>> {
        let session = self.session();
        let mut tasks = tokio::task::JoinSet::new();
        for (at, (name, wanted)) in zones.iter().enumerate() {
            let (guard, session, name, wanted) = (self.clone(), session.clone(), Arc::clone(name), *wanted);
            tasks.spawn(async move {
                let question = DnsQuestion { name: format!("{}.{name}", reversed(ip)).into(), kind: DnsType::A };
                let answer = guard.ask(&session, &question).await;
                let listed = answer.known().is_some_and(|reply| reply.records.iter().any(|record| wanted.admits(record)));
                let sound = !guard.watches || guard.board.zone(&name).is_some_and(|zone| zone.fault().is_none());
                (listed && sound).then_some((at, name))
            });
        }
        let mut found = Vec::new();
        while let Some(done) = tasks.join_next().await {
            found.extend(done.ok().flatten());
        }
        found.sort_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, name)| name).collect()
    }
}

/// The answers of a list that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Range(u32, u32),
    /// Value and mask.
    Masked(u32, u32),
    Bits(u32),
}

impl Wanted {
    /// As `answer` of a `[[list]]` writes it.
    pub fn parse(text: &str) -> Option<Wanted> {
        let number = |text: &str| -> Option<u32> {
            text.parse::<std::net::Ipv4Addr>().map(u32::from).ok().or_else(|| match text.strip_prefix("0x") {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => text.parse().ok(),
            })
        };
        if text.is_empty() {
            return Some(Wanted::Range(0x7f00_0000, 0x7fff_feff));
        }
        if let Some((least, most)) = text.split_once('-') {
            return Some(Wanted::Range(number(least)?, number(most)?));
        }
        if let Some((value, mask)) = text.split_once('/') {
            return Some(Wanted::Masked(number(value)?, number(mask)?));
        }
        let value = number(text)?;
        Some(if text.contains('.') { Wanted::Range(value, value) } else { Wanted::Bits(value) })
    }

    fn admits(self, record: &str) -> bool {
        let Ok(ip) = record.parse::<std::net::Ipv4Addr>() else { return false };
        let number = u32::from(ip);
        let fits = match self {
            Wanted::Range(least, most) => (least..=most).contains(&number),
            Wanted::Masked(value, mask) => number & mask == value & mask,
            Wanted::Bits(bits) => number & bits != 0,
        };
        fits && ip.octets()[0] == 127 && !is_refusal(record)
    }
}

/// RFC 5782 §2.1, 2.4.
pub fn reversed(ip: std::net::IpAddr) -> String {
    let name = crate::dns::name::reverse(ip);
    name.trim_end_matches(".in-addr.arpa").trim_end_matches(".ip6.arpa").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_admitted_by_address_range_mask_or_bits() {
        for (text, record, fits) in [
            ("", "127.0.0.9", true),
            ("", "127.255.255.254", false),
            ("", "192.0.2.1", false),
            ("127.0.0.2", "127.0.0.2", true),
            ("127.0.0.2", "127.0.0.3", false),
            ("127.0.0.4-127.0.0.7", "127.0.0.5", true),
            ("127.0.1.0/255.255.255.0", "127.0.1.77", true),
            ("6", "127.0.0.4", true),
            ("6", "127.0.0.8", false),
        ] {
            assert_eq!(Wanted::parse(text).unwrap().admits(record), fits, "{text} {record}");
        }
    }

    #[test]
    fn addresses_are_asked_in_reverse() {
        assert_eq!(reversed("192.0.2.1".parse().unwrap()), "1.2.0.192");
        assert_eq!(reversed("2001:db8::1".parse().unwrap()).len(), 63);
    }
}
