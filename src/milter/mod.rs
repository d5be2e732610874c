//! The milter door: sessions, macros, replies, byte-exact header edits.
