//! HashBL: digests of addresses, links, attachments and of what a pattern finds in the text, asked of a DNS list.

use super::addresses::senders;
use super::mailbox::{after_addresses_stripped, find_addresses};
use super::perl::{lossy, pattern, rule_pattern};
use super::tags::{self, Tag};
use super::{Accepts, Answered, Context, Needs, Row};
use crate::facts::{Answer, DnsQuestion, DnsType, Question};
use crate::mail::domains::is_host_name;
use crate::mail::links::LinkKind;
use crate::pattern::Found;
use crate::rules::engine::subtest::is_refusal;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use md5::{Digest, Md5};
use std::collections::HashMap;

pub(super) static ROWS: &[Row] = &[
    row("check_hashbl_emails", Accepts::Head, |c, a| ask(c, a, addresses), |c, a| judge(c, a, addresses, 3)),
    row("check_hashbl_uris", Accepts::Head, |c, a| ask(c, a, links), |c, a| judge(c, a, links, 2)),
    row("check_hashbl_bodyre", Accepts::Body, |c, a| ask(c, a, found_in_text), |c, a| judge(c, a, found_in_text, 3)),
    row("check_hashbl_attachments", Accepts::Body, |c, a| ask(c, a, attachments), |c, a| judge(c, a, attachments, 2)),
    row("check_hashbl_tag", Accepts::Head, ask_tag, check_hashbl_tag),
];

const fn row(name: &'static str, accepts: Accepts, ask: fn(&Context<'_, '_>, &[String]) -> Vec<Question>, run: super::Function) -> Row {
    Row { name, plugin: "HashBL", accepts, needs: Needs::Asks(ask), run }
}

/// `sha1/max=10/shuffle`: words with or without a value.
type Options = HashMap<String, String>;

/// What is asked about: the value as shown, and its digest (or itself, under `raw`).
struct Asked {
    value: String,
    digest: String,
}

type Collect = fn(&Context<'_, '_>, &[String], &Options) -> Vec<Asked>;

fn options(arguments: &[String], default: &str) -> Options {
    let text = arguments.get(1).filter(|text| !text.is_empty()).map_or(default, String::as_str).to_lowercase();
    let word = |word: &str| {
        let (name, value) = word.split_once('=').unwrap_or((word, "1"));
        (name.to_owned(), value.to_owned())
    };
    text.split('/').map(str::trim).map(word).collect()
}

/// The questions with what each is about. SpamAssassin asks about a random choice where there are too many; here the first ones
/// are asked, so that a message is judged alike each time.
fn questions(context: &Context<'_, '_>, arguments: &[String], collect: Collect) -> Vec<(DnsQuestion, String)> {
    let Some(list) = arguments.first().filter(|_| context.network) else { return Vec::new() };
    let options = options(arguments, "sha1/notag/noquote/max=10/shuffle");
    let (zone, kind) = match list.rsplit_once('/') {
        Some((zone, kind)) if kind.eq_ignore_ascii_case("txt") => (zone, DnsType::Txt),
        Some((zone, kind)) if kind.eq_ignore_ascii_case("a") => (zone, DnsType::A),
        _ => (list.as_str(), DnsType::A),
    };
    let most = options.get("max").and_then(|most| most.parse().ok()).filter(|most| *most > 0).unwrap_or(10);
    let ignored = context.options.word_list("hashbl_ignore");
    let mut found: Vec<(DnsQuestion, String)> = Vec::new();
    for asked in collect(context, arguments, &options).into_iter().take(most) {
        if [&asked.value, &asked.digest].iter().any(|text| ignored.contains(&text.to_lowercase())) {
            continue;
        }
        let name = format!("{}.{}", asked.digest, zone.trim_end_matches('.')).to_ascii_lowercase();
        found.push((DnsQuestion { name: name.into(), kind }, asked.value));
    }
    found
}

fn ask(context: &Context<'_, '_>, arguments: &[String], collect: Collect) -> Vec<Question> {
    questions(context, arguments, collect).into_iter().map(|(question, _)| Question::Dns(question)).collect()
}

/// `subtest`: where the pattern that an answer must match stands among the arguments.
fn judge(context: &Context<'_, '_>, arguments: &[String], collect: Collect, subtest: usize) -> Answered {
    let subtest = arguments.get(subtest).filter(|text| !text.is_empty());
    for (question, value) in questions(context, arguments, collect) {
        let Some(answer) = context.facts.dns.get(&question) else { return Answered::Pending };
        let Answer::Known(reply) = answer else { continue };
        let fits = |record: &String| match subtest {
            Some(text) => rule_pattern(text).is_some_and(|pattern| matches!(pattern.find(record.as_bytes(), 0), Found::Hit(_))),
            None => record.starts_with("127.") && !is_refusal(record),
        };
        if reply.records.iter().any(fits) {
            return Answered::HitWith(1.0, value.replace('@', "[at]"));
        }
    }
    Answered::Miss
}

