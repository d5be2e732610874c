//! `[auth]`: our name, our domains, whom we trust.

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
        /// Senders (addresses or domains) that may use our domains from outside without proof.
        pub own_domains_except: Vec<String> = "[]",
        /// A policyd-spf.conf, whose refusals are carried out as it says; empty: SPF alone refuses nothing.
        pub policyd_spf_conf: String = "\"\"",
    }
}
