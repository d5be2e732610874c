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

#[test]
fn a_store_is_asked_under_the_rules_that_filled_it_alone() {
    let root: PathBuf = std::env::temp_dir().join(format!("hamgate-rules-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&root);
    let (spam, state, other) = (root.join("spam"), root.join("state"), root.join("other.toml"));
    write(&spam, 3, "lottery winner claims prize");
    std::fs::write(&other, "[bayes]\ntokens = \"spamassassin\"\n").unwrap();
    hamgate(&["train", "--spam"], &state, &[&spam]);
    let refused = |arguments: &[&str], path: &Path| {
        let out = Command::new(env!("CARGO_BIN_EXE_hamgate")).args(arguments).arg("--state").arg(&state).arg(path).output().unwrap();
        assert!(!out.status.success());
        String::from_utf8(out.stderr).unwrap()
    };
    let config = other.to_str().unwrap();
    let told = refused(&["train", "--spam", "--config", config], &spam);
    assert!(told.contains("tokens = \"hamgate\"") && told.contains("\"spamassassin\""), "{told}");
    let backup = root.join("sa-backup");
    std::fs::write(&backup, "v\t3\tdb_version\nv\t1\tnum_spam\nv\t1\tnum_nonspam\nt\t1\t0\t1780000000\t0a1b2c3d4e\n").unwrap();
    assert!(refused(&["bayes", "import"], &backup).contains("tokens = \"spamassassin\""));
    assert!(refused(&["bayes", "import", "--add", "--config", config], &backup).contains("tokens = \"hamgate\""));
    // An empty store takes either.
    hamgate(&["train", "--forget"], &state, &[&spam]);
    hamgate(&["bayes", "import", "--config", config], &state, &[&backup]);
    assert!(hamgate(&["bayes", "stats"], &state, &[]).contains("         1          0  non-token data: nspam"));
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn stats_tell_when_tokens_were_dropped_last() {
    let root: PathBuf = std::env::temp_dir().join(format!("hamgate-expiry-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&root);
    let (spam, state) = (root.join("spam"), root.join("state"));
    write(&spam, 2, "lottery winner claims prize");
    hamgate(&["train", "--spam"], &state, &[&spam]);
    let value = |name: &str| {
        let stats = hamgate(&["bayes", "stats"], &state, &[]);
        let line = stats.lines().find(|line| line.ends_with(name)).unwrap().to_owned();
        line.split_ascii_whitespace().nth(2).unwrap().parse::<u64>().unwrap()
    };
    assert_eq!((value("last expiry atime"), value("last expire reduction count")), (0, 0));
    let before = value("ntokens");
    hamgate(&["bayes", "expire", "--keep", "5"], &state, &[]);
    assert_eq!((value("ntokens"), value("last expire reduction count")), (5, before - 5));
    assert!(value("last expiry atime") > 1_700_000_000);
    std::fs::remove_dir_all(root).unwrap();
}
