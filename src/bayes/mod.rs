//! The classifier: tokens, combining, learning, expiry, import.

mod classify;
pub mod combine;
mod digest;
pub mod evaluate;
pub mod hash;
mod markup;
mod settings;
pub mod spamassassin;
mod token_rules;
pub mod tokens;
pub mod words;

pub use classify::Classifier;
pub use settings::Settings;
pub use token_rules::{Opinion, TokenRules};
