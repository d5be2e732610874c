//! `bayes evaluate`: protocols, views and measures, so that "better" is a figure.

pub mod digest;
pub mod full;
pub mod measures;
pub mod protocol;
pub mod run;
