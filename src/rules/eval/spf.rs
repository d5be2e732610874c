//! SPF: results of RFC 7208 for the envelope sender and HELO, from fields that our own relays wrote or from facts.

use super::perl::{lossy, pattern};
use super::{Accepts, Answered, Context, Needs, Row, authentication, local};
use crate::facts::{Question, Spf, SpfResult};
use crate::mail::Relay;

pub(super) static ROWS: &[Row] = &[
    row("check_for_spf_pass", |c, _| sender_is(c, SpfResult::Pass)),
    row("check_for_spf_neutral", |c, _| sender_is(c, SpfResult::Neutral)),
    row("check_for_spf_none", |c, _| sender_is(c, SpfResult::None)),
    row("check_for_spf_fail", |c, _| sender_is(c, SpfResult::Fail)),
    row("check_for_spf_softfail", |c, _| sender_is(c, SpfResult::SoftFail)),
    row("check_for_spf_permerror", |c, _| sender_is(c, SpfResult::PermError)),
    row("check_for_spf_temperror", |c, _| sender_is(c, SpfResult::TempError)),
    row("check_for_spf_helo_pass", |c, _| helo_is(c, SpfResult::Pass)),
    row("check_for_spf_helo_neutral", |c, _| helo_is(c, SpfResult::Neutral)),
    row("check_for_spf_helo_none", |c, _| helo_is(c, SpfResult::None)),
    row("check_for_spf_helo_fail", |c, _| helo_is(c, SpfResult::Fail)),
    row("check_for_spf_helo_softfail", |c, _| helo_is(c, SpfResult::SoftFail)),
    row("check_for_spf_helo_permerror", |c, _| helo_is(c, SpfResult::PermError)),
    row("check_for_spf_helo_temperror", |c, _| helo_is(c, SpfResult::TempError)),
    listed("check_for_spf_welcomelist_from", |c, _| welcome(c, WELCOME)),
    listed("check_for_spf_whitelist_from", |c, _| welcome(c, WELCOME)),
    listed("check_for_def_spf_welcomelist_from", |c, _| welcome(c, DEFAULT_WELCOME)),
    listed("check_for_def_spf_whitelist_from", |c, _| welcome(c, DEFAULT_WELCOME)),
    local("check_spf_skipped_noenvfrom", "SPF", Accepts::Head, |c, _| sender(c).is_none().into()),
];

const WELCOME: [&str; 2] = ["welcomelist_from_spf", "welcomelist_auth"];
const DEFAULT_WELCOME: [&str; 2] = ["def_welcomelist_from_spf", "def_welcomelist_auth"];

const fn row(name: &'static str, run: super::Function) -> Row {
    Row { name, plugin: "SPF", accepts: Accepts::Head, needs: Needs::Asks(super::ask_authentication), run }
}

const fn listed(name: &'static str, run: super::Function) -> Row {
    Row { name, plugin: "SPF", accepts: Accepts::Head, needs: Needs::Asks(ask_for_listed), run }
}

/// A sender that no list names needs no look-up.
fn ask_for_listed(context: &Context<'_, '_>, arguments: &[String]) -> Vec<Question> {
    if is_listed(context, WELCOME) || is_listed(context, DEFAULT_WELCOME) {
        super::ask_authentication(context, arguments)
    } else {
        Vec::new()
    }
}

/// Results for sender and HELO that a Received-SPF (RFC 7208 §9.1) or Authentication-Results (RFC 8601) field of one of
/// our own relays gives.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    sender: Option<SpfResult>,
    helo: Option<SpfResult>,
}

fn written(context: &Context<'_, '_>) -> Written {
    *context.memo.written_spf.get_or_init(|| {
        let mut found = Written::default();
        if context.options.is_on("ignore_received_spf_header", false) {
            return found;
        }
        let fields = context.header("ALL-INTERNAL");
        let mut lines: Vec<&[u8]> = fields.list.iter().flat_map(|text| text.split(|octet| *octet == b'\n')).collect();
        // The oldest field is nearest to the border.
        if !context.options.is_on("use_newest_received_spf_header", false) {
            lines.reverse();
        }
        for line in lines {
            let Some((result, identity)) = received_spf(line).or_else(|| authentication_results(line)) else { continue };
            match identity.as_str() {
                "" | "mfrom" | "mailfrom" => found.sender = found.sender.or(Some(result)),
                "helo" => found.helo = found.helo.or(Some(result)),
                _ => {}
            }
        }
        found
    })
}

fn received_spf(line: &[u8]) -> Option<(SpfResult, String)> {
    let found = pattern!(r"(?i)^received-spf:\s*(pass|neutral|(?:soft)?fail|(?:temp|perm)error|none)\b(?:.*\bidentity=(\S+?);?\b)?")
        .captures(line)?;
    result_and_identity(&found)
}

