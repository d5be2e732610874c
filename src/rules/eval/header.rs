//! HeaderEval: recipients, subjects, message ids and other properties of header fields.

use super::perl::{bound, chomp, contains, count, is_space, lossy, number, pattern, positions_ignoring_case, trim};
use super::{Accepts, Answered, Context, Row, local};
use std::collections::HashSet;

pub(super) static ROWS: &[Row] = &[
    head("check_for_unique_subject_id", never),
    head("check_illegal_chars", check_illegal_chars),
    head("check_for_matching_env_and_hdr_from", check_for_matching_env_and_hdr_from),
    head("sorted_recipients", sorted_recipients),
    head("similar_recipients", similar_recipients),
    head("check_for_missing_to_header", check_for_missing_to_header),
    head("subject_is_all_caps", subject_is_all_caps),
    head("check_for_to_in_subject", check_for_to_in_subject),
    head("check_messageid_not_usable", check_messageid_not_usable),
    head("check_header_count_range", check_header_count_range),
    head("check_unresolved_template", check_unresolved_template),
    head("check_ratware_name_id", check_ratware_name_id),
    head("check_ratware_envelope_from", check_ratware_envelope_from),
    head("gated_through_received_hdr_remover", gated_through_received_hdr_remover),
    head("check_equal_from_domains", check_equal_from_domains),
    head("check_for_faraway_charset_in_headers", check_for_faraway_charset_in_headers),
];

const fn head(name: &'static str, run: super::Function) -> Row {
    local(name, "HeaderEval", Accepts::Head, run)
}

/// Kept by SpamAssassin for old rules; always false.
fn never(_: &Context<'_, '_>, _: &[String]) -> Answered {
    Answered::Miss
}

/// RFC 2045 §2.7, 2.8: octets that a header field may not hold unencoded, as a share and as a count.
fn check_illegal_chars(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let [name, ratio, least, ..] = arguments else { return Answered::Miss };
    let query = if name.ends_with(":raw") { name.clone() } else { [name, ":raw"].concat() };
    let text = &*context.text_of(&query);
    if !text.iter().any(|octet| !is_space(*octet)) {
        return Answered::Miss;
    }
    let is_control = |octet: u8| (octet < 0x20) & (octet != b'\t') & (octet != b'\n') & (octet != b'\r');
    if !text.is_ascii() && count(text, is_control) == 0 && std::str::from_utf8(text).is_ok() {
        return Answered::Miss;
    }
    let mut illegal = count(text, |octet| is_control(octet) | (octet >= 0x7f));
    if illegal > 0 && query.eq_ignore_ascii_case("subject:raw") {
        // One cent, pound or registered sign in a subject is let pass.
        let signs = text.iter().filter(|octet| matches!(octet, 0xa2 | 0xa3 | 0xae)).count();
        illegal -= usize::from(signs == 1);
    }
    #[expect(clippy::cast_precision_loss, reason = "header values are short")]
    let (share, illegal) = (illegal as f64 / text.len() as f64, illegal as f64);
    (share >= number(ratio) && illegal >= number(least)).into()
}

fn check_for_matching_env_and_hdr_from(context: &Context<'_, '_>, _: &[String]) -> Answered {
    context.header("EnvelopeFrom:addr").text().eq_ignore_ascii_case(context.header("From:addr").text()).into()
}

/// What the list of recipients looks like.
#[derive(Debug, Default)]
pub(super) struct Recipients {
    sorted: bool,
    similar: f64,
}

fn recipients<'c>(context: &'c Context<'_, '_>) -> &'c Recipients {
    context.memo.recipients.get_or_init(|| {
        let mut inputs: Vec<Vec<u8>> = Vec::new();
        for query in ["ToCc:addr", "Bcc:addr"] {
            inputs.extend(context.header(query).list.iter().cloned());
            if inputs.len() >= 5 {
                break;
            }
        }
        let mut addresses: Vec<Vec<u8>> = Vec::new();
        for address in inputs {
            if address.is_empty() || address == b"0" || addresses.len() == 256 {
                break;
            }
            if !addresses.last().is_some_and(|previous| previous.eq_ignore_ascii_case(&address)) {
                addresses.push(address);
            }
        }
        Recipients { sorted: addresses.len() >= 7 && addresses.is_sorted(), similar: similarity(&addresses) }
    })
}

