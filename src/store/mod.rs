//! One store in facets: what classifiers learned, what the door remembers; history as its room comes.
//!
//! A facet is a trait, a backend is a file and a row in `open`. Calls block: scoring runs on the blocking pool anyway,
//! and SQLite has no other way. Every error is a `Trouble` that callers answer with "no opinion", never with lost mail.

pub mod greylist;
mod lessons;
pub mod settings;
mod sqlite;
mod tokens;
mod valkey;
pub mod windows;

#[cfg(test)]
mod contract;

pub use greylist::{Greylist, Key};
pub use lessons::{Effect, Label, Lesson, LessonEntry, Which};
pub use settings::Settings;
pub use sqlite::Sqlite;
pub use sqlite::pace::PaceFile;
pub use tokens::{Count, Expired, LastExpiry, Token, Tokens, Totals, under_others};
pub use valkey::Valkey;
pub use windows::Windows;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The store could not do it: away, locked, corrupt or full. Says which and what helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble(pub String);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}

/// What the door remembers: greylist, windows, habits.
pub trait Pace: Greylist + Windows {}

impl<T: Greylist + Windows> Pace for T {}

/// Opens what the door remembers, at the same place as `open`.
pub fn open_pace(place: &str) -> Result<Arc<dyn Pace>, Trouble> {
    if is_server(place) {
        Ok(Arc::new(Valkey::open(&place.replacen("valkey://", "redis://", 1))?))
    } else {
        Ok(Arc::new(PaceFile::open(&Path::new(place).join("pace.sqlite"))?))
    }
}

fn is_server(place: &str) -> bool {
    ["redis://", "rediss://", "redis+unix://", "unix://", "valkey://"].iter().any(|scheme| place.starts_with(scheme))
}

/// Opens the store: `redis://…` and its kin on a server, anything else the folder that holds the SQLite file.
pub fn open(place: &str) -> Result<Arc<dyn Tokens>, Trouble> {
    if is_server(place) {
        Ok(Arc::new(Valkey::open(&place.replacen("valkey://", "redis://", 1))?))
    } else {
        Ok(Arc::new(Sqlite::open(&Path::new(place).join("hamgate.sqlite"))?))
    }
}

/// Opens a store that is there, for reading alone: nothing is made, mended or set aside. `None`: nothing is there.
///
/// # Errors
/// It is there and cannot be used.
pub fn open_as_it_is(place: &str) -> Result<Option<Arc<dyn Tokens>>, Trouble> {
    if is_server(place) {
        return open(place).map(Some);
    }
    let path = Path::new(place).join("hamgate.sqlite");
    if !path.exists() || !path.with_extension("key").exists() {
        return Ok(None);
    }
    Ok(Some(Arc::new(Sqlite::open_as_it_is(&path)?)))
}

fn random_key() -> Result<[u8; 16], Trouble> {
    let mut key = [0; 16];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| Trouble("the system gave no random octets".into()))?;
    Ok(key)
}
