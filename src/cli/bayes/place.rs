//! Which store: options that all commands about it share.

use crate::service::{Config, learning, state};
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

/// Whose classifier is looked at.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Whose {
    /// A user's classifier (per_user in [learn]), by name or address, in place of the site's.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

impl Whose {
    /// Nobody was named.
    pub fn is_everybody(&self) -> bool {
        self.user.is_none()
    }

    /// Its name in the store; `""`: the site's.
    pub fn classifier(&self, config: &Config) -> Result<Arc<str>, String> {
        match &self.user {
            Some(_) if !config.learn.per_user => Err("users have classifiers only where per_user in [learn] is on".to_owned()),
            Some(user) => learning::classifier_of(config, user).map_err(|mistakes| mistakes.join("\nhamgate: ")),
            None => Ok(Arc::from("")),
        }
    }
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
