//! `hamgate lists test`: the health of DNS lists, asked for the test points of RFC 5782.

use super::dns::DnsArgs;
use crate::lists::health::Subject;
use crate::lists::probe::Point;
use crate::lists::{Report, examine};
use crate::rules::engine::dns;
use crate::service::config::Config;
use crate::service::rule_files;
use clap::Subcommand;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask lists for what they must list (127.0.0.2, TEST) and must not (127.0.0.1, INVALID). Exit status 1: one does not count.
    Test(Test),
}

#[derive(Debug, clap::Args)]
struct Test {
    /// These zones; none: all that the rules and [[list]] ask.
    #[arg(value_name = "ZONE")]
    zones: Vec<String>,
    /// The configuration, in place of /etc/hamgate/hamgate.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Rules in place of the configured ones.
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    dns: DnsArgs,
}

pub fn run(args: Args) -> ExitCode {
    let Command::Test(test) = args.command;
    match reports(&test) {
        Ok(reports) => {
            let mut sound = true;
            for report in &reports {
                sound &= report.fault.is_none();
                println!("{}", line(report));
            }
            ExitCode::from(u8::from(!sound))
        }
        Err(what) => {
            eprintln!("hamgate lists test: {what}");
            ExitCode::from(1)
        }
    }
}

/// `zone  ok|fault  test point  took`
fn line(report: &Report) -> String {
    let point = |point: &Point| match point {
        Point::Listed(records) => records.join(","),
        Point::NotListed => "not listed".to_owned(),
        Point::Silent => "no answer".to_owned(),
    };
    let state = report.fault.as_ref().map_or_else(|| "ok".to_owned(), ToString::to_string);
    format!(
        "{}\t{state}\ttest point: {}\tmust not: {}\t{} ms",
        report.zone,
        point(&report.listed),
        point(&report.unlisted),
        report.took.as_millis()
    )
}

fn reports(test: &Test) -> Result<Vec<Report>, String> {
    let config = Config::read(test.config.as_deref())
        .map_err(|complaints| complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let zones = if test.zones.is_empty() { all(test, config.clone()) } else { test.zones.clone() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let (resolver, _server) = test.dns.resolver(config.dns).await?;
        let mut tasks = tokio::task::JoinSet::new();
        for zone in zones {
            let session = resolver.session();
            tasks.spawn(async move { examine(&session, &zone, &[Subject::Address, Subject::Name]).await });
        }
        let mut reports = Vec::new();
        while let Some(done) = tasks.join_next().await {
            reports.extend(done.ok());
        }
        reports.sort_by(|a, b| a.zone.cmp(&b.zone));
        Ok(reports)
    })
}

fn all(test: &Test, mut config: Config) -> Vec<String> {
    if !test.rules.is_empty() {
        config.rules.only.clone_from(&test.rules);
    }
    let (set, _) = rule_files::load_all(&config);
    let mut zones = dns::zones(&set);
    zones.extend(config.own_lists.iter().map(|list| list.zone.trim_end_matches('.').to_ascii_lowercase()));
    zones.sort();
    zones.dedup();
    zones
}
