//! Received fields to relays with trust, as SpamAssassin parses them.

mod auth;
mod forms;
mod line;
mod shape;

use super::{ViewOptions, ip};
use crate::base::NetSet;
use line::Parsed;
use std::borrow::Cow;
use std::net::IpAddr;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relay {
    pub ip: Option<IpAddr>,
    /// The address as written, brackets and zone removed.
    pub ip_text: String,
    pub rdns: String,
    pub helo: String,
    pub by: String,
    pub ident: String,
    pub envfrom: Option<String>,
    pub internal: bool,
    pub msa: bool,
    pub id: String,
    pub auth: String,
    pub no_reverse_dns: bool,
    pub rdns_not_in_headers: bool,
    /// Private or loopback address.
    pub ip_private: bool,
}

impl Relay {
    /// As `X-Spam-Relays-…` shows it.
    fn show(&self, out: &mut String) {
        let flag = |set: bool| if set { "1" } else { "0" };
        let fields = [
            ("[ ip=", self.ip_text.as_str()),
            (" rdns=", &self.rdns),
            (" helo=", &self.helo),
            (" by=", &self.by),
            (" ident=", &self.ident),
            (" envfrom=", self.envfrom.as_deref().filter(|sender| *sender != "0").unwrap_or_default()),
            (" intl=", flag(self.internal)),
            (" id=", &self.id),
            (" auth=", &self.auth),
            (" msa=", flag(self.msa)),
        ];
        for (name, value) in fields {
            out.push_str(name);
            out.push_str(value);
        }
        out.push_str(" ]");
    }
}

/// Hops from ours to theirs, in four lists of indices into `all`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relays {
    pub all: Vec<Relay>,
    pub trusted: Vec<usize>,
    pub untrusted: Vec<usize>,
    pub internal: Vec<usize>,
    pub external: Vec<usize>,
    pub unparseable: usize,
    /// Index of the last Received field inside the trusted (internal) zone; -1 when none.
    pub last_trusted_field: isize,
    pub last_internal_field: isize,
    /// The four lists as `X-Spam-Relays-…` shows them: trusted, untrusted, internal, external.
    joined: [String; 4],
}

impl Relays {
    /// `X-Spam-Relays-Trusted` and its three kin.
    pub(super) fn joined(&self, inside: bool, internal: bool) -> &str {
        &self.joined[usize::from(internal) * 2 + usize::from(!inside)]
    }

    fn join(&self, list: &[usize]) -> String {
        let mut out = String::with_capacity(list.len() * 160);
        for relay in list.iter().filter_map(|i| self.all.get(*i)) {
            if !out.is_empty() {
                out.push(' ');
            }
            relay.show(&mut out);
        }
        out
    }
}

/// Walks the fields from the newest; the trusted zone and the internal zone inside it end where a client is not ours.
pub(super) fn read<'f>(fields: impl Iterator<Item = Cow<'f, [u8]>>, options: &ViewOptions) -> Relays {
    let mut walk = Walk::new(options);
    let mut carried_sender: Option<String> = None;
    for field in fields {
        let sender_of_this = carried_sender.take();
        match line::parse(&field) {
            Parsed::Relay(mut relay) => {
                if sender_of_this.as_ref().is_some_and(|s| !s.is_empty() && s != "0") {
                    relay.envfrom = sender_of_this;
                }
                walk.hop(relay);
            }
            Parsed::Ignored => walk.skip(),
            // qmail-scanner's line tells the envelope sender of the line below it.
            Parsed::Scanned { envfrom } => {
                carried_sender = envfrom;
                walk.skip();
            }
            Parsed::Fetched => {
                walk.fetched();
                walk.skip();
            }
            Parsed::Unparseable => {
                walk.relays.unparseable += 1;
                walk.skip();
            }
        }
    }
    let mut relays = walk.relays;
    relays.joined = [&relays.trusted, &relays.untrusted, &relays.internal, &relays.external].map(|list| relays.join(list));
    relays
}

