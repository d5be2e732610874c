//! What the views of a message cost in CPU time, view by view.

use hamgate::mail::{Arrival, HeaderQuery, Mail, Reading, ViewOptions};
use nix::sys::resource::{UsageWho, getrusage};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// CPU time of this process so far, in microseconds.
fn cpu() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("getrusage");
    let time = usage.user_time();
    time.tv_sec() as f64 * 1e6 + time.tv_usec() as f64
}

fn messages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("folder").flatten() {
        let path = entry.path();
        if path.is_dir() { messages(&path, found) } else { found.push(path) }
    }
}

type Step = fn(&Reading<'_>);

const STEPS: &[(&str, Step)] = &[
    ("rendered", |r| {
        black_box(r.rendered().len());
    }),
    ("body", |r| {
        black_box(r.body().len());
    }),
    ("rawbody", |r| {
        black_box(r.rawbody().len());
    }),
    ("full", |r| {
        black_box(r.full().len());
    }),
    ("relays", |r| {
        black_box(r.relays().all.len());
    }),
    ("headers", |r| {
        for name in [
            "ALL",
            "From",
            "From:addr",
            "From:name",
            "Subject",
            "Received",
            "To",
            "ToCc",
            "MESSAGEID",
            "X-Mailer",
            "EnvelopeFrom",
            "Content-Type",
            "List-Id",
        ] {
            black_box(HeaderQuery::parse(name).map(|q| r.header(&q).map_or(0, |v| v.len())).unwrap_or(0));
        }
    }),
    ("links", |r| {
        black_box(r.links().len());
    }),
];

#[test]
#[ignore = "needs the corpus (HAMGATE_CORPUS) and a release build"]
fn views_cost_little() {
    const ROUNDS: usize = 5;
    let mut paths = Vec::new();
    messages(Path::new(&env::var("HAMGATE_CORPUS").expect("HAMGATE_CORPUS")), &mut paths);
    paths.sort();
    let mails: Vec<Vec<u8>> = paths.iter().step_by(11).filter_map(|p| fs::read(p).ok()).collect();
    let options = ViewOptions::default();
    let arrival = Arrival::FromFields;
    let count = (mails.len() * ROUNDS) as f64;
    let octets: usize = mails.iter().map(Vec::len).sum();
    println!("{} messages, {} octets each", mails.len(), octets / mails.len());
    let copies: Vec<Vec<u8>> = (0..ROUNDS).flat_map(|_| mails.iter().cloned()).collect();
    let begun = cpu();
    let parsed: Vec<Mail> = copies.into_iter().map(Mail::parse).collect();
    println!("{:10} {:8.1} us", "parse", (cpu() - begun) / count);
    let begun = cpu();
    let readings: Vec<Reading<'_>> = parsed.iter().map(|mail| Reading::new(mail, &arrival, &options)).collect();
    println!("{:10} {:8.1} us", "new", (cpu() - begun) / count);
    for (name, step) in STEPS {
        let begun = cpu();
        readings.iter().for_each(step);
        println!("{name:10} {:8.1} us", (cpu() - begun) / count);
    }
}
