//! SPF (RFC 7208): may this client send for this domain? An evaluator of our own, since every limit counts.
//!
//! Limits (§4.6.4): 10 terms that ask, 2 void look-ups, 10 MX and 10 PTR names, and the message's own cap on questions.

mod evaluate;
pub mod macros;
pub mod record;

pub use evaluate::check_host;

use super::domain;
use crate::dns::Session;
use crate::facts::{Spf, SpfResult};
use std::net::IpAddr;

/// Who asks to send, and who is asked.
#[derive(Clone, Debug)]
pub struct Sender<'a> {
    pub ip: IpAddr,
    pub helo: &'a str,
    /// `local@domain` of the identity that is checked.
    pub local_part: &'a str,
    pub domain: &'a str,
    /// Our own name, for explanations (`%{r}`).
    pub receiver: &'a str,
    /// Seconds since 1970, for explanations (`%{t}`).
    pub now: u64,
}

/// A result with what led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub result: SpfResult,
    /// The term that matched, or what is wrong.
    pub reason: String,
    /// The domain's own words (`exp=`), for `Fail` only.
    pub explanation: Option<String>,
    /// Terms that asked, for diagnosis.
    pub look_ups: u32,
}

impl Outcome {
    fn new(result: SpfResult, reason: impl Into<String>) -> Outcome {
        Outcome { result, reason: reason.into(), explanation: None, look_ups: 0 }
    }

    /// As the fact that rules see.
    pub fn fact(&self, domain: &str) -> Spf {
        Spf { domain: domain.to_owned(), result: self.result, reason: self.explanation.clone().unwrap_or_else(|| self.reason.clone()) }
    }
}

pub fn word(result: SpfResult) -> &'static str {
    match result {
        SpfResult::None => "none",
        SpfResult::Neutral => "neutral",
        SpfResult::Pass => "pass",
        SpfResult::Fail => "fail",
        SpfResult::SoftFail => "softfail",
        SpfResult::TempError => "temperror",
        SpfResult::PermError => "permerror",
    }
}

/// The client as the envelope shows it.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    pub ip: IpAddr,
    pub helo: &'a str,
    /// Without angle brackets; empty for the null sender.
    pub mail_from: &'a str,
    pub receiver: &'a str,
    pub now: u64,
}

/// §2.3: the HELO identity.
pub async fn check_helo(session: &Session, envelope: Envelope<'_>) -> (String, Outcome) {
    let helo = envelope.helo.trim_end_matches('.');
    check(session, envelope, "postmaster", helo).await
}

/// §2.4: the MAIL FROM identity; the null sender stands for postmaster at the HELO name.
pub async fn check_mail_from(session: &Session, envelope: Envelope<'_>) -> (String, Outcome) {
    if envelope.mail_from.is_empty() {
        return check_helo(session, envelope).await;
    }
    // The last @ divides: a quoted local part may hold others.
    let (local_part, domain) = envelope.mail_from.rsplit_once('@').unwrap_or(("", envelope.mail_from));
    // §4.3: a missing local part is "postmaster".
    let local_part = if local_part.is_empty() { "postmaster" } else { local_part };
    check(session, envelope, local_part, domain).await
}

async fn check(session: &Session, envelope: Envelope<'_>, local_part: &str, text: &str) -> (String, Outcome) {
    // §4.3: "If the <domain> is malformed … or is not a multi-label domain name", the result is none.
    let Some(name) = domain::host(text).filter(|name| name.contains('.')) else {
        return (String::new(), Outcome::new(SpfResult::None, "no domain name to ask about"));
    };
    let sender = Sender {
        ip: crate::base::networks::unmap(envelope.ip),
        helo: envelope.helo,
        local_part,
        domain: &name,
        receiver: envelope.receiver,
        now: envelope.now,
    };
    let outcome = check_host(session, &sender).await;
    (name, outcome)
}
