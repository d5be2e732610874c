//! What `hamgate train` taught is what `hamgate scan` thinks; what is forgotten is gone.

use std::path::{Path, PathBuf};
use std::process::Command;

fn hamgate(arguments: &[&str], state: &Path, paths: &[&Path]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_hamgate")).args(arguments).arg("--state").arg(state).args(paths).output().unwrap();
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn write(folder: &Path, count: usize, words: &str) {
    std::fs::create_dir_all(folder).unwrap();
    for number in 0..count {
        let text =
            format!("From: a{number}@example.com\nMessage-ID: <{number}.{words}@example.com>\nSubject: {words}\n\n{words} {number}\n");
        std::fs::write(folder.join(format!("{number}.eml")), text.replace(" @", "@")).unwrap();
    }
}

#[test]
fn what_was_taught_is_what_scan_thinks_and_what_is_forgotten_is_gone() {
    let root: PathBuf = std::env::temp_dir().join(format!("hamgate-train-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&root);
    let (spam, ham, state) = (root.join("spam"), root.join("ham"), root.join("state"));
    write(&spam, 200, "lottery winner claims prize");
    write(&ham, 200, "minutes meeting agenda thursday");
    let one = spam.join("7.eml");
    let opinion = || {
        let line = hamgate(&["scan", "--local", "--json"], &state, &[&one]);
        serde_json::from_str::<serde_json::Value>(&line).unwrap()
    };
    assert!(hamgate(&["train", "--spam"], &state, &[&spam]).contains("200 learned"));
    assert!(opinion()["bayes"].is_null(), "too little was learned for an opinion");
    assert!(hamgate(&["train", "--ham"], &state, &[&ham]).contains("200 learned"));
    assert!(hamgate(&["train", "--ham"], &state, &[&ham]).contains("200 already known"));
    let after = opinion();
    assert!(after["bayes"].as_f64().unwrap() > 0.9, "{after}");
    assert!(after["rules"].as_array().unwrap().iter().any(|rule| rule["name"].as_str().unwrap().starts_with("BAYES_9")), "{after}");
    let before = hamgate(&["bayes", "dump"], &state, &[]);
    assert!(hamgate(&["train", "--ham"], &state, &[&one]).contains("1 relearned"));
    assert!(hamgate(&["train", "--spam"], &state, &[&one]).contains("1 relearned"));
    assert_eq!(hamgate(&["bayes", "dump"], &state, &[]), before);
    assert!(hamgate(&["train", "--forget"], &state, &[&one]).contains("1 forgotten"));
    assert!(opinion()["bayes"].is_null(), "199 are too few again");
    std::fs::remove_dir_all(root).unwrap();
}
