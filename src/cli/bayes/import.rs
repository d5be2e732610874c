//! `hamgate bayes import`: what `sa-learn --backup` wrote.

use super::place::{Place, told};
use crate::bayes::TokenRules;
use crate::bayes::hash::{TokenKey, from_backup};
use crate::store::{Count, Token, Totals};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// Add to what was learned here.
    #[arg(long)]
    add: bool,
    /// The output of `sa-learn --backup`; `-` is standard input.
    #[arg(value_name = "FILE")]
    from: PathBuf,
}

/// What the lines of a backup say.
#[derive(Default)]
struct Backup {
    totals: Totals,
    /// SpamAssassin's hash, counts, day.
    rows: Vec<([u8; 5], Count, u32)>,
    /// Messages that SpamAssassin remembers having learned.
    seen: u64,
}

pub fn run(args: &Args) -> Result<(), String> {
    let open = args.place.open()?;
    if open.config.bayes.tokens != TokenRules::SpamAssassin {
        return Err("these tokens are SpamAssassin's: write tokens = \"spamassassin\" below [bayes] first, or they say nothing".to_owned());
    }
    let away = |error: std::io::Error| format!("{}: {error}", args.from.display());
    let file: Box<dyn Read> = if args.from.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(&args.from).map_err(away)?)
    };
    let backup = read(BufReader::new(file)).map_err(|why| format!("{}:{why}", args.from.display()))?;
    let store = open.store;
    let (before, _) = store.counts("", &[]).map_err(told)?;
    if before != Totals::default() && !args.add {
        return Err(format!(
            "{} spam and {} ham were learned here already: importing the same twice would count it twice; say --add to add",
            before.spam, before.ham
        ));
    }
    store.fill_under(TokenRules::SpamAssassin.name()).map_err(told)?;
    let key = TokenKey::new(store.key().map_err(told)?);
    let mut rows = backup.rows.iter().map(|(tail, count, day)| -> (Token, Count, u32) { (key.of_sha1(*tail), *count, *day) });
    let tokens = store.import("", backup.totals, &mut rows).map_err(told)?;
    println!("imported: {} spam, {} ham, {tokens} tokens", backup.totals.spam, backup.totals.ham);
    println!("the {} messages themselves stay unknown: learned again here they count again, and cannot be forgotten", backup.seen);
    Ok(())
}

fn read(lines: impl BufRead) -> Result<Backup, String> {
    let mut backup = Backup::default();
    for (number, line) in lines.split(b'\n').enumerate() {
        let wrong = |what: &str| format!("{}: {what}", number + 1);
        let line = line.map_err(|error| wrong(&error.to_string()))?;
        let line = String::from_utf8_lossy(&line);
        let fields: Vec<&str> = line.trim_end().split('\t').collect();
        let value = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong("a number is missing"));
        let small = |text: &str| text.trim().parse::<u32>().map_err(|_| wrong("a number is missing"));
        match fields.as_slice() {
            [""] => {}
            ["v", number, name, ..] => match name.split_whitespace().next() {
                Some("num_spam") => backup.totals.spam = value(number)?,
                Some("num_nonspam") => backup.totals.ham = value(number)?,
                Some("db_version") if *number != "3" => return Err(wrong("only version 3 of SpamAssassin's database can be read")),
                Some(_) | None => {}
            },
            ["t", spam, ham, seen, token] => {
                let tail = from_backup(token).ok_or_else(|| wrong("a token has ten hexadecimal digits"))?;
                let day = u32::try_from(value(seen)? / 86_400).unwrap_or(u32::MAX);
                backup.rows.push((tail, Count { spam: small(spam)?, ham: small(ham)? }, day));
            }
            ["s", ..] => backup.seen += 1,
            _ => return Err(wrong("this is no line of `sa-learn --backup`")),
        }
    }
    Ok(backup)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_read_and_other_files_are_refused_with_their_line() {
        let text = "v\t3\tdb_version # this must be the first line!!!\nv\t12\tnum_spam\nv\t5\tnum_nonspam\nt\t1\t2\t1780000000\t0a1b2c3d4e\ns\ts\tx@sa_generated\n";
        let backup = read(text.as_bytes()).unwrap();
        assert_eq!(backup.totals, Totals { spam: 12, ham: 5 });
        assert_eq!(backup.rows, [([0x0a, 0x1b, 0x2c, 0x3d, 0x4e], Count { spam: 1, ham: 2 }, 20_601)]);
        assert_eq!(backup.seen, 1);
        assert!(read("v\t3\tdb_version\nhello\n".as_bytes()).err().unwrap().starts_with("2: "));
        assert!(read("v\t2\tdb_version\n".as_bytes()).is_err());
    }
}
