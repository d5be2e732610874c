//! The SpamAssassin language: files to a set of rules, and the set run over a reading.

mod assemble;
pub mod autolearn;
pub mod builtin;
pub mod captures;
pub mod conditionals;
mod definitions;
mod draft;
pub mod engine;
pub mod eval;
pub mod files;
mod lexer;
pub mod load;
pub mod meta;
pub mod model;
mod networks;
pub mod options;
mod options_output;
mod options_read;
mod options_special;
mod plugin_rules;
pub mod plugins;
mod replace_tags;
pub mod report;
pub mod scores;
pub mod set;
pub mod settings;

pub use files::{NoFiles, Reader, Source};
pub use load::{Settings, load};
pub use model::{Rule, Test};
pub use options::Options;
pub use set::RuleSet;
