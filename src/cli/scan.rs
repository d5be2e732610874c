//! `hamgate scan`: scores messages.

use super::engine::RuleArgs;
use super::inputs::{self, Input};
use super::parts;
use crate::auth::results;
use crate::facts::Answer;
use crate::learn::{Queue, Quota};
use crate::mail::{Arrival, Client, Envelope, Wanted};
use crate::outcome::Findings;
use crate::scan::classifier::Access;
use crate::scan::learner::{Ending, Guard, Learner, Learning};
use crate::scan::{Engine, Judged, Wish};
use crate::service::Config;
use indicatif::{ProgressBar, ProgressStyle};
use nix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::net::IpAddr;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Messages: files, folders, Maildirs, mboxes, or `-` for standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The configuration file, in place of /etc/hamgate/hamgate.toml (which may be missing); of it, [bayes], [learn] and [virus]
    /// count here.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    envelope: EnvelopeArgs,
    /// One JSON object a line, a line a message.
    #[arg(long)]
    json: bool,
    /// Write each part as decoded, of every plausible reading and of what archives hold, to a file named by its SHA-256.
    #[arg(long, value_name = "DIR")]
    save_parts: Option<PathBuf>,
    /// Write each message as delivered, with the fields that the milter would add.
    #[arg(long, conflicts_with = "json")]
    message: bool,
    /// Learn what is plainly spam or wanted, as `serve` does where [learn] says so.
    #[arg(long, conflicts_with = "no_bayes")]
    learn: bool,
    /// Messages judged side by side (default: one a core).
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

/// The envelope, where it shall not be taken from Received and Return-Path fields.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct EnvelopeArgs {
    /// Address of the client that brought the message.
    #[arg(long, value_name = "ADDR")]
    client_ip: Option<IpAddr>,
    /// The client's verified name.
    #[arg(long, value_name = "NAME")]
    client_name: Option<String>,
    /// What the client said at HELO.
    #[arg(long, value_name = "NAME")]
    helo: Option<String>,
    /// Envelope sender; empty for the null sender.
    #[arg(long, value_name = "ADDRESS")]
    mail_from: Option<String>,
    /// Envelope recipient; may be given several times.
    #[arg(long, value_name = "ADDRESS")]
    rcpt: Vec<String>,
}

impl EnvelopeArgs {
    pub fn arrival(&self) -> Arrival {
        let has_client = self.client_ip.is_some() || self.client_name.is_some() || self.helo.is_some();
        if !has_client {
            // The message was delivered: its way stands in its fields, and no Received field is missing.
            return self.mail_from.clone().map_or(Arrival::FromFields, Arrival::Sender);
        }
        let client = Client {
            ip: self.client_ip,
            name: self.client_name.clone().unwrap_or_default(),
            helo: self.helo.clone().unwrap_or_default(),
            ..Client::default()
        };
        let envelope =
            Envelope { mail_from: self.mail_from.clone().unwrap_or_default(), recipients: self.rcpt.clone(), ..Envelope::default() };
        Arrival::Live(Box::new((client, envelope)))
    }
}

/// One line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    score: f64,
    required: f64,
    verdict: &'static str,
    rules: Vec<RuleLine<'a>>,
    subrules: BTreeMap<&'a str, u32>,
    defects: Vec<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<serde_json::Value>,
    /// Probability of spam, `null` without an opinion.
    bayes: Option<f64>,
    /// What `--learn` made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    autolearn: Option<&'a str>,
    /// Which guard kept it from being learned.
    #[serde(skip_serializing_if = "Option::is_none")]
    guard: Option<&'static str>,
    parts: Vec<parts::PartLine<'a>>,
    microseconds: u64,
}

#[derive(Serialize)]
struct RuleLine<'a> {
    name: &'a str,
    score: f64,
}

#[derive(Serialize)]
struct ErrorLine<'a> {
    path: &'a str,
    error: &'a str,
}

/// What one message came to, ready to be written.
struct Done {
    text: Vec<u8>,
    failed: bool,
}

