//! `hamgate rules`: where a rule is defined, where its score comes from, what it matches.

use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
    /// Folder or file of SpamAssassin rules in place of the built-in ones; may be given several times.
    #[arg(long, value_name = "DIR", global = true)]
    rules: Vec<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// All rules, one a line: name, type, scores.
    List,
    /// One rule: definition, score, description, what metas use it.
    Show { name: String },
}

pub fn run(_args: Args) -> ExitCode {
    ExitCode::from(2)
}
