//! What a domain publishes about its mail, with warnings: SPF as a tree with its look-ups, DKIM keys, DMARC, MX.

use super::dkim::key::Key;
use super::spf::record::{self, Mechanism, Qualifier, Record};
use super::{dmarc, domain};
use crate::dns::{Session, Trouble, Value};
use crate::facts::{DmarcPolicy, DnsType};
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

/// Selectors that many services use, tried where none is named.
pub const USUAL_SELECTORS: &[&str] =
    &["default", "mail", "dkim", "google", "selector1", "selector2", "s1", "s2", "k1", "hamgate", "hamgate-ed25519"];

/// Depth and number of records that are shown.
const DEPTH: usize = 10;
const RECORDS: usize = 50;

#[derive(Clone, Debug, Default)]
pub struct Report {
    pub lines: Vec<String>,
    pub warnings: Vec<String>,
}

pub async fn domain(session: &Session, name: &str, selectors: &[String]) -> Result<Report, String> {
    let name = domain::registrable(name).ok_or_else(|| format!("\"{name}\" is no domain name"))?;
    let mut report = Report::default();
    report.mx(session, &name).await;
    let mut tree = Tree { session, report: &mut report, terms: 0, records: 0 };
    tree.show(name.clone(), 0).await;
    let terms = tree.terms;
    report.lines.push(format!("SPF: {terms} of 10 look-ups"));
    if terms > 10 {
        report.warnings.push(format!("SPF needs {terms} look-ups, receivers stop at 10 with permerror: flatten or drop includes"));
    }
    report.keys(session, &name, selectors).await;
    report.policy(session, &name).await;
    Ok(report)
}

impl Report {
    async fn mx(&mut self, session: &Session, name: &str) {
        match session.look_up(name, DnsType::Mx).await {
            Ok(records) if records.values.is_empty() => {
                self.lines.push("MX: none".to_owned());
                self.warnings.push("no MX: replies go to the address record, or nowhere".to_owned());
            }
            Ok(records) => {
                for value in &records.values {
                    if let Value::Mx(preference, host) = value {
                        self.lines.push(format!("MX: {preference} {}", if host.is_empty() { "." } else { host }));
                    }
                }
            }
            Err(trouble) => self.lines.push(format!("MX: {}", silence(trouble))),
        }
    }

    async fn keys(&mut self, session: &Session, name: &str, selectors: &[String]) {
        let tried: Vec<&str> = if selectors.is_empty() { USUAL_SELECTORS.to_vec() } else { selectors.iter().map(String::as_str).collect() };
        let questions = tried.iter().map(|selector| (format!("{selector}._domainkey.{name}"), DnsType::Txt)).collect();
        let mut found = 0;
        for (selector, answer) in tried.iter().zip(session.look_up_all(questions).await) {
            match answer.map(|records| Key::of_records(records.texts())) {
                Ok(Ok(key)) => {
                    found += 1;
                    self.lines.push(format!("DKIM: {selector} {} bits{}", key.bits(), if key.testing { ", testing (t=y)" } else { "" }));
                    if key.bits() < 2048 && key.bits() != 256 {
                        self.warnings.push(format!("DKIM key {selector} has {} bits: 2048 are due", key.bits()));
                    }
                }
                Ok(Err(super::dkim::key::KeyFault::Missing)) if selectors.is_empty() => {}
                Ok(Err(fault)) => {
                    self.lines.push(format!("DKIM: {selector} {}", fault.word()));
                    self.warnings.push(format!("DKIM key {selector}: {}", fault.reason()));
                }
                Err(trouble) => self.lines.push(format!("DKIM: {selector} {}", silence(trouble))),
            }
        }
        if found == 0 && selectors.is_empty() {
            self.lines.push("DKIM: no key under the usual selectors; name yours with --selector".to_owned());
        }
    }

    async fn policy(&mut self, session: &Session, name: &str) {
        let walk = match dmarc::Walk::take(session, name).await {
            Ok(walk) => walk,
            Err(trouble) => return self.lines.push(format!("DMARC: {}", silence(trouble))),
        };
        for (owner, record) in &walk.found {
            let policy = record.policy.map_or("missing", dmarc::policy_word);
            self.lines.push(format!("DMARC: _dmarc.{owner} p={policy}{}", if record.testing { " t=y" } else { "" }));
        }
        let organization = walk.organizational(name);
        match walk.found.first() {
            None => {
                self.lines.push("DMARC: none".to_owned());
                self.warnings.push("no DMARC record: everybody may write in this name".to_owned());
            }
            Some((_, record)) => {
                self.lines.push(format!("DMARC: organizational domain {organization}"));
                if record.policy.unwrap_or(DmarcPolicy::None) == DmarcPolicy::None {
                    self.warnings.push("DMARC asks for nothing (p=none)".to_owned());
                }
                if record.reports.is_none() {
                    self.warnings.push("DMARC without rua=: nobody hears of failures".to_owned());
                }
            }
        }
        let question = format!("_dmarc.{name}");
        if let Ok(records) = session.look_up(&question, DnsType::Txt).await
            && records.texts().filter(|text| dmarc::Record::parse(text).is_some()).count() > 1
        {
            self.warnings.push("two DMARC records: both are ignored".to_owned());
        }
    }
}

