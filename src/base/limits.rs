//! Bounds on hostile input. A limit that was hit is a finding (`mail::Defect`), never an error.

/// Header fields kept of one section; further ones are left out of what rules see.
pub const FIELDS: usize = 10_000;
/// Octets of a header section that are read.
pub const HEADER_BYTES: usize = 1 << 20;
/// Nesting of MIME containers; SpamAssassin's own limit (20) is lower and applies to its view alone.
pub const MIME_DEPTH: usize = 64;
/// MIME parts of one message, over all levels.
pub const MIME_PARTS: usize = 10_000;
/// Links kept of one message.
pub const LINKS: usize = 10_000;
/// Addresses read from one header field.
pub const ADDRESSES: usize = 10_000;
/// DKIM signatures verified of one message.
pub const SIGNATURES: usize = 8;
/// Redirectors followed from one link to the next.
pub const REDIRECTS: usize = 64;
/// Octets of links in which redirectors are looked for, over a whole message.
pub const REDIRECTOR_BYTES: usize = 1 << 22;
