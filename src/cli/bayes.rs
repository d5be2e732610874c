//! `hamgate bayes`: look after what the classifier learned, and measure it.

mod backup;
mod dump;
mod evaluate;
mod expire;
mod import;
mod place;
mod restore;
mod revert;
mod stats;

use clap::Subcommand;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How much was learned, in the lines of `sa-learn --dump magic`.
    Stats(stats::Args),
    /// Every token with its counts, or the journal of lessons.
    Dump(dump::Args),
    /// Copy everything to a file, while others read and write.
    Backup(backup::Args),
    /// Put a backup in place of everything that is there.
    Restore(restore::Args),
    /// Take over what `sa-learn --backup` wrote.
    Import(import::Args),
    /// Drop the tokens not seen for the longest time.
    Expire(expire::Args),
    /// Take back what a source taught, or what was learned since a time.
    Revert(revert::Args),
    /// Measure the classifier on sorted mail, in memory; the site's database is never opened.
    Evaluate(evaluate::Args),
}

pub fn run(args: Args) -> ExitCode {
    let done = match args.command {
        Command::Stats(args) => stats::run(&args),
        Command::Dump(args) => dump::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Expire(args) => expire::run(&args),
        Command::Revert(args) => revert::run(&args),
        Command::Evaluate(args) => return evaluate::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("hamgate: {why}");
            ExitCode::FAILURE
        }
    }
}
