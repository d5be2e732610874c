//! The store on a Valkey or Redis server, shared by several exchangers.
//!
//! Each classifier has four hashes: `totals`, `tokens` (token → `spam ham day`), `lessons` (digest → journal entry) and
//! the set of classifiers beside them. A lesson is one script: it checks that the standing entry is still the one that
//! was read, then changes everything or nothing.

mod pace;

use super::lessons::{pack, unpack};
use super::{Count, Effect, Expired, Label, Lesson, LessonEntry, Token, Tokens, Totals, Trouble, Which};
use redis::{Client, Connection, RedisError, Script, Value};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const CONNECT_WAIT: Duration = Duration::from_millis(500);
const ANSWER_WAIT: Duration = Duration::from_millis(500);
/// After a failure nobody asks again for this long, so that mail never queues behind a dead server.
const REST: Duration = Duration::from_secs(1);
/// How often a lesson is tried again when another trainer changed the same message meanwhile.
const TRIES: usize = 5;
const EXPIRY_STEP: usize = 2_000;

/// KEYS: lessons, tokens, totals, classifiers. ARGV: classifier, digest, standing entry, new entry, label taken, label
/// given, day, number of tokens taken, tokens taken…, tokens given….
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
for i = 9, 8 + taken do add(ARGV[i], ARGV[5], -1) end
for i = 9 + taken, #ARGV do add(ARGV[i], ARGV[6], 1) end
if ARGV[5] ~= '' then redis.call('HINCRBY', KEYS[3], ARGV[5], -1) end
if ARGV[6] ~= '' then redis.call('HINCRBY', KEYS[3], ARGV[6], 1) end
if ARGV[4] == '' then redis.call('HDEL', KEYS[1], ARGV[2]) else redis.call('HSET', KEYS[1], ARGV[2], ARGV[4]) end
redis.call('SADD', KEYS[4], ARGV[1])
return 1";

pub struct Valkey {
    client: Client,
    idle: Mutex<Vec<Connection>>,
    resting_until: Mutex<Option<Instant>>,
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        Trouble(format!("valkey: {error}"))
    }
}

/// The hashes of one classifier.
struct Keys {
    totals: String,
    tokens: String,
    lessons: String,
}

const KEY: &str = "hamgate:key";
const CLASSIFIERS: &str = "hamgate:classifiers";

impl Keys {
    fn of(classifier: &str) -> Keys {
        let key = |part: &str| format!("hamgate:{part}:{classifier}");
        Keys { totals: key("totals"), tokens: key("tokens"), lessons: key("lessons") }
    }
}

/// A journal entry as it is stored: label, time, length of the source, source, tokens.
struct Entry {
    label: Label,
    at: u64,
    source: String,
    tokens: Vec<Token>,
}

impl Entry {
    fn write(&self) -> Vec<u8> {
        let mut octets = vec![letter(self.label).as_bytes()[0]];
        octets.extend_from_slice(&self.at.to_be_bytes());
        octets.extend_from_slice(&(self.source.len() as u32).to_be_bytes());
        octets.extend_from_slice(self.source.as_bytes());
        octets.extend(pack(&self.tokens));
        octets
    }

    fn read(octets: &[u8]) -> Result<Entry, Trouble> {
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

    fn is_named_by(&self, which: &Which) -> bool {
        which.since.is_none_or(|since| self.at >= since) && which.source.as_ref().is_none_or(|source| *source == self.source)
    }
}

fn letter(label: Label) -> &'static str {
    match label {
        Label::Spam => "S",
        Label::Ham => "H",
    }
}

impl Valkey {
    /// `redis://host:port/db`, `redis+unix:///path`; passwords stand in the URL and never in a log line.
    pub fn open(url: &str) -> Result<Valkey, Trouble> {
        let client = Client::open(url)
            .map_err(|_| Trouble("the store's URL cannot be read: write redis://host:port/0 or redis+unix:///path".into()))?;
        Ok(Valkey { client, idle: Mutex::default(), resting_until: Mutex::default() })
    }

    fn ask<T>(&self, ask: impl FnOnce(&mut Connection) -> Result<T, Trouble>) -> Result<T, Trouble> {
        if self.rest().is_some_and(|until| Instant::now() < until) {
            return Err(Trouble("valkey: away; asked again in a moment".into()));
        }
        let answer = self.connection().and_then(|mut connection| Ok((ask(&mut connection)?, connection)));
        match answer {
            Ok((answer, connection)) => {
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                Ok(answer)
            }
            Err(trouble) => {
                // Connections to a server that went away are of no use either.
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
                *self.resting_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
                Err(trouble)
            }
        }
    }

