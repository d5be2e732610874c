//! check_host() of RFC 7208 §4.

use super::macros::{Letter, MacroString, Meanings};
use super::record::{self, Cidr, Directive, Mechanism, Qualifier, Record};
use super::{Outcome, Sender};
use crate::auth::domain;
use crate::dns::{self, Records, Session, Trouble};
use crate::facts::{DnsType, SpfResult};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

/// §4.6.4: mechanisms and modifiers that ask, over all records together.
const TERMS: u32 = 10;
/// §4.6.4: "SPF implementations SHOULD limit "void lookups" to two"; the third ends in permerror.
const VOIDS: u32 = 2;
/// §4.6.4: names of one MX answer (more are permerror) and of the PTR answer (more are ignored).
const NAMES: usize = 10;
/// Octets of an explanation that we are ready to show in an SMTP reply.
const EXPLANATION: usize = 450;

/// What ends the evaluation at once.
enum Stop {
    Temp(String),
    Perm(String),
}

type Step<T> = Result<T, Stop>;

struct Evaluation<'a> {
    session: &'a Session,
    sender: &'a Sender<'a>,
    terms: u32,
    voids: u32,
    /// Validated PTR names of the client (§5.5), looked up once.
    ptr: Option<Vec<String>>,
}

/// `sender.domain` has been checked to be a name.
pub async fn check_host(session: &Session, sender: &Sender<'_>) -> Outcome {
    let mut evaluation = Evaluation { session, sender, terms: 0, voids: 0, ptr: None };
    let mut outcome = match evaluation.domain(sender.domain.to_owned()).await {
        Ok(outcome) => outcome,
        Err(Stop::Temp(reason)) => Outcome::new(SpfResult::TempError, reason),
        Err(Stop::Perm(reason)) => Outcome::new(SpfResult::PermError, reason),
    };
    outcome.look_ups = evaluation.terms;
    outcome
}

struct Names<'a> {
    sender: &'a Sender<'a>,
    domain: &'a str,
    ptr: &'a str,
}

impl Meanings for Names<'_> {
    fn of(&self, letter: Letter) -> String {
        let sender = self.sender;
        match letter {
            Letter::Sender => format!("{}@{}", sender.local_part, sender.domain),
            Letter::LocalPart => sender.local_part.to_owned(),
            Letter::SenderDomain => sender.domain.to_owned(),
            Letter::Domain => self.domain.to_owned(),
            Letter::Ip => dotted(sender.ip),
            Letter::Ptr => self.ptr.to_owned(),
            Letter::Version => if sender.ip.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
            Letter::Helo => sender.helo.to_owned(),
            Letter::ReadableIp => sender.ip.to_string(),
            Letter::Receiver => if sender.receiver.is_empty() { "unknown" } else { sender.receiver }.to_owned(),
            Letter::Time => sender.now.to_string(),
        }
    }
}

/// §7.3: an IPv6 address is written as dotted nibbles.
fn dotted(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let nibbles: Vec<String> = v6.octets().iter().flat_map(|o| [o >> 4, o & 15]).map(|n| format!("{n:X}")).collect();
            nibbles.join(".")
        }
    }
}

