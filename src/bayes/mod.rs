//! The classifier: tokens, combining, learning, expiry, import.

mod classify;
pub mod combine;
mod digest;
pub mod evaluate;
pub mod hash;
mod settings;
mod token_rules;
pub mod tokens;
pub mod words;

pub use classify::Classifier;
pub use settings::Settings;
pub use token_rules::{Opinion, TokenRules};
