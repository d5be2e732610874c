//! DNSEval: lists that are asked by address or domain (RFC 5782), and whether a sender's domain exists.

use super::addresses::{host_of, is_fqdn, senders, single_dots};
use super::perl::{IPV4, compile, is_private, lossy, pattern, rule_pattern};
use super::relay::{trusted, untrusted};
use super::{Accepts, Answered, Context, Needs, Row};
use crate::facts::{Answer, DnsQuestion, DnsType, Question};
use crate::pattern::Found;
use crate::rules::engine::subtest::is_refusal;
use std::net::IpAddr;
use std::sync::LazyLock;

pub(super) static ROWS: &[Row] = &[
    row("check_rbl", |c, a| ask(c, a, by_address(c, a, DnsType::A)), |c, a| judge(c, a, by_address(c, a, DnsType::A))),
    row("check_rbl_txt", |c, a| ask(c, a, by_address(c, a, DnsType::Txt)), |c, a| judge(c, a, by_address(c, a, DnsType::Txt))),
    row("check_rbl_accreditor", |c, a| ask(c, a, by_accreditor(c, a)), |c, a| judge(c, a, by_accreditor(c, a))),
    row("check_rbl_sub", ask_set, check_rbl_sub),
    row("check_rbl_from_host", |c, a| ask(c, a, by_senders(c, a)), |c, a| judge(c, a, by_senders(c, a))),
    row("check_rbl_from_domain", |c, a| ask(c, a, by_sender_domains(c, a)), |c, a| judge(c, a, by_sender_domains(c, a))),
    row("check_rbl_envfrom", |c, a| ask(c, a, by_envelope(c, a)), |c, a| judge(c, a, by_envelope(c, a))),
    row("check_rbl_headers", |c, a| ask(c, a, by_headers(c, a)), |c, a| judge(c, a, by_headers(c, a))),
    row("check_rbl_rcvd", |c, a| ask(c, a, by_first_relay(c, a)), |c, a| judge(c, a, by_first_relay(c, a))),
    row("check_rbl_ns_from", ask_servers, check_rbl_ns_from),
    // SpamAssassin 4.0.1 looks for the code of a missing name beside the records of an answer. Such an answer has no records,
    // so the function is never true, and nothing need be asked for it.
    super::local("check_dns_sender", "DNSEval", Accepts::Rbl, |_, _| Answered::Miss),
];

const fn row(name: &'static str, ask: fn(&Context<'_, '_>, &[String]) -> Vec<Question>, run: super::Function) -> Row {
    Row { name, plugin: "DNSEval", accepts: Accepts::Rbl, needs: Needs::Asks(ask), run }
}

fn is_off(context: &Context<'_, '_>) -> bool {
    !context.network || context.options.is_on("skip_rbl_checks", false)
}

/// The questions of a rule, noted under its set for `check_rbl_sub` rules.
fn ask(context: &Context<'_, '_>, arguments: &[String], questions: Vec<DnsQuestion>) -> Vec<Question> {
    if let Some(set) = arguments.first().filter(|_| !questions.is_empty()) {
        let mut sets = context.memo.list_sets.borrow_mut();
        let known = sets.entry(set.clone()).or_default();
        for question in &questions {
            if !known.contains(question) {
                known.push(question.clone());
            }
        }
    }
    questions.into_iter().map(Question::Dns).collect()
}

/// Hits when some answer passes the subtest (the third argument).
fn judge(context: &Context<'_, '_>, arguments: &[String], questions: Vec<DnsQuestion>) -> Answered {
    look(context, &questions, arguments.get(2))
}

fn look(context: &Context<'_, '_>, questions: &[DnsQuestion], subtest: Option<&String>) -> Answered {
    for question in questions {
        let Some(answer) = context.facts.dns.get(question) else { return Answered::Pending };
        let Answer::Known(reply) = answer else { continue };
        let fits = |record: &&String| {
            (question.kind == DnsType::Txt || record.starts_with("127."))
                && subtest.map_or_else(|| !is_refusal(record), |test| passes(record, test))
        };
        if let Some(record) = reply.records.iter().find(fits) {
            return Answered::HitWith(1.0, listing(question, record));
        }
    }
    Answered::Miss
}

