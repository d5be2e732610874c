//! Who really sent it: SPF, DKIM, DMARC, ARC, and the signing of our own mail.

pub mod domain;
pub mod spf;
