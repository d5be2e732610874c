//! What the store promises, tried on real files.

use super::*;
use crate::store::contract::{self, lesson, state};

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

#[test]
fn sqlite_keeps_the_contract() {
    for (name, promise) in contract::PROMISES {
        let folder = Folder::new(name);
        promise(&Sqlite::open(&folder.file()).unwrap());
    }
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
fn a_backup_opens_as_a_store() {
    let folder = Folder::new("backup");
    let store = Sqlite::open(&folder.file()).unwrap();
    store.learn(&[lesson(1, Some(Label::Spam), &[1, 2])]).unwrap();
    let copy = folder.0.join("copy.sqlite");
    store.backup(&copy).unwrap();
    assert_eq!(state(&Sqlite::open(&copy).unwrap()), state(&store));
    assert!(store.backup(&copy).is_err(), "an existing file is never overwritten");
}
