//! DKIM: signatures (RFC 6376), ARC seals (RFC 8617), signing practices (RFC 5617, historic) and the welcome lists that
//! rely on them.

use super::perl::lossy;
use super::{Accepts, Answered, Context, Needs, Row, ask_authentication, authentication};
use crate::facts::{Answer, ArcResult, Authentication, DkimResult, DkimSignature, DnsQuestion, DnsType, Question};
use std::collections::BTreeSet;

pub(super) static ROWS: &[Row] = &[
    row("check_dkim_signed", Accepts::Full, |c, a| over(c, |found| !found.dkim.is_empty() && signed_by(c, found, a, false))),
    row("check_arc_signed", Accepts::Full, |c, a| over(c, |found| a.is_empty() && found.arc != ArcResult::None)),
    row("check_dkim_valid", Accepts::Full, check_dkim_valid),
    row("check_dkim_verified", Accepts::Any, check_dkim_valid),
    row("check_arc_valid", Accepts::Full, |c, a| over(c, |found| a.is_empty() && found.arc == ArcResult::Pass)),
    row("check_dkim_valid_author_sig", Accepts::Full, check_dkim_valid_author_sig),
    row("check_dkim_valid_envelopefrom", Accepts::Full, check_dkim_valid_envelopefrom),
    row("check_dkim_dependable", Accepts::Full, |c, _| over(c, |_| true)),
    // Neither of these is ever true in SpamAssassin 4.0.1.
    row("check_dkim_testing", Accepts::Head, |_, _| Answered::Miss),
    row("check_dkim_signsome", Accepts::Any, |_, _| Answered::Miss),
    adsp("check_dkim_adsp", Accepts::Head, check_dkim_adsp),
    adsp("check_dkim_signall", Accepts::Any, |c, _| practice(c, "A", &[])),
    listed("check_for_dkim_welcomelist_from", |c, _| welcome(c, WELCOME)),
    listed("check_for_dkim_whitelist_from", |c, _| welcome(c, WELCOME)),
    listed("check_for_def_dkim_welcomelist_from", |c, _| welcome(c, DEFAULT_WELCOME)),
    listed("check_for_def_dkim_whitelist_from", |c, _| welcome(c, DEFAULT_WELCOME)),
];

/// Lists of pairs, and lists whose entries mean the author's own domain.
const WELCOME: (&str, &str) = ("welcomelist_from_dkim", "welcomelist_auth");
const DEFAULT_WELCOME: (&str, &str) = ("def_welcomelist_from_dkim", "def_welcomelist_auth");

const fn row(name: &'static str, accepts: Accepts, run: super::Function) -> Row {
    Row { name, plugin: "DKIM", accepts, needs: Needs::Asks(ask_authentication), run }
}

const fn adsp(name: &'static str, accepts: Accepts, run: super::Function) -> Row {
    Row { name, plugin: "DKIM", accepts, needs: Needs::Asks(ask_practices), run }
}

const fn listed(name: &'static str, run: super::Function) -> Row {
    Row { name, plugin: "DKIM", accepts: Accepts::Head, needs: Needs::Asks(ask_for_listed), run }
}

fn over(context: &Context<'_, '_>, judge: impl FnOnce(&Authentication) -> bool) -> Answered {
    match authentication(context) {
        Ok(Some(found)) => {
            set_tags(context, found);
            judge(found).into()
        }
        Ok(None) => Answered::Miss,
        Err(pending) => pending,
    }
}

pub(super) fn set_tags(context: &Context<'_, '_>, found: &Authentication) {
    if context.memo.dkim_tags.set(()).is_err() {
        return;
    }
    let of = |part: fn(&DkimSignature) -> &String| {
        let mut seen = BTreeSet::new();
        let values = found.dkim.iter().filter(|signature| is_valid(signature)).map(part);
        values.filter(|value| !value.is_empty() && seen.insert(value.as_str())).cloned().collect::<Vec<_>>().join(" ")
    };
    for (name, value) in [("DKIMDOMAIN", of(|s| &s.domain)), ("DKIMIDENTITY", of(|s| &s.identity)), ("DKIMSELECTOR", of(|s| &s.selector))] {
        if !value.is_empty() {
            context.set_tag(name, value);
        }
    }
}

fn is_valid(signature: &DkimSignature) -> bool {
    signature.result == DkimResult::Pass
}

/// The signing domain, by `i=` where that is given.
fn signer(signature: &DkimSignature) -> String {
    let named = if signature.identity.is_empty() { &signature.domain } else { &signature.identity };
    named.rsplit('@').next().unwrap_or_default().to_ascii_lowercase()
}

