//! The tags of a signature field (RFC 6376 §3.5), read strictly; ARC's fields share most of them.

use crate::auth::canon::Canonicalization;
use crate::auth::tags::{Tags, is_space};
use crate::auth::{base64, domain};

/// Names in `h=`.
const SIGNED_FIELDS: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    RsaSha256,
    RsaSha1,
    Ed25519Sha256,
}

impl Algorithm {
    pub fn parse(text: &str) -> Option<Algorithm> {
        match text {
            "rsa-sha256" => Some(Algorithm::RsaSha256),
            "rsa-sha1" => Some(Algorithm::RsaSha1),
            "ed25519-sha256" => Some(Algorithm::Ed25519Sha256),
            _ => None,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Algorithm::RsaSha256 => "rsa-sha256",
            Algorithm::RsaSha1 => "rsa-sha1",
            Algorithm::Ed25519Sha256 => "ed25519-sha256",
        }
    }

    /// `k=` of the key that fits.
    pub fn key_type(self) -> &'static str {
        match self {
            Algorithm::RsaSha256 | Algorithm::RsaSha1 => "rsa",
            Algorithm::Ed25519Sha256 => "ed25519",
        }
    }

    /// As `h=` of a key names it.
    pub fn hash(self) -> &'static str {
        match self {
            Algorithm::RsaSha256 | Algorithm::Ed25519Sha256 => "sha256",
            Algorithm::RsaSha1 => "sha1",
        }
    }
}

/// What a DKIM-Signature or ARC-Message-Signature says.
#[derive(Clone, Debug)]
pub struct Signature {
    pub algorithm: Algorithm,
    pub canonicalization: Canonicalization,
    /// A-labels, lower case.
    pub domain: String,
    pub selector: String,
    /// Domain of `i=`; the signing domain where the tag is missing.
    pub identity: String,
    pub fields: Vec<String>,
    pub body_hash: Vec<u8>,
    pub signature: Vec<u8>,
    pub body_length: Option<u64>,
    pub signed_at: Option<u64>,
    pub expires: Option<u64>,
}

/// Enough to name a signature whose tags are broken.
pub fn names(tags: &Tags<'_>) -> (String, String) {
    let of = |tag| tags.get(tag).and_then(domain::host).unwrap_or_default();
    (of("d"), of("s"))
}

impl Signature {
    /// A DKIM-Signature.
    pub fn dkim(tags: &Tags<'_>) -> Result<Signature, String> {
        // §3.5: v= "MUST have the value "1"", not "1.0".
        if needed(tags, "v")? != "1" {
            return Err("unknown version".to_owned());
        }
        let fields = signed_fields(needed(tags, "h")?)?;
        if fields.iter().any(String::is_empty) {
            return Err("h= is malformed".to_owned());
        }
        let mut signature = Signature::common(tags, fields, Canonicalization::default())?;
        if !signature.covers("from") {
            return Err("From is not signed".to_owned());
        }
        if let Some(identity) = tags.get("i") {
            let (_, host) = identity.rsplit_once('@').ok_or("i= without \"@\"")?;
            let host = domain::host(host).ok_or("i= is no domain")?;
            if !domain::is_within(&host, &signature.domain) {
                return Err("i= lies outside d=".to_owned());
            }
            signature.identity = host;
        }
        Ok(signature)
    }

    /// An ARC-Message-Signature: `i=` is the instance, which the caller reads; no version. The working group's suite takes
    /// relaxed for the default form, and lets `h=` hold no or empty names.
    pub fn arc(tags: &Tags<'_>) -> Result<Signature, String> {
        if tags.get("v").is_some() {
            return Err("v= has no place here".to_owned());
        }
        let fields = signed_fields(tags.get("h").ok_or("h= is missing")?)?;
        Signature::common(tags, fields, Canonicalization::RELAXED)
    }

    pub fn covers(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field == name)
    }

    fn common(tags: &Tags<'_>, fields: Vec<String>, unsaid: Canonicalization) -> Result<Signature, String> {
        let algorithm = Algorithm::parse(needed(tags, "a")?).ok_or("unknown algorithm")?;
        let canonicalization = match tags.get("c") {
            Some(text) => Canonicalization::parse(text).ok_or("unknown canonicalization")?,
            None => unsaid,
        };
        let (domain, selector) = signer(tags)?;
        if let Some(methods) = tags.get("q")
            && !methods.split(':').any(|method| method.trim_matches(is_space).eq_ignore_ascii_case("dns/txt"))
        {
            return Err("no query method that we know".to_owned());
        }
        let (signed_at, expires) = (number(tags, "t")?, number(tags, "x")?);
        if let (Some(from), Some(to)) = (signed_at, expires)
            && to <= from
        {
            return Err("x= is not later than t=".to_owned());
        }
        Ok(Signature {
            algorithm,
            canonicalization,
            identity: domain.clone(),
            domain,
            selector,
            fields,
            body_hash: octets(tags, "bh")?,
            signature: octets(tags, "b")?,
            body_length: number(tags, "l")?,
            signed_at,
            expires,
        })
    }
}

pub fn needed<'a>(tags: &Tags<'a>, name: &str) -> Result<&'a str, String> {
    tags.get(name).filter(|value| !value.is_empty()).ok_or_else(|| format!("{name}= is missing"))
}

/// `d=` and `s=`: names only, so that what is looked up is what is shown.
pub fn signer(tags: &Tags<'_>) -> Result<(String, String), String> {
    // RFC 6376 §3.5 knows no final dot, and what ends a name here could begin another one there.
    let undotted = |name: &str| -> Result<String, String> {
        needed(tags, name)
            .map(str::to_owned)
            .and_then(|text| if text.ends_with('.') { Err(format!("{name}= ends in a dot")) } else { Ok(text) })
    };
    let domain = domain::registrable(&undotted("d")?).ok_or("d= is no domain")?;
    let selector = domain::host(&undotted("s")?).ok_or("s= is no selector")?;
    Ok((domain, selector))
}

pub fn octets(tags: &Tags<'_>, name: &str) -> Result<Vec<u8>, String> {
    base64::decode(needed(tags, name)?.as_bytes()).ok_or_else(|| format!("{name}= is no base64"))
}

/// At most 76 digits (§3.5); more seconds or octets than fit count as "very many".
pub fn number(tags: &Tags<'_>, name: &str) -> Result<Option<u64>, String> {
    let Some(text) = tags.get(name) else { return Ok(None) };
    let plain = !text.is_empty() && text.len() <= 76 && text.bytes().all(|b| b.is_ascii_digit());
    if !plain {
        return Err(format!("{name}= is no number"));
    }
    Ok(Some(text.parse().unwrap_or(u64::MAX)))
}

/// Lower case; folds may stand around the colons.
fn signed_fields(text: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = text.split(':').take(SIGNED_FIELDS + 1).map(|name| name.trim_matches(is_space).to_ascii_lowercase()).collect();
    if names.len() > SIGNED_FIELDS {
        return Err("too many signed fields".to_owned());
    }
    let proper = |name: &String| name.bytes().all(|b| b.is_ascii_graphic());
    if names.iter().all(proper) { Ok(names) } else { Err("h= is malformed".to_owned()) }
}
