//! Where answers come from: whoever can look things up implements `Gather`.

use crate::facts::{Facts, Question, Told};
use crate::mail::{Arrival, Mail, Reading};
use std::sync::Arc;
use std::time::Instant;

/// Questions of one message, with what they are about.
pub struct Asked<'a, 'm> {
    pub questions: &'a [Question],
    pub mail: &'a Arc<Mail>,
    pub arrival: &'a Arc<Arrival>,
    pub reading: &'a Reading<'m>,
    /// What was answered before.
    pub facts: &'a Facts,
    /// Later answers are not listened to.
    pub deadline: Instant,
}

/// Looks for answers, side by side, while rules run.
pub trait Gather: Send + Sync {
    /// Starts to look, without waiting.
    fn ask(&self, asked: &Asked<'_, '_>) -> Box<dyn Outstanding>;
}

/// Answers on their way.
pub trait Outstanding {
    /// Waits until all have come, or the deadline. What did not come is told as `Silent`.
    fn wait(self: Box<Self>) -> Vec<Told>;
}
