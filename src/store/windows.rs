//! The facet of counting: sliding windows by key, and what an account sends on a usual day.
//!
//! A window is cut into slots; a slot counts as long as any part of it lies within the window. So no span of that length ever
//! holds more than the limit, and a full window frees itself at most a sixtieth of its length late.

use super::{Key, Trouble};
use std::collections::BTreeMap;
use std::time::Duration;

/// Slots of a window.
const SLOTS: u64 = 60;

/// One thing to be counted in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    pub key: Key,
    pub span: Duration,
    pub most: u64,
    pub amount: u64,
    /// Beyond this limit, nothing is counted at all.
    pub binding: bool,
}

impl Draw {
    pub fn is_over(&self, held: u64) -> bool {
        held.saturating_add(self.amount) > self.most
    }

    /// Milliseconds of one slot.
    pub(super) fn slot(&self) -> u64 {
        (u64::try_from(self.span.as_millis()).unwrap_or(u64::MAX) / SLOTS).max(1)
    }

    /// The first slot that counts at `now`.
    pub(super) fn begins(&self, now: u64) -> u64 {
        (now / self.slot()).saturating_sub(SLOTS)
    }

    /// The millisecond at which a window is empty to which nothing was added after `now`.
    pub(super) fn until(&self, now: u64) -> u64 {
        now.saturating_add(self.slot().saturating_mul(SLOTS + 2))
    }
}

/// Counts by slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Window(BTreeMap<u64, u64>);

impl Window {
    /// Slots and counts, sixteen octets each; what is damaged counts as empty.
    pub(super) fn read(octets: &[u8]) -> Window {
        let number = |octets: &[u8]| octets.try_into().map(u64::from_be_bytes).unwrap_or_default();
        Window(octets.chunks_exact(16).map(|pair| pair.split_at(8)).map(|(slot, count)| (number(slot), number(count))).collect())
    }

    pub(super) fn write(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(slot, count)| slot.to_be_bytes().into_iter().chain(count.to_be_bytes())).collect()
    }

    /// What lies within the window; slots after `now` (the clock went back) count as now.
    pub(super) fn held(&mut self, draw: &Draw, now: u64) -> u64 {
        let newest = now / draw.slot();
        let mut kept = self.0.split_off(&draw.begins(now));
        let ahead: u64 = kept.split_off(&newest.saturating_add(1)).values().sum();
        if ahead > 0 {
            *kept.entry(newest).or_default() += ahead;
        }
        self.0 = kept;
        self.0.values().sum()
    }

    pub(super) fn add(&mut self, draw: &Draw, now: u64) {
        *self.0.entry(now / draw.slot()).or_default() += draw.amount;
    }
}

/// An account's sending, by day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Habit {
    /// Days since 1970.
    pub day: u64,
    pub today: u64,
    /// Of the days before, recent ones weighing more.
    pub mean: f64,
}

/// The weight of one day against all before it.
const WEIGHT: f64 = 0.15;
/// After so many silent days nothing is left of a habit.
const SILENT: u64 = 60;

impl Habit {
    pub(super) fn add(&mut self, amount: u64, day: u64) {
        if self.day == 0 {
            *self = Habit { day, ..Habit::default() };
        }
        while self.day < day {
            // A first day is the habit; later ones bend it.
            self.mean = if self.mean == 0.0 { self.today as f64 } else { self.mean * (1.0 - WEIGHT) + self.today as f64 * WEIGHT };
            self.today = 0;
            self.day = if day - self.day > SILENT { day } else { self.day + 1 };
        }
        self.today += amount;
    }
}

pub trait Windows: Send + Sync {
    /// What each window held before. Where no binding draw passes its limit, every draw that keeps its own is counted; else none.
    /// `now` is in milliseconds since 1970.
    fn draw(&self, draws: &[Draw], now: u64) -> Result<Vec<u64>, Trouble>;

    /// Counts an account's sending of today.
    fn habit(&self, account: &Key, amount: u64, day: u64) -> Result<Habit, Trouble>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_span_holds_more_than_the_limit_and_a_full_window_empties() {
        let draw = Draw { key: [0; 16], span: Duration::from_secs(60), most: 100, amount: 1, binding: true };
        let mut window = Window::default();
        let mut accepted: Vec<u64> = Vec::new();
        for now in (1_000_000..1_300_000).step_by(137) {
            let held = window.held(&draw, now);
            if !draw.is_over(held) {
                window.add(&draw, now);
                accepted.push(now);
            }
            window = Window::read(&window.write());
        }
        assert!(accepted.iter().all(|end| accepted.iter().filter(|at| **at > end.saturating_sub(60_000) && *at <= end).count() <= 100));
        assert!(accepted.len() >= 480, "{}", accepted.len());
        assert_eq!(window.held(&draw, 1_400_000), 0);
    }

    #[test]
    fn a_clock_that_goes_back_frees_nobody() {
        let draw = Draw { key: [0; 16], span: Duration::from_secs(60), most: 1, amount: 1, binding: true };
        let mut window = Window::default();
        window.add(&draw, 5_000_000);
        assert_eq!(window.held(&draw, 4_990_000), 1);
    }

    #[test]
    fn a_habit_follows_its_days_slowly() {
        let mut habit = Habit::default();
        for day in 100..130 {
            habit.add(20, day);
        }
        assert!((habit.mean - 20.0).abs() < 0.1);
        habit.add(500, 130);
        assert_eq!((habit.today, habit.mean.round() as u64), (500, 20));
        habit.add(1, 1000);
        assert!(habit.mean < 100.0);
    }
}
