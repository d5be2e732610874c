//! The store in one SQLite file: WAL, one writer, readers from a small pool, migrations from `schema/`.

pub mod pace;

use super::lessons::{pack, unpack};
use super::{Count, Effect, Expired, Label, Lesson, LessonEntry, Token, Tokens, Totals, Trouble, Which};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// In order, never edited after a release.
const MIGRATIONS: &[&str] = &[include_str!("../../schema/0001_bayes.sql")];

/// A reader waits this long for a lock; scoring goes on without an opinion after it.
const READ_WAIT: Duration = Duration::from_millis(50);
/// A trainer waits for another trainer.
const WRITE_WAIT: Duration = Duration::from_secs(30);
/// Rows removed in one transaction by `expire`.
const EXPIRY_STEP: usize = 2_000;

pub struct Sqlite {
    path: PathBuf,
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
            return Err(Trouble(format!("the database has schema {schema}, this program knows {}", MIGRATIONS.len())));
        }
        Ok(Sqlite { path: path.to_owned(), writer: Mutex::new(writer), readers: Mutex::default() })
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
        Ok(Sqlite { path: path.to_owned(), writer: Mutex::new(writer), readers: Mutex::new(Vec::new()) })
    }

    /// Everything that the sound database at `work` holds in place of what is here, in one transaction.
    fn replace_by(&self, work: &Path) -> Result<(), Trouble> {
        drop(Self::open_sound(work).map_err(Fault::into_trouble)?);
        let mut writer = connect(&self.path, WRITE_WAIT).map_err(Fault::into_trouble)?;
        writer.execute("ATTACH DATABASE ?1 AS copy", [work.to_string_lossy()])?;
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for table in ["classifier", "token", "lesson", "setting"] {
            transaction.execute_batch(&format!("DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM copy.{table};"))?;
        }
        Ok(transaction.commit()?)
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

/// The random key that lies beside a database. Written under another name and then linked, so that no crash leaves half a key and
/// no two processes make two.
fn key_beside(database: &Path) -> Result<[u8; 16], Trouble> {
    let path = database.with_extension("key");
    let away = |error: std::io::Error| Trouble(format!("{}: {error}", path.display()));
    if !path.exists() {
        let fresh = path.with_extension(format!("key-{}", std::process::id()));
        let _ = fs::remove_file(&fresh);
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh).map_err(away)?;
        file.write_all(&super::random_key()?).and_then(|()| file.sync_all()).map_err(away)?;
        let linked = fs::hard_link(&fresh, &path);
        let _ = fs::remove_file(&fresh);
        if let Err(error) = linked
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(away(error));
        }
    }
    let read = fs::read(&path).map_err(away)?;
    read.try_into().map_err(|_| Trouble(format!("{} is no key of 16 octets", path.display())))
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

fn classifier_id(tx: &Transaction<'_>, name: &str) -> Result<Option<(i64, Totals)>, Trouble> {
    let mut find = tx.prepare_cached("SELECT id, spam, ham FROM classifier WHERE name = ?1")?;
    Ok(find.query_row([name], |row| Ok((row.get(0)?, Totals { spam: row.get(1)?, ham: row.get(2)? }))).optional()?)
}

fn classifier_id_or_new(tx: &Transaction<'_>, name: &str) -> Result<i64, Trouble> {
    tx.prepare_cached("INSERT INTO classifier (name) VALUES (?1) ON CONFLICT (name) DO NOTHING")?.execute([name])?;
    Ok(tx.prepare_cached("SELECT id FROM classifier WHERE name = ?1")?.query_row([name], |row| row.get(0))?)
}

/// Counts of many lessons on their way into the tables: a token that many of them hold is written once.
#[derive(Default)]
struct Pending {
    /// Adding, or taking away; what comes after a change of direction waits for what came before.
    taking: bool,
    totals: BTreeMap<i64, Totals>,
    /// Spam, ham and last day by classifier and token, in the order of the table.
    tokens: BTreeMap<(i64, Token), (Count, u64)>,
}