pub fn run(args: Args) -> ExitCode {
    let config = match Config::read(args.config.as_deref()) {
        Ok(config) => config,
        Err(complaints) => {
            complaints.iter().for_each(|complaint| eprintln!("hamgate: {complaint}"));
            return ExitCode::from(2);
        }
    };
    let access = if args.learn { Access::Keep } else { Access::Look };
    let engine = match args.rules.engine_with(&config, access) {
        Ok(engine) => Engine { wanted: Wanted { digests: args.json, ..engine.wanted }, ..engine },
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("hamgate: {error}"));
            return ExitCode::from(2);
        }
    };
    if let Some(folder) = &args.save_parts
        && let Err(error) = std::fs::create_dir_all(folder)
    {
        eprintln!("hamgate: {}: {error}", folder.display());
        return ExitCode::from(2);
    }
    let inputs = inputs::list(&args.paths);
    // Made before threads start, so that it counts for no message.
    engine.program.plan(engine.score_set());
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = args.threads.map_or(cores, NonZero::get).min(inputs.len()).max(1);
    let learner = match args.learn.then(|| learner(&engine, &config)).transpose() {
        Ok(learner) => learner,
        Err(why) => {
            eprintln!("hamgate: --learn: {why}");
            return ExitCode::from(2);
        }
    };
    let done = judge_all(&Judging { engine: &engine, learner: learner.as_ref() }, &inputs, &args, threads);
    if let (Some(learner), Some(judge)) = (&learner, &engine.bayes) {
        learner.queue().settle(Duration::from_secs(600));
        eprintln!("hamgate: {}", judge.tally);
    }
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hamgate: standard output: {error}");
            ExitCode::from(1)
        }
    }
}

/// Who judges, and who learns of it.
#[derive(Clone, Copy)]
struct Judging<'a> {
    engine: &'a Engine,
    learner: Option<&'a Learner>,
}

impl Judging<'_> {
    fn learn(&self, judged: &Judged) -> Option<Learning> {
        let learner = self.learner?;
        let (set, now) = (&self.engine.program.set, self.engine.clock.unix());
        // Here, unlike at the milter, there is time to wait for the writer.
        while !learner.queue().has_room() {
            std::thread::sleep(Duration::from_millis(2));
        }
        let learning = catch_unwind(AssertUnwindSafe(|| learner.consider(set, judged, Ending::default(), now))).ok()?;
        if let Some(lesson) = learning.lesson.clone() {
            learner.queue().put_in_time(lesson);
        }
        Some(learning)
    }
}

fn learner(engine: &Engine, config: &Config) -> Result<Learner, String> {
    let judge = engine.bayes.as_ref().ok_or("the classifier is switched off (use_bayes), or its store cannot be opened")?;
    let queue = Queue::start(judge.writer(), &judge.tally.lessons).map_err(|error| error.to_string())?;
    let quota = Quota::new(config.learn.auto_most, config.learn.auto_per.0);
    Ok(Learner::new(&engine.program.set, judge, &Arc::new(quota), &Arc::new(queue)))
}

/// Judges side by side and writes in the order given, each line as soon as it and all before it are done.
fn judge_all(judging: &Judging<'_>, inputs: &[Input], args: &Args, threads: usize) -> io::Result<bool> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel::<(usize, Done)>();
    let bar = progress(inputs.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let sender = sender.clone();
            let next = &next;
            let work = move || {
                while let Some((number, input)) = take(inputs, next) {
                    if sender.send((number, judge(judging, input, args))).is_err() {
                        break;
                    }
                }
            };
            std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work)?;
        }
        drop(sender);
        let written = write_in_order(&receiver, &bar);
        if written.is_err() {
            // Nobody reads: the rest is not worth judging.
            next.store(inputs.len(), Ordering::Relaxed);
        }
        written
    })
}

const STACK: usize = 8 << 20;

fn take<'i>(inputs: &'i [Input], next: &AtomicUsize) -> Option<(usize, &'i Input)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    inputs.get(number).map(|input| (number, input))
}

