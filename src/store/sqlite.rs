//! The store in one SQLite file: WAL, one writer, readers from a small pool, migrations from `schema/`.

pub(super) mod copy;
mod expiry;
mod key;
mod lessons;
pub mod pace;

use super::{Count, Effect, Expired, LastExpiry, Lesson, LessonEntry, Token, Tokens, Totals, Trouble, Which};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// In order, never edited after a release.
const MIGRATIONS: &[&str] = &[include_str!("../../schema/0001_bayes.sql"), include_str!("../../schema/0002_bayes.sql")];

/// A reader waits this long for a lock; scoring goes on without an opinion after it.
const READ_WAIT: Duration = Duration::from_millis(50);
/// A trainer waits for another trainer.
const WRITE_WAIT: Duration = Duration::from_secs(30);
/// A token has 40 bits.
const MASK: Token = (1 << 40) - 1;
/// Where the rules stand that made the tokens.
const RULES: &str = "tokens";

pub struct Sqlite {
    path: PathBuf,
    /// Nothing is made or changed.
    looks_only: bool,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Trouble(format!("database: {error}"))
    }
}

impl Sqlite {
    /// Opens or creates the file (mode 0600). A damaged file is set aside under a name that says so, and learning starts
    /// anew: the error log tells, mail flows.
    pub fn open(path: &Path) -> Result<Sqlite, Trouble> {
        match Self::open_sound(path) {
            Ok(store) => Ok(store),
            Err(Fault::Damaged(what)) => {
                let aside = set_aside(path)?;
                tracing::error!(
                    "{}: {what}; set aside as {}: restore a backup with `hamgate bayes restore`",
                    path.display(),
                    aside.display()
                );
                Self::open_sound(path).map_err(Fault::into_trouble)
            }
            Err(fault) => Err(fault.into_trouble()),
        }
    }

    /// Opens what is there and changes nothing.
    pub fn open_as_it_is(path: &Path) -> Result<Sqlite, Trouble> {
        let writer = connect(path, READ_WAIT).map_err(Fault::into_trouble)?;
        let schema: usize = writer.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if schema != MIGRATIONS.len() {
            let known = MIGRATIONS.len();
            let help = if schema < known { "`hamgate bayes stats` brings it up" } else { "install the newer program again" };
            return Err(Trouble(format!("the database has schema {schema}, this program knows {known}: {help}")));
        }
        Ok(Sqlite { path: path.to_owned(), looks_only: true, writer: Mutex::new(writer), readers: Mutex::default() })
    }

    fn open_sound(path: &Path) -> Result<Sqlite, Fault> {
        let away = |what: &str, error: std::io::Error| Fault::Away(format!("{}: {what}: {error}", path.display()));
        OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(|e| away("cannot be opened", e))?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|e| away("mode cannot be set", e))?;
        let mut writer = connect(path, WRITE_WAIT)?;
        let sound: String = writer.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if sound != "ok" {
            return Err(Fault::Damaged(sound));
        }
        migrate(&mut writer)?;
        // Not for readers: it walks a page whenever one is looked at, and made look-ups cost nearly three times as much.
        writer.execute_batch("PRAGMA cell_size_check = ON;")?;
        let store = Sqlite { path: path.to_owned(), looks_only: false, writer: Mutex::new(writer), readers: Mutex::default() };
        if let Some(name) = store.read(key::known).map_err(|Trouble(what)| Fault::Away(what))? {
            key::settle(path, &name).map_err(|Trouble(what)| Fault::Away(what))?;
        }
        Ok(store)
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, ask: impl FnOnce(&Transaction<'_>) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut reader = match kept {
            Some(reader) => reader,
            None => connect(&self.path, READ_WAIT).map_err(Fault::into_trouble)?,
        };
        let answer = ask(&reader.transaction()?)?;
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        Ok(answer)
    }

    fn write<T>(&self, act: impl FnOnce(&Transaction<'_>) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let mut writer = self.writer();
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let answer = act(&transaction)?;
        transaction.commit()?;
        Ok(answer)
    }
}

enum Fault {
    /// The file is no sound database.
    Damaged(String),
    Away(String),
}

