//! Public keys from the DNS (RFC 6376 §3.6.1, RFC 8463 §4) and what they verify.

use super::signature::Algorithm;
use crate::auth::base64;
use crate::auth::tags::{Tags, is_space};
use aws_lc_rs::signature::{
    ED25519, RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

/// RFC 8301 §3.2: "Verifiers MUST NOT consider signatures using RSA keys of less than 1024 bits as valid".
pub const FEWEST_BITS: u32 = 1024;
const MOST_BITS: u32 = 8192;
/// Octets of the whole record.
const RECORD: usize = 8192;
/// An exponent above 32 bits costs the verifier, not the signer.
const EXPONENT: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Public {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Ed25519(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub public: Public,
    /// `t=y`: the domain is trying things out.
    pub testing: bool,
    /// `t=s`: `i=` must name the signing domain itself.
    pub strict: bool,
    /// Hash names of `h=`; empty: any.
    pub hashes: Vec<String>,
}

/// What is wrong with a key record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// No record with `p=`.
    Missing,
    /// More than one (RFC 6376 §3.6.2.2 leaves the result undefined).
    Several,
    /// Tags or base64 that cannot be read, or a type that is not known.
    Malformed,
    /// `p=` is empty.
    Revoked,
    /// The lengths inside the key do not fit its octets: cut off, or of another format.
    WrongLength,
    /// Fewer than 1024 bits, more than 8192, or an exponent beyond reason.
    WrongSize(u32),
    /// `s=` excludes mail.
    NotForMail,
}

impl KeyFault {
    pub fn word(self) -> &'static str {
        match self {
            KeyFault::Missing => "missing",
            KeyFault::Several => "several",
            KeyFault::Malformed => "malformed",
            KeyFault::Revoked => "revoked",
            KeyFault::WrongLength => "wrong-length",
            KeyFault::WrongSize(_) => "short",
            KeyFault::NotForMail => "not-for-mail",
        }
    }

    pub fn reason(self) -> String {
        match self {
            KeyFault::Missing => "no key for signature".to_owned(),
            KeyFault::Several => "several key records".to_owned(),
            KeyFault::Malformed => "key record is malformed".to_owned(),
            KeyFault::Revoked => "key revoked".to_owned(),
            KeyFault::WrongLength => "key is cut off or of another format".to_owned(),
            KeyFault::WrongSize(bits) => format!("{bits}-bit key is not accepted"),
            KeyFault::NotForMail => "key is not for mail".to_owned(),
        }
    }
}

impl Key {
    /// From all TXT records of the name.
    pub fn of_records<'a>(records: impl Iterator<Item = &'a [u8]>) -> Result<Key, KeyFault> {
        // A wildcard may bring records of other purposes along: only those with a p= tag are keys.
        let is_key = |text: &&[u8]| {
            text.split(|b| *b == b';')
                .any(|spec| spec.trim_ascii_start().strip_prefix(b"p").is_some_and(|r| r.trim_ascii_start().starts_with(b"=")))
        };
        let mut keys = records.filter(is_key);
        let first = keys.next().ok_or(KeyFault::Missing)?;
        if keys.next().is_some() {
            return Err(KeyFault::Several);
        }
        Key::parse(first)
    }

    pub fn parse(record: &[u8]) -> Result<Key, KeyFault> {
        if record.len() > RECORD {
            return Err(KeyFault::Malformed);
        }
        let tags = Tags::parse(record).map_err(|_| KeyFault::Malformed)?;
        // §3.6.1: v= "If specified, this tag MUST be set to "DKIM1" … MUST be the first tag".
        if let Some(version) = tags.get("v")
            && (version != "DKIM1" || tags.first().is_none_or(|(name, _)| name != "v"))
        {
            return Err(KeyFault::Malformed);
        }
        let listed = |name| -> Vec<String> {
            tags.get(name)
                .map(|list: &str| list.split(':').map(|word| word.trim_matches(is_space).to_ascii_lowercase()).collect())
                .unwrap_or_default()
        };
        let services = listed("s");
        if !services.is_empty() && !services.iter().any(|s| s == "*" || s == "email") {
            return Err(KeyFault::NotForMail);
        }
        let text = tags.get("p").ok_or(KeyFault::Missing)?;
        if text.is_empty() {
            return Err(KeyFault::Revoked);
        }
        let octets = base64::decode(text.as_bytes()).ok_or(KeyFault::Malformed)?;
        let public = match tags.get("k").unwrap_or("rsa") {
            "rsa" => rsa(&octets)?,
            // RFC 8463 §4.2: the 32 octets themselves, without the ASN.1 around them.
            "ed25519" if octets.len() == 32 => Public::Ed25519(octets),
            "ed25519" => return Err(KeyFault::WrongLength),
            _ => return Err(KeyFault::Malformed),
        };
        let flags = listed("t");
        let flag = |wanted: &str| flags.iter().any(|f| f == wanted);
        Ok(Key { public, testing: flag("y"), strict: flag("s"), hashes: listed("h") })
    }

    pub fn bits(&self) -> u32 {
        match &self.public {
            Public::Rsa { modulus, .. } => bits(modulus),
            Public::Ed25519(_) => 256,
        }
    }

    /// Whether a signature of this algorithm may use this key.
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        let kind = match self.public {
            Public::Rsa { .. } => "rsa",
            Public::Ed25519(_) => "ed25519",
        };
        kind == algorithm.key_type() && (self.hashes.is_empty() || self.hashes.iter().any(|hash| hash == algorithm.hash()))
    }

    /// `hashed` are the canonical header fields; `fits` has been asked.
    pub fn verifies(&self, algorithm: Algorithm, hashed: &[u8], signature: &[u8]) -> bool {
        match (&self.public, algorithm) {
            (Public::Rsa { modulus, exponent }, Algorithm::RsaSha256) => RsaPublicKeyComponents { n: modulus, e: exponent }
                .verify(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, hashed, signature)
                .is_ok(),
            (Public::Rsa { modulus, exponent }, Algorithm::RsaSha1) => RsaPublicKeyComponents { n: modulus, e: exponent }
                .verify(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, hashed, signature)
                .is_ok(),
            // RFC 8463 §3: PureEdDSA over the SHA-256 digest.
            (Public::Ed25519(key), Algorithm::Ed25519Sha256) => {
                let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, hashed);
                UnparsedPublicKey::new(&ED25519, key).verify(digest.as_ref(), signature).is_ok()
            }
            (Public::Rsa { .. }, Algorithm::Ed25519Sha256) | (Public::Ed25519(_), Algorithm::RsaSha256 | Algorithm::RsaSha1) => false,
        }
    }
}

