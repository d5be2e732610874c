//! Lessons on a server: journal entries and the script that changes counts and journal at once.

use super::{CLASSIFIERS, Keys, names, scan};
use crate::store::lessons::{is_below, pack, unpack};
use crate::store::{Effect, Label, Lesson, LessonEntry, Token, Trouble, Which};
use redis::{Connection, Script};
use std::collections::HashMap;

/// How often a lesson is tried again when another trainer changed the same message meanwhile.
const TRIES: usize = 5;

/// KEYS: lessons, tokens, totals, classifiers, former. ARGV: classifier, digest, standing entry, new entry, label taken, label
/// given, day, number of tokens taken, former entries, tokens taken…, tokens given….
const LEARN: &str = r"
if (redis.call('HGET', KEYS[1], ARGV[2]) or '') ~= ARGV[3] then return 0 end
local function add(token, label, by)
  local row = redis.call('HGET', KEYS[2], token)
  local spam, ham, day = 0, 0, 0
  if row then spam, ham, day = string.match(row, '(%d+) (%d+) (%d+)') end
  spam, ham, day = tonumber(spam), tonumber(ham), tonumber(day)
  if label == 'S' then spam = math.max(spam + by, 0) else ham = math.max(ham + by, 0) end
  if by > 0 then day = math.max(day, tonumber(ARGV[7])) end
  if spam == 0 and ham == 0 then redis.call('HDEL', KEYS[2], token)
  else redis.call('HSET', KEYS[2], token, string.format('%d %d %d', spam, ham, day)) end
end
local taken = tonumber(ARGV[8])
for i = 10, 9 + taken do add(ARGV[i], ARGV[5], -1) end
for i = 10 + taken, #ARGV do add(ARGV[i], ARGV[6], 1) end
if ARGV[5] ~= '' then redis.call('HINCRBY', KEYS[3], ARGV[5], -1) end
if ARGV[6] ~= '' then redis.call('HINCRBY', KEYS[3], ARGV[6], 1) end
redis.call('HINCRBY', KEYS[3], 'V', 1)
if ARGV[4] == '' then redis.call('HDEL', KEYS[1], ARGV[2]) else redis.call('HSET', KEYS[1], ARGV[2], ARGV[4]) end
if ARGV[9] == '' then redis.call('HDEL', KEYS[5], ARGV[2]) else redis.call('HSET', KEYS[5], ARGV[2], ARGV[9]) end
redis.call('SADD', KEYS[4], ARGV[1])
return 1";

/// A journal entry as it is stored: label, time, length of the source, source, tokens.
#[derive(Clone)]
pub(super) struct Entry {
    pub label: Label,
    pub at: u64,
    pub source: String,
    pub tokens: Vec<Token>,
}

impl Entry {
    pub fn write(&self) -> Vec<u8> {
        let mut octets = vec![letter(self.label).as_bytes()[0]];
        octets.extend_from_slice(&self.at.to_be_bytes());
        octets.extend_from_slice(&(self.source.len() as u32).to_be_bytes());
        octets.extend_from_slice(self.source.as_bytes());
        octets.extend(pack(&self.tokens));
        octets
    }

    pub fn read(octets: &[u8]) -> Result<Entry, Trouble> {
        let entry = || {
            let (label, rest) = octets.split_first()?;
            let (at, rest) = rest.split_first_chunk::<8>()?;
            let (length, rest) = rest.split_first_chunk::<4>()?;
            let (source, tokens) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            let label = if *label == b'S' { Label::Spam } else { Label::Ham };
            Some(Entry { label, at: u64::from_be_bytes(*at), source: String::from_utf8(source.to_vec()).ok()?, tokens: unpack(tokens)? })
        };
        entry().ok_or_else(|| Trouble("valkey: a journal entry is damaged".into()))
    }

    pub fn of(entry: &LessonEntry) -> Entry {
        Entry { label: entry.label, at: entry.at, source: entry.source.clone(), tokens: entry.tokens.clone() }
    }

