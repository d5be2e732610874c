//! The list of links with canonical forms, as `uri` and `uri_detail` rules see it.

use super::{HtmlFacts, ViewOptions};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LinkKind {
    Parsed,
    Schemeless,
    Unlinked,
    Domainkeys,
    /// By the HTML element that held it: `a`, `img`, `form` …
    Html(&'static str),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    pub raw: Vec<u8>,
    pub kinds: Vec<LinkKind>,
    /// The raw form and every variant; empty for links that `uri` rules do not see.
    pub cleaned: Vec<Vec<u8>>,
    pub domains: Vec<String>,
    /// `(host, registered domain)`.
    pub hosts: Vec<(String, String)>,
    pub anchors: Vec<Vec<u8>>,
}

/// All links of a message.
#[derive(Clone, Debug, Default)]
pub struct LinkList {
    /// In order of first appearance: text, HTML, signatures.
    pub links: Vec<Link>,
    /// Distinct cleaned forms, what `uri` rules match.
    pub uris: Vec<Vec<u8>>,
    /// A link was longer than 8,192 octets and was cut.
    pub truncated: bool,
    /// There were more links than are kept.
    pub too_many: bool,
}

/// `paragraphs`: what body rules see. `html`: facts of every HTML part, in order. `signatures`: cooked values of
/// DomainKey-Signature fields, then of DKIM-Signature fields (empty unless `parse_dkim_uris`).
pub fn collect(_paragraphs: &[Vec<u8>], _html: &[&HtmlFacts], _signatures: &[Vec<u8>], _options: &ViewOptions) -> LinkList {
    LinkList::default()
}
