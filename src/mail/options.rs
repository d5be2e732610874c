//! View options that stand in rule files (`trusted_networks`, `util_rb_*`, scan sizes); `rules` fills them in, `mail`
//! knows none of the rule language.

use super::attachment_text::AttachmentText;
use super::domains::DomainTables;
use super::links::Redirectors;
use crate::base::NetSet;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct ViewOptions {
    pub trusted: NetSet,
    pub internal: NetSet,
    pub msa: NetSet,
    /// `trusted_networks` or `internal_networks` stands in some file (127/8 and ::1 alone do not count).
    pub networks_configured: bool,
    /// `util_rb_tld`, `util_rb_2tld`, `util_rb_3tld`.
    pub domains: Arc<DomainTables>,
    /// `redirector_pattern`, in order.
    pub redirectors: Redirectors,
    /// Characters of one part that body rules see.
    pub body_part_scan_size: usize,
    /// Octets of one part that rawbody rules see.
    pub rawbody_part_scan_size: usize,
    pub normalize_charset: bool,
    pub parse_dkim_uris: bool,
    pub envelope_sender_header: Option<String>,
    pub originating_ip_headers: Vec<String>,
    /// `attachment_text`.
    pub attachment_text: AttachmentText,
    /// Lower-cased names of the site's own servers, where `fetchmail`-style guesses need them.
    pub always_trust_envelope_sender: bool,
}

impl Default for ViewOptions {
    fn default() -> Self {
        ViewOptions {
            trusted: NetSet::default(),
            internal: NetSet::default(),
            msa: NetSet::default(),
            networks_configured: false,
            domains: Arc::default(),
            redirectors: Redirectors::default(),
            body_part_scan_size: 50_000,
            rawbody_part_scan_size: 500_000,
            normalize_charset: true,
            parse_dkim_uris: true,
            envelope_sender_header: None,
            originating_ip_headers: Vec::new(),
            attachment_text: AttachmentText::default(),
            always_trust_envelope_sender: false,
        }
    }
}