    pub fn told(self, classifier: &str, digest: [u8; 20]) -> LessonEntry {
        let Entry { label, at, source, tokens } = self;
        LessonEntry { classifier: classifier.to_owned(), digest, label, at, source, tokens }
    }

    fn is_named_by(&self, which: &Which) -> bool {
        which.since.is_none_or(|since| self.at >= since) && which.source.as_ref().is_none_or(|source| is_below(&self.source, source))
    }
}

/// Entries that others replaced, oldest first: each behind its length.
pub(super) fn write_former(entries: &[Entry]) -> Vec<u8> {
    let mut octets = Vec::new();
    for entry in entries.iter().map(Entry::write) {
        octets.extend_from_slice(&(entry.len() as u32).to_be_bytes());
        octets.extend(entry);
    }
    octets
}

pub(super) fn read_former(mut octets: &[u8]) -> Result<Vec<Entry>, Trouble> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = octets.split_first_chunk::<4>() {
        let split = rest.split_at_checked(u32::from_be_bytes(*length) as usize);
        let (entry, rest) = split.ok_or_else(|| Trouble("valkey: a journal entry is damaged".into()))?;
        entries.push(Entry::read(entry)?);
        octets = rest;
    }
    Ok(entries)
}

fn letter(label: Label) -> &'static str {
    match label {
        Label::Spam => "S",
        Label::Ham => "H",
    }
}

/// What stands for a message, as it was read.
struct Standing {
    octets: Vec<u8>,
    entry: Option<Entry>,
    former: Vec<Entry>,
}

impl Standing {
    fn read(connection: &mut Connection, keys: &Keys, digest: &[u8; 20]) -> Result<Standing, Trouble> {
        let mut both = redis::pipe();
        both.atomic().cmd("HGET").arg(&keys.lessons).arg(&digest[..]).cmd("HGET").arg(&keys.former).arg(&digest[..]);
        let (octets, former): (Option<Vec<u8>>, Option<Vec<u8>>) = both.query(connection)?;
        let entry = octets.as_deref().map(Entry::read).transpose()?;
        Ok(Standing { octets: octets.unwrap_or_default(), entry, former: read_former(&former.unwrap_or_default())? })
    }

    /// Puts `after` and `former` in its place; `false`: somebody else changed it meanwhile.
    fn replace(
        &self,
        connection: &mut Connection,
        (classifier, digest): (&str, &[u8; 20]),
        after: Option<&Entry>,
        former: &[Entry],
    ) -> Result<bool, Trouble> {
        let keys = Keys::of(classifier);
        let octets = after.map(Entry::write).unwrap_or_default();
        // Where only the former entries change, no count does.
        let (taken, given) = if octets == self.octets { (None, None) } else { (self.entry.as_ref(), after) };
        let script = Script::new(LEARN);
        let mut call = script.key(&keys.lessons);
        call.key(&keys.tokens).key(&keys.totals).key(CLASSIFIERS).key(&keys.former);
        call.arg(classifier).arg(&digest[..]).arg(&self.octets[..]).arg(octets);
        call.arg(taken.map_or("", |entry| letter(entry.label))).arg(given.map_or("", |entry| letter(entry.label)));
        call.arg(given.or(taken).map_or(0, |entry| entry.at / 86_400));
        let (taken, given) = (taken.map_or(&[][..], |entry| &entry.tokens), given.map_or(&[][..], |entry| &entry.tokens));
        call.arg(taken.len()).arg(write_former(former)).arg(taken).arg(given);
        Ok(call.invoke::<i64>(connection)? == 1)
    }
}

fn busy() -> Trouble {
    Trouble("valkey: another trainer changes the same message".into())
}

