//! Any text is a rule file: it loads, complains where it must, and what loaded runs within its budget.
#![no_main]

use hamgate::mail::Arrival;
use hamgate::rules::engine::Program;
use hamgate::rules::{NoFiles, Settings, Source, load};
use hamgate::scan::{Engine, Wish};
use libfuzzer_sys::fuzz_target;

const LETTER: &[u8] = b"From: One <one@example.org>\nTo: two@example.com\nSubject: aaaaaaaaaaaaaaaaaaaaaaaa!\n\n\
    The village has a village hall, aaaaaaaaaaaaaaaaaaaaaaaa! http://www.example.net/x?y=1\n";

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data).into_owned();
    let lines = text.lines().count();
    let source = Source::Text { name: "fuzz.cf".into(), text };
    let (set, complaints) = load(&[source], &NoFiles, &Settings::default());
    let defined = set.rules.iter().filter(|rule| !rule.definition.is_empty()).count();
    assert!(defined <= lines, "a line makes one rule at most");
    assert!(complaints.iter().all(|complaint| !complaint.what.is_empty()));
    let judged = Engine::local(Program::new(set)).judge(LETTER.to_vec(), Arrival::FromFields, Wish::default());
    assert!(judged.findings.score.is_finite());
});
