//! ARC (RFC 8617): what earlier hands said of this message, sealed. Only a chain that passes, sealed last by somebody we
//! trust, counts for anything.

use super::canon::{self, Form};
use super::dkim::signature::{Algorithm, Signature, needed, number, octets, signer};
use super::dkim::verify::{Bodies, Body, header_hash_input, key, key_name};
use super::letter::{HeaderField, Letter};
use super::tags::{self, Tags};
use crate::dns::Session;
use crate::facts::{ArcResult, DnsType};

/// §4.2.1: i= runs from 1 to 50.
pub const SETS: usize = 50;

pub const RESULTS: &str = "ARC-Authentication-Results";
pub const MESSAGE: &str = "ARC-Message-Signature";
pub const SEAL: &str = "ARC-Seal";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arc {
    pub result: ArcResult,
    /// `d=` of the newest seal of a chain that passes and whose newest signature covers From.
    pub sealer: Option<String>,
    pub reason: String,
}

impl Arc {
    fn new(result: ArcResult, reason: impl Into<String>) -> Arc {
        Arc { result, sealer: None, reason: reason.into() }
    }
}

pub fn word(result: ArcResult) -> &'static str {
    match result {
        ArcResult::None => "none",
        ArcResult::Pass => "pass",
        ArcResult::Fail => "fail",
    }
}

/// The three fields of one hand.
#[derive(Clone, Copy, Debug, Default)]
struct Set<'a, 'm> {
    results: Option<&'a HeaderField<'m>>,
    message: Option<&'a HeaderField<'m>>,
    seal: Option<&'a HeaderField<'m>>,
}

/// A seal's own tags (§4.1.3).
#[derive(Debug)]
struct Seal {
    algorithm: Algorithm,
    domain: String,
    selector: String,
    signature: Vec<u8>,
    chain: String,
}

impl Seal {
    fn parse(tags: &Tags<'_>) -> Result<Seal, String> {
        // §4.1.3: only i, a, b, cv, d, s and t; "the "h" tag MUST fail".
        for foreign in ["h", "bh", "c", "l", "q", "x", "v"] {
            if tags.get(foreign).is_some() {
                return Err(format!("{foreign}= has no place in a seal"));
            }
        }
        let (domain, selector) = signer(tags)?;
        number(tags, "t")?;
        Ok(Seal {
            algorithm: Algorithm::parse(needed(tags, "a")?).ok_or("unknown algorithm")?,
            domain,
            selector,
            signature: octets(tags, "b")?,
            chain: needed(tags, "cv")?.to_ascii_lowercase(),
        })
    }
}

/// §5.2, in its order.
pub async fn verify(session: &Session, letter: &Letter<'_>, now: u64) -> Arc {
    let sets = match collect(letter) {
        Ok(sets) if sets.is_empty() => return Arc::new(ArcResult::None, ""),
        Ok(sets) => sets,
        Err(reason) => return Arc::new(ArcResult::Fail, reason),
    };
    match check(session, letter, &sets, now).await {
        Ok(sealer) => Arc { sealer, ..Arc::new(ArcResult::Pass, "") },
        Err(reason) => Arc::new(ArcResult::Fail, reason),
    }
}

/// Where a chain stands, broken or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Instances {
    /// The highest `i=`; 0: none.
    pub newest: usize,
    /// A seal says `cv=fail`: §5.1, nobody seals after that.
    pub closed: bool,
}

pub fn instances(letter: &Letter<'_>) -> Instances {
    let mut found = Instances::default();
    for field in &letter.fields {
        if field.is(RESULTS) {
            found.newest = found.newest.max(results_instance(field.value).unwrap_or(0));
        } else if field.is(MESSAGE) || field.is(SEAL) {
            found.newest = found.newest.max(tagged_instance(field.value).unwrap_or(0));
            let tags = Tags::parse(field.value).ok();
            found.closed |= tags.and_then(|tags| Some(tags.get("cv")?.eq_ignore_ascii_case("fail"))).unwrap_or(false);
        }
    }
    found
}

/// All sets of a chain that passes, in the order in which a seal covers them (§5.1.1).
///
/// # Errors
/// The chain is broken.
pub fn earlier(letter: &Letter<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    for set in collect(letter)? {
        for field in [set.results, set.message, set.seal].into_iter().flatten() {
            canon::field(field.whole, Form::Relaxed, None, out);
        }
    }
    Ok(())
}

/// Complete sets from 1 on, without gap or double.
fn collect<'a, 'm>(letter: &'a Letter<'m>) -> Result<Vec<Set<'a, 'm>>, String> {
    let mut sets: Vec<Set<'a, 'm>> = Vec::new();
    for field in &letter.fields {
        let kind = [RESULTS, MESSAGE, SEAL].into_iter().find(|name| field.is(name));
        let Some(kind) = kind else { continue };
        let instance = if kind == RESULTS { results_instance(field.value) } else { tagged_instance(field.value) };
        let index = instance.filter(|i| (1..=SETS).contains(i)).ok_or_else(|| format!("{kind} without a proper i="))?;
        if sets.len() < index {
            sets.resize(index, Set::default());
        }
        let Some(set) = sets.get_mut(index - 1) else { continue };
        let slot = match kind {
            RESULTS => &mut set.results,
            MESSAGE => &mut set.message,
            _ => &mut set.seal,
        };
        if slot.replace(field).is_some() {
            return Err(format!("{kind} of instance {index} stands there twice"));
        }
    }
    let complete = |set: &Set<'_, '_>| set.results.is_some() && set.message.is_some() && set.seal.is_some();
    if sets.iter().all(complete) { Ok(sets) } else { Err("a set of the chain is incomplete".to_owned()) }
}

