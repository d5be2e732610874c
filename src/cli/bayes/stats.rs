//! `hamgate bayes stats`: how much was learned, in the lines of `sa-learn --dump magic`.

use super::place::{Place, Whose, told};

/// Seconds of a day: the store keeps days.
const DAY: u64 = 86_400;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    whose: Whose,
}

pub fn run(args: &Args) -> Result<(), String> {
    let open = args.place.open()?;
    let whose = args.whose.classifier(&open.config)?;
    let store = &open.store;
    let (totals, _) = store.counts(&whose, &[]).map_err(told)?;
    let (mut tokens, mut oldest, mut newest) = (0u64, u32::MAX, 0u32);
    let each = &mut |_, _, day: u32| {
        tokens += 1;
        oldest = oldest.min(day);
        newest = newest.max(day);
    };
    store.rows(&whose, each).map_err(told)?;
    let oldest = if tokens == 0 { 0 } else { oldest };
    let expiry = store.last_expiry(&whose).map_err(told)?.unwrap_or_default();
    let rows = [
        (3, "bayes db version"),
        (totals.spam, "nspam"),
        (totals.ham, "nham"),
        (tokens, "ntokens"),
        (u64::from(oldest) * DAY, "oldest atime"),
        (u64::from(newest) * DAY, "newest atime"),
        (0, "last journal sync atime"),
        (expiry.at, "last expiry atime"),
        (expiry.days * DAY, "last expire atime delta"),
        (expiry.removed, "last expire reduction count"),
    ];
    for (value, name) in rows {
        println!("0.000 {:10} {value:10} {:10}  non-token data: {name}", 0, 0);
    }
    Ok(())
}
