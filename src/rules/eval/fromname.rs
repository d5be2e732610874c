//! FromNameSpoof: a display name that holds another address than the one it stands before.

use super::addresses::recipients;
use super::perl::{is_word, lossy, number, pattern};
use super::{Accepts, Answered, Context, Needs, Row, ask_authentication, authentication};
use crate::facts::{DkimResult, Question};

pub(super) static ROWS: &[Row] = &[
    row("check_fromname_spoof", check_fromname_spoof),
    row("check_fromname_different", |c, _| over(c, |name| name.address)),
    row("check_fromname_domain_differ", |c, _| over(c, |name| name.domain)),
    row("check_fromname_contains_email", |c, _| over(c, |name| name.holds_address)),
    row("check_fromname_equals_to", |c, _| over(c, |name| name.is_recipient)),
    row("check_fromname_owners_differ", |c, _| over(c, |name| name.owner)),
    row("check_fromname_equals_replyto", |c, _| over(c, |name| name.is_reply)),
];

const fn row(name: &'static str, run: super::Function) -> Row {
    Row { name, plugin: "FromNameSpoof", accepts: Accepts::Head, needs: Needs::Asks(ask_signer), run }
}

/// How the address in the name differs from the sender's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Name {
    holds_address: bool,
    address: bool,
    domain: bool,
    owner: bool,
    is_reply: bool,
    is_recipient: bool,
}

/// Signers of whom such names are expected (`fns_ignore_dkim`) cost a look-up.
fn ask_signer(context: &Context<'_, '_>, arguments: &[String]) -> Vec<Question> {
    if context.options.word_list("fns_ignore_dkim").is_empty() { Vec::new() } else { ask_authentication(context, arguments) }
}

fn over(context: &Context<'_, '_>, judge: impl FnOnce(&Name) -> bool) -> Answered {
    let ignored = context.options.word_list("fns_ignore_dkim");
    if !ignored.is_empty() {
        match authentication(context) {
            Err(pending) => return pending,
            Ok(found) => {
                let mut signers = found.into_iter().flat_map(|found| &found.dkim).filter(|signature| signature.result == DkimResult::Pass);
                if signers.any(|signature| ignored.contains(&signature.domain)) {
                    return Answered::Miss;
                }
            }
        }
    }
    judge(context.memo.from_name.get_or_init(|| name(context).unwrap_or_default())).into()
}

fn check_fromname_spoof(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let level = arguments.first().filter(|text| matches!(text.as_str(), "0" | "1" | "2"));
    let level = level.map_or_else(|| context.options.number("fns_check", 1.0), |text| number(text));
    over(context, |name| match level {
        0.0 => name.address,
        2.0 => name.address && name.domain,
        _ => name.address && name.owner,
    })
}

fn name(context: &Context<'_, '_>) -> Option<Name> {
    let skipped = |field: &String| !matches!(context.header_of(field).text(), b"" | b"0");
    if context.options.word_list("fns_ignore_headers").iter().any(skipped) {
        return None;
    }
    let domain_of =
        |address: &str| context.reading.options.domains.of_link(format!("mailto:{address}").as_bytes()).map(|(_, domain)| domain);
    let from = lossy(context.header("From:addr").text()).to_ascii_lowercase();
    let from_domain = domain_of(&from)?;
    let shown = context.header("From:name").text().to_ascii_lowercase();
    let address = address_within(&shown)?;
    let domain = domain_of(&address)?;
    let mut found = Name { holds_address: true, ..Name::default() };
    let odd = |text: &[u8]| text.iter().filter(|octet| !octet.is_ascii_lowercase() && !octet.is_ascii_digit()).count();
    #[expect(clippy::cast_precision_loss, reason = "header values are short")]
    let around = (shown.len() + odd(&shown)) as f64 - (address.len() + odd(address.as_bytes())) as f64;
    if around > context.options.number("fns_extrachars", 50.0) {
        return Some(found);
    }
    let (owner, from_owner) = (owner(context, &address, &domain), owner(context, &from, &from_domain));
    found.address = address != from;
    found.domain = domain != from_domain;
    found.owner = owner != from_owner;
    found.is_reply = lossy(context.header("Reply-To:addr").text()).to_ascii_lowercase() == address;
    found.is_recipient = recipients(context).contains(&address);
    if found.address || found.owner {
        let tags = [
            ("FNSFNAMEADDR", address),
            ("FNSFNAMEDOMAIN", domain),
            ("FNSFNAMEOWNER", owner),
            ("FNSFADDRADDR", from),
            ("FNSFADDRDOMAIN", from_domain),
            ("FNSFADDROWNER", from_owner),
        ];
        for (tag, value) in tags {
            context.set_tag(tag, value);
        }
    }
    Some(found)
}

/// The first address whose host ends at a word.
fn address_within(text: &[u8]) -> Option<String> {
    let form = pattern!(r"\b([\w.!#$%&'*+/=?^`{|}~-]+@\w[\w-]*\.\w[\w.-]+)");
    let mut from = 0;
    while let Some(found) = form.find_at(text, from) {
        if text[..found.end()].last().is_some_and(|octet| is_word(*octet)) {
            return Some(lossy(found.as_bytes()));
        }
        from = found.end();
    }
    None
}

/// Who an address belongs to: the list of `fns_add_addrlist` that names it, else the first label of its domain.
fn owner(context: &Context<'_, '_>, address: &str, domain: &str) -> String {
    let user = address.split('@').next().unwrap_or_default();
    let shortened = format!("{user}@{domain}");
    for candidate in [address, shortened.as_str()] {
        let mut lists = context.options.lists.iter().filter(|(name, _)| name.starts_with("FNS_"));
        if let Some((name, _)) = lists.find(|(_, list)| list.covers(candidate)) {
            return name.trim_start_matches("FNS_").to_ascii_lowercase();
        }
    }
    domain.split('.').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_within_a_name() {
        for (text, found) in [
            ("joe (joe@example.org)", Some("joe@example.org")),
            ("support@example.org via x", Some("support@example.org")),
            ("joe@example", None),
            ("joe@example.org-", None),
        ] {
            assert_eq!(address_within(text.as_bytes()).as_deref(), found, "{text}");
        }
    }
}
