//! Configuration put together, engine built, reloaded and swapped; signals.

pub mod access_files;
pub mod authentication;
pub mod config;
pub mod control;
pub mod daemon;
pub mod doors;
mod gate;
mod gate_checks;
pub mod judge;
pub mod learning;
mod list_check;
pub mod log;
pub mod log_layer;
pub mod memory;
pub mod observed;
pub mod rule_files;
pub mod state;
mod watched;
mod weight_check;

pub use config::Config;
pub use daemon::{Wishes, serve};
