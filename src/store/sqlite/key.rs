//! The random key of a database: it lies beside it, so that a copy of the database alone tells no words. The database
//! remembers which key its tokens were made with, as eight octets of its SHA-256.

use super::{Trouble, set_setting, setting};
use crate::store::random_key;
use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::Transaction;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub(super) type KeyOctets = [u8; 16];

/// Where the name of the key stands in the database.
const NAME: &str = "key";

pub(super) fn name_of(key: &KeyOctets) -> String {
    digest(&SHA256, key).as_ref().iter().take(8).map(|octet| format!("{octet:02x}")).collect()
}

pub(super) fn remember(tx: &Transaction<'_>, key: &KeyOctets) -> Result<(), Trouble> {
    set_setting(tx, NAME, &name_of(key))
}

/// The key that a restore put there, until it takes the place of the old one.
fn fresh(database: &Path) -> PathBuf {
    database.with_extension("key-new")
}

/// The key of the database, as far as it knows it already.
pub(super) fn known(tx: &Transaction<'_>) -> Result<Option<String>, Trouble> {
    setting(tx, NAME)
}

/// The key that the database names: beside it, or still where a restore that was cut short left it.
pub(super) fn named(database: &Path, name: &str) -> Result<KeyOctets, Trouble> {
    for path in [database.with_extension("key"), fresh(database)] {
        match read(&path) {
            Ok(key) if name_of(&key) == name => return Ok(key),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Trouble(format!("{}: {error}", path.display()))),
        }
    }
    Err(Trouble(format!(
        "{} is missing, or is not the key that {} was filled with",
        database.with_extension("key").display(),
        database.display()
    )))
}

/// The key beside a database or another file; made where there is none. Written under another name and then linked, so that no
/// crash leaves half a key and no two processes make two.
pub(super) fn beside(database: &Path) -> Result<KeyOctets, Trouble> {
    let path = database.with_extension("key");
    let away = |error: std::io::Error| Trouble(format!("{}: {error}", path.display()));
    if !path.exists() {
        let fresh = path.with_extension(format!("key-{}", std::process::id()));
        write(&fresh, &random_key()?).map_err(away)?;
        let linked = fs::hard_link(&fresh, &path);
        let _ = fs::remove_file(&fresh);
        if let Err(error) = linked
            && error.kind() != ErrorKind::AlreadyExists
        {
            return Err(away(error));
        }
    }
    read(&path).map_err(away)
}

/// The key of a backup.
pub(super) fn of_backup(backup: &Path) -> Result<KeyOctets, Trouble> {
    let path = backup.with_extension("key");
    read(&path).map_err(|error| Trouble(format!("{}: {error}", path.display())))
}

/// Puts a key where a database that comes to name it finds it.
pub(super) fn prepare(database: &Path, key: &KeyOctets) -> Result<(), Trouble> {
    let path = fresh(database);
    write(&path, key).map_err(|error| Trouble(format!("{}: {error}", path.display())))
}

/// What a restore put there takes the place of the old key, where the database names it.
pub(super) fn settle(database: &Path, name: &str) -> Result<(), Trouble> {
    let path = fresh(database);
    match read(&path) {
        Ok(key) if name_of(&key) == name => {
            fs::rename(&path, database.with_extension("key")).map_err(|error| Trouble(format!("{}: {error}", path.display())))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

pub(super) fn write(path: &Path, key: &KeyOctets) -> std::io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(key)?;
    file.sync_all()
}

fn read(path: &Path) -> std::io::Result<KeyOctets> {
    fs::read(path)?.try_into().map_err(|_| std::io::Error::new(ErrorKind::InvalidData, "no key of 16 octets"))
}
