//! FreeMail: addresses at free mail providers in sender fields and in the text, and whether they agree.

use super::addresses::{host_of, senders};
use super::mailbox::{after_addresses_stripped, find_addresses, lead_address};
use super::perl::{contains, lossy, pattern, rule_pattern};
use super::{Accepts, Answered, Context, Row, local};
use crate::mail::links::LinkKind;
use crate::pattern::{Found, Pattern};
use std::collections::{BTreeMap, HashSet};

pub(super) static ROWS: &[Row] = &[
    head("check_freemail_replyto", check_freemail_replyto),
    head("check_freemail_from", check_freemail_from),
    head("check_freemail_header", check_freemail_header),
    head("check_freemail_body", check_freemail_body),
];

const fn head(name: &'static str, run: super::Function) -> Row {
    local(name, "FreeMail", Accepts::Head, run)
}

/// Addresses of the text, and how many are enough to say that it is a list of them.
const LINKED_ADDRESSES: usize = 20;
const TEXT_ADDRESSES: usize = 40;

/// Settings that take over lists of addresses that are no freemail, and those lists.
const IMPORTS: [(&str, &str); 2] =
    [("freemail_import_welcomelist_auth", "welcomelist_auth"), ("freemail_import_def_welcomelist_auth", "def_welcomelist_auth")];

fn is_available(context: &Context<'_, '_>) -> bool {
    let freemail = &context.options.freemail;
    !freemail.domains.is_empty() || !freemail.wildcards.is_empty()
}

fn is_freemail(context: &Context<'_, '_>, address: &str) -> bool {
    let freemail = &context.options.freemail;
    let domain = host_of(address);
    if address.is_empty()
        || !(freemail.domains.contains(domain)
            || freemail.wildcards.iter().any(|glob| is_like(glob, domain) && label_glob_covers(glob, domain)))
    {
        return false;
    }
    let role = pattern!(
        r"(?ix)^(?: abuse|support|sales|info|helpdesk|contact|kontakt
          | (?:post|host|domain)master | undisclosed.* | request-[a-f0-9]{16} | bounced?-
          | [a-f0-9]{8}(?:\.[a-f0-9]{8}|-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}) | .+=.+=.+ )@"
    );
    let welcome = freemail.welcome.contains(address)
        || freemail.welcome.contains(domain)
        || role.is_match(address.as_bytes())
        || IMPORTS.iter().any(|(setting, name)| {
            context.options.is_on(setting, false) && context.options.lists.get(*name).is_some_and(|list| list.covers(address))
        });
    !welcome
}

/// The text before its first sign and behind its last one tells most globs from a domain.
fn is_like(glob: &str, domain: &str) -> bool {
    is_like_up_to_a_sign(glob.bytes().zip(domain.bytes())) && is_like_up_to_a_sign(glob.bytes().rev().zip(domain.bytes().rev()))
}

fn is_like_up_to_a_sign(mut octets: impl Iterator<Item = (u8, u8)>) -> bool {
    octets.find(|(octet, other)| octet != other).is_none_or(|(octet, _)| matches!(octet, b'*' | b'?'))
}

/// As a glob of addresses, except that `*` stays within one label.
fn label_glob_covers(glob: &str, domain: &str) -> bool {
    // `?` may stand for a dot, too: such globs are compared as a whole.
    if glob.contains('?') {
        return crate::rules::options::glob_covers(glob.as_bytes(), domain.as_bytes());
    }
    let (mut globs, mut labels) = (glob.split('.'), domain.split('.'));
    loop {
        match (globs.next(), labels.next()) {
            (Some(glob), Some(label)) if crate::rules::options::glob_covers(glob.as_bytes(), label.as_bytes()) => {}
            (end, other) => return end.is_none() && other.is_none(),
        }
    }
}

