//! Clients and recipients that never wait, in postgrey's syntax: domain, address, prefix, network, `/regex/`, `name@`.

use crate::base::{Complaint, NetSet, Place, Severity};
use crate::pattern::Pattern;
use std::net::IpAddr;

/// Which of postgrey's two files it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Clients,
    Recipients,
}

#[derive(Clone, Debug, Default)]
pub struct WelcomeList {
    networks: NetSet,
    patterns: Vec<Pattern>,
    /// Domains (and all below them), in lower case.
    domains: Vec<String>,
    /// `user@domain` and `user@`.
    mailboxes: Vec<String>,
}

impl WelcomeList {
    /// Adds the lines of a file. A line with a mistake is left out, and told.
    pub fn add(&mut self, about: About, file: &str, text: &str) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        for (line, text) in (1u32..).zip(text.lines()) {
            let entry = text.split('#').next().unwrap_or_default().trim();
            if entry.is_empty() {
                continue;
            }
            if let Err(remedy) = self.entry(about, entry) {
                let place = Some(Place { file: file.into(), line });
                complaints.push(Complaint { severity: Severity::Warning, place, what: format!("\"{entry}\" welcomes nobody"), remedy });
            }
        }
        complaints
    }

    fn entry(&mut self, about: About, entry: &str) -> Result<(), String> {
        if entry.contains(char::is_whitespace) {
            return Err("write one entry a line".to_owned());
        }
        if let Some(expression) = entry.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            let whole = format!("(?i){expression}");
            self.patterns.push(Pattern::from_expression(whole.as_bytes()).map_err(|error| error.to_string())?);
            return Ok(());
        }
        match about {
            About::Clients if is_network(entry) => self.networks.add(entry),
            About::Clients => {
                self.domains.push(entry.trim_start_matches('.').to_lowercase());
                Ok(())
            }
            About::Recipients if entry.contains('@') => {
                self.mailboxes.push(entry.to_lowercase());
                Ok(())
            }
            About::Recipients => {
                self.domains.push(entry.to_lowercase());
                Ok(())
            }
        }
    }

    /// `name` is the verified name, `unknown` or empty where there is none.
    pub fn has_client(&self, name: &str, ip: IpAddr) -> bool {
        let name = name.to_lowercase();
        self.networks.contains(ip) || self.is_below(&name) || self.patterns.iter().any(|pattern| pattern.is_match(name.as_bytes()))
    }

    pub fn has_recipient(&self, address: &str) -> bool {
        let address = address.to_lowercase();
        if self.patterns.iter().any(|pattern| pattern.is_match(address.as_bytes())) {
            return true;
        }
        let Some((user, domain)) = address.rsplit_once('@') else { return false };
        let bare = user.split('+').next().unwrap_or(user);
        let is_theirs = |entry: &String| {
            let (wanted, at) = entry.split_once('@').unwrap_or((entry, ""));
            (wanted == user || wanted == bare) && (at.is_empty() || at == domain)
        };
        self.is_below(domain) || self.mailboxes.iter().any(is_theirs)
    }

    fn is_below(&self, name: &str) -> bool {
        !name.is_empty()
            && self
                .domains
                .iter()
                .any(|domain| name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    }
}

/// An address, a network, or two or three numbers of an IPv4 address.
fn is_network(entry: &str) -> bool {
    let numbers = entry.split('/').next().unwrap_or(entry);
    let parts = numbers.split('.').count();
    entry.contains(':') || ((2..=4).contains(&parts) && numbers.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_welcome_as_postgrey_writes_them() {
        let mut list = WelcomeList::default();
        let text = "# who\n\nexample.com  # a domain\n/^ms-smtp.*\\.rr\\.com$/\n192.0.2.7\n198.51.100\n203.0.113.0/28\n2001:db8::/64\ntwo words\n/(/\n";
        let complaints = list.add(About::Clients, "clients", text);
        assert_eq!(complaints.iter().filter_map(|c| c.place.as_ref()).map(|p| p.line).collect::<Vec<_>>(), [9, 10]);
        for (name, ip, welcome) in [
            ("mail.Example.com", "10.0.0.1", true),
            ("notexample.com", "10.0.0.1", false),
            ("ms-smtp-01.rr.com", "10.0.0.1", true),
            ("", "192.0.2.7", true),
            ("", "192.0.2.8", false),
            ("", "198.51.100.200", true),
            ("", "203.0.113.15", true),
            ("", "203.0.113.16", false),
            ("unknown", "2001:db8::9", true),
        ] {
            assert_eq!(list.has_client(name, ip.parse().unwrap()), welcome, "{name} {ip}");
        }
    }

    #[test]
    fn recipients_are_welcome_as_postgrey_writes_them() {
        let mut list = WelcomeList::default();
        assert!(list.add(About::Recipients, "recipients", "postmaster@\nann@a.example\nb.example\n/^x.*@c\\.example$/\n").is_empty());
        for (address, welcome) in [
            ("Postmaster@any.example", true),
            ("postmaster+x@any.example", true),
            ("ann+y@a.example", true),
            ("bob@a.example", false),
            ("bob@sub.b.example", true),
            ("xy@c.example", true),
            ("y@c.example", false),
        ] {
            assert_eq!(list.has_recipient(address), welcome, "{address}");
        }
    }
}
