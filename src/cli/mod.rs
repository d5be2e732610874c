//! Subcommands, one file each.

use std::ffi::OsString;
use std::process::ExitCode;

/// Exit status: 0 done, 1 the answer is "no" or some input failed, 2 wrong use.
pub fn run(_args: impl IntoIterator<Item = OsString>) -> ExitCode {
    ExitCode::from(2)
}