/// Of all pairs of five addresses or more, the share whose users or (different) hosts begin with the same two octets.
fn similarity(addresses: &[Vec<u8>]) -> f64 {
    if addresses.len() < 5 {
        return 0.0;
    }
    let start = |text: &[u8]| -> [u8; 2] { [text.first().copied().unwrap_or(0), text.get(1).copied().unwrap_or(0)] };
    let users: Vec<[u8; 2]> = addresses.iter().map(|address| start(address)).collect();
    let mut hosts: Vec<&[u8]> = addresses.iter().filter_map(|a| a.iter().position(|o| *o == b'@').map(|at| &a[at + 1..])).collect();
    hosts.resize(addresses.len(), b"");
    let (mut hits, mut pairs) = (0u32, 0u32);
    for (i, user) in users.iter().enumerate() {
        for j in i + 1..users.len() {
            hits += u32::from(users[j] == *user);
            hits += u32::from(start(hosts[i]) == start(hosts[j]) && hosts[i] != hosts[j]);
            pairs += 1;
        }
    }
    f64::from(hits) / f64::from(pairs)
}

fn sorted_recipients(context: &Context<'_, '_>, _: &[String]) -> Answered {
    recipients(context).sorted.into()
}

fn similar_recipients(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let similar = recipients(context).similar;
    (bound(arguments, 0).is_none_or(|least| similar >= least) && bound(arguments, 1).is_none_or(|most| similar < most)).into()
}

fn check_for_missing_to_header(context: &Context<'_, '_>, _: &[String]) -> Answered {
    (context.header("To").text().is_empty() && context.header("Apparently-To").text().is_empty()).into()
}

/// Charsets whose encoded words look like shouting.
pub(super) const CAPS_CHARSETS: &str = r"[-_a-z0-9]*(?:koi|jp|jis|euc|gb|big5|isoir|cp1251|windows-1251|georgianps|pt154|tis)[-_a-z0-9]*";

fn subject_is_all_caps(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let value = context.header("Subject");
    let mut subject = trim(value.text());
    if let Some(found) = pattern!(r"(?i)^(?:(?:Re|Fwd|Fw|Aw|Antwort|WG|SV|VB|VS|VL):\s*)+").find(subject) {
        subject = &subject[found.end()..];
    }
    if subject.len() < 10 || !subject.iter().any(|octet| is_space(*octet)) || subject.iter().any(u8::is_ascii_lowercase) {
        return Answered::Miss;
    }
    let shouted = subject.iter().any(u8::is_ascii_uppercase);
    let excused = || pattern!(&format!(r"(?i)=\?{CAPS_CHARSETS}\?")).is_match(context.header("Subject:raw").text());
    (shouted && !excused()).into()
}

fn check_for_to_in_subject(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let to = context.header("To:addr");
    let subject = context.header("Subject");
    let (to, subject) = (to.text(), subject.text());
    if to.is_empty() {
        return Answered::Miss;
    }
    match arguments.first().map(String::as_str) {
        Some("address") => positions_ignoring_case(subject, to).into_iter().any(|at| at_boundaries(subject, at, at + to.len())).into(),
        Some("user") => names_user(subject, to.split(|octet| *octet == b'@').next().unwrap_or_default()).into(),
        _ => Answered::Miss,
    }
}

/// `\b` at both ends.
pub(super) fn at_boundaries(text: &[u8], start: usize, end: usize) -> bool {
    let word = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(|octet| super::perl::is_word(*octet));
    word(start.checked_sub(1)) != word(Some(start)) && word(end.checked_sub(1)) != word(Some(end))
}

