//! What an opinion costs with a large database behind it.

use crate::site::{Folder, corpus};
use hamgate::bayes::TokenRules;
use hamgate::bayes::hash::TokenKey;
use hamgate::bayes::spamassassin::Options;
use hamgate::mail::{Arrival, Mail, Reading, ViewOptions};
use hamgate::store::{Count, Token, Totals, open};
use nix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;

const TOKENS: u64 = 500_000;
const MESSAGES: usize = 400;

fn cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    now.tv_sec() as f64 * 1e3 + now.tv_nsec() as f64 / 1e6
}

#[test]
#[ignore = "measures; needs HAMGATE_CORPUS and a release build"]
fn an_opinion_from_half_a_million_tokens_is_cheap() {
    let folder = Folder::new("opinion");
    let store = open(folder.0.to_str().unwrap()).unwrap();
    let key = TokenKey::new(store.key().unwrap());
    let (views, options) = (ViewOptions::default(), Options::default());
    let mails: Vec<Mail> = corpus(MESSAGES).iter().map(|path| Mail::parse(std::fs::read(path).unwrap())).collect();
    let (mut tokenizing, mut all) = (0.0, Vec::new());
    for mail in &mails {
        let reading = Reading::new(mail, &Arrival::FromFields, &views);
        reading.links();
        let begun = cpu_ms();
        all.push(TokenRules::Hamgate.tokens(&reading, &key, &options));
        tokenizing += cpu_ms() - begun;
    }
    // What half of the messages hold is known; the rest of the rows are other words.
    let known = all.iter().step_by(2).flatten().map(|token| (*token, Count { spam: 3, ham: 0 }));
    let others = (0..TOKENS).map(|i| (key.word(&i.to_le_bytes()), Count { spam: 1, ham: 0 }));
    let rows: BTreeMap<Token, Count> = others.chain(known).collect();
    let learned = Totals { spam: 2_000, ham: 2_000 };
    store.import("", learned, &mut rows.into_iter().map(|(token, count)| (token, count, 0))).unwrap();
    for round in ["first", "second"] {
        let begun = cpu_ms();
        let mut opinions = 0;
        for tokens in &all {
            let (totals, counts) = store.counts("", tokens).unwrap();
            opinions += usize::from(TokenRules::Hamgate.opinion(&counts, totals, &options).is_some());
        }
        let each = (cpu_ms() - begun) / all.len() as f64;
        println!("{round} round: look-up and score {each:.3} ms a message, {opinions} opinions");
    }
    let mean = all.iter().map(Vec::len).sum::<usize>() / all.len();
    println!("tokens {:.3} ms a message, {mean} of them", tokenizing / all.len() as f64);
}
