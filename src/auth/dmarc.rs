//! DMARC (RFC 9989): does what was authenticated belong to the domain that header From shows, and what does that domain
//! ask for where it does not? Records of RFC 7489 are accepted; `pct`, `rf` and `ri` are gone.

use super::domain;
use crate::dns::{Session, Trouble};
use crate::facts::{DkimResult, DkimSignature, Dmarc, DmarcPolicy, DmarcResult, DnsType, Spf, SpfResult};

/// §4.10: a name of more labels is cut to seven after the first question.
const LABELS: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Psd {
    Yes,
    No,
    Unknown,
}

/// A policy record (§4.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// `None`: missing or unknown.
    pub policy: Option<DmarcPolicy>,
    pub subdomains: Option<DmarcPolicy>,
    pub nonexistent: Option<DmarcPolicy>,
    pub strict_dkim: bool,
    pub strict_spf: bool,
    pub psd: Psd,
    pub testing: bool,
    /// `rua=` as written.
    pub reports: Option<String>,
}

impl Record {
    /// `None`: no DMARC record. §4.7: `v=DMARC1` comes first and is matched exactly; unknown tags and values are ignored.
    pub fn parse(text: &[u8]) -> Option<Record> {
        let text = String::from_utf8_lossy(text);
        let mut specs = text.split(';').map(|spec| spec.split_once('=').map(|(name, value)| (name.trim(), value.trim())));
        if specs.next()? != Some(("v", "DMARC1")) {
            return None;
        }
        let mut record = Record {
            policy: None,
            subdomains: None,
            nonexistent: None,
            strict_dkim: false,
            strict_spf: false,
            psd: Psd::Unknown,
            testing: false,
            reports: None,
        };
        for (name, value) in specs.flatten() {
            match name.to_ascii_lowercase().as_str() {
                "p" => record.policy = policy(value),
                "sp" => record.subdomains = policy(value),
                "np" => record.nonexistent = policy(value),
                "adkim" => record.strict_dkim = value.eq_ignore_ascii_case("s"),
                "aspf" => record.strict_spf = value.eq_ignore_ascii_case("s"),
                "t" => record.testing = value.eq_ignore_ascii_case("y"),
                "rua" => record.reports = Some(value.to_owned()).filter(|v| !v.is_empty()),
                "psd" if value.eq_ignore_ascii_case("y") => record.psd = Psd::Yes,
                "psd" if value.eq_ignore_ascii_case("n") => record.psd = Psd::No,
                _ => {}
            }
        }
        Some(record)
    }

    /// What holds for the author domain; `None`: the record says nothing (§4.10.1: without a valid `p` it counts as
    /// `none` where it asks for reports, and not at all otherwise).
    fn applied(&self, own: bool, exists: bool) -> Option<DmarcPolicy> {
        let Some(policy) = self.policy else { return self.reports.as_ref().map(|_| DmarcPolicy::None) };
        let subdomains = self.subdomains.unwrap_or(policy);
        let asked = match (own, exists) {
            (true, _) => policy,
            (false, true) => subdomains,
            (false, false) => self.nonexistent.unwrap_or(subdomains),
        };
        // §4.7, t=y: one level milder.
        Some(match asked {
            DmarcPolicy::Reject if self.testing => DmarcPolicy::Quarantine,
            DmarcPolicy::Quarantine if self.testing => DmarcPolicy::None,
            DmarcPolicy::Reject | DmarcPolicy::Quarantine | DmarcPolicy::None => asked,
        })
    }
}

fn policy(value: &str) -> Option<DmarcPolicy> {
    [("none", DmarcPolicy::None), ("quarantine", DmarcPolicy::Quarantine), ("reject", DmarcPolicy::Reject)]
        .into_iter()
        .find(|(word, _)| value.eq_ignore_ascii_case(word))
        .map(|(_, policy)| policy)
}

pub fn word(result: DmarcResult) -> &'static str {
    match result {
        DmarcResult::None => "none",
        DmarcResult::Pass => "pass",
        DmarcResult::Fail => "fail",
        DmarcResult::TempError => "temperror",
        DmarcResult::PermError => "permerror",
    }
}

pub fn policy_word(policy: DmarcPolicy) -> &'static str {
    match policy {
        DmarcPolicy::None => "none",
        DmarcPolicy::Quarantine => "quarantine",
        DmarcPolicy::Reject => "reject",
    }
}

/// The records on the way from a name to its top-level domain, lowest first.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    pub found: Vec<(String, Record)>,
}

/// §4.10: the name, then its parents; a name of eight labels or more goes on with its last seven.
pub fn walked_names(start: &str) -> Vec<&str> {
    let mut names = vec![start];
    let mut name = start;
    while let Some((_, parent)) = name.split_once('.') {
        name = parent;
        while name.split('.').count() >= LABELS {
            name = name.split_once('.').map_or(name, |(_, parent)| parent);
        }
        names.push(name);
    }
    names
}

impl Walk {
    pub async fn take(session: &Session, start: &str) -> Result<Walk, Trouble> {
        let names = walked_names(start);
        let questions = names.iter().map(|name| (format!("_dmarc.{name}"), DnsType::Txt)).collect();
        let answers = session.look_up_all(questions).await;
        let mut walk = Walk::default();
        for (name, answer) in names.into_iter().zip(answers) {
            let records = match answer {
                Ok(records) => records,
                // "_dmarc." may make a long name too long: such a name has no record.
                Err(Trouble::BadName) => continue,
                Err(trouble) => return Err(trouble),
            };
            let mut parsed = records.texts().filter_map(Record::parse);
            // §4.10 step 2: several records of one name are all discarded.
            let (Some(record), None) = (parsed.next(), parsed.next()) else { continue };
            let ends = record.psd != Psd::Unknown;
            walk.found.push((name.to_owned(), record));
            if ends {
                break;
            }
        }
        Ok(walk)
    }

