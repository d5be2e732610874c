//! URIEval: links that lead through other links, and links whose text tells another host.

use super::html::any;
use super::perl::pattern;
use super::{Accepts, Answered, Context, Row, local};
use crate::mail::Defect;
use crate::mail::domains::DomainTables;

pub(super) static ROWS: &[Row] = &[
    uri("check_for_http_redirector", |c, _| c.reading.uris().iter().any(|uri| leads_elsewhere(uri, &c.options.view.domains)).into()),
    uri("check_https_ip_mismatch", check_https_ip_mismatch),
    uri("check_uri_truncated", |c, _| c.reading.defects().contains(&Defect::TextTruncated).into()),
];

const fn uri(name: &'static str, run: super::Function) -> Row {
    local(name, "URIEval", Accepts::Any, run)
}

/// `http://A…http:B…` where A and B are of different domains, at any step of the chain.
fn leads_elsewhere(uri: &[u8], tables: &DomainTables) -> bool {
    let domain = |host: &[u8]| tables.of_link(host).map_or_else(|| host.to_vec(), |(_, domain)| domain.into_bytes());
    let mut link = uri;
    while let Some(hop) = Hop::of(link) {
        if domain(hop.host) != domain(hop.target) {
            return true;
        }
        link = hop.rest;
    }
    false
}

struct Hop<'u> {
    host: &'u [u8],
    /// The host of the inner link.
    target: &'u [u8],
    /// The inner link with all that follows.
    rest: &'u [u8],
}

impl<'u> Hop<'u> {
    fn of(link: &'u [u8]) -> Option<Hop<'u>> {
        let start = scheme(link).filter(|after| link.get(*after..after + 2) == Some(b"//"))? + 2;
        let end = start + link.get(start..)?.iter().take_while(|b| is_host(**b)).count();
        if end == start {
            return None;
        }
        // At least one octet stands between the host and the inner link; where there is no other way, the host gives
        // way to a `http:` at its own end.
        let behind = (end + 1..link.len()).find_map(|at| inner(link, at).map(|target| (end, at, target)));
        let within = || {
            let at = [5, 4]
                .into_iter()
                .filter_map(|length| end.checked_sub(length))
                .find(|at| *at >= start + 2 && scheme(link.get(*at..).unwrap_or(&[])).is_some())?;
            inner(link, at).map(|target| (at - 1, at, target))
        };
        let (host_end, at, target) = behind.or_else(within)?;
        Some(Hop { host: link.get(start..host_end)?, target, rest: link.get(at..)? })
    }
}

fn is_host(octet: u8) -> bool {
    !matches!(octet, b'/' | b':' | b'?')
}

/// The place behind `http:` or `https:`.
fn scheme(link: &[u8]) -> Option<usize> {
    let known = |word: &[u8]| link.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)).then_some(word.len());
    known(b"http:").or_else(|| known(b"https:"))
}

/// The host of a link that begins at `at`, after at most two slashes.
fn inner(link: &[u8], at: usize) -> Option<&[u8]> {
    let rest = link.get(at..)?;
    if !matches!(rest.first(), Some(b'h' | b'H')) {
        return None;
    }
    let mut host = rest.get(scheme(rest)?..)?;
    for _ in 0..2 {
        host = host.strip_prefix(b"/").unwrap_or(host);
    }
    let length = host.iter().take_while(|b| is_host(**b)).count();
    host.get(..length).filter(|host| !host.is_empty())
}

/// A link to an address whose text tells an `https:` link to something else.
fn check_https_ip_mismatch(context: &Context<'_, '_>, _: &[String]) -> Answered {
    any(context, |html| {
        html.links.iter().filter(|link| !link.anchors.is_empty()).any(|link| {
            let to_address = pattern!(r"^(?i:https?):/*(?:[^@/]+@)?[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+").is_match(&link.target.octets());
            to_address
                && link.anchors.iter().any(|anchor| {
                    let text = anchor.octets();
                    !pattern!(r"^(?i:https):/*(?:[^@/]+@)?[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+").is_match(&text)
                        && pattern!(r"(?i:https):").is_match(&text)
                })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_to_another_domain_is_a_redirector() {
        let tables = DomainTables::default();
        for (link, expected) in [
            ("http://www.example.com/r?u=http://example.org/", true),
            ("http://www.example.com/r?u=http://img.example.com/", false),
            ("http://a.example.com/http://b.example.com/http:example.org", true),
            ("https://example.com/https:/example.org", true),
            ("http://example.com/http:///example.org", false),
            ("http://example.com", false),
            ("http://example.comhttp://example.org", true),
            ("ftp://example.com/http://example.org", false),
        ] {
            assert_eq!(leads_elsewhere(link.as_bytes(), &tables), expected, "{link}");
        }
    }
}
