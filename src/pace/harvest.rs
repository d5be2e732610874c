//! Directory harvest: who tries many recipients that do not exist is sent away.

use super::keys::Secret;
use super::settings::HarvestSettings;
use crate::outcome::Reply;
use crate::store::windows::Draw;
use crate::store::{Pace, Trouble};
use std::net::IpAddr;
use std::sync::Arc;

pub struct Harvest {
    pub settings: HarvestSettings,
    store: Arc<dyn Pace>,
    secret: Secret,
}

impl Harvest {
    pub fn new(settings: HarvestSettings, store: Arc<dyn Pace>) -> Harvest {
        Harvest { settings, store, secret: Secret::default() }
    }

    /// Refused recipients of this client within the span, `amount` new ones counted in. Blocks.
    fn count(&self, ip: IpAddr, amount: u64, now: u64) -> Result<u64, Trouble> {
        let hashes = self.secret.of(&*self.store)?;
        // Counted on beyond the limit: who goes on trying does not get in again.
        let most = u64::MAX >> 16;
        let draw = Draw { key: hashes.key("harvest", &ip.to_string()), span: self.settings.per.0, most, amount, binding: false };
        let held = self.store.draw(&[draw], now)?;
        Ok(held.first().copied().unwrap_or_default() + amount)
    }

    /// The mail server refused a recipient of this client; how many that makes.
    ///
    /// # Errors
    /// The store is away.
    pub fn refused(&self, ip: IpAddr, now: u64) -> Result<u64, Trouble> {
        self.count(ip, 1, now)
    }

    /// How many recipients of this client were refused within the span.
    ///
    /// # Errors
    /// The store is away.
    pub fn refused_of_late(&self, ip: IpAddr, now: u64) -> Result<u64, Trouble> {
        self.count(ip, 0, now)
    }

    /// How many recipients were refused, where that is too many.
    ///
    /// # Errors
    /// The store is away.
    pub fn is_barred(&self, ip: IpAddr, now: u64) -> Result<Option<u64>, Trouble> {
        self.count(ip, 0, now).map(|count| Some(count).filter(|count| *count >= self.settings.most))
    }

    pub fn reply(&self) -> Reply {
        Reply { code: 421, status: "4.7.1".to_owned(), text: "too many unknown recipients, closing connection".to_owned() }
    }
}