fn authentication_results(line: &[u8]) -> Option<(SpfResult, String)> {
    let found = pattern!(r"(?i)^(?:Arc-)?Authentication-Results:.*;\s*SPF\s*=\s*([^;]*)").captures(line)?;
    let rest = found.get(1)?.as_bytes();
    let found =
        pattern!(r"(?i)^(pass|neutral|(?:hard|soft)?fail|(?:temp|perm)error|none)(?:[^;]*?\bsmtp\.(\S+)\s*=[^;]+)?").captures(rest)?;
    result_and_identity(&found)
}

fn result_and_identity(found: &regex::bytes::Captures<'_>) -> Option<(SpfResult, String)> {
    let part = |at: usize| found.get(at).map_or_else(String::new, |group| lossy(group.as_bytes()).to_ascii_lowercase());
    let result = match part(1).as_str() {
        "pass" => SpfResult::Pass,
        "neutral" => SpfResult::Neutral,
        "none" => SpfResult::None,
        "fail" | "hardfail" => SpfResult::Fail,
        "softfail" => SpfResult::SoftFail,
        "temperror" => SpfResult::TempError,
        "permerror" => SpfResult::PermError,
        _ => return None,
    };
    Some((result, part(2)))
}

/// The relay that handed the message to us.
pub(super) fn border<'c>(context: &'c Context<'_, '_>) -> Option<&'c Relay> {
    let relays = context.reading.relays();
    relays.external.first().and_then(|at| relays.all.get(*at))
}

/// The envelope sender as the border saw it; `None` where it cannot be known, as a trusted relay may have changed it.
fn sender(context: &Context<'_, '_>) -> Option<String> {
    if let Some(known) = border(context).and_then(|relay| relay.envfrom.as_ref()) {
        return Some(known.to_ascii_lowercase());
    }
    if !context.reading.relays().trusted.is_empty() && !context.reading.options.always_trust_envelope_sender {
        return None;
    }
    let field = context.header("EnvelopeFrom:addr");
    field.is_present().then(|| lossy(field.text()).to_ascii_lowercase())
}

fn judged(
    context: &Context<'_, '_>,
    written: Option<SpfResult>,
    applies: bool,
    wanted: SpfResult,
    of: fn(&crate::facts::Authentication) -> &Spf,
) -> Answered {
    if let Some(result) = written {
        return (result == wanted).into();
    }
    if !applies {
        return Answered::Miss;
    }
    match authentication(context) {
        Ok(None) => Answered::Miss,
        Ok(Some(found)) => {
            let spf = of(found);
            match (spf.result == wanted, wanted) {
                (false, _) => Answered::Miss,
                (true, SpfResult::Fail) => Answered::HitWith(1.0, format!("SPF failed: {}", spf.reason)),
                (true, _) => Answered::Hit(1.0),
            }
        }
        Err(pending) => pending,
    }
}

fn sender_is(context: &Context<'_, '_>, wanted: SpfResult) -> Answered {
    // SpamAssassin leaves the null sender alone.
    let applies = border(context).is_some() && sender(context).is_some_and(|sender| !sender.is_empty());
    judged(context, written(context).sender, applies, wanted, |found| &found.spf_mail_from)
}

fn helo_is(context: &Context<'_, '_>, wanted: SpfResult) -> Answered {
    let is_name = |helo: &str| helo.contains('.') && !pattern!(r"^[\[!]?\d+\.\d+\.\d+\.\d+[\]!]?$").is_match(helo.as_bytes());
    let applies = border(context).is_some_and(|relay| is_name(&relay.helo));
    judged(context, written(context).helo, applies, wanted, |found| &found.spf_helo)
}

fn is_listed(context: &Context<'_, '_>, lists: [&str; 2]) -> bool {
    let lists = || lists.iter().filter_map(|name| context.options.lists.get(*name)).filter(|list| !list.is_empty());
    lists().next().is_some() && sender(context).is_some_and(|sender| !sender.is_empty() && lists().any(|list| list.covers(&sender)))
}

fn welcome(context: &Context<'_, '_>, lists: [&str; 2]) -> Answered {
    if is_listed(context, lists) { sender_is(context, SpfResult::Pass) } else { Answered::Miss }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_our_own_relays_are_read() {
        for (line, result) in [
            ("Received-SPF: pass (example.org: ok) identity=mfrom; helo=x", Some((SpfResult::Pass, "mfrom"))),
            ("received-spf:  softfail (x) identity=helo;", Some((SpfResult::SoftFail, "helo"))),
            ("Received-SPF: perhaps", None),
            ("Authentication-Results: mx; SPF=hardfail smtp.mailfrom=example.org (x)", Some((SpfResult::Fail, "mailfrom"))),
            ("Authentication-Results: mx; spf=none", Some((SpfResult::None, ""))),
            ("Authentication-Results: mx; dkim=pass", None),
        ] {
            let found = received_spf(line.as_bytes()).or_else(|| authentication_results(line.as_bytes()));
            assert_eq!(found, result.map(|(result, identity)| (result, identity.to_owned())), "{line}");
        }
    }
}
