//! CPU of a verdict against SpamAssassin's own, in one run over the same messages, and where ours goes:
//! `HAMGATE_CORPUS=… cargo bench --bench scan [-- RULES…]`.
//!
//! Both are local (no network, no Bayes), load the same folders (/usr/share/spamassassin, unless folders are given: first the
//! distribution's, then the site's), and judge messages that are not in the sample before the clock starts, as a daemon has.
//! CPU is that of the one thread that judges. Without the `spamassassin` package ours is measured alone; without a corpus
//! one message of its own is judged, so that the bench always runs. `HAMGATE_MESSAGES`: size of the sample (200).
#![allow(clippy::unwrap_used)]

mod sample;

use hamgate::cli::engine::RuleArgs;
use hamgate::mail::{Arrival, Mail, Reading};
use hamgate::rules::engine::{Circumstances, ScoreSet, Watch};
use hamgate::rules::report::{Occasion, Rendering};
use hamgate::scan::Engine;
use nix::time::{ClockId, clock_gettime};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const STOCK: &str = "/usr/share/spamassassin";
/// Messages that SpamAssassin judges before the clock starts, and that we judge: as many as a daemon has behind it minutes after
/// its start. Of the first of them it is told what they cost.
const WARM: usize = 5;
const WARM_OURS: usize = 1000;
const SAMPLE: &[u8] = b"From: One <one@example.org>\nTo: two@example.com\nSubject: village\nDate: Wed, 25 Nov 2026 12:00:00 +0000\n\n\
    The village has a village hall.\nhttp://www.example.net/\n";

/// Reads paths, the first of them to warm up; prints its CPU for loading in microseconds, then for each message the same and its
/// score, then its resident memory in kB.
const PERL: &str = r#"
use strict; use warnings; use Mail::SpamAssassin; use Time::HiRes qw(clock_gettime CLOCK_PROCESS_CPUTIME_ID);
my ($warm, $rules, $site) = @ARGV; my @paths = map { chomp; $_ } <STDIN>;
my $cpu = sub { clock_gettime(CLOCK_PROCESS_CPUTIME_ID) * 1e6 };
my $began = $cpu->();
my $sa = Mail::SpamAssassin->new({ rules_filename => $rules, site_rules_filename => $site, local_tests_only => 1, dont_copy_prefs => 1,
  userprefs_filename => '/dev/null', post_config_text => "use_bayes 0\n" });
$sa->compile_now(0, 1);
print $cpu->() - $began, "\n";
for my $path (@paths) {
  open my $file, '<', $path or die "$path: $!"; binmode $file; my $raw = do { local $/; <$file> }; close $file;
  my $before = $cpu->();
  my $mail = $sa->parse($raw, 1); my $status = $sa->check($mail); my $score = $status->get_score();
  $status->finish(); $mail->finish();
  print $cpu->() - $before, " $score\n" if $warm-- <= 0;
}
open my $statm, '<', '/proc/self/status' or die; print map { /^VmRSS:\s+(\d+)/ ? "$1\n" : () } <$statm>;
"#;

/// Microseconds of this thread.
fn cpu() -> f64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(0.0, |time| time.tv_sec() as f64 * 1e6 + time.tv_nsec() as f64 / 1e3)
}

/// Resident memory in MB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0) / 1e3
}

/// Adds up the time between laps, if it is on: to read the clock costs more than some parts.
#[derive(Default)]
struct Laps {
    is_on: bool,
    last: Cell<f64>,
    parts: RefCell<BTreeMap<&'static str, f64>>,
}

impl Watch for Laps {
    fn expired(&self) -> bool {
        false
    }

    fn passed(&self, part: &'static str) {
        if !self.is_on {
            return;
        }
        let now = cpu();
        *self.parts.borrow_mut().entry(part).or_default() += now - self.last.get();
        self.last.set(cpu());
    }
}

/// The sample and other messages, every so many of all that are there, so that all kinds are among them.
fn messages() -> (Vec<PathBuf>, Vec<PathBuf>) {
    let Some((files, wanted)) = sample::corpus(200) else { return (Vec::new(), Vec::new()) };
    let step = (files.len() / wanted).max(2);
    let rest: Vec<&PathBuf> = files.iter().enumerate().filter(|(at, _)| at % step != 0).map(|(_, path)| path).collect();
    let others = rest.iter().step_by((rest.len() / WARM_OURS).max(1)).map(|path| (*path).clone()).collect();
    (files.iter().step_by(step).cloned().collect(), others)
}

struct Spent {
    whole: f64,
    /// Where laps were taken.
    parts: BTreeMap<&'static str, f64>,
    score: f64,
}

/// Judges one message and renders its fields: microseconds, and the score.
fn judge(engine: &Engine, raw: Vec<u8>, laps: bool) -> Spent {
    let began = cpu();
    let laps = Laps { is_on: laps, last: Cell::new(began), parts: RefCell::default() };
    let mail = Mail::parse(raw);
    laps.passed("parse");
    let set = &engine.program.set;
    let reading = Reading::new(&mail, &Arrival::FromFields, &set.options.view);
    black_box(reading.body().len());
    laps.passed("view body");
    black_box(reading.rawbody().len());
    laps.passed("view rawbody");
    black_box(reading.uris().len());
    laps.passed("view uri");
    black_box(reading.relays().all.len());
    laps.passed("view relays");
    let set_of_scores = ScoreSet { network: false, bayes: false };
    let circumstances = Circumstances { set: set_of_scores, now: 1_700_000_000, explain: false, watch: &laps };
    let findings = engine.program.begin(&reading, circumstances).finish();
    let occasion = Occasion::default();
    black_box(Rendering { set, reading: &reading, findings: &findings, occasion: &occasion }.fields());
    laps.passed("report");
    let score = findings.score;
    drop(findings);
    drop(reading);
    drop(mail);
    laps.passed("parse");
    Spent { whole: cpu() - began, parts: laps.parts.into_inner(), score }
}

