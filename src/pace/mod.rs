//! Greylisting, rate limits, account habits: memory at the door.
