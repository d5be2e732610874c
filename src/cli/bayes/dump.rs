//! `hamgate bayes dump`: every token, in the columns of `sa-learn --dump data`; or the journal.

use super::place::{Place, Whose, told};
use crate::bayes::spamassassin;
use crate::store::{Count, Label, Which};
use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    whose: Whose,
    /// The journal in place of the tokens: time, source, label, classifier, digest and tokens of each message.
    #[arg(long)]
    lessons: bool,
}

pub fn run(args: &Args) -> Result<(), String> {
    let open = args.place.open()?;
    let whose = args.whose.classifier(&open.config)?;
    let store = &open.store;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut written = Ok(());
    if args.lessons {
        let each = &mut |entry: crate::store::LessonEntry| {
            let label = match entry.label {
                Label::Spam => "spam",
                Label::Ham => "ham",
            };
            let name = if entry.classifier.is_empty() { "-" } else { &entry.classifier };
            let is_wanted = args.whose.is_everybody() || entry.classifier == *whose;
            if written.is_ok() && is_wanted {
                written = writeln!(out, "{}\t{}\t{label}\t{name}\t{}\t{}", entry.at, entry.source, hex(&entry.digest), entry.tokens.len());
            }
        };
        store.lessons(&Which::default(), each).map_err(told)?;
    } else {
        let (totals, _) = store.counts(&whose, &[]).map_err(told)?;
        let each = &mut |token: u64, count: Count, day: u32| {
            let probability = open
                .config
                .bayes
                .tokens
                .opinion(&[count], totals, &spamassassin::Options::default())
                .map_or(0.5, |opinion| opinion.probability);
            if written.is_ok() {
                written = writeln!(out, "{probability:.3} {:10} {:10} {:10}  {token:010x}", count.spam, count.ham, u64::from(day) * 86_400);
            }
        };
        store.rows(&whose, each).map_err(told)?;
    }
    // Whoever reads may have read enough.
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}
