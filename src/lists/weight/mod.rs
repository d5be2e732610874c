//! policyd-weight, from its own configuration file: DNS lists, HELO, envelope sender and reverse name weighed against each
//! other, with the same scores, actions and texts.
//!
//! What is left out: the counting of errors by list (the health of lists takes its place), processes and sockets.

mod ahead;
mod caches;
mod config;
mod identity;
mod judge;
mod number;

pub use caches::{Caches, Keep};
pub use config::Weights;
pub use judge::{Request, Weighed};

use crate::base::Mode;
use std::path::PathBuf;

crate::settings! {
    /// policyd-weight: the envelope weighed at RCPT, from the configuration file of policyd-weight.
    pub struct Settings in "weight" {
        /// "on", "observe", "off".
        pub mode: Mode = "\"off\"",
        /// Its configuration; settings that it does not name keep policyd-weight's defaults, and so do all without the file.
        pub file: PathBuf = "\"/etc/policyd-weight.conf\"",
    }
}
