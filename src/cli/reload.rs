//! `hamgate reload`: the running daemon builds anew and swaps, or keeps the old and says why.

use crate::service::{control, state};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The state folder of the daemon, in place of /var/lib/hamgate.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

pub fn run(args: Args) -> ExitCode {
    let state = state::folder(args.state.as_deref());
    match control::ask_reload(&state) {
        Ok(Ok(line)) => {
            println!("{}", line.trim_end());
            ExitCode::SUCCESS
        }
        Ok(Err(reasons)) => {
            eprintln!("hamgate: not reloaded, the old configuration stays in force:\n{}", reasons.trim_end());
            ExitCode::FAILURE
        }
        Err(error) => {
            let path = control::path(&state);
            eprintln!("hamgate: no daemon answers at {} ({error}): is it running, and with this --state?", path.display());
            ExitCode::FAILURE
        }
    }
}
