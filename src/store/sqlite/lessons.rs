//! Lessons in SQLite: counts go up and down with the journal, in one transaction.

use super::{MASK, classifier_id_or_new, row_key};
use crate::store::lessons::{pack, unpack};
use crate::store::{Count, Effect, Label, Lesson, LessonEntry, Token, Totals, Trouble, Which};
use rusqlite::{Row, Transaction, params};
use std::collections::BTreeMap;

/// Conditions of `Which`, as parameters 1 and 2.
pub(super) const WHICH: &str = "(?1 IS NULL OR at >= ?1) AND (?2 IS NULL OR source = ?2 OR substr(source, 1, length(?2) + 1) = ?2 || ':')";

/// Counts of many lessons on their way into the tables: a token that many of them hold is written once.
#[derive(Default)]
struct Pending {
    /// Adding, or taking away; what comes after a change of direction waits for what came before.
    taking: bool,
    totals: BTreeMap<i64, Totals>,
    /// By key of the row; counts and the day.
    tokens: BTreeMap<i64, (Count, u64)>,
}

impl Pending {
    fn count(&mut self, tx: &Transaction<'_>, entry: &Entry, taking: bool) -> Result<(), Trouble> {
        if self.taking != taking {
            self.write(tx)?;
            self.taking = taking;
        }
        let (spam, ham) = match entry.label {
            Label::Spam => (1, 0),
            Label::Ham => (0, 1),
        };
        let totals = self.totals.entry(entry.classifier).or_default();
        totals.spam += u64::from(spam);
        totals.ham += u64::from(ham);
        for token in &entry.tokens {
            let (count, seen) = self.tokens.entry(row_key(entry.classifier, *token)).or_default();
            count.spam = count.spam.saturating_add(spam);
            count.ham = count.ham.saturating_add(ham);
            *seen = (entry.at / DAY).max(*seen);
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
            let mut take = tx.prepare_cached("UPDATE token SET spam = max(spam - ?2, 0), ham = max(ham - ?3, 0) WHERE key = ?1")?;
            let mut clear = tx.prepare_cached("DELETE FROM token WHERE key = ?1 AND spam = 0 AND ham = 0")?;
            for (key, (count, _)) in tokens {
                take.execute(params![key, count.spam, count.ham])?;
                clear.execute([key])?;
            }
        } else {
            let mut add = tx.prepare_cached(ADD)?;
            for (key, (count, day)) in tokens {
                add.execute(params![key, count.spam, count.ham, day as i64])?;
            }
        }
        Ok(())
    }
}

/// Seconds.
const DAY: u64 = 86_400;

/// Key, spam, ham, day.
pub(super) const ADD: &str = "INSERT INTO token (key, spam, ham, seen) VALUES (?1, ?2, ?3, ?4)
     ON CONFLICT (key) DO UPDATE SET spam = spam + excluded.spam, ham = ham + excluded.ham, seen = max(seen, excluded.seen)";

/// A row of `lesson` or `former`.
pub(super) struct Entry {
    id: i64,
    pub classifier: i64,
    pub digest: [u8; 20],
    pub label: Label,
    pub at: u64,
    pub source: String,
    pub tokens: Vec<Token>,
}

const COLUMNS: &str = "id, classifier, digest, spam, at, source, tokens";

impl Entry {
    fn read(row: &Row<'_>) -> Result<Entry, Trouble> {
        let (id, packed, at): (i64, Vec<u8>, i64) = (row.get(0)?, row.get(6)?, row.get(4)?);
        let tokens = unpack(&packed).ok_or_else(|| Trouble(format!("lesson {id} is damaged")))?;
        Ok(Entry {
            id,
            classifier: row.get(1)?,
            digest: row.get(2)?,
            label: if row.get(3)? { Label::Spam } else { Label::Ham },
            at: at as u64,
            source: row.get(5)?,
            tokens,
        })
    }

    pub fn of(classifier: i64, entry: LessonEntry) -> Entry {
        let LessonEntry { classifier: _, digest, label, at, source, tokens } = entry;
        Entry { id: 0, classifier, digest, label, at, source, tokens }
    }

    pub fn told(self, classifier: &str) -> LessonEntry {
        let Entry { id: _, classifier: _, digest, label, at, source, tokens } = self;
        LessonEntry { classifier: classifier.to_owned(), digest, label, at, source, tokens }
    }

    pub fn insert(&self, tx: &Transaction<'_>, table: &str) -> Result<(), Trouble> {
        tx.prepare_cached(&format!("INSERT INTO {table} (classifier, digest, spam, at, source, tokens) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"))?
            .execute(params![self.classifier, self.digest, self.label == Label::Spam, self.at as i64, self.source, pack(&self.tokens)])?;
        Ok(())
    }
}