fn is_weak(context: &Context<'_, '_>, signature: &DkimSignature) -> bool {
    let least = context.options.number("dkim_minimum_key_bits", 1024.0);
    signature.key_bits.is_some_and(|bits| f64::from(bits) < least)
}

/// Some signature is by one of the domains (any, where none is given).
fn signed_by(context: &Context<'_, '_>, found: &Authentication, domains: &[String], valid: bool) -> bool {
    domains.is_empty()
        || found.dkim.iter().any(|signature| {
            (!valid || (is_valid(signature) && !is_weak(context, signature)))
                && domains.iter().any(|domain| domain_is(domain, &signer(signature)))
        })
}

/// `example.org` is that domain, `.example.org` and `*.example.org` the domain and all below it.
fn domain_is(pattern: &str, domain: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    match pattern.strip_prefix("*.").or_else(|| pattern.strip_prefix('.')) {
        Some(parent) => domain == parent || domain.strip_suffix(parent).is_some_and(|below| below.ends_with('.')),
        None => domain == pattern,
    }
}

fn check_dkim_valid(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    over(context, |found| found.dkim.iter().any(is_valid) && signed_by(context, found, arguments, true))
}

fn check_dkim_valid_author_sig(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let authors = author_domains(context);
    over(context, |found| {
        found.dkim.iter().any(|signature| {
            let signer = signer(signature);
            signs_for_author(context, signature)
                && authors.contains(&signer)
                && (arguments.is_empty() || arguments.iter().any(|domain| domain_is(domain, &signer)))
        })
    })
}

/// Valid, and with a key whose size is known and large enough.
fn signs_for_author(context: &Context<'_, '_>, signature: &DkimSignature) -> bool {
    is_valid(signature) && signature.key_bits.is_some() && !is_weak(context, signature)
}

fn check_dkim_valid_envelopefrom(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let sender = lossy(context.header("EnvelopeFrom:addr").text());
    let Some((_, domain)) = sender.split_once('@').filter(|(_, domain)| !domain.is_empty()) else { return Answered::Miss };
    let domain = [domain.to_ascii_lowercase()];
    over(context, |found| found.dkim.iter().any(is_valid) && signed_by(context, found, &domain, true))
}

fn authors(context: &Context<'_, '_>) -> Vec<String> {
    context.header("From:addr").list.iter().map(|address| lossy(address)).collect()
}

fn author_domains(context: &Context<'_, '_>) -> BTreeSet<String> {
    let domain = |address: &String| address.rsplit_once('@').map(|(_, domain)| domain.trim_end_matches([' ', '\t']).to_ascii_lowercase());
    authors(context).iter().filter_map(domain).filter(|domain| !domain.is_empty()).collect()
}

/// The author domains whose practice counts: fully qualified, without a valid signature and without a key that could not be
/// had for the moment.
fn unsigned_authors(context: &Context<'_, '_>, found: &Authentication) -> Vec<String> {
    let qualified = |domain: &String| {
        domain
            .rsplit_once('.')
            .is_some_and(|(before, top)| !before.is_empty() && top.len() >= 2 && top.bytes().all(|o| o.is_ascii_alphabetic() || o == b'-'))
    };
    let excused = |domain: &String| {
        let own = || found.dkim.iter().filter(|signature| signer(signature) == *domain);
        own().any(|signature| signs_for_author(context, signature) || signature.result == DkimResult::TempError)
    };
    author_domains(context).into_iter().filter(|domain| qualified(domain) && !excused(domain)).collect()
}

/// `adsp_override` for the domain itself, then for `*.` of each domain above it, then for `*`.
fn overridden(context: &Context<'_, '_>, domain: &str) -> Option<char> {
    let overrides = &context.options.adsp_override;
    if overrides.is_empty() {
        return None;
    }
    let mut above = domain;
    let mut keys = vec![domain.to_owned()];
    while let Some((_, rest)) = above.split_once('.') {
        keys.push(format!("*.{rest}"));
        above = rest;
    }
    keys.push("*".to_owned());
    keys.iter().find_map(|key| overrides.get(key).copied())
}

/// RFC 5617 §4.3: the record, and a look-up that tells whether the domain exists at all.
fn practice_questions(domain: &str) -> [DnsQuestion; 2] {
    let ask = |name: String, kind| DnsQuestion { name: name.into(), kind };
    [ask(format!("_adsp._domainkey.{domain}"), DnsType::Txt), ask(domain.to_owned(), DnsType::Mx)]
}

