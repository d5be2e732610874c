//! DMARC (RFC 7489) and the Bayes classifier: rules over facts that others found out.

use super::perl::{bound, number};
use super::spf::border;
use super::{Accepts, Answered, Context, Needs, Row, ask_authentication, authentication};
use crate::facts::{Answer, Dmarc, DmarcPolicy, DmarcResult, Question};

pub(super) static ROWS: &[Row] = &[
    row("check_dmarc_pass", |c, _| over(c, |dmarc| dmarc.result == DmarcResult::Pass && dmarc.record_found)),
    row("check_dmarc_reject", |c, _| over(c, |dmarc| fails(dmarc, DmarcPolicy::Reject))),
    row("check_dmarc_quarantine", |c, _| over(c, |dmarc| fails(dmarc, DmarcPolicy::Quarantine))),
    row("check_dmarc_none", |c, _| over(c, |dmarc| fails(dmarc, DmarcPolicy::None) && dmarc.record_found)),
    row("check_dmarc_missing", |c, _| over(c, is_missing)),
    Row { name: "check_bayes", plugin: "Bayes", accepts: Accepts::Body, needs: Needs::Asks(ask_bayes), run: check_bayes },
];

const fn row(name: &'static str, run: super::Function) -> Row {
    Row { name, plugin: "DMARC", accepts: Accepts::Head, needs: Needs::Asks(ask_authentication), run }
}

fn fails(dmarc: &Dmarc, policy: DmarcPolicy) -> bool {
    dmarc.result == DmarcResult::Fail && dmarc.policy == policy
}

/// No record; a look-up that failed says nothing.
fn is_missing(dmarc: &Dmarc) -> bool {
    match dmarc.result {
        DmarcResult::None | DmarcResult::Pass | DmarcResult::Fail => !dmarc.record_found,
        DmarcResult::TempError | DmarcResult::PermError => false,
    }
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
    context.bayes && ["use_learner", "use_bayes", "use_bayes_rules"].iter().all(|name| context.options.is_on(name, true))
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
