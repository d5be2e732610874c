//! Which store: options that all commands about it share.

use crate::service::{Config, state};
use crate::store::{self, Tokens, Trouble};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Clone, Debug, Default, clap::Args)]
pub struct Place {
    /// The configuration file, in place of /etc/hamgate/hamgate.toml (which may be missing).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where state lives, in place of /var/lib/hamgate.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// A store that is open.
pub struct Open {
    pub store: Arc<dyn Tokens>,
    pub config: Config,
}

impl Place {
    pub fn folder(&self) -> PathBuf {
        state::folder(self.state.as_deref())
    }

    /// Whatever rules made its tokens.
    pub fn open(&self) -> Result<Open, String> {
        let config = Config::read(self.config.as_deref())
            .map_err(|complaints| complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nhamgate: "))?;
        let folder = self.folder();
        let place = if config.bayes.store.is_empty() {
            state::make(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            folder.display().to_string()
        } else {
            config.bayes.store.clone()
        };
        Ok(Open { store: store::open(&place).map_err(told)?, config })
    }
}

/// For `map_err`.
pub fn told(trouble: Trouble) -> String {
    trouble.to_string()
}
