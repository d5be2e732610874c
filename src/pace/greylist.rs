//! Strangers are asked to come back (RFC 6647). The wait is per client network or proven domain, sender and recipient.

use super::keys::{Hashes, Secret, network, sender, triplet};
use super::settings::GreylistSettings;
use super::welcome::WelcomeList;
use crate::base::Clock;
use crate::facts::{Authentication, DkimResult, DmarcPolicy, DmarcResult, SpfResult};
use crate::mail::Client;
use crate::store::greylist::{Seen, Triplet, Welcome};
use crate::store::{Key, Pace, Trouble};
use std::net::IpAddr;
use std::sync::Arc;

/// Recipients of one message that are looked at.
const RECIPIENTS: usize = 100;
/// Names under which one client may be known: proven domains, then its network.
const NAMES: usize = 6;
/// A welcome is counted up at most once in so many seconds, as postgrey does.
const HOUR: u64 = 3_600;

/// A message on its way in, or one recipient of it.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    pub client: &'a Client,
    pub sender: &'a str,
    pub recipients: &'a [String],
    /// Who really sent it, where that is known already.
    pub facts: Option<&'a Authentication>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    Pass {
        reason: &'static str,
        /// It came back just now, after so many seconds.
        waited: Option<u64>,
    },
    /// To come back after so many seconds.
    Wait { seconds: u64 },
}

fn pass(reason: &'static str) -> Ruling {
    Ruling::Pass { reason, waited: None }
}

pub struct Greylisting {
    pub settings: GreylistSettings,
    pub clients: WelcomeList,
    pub recipients: WelcomeList,
    store: Arc<dyn Pace>,
    secret: Secret,
    clock: Clock,
}

impl Greylisting {
    pub fn new(
        settings: GreylistSettings,
        clients: WelcomeList,
        recipients: WelcomeList,
        store: Arc<dyn Pace>,
        clock: Clock,
    ) -> Greylisting {
        Greylisting { settings, clients, recipients, store, secret: Secret::default(), clock }
    }

    /// The same with another time of day.
    pub fn at(mut self, clock: Clock) -> Greylisting {
        self.clock = clock;
        self
    }

    /// Decides, and remembers. A message waits when each of its recipients would have to wait for it; once one of them is let in,
    /// all are. Blocks.
    ///
    /// # Errors
    /// The store is away: nobody waits for lack of memory.
    pub fn judge(&self, letter: &Letter<'_>) -> Result<Ruling, Trouble> {
        let Some(ip) = letter.client.ip else { return Ok(pass("local")) };
        if self.clients.has_client(&letter.client.name, ip) {
            return Ok(pass("client welcome list"));
        }
        if letter.recipients.iter().any(|to| self.recipients.has_recipient(to)) {
            return Ok(pass("recipient welcome list"));
        }
        if self.settings.skip_proven && letter.facts.is_some_and(is_proven) {
            return Ok(pass("proven by DMARC"));
        }
        let now = self.clock.unix();
        self.remembered(letter, ip, now)
    }

    fn remembered(&self, letter: &Letter<'_>, ip: IpAddr, now: u64) -> Result<Ruling, Trouble> {
        let hashes = self.secret.of(&*self.store)?;
        let age = self.settings.age.0.as_secs();
        let names = self.names(letter, ip);
        let to: Vec<String> = letter.recipients.iter().take(RECIPIENTS).map(|to| to.to_lowercase()).collect();
        let from = sender(letter.sender);
        let keys: Vec<Key> = to
            .iter()
            .flat_map(|to| names.iter().map(|name| hashes.key("triplet", &triplet(name, &from, to))).collect::<Vec<_>>())
            .collect();
        // A proven domain is welcome as a whole, a client by its own address.
        let guest = names.first().filter(|name| name.starts_with('@')).cloned().unwrap_or_else(|| ip.to_string());
        let guest = hashes.key("client", &guest);
        let mut welcome = vec![guest];
        if self.settings.skip_correspondents && !letter.sender.is_empty() {
            welcome.extend(to.iter().map(|to| correspondence(hashes, to, letter.sender)));
        }
        let known = self.store.look_up(&keys, &welcome)?;
        let fresh = |welcome: &Option<Welcome>| welcome.filter(|welcome| now.saturating_sub(welcome.last) <= age);
        let seldom = known.welcome.first().and_then(fresh);
        if known.welcome.iter().skip(1).any(|known| fresh(known).is_some()) {
            return Ok(pass("correspondent"));
        }
        let after = self.settings.welcome_after;
        if let Some(welcome) = seldom.filter(|welcome| after > 0 && welcome.count >= after) {
            if now >= welcome.last + HOUR || welcome.last > now {
                self.store.keep(&[], &[(guest, Welcome { count: welcome.count + 1, last: now })])?;
            }
            return Ok(pass("welcome"));
        }
        let steps: Vec<(Step, Triplet)> = to
            .iter()
            .enumerate()
            .map(|(at, to)| {
                let seen = known.triplets.get(at * names.len()..(at + 1) * names.len()).unwrap_or_default();
                let key = keys.get(at * names.len()).copied().unwrap_or_default();
                (self.step(best(seen), now), self.triplet(key, names.first(), &from, to))
            })
            .collect();
        let came_back = steps.iter().any(|(step, _)| step.waited.is_some());
        let counted = (came_back && after > 0 && seldom.is_none_or(|welcome| now >= welcome.last + HOUR))
            .then(|| (guest, Welcome { count: seldom.map_or(1, |welcome| welcome.count + 1), last: now }));
        let kept: Vec<(Triplet, Seen)> = steps.iter().map(|(step, triplet)| (triplet.clone(), step.seen)).collect();
        self.store.keep(&kept, counted.as_slice())?;
        Ok(match steps.iter().map(|(step, _)| step).min_by_key(|step| step.left) {
            Some(step) if step.left == 0 => Ruling::Pass { reason: "came back", waited: step.waited },
            Some(step) => Ruling::Wait { seconds: step.left },
            None => pass("no recipient"),
        })
    }

