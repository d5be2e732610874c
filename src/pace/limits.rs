//! Rate limits: at most so many messages, recipients or connections of one kind in any span of time.

use super::keys::{Secret, network};
use crate::base::{Mode, Span};
use crate::mail::{Client, Envelope};
use crate::outcome::Reply;
use crate::store::windows::Draw;
use crate::store::{Pace, Trouble};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Whose doings are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    Client,
    /// /24 of IPv4, /64 of IPv6.
    Network,
    /// Who logged in.
    User,
    /// The domain of the envelope sender, whoever claims it.
    SenderDomain,
    Recipient,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Count {
    Messages,
    Recipients,
    Connections,
}

/// One `[[limit]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    pub by: By,
    pub count: Count,
    pub most: u64,
    /// Without it, connections are counted that are open at once.
    pub per: Option<Span>,
    #[serde(default = "on")]
    pub mode: Mode,
}

fn on() -> Mode {
    Mode::On
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.count {
            Count::Messages => "messages",
            Count::Recipients => "recipients",
            Count::Connections => "connections",
        };
        match self.per {
            Some(per) => write!(f, "at most {} {what} in {} seconds", self.most, per.0.as_secs()),
            None => write!(f, "at most {} {what} at once", self.most),
        }
    }
}

impl Limit {
    /// What is wrong with it: the fact, and what to do about it.
    pub fn mistake(&self) -> Option<(String, String)> {
        let wrong = |what: &str, remedy: &str| Some((what.to_owned(), remedy.to_owned()));
        match (self.count, self.by, self.per) {
            (Count::Connections, By::User | By::SenderDomain | By::Recipient, _) => {
                wrong("connections have neither user, sender nor recipient yet", "count them by \"client\" or \"network\"")
            }
            (Count::Messages | Count::Recipients, _, None) => wrong("per is missing", "give it a span such as per = \"1 min\""),
            (_, _, Some(per)) if per.0.as_millis() < 60 => wrong("per is too short", "give it a second at least"),
            (Count::Messages | Count::Recipients | Count::Connections, _, _) => None,
        }
    }

    fn stage(&self) -> Stage {
        match (self.count, self.by) {
            (Count::Connections, _) => Stage::Connect,
            (Count::Recipients, _) | (Count::Messages, By::Recipient) => Stage::Rcpt,
            (Count::Messages, By::Client | By::Network | By::User | By::SenderDomain) => Stage::Mail,
        }
    }
}

/// When something is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Connect,
    Mail,
    Rcpt,
}

/// Who is counted.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    pub client: &'a Client,
    pub envelope: Option<&'a Envelope>,
    pub recipient: Option<&'a str>,
    /// Who logged in is counted by user alone, all others by everything else.
    pub authenticated: bool,
}

impl Who<'_> {
    fn name(&self, by: By) -> Option<String> {
        if (by == By::User) != self.authenticated {
            return None;
        }
        match by {
            By::Client => self.client.ip.map(|ip| ip.to_string()),
            By::Network => self.client.ip.map(|ip| network(ip, 24, 64)),
            By::User => Some(self.client.login.to_lowercase()),
            By::SenderDomain => self.envelope?.mail_from.rsplit_once('@').map(|(_, domain)| domain.to_lowercase()),
            By::Recipient => self.recipient.map(str::to_lowercase),
        }
        .filter(|name| !name.is_empty())
    }
}

/// A limit that was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    pub limit: Limit,
    /// Whom it counted.
    pub name: String,
    pub held: u64,
}

impl Over {
    pub fn reply(&self) -> Reply {
        // RFC 5321 §3.8: 421 where the connection is closed; RFC 3463 §3.8: X.7.1, refused by policy.
        let code = if self.limit.count == Count::Connections { 421 } else { 450 };
        Reply { code, status: "4.7.1".to_owned(), text: format!("<{}>: too much, try again later: {}", self.name, self.limit) }
    }
}

/// Connections that are open, by who is counted. They go with the process, and need no store.
#[derive(Clone, Default)]
pub struct Open(Arc<Mutex<HashMap<String, u64>>>);

/// One open connection; dropped, it is closed.
pub struct Held {
    open: Open,
    name: String,
}

impl Open {
    fn enter(&self, name: String) -> (Held, u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(name.clone()).or_default();
        *count += 1;
        let now = *count;
        (Held { open: self.clone(), name }, now)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut counts = self.open.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.name) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.name);
            }
        }
    }
}

pub struct Limits {
    limits: Vec<Limit>,
    store: Arc<dyn Pace>,
    secret: Secret,
    open: Open,
}

impl Limits {
    pub fn new(limits: Vec<Limit>, store: Arc<dyn Pace>, open: Open) -> Limits {
        let limits = limits.into_iter().filter(|limit| limit.mode != Mode::Off).collect();
        Limits { limits, store, secret: Secret::default(), open }
    }

