//! Who connects, under which name, on whose behalf: the last relay outside, its names, and the domains of the envelope.
//!
//! Functions of Hamgate's own. Every one exempts clients that logged in and trusted networks, and a look-up that failed says
//! nothing against anybody.

use super::perl::{is_private, lossy, pattern};
use super::{Accepts, Answered, Context, Needs, Row};
use crate::facts::{Answer, DnsQuestion, DnsReply, DnsType, Question};
use crate::mail::domains::{is_host_name, is_ip_address};
use crate::mail::{Arrival, Relay};
use std::net::IpAddr;

pub(super) static ROWS: &[Row] = &[
    local("client_helo_bare", |c, _| helo(c).is_some_and(|helo| !helo.contains(['.', ':', '['])).into()),
    local("client_helo_address", |c, _| helo(c).is_some_and(is_ip_address).into()),
    local("client_helo_literal", |c, _| helo(c).is_some_and(|helo| literal(helo).is_some()).into()),
    local("client_helo_foreign_address", |c, _| foreign_address(c).into()),
    local("client_helo_malformed", |c, _| helo(c).is_some_and(is_malformed).into()),
    local("client_helo_is_ours", |c, _| is_ours(c).into()),
    local("client_name_dynamic", |c, _| client(c).is_some_and(|relay| is_dynamic(&relay.rdns, relay.ip)).into()),
    local("sender_not_qualified", |c, _| sender(c).is_some_and(|sender| !is_qualified(&sender)).into()),
    local("recipient_not_qualified", |c, _| recipients(c).iter().any(|address| !is_qualified(address)).into()),
    asks("client_ptr_missing", |c, _| all(ptr(c)), ptr_missing),
    asks("client_ptr_unconfirmed", ask_forward, ptr_unconfirmed),
    asks("client_ptr_dynamic", |c, _| all(ptr(c)), ptr_dynamic),
    asks("client_helo_unknown", |c, _| all(helo_name(c).iter().flat_map(|name| existence(name))), |c, _| unknown(c, helo_name(c))),
    asks(
        "sender_domain_unknown",
        |c, _| all(sender_domain(c).iter().flat_map(|name| existence(name))),
        |c, _| unknown(c, sender_domain(c)),
    ),
    asks("sender_null_mx", |c, _| all(sender_domain(c).map(|name| of(&name, DnsType::Mx))), sender_null_mx),
    asks("recipient_domain_unknown", |c, _| all(recipient_domains(c).iter().flat_map(|name| existence(name))), recipient_domain_unknown),
];

/// SpamAssassin has no plugin of these.
const fn local(name: &'static str, run: super::Function) -> Row {
    Row { name, plugin: "", accepts: Accepts::Head, needs: Needs::Nothing, run }
}

const fn asks(name: &'static str, ask: fn(&Context<'_, '_>, &[String]) -> Vec<Question>, run: super::Function) -> Row {
    Row { name, plugin: "", accepts: Accepts::Head, needs: Needs::Asks(ask), run }
}

fn all(questions: impl IntoIterator<Item = DnsQuestion>) -> Vec<Question> {
    questions.into_iter().map(Question::Dns).collect()
}

fn of(name: &str, kind: DnsType) -> DnsQuestion {
    DnsQuestion { name: name.trim_end_matches('.').to_ascii_lowercase().into(), kind }
}

/// The client, unless it is one of ours, logged in, or unknown.
fn client<'c>(context: &'c Context<'_, '_>) -> Option<&'c Relay> {
    let relays = context.reading.relays();
    let relay = relays.external.first().and_then(|at| relays.all.get(*at))?;
    let trusted = relay.ip.is_some_and(|ip| context.reading.options.trusted.contains(ip));
    let logged_in = !relay.auth.is_empty() || matches!(context.reading.arrival, Arrival::Live(live) if !live.0.login.is_empty());
    (!trusted && !logged_in && !is_private(&relay.ip_text)).then_some(relay)
}

fn asking<'c>(context: &'c Context<'_, '_>) -> Option<&'c Relay> {
    client(context).filter(|_| context.network)
}

fn helo<'c>(context: &'c Context<'_, '_>) -> Option<&'c str> {
    client(context).map(|relay| relay.helo.as_str()).filter(|helo| !helo.is_empty())
}

/// `[192.0.2.1]`, `[IPv6:2001:db8::1]` (RFC 5321 §4.1.3); the parser of Received fields may have put `!` for brackets.
fn literal(helo: &str) -> Option<IpAddr> {
    let inside = helo.strip_prefix(['[', '!'])?.strip_suffix([']', '!'])?;
    let inside = inside.get(..5).filter(|tag| tag.eq_ignore_ascii_case("ipv6:")).map_or(inside, |_| &inside[5..]);
    inside.parse().ok()
}

