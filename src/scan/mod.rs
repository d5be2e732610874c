//! The loop that every door walks: message, reading, rules and questions, findings.

pub mod engine;
pub mod gather;

pub use engine::{Engine, Judged, Wish};
pub use gather::{Asked, Gather, Outstanding};