    fn rest(&self) -> Option<Instant> {
        *self.resting_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connection(&self) -> Result<Connection, Trouble> {
        if let Some(idle) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(idle);
        }
        let connection = self.client.get_connection_with_timeout(CONNECT_WAIT)?;
        connection.set_read_timeout(Some(ANSWER_WAIT))?;
        connection.set_write_timeout(Some(ANSWER_WAIT))?;
        Ok(connection)
    }

    fn learn_one(connection: &mut Connection, lesson: &Lesson) -> Result<Effect, Trouble> {
        let keys = Keys::of(&lesson.classifier);
        for _ in 0..TRIES {
            let standing: Option<Vec<u8>> = redis::cmd("HGET").arg(&keys.lessons).arg(&lesson.digest[..]).query(connection)?;
            let before = standing.as_deref().map(Entry::read).transpose()?;
            let effect = match (&before, lesson.label) {
                (Some(before), Some(label)) if before.label == label || lesson.yields => return Ok(Effect::AlreadyKnown),
                (None, None) => return Ok(Effect::Unknown),
                (Some(_), Some(_)) => Effect::Relearned,
                (Some(_), None) => Effect::Forgotten,
                (None, Some(_)) => Effect::Learned,
            };
            let after =
                lesson.label.map(|label| Entry { label, at: lesson.at, source: lesson.source.to_string(), tokens: lesson.tokens.clone() });
            let script = Script::new(LEARN);
            let mut call = script.key(&keys.lessons);
            call.key(&keys.tokens).key(&keys.totals).key(CLASSIFIERS);
            call.arg(&*lesson.classifier).arg(&lesson.digest[..]).arg(standing.unwrap_or_default());
            call.arg(after.as_ref().map(Entry::write).unwrap_or_default());
            call.arg(before.as_ref().map_or("", |b| letter(b.label))).arg(after.as_ref().map_or("", |a| letter(a.label)));
            call.arg(lesson.at / 86_400);
            let taken = before.map(|b| b.tokens).unwrap_or_default();
            call.arg(taken.len()).arg(taken).arg(after.map(|a| a.tokens).unwrap_or_default());
            if call.invoke::<i64>(connection)? == 1 {
                return Ok(effect);
            }
        }
        Err(Trouble("valkey: another trainer changes the same message".into()))
    }

    fn entries(connection: &mut Connection, which: &Which) -> Result<Vec<(String, [u8; 20], Entry)>, Trouble> {
        let mut found = Vec::new();
        for classifier in names(connection)? {
            for (digest, octets) in scan(connection, &Keys::of(&classifier).lessons)? {
                let (entry, Ok(digest)) = (Entry::read(&octets)?, <[u8; 20]>::try_from(digest)) else { continue };
                if entry.is_named_by(which) {
                    found.push((classifier.clone(), digest, entry));
                }
            }
        }
        found.sort_by(|a, b| (a.2.at, &a.0, a.1).cmp(&(b.2.at, &b.0, b.1)));
        Ok(found)
    }
}

fn names(connection: &mut Connection) -> Result<Vec<String>, Trouble> {
    let mut names: Vec<String> = redis::cmd("SMEMBERS").arg(CLASSIFIERS).query(connection)?;
    names.sort();
    Ok(names)
}

/// All fields of a hash, in steps that never hold the server up.
fn scan(connection: &mut Connection, key: &str) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Trouble> {
    let (mut cursor, mut all) = (0u64, std::collections::BTreeMap::new());
    loop {
        let (next, rows): (u64, Vec<(Vec<u8>, Vec<u8>)>) =
            redis::cmd("HSCAN").arg(key).arg(cursor).arg("COUNT").arg(1_000).query(connection)?;
        all.extend(rows);
        cursor = next;
        if cursor == 0 {
            return Ok(all.into_iter().collect());
        }
    }
}

/// `spam ham day`.
fn row(text: &[u8]) -> Option<(Count, u32)> {
    let mut numbers = std::str::from_utf8(text).ok()?.split(' ').map(str::parse::<u32>);
    let mut next = || numbers.next()?.ok();
    Some((Count { spam: next()?, ham: next()? }, next()?))
}

