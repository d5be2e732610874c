//! Network rules of their own syntax (`askdns`, `uridnsbl` and kin): one row a directive.

use crate::facts::Question;
use crate::rules::eval::Context;
use crate::rules::model::Rule;

/// What a network rule says as far as its answers are known.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// These must be answered first. A question whose answer is known, even as silent, is never asked again.
    Ask(Vec<Question>),
    /// The records and names that made it hit, for the report.
    Hit(String),
    Miss,
}

/// One directive: reads the rule's arguments, asks, and judges the answers in `context.facts`.
pub struct Row {
    pub directive: &'static str,
    pub evaluate: fn(&Rule, &Context<'_, '_>) -> Said,
}

pub static ROWS: &[Row] = &[];

pub fn find(directive: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.directive == directive)
}