/// An address, a bit mask over the answer as a number, or a pattern. A refusal passes where the rule names one.
fn passes(record: &str, subtest: &str) -> bool {
    if is_refusal(record) && !subtest.contains("255") {
        return false;
    }
    if subtest.bytes().all(|octet| octet.is_ascii_digit()) && !subtest.is_empty() {
        return record.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| u64::from(u32::from(ip)) & subtest.parse::<u64>().unwrap_or(0) != 0);
    }
    if pattern!(r"^\d+\.\d+\.\d+\.\d+$").is_match(subtest.as_bytes()) {
        return record == subtest;
    }
    rule_pattern(subtest).is_some_and(|pattern| matches!(pattern.find(record.as_bytes(), 0), Found::Hit(_)))
}

/// `192.0.2.1 listed in list.example`, or the list's own text.
fn listing(question: &DnsQuestion, record: &str) -> String {
    if question.kind == DnsType::Txt {
        return record.to_owned();
    }
    match pattern!(r"^(\d+)\.(\d+)\.(\d+)\.(\d+)\.(\S+)$").captures(question.name.as_bytes()) {
        Some(found) => {
            let part = |at: usize| found.get(at).map_or_else(String::new, |group| lossy(group.as_bytes()));
            format!("{}.{}.{}.{} listed in {}", part(4), part(3), part(2), part(1), part(5))
        }
        None => format!("listed in {}", question.name),
    }
}

fn ask_set(context: &Context<'_, '_>, arguments: &[String]) -> Vec<Question> {
    set_questions(context, arguments).into_iter().map(Question::Dns).collect()
}

fn set_questions(context: &Context<'_, '_>, arguments: &[String]) -> Vec<DnsQuestion> {
    let sets = context.memo.list_sets.borrow();
    arguments.first().and_then(|set| sets.get(set)).cloned().unwrap_or_default()
}

fn check_rbl_sub(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    match arguments.get(1) {
        Some(subtest) => look(context, &set_questions(context, arguments), Some(subtest)),
        None => Answered::Miss,
    }
}

fn question(host: &str, zone: &str, kind: DnsType) -> DnsQuestion {
    DnsQuestion { name: format!("{host}.{}", zone.trim_end_matches('.')).to_ascii_lowercase().into(), kind }
}

/// RFC 5782 §2.1, 2.4: octets, or nibbles of IPv6, in reverse.
pub(super) fn reversed(ip: &str) -> Option<String> {
    match ip.parse().ok()? {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            Some(format!("{d}.{c}.{b}.{a}"))
        }
        IpAddr::V6(v6) => {
            let digits = v6.octets().iter().rev().map(|octet| format!("{:x}.{:x}", octet & 15, octet >> 4)).collect::<Vec<_>>();
            Some(digits.join("."))
        }
    }
}

