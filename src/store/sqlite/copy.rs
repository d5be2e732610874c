//! Backups of a store in one file, and a store from a backup. A backup of a server is the same file.

use super::lessons::{ADD, Entry, each, of_message};
use super::{Fault, MASK, Sqlite, classifier_id_or_new, connect, key, row_key, set_setting};
use crate::store::{Count, LastExpiry, LessonEntry, Token, Totals, Trouble, Which};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pages copied in one step.
const STEP: i32 = 500;

fn away(path: &Path) -> impl Fn(std::io::Error) -> Trouble {
    move |error| Trouble(format!("{}: {error}", path.display()))
}

/// Makes an empty file that only the owner reads; one that is there is never overwritten.
fn create(path: &Path) -> Result<(), Trouble> {
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(path).map_err(away(path))?;
    Ok(())
}

pub(super) fn backup(store: &Sqlite, key: &key::KeyOctets, to: &Path) -> Result<(), Trouble> {
    create(&to.with_extension("key"))?;
    create(to)?;
    let source = connect(&store.path, super::WRITE_WAIT).map_err(Fault::into_trouble)?;
    let mut target = Connection::open(to)?;
    rusqlite::backup::Backup::new(&source, &mut target)?.run_to_completion(STEP, Duration::from_millis(1), None)?;
    key::write(&to.with_extension("key"), key).map_err(away(&to.with_extension("key")))
}

/// A copy of a backup that is gone when it is dropped: a schema of earlier days is brought up without touching the backup.
pub(in crate::store) struct Work {
    path: PathBuf,
    pub store: Sqlite,
    pub key: key::KeyOctets,
}

impl Work {
    pub fn of(backup: &Path, work: &Path) -> Result<Work, Trouble> {
        let key = key::of_backup(backup)?;
        remove(work);
        create(work)?;
        let store = fs::copy(backup, work)
            .map_err(away(backup))
            .and_then(|_| Sqlite::open_sound(work).map_err(|fault| Trouble(format!("{}: {}", backup.display(), fault.into_trouble()))));
        match store {
            Ok(store) => {
                let work = Work { path: work.to_owned(), store, key };
                let named = work.store.read(key::known)?;
                if named.is_some_and(|name| name != key::name_of(&work.key)) {
                    return Err(Trouble(format!("{} is not the key of this backup", backup.with_extension("key").display())));
                }
                Ok(work)
            }
            Err(trouble) => {
                remove(work);
                Err(trouble)
            }
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

fn remove(database: &Path) {
    for tail in ["", "-wal", "-shm"] {
        let mut name = database.as_os_str().to_owned();
        name.push(tail);
        let _ = fs::remove_file(PathBuf::from(name));
    }
}

/// The key is laid down first, then everything is replaced and names that key in one transaction, then the key takes its place:
/// whenever it is cut short, database and key go together.
pub(super) fn restore(store: &Sqlite, from: &Path) -> Result<(), Trouble> {
    let work = Work::of(from, &store.path.with_extension("restoring"))?;
    if let Some(name) = store.read(key::known)? {
        key::settle(&store.path, &name)?;
    }
    key::prepare(&store.path, &work.key)?;
    let mut writer = connect(&store.path, super::WRITE_WAIT).map_err(Fault::into_trouble)?;
    writer.execute("ATTACH DATABASE ?1 AS copy", [work.path.to_string_lossy()])?;
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for table in ["classifier", "token", "lesson", "former", "setting"] {
        transaction.execute_batch(&format!("DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM copy.{table};"))?;
    }
    key::remember(&transaction, &work.key)?;
    transaction.commit()?;
    key::settle(&store.path, &key::name_of(&work.key))
}

/// A new backup file, filled piece by piece from another backend.
pub(in crate::store) struct Filling<'c> {
    tx: Transaction<'c>,
}

/// Makes a backup file; it is complete or not there.
pub(in crate::store) fn fill(
    to: &Path,
    key: &[u8; 16],
    rules: Option<&str>,
    fill: impl FnOnce(&Filling<'_>) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    create(&to.with_extension("key"))?;
    create(to)?;
    let filled = (|| {
        key::write(&to.with_extension("key"), key).map_err(away(&to.with_extension("key")))?;
        drop(Sqlite::open_sound(to).map_err(Fault::into_trouble)?);
        let mut file = connect(to, super::WRITE_WAIT).map_err(Fault::into_trouble)?;
        {
            let filling = Filling { tx: file.transaction()? };
            key::remember(&filling.tx, key)?;
            if let Some(rules) = rules {
                set_setting(&filling.tx, super::RULES, rules)?;
            }
            fill(&filling)?;
            filling.tx.commit()?;
        }
        // One file, as a backup of SQLite is.
        file.pragma_update(None, "journal_mode", "DELETE")?;
        Ok(())
    })();
    if filled.is_err() {
        remove(to);
        let _ = fs::remove_file(to.with_extension("key"));
    }
    filled
}

impl Filling<'_> {
    pub fn classifier(&self, name: &str, totals: Totals, expiry: Option<LastExpiry>) -> Result<i64, Trouble> {
        let id = classifier_id_or_new(&self.tx, name)?;
        self.tx.execute("UPDATE classifier SET spam = ?2, ham = ?3 WHERE id = ?1", params![id, totals.spam as i64, totals.ham as i64])?;
        if let Some(expiry) = expiry {
            set_setting(&self.tx, &format!("expiry:{id}"), &expiry.write())?;
        }
        Ok(id)
    }

    pub fn token(&self, classifier: i64, token: Token, count: Count, day: u32) -> Result<(), Trouble> {
        self.tx.prepare_cached(ADD)?.execute(params![row_key(classifier, token & MASK), count.spam, count.ham, day])?;
        Ok(())
    }

    /// `former`: it does not count now, and stands again when what came after it is taken back.
    pub fn lesson(&self, classifier: i64, entry: LessonEntry, former: bool) -> Result<(), Trouble> {
        Entry::of(classifier, entry).insert(&self.tx, if former { "former" } else { "lesson" })
    }
}

/// Every message of the journal: its classifier, the lesson that counts, and those that it replaced, oldest first.
pub(in crate::store) fn journal(
    store: &Sqlite,
    tell: &mut dyn FnMut(&str, LessonEntry, Vec<LessonEntry>) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    store.read(|tx| {
        let names = super::names(tx)?;
        each(tx, "lesson", &Which::default(), |entry| {
            let Some(name) = names.get(&entry.classifier) else { return Ok(()) };
            let former = of_message(tx, "former", entry.classifier, &entry.digest)?;
            tell(name, entry.told(name), former.into_iter().map(|entry| entry.told(name)).collect())
        })
    })
}
