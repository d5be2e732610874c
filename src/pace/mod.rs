//! Greylisting, rate limits, account habits: memory at the door.
//!
//! What is remembered lies in the store; what is decided depends on it, on the clock and on nothing else. Where the store is away,
//! everybody may pass, and the log says so.

pub mod accounts;
pub mod greylist;
pub mod harvest;
pub mod import;
pub mod keys;
pub mod limits;
pub mod sent;
pub mod settings;
pub mod tidy;
pub mod welcome;

pub use accounts::Accounts;
pub use greylist::{Greylisting, Letter, Ruling};
pub use harvest::Harvest;
pub use limits::{Count, Limit, Limits, Over};
pub use sent::{BounceSettings, Bounced, Sent};
pub use settings::{AccountSettings, Applies, GreylistSettings, HarvestSettings, When};
pub use tidy::Tidy;
pub use welcome::WelcomeList;
