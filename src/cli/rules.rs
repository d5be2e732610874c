//! `hamgate rules`: where a rule is defined, where its score comes from, what it matches.

use crate::base::Severity;
use crate::rules::{Rule, RuleSet};
use crate::service::{Wishes, rule_files};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
    /// The configuration file, in place of /etc/hamgate/hamgate.toml (which may be missing).
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Folder or file of SpamAssassin rules in place of the built-in ones; may be given several times.
    #[arg(long, value_name = "PATH", global = true)]
    rules: Vec<PathBuf>,
    /// Folder or file of rules beside the built-in ones; may be given several times.
    #[arg(long, value_name = "PATH", global = true)]
    rules_add: Vec<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// All rules, one a line: name, type, the four scores, where it is defined.
    List,
    /// Rules in full: definition, scores, description, which metas use it. Names may hold * and ?.
    Show {
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
    /// Try the rules of a file on messages, beside the others: what hits, and what it matched. No network question is asked.
    Test {
        /// A file of rules, or a folder.
        file: PathBuf,
        /// Messages: files, folders, Maildirs, mboxes, or `-` for standard input.
        #[arg(value_name = "PATH", required = true)]
        paths: Vec<PathBuf>,
    },
}

pub fn run(args: Args) -> ExitCode {
    let wishes = Wishes { config: args.config, rules: args.rules, rules_add: args.rules_add, ..Wishes::default() };
    let mut config = match wishes.config() {
        Ok(config) => config,
        Err(complaints) => {
            complaints.iter().for_each(|complaint| eprintln!("{complaint}"));
            return ExitCode::FAILURE;
        }
    };
    if let What::Test { file, paths } = &args.what {
        config.rules.add.push(file.clone());
        config.rules.local = true;
        return super::rules_test::run(&config.rules, file, paths);
    }
    let (set, complaints) = rule_files::load_all(&config);
    complaints.iter().filter(|complaint| complaint.severity == Severity::Error).for_each(|complaint| eprintln!("{complaint}"));
    match args.what {
        What::List => {
            set.rules.iter().filter(|rule| !rule.definition.is_empty()).for_each(|rule| println!("{}", line(rule)));
            ExitCode::SUCCESS
        }
        What::Show { names } => show(&set, &names),
        What::Test { .. } => ExitCode::FAILURE,
    }
}

fn show(set: &RuleSet, names: &[String]) -> ExitCode {
    let mut all_found = true;
    for name in names {
        let wanted = |rule: &&Rule| crate::rules::options::glob_covers(name.as_bytes(), rule.name.as_bytes());
        let mut found = false;
        for rule in set.rules.iter().filter(wanted) {
            found = true;
            println!("{}", describe(set, rule));
        }
        if !found {
            eprintln!("{name}: no such rule; \"hamgate rules list\" prints their names");
            all_found = false;
        }
    }
    if all_found { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn line(rule: &Rule) -> String {
    format!("{:<32} {:<12} {:<24} {}", rule.name, rule.test.kind(), scores(rule), rule.place)
}

/// One value where all four agree.
fn scores(rule: &Rule) -> String {
    let [first, rest @ ..] = rule.scores;
    if rest.iter().all(|score| *score == first) {
        return first.to_string();
    }
    rule.scores.iter().map(f64::to_string).collect::<Vec<_>>().join(" ")
}

fn describe(set: &RuleSet, rule: &Rule) -> String {
    let mut lines = vec![rule.name.to_string()];
    let mut say = |what: &str, value: String| lines.push(format!("  {what:<12} {value}"));
    if rule.definition.is_empty() {
        say("defined", "nowhere; it never hits".into());
    } else {
        say("defined", rule.place.to_string());
        say("", rule.definition.to_string());
    }
    if !rule.is_subrule() {
        let place = rule.score_place.as_ref().map_or("by default".to_owned(), |place| format!("{place}"));
        say("score", format!("{}   ({place})", scores(rule)));
    }
    if let Some(text) = &rule.describe {
        say("describe", text.to_string());
    }
    let flags = rule.flags.to_string();
    if !flags.is_empty() {
        say("tflags", flags);
    }
    if rule.priority != 0 {
        say("priority", rule.priority.to_string());
    }
    let metas: Vec<&str> = set
        .index(&rule.name)
        .map_or(&[][..], |index| set.metas_of(index))
        .iter()
        .filter_map(|&at| set.rules.get(at))
        .map(|meta| &*meta.name)
        .collect();
    if !metas.is_empty() {
        say("used by", metas.join(" "));
    }
    lines.join("\n")
}
