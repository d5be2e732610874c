//! What the store promises, tried on real files.

use super::*;
use crate::store::Label;
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

/// A database as the first release left it.
fn first_schema(path: &Path) -> Connection {
    let old = Connection::open(path).unwrap();
    old.execute_batch(MIGRATIONS[0]).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    old
}

#[test]
fn a_database_of_the_first_schema_is_brought_up_with_all_it_holds() {
    let folder = Folder::new("schema");
    first_schema(&folder.file())
        .execute_batch(
            "INSERT INTO classifier VALUES (1, '', 1, 2), (2, 'ann@example.com', 1, 0);
             INSERT INTO token VALUES (1, 7, 1, 0, 20000), (1, 1099511627775, 0, 2, 20001), (2, 7, 1, 0, 20000);
             INSERT INTO lesson VALUES (1, 2, zeroblob(20), 1, 1728000000, 'test', x'07');",
        )
        .unwrap();
    fs::write(folder.0.join("hamgate.key"), [7; 16]).unwrap();
    let looking = Sqlite::open_as_it_is(&folder.file()).err().unwrap();
    assert!(looking.0.contains("schema 1"), "{looking}");
    let store = Sqlite::open(&folder.file()).unwrap();
    let counts = store.counts("", &[7, 8, MASK]).unwrap();
    let count = |spam, ham| Count { spam, ham };
    assert_eq!(counts, (Totals { spam: 1, ham: 2 }, vec![count(1, 0), count(0, 0), count(0, 2)]));
    assert_eq!(store.counts("ann@example.com", &[7]).unwrap().1, [count(1, 0)]);
    assert_eq!(store.key().unwrap(), [7; 16]);
    assert_eq!(store.revert(&Which { source: Some("test".into()), since: None }).unwrap(), 1);
    assert_eq!(store.counts("ann@example.com", &[7]).unwrap().1, [count(0, 0)]);
}

#[test]
fn a_restore_that_is_cut_short_leaves_database_and_key_together() {
    let folder = Folder::new("cut");
    let store = Sqlite::open(&folder.file()).unwrap();
    let key = store.key().unwrap();
    // Cut short before the database was replaced: the prepared key is of no use to anybody.
    key::prepare(&folder.file(), &[9; 16]).unwrap();
    assert_eq!(Sqlite::open(&folder.file()).unwrap().key().unwrap(), key);
    // Cut short after: the database names the new key, the old one lies there still.
    store.write(|tx| key::remember(tx, &[9; 16])).unwrap();
    assert_eq!(Sqlite::open_as_it_is(&folder.file()).unwrap().key().unwrap(), [9; 16]);
    assert_eq!(fs::read(folder.0.join("hamgate.key")).unwrap(), key, "who only looks changes nothing");
    assert_eq!(Sqlite::open(&folder.file()).unwrap().key().unwrap(), [9; 16]);
    assert_eq!(fs::read(folder.0.join("hamgate.key")).unwrap(), [9; 16]);
    // A key of another database is noticed.
    fs::write(folder.0.join("hamgate.key"), [1; 16]).unwrap();
    assert!(store.key().unwrap_err().0.contains("is not the key"));
    fs::remove_file(folder.0.join("hamgate.key")).unwrap();
    assert!(store.key().is_err(), "no new key is made for old tokens");
}
