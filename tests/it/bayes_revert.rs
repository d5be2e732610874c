//! What one source taught wrongly is taken back without a trace.

use crate::site::{Folder, corpus};
use hamgate::bayes::{Classifier, Settings};
use hamgate::mail::{Arrival, Mail, Reading, ViewOptions};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Messages that are learned rightly, that are learned wrongly by another source, and that are judged.
const RIGHT: usize = 1_000;
const WRONG: usize = 50;
const JUDGED: usize = 450;

fn hamgate(arguments: &[&str], state: &Path, paths: &[PathBuf]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_hamgate")).args(arguments).arg("--state").arg(state).args(paths).output().unwrap();
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn is_spam(path: &Path) -> bool {
    path.parent().is_some_and(|folder| !folder.to_string_lossy().contains("ham"))
}

fn train(state: &Path, source: &str, paths: &[PathBuf], rightly: bool) {
    let (spam, ham): (Vec<PathBuf>, Vec<PathBuf>) = paths.iter().cloned().partition(|path| is_spam(path) == rightly);
    for (label, paths) in [("--spam", spam), ("--ham", ham)] {
        hamgate(&["train", label, "--source", source], state, &paths);
    }
}

/// The probability and the log-odds of each message.
fn opinions(state: &Path, paths: &[PathBuf]) -> Vec<(f64, f64)> {
    let classifier = Classifier::open(&Settings::default(), state).unwrap();
    let views = ViewOptions::default();
    let opinion = |path: &PathBuf| {
        let mail = Mail::parse(std::fs::read(path).unwrap());
        let tokens = classifier.tokens(&Reading::new(&mail, &Arrival::FromFields, &views));
        classifier.opinion_of(&tokens).unwrap().map_or((0.5, 0.0), |opinion| (opinion.probability, opinion.log_odds))
    };
    paths.iter().map(opinion).collect()
}

fn furthest(a: &[(f64, f64)], b: &[(f64, f64)]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a.0 - b.0).abs().max((a.1 - b.1).abs())).fold(0.0, f64::max)
}

#[test]
#[ignore = "needs HAMGATE_CORPUS"]
fn five_per_cent_wrong_labels_of_one_source_are_reverted_without_a_trace() {
    let folder = Folder::new("revert");
    let state = folder.0.join("state");
    // Every so many messages of the corpus are judged and the rest is learned, so that each part has all kinds.
    let all = corpus(RIGHT + WRONG / 2 + JUDGED);
    let (mut judged, mut learned) = (Vec::new(), Vec::new());
    for (number, path) in all.into_iter().enumerate() {
        if number % 3 == 2 && judged.len() < JUDGED { judged.push(path) } else { learned.push(path) }
    }
    let new = learned.split_off(RIGHT.min(learned.len()));
    // Half of what is wrong is known rightly already, half is new.
    let mut wrong: Vec<PathBuf> = learned.iter().step_by(2 * learned.len() / WRONG).cloned().collect();
    wrong.extend(new.into_iter().take(WRONG / 2));

    train(&state, "people", &learned, true);
    let (before, dump) = (opinions(&state, &judged), hamgate(&["bayes", "dump"], &state, &[]));
    train(&state, "poison", &wrong, false);
    let poisoned = furthest(&before, &opinions(&state, &judged));
    let told = hamgate(&["bayes", "revert", "--source", "train:poison"], &state, &[]);
    let after = furthest(&before, &opinions(&state, &judged));
    println!(
        "{} right, {} wrong, {} judged: moved by up to {poisoned:.2}, after the revert by {after:e}; {told}",
        learned.len(),
        wrong.len(),
        judged.len()
    );
    assert!(poisoned > 0.1 && after < 1e-9);
    assert_eq!(told.split(' ').next().unwrap().parse::<usize>().unwrap(), wrong.len());
    // The day that a token was seen last stays that of the later lesson.
    let counts = |dump: &str| {
        dump.lines()
            .map(|line| {
                line.split_ascii_whitespace()
                    .enumerate()
                    .filter(|(column, _)| *column != 3)
                    .map(|(_, word)| word.to_owned())
                    .collect::<Vec<_>>()
            })
            .collect::<Vec<_>>()
    };
    assert!(counts(&hamgate(&["bayes", "dump"], &state, &[])) == counts(&dump), "every count is what it was");
}