fn described(context: &Context<'_, '_>, text: &str) -> Answered {
    if context.options.is_on("freemail_add_describe_email", true) {
        Answered::HitWith(1.0, text.replace('@', "(at)"))
    } else {
        Answered::Hit(1.0)
    }
}

/// The rule's own pattern: none given, one, or one that cannot be read (then the function is false).
fn filter(arguments: &[String], at: usize) -> Result<Option<Pattern>, ()> {
    arguments.get(at).map(|text| rule_pattern(text).ok_or(())).transpose()
}

fn passes(pattern: Option<&Pattern>, address: &str) -> bool {
    pattern.is_none_or(|pattern| matches!(pattern.find(address.as_bytes(), 0), Found::Hit(_)))
}

fn lower(list: &[Vec<u8>]) -> Vec<String> {
    list.iter().map(|address| lossy(address).to_ascii_lowercase()).collect()
}

fn check_freemail_header(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let Some(name) = arguments.first().filter(|_| is_available(context)) else { return Answered::Miss };
    let found = lower(&context.header_of(&[name, ":addr"].concat()).list);
    // The rule's pattern is looked up for those alone that it can matter to.
    if !found.iter().any(|address| is_freemail(context, address)) {
        return Answered::Miss;
    }
    let Ok(filter) = filter(arguments, 1) else { return Answered::Miss };
    match found.iter().find(|address| is_freemail(context, address) && passes(filter.as_ref(), address)) {
        Some(address) => described(context, address),
        None => Answered::Miss,
    }
}

fn check_freemail_from(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let Ok(filter) = filter(arguments, 0) else { return Answered::Miss };
    if !is_available(context) {
        return Answered::Miss;
    }
    let mut addresses = senders(context).iter().map(|address| address.to_ascii_lowercase());
    match addresses.find(|address| is_freemail(context, address) && passes(filter.as_ref(), address)) {
        Some(address) => described(context, &address),
        None => Answered::Miss,
    }
}

fn check_freemail_body(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let Ok(filter) = filter(arguments, 0) else { return Answered::Miss };
    let Some(found) = in_text(context).filter(|_| is_available(context)) else { return Answered::Miss };
    if filter.is_some() {
        return match found.iter().find(|address| passes(filter.as_ref(), address)) {
            Some(address) => described(context, address),
            None => Answered::Miss,
        };
    }
    if found.is_empty() { Answered::Miss } else { described(context, &found.join(", ")) }
}

/// Free mail addresses of text and links; `None` where there are more addresses than a person would write.
fn in_text<'c>(context: &'c Context<'_, '_>) -> Option<&'c [String]> {
    context.memo.freemail.get_or_init(|| judge_text(context)).as_deref()
}

#[expect(clippy::cast_precision_loss, reason = "forty-odd addresses")]
fn judge_text(context: &Context<'_, '_>) -> Option<Vec<String>> {
    let options = context.options;
    let (most, most_free) = (options.number("freemail_max_body_emails", 5.0), options.number("freemail_max_body_freemails", 3.0));
    let skip = options.is_on("freemail_skip_when_over_max", true);
    let mut found = Vec::new();
    let mut free = 0;
    for (count, address) in text_addresses(context).into_iter().enumerate() {
        if skip && (count + 1) as f64 == most {
            return None;
        }
        if is_freemail(context, &address) {
            free += 1;
            if skip && f64::from(free) == most_free {
                return None;
            }
            found.push(address);
        }
    }
    Some(found)
}

