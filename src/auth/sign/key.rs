//! Private keys: made, read from files that nobody else may read or write, and used.

use crate::auth::base64;
use crate::auth::dkim::signature::Algorithm;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaMaker, KeySize};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use std::fmt;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// RFC 8301 §3.2: "Signers MUST use RSA keys of at least 1024 bits … and SHOULD use at least 2048". We hold to 2048.
pub const FEWEST_BITS: u32 = 2048;
/// Octets of a key file.
const LARGEST_FILE: u64 = 65_536;

pub enum PrivateKey {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

/// Never the key itself.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, {} bits)", self.algorithm().word(), self.bits())
    }
}

/// Sizes that `keygen` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Rsa2048,
    Rsa3072,
    Rsa4096,
    Ed25519,
}

impl PrivateKey {
    /// Reads a key file. It must be a plain file of root or of our own user, not writable by its group, and closed to
    /// everybody else; nobody else may be able to put another in its place.
    ///
    /// # Errors
    /// The fact and the remedy, without the file's name.
    pub fn read(path: &Path) -> Result<PrivateKey, String> {
        let unreadable = |e: std::io::Error| format!("cannot be read: {e}");
        let file = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path).map_err(unreadable)?;
        let about = file.metadata().map_err(unreadable)?;
        if !about.is_file() {
            return Err("is no plain file".to_owned());
        }
        let us = nix::unistd::geteuid().as_raw();
        if about.uid() != 0 && about.uid() != us {
            return Err(format!("belongs to user {}: chown it to root or to Hamgate's user", about.uid()));
        }
        if about.mode() & 0o037 != 0 {
            return Err(format!("can be read or changed by others (mode {:03o}): chmod 600", about.mode() & 0o777));
        }
        check_folder(path, us)?;
        let mut text = String::new();
        file.take(LARGEST_FILE).read_to_string(&mut text).map_err(unreadable)?;
        PrivateKey::parse(&text)
    }

    /// PEM (PKCS#1 or PKCS#8), or the base64 of an Ed25519 seed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<PrivateKey, String> {
        const UNKNOWN: &str = "holds no RSA or Ed25519 private key in PEM form";
        let Some((label, octets)) = pem(text) else {
            let seed = base64::decode(text.trim().as_bytes()).filter(|seed| seed.len() == 32).ok_or(UNKNOWN)?;
            return Ed25519KeyPair::from_seed_unchecked(&seed).map(PrivateKey::Ed25519).map_err(|e| format!("is refused: {e}"));
        };
        let key = if label == "RSA PRIVATE KEY" {
            RsaKeyPair::from_der(&octets).map(|key| PrivateKey::Rsa(Box::new(key))).map_err(|e| format!("is refused: {e}"))?
        } else if let Ok(key) = RsaKeyPair::from_pkcs8(&octets) {
            PrivateKey::Rsa(Box::new(key))
        } else {
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(&octets).map(PrivateKey::Ed25519).map_err(|_| UNKNOWN)?
        };
        if matches!(key, PrivateKey::Rsa(_)) && key.bits() < FEWEST_BITS {
            return Err(format!("has {} bits: make one of {FEWEST_BITS} or more", key.bits()));
        }
        Ok(key)
    }

    /// A new key as PKCS#8 PEM.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn generate(kind: Kind) -> Result<String, String> {
        let failed = |_| "no key could be made".to_owned();
        let size = match kind {
            Kind::Rsa2048 => KeySize::Rsa2048,
            Kind::Rsa3072 => KeySize::Rsa3072,
            Kind::Rsa4096 => KeySize::Rsa4096,
            Kind::Ed25519 => {
                let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(failed)?;
                return Ok(to_pem(document.as_ref()));
            }
        };
        let made = RsaMaker::generate(size).map_err(failed)?;
        let document: Pkcs8V1Der<'_> = made.as_der().map_err(failed)?;
        Ok(to_pem(document.as_ref()))
    }

    pub fn algorithm(&self) -> Algorithm {
        match self {
            PrivateKey::Rsa(_) => Algorithm::RsaSha256,
            PrivateKey::Ed25519(_) => Algorithm::Ed25519Sha256,
        }
    }

    pub fn bits(&self) -> u32 {
        match self {
            PrivateKey::Rsa(key) => u32::try_from(key.public_modulus_len() * 8).unwrap_or(u32::MAX),
            PrivateKey::Ed25519(_) => 256,
        }
    }

    /// `p=` of the record that belongs to it.
    pub fn public_text(&self) -> String {
        match self {
            PrivateKey::Rsa(key) => base64::encode(&subject_public_key_info(key.public_key().as_ref())),
            PrivateKey::Ed25519(key) => base64::encode(key.public_key().as_ref()),
        }
    }

    /// The whole TXT record.
    pub fn record(&self) -> String {
        format!("v=DKIM1; k={}; p={}", self.algorithm().key_type(), self.public_text())
    }

    /// Over canonical header fields.
    ///
    /// # Errors
    /// The library failed; it does not on a key that was read.
    pub fn sign(&self, hashed: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            PrivateKey::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), hashed, &mut signature).map_err(|_| "signing failed")?;
                Ok(signature)
            }
            PrivateKey::Ed25519(key) => {
                let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, hashed);
                Ok(key.sign(digest.as_ref()).as_ref().to_vec())
            }
        }
    }
}

/// A folder that others may write to lets them replace the file, unless it is sticky (as /tmp).
fn check_folder(path: &Path, us: u32) -> Result<(), String> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let about = std::fs::metadata(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let strange = about.uid() != 0 && about.uid() != us;
    if strange || about.mode() & 0o022 != 0 && about.mode() & 0o1000 == 0 {
        return Err(format!("lies in {}, which others may write to: chmod go-w", folder.display()));
    }
    Ok(())
}

fn pem(text: &str) -> Option<(String, Vec<u8>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    Some((label.to_owned(), base64::decode(body.as_bytes())?))
}

fn to_pem(octets: &[u8]) -> String {
    let text = base64::encode(octets);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

/// RFC 5280 §4.1.2.7 around an RSAPublicKey: what everybody publishes.
fn subject_public_key_info(key: &[u8]) -> Vec<u8> {
    // SEQUENCE { OID 1.2.840.113549.1.1.1, NULL }
    const ALGORITHM: &[u8] = &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let bit_string = der(0x03, &[&[0], key].concat());
    der(0x30, &[ALGORITHM, &bit_string].concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match length {
        0..=0x7f => out.push(length as u8),
        0x80..=0xff => out.extend([0x81, length as u8]),
        _ => out.extend([0x82, (length >> 8) as u8, (length & 0xff) as u8]),
    }
    out.extend_from_slice(content);
    out
}
