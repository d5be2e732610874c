//! Expiry in short transactions: scoring never waits.

use super::{MASK, Sqlite, classifier_id, row_key, set_setting, setting};
use crate::store::{Expired, LastExpiry, Trouble};
use rusqlite::Transaction;

/// Rows removed in one transaction.
const STEP: usize = 2_000;

fn name(classifier: i64) -> String {
    format!("expiry:{classifier}")
}

/// What goes is chosen from a snapshot; it stays where a lesson touched it meanwhile.
pub(super) fn expire(store: &Sqlite, classifier: &str, keep: u64) -> Result<Expired, Trouble> {
    let (id, have, mut rows) = store.read(|tx| {
        let Some((id, _)) = classifier_id(tx, classifier)? else { return Ok((0, 0, Vec::new())) };
        let count = "SELECT count(*) FROM token WHERE key BETWEEN ?1 AND ?2";
        let have: u64 = tx.query_row(count, [row_key(id, 0), row_key(id, MASK)], |row| row.get(0))?;
        if have <= keep {
            return Ok((id, have, Vec::new()));
        }
        let mut find = tx.prepare("SELECT seen, spam + ham, key FROM token WHERE key BETWEEN ?1 AND ?2")?;
        let rows = find.query_map([row_key(id, 0), row_key(id, MASK)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })?;
        Ok((id, have, rows.collect::<Result<Vec<_>, _>>()?))
    })?;
    let surplus = rows.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
    let mut expired = Expired { removed: 0, kept: have };
    if surplus == 0 {
        return Ok(expired);
    }
    rows.sort_unstable();
    let newest = rows.last().map_or(0, |row| row.0);
    let gone = rows.get(..surplus).unwrap_or_default();
    for step in gone.chunks(STEP) {
        let removed = store.write(|tx| {
            let mut delete = tx.prepare_cached("DELETE FROM token WHERE key = ?1 AND seen = ?2")?;
            step.iter().try_fold(0, |removed, (seen, _, key)| Ok(removed + delete.execute([key, seen])? as u64))
        })?;
        expired.removed += removed;
        expired.kept -= removed;
    }
    let days = gone.last().map_or(0, |row| newest - row.0);
    let last = LastExpiry::now(days.max(0) as u64, expired.removed);
    store.write(|tx| set_setting(tx, &name(id), &last.write()))?;
    Ok(expired)
}

pub(super) fn last(tx: &Transaction<'_>, classifier: &str) -> Result<Option<LastExpiry>, Trouble> {
    let Some((id, _)) = classifier_id(tx, classifier)? else { return Ok(None) };
    Ok(setting(tx, &name(id))?.as_deref().and_then(LastExpiry::read))
}
