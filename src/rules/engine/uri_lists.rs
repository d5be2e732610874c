//! URIDNSBL: links, asked of lists by domain, by address, by the name servers of their domain.
//!
//! SpamAssassin asks for a random choice where a message has more hosts than `uridnsbl_max_domains`; here the first ones are
//! asked, links that are shown before hidden ones, so that a message is judged alike each time.

use super::dns::Said;
use super::subtest;
use crate::facts::{Answer, DnsQuestion, DnsType, Question};
use crate::mail::Link;
use crate::mail::links::LinkKind;
use crate::rules::eval::{Context, is_private};
use crate::rules::model::{Rule, Test};
use std::collections::HashSet;
use std::net::Ipv4Addr;

/// Look-ups of one rule: those that are open, and the answers that are there.
#[derive(Default)]
struct Search {
    asked: HashSet<DnsQuestion>,
    open: Vec<Question>,
    /// What is asked about, and the question.
    lists: Vec<(String, DnsQuestion)>,
}

impl Search {
    /// The records of an answer; an open question is noted.
    fn records<'c>(&mut self, context: &Context<'c, '_>, question: &DnsQuestion) -> &'c [String] {
        match context.facts.dns.get(question) {
            Some(Answer::Known(reply)) => &reply.records,
            Some(Answer::Silent) => &[],
            None => {
                if self.asked.insert(question.clone()) {
                    self.open.push(Question::Dns(question.clone()));
                }
                &[]
            }
        }
    }

    fn list(&mut self, subject: &str, zone: &str, kind: DnsType) {
        let host = subject.parse::<Ipv4Addr>().map_or_else(|_| subject.to_owned(), reversed);
        let question = DnsQuestion { name: format!("{host}.{zone}").to_ascii_lowercase().into(), kind };
        if !self.lists.iter().any(|(_, known)| *known == question) {
            self.lists.push((subject.to_owned(), question));
        }
    }
}

fn reversed(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("{d}.{c}.{b}.{a}")
}

struct Listing<'r> {
    zone: &'r str,
    kind: DnsType,
    subtest: Option<&'r str>,
}

fn listing(rule: &Rule) -> Option<Listing<'_>> {
    let Test::Dns { arguments, .. } = &rule.test else { return None };
    let kind = match arguments.get(1)?.to_ascii_uppercase().as_str() {
        "A" => DnsType::A,
        "TXT" => DnsType::Txt,
        // SpamAssassin looks at no other records of an answer.
        _ => return None,
    };
    Some(Listing { zone: arguments.first()?, kind, subtest: arguments.get(2).map(String::as_str) })
}

/// `urirhsbl`, `urirhssub`: the domain of each link, or its public address.
pub fn by_name(rule: &Rule, context: &Context<'_, '_>) -> Said {
    let has = |flag: &str| rule.flags.others.iter().any(|other| other == flag);
    walk(rule, context, |search, listing| {
        for (host, domain) in hosts(context) {
            let subject = match public_address(host) {
                Host::Name if has("ips_only") => continue,
                Host::Name if has("notrim") => host,
                Host::Name => domain,
                Host::Address if has("domains_only") && !has("ips_only") => continue,
                Host::Address => host,
                Host::Unusable => continue,
            };
            search.list(subject, listing.zone, listing.kind);
        }
    })
}

/// `uridnsbl`, `uridnssub`: under `tflags a` the addresses of hosts, and of the name servers of their domains where some rule
/// asks for those. `tflags ns`, the default, asks for name servers, but SpamAssassin 4.0.1 puts their addresses to the
/// rules under `a` alone.
pub fn by_address(rule: &Rule, context: &Context<'_, '_>) -> Said {
    let has = |flag: &str| rule.flags.others.iter().any(|other| other == flag);
    if has("ns") || !has("a") {
        context.memo.asks_servers.set(true);
    }
    walk(rule, context, |search, listing| {
        let servers = if has("ns") || !has("a") || context.memo.asks_servers.get() { servers(search, context) } else { Vec::new() };
        if !has("a") {
            return;
        }
        let names = hosts(context).iter().filter(|(host, _)| matches!(public_address(host), Host::Name)).map(|(host, _)| host.clone());
        let all: Vec<String> = names.chain(servers).collect();
        for host in all {
            let question = DnsQuestion { name: host.into(), kind: DnsType::A };
            for address in search.records(context, &question) {
                search.list(address, listing.zone, listing.kind);
            }
        }
    })
}

/// `urinsrhsbl`, `urinsrhssub`: the domains of name servers.
pub fn by_server_domain(rule: &Rule, context: &Context<'_, '_>) -> Said {
    context.memo.asks_servers.set(true);
    walk(rule, context, |search, listing| {
        for server in servers(search, context) {
            search.list(&context.reading.options.domains.trimmed(&server), listing.zone, listing.kind);
        }
    })
}

