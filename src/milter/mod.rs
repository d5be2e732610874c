//! The milter door: sessions, macros, replies, byte-exact header edits. It knows the judge and no check.

pub mod address;
pub mod counters;
pub mod door;
pub mod ids;
pub mod judge;
pub mod letter;
pub mod listen;
pub mod macros;
pub mod negotiate;
pub mod packets;
pub mod registry;
pub mod replies;
mod serve;
pub mod session;
pub mod settings;

pub use address::Address;
pub use counters::Counters;
pub use door::Door;
pub use judge::{Early, Judge, Judgement, Letter, Summary, Visit};
pub use listen::Listener;
pub use settings::Settings;
