//! Directory harvest as a rule sees it: recipients of this client that the mail server has refused of late.

use super::{Accepts, Answered, Context, Row, local};
use crate::mail::{Arrival, Envelope};

pub(super) static ROWS: &[Row] = &[local("check_refused_recipients", "RelayEval", Accepts::Any, check_refused_recipients)];

/// `check_refused_recipients('3')`: three or more. Counted where `[harvest]` is on; of delivered mail nothing is known.
fn check_refused_recipients(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let least = arguments.first().and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
    let refused = match context.reading.arrival {
        Arrival::Live(live) => live.1.macros.get(Envelope::REFUSED).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0),
        Arrival::FromFields | Arrival::Sender(_) => 0,
    };
    (refused >= least.max(1)).into()
}
