//! Backups of a server in the same file as those of SQLite, and a server filled from one.

use super::lessons::{Entry, read_former, write_former};
use super::{CLASSIFIERS, KEY, Keys, RULES, Valkey, names, row, scan, totals_of};
use crate::store::sqlite::copy::{self, Work};
use crate::store::{LastExpiry, Tokens, Totals, Trouble};
use redis::{Connection, Pipeline, Value};
use std::path::{Path, PathBuf};

/// How often a classifier is read again that was written to while it was read.
const TRIES: usize = 20;
/// Fields written in one step.
const STEP: usize = 1_000;
/// Names of classifiers whose new hashes are on their way.
const ARRIVING: &str = "hamgate:arriving";

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// One classifier as it stood at one moment.
struct Snapshot {
    totals: Totals,
    expiry: Option<LastExpiry>,
    tokens: Fields,
    lessons: Fields,
    former: Fields,
}

impl Snapshot {
    /// Read in steps that hold nobody up, and again where somebody wrote meanwhile.
    fn of(connection: &mut Connection, keys: &Keys) -> Result<Snapshot, Trouble> {
        let standing = |connection: &mut Connection| -> Result<(Vec<Option<u64>>, Option<String>), Trouble> {
            let mut both = redis::pipe();
            both.atomic().cmd("HMGET").arg(&keys.totals).arg("S").arg("H").arg("V").cmd("HGET").arg(&keys.totals).arg("E");
            Ok(both.query(connection)?)
        };
        for _ in 0..TRIES {
            let before = standing(connection)?;
            let (tokens, lessons) = (scan(connection, &keys.tokens)?, scan(connection, &keys.lessons)?);
            let former = scan(connection, &keys.former)?;
            if standing(connection)? == before {
                let expiry = before.1.as_deref().and_then(LastExpiry::read);
                return Ok(Snapshot { totals: totals_of(&before.0), expiry, tokens, lessons, former });
            }
        }
        Err(Trouble("valkey: somebody learns all the time; try again when it is quiet".into()))
    }
}

pub(super) fn backup(store: &Valkey, to: &Path) -> Result<(), Trouble> {
    let (key, rules) = (store.key()?, store.rules()?);
    copy::fill(to, &key, rules.as_deref(), |filling| {
        for name in store.ask(names)? {
            let snapshot = store.ask(|connection| Snapshot::of(connection, &Keys::of(&name)))?;
            let id = filling.classifier(&name, snapshot.totals, snapshot.expiry)?;
            for (token, text) in &snapshot.tokens {
                let token = std::str::from_utf8(token).ok().and_then(|token| token.parse().ok());
                if let (Some(token), Some((count, day))) = (token, row(text)) {
                    filling.token(id, token, count, day)?;
                }
            }
            for (fields, is_former) in [(&snapshot.former, true), (&snapshot.lessons, false)] {
                for (digest, octets) in fields {
                    let Ok(digest) = <[u8; 20]>::try_from(digest.as_slice()) else { continue };
                    let entries = if is_former { read_former(octets)? } else { vec![Entry::read(octets)?] };
                    for entry in entries {
                        filling.lesson(id, entry.told(&name, digest), is_former)?;
                    }
                }
            }
        }
        Ok(())
    })
}

/// Fields on their way to a hash.
struct Writer<'s> {
    store: &'s Valkey,
    pipe: Pipeline,
    waiting: usize,
}

