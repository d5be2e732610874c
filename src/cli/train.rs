//! `hamgate train`: teaches the classifier spam and ham, or has it forget, from sorted mail.

use super::inputs::{self, Input};
use crate::bayes::Classifier;
use crate::mail::{Arrival, Mail, Reading, fields};
use crate::rules::Options;
use crate::scan::classifier;
use crate::service::{Config, rule_files, state};
use crate::store::{Effect, Label, Lesson, Trouble};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
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
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
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
    label: Option<Label>,
    source: Arc<str>,
    at: u64,
}

impl Lessons<'_> {
    fn of(&self, input: &Input) -> Result<Lesson, String> {
        let mut raw = input.read()?;
        unmark(&mut raw, self.options);
        let read = AssertUnwindSafe(|| {
            let (mail, arrival) = (Mail::parse(raw), Arrival::FromFields);
            let reading = Reading::new(&mail, &arrival, &self.options.view);
            self.classifier.lesson(&reading, self.label, &self.source, self.at)
        });
        catch_unwind(read).map_err(|_| "reading this message failed; please report it".to_owned())
    }
}

/// A Subject that we marked is learned as the sender wrote it: else the mark itself would be the best sign of spam.
fn unmark(raw: &mut Vec<u8>, options: &Options) {
    let Some(tag) = options.output.rewrite.get("Subject").map(String::as_bytes).filter(|tag| !tag.is_empty() && !tag.contains(&b'_'))
    else {
        return;
    };
    let section = fields::split(raw);
    let marked = section.fields.iter().find(|field| field.name(raw).eq_ignore_ascii_case(b"Subject")).and_then(|field| {
        let value = raw.get(field.value.clone())?;
        let blank = value.iter().take_while(|octet| **octet == b' ').count();
        let rest = value.get(blank..)?.strip_prefix(tag)?;
        let after = rest.iter().take_while(|octet| **octet == b' ').count();
        Some(field.value.start + blank..field.value.start + blank + tag.len() + after)
    });
    if let Some(marked) = marked {
        raw.drain(marked);
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

pub fn run(args: Args) -> ExitCode {
    let (config, classifier, options) = match open(&args) {
        Ok(opened) => opened,
        Err(mistakes) => {
            mistakes.iter().for_each(|mistake| eprintln!("hamgate: {mistake}"));
            return ExitCode::from(2);
        }
    };
    let inputs = inputs::list(&args.paths);
    let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let lessons = Lessons { classifier: &classifier, options: &options, label: args.label(), source: args.source(), at };
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = args.threads.map_or(cores, NonZero::get).min(inputs.len()).max(1);
    let began = Instant::now();
    let (counts, trouble) = teach(&lessons, &inputs, threads);
    println!("{}", counts.tell(args.forget, inputs.len(), began.elapsed()));
    if let Some(trouble) = trouble {
        eprintln!("hamgate: {trouble}; what was counted is learned, the rest is not: give the same command again");
        return ExitCode::FAILURE;
    }
    if let Err(trouble) = classifier.store().expire("", config.bayes.most_tokens) {
        eprintln!("hamgate: old tokens were not taken out: {trouble}");
    }
    if counts.failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn open(args: &Args) -> Result<(Config, Classifier, Options), Vec<String>> {
    let text = |complaints: Vec<crate::base::Complaint>| complaints.iter().map(ToString::to_string).collect::<Vec<_>>();
    let config = Config::read(args.config.as_deref()).map_err(text)?;
    let (set, _) = rule_files::load_all(&config);
    let folder = state::folder(args.state.as_deref());
    if config.bayes.store.is_empty() {
        state::make(&folder).map_err(|error| vec![format!("{}: {error}; name another with --state", folder.display())])?;
    }
    let classifier = Classifier::open(&config.bayes, &folder).map_err(|trouble| vec![trouble.to_string()])?;
    let classifier = classifier.reading(classifier::token_options(&set.options));
    Ok((config, classifier, set.options))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{NoFiles, Settings, Source, load};

    #[test]
    fn a_subject_is_learned_as_the_sender_wrote_it() {
        let text = "rewrite_header Subject [SPAM]\n".to_owned();
        let options = load(&[Source::Text { name: "t.cf".into(), text }], &NoFiles, &Settings::default()).0.options;
        let unmarked = |raw: &[u8]| {
            let mut raw = raw.to_vec();
            unmark(&mut raw, &options);
            raw
        };
        assert_eq!(unmarked(b"To: b\r\nSubject: [SPAM] win\r\n\r\n[SPAM] x"), b"To: b\r\nSubject: win\r\n\r\n[SPAM] x");
        assert_eq!(unmarked(b"Subject: Re: [SPAM] win\n\nx"), b"Subject: Re: [SPAM] win\n\nx");
        assert_eq!(unmarked(b""), b"");
    }
}
