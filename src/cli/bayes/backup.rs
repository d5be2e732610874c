//! `hamgate bayes backup`: a copy of the database and its key, while others read and write.

use super::place::{Place, told};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// The copy; the key stands beside it, in a file that ends in .key. Neither may exist yet.
    #[arg(value_name = "FILE")]
    to: PathBuf,
}

pub fn run(args: &Args) -> Result<(), String> {
    let open = args.place.open()?;
    open.store.backup(&args.to).map_err(told)?;
    println!("{} and its key, {}: keep them apart from each other", args.to.display(), args.to.with_extension("key").display());
    Ok(())
}
