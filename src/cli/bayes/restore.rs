//! `hamgate bayes restore`: what a backup holds in place of all that is there, while others read.

use super::place::{Place, told};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// The file that `hamgate bayes backup` wrote; its key stands beside it.
    #[arg(value_name = "FILE")]
    from: PathBuf,
}

pub fn run(args: &Args) -> Result<(), String> {
    let open = args.place.open()?;
    let store = &open.store;
    // A key that is lost is no reason to refuse: the backup brings its own.
    let before = store.key().ok();
    store.restore(&args.from).map_err(told)?;
    let (totals, _) = store.counts("", &[]).map_err(told)?;
    println!("restored: {} spam and {} ham learned", totals.spam, totals.ham);
    if before != Some(store.key().map_err(told)?) {
        println!("the key is another one now: run `hamgate reload` where the daemon runs");
    }
    let rules = store.rules().map_err(told)?;
    if let Some(rules) = rules.filter(|rules| rules != open.config.bayes.tokens.name()) {
        println!("this was learned with other token rules: write tokens = \"{rules}\" below [bayes], or nobody asks it");
    }
    Ok(())
}
