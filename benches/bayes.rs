//! What the classifier costs: an opinion from half a million tokens, warm and cold; bulk training and the size of what is learned,
//! beside `sa-learn` as a whole process on the same messages in the same run: `HAMGATE_CORPUS=… cargo bench --bench bayes`.
//!
//! Without a corpus messages of its own are learned, so that the bench always runs; without the `spamassassin` package ours is
//! measured alone. `HAMGATE_MESSAGES`: size of the sample (1,000). Folders whose name holds "ham" are wanted mail.
#![allow(clippy::unwrap_used)]

mod sample;

use hamgate::bayes::TokenRules;
use hamgate::bayes::hash::TokenKey;
use hamgate::bayes::spamassassin::Options;
use hamgate::mail::{Arrival, Mail, Reading, ViewOptions};
use hamgate::store::{Count, Token, Tokens, Totals, open};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const TOKENS: u64 = 500_000;
/// Messages of which the costs of an opinion are measured, and of those that come first over a cold cache.
const JUDGED: usize = 400;
const FIRST: usize = 50;

/// Milliseconds of this thread.
fn cpu() -> f64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(0.0, |now| now.tv_sec() as f64 * 1e3 + now.tv_nsec() as f64 / 1e6)
}

/// Seconds of all processes that this one waited for.
fn children() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    [usage.user_time(), usage.system_time()].iter().map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6).sum()
}

fn size_of(folder: &Path) -> u64 {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap())
        .filter(|found| found.is_file())
        .map(|f| f.len())
        .sum()
}

/// The cache of the system forgets a folder's files.
fn forget_cache(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = std::fs::File::open(entry.unwrap().path()).unwrap();
        file.sync_all().unwrap();
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).unwrap();
    }
}

fn own_messages() -> Vec<(bool, Vec<u8>)> {
    let message = |number: usize| {
        let (spam, words) =
            if number.is_multiple_of(2) { (true, "lottery winner claims prize") } else { (false, "minutes meeting agenda") };
        let text = format!("From: a{number}@example.com\nMessage-ID: <{number}@example.com>\nSubject: {words}\n\n{words} {number}\n");
        (spam, text.replace(" @", "@").into_bytes())
    };
    (0..600).map(message).collect()
}

/// Whether it is spam, and its octets; spread over the corpus.
fn messages() -> Vec<(bool, Vec<u8>)> {
    let Some((mut files, wanted)) = sample::corpus(1_000) else { return own_messages() };
    let folder = |path: &Path| path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    files.retain(|path| ["ham", "spam", "phish"].iter().any(|kind| folder(path).contains(kind)));
    let step = (files.len() / wanted).max(1);
    let read = |path: &PathBuf| (!folder(path).contains("ham"), std::fs::read(path).unwrap());
    files.iter().step_by(step).take(wanted).map(read).collect()
}

/// Tokens of each message, and what they cost.
fn tokens(messages: &[(bool, Vec<u8>)], key: &TokenKey) -> (Vec<Vec<Token>>, f64) {
    let (views, options, arrival) = (ViewOptions::default(), Options::default(), Arrival::FromFields);
    let mut cost = 0.0;
    let each = messages.iter().take(JUDGED).map(|(_, raw)| {
        let mail = Mail::parse(raw.clone());
        let reading = Reading::new(&mail, &arrival, &views);
        // Rules need these too.
        let _ = (reading.links(), reading.visible());
        let begun = cpu();
        let tokens = TokenRules::Hamgate.tokens(&reading, key, &options);
        cost += cpu() - begun;
        tokens
    });
    let all: Vec<Vec<Token>> = each.collect();
    let cost = cost / all.len() as f64;
    (all, cost)
}

/// Milliseconds of CPU and of time a message.
fn opinions(store: &dyn Tokens, all: &[Vec<Token>]) -> (f64, f64) {
    let (begun, options) = ((cpu(), Instant::now()), Options::default());
    for tokens in all {
        let (totals, counts) = store.counts("", tokens).unwrap();
        assert!(TokenRules::Hamgate.opinion(&counts, totals, &options).is_some());
    }
    ((cpu() - begun.0) / all.len() as f64, begun.1.elapsed().as_secs_f64() * 1e3 / all.len() as f64)
}