/// `urifullnsrhsbl`, `urifullnsrhssub`: the whole names of name servers.
pub fn by_server(rule: &Rule, context: &Context<'_, '_>) -> Said {
    context.memo.asks_servers.set(true);
    walk(rule, context, |search, listing| {
        for server in servers(search, context) {
            search.list(&server, listing.zone, listing.kind);
        }
    })
}

/// Collects what is to be asked, and judges once all is answered.
fn walk(rule: &Rule, context: &Context<'_, '_>, collect: impl FnOnce(&mut Search, &Listing<'_>)) -> Said {
    if !context.network || context.options.is_on("skip_uribl_checks", false) {
        return Said::Miss;
    }
    let Some(listing) = listing(rule) else { return Said::Miss };
    let mut search = Search::default();
    collect(&mut search, &listing);
    let lists = std::mem::take(&mut search.lists);
    let mut hit = None;
    for (subject, question) in &lists {
        let records = search.records(context, question);
        if hit.is_none() && records.iter().any(|record| counts(&listing, record)) {
            hit = Some(format!("URI: {subject}"));
        }
    }
    match hit {
        _ if !search.open.is_empty() => Said::Ask(search.open),
        Some(words) => Said::Hit(words),
        None => Said::Miss,
    }
}

fn counts(listing: &Listing<'_>, record: &str) -> bool {
    match (listing.subtest, listing.kind) {
        (None, DnsType::A) => record.starts_with("127.") && !subtest::is_refusal(record),
        (None, _) => true,
        (Some(wanted), DnsType::A) => subtest::number(record).is_some_and(|number| subtest::passes(wanted, number)),
        (Some(wanted), _) => wanted == record,
    }
}

enum Host {
    Name,
    Address,
    /// A private or malformed address, IPv6.
    Unusable,
}

fn public_address(host: &str) -> Host {
    let dotted = host.split('.').count() == 4 && host.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
    if !dotted && !host.starts_with('[') && !host.contains(':') {
        return Host::Name;
    }
    match host.parse::<Ipv4Addr>() {
        Ok(_) if !is_private(host) => Host::Address,
        Ok(_) | Err(_) => Host::Unusable,
    }
}

/// The name servers of all domains, each once.
fn servers(search: &mut Search, context: &Context<'_, '_>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (host, domain) in hosts(context) {
        if !matches!(public_address(host), Host::Name) {
            continue;
        }
        let question = DnsQuestion { name: domain.as_str().into(), kind: DnsType::Ns };
        for server in search.records(context, &question) {
            let server = server.trim_end_matches('.').to_ascii_lowercase();
            if !server.is_empty() && !matches!(public_address(&server), Host::Unusable) && !found.contains(&server) {
                found.push(server);
            }
        }
    }
    found
}

/// Hosts and domains of the message's links that lists are asked about.
pub fn hosts<'c>(context: &Context<'c, '_>) -> &'c [(String, String)] {
    context.memo.asked_hosts.get_or_init(|| choose(context))
}

fn choose(context: &Context<'_, '_>) -> Vec<(String, String)> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    let most = context.options.number("uridnsbl_max_domains", 20.0).max(0.0) as usize;
    let skipped: HashSet<&str> = context.options.word_list("uridnsbl_skip_domain").iter().map(String::as_str).collect();
    let skip_mailto = context.options.is_on("uridnsbl_skip_mailto", true);
    let mut classes: [Vec<(&str, &str)>; 6] = Default::default();
    for link in context.reading.links() {
        if skip_mailto && link.raw.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"mailto:")) {
            continue;
        }
        let Some(class) = classes.get_mut(class(link)) else { continue };
        for (host, domain) in &link.hosts {
            if !skipped.contains(host.as_str()) && !skipped.contains(domain.as_str()) {
                class.push((host, domain));
            }
        }
    }
    let mut seen = HashSet::new();
    let all = classes.iter().flatten().filter(|(host, _)| seen.insert(*host));
    all.take(most).map(|(host, domain)| (host.to_ascii_lowercase(), domain.to_ascii_lowercase())).collect()
}

/// The order in which links are taken (URIDNSBL, check_dnsbl): anchors with a text, forms, images, others, links of the
/// text, anchors without text.
fn class(link: &Link) -> usize {
    let has = |kind: LinkKind| link.kinds.contains(&kind);
    if has(LinkKind::Html("a")) {
        return if link.anchors.iter().any(|text| !text.is_empty()) { 0 } else { 5 };
    }
    if has(LinkKind::Html("form")) {
        return 1;
    }
    if has(LinkKind::Html("img")) {
        return 2;
    }
    if link.kinds == [LinkKind::Parsed] { 4 } else { 3 }
}
