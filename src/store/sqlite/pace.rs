//! The door's memory in a SQLite file of its own: short transactions, no training ever before them.

use super::{Fault, connect, key, set_aside};
use crate::store::Trouble;
use crate::store::greylist::{Greylist, Key, Known, Seen, Stale, Triplet, Waiting, Welcome};
use crate::store::windows::{Draw, Habit, Window, Windows};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// In order, never edited after a release.
const MIGRATIONS: &[&str] = &[include_str!("../../../schema/0001_pace.sql")];
/// The door waits this long for another process, then lets mail pass.
const WAIT: Duration = Duration::from_millis(250);
/// Rows forgotten in one transaction, and transactions of one round.
const STEP: u64 = 1_000;
const STEPS: u64 = 50;

pub struct PaceFile {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl PaceFile {
    /// Opens or creates the file (mode 0600); a damaged one is set aside, and all begin anew as strangers.
    pub fn open(path: &Path) -> Result<PaceFile, Trouble> {
        match PaceFile::open_sound(path) {
            Err(Fault::Damaged(what)) => {
                let aside = set_aside(path)?;
                tracing::error!("{}: {what}; set aside as {}: greylist and counters begin anew", path.display(), aside.display());
                PaceFile::open_sound(path).map_err(Fault::into_trouble)
            }
            other => other.map_err(Fault::into_trouble),
        }
    }

    fn open_sound(path: &Path) -> Result<PaceFile, Fault> {
        let away = |error: std::io::Error| Fault::Away(format!("{}: {error}", path.display()));
        OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(away)?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(away)?;
        let mut connection = connect(path, WAIT)?;
        // A crash of the process loses nothing; a crash of the machine may lose the last seconds, and costs one more wait.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if sound != "ok" {
            return Err(Fault::Damaged(sound));
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done: usize = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        for migration in MIGRATIONS.iter().skip(done) {
            transaction.execute_batch(migration)?;
        }
        if done > MIGRATIONS.len() {
            return Err(Fault::Away(format!("{} has schema {done}: install the newer program again", path.display())));
        }
        transaction.pragma_update(None, "user_version", MIGRATIONS.len())?;
        transaction.commit()?;
        Ok(PaceFile { path: path.to_owned(), connection: Mutex::new(connection) })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<T>(&self, act: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, Trouble> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let answer = act(&transaction)?;
        transaction.commit()?;
        Ok(answer)
    }
}

impl Greylist for PaceFile {
    /// Kept beside the file, so that a copy of the file alone tells no addresses of those who have passed.
    fn secret(&self) -> Result<[u8; 16], Trouble> {
        key::beside(&self.path).map_err(|Trouble(what)| Trouble(format!("{what}: remove it, and all begin anew")))
    }

    fn look_up(&self, triplets: &[Key], welcome: &[Key]) -> Result<Known, Trouble> {
        let connection = self.connection();
        let mut find = connection.prepare_cached("SELECT first, last, passed FROM triplet WHERE key = ?1")?;
        let seen = |row: &rusqlite::Row<'_>| Ok(Seen { first: row.get(0)?, last: row.get(1)?, passed: row.get(2)? });
        let triplets = triplets.iter().map(|key| find.query_row([key], seen).optional()).collect::<Result<_, _>>()?;
        let mut find = connection.prepare_cached("SELECT count, last FROM welcome WHERE key = ?1")?;
        let known = |row: &rusqlite::Row<'_>| Ok(Welcome { count: row.get(0)?, last: row.get(1)? });
        let welcome = welcome.iter().map(|key| find.query_row([key], known).optional()).collect::<Result<_, _>>()?;
        Ok(Known { triplets, welcome })
    }

