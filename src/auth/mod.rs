//! Who really sent it: SPF, DKIM, DMARC and ARC verified in one go, Authentication-Results written and forged ones found,
//! our own mail signed. One field splitter and one result object serve them all.

pub mod arc;
mod authenticate;
pub mod author;
pub mod base64;
pub mod canon;
pub mod diagnose;
pub mod dkim;
pub mod dmarc;
pub mod domain;
pub mod effects;
pub mod forged;
pub mod forgery;
pub mod letter;
pub mod policyd;
pub mod results;
pub mod settings;
pub mod sign;
pub mod spf;
pub mod tags;

pub use authenticate::{Verifier, outsider};
pub use effects::Effects;
pub use settings::Settings;
