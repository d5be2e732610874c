//! WLBLEval and WelcomeListSubject: welcome and block lists of senders, recipients, link hosts and subjects.

use super::addresses::{host_of, recipients, senders};
use super::perl::{chomp, lossy};
use super::relay::{trusted, untrusted};
use super::{Accepts, Answered, Context, Row, local};
use crate::mail::Relay;
use crate::rules::options::{AddressList, PairedEntry};
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

pub(super) static ROWS: &[Row] = &[
    head("check_from_in_blocklist", |c, _| is_from(c, "blocklist_from").into()),
    head("check_from_in_blacklist", |c, _| is_from(c, "blocklist_from").into()),
    head("check_to_in_blocklist", |c, _| is_to(c, "blocklist_to").into()),
    head("check_to_in_blacklist", |c, _| is_to(c, "blocklist_to").into()),
    head("check_to_in_welcomelist", |c, _| is_to(c, "welcomelist_to").into()),
    head("check_to_in_whitelist", |c, _| is_to(c, "welcomelist_to").into()),
    head("check_to_in_more_spam", |c, _| is_to(c, "more_spam_to").into()),
    head("check_to_in_all_spam", |c, _| is_to(c, "all_spam_to").into()),
    head("check_from_in_list", |c, arguments| arguments.first().map_or(Answered::Miss, |list| is_from(c, list).into())),
    head("check_replyto_in_list", check_replyto_in_list),
    head("check_to_in_list", |c, arguments| arguments.first().map_or(Answered::Miss, |list| is_to(c, list).into())),
    head("check_from_in_welcomelist", |c, _| (welcome(c) == Welcome::Yes).into()),
    head("check_from_in_whitelist", |c, _| (welcome(c) == Welcome::Yes).into()),
    head("check_forged_in_welcomelist", |c, _| forged_in_welcomelist(c)),
    head("check_forged_in_whitelist", |c, _| forged_in_welcomelist(c)),
    head("check_from_in_default_welcomelist", |c, _| (default_welcome(c) == Welcome::Yes).into()),
    head("check_from_in_default_whitelist", |c, _| (default_welcome(c) == Welcome::Yes).into()),
    head("check_forged_in_default_welcomelist", |c, _| forged_in_default_welcomelist(c)),
    head("check_forged_in_default_whitelist", |c, _| forged_in_default_welcomelist(c)),
    head("check_mailfrom_matches_rcvd", check_mailfrom_matches_rcvd),
    head("check_uri_host_listed", |c, arguments| arguments.first().map_or(Answered::Miss, |list| link_host_in(c, list))),
    any("check_uri_host_in_blocklist", |c, _| link_host_in(c, "BLOCK")),
    any("check_uri_host_in_blacklist", |c, _| link_host_in(c, "BLOCK")),
    any("check_uri_host_in_welcomelist", |c, _| link_host_in(c, "WELCOME")),
    any("check_uri_host_in_whitelist", |c, _| link_host_in(c, "WELCOME")),
    subject("check_subject_in_welcomelist", |c, _| subject_in(c, "welcomelist_subject")),
    subject("check_subject_in_whitelist", |c, _| subject_in(c, "welcomelist_subject")),
    subject("check_subject_in_blocklist", |c, _| subject_in(c, "blocklist_subject")),
    subject("check_subject_in_blacklist", |c, _| subject_in(c, "blocklist_subject")),
];

const fn head(name: &'static str, run: super::Function) -> Row {
    local(name, "WLBLEval", Accepts::Head, run)
}

const fn any(name: &'static str, run: super::Function) -> Row {
    local(name, "WLBLEval", Accepts::Any, run)
}

const fn subject(name: &'static str, run: super::Function) -> Row {
    local(name, "WelcomeListSubject", Accepts::Head, run)
}

fn list<'c>(context: &'c Context<'_, '_>, name: &str) -> Option<&'c AddressList> {
    context.options.lists.get(name).filter(|list| !list.is_empty())
}

pub(super) fn is_from(context: &Context<'_, '_>, name: &str) -> bool {
    list(context, name).is_some_and(|list| senders(context).iter().any(|address| list.covers(address)))
}

