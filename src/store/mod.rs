//! One store in facets: what classifiers learned now; greylist, counters and history as their rooms come.
//!
//! A facet is a trait, a backend is a file and a row in `open`. Calls block: scoring runs on the blocking pool anyway,
//! and SQLite has no other way. Every error is a `Trouble` that callers answer with "no opinion", never with lost mail.

mod lessons;
mod sqlite;
mod tokens;

pub use lessons::{Effect, Label, Lesson, LessonEntry, Which};
pub use sqlite::Sqlite;
pub use tokens::{Count, Expired, Token, Tokens, Totals};

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

/// Opens the store below a state folder, or at a URL.
pub fn open(state: &Path) -> Result<Arc<dyn Tokens>, Trouble> {
    Ok(Arc::new(Sqlite::open(&state.join("hamgate.sqlite"))?))
}
