//! Who really sent it: SPF, DKIM, DMARC, ARC, and the signing of our own mail.

pub mod arc;
pub mod author;
pub mod base64;
pub mod canon;
pub mod dkim;
pub mod dmarc;
pub mod domain;
pub mod forged;
pub mod letter;
pub mod results;
pub mod spf;
pub mod tags;
