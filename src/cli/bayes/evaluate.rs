//! `hamgate bayes evaluate`: learn some of the given mail, score the rest, print how good that was.

use crate::bayes::combine::Weights;
use crate::bayes::evaluate::measures::{Measures, Scored, compare, measure};
use crate::bayes::evaluate::protocol::{Plan, Protocol, Sample};
use crate::bayes::evaluate::run::{Walk, walk};
use crate::bayes::evaluate::{arrival_of, content, full, subject_group};
use crate::bayes::hash::TokenKey;
use crate::bayes::tokens::tokens;
use crate::mail::{Arrival, Mail, Reading, ViewOptions};
use crate::store::Token;
use clap::ValueEnum;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

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
    /// Spam from before this day (UTC) is learned, later spam is tested: 2024-09-01.
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
    /// Messages of each kind that `--protocol small` learns.
    #[arg(long, default_value_t = 200)]
    small: usize,
    /// What of a message the classifier sees.
    #[arg(long, value_enum, default_value = "as-is")]
    view: View,
    /// Writes path, label, fold and natural log-odds of each tested message.
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
    let begun = Instant::now();
    let key = TokenKey::new([0; 16]);
    let all: Vec<Vec<Token>> = messages.iter().map(|raw| tokens_of(raw, &key)).collect();
    let parsed = begun.elapsed();
    let plan = Plan { protocol, folds: args.folds, salt: args.salt.clone(), until, small: args.small };
    let begun = Instant::now();
    let walk = walk(&plan, &samples, &all, &Weights::default());
    let walked = begun.elapsed();
    if let Some(out) = &args.scores {
        fs::write(out, tsv(&walk.scored)).map_err(|e| format!("{}: {e}", out.display()))?;
    }
    let measures = measure(&walk.scored);
    let each = (parsed.as_secs_f64() / samples.len() as f64, walked.as_secs_f64() / (walk.learned + walk.scored.len()).max(1) as f64);
    Ok(table(&measures, &walk, each) + &worst(&walk.scored))
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

fn tokens_of(raw: &[u8], key: &TokenKey) -> Vec<Token> {
    let mail = Mail::parse(raw.to_vec());
    let (arrival, options) = (Arrival::FromFields, ViewOptions::default());
    tokens(&Reading::new(&mail, &arrival, &options), key)
}

fn table(m: &Measures, walk: &Walk, (parse, step): (f64, f64)) -> String {
    // A row of the SQLite table takes about 20 octets.
    let (tokens, bytes) = (walk.tokens, walk.tokens * 20);
    format!(
        "run\tham\tspam\tcaught@0\tcaught@0.1\tcaught@0.5\tcaught@1\t1-AUC\t1-AUC-low\t1-AUC-high\tLAM\tham-lost\tspam-missed\ttokens\tbytes\tlearn/s\tclassify-ms\n\
         bayes\t{}\t{}\t{:.2}\t{:.2}\t{:.2}\t{:.2}\t{:.4}\t{:.4}\t{:.4}\t{:.2}\t{}\t{}\t{tokens}\t{bytes}\t{:.0}\t{:.3}\n",
        m.ham,
        m.spam,
        m.caught[0],
        m.caught[1],
        m.caught[2],
        m.caught[3],
        m.one_minus_auc,
        m.low,
        m.high,
        m.lam,
        m.ham_lost,
        m.spam_missed,
        1.0 / (parse + step),
        1_000.0 * (parse + step),
    )
}

/// The ten ham that look most like spam, and the ten spam that look most like ham.
fn worst(scored: &[Scored]) -> String {
    let mut text = String::new();
    for (title, spam) in [("worst ham", false), ("worst spam", true)] {
        let mut some: Vec<&Scored> = scored.iter().filter(|s| s.spam == spam).collect();
        some.sort_by(|a, b| if spam { a.score.total_cmp(&b.score) } else { b.score.total_cmp(&a.score) });
        text.push_str(&format!("{title}\n"));
        for s in some.iter().take(10) {
            text.push_str(&format!("{:.3}\t{}\n", s.score, s.path));
        }
    }
    text
}

fn tsv(scored: &[Scored]) -> String {
    scored.iter().map(|s| format!("{}\t{}\t{}\t{:.5e}\n", s.path, if s.spam { "spam" } else { "ham" }, s.fold, s.score)).collect()
}

fn compared(a: &Path, b: &Path) -> Result<String, String> {
    let (first, second) = (read_scores(a)?, read_scores(b)?);
    let (better, difference) = compare(&first, &second).ok_or("the two files hold different messages")?;
    Ok(format!("better in\tmean difference of 1-AUC\n{:.1} %\t{difference:.4}\n", 100.0 * better))
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
