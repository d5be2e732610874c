//! RelayEval: what the chain of relays says about who handed the message over.

use super::perl::{IPV4, is_ipv4, is_private, pattern, positions_ignoring_case};
use super::{Accepts, Answered, Context, Row, local};
use crate::mail::Relay;

pub(super) static ROWS: &[Row] = &[
    any("check_for_numeric_helo", check_for_numeric_helo),
    any("check_for_illegal_ip", |_, _| Answered::Miss),
    any("check_all_trusted", check_all_trusted),
    any("check_no_relays", check_no_relays),
    any("check_relays_unparseable", check_relays_unparseable),
    any("check_for_sender_no_reverse", check_for_sender_no_reverse),
    local("check_for_from_domain_in_received_headers", "RelayEval", Accepts::Head, check_for_from_domain_in_received_headers),
    any("check_for_forged_received_trail", check_for_forged_received_trail),
    any("check_for_forged_received_ip_helo", check_for_forged_received_ip_helo),
    any("helo_ip_mismatch", helo_ip_mismatch),
    any("check_for_no_rdns_dotcom_helo", check_for_no_rdns_dotcom_helo),
];

const fn any(name: &'static str, run: super::Function) -> Row {
    local(name, "RelayEval", Accepts::Any, run)
}

/// Relays beyond the trusted ones, ours first.
pub(super) fn untrusted<'c>(context: &'c Context<'_, '_>) -> impl DoubleEndedIterator<Item = &'c Relay> {
    let relays = context.reading.relays();
    relays.untrusted.iter().filter_map(|at| relays.all.get(*at))
}

pub(super) fn trusted<'c>(context: &'c Context<'_, '_>) -> impl DoubleEndedIterator<Item = &'c Relay> {
    let relays = context.reading.relays();
    relays.trusted.iter().filter_map(|at| relays.all.get(*at))
}

fn check_for_numeric_helo(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let relays = context.header("X-Spam-Relays-Untrusted");
    pattern!(&format!(r"(?i)\bhelo=({IPV4})(?:[\x00-\x20,;\[()<>]|$)"))
        .captures(relays.text())
        .and_then(|found| found.get(1))
        .is_some_and(|helo| !is_private(&String::from_utf8_lossy(helo.as_bytes())))
        .into()
}

fn helo_ip_mismatch(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let usable = |text: &str| is_ipv4(text) && !is_private(text);
    untrusted(context)
        .any(|relay| {
            let network = relay.helo.rfind('.').map_or("", |dot| &relay.helo[..=dot]);
            usable(&relay.helo) && usable(&relay.ip_text) && relay.helo != relay.ip_text && !relay.ip_text.starts_with(network)
        })
        .into()
}

fn check_all_trusted(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let relays = context.reading.relays();
    if relays.trusted.is_empty() { Answered::Miss } else { (relays.untrusted.is_empty() && relays.unparseable == 0).into() }
}

fn check_no_relays(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let relays = context.reading.relays();
    (relays.trusted.is_empty() && relays.untrusted.is_empty() && relays.unparseable == 0).into()
}

fn check_relays_unparseable(context: &Context<'_, '_>, _: &[String]) -> Answered {
    (context.reading.relays().unparseable > 0).into()
}

/// True where the first sender has a name, as SpamAssassin 4.0.1 answers whatever the function is called.
fn check_for_sender_no_reverse(context: &Context<'_, '_>, _: &[String]) -> Answered {
    // With no untrusted relay Perl's index -1 finds none either.
    untrusted(context).next_back().is_some_and(|relay| relay.rdns.contains('.') && !relay.ip_private).into()
}

fn check_for_from_domain_in_received_headers(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let (Some(domain), Some(desired)) = (arguments.first(), arguments.get(1)) else { return Answered::Miss };
    let from = context.header("From:addr");
    let from = from.text();
    let word = |at: Option<usize>| at.and_then(|at| from.get(at)).is_some_and(|octet| super::perl::is_word(*octet));
    if !positions_ignoring_case(from, domain.as_bytes()).into_iter().any(|at| word(at.checked_sub(1)) != word(Some(at))) {
        return Answered::Miss;
    }
    let passed = trusted(context).chain(untrusted(context)).any(|relay| names(&relay.rdns, domain) && names(&relay.by, domain));
    (passed == (desired == "true")).into()
}

/// The host is the domain or lies in it, beginning at a word.
fn names(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|before| {
        let word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        word(before.chars().next_back()) != word(domain.chars().next())
    })
}

