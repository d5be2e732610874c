//! Configuration put together, engine built, reloaded and swapped; signals.

pub mod authentication;
pub mod config;
pub mod control;
pub mod daemon;
pub mod doors;
pub mod judge;
pub mod log;
pub mod log_layer;
pub mod rule_files;
pub mod state;

pub use config::Config;
pub use daemon::{Wishes, serve};
