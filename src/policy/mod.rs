//! Findings and recipients to verdict: expressions over score and rules, and the edits that mark a message.

pub mod decide;
pub mod edits;
pub mod expression;
pub mod settings;
pub mod subject;

pub use decide::{Decision, Sender, decide, stricter};
pub use expression::Expression;
pub use settings::Settings;