/// Rows that `which` names, oldest first; `table` is `lesson` or `former`.
pub(super) fn each(
    tx: &Transaction<'_>,
    table: &str,
    which: &Which,
    mut each: impl FnMut(Entry) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let mut find = tx.prepare(&format!("SELECT {COLUMNS} FROM {table} WHERE {WHICH} ORDER BY id"))?;
    let mut rows = find.query(params![which.since.map(|since| since as i64), which.source])?;
    while let Some(row) = rows.next()? {
        each(Entry::read(row)?)?;
    }
    Ok(())
}

/// Of one message, oldest first.
pub(super) fn of_message(tx: &Transaction<'_>, table: &str, classifier: i64, digest: &[u8; 20]) -> Result<Vec<Entry>, Trouble> {
    let mut find = tx.prepare_cached(&format!("SELECT {COLUMNS} FROM {table} WHERE classifier = ?1 AND digest = ?2 ORDER BY id"))?;
    let mut rows = find.query(params![classifier, digest])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(Entry::read(row)?);
    }
    Ok(entries)
}

fn newest(tx: &Transaction<'_>, table: &str, classifier: i64, digest: &[u8; 20]) -> Result<Option<Entry>, Trouble> {
    Ok(of_message(tx, table, classifier, digest)?.pop())
}

pub(super) fn learn(tx: &Transaction<'_>, lessons: &[Lesson]) -> Result<Vec<Effect>, Trouble> {
    let mut pending = Pending::default();
    let effects = lessons.iter().map(|lesson| learn_one(tx, &mut pending, lesson)).collect::<Result<_, _>>()?;
    pending.write(tx)?;
    Ok(effects)
}

fn learn_one(tx: &Transaction<'_>, pending: &mut Pending, lesson: &Lesson) -> Result<Effect, Trouble> {
    let classifier = classifier_id_or_new(tx, &lesson.classifier)?;
    let before = newest(tx, "lesson", classifier, &lesson.digest)?;
    let effect = match (&before, lesson.label) {
        (Some(before), Some(label)) if before.label == label || lesson.yields => return Ok(Effect::AlreadyKnown),
        (None, None) => return Ok(Effect::Unknown),
        (Some(_), Some(_)) => Effect::Relearned,
        (Some(_), None) => Effect::Forgotten,
        (None, Some(_)) => Effect::Learned,
    };
    if let Some(before) = before {
        pending.count(tx, &before, true)?;
        tx.prepare_cached("DELETE FROM lesson WHERE id = ?1")?.execute([before.id])?;
        let mut outlived = tx.prepare_cached("DELETE FROM former WHERE classifier = ?1 AND digest = ?2 AND (?3 OR source IN (?4, ?5))")?;
        // Of each source at most one stays; of a message that is forgotten, none.
        outlived.execute(params![classifier, lesson.digest, lesson.label.is_none(), before.source, &*lesson.source])?;
        if lesson.label.is_some() {
            before.insert(tx, "former")?;
        }
    }
    if let Some(label) = lesson.label {
        let (source, tokens) = (lesson.source.to_string(), lesson.tokens.iter().map(|token| token & MASK).collect());
        let after = Entry { id: 0, classifier, digest: lesson.digest, label, at: lesson.at, source, tokens };
        pending.count(tx, &after, false)?;
        after.insert(tx, "lesson")?;
    }
    Ok(effect)
}

/// Takes lessons back; what stood before them stands again.
pub(super) fn revert(tx: &Transaction<'_>, which: &Which) -> Result<u64, Trouble> {
    let (mut taken, mut pending) = (Vec::new(), Pending::default());
    each(tx, "lesson", which, |entry| {
        pending.count(tx, &entry, true)?;
        taken.push((entry.id, entry.classifier, entry.digest));
        Ok(())
    })?;
    pending.write(tx)?;
    tx.execute(&format!("DELETE FROM former WHERE {WHICH}"), params![which.since.map(|since| since as i64), which.source])?;
    let mut delete = tx.prepare_cached("DELETE FROM lesson WHERE id = ?1")?;
    let mut delete_former = tx.prepare_cached("DELETE FROM former WHERE id = ?1")?;
    for (id, classifier, digest) in &taken {
        delete.execute([id])?;
        if let Some(before) = newest(tx, "former", *classifier, digest)? {
            delete_former.execute([before.id])?;
            pending.count(tx, &before, false)?;
            before.insert(tx, "lesson")?;
        }
    }
    pending.write(tx)?;
    Ok(taken.len() as u64)
}