fn check_for_no_rdns_dotcom_helo(context: &Context<'_, '_>, _: &[String]) -> Answered {
    // The last public relay decides, since each one starts anew.
    untrusted(context)
        .rfind(|relay| !relay.ip_private)
        .is_some_and(|relay| {
            relay.no_reverse_dns
                && pattern!(
                    r"(?i)(?:\.|^)(?:lycos\.com|lycos\.co\.uk|hotmail\.com|localhost\.com|excite\.com|caramail\.com|cs\.com|aol\.com|msn\.com|yahoo\.com|drizzle\.com)$"
                )
                .is_match(relay.helo.as_bytes())
        })
        .into()
}

/// How many hops contradict each other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trail {
    /// A host was received by another name than it then gave for itself.
    names: u32,
    /// A HELO address lies in another /16 than the address that gave it.
    addresses: u32,
}

fn trail(context: &Context<'_, '_>) -> Trail {
    *context.memo.trail.get_or_init(|| {
        let mut found = Trail::default();
        let relays: Vec<&Relay> = untrusted(context).collect();
        // The one before the first is the last, as Perl's index -1 reads it; SpamAssassin leaves that one out.
        let mut before: Option<String> = None;
        for relay in relays {
            let by = relay.by.to_ascii_lowercase();
            let by = to_domain(&by);
            let mut rdns = relay.rdns.to_ascii_lowercase();
            rdns = to_domain(&rdns).to_owned();
            let is_host = is_host(by);
            let local = relay.ip_text == "127.0.0.1" && matches!(rdns.as_str(), "localhost" | "localhost.localdomain");
            if is_host {
                found.addresses += u32::from(far_helo(to_domain(&relay.helo), &relay.ip_text));
                found.names += u32::from(
                    before
                        .as_ref()
                        .is_some_and(|before| self::is_host(before) && by != *before && !(by == "msn.com" && before == "hotmail.com")),
                );
            }
            before = if is_host && local { None } else { Some(rdns) };
        }
        found
    })
}

/// `^\w+(?:[\w.-]+\.)+\w+$`
fn is_host(name: &str) -> bool {
    let is_word = super::perl::is_word;
    name.rsplit_once('.').is_some_and(|(before, last)| {
        before.len() > 1
            && before.bytes().next().is_some_and(is_word)
            && before.bytes().all(|octet| is_word(octet) || matches!(octet, b'.' | b'-'))
            && !last.is_empty()
            && last.bytes().all(is_word)
    })
}

fn far_helo(helo: &str, ip: &str) -> bool {
    let quad = |text: &str| -> Option<String> {
        // Names are left without a look by the pattern.
        text.bytes().next().filter(u8::is_ascii_digit)?;
        let found = pattern!(r"^(\d+\.\d+)\.\d+\.\d+$").captures(text.as_bytes())?;
        Some(super::perl::lossy(found.get(1)?.as_bytes()))
    };
    match (quad(helo), quad(ip)) {
        (Some(theirs), Some(real)) => theirs != real && !is_private(helo),
        _ => false,
    }
}

/// The last two labels of a host name, three where the last is short; an address as it is.
fn to_domain(host: &str) -> &str {
    if !host.bytes().any(|octet| octet.is_ascii_alphabetic()) {
        return host;
    }
    // Perl's split drops empty labels at the end.
    let trimmed = host.trim_end_matches('.');
    let Some((before, last)) = trimmed.rsplit_once('.') else { return host };
    let long = last.split(|c: char| c.is_ascii_whitespace()).any(|word| word.len() >= 3)
        || ["ie", "fr", "de"].iter().any(|known| last.contains(known));
    let mut dots = before.rmatch_indices('.').map(|(at, _)| at);
    match (long, dots.next()) {
        (true, dot) => dot.map_or(trimmed, |at| &trimmed[at + 1..]),
        (false, Some(_)) => dots.next().map_or(trimmed, |at| &trimmed[at + 1..]),
        (false, None) => host,
    }
}

fn check_for_forged_received_trail(context: &Context<'_, '_>, _: &[String]) -> Answered {
    (trail(context).names > 1).into()
}

fn check_for_forged_received_ip_helo(context: &Context<'_, '_>, _: &[String]) -> Answered {
    (trail(context).addresses > 0).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_cut_to_its_domain() {
        for (host, domain) in [
            ("mail.example.com", "example.com"),
            ("mx.example.co.uk", "example.co.uk"),
            ("mx.example.de", "example.de"),
            ("example.se", "example.se"),
            ("192.0.2.1", "192.0.2.1"),
            ("a.b.c.se", "b.c.se"),
        ] {
            assert_eq!(to_domain(host), domain, "{host}");
        }
    }
}
