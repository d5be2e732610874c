//! Signing of our own mail (RFC 6376, 8463): who may be signed for, with which keys, and the field itself.
//!
//! Only mail of logins and of internal hosts is signed, only for the one domain that From shows, and only where that login
//! may use that domain. Signing comes last, over the fields as they will leave.

mod field;
pub mod key;
pub mod opendkim;
mod seal;
pub mod settings;
pub mod table;
pub mod testkey;

pub use field::{Form, sign};
pub use key::PrivateKey;
pub use seal::seal;
pub use settings::Settings;
pub use table::{Entry, Signers};

use super::author;
use super::canon::Canonicalization;
use super::letter::Letter;
use crate::base::{Complaint, NetSet, Severity};
use crate::facts::ArcResult;
use crate::mail::Client;
use crate::outcome::Edit;

/// Why a message was not signed: a sentence for the log and for `dkim sign`.
pub type WhyNot = String;

/// Everything that signing needs, built once.
#[derive(Debug)]
pub struct Signing {
    pub signers: Signers,
    pub form: Form,
    /// Hosts whose mail is ours without a login.
    pub internal: NetSet,
    /// Domains that a login may use beyond its own.
    pub logins: table::Logins,
}

impl Signing {
    /// Reads all keys that the settings name. A key that cannot be used is an error: mail of its domain would go out
    /// unsigned.
    pub fn load(settings: &Settings) -> (Signing, Vec<Complaint>) {
        let mut complaints = Vec::new();
        let mut mistake = |what: String, remedy: &str| {
            complaints.push(Complaint { severity: Severity::Error, place: None, what, remedy: remedy.to_owned() });
        };
        let canonicalization = Canonicalization::parse(&settings.canonicalization).unwrap_or_else(|| {
            mistake(format!("canonicalization = \"{}\"", settings.canonicalization), "give \"relaxed/relaxed\" or kin");
            Canonicalization::RELAXED
        });
        let mut internal = NetSet::default();
        for text in &settings.internal {
            internal.add(text).unwrap_or_else(|what| mistake(what, ""));
        }
        let signers = Signers::of_folder(&settings.keys, &mut complaints).join(Signers::of_tables(
            &settings.key_table,
            &settings.signing_table,
            &mut complaints,
        ));
        let logins = table::Logins::read(std::path::Path::new(&settings.logins), &mut complaints);
        let form = Form { canonicalization, oversign: settings.oversign.clone(), also: Vec::new(), lifetime: settings.expires.0.as_secs() };
        let mut signing = Signing { signers, form, internal, logins };
        if !settings.opendkim_conf.is_empty() {
            let import = opendkim::read(std::path::Path::new(&settings.opendkim_conf));
            complaints.extend(import.complaints);
            signing = Signing { signers: signing.signers.join(import.signing.signers), logins: signing.logins, ..import.signing };
        }
        (signing, complaints)
    }

    /// The fields to add, one a key.
    ///
    /// # Errors
    /// Why not.
    pub fn edits(&self, raw: &[u8], client: &Client, now: u64) -> Result<Vec<Edit>, WhyNot> {
        let letter = Letter::parse(raw);
        let domain = author::domain_of(&letter).map_err(str::to_owned)?;
        self.permit(client, &domain)?;
        let from = author::addresses(letter.named("From").next().map(|f| f.value).unwrap_or_default()).map_err(str::to_owned)?;
        let address = from.first().map_or("", String::as_str);
        let entries = self.signers.for_author(address, &domain);
        if entries.is_empty() {
            return Err(format!("no key signs for {domain}"));
        }
        let mut edits = Vec::new();
        for entry in entries {
            let value = sign(&letter, entry, &entry.signing_domain(&domain), &self.form, now)?;
            edits.push(Edit::Prepend { name: "DKIM-Signature".to_owned(), value: value.into_bytes() });
        }
        Ok(edits)
    }

    /// The ARC set for a message that passes through us (RFC 8617 §5.1), under the first key of that domain.
    ///
    /// # Errors
    /// Why not.
    pub fn seal(&self, raw: &[u8], domain: &str, chain: ArcResult, results: &str, now: u64) -> Result<Vec<Edit>, WhyNot> {
        let letter = Letter::parse(raw);
        let entry = self.sealer(domain).ok_or_else(|| format!("no key seals for {domain}"))?;
        seal(&letter, entry, &entry.signing_domain(domain), chain, results, now)
    }

    pub fn can_seal(&self, domain: &str) -> bool {
        self.sealer(domain).is_some()
    }

    fn sealer(&self, domain: &str) -> Option<&Entry> {
        self.signers.for_author(&format!("postmaster@{domain}"), domain).into_iter().next()
    }

    fn permit(&self, client: &Client, domain: &str) -> Result<(), WhyNot> {
        if !client.login.is_empty() {
            return if self.logins.may_use(&client.login, domain) { Ok(()) } else { Err(format!("the login may not send as {domain}")) };
        }
        match client.ip {
            // Local submission (sendmail(1)) has no client address.
            None => Ok(()),
            Some(ip) if self.internal.contains(ip) => Ok(()),
            Some(ip) => Err(format!("{ip} is neither logged in nor an internal host")),
        }
    }
}

#[cfg(test)]
mod tests;