struct Walk<'o> {
    relays: Relays,
    in_trusted: bool,
    in_internal: bool,
    found_msa: bool,
    fetch_counts: bool,
    configured: bool,
    trusted: &'o NetSet,
    internal: &'o NetSet,
    msa: &'o NetSet,
}

impl<'o> Walk<'o> {
    fn new(options: &'o ViewOptions) -> Self {
        Walk {
            relays: Relays { last_trusted_field: -1, last_internal_field: -1, ..Relays::default() },
            in_trusted: true,
            in_internal: true,
            found_msa: false,
            fetch_counts: true,
            configured: options.networks_configured,
            trusted: &options.trusted,
            internal: &options.internal,
            msa: &options.msa,
        }
    }

    /// A field without a relay: it counts inside the zones.
    fn skip(&mut self) {
        self.relays.last_trusted_field += isize::from(self.in_trusted);
        self.relays.last_internal_field += isize::from(self.in_internal);
    }

    /// Mail was fetched from a mailbox: what was seen so far was the way from there.
    fn fetched(&mut self) {
        if self.fetch_counts {
            self.relays.trusted.clear();
            self.relays.internal.clear();
            self.relays.external.clear();
        }
    }

    fn hop(&mut self, mut relay: Relay) {
        if self.in_trusted && !self.found_msa {
            self.judge(&mut relay);
        }
        relay.internal = self.in_internal;
        let index = self.relays.all.len();
        self.fetch_counts = self.in_trusted;
        if self.in_trusted {
            self.relays.trusted.push(index);
            self.relays.last_trusted_field += 1;
        } else {
            self.relays.untrusted.push(index);
        }
        if self.in_internal {
            self.relays.internal.push(index);
            self.relays.last_internal_field += 1;
        } else {
            self.relays.external.push(index);
        }
        self.relays.all.push(relay);
    }

    fn judge(&mut self, relay: &mut Relay) {
        let authenticated = !relay.auth.is_empty();
        let within = |set: &NetSet| relay.ip.is_some_and(|ip| set.contains(ip));
        if !self.configured {
            if !relay.ip_private && !authenticated {
                (self.in_trusted, self.in_internal) = (false, false);
            }
        } else if !authenticated && !within(self.trusted) {
            (self.in_trusted, self.in_internal) = (false, false);
        } else {
            self.in_internal &= authenticated || within(self.internal);
            if within(self.msa) {
                self.found_msa = true;
                relay.msa = true;
            }
        }
    }
}

/// Octets that would break the relay strings.
static BREAKS: [bool; 256] = {
    let mut table = [false; 256];
    let octets = b" \t\n\x0b\x0c\r\0#[]()<>|";
    let mut at = 0;
    while at < octets.len() {
        table[octets[at] as usize] = true;
        at += 1;
    }
    table
};

/// What would break the relay strings becomes `!`.
fn safe(text: String) -> String {
    let breaks = |b: u8| BREAKS[usize::from(b)];
    if !text.bytes().any(breaks) {
        return text;
    }
    text.chars().map(|c| if u8::try_from(c).is_ok_and(breaks) { '!' } else { c }).collect()
}

/// Prefix, brackets, zone and the mapping into IPv6 are taken off.
fn plain_address(text: &str) -> String {
    let text = match text.get(..5) {
        Some(prefix) if prefix.eq_ignore_ascii_case("ipv6:") => &text[5..],
        _ => text,
    };
    let text = text.strip_prefix('[').unwrap_or(text);
    let text = text.strip_suffix(']').unwrap_or(text);
    let is_zone = |zone: &str| zone.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'));
    let text = text.find('%').filter(|at| is_zone(&text[at + 1..])).map_or(text, |at| &text[..at]);
    let is_mapping = |prefix: &str| {
        let zeros = prefix.trim_end_matches(|c: char| c != ':');
        prefix.len() > zeros.len()
            && prefix[zeros.len()..].eq_ignore_ascii_case("ffff")
            && zeros.len() >= 2
            && zeros.bytes().all(|b| matches!(b, b'0' | b':'))
    };
    match text.rsplit_once(':') {
        Some((prefix, quad)) if quad.contains('.') && is_mapping(prefix) => quad.to_string(),
        _ => text.to_string(),
    }
}

