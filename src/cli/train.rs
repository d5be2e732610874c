//! `hamgate train`: teaches the classifier spam and ham, or has it forget, from sorted mail.

use super::inputs::{self, Input};
use crate::bayes::Classifier;
use crate::rules::Options;
use crate::scan::classifier;
use crate::scan::teaching::Teaching;
use crate::service::{Config, learning, rule_files, state};
use crate::store::{Effect, Label, Lesson, Trouble};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal};
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Messages of one transaction: a token that many of them hold is written once. Scoring beside it does not wait.
const BATCH: usize = 500;
/// Lessons that wait to be written; who reads messages waits then.
const AHEAD: usize = 1_000;
/// As for judging: the HTML reader is the deepest.
const STACK: usize = 8 << 20;
/// A store that others write to is asked again so often, with growing pauses.
const TRIES: u32 = 6;

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("label").required(true).args(["spam", "ham", "forget"])))]
pub struct Args {
    /// The messages are spam.
    #[arg(long)]
    spam: bool,
    /// The messages are wanted mail.
    #[arg(long)]
    ham: bool,
    /// Take back what was learned from these messages.
    #[arg(long)]
    forget: bool,
    /// Messages: files, folders, Maildirs (new and cur), mboxes, or `-` for standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The configuration file, in place of /etc/hamgate/hamgate.toml (which may be missing).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where state lives, in place of /var/lib/hamgate.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Who teaches, for the journal and for `bayes revert --source`; else the user's name.
    #[arg(long, value_name = "NAME", value_parser = learning::source)]
    source: Option<String>,
    /// On whose behalf: a user's name or address. With per_user in [learn] it is this user's classifier that learns, else
    /// the site's as ever.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Messages read side by side, in place of the number of cores.
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

impl Args {
    fn label(&self) -> Option<Label> {
        match (self.spam, self.ham) {
            (true, _) => Some(Label::Spam),
            (_, true) => Some(Label::Ham),
            (false, false) => None,
        }
    }

    fn source(&self) -> Arc<str> {
        let user = || nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map_or_else(String::new, |user| user.name);
        Arc::from(format!("train:{}", self.source.clone().unwrap_or_else(user)))
    }
}

/// Everything that reading a message for a lesson needs.
struct Lessons<'a> {
    classifier: &'a Classifier,
    options: &'a Options,
    teaching: Teaching,
}

impl Lessons<'_> {
    fn of(&self, input: &Input) -> Result<Lesson, String> {
        self.teaching.lesson(self.classifier, self.options, input.read()?)
    }
}

/// What became of the messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    learned: u64,
    known: u64,
    relearned: u64,
    forgotten: u64,
    unknown: u64,
    failed: u64,
}

impl Counts {
    fn add(&mut self, effect: Effect) {
        match effect {
            Effect::Learned => self.learned += 1,
            Effect::AlreadyKnown => self.known += 1,
            Effect::Relearned => self.relearned += 1,
            Effect::Forgotten => self.forgotten += 1,
            Effect::Unknown => self.unknown += 1,
        }
    }

    fn tell(&self, forgets: bool, messages: usize, took: Duration) -> String {
        let counts = if forgets {
            format!("{} forgotten, {} not known", self.forgotten, self.unknown)
        } else {
            format!("{} learned, {} already known, {} relearned", self.learned, self.known, self.relearned)
        };
        let rate = messages as f64 / took.as_secs_f64().max(1e-3);
        format!("{messages} messages: {counts}, {} failed; {:.2} s, {rate:.0} messages/s", self.failed, took.as_secs_f64())
    }
}

/// What teaching needs.
struct Opened {
    config: Config,
    classifier: Classifier,
    options: Options,
    /// Whose classifier learns; `""`: the site's.
    user: Arc<str>,
}

