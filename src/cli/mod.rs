//! Subcommands, one file each: a file with its `Args` and `run`, and one row in `Command`.

pub mod auth;
pub mod bayes;
pub mod check;
mod delivered;
pub mod dkim;
mod dns;
pub mod engine;
pub mod explain;
pub mod greylist;
pub mod inputs;
pub mod lists;
mod manual;
pub mod parts;
mod reload;
pub mod report;
pub mod rules;
mod rules_test;
pub mod scan;
pub mod serve;
mod train;

use clap::{CommandFactory, Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

/// Mail filter for Postfix and Sendmail: SpamAssassin's rules, authentication, Bayes, and a reason for every point.
#[derive(Debug, Parser)]
#[command(name = "hamgate", version, disable_help_subcommand = false, arg_required_else_help = true)]
struct Hamgate {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What SPF, DKIM, DMARC and ARC say of a client, a message or a domain.
    Auth(auth::Args),
    /// What the classifier learned: look, keep, measure.
    Bayes(bayes::Args),
    /// Serve mail servers: the milter.
    Serve(serve::Args),
    /// Have the running daemon build anew from its files.
    Reload(reload::Args),
    /// DKIM keys: make, test, sign, verify.
    Dkim(dkim::Args),
    /// Lint configuration and rules: every mistake with file, line and remedy.
    Check(check::Args),
    /// Greylisting: who waits, let them in, take over from postgrey.
    Greylist(greylist::Args),
    /// Every point of a verdict: the rule, where it stands, what it matched.
    Explain(explain::Args),
    /// Write the manual pages of all commands into a folder.
    Man(manual::Args),
    /// What others tell about our mail.
    /// The health of DNS lists.
    Lists(lists::Args),
    /// What others tell about our mail, and what checks under observation would have done.
    Report(report::Args),
    /// List rules, show where one is defined and scored, or try a file of rules on messages.
    Rules(rules::Args),
    /// Score messages.
    Scan(scan::Args),
    /// Teach the classifier spam and wanted mail, or have it forget.
    Train(train::Args),
}

/// Exit status: 0 done, 1 the answer is "no" or some input failed, 2 wrong use.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let parsed = match Hamgate::try_parse_from(args) {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version go to standard output and succeed; wrong use goes to standard error.
            let wrong = error.use_stderr();
            let _ = error.print();
            return ExitCode::from(if wrong { 2 } else { 0 });
        }
    };
    match parsed.command {
        Command::Auth(args) => auth::run(args),
        Command::Dkim(args) => dkim::run(args),
        Command::Bayes(args) => bayes::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Reload(args) => reload::run(args),
        Command::Check(args) => check::run(args),
        Command::Greylist(args) => greylist::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Man(args) => manual::run(args),
        Command::Lists(args) => lists::run(args),
        Command::Report(args) => report::run(args),
        Command::Rules(args) => rules::run(args),
        Command::Scan(args) => scan::run(args),
        Command::Train(args) => train::run(args),
    }
}

/// The whole command line, for manual pages and the test that walks it.
pub fn command() -> clap::Command {
    Hamgate::command()
}
