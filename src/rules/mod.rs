//! The SpamAssassin language: files to a set of rules, and the set run over a reading.

pub mod eval;
pub mod model;
pub mod options;
