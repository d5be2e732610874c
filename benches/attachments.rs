//! What looking at attachments costs: `HAMGATE_CORPUS=… cargo bench --bench attachments`.
//!
//! CPU a message of the walk through all parts alone, and of a verdict by the built-in rules with and without the rules
//! about attachments (the walk is made where a rule asks for it); then time and peak memory of one message of 25 MB that
//! holds archives in archives. Without a corpus one message of its own is judged, so that the bench always runs.
//! `HAMGATE_MESSAGES`: size of the sample (1,000).
#![allow(clippy::unwrap_used)]

mod sample;

use hamgate::mail::{Arrival, Mail, attachments};
use hamgate::rules::engine::Program;
use hamgate::rules::{NoFiles, Settings, Source, builtin, load};
use hamgate::scan::{Engine, Wish};
use nix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::io::Write;

const SAMPLE: &[u8] = b"From: One <one@example.org>\nTo: two@example.com\nSubject: village\nDate: Wed, 25 Nov 2026 12:00:00 +0000\n\n\
    The village has a village hall.\nhttp://www.example.net/\n";
const ROUNDS: usize = 3;

/// Microseconds of this thread.
fn cpu() -> f64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(0.0, |time| time.tv_sec() as f64 * 1e6 + time.tv_nsec() as f64 / 1e3)
}

fn main() {
    // `cargo test --benches` runs benches with this flag: nothing is measured then.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let mails: Vec<Vec<u8>> = match sample::corpus(1000) {
        Some((files, wanted)) => {
            let step = (files.len() / wanted).max(1);
            files.iter().step_by(step).filter_map(|path| std::fs::read(path).ok()).collect()
        }
        None => vec![SAMPLE.to_vec()],
    };
    let octets: usize = mails.iter().map(Vec::len).sum();
    println!("{} messages of {} octets on average; CPU us a message", mails.len(), octets / mails.len());
    let walk = best(|| {
        let parsed: Vec<Mail> = mails.iter().cloned().map(Mail::parse).collect();
        let began = cpu();
        for mail in &parsed {
            attachments::walk(mail, &mut |item| {
                black_box(item.bytes.len());
            });
        }
        cpu() - began
    });
    println!("the walk alone                        {:8.1}", walk / mails.len() as f64);
    let (with, without) = (engine(true, ""), engine(false, ""));
    let reading = engine(true, "attachment_text body uri bayes\n");
    let judged = |engine: &Engine| {
        best(|| {
            let began = cpu();
            for mail in &mails {
                black_box(engine.judge(mail.clone(), Arrival::FromFields, Wish::default()).findings.score);
            }
            cpu() - began
        }) / mails.len() as f64
    };
    let (on, off, text) = (judged(&with), judged(&without), judged(&reading));
    println!("built-in rules, attachments looked at {on:8.1}");
    println!("built-in rules without them           {off:8.1}");
    println!("difference                            {:8.1}", on - off);
    println!("with their text and links             {text:8.1}");
    large(&with);
}

fn best(measure: impl FnMut() -> f64) -> f64 {
    std::iter::repeat_with(measure).take(ROUNDS).fold(f64::INFINITY, f64::min)
}

/// The built-in rules, with or without those that ask about attachments.
fn engine(attachments: bool, more: &str) -> Engine {
    let mut sources = builtin::sources();
    sources.push(Source::Text { name: "more.cf".into(), text: more.into() });
    if !attachments {
        let asking = |text: &&str| ["eval:attachment_", "eval:message_ambiguous"].iter().any(|word| text.contains(word));
        let names = include_str!("../rules/60_attachments.cf").lines().filter(asking).filter_map(|line| line.split_whitespace().nth(1));
        let text: String = names.map(|name| format!("score {name} 0\n")).collect();
        sources.push(Source::Text { name: "without.cf".into(), text });
    }
    Engine::local(Program::new(load(&sources, &NoFiles, &Settings::default()).0))
}

/// Resident memory in MB, at most so far.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0) / 1e3
}

/// 25 MB as they are sent: a zip that holds a gzip of a tar, of files that hardly pack.
fn large(engine: &Engine) {
    let raw = large_message();
    // What building it took is given back and not counted.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let before = peak();
    let size = raw.len();
    let mail = Mail::parse(raw.clone());
    let began = cpu();
    let mut facts = std::collections::BTreeSet::new();
    let mut items = 0;
    attachments::walk(&mail, &mut |item| {
        items += 1;
        facts.extend(item.facts.iter().map(|fact| fact.word()));
    });
    let walk = cpu() - began;
    drop(mail);
    let middle = peak();
    let began = cpu();
    let judged = engine.judge(raw, Arrival::FromFields, Wish::default());
    println!(
        "a message of {:.1} MB with archives in an archive: walk {:.0} ms, {items} parts, {facts:?}, {:.0} MB beside the message; \
         judged {:.0} ms, {:.0} MB",
        size as f64 / 1e6,
        walk / 1e3,
        middle - before,
        (cpu() - began) / 1e3,
        peak() - before,
    );
    drop(judged);
}

fn large_message() -> Vec<u8> {
    let mut state = 1u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut tar = Vec::new();
    for number in 0..180 {
        let content: Vec<u8> = (0..12_500).flat_map(|_| noise().to_le_bytes()).collect();
        let mut header = [0u8; 512];
        let name = format!("photos/{number}.jpg");
        header[..name.len()].copy_from_slice(name.as_bytes());
        let size = format!("{:011o}\0", content.len());
        header[124..136].copy_from_slice(size.as_bytes());
        header[257..262].copy_from_slice(b"ustar");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|octet| u32::from(*octet)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend_from_slice(&header);
        tar.extend_from_slice(&content);
        tar.resize(tar.len().div_ceil(512) * 512, 0);
    }
    tar.resize(tar.len() + 1024, 0);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    let packed = gzip.finish().unwrap();
    let mut zip = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0".to_vec();
    zip.extend_from_slice(&[0; 4]);
    zip.extend_from_slice(&u32::try_from(packed.len()).unwrap().to_le_bytes());
    zip.extend_from_slice(&u32::try_from(packed.len()).unwrap().to_le_bytes());
    zip.extend_from_slice(b"\x0d\0\0\0photos.tar.gz");
    zip.extend_from_slice(&packed);
    let mut raw = b"From: <a@example.org>\r\nSubject: photos\r\nMIME-Version: 1.0\r\nContent-Type: application/zip; name=photos.zip\r\n\
        Content-Transfer-Encoding: base64\r\n\r\n"
        .to_vec();
    base64(&zip, &mut raw);
    raw
}

fn base64(octets: &[u8], out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for line in octets.chunks(57) {
        for group in line.chunks(3) {
            let bits = group.iter().fold(0u32, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - group.len()));
            for place in 0..4 {
                let sextet = (bits >> (18 - 6 * place)) & 63;
                out.push(if place <= group.len() { ALPHABET[sextet as usize] } else { b'=' });
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}