    /// §4.10.2.
    pub fn organizational(&self, start: &str) -> String {
        if let Some((name, _)) = self.found.iter().find(|(_, record)| record.psd == Psd::No) {
            return name.clone();
        }
        if let Some((suffix, _)) = self.found.iter().find(|(name, record)| record.psd == Psd::Yes && name != start) {
            return one_below(start, suffix).to_owned();
        }
        self.found.last().map_or(start, |(name, _)| name).to_owned()
    }

    fn record(&self, name: &str) -> Option<&Record> {
        self.found.iter().find(|(other, _)| other == name).map(|(_, record)| record)
    }
}

/// The ancestor of `name` that is one label longer than `suffix`.
fn one_below<'a>(name: &'a str, suffix: &str) -> &'a str {
    let above = name.len().saturating_sub(suffix.len() + 1);
    let start = name.get(..above).and_then(|left| left.rfind('.')).map_or(0, |dot| dot + 1);
    name.get(start..).unwrap_or(name)
}

/// `author`: the domain that From shows, or why there is none.
pub async fn evaluate(session: &Session, author: Result<&str, &str>, spf: &Spf, dkim: &[DkimSignature]) -> Dmarc {
    let mut dmarc =
        Dmarc { domain: String::new(), result: DmarcResult::None, policy: DmarcPolicy::None, record_found: false, reason: String::new() };
    let author = match author {
        Ok(author) => author,
        Err(reason) => {
            (dmarc.result, dmarc.reason) = (DmarcResult::PermError, reason.to_owned());
            return dmarc;
        }
    };
    author.clone_into(&mut dmarc.domain);
    let (result, reason) = match judge(session, author, spf, dkim, &mut dmarc).await {
        Ok(judged) => judged,
        Err(_) => (DmarcResult::TempError, format!("no answer about the policy of {author}")),
    };
    (dmarc.result, dmarc.reason) = (result, reason);
    dmarc
}

async fn judge(
    session: &Session,
    author: &str,
    spf: &Spf,
    dkim: &[DkimSignature],
    dmarc: &mut Dmarc,
) -> Result<(DmarcResult, String), Trouble> {
    let walk = Walk::take(session, author).await?;
    let organization = walk.organizational(author);
    // §4.10.1: the author domain's own record, else the organizational domain's, else the public suffix's.
    let own = walk.record(author);
    let suffix = || walk.found.iter().find(|(_, record)| record.psd == Psd::Yes).map(|(_, record)| record);
    let Some(record) = own.or_else(|| walk.record(&organization)).or_else(suffix) else {
        return Ok((DmarcResult::None, format!("{author} publishes no policy")));
    };
    let exists = own.is_some() || record.nonexistent.is_none() || session.look_up(author, DnsType::A).await?.exists;
    let Some(policy) = record.applied(own.is_some(), exists) else {
        return Ok((DmarcResult::None, format!("the record for {author} has no valid policy")));
    };
    (dmarc.record_found, dmarc.policy) = (true, policy);
    let aligned = Alignment { session, author, organization: &organization };
    let mut doubt = None;
    for signature in dkim {
        let perhaps = match signature.result {
            DkimResult::Pass => false,
            DkimResult::TempError => true,
            DkimResult::None | DkimResult::Fail | DkimResult::Policy | DkimResult::Neutral | DkimResult::PermError => continue,
        };
        match aligned.holds(&signature.domain, record.strict_dkim).await {
            Ok(false) => {}
            Ok(true) if !perhaps => return Ok((DmarcResult::Pass, format!("DKIM of {} is aligned", signature.domain))),
            Ok(true) | Err(_) => doubt = Some(format!("DKIM of {} could not be verified", signature.domain)),
        }
    }
    if matches!(spf.result, SpfResult::Pass | SpfResult::TempError) {
        match aligned.holds(&spf.domain, record.strict_spf).await {
            Ok(false) => {}
            Ok(true) if spf.result == SpfResult::Pass => return Ok((DmarcResult::Pass, format!("SPF of {} is aligned", spf.domain))),
            Ok(true) | Err(_) => doubt = Some(format!("SPF of {} got no answer", spf.domain)),
        }
    }
    // §5.3.6: a temporary error of something aligned means that the policy cannot be applied.
    Ok(match doubt {
        Some(reason) => (DmarcResult::TempError, reason),
        None => (DmarcResult::Fail, format!("neither SPF nor DKIM is aligned with {author}")),
    })
}

/// §4.4: strict, the same name; relaxed, the same organizational domain.
struct Alignment<'a> {
    session: &'a Session,
    author: &'a str,
    organization: &'a str,
}

impl Alignment<'_> {
    async fn holds(&self, identifier: &str, strict: bool) -> Result<bool, Trouble> {
        if identifier == self.author {
            return Ok(!identifier.is_empty());
        }
        // A name outside the author's organization cannot share it; only names within need a walk of their own.
        if strict || identifier.is_empty() || !domain::is_within(identifier, self.organization) {
            return Ok(false);
        }
        if identifier == self.organization {
            return Ok(true);
        }
        Ok(Walk::take(self.session, identifier).await?.organizational(identifier) == self.organization)
    }
}
