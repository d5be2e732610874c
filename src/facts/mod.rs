//! What did we find out? Questions whose answers cost something, and their answers.
//!
//! A rule that needs a fact that is not there yet raises its question; `scan` gathers answers side by side and tells
//! them. An answer is `Known` or `Silent`: a server that did not answer never scores.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub enum Answer<T> {
    Known(T),
    /// The one who was asked did not answer (in time, or at all).
    Silent,
}

impl<T> Answer<T> {
    pub fn known(&self) -> Option<&T> {
        match self {
            Answer::Known(t) => Some(t),
            Answer::Silent => None,
        }
    }
}

/// Something worth asking once a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// SPF (MAIL FROM and HELO), DKIM, DMARC and ARC together, since each needs the others.
    Authentication,
    /// The classifier's probability.
    Bayes,
    /// One DNS look-up.
    Dns(DnsQuestion),
    /// The antivirus daemon's verdict.
    Virus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DnsType {
    A,
    Aaaa,
    Mx,
    Ns,
    Ptr,
    Txt,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DnsQuestion {
    /// Lower-case name without the final dot.
    pub name: Arc<str>,
    pub kind: DnsType,
}

/// The records of an answer, in text form as SpamAssassin's rules see them (`127.0.0.2`, `10 mx.example.org`, TXT
/// strings joined). Empty: the name or the type does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsReply {
    pub records: Vec<String>,
    pub exists: bool,
}

/// RFC 7208 §2.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpfResult {
    None,
    Neutral,
    Pass,
    Fail,
    SoftFail,
    TempError,
    PermError,
}

/// One identity and its result, inseparable, so that a result can never be paired with another domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spf {
    pub domain: String,
    pub result: SpfResult,
    /// The sender's explanation (`exp=`) or the error, printable ASCII.
    pub reason: String,
}

/// RFC 8601 §2.7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DkimResult {
    None,
    Pass,
    Fail,
    Policy,
    Neutral,
    TempError,
    PermError,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DkimSignature {
    /// `d=`, in A-labels, lower case.
    pub domain: String,
    /// The domain of `i=`.
    pub identity: String,
    pub selector: String,
    pub algorithm: String,
    pub key_bits: Option<u32>,
    /// The body goes on beyond `l=`.
    pub partial_body: bool,
    pub result: DkimResult,
    pub reason: String,
    /// The first eight characters of `b=`, which tell signatures of one signer apart (RFC 6008).
    pub head: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DmarcResult {
    None,
    Pass,
    Fail,
    TempError,
    PermError,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DmarcPolicy {
    None,
    Quarantine,
    Reject,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dmarc {
    /// The domain of header From; empty where there is no single one.
    pub domain: String,
    pub result: DmarcResult,
    /// What the domain asks for; `None` (the policy) also where no record is published.
    pub policy: DmarcPolicy,
    pub record_found: bool,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArcResult {
    None,
    Pass,
    Fail,
}

/// Who really sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    pub spf_mail_from: Spf,
    pub spf_helo: Spf,
    pub dkim: Vec<DkimSignature>,
    pub dmarc: Dmarc,
    pub arc: ArcResult,
    /// `d=` of the newest ARC seal when the chain passes and the sealer is trusted.
    pub trusted_sealer: Option<String>,
}

/// The classifier's opinion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bayes {
    /// Probability of spam, 0 to 1; `None`: no opinion (too little learned, database away).
    pub probability: Option<f64>,
}

/// The reason of `Virus::Unseen` where no antivirus daemon is configured.
pub const NO_SCANNER: &str = "no antivirus daemon is configured";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Virus {
    Clean,
    Found(String),
    /// Not inspected, and why (too large, no daemon configured).
    Unseen(String),
}

/// One answer as `scan` tells it.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Authentication(Answer<Authentication>),
    Bayes(Answer<Bayes>),
    Dns(DnsQuestion, Answer<DnsReply>),
    Virus(Answer<Virus>),
}

/// All answers of one message so far. A missing entry means: not asked yet.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub authentication: Option<Answer<Authentication>>,
    pub bayes: Option<Answer<Bayes>>,
    pub dns: HashMap<DnsQuestion, Answer<DnsReply>>,
    pub virus: Option<Answer<Virus>>,
}

impl Facts {
    pub fn tell(&mut self, told: Told) {
        match told {
            Told::Authentication(a) => self.authentication = Some(a),
            Told::Bayes(a) => self.bayes = Some(a),
            Told::Dns(question, a) => {
                self.dns.insert(question, a);
            }
            Told::Virus(a) => self.virus = Some(a),
        }
    }

    pub fn knows(&self, question: &Question) -> bool {
        match question {
            Question::Authentication => self.authentication.is_some(),
            Question::Bayes => self.bayes.is_some(),
            Question::Dns(q) => self.dns.contains_key(q),
            Question::Virus => self.virus.is_some(),
        }
    }
}

/// The outside hop that all questions about the client are about: the last relay that is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outsider {
    pub ip: IpAddr,
    pub helo: String,
    /// Envelope sender without angle brackets; empty for the null sender, `None` where it is not known.
    pub mail_from: Option<String>,
}
