//! Which key signs for which author: the folder layout, and OpenDKIM's KeyTable and SigningTable.

use super::key::PrivateKey;
use crate::auth::domain;
use crate::base::{Complaint, Place, Severity};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One key.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `%`: the author's own domain (KeyTable).
    pub domain: String,
    pub selector: String,
    pub file: PathBuf,
    pub key: Arc<PrivateKey>,
}

impl Entry {
    pub fn signing_domain(&self, author: &str) -> String {
        if self.domain == "%" { author.to_owned() } else { self.domain.clone() }
    }
}

/// A line of the SigningTable.
#[derive(Clone, Debug)]
struct Line {
    pattern: Pattern,
    key: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// `user@example.org`, `example.org`, `.example.org`, `*`.
    Exact(String),
    /// With `*` anywhere (refile:).
    Wild(String),
}

/// Keys by name, and the lines that lead to them.
#[derive(Clone, Debug, Default)]
pub struct Signers {
    keys: HashMap<String, Vec<Entry>>,
    lines: Vec<Line>,
    /// All lines that match sign, not those of the first pattern alone (OpenDKIM's MultipleSignatures).
    pub all_matches: bool,
}

impl Signers {
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.keys.values().flatten()
    }

    /// Adds a key that signs for a domain, and for names below it when told.
    pub fn add(&mut self, name: &str, entry: Entry, subdomains: bool) {
        let pattern = Pattern::Exact(name.to_owned());
        if !self.lines.iter().any(|line| line.pattern == pattern) {
            self.lines.push(Line { pattern, key: name.to_owned() });
            if subdomains {
                self.lines.push(Line { pattern: Pattern::Exact(format!(".{name}")), key: name.to_owned() });
            }
        }
        self.keys.entry(name.to_owned()).or_default().push(entry);
    }

    /// `DOMAIN/SELECTOR.key` (or `.private`, as opendkim-genkey names them). A folder that is missing holds no keys.
    pub fn of_folder(folder: &Path, complaints: &mut Vec<Complaint>) -> Signers {
        let mut signers = Signers::default();
        let Ok(domains) = std::fs::read_dir(folder) else { return signers };
        let mut domains: Vec<PathBuf> = domains.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
        domains.sort();
        for path in domains {
            let Some(name) = path.file_name().and_then(|name| domain::registrable(name.to_str()?)) else {
                complaints.push(complaint(&path, 0, "is named after no domain", "name it after the domain whose keys it holds"));
                continue;
            };
            let Ok(files) = std::fs::read_dir(&path) else { continue };
            let mut files: Vec<PathBuf> = files.filter_map(|entry| Some(entry.ok()?.path())).collect();
            files.sort();
            for file in files {
                let is_key = file.extension().is_some_and(|ext| ext == "key" || ext == "private");
                let selector = file.file_stem().and_then(|stem| domain::host(stem.to_str()?)).filter(|_| is_key);
                if let Some(entry) = selector.and_then(|selector| read(&name, &selector, &file, 0, complaints)) {
                    signers.add(&name, entry, false);
                }
            }
        }
        signers
    }

    /// OpenDKIM's tables; each is a path, with or without `refile:`, `file:` or `csl:` before it.
    pub fn of_tables(key_table: &str, signing_table: &str, complaints: &mut Vec<Complaint>) -> Signers {
        let mut signers = Signers::default();
        let (_, path) = source(key_table);
        for (number, line) in lines(Path::new(path), complaints) {
            if let Some((name, rest)) = line.split_once(char::is_whitespace) {
                signers.add_key_line(name, rest.trim(), Path::new(path), number, complaints);
            } else {
                complaints.push(complaint(Path::new(path), number, "a key without value", "write NAME DOMAIN:SELECTOR:FILE"));
            }
        }
        let (kind, path) = source(signing_table);
        for (number, line) in lines(Path::new(path), complaints) {
            let Some((pattern, keys)) = line.split_once(char::is_whitespace) else {
                complaints.push(complaint(Path::new(path), number, "a pattern without key", "write PATTERN KEYNAME"));
                continue;
            };
            for key in keys.split([',', ' ', '\t']).map(str::trim).filter(|key| !key.is_empty()) {
                if !signers.keys.contains_key(key) {
                    complaints.push(complaint(Path::new(path), number, &format!("no key is named \"{key}\""), "add it to the KeyTable"));
                    continue;
                }
                let pattern = pattern.to_lowercase();
                let pattern = if kind == "refile" { Pattern::Wild(pattern) } else { Pattern::Exact(pattern) };
                signers.lines.push(Line { pattern, key: key.to_owned() });
            }
        }
        signers
    }

    fn add_key_line(&mut self, name: &str, value: &str, table: &Path, number: u32, complaints: &mut Vec<Complaint>) {
        let mut parts = value.splitn(3, ':');
        let (Some(owner), Some(selector), Some(file)) = (parts.next(), parts.next(), parts.next()) else {
            complaints.push(complaint(table, number, "is no key", "write NAME DOMAIN:SELECTOR:FILE"));
            return;
        };
        let owner = if owner == "%" { Some("%".to_owned()) } else { domain::registrable(owner) };
        let (Some(owner), Some(selector)) = (owner, domain::host(selector)) else {
            complaints.push(complaint(table, number, "domain or selector is no name", "write NAME DOMAIN:SELECTOR:FILE"));
            return;
        };
        if let Some(entry) = read(&owner, &selector, Path::new(file), number, complaints) {
            self.keys.entry(name.to_owned()).or_default().push(entry);
        }
    }

    /// Both together; what stands in `self` comes first.
    pub fn join(mut self, other: Signers) -> Signers {
        for (name, entries) in other.keys {
            self.keys.entry(name).or_default().extend(entries);
        }
        self.lines.extend(other.lines);
        self.all_matches |= other.all_matches;
        self
    }

    /// Keys for one author, in the order of the lines; at most one of each selector and domain.
    pub fn for_author(&self, address: &str, author: &str) -> Vec<&Entry> {
        let address = address.to_lowercase();
        let mut found: Vec<&Entry> = Vec::new();
        let candidates = candidates(&address, author);
        let mut first: Option<&Pattern> = None;
        let by_rank = candidates
            .iter()
            .flat_map(|candidate| self.lines.iter().filter(move |line| matches!(&line.pattern, Pattern::Exact(text) if text == candidate)));
        let wild = self.lines.iter().filter(|line| matches!(&line.pattern, Pattern::Wild(text) if matches(text, &address)));
        for line in by_rank.chain(wild) {
            if !self.all_matches && first.is_some_and(|pattern| *pattern != line.pattern) {
                break;
            }
            first = first.or(Some(&line.pattern));
            for entry in self.keys.get(&line.key).into_iter().flatten() {
                if !found.iter().any(|other| other.selector == entry.selector && other.domain == entry.domain) {
                    found.push(entry);
                }
            }
        }
        found
    }
}

