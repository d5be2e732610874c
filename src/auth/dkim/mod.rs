//! DKIM (RFC 6376, 8301, 8463, 8616): who takes responsibility for these fields and this body?
//!
//! At most eight signatures are verified; keys come through the message's own DNS session, asked side by side. A body
//! that goes on beyond `l=`, SHA-1 and keys under 1024 bits are `policy`, never `pass`.

pub mod key;
pub mod signature;
pub mod verify;

pub use verify::verify;

use crate::facts::DkimResult;

pub fn word(result: DkimResult) -> &'static str {
    match result {
        DkimResult::None => "none",
        DkimResult::Pass => "pass",
        DkimResult::Fail => "fail",
        DkimResult::Policy => "policy",
        DkimResult::Neutral => "neutral",
        DkimResult::TempError => "temperror",
        DkimResult::PermError => "permerror",
    }
}

#[cfg(test)]
mod tests;