impl<'a> Evaluation<'a> {
    /// Boxed, since include and redirect come back here; `terms` bounds the depth.
    fn domain<'s>(&'s mut self, domain: String) -> Pin<Box<dyn Future<Output = Step<Outcome>> + Send + 's>> {
        Box::pin(async move {
            let Some(text) = self.published(&domain).await? else {
                return Ok(Outcome::new(SpfResult::None, format!("{domain} publishes no SPF record")));
            };
            let record = Record::parse(&text).map_err(|what| Stop::Perm(format!("record of {domain}: {what}")))?;
            for directive in &record.directives {
                if self.matches(directive, &domain).await? {
                    return Ok(self.decide(directive, &record, &domain).await);
                }
            }
            match &record.redirect {
                Some(target) => self.redirect(target, &domain).await,
                None => Ok(Outcome::new(SpfResult::Neutral, format!("no mechanism of {domain} matched"))),
            }
        })
    }

    /// §4.5: the one record; several are permerror.
    async fn published(&mut self, domain: &str) -> Step<Option<Vec<u8>>> {
        let records = match self.session.look_up(domain, DnsType::Txt).await {
            Ok(records) => records,
            Err(Trouble::BadName) => return Ok(None),
            Err(trouble) => return Err(stop(trouble, domain)),
        };
        let mut found = records.texts().filter(|text| record::is_spf(text));
        let first = found.next().map(<[u8]>::to_vec);
        match found.next() {
            Some(_) => Err(Stop::Perm(format!("{domain} publishes more than one SPF record"))),
            None => Ok(first),
        }
    }

    async fn redirect(&mut self, target: &MacroString, domain: &str) -> Step<Outcome> {
        self.count_term()?;
        let name = self.name(Some(target), domain).await?;
        let Some(name) = name else { return Err(Stop::Perm(format!("redirect of {domain} leads to no domain name"))) };
        let outcome = self.domain(name.clone()).await?;
        match outcome.result {
            // §6.1: "if no SPF record is found, or if the <target-name> is malformed, the result is a permerror".
            SpfResult::None => Err(Stop::Perm(format!("redirect target {name} publishes no SPF record"))),
            SpfResult::Pass | SpfResult::Fail | SpfResult::SoftFail | SpfResult::Neutral | SpfResult::TempError | SpfResult::PermError => {
                Ok(outcome)
            }
        }
    }

    async fn decide(&mut self, directive: &Directive, record: &Record, domain: &str) -> Outcome {
        let result = match directive.qualifier {
            Qualifier::Pass => SpfResult::Pass,
            Qualifier::Fail => SpfResult::Fail,
            Qualifier::SoftFail => SpfResult::SoftFail,
            Qualifier::Neutral => SpfResult::Neutral,
        };
        let mut outcome = Outcome::new(result, format!("{} of {domain}", directive.text));
        if let (SpfResult::Fail, Some(explanation)) = (result, &record.explanation) {
            outcome.explanation = self.explain(explanation, domain).await;
        }
        outcome
    }

    /// §6.2: whatever goes wrong here is as if there were no explanation.
    async fn explain(&mut self, target: &MacroString, domain: &str) -> Option<String> {
        let name = self.name(Some(target), domain).await.ok()??;
        let records = self.session.look_up(&name, DnsType::Txt).await.ok()?;
        let mut texts = records.texts();
        let (text, None) = (texts.next()?, texts.next()) else { return None };
        let parsed = std::str::from_utf8(text).ok().filter(|t| t.is_ascii()).and_then(|t| MacroString::parse(t).ok())?;
        let ptr = self.ptr_name(&parsed, domain).await;
        let text = parsed.expand(&Names { sender: self.sender, domain, ptr: &ptr });
        let printable = text.bytes().all(|b| (0x20..0x7f).contains(&b));
        (printable && text.len() <= EXPLANATION).then_some(text)
    }

    async fn matches(&mut self, directive: &Directive, domain: &str) -> Step<bool> {
        let ip = self.sender.ip;
        match &directive.mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(net, length) => Ok(within(ip, IpAddr::V4(*net), Cidr { v4: *length, v6: 128 })),
            Mechanism::Ip6(net, length) => Ok(within(ip, IpAddr::V6(*net), Cidr { v4: 32, v6: *length })),
            Mechanism::Include(target) => {
                self.count_term()?;
                self.include(target, domain).await
            }
            Mechanism::A(target, cidr) => {
                self.count_term()?;
                let Some(name) = self.name(target.as_ref(), domain).await? else { return Ok(false) };
                let records = self.ask(&name, address_type(ip)).await?;
                Ok(records.addresses().any(|address| within(ip, address, *cidr)))
            }
            Mechanism::Mx(target, cidr) => {
                self.count_term()?;
                let Some(name) = self.name(target.as_ref(), domain).await? else { return Ok(false) };
                self.mx(&name, *cidr).await
            }
            Mechanism::Ptr(target) => {
                self.count_term()?;
                let Some(name) = self.name(target.as_ref(), domain).await? else { return Ok(false) };
                let name = name.to_ascii_lowercase();
                Ok(self.validated().await.iter().any(|found| domain::is_within(found, &name)))
            }
            Mechanism::Exists(target) => {
                self.count_term()?;
                let Some(name) = self.name(Some(target), domain).await? else { return Ok(false) };
                // §5.7: "The lookup type is A even when the connection type is IPv6."
                Ok(self.ask(&name, DnsType::A).await?.addresses().next().is_some())
            }
        }
    }

    /// §5.2: the table of included results.
    async fn include(&mut self, target: &MacroString, domain: &str) -> Step<bool> {
        let Some(name) = self.name(Some(target), domain).await? else {
            return Err(Stop::Perm(format!("include of {domain} leads to no domain name")));
        };
        match self.domain(name.clone()).await?.result {
            SpfResult::Pass => Ok(true),
            SpfResult::Fail | SpfResult::SoftFail | SpfResult::Neutral => Ok(false),
            SpfResult::None => Err(Stop::Perm(format!("included {name} publishes no SPF record"))),
            SpfResult::TempError => Err(Stop::Temp(format!("included {name} did not answer"))),
            SpfResult::PermError => Err(Stop::Perm(format!("record of included {name} is broken"))),
        }
    }

    async fn mx(&mut self, name: &str, cidr: Cidr) -> Step<bool> {
        let hosts = self.ask(name, DnsType::Mx).await?;
        if hosts.names().count() > NAMES {
            return Err(Stop::Perm(format!("{name} has more than {NAMES} MX records")));
        }
        for host in hosts.names().filter(|host| !host.is_empty()) {
            // §4.6.4 counts the MX answer as the look-up; its hosts' addresses come under the limit of names.
            match self.session.look_up(host, address_type(self.sender.ip)).await {
                Ok(records) if records.addresses().any(|address| within(self.sender.ip, address, cidr)) => return Ok(true),
                Ok(_) | Err(Trouble::BadName) => {}
                Err(trouble) => return Err(stop(trouble, host)),
            }
        }
        Ok(false)
    }

    /// §5.5: names of the client whose addresses hold the client; errors mean "no name".
    async fn validated(&mut self) -> &[String] {
        if self.ptr.is_none() {
            let found = self.look_up_ptr().await;
            self.ptr = Some(found);
        }
        self.ptr.as_deref().unwrap_or_default()
    }

    async fn look_up_ptr(&mut self) -> Vec<String> {
        let ip = self.sender.ip;
        let Ok(records) = self.session.look_up(&dns::name::reverse(ip), DnsType::Ptr).await else { return Vec::new() };
        let mut validated = Vec::new();
        for name in records.names().take(NAMES) {
            if let Ok(addresses) = self.session.look_up(name, address_type(ip)).await
                && addresses.addresses().any(|address| address == ip)
            {
                validated.push(name.to_owned());
            }
        }
        validated
    }

    /// `%{p}`, only where it is used: the domain itself, else a name below it, else any, else "unknown" (§7.3).
    async fn ptr_name(&mut self, text: &MacroString, domain: &str) -> String {
        if !text.needs_ptr() {
            return String::new();
        }
        let names = self.validated().await;
        let best = names.iter().find(|name| *name == domain).or_else(|| names.iter().find(|name| domain::is_within(name, domain)));
        best.or(names.first()).cloned().unwrap_or_else(|| "unknown".to_owned())
    }

    /// `None`: the expansion is no name that can be asked.
    async fn name(&mut self, target: Option<&MacroString>, domain: &str) -> Step<Option<String>> {
        let Some(target) = target else { return Ok(Some(domain.to_owned())) };
        let ptr = self.ptr_name(target, domain).await;
        Ok(dns::name::checked(&target.expand_domain(&Names { sender: self.sender, domain, ptr: &ptr })))
    }

    /// A look-up that counts as void when it finds nothing.
    async fn ask(&mut self, name: &str, kind: DnsType) -> Step<Arc<Records>> {
        let records = self.session.look_up(name, kind).await.map_err(|trouble| stop(trouble, name))?;
        if records.values.is_empty() {
            self.voids += 1;
            if self.voids > VOIDS {
                return Err(Stop::Perm(format!("more than {VOIDS} look-ups found nothing")));
            }
        }
        Ok(records)
    }

    fn count_term(&mut self) -> Step<()> {
        self.terms += 1;
        if self.terms > TERMS { Err(Stop::Perm(format!("more than {TERMS} terms that ask"))) } else { Ok(()) }
    }
}

fn stop(trouble: Trouble, name: &str) -> Stop {
    match trouble {
        Trouble::Silent => Stop::Temp(format!("no answer about {name}")),
        Trouble::BadName => Stop::Perm(format!("{name} is no name")),
        Trouble::TooMany => Stop::Perm("too many DNS questions for one message".to_owned()),
    }
}

fn address_type(ip: IpAddr) -> DnsType {
    if ip.is_ipv4() { DnsType::A } else { DnsType::Aaaa }
}

fn within(ip: IpAddr, address: IpAddr, cidr: Cidr) -> bool {
    let net = match address {
        IpAddr::V4(v4) => Ipv4Net::new(v4, cidr.v4).map(IpNet::V4),
        IpAddr::V6(v6) => Ipv6Net::new(v6, cidr.v6).map(IpNet::V6),
    };
    net.is_ok_and(|net| net.contains(&ip))
}
