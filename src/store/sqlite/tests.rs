//! What the store promises, tried on real files.

use super::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("hamgate-store-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("hamgate.sqlite")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn lesson(number: u8, label: Option<Label>, tokens: &[Token]) -> Lesson {
    Lesson {
        classifier: Arc::from(""),
        digest: [number; 20],
        label,
        tokens: tokens.to_vec(),
        source: Arc::from("test"),
        at: 86_400 * 20_000,
    }
}

fn state(store: &Sqlite) -> (Totals, BTreeMap<Token, Count>) {
    let mut all = BTreeMap::new();
    store
        .rows("", &mut |token, count, _| {
            all.insert(token, count);
        })
        .unwrap();
    (store.counts("", &[]).unwrap().0, all)
}

#[test]
fn learning_twice_changes_nothing_and_forgetting_restores_exactly() {
    let folder = Folder::new("exact");
    let store = Sqlite::open(&folder.file()).unwrap();
    assert_eq!(
        store.learn(&[lesson(1, Some(Label::Spam), &[1, 2, 3]), lesson(2, Some(Label::Ham), &[2, 3])]).unwrap(),
        [Effect::Learned; 2]
    );
    let before = state(&store);
    assert_eq!(store.learn(&[lesson(1, Some(Label::Spam), &[1, 2, 3])]).unwrap(), [Effect::AlreadyKnown]);
    assert_eq!(state(&store), before);
    assert_eq!(store.learn(&[lesson(3, Some(Label::Ham), &[3, 4])]).unwrap(), [Effect::Learned]);
    assert_eq!(store.learn(&[lesson(3, None, &[])]).unwrap(), [Effect::Forgotten]);
    assert_eq!(state(&store), before);
    assert_eq!(store.learn(&[lesson(3, None, &[])]).unwrap(), [Effect::Unknown]);
}

#[test]
fn learning_the_other_way_round_moves_a_message() {
    let folder = Folder::new("move");
    let store = Sqlite::open(&folder.file()).unwrap();
    store.learn(&[lesson(1, Some(Label::Spam), &[1, 2])]).unwrap();
    assert_eq!(store.learn(&[lesson(1, Some(Label::Ham), &[1, 2])]).unwrap(), [Effect::Relearned]);
    let (totals, counts) = store.counts("", &[1, 2, 9]).unwrap();
    assert_eq!(totals, Totals { spam: 0, ham: 1 });
    assert_eq!(counts, [Count { spam: 0, ham: 1 }, Count { spam: 0, ham: 1 }, Count::default()]);
}

#[test]
fn a_source_is_taken_back_exactly() {
    let folder = Folder::new("revert");
    let store = Sqlite::open(&folder.file()).unwrap();
    store.learn(&[lesson(1, Some(Label::Spam), &[1, 2])]).unwrap();
    let before = state(&store);
    let mut bad = lesson(2, Some(Label::Ham), &[2, 5]);
    bad.source = Arc::from("poison");
    store.learn(&[bad]).unwrap();
    assert_eq!(store.revert(&Which { source: Some("poison".into()), since: None }).unwrap(), 1);
    assert_eq!(state(&store), before);
}

#[test]
fn what_was_learned_is_there_after_opening_again_and_only_the_owner_reads_it() {
    let folder = Folder::new("again");
    let before = {
        let store = Sqlite::open(&folder.file()).unwrap();
        store.learn(&[lesson(1, Some(Label::Spam), &[1, 2])]).unwrap();
        state(&store)
    };
    assert_eq!(state(&Sqlite::open(&folder.file()).unwrap()), before);
    assert_eq!(fs::metadata(folder.file()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_damaged_file_is_set_aside_and_learning_goes_on() {
    let folder = Folder::new("damaged");
    fs::write(folder.file(), b"this is no database, whatever its name says; it is longer than a header").unwrap();
    let store = Sqlite::open(&folder.file()).unwrap();
    assert_eq!(store.learn(&[lesson(1, Some(Label::Spam), &[1])]).unwrap(), [Effect::Learned]);
    assert!(folder.0.join("hamgate.damaged-1").exists());
}

#[test]
fn expiry_keeps_what_was_seen_last() {
    let folder = Folder::new("expire");
    let store = Sqlite::open(&folder.file()).unwrap();
    let mut old = lesson(1, Some(Label::Spam), &(1..=5_000).collect::<Vec<_>>());
    old.at = 86_400 * 10_000;
    store.learn(&[old, lesson(2, Some(Label::Ham), &[4_999, 5_000, 5_001])]).unwrap();
    assert_eq!(store.expire("", 3).unwrap(), Expired { removed: 4_998, kept: 3 });
    assert_eq!(state(&store).1.into_keys().collect::<Vec<_>>(), [4_999, 5_000, 5_001]);
    // A token that expired is not counted below zero when its message is forgotten.
    store.learn(&[lesson(1, None, &[])]).unwrap();
    assert_eq!(store.counts("", &[1, 5_000]).unwrap(), (Totals { spam: 0, ham: 1 }, vec![Count::default(), Count { spam: 0, ham: 1 }]));
}

#[test]
fn a_backup_opens_as_a_store() {
    let folder = Folder::new("backup");
    let store = Sqlite::open(&folder.file()).unwrap();
    store.learn(&[lesson(1, Some(Label::Spam), &[1, 2])]).unwrap();
    let copy = folder.0.join("copy.sqlite");
    store.backup(&copy).unwrap();
    assert_eq!(state(&Sqlite::open(&copy).unwrap()), state(&store));
    assert!(store.backup(&copy).is_err(), "an existing file is never overwritten");
}
