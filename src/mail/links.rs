//! The list of links with canonical forms, as `uri` and `uri_detail` rules see it.

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
