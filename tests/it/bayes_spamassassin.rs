//! A database that SpamAssassin learned gives the same probabilities here.

use crate::site::{Folder, given};
use hamgate::bayes::hash::{TokenKey, from_backup};
use hamgate::bayes::{TokenRules, spamassassin};
use hamgate::mail::{Arrival, Mail, Reading};
use hamgate::rules::{RuleSet, Settings, Source, load};
use hamgate::service::rule_files::Disk;
use hamgate::store::{Count, Token, Totals};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const LEARNED: usize = 160;
const TESTED: usize = 60;

/// Prints a probability a line for the messages named on the command line; its database stands in the first argument.
const SCORE: &str = r#"
    use Mail::SpamAssassin;
    my $folder = shift @ARGV;
    my $filter = Mail::SpamAssassin->new({ local_tests_only => 1, dont_copy_prefs => 1, userprefs_filename => '/dev/null',
        home_dir_for_helpers => $folder, userstate_dir => $folder, post_config_text =>
        "bayes_path $folder/bayes\nbayes_auto_learn 0\nbayes_auto_expire 0\nbayes_min_ham_num 10\nbayes_min_spam_num 10\n" });
    for my $path (@ARGV) {
        open(my $file, '<:raw', $path) or die $path;
        my $message = $filter->parse(do { local $/; <$file> }, 1);
        my $status = $filter->check($message);
        printf "%s\n", defined $status->{bayes_score} ? sprintf('%.17g', $status->{bayes_score}) : 'none';
        $status->finish; $message->finish;
    }
"#;

fn messages(folder: &str, skip: usize, count: usize) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(given("HAMGATE_CORPUS").join(folder)).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    all.into_iter().skip(skip).take(count).collect()
}

fn sa_learn(folder: &Path, arguments: &[&str], paths: &[PathBuf]) -> String {
    let database = folder.join("bayes");
    let out = Command::new("sa-learn")
        .env("SA_HEADER_ADDRESS_PARSER", "1")
        .args(["--local", "--prefspath=/dev/null", "--dbpath"])
        .arg(&database)
        .args(arguments)
        .args(paths)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(out.status.success());
    String::from_utf8(out.stdout).unwrap()
}

/// Totals and counts of `sa-learn --backup`.
fn read(backup: &str, key: &TokenKey) -> (Totals, HashMap<Token, Count>) {
    let (mut totals, mut counts) = (Totals::default(), HashMap::new());
    for line in backup.lines() {
        match line.split('\t').collect::<Vec<_>>().as_slice() {
            ["v", number, "num_spam"] => totals.spam = number.parse().unwrap(),
            ["v", number, "num_nonspam"] => totals.ham = number.parse().unwrap(),
            ["t", spam, ham, _, digits] => {
                let count = Count { spam: spam.parse().unwrap(), ham: ham.parse().unwrap() };
                counts.insert(key.of_sha1(from_backup(digits).unwrap()), count);
            }
            _ => {}
        }
    }
    (totals, counts)
}

fn stock_rules() -> RuleSet {
    let sources = ["/usr/share/spamassassin", "/etc/spamassassin"].map(|path| Source::Path(path.into()));
    load(&sources, &Disk, &Settings { local_tests_only: true, ..Settings::default() }).0
}

/// The probability here for the same counts.
fn ours(path: &Path, set: &RuleSet, key: &TokenKey, (totals, counts): &(Totals, HashMap<Token, Count>)) -> Option<f64> {
    let ignored = set.options.words.get("bayes_ignore_header").into_iter().flatten().cloned().collect();
    let options = spamassassin::Options { ignored_fields: ignored, ..spamassassin::Options::default() };
    let mail = Mail::parse(std::fs::read(path).unwrap());
    let reading = Reading::new(&mail, &Arrival::FromFields, &set.options.view);
    let tokens = TokenRules::SpamAssassin.tokens(&reading, key, &options);
    let known: Vec<Count> = tokens.iter().filter_map(|token| counts.get(token).copied()).collect();
    TokenRules::SpamAssassin.opinion(&known, *totals).map(|opinion| opinion.probability)
}

#[test]
#[ignore = "needs spamassassin and HAMGATE_CORPUS"]
fn an_imported_database_gives_spamassassins_probability() {
    let folder = Folder::new("sa-learn");
    sa_learn(&folder.0, &["--no-sync", "--ham"], &messages("easy-ham-1", 0, LEARNED));
    sa_learn(&folder.0, &["--no-sync", "--spam"], &[messages("spam-1", 0, LEARNED / 2), messages("phish", 0, LEARNED / 2)].concat());
    sa_learn(&folder.0, &["--sync"], &[]);
    let backup = sa_learn(&folder.0, &["--backup"], &[]);
    let (set, key) = (stock_rules(), TokenKey::new([7; 16]));
    let learned = read(&backup, &key);
    // Two with one Message-ID are learned once.
    assert!(learned.0.spam.min(learned.0.ham) >= LEARNED as u64 - 5, "{:?}", learned.0);

    let tested = [messages("easy-ham-2", 0, TESTED), messages("spam-2", 0, TESTED), messages("phish", LEARNED, TESTED)].concat();
    let scored =
        Command::new("perl").env("SA_HEADER_ADDRESS_PARSER", "1").args(["-e", SCORE]).arg(&folder.0).args(&tested).output().unwrap();
    let theirs = String::from_utf8(scored.stdout).unwrap();
    let theirs: Vec<&str> = theirs.lines().collect();
    assert_eq!(theirs.len(), tested.len(), "{}", String::from_utf8_lossy(&scored.stderr));

    let mut wrong = Vec::new();
    for (path, theirs) in tested.iter().zip(theirs) {
        let ours = ours(path, &set, &key, &learned);
        let same = match (ours, theirs.parse::<f64>()) {
            (Some(ours), Ok(theirs)) => (ours - theirs).abs() < 1e-6,
            (ours, theirs) => ours.is_none() && theirs.is_err(),
        };
        if !same {
            wrong.push(format!("{}: {ours:?}, SpamAssassin {theirs}", path.display()));
        }
    }
    println!("{} of {} the same", tested.len() - wrong.len(), tested.len());
    // A message that its views read otherwise than SpamAssassin (see the tests of views) may differ.
    assert!(wrong.len() * 50 <= tested.len(), "{}", wrong.join("\n"));
    println!("{}", wrong.join("\n"));
}
