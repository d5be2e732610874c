//! Bytes of containers to types, entries, text and links, within limits.
