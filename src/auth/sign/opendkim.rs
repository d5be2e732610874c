//! `opendkim.conf`, read as it is: every line is used, or told why not.

use super::table::{Signers, complaint};
use super::{Entry, Form, PrivateKey, Signing, table};
use crate::auth::canon::Canonicalization;
use crate::auth::domain;
use crate::base::{Complaint, NetSet, Severity};
use std::path::Path;
use std::sync::Arc;

/// What such a file asks for.
#[derive(Debug)]
pub struct Import {
    pub signing: Signing,
    /// `Socket`, as the milter's `listen` takes it.
    pub socket: Option<String>,
    pub complaints: Vec<Complaint>,
}

/// Lines as `(number, name in lower case, value)`.
type Lines = Vec<(u32, String, String)>;

/// Reads the file and all that it names.
pub fn read(path: &Path) -> Import {
    let mut complaints = Vec::new();
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| {
        complaints.push(complaint(path, 0, &format!("cannot be read: {error}"), "check path and permissions"));
        String::new()
    });
    let lines = split(&text);
    for (number, name, _) in &lines {
        if let Some(note) = remark(name) {
            complaints.push(Complaint { severity: Severity::Note, ..complaint(path, *number, &format!("{name} has no effect"), note) });
        }
    }
    let value = |wanted: &str| lines.iter().rev().find(|(_, name, _)| name == wanted).map(|(_, _, value)| value.as_str());
    let signers = signers(path, &value, &mut complaints);
    let names = |wanted: &str| -> Vec<String> {
        value(wanted)
            .map(|list| list.split([',', ':', ' ']).map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned).collect())
            .unwrap_or_default()
    };
    // opendkim.conf(5): simple/simple unless told.
    let canonicalization = value("canonicalization").and_then(Canonicalization::parse).unwrap_or_default();
    let form = Form {
        canonicalization,
        oversign: names("oversignheaders").into_iter().chain(["From".to_owned()]).collect(),
        also: Vec::new(),
        lifetime: value("signaturettl").and_then(|seconds| seconds.parse().ok()).unwrap_or(0),
    };
    let internal = internal(value("internalhosts"), &mut complaints);
    Import {
        signing: Signing { signers, form, internal, logins: table::Logins::default() },
        socket: value("socket").map(str::to_owned),
        complaints,
    }
}

fn split(text: &str) -> Lines {
    (1u32..)
        .zip(text.lines())
        .filter_map(|(number, line)| {
            let line = line.split('#').next()?.trim();
            let (name, value) = line.split_once(char::is_whitespace)?;
            Some((number, name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect()
}

fn signers<'a>(path: &Path, value: &impl Fn(&str) -> Option<&'a str>, complaints: &mut Vec<Complaint>) -> Signers {
    let yes = |name: &str| value(name).is_some_and(|text| matches!(text.to_ascii_lowercase().as_str(), "yes" | "true" | "1" | "on"));
    let mut signers = match (value("keytable"), value("signingtable")) {
        (Some(keys), Some(signing)) => Signers::of_tables(keys, signing, complaints),
        _ => Signers::default(),
    };
    signers.all_matches = yes("multiplesignatures");
    if let (Some(domains), Some(file)) = (value("domain"), value("keyfile")) {
        let selector = value("selector").and_then(domain::host).unwrap_or_else(|| "default".to_owned());
        match PrivateKey::read(Path::new(file)) {
            Ok(key) => {
                let key = Arc::new(key);
                for name in domains.split([',', ' ']).filter_map(domain::registrable) {
                    let entry = Entry { domain: name.clone(), selector: selector.clone(), file: file.into(), key: Arc::clone(&key) };
                    signers.add(&name, entry, yes("subdomains"));
                }
            }
            Err(what) => complaints.push(complaint(Path::new(file), 0, &what, "mail would go out unsigned")),
        }
    }
    if signers.is_empty() && complaints.iter().all(|c| c.severity != Severity::Error) {
        let note = complaint(path, 0, "names no key", "give Domain, Selector and KeyFile, or KeyTable and SigningTable");
        complaints.push(Complaint { severity: Severity::Note, ..note });
    }
    signers
}

/// Addresses and networks, in the value or in the file that it names; host names are not asked for. Without it 127.0.0.1 is
/// internal (opendkim.conf(5)).
fn internal(value: Option<&str>, complaints: &mut Vec<Complaint>) -> NetSet {
    let mut set = NetSet::default();
    let listed = match value {
        None => "127.0.0.1, ::1".to_owned(),
        Some(text) => {
            match text.strip_prefix("refile:").or_else(|| text.strip_prefix("file:")).or(Some(text).filter(|t| t.starts_with('/'))) {
                Some(path) => std::fs::read_to_string(path).unwrap_or_else(|error| {
                    complaints.push(complaint(Path::new(path), 0, &format!("cannot be read: {error}"), "check path and permissions"));
                    String::new()
                }),
                None => text.to_owned(),
            }
        }
    };
    let plain: String = listed.lines().map(|line| line.split('#').next().unwrap_or("")).collect::<Vec<_>>().join(",");
    for word in plain.split([',', ' ', '\t']).map(str::trim).filter(|word| !word.is_empty()) {
        if word.eq_ignore_ascii_case("localhost") {
            let _ = set.add("127.0.0.1").and_then(|()| set.add("::1"));
        } else if let Err(what) = set.add(word) {
            complaints.push(Complaint {
                severity: Severity::Note,
                place: None,
                what: format!("InternalHosts: {what}"),
                remedy: String::new(),
            });
        }
    }
    set
}

/// Why a line of the file changes nothing here; `None`: it is used.
fn remark(name: &str) -> Option<&'static str> {
    Some(match name {
        "domain" | "keyfile" | "selector" | "socket" | "keytable" | "signingtable" | "internalhosts" | "subdomains" | "oversignheaders"
        | "canonicalization" | "signaturettl" | "multiplesignatures" => return None,
        "externalignorelist" => "mail from outside is never signed, and no warning is logged about it",
        "mode" => "Hamgate signs and verifies",
        "userid" | "umask" | "pidfile" | "background" | "autorestart" | "autorestartrate" => "the service unit sees to that",
        "syslog" | "syslogsuccess" | "logwhy" | "syslogfacility" => "see [log]",
        "requiresafekeys" => "keys that others can read are always refused",
        "minimumkeybits" => "keys under 1024 bits never verify, keys under 2048 never sign",
        "nameservers" | "resolverconfiguration" | "trustanchorfile" => "see [dns]; a local resolver validates",
        _ => "Hamgate has no such setting",
    })
}
