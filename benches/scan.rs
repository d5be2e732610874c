//! CPU of a verdict by part: `HAMGATE_CORPUS=… cargo bench --bench scan [-- RULES…]`.
//!
//! Without a corpus it judges one message of its own, so that the bench always runs. Figures are CPU microseconds a
//! message, one thread, the best of three rounds for each part.
#![allow(clippy::unwrap_used)]

use hamgate::cli::engine::RuleArgs;
use hamgate::mail::{Arrival, Mail, Reading};
use hamgate::rules::engine::{Circumstances, ScoreSet, Watch};
use nix::time::{ClockId, clock_gettime};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};

const ROUNDS: usize = 3;
const SAMPLE: &[u8] = b"From: One <one@example.org>\nTo: two@example.com\nSubject: village\nDate: Wed, 25 Nov 2026 12:00:00 +0000\n\n\
    The village has a village hall.\nhttp://www.example.net/\n";

fn cpu() -> f64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(0.0, |time| time.tv_sec() as f64 * 1e6 + time.tv_nsec() as f64 / 1e3)
}

/// Adds up the time between laps.
#[derive(Default)]
struct Laps {
    last: Cell<f64>,
    parts: RefCell<BTreeMap<&'static str, f64>>,
}

impl Watch for Laps {
    fn expired(&self) -> bool {
        false
    }

    fn passed(&self, part: &'static str) {
        let now = cpu();
        *self.parts.borrow_mut().entry(part).or_default() += now - self.last.get();
        self.last.set(cpu());
    }
}

fn messages() -> Vec<Vec<u8>> {
    let Some(root) = std::env::var_os("HAMGATE_CORPUS").map(PathBuf::from) else { return vec![SAMPLE.to_vec()] };
    let mut files = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    // Every n-th, so that all kinds are among them.
    let step = (files.len() / 600).max(1);
    files.iter().step_by(step).filter_map(|path: &PathBuf| std::fs::read(Path::new(path)).ok()).collect()
}

fn main() {
    let given: Vec<PathBuf> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).map(PathBuf::from).collect();
    let rules = RuleArgs { rules: given, local: true, ..RuleArgs::default() };
    let began = cpu();
    let engine = rules.engine().expect("rules load");
    let set = ScoreSet { network: false, bayes: false };
    engine.program.plan(set);
    println!("load {:.0} ms", (cpu() - began) / 1e3);
    let messages = messages();
    let mut best: Vec<BTreeMap<&'static str, f64>> = vec![BTreeMap::new(); messages.len()];
    for _ in 0..ROUNDS {
        for (raw, best) in messages.iter().zip(&mut best) {
            let laps = Laps::default();
            laps.last.set(cpu());
            let mail = Mail::parse(raw.clone());
            laps.passed("parse");
            let reading = Reading::new(&mail, &Arrival::FromFields, &engine.program.set.options.view);
            black_box(reading.body().len());
            laps.passed("view body");
            black_box(reading.rawbody().len());
            laps.passed("view rawbody");
            black_box(reading.uris().len());
            laps.passed("view uri");
            black_box(reading.relays().all.len());
            laps.passed("view relays");
            let circumstances = Circumstances { set, now: 1_700_000_000, explain: false, watch: &laps };
            black_box(engine.program.begin(&reading, circumstances).finish().score);
            for (part, time) in laps.parts.into_inner() {
                let slot = best.entry(part).or_insert(f64::MAX);
                *slot = slot.min(time);
            }
        }
    }
    let mut parts: BTreeMap<&'static str, f64> = BTreeMap::new();
    for (part, time) in best.iter().flatten() {
        *parts.entry(part).or_default() += time / messages.len() as f64;
    }
    let mut totals: Vec<f64> = best.iter().map(|parts| parts.values().sum()).collect();
    totals.sort_by(f64::total_cmp);
    let mean: f64 = parts.values().sum();
    for (part, time) in &parts {
        println!("{part:14} {time:8.1} us {:5.1} %", time / mean * 100.0);
    }
    let at = |share: f64| totals[((totals.len() - 1) as f64 * share) as usize];
    println!("{} messages: mean {mean:.1} us, median {:.1}, p99 {:.1}, worst {:.1}", messages.len(), at(0.5), at(0.99), at(1.0));
}