fn ask_practices(context: &Context<'_, '_>, arguments: &[String]) -> Vec<Question> {
    let Ok(Some(found)) = authentication(context) else { return ask_authentication(context, arguments) };
    let open = unsigned_authors(context, found).into_iter().filter(|domain| overridden(context, domain).is_none());
    open.flat_map(|domain| practice_questions(&domain)).map(Question::Dns).collect()
}

/// One of `N U A D 1 2 3`; `None` where the domain's name servers are silent.
fn published(context: &Context<'_, '_>, domain: &str) -> Result<Option<char>, Answered> {
    let [record, existence] = practice_questions(domain);
    let (Some(record), Some(existence)) = (context.facts.dns.get(&record), context.facts.dns.get(&existence)) else {
        return Err(Answered::Pending);
    };
    let (Answer::Known(record), Answer::Known(existence)) = (record, existence) else { return Ok(None) };
    if !existence.exists {
        return Ok(Some('N'));
    }
    let policy = record.records.iter().find_map(|text| {
        let value = text.trim_start().strip_prefix("dkim")?.trim_start().strip_prefix('=')?;
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    });
    Ok(Some(match policy.as_deref() {
        Some("all") => 'A',
        Some("discardable" | "strict") => 'D',
        _ => 'U',
    }))
}

fn check_dkim_adsp(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let Some((practices, domains)) = arguments.split_first() else { return Answered::Miss };
    practice(context, if practices == "*" { "NAD123" } else { practices }, domains)
}

fn practice(context: &Context<'_, '_>, wanted: &str, domains: &[String]) -> Answered {
    let found = match authentication(context) {
        Ok(Some(found)) => found,
        Ok(None) => return Answered::Miss,
        Err(pending) => return pending,
    };
    let mut hit = false;
    for domain in unsigned_authors(context, found) {
        let practice = match overridden(context, &domain) {
            Some(practice) => Some(practice),
            None => match published(context, &domain) {
                Ok(practice) => practice,
                Err(pending) => return pending,
            },
        };
        hit |= practice.is_some_and(|practice| wanted.contains(practice));
    }
    let authors = author_domains(context);
    (hit && (domains.is_empty() || domains.iter().any(|domain| authors.iter().any(|author| domain_is(domain, author))))).into()
}

/// Signing domains that a welcome list accepts for one of the authors; an empty one is the author's own.
fn accepted(context: &Context<'_, '_>, (paired, plain): (&str, &str)) -> Vec<(String, String)> {
    let pairs = context.options.paired_lists.get(paired);
    let list = context.options.lists.get(plain).filter(|list| !list.is_empty());
    if pairs.is_none_or(|pairs| pairs.is_empty()) && list.is_none() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for author in authors(context) {
        let lower = author.to_ascii_lowercase();
        for entry in pairs.into_iter().flat_map(|pairs| pairs.covering(&lower)) {
            found.extend(entry.partners.iter().map(|partner| (author.clone(), partner.clone())));
        }
        if list.is_some_and(|list| list.covers(&author)) {
            found.push((author, String::new()));
        }
    }
    found
}

fn ask_for_listed(context: &Context<'_, '_>, arguments: &[String]) -> Vec<Question> {
    let listed = !accepted(context, WELCOME).is_empty() || !accepted(context, DEFAULT_WELCOME).is_empty();
    if listed { ask_authentication(context, arguments) } else { Vec::new() }
}

fn welcome(context: &Context<'_, '_>, lists: (&str, &str)) -> Answered {
    let accepted = accepted(context, lists);
    if accepted.is_empty() {
        return Answered::Miss;
    }
    let fits = |signer: &str, author: &str, partner: &str| {
        if partner.is_empty() {
            return author.rsplit_once('@').is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(signer));
        }
        let partner = partner.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
        match partner.strip_prefix("*.").or_else(|| partner.strip_prefix('.')) {
            Some(parent) => signer.strip_suffix(parent).is_some_and(|below| below.ends_with('.')),
            None => signer == partner,
        }
    };
    over(context, |found| {
        let mut sound = found.dkim.iter().filter(|signature| is_valid(signature) && !is_weak(context, signature));
        sound.any(|signature| accepted.iter().any(|(author, partner)| fits(&signer(signature), author, partner)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leading_dot_takes_the_domain_and_all_below_it() {
        for (pattern, domain, fits) in [
            ("example.org", "example.org", true),
            ("example.org", "a.example.org", false),
            (".example.org", "example.org", true),
            ("*.Example.org", "a.example.org", true),
            ("*.example.org", "anexample.org", false),
        ] {
            assert_eq!(domain_is(pattern, domain), fits, "{pattern} {domain}");
        }
    }
}