/// The subject begins with, is, or ends in the recipient's name as a form letter would write it.
fn names_user(subject: &[u8], user: &[u8]) -> bool {
    let line = chomp(subject);
    let is_mark = |octet: &u8| matches!(octet, b',' | b':' | b';' | b'!' | b'?' | b'-');
    let strip =
        |text: &[u8]| -> Option<usize> { text.get(..user.len()).filter(|start| start.eq_ignore_ascii_case(user)).map(|_| user.len()) };
    if strip(line) == Some(line.len()) {
        return true;
    }
    if let Some(rest) = line.strip_prefix(user) {
        let rest = &rest[rest.iter().take_while(|octet| is_space(**octet)).count()..];
        if rest.first().is_some_and(is_mark) && rest.get(1).is_none_or(|octet| is_space(*octet)) {
            return true;
        }
    }
    if let Some(rest) = line.strip_prefix(b",") {
        let rest = &rest[rest.iter().take_while(|octet| is_space(**octet)).count()..];
        if strip(rest).is_some_and(|end| rest.len() == end + 1 && rest.last().is_some_and(is_mark)) {
            return true;
        }
    }
    pattern!(r"(?i)^(?:re|fw):\s*").find(line).is_some_and(|found| {
        let rest = &line[found.end()..];
        let after_word = pattern!(r"^\w+\s+").find(rest).map_or(rest, |word| &rest[word.end()..]);
        strip(rest) == Some(rest.len()) || strip(after_word) == Some(after_word.len())
    })
}

fn check_messageid_not_usable(context: &Context<'_, '_>, _: &[String]) -> Answered {
    if pattern!(r"(?i)<mailto:(?:leave-\S+|\S+-unsubscribe)@\S+>\n?$").is_match(context.header("List-Unsubscribe").text()) {
        return Answered::Hit(1.0);
    }
    let received = context.header("Received");
    let foreign = contains(received.text(), b"/CWT/DCE)") || contains(received.text(), b"iPlanet Messaging Server");
    (foreign || is_gated(context)).into()
}

fn check_header_count_range(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let [name, least, most, ..] = arguments else { return Answered::Miss };
    let found = context.header_of(name);
    let distinct: HashSet<&Vec<u8>> = found.list.iter().collect();
    #[expect(clippy::cast_precision_loss, reason = "fields are counted in thousands at most")]
    let count = distinct.len() as f64;
    (count >= number(least) && count <= number(most)).into()
}

/// A field that still holds a place-holder of a mailing program, `%NAME`.
fn check_unresolved_template(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let all = context.header("ALL");
    let exempt =
        || pattern!(r"(?i)^(?:X-VMS-To|X-UIDL|X-Face|To|Cc|From|Subject|References|In-Reply-To|(?:X-|Resent-|X-Original-)?Message-Id):");
    let holds = |text: &[u8]| pattern!(r"%[A-Z][A-Z_-]").is_match(text);
    (holds(all.text()) && all.text().split(|octet| *octet == b'\n').any(|line| holds(line) && !exempt().is_match(line))).into()
}

fn check_ratware_name_id(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let id = context.header("MESSAGEID");
    let Some(found) = pattern!(r"<[A-Z]{28}\.([^>]+?)>").captures(id.text()) else { return Answered::Miss };
    let address = found.get(1).map_or(&[][..], |group| group.as_bytes());
    let from = context.header("From");
    let from = from.text();
    let wanted = [b"<", address, b">"].concat();
    let quoted = |before: &[u8]| {
        let before = &before[..before.iter().rposition(|octet| !is_space(*octet)).map_or(0, |at| at + 1)];
        let Some(name) = before.strip_suffix(b"\"") else { return false };
        name.iter().rposition(|octet| *octet == b'"').is_some_and(|open| open + 1 < name.len())
    };
    memchr::memmem::find_iter(from, &wanted).any(|at| quoted(&from[..at])).into()
}

/// An envelope sender that spells the recipient: `list-example.org.user@…`.
fn check_ratware_envelope_from(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let (to, from) = (context.header("To:addr"), context.header("EnvelopeFrom:addr"));
    let (to, from) = (lossy(to.text()), from.text());
    if from.is_empty() || pattern!(r"(?i)^SRS\d[=+-]").is_match(from) {
        return Answered::Miss;
    }
    let Some((user, host)) = to.split_once('@').filter(|(user, host)| !user.is_empty() && !host.is_empty()) else {
        return Answered::Miss;
    };
    let domains = &context.reading.options.domains;
    let domain = domains.registered(host);
    if !domains.is_valid(domain) {
        return Answered::Miss;
    }
    let tail = format!("{user}@");
    let spelled = |at: usize| {
        let after = at + domain.len() + 1;
        starts_word(from, at)
            && from.get(after - 1) != Some(&b'\n')
            && from.get(after..).is_some_and(|rest| starts_ignoring_case(rest, tail.as_bytes()))
    };
    positions_ignoring_case(from, domain.as_bytes()).into_iter().any(spelled).into()
}

