//! Rules with a syntax of their own, each from its plugin: `mimeheader`, `uri_detail`, `askdns`, `uridnsbl` and kin.

use super::captures;
use super::definitions::{bad_pattern, check_name, define, if_unset, name_and_rest};
use super::draft::{DraftTest, Drafts, Fault, Line};
use super::lexer::{is_space, words};
use super::model::{Matcher, Test, UriDetailTerm, UriKey};
use crate::mail::HeaderQuery;
use crate::pattern::Pattern;
use std::net::Ipv4Addr;

/// `mimeheader NAME Header[:raw] =~ /pattern/ [if-unset: text]`.
pub(super) fn mimeheader(drafts: &mut Drafts, line: &Line<'_>) -> Result<(), Fault> {
    let (name, value) = name_and_rest(line)?;
    check_name(name)?;
    let wrong = || Fault::warning(format!("{name}: \"{value}\" is no test of a MIME header"), "write Header-Name =~ /pattern/");
    let at = value.find(is_space).or_else(|| value.find("=~")).or_else(|| value.find("!~")).ok_or_else(wrong)?;
    let (field, rest) = value.split_at(at);
    let rest = rest.trim_start_matches(is_space);
    let negated = rest.starts_with("!~");
    let rest = rest.strip_prefix("=~").or_else(|| rest.strip_prefix("!~")).ok_or_else(wrong)?.trim_start_matches(is_space);
    let plain = field.strip_suffix(':').unwrap_or(field);
    let (field_name, modifier) = plain.split_once(':').unwrap_or((plain, ""));
    if field_name.is_empty() || !matches!(modifier, "" | "raw") || rest.is_empty() {
        return Err(wrong());
    }
    let query = HeaderQuery::parse(plain).map_err(|why| Fault::warning(format!("{name}: {why}"), "only :raw may follow the name"))?;
    let (pattern, unset) = if_unset(rest);
    let compiled = Pattern::from_rule(pattern).map_err(|error| bad_pattern(name, pattern, &error.0))?;
    let test = Test::MimeHeader { query, negated, unset: unset.map(|text| text.as_bytes().to_vec()), pattern: Matcher::Fixed(compiled) };
    define(drafts, line, name, DraftTest::Made(test), None)?;
    if captures::captures(pattern) {
        let draft = drafts.rule(name, line.place);
        draft.priority = Some(captures::PRIORITY);
        draft.captures = true;
    }
    Ok(())
}

/// `uri_detail NAME key =~ /pattern/ key !~ m{…} …`; a key given again, even on a later line, replaces the earlier.
pub(super) fn uri_detail(drafts: &mut Drafts, line: &Line<'_>) -> Result<(), Fault> {
    let (name, value) = name_and_rest(line)?;
    check_name(name)?;
    let mut terms = Vec::new();
    let mut rest = value;
    while let Some((key, negated, pattern, after)) = next_term(rest) {
        let key = match key {
            "raw" => UriKey::Raw,
            "type" => UriKey::Type,
            "cleaned" => UriKey::Cleaned,
            "text" => UriKey::Text,
            "domain" => UriKey::Domain,
            "host" => UriKey::Host,
            _ => return Err(Fault::warning(format!("{name}: a link has no \"{key}\""), "use raw, type, cleaned, text, domain or host")),
        };
        let compiled = Pattern::from_rule(pattern).map_err(|error| bad_pattern(name, pattern, &error.0))?;
        terms.push(UriDetailTerm { key, negated, pattern: compiled });
        rest = after;
    }
    if terms.is_empty() {
        return Err(Fault::warning(format!("{name}: \"{value}\" names no part of a link"), "write for instance domain =~ /pattern/"));
    }
    let draft = drafts.rule(name, line.place);
    for term in terms {
        draft.uri_terms.insert(term.key, term);
    }
    let all = draft.uri_terms.values().cloned().collect();
    define(drafts, line, name, DraftTest::Made(Test::UriDetail(all)), None)
}

/// The next `key =~ /…/mods` and what follows it.
fn next_term(text: &str) -> Option<(&str, bool, &str, &str)> {
    let is_word = |c: char| c == '_' || c.is_ascii_alphanumeric();
    text.match_indices('~').find_map(|(tilde, _)| {
        let before = text.get(..tilde)?;
        let negated = before.ends_with('!');
        let key_side = before.strip_suffix(['=', '!'])?.trim_end_matches(is_space);
        let start = key_side.rfind(|c| !is_word(c)).map_or(0, |at| at + 1);
        let key = key_side.get(start..).filter(|key| !key.is_empty())?;
        let pattern_side = text.get(tilde + 1..)?.trim_start_matches(is_space);
        let length = pattern_length(pattern_side)?;
        let (pattern, after) = (pattern_side.get(..length)?, pattern_side.get(length..)?);
        Some((key, negated, pattern, after))
    })
}

