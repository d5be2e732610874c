//! Verification: tags, then keys side by side, then body hash and signature.

use super::key::{Key, KeyFault};
use super::signature::{Algorithm, Signature, names};
use crate::auth::base64;
use crate::auth::canon::{self, Form};
use crate::auth::letter::{HeaderField, Letter};
use crate::auth::tags::{self, Tags};
use crate::base::limits;
use crate::dns::{Records, Session, Trouble};
use crate::facts::{DkimResult, DkimSignature, DnsType};
use aws_lc_rs::digest;
use std::collections::HashMap;
use std::sync::Arc;

/// A signature may come from a clock that is this much ahead of ours.
const CLOCK_DRIFT: u64 = 86_400;

/// A fact for each signature in the order of the fields, the newest first; those beyond the limit are `policy`.
pub async fn verify(session: &Session, letter: &Letter<'_>, now: u64) -> Vec<DkimSignature> {
    let fields: Vec<&HeaderField<'_>> = letter.named("DKIM-Signature").collect();
    let mut facts: Vec<DkimSignature> = Vec::new();
    let mut parsed: Vec<Option<Signature>> = Vec::new();
    for (number, field) in fields.iter().enumerate().take(4 * limits::SIGNATURES) {
        let (signature, fact) = read(field, number, now);
        facts.push(fact);
        parsed.push(signature);
    }
    let questions = parsed.iter().flatten().map(|signature| (key_name(signature), DnsType::Txt)).collect();
    let answers = session.look_up_all(questions).await;
    let mut bodies = Bodies::new(letter.body);
    let mut answer = answers.into_iter();
    for ((signature, fact), field) in parsed.iter().zip(&mut facts).zip(&fields) {
        let Some(signature) = signature else { continue };
        let Some(answer) = answer.next() else { break };
        let judged = judge(signature, field, letter, answer, &mut bodies);
        (fact.result, fact.reason) = (judged.result, judged.reason);
        (fact.key_bits, fact.partial_body) = (judged.key_bits, judged.partial_body);
    }
    facts
}

fn read(field: &HeaderField<'_>, number: usize, now: u64) -> (Option<Signature>, DkimSignature) {
    let broken = |tags: &Tags<'_>, result, reason: String| {
        let (domain, selector) = names(tags);
        let algorithm = tags.get("a").and_then(Algorithm::parse).map_or("", Algorithm::word).to_owned();
        fact(domain.clone(), domain, selector, algorithm, tags, result, reason)
    };
    let tags = match Tags::parse(field.value) {
        Ok(tags) => tags,
        Err(reason) => return (None, broken(&Tags::default(), DkimResult::PermError, reason)),
    };
    if number >= limits::SIGNATURES {
        return (None, broken(&tags, DkimResult::Policy, "too many signatures".to_owned()));
    }
    let signature = match Signature::dkim(&tags) {
        Ok(signature) => signature,
        Err(reason) => return (None, broken(&tags, DkimResult::PermError, reason)),
    };
    let mut fact = fact(
        signature.domain.clone(),
        signature.identity.clone(),
        signature.selector.clone(),
        signature.algorithm.word().to_owned(),
        &tags,
        DkimResult::None,
        String::new(),
    );
    let unacceptable = if signature.algorithm == Algorithm::RsaSha1 {
        // RFC 8301 §3.1: "rsa-sha1 MUST NOT be used for signing or verifying."
        Some((DkimResult::Policy, "rsa-sha1 is obsolete"))
    } else if signature.expires.is_some_and(|expires| expires < now) {
        Some((DkimResult::Fail, "signature expired"))
    } else if signature.signed_at.is_some_and(|at| at > now.saturating_add(CLOCK_DRIFT)) {
        Some((DkimResult::Policy, "signature is from the future"))
    } else {
        None
    };
    match unacceptable {
        Some((result, reason)) => {
            (fact.result, fact.reason) = (result, reason.to_owned());
            (None, fact)
        }
        None => (Some(signature), fact),
    }
}

fn fact(
    domain: String,
    identity: String,
    selector: String,
    algorithm: String,
    tags: &Tags<'_>,
    result: DkimResult,
    reason: String,
) -> DkimSignature {
    // RFC 6008: the first octets of b= tell signatures of one signer apart.
    let head: String = tags.get("b").unwrap_or("").chars().filter(|c| c.is_ascii_alphanumeric() || "+/=".contains(*c)).take(8).collect();
    DkimSignature { domain, identity, selector, algorithm, key_bits: None, partial_body: false, result, reason, head }
}

pub fn key_name(signature: &Signature) -> String {
    format!("{}._domainkey.{}", signature.selector, signature.domain)
}

/// What verification adds to what the tags told.
#[derive(Debug)]
pub struct Judged {
    pub result: DkimResult,
    pub reason: String,
    pub key_bits: Option<u32>,
    pub partial_body: bool,
}

impl Judged {
    fn new(result: DkimResult, reason: impl Into<String>) -> Judged {
        Judged { result, reason: reason.into(), key_bits: None, partial_body: false }
    }
}