fn hashed(options: &Options, value: &[u8]) -> String {
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect();
    if options.contains_key("sha256") {
        base32(digest(&SHA256, value).as_ref())
    } else if options.contains_key("sha1") {
        hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, value).as_ref())
    } else if options.contains_key("md5") {
        hex(&Md5::digest(value))
    } else {
        lossy(value)
    }
}

/// RFC 4648 §6, lower case, without padding.
fn base32(octets: &[u8]) -> String {
    let (mut out, mut bits, mut count) = (String::new(), 0u32, 0);
    for octet in octets {
        bits = (bits << 8 | u32::from(*octet)) & 0xffff;
        count += 8;
        while count >= 5 {
            count -= 5;
            out.push(digit32(bits >> count & 31));
        }
    }
    if count > 0 {
        out.push(digit32(bits << (5 - count) & 31));
    }
    out
}

fn digit32(value: u32) -> char {
    char::from(b"abcdefghijklmnopqrstuvwxyz234567".get(value as usize).copied().unwrap_or(b'a'))
}

fn distinct(options: &Options, values: impl IntoIterator<Item = String>) -> Vec<Asked> {
    let mut seen = std::collections::HashSet::new();
    let new = values.into_iter().filter(|value| !value.is_empty() && seen.insert(value.clone()));
    new.map(|value| Asked { digest: hashed(options, value.as_bytes()), value }).collect()
}

/// The values of a tag (the third argument), in the forms that the options admit.
fn of_tag(context: &Context<'_, '_>, arguments: &[String], options: &Options) -> Vec<Asked> {
    let Some(name) = tag_name(arguments) else { return Vec::new() };
    let Tag::Values(values) = tags::values(context, &name) else { return Vec::new() };
    let domains = &context.reading.options.domains;
    let has = |name: &str| options.contains_key(name);
    let names_only = has("fqdn") || has("tld") || has("trim");
    let kept = values.into_iter().filter_map(|value| {
        let value = cased(options, &value);
        if let Ok(ip) = value.parse::<std::net::IpAddr>() {
            let fits = !(has("ipv4") && !ip.is_ipv4() || has("ipv6") && !ip.is_ipv6() || names_only);
            return fits.then(|| if has("revip") { super::dns::reversed(&value) } else { Some(value) }).flatten();
        }
        if has("ip") || has("ipv4") || has("ipv6") || names_only && !is_host_name(&value) || has("tld") && !domains.is_valid(&value) {
            return None;
        }
        Some(if has("trim") { domains.trimmed(&value) } else { value })
    });
    distinct(options, kept.collect::<Vec<_>>())
}

fn tag_name(arguments: &[String]) -> Option<String> {
    let name = arguments.get(2).filter(|name| !name.is_empty())?.to_uppercase();
    Some(name.strip_prefix('_').and_then(|inner| inner.strip_suffix('_')).map_or(name.clone(), str::to_owned))
}

fn ask_tag(context: &Context<'_, '_>, arguments: &[String]) -> Vec<Question> {
    match tag_name(arguments).filter(|_| context.network).map(|name| tags::values(context, &name)) {
        Some(Tag::Asks(question)) => vec![question],
        Some(Tag::Values(_)) => ask(context, arguments, of_tag),
        None => Vec::new(),
    }
}

fn check_hashbl_tag(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    match tag_name(arguments).filter(|_| context.network).map(|name| tags::values(context, &name)) {
        None => Answered::Miss,
        // Some rule to come may set it.
        Some(Tag::Values(values)) if values.is_empty() => Answered::Pending,
        Some(Tag::Asks(_)) => Answered::Pending,
        Some(Tag::Values(_)) => judge(context, arguments, of_tag, 3),
    }
}

fn cased(options: &Options, text: &str) -> String {
    if options.contains_key("case") { text.to_owned() } else { text.to_ascii_lowercase() }
}

/// The first group of the pattern (the third argument), wherever it matches.
fn found_in_text(context: &Context<'_, '_>, arguments: &[String], options: &Options) -> Vec<Asked> {
    let Some(form) = arguments.get(2).and_then(|text| rule_pattern(text)) else { return Vec::new() };
    let mut found = Vec::new();
    for piece in context.text() {
        for groups in form.captures_iter(piece) {
            if let Some(range) = groups.get(1).cloned().flatten() {
                let text = cased(options, &lossy(piece.get(range).unwrap_or_default()));
                found.push(if options.contains_key("num") { text.chars().filter(char::is_ascii_digit).collect() } else { text });
            }
        }
    }
    distinct(options, found)
}

fn links(context: &Context<'_, '_>, _: &[String], options: &Options) -> Vec<Asked> {
    if options.contains_key("raw") {
        return Vec::new();
    }
    let skipped = context.options.word_list("uridnsbl_skip_domain");
    let mut found = Vec::new();
    for link in context.reading.links() {
        let shown = link.kinds.iter().any(|kind| matches!(kind, LinkKind::Html("a") | LinkKind::Parsed));
        let known = link.hosts.iter().any(|(host, domain)| skipped.contains(host) || skipped.contains(domain));
        if shown && !known && !link.hosts.is_empty() && !super::header::starts_ignoring_case(&link.raw, b"mailto:") {
            found.extend(link.cleaned.iter().map(|form| cased(options, &lossy(form))));
        }
    }
    distinct(options, found)
}

