//! Values of `_TAGS_` in templates of rules that ask the DNS (`askdns`, `check_hashbl_tag`).

use super::perl::lossy;
use super::{Context, dkim};
use crate::facts::{Answer, Question};
use crate::mail::Relay;
use std::net::IpAddr;

/// What a tag holds so far.
pub enum Tag {
    /// None yet, or none at all, where empty.
    Values(Vec<String>),
    /// It is known once this is answered.
    Asks(Question),
}

/// The first `_TAG_` or `_TAG(argument)_` of a template: what stands before it, the tag without its underscores, the rest.
pub fn next(template: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(found) = template.get(from..)?.find('_') {
        let start = from + found;
        let inside = template.get(start + 1..)?;
        if let Some(length) = tag_length(inside) {
            return Some((template.get(..start)?, inside.get(..length)?, inside.get(length + 1..)?));
        }
        from = start + 1;
    }
    None
}

/// `[A-Z][A-Z0-9]*(_[A-Z0-9]+)*(\(.*?\))?` before a `_`; the longest such.
fn tag_length(inside: &str) -> Option<usize> {
    if !inside.starts_with(|c: char| c.is_ascii_uppercase()) {
        return None;
    }
    let word = inside.bytes().take_while(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit() || *octet == b'_').count();
    let name = inside.get(..word)?;
    if let Some(rest) = inside.get(word..).and_then(|rest| rest.strip_prefix('('))
        && !name.ends_with('_')
        && let Some(close) = rest.find(")_")
    {
        return Some(word + 1 + close + 1);
    }
    // The last underscore closes the tag.
    let last = name.rfind('_')?;
    (!name.get(..last)?.ends_with('_')).then_some(last)
}

pub fn values(context: &Context<'_, '_>, tag: &str) -> Tag {
    let (name, argument) = match tag.split_once('(') {
        Some((name, rest)) => (name, rest.strip_suffix(')').unwrap_or(rest)),
        None => (tag, ""),
    };
    let relays = context.reading.relays();
    let at = |index: Option<&usize>| index.and_then(|at| relays.all.get(*at));
    let (border, inner) = (at(relays.external.first()), at(relays.trusted.last()));
    let of = |relay: Option<&Relay>, part: fn(&Relay) -> Option<String>| relay.and_then(part).into_iter().collect();
    let found: Vec<String> = match name {
        "HEADER" => context.header_of(argument).list.iter().take(1).map(|value| lossy(value).trim().to_owned()).collect(),
        "SENDERDOMAIN" => hosts(context, "EnvelopeFrom:first:addr:host").into_iter().take(1).collect(),
        "AUTHORDOMAIN" => hosts(context, "From:addr:host"),
        "LASTEXTERNALIP" => of(border, |relay| Some(relay.ip_text.clone())),
        "LASTEXTERNALREVIP" => of(border, |relay| relay.ip.map(reversed)),
        "LASTEXTERNALRDNS" => of(border, |relay| Some(relay.rdns.clone())),
        "LASTEXTERNALHELO" => of(border, |relay| Some(relay.helo.clone())),
        "FIRSTTRUSTEDIP" => of(inner, |relay| Some(relay.ip_text.clone())),
        "FIRSTTRUSTEDREVIP" => of(inner, |relay| relay.ip.map(reversed)),
        "URIHOSTS" => sorted(context.asked_hosts().iter().map(|(host, _)| host.clone())),
        "URIDOMAINS" => sorted(context.asked_hosts().iter().map(|(_, domain)| domain.clone())),
        "DKIMDOMAIN" | "DKIMIDENTITY" | "DKIMSELECTOR" => match &context.facts.authentication {
            None if context.network => return Tag::Asks(Question::Authentication),
            Some(Answer::Known(found)) => {
                dkim::set_tags(context, found);
                context.memo.tags().get(name).map_or_else(Vec::new, |text| text.split(' ').map(str::to_owned).collect())
            }
            Some(Answer::Silent) | None => Vec::new(),
        },
        _ => match context.memo.captured.borrow().get(name) {
            Some(values) => values.clone(),
            None => context.memo.tags().remove(name).into_iter().collect(),
        },
    };
    Tag::Values(found.into_iter().filter(|value| !value.is_empty()).collect())
}

fn hosts(context: &Context<'_, '_>, query: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for value in &context.header_of(query).list {
        let host = lossy(value).trim_end().to_lowercase();
        if !found.contains(&host) {
            found.push(host);
        }
    }
    found
}

fn sorted(values: impl Iterator<Item = String>) -> Vec<String> {
    let all: std::collections::BTreeSet<String> = values.collect();
    all.into_iter().collect()
}

/// RFC 5782 §2.1, 2.4.
fn reversed(ip: IpAddr) -> String {
    super::dns::reversed(&ip.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_cut_at_its_tags() {
        assert_eq!(next("_SENDERDOMAIN_"), Some(("", "SENDERDOMAIN", "")));
        assert_eq!(next("_A_._B_.example.org"), Some(("", "A", "._B_.example.org")));
        assert_eq!(next("x._MY_TAG_.l.example"), Some(("x.", "MY_TAG", ".l.example")));
        assert_eq!(next("_HEADER(From:addr:domain)_.l"), Some(("", "HEADER(From:addr:domain)", ".l")));
        assert_eq!(next("_dmarc.example.org"), None);
        assert_eq!(next("_dmarc._AUTHORDOMAIN_"), Some(("_dmarc.", "AUTHORDOMAIN", "")));
    }
}
