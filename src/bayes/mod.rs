//! The classifier: tokens, combining, learning, expiry, import.

pub mod combine;
pub mod evaluate;
pub mod hash;
pub mod tokens;
pub mod words;
