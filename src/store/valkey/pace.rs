//! The door's memory on a Valkey or Redis server: what one exchanger saw, the others know.

use super::Valkey;
use crate::store::greylist::{Greylist, Key, Known, Seen, Stale, Triplet, Waiting, Welcome};
use crate::store::windows::{Draw, Habit, Windows};
use crate::store::{Tokens, Trouble};
use redis::{Script, Value};

/// Nothing of the door is kept longer than this, in seconds: greylist entries live 35 days by default.
const LONGEST: u64 = 40 * 86_400;
/// Those that wait, by the time of their first try.
const WAITING: &str = "hamgate:waiting";

/// KEYS: windows. ARGV: how many, then for each: slot, first slot that counts, newest slot, most, amount, binding, life in
/// milliseconds.
const DRAW: &str = r"
local held, over, at = {}, false, 1
for i = 1, #KEYS do
  local first, newest = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local rows = redis.call('HGETALL', KEYS[i])
  local sum = 0
  for j = 1, #rows, 2 do
    local slot = tonumber(rows[j])
    if slot < first then redis.call('HDEL', KEYS[i], rows[j])
    else
      sum = sum + tonumber(rows[j + 1])
      if slot > newest then
        redis.call('HDEL', KEYS[i], rows[j])
        redis.call('HINCRBY', KEYS[i], ARGV[at + 1], rows[j + 1])
      end
    end
  end
  held[i] = sum
  if ARGV[at + 4] == '1' and sum + tonumber(ARGV[at + 3]) > tonumber(ARGV[at + 2]) then over = true end
  at = at + 6
end
if over then return held end
at = 1
for i = 1, #KEYS do
  if tonumber(ARGV[at + 3]) > 0 and held[i] + tonumber(ARGV[at + 3]) <= tonumber(ARGV[at + 2]) then
    redis.call('HINCRBY', KEYS[i], ARGV[at + 1], ARGV[at + 3])
    redis.call('PEXPIRE', KEYS[i], ARGV[at + 5])
  end
  at = at + 6
end
return held";

/// Large enough for any count, small enough to be exact in Lua.
const MOST: u64 = 1 << 50;

fn name(kind: &str, key: &Key) -> String {
    let hex: String = key.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("hamgate:{kind}:{hex}")
}

