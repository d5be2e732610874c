//! Does the published key fit the one we sign with? Each fault has its word and its exit status.

use super::table::Entry;
use crate::auth::dkim::key::{Key, KeyFault, Public};
use crate::auth::dkim::signature::Algorithm;
use crate::auth::sign::PrivateKey;
use crate::auth::sign::key::FEWEST_BITS;
use crate::dns::{Session, Trouble};
use crate::facts::DnsType;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No server answered: nothing is known.
    Silent,
    /// What is published cannot serve.
    Published(KeyFault),
    /// Another key is published than the one in the file.
    Mismatched,
    /// The key in the file cannot be used.
    File(String),
}

impl Fault {
    pub fn word(&self) -> &'static str {
        match self {
            Fault::Silent => "silent",
            Fault::Published(fault) => fault.word(),
            Fault::Mismatched => "mismatched",
            Fault::File(_) => "unusable-file",
        }
    }

    /// Exit status of `dkim testkey`.
    pub fn status(&self) -> u8 {
        match self {
            Fault::Published(KeyFault::Missing) => 3,
            Fault::Mismatched => 4,
            Fault::Published(KeyFault::WrongSize(_)) => 5,
            Fault::Published(KeyFault::WrongLength) => 6,
            Fault::Published(KeyFault::Several) => 7,
            Fault::Published(KeyFault::Revoked) => 8,
            Fault::Published(KeyFault::Malformed) => 9,
            Fault::Published(KeyFault::NotForMail) => 10,
            Fault::File(_) => 11,
            Fault::Silent => 12,
        }
    }

    /// What to do.
    pub fn remedy(&self) -> String {
        match self {
            Fault::Silent => "no name server answered; try again".to_owned(),
            Fault::Published(fault) => fault.reason(),
            Fault::Mismatched => "publish the record of this key, or sign with the other one".to_owned(),
            Fault::File(what) => format!("the key file {what}"),
        }
    }
}

/// The published key under a name, compared with the private one where there is one.
///
/// # Errors
/// The fault.
pub async fn test(session: &Session, domain: &str, selector: &str, private: Option<&PrivateKey>) -> Result<Key, Fault> {
    let name = format!("{selector}._domainkey.{domain}");
    let records = match session.look_up(&name, DnsType::Txt).await {
        Ok(records) => records,
        Err(Trouble::BadName) => return Err(Fault::Published(KeyFault::Missing)),
        Err(Trouble::Silent | Trouble::TooMany) => return Err(Fault::Silent),
    };
    let key = Key::of_records(records.texts()).map_err(Fault::Published)?;
    if matches!(key.public, Public::Rsa { .. }) && key.bits() < FEWEST_BITS {
        return Err(Fault::Published(KeyFault::WrongSize(key.bits())));
    }
    let Some(private) = private else { return Ok(key) };
    let own = Key::parse(private.record().as_bytes()).map_err(Fault::Published)?;
    if own.public != key.public {
        return Err(Fault::Mismatched);
    }
    let algorithm: Algorithm = private.algorithm();
    if key.fits(algorithm) { Ok(key) } else { Err(Fault::Published(KeyFault::Malformed)) }
}

/// As `test`, for one configured key. A `%` domain cannot be tested without an author.
pub async fn test_entry(session: &Session, entry: &Entry) -> Result<Key, Fault> {
    test(session, &entry.domain, &entry.selector, Some(&entry.key)).await
}
