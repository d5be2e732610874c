//! DNS lists (RFC 5782): which of them may be believed, which are Hamgate's own by configuration, which refuse at RCPT.
//!
//! Every answer of a list passes `Guard`: a listing counts only from a list that has shown within the last minute that it
//! does not list everything, and a list that keeps silent is left alone for a while.

pub mod guard;
pub mod health;
mod own;
pub mod probe;
pub mod settings;
mod watch;
pub mod weight;

pub use guard::Guard;
pub use health::{Board, Fault};
pub use own::rule_text;
pub use probe::{Report, examine};
pub use settings::{Asks, List, Settings};
pub use watch::watch;