pub fn run(args: Args) -> ExitCode {
    let opened = match open(&args) {
        Ok(opened) => opened,
        Err(mistakes) => {
            mistakes.iter().for_each(|mistake| eprintln!("hamgate: {mistake}"));
            return ExitCode::from(2);
        }
    };
    let inputs = inputs::list(&args.paths);
    let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let teaching = Teaching { label: args.label(), classifier: Arc::clone(&opened.user), source: args.source(), at };
    let lessons = Lessons { classifier: &opened.classifier, options: &opened.options, teaching };
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = args.threads.map_or(cores, NonZero::get).min(inputs.len()).max(1);
    let began = Instant::now();
    let (counts, trouble) = teach(&lessons, &inputs, threads);
    println!("{}", counts.tell(args.forget, inputs.len(), began.elapsed()));
    if let Some(trouble) = trouble {
        eprintln!("hamgate: {trouble}; what was counted is learned, the rest is not: give the same command again");
        return ExitCode::FAILURE;
    }
    if let Some(keep) = classifier::kept(&opened.config.bayes, &opened.options)
        && let Err(trouble) = opened.classifier.store().expire(&opened.user, keep)
    {
        eprintln!("hamgate: old tokens were not taken out: {trouble}");
    }
    if counts.failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn open(args: &Args) -> Result<Opened, Vec<String>> {
    let text = |complaints: Vec<crate::base::Complaint>| complaints.iter().map(ToString::to_string).collect::<Vec<_>>();
    let config = Config::read(args.config.as_deref()).map_err(text)?;
    let user = match &args.user {
        Some(user) => learning::classifier_of(&config, user)?,
        None => Arc::from(""),
    };
    let (set, _) = rule_files::load_all(&config);
    let folder = state::folder(args.state.as_deref());
    if config.bayes.store.is_empty() {
        state::make(&folder).map_err(|error| vec![format!("{}: {error}; name another with --state", folder.display())])?;
    }
    let classifier = Classifier::open(&config.bayes, &folder).map_err(|trouble| vec![trouble.to_string()])?;
    let classifier = classifier.reading(classifier::token_options(&set.options));
    Ok(Opened { config, classifier, options: set.options, user })
}

/// Reads messages side by side and learns them in batches, each wholly or not at all. Ends at the first trouble of the store.
fn teach(lessons: &Lessons<'_>, inputs: &[Input], threads: usize) -> (Counts, Option<Trouble>) {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, receiver) = mpsc::sync_channel::<Result<Lesson, String>>(AHEAD);
    let bar = progress(inputs.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next, stop) = (sender.clone(), &next, &stop);
            let work = move || {
                while let Some(input) = inputs.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| !stop.load(Ordering::Relaxed)) {
                    let lesson = lessons.of(input).map_err(|why| format!("{}: {why}", input.path));
                    if sender.send(lesson).is_err() {
                        break;
                    }
                }
            };
            if let Err(error) = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work) {
                stop.store(true, Ordering::Relaxed);
                return (Counts::default(), Some(Trouble(format!("no thread can be started ({error})"))));
            }
        }
        drop(sender);
        let mut counts = Counts::default();
        let trouble = write(lessons.classifier, &receiver, &bar, &mut counts).err();
        stop.store(true, Ordering::Relaxed);
        // Those who wait to hand something over must see that nobody takes it.
        drop(receiver);
        bar.finish_and_clear();
        (counts, trouble)
    })
}

fn write(
    classifier: &Classifier,
    receiver: &mpsc::Receiver<Result<Lesson, String>>,
    bar: &ProgressBar,
    counts: &mut Counts,
) -> Result<(), Trouble> {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let lesson = receiver.recv();
        let ends = lesson.is_err();
        match lesson {
            Ok(Ok(lesson)) => batch.push(lesson),
            Ok(Err(why)) => {
                bar.suspend(|| eprintln!("hamgate: {why}"));
                counts.failed += 1;
                bar.inc(1);
            }
            Err(_) => {}
        }
        if batch.len() >= BATCH || ends && !batch.is_empty() {
            learn(classifier, &batch)?.into_iter().for_each(|effect| counts.add(effect));
            bar.inc(batch.len() as u64);
            batch.clear();
        }
        if ends {
            return Ok(());
        }
    }
}

/// Another trainer, or the daemon, may hold the store for a while.
fn learn(classifier: &Classifier, batch: &[Lesson]) -> Result<Vec<Effect>, Trouble> {
    let mut pause = Duration::from_millis(100);
    for _ in 1..TRIES {
        if let Ok(effects) = classifier.learn(batch) {
            return Ok(effects);
        }
        std::thread::sleep(pause);
        pause *= 2;
    }
    classifier.learn(batch)
}

fn progress(count: usize) -> ProgressBar {
    if count < 20 || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(count as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} messages, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    bar
}