fn write_in_order(receiver: &mpsc::Receiver<(usize, Done)>, bar: &ProgressBar) -> io::Result<bool> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut waiting: BTreeMap<usize, Done> = BTreeMap::new();
    let (mut due, mut all_well) = (0, true);
    while let Ok((number, done)) = receiver.recv() {
        waiting.insert(number, done);
        let before = due;
        while let Some(done) = waiting.remove(&due) {
            all_well &= !done.failed;
            out.write_all(&done.text)?;
            due += 1;
        }
        if due > before {
            out.flush()?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(all_well)
}

fn progress(count: usize) -> ProgressBar {
    if count < 20 || !io::stderr().is_terminal() || io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(count as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} messages, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// A message that cannot be read, or on which the code fails, costs its own line alone.
fn judge(judging: &Judging<'_>, input: &Input, args: &Args) -> Done {
    let engine = judging.engine;
    let judged = input.read().and_then(|raw| {
        let began = thread_cpu();
        let judging = AssertUnwindSafe(|| engine.judge(raw, args.envelope.arrival(), Wish::default()));
        let judged = catch_unwind(judging).map_err(|_| "the judging of this message failed; please report it".to_owned())?;
        Ok((judged, thread_cpu().saturating_sub(began)))
    });
    let learning = judged.as_ref().ok().and_then(|(judged, _)| judging.learn(judged));
    match judged {
        Ok((judged, microseconds)) if args.json || args.save_parts.is_some() => {
            let (text, saved) = json(&input.path, &judged, microseconds, args, learning.as_ref());
            if let Err(error) = &saved {
                eprintln!("hamgate: --save-parts: {}: {error}", input.path);
            }
            Done { text: text.into_bytes(), failed: saved.is_err() }
        }
        Ok((judged, _)) if args.message => Done { text: super::delivered::message(engine, &judged, learning.as_ref()), failed: false },
        Ok((judged, _)) => Done { text: readable(&input.path, &judged.findings).into_bytes(), failed: false },
        Err(error) if args.json => {
            let line = serde_json::to_string(&ErrorLine { path: &input.path, error: &error }).unwrap_or_default();
            Done { text: (line + "\n").into_bytes(), failed: true }
        }
        Err(error) => {
            eprintln!("hamgate: {}: {error}", input.path);
            Done { text: Vec::new(), failed: true }
        }
    }
}

/// Microseconds of CPU that this thread has used.
fn thread_cpu() -> u64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map_or(0, |time| time.tv_sec().unsigned_abs() * 1_000_000 + time.tv_nsec().unsigned_abs() / 1_000)
}

fn json(path: &str, judged: &Judged, microseconds: u64, args: &Args, learning: Option<&Learning>) -> (String, io::Result<()>) {
    let findings = &judged.findings;
    let saved = args.save_parts.as_deref().map_or(Ok(()), |folder| parts::save(&judged.mail, folder));
    if !args.json {
        return (readable(path, findings), saved);
    }
    let rules = findings.hits.iter().flat_map(|hit| (0..hit.count).map(move |_| RuleLine { name: &hit.rule, score: hit.score })).collect();
    let mut defects: Vec<&'static str> =
        judged.mail.defects().iter().chain(&judged.mail.carried().odd).map(|defect| defect.word()).collect();
    defects.sort_unstable();
    defects.dedup();
    let line = Line {
        path,
        score: findings.score,
        required: findings.required,
        verdict: verdict(findings),
        rules,
        subrules: findings.subrules.iter().map(|(name, count)| (&**name, *count)).collect(),
        defects,
        partial: findings.partial,
        auth: judged.facts.authentication.as_ref().and_then(Answer::known).map(results::json),
        bayes: judged.facts.bayes.as_ref().and_then(Answer::known).and_then(|bayes| bayes.probability),
        autolearn: learning.map(|learning| learning.status.split(' ').next().unwrap_or_default()),
        guard: learning.and_then(|learning| learning.guard).map(Guard::word),
        parts: parts::list(&judged.mail),
        microseconds,
    };
    (serde_json::to_string(&line).unwrap_or_default() + "\n", saved)
}

fn verdict(findings: &Findings) -> &'static str {
    if findings.is_spam() { "spam" } else { "ham" }
}

/// `spam 12.3/5.0 a.eml RULE=1.2 OTHER=3`
fn readable(path: &str, findings: &Findings) -> String {
    use std::fmt::Write;
    let mut line = format!("{:4} {:5.1}/{:.1} {path}", verdict(findings), findings.score, findings.required);
    for hit in &findings.hits {
        let _ = write!(line, " {}={}", hit.rule, hit.score * f64::from(hit.count));
    }
    line.push_str(if findings.partial { " (partial)\n" } else { "\n" });
    line
}
