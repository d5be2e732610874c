//! Where state lives: `--state`, else `/var/lib/hamgate` for root and the service user, else the user's own state folder.

use std::path::{Path, PathBuf};

const SYSTEM: &str = "/var/lib/hamgate";

/// The folder; it need not exist yet.
pub fn folder(given: Option<&Path>) -> PathBuf {
    if let Some(given) = given {
        return given.to_owned();
    }
    // systemd.exec(5), StateDirectory=.
    if let Some(systemd) = std::env::var_os("STATE_DIRECTORY") {
        return PathBuf::from(systemd);
    }
    if nix::unistd::geteuid().is_root() || Path::new(SYSTEM).is_dir() && nix::unistd::access(SYSTEM, nix::unistd::AccessFlags::W_OK).is_ok()
    {
        return PathBuf::from(SYSTEM);
    }
    // XDG Base Directory Specification: $XDG_STATE_HOME, else ~/.local/state.
    match (std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME")) {
        (Some(state), _) if !state.is_empty() => PathBuf::from(state).join("hamgate"),
        (_, Some(home)) => PathBuf::from(home).join(".local/state/hamgate"),
        (_, None) => PathBuf::from(SYSTEM),
    }
}

/// Makes the folder where it is missing, for us alone.
///
/// # Errors
/// The folder cannot be made.
pub fn make(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