/// An address that is not the client's own.
fn foreign_address(context: &Context<'_, '_>) -> bool {
    client(context).is_some_and(|relay| {
        let told = literal(&relay.helo).or_else(|| relay.helo.parse().ok());
        told.is_some_and(|told| relay.ip.is_some_and(|ip| ip != told) && !is_private(&told.to_string()))
    })
}

/// A dotted name that no host can have.
fn is_malformed(helo: &str) -> bool {
    helo.contains('.') && literal(helo).is_none() && !is_ip_address(helo) && !is_host_name(helo)
}

/// The client goes by the name or address of the host that received it.
fn is_ours(context: &Context<'_, '_>) -> bool {
    let Some(relay) = client(context) else { return false };
    let same = |name: &str| {
        !name.is_empty() && name.contains('.') && name.trim_end_matches('.').eq_ignore_ascii_case(relay.helo.trim_end_matches('.'))
    };
    let server = match context.reading.arrival {
        Arrival::Live(live) => live.1.server.as_str(),
        Arrival::FromFields | Arrival::Sender(_) => "",
    };
    same(&relay.by) || same(server)
}

/// Names that providers give to lines of their customers: the address in it, or a word for such lines.
fn is_dynamic(name: &str, ip: Option<IpAddr>) -> bool {
    if name.is_empty()
        || pattern!(r"(?i)(?:^|[.-])(?:mx|smtp|mail|relay|mta|out|static|dedicated|server|vps)\d*[.-]").is_match(name.as_bytes())
    {
        return false;
    }
    let word = pattern!(
        r"(?i)(?:^|[.\d-])(?:dyn(?:amic)?(?:ip)?|dhcp|dial(?:up|in)?|pool|ppp(?:oe)?|[avx]?dsl|cable|broadband|dip|customer|cust|client|user|home|res(?:idential)?|mobile|wireless)\d*[.\d-]"
    );
    let digits = match ip {
        Some(IpAddr::V4(v4)) => {
            let octets = v4.octets().map(|octet| octet.to_string());
            let joined = |order: [usize; 4], mark: &str| order.map(|at| octets[at].as_str()).join(mark);
            ["-", ".", "_", ""].iter().any(|mark| {
                let forms = [joined([0, 1, 2, 3], mark), joined([3, 2, 1, 0], mark)];
                forms.iter().any(|form| form.len() >= 7 && name.contains(form.as_str()))
            }) || name.contains(&v4.octets().map(|octet| format!("{octet:03}")).concat())
                || name.to_ascii_lowercase().contains(&v4.octets().map(|octet| format!("{octet:02x}")).concat())
        }
        Some(IpAddr::V6(_)) | None => false,
    };
    digits || word.is_match(name.as_bytes()) && name.bytes().filter(u8::is_ascii_digit).count() >= 2
}

/// The envelope sender of a client outside; the null sender is nobody's.
fn sender(context: &Context<'_, '_>) -> Option<String> {
    client(context)?;
    let sender = lossy(context.header("EnvelopeFrom:addr").text());
    (!sender.is_empty() && sender != "<>").then_some(sender)
}

fn sender_domain(context: &Context<'_, '_>) -> Option<String> {
    asking(context)?;
    let sender = sender(context)?;
    let domain = sender.rsplit_once('@')?.1.trim_end_matches('.').to_ascii_lowercase();
    is_host_name(&domain).then_some(domain)
}

/// RFC 5321 §2.3.5: names in mail are fully qualified. Postmaster may stand alone (§4.1.1.3).
fn is_qualified(address: &str) -> bool {
    match address.rsplit_once('@') {
        Some((_, domain)) => domain.contains('.') || domain.starts_with('['),
        None => address.eq_ignore_ascii_case("postmaster"),
    }
}

/// What RCPT said; mail that is read from a file does not tell.
fn recipients<'c>(context: &'c Context<'_, '_>) -> &'c [String] {
    match context.reading.arrival {
        Arrival::Live(live) if client(context).is_some() => &live.1.recipients,
        Arrival::Live(_) | Arrival::FromFields | Arrival::Sender(_) => &[],
    }
}

/// Recipients' domains that are looked at.
const DOMAINS: usize = 5;

fn recipient_domains(context: &Context<'_, '_>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for address in recipients(context).iter().filter(|_| context.network) {
        let domain = address.rsplit_once('@').map(|(_, domain)| domain.trim_end_matches('.').to_ascii_lowercase());
        found.extend(domain.filter(|domain| is_host_name(domain) && !found.contains(domain)));
    }
    found.truncate(DOMAINS);
    found
}

fn reply<'c>(context: &Context<'c, '_>, question: &DnsQuestion) -> Option<&'c DnsReply> {
    context.facts.dns.get(question).and_then(Answer::known)
}

