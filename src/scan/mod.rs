//! The loop that every door walks: message, reading, rules and questions, findings.

pub mod antivirus;
pub mod classifier;
pub mod engine;
pub mod gather;
pub mod learner;
pub mod network;
pub mod teaching;

pub use antivirus::Antivirus;
pub use engine::{Engine, Judged, Wish};
pub use gather::{Asked, Gather, Outstanding};
pub use network::Network;