    /// Whether anything is counted at this stage.
    pub fn asks(&self, stage: Stage) -> bool {
        self.limits.iter().any(|limit| limit.stage() == stage && (limit.per.is_some() || stage != Stage::Connect))
    }

    /// Takes a seat for a connection; the limits of connections at once that it exceeds. The seats must live as long as the
    /// connection.
    pub fn enter(&self, who: &Who<'_>) -> (Vec<Held>, Vec<Over>) {
        let (mut seats, mut over) = (Vec::new(), Vec::new());
        for limit in self.limits.iter().filter(|limit| limit.count == Count::Connections && limit.per.is_none()) {
            let Some(name) = who.name(limit.by) else { continue };
            let (seat, now) = self.open.enter(format!("{:?}/{name}", limit.by));
            if now > limit.most {
                over.push(Over { limit: limit.clone(), name, held: now - 1 });
            }
            seats.push(seat);
        }
        (seats, over)
    }

    /// Counts, and tells which limits were reached, those that bind first. What is refused is not counted. Blocks.
    ///
    /// # Errors
    /// The store is away: nobody is held up.
    pub fn draw(&self, stage: Stage, who: &Who<'_>, now: u64) -> Result<Vec<Over>, Trouble> {
        let named: Vec<(&Limit, String, Span)> = self
            .limits
            .iter()
            .filter(|limit| limit.stage() == stage)
            .filter_map(|limit| Some((limit, who.name(limit.by)?, limit.per?)))
            .collect();
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let hashes = self.secret.of(&*self.store)?;
        let draws: Vec<Draw> = named
            .iter()
            .map(|(limit, name, per)| Draw {
                key: hashes.key("rate", &format!("{:?}/{:?}/{}/{name}", limit.by, limit.count, per.0.as_millis())),
                span: per.0,
                most: limit.most,
                amount: 1,
                binding: limit.mode == Mode::On,
            })
            .collect();
        let held = self.store.draw(&draws, now)?;
        let mut over: Vec<Over> = named
            .into_iter()
            .zip(&draws)
            .zip(held)
            .filter(|((_, draw), held)| draw.is_over(*held))
            .map(|(((limit, name, _), _), held)| Over { limit: limit.clone(), name, held })
            .collect();
        over.sort_by_key(|over| over.limit.mode != Mode::On);
        Ok(over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn limit(by: By, count: Count, per: Option<u64>) -> Limit {
        Limit { by, count, most: 2, per: per.map(|seconds| Span(Duration::from_secs(seconds))), mode: Mode::On }
    }

    #[test]
    fn connections_at_once_are_freed_when_they_end() {
        let store = crate::pace::greylist::tests::store("open");
        let limits = Limits::new(vec![limit(By::Network, Count::Connections, None)], store.store.clone(), Open::default());
        let client = Client { ip: "192.0.2.1".parse().ok(), ..Client::default() };
        let neighbour = Client { ip: "192.0.2.99".parse().ok(), ..Client::default() };
        let who = |client| Who { client, envelope: None, recipient: None, authenticated: false };
        let one = limits.enter(&who(&client));
        let two = limits.enter(&who(&neighbour));
        assert!(one.1.is_empty() && two.1.is_empty());
        assert_eq!(limits.enter(&who(&client)).1[0].reply().code, 421);
        drop(one);
        assert!(limits.enter(&who(&client)).1.is_empty());
    }

    #[test]
    fn each_is_counted_by_what_it_is() {
        let store = crate::pace::greylist::tests::store("who");
        let all = vec![limit(By::Client, Count::Messages, Some(60)), limit(By::User, Count::Messages, Some(60))];
        let limits = Limits::new(all, store.store.clone(), Open::default());
        let client = Client { ip: "192.0.2.1".parse().ok(), login: "Ann".into(), ..Client::default() };
        let draw = |authenticated| {
            let who = Who { client: &client, envelope: None, recipient: None, authenticated };
            limits.draw(Stage::Mail, &who, 1_000_000).unwrap()
        };
        assert!(draw(true).is_empty() && draw(true).is_empty());
        assert_eq!(draw(true)[0].name, "ann");
        assert!(draw(false).is_empty(), "who logged in does not use up the client's");
        let text = draw(true)[0].reply().text;
        assert_eq!(text, "<ann>: too much, try again later: at most 2 messages in 60 seconds");
    }

    #[test]
    fn what_cannot_be_counted_is_told() {
        assert!(limit(By::User, Count::Connections, None).mistake().is_some());
        assert!(limit(By::Client, Count::Messages, None).mistake().is_some());
        assert!(limit(By::Client, Count::Connections, None).mistake().is_none());
    }
}