fn key_of(name: &str) -> Option<Key> {
    let hex = name.rsplit(':').next()?;
    let mut key = Key::default();
    for (at, octet) in key.iter_mut().enumerate() {
        *octet = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(key)
}

fn seen(row: &[Option<u64>]) -> Option<Seen> {
    match row {
        [Some(first), Some(last), Some(passed)] => Some(Seen { first: *first, last: *last, passed: *passed == 1 }),
        _ => None,
    }
}

impl Greylist for Valkey {
    fn secret(&self) -> Result<[u8; 16], Trouble> {
        self.key()
    }

    fn look_up(&self, triplets: &[Key], welcome: &[Key]) -> Result<Known, Trouble> {
        if triplets.is_empty() && welcome.is_empty() {
            return Ok(Known::default());
        }
        self.ask(|connection| {
            let mut all = redis::pipe();
            for key in triplets {
                all.cmd("HMGET").arg(name("triplet", key)).arg(&["first", "last", "passed"]);
            }
            for key in welcome {
                all.cmd("HMGET").arg(name("welcome", key)).arg(&["count", "last"]);
            }
            let rows: Vec<Vec<Option<u64>>> = all.query(connection)?;
            let (first, second) = rows.split_at(triplets.len().min(rows.len()));
            let welcome = second.iter().map(|row| match row.as_slice() {
                [Some(count), Some(last)] => Some(Welcome { count: *count, last: *last }),
                _ => None,
            });
            Ok(Known { triplets: first.iter().map(|row| seen(row)).collect(), welcome: welcome.collect() })
        })
    }

    fn keep(&self, triplets: &[(Triplet, Seen)], welcome: &[(Key, Welcome)]) -> Result<(), Trouble> {
        self.ask(|connection| {
            let mut all = redis::pipe();
            all.atomic();
            for (triplet, seen) in triplets {
                let at = name("triplet", &triplet.key);
                all.cmd("HSET").arg(&at).arg("first").arg(seen.first).arg("last").arg(seen.last);
                all.arg("passed").arg(u8::from(seen.passed)).ignore();
                if seen.passed {
                    all.cmd("HDEL").arg(&at).arg(&["client", "sender", "recipient"]).ignore();
                    all.cmd("ZREM").arg(WAITING).arg(&at).ignore();
                } else {
                    all.cmd("HSET").arg(&at).arg("client").arg(&triplet.client).arg("sender").arg(&triplet.sender);
                    all.arg("recipient").arg(&triplet.recipient).ignore();
                    all.cmd("ZADD").arg(WAITING).arg(seen.first).arg(&at).ignore();
                }
                all.cmd("EXPIRE").arg(&at).arg(LONGEST).ignore();
            }
            for (key, welcome) in welcome {
                let at = name("welcome", key);
                all.cmd("HSET").arg(&at).arg("count").arg(welcome.count).arg("last").arg(welcome.last).ignore();
                all.cmd("EXPIRE").arg(&at).arg(LONGEST).ignore();
            }
            let _: Value = all.query(connection)?;
            Ok(())
        })
    }

    fn waiting(&self, most: usize) -> Result<Vec<Waiting>, Trouble> {
        self.ask(|connection| {
            let last = i64::try_from(most).unwrap_or(i64::MAX) - 1;
            let names: Vec<String> = redis::cmd("ZRANGE").arg(WAITING).arg(0).arg(last).query(connection)?;
            let mut all = Vec::with_capacity(names.len());
            for at in names {
                let (times, words): (Vec<Option<u64>>, Vec<Option<String>>) = redis::pipe()
                    .cmd("HMGET")
                    .arg(&at)
                    .arg(&["first", "last", "passed"])
                    .cmd("HMGET")
                    .arg(&at)
                    .arg(&["client", "sender", "recipient"])
                    .query(connection)?;
                let mut words = words.into_iter().map(Option::unwrap_or_default);
                let mut word = || words.next().unwrap_or_default();
                if let (Some(seen), Some(key)) = (seen(&times), key_of(&at)) {
                    all.push(Waiting { triplet: Triplet { key, client: word(), sender: word(), recipient: word() }, seen });
                }
            }
            Ok(all)
        })
    }

    /// The server forgets by itself what lives on its own; the list of those that wait is shortened here.
    fn expire(&self, stale: &Stale) -> Result<u64, Trouble> {
        self.ask(|connection| {
            let names: Vec<String> = redis::cmd("ZRANGE")
                .arg(WAITING)
                .arg("-inf")
                .arg(stale.waiting_before)
                .arg("BYSCORE")
                .arg("LIMIT")
                .arg(0)
                .arg(1_000)
                .query(connection)?;
            let mut gone = 0;
            for at in names {
                let last: Option<u64> = redis::cmd("HGET").arg(&at).arg("last").query(connection)?;
                if last.is_none_or(|last| last < stale.waiting_before) {
                    let mut both = redis::pipe();
                    both.atomic().cmd("DEL").arg(&at).ignore().cmd("ZREM").arg(WAITING).arg(&at).ignore();
                    let _: Value = both.query(connection)?;
                    gone += 1;
                }
            }
            Ok(gone)
        })
    }
}

impl Windows for Valkey {
    fn draw(&self, draws: &[Draw], now: u64) -> Result<Vec<u64>, Trouble> {
        if draws.is_empty() {
            return Ok(Vec::new());
        }
        self.ask(|connection| {
            let script = Script::new(DRAW);
            let mut call = script.prepare_invoke();
            for draw in draws {
                call.key(name("rate", &draw.key));
                call.arg(draw.begins(now)).arg(now / draw.slot()).arg(draw.most.min(MOST)).arg(draw.amount.min(MOST));
                call.arg(u8::from(draw.binding)).arg(draw.until(now).saturating_sub(now));
            }
            Ok(call.invoke::<Vec<u64>>(connection)?)
        })
    }

    fn habit(&self, account: &Key, amount: u64, day: u64) -> Result<Habit, Trouble> {
        self.ask(|connection| {
            let at = name("habit", account);
            let row: Vec<Option<String>> = redis::cmd("HMGET").arg(&at).arg(&["day", "today", "mean"]).query(connection)?;
            let text = |index: usize| row.get(index).and_then(Option::as_deref).unwrap_or("0");
            let mut habit = Habit {
                day: text(0).parse().unwrap_or_default(),
                today: text(1).parse().unwrap_or_default(),
                mean: text(2).parse().unwrap_or_default(),
            };
            habit.add(amount, day);
            let mut both = redis::pipe();
            both.atomic()
                .cmd("HSET")
                .arg(&at)
                .arg("day")
                .arg(habit.day)
                .arg("today")
                .arg(habit.today)
                .arg("mean")
                .arg(habit.mean.to_string());
            both.ignore().cmd("EXPIRE").arg(&at).arg(120 * 86_400).ignore();
            let _: Value = both.query(connection)?;
            Ok(habit)
        })
    }
}
