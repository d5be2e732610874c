//! `hamgate bayes expire`: drops tokens not seen for the longest time.

use super::place::{Place, told};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// Tokens that stay (default: most_tokens of [bayes]).
    #[arg(long, value_name = "N")]
    keep: Option<u64>,
}

pub fn run(args: &Args) -> Result<(), String> {
    let open = args.place.open()?;
    let keep = args.keep.unwrap_or(open.config.bayes.most_tokens);
    let expired = open.classifier.store().expire("", keep).map_err(told)?;
    println!("{} tokens dropped, {} stay", expired.removed, expired.kept);
    Ok(())
}
