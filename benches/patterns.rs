//! What the patterns of a rule set cost by rule type: `HAMGATE_CORPUS=… cargo bench --bench patterns [-- RULES…]`.
//!
//! The views of all messages are made first, so that nothing but matching is measured: CPU microseconds a message, one
//! thread, the best of three passes. Every pattern is also tried alone, without gate and grouping: the counts must be the
//! same. `HAMGATE_MESSAGES` sets how many messages of the corpus are taken (300 without it).
#![allow(clippy::unwrap_used)]

mod sample;

use hamgate::cli::engine::RuleArgs;
use hamgate::mail::{Arrival, HeaderQuery, Mail, Reading};
use hamgate::pattern::{Candidates, Found, Pattern, PatternSet};
use hamgate::rules::engine::usual;
use hamgate::rules::model::{Flags, Matcher, Test};
use nix::time::{ClockId, clock_gettime};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const PASSES: usize = 3;
const TYPES: [&str; 6] = ["body", "header", "uri", "rawbody", "full", "mime"];
const SAMPLE: &[u8] =
    b"From: One <one@example.org>\nTo: two@example.com\nSubject: village\n\nThe village has a village hall.\nhttp://www.example.net/\n";

/// Microseconds of this thread.
fn cpu() -> f64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(0.0, |time| time.tv_sec() as f64 * 1e6 + time.tv_nsec() as f64 / 1e3)
}

/// Resident memory in MB.
fn resident() -> f64 {
    let pages =
        std::fs::read_to_string("/proc/self/statm").ok().and_then(|text| text.split(' ').nth(1).and_then(|n| n.parse::<f64>().ok()));
    pages.unwrap_or(0.0) * 4096.0 / 1e6
}

/// Patterns tried on the same texts.
struct Group {
    kind: usize,
    query: Option<HeaderQuery>,
    patterns: Vec<Pattern>,
    most: Vec<u32>,
    set: PatternSet,
}

fn groups(rules: &[hamgate::rules::model::Rule]) -> Vec<Group> {
    let mut found: HashMap<(usize, Option<HeaderQuery>), Vec<(Pattern, u32)>> = HashMap::new();
    for rule in rules.iter().filter(|rule| rule.scores[0] != 0.0) {
        let (kind, query, pattern) = match &rule.test {
            Test::Body(Matcher::Fixed(pattern)) => (0, None, pattern),
            Test::Header { query, pattern: Matcher::Fixed(pattern), .. } => (1, Some(query.clone()), pattern),
            Test::Uri(Matcher::Fixed(pattern)) => (2, None, pattern),
            Test::RawBody(Matcher::Fixed(pattern)) => (3, None, pattern),
            Test::Full(Matcher::Fixed(pattern)) => (4, None, pattern),
            Test::MimeHeader { query, pattern: Matcher::Fixed(pattern), .. } => (5, Some(query.clone()), pattern),
            _ => continue,
        };
        let Flags { multiple, maxhits, .. } = rule.flags;
        let most = if multiple { maxhits.unwrap_or(u32::MAX) } else { 1 };
        found.entry((kind, query)).or_default().push((pattern.clone(), most));
    }
    let make = |((kind, query), rows): ((usize, Option<HeaderQuery>), Vec<(Pattern, u32)>)| {
        let (patterns, most): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let usual = match (kind, &query) {
            (0, _) => &usual::BODY,
            (2, _) => &usual::URI,
            (3, _) => &usual::RAW_BODY,
            (_, Some(query)) => usual::of_header(query),
            _ => &*usual::FULL,
        };
        Group { kind, query, set: PatternSet::new(patterns.iter().cloned(), usual), patterns, most }
    };
    found.into_iter().map(make).collect()
}

fn texts(group: &Group, reading: &Reading<'_>) -> Vec<Vec<u8>> {
    match (group.kind, &group.query) {
        (0, _) => reading.body().to_vec(),
        (1, Some(query)) => reading.header(query).into_iter().map(|value| value.into_owned()).collect(),
        (2, _) => reading.uris().to_vec(),
        (3, _) => reading.rawbody().to_vec(),
        (4, _) => vec![reading.full().to_vec()],
        (_, Some(query)) => (0..reading.mail.parts().len()).filter_map(|part| reading.part_header(part, query)).collect(),
        _ => Vec::new(),
    }
}

fn tally(matches: impl Iterator<Item = Found>, most: u32) -> u32 {
    matches.take_while(|found| matches!(found, Found::Hit(_))).take(most as usize).count() as u32
}

/// Hits by pattern in the texts of one message, as the engine finds them.
fn gated(group: &Group, texts: &[Vec<u8>], candidates: &mut Candidates, counts: &mut [u32]) -> usize {
    let mut tried = 0;
    for text in texts {
        group.set.scan(text, candidates);
        for candidate in candidates.iter() {
            let number = candidate.pattern;
            let left = group.most[number as usize].saturating_sub(counts[number as usize]);
            if left == 1 {
                counts[number as usize] += u32::from(matches!(group.set.find(text, candidates, candidate), Found::Hit(_)));
            } else if left > 0 {
                counts[number as usize] += tally(group.set.find_iter(text, candidates, candidate), left);
            }
            tried += 1;
        }
    }
    tried
}

