//! One resolver for the whole daemon: name servers, timeouts, TCP where UDP is too small, a bounded cache, and for each
//! message a cap on questions and one deadline. A server that does not answer is `Trouble::Silent`, never "no".
//!
//! No DNSSEC validation happens here (that is the local recursive resolver's work): packets are built from checked
//! names, answers must match question and id, records of other owners are ignored.

pub mod cache;
mod master;
pub mod name;
pub mod resolver;
pub mod server;
pub mod session;
pub mod settings;
pub mod transport;
pub mod wire;
pub mod zone;

pub use resolver::Resolver;
pub use server::ZoneServer;
pub use session::{Caps, Session};
pub use settings::Settings;
pub use wire::{Records, Value};
pub use zone::Zone;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No server answered in time, or what came was broken, refused or SERVFAIL.
    Silent,
    /// The name cannot be asked: a label of 0 or more than 63 octets, more than 253 in all, a NUL or a backslash.
    BadName,
    /// This message has asked as much as it may.
    TooMany,
}

#[cfg(test)]
mod tests;
