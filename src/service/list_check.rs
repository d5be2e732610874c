//! DNS lists at the door: asked as soon as the client is known, and, where the operator wishes, agreeing on a refusal.

use super::config::Config;
use super::doors::DoorCheck;
use super::gate::Gate;
use crate::base::{Complaint, Mode, Severity};
use crate::dns::Resolver;
use crate::facts::{DnsQuestion, DnsType};
use crate::lists::guard::{Wanted, reversed};
use crate::lists::{self, Asks, Board, Guard};
use crate::mail::Envelope;
use crate::milter::judge::{Promise, Stages};
use crate::milter::{Early, Visit};
use crate::outcome::Reply;
use crate::rules::RuleSet;
use crate::rules::engine::dns;
use std::sync::Arc;

/// What the check is made of, before there is a gate.
pub struct Parts {
    settings: lists::Settings,
    refusing: Vec<(Arc<str>, Wanted)>,
    /// Zones that are asked about each client, and for which records.
    warmed: Vec<(String, DnsType)>,
}

/// Lists of the rules and of `[[list]]`, and what stands at the door of them.
pub fn build(config: &Config, resolver: &Resolver, set: &RuleSet) -> (Guard, Parts, Option<Complaint>) {
    let zones = dns::zones(set);
    let own = config.own_lists.iter().map(|list| list.zone.as_str());
    let board = Board::new(zones.iter().map(String::as_str).chain(own));
    let guard = Guard::new(board, resolver.clone(), &config.lists, dns::patience(set));
    let refuses = config.own_lists.iter().filter(|list| list.refuse);
    let refusing: Vec<_> = refuses
        .filter_map(|list| Some((Arc::from(list.zone.trim_end_matches('.').to_ascii_lowercase()), Wanted::parse(&list.answer)?)))
        .collect();
    let may_ask = dns::is_available(&set.options) && !set.options.is_on("skip_rbl_checks", false);
    let mut warmed = if may_ask { dns::address_lists(set) } else { Vec::new() };
    let clients = config.own_lists.iter().filter(|list| list.asks == Asks::Client && may_ask);
    warmed.extend(clients.map(|list| (list.zone.trim_end_matches('.').to_ascii_lowercase(), DnsType::A)));
    let few = config.lists.refusal != Mode::Off && (refusing.len() as u64) < u64::from(config.lists.refuse_at);
    let complaint = few.then(|| Complaint {
        severity: Severity::Warning,
        place: None,
        what: format!("refuse_at = {} in [lists], and {} lists with refuse = true", config.lists.refuse_at, refusing.len()),
        remedy: "nobody is refused: give more lists refuse = true, or lower refuse_at".to_owned(),
    });
    (guard, Parts { settings: config.lists.clone(), refusing, warmed }, complaint)
}

/// Looks after the lists once a minute, for as long as they are asked.
pub fn watch(guard: &Arc<Guard>, config: &Config) {
    if guard.watches() {
        let refusing = config.own_lists.iter().filter(|list| list.refuse).map(|list| Arc::from(list.zone.trim_end_matches('.'))).collect();
        tokio::spawn(lists::watch(Arc::downgrade(guard), refusing));
    }
}

impl Parts {
    pub fn at(self, gate: &Arc<Gate>, guard: &Arc<Guard>) -> ListCheck {
        let runtime = tokio::runtime::Handle::current();
        ListCheck { gate: Arc::clone(gate), guard: Arc::clone(guard), parts: self, runtime }
    }
}

pub struct ListCheck {
    gate: Arc<Gate>,
    guard: Arc<Guard>,
    parts: Parts,
    runtime: tokio::runtime::Handle,
}

impl ListCheck {
    async fn ask(&self, visit: &Visit, envelope: &Envelope) -> Early {
        let Parts { settings, refusing, .. } = &self.parts;
        let Some(ip) = visit.client.ip.filter(|_| self.gate.is_outside(visit)) else { return Early::Continue };
        if settings.refusal == Mode::Off || refusing.is_empty() || settings.refuse_at == 0 {
            return Early::Continue;
        }
        let found = self.guard.listed_by(ip, refusing).await;
        if (found.len() as u64) < u64::from(settings.refuse_at) {
            return Early::Continue;
        }
        let text = settings.text.replace("{client}", &ip.to_string()).replace("{zones}", &found.join(", "));
        let reply = Reply { code: 554, status: "5.7.1".to_owned(), text };
        self.gate.say(settings.refusal, visit, Some(envelope), "lists", Early::Reject(reply))
    }
}

impl DoorCheck for ListCheck {}

impl Stages for ListCheck {
    /// Answers travel while the client still talks.
    fn connect<'a>(&'a self, visit: &'a Visit) -> Promise<'a, Early> {
        if let Some(ip) = visit.client.ip.filter(|ip| self.gate.is_outside(visit) && is_public(*ip)) {
            let host = reversed(ip);
            let rows = self.parts.warmed.iter();
            let questions = rows.map(|(zone, kind)| DnsQuestion { name: format!("{host}.{zone}").into(), kind: *kind });
            self.guard.warm(&self.runtime, questions.collect());
        }
        Box::pin(std::future::ready(Early::Continue))
    }

    fn rcpt<'a>(&'a self, visit: &'a Visit, envelope: &'a Envelope, _: &'a str) -> Promise<'a, Early> {
        Box::pin(self.ask(visit, envelope))
    }
}

/// Rules ask about no other client.
fn is_public(ip: std::net::IpAddr) -> bool {
    match crate::base::networks::unmap(ip) {
        std::net::IpAddr::V4(v4) => !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified()),
        std::net::IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified()),
    }
}