fn silence(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Silent => "no answer",
        Trouble::BadName => "the name cannot be asked",
        Trouble::TooMany => "not asked, too many questions",
    }
}

struct Tree<'a> {
    session: &'a Session,
    report: &'a mut Report,
    terms: u32,
    records: usize,
}

impl Tree<'_> {
    fn show<'s>(&'s mut self, name: String, depth: usize) -> Pin<Box<dyn Future<Output = ()> + 's>> {
        Box::pin(async move {
            self.records += 1;
            let indent = "  ".repeat(depth);
            if depth > DEPTH || self.records > RECORDS {
                return self.report.lines.push(format!("{indent}SPF: {name}: not followed any further"));
            }
            let answer = match self.session.look_up(&name, DnsType::Txt).await {
                Ok(answer) => answer,
                Err(trouble) => return self.report.lines.push(format!("{indent}SPF: {name}: {}", silence(trouble))),
            };
            let texts: Vec<&[u8]> = answer.texts().filter(|text| record::is_spf(text)).collect();
            let [text] = texts.as_slice() else {
                let what = if texts.is_empty() { "no record" } else { "two records, which is permerror" };
                self.report.warnings.push(format!("SPF of {name}: {what}"));
                return self.report.lines.push(format!("{indent}SPF: {name}: {what}"));
            };
            let shown: String = String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { '?' } else { c }).collect();
            self.report.lines.push(format!("{indent}SPF: {name}: {shown}"));
            match Record::parse(text) {
                Ok(record) => self.walk(&name, &record, depth).await,
                Err(what) => self.report.warnings.push(format!("SPF of {name}: {what}: permerror")),
            }
        })
    }

    async fn walk(&mut self, name: &str, record: &Record, depth: usize) {
        for directive in &record.directives {
            self.warn(name, directive);
            match &directive.mechanism {
                Mechanism::Include(target) => {
                    self.terms += 1;
                    self.follow(target, name, depth).await;
                }
                Mechanism::A(..) | Mechanism::Mx(..) | Mechanism::Ptr(_) | Mechanism::Exists(_) => self.terms += 1,
                Mechanism::All | Mechanism::Ip4(..) | Mechanism::Ip6(..) => {}
            }
        }
        let ends = record.directives.iter().any(|directive| directive.mechanism == Mechanism::All);
        match &record.redirect {
            Some(target) if !ends => {
                self.terms += 1;
                self.follow(target, name, depth).await;
            }
            Some(_) => self.report.warnings.push(format!("SPF of {name}: redirect= beside \"all\" has no effect")),
            None if !ends && depth == 0 => {
                self.report.warnings.push(format!("SPF of {name} ends without \"all\": strangers are neutral"));
            }
            None => {}
        }
    }

    async fn follow(&mut self, target: &super::spf::macros::MacroString, name: &str, depth: usize) {
        match target.literal() {
            Some(target) => self.show(target.to_owned(), depth + 1).await,
            None => self.report.lines.push(format!("{}SPF: {name}: a target with macros, not followed", "  ".repeat(depth + 1))),
        }
    }

    fn warn(&mut self, name: &str, directive: &record::Directive) {
        let warning = match (&directive.mechanism, directive.qualifier) {
            (Mechanism::All, Qualifier::Pass) => "lets everybody send (+all)".to_owned(),
            (Mechanism::All, Qualifier::Neutral) => "says nothing about strangers (?all)".to_owned(),
            (Mechanism::Ip4(net, _), _) if is_private(IpAddr::V4(*net)) => {
                format!("names a private network ({}), which no receiver sees", directive.text)
            }
            (Mechanism::Ip4(_, length), _) if *length < 16 => format!("names a very large network ({})", directive.text),
            (Mechanism::Ip6(net, _), _) if is_private(IpAddr::V6(*net)) => {
                format!("names a private network ({}), which no receiver sees", directive.text)
            }
            (Mechanism::Ptr(_), _) => "uses ptr, which receivers may ignore (RFC 7208 §5.5)".to_owned(),
            _ => return,
        };
        self.report.warnings.push(format!("SPF of {name} {warning}"));
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
