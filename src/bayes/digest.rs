//! Which message is the same message: one that a user moves to Junk is the one that was learned when it arrived, though
//! delivery added fields and the filter marked its Subject.

use crate::mail::{HeaderQuery, Reading};
use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use std::sync::LazyLock;

/// Fields that no delivery changes.
static FIELDS: LazyLock<Vec<HeaderQuery>> =
    LazyLock::new(|| ["Message-ID:raw", "Date:raw", "From:raw"].iter().filter_map(|name| HeaderQuery::parse(name).ok()).collect());

/// SHA-1 over Message-ID, Date, From and the body, white space at line ends aside.
pub fn of(reading: &Reading<'_>) -> [u8; 20] {
    let mut hasher = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for query in FIELDS.iter() {
        for value in reading.header_values(query) {
            value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).for_each(|word| {
                hasher.update(word);
                hasher.update(b" ");
            });
        }
        hasher.update(b"\n");
    }
    let body = reading.mail.body().trim_ascii_end();
    for line in body.split(|octet| *octet == b'\n') {
        hasher.update(line.trim_ascii_end());
        hasher.update(b"\n");
    }
    let mut digest = [0; 20];
    digest.copy_from_slice(hasher.finish().as_ref());
    digest
}
