//! The store on a Valkey or Redis server, shared by several exchangers.
//!
//! Each classifier has four hashes: `totals` (S and H, a number that rises with each change in V, the last expiry in E), `tokens`
//! (token → `spam ham day`), `lessons` (digest → journal entry), `former` (digest → entries that were replaced); the set of
//! classifiers stands beside them. A lesson is one script: it checks that the standing entry is still the one that was read,
//! then changes everything or nothing.

mod copy;
mod lessons;
mod pace;

use super::{Count, Effect, Expired, LastExpiry, Lesson, LessonEntry, Token, Tokens, Totals, Trouble, Which};
use redis::{Client, Connection, RedisError, Value};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const CONNECT_WAIT: Duration = Duration::from_millis(500);
const ANSWER_WAIT: Duration = Duration::from_millis(500);
/// After a failure nobody asks again for this long, so that mail never queues behind a dead server.
const REST: Duration = Duration::from_secs(1);
const EXPIRY_STEP: usize = 2_000;

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
    former: String,
}

const KEY: &str = "hamgate:key";
const CLASSIFIERS: &str = "hamgate:classifiers";
/// Which rules made the tokens.
const RULES: &str = "hamgate:rules";

impl Keys {
    fn of(classifier: &str) -> Keys {
        Keys::below("hamgate", classifier)
    }

    /// Those of a restore, until it takes their place.
    fn arriving(classifier: &str) -> Keys {
        Keys::below("hamgate:new", classifier)
    }

    fn below(root: &str, classifier: &str) -> Keys {
        let key = |part: &str| format!("{root}:{part}:{classifier}");
        Keys { totals: key("totals"), tokens: key("tokens"), lessons: key("lessons"), former: key("former") }
    }

    fn all(self) -> [String; 4] {
        [self.totals, self.tokens, self.lessons, self.former]
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

    fn rules(&self) -> Result<Option<String>, Trouble> {
        self.ask(|connection| Ok(redis::cmd("GET").arg(RULES).query(connection)?))
    }

    fn fill_under(&self, rules: &str) -> Result<(), Trouble> {
        let learned = !self.classifiers()?.is_empty();
        match self.rules()?.filter(|_| learned) {
            Some(before) if before != rules => Err(super::tokens::under_others(&before, rules)),
            Some(_) => Ok(()),
            None => self.ask(|connection| Ok(redis::cmd("SET").arg(RULES).arg(rules).query::<()>(connection)?)),
        }
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
        self.ask(|connection| lessons.iter().map(|lesson| lessons::learn_one(connection, lesson)).collect())
    }

    fn revert(&self, which: &Which) -> Result<u64, Trouble> {
        self.ask(|connection| lessons::revert(connection, which))
    }

    fn lessons(&self, which: &Which, each: &mut dyn FnMut(LessonEntry)) -> Result<(), Trouble> {
        self.ask(|connection| lessons::entries(connection, which))?.into_iter().for_each(each);
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
            all.cmd("HINCRBY").arg(&keys.totals).arg("V").arg(1).ignore();
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
        let gone = rows.get(..surplus).unwrap_or_default();
        let keys = Keys::of(classifier);
        for step in gone.chunks(EXPIRY_STEP) {
            let tokens: Vec<Token> = step.iter().map(|row| row.2).collect();
            let mut both = redis::pipe();
            both.atomic().cmd("HDEL").arg(&keys.tokens).arg(tokens).ignore();
            both.cmd("HINCRBY").arg(&keys.totals).arg("V").arg(1).ignore();
            self.ask(|connection| Ok(both.query::<()>(connection)?))?;
        }
        if let (Some(last), Some(newest)) = (gone.last(), rows.last()) {
            let last = LastExpiry::now(u64::from(newest.0 - last.0), surplus as u64);
            self.ask(|connection| Ok(redis::cmd("HSET").arg(&keys.totals).arg("E").arg(last.write()).query::<()>(connection)?))?;
        }
        Ok(Expired { removed: surplus as u64, kept: (rows.len() - surplus) as u64 })
    }

    fn last_expiry(&self, classifier: &str) -> Result<Option<LastExpiry>, Trouble> {
        let text: Option<String> =
            self.ask(|connection| Ok(redis::cmd("HGET").arg(Keys::of(classifier).totals).arg("E").query(connection)?))?;
        Ok(text.as_deref().and_then(LastExpiry::read))
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

    fn backup(&self, to: &std::path::Path) -> Result<(), Trouble> {
        copy::backup(self, to)
    }

    fn restore(&self, from: &std::path::Path) -> Result<(), Trouble> {
        copy::restore(self, from)
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
}
