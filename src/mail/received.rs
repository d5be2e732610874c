//! Received fields to relays with trust, as SpamAssassin parses them.

use super::ViewOptions;
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
}

pub(super) fn read(_fields: impl Iterator<Item = Vec<u8>>, _options: &ViewOptions) -> Relays {
    Relays { last_trusted_field: -1, last_internal_field: -1, ..Relays::default() }
}