impl Pending {
    fn count(
        &mut self,
        tx: &Transaction<'_>,
        classifier: i64,
        label: Label,
        tokens: &[Token],
        taking: bool,
        day: u64,
    ) -> Result<(), Trouble> {
        if self.taking != taking {
            self.write(tx)?;
            self.taking = taking;
        }
        let (spam, ham) = match label {
            Label::Spam => (1, 0),
            Label::Ham => (0, 1),
        };
        let totals = self.totals.entry(classifier).or_default();
        totals.spam += u64::from(spam);
        totals.ham += u64::from(ham);
        for token in tokens {
            let (count, seen) = self.tokens.entry((classifier, *token)).or_default();
            count.spam = count.spam.saturating_add(spam);
            count.ham = count.ham.saturating_add(ham);
            *seen = day.max(*seen);
        }
        Ok(())
    }

    fn write(&mut self, tx: &Transaction<'_>) -> Result<(), Trouble> {
        let sign = if self.taking { -1 } else { 1 };
        let mut whole = tx.prepare_cached("UPDATE classifier SET spam = spam + ?2, ham = ham + ?3 WHERE id = ?1")?;
        for (classifier, totals) in std::mem::take(&mut self.totals) {
            whole.execute(params![classifier, sign * totals.spam as i64, sign * totals.ham as i64])?;
        }
        let tokens = std::mem::take(&mut self.tokens);
        if self.taking {
            let mut take = tx
                .prepare_cached("UPDATE token SET spam = max(spam - ?3, 0), ham = max(ham - ?4, 0) WHERE classifier = ?1 AND token = ?2")?;
            let mut clear = tx.prepare_cached("DELETE FROM token WHERE classifier = ?1 AND token = ?2 AND spam = 0 AND ham = 0")?;
            for ((classifier, token), (count, _)) in tokens {
                take.execute(params![classifier, token as i64, count.spam, count.ham])?;
                clear.execute(params![classifier, token as i64])?;
            }
        } else {
            let mut add = tx.prepare_cached(
                "INSERT INTO token (classifier, token, spam, ham, seen) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (classifier, token) DO UPDATE SET spam = spam + ?3, ham = ham + ?4, seen = max(seen, ?5)",
            )?;
            for ((classifier, token), (count, day)) in tokens {
                add.execute(params![classifier, token as i64, count.spam, count.ham, day as i64])?;
            }
        }
        Ok(())
    }
}

/// The lesson that stands for a message now.
struct Standing {
    id: i64,
    label: Label,
    tokens: Vec<Token>,
}

