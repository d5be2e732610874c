//! `hamgate bayes expire`: drops tokens not seen for the longest time.

use super::place::{Place, Whose, told};
use crate::scan::classifier;
use crate::service::rule_files;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    whose: Whose,
    /// Tokens that stay (default: bayes_expiry_max_db_size of rule files, else most_tokens of [bayes]).
    #[arg(long, value_name = "N")]
    keep: Option<u64>,
}

pub fn run(args: &Args) -> Result<(), String> {
    let open = args.place.open()?;
    let whose = args.whose.classifier(&open.config)?;
    let usual = || {
        let (set, _) = rule_files::load_all(&open.config);
        classifier::kept(&open.config.bayes, &set.options).unwrap_or(open.config.bayes.most_tokens)
    };
    let keep = args.keep.unwrap_or_else(usual);
    let expired = open.store.expire(&whose, keep).map_err(told)?;
    println!("{} tokens dropped, {} stay", expired.removed, expired.kept);
    Ok(())
}
