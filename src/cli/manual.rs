//! `hamgate man FOLDER`: hamgate(1) and a page for each command, from the same text as `--help`.

use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the pages go, such as /usr/local/share/man/man1.
    folder: PathBuf,
}

pub fn run(args: Args) -> ExitCode {
    let written = std::fs::create_dir_all(&args.folder).and_then(|()| clap_mangen::generate_to(super::command(), &args.folder));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hamgate: {}: {error}; name a folder that you may write to", args.folder.display());
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_command_has_a_page() {
        let folder = std::env::temp_dir().join(format!("hamgate-man-{}", std::process::id()));
        super::run(super::Args { folder: folder.clone() });
        let mut command = crate::cli::command();
        command.build();
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            let page = std::fs::read_to_string(folder.join(format!("hamgate-{}.1", below.get_name()))).unwrap_or_default();
            assert!(page.contains(".TH"), "{}", below.get_name());
        }
        let _ = std::fs::remove_dir_all(&folder);
    }
}