fn attachments(context: &Context<'_, '_>, _: &[String], options: &Options) -> Vec<Asked> {
    if options.contains_key("raw") {
        return Vec::new();
    }
    let ignored = context.options.word_list("hashbl_ignore");
    let least: usize = options.get("minsize").and_then(|size| size.parse().ok()).unwrap_or(0);
    let mut found: Vec<Asked> = Vec::new();
    for part in context.reading.mail.parts().iter().filter(|part| part.is_leaf() && !part.content_type.is_empty()) {
        let data = part.decoded();
        let is_ignored = ignored.contains(&part.content_type) || ignored.contains(&part.name.to_lowercase());
        // SpamAssassin compares with `minsize` where `maxsize` is given, too.
        let too_large = options.contains_key("maxsize") && data.len() > least;
        if data.is_empty() || is_ignored || data.len() < least || too_large {
            continue;
        }
        let digest = hashed(options, data);
        if !found.iter().any(|asked| asked.digest == digest) {
            found.push(Asked { value: digest.clone(), digest });
        }
    }
    found
}

/// Addresses of the fields and of the text that the third argument names, without those of the mailbox's owner.
fn addresses(context: &Context<'_, '_>, arguments: &[String], options: &Options) -> Vec<Asked> {
    let from = arguments.get(2).filter(|text| !text.is_empty()).map_or("ALLFROM/Reply-To/body", String::as_str);
    let acl = arguments.get(4).map(String::as_str);
    let own: Vec<String> = ["X-Original-To:addr", "Apparently-To:addr", "Delivered-To:addr", "Envelope-To:addr"]
        .iter()
        .flat_map(|field| context.header(field).list.iter().map(|address| lossy(address).to_ascii_lowercase()).collect::<Vec<_>>())
        .collect();
    let role = pattern!(
        r"(?ix)^(?: abuse|support|sales|info|helpdesk|contact|kontakt | (?:post|host|domain)master | undisclosed.*
          | request-[a-f0-9]{16} | bounced?- | [a-f0-9]{8}(?:\.[a-f0-9]{8}|-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}) | .+=.+=.+ )@"
    );
    let domains = &context.reading.options.domains;
    let skipped = context.options.word_list("uridnsbl_skip_domain");
    let aliases = context.options.tables.get("hashbl_email_domain_alias");
    let mut found = Vec::new();
    for address in from.split('/').flat_map(|source| addresses_of(context, source.trim(), options)) {
        let Some((user, host)) = address.rsplit_once('@') else { continue };
        let host = aliases.and_then(|table| table.get(&host.to_lowercase())).map_or(host, String::as_str);
        let listed = |list: &str| context.options.word_list(&format!("hashbl_acl_{list}")).iter().any(|word| word == host);
        if acl.is_some_and(|list| list != "all" && !listed(list)) || own.contains(&address) || role.is_match(address.as_bytes()) {
            continue;
        }
        let domain = domains.trimmed(host);
        if acl.is_none() && (skipped.contains(&host.to_lowercase()) || skipped.contains(&domain)) {
            continue;
        }
        let user = if options.contains_key("nodot") { user.replace('.', "") } else { user.to_owned() };
        let user = if options.contains_key("notag") { user.split('+').next().unwrap_or_default() } else { &user };
        let asked = if options.contains_key("domain") {
            domain
        } else if options.contains_key("host") {
            host.to_owned()
        } else if options.contains_key("user") {
            user.to_owned()
        } else {
            format!("{user}@{host}")
        };
        found.push(cased(options, &asked));
    }
    distinct(options, found)
}

fn addresses_of(context: &Context<'_, '_>, source: &str, options: &Options) -> Vec<String> {
    let domains = &context.reading.options.domains;
    match source {
        "ALLFROM" => senders(context).to_vec(),
        "body" => {
            let mut text = Vec::new();
            for link in context.reading.links() {
                let anchor = link.kinds.contains(&LinkKind::Html("a")) && !link.kinds.contains(&LinkKind::Parsed);
                if anchor && super::header::starts_ignoring_case(&link.raw, b"mailto:") {
                    text.extend_from_slice(&link.raw[7..]);
                    text.push(b'\n');
                }
            }
            let body = context.reading.body().concat();
            let stripped = options.contains_key("noquote") || options.contains_key("nouri");
            text.extend(if stripped { after_addresses_stripped(&body, domains) } else { body });
            find_addresses(&text, domains)
        }
        field => find_addresses(&context.header_of(field).list.join(&b'\n'), domains),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_hashed_as_the_rule_says() {
        let of = |text: &str| hashed(&options(&[String::new(), text.to_owned()], ""), b"abc");
        assert_eq!(of("raw/max=10"), "abc");
        assert_eq!(of("sha1/max=10/shuffle"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(of("MD5"), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(of("sha256"), "xj4bnp4pahh6uqkbidpf3lrceoyagyndsylxvhfucd7wd4qacwwq");
    }
}
