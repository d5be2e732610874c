//! Configuration put together, engine built, reloaded and swapped; signals.