pub(super) fn is_to(context: &Context<'_, '_>, name: &str) -> bool {
    list(context, name).is_some_and(|list| recipients(context).iter().any(|address| list.covers(address)))
}

fn check_replyto_in_list(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let Some(list) = arguments.first().and_then(|name| list(context, name)) else { return Answered::Miss };
    let reply = context.header("Reply-To:addr");
    (!reply.text().is_empty() && list.covers(&lossy(reply.text()))).into()
}

/// Where a sender stands in a list that names relays too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Welcome {
    Yes,
    No,
    /// The address is listed, and came from another relay.
    Forged,
}

fn welcome(context: &Context<'_, '_>) -> Welcome {
    *context.memo.welcome.get_or_init(|| {
        let plain = list(context, "welcomelist_from");
        best(senders(context).iter().map(|address| {
            if plain.is_some_and(|list| list.covers(address)) { Welcome::Yes } else { received(context, "welcomelist_from_rcvd", address) }
        }))
    })
}

fn default_welcome(context: &Context<'_, '_>) -> Welcome {
    *context
        .memo
        .default_welcome
        .get_or_init(|| best(senders(context).iter().map(|address| received(context, "def_welcomelist_from_rcvd", address))))
}

fn best(verdicts: impl Iterator<Item = Welcome>) -> Welcome {
    let mut found = Welcome::No;
    for verdict in verdicts {
        match verdict {
            Welcome::Yes => return Welcome::Yes,
            Welcome::Forged => found = Welcome::Forged,
            Welcome::No => {}
        }
    }
    found
}

fn forged_in_welcomelist(context: &Context<'_, '_>) -> Answered {
    (welcome(context) == Welcome::Forged && default_welcome(context) == Welcome::No).into()
}

fn forged_in_default_welcomelist(context: &Context<'_, '_>) -> Answered {
    (default_welcome(context) == Welcome::Forged && welcome(context) == Welcome::No).into()
}

/// The relay that counts: the first untrusted one; only without any, every trusted one.
fn witnesses<'c>(context: &'c Context<'_, '_>) -> Vec<&'c Relay> {
    match untrusted(context).next() {
        Some(relay) => vec![relay],
        None => trusted(context).collect(),
    }
}

fn received(context: &Context<'_, '_>, name: &str, address: &str) -> Welcome {
    let Some(entries) = context.options.paired_lists.get(name) else { return Welcome::No };
    let relays = witnesses(context);
    let lower = address.to_ascii_lowercase();
    let listed = entries.covering(&lower);
    if relays.is_empty() || listed.is_empty() {
        return Welcome::No;
    }
    if listed.iter().any(|entry| came_from(entry, &relays)) {
        return Welcome::Yes;
    }
    // welcomelist_allows_relays: these may come from anywhere.
    if list(context, "welcomelist_allows_relays").is_some_and(|list| list.covers(address)) { Welcome::No } else { Welcome::Forged }
}

fn came_from(entry: &PairedEntry, relays: &[&Relay]) -> bool {
    entry.partners.iter().any(|partner| relays.iter().any(|relay| is_relay(relay, partner)))
}

/// A partner is a domain of the relay's name, or a network in brackets, with `/bits` inside or behind.
fn is_relay(relay: &Relay, partner: &str) -> bool {
    let network = partner.strip_prefix('[').and_then(|rest| rest.rsplit_once(']'));
    let Some((network, bits)) = network else {
        let rdns = relay.rdns.to_ascii_lowercase();
        let partner = partner.to_ascii_lowercase();
        return rdns.strip_suffix(partner.as_str()).is_some_and(|before| before.is_empty() || before.ends_with('.'));
    };
    let network = format!("{network}{bits}");
    if relay.ip_text.is_empty() {
        return false;
    }
    let dotted = network.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
    if dotted && network.trim_end_matches('.').split('.').count() == 4 && !network.ends_with('.') {
        return network == relay.ip_text;
    }
    if dotted {
        return relay.ip_text.starts_with(&format!("{}.", network.trim_end_matches('.')));
    }
    let mut set = crate::base::NetSet::default();
    set.add(&network).is_ok() && relay.ip_text.parse::<IpAddr>().is_ok_and(|ip| set.contains(ip))
}