impl Writer<'_> {
    fn put(&mut self, hash: &str, field: impl redis::ToRedisArgs, value: impl redis::ToRedisArgs) -> Result<(), Trouble> {
        self.pipe.cmd("HSET").arg(hash).arg(field).arg(value).ignore();
        self.waiting += 1;
        if self.waiting >= STEP { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<(), Trouble> {
        let pipe = std::mem::take(&mut self.pipe);
        self.waiting = 0;
        self.store.ask(|connection| Ok(pipe.query::<()>(connection)?))
    }
}

/// New hashes are filled beside the old ones and take their place in one transaction.
pub(super) fn restore(store: &Valkey, from: &Path) -> Result<(), Trouble> {
    let work = Work::of(from, &working(from))?;
    store.ask(remove_arriving)?;
    let names = work.store.classifiers()?;
    let mut writer = Writer { store, pipe: redis::pipe(), waiting: 0 };
    for name in &names {
        let keys = Keys::arriving(name);
        store.ask(|connection| Ok(redis::cmd("SADD").arg(ARRIVING).arg(name).query::<()>(connection)?))?;
        let (totals, _) = work.store.counts(name, &[])?;
        writer.put(&keys.totals, "S", totals.spam)?;
        writer.put(&keys.totals, "H", totals.ham)?;
        // Greater than whatever stood here, so that a backup on its way sees that all has changed.
        writer.put(&keys.totals, "V", LastExpiry::now(0, 0).at << 20)?;
        if let Some(expiry) = work.store.last_expiry(name)? {
            writer.put(&keys.totals, "E", expiry.write())?;
        }
        let mut wrote = Ok(());
        work.store.rows(name, &mut |token, count, day| {
            if wrote.is_ok() {
                wrote = writer.put(&keys.tokens, token, format!("{} {} {day}", count.spam, count.ham));
            }
        })?;
        wrote?;
    }
    copy::journal(&work.store, &mut |name, entry, former| {
        let keys = Keys::arriving(name);
        if !former.is_empty() {
            let former: Vec<Entry> = former.iter().map(Entry::of).collect();
            writer.put(&keys.former, &entry.digest[..], write_former(&former))?;
        }
        writer.put(&keys.lessons, &entry.digest[..], Entry::of(&entry).write())
    })?;
    writer.send()?;
    let rules = work.store.rules()?;
    store.ask(|connection| take_place(connection, &names, &work.key, rules.as_deref()))
}

/// In the folder for temporary files: backups may lie where nothing can be written.
fn working(from: &Path) -> PathBuf {
    let name = from.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    std::env::temp_dir().join(format!("hamgate-restoring-{}-{name}", std::process::id()))
}

/// What a restore that was cut short left.
fn remove_arriving(connection: &mut Connection) -> Result<(), Trouble> {
    let left: Vec<String> = redis::cmd("SMEMBERS").arg(ARRIVING).query(connection)?;
    let mut all = redis::pipe();
    left.iter().flat_map(|name| Keys::arriving(name).all()).for_each(|key| {
        all.cmd("UNLINK").arg(key).ignore();
    });
    all.cmd("DEL").arg(ARRIVING).ignore();
    Ok(all.query(connection)?)
}

fn take_place(connection: &mut Connection, arriving: &[String], key: &[u8; 16], rules: Option<&str>) -> Result<(), Trouble> {
    let mut all = redis::pipe();
    all.atomic();
    for key in names(connection)?.iter().flat_map(|name| Keys::of(name).all()) {
        all.cmd("UNLINK").arg(key).ignore();
    }
    all.cmd("DEL").arg(CLASSIFIERS).arg(RULES).arg(ARRIVING).ignore();
    for name in arriving {
        for (new, key) in Keys::arriving(name).all().into_iter().zip(Keys::of(name).all()) {
            // A hash without fields is none.
            if redis::cmd("EXISTS").arg(&new).query::<bool>(connection)? {
                all.cmd("RENAME").arg(new).arg(key).ignore();
            }
        }
        all.cmd("SADD").arg(CLASSIFIERS).arg(name).ignore();
    }
    all.cmd("SET").arg(KEY).arg(&key[..]).ignore();
    if let Some(rules) = rules {
        all.cmd("SET").arg(RULES).arg(rules).ignore();
    }
    let _: Value = all.query(connection)?;
    Ok(())
}
