//! Which store: options that all commands about it share.

use crate::bayes::Classifier;
use crate::service::{Config, state};
use crate::store::Trouble;
use std::path::PathBuf;

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
    pub classifier: Classifier,
    pub config: Config,
}

impl Place {
    pub fn folder(&self) -> PathBuf {
        state::folder(self.state.as_deref())
    }

    pub fn open(&self) -> Result<Open, String> {
        let config = Config::read(self.config.as_deref())
            .map_err(|complaints| complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nhamgate: "))?;
        let folder = self.folder();
        if config.bayes.store.is_empty() {
            state::make(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let classifier = Classifier::open(&config.bayes, &folder).map_err(|trouble| trouble.to_string())?;
        Ok(Open { classifier, config })
    }
}

/// For `map_err`.
pub fn told(trouble: Trouble) -> String {
    trouble.to_string()
}
