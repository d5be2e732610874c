//! Registry boundaries: valid top-level domains and the names below which domains are registered.
//!
//! The tables come from rule files (`util_rb_tld` and kin); without any, a short built-in list serves.

use std::collections::HashSet;

#[derive(Clone, Debug, Default)]
pub struct DomainTables {
    pub tlds: HashSet<String>,
    pub two_level: HashSet<String>,
    pub three_level: HashSet<String>,
    pub four_level: HashSet<String>,
}

impl DomainTables {
    /// `www.example.co.uk` → `example.co.uk` (RegistryBoundaries' trim_domain).
    pub fn registered<'a>(&self, _host: &'a str) -> &'a str {
        todo!()
    }

    /// A dotted name under a known top-level domain.
    pub fn is_valid(&self, _host: &str) -> bool {
        todo!()
    }

    /// `(host, domain)` of a link (uri_to_domain).
    pub fn of_link(&self, _link: &[u8]) -> Option<(String, String)> {
        todo!()
    }
}