    /// Proven domains, then the network.
    fn names(&self, letter: &Letter<'_>, ip: IpAddr) -> Vec<String> {
        let mut names: Vec<String> = letter.facts.map(proven_domains).unwrap_or_default();
        names.truncate(NAMES - 1);
        names.push(network(ip, self.settings.ipv4_network, self.settings.ipv6_network));
        names
    }

    fn triplet(&self, key: Key, client: Option<&String>, sender: &str, recipient: &str) -> Triplet {
        if self.settings.privacy {
            return Triplet { key, ..Triplet::default() };
        }
        Triplet { key, client: client.cloned().unwrap_or_default(), sender: sender.to_owned(), recipient: recipient.to_owned() }
    }

    fn step(&self, seen: Option<Seen>, now: u64) -> Step {
        let delay = self.settings.delay.0.as_secs();
        let seen = seen.filter(|seen| !seen.passed || now.saturating_sub(seen.last) <= self.settings.age.0.as_secs());
        if let Some(seen) = seen.filter(|seen| seen.passed) {
            return Step { seen: Seen { last: now, ..seen }, left: 0, waited: None };
        }
        let first = match seen {
            // Too late, or a clock that went back.
            Some(seen) if now.saturating_sub(seen.first) > self.settings.retry_window.0.as_secs() || seen.first > now => now,
            Some(seen) => seen.first,
            None => now,
        };
        let left = (first + delay).saturating_sub(now);
        Step { seen: Seen { first, last: now, passed: left == 0 }, left, waited: (left == 0).then(|| now - first) }
    }

    /// One of ours wrote to them: they are let in when they answer. Blocks.
    ///
    /// # Errors
    /// The store is away.
    pub fn remember_correspondents(&self, sender: &str, recipients: &[String]) -> Result<(), Trouble> {
        if !self.settings.skip_correspondents || sender.is_empty() {
            return Ok(());
        }
        let hashes = self.secret.of(&*self.store)?;
        let last = self.clock.unix();
        let all: Vec<(Key, Welcome)> = recipients
            .iter()
            .take(RECIPIENTS)
            .map(|to| (correspondence(hashes, &sender.to_lowercase(), to), Welcome { count: 1, last }))
            .collect();
        self.store.keep(&[], &all)
    }
}

/// What becomes of one triplet.
struct Step {
    seen: Seen,
    /// Seconds.
    left: u64,
    waited: Option<u64>,
}

/// Of the names of one client, the one that has come furthest.
fn best(seen: &[Option<Seen>]) -> Option<Seen> {
    seen.iter().flatten().copied().min_by_key(|seen| (!seen.passed, seen.first))
}

/// One of ours and somebody outside.
fn correspondence(hashes: Hashes, ours: &str, theirs: &str) -> Key {
    hashes.key("correspondent", &format!("{ours}/{}", theirs.to_lowercase()))
}

/// DMARC passes, and the domain has refused what does not: nobody else could have sent it.
fn is_proven(facts: &Authentication) -> bool {
    facts.dmarc.result == DmarcResult::Pass
        && match facts.dmarc.policy {
            DmarcPolicy::None => false,
            DmarcPolicy::Quarantine | DmarcPolicy::Reject => true,
        }
}

/// `@example.com` for each domain that SPF or DKIM prove, SPF's first.
fn proven_domains(facts: &Authentication) -> Vec<String> {
    let spf = Some(&facts.spf_mail_from).filter(|spf| spf.result == SpfResult::Pass && !spf.domain.is_empty()).map(|spf| &spf.domain);
    let mut signed: Vec<&String> = facts.dkim.iter().filter(|dkim| dkim.result == DkimResult::Pass).map(|dkim| &dkim.domain).collect();
    signed.sort_unstable();
    let mut domains: Vec<String> = Vec::new();
    for domain in spf.into_iter().chain(signed) {
        let name = format!("@{}", domain.to_lowercase());
        if !domains.contains(&name) {
            domains.push(name);
        }
    }
    domains
}

#[cfg(test)]
pub(crate) mod tests;