/// `/…/imsx` or `m?…?imsx`: it ends at the first such closer that modifiers and white space (or the end) follow.
fn pattern_length(text: &str) -> Option<usize> {
    let (closer, from) = match text.strip_prefix('m').and_then(|rest| rest.chars().next()) {
        Some(delimiter) if !(text.starts_with('/') || delimiter == '_' || delimiter.is_alphanumeric()) => {
            (delimiter, 1 + delimiter.len_utf8())
        }
        Some(_) | None => ('/', 1),
    };
    if closer == '/' && !text.starts_with('/') && !text.starts_with("m/") {
        return None;
    }
    text.get(from..)?.match_indices(closer).find_map(|(at, found)| {
        let after = text.get(from + at + found.len()..)?;
        let rest = after.trim_start_matches(['i', 'm', 's', 'x']);
        (rest.is_empty() || rest.starts_with(is_space)).then(|| text.len() - rest.len())
    })
}

/// Record types that `askdns` may name (IANA's DNS parameters).
const RECORDS: &[&str] = &[
    "ANY",
    "A",
    "AAAA",
    "MX",
    "TXT",
    "PTR",
    "NAPTR",
    "NS",
    "SOA",
    "CERT",
    "CNAME",
    "DNAME",
    "DHCID",
    "HINFO",
    "MINFO",
    "RP",
    "HIP",
    "IPSECKEY",
    "KX",
    "LOC",
    "GPOS",
    "SRV",
    "OPENPGPKEY",
    "SSHFP",
    "SPF",
    "TLSA",
    "URI",
    "CAA",
    "CSYNC",
];

/// `askdns NAME query-template [TYPE[,TYPE] [subtest]]`.
pub(super) fn askdns(drafts: &mut Drafts, line: &Line<'_>) -> Result<(), Fault> {
    let (name, value) = name_and_rest(line)?;
    check_name(name)?;
    let mut parts = value.splitn(2, is_space);
    let query = parts.next().unwrap_or("").to_owned();
    let rest = parts.next().unwrap_or("").trim_matches(is_space);
    let (types, subtest) = super::lexer::first_word(rest);
    let types = if types.is_empty() { "A".to_owned() } else { types.to_ascii_uppercase() };
    if let Some(wrong) = types.split(',').find(|kind| !RECORDS.contains(kind)) {
        return Err(Fault::warning(format!("{name}: \"{wrong}\" is no type of DNS record"), "write for instance A, TXT or A,AAAA"));
    }
    let mut arguments = vec![query, types];
    let mut pattern = None;
    if !subtest.is_empty() {
        match askdns_subtest(subtest) {
            Some(Subtest::Pattern) => {
                pattern = Some(Pattern::from_rule(subtest).map_err(|error| bad_pattern(name, subtest, &error.0))?);
            }
            Some(Subtest::Text(text)) => arguments.push(text),
            None => {
                return Err(Fault::warning(
                    format!("{name}: the test \"{subtest}\" of the answer cannot be read"),
                    "write /pattern/, \"text\", [NXDOMAIN], an address, a number, or two of them joined by - or /",
                ));
            }
        }
    }
    let test = Test::Dns { directive: "askdns".into(), arguments, pattern };
    define(drafts, line, name, DraftTest::Made(test), None)
}

enum Subtest {
    Pattern,
    Text(String),
}

fn askdns_subtest(text: &str) -> Option<Subtest> {
    let letters = |tail: &str| tail.bytes().all(|octet| octet.is_ascii_lowercase());
    let slashed =
        text.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')).is_some_and(|(inside, tail)| !inside.is_empty() && letters(tail));
    let marked = text.strip_prefix('m').is_some_and(|rest| rest.starts_with(|c: char| !c.is_alphanumeric() && c != '_') && rest.len() > 2);
    if slashed || marked {
        return Some(Subtest::Pattern);
    }
    for quote in ['"', '\''] {
        if let Some(inside) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return Some(Subtest::Text(format!("\"{inside}\"")));
        }
    }
    if let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let codes: Option<Vec<String>> = inside.split(',').map(|code| reply_code(code.trim_matches(is_space))).collect();
        return codes.map(|codes| Subtest::Text(format!("[{}]", codes.join(","))));
    }
    numbers(text).map(Subtest::Text)
}