impl Fault {
    fn into_trouble(self) -> Trouble {
        match self {
            Fault::Damaged(what) | Fault::Away(what) => Trouble(what),
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => Fault::Damaged(error.to_string()),
            _ => Fault::Away(format!("database: {error}")),
        }
    }
}

fn connect(path: &Path, wait: Duration) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    // NOFOLLOW refuses any link on the way; the folder itself may lie behind one.
    let real = path.canonicalize().map_err(|e| Fault::Away(format!("{}: {e}", path.display())))?;
    let connection = Connection::open_with_flags(real, flags)?;
    connection.busy_timeout(wait)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;
         PRAGMA secure_delete = FAST; PRAGMA mmap_size = 268435456; PRAGMA cache_size = -8000;",
    )?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn migrate(writer: &mut Connection) -> Result<(), Fault> {
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done: usize = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if done > MIGRATIONS.len() {
        return Err(Fault::Away(format!(
            "the database has schema {done}, this program knows {}: install the newer program again",
            MIGRATIONS.len()
        )));
    }
    for migration in &MIGRATIONS[done..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len())?;
    Ok(transaction.commit()?)
}

fn set_aside(path: &Path) -> Result<PathBuf, Trouble> {
    let fail = |error: std::io::Error| Trouble(format!("{}: damaged and cannot be set aside: {error}", path.display()));
    let mut number = 1;
    let aside = loop {
        let name = path.with_extension(format!("damaged-{number}"));
        if !name.exists() {
            break name;
        }
        number += 1;
    };
    fs::rename(path, &aside).map_err(fail)?;
    for tail in ["-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(tail);
        let _ = fs::remove_file(PathBuf::from(name));
    }
    Ok(aside)
}

fn row_key(classifier: i64, token: Token) -> i64 {
    (classifier << 40) | token as i64
}

fn classifier_id(tx: &Transaction<'_>, name: &str) -> Result<Option<(i64, Totals)>, Trouble> {
    let mut find = tx.prepare_cached("SELECT id, spam, ham FROM classifier WHERE name = ?1")?;
    Ok(find.query_row([name], |row| Ok((row.get(0)?, Totals { spam: row.get(1)?, ham: row.get(2)? }))).optional()?)
}

fn classifier_id_or_new(tx: &Transaction<'_>, name: &str) -> Result<i64, Trouble> {
    tx.prepare_cached("INSERT INTO classifier (name) VALUES (?1) ON CONFLICT (name) DO NOTHING")?.execute([name])?;
    Ok(tx.prepare_cached("SELECT id FROM classifier WHERE name = ?1")?.query_row([name], |row| row.get(0))?)
}

/// Names of classifiers by their number.
fn names(tx: &Transaction<'_>) -> Result<BTreeMap<i64, String>, Trouble> {
    let mut find = tx.prepare("SELECT id, name FROM classifier")?;
    let names = find.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok(names)
}

fn setting(tx: &Transaction<'_>, name: &str) -> Result<Option<String>, Trouble> {
    Ok(tx.query_row("SELECT value FROM setting WHERE name = ?1", [name], |row| row.get(0)).optional()?)
}

fn set_setting(tx: &Transaction<'_>, name: &str, value: &str) -> Result<(), Trouble> {
    tx.execute("INSERT OR REPLACE INTO setting (name, value) VALUES (?1, ?2)", [name, value])?;
    Ok(())
}

impl Tokens for Sqlite {
    fn key(&self) -> Result<[u8; 16], Trouble> {
        let known = self.read(key::known)?;
        let found = match known {
            Some(name) => key::named(&self.path, &name),
            // Of an earlier schema, or new.
            None if self.looks_only => key::beside(&self.path),
            None => key::beside(&self.path).and_then(|key| self.write(|tx| key::remember(tx, &key)).map(|()| key)),
        };
        found.map_err(|Trouble(what)| Trouble(format!("{what}: restore it from a backup, or remove it and the database")))
    }

    fn rules(&self) -> Result<Option<String>, Trouble> {
        self.read(|tx| setting(tx, RULES))
    }

