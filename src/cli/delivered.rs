//! A judged message as it would be delivered: `hamgate scan --message`.

use crate::mail::Reading;
use crate::rules::report::{self, Occasion, Rendering};
use crate::scan::learner::Learning;
use crate::scan::{Engine, Judged};
use std::hash::{BuildHasher, RandomState};

/// With the fields that the rules ask for, or inside the report (`report_safe`).
pub fn message(engine: &Engine, judged: &Judged, learning: Option<&Learning>) -> Vec<u8> {
    let set = &engine.program.set;
    let learning = learning.cloned().unwrap_or_else(|| Learning::disabled(set, judged));
    let reading = Reading::new(&judged.mail, &judged.arrival, &set.options.view);
    let now = engine.clock.unix();
    let occasion = Occasion {
        host: host(),
        date: mail_parser::DateTime::from_timestamp(i64::try_from(now).unwrap_or(0)).to_rfc822(),
        now,
        unique: RandomState::new().hash_one(now) as u32,
        bayes: judged.facts.bayes.as_ref().and_then(|answer| answer.known()).and_then(|bayes| bayes.probability),
        autolearn: learning.status,
        autolearn_points: Some(learning.points),
    };
    report::message(&Rendering { set, reading: &reading, findings: &judged.findings, occasion: &occasion })
}

fn host() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_else(|| "localhost".into())
}
