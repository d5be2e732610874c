//! Whether a check acts, only tells what it would have done, or rests.

use serde::Deserialize;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    On,
    /// Everything but the answer: the log says `would_have`.
    Observe,
    #[default]
    Off,
}