/// Distinct public addresses.
fn public(addresses: impl Iterator<Item = String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for address in addresses {
        if !address.is_empty() && !is_private(&address) && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

fn originating(context: &Context<'_, '_>) -> Vec<String> {
    static ADDRESS: LazyLock<regex::bytes::Regex> = LazyLock::new(|| compile(&format!(r"(?:^|[^\w:])({IPV4})\b")));
    let names = &context.reading.options.originating_ip_headers;
    let mut found = Vec::new();
    for name in names {
        let value = context.header_of(name);
        found.extend(ADDRESS.captures_iter(value.text()).filter_map(|hit| hit.get(1)).map(|group| lossy(group.as_bytes())));
    }
    found
}

/// Addresses that a set looks at, by the ending of its name (`-lastexternal`, `-firsttrusted` …).
fn addresses(context: &Context<'_, '_>, set: &str) -> Vec<String> {
    let networks = &context.reading.options.trusted;
    let is_ours = |ip: &String| ip.parse::<IpAddr>().is_ok_and(|ip| networks.contains(ip));
    let outside: Vec<String> = untrusted(context).map(|relay| relay.ip_text.clone()).collect();
    let told = originating(context);
    let ips = public(outside.iter().cloned());
    if ips.is_empty() && told.is_empty() {
        return Vec::new();
    }
    let foreign = || told.iter().filter(|ip| !is_ours(ip)).cloned();
    let external =
        || public(trusted(context).filter(|relay| !relay.internal).map(|relay| relay.ip_text.clone()).chain(outside.iter().cloned()));
    let mut found = if set.ends_with("-notfirsthop") {
        let mut all = external();
        if all.len() > 1 {
            all.pop();
        }
        all
    } else if set.ends_with("-lastexternal") {
        external().into_iter().take(1).collect()
    } else if set.ends_with("-firsttrusted") {
        public(ips.into_iter().chain(foreign())).into_iter().take(1).collect()
    } else if set.ends_with("-untrusted") {
        public(ips.into_iter().chain(foreign())).into_iter().skip(1).collect()
    } else {
        let mut all = public(ips.into_iter().chain(foreign()));
        all.reverse();
        all
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    found.truncate(context.options.number("num_check_received", 9.0).max(0.0) as usize);
    if !context.flags.nice {
        let ours = found.iter().take_while(|ip| is_ours(ip)).count();
        found.drain(..ours);
    }
    found
}

fn by_address(context: &Context<'_, '_>, arguments: &[String], kind: DnsType) -> Vec<DnsQuestion> {
    let (Some(set), Some(zone)) = (arguments.first(), arguments.get(1)) else { return Vec::new() };
    if is_off(context) {
        return Vec::new();
    }
    addresses(context, set).iter().filter_map(|ip| reversed(ip)).map(|host| question(&host, zone, kind)).collect()
}

/// Only of senders who name this accreditor (the fourth argument).
fn by_accreditor(context: &Context<'_, '_>, arguments: &[String]) -> Vec<DnsQuestion> {
    let Some(wanted) = arguments.get(3) else { return Vec::new() };
    let sender = context.header("EnvelopeFrom:addr");
    let in_sender = pattern!(r"(?i)[@.]a--([a-z0-9]{3,})\.").captures(sender.text()).and_then(|found| found.get(1));
    let named = in_sender.is_some_and(|name| lossy(name.as_bytes()).to_ascii_lowercase() == *wanted)
        || lossy(context.header("Accreditor").text())
            .split(',')
            .filter_map(|entry| entry.split_whitespace().next())
            .any(|name| name.to_ascii_lowercase() == *wanted);
    if named { by_address(context, arguments, DnsType::A) } else { Vec::new() }
}

/// Hosts of any kind, as the rule's `ips_only` and `domains_only` flags admit them.
fn by_hosts(context: &Context<'_, '_>, arguments: &[String], hosts: impl IntoIterator<Item = String>) -> Vec<DnsQuestion> {
    let Some(zone) = arguments.get(1) else { return Vec::new() };
    if is_off(context) {
        return Vec::new();
    }
    let has = |flag: &str| context.flags.others.iter().any(|other| other == flag);
    let mut found = Vec::new();
    for host in hosts {
        let name = match reversed(&host) {
            Some(_) if has("domains_only") => continue,
            Some(reversed) => reversed,
            None if has("ips_only") || !is_fqdn(&host) || !context.reading.options.domains.is_valid(&host) => continue,
            None => host,
        };
        let question = question(&name, zone, DnsType::A);
        if !found.contains(&question) {
            found.push(question);
        }
    }
    found
}

fn hosts_of<'a>(addresses: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let host = |address: &String| single_dots(host_of(address).trim_matches('.')).to_ascii_lowercase();
    addresses.into_iter().map(host).filter(|host| host.contains('.')).collect()
}

fn by_senders(context: &Context<'_, '_>, arguments: &[String]) -> Vec<DnsQuestion> {
    by_hosts(context, arguments, hosts_of(senders(context)))
}

fn by_sender_domains(context: &Context<'_, '_>, arguments: &[String]) -> Vec<DnsQuestion> {
    let domains = &context.reading.options.domains;
    by_hosts(
        context,
        arguments,
        senders(context).iter().filter_map(|address| domains.of_link(address.as_bytes())).map(|(_, domain)| domain),
    )
}

fn envelope(context: &Context<'_, '_>) -> Vec<String> {
    context.header("EnvelopeFrom:addr").list.iter().map(|address| lossy(address)).collect()
}

fn by_envelope(context: &Context<'_, '_>, arguments: &[String]) -> Vec<DnsQuestion> {
    by_hosts(context, arguments, hosts_of(envelope(context).iter().take(1)))
}

fn by_headers(context: &Context<'_, '_>, arguments: &[String]) -> Vec<DnsQuestion> {
    const DEFAULT: &str = "EnvelopeFrom,Reply-To,Disposition-Notification-To,X-WebmailclientIP,X-Source-IP";
    let names = arguments.get(3).map_or_else(|| context.options.text("rbl_headers", DEFAULT), String::as_str);
    let mut hosts = Vec::new();
    for name in names.split(',') {
        let address = lossy(context.header_of(&format!("{name}:addr")).text());
        if address.contains('@') {
            hosts.extend(hosts_of([&address]));
        } else {
            hosts.extend(lossy(context.header_of(name).text()).lines().map(str::to_owned));
        }
    }
    by_hosts(context, arguments, hosts)
}

fn by_first_relay(context: &Context<'_, '_>, arguments: &[String]) -> Vec<DnsQuestion> {
    let hosts = untrusted(context).next_back().map(|relay| [&relay.ip_text, &relay.by, &relay.helo, &relay.rdns]);
    by_hosts(
        context,
        arguments,
        hosts.into_iter().flatten().map(|host| host.trim_end_matches('.').to_owned()).filter(|host| !host.is_empty()),
    )
}

fn sender_host(context: &Context<'_, '_>) -> Option<String> {
    if is_off(context) {
        return None;
    }
    let host = |address: &String| {
        pattern!(r"@([^@\s]+\.[^@\s]+)").captures(single_dots(address).as_bytes())?.get(1).map(|host| lossy(host.as_bytes()))
    };
    envelope(context).iter().find_map(host).map(|host| host.to_ascii_lowercase())
}

fn server_question(context: &Context<'_, '_>) -> Option<DnsQuestion> {
    sender_host(context).map(|host| DnsQuestion { name: host.into(), kind: DnsType::Ns })
}

fn server_lists(context: &Context<'_, '_>, arguments: &[String]) -> Vec<DnsQuestion> {
    let Some(Answer::Known(reply)) = server_question(context).and_then(|question| context.facts.dns.get(&question)) else {
        return Vec::new();
    };
    by_hosts(context, arguments, reply.records.iter().map(|host| host.trim_end_matches('.').to_owned()))
}

fn ask_servers(context: &Context<'_, '_>, arguments: &[String]) -> Vec<Question> {
    let lists = server_lists(context, arguments);
    let mut questions = ask(context, arguments, lists);
    questions.extend(server_question(context).map(Question::Dns));
    questions
}

fn check_rbl_ns_from(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    match server_question(context) {
        None => Answered::Miss,
        Some(question) if !context.facts.dns.contains_key(&question) => Answered::Pending,
        Some(_) => judge(context, arguments, server_lists(context, arguments)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_asked_in_reverse() {
        assert_eq!(reversed("192.0.2.1").as_deref(), Some("1.2.0.192"));
        assert_eq!(reversed("2001:db8::1").as_deref(), Some("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"));
        assert_eq!(reversed("mx.example.org"), None);
    }

    #[test]
    fn an_answer_is_tested_as_address_bits_or_pattern() {
        for (record, subtest, fits) in
            [("127.0.0.2", "127.0.0.2", true), ("127.0.0.6", "4", true), ("127.0.0.3", "4", false), ("127.0.0.2", "127.0.0.3", false)]
        {
            assert_eq!(passes(record, subtest), fits, "{record} {subtest}");
        }
    }
}