fn totals_of(values: &[Option<u64>]) -> Totals {
    Totals { spam: values.first().copied().flatten().unwrap_or(0), ham: values.get(1).copied().flatten().unwrap_or(0) }
}

impl Tokens for Valkey {
    fn key(&self) -> Result<[u8; 16], Trouble> {
        let fresh = super::random_key()?;
        self.ask(|connection| {
            redis::cmd("SET").arg(KEY).arg(&fresh[..]).arg("NX").query::<Value>(connection)?;
            let key: Vec<u8> = redis::cmd("GET").arg(KEY).query(connection)?;
            key.try_into().map_err(|_| Trouble(format!("valkey: {KEY} is no key of 16 octets")))
        })
    }

    fn counts(&self, classifier: &str, tokens: &[Token]) -> Result<(Totals, Vec<Count>), Trouble> {
        let keys = Keys::of(classifier);
        self.ask(|connection| {
            let mut both = redis::pipe();
            both.atomic().cmd("HMGET").arg(&keys.totals).arg("S").arg("H");
            if tokens.is_empty() {
                let (totals,): (Vec<Option<u64>>,) = both.query(connection)?;
                return Ok((totals_of(&totals), Vec::new()));
            }
            both.cmd("HMGET").arg(&keys.tokens).arg(tokens);
            let (totals, rows): (Vec<Option<u64>>, Vec<Option<Vec<u8>>>) = both.query(connection)?;
            let counts = rows.iter().map(|r| r.as_deref().and_then(row).map_or_else(Count::default, |(count, _)| count)).collect();
            Ok((totals_of(&totals), counts))
        })
    }

    fn learn(&self, lessons: &[Lesson]) -> Result<Vec<Effect>, Trouble> {
        self.ask(|connection| lessons.iter().map(|lesson| Self::learn_one(connection, lesson)).collect())
    }

    fn revert(&self, which: &Which) -> Result<u64, Trouble> {
        self.ask(|connection| {
            let found = Self::entries(connection, which)?;
            for (classifier, digest, entry) in &found {
                let forget = Lesson {
                    classifier: classifier.as_str().into(),
                    digest: *digest,
                    label: None,
                    tokens: Vec::new(),
                    source: entry.source.as_str().into(),
                    at: entry.at,
                    yields: false,
                };
                Self::learn_one(connection, &forget)?;
            }
            Ok(found.len() as u64)
        })
    }

    fn lessons(&self, which: &Which, each: &mut dyn FnMut(LessonEntry)) -> Result<(), Trouble> {
        let found = self.ask(|connection| Self::entries(connection, which))?;
        for (classifier, digest, entry) in found {
            each(LessonEntry { classifier, digest, label: entry.label, at: entry.at, source: entry.source, tokens: entry.tokens.len() });
        }
        Ok(())
    }

    fn rows(&self, classifier: &str, each: &mut dyn FnMut(Token, Count, u32)) -> Result<(), Trouble> {
        let rows = self.ask(|connection| scan(connection, &Keys::of(classifier).tokens))?;
        let mut sorted: Vec<(Token, Count, u32)> = rows
            .iter()
            .filter_map(|(token, text)| {
                let (count, day) = row(text)?;
                Some((std::str::from_utf8(token).ok()?.parse().ok()?, count, day))
            })
            .collect();
        sorted.sort_unstable_by_key(|(token, _, _)| *token);
        sorted.into_iter().for_each(|(token, count, day)| each(token, count, day));
        Ok(())
    }

    fn import(&self, classifier: &str, totals: Totals, rows: &mut dyn Iterator<Item = (Token, Count, u32)>) -> Result<u64, Trouble> {
        let keys = Keys::of(classifier);
        let rows: Vec<_> = rows.collect();
        self.ask(|connection| {
            let mut all = redis::pipe();
            all.atomic();
            all.cmd("HINCRBY").arg(&keys.totals).arg("S").arg(totals.spam).ignore();
            all.cmd("HINCRBY").arg(&keys.totals).arg("H").arg(totals.ham).ignore();
            all.cmd("SADD").arg(CLASSIFIERS).arg(classifier).ignore();
            let tokens: Vec<Token> = rows.iter().map(|r| r.0).collect();
            for (chunk, tokens) in rows.chunks(1_000).zip(tokens.chunks(1_000)) {
                let known: Vec<Option<Vec<u8>>> = redis::cmd("HMGET").arg(&keys.tokens).arg(tokens).query(connection)?;
                for ((token, count, day), known) in chunk.iter().zip(known) {
                    let (before, seen) = known.as_deref().and_then(row).unwrap_or_default();
                    let text = format!("{} {} {}", before.spam + count.spam, before.ham + count.ham, seen.max(*day));
                    all.cmd("HSET").arg(&keys.tokens).arg(token).arg(text).ignore();
                }
            }
            let _: Value = all.query(connection)?;
            Ok(rows.len() as u64)
        })
    }

