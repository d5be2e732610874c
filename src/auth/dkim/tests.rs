//! The worked examples of RFC 6376 and RFC 8463, and what must not pass.
