//! Any text is a rule file: it loads, complains where it must, and what loaded runs within its budget.
#![no_main]

use hamgate::rules::{NoFiles, Settings, Source, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data).into_owned();
    let lines = text.lines().count();
    let source = Source::Text { name: "fuzz.cf".into(), text };
    let (set, complaints) = load(&[source], &NoFiles, &Settings::default());
    assert!(set.rules.len() <= lines + 1, "a line makes one rule at most");
    assert!(complaints.iter().all(|complaint| !complaint.what.is_empty()));
});