struct Theirs {
    load: f64,
    messages: Vec<(f64, f64)>,
    resident: f64,
}

/// SpamAssassin's times and scores; `None`: it is not installed.
fn spamassassin(rules: &[PathBuf], warm: &[PathBuf], sample: &[PathBuf]) -> Option<Theirs> {
    let empty = PathBuf::from("/dev/null");
    let (stock, site) = (rules.first()?, rules.get(1).unwrap_or(&empty));
    let mut child = Command::new("perl")
        .args(["-e", PERL, &warm.len().to_string()])
        .args([stock, site])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let list: String = warm.iter().chain(sample).map(|path| format!("{}\n", path.display())).collect();
    child.stdin.take()?.write_all(list.as_bytes()).ok()?;
    let output = child.wait_with_output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut lines = text.lines();
    let load = lines.next()?.parse().ok()?;
    let two = |line: &str| line.split_once(' ').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    let messages: Vec<(f64, f64)> = lines.by_ref().take(sample.len()).map_while(two).collect();
    let resident = lines.next()?.parse::<f64>().ok()? / 1e3;
    Some(Theirs { load, messages, resident })
}

/// Mean, median, 99th of a hundred, worst.
fn spread(mut all: Vec<f64>) -> [f64; 4] {
    all.sort_by(f64::total_cmp);
    let at = |share: f64| all.get(((all.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(0.0);
    [all.iter().sum::<f64>() / all.len().max(1) as f64, at(0.5), at(0.99), at(1.0)]
}

fn row(name: &str, [mean, median, high, worst]: [f64; 4]) {
    println!("{name:36} {mean:11.1} {median:11.1} {high:11.1} {worst:11.1}");
}

fn main() {
    let mut given: Vec<PathBuf> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).map(PathBuf::from).collect();
    if given.is_empty() && Path::new(STOCK).is_dir() {
        given.push(PathBuf::from(STOCK));
    }
    let began = cpu();
    let engine = RuleArgs { rules: given.clone(), local: true, ..RuleArgs::default() }.engine().expect("rules load");
    engine.program.plan(ScoreSet { network: false, bayes: false });
    let load = cpu() - began;
    let (sample, others) = messages();
    let read = |path: &PathBuf| std::fs::read(path).unwrap_or_default();
    let warm: Vec<f64> = others.iter().map(|path| judge(&engine, read(path), false).whole).collect();
    let raws = if sample.is_empty() { vec![SAMPLE.to_vec()] } else { sample.iter().map(read).collect() };
    let octets = raws.iter().map(Vec::len).sum::<usize>() / raws.len();
    let judged = raws.iter().map(|raw| judge(&engine, raw.clone(), false));
    let ours: Vec<(f64, f64)> = judged.map(|spent| (spent.whole, spent.score)).collect();
    let memory = resident();
    let mut parts: BTreeMap<&'static str, f64> = BTreeMap::new();
    for (part, time) in raws.into_iter().flat_map(|raw| judge(&engine, raw, true).parts) {
        *parts.entry(part).or_default() += time;
    }
    println!("{} messages of {octets} octets, {} rules\n", ours.len(), engine.program.set.rules.len());
    let times = |all: &[(f64, f64)]| spread(all.iter().map(|(time, _)| *time).collect());
    println!("{:36} {:>11} {:>11} {:>11} {:>11}", "CPU us a message", "mean", "p50", "p99", "worst");
    let own = times(&ours);
    match spamassassin(&given, others.get(..WARM.min(others.len())).unwrap_or(&[]), &sample) {
        Some(theirs) if theirs.messages.len() == ours.len() => {
            let other = times(&theirs.messages);
            row("SpamAssassin, Perl API", other);
            row("Hamgate", own);
            row("Hamgate, first messages of all", spread(warm.iter().take(ours.len()).copied().collect()));
            row("ratio", std::array::from_fn(|at| other[at] / own[at]));
            let each = ours.iter().zip(&theirs.messages).map(|((own, _), (other, _))| other / own);
            row("ratio, message by message", spread(each.collect()));
            let same = ours.iter().zip(&theirs.messages).filter(|((_, own), (_, other))| (own - other).abs() < 0.05).count();
            println!("\nsame score: {same} of {}", ours.len());
            println!("load: SpamAssassin {:.0} ms, Hamgate {:.0} ms of CPU", theirs.load / 1e3, load / 1e3);
            println!("resident: SpamAssassin {:.0} MB, Hamgate {memory:.0} MB", theirs.resident);
        }
        Some(_) | None => {
            row("Hamgate", own);
            println!("\nSpamAssassin cannot be run here, or there is no corpus: nothing to compare with");
            println!("load {:.0} ms of CPU, resident {memory:.0} MB", load / 1e3);
        }
    }
    let sum: f64 = parts.values().sum();
    println!("\nwhere it goes, us a message, with the clock read for each part");
    for (part, time) in &parts {
        println!("{part:16} {:8.1} {:5.1} %", time / ours.len() as f64, time / sum * 100.0);
    }
}
