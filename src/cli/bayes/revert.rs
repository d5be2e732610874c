//! `hamgate bayes revert`: takes back what a source taught, or what was learned since a time.

use super::place::{Place, told};
use crate::base::units::parse_duration;
use crate::store::Which;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(true).args(["since", "source"])))]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// Lessons since then: `2026-11-26`, `2026-11-26T02:00:00Z`, or how long ago: `"2 days"`.
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<u64>,
    /// Lessons of this source: train:LOGIN, auto …, as `hamgate bayes dump --lessons` shows them.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

pub fn run(args: &Args) -> Result<(), String> {
    let open = args.place.open()?;
    let which = Which { since: args.since, source: args.source.clone() };
    let taken = open.store.revert(&which).map_err(told)?;
    println!("{taken} messages taken back");
    Ok(())
}

/// Seconds since 1970.
fn since(text: &str) -> Result<u64, String> {
    if let Ok(ago) = parse_duration(text) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        return Ok(now.saturating_sub(ago.as_secs()));
    }
    let whole = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    let time = mail_parser::DateTime::parse_rfc3339(&whole).filter(mail_parser::DateTime::is_valid);
    time.and_then(|time| u64::try_from(time.to_timestamp()).ok())
        .ok_or_else(|| "give a date (2026-11-26), a time (2026-11-26T02:00:00Z), or how long ago (\"2 days\")".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_or_how_long_ago() {
        assert_eq!(since("1970-01-03"), Ok(172_800));
        assert_eq!(since("1970-01-01T01:00:00Z"), Ok(3_600));
        assert!(since("2 days").unwrap() > 1_700_000_000);
        assert!(since("yesterday").is_err());
    }
}