pub(super) fn learn_one(connection: &mut Connection, lesson: &Lesson) -> Result<Effect, Trouble> {
    let keys = Keys::of(&lesson.classifier);
    for _ in 0..TRIES {
        let standing = Standing::read(connection, &keys, &lesson.digest)?;
        let effect = match (&standing.entry, lesson.label) {
            (Some(before), Some(label)) if before.label == label || lesson.yields => return Ok(Effect::AlreadyKnown),
            (None, None) => return Ok(Effect::Unknown),
            (Some(_), Some(_)) => Effect::Relearned,
            (Some(_), None) => Effect::Forgotten,
            (None, Some(_)) => Effect::Learned,
        };
        let after =
            lesson.label.map(|label| Entry { label, at: lesson.at, source: lesson.source.to_string(), tokens: lesson.tokens.clone() });
        let mut former = standing.former.clone();
        match (&standing.entry, &after) {
            // Of each source at most one stays.
            (Some(before), Some(after)) => {
                former.retain(|entry| entry.source != before.source && entry.source != after.source);
                former.push(before.clone());
            }
            (None, Some(_)) | (_, None) => former.clear(),
        }
        if standing.replace(connection, (&lesson.classifier, &lesson.digest), after.as_ref(), &former)? {
            return Ok(effect);
        }
    }
    Err(busy())
}

/// Takes back what `which` names of one message; what stood before stands again. Whether the standing entry went.
fn revert_one(connection: &mut Connection, classifier: &str, digest: &[u8; 20], which: &Which) -> Result<bool, Trouble> {
    for _ in 0..TRIES {
        let standing = Standing::read(connection, &Keys::of(classifier), digest)?;
        let mut former = standing.former.clone();
        former.retain(|entry| !entry.is_named_by(which));
        let goes = standing.entry.as_ref().is_some_and(|entry| entry.is_named_by(which));
        let after = if goes { former.pop() } else { standing.entry.clone() };
        if standing.replace(connection, (classifier, digest), after.as_ref(), &former)? {
            return Ok(goes);
        }
    }
    Err(busy())
}

pub(super) fn revert(connection: &mut Connection, which: &Which) -> Result<u64, Trouble> {
    let mut taken = 0;
    for classifier in names(connection)? {
        let keys = Keys::of(&classifier);
        let mut messages = HashMap::new();
        for (digest, octets) in scan(connection, &keys.lessons)? {
            let Ok(digest) = <[u8; 20]>::try_from(digest) else { continue };
            messages.insert(digest, Entry::read(&octets)?.is_named_by(which));
        }
        for (digest, octets) in scan(connection, &keys.former)? {
            let Ok(digest) = <[u8; 20]>::try_from(digest) else { continue };
            if read_former(&octets)?.iter().any(|entry| entry.is_named_by(which)) {
                messages.insert(digest, true);
            }
        }
        for (digest, _) in messages.into_iter().filter(|(_, is_named)| *is_named) {
            taken += u64::from(revert_one(connection, &classifier, &digest, which)?);
        }
    }
    Ok(taken)
}

/// The journal, oldest first.
pub(super) fn entries(connection: &mut Connection, which: &Which) -> Result<Vec<LessonEntry>, Trouble> {
    let mut found = Vec::new();
    for classifier in names(connection)? {
        for (digest, octets) in scan(connection, &Keys::of(&classifier).lessons)? {
            let (entry, Ok(digest)) = (Entry::read(&octets)?, <[u8; 20]>::try_from(digest)) else { continue };
            if entry.is_named_by(which) {
                found.push(entry.told(&classifier, digest));
            }
        }
    }
    found.sort_by(|a, b| (a.at, &a.classifier, a.digest).cmp(&(b.at, &b.classifier, b.digest)));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journal_entries_come_back() {
        let entry = Entry { label: Label::Spam, at: 7, source: "train:root".into(), tokens: vec![3, 9] };
        let told = |entry: Entry| entry.told("", [0; 20]);
        assert_eq!(told(Entry::read(&entry.write()).unwrap()), told(entry.clone()));
        assert!(Entry::read(b"S123").is_err());
        let both = read_former(&write_former(&[entry.clone(), Entry { label: Label::Ham, ..entry.clone() }])).unwrap();
        assert_eq!((both.len(), both[1].label), (2, Label::Ham));
        assert!(read_former(&write_former(&[entry])[..9]).is_err());
    }
}