fn standing(tx: &Transaction<'_>, classifier: i64, digest: &[u8; 20]) -> Result<Option<Standing>, Trouble> {
    let mut find = tx.prepare_cached("SELECT id, spam, tokens FROM lesson WHERE classifier = ?1 AND digest = ?2")?;
    let row: Option<(i64, bool, Vec<u8>)> =
        find.query_row(params![classifier, digest], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    row.map(|(id, spam, packed)| {
        Ok(Standing { id, label: label(spam), tokens: unpack(&packed).ok_or_else(|| Trouble(format!("lesson {id} is damaged")))? })
    })
    .transpose()
}

fn label(spam: bool) -> Label {
    if spam { Label::Spam } else { Label::Ham }
}

fn learn_one(tx: &Transaction<'_>, pending: &mut Pending, lesson: &Lesson) -> Result<Effect, Trouble> {
    let classifier = classifier_id_or_new(tx, &lesson.classifier)?;
    let before = standing(tx, classifier, &lesson.digest)?;
    let effect = match (&before, lesson.label) {
        (Some(before), Some(label)) if before.label == label || lesson.yields => return Ok(Effect::AlreadyKnown),
        (None, None) => return Ok(Effect::Unknown),
        (Some(_), Some(_)) => Effect::Relearned,
        (Some(_), None) => Effect::Forgotten,
        (None, Some(_)) => Effect::Learned,
    };
    let day = lesson.at / 86_400;
    if let Some(before) = before {
        pending.count(tx, classifier, before.label, &before.tokens, true, day)?;
        tx.prepare_cached("DELETE FROM lesson WHERE id = ?1")?.execute([before.id])?;
    }
    if let Some(label) = lesson.label {
        pending.count(tx, classifier, label, &lesson.tokens, false, day)?;
        tx.prepare_cached("INSERT INTO lesson (classifier, digest, spam, at, source, tokens) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![classifier, lesson.digest, label == Label::Spam, lesson.at as i64, &*lesson.source, pack(&lesson.tokens)])?;
    }
    Ok(effect)
}

const WHICH: &str = "(?1 IS NULL OR at >= ?1) AND (?2 IS NULL OR source = ?2)";

impl Tokens for Sqlite {
    /// Kept beside the database, so that a copy of the database alone tells no words.
    fn key(&self) -> Result<[u8; 16], Trouble> {
        key_beside(&self.path).map_err(|Trouble(what)| Trouble(format!("{what}: restore it from a backup, or remove it and the database")))
    }

    fn counts(&self, classifier: &str, tokens: &[Token]) -> Result<(Totals, Vec<Count>), Trouble> {
        self.read(|tx| {
            let Some((id, totals)) = classifier_id(tx, classifier)? else {
                return Ok((Totals::default(), vec![Count::default(); tokens.len()]));
            };
            let mut find = tx.prepare_cached("SELECT spam, ham FROM token WHERE classifier = ?1 AND token = ?2")?;
            let mut counts = Vec::with_capacity(tokens.len());
            for token in tokens {
                let row = find.query_row(params![id, *token as i64], |row| Ok(Count { spam: row.get(0)?, ham: row.get(1)? })).optional()?;
                counts.push(row.unwrap_or_default());
            }
            Ok((totals, counts))
        })
    }

    fn learn(&self, lessons: &[Lesson]) -> Result<Vec<Effect>, Trouble> {
        self.write(|tx| {
            let mut pending = Pending::default();
            let effects = lessons.iter().map(|lesson| learn_one(tx, &mut pending, lesson)).collect::<Result<_, _>>()?;
            pending.write(tx)?;
            Ok(effects)
        })
    }

    fn revert(&self, which: &Which) -> Result<u64, Trouble> {
        self.write(|tx| {
            let mut find = tx.prepare(&format!("SELECT id, classifier, spam, at, tokens FROM lesson WHERE {WHICH}"))?;
            let mut rows = find.query(params![which.since.map(|s| s as i64), which.source])?;
            let (mut taken, mut pending) = (Vec::new(), Pending::default());
            while let Some(row) = rows.next()? {
                let (id, packed): (i64, Vec<u8>) = (row.get(0)?, row.get(4)?);
                let tokens = unpack(&packed).ok_or_else(|| Trouble(format!("lesson {id} is damaged")))?;
                let at: i64 = row.get(3)?;
                pending.count(tx, row.get(1)?, label(row.get(2)?), &tokens, true, at as u64 / 86_400)?;
                taken.push(id);
            }
            pending.write(tx)?;
            let mut delete = tx.prepare_cached("DELETE FROM lesson WHERE id = ?1")?;
            for id in &taken {
                delete.execute([id])?;
            }
            Ok(taken.len() as u64)
        })
    }

    fn lessons(&self, which: &Which, each: &mut dyn FnMut(LessonEntry)) -> Result<(), Trouble> {
        self.read(|tx| {
            let mut find = tx.prepare(&format!(
                "SELECT (SELECT name FROM classifier WHERE id = lesson.classifier), digest, spam, at, source, tokens FROM lesson WHERE {WHICH} ORDER BY id"
            ))?;
            let mut rows = find.query(params![which.since.map(|s| s as i64), which.source])?;
            while let Some(row) = rows.next()? {
                let (at, packed): (i64, Vec<u8>) = (row.get(3)?, row.get(5)?);
                let tokens = unpack(&packed).map_or(0, |t| t.len());
                each(LessonEntry { classifier: row.get(0)?, digest: row.get(1)?, label: label(row.get(2)?), at: at as u64, source: row.get(4)?, tokens });
            }
            Ok(())
        })
    }

    fn rows(&self, classifier: &str, each: &mut dyn FnMut(Token, Count, u32)) -> Result<(), Trouble> {
        self.read(|tx| {
            let Some((id, _)) = classifier_id(tx, classifier)? else { return Ok(()) };
            let mut find = tx.prepare("SELECT token, spam, ham, seen FROM token WHERE classifier = ?1 ORDER BY token")?;
            let mut rows = find.query([id])?;
            while let Some(row) = rows.next()? {
                let token: i64 = row.get(0)?;
                each(token as Token, Count { spam: row.get(1)?, ham: row.get(2)? }, row.get(3)?);
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
            let mut add = tx.prepare_cached(
                "INSERT INTO token (classifier, token, spam, ham, seen) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (classifier, token) DO UPDATE SET spam = spam + ?3, ham = ham + ?4, seen = max(seen, ?5)",
            )?;
            let mut number = 0;
            for (token, count, day) in rows {
                add.execute(params![id, token as i64, count.spam, count.ham, day])?;
                number += 1;
            }
            Ok(number)
        })
    }

    /// What goes is chosen from a snapshot; it goes in short transactions, and stays where a lesson touched it meanwhile.
    fn expire(&self, classifier: &str, keep: u64) -> Result<Expired, Trouble> {
        let (id, mut rows) = self.read(|tx| {
            let Some((id, _)) = classifier_id(tx, classifier)? else { return Ok((0, Vec::new())) };
            let have: u64 = tx.query_row("SELECT count(*) FROM token WHERE classifier = ?1", [id], |row| row.get(0))?;
            if have <= keep {
                return Ok((have as i64, Vec::new()));
            }
            let mut find = tx.prepare("SELECT seen, spam + ham, token FROM token WHERE classifier = ?1")?;
            let rows = find.query_map([id], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))?;
            Ok((id, rows.collect::<Result<Vec<_>, _>>()?))
        })?;
        if rows.is_empty() {
            return Ok(Expired { removed: 0, kept: id as u64 });
        }
        rows.sort_unstable();
        let surplus = rows.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
        let mut expired = Expired { removed: 0, kept: rows.len() as u64 };
        for step in rows.get(..surplus).unwrap_or_default().chunks(EXPIRY_STEP) {
            let removed = self.write(|tx| {
                let mut delete = tx.prepare_cached("DELETE FROM token WHERE classifier = ?1 AND token = ?2 AND seen = ?3")?;
                let mut removed = 0;
                for (seen, _, token) in step {
                    removed += delete.execute(params![id, token, seen])? as u64;
                }
                Ok(removed)
            })?;
            expired.removed += removed;
            expired.kept -= removed;
        }
        Ok(expired)
    }

    fn classifiers(&self) -> Result<Vec<String>, Trouble> {
        self.read(|tx| {
            let mut find = tx.prepare("SELECT name FROM classifier WHERE spam + ham > 0 ORDER BY name")?;
            let names = find.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok(names)
        })
    }

    fn backup(&self, to: &Path) -> Result<(), Trouble> {
        let away = |error: std::io::Error| Trouble(format!("{}: {error}", to.display()));
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(to).map_err(away)?;
        let source = connect(&self.path, WRITE_WAIT).map_err(Fault::into_trouble)?;
        let mut target = Connection::open(to)?;
        let copy = rusqlite::backup::Backup::new(&source, &mut target)?;
        copy.run_to_completion(500, Duration::from_millis(1), None)?;
        let mut key = OpenOptions::new().create_new(true).write(true).mode(0o600).open(to.with_extension("key")).map_err(away)?;
        key.write_all(&self.key()?).and_then(|()| key.sync_all()).map_err(away)
    }

    fn restore(&self, from: &Path) -> Result<(), Trouble> {
        let away = |error: std::io::Error| Trouble(format!("{}: {error}", from.display()));
        let key: [u8; 16] = fs::read(from.with_extension("key"))
            .map_err(|error| Trouble(format!("{}: {error}", from.with_extension("key").display())))?
            .try_into()
            .map_err(|_| Trouble(format!("{}: no key of 16 octets", from.with_extension("key").display())))?;
        // A copy of the copy, so that a schema of earlier days is brought up without touching the backup.
        let work = self.path.with_extension("restoring");
        let _ = fs::remove_file(&work);
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(&work).map_err(away)?;
        let restored = fs::copy(from, &work).map_err(away).and_then(|_| self.replace_by(&work));
        for tail in ["", "-wal", "-shm"] {
            let mut name = work.as_os_str().to_owned();
            name.push(tail);
            let _ = fs::remove_file(PathBuf::from(name));
        }
        restored?;
        let fresh = self.path.with_extension("key-new");
        let _ = fs::remove_file(&fresh);
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh).map_err(away)?;
        file.write_all(&key).and_then(|()| file.sync_all()).map_err(away)?;
        fs::rename(&fresh, self.path.with_extension("key")).map_err(away)
    }
}

#[cfg(test)]
mod tests;
