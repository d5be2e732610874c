//! Looks after the lists once a minute, so that the operator is told of a broken one whether or not mail meets it.

use super::guard::Guard;
use super::health::{Fault, PROOF, Subject};
use super::probe::{Point, examine};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Lists examined at the same time.
const SIDE_BY_SIDE: usize = 8;
const BETWEEN: Duration = Duration::from_secs(50);

/// Until the guard is gone: at the start all lists of `refusing`, then, once a minute, those in use.
pub async fn watch(guard: Weak<Guard>, refusing: Vec<Arc<str>>) {
    let mut first = true;
    loop {
        let Some(strong) = guard.upgrade() else { return };
        let now = Instant::now();
        let all = strong.board.zones().into_iter().filter_map(|zone| {
            let subjects = zone.in_use(now).or_else(|| (first && refusing.contains(&zone.name)).then(|| vec![Subject::Address]))?;
            (!zone.rests(now)).then(|| (Arc::clone(zone), subjects))
        });
        let work: Vec<_> = all.collect();
        for some in work.chunks(SIDE_BY_SIDE) {
            let mut tasks = tokio::task::JoinSet::new();
            for (zone, subjects) in some.iter().cloned() {
                let guard = Arc::clone(&strong);
                tasks.spawn(async move {
                    let report = examine(&guard.session(), &zone.name, &subjects).await;
                    let now = Instant::now();
                    match (&report.fault, &report.unlisted) {
                        (Some(Fault::Refuses(answer)), _) => zone.refused(answer, now),
                        (_, Point::Listed(_)) => subjects.iter().for_each(|subject| zone.prove(*subject, false, now)),
                        (_, Point::NotListed) => {
                            zone.answered();
                            subjects.iter().for_each(|subject| zone.prove(*subject, true, now));
                            if let Point::Listed(records) = &report.listed {
                                let is_list = records.iter().any(|record| record.starts_with("127."));
                                zone.speaks(records.first().map(String::as_str).filter(|_| !is_list));
                            }
                            zone.shows_test_point(matches!(report.listed, Point::Listed(_)));
                        }
                        (_, Point::Silent) => zone.is_dead(PROOF / 2, now),
                    }
                });
            }
            while tasks.join_next().await.is_some() {}
        }
        drop(strong);
        first = false;
        tokio::time::sleep(BETWEEN).await;
    }
}