/// opendkim.conf(5), SigningTable: the address, its domain, then its parents with a leading dot, each with and without the
/// user, and `*` at last.
fn candidates(address: &str, author: &str) -> Vec<String> {
    let user = address.rsplit_once('@').map_or("", |(user, _)| user);
    let mut candidates = vec![format!("{user}@{author}"), author.to_owned()];
    let mut name = author;
    while let Some((_, parent)) = name.split_once('.') {
        candidates.push(format!("{user}@.{parent}"));
        candidates.push(format!(".{parent}"));
        name = parent;
    }
    candidates.push(format!("{user}@*"));
    candidates.push("*".to_owned());
    candidates
}

/// `*` stands for any run of characters.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

/// Domains that logins may use.
#[derive(Clone, Debug, Default)]
pub struct Logins {
    allowed: HashMap<String, Vec<String>>,
}

impl Logins {
    pub fn read(path: &Path, complaints: &mut Vec<Complaint>) -> Logins {
        let mut logins = Logins::default();
        for (_, line) in lines(path, complaints) {
            let mut words = line.split_whitespace();
            let Some(login) = words.next() else { continue };
            let domains = words.filter_map(domain::registrable);
            logins.allowed.entry(login.to_lowercase()).or_default().extend(domains);
        }
        logins
    }

    /// A login of the form `user@domain` may use its own domain and names below it; others are named in the file.
    pub fn may_use(&self, login: &str, author: &str) -> bool {
        let login = login.to_lowercase();
        match self.allowed.get(&login) {
            Some(domains) if domains.iter().any(|domain| domain::is_within(author, domain)) => return true,
            Some(_) | None => {}
        }
        match login.rsplit_once('@') {
            Some((_, own)) => domain::host(own).is_some_and(|own| domain::is_within(author, &own)),
            None => !self.allowed.contains_key(&login),
        }
    }
}

fn read(domain: &str, selector: &str, file: &Path, line: u32, complaints: &mut Vec<Complaint>) -> Option<Entry> {
    match PrivateKey::read(file) {
        Ok(key) => Some(Entry { domain: domain.to_owned(), selector: selector.to_owned(), file: file.to_owned(), key: Arc::new(key) }),
        Err(what) => {
            complaints.push(complaint(file, line, &what, "mail of its domain would go out unsigned"));
            None
        }
    }
}

/// `refile:/etc/opendkim/signing.table` → (`refile`, path).
fn source(text: &str) -> (&str, &str) {
    match text.split_once(':') {
        Some((kind @ ("file" | "refile" | "csl"), path)) => (kind, path),
        _ => ("file", text),
    }
}

/// Lines with their numbers, without comments and blanks; nothing where no file is named.
fn lines(path: &Path, complaints: &mut Vec<Complaint>) -> Vec<(u32, String)> {
    if path.as_os_str().is_empty() {
        return Vec::new();
    }
    match std::fs::read_to_string(path) {
        Ok(text) => (1u32..)
            .zip(text.lines())
            .map(|(number, line)| (number, line.split('#').next().unwrap_or("").trim().to_owned()))
            .filter(|(_, line)| !line.is_empty())
            .collect(),
        Err(error) => {
            complaints.push(complaint(path, 0, &format!("cannot be read: {error}"), "check path and permissions"));
            Vec::new()
        }
    }
}

pub fn complaint(path: &Path, line: u32, what: &str, remedy: &str) -> Complaint {
    Complaint {
        severity: Severity::Error,
        place: Some(Place { file: path.display().to_string().into(), line }),
        what: what.to_owned(),
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run() {
        assert!(matches("*@example.org", "a@example.org") && matches("*", "x") && matches("a*b*c", "a--b--c"));
        assert!(!matches("*@example.org", "a@example.org.evil") && !matches("a*a", "a") && !matches("a", "ab"));
    }

    #[test]
    fn a_login_uses_its_own_domains_only() {
        let mut logins = Logins::default();
        logins.allowed.insert("ann@one.example".to_owned(), vec!["two.example".to_owned()]);
        logins.allowed.insert("web".to_owned(), vec!["three.example".to_owned()]);
        for (login, domain, may) in [
            ("ann@one.example", "one.example", true),
            ("Ann@One.example", "sub.one.example", true),
            ("ann@one.example", "two.example", true),
            ("ann@one.example", "three.example", false),
            ("bob@two.example", "one.example", false),
            ("web", "three.example", true),
            ("web", "one.example", false),
            ("plain", "one.example", true),
        ] {
            assert_eq!(logins.may_use(login, domain), may, "{login} {domain}");
        }
    }
}
