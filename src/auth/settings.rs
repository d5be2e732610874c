//! `[auth]`: our name, our domains, whom we trust.

use serde::Deserialize;

/// What DMARC failures lead to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dmarc {
    #[default]
    Score,
    Honour,
}

crate::settings! {
    /// Authentication: what is verified, what is written about it, and which domains are ours.
    pub struct Settings in "auth" {
        /// Domains of this site. Mail from outside, without login, that claims one of them in MAIL FROM or header From is a
        /// forgery unless SPF or DKIM proves it.
        pub own_domains: Vec<String> = "[]",
        /// The name under which Authentication-Results are written, and removed when strangers use it; empty: the mail
        /// server's own name.
        pub authserv_id: String = "\"\"",
        /// Further names whose Authentication-Results are removed from mail that arrives.
        pub authserv_aliases: Vec<String> = "[]",
        /// Write Authentication-Results (RFC 8601).
        pub results: bool = "true",
        /// Write Received-SPF (RFC 7208) too.
        pub received_spf: bool = "false",
        /// Domains whose ARC seal is believed: forwarders and lists that verify before they pass on.
        pub trusted_sealers: Vec<String> = "[]",
        /// Seal mail of strangers with the keys of this domain (ARC), so that those to whom we forward it learn what we found;
        /// empty: nothing is sealed. Its keys are among those of [dkim].
        pub seal: String = "\"\"",
        /// Senders (addresses or domains) that may use our domains from outside without proof.
        pub own_domains_except: Vec<String> = "[]",
        /// "honour": carry out what a domain asks for mail that fails DMARC (reject, quarantine). "score": leave it to the rules.
        pub dmarc: Dmarc = "\"score\"",
        /// Forwarders and lists by domain: where SPF or DKIM proves one of them, DMARC's reject and quarantine are left to the
        /// rules, as with trusted_sealers.
        pub trusted_forwarders: Vec<String> = "[]",
        /// Refuse mail whose From shows no single author (several fields or domains, groups, disguises).
        pub refuse_ambiguous_from: bool = "false",
        /// A policyd-spf.conf, whose refusals are carried out as it says; empty: SPF alone refuses nothing.
        pub policyd_spf_conf: String = "\"\"",
    }
}