fn finish(relay: Relay, looked_up: bool) -> Relay {
    let (mut rdns, mut by) = (relay.rdns, relay.by);
    rdns.truncate(rdns.trim_end_matches('.').len());
    if rdns.eq_ignore_ascii_case("unknown") || rdns.starts_with('[') {
        rdns.clear();
    }
    by.truncate(by.strip_suffix(';').unwrap_or(&by).len());
    let rdns = safe(rdns);
    let ip_text = safe(plain_address(&relay.ip_text));
    let ip = ip_text.parse().ok();
    Relay {
        ip,
        ip_private: ip.is_some_and(ip::is_private),
        ip_text,
        by: safe(by),
        helo: safe(relay.helo),
        ident: safe(relay.ident),
        envfrom: relay.envfrom.map(|sender| clean_sender(&sender)),
        no_reverse_dns: rdns.is_empty() && looked_up,
        rdns_not_in_headers: rdns.is_empty() && !looked_up,
        rdns,
        ..relay
    }
}

fn clean_sender(text: &str) -> String {
    safe(text.trim_start().trim_start_matches('<').trim_end().trim_end_matches('>').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relays(fields: &[&str], trusted: &[&str]) -> Relays {
        let mut options = ViewOptions::default();
        for net in trusted {
            options.trusted.add(net).unwrap();
            options.internal.add(net).unwrap();
            options.networks_configured = true;
        }
        read(fields.iter().map(|field| Cow::Borrowed(field.as_bytes())), &options)
    }

    const OURS: &str =
        "from a.example (a.example [192.0.2.1]) by mx.example.org (Postfix) with ESMTP id 4XYZ; Tue, 3 Mar 2026 10:00:05 +0000";
    const THEIRS: &str = "from pc (unknown [198.51.100.7]) by a.example (Postfix) with ESMTPSA id 9ABC";

    #[test]
    fn a_stranger_ends_the_trusted_zone() {
        let found = relays(&[OURS, THEIRS], &[]);
        assert_eq!((found.trusted.len(), found.untrusted.len()), (0, 2));
        assert_eq!(
            found.joined(false, false),
            "[ ip=192.0.2.1 rdns=a.example helo=a.example by=mx.example.org ident= envfrom= intl=0 id=4XYZ auth= msa=0 ] \
             [ ip=198.51.100.7 rdns= helo=pc by=a.example ident= envfrom= intl=0 id=9ABC auth=ESMTPSA msa=0 ]"
        );
        assert!(found.all[1].no_reverse_dns);
    }

    #[test]
    fn trust_goes_on_through_our_networks_and_logins() {
        let found = relays(&[OURS, THEIRS], &["192.0.2.0/24"]);
        assert_eq!((found.trusted.len(), found.internal.len(), found.last_trusted_field), (2, 2, 1));
    }

    #[test]
    fn private_addresses_are_trusted_where_nothing_is_configured() {
        let found = relays(&["from x (x [10.1.2.3]) by y (Postfix) with ESMTP id 123", OURS], &[]);
        assert_eq!((found.trusted.len(), found.last_trusted_field), (1, 0));
    }

    #[test]
    fn odd_addresses_are_written_plainly() {
        for (text, plain) in [
            ("IPv6:2001:db8::1", "2001:db8::1"),
            ("[::ffff:192.0.2.1]", "192.0.2.1"),
            ("fe80::1%eth0", "fe80::1"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(plain_address(text), plain);
        }
    }
}
