//! `hamgate bayes`: look after what the classifier learned, and measure it.

mod evaluate;

use clap::Subcommand;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure the classifier on sorted mail, in memory; the site's database is never opened.
    Evaluate(evaluate::Args),
}

pub fn run(args: Args) -> ExitCode {
    match args.command {
        Command::Evaluate(args) => evaluate::run(&args),
    }
}