fn bits(modulus: &[u8]) -> u32 {
    let Some(first) = modulus.first() else { return 0 };
    u32::try_from(modulus.len()).unwrap_or(u32::MAX / 8).saturating_mul(8) - first.leading_zeros()
}

/// rsaEncryption (1.2.840.113549.1.1.1).
const RSA_OID: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// A SubjectPublicKeyInfo, or a bare RSAPublicKey as RFC 6376 §3.6.1 says and hardly anyone publishes.
fn rsa(octets: &[u8]) -> Result<Public, KeyFault> {
    let (inside, rest) = der(octets, 0x30)?;
    if !rest.is_empty() {
        return Err(KeyFault::WrongLength);
    }
    let numbers = if inside.first() == Some(&0x30) {
        let (algorithm, rest) = der(inside, 0x30)?;
        if der(algorithm, 0x06)?.0 != RSA_OID {
            return Err(KeyFault::Malformed);
        }
        let (bit_string, rest) = der(rest, 0x03)?;
        let key = bit_string.strip_prefix(&[0]).ok_or(KeyFault::Malformed)?;
        let (numbers, after) = der(key, 0x30)?;
        if !rest.is_empty() || !after.is_empty() {
            return Err(KeyFault::WrongLength);
        }
        numbers
    } else {
        inside
    };
    let (modulus, rest) = der(numbers, 0x02)?;
    let (exponent, rest) = der(rest, 0x02)?;
    if !rest.is_empty() {
        return Err(KeyFault::WrongLength);
    }
    let (modulus, exponent) = (positive(modulus)?, positive(exponent)?);
    let size = bits(modulus);
    if !(FEWEST_BITS..=MOST_BITS).contains(&size) || exponent.len() > EXPONENT || exponent.last().is_none_or(|b| b % 2 == 0) {
        return Err(KeyFault::WrongSize(size));
    }
    Ok(Public::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
}

fn positive(integer: &[u8]) -> Result<&[u8], KeyFault> {
    let start = integer.iter().position(|b| *b != 0).ok_or(KeyFault::Malformed)?;
    if integer.first().is_some_and(|b| b & 0x80 != 0) {
        return Err(KeyFault::Malformed);
    }
    Ok(integer.get(start..).unwrap_or_default())
}

/// One DER element with the given tag: its content, and what follows it.
fn der(octets: &[u8], tag: u8) -> Result<(&[u8], &[u8]), KeyFault> {
    let (&found, rest) = octets.split_first().ok_or(KeyFault::WrongLength)?;
    if found != tag {
        return Err(KeyFault::Malformed);
    }
    let (&first, rest) = rest.split_first().ok_or(KeyFault::WrongLength)?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f)).ok_or(KeyFault::WrongLength)?;
            (digits.iter().fold(0usize, |n, b| n << 8 | usize::from(*b)), rest)
        }
        _ => return Err(KeyFault::Malformed),
    };
    rest.split_at_checked(length).ok_or(KeyFault::WrongLength)
}