fn starts_word(text: &[u8], at: usize) -> bool {
    let word = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(|octet| super::perl::is_word(*octet));
    word(at.checked_sub(1)) != word(Some(at))
}

pub(super) fn starts_ignoring_case(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|have| have.eq_ignore_ascii_case(start))
}

/// Systems that take Received fields away (ezmlm, MSN groups), or no such field at all.
pub(super) fn is_gated(context: &Context<'_, '_>) -> bool {
    *context.memo.gated.get_or_init(|| {
        let received = context.header("Received");
        if !received.is_present() {
            return true;
        }
        let list = context.header("Mailing-List");
        let by_ezmlm = pattern!(r"(?m)^contact \S+@\S+; run by ezmlm$").is_match(list.text())
            && pattern!(r"(?m)^mailing list \S+@\S+").is_match(context.header("Delivered-To").text())
            && pattern!(r"qmail \d+ invoked (?:from network|by .{3,20})\); \d+ ... \d+").is_match(received.text());
        by_ezmlm || pattern!(r"from groups\.msn\.com \(\S+\.msn\.com ").is_match(received.text())
    })
}

fn gated_through_received_hdr_remover(context: &Context<'_, '_>, _: &[String]) -> Answered {
    is_gated(context).into()
}

/// True where the domains differ.
fn check_equal_from_domains(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let (from, envelope) = (context.header("From:addr"), context.header("EnvelopeFrom:addr"));
    let (from, envelope) = (second_level(from.text()), second_level(envelope.text()));
    (!from.is_empty() && !envelope.is_empty() && !from.eq_ignore_ascii_case(envelope)).into()
}

/// The last two labels of an address's host.
fn second_level(address: &[u8]) -> &[u8] {
    let Some(at) = address.iter().rposition(|octet| *octet == b'@') else { return b"" };
    let host = &address[at + 1..];
    let labels: Vec<&[u8]> = host.split(|octet| *octet == b'.').collect();
    match labels.as_slice() {
        [rest @ .., a, b] if !a.is_empty() && !b.is_empty() && (rest.len() > 1 || rest.first().is_some_and(|label| !label.is_empty())) => {
            &host[host.len() - a.len() - b.len() - 1..]
        }
        _ => host,
    }
}

fn check_for_faraway_charset_in_headers(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let locales = context.options.text("ok_locales", "all");
    if super::locales::all(locales) {
        return Answered::Miss;
    }
    ["From:raw", "Subject:raw"]
        .iter()
        .any(|name| {
            context.header(name).list.iter().any(|value| {
                pattern!(r"=\?(.+?)\?.\?.*?\?=")
                    .captures_iter(value)
                    .any(|found| found.get(1).is_some_and(|charset| !super::locales::accept(&lossy(charset.as_bytes()), locales)))
            })
        })
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_that_names_its_reader_is_told_from_one_that_mentions_him() {
        for (subject, hit) in [
            ("joe\n", true),
            ("Joe, look\n", false),
            ("joe, look\n", true),
            ("joe - look\n", true),
            ("re: joe\n", true),
            ("Fw: dear joe\n", true),
            ("re: my dear joe\n", false),
            (", joe!\n", true),
            ("hello joe\n", false),
        ] {
            assert_eq!(names_user(subject.as_bytes(), b"joe"), hit, "{subject}");
        }
    }

    #[test]
    fn domains_are_compared_by_their_last_two_labels() {
        for (address, domain) in
            [("a@b.c.example.org", "example.org"), ("a@example.org", "example.org"), ("a@org", "org"), ("a", ""), ("a@x..org", "x..org")]
        {
            assert_eq!(second_level(address.as_bytes()), domain.as_bytes(), "{address}");
        }
    }
}
