//! Postfix access tables as they are (access(5), cidr_table(5), regexp_table(5), pcre_table(5)), for all and for single recipients.
//!
//! Texts are handed in; who reads the files is `service`.

pub mod action;
mod lines;
pub mod lists;
pub mod settings;
pub mod table;

pub use action::Word;
pub use lists::{Access, Answer, Stage, Subject};
pub use settings::Settings;
pub use table::Table;