    fn fill_under(&self, rules: &str) -> Result<(), Trouble> {
        self.write(|tx| {
            let learned: bool = tx.query_row("SELECT EXISTS (SELECT 1 FROM classifier WHERE spam + ham > 0)", [], |row| row.get(0))?;
            match setting(tx, RULES)?.filter(|_| learned) {
                Some(before) if before != rules => Err(super::tokens::under_others(&before, rules)),
                Some(_) => Ok(()),
                None => set_setting(tx, RULES, rules),
            }
        })
    }

    fn counts(&self, classifier: &str, tokens: &[Token]) -> Result<(Totals, Vec<Count>), Trouble> {
        self.read(|tx| {
            let Some((id, totals)) = classifier_id(tx, classifier)? else {
                return Ok((Totals::default(), vec![Count::default(); tokens.len()]));
            };
            let mut find = tx.prepare_cached("SELECT spam, ham FROM token WHERE key = ?1")?;
            let mut counts = Vec::with_capacity(tokens.len());
            for token in tokens {
                let row =
                    find.query_row([row_key(id, token & MASK)], |row| Ok(Count { spam: row.get(0)?, ham: row.get(1)? })).optional()?;
                counts.push(row.unwrap_or_default());
            }
            Ok((totals, counts))
        })
    }

    fn learn(&self, lessons: &[Lesson]) -> Result<Vec<Effect>, Trouble> {
        self.write(|tx| lessons::learn(tx, lessons))
    }

    fn revert(&self, which: &Which) -> Result<u64, Trouble> {
        self.write(|tx| lessons::revert(tx, which))
    }

    fn lessons(&self, which: &Which, each: &mut dyn FnMut(LessonEntry)) -> Result<(), Trouble> {
        self.read(|tx| {
            let names = names(tx)?;
            lessons::each(tx, "lesson", which, |entry| {
                let name = names.get(&entry.classifier).map_or("", String::as_str);
                each(entry.told(name));
                Ok(())
            })
        })
    }

    fn rows(&self, classifier: &str, each: &mut dyn FnMut(Token, Count, u32)) -> Result<(), Trouble> {
        self.read(|tx| {
            let Some((id, _)) = classifier_id(tx, classifier)? else { return Ok(()) };
            let mut find = tx.prepare("SELECT key, spam, ham, seen FROM token WHERE key BETWEEN ?1 AND ?2 ORDER BY key")?;
            let mut rows = find.query([row_key(id, 0), row_key(id, MASK)])?;
            while let Some(row) = rows.next()? {
                let key: i64 = row.get(0)?;
                each(key as Token & MASK, Count { spam: row.get(1)?, ham: row.get(2)? }, row.get(3)?);
            }
            Ok(())
        })
    }

    fn import(&self, classifier: &str, totals: Totals, rows: &mut dyn Iterator<Item = (Token, Count, u32)>) -> Result<u64, Trouble> {
        self.write(|tx| {
            let id = classifier_id_or_new(tx, classifier)?;
            tx.execute(
                "UPDATE classifier SET spam = spam + ?2, ham = ham + ?3 WHERE id = ?1",
                params![id, totals.spam as i64, totals.ham as i64],
            )?;
            let mut add = tx.prepare_cached(lessons::ADD)?;
            let mut number = 0;
            for (token, count, day) in rows {
                add.execute(params![row_key(id, token & MASK), count.spam, count.ham, day])?;
                number += 1;
            }
            Ok(number)
        })
    }

    fn expire(&self, classifier: &str, keep: u64) -> Result<Expired, Trouble> {
        expiry::expire(self, classifier, keep)
    }

    fn last_expiry(&self, classifier: &str) -> Result<Option<LastExpiry>, Trouble> {
        self.read(|tx| expiry::last(tx, classifier))
    }

    fn classifiers(&self) -> Result<Vec<String>, Trouble> {
        self.read(|tx| {
            let mut find = tx.prepare("SELECT name FROM classifier WHERE spam + ham > 0 ORDER BY name")?;
            let names = find.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok(names)
        })
    }

    fn backup(&self, to: &Path) -> Result<(), Trouble> {
        copy::backup(self, &self.key()?, to)
    }

    fn restore(&self, from: &Path) -> Result<(), Trouble> {
        copy::restore(self, from)
    }
}

#[cfg(test)]
mod tests;