fn check_mailfrom_matches_rcvd(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let sender = lossy(context.header("EnvelopeFrom:addr").text());
    let host = host_of(&sender).to_ascii_lowercase();
    if host.len() < 3 || !host[1..host.len() - 1].contains('.') {
        return Answered::Miss;
    }
    let domains = &context.reading.options.domains;
    let wanted = domains.registered(&host);
    witnesses(context)
        .iter()
        .map(|relay| relay.rdns.to_ascii_lowercase())
        .any(|rdns| !rdns.is_empty() && domains.registered(&rdns) == wanted)
        .into()
}

fn link_host_in(context: &Context<'_, '_>, name: &str) -> Answered {
    match listed_hosts(context).get(name) {
        Some(host) => Answered::HitWith(1.0, format!("URI: {host}")),
        None => Answered::Miss,
    }
}

/// For each list of link hosts, a host of the message that stands in it.
fn listed_hosts<'c>(context: &'c Context<'_, '_>) -> &'c BTreeMap<String, String> {
    context.memo.listed_hosts.get_or_init(|| {
        let mut found = BTreeMap::new();
        if context.options.uri_hosts.is_empty() {
            return found;
        }
        let mut seen: HashSet<&str, foldhash::fast::RandomState> = HashSet::default();
        for link in context.reading.links() {
            if super::header::starts_ignoring_case(&link.raw, b"mailto:") {
                continue;
            }
            for (host, _) in link.hosts.iter().filter(|(host, _)| seen.insert(host)) {
                let keys = lookups(host);
                for (name, hosts) in &context.options.uri_hosts {
                    let listed = keys.iter().find_map(|key| hosts.get(*key).map(|listed| (key, *listed)));
                    if let Some((key, true)) = listed {
                        let shown = if *key == host { host.clone() } else { format!("{host} ({key})") };
                        found.insert(name.clone(), shown);
                    }
                }
            }
        }
        found
    })
}

/// The host and the domains above it, of very deep ones the last eleven.
fn lookups(host: &str) -> Vec<&str> {
    if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return vec![literal];
    }
    if host.is_empty() || host.parse::<std::net::Ipv4Addr>().is_ok() {
        return vec![host];
    }
    let mut keys = vec![host];
    let mut rest = host;
    while let Some((_, above)) = rest.split_once('.') {
        keys.push(above);
        rest = above;
    }
    keys.split_off(keys.len().saturating_sub(11))
}

/// Entries are found anywhere in the subject.
fn subject_in(context: &Context<'_, '_>, name: &str) -> Answered {
    let Some(list) = list(context, name) else { return Answered::Miss };
    let subject = context.header("Subject");
    (!subject.text().is_empty() && list.is_within(&lossy(chomp(subject.text())))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_named_by_domain_address_or_network() {
        let relay = Relay { ip_text: "192.0.2.9".into(), rdns: "mx.Example.org".into(), ..Relay::default() };
        for (partner, fits) in [
            ("example.org", true),
            ("mple.org", false),
            ("[192.0.2.9]", true),
            ("[192.0.2]", true),
            ("[192.0.2.]", true),
            ("[192.0.20]", false),
            ("[192.0.2.0/24]", true),
            ("[192.0.2.0]/28", true),
            ("[192.0.2.16]/28", false),
            ("[2001:db8::/32]", false),
        ] {
            assert_eq!(is_relay(&relay, partner), fits, "{partner}");
        }
    }

    #[test]
    fn a_host_is_looked_up_with_all_domains_above_it() {
        assert_eq!(lookups("a.example.org"), ["a.example.org", "example.org", "org"]);
        assert_eq!(lookups("192.0.2.1"), ["192.0.2.1"]);
        assert_eq!(lookups(&"a.".repeat(40)).len(), 11);
    }
}