    fn keep(&self, triplets: &[(Triplet, Seen)], welcome: &[(Key, Welcome)]) -> Result<(), Trouble> {
        self.write(|tx| {
            let mut put = tx.prepare_cached("INSERT OR REPLACE INTO triplet VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
            for (triplet, seen) in triplets {
                let words = if seen.passed { ["", "", ""] } else { [&*triplet.client, &triplet.sender, &triplet.recipient] };
                put.execute(params![triplet.key, seen.first, seen.last, seen.passed, words[0], words[1], words[2]])?;
            }
            let mut put = tx.prepare_cached("INSERT OR REPLACE INTO welcome VALUES (?1, ?2, ?3)")?;
            for (key, welcome) in welcome {
                put.execute(params![key, welcome.count, welcome.last])?;
            }
            Ok(())
        })
    }

    fn waiting(&self, most: usize) -> Result<Vec<Waiting>, Trouble> {
        let connection = self.connection();
        let mut find = connection
            .prepare_cached("SELECT key, first, last, client, sender, recipient FROM triplet WHERE passed = 0 ORDER BY first LIMIT ?1")?;
        let rows = find.query_map([most as u64], |row| {
            let triplet = Triplet { key: row.get(0)?, client: row.get(3)?, sender: row.get(4)?, recipient: row.get(5)? };
            Ok(Waiting { triplet, seen: Seen { first: row.get(1)?, last: row.get(2)?, passed: false } })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn expire(&self, stale: &Stale) -> Result<u64, Trouble> {
        let mut gone = 0;
        for (table, condition, bounds) in [
            ("triplet", "(passed = 0 AND last < ?1) OR last < ?2", [stale.waiting_before, stale.passed_before]),
            ("welcome", "last < ?2 AND last < ?1", [stale.passed_before, stale.passed_before]),
            ("rate", "until < ?2 AND until < ?1", [stale.windows_before, stale.windows_before]),
        ] {
            let text = format!("DELETE FROM {table} WHERE key IN (SELECT key FROM {table} WHERE {condition} LIMIT {STEP})");
            for _ in 0..STEPS {
                let step = self.write(|tx| tx.execute(&text, params![bounds[0], bounds[1]]))? as u64;
                gone += step;
                if step < STEP {
                    break;
                }
            }
        }
        Ok(gone)
    }
}

impl Windows for PaceFile {
    fn draw(&self, draws: &[Draw], now: u64) -> Result<Vec<u64>, Trouble> {
        self.write(|tx| {
            let mut find = tx.prepare_cached("SELECT counts FROM rate WHERE key = ?1")?;
            let mut windows = Vec::with_capacity(draws.len());
            for draw in draws {
                let counts: Option<Vec<u8>> = find.query_row([&draw.key], |row| row.get(0)).optional()?;
                let mut window = Window::read(&counts.unwrap_or_default());
                let held = window.held(draw, now);
                windows.push((draw, window, held));
            }
            let held: Vec<u64> = windows.iter().map(|(_, _, held)| *held).collect();
            if windows.iter().any(|(draw, _, held)| draw.binding && draw.is_over(*held)) {
                return Ok(held);
            }
            let mut put = tx.prepare_cached("INSERT OR REPLACE INTO rate VALUES (?1, ?2, ?3)")?;
            for (draw, mut window, held) in windows {
                if draw.amount > 0 && !draw.is_over(held) {
                    window.add(draw, now);
                    put.execute(params![draw.key, draw.until(now), window.write()])?;
                }
            }
            Ok(held)
        })
    }

    fn habit(&self, account: &Key, amount: u64, day: u64) -> Result<Habit, Trouble> {
        self.write(|tx| {
            let known = |row: &rusqlite::Row<'_>| Ok(Habit { day: row.get(0)?, today: row.get(1)?, mean: row.get(2)? });
            let mut habit = tx
                .prepare_cached("SELECT day, today, mean FROM habit WHERE key = ?1")?
                .query_row([account], known)
                .optional()?
                .unwrap_or_default();
            habit.add(amount, day);
            tx.prepare_cached("INSERT OR REPLACE INTO habit VALUES (?1, ?2, ?3, ?4)")?.execute(params![
                account,
                habit.day,
                habit.today,
                habit.mean
            ])?;
            Ok(habit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("hamgate-pace-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn sqlite_keeps_the_contract_of_the_door() {
        for (name, promise) in contract::PROMISES_OF_THE_DOOR {
            let folder = Folder::new(name);
            promise(&PaceFile::open(&folder.0.join("pace.sqlite")).unwrap());
        }
    }

    #[test]
    fn what_the_door_remembers_outlives_it() {
        let folder = Folder::new("again");
        let path = folder.0.join("pace.sqlite");
        let draw = Draw { key: [3; 16], span: Duration::from_secs(60), most: 2, amount: 1, binding: true };
        let triplet = Triplet { key: [1; 16], client: "192.0.2.0".into(), sender: "a@b".into(), recipient: "c@d".into() };
        let secret = {
            let store = PaceFile::open(&path).unwrap();
            store.keep(&[(triplet, Seen { first: 5, last: 7, passed: false })], &[]).unwrap();
            store.draw(std::slice::from_ref(&draw), 1_000_000).unwrap();
            store.secret().unwrap()
        };
        let store = PaceFile::open(&path).unwrap();
        assert_eq!(store.look_up(&[[1; 16]], &[]).unwrap().triplets, [Some(Seen { first: 5, last: 7, passed: false })]);
        assert_eq!(store.draw(&[draw], 1_000_500).unwrap(), [1]);
        assert_eq!(store.secret().unwrap(), secret);
    }

    #[test]
    fn a_damaged_file_is_set_aside() {
        let folder = Folder::new("damaged");
        let path = folder.0.join("pace.sqlite");
        fs::write(&path, [b'x'; 5000]).unwrap();
        PaceFile::open(&path).unwrap();
        assert!(folder.0.join("pace.damaged-1").exists());
    }
}