fn text_addresses(context: &Context<'_, '_>) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let domains = &context.reading.options.domains;
    for link in context.reading.links() {
        let anchor = link.kinds.contains(&LinkKind::Html("a")) && !link.kinds.contains(&LinkKind::Parsed);
        if anchor
            && super::header::starts_ignoring_case(&link.raw, b"mailto:")
            && let Some(address) = link.raw.get(7..).and_then(|rest| lead_address(rest, domains))
            && seen.insert(address.clone())
        {
            found.push(address);
            if found.len() >= LINKED_ADDRESSES {
                break;
            }
        }
    }
    let mut stripped: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    'text: for (at, paragraph) in context.reading.body().iter().enumerate() {
        if !paragraph.contains(&b'@') && !contains(paragraph, b"%40") {
            continue;
        }
        let text = after_addresses_stripped(paragraph, domains);
        let addresses = find_addresses(&text, domains);
        if text != *paragraph {
            stripped.insert(at, text);
        }
        for address in addresses {
            if seen.insert(address.clone()) {
                found.push(address);
                if found.len() >= TEXT_ADDRESSES {
                    break 'text;
                }
            }
        }
    }
    if !stripped.is_empty() {
        let piece = |(at, paragraph): (usize, &Vec<u8>)| stripped.remove(&at).unwrap_or_else(|| paragraph.clone());
        let changed = context.reading.body().iter().enumerate().map(piece).collect();
        let _ = context.memo.stripped_body.set(changed);
    }
    found
}

/// The reply goes to another free mailbox than From or the text tells.
fn check_freemail_replyto(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let alone = match arguments.first().map(String::as_str) {
        None | Some("replyto") => true,
        Some("reply") => false,
        Some(_) => return Answered::Miss,
    };
    if !is_available(context) || (context.options.is_on("freemail_skip_bulk_envfrom", true) && is_bulk(context)) {
        return Answered::Miss;
    }
    let from = lower(&context.header("From:addr").list);
    let reply = lower(&context.header("Reply-To:addr").list);
    let is_free = |addresses: &[String]| addresses.iter().any(|address| is_freemail(context, address));
    let (from_is_free, reply_is_free) = (is_free(&from), is_free(&reply));
    if from_is_free && reply_is_free && !from.iter().any(|address| reply.contains(address)) {
        return described(context, &format!("{} -> {}", from.join(","), reply.join(",")));
    }
    let applies = if alone { reply_is_free } else { (reply.is_empty() || reply_is_free) && from_is_free };
    if !applies {
        return Answered::Miss;
    }
    let compared = if alone || reply_is_free { &reply } else { &from };
    let Some(found) = in_text(context) else { return Answered::Miss };
    let differing = found.iter().find_map(|told| compared.iter().find(|address| *address != told).map(|address| (address, told)));
    match differing {
        Some((address, told)) => described(context, &format!("{address}, {told}")),
        None => Answered::Miss,
    }
}

/// Envelope senders of lists, bounces and robots.
fn is_bulk(context: &Context<'_, '_>) -> bool {
    let sender = context.header("EnvelopeFrom");
    let Some(sender) = sender.list.first().filter(|sender| contains(sender, b"@")) else { return false };
    pattern!(
        r"(?ix)(?: ^(?:post|host|domain)master | ^double-bounce | ^(?:sentto|owner|return|(?:gr)?bounced?)-.+
          | -(?:request|bounces?|admin|owner) | \b(?:do[._-t]?)?no[._-t]?repl(?:y|ies) | .+=.+ )@"
    )
    .is_match(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_is_told_from_a_domain_by_what_stands_around_its_signs() {
        for (glob, domain, alike) in [
            ("mail.*", "mail.example", true),
            ("mail.*", "mail", true),
            ("mail.*", "main.example", false),
            ("ma?l.example", "maul.example", true),
            ("*.example.org", "x.example.org", true),
            ("*.example.org", "x.example.net", false),
            ("m*.example", "m.example", true),
        ] {
            assert_eq!(is_like(glob, domain), alike, "{glob} {domain}");
        }
    }

    #[test]
    fn a_star_of_a_provider_stays_within_a_label() {
        assert!(label_glob_covers("mail.*", "mail.example"));
        assert!(!label_glob_covers("mail.*", "mail.example.org"));
        assert!(label_glob_covers("*.example.org", "x.example.org"));
        assert!(!label_glob_covers("*.example.org", "y.x.example.org"));
    }
}
