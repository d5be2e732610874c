//! `hamgate check`: every mistake of configuration and rules with file, line and remedy.

use crate::base::{Complaint, Severity};
use crate::rules::eval::{self, Needs};
use crate::rules::{RuleSet, Test};
use crate::service::{Wishes, access_files, learning, rule_files};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file, in place of /etc/hamgate/hamgate.toml (which may be missing).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder or file of SpamAssassin rules in place of the built-in ones; may be given several times.
    #[arg(long, value_name = "PATH")]
    pub rules: Vec<PathBuf>,
    /// Folder or file of rules beside the built-in ones; may be given several times.
    #[arg(long, value_name = "PATH")]
    pub rules_add: Vec<PathBuf>,
    /// Ask no network question at all.
    #[arg(long)]
    pub local: bool,
    /// What has no effect counts as a mistake too.
    #[arg(long)]
    pub strict: bool,
    /// Print mistakes alone.
    #[arg(long, short)]
    pub quiet: bool,
}

/// 0: no mistake; 1: at least one.
pub fn run(args: Args) -> ExitCode {
    let wishes = Wishes { config: args.config, rules: args.rules, rules_add: args.rules_add, local: args.local, ..Wishes::default() };
    let config = match wishes.config() {
        Ok(config) => config,
        Err(complaints) => {
            print!("{}", render(&complaints, Severity::Error));
            println!("{}: configuration", count(complaints.len(), "mistake"));
            return ExitCode::FAILURE;
        }
    };
    let (set, mut complaints) = rule_files::load_all(&config);
    complaints.extend(access_files::load(&config).1);
    complaints.extend(learning::complaints(&config));
    let report = Report::of(&set, &complaints);
    if args.quiet {
        print!("{}", report.mistakes);
    } else {
        print!("{}", report.text());
    }
    let good = report.mistake_count == 0 && (!args.strict || report.notes.is_empty() && report.idle.is_empty());
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What `check` says.
struct Report {
    mistakes: String,
    mistake_count: usize,
    notes: String,
    /// Rules by the reason why they never hit.
    idle: BTreeMap<String, Vec<String>>,
    to_come: Vec<String>,
    kinds: BTreeMap<String, usize>,
}

impl Report {
    fn of(set: &RuleSet, complaints: &[Complaint]) -> Report {
        let mut report = Report {
            mistakes: render(complaints, Severity::Warning),
            mistake_count: complaints.iter().filter(|complaint| complaint.severity >= Severity::Warning).count(),
            notes: notes(complaints),
            idle: BTreeMap::new(),
            to_come: Vec::new(),
            kinds: BTreeMap::new(),
        };
        for rule in set.rules.iter().filter(|rule| !rule.definition.is_empty()) {
            *report.kinds.entry(rule.test.kind().to_owned()).or_default() += 1;
            let Test::Eval { function, .. } = &rule.test else { continue };
            match eval::find(function).map(|row| &row.needs) {
                Some(Needs::Outside(why)) => report.idle.entry((*why).to_owned()).or_default().push(rule.name.to_string()),
                Some(Needs::ToCome) | None => report.to_come.push(format!("{} ({function})", rule.name)),
                Some(Needs::Nothing | Needs::Asks(_)) => {}
            }
        }
        report
    }

    fn text(&self) -> String {
        let mut text = self.mistakes.clone();
        text.push_str(&self.notes);
        for (why, rules) in &self.idle {
            let _ = writeln!(text, "note: without effect, {why}: {}", rules.join(", "));
        }
        if !self.to_come.is_empty() {
            let _ = writeln!(text, "note: not implemented: {}", self.to_come.join(", "));
        }
        let loaded: usize = self.kinds.values().sum();
        let kinds: Vec<String> = self.kinds.iter().map(|(kind, number)| format!("{kind} {number}")).collect();
        let idle: usize = self.idle.values().map(Vec::len).sum();
        let _ = writeln!(
            text,
            "{} ({}); {idle} without effect, {} not implemented; {}",
            count(loaded, "rule"),
            kinds.join(", "),
            self.to_come.len(),
            count(self.mistake_count, "mistake"),
        );
        text
    }
}

fn render(complaints: &[Complaint], least: Severity) -> String {
    complaints.iter().filter(|complaint| complaint.severity >= least).fold(String::new(), |mut text, complaint| {
        let _ = writeln!(text, "{complaint}");
        text
    })
}

/// Notes, those of equal words once, with the number of lines they are about.
fn notes(complaints: &[Complaint]) -> String {
    let mut groups: Vec<(&Complaint, usize)> = Vec::new();
    let mut known: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for complaint in complaints.iter().filter(|complaint| complaint.severity == Severity::Note) {
        let at = *known.entry((&complaint.what, &complaint.remedy)).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, lines)) => *lines += 1,
            None => groups.push((complaint, 1)),
        }
    }
    groups.into_iter().fold(String::new(), |mut text, (complaint, lines)| {
        let more = if lines > 1 { format!(" (and {})", count(lines - 1, "further line")) } else { String::new() };
        let _ = writeln!(text, "note: {complaint}{more}");
        text
    })
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
