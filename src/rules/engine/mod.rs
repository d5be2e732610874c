//! The staged evaluation of SpamAssassin (PerMsgStatus::check, Plugin/Check.pm): what is known before any message
//! (`plan`), the state of one (`board`), the walks over its views (`walk`), and the whole of it (`Run`).

mod askdns;
mod bits;
mod board;
pub mod dns;
mod findings;
mod meta;
mod plan;
mod run;
pub(in crate::rules) mod subtest;
mod sweep;
mod template;
#[cfg(test)]
mod tests;
pub mod uri_lists;
pub mod usual;
mod walk;

pub use plan::{Plan, ScoreSet};
pub use run::{Circumstances, Run, Watch};

use super::set::RuleSet;
use crate::mail::Reading;
use plan::Stops;
use std::sync::OnceLock;

/// A rule set with its order of evaluation, made once for each score set that is asked for.
#[derive(Debug)]
pub struct Program {
    pub set: RuleSet,
    plans: [OnceLock<Plan>; 4],
}

impl Program {
    pub fn new(set: RuleSet) -> Program {
        Program { set, plans: Default::default() }
    }

    pub fn plan(&self, set: ScoreSet) -> &Plan {
        let build = || Plan::new(&self.set.rules, set, Stops::read(&self.set.options));
        match self.plans.get(set.column()) {
            Some(slot) => slot.get_or_init(build),
            None => unreachable!("there are four columns of scores"),
        }
    }

    /// Begins the evaluation of one message.
    pub fn begin<'r, 'm>(&'r self, reading: &'r Reading<'m>, circumstances: Circumstances<'r>) -> Run<'r, 'm> {
        Run::new(&self.set.rules, &self.set.options, self.plan(circumstances.set), reading, circumstances)
    }
}