pub fn judge(
    signature: &Signature,
    field: &HeaderField<'_>,
    letter: &Letter<'_>,
    answer: Result<Arc<Records>, Trouble>,
    bodies: &mut Bodies<'_>,
) -> Judged {
    let key = match key(answer) {
        Ok(key) => key,
        Err((result, reason)) => return Judged::new(result, reason),
    };
    let mut judged = Judged { key_bits: Some(key.bits()), ..Judged::new(DkimResult::Pass, "") };
    if !key.fits(signature.algorithm) {
        return Judged { result: DkimResult::PermError, reason: "key is for another algorithm".to_owned(), ..judged };
    }
    // §3.6.1, t=s: "the "i=" domain MUST NOT be a subdomain of "d="".
    if key.strict && signature.identity != signature.domain {
        return Judged { result: DkimResult::PermError, reason: "key does not allow subdomains in i=".to_owned(), ..judged };
    }
    match bodies.check(signature) {
        Body::Differs => return Judged { result: DkimResult::Fail, reason: "body hash did not verify".to_owned(), ..judged },
        Body::Same => {}
        Body::GoesOn => judged.partial_body = true,
    }
    let hashed = header_hash_input(letter, &signature.fields, signature.canonicalization.header, field);
    if !key.verifies(signature.algorithm, &hashed, &signature.signature) {
        return Judged { result: DkimResult::Fail, reason: "signature did not verify".to_owned(), ..judged };
    }
    if judged.partial_body {
        (judged.result, judged.reason) = (DkimResult::Policy, "body goes on beyond l=".to_owned());
    } else if key.testing {
        judged.reason = "domain is testing DKIM".to_owned();
    }
    judged
}

/// The key, or the result that its absence means.
pub fn key(answer: Result<Arc<Records>, Trouble>) -> Result<Key, (DkimResult, String)> {
    match answer {
        Ok(records) => Key::of_records(records.texts()).map_err(|fault| {
            let result = match fault {
                KeyFault::WrongSize(_) => DkimResult::Policy,
                KeyFault::Missing
                | KeyFault::Several
                | KeyFault::Malformed
                | KeyFault::Revoked
                | KeyFault::WrongLength
                | KeyFault::NotForMail => DkimResult::PermError,
            };
            (result, fault.reason())
        }),
        Err(Trouble::Silent) => Err((DkimResult::TempError, "no answer about the key".to_owned())),
        Err(Trouble::TooMany) => Err((DkimResult::TempError, "too many DNS questions for one message".to_owned())),
        Err(Trouble::BadName) => Err((DkimResult::PermError, "the key has no proper name".to_owned())),
    }
}

/// §3.7: the signed fields, then the signature field itself without the value of `b=` and without its line end.
pub fn header_hash_input(letter: &Letter<'_>, names: &[String], form: Form, own: &HeaderField<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(2048);
    select(letter, names, |field| canon::field(field.whole, form, None, &mut out));
    canon::field(own.whole, form, tags::value_of_b(own.whole), &mut out);
    out.truncate(out.len().saturating_sub(2));
    out
}

/// §5.4.2: of several fields of a name the lowest is signed first; a name without a field left is signed as absent.
fn select<'m>(letter: &Letter<'m>, names: &[String], mut take: impl FnMut(&HeaderField<'m>)) {
    let mut left: HashMap<&str, Vec<&HeaderField<'m>>> = names.iter().map(|name| (name.as_str(), Vec::new())).collect();
    for field in &letter.fields {
        let lower = field.name.to_ascii_lowercase();
        if let Some(fields) = std::str::from_utf8(&lower).ok().and_then(|name| left.get_mut(name)) {
            fields.push(field);
        }
    }
    for name in names {
        if let Some(field) = left.get_mut(name.as_str()).and_then(Vec::pop) {
            take(field);
        }
    }
}

/// How a body compares with `bh=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    Same,
    Differs,
    /// What `l=` covers is the same, and more follows.
    GoesOn,
}

/// Canonical forms and hashes of one body, each made once however many signatures there are.
#[derive(Debug)]
pub struct Bodies<'m> {
    raw: &'m [u8],
    forms: HashMap<Form, Vec<u8>>,
    hashes: HashMap<(Form, &'static str, usize), digest::Digest>,
}

impl<'m> Bodies<'m> {
    pub fn new(raw: &'m [u8]) -> Bodies<'m> {
        Bodies { raw, forms: HashMap::new(), hashes: HashMap::new() }
    }

    pub fn check(&mut self, signature: &Signature) -> Body {
        let form = signature.canonicalization.body;
        let whole = self.canonical(form).len();
        let covered = match signature.body_length {
            Some(length) => match usize::try_from(length).ok().filter(|length| *length <= whole) {
                Some(length) => length,
                // §3.5: l= "MUST NOT be larger than the actual number of octets in the canonicalized message body".
                None => return Body::Differs,
            },
            None => whole,
        };
        if self.hash(form, signature.algorithm, covered) != signature.body_hash {
            Body::Differs
        } else if covered < whole {
            Body::GoesOn
        } else {
            Body::Same
        }
    }

    /// As `bh=` of a new signature.
    pub fn text(&mut self, form: Form, algorithm: Algorithm) -> String {
        let whole = self.canonical(form).len();
        base64::encode(&self.hash(form, algorithm, whole))
    }

    fn canonical(&mut self, form: Form) -> &[u8] {
        let raw = self.raw;
        self.forms.entry(form).or_insert_with(|| canon::body(raw, form))
    }

    fn hash(&mut self, form: Form, algorithm: Algorithm, covered: usize) -> Vec<u8> {
        let name = algorithm.hash();
        if let Some(hash) = self.hashes.get(&(form, name, covered)) {
            return hash.as_ref().to_vec();
        }
        let kind = match algorithm {
            Algorithm::RsaSha256 | Algorithm::Ed25519Sha256 => &digest::SHA256,
            Algorithm::RsaSha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        };
        let hash = digest::digest(kind, self.canonical(form).get(..covered).unwrap_or_default());
        self.hashes.insert((form, name, covered), hash);
        hash.as_ref().to_vec()
    }
}
