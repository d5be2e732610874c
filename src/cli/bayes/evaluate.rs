//! `hamgate bayes evaluate`: learn some of the given mail, score the rest, print how good that was.

use crate::bayes::evaluate::measures::{Measures, Scored, compare, measure};
use crate::bayes::evaluate::protocol::{Plan, Protocol, Sample};
use crate::bayes::evaluate::run::{Evidence, Walk, walk};
use crate::bayes::evaluate::{arrival_of, content, full, subject_group};
use crate::bayes::hash::TokenKey;
use crate::bayes::{TokenRules, spamassassin};
use crate::cli::engine::RuleArgs;
use crate::mail::{Arrival, Mail, Reading, ViewOptions};
use crate::scan::classifier;
use crate::scan::{Engine, Wish};
use crate::store::Token;
use clap::ValueEnum;
use nix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folders of ham (.eml files and Maildirs).
    #[arg(long, num_args = 1.., value_name = "DIR")]
    ham: Vec<PathBuf>,
    /// Folders of spam.
    #[arg(long, num_args = 1.., value_name = "DIR")]
    spam: Vec<PathBuf>,
    /// Folders of spam that is only learned.
    #[arg(long, num_args = 1.., value_name = "DIR")]
    old_spam: Vec<PathBuf>,
    /// What is learned and what is tested.
    #[arg(long, value_enum, default_value = "folds")]
    protocol: Way,
    #[arg(long, default_value_t = 5)]
    folds: u32,
    /// Another salt, other folds.
    #[arg(long, default_value = "", value_name = "TEXT")]
    salt: String,
    /// What puts messages into the same fold.
    #[arg(long, value_enum, default_value = "path")]
    group: Group,
    /// Spam from before this day (UTC) is learned, later spam is tested: 2024-09-01. Without it `split` tests all of --spam.
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    /// Messages of each kind that `--protocol small` learns.
    #[arg(long, default_value_t = 200)]
    small: usize,
    /// What of a message the classifier sees.
    #[arg(long, value_enum, default_value = "as-is")]
    view: View,
    /// How messages become tokens: our own way or SpamAssassin's.
    #[arg(long, value_enum, default_value = "hamgate")]
    tokens: Words,
    /// Also fit a model to the rules and sub-rules that hit: rows `model` and `joined` (both opinions together).
    #[arg(long)]
    with_rules: bool,
    /// Rules in place of the built-in ones, for --with-rules and --tokens spamassassin; may be given several times.
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// Writes path, label, fold and natural log-odds of each tested message; with --with-rules OUT.model.tsv and
    /// OUT.joined.tsv too.
    #[arg(long, value_name = "OUT.tsv")]
    scores: Option<PathBuf>,
    /// Compares two files written by --scores: the share of paired draws in which the first is better.
    #[arg(long, num_args = 2, value_names = ["A.tsv", "B.tsv"], conflicts_with_all = ["ham", "spam"])]
    compare: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    Folds,
    Split,
    Online,
    Small,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Group {
    Path,
    Subject,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Words {
    Hamgate,
    Spamassassin,
}

impl Words {
    fn rules(self) -> TokenRules {
        match self {
            Words::Hamgate => TokenRules::Hamgate,
            Words::Spamassassin => TokenRules::SpamAssassin,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum View {
    AsIs,
    Full,
    Content,
}

pub fn run(args: &Args) -> ExitCode {
    let done = match args.compare.as_slice() {
        [a, b] => compared(a, b),
        _ => evaluated(args),
    };
    match done {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("hamgate bayes evaluate: {why}");
            ExitCode::from(1)
        }
    }
}

fn evaluated(args: &Args) -> Result<String, String> {
    let until = args
        .until
        .as_deref()
        .map(|day| crate::bayes::evaluate::day(day).ok_or_else(|| format!("--until {day}: write a day such as 2024-09-01")))
        .transpose()?;
    let protocol = match args.protocol {
        Way::Folds => Protocol::Folds,
        Way::Split => Protocol::Split,
        Way::Online => Protocol::Online,
        Way::Small => Protocol::Small,
    };
    if args.folds < 2 {
        return Err("--folds: at least 2, one to test and one to learn".into());
    }
    let (samples, messages) = gather(args)?;
    if !samples.iter().any(|s| s.spam) || samples.iter().all(|s| s.spam) {
        return Err("give both --ham and --spam folders with .eml files in them".into());
    }
    let engine = engine(args)?;
    let read = read(args, &messages, engine.as_ref());
    drop(messages);
    let until = if protocol == Protocol::Split { Some(until.unwrap_or(i64::MIN)) } else { until };
    let plan = Plan { protocol, folds: args.folds, salt: args.salt.clone(), until, small: args.small };
    let hits = args.with_rules.then_some((read.hits.as_slice(), read.names.len()));
    let evidence = Evidence { rules: args.tokens.rules(), options: &read.options, tokens: &read.tokens, hits };
    let walk = walk(&plan, &samples, &evidence, &thread_cpu);
    let cost = Cost::of(&read, &walk);
    let mut text = HEADER.to_owned() + &row("bayes", &measure(&walk.bayes), Some((&cost, walk.tokens)));
    let joined = if args.with_rules { walk.joined() } else { Vec::new() };
    if args.with_rules {
        text += &row("model", &measure(&walk.model), None);
        text += &row("joined", &measure(&joined), None);
    }
    text += &worst(if args.with_rules { "joined" } else { "bayes" }, if args.with_rules { &joined } else { &walk.bayes });
    if let Some(out) = &args.scores {
        save(out, &walk.bayes)?;
        if args.with_rules {
            save(&out.with_extension("model.tsv"), &walk.model)?;
            save(&out.with_extension("joined.tsv"), &joined)?;
        }
    }
    Ok(text)
}

/// The rules, where they are asked for.
fn engine(args: &Args) -> Result<Option<Engine>, String> {
    if !args.with_rules && args.rules.is_empty() {
        return Ok(None);
    }
    let rules = RuleArgs { rules: args.rules.clone(), local: true, ..RuleArgs::default() };
    rules.engine().map(Some).map_err(|complaint| complaint.to_string())
}

/// What the classifiers read of the messages, in their order.
#[derive(Default)]
struct Read {
    /// What rule files say of SpamAssassin's tokens.
    options: spamassassin::Options,
    tokens: Vec<Vec<Token>>,
    hits: Vec<Vec<u32>>,
    /// Numbers of rules and sub-rules.
    names: BTreeMap<Arc<str>, u32>,
    /// CPU time of parsing with the views that rules need too, and of the tokens.
    parsing: Duration,
    tokenizing: Duration,
}

fn read(args: &Args, messages: &[Vec<u8>], engine: Option<&Engine>) -> Read {
    let key = TokenKey::new([0; 16]);
    let plain = ViewOptions::default();
    let views = engine.map_or(&plain, |engine| &engine.program.set.options.view);
    let options = engine.map(|engine| classifier::token_options(&engine.program.set.options)).unwrap_or_default();
    let mut read = Read { options, ..Read::default() };
    for raw in messages {
        let begun = thread_cpu();
        let mail = Mail::parse(raw.clone());
        let reading = Reading::new(&mail, &Arrival::FromFields, views);
        reading.links();
        let parsed = thread_cpu();
        read.tokens.push(args.tokens.rules().tokens(&reading, &key, &read.options));
        read.parsing += parsed.saturating_sub(begun);
        read.tokenizing += thread_cpu().saturating_sub(parsed);
        if let Some(engine) = engine.filter(|_| args.with_rules) {
            let hits = hits_of(engine, raw, &mut read.names);
            read.hits.push(hits);
        }
    }
    read
}

fn hits_of(engine: &Engine, raw: &[u8], names: &mut BTreeMap<Arc<str>, u32>) -> Vec<u32> {
    // A slow machine must not change what is measured.
    let wish = Wish { deadline: Some(Instant::now() + Duration::from_secs(3_600)), ..Wish::default() };
    let findings = engine.judge(raw.to_vec(), Arrival::FromFields, wish).findings;
    let hit = findings.hits.iter().map(|hit| &hit.rule).chain(findings.subrules.keys());
    let mut numbers: Vec<u32> = hit
        .map(|name| {
            let next = u32::try_from(names.len()).unwrap_or(u32::MAX);
            *names.entry(Arc::clone(name)).or_insert(next)
        })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// CPU time that this thread has used; other work on the machine does not count.
fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Every message of the folders with what the protocols ask of it, by path.
fn gather(args: &Args) -> Result<(Vec<Sample>, Vec<Vec<u8>>), String> {
    let mut found = Vec::new();
    for (folders, spam, only_learned) in [(&args.ham, false, false), (&args.spam, true, false), (&args.old_spam, true, true)] {
        for folder in folders {
            let mut files = Vec::new();
            files_below(folder, &mut files).map_err(|e| format!("{}: {e}", folder.display()))?;
            let top = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            for file in files {
                let below = file.strip_prefix(folder).unwrap_or(&file).display().to_string();
                found.push((format!("{top}/{below}"), file, spam, only_learned));
            }
        }
    }
    found.sort();
    let (mut samples, mut messages) = (Vec::new(), Vec::new());
    for (number, (path, file, spam, only_learned)) in found.into_iter().enumerate() {
        let raw = fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let group = (args.group == Group::Subject).then(|| subject_group(&raw).unwrap_or_else(|| format!("{number:06}")));
        samples.push(Sample { path, spam, only_learned, epoch: arrival_of(&raw), group });
        messages.push(match args.view {
            View::AsIs => raw,
            View::Full => full::full(&raw),
            View::Content => content::content(&raw),
        });
    }
    Ok((samples, messages))
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            let in_maildir = next.file_name().is_some_and(|n| n == "cur" || n == "new");
            if path.is_dir() {
                folders.push(path);
            } else if in_maildir || path.extension().is_some_and(|e| e == "eml") {
                files.push(path);
            }
        }
    }
    Ok(())
}

/// What a message costs: CPU seconds.
struct Cost {
    /// Parsing, tokens and learning.
    learn: f64,
    /// Tokens and scoring, after parsing.
    classify: f64,
}

impl Cost {
    fn of(read: &Read, walk: &Walk) -> Cost {
        let each = |all: Duration, count: usize| all.as_secs_f64() / count.max(1) as f64;
        let tokens = each(read.tokenizing, read.tokens.len());
        Cost {
            learn: each(read.parsing, read.tokens.len()) + tokens + each(walk.learning, walk.learned),
            classify: tokens + each(walk.scoring, walk.bayes.len()),
        }
    }
}

const HEADER: &str = "run\tham\tspam\tcaught@0\tcaught@0.1\tcaught@0.5\tcaught@1\t1-AUC\t1-AUC-low\t1-AUC-high\tLAM\tham-lost\tspam-missed\t\
                      tokens\tbytes\tlearn/s\tclassify-ms\n";
/// A row of the SQLite table takes about 20 octets.
const ROW_OCTETS: usize = 20;

fn row(run: &str, m: &Measures, cost: Option<(&Cost, usize)>) -> String {
    let cost = cost.map_or("-\t-\t-\t-".to_owned(), |(cost, tokens)| {
        format!("{tokens}\t{}\t{:.0}\t{:.3}", tokens * ROW_OCTETS, 1.0 / cost.learn.max(1e-9), 1_000.0 * cost.classify)
    });
    let caught = m.caught.map(|share| format!("{share:.2}")).join("\t");
    let (auc, low, high, lam) = (m.one_minus_auc, m.low, m.high, m.lam);
    format!("{run}\t{}\t{}\t{caught}\t{auc:.4}\t{low:.4}\t{high:.4}\t{lam:.2}\t{}\t{}\t{cost}\n", m.ham, m.spam, m.ham_lost, m.spam_missed)
}

/// The ten ham that look most like spam, and the ten spam that look most like ham.
fn worst(run: &str, scored: &[Scored]) -> String {
    let mut text = String::new();
    for (title, spam) in [("ham", false), ("spam", true)] {
        let mut some: Vec<&Scored> = scored.iter().filter(|s| s.spam == spam).collect();
        some.sort_by(|a, b| if spam { a.score.total_cmp(&b.score) } else { b.score.total_cmp(&a.score) }.then_with(|| a.path.cmp(&b.path)));
        text.push_str(&format!("worst {title} ({run})\n"));
        for s in some.iter().take(10) {
            text.push_str(&format!("{:.3}\t{}\n", s.score, s.path));
        }
    }
    text
}

fn save(out: &Path, scored: &[Scored]) -> Result<(), String> {
    fs::write(out, tsv(scored)).map_err(|e| format!("{}: {e}", out.display()))
}

fn tsv(scored: &[Scored]) -> String {
    scored.iter().map(|s| format!("{}\t{}\t{}\t{:.5e}\n", s.path, if s.spam { "spam" } else { "ham" }, s.fold, s.score)).collect()
}

fn compared(a: &Path, b: &Path) -> Result<String, String> {
    let (first, second) = (read_scores(a)?, read_scores(b)?);
    let found = compare(&first, &second).ok_or("the two files hold different messages")?;
    Ok(format!(
        "better-in\tdifference\tlow\thigh\n{:.1} %\t{:.4}\t{:.4}\t{:.4}\n",
        100.0 * found.better,
        found.difference,
        found.low,
        found.high
    ))
}

fn read_scores(path: &Path) -> Result<Vec<Scored>, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut scored: Vec<Scored> = text
        .lines()
        .enumerate()
        .map(|(number, line)| {
            let mut columns = line.split('\t');
            let mut read = || {
                Some(Scored {
                    path: columns.next()?.to_owned(),
                    spam: columns.next()? == "spam",
                    fold: columns.next()?.parse().ok()?,
                    score: columns.next()?.parse().ok()?,
                })
            };
            read().ok_or_else(|| format!("{}:{}: give path, label, fold and log-odds, tabs between", path.display(), number + 1))
        })
        .collect::<Result<_, _>>()?;
    scored.sort_by(|x, y| x.path.cmp(&y.path));
    Ok(scored)
}
