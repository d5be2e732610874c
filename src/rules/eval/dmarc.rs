//! DMARC (RFC 7489) and the Bayes classifier: rules over facts that others found out.

use super::perl::{bound, lossy, number};
use super::spf::border;
use super::{Accepts, Answered, Context, Needs, Row, ask_authentication, authentication, welcome};
use crate::facts::{Answer, Dmarc, DmarcPolicy, DmarcResult, DnsQuestion, DnsType, Question};
use crate::mail::domains::is_host_name;

pub(super) static ROWS: &[Row] = &[
    row("check_dmarc_pass", |c, _| over(c, |dmarc| dmarc.result == DmarcResult::Pass && dmarc.record_found)),
    row("check_dmarc_reject", |c, _| over(c, |dmarc| fails(dmarc, DmarcPolicy::Reject))),
    row("check_dmarc_quarantine", |c, _| over(c, |dmarc| fails(dmarc, DmarcPolicy::Quarantine))),
    row("check_dmarc_none", |c, _| over(c, |dmarc| fails(dmarc, DmarcPolicy::None) && dmarc.record_found)),
    Row { name: "check_dmarc_missing", plugin: "DMARC", accepts: Accepts::Head, needs: Needs::Asks(ask_missing), run: check_dmarc_missing },
    Row { name: "check_bayes", plugin: "Bayes", accepts: Accepts::Body, needs: Needs::Asks(ask_bayes), run: check_bayes },
];

const fn row(name: &'static str, run: super::Function) -> Row {
    Row { name, plugin: "DMARC", accepts: Accepts::Head, needs: Needs::Asks(ask_authentication), run }
}

fn fails(dmarc: &Dmarc, policy: DmarcPolicy) -> bool {
    dmarc.result == DmarcResult::Fail && dmarc.policy == policy
}

/// The domain that SpamAssassin takes for the author's, however the field is written; Mail::DMARC refuses others than those
/// below a known top-level domain.
fn author_domain(context: &Context<'_, '_>) -> Option<String> {
    let from = context.header("From:first:addr");
    let (_, domain) = lossy(from.list.first()?).rsplit_once('@').map(|(user, domain)| (user.to_owned(), domain.to_ascii_lowercase()))?;
    let domain = domain.trim().to_owned();
    (is_host_name(&domain) && context.reading.options.domains.is_valid(&domain)).then_some(domain)
}

/// No record; a look-up that failed says nothing. Where From names no single author, no result is given to anybody: for
/// this rule alone the records of the name that SpamAssassin would take are looked for.
fn check_dmarc_missing(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let Some(domain) = author_domain(context) else { return Answered::Miss };
    let questions = record_questions(context, &domain);
    over(context, |dmarc| match dmarc.result {
        DmarcResult::None | DmarcResult::Pass | DmarcResult::Fail => !dmarc.record_found,
        DmarcResult::PermError if dmarc.domain.is_empty() => questions.iter().all(|question| {
            let reply = context.facts.dns.get(question).and_then(Answer::known);
            reply.is_some_and(|reply| !reply.records.iter().any(|record| record.starts_with("v=DMARC1")))
        }),
        DmarcResult::TempError | DmarcResult::PermError => false,
    })
}

fn record_questions(context: &Context<'_, '_>, domain: &str) -> Vec<DnsQuestion> {
    let registered = context.reading.options.domains.trimmed(domain);
    let mut names = vec![domain];
    if registered != domain {
        names.push(&registered);
    }
    names.into_iter().map(|name| DnsQuestion { name: format!("_dmarc.{name}").into(), kind: DnsType::Txt }).collect()
}

fn ask_missing(context: &Context<'_, '_>, arguments: &[String]) -> Vec<Question> {
    let mut questions = ask_authentication(context, arguments);
    if let Some(Answer::Known(found)) = &context.facts.authentication
        && found.dmarc.result == DmarcResult::PermError
        && found.dmarc.domain.is_empty()
        && let Some(domain) = author_domain(context).filter(|_| context.network)
    {
        questions.extend(record_questions(context, &domain).into_iter().map(Question::Dns));
    }
    questions
}

fn over(context: &Context<'_, '_>, judge: impl FnOnce(&Dmarc) -> bool) -> Answered {
    let from = context.header("From:first:addr");
    if border(context).is_none() || !from.list.first().is_some_and(|address| address.contains(&b'@')) {
        return Answered::Miss;
    }
    match authentication(context) {
        Ok(Some(found)) => judge(&found.dmarc).into(),
        Ok(None) => Answered::Miss,
        Err(pending) => pending,
    }
}

fn uses_bayes(context: &Context<'_, '_>) -> bool {
    let is_left_out = || welcome::is_from(context, "bayes_ignore_from") || welcome::is_to(context, "bayes_ignore_to");
    context.bayes && ["use_learner", "use_bayes", "use_bayes_rules"].iter().all(|name| context.options.is_on(name, true)) && !is_left_out()
}

fn ask_bayes(context: &Context<'_, '_>, _: &[String]) -> Vec<Question> {
    if uses_bayes(context) { vec![Question::Bayes] } else { Vec::new() }
}

fn check_bayes(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    if !uses_bayes(context) {
        return Answered::Miss;
    }
    let probability = match &context.facts.bayes {
        None => return Answered::Pending,
        Some(Answer::Silent) => None,
        Some(Answer::Known(bayes)) => bayes.probability,
    };
    let least = arguments.first().map_or(0.0, |text| number(text));
    match probability {
        Some(p) if (least == 0.0 || p > least) && bound(arguments, 1).is_none_or(|most| p <= most) => {
            Answered::HitWith(1.0, format!("score: {p:.4}"))
        }
        _ => Answered::Miss,
    }
}
