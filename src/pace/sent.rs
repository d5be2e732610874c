//! Message-IDs of the mail that ours send, so that a bounce of it can be told from one of mail that a forger sent in our name.
//!
//! Only keyed hashes are kept, each as a window of the store that empties by itself.

use super::keys::{Hashes, Secret};
use crate::base::Span;
use crate::store::windows::Draw;
use crate::store::{Pace, Trouble};
use std::sync::Arc;

crate::settings! {
    /// Forged bounces: the Message-IDs of mail sent by those who logged in and by trusted networks are remembered as keyed hashes,
    /// and rules are told whether a bounce quotes one of them (`bounce_of_our_mail()`, `bounce_of_foreign_mail()`).
    pub struct BounceSettings in "bounces" {
        /// Remember what is sent. All mail of our domains must leave through this daemon, or others that share its store.
        pub remember: bool = "false",
        /// For how long. Queues give up after about five days; nothing is called foreign before mail was remembered for so long.
        pub keep: Span = "\"14 days\"",
        /// Messages of one day that are remembered; beyond it nothing is called foreign until they are forgotten.
        pub most_a_day: u64 = "200000",
    }
}

/// Milliseconds.
const DAY: u64 = 86_400_000;
/// Postfix's maximal_queue_lifetime, Sendmail's Timeout.queuereturn: later bounces are rare.
const QUEUE_DAYS: u64 = 5;

/// What a bounce is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounced {
    /// Mail that we sent.
    Ours,
    /// Mail that was never sent by us.
    Foreign,
    /// It quotes nothing, or too little is remembered.
    Unknown,
}

impl Bounced {
    pub fn word(self) -> &'static str {
        match self {
            Bounced::Ours => "ours",
            Bounced::Foreign => "foreign",
            Bounced::Unknown => "unknown",
        }
    }
}

pub struct Sent {
    settings: BounceSettings,
    store: Arc<dyn Pace>,
    secret: Secret,
}

impl Sent {
    pub fn new(settings: BounceSettings, store: Arc<dyn Pace>) -> Sent {
        Sent { settings, store, secret: Secret::default() }
    }

    /// Whether the id is one, without counting anything.
    fn window(&self, hashes: &Hashes, id: &str, amount: u64) -> Draw {
        Draw { key: hashes.key("sent", id), span: self.settings.keep.0, most: 1, amount, binding: false }
    }

    /// How much was sent on a day.
    fn day(&self, hashes: &Hashes, day: u64, amount: u64) -> Draw {
        let key = hashes.key("sent on", &day.to_string());
        Draw { key, span: self.settings.keep.0, most: self.settings.most_a_day, amount, binding: true }
    }

    /// One of ours sends a message of this id. `now` is in milliseconds since 1970. Blocks.
    ///
    /// # Errors
    /// The store is away.
    pub fn remember(&self, id: &str, now: u64) -> Result<(), Trouble> {
        let hashes = self.secret.of(&*self.store)?;
        let draws = [self.day(&hashes, now / DAY, 1), self.window(&hashes, id, 1)];
        let held = self.store.draw(&draws, now)?;
        if held.first().is_some_and(|held| *held >= self.settings.most_a_day) {
            // Told by a window of its own: what was not remembered may come back.
            let over = Draw { key: hashes.key("sent", "too much"), span: self.settings.keep.0, most: 1, amount: 1, binding: false };
            self.store.draw(&[over], now)?;
        }
        Ok(())
    }

    /// What a bounce is about that sends back `quoted` and refers to `others`. Blocks.
    ///
    /// # Errors
    /// The store is away.
    pub fn judge(&self, quoted: &[String], others: &[String], now: u64) -> Result<Bounced, Trouble> {
        if quoted.is_empty() && others.is_empty() {
            return Ok(Bounced::Unknown);
        }
        let hashes = self.secret.of(&*self.store)?;
        let ids: Vec<Draw> = quoted.iter().chain(others).map(|id| self.window(&hashes, id, 0)).collect();
        if self.store.draw(&ids, now)?.iter().any(|held| *held > 0) {
            return Ok(Bounced::Ours);
        }
        if quoted.is_empty() {
            return Ok(Bounced::Unknown);
        }
        let over = Draw { key: hashes.key("sent", "too much"), span: self.settings.keep.0, most: 1, amount: 0, binding: false };
        let keep = u64::try_from(self.settings.keep.0.as_millis()).unwrap_or(u64::MAX) / DAY;
        let today = now / DAY;
        let long_ago = QUEUE_DAYS.min(keep)..keep.clamp(QUEUE_DAYS, 366) + 1;
        let days = long_ago.map(|ago| self.day(&hashes, today.saturating_sub(ago), 0));
        let held = self.store.draw(&std::iter::once(over).chain(days).collect::<Vec<_>>(), now)?;
        match held.split_first() {
            Some((0, days)) if days.iter().any(|sent| *sent > 0) => Ok(Bounced::Foreign),
            Some(_) | None => Ok(Bounced::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(name: &str, change: impl FnOnce(&mut BounceSettings)) -> (Sent, std::path::PathBuf) {
        let folder = std::env::temp_dir().join(format!("hamgate-sent-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let mut settings = BounceSettings::default();
        change(&mut settings);
        (Sent::new(settings, crate::store::open_pace(&folder.display().to_string()).unwrap()), folder)
    }

    fn one(id: &str) -> Vec<String> {
        vec![id.to_owned()]
    }

    const BEGUN: u64 = 20_000 * DAY;

    #[test]
    fn a_bounce_is_ours_for_a_fortnight_and_foreign_only_once_memory_goes_back_far_enough() {
        let (sent, folder) = memory("fortnight", |_| {});
        sent.remember("1@example.org", BEGUN).unwrap();
        let judge = |id: &str, days: u64| sent.judge(&one(id), &[], BEGUN + days * DAY).unwrap();
        assert_eq!(judge("1@example.org", 0), Bounced::Ours);
        assert_eq!(judge("1@example.org", 13), Bounced::Ours);
        assert_eq!(judge("2@example.org", 1), Bounced::Unknown, "mail may have been sent before we looked");
        assert_eq!(judge("2@example.org", 6), Bounced::Foreign);
        assert_eq!(sent.judge(&[], &[], BEGUN + 6 * DAY).unwrap(), Bounced::Unknown);
        assert_eq!(sent.judge(&[], &one("3@example.org"), BEGUN + 6 * DAY).unwrap(), Bounced::Unknown, "it sends nothing back");
        assert_eq!(sent.judge(&[], &one("1@example.org"), BEGUN + 6 * DAY).unwrap(), Bounced::Ours);
        sent.remember("4@example.org", BEGUN + 20 * DAY).unwrap();
        assert_ne!(judge("1@example.org", 20), Bounced::Ours, "it was forgotten");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_was_too_much_to_remember_makes_no_bounce_foreign() {
        let (sent, folder) = memory("bound", |settings| settings.most_a_day = 2);
        for id in ["1@example.org", "2@example.org", "3@example.org"] {
            sent.remember(id, BEGUN).unwrap();
        }
        assert_eq!(sent.judge(&one("3@example.org"), &[], BEGUN + 6 * DAY).unwrap(), Bounced::Unknown);
        assert_eq!(sent.judge(&one("2@example.org"), &[], BEGUN + 6 * DAY).unwrap(), Bounced::Ours);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
