//! The judge that serves mail: the engine's findings, the policy's decision, the edits that carry it out.

use super::config::Config;
use super::daemon::Wishes;
use crate::base::Complaint;
use crate::milter::{Judge, Judgement, Letter, Summary};
use crate::outcome::{Action, Verdict};

/// Builds everything that a configuration asks for.
///
/// # Errors
/// Mistakes that make it unusable as a whole.
pub fn build(_config: &Config, _wishes: &Wishes) -> Result<(Box<dyn Judge>, Vec<Complaint>), Vec<Complaint>> {
    Ok((Box::new(Filter), Vec::new()))
}

struct Filter;

impl Judge for Filter {
    fn message(&self, _letter: Letter) -> Judgement {
        Judgement { verdict: Verdict { action: Action::Accept, spam: false, edits: Vec::new() }, summary: Summary::default() }
    }
}
