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
    let store = open.classifier.store();
    let before = store.key().map_err(told)?;
    store.restore(&args.from).map_err(told)?;
    let (totals, _) = store.counts("", &[]).map_err(told)?;
    println!("restored: {} spam and {} ham learned", totals.spam, totals.ham);
    if store.key().map_err(told)? != before {
        println!("the key is another one now: run `hamgate reload` where the daemon runs");
    }
    Ok(())
}