fn tagged_instance(value: &[u8]) -> Option<usize> {
    instance(Tags::parse(value).ok()?.get("i")?)
}

/// §4.1.1: `i=N;` comes before the Authentication-Results payload.
fn results_instance(value: &[u8]) -> Option<usize> {
    let first = value.split(|b| *b == b';').next().filter(|first| first.len() < value.len())?;
    let (name, number) = std::str::from_utf8(first).ok()?.split_once('=')?;
    if name.trim_matches(tags::is_space) != "i" {
        return None;
    }
    instance(number.trim_matches(tags::is_space))
}

fn instance(text: &str) -> Option<usize> {
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()) && text.len() <= 2)
}

async fn check(session: &Session, letter: &Letter<'_>, sets: &[Set<'_, '_>], now: u64) -> Result<Option<String>, String> {
    let mut seals = Vec::with_capacity(sets.len());
    for (index, set) in sets.iter().enumerate() {
        let value = set.seal.map(|field| field.value).unwrap_or_default();
        let seal = Tags::parse(value).and_then(|tags| Seal::parse(&tags)).map_err(|e| format!("seal {}: {e}", index + 1))?;
        let expected = if index == 0 { "none" } else { "pass" };
        if seal.chain != expected {
            return Err(format!("seal {} says cv={}", index + 1, super::results::token_like(&seal.chain)));
        }
        seals.push(seal);
        // Each earlier message signature must at least be one; only the newest must still verify.
        let message = set.message.map(|field| field.value).unwrap_or_default();
        message_signature(message).map_err(|e| format!("message signature {}: {e}", index + 1))?;
    }
    let newest = sets.last().and_then(|set| set.message).ok_or("no set")?;
    let signature = check_message(session, letter, newest, now).await?;
    let questions = seals.iter().map(|seal| (format!("{}._domainkey.{}", seal.selector, seal.domain), DnsType::Txt)).collect();
    let answers = session.look_up_all(questions).await;
    let mut hashed = Vec::new();
    for (index, ((seal, set), answer)) in seals.iter().zip(sets).zip(answers).enumerate() {
        let broken = |what: &str| format!("seal {}: {what}", index + 1);
        let key = key(answer).map_err(|(_, reason)| broken(&reason))?;
        for field in [set.results, set.message].into_iter().flatten() {
            canon::field(field.whole, Form::Relaxed, None, &mut hashed);
        }
        let own = set.seal.map(|field| field.whole).unwrap_or_default();
        let mark = hashed.len();
        canon::field(own, Form::Relaxed, tags::value_of_b(own), &mut hashed);
        let covered = hashed.get(..hashed.len().saturating_sub(2)).unwrap_or_default();
        // RFC 8301 holds here too: no SHA-1.
        let fits = seal.algorithm != Algorithm::RsaSha1 && key.fits(seal.algorithm);
        if !fits || !key.verifies(seal.algorithm, covered, &seal.signature) {
            return Err(broken("did not verify"));
        }
        // The next seal covers this one with its signature.
        hashed.truncate(mark);
        canon::field(own, Form::Relaxed, None, &mut hashed);
    }
    // A sealer that leaves From unsigned vouches for nobody.
    Ok(seals.pop().map(|seal| seal.domain).filter(|_| signature.covers("from")))
}

fn message_signature(value: &[u8]) -> Result<Signature, String> {
    let signature = Signature::arc(&Tags::parse(value)?)?;
    // §4.1.2: "ARC-Seal header fields MUST NOT be included" in h=.
    if signature.fields.iter().any(|name| name == "arc-seal") {
        return Err("a seal is signed in h=".to_owned());
    }
    if signature.algorithm == Algorithm::RsaSha1 {
        return Err("rsa-sha1 is obsolete".to_owned());
    }
    Ok(signature)
}

async fn check_message(session: &Session, letter: &Letter<'_>, field: &HeaderField<'_>, now: u64) -> Result<Signature, String> {
    let signature = message_signature(field.value)?;
    if signature.expires.is_some_and(|expires| expires < now) {
        return Err("message signature expired".to_owned());
    }
    let answer = session.look_up(&key_name(&signature), DnsType::Txt).await;
    let key = key(answer).map_err(|(_, reason)| format!("message signature: {reason}"))?;
    if Bodies::new(letter.body).check(&signature) != Body::Same {
        return Err("message signature: body hash did not verify".to_owned());
    }
    let hashed = header_hash_input(letter, &signature.fields, signature.canonicalization.header, field);
    if !key.fits(signature.algorithm) || !key.verifies(signature.algorithm, &hashed, &signature.signature) {
        return Err("message signature did not verify".to_owned());
    }
    Ok(signature)
}