    fn expire(&self, classifier: &str, keep: u64) -> Result<Expired, Trouble> {
        let mut rows = Vec::new();
        self.rows(classifier, &mut |token, count, day| rows.push((day, count.spam + count.ham, token)))?;
        rows.sort_unstable();
        let surplus = rows.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
        for step in rows[..surplus].chunks(EXPIRY_STEP) {
            let tokens: Vec<Token> = step.iter().map(|r| r.2).collect();
            self.ask(|connection| Ok(redis::cmd("HDEL").arg(Keys::of(classifier).tokens).arg(tokens).query::<()>(connection)?))?;
        }
        Ok(Expired { removed: surplus as u64, kept: (rows.len() - surplus) as u64 })
    }

    fn classifiers(&self) -> Result<Vec<String>, Trouble> {
        self.ask(|connection| {
            let mut learned = Vec::new();
            for name in names(connection)? {
                let totals: Vec<Option<u64>> = redis::cmd("HMGET").arg(Keys::of(&name).totals).arg("S").arg("H").query(connection)?;
                if totals_of(&totals) != Totals::default() {
                    learned.push(name);
                }
            }
            Ok(learned)
        })
    }

    fn backup(&self, _to: &std::path::Path) -> Result<(), Trouble> {
        Err(Trouble("the store lies on a server: use its own backup (BGSAVE), or `hamgate bayes dump`".into()))
    }

    fn restore(&self, _from: &std::path::Path) -> Result<(), Trouble> {
        Err(Trouble("the store lies on a server: put its own backup back there".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract;
    use std::process::{Child, Command, Stdio};

    /// A server of this test's own, on a socket in a folder of its own.
    struct Server {
        child: Child,
        folder: std::path::PathBuf,
    }

    impl Server {
        fn start() -> Server {
            let folder = std::env::temp_dir().join(format!("hamgate-valkey-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).unwrap();
            let program =
                ["valkey-server", "redis-server"].into_iter().find(|p| Command::new(p).arg("--version").output().is_ok()).unwrap();
            let child = Command::new(program)
                .current_dir(&folder)
                .args(["--port", "0", "--save", "", "--unixsocket"])
                .arg(folder.join("socket"))
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let server = Server { child, folder };
            while !server.folder.join("socket").exists() {
                std::thread::sleep(Duration::from_millis(20));
            }
            server
        }

        fn url(&self) -> String {
            format!("redis+unix://{}", self.folder.join("socket").display())
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    #[test]
    #[ignore = "needs valkey or redis"]
    fn valkey_keeps_the_contract_and_its_absence_is_trouble_at_once() {
        let server = Server::start();
        let url = server.url();
        for (_, promise) in contract::PROMISES {
            let store = Valkey::open(&url).unwrap();
            store.ask(|c| Ok(redis::cmd("FLUSHALL").query::<()>(c)?)).unwrap();
            promise(&store);
        }
        for (_, promise) in contract::PROMISES_OF_THE_DOOR {
            let store = Valkey::open(&url).unwrap();
            store.ask(|c| Ok(redis::cmd("FLUSHALL").query::<()>(c)?)).unwrap();
            promise(&store);
        }
        let store = Valkey::open(&url).unwrap();
        store.counts("", &[1]).unwrap();
        drop(server);
        assert!(store.counts("", &[1]).is_err());
        assert!(store.counts("", &[1]).unwrap_err().0.contains("moment"), "a dead server is not asked again at once");
    }

    #[test]
    fn a_journal_entry_comes_back() {
        let entry = Entry { label: Label::Spam, at: 7, source: "train:root".into(), tokens: vec![3, 9] };
        let back = Entry::read(&entry.write()).unwrap();
        assert_eq!((back.label, back.at, back.source, back.tokens), (entry.label, entry.at, entry.source, entry.tokens));
        assert!(Entry::read(b"S123").is_err());
    }
}