fn ptr(context: &Context<'_, '_>) -> Option<DnsQuestion> {
    let ip = asking(context)?.ip?;
    let host = super::dns::reversed(&ip.to_string())?;
    Some(of(&format!("{host}.{}", if ip.is_ipv4() { "in-addr.arpa" } else { "ip6.arpa" }), DnsType::Ptr))
}

fn ptr_missing(context: &Context<'_, '_>, _: &[String]) -> Answered {
    ptr(context).and_then(|question| reply(context, &question)).is_some_and(|reply| reply.records.is_empty()).into()
}

/// Names of one address that are looked at.
const NAMES: usize = 5;

fn forward(context: &Context<'_, '_>) -> Vec<DnsQuestion> {
    let Some(relay) = asking(context) else { return Vec::new() };
    let kind = if relay.ip.is_some_and(|ip| ip.is_ipv6()) { DnsType::Aaaa } else { DnsType::A };
    let names = ptr(context).and_then(|question| reply(context, &question));
    names.into_iter().flat_map(|reply| reply.records.iter().take(NAMES)).map(|name| of(name, kind)).collect()
}

fn ask_forward(context: &Context<'_, '_>, _: &[String]) -> Vec<Question> {
    all(ptr(context).into_iter().chain(forward(context)))
}

/// There are names, and none of them leads back.
fn ptr_unconfirmed(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let Some(ip) = client(context).and_then(|relay| relay.ip) else { return Answered::Miss };
    let questions = forward(context);
    let leads_elsewhere =
        |question: &DnsQuestion| reply(context, question).is_some_and(|reply| !reply.records.iter().any(|record| record.parse() == Ok(ip)));
    (!questions.is_empty() && questions.iter().all(leads_elsewhere)).into()
}

fn ptr_dynamic(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let ip = client(context).and_then(|relay| relay.ip);
    let names = ptr(context).and_then(|question| reply(context, &question));
    names.is_some_and(|reply| !reply.records.is_empty() && reply.records.iter().all(|name| is_dynamic(name, ip))).into()
}

fn helo_name(context: &Context<'_, '_>) -> Option<String> {
    asking(context)?;
    helo(context).filter(|helo| is_host_name(helo) && !is_ip_address(helo)).map(str::to_ascii_lowercase)
}

/// A name of which one of these exists can be reached.
fn existence(name: &str) -> [DnsQuestion; 3] {
    [of(name, DnsType::Mx), of(name, DnsType::A), of(name, DnsType::Aaaa)]
}

/// Every question was answered, and nothing is there.
fn is_nowhere(context: &Context<'_, '_>, name: &str) -> bool {
    existence(name).iter().all(|question| reply(context, question).is_some_and(|reply| reply.records.is_empty()))
}

fn unknown(context: &Context<'_, '_>, name: Option<String>) -> Answered {
    match name.filter(|name| is_nowhere(context, name)) {
        Some(name) => Answered::HitWith(1.0, name),
        None => Answered::Miss,
    }
}

/// RFC 7505: a lone MX of preference 0 and an empty name: the domain sends no mail, either (§4.1).
fn sender_null_mx(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let reply = sender_domain(context).and_then(|domain| reply(context, &of(&domain, DnsType::Mx)));
    reply.is_some_and(|reply| matches!(reply.records.as_slice(), [only] if only.trim_end_matches('.').trim() == "0")).into()
}

fn recipient_domain_unknown(context: &Context<'_, '_>, _: &[String]) -> Answered {
    unknown(context, recipient_domains(context).into_iter().find(|domain| is_nowhere(context, domain)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_customers_lines_are_told_from_names_of_servers() {
        let ip = Some("203.0.113.77".parse().unwrap());
        for (name, dynamic) in [
            ("77-113-0-203.pool.example.net", true),
            ("203-0-113-77.example.net", true),
            ("ip-203.0.113.77.example.net", true),
            ("host77.dyn.example.net", true),
            ("dsl-12-34.example.net", true),
            ("cb007104d.example.net", false),
            ("h-cb00714d.example.net", true),
            ("mail.example.net", false),
            ("mx77.pool12.example.net", false),
            ("static-203-0-113-77.example.net", false),
            ("", false),
        ] {
            assert_eq!(is_dynamic(name, ip), dynamic, "{name}");
        }
    }

    #[test]
    fn addresses_are_qualified_by_a_dot_or_a_literal() {
        for (address, qualified) in
            [("a@example.org", true), ("a@host", false), ("a", false), ("a@[192.0.2.1]", true), ("Postmaster", true)]
        {
            assert_eq!(is_qualified(address), qualified, "{address}");
        }
        assert_eq!(literal("[IPv6:2001:db8::1]"), Some("2001:db8::1".parse().unwrap()));
        assert!(is_malformed("a..example.org") && !is_malformed("[192.0.2.1]") && !is_malformed("mx.example.org"));
    }
}
