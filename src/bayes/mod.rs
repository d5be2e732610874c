//! The classifier: tokens, combining, learning, expiry, import.
