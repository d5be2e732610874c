//! Configuration put together, engine built, reloaded and swapped; signals.

pub mod config;
pub mod control;
pub mod log;
pub mod log_layer;
pub mod state;

pub use config::Config;
