//! Accounts whose sending is not like them: the volume of a day against the account's own habit.

use super::keys::Secret;
use super::settings::AccountSettings;
use crate::store::{Pace, Trouble};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An alarm of one account is given at most this often.
const QUIET: Duration = Duration::from_secs(60);
/// Accounts whose last alarm is remembered.
const ACCOUNTS: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alarm {
    /// Recipients of today, and of a usual day.
    pub today: u64,
    pub usual: f64,
}

pub struct Accounts {
    pub settings: AccountSettings,
    store: Arc<dyn Pace>,
    secret: Secret,
    told: Mutex<HashMap<String, Instant>>,
}

impl Accounts {
    pub fn new(settings: AccountSettings, store: Arc<dyn Pace>) -> Accounts {
        Accounts { settings, store, secret: Secret::default(), told: Mutex::default() }
    }

    /// Counts what an account sends; an alarm where that is not like it, at most once a minute. Blocks.
    ///
    /// # Errors
    /// The store is away.
    pub fn sent(&self, login: &str, recipients: u64, unix: u64) -> Result<Option<Alarm>, Trouble> {
        let login = login.to_lowercase();
        let hashes = self.secret.of(&*self.store)?;
        let habit = self.store.habit(&hashes.key("account", &login), recipients, unix / 86_400)?;
        let factor = self.settings.factor.max(1);
        // An account without a past is measured by what never gives an alarm.
        let usual = if habit.mean > 0.0 { habit.mean } else { self.settings.least as f64 };
        let bound = (usual * factor as f64).max(self.settings.least as f64);
        if (habit.today as f64) <= bound {
            return Ok(None);
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| at.elapsed() < QUIET);
        if told.contains_key(&login) || told.len() >= ACCOUNTS {
            return Ok(None);
        }
        told.insert(login, Instant::now());
        Ok(Some(Alarm { today: habit.today, usual: habit.mean }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_is_not_itself_gives_one_alarm_a_minute() {
        let store = crate::pace::greylist::tests::store("habit");
        let accounts = Accounts::new(AccountSettings::default(), store.store.clone());
        for day in 100..110 {
            assert_eq!(accounts.sent("ann", 20, day * 86_400).unwrap(), None);
        }
        let alarms: Vec<Alarm> = (0..500).filter_map(|_| accounts.sent("Ann", 1, 110 * 86_400).unwrap()).collect();
        assert_eq!(alarms.len(), 1);
        assert_eq!(alarms[0].today, 101);
        // A new account, and one with little to do.
        assert!((0..250).all(|_| accounts.sent("new", 1, 110 * 86_400).unwrap().is_none()));
        assert!(accounts.sent("new", 1, 110 * 86_400).unwrap().is_some());
    }
}