fn an_opinion(folder: &Path, messages: &[(bool, Vec<u8>)]) {
    let place = folder.to_str().unwrap();
    let store = open(place).unwrap();
    let key = TokenKey::new(store.key().unwrap());
    let (all, tokenizing) = tokens(messages, &key);
    // What half of the messages hold is known; the rest of the rows are other words.
    let known = all.iter().step_by(2).flatten().map(|token| (*token, Count { spam: 3, ham: 0 }));
    let others = (0..TOKENS).map(|i| (key.word(&i.to_le_bytes()), Count { spam: 1, ham: 0 }));
    let rows: BTreeMap<Token, Count> = others.chain(known).collect();
    let totals = Totals { spam: 2_000, ham: 2_000 };
    store.import("", totals, &mut rows.iter().map(|(token, count)| (*token, *count, 20_000))).unwrap();
    drop(store);
    let (bytes, mean) = (size_of(folder), all.iter().map(Vec::len).sum::<usize>() / all.len());
    println!(
        "{} tokens, {:.1} MB, {:.1} octets each; {mean} tokens a message, made in {tokenizing:.3} ms",
        rows.len(),
        bytes as f64 / 1e6,
        bytes as f64 / rows.len() as f64
    );
    let first = &all[..FIRST.min(all.len())];
    forget_cache(folder);
    let cold = opinions(&*open(place).unwrap(), first);
    // Opening checks the whole file, which reads it; who joins an open store does not.
    let store = open(place).unwrap();
    forget_cache(folder);
    let evicted = opinions(&*store, first);
    opinions(&*store, &all);
    let warm = opinions(&*store, &all);
    println!("look-up and score, ms a message: warm {:.3} CPU ({:.3} with the tokens)", warm.0, warm.0 + tokenizing);
    println!("  first {} messages after opening over a cold cache: {:.3} CPU, {:.3} passed", first.len(), cold.0, cold.1);
    println!("  first {} messages of an open store whose file left the cache: {:.3} CPU, {:.3} passed", first.len(), evicted.0, evicted.1);
}

/// One way to teach: commands one after the other.
struct Way {
    name: &'static str,
    /// Seconds that passed, seconds of CPU.
    took: (f64, f64),
    bytes: u64,
}

impl Way {
    fn of(name: &'static str, folder: &Path, commands: &mut [Command]) -> Way {
        let begun = (Instant::now(), children());
        for command in commands {
            assert!(command.stdout(Stdio::null()).status().unwrap().success(), "{command:?}");
        }
        let took = (begun.0.elapsed().as_secs_f64(), children() - begun.1);
        Way { name, took, bytes: size_of(folder) }
    }

    fn tell(&self, messages: usize) {
        let (passed, cpu) = self.took;
        let n = messages as f64;
        let kb = self.bytes as f64 / n / 1e3;
        println!(
            "{:24} {passed:7.2} s {:7.0} messages/s {:8.3} ms CPU a message {kb:6.2} kB a message",
            self.name,
            n / passed,
            cpu * 1e3 / n
        );
    }
}

fn hamgate(state: &Path, threads: Option<&str>, lessons: &[(&str, PathBuf)]) -> Vec<Command> {
    let command = |(label, folder): &(&str, PathBuf)| {
        let mut train = Command::new(env!("CARGO_BIN_EXE_hamgate"));
        train.args(["train", label, "--state"]).arg(state);
        train.args(threads.iter().flat_map(|threads| ["--threads", threads]));
        train.arg(folder);
        train
    };
    lessons.iter().map(command).collect()
}

fn sa_learn(folder: &Path, lessons: &[(&str, PathBuf)]) -> Vec<Command> {
    let command = |arguments: &[&str]| {
        let mut learn = Command::new("sa-learn");
        learn.args(["--local", "--prefspath=/dev/null", "--dbpath"]).arg(folder.join("bayes")).args(arguments);
        learn
    };
    let mut commands: Vec<Command> =
        lessons.iter().map(|(label, folder)| command(&["--no-sync", label, folder.to_str().unwrap()])).collect();
    commands.push(command(&["--sync"]));
    commands
}

fn training(folder: &Path, messages: &[(bool, Vec<u8>)]) {
    let lessons = [("--spam", folder.join("spam")), ("--ham", folder.join("ham"))];
    let below = |name: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    };
    for (label, place) in &lessons {
        std::fs::create_dir_all(place).unwrap();
        let of_label = messages.iter().filter(|(spam, _)| *spam == (*label == "--spam"));
        for (number, (_, raw)) in of_label.enumerate() {
            std::fs::write(place.join(format!("{number}.eml")), raw).unwrap();
        }
    }
    let (one, all, single) = (below("one"), below("all"), below("single"));
    let ours = [
        Way::of("hamgate train -t 1", &one, &mut hamgate(&one, Some("1"), &lessons)),
        Way::of("hamgate train", &all, &mut hamgate(&all, None, &lessons)),
    ];
    let only = [("--spam", lessons[0].1.join("0.eml"))];
    let of_one = Way::of("hamgate train, 1 message", &single, &mut hamgate(&single, Some("1"), &only));
    println!("\n{} messages learned by whole processes", messages.len());
    ours.iter().for_each(|way| way.tell(messages.len()));
    of_one.tell(1);
    if Command::new("sa-learn").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("sa-learn is not here");
        return;
    }
    let theirs = below("theirs");
    let theirs = Way::of("sa-learn", &theirs, &mut sa_learn(&theirs, &lessons));
    theirs.tell(messages.len());
    for way in &ours {
        println!("{} is {:.0} times sa-learn, {:.0} times by CPU", way.name, theirs.took.0 / way.took.0, theirs.took.1 / way.took.1);
    }
}

fn main() {
    let folder = std::env::temp_dir().join(format!("hamgate-bench-bayes-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let state = folder.join("state");
    std::fs::create_dir_all(&state).unwrap();
    let messages = messages();
    an_opinion(&state, &messages);
    training(&folder, &messages);
    std::fs::remove_dir_all(folder).unwrap();
}