/// The same, each pattern for itself.
fn alone(group: &Group, texts: &[Vec<u8>], counts: &mut [u32]) {
    for ((pattern, most), count) in group.patterns.iter().zip(&group.most).zip(counts) {
        for text in texts.iter() {
            let left = most.saturating_sub(*count);
            *count += if left == 0 { 0 } else { tally(pattern.find_iter(text), left) };
        }
    }
}

fn messages() -> Vec<Vec<u8>> {
    let Some((files, wanted)) = sample::corpus(300) else { return vec![SAMPLE.to_vec()] };
    let step = (files.len() / wanted).max(1);
    files.iter().step_by(step).filter_map(|path: &PathBuf| std::fs::read(Path::new(path)).ok()).collect()
}

/// Mean, median, 99th of a hundred, worst.
fn spread(mut all: Vec<f64>) -> [f64; 4] {
    all.sort_by(f64::total_cmp);
    let at = |share: f64| all.get(((all.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(0.0);
    [all.iter().sum::<f64>() / all.len().max(1) as f64, at(0.5), at(0.99), at(1.0)]
}

fn main() {
    let given: Vec<PathBuf> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).map(PathBuf::from).collect();
    let rules = RuleArgs { rules: given, local: true, ..RuleArgs::default() };
    let (before, began) = (resident(), cpu());
    let engine = rules.engine().expect("rules load");
    let read = cpu() - began;
    let began = cpu();
    let groups = groups(&engine.program.set.rules);
    println!("load: files {:.0} ms, pattern sets {:.0} ms; memory {:.1} MB more", read / 1e3, (cpu() - began) / 1e3, resident() - before);
    let of_kind = |kind: usize| groups.iter().filter(move |group| group.kind == kind).map(|group| group.patterns.len()).sum::<usize>();
    println!("patterns: {}", (0..6).map(|kind| format!("{} {}", TYPES[kind], of_kind(kind))).collect::<Vec<_>>().join(", "));
    let texts: Vec<Vec<Vec<Vec<u8>>>> = messages()
        .into_iter()
        .map(|raw| {
            let mail = Mail::parse(raw);
            let reading = Reading::new(&mail, &Arrival::FromFields, &engine.program.set.options.view);
            groups.iter().map(|group| texts(group, &reading)).collect()
        })
        .collect();
    let held = resident();
    let mut candidates = Candidates::default();
    let mut best = vec![[f64::MAX; 6]; texts.len()];
    let mut counts: Vec<Vec<Vec<u32>>> = Vec::new();
    let (mut tried, mut first) = (0, 0.0);
    for pass in 0..PASSES {
        (tried, counts) = (0, Vec::new());
        for (message, best) in texts.iter().zip(&mut best) {
            let mut spent = [0.0; 6];
            let mut hits: Vec<Vec<u32>> = groups.iter().map(|group| vec![0; group.patterns.len()]).collect();
            for ((group, texts), hits) in groups.iter().zip(message).zip(&mut hits) {
                let began = cpu();
                tried += gated(group, texts, &mut candidates, hits);
                spent[group.kind] += cpu() - began;
            }
            first += if pass == 0 { spent.iter().sum::<f64>() / texts.len() as f64 } else { 0.0 };
            best.iter_mut().zip(spent).for_each(|(best, spent)| *best = best.min(spent));
            counts.push(hits);
        }
    }
    let used = resident() - held;
    let (mut alone_times, mut differing, mut hits) = (Vec::new(), 0, 0u64);
    for (message, known) in texts.iter().zip(&counts) {
        let mut again: Vec<Vec<u32>> = groups.iter().map(|group| vec![0; group.patterns.len()]).collect();
        let mut spent = [0.0; 6];
        for ((group, texts), hits) in groups.iter().zip(message).zip(&mut again) {
            let began = cpu();
            alone(group, texts, hits);
            spent[group.kind] += cpu() - began;
        }
        alone_times.push(spent);
        hits += again.iter().flatten().map(|count| u64::from(*count)).sum::<u64>();
        differing += known.iter().flatten().zip(again.iter().flatten()).filter(|(a, b)| a != b).count();
    }
    println!("\n{:34}{}      all mean / p50 / p99 / worst", "CPU us a message", TYPES.map(|name| format!("{name:>9}")).concat());
    for (name, times) in [("every pattern alone, one pass", &alone_times), ("gated, best of three passes", &best)] {
        let kinds = (0..6).map(|kind| format!("{:9.1}", times.iter().map(|spent| spent[kind]).sum::<f64>() / times.len() as f64));
        let [mean, median, high, worst] = spread(times.iter().map(|spent| spent.iter().sum()).collect());
        println!("{name:34}{}      {mean:.0} / {median:.0} / {high:.0} / {worst:.0}", kinds.collect::<String>());
    }
    println!("\n{} messages; first pass, which compiles, {first:.0} us a message; memory {used:.1} MB more after use", texts.len());
    println!("{:.1} patterns tried and {:.1} hits a message", tried as f64 / texts.len() as f64, hits as f64 / texts.len() as f64);
    println!("{differing} counts differ between gated and alone");
}