/// RFC 2136 §2.2 and IANA's DNS parameters: names of reply codes.
fn reply_code(text: &str) -> Option<String> {
    const NAMES: &[(&str, u16)] = &[
        ("NOERROR", 0),
        ("FORMERR", 1),
        ("SERVFAIL", 2),
        ("NXDOMAIN", 3),
        ("NOTIMP", 4),
        ("REFUSED", 5),
        ("YXDOMAIN", 6),
        ("YXRRSET", 7),
        ("NXRRSET", 8),
        ("NOTAUTH", 9),
        ("NOTZONE", 10),
        ("BADVERS", 16),
        ("BADSIG", 16),
        ("BADKEY", 17),
        ("BADTIME", 18),
        ("BADMODE", 19),
        ("BADNAME", 20),
        ("BADALG", 21),
        ("BADTRUNC", 22),
    ];
    let upper = text.to_ascii_uppercase();
    let named = NAMES.iter().find(|(name, _)| *name == upper).map(|(_, number)| number.to_string());
    named.or_else(|| text.parse::<u16>().ok().map(|number| number.to_string()))
}

/// `n`, `n-m`, `n/mask` with decimal, hexadecimal or dotted numbers, in decimal; a lone address becomes a range of one.
fn numbers(text: &str) -> Option<String> {
    let at = text.find(['-', '/']);
    let (first, rest) = at.map_or((text, None), |at| (text.get(..at).unwrap_or(""), text.get(at..)));
    let (number, dotted) = one_number(first)?;
    match rest {
        Some(rest) => {
            let delimiter = rest.get(..1)?;
            let (second, _) = one_number(rest.get(1..)?)?;
            Some(format!("{number}{delimiter}{second}"))
        }
        None if dotted => Some(format!("{number}-{number}")),
        None => Some(number.to_string()),
    }
}

fn one_number(text: &str) -> Option<(u64, bool)> {
    if let Some(hex) = text.strip_prefix("0x") {
        return (hex.len() <= 8).then(|| u64::from_str_radix(hex, 16).ok()).flatten().map(|number| (number, false));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some((u64::from(u32::from(address)), true));
    }
    let digits = text.len() <= 10 && !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().map(|number| (number, false))
}

/// `uridnsbl NAME zone TYPE` and kin; those in `…sub` have a subtest. The rule itself is a `body` rule that calls
/// `check_uridnsbl`.
pub(super) fn zone(drafts: &mut Drafts, line: &Line<'_>, directive: &'static str) -> Result<(), Fault> {
    let (name, value) = name_and_rest(line)?;
    let mut arguments: Vec<String> = words(value).map(str::to_owned).collect();
    let wanted = if directive.ends_with("sub") { 3 } else { 2 };
    let incomplete = || {
        let shape = if wanted == 3 { "NAME zone TYPE subtest" } else { "NAME zone TYPE" };
        Fault::warning(format!("{name}: \"{value}\" is not a zone and a type"), format!("write {directive} {shape}"))
    };
    if wanted == 3 && arguments.len() > 3 {
        let subtest = arguments.split_off(2).join(" ");
        arguments.push(subtest);
    }
    if arguments.len() != wanted {
        return Err(incomplete());
    }
    if let Some(zone) = arguments.first_mut().filter(|zone| zone.ends_with('.')) {
        zone.pop();
    }
    if let Some(subtest) = arguments.get_mut(2) {
        *subtest = numbers(subtest).ok_or_else(|| {
            Fault::warning(
                format!("{name}: the test \"{subtest}\" of the answer cannot be read"),
                "write an address, a number, or two of them joined by - or /",
            )
        })?;
    }
    drafts.rule(name, line.place).zone = Some((directive, arguments));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtests_come_out_in_decimal() {
        for (text, wanted) in [
            ("127.0.0.2", Some("2130706434-2130706434")),
            ("4", Some("4")),
            ("0x10", Some("16")),
            ("127.0.1.2-127.0.1.5", Some("2130706690-2130706693")),
            ("127.0.0.0/255.255.255.0", Some("2130706432/4294967040")),
            ("x", None),
            ("127.0.0.256", None),
        ] {
            assert_eq!(numbers(text).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn the_parts_of_a_link_are_found() {
        let (key, negated, pattern, rest) = next_term("text =~ /a b/i domain !~ m{c d}x").unwrap();
        assert_eq!((key, negated, pattern), ("text", false, "/a b/i"));
        // SpamAssassin wants the same delimiter at both ends here.
        assert!(next_term(rest).is_none());
        let (key, negated, pattern, _) = next_term("domain !~ m!c d!x").unwrap();
        assert_eq!((key, negated, pattern), ("domain", true, "m!c d!x"));
        let (_, _, pattern, _) = next_term("raw =~ /a\\/b/").unwrap();
        assert_eq!(pattern, "/a\\/b/");
    }
}
