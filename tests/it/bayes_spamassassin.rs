//! A database that SpamAssassin learned gives the same probabilities here.

use crate::site::{Folder, given, sample};
use hamgate::bayes::{Classifier, Settings, TokenRules, spamassassin};
use hamgate::mail::{Arrival, Mail, Reading};
use hamgate::rules::{RuleSet, Source, load};
use hamgate::scan::classifier::token_options;
use hamgate::service::rule_files::Disk;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Messages that SpamAssassin learns, and others that both judge.
const LEARNED: usize = 1_000;
const TESTED: usize = 500;

/// Prints the probability and all tokens of each message named on the command line; the database stands in the first argument.
const SCORE: &str = r#"
    use Mail::SpamAssassin;
    my ($folder, $options) = splice @ARGV, 0, 2;
    my $filter = Mail::SpamAssassin->new({ local_tests_only => 1, dont_copy_prefs => 1, userprefs_filename => '/dev/null',
        home_dir_for_helpers => $folder, userstate_dir => $folder, post_config_text =>
        "bayes_path $folder/bayes\nbayes_auto_learn 0\nbayes_auto_expire 0\nbayes_min_ham_num 10\nbayes_min_spam_num 10\n$options" });
    for my $path (@ARGV) {
        open(my $file, '<:raw', $path) or die $path;
        my $message = $filter->parse(do { local $/; <$file> }, 1);
        my $status = $filter->check($message);
        printf "%s", defined $status->{bayes_score} ? sprintf('%.17g', $status->{bayes_score}) : 'none';
        my ($bayes) = grep { ref eq 'Mail::SpamAssassin::Plugin::Bayes' } @{$filter->{plugins}{plugins}};
        my $tokens = $bayes->tokenize($message, $bayes->_get_msgdata_from_permsgstatus($status));
        printf "\t%s", unpack('H*', $_) for values %$tokens;
        print "\n";
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

fn rules(options: &str) -> RuleSet {
    let mut sources = ["/usr/share/spamassassin", "/etc/spamassassin"].map(|path| Source::Path(path.into())).to_vec();
    sources.push(Source::Text { name: "options.cf".into(), text: options.to_owned() });
    load(&sources, &Disk, &hamgate::rules::Settings { local_tests_only: true, ..Default::default() }).0
}

/// What SpamAssassin says of a message.
struct Theirs {
    probability: Option<f64>,
    tokens: HashSet<Vec<u8>>,
}

fn judge(database: &Path, options: &str, paths: &[PathBuf]) -> Vec<Theirs> {
    let mut perl = Command::new("perl");
    perl.env("SA_HEADER_ADDRESS_PARSER", "1").args(["-e", SCORE]).arg(database).arg(options).args(paths);
    let out = perl.stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let octets = |hex: &str| (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
    let theirs: Vec<Theirs> = text
        .lines()
        .map(|line| {
            let mut columns = line.split('\t');
            Theirs { probability: columns.next().unwrap().parse().ok(), tokens: columns.map(octets).collect() }
        })
        .collect();
    assert_eq!(theirs.len(), paths.len(), "SpamAssassin ended early");
    theirs
}

/// How the probabilities and the tokens differ, one line a message; none where they agree.
fn differences(state: &Path, options: &str, paths: &[PathBuf], theirs: &[Theirs]) -> Vec<String> {
    let set = rules(options);
    let settings = Settings { tokens: TokenRules::SpamAssassin, least_learned: 10, ..Settings::default() };
    let token_options = token_options(&set.options);
    let classifier = Classifier::open(&settings, state).unwrap().reading(token_options.clone());
    let mut wrong = Vec::new();
    for (path, theirs) in paths.iter().zip(theirs) {
        let mail = Mail::parse(std::fs::read(path).unwrap());
        let reading = Reading::new(&mail, &Arrival::FromFields, &set.options.view);
        let ours = classifier.opinion_of(&classifier.tokens(&reading)).unwrap().map(|opinion| opinion.probability);
        let same = match (ours, theirs.probability) {
            (Some(ours), Some(theirs)) => (ours - theirs).abs() < 1e-6,
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        if !same {
            let mut words = HashSet::new();
            spamassassin::words(&reading, &token_options, &mut |word| {
                words.insert(word.to_vec());
            });
            let only = |a: &HashSet<Vec<u8>>, b: &HashSet<Vec<u8>>| {
                let mut only: Vec<String> = a.difference(b).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
                only.sort();
                only.truncate(20);
                only
            };
            wrong.push(format!(
                "{}: {ours:?}, SpamAssassin {:?}; tokens only here {:?}, only there {:?}",
                path.display(),
                theirs.probability,
                only(&words, &theirs.tokens),
                only(&theirs.tokens, &words)
            ));
        }
    }
    wrong
}

fn hamgate(arguments: &[&str], state: &Path, config: &Path, paths: &[&Path]) -> String {
    let mut hamgate = Command::new(env!("CARGO_BIN_EXE_hamgate"));
    let out = hamgate.args(arguments).arg("--state").arg(state).arg("--config").arg(config).args(paths).output().unwrap();
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
#[ignore = "needs spamassassin and HAMGATE_CORPUS"]
fn an_imported_database_gives_spamassassins_probability() {
    let learned = sample(LEARNED);
    let tested = (TESTED * learned).div_ceil(LEARNED);
    let folder = Folder::new("sa-learn");
    let (state, backup) = (folder.0.join("state"), folder.0.join("backup"));
    let config = folder.write("hamgate.toml", "[bayes]\ntokens = \"spamassassin\"\n");
    sa_learn(&folder.0, &["--no-sync", "--ham"], &messages("easy-ham-1", 0, learned / 2));
    sa_learn(&folder.0, &["--no-sync", "--spam"], &[messages("spam-1", 0, learned / 4), messages("phish", 0, learned / 4)].concat());
    sa_learn(&folder.0, &["--sync"], &[]);
    std::fs::write(&backup, sa_learn(&folder.0, &["--backup"], &[])).unwrap();
    println!("{}", hamgate(&["bayes", "import"], &state, &config, &[&backup]).lines().next().unwrap());

    let third = tested.div_ceil(3);
    let paths = [messages("easy-ham-2", 0, third), messages("spam-2", 0, third), messages("phish", learned / 4, third)].concat();
    let wrong = differences(&state, "", &paths, &judge(&folder.0, "", &paths));
    println!("{} of {} the same\n{}", paths.len() - wrong.len(), paths.len(), wrong.join("\n"));

    // Whatever the rule files say of tokens holds here too.
    let options = "bayes_stopword_languages en nl\nbayes_token_sources nouri noinvisible mimepart\nbayes_use_hapaxes 0\n\
                   bayes_max_token_length 12\nbayes_ignore_header Received\n";
    let few = &paths[..paths.len().min(30)];
    let wrong_with_options = differences(&state, options, few, &judge(&folder.0, options, few));
    println!("{} of {} the same with other options\n{}", few.len() - wrong_with_options.len(), few.len(), wrong_with_options.join("\n"));
    // A message that its views read otherwise than SpamAssassin (see the tests of views) may differ.
    assert!(wrong.len() * 100 <= paths.len() && wrong_with_options.is_empty());
}
