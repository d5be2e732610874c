//! `hamgate report`: what others tell about our mail, and what checks under observation would have done.

use crate::service::{observed, state};
use clap::Subcommand;
use mail_auth::report::{DmarcResult, Report};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Octets read of a file, and of a report after it was decompressed.
const LARGEST: u64 = 25_000_000;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the checks under "observe" would have done, by check and answer, with the latest example of each.
    #[arg(long)]
    would_have: bool,
    /// Where the daemon keeps its state.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// DMARC aggregate reports (RFC 9990): who sends as us, and how much of it passes. Messages as they came, or bare XML.
    Dmarc {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// What one source sent under one domain.
#[derive(Default)]
struct Row {
    messages: u64,
    dkim: u64,
    spf: u64,
    either: u64,
}

pub fn run(args: Args) -> ExitCode {
    if args.would_have {
        return would_have(&args);
    }
    let Some(Command::Dmarc { files }) = args.command else {
        eprintln!("hamgate report: say which one: --would-have, or dmarc FILE");
        return ExitCode::from(2);
    };
    let (mut rows, mut failed) = (BTreeMap::<(String, String), Row>::new(), false);
    for file in &files {
        match read(file) {
            Ok(report) => add(&report, &mut rows),
            Err(why) => {
                eprintln!("hamgate report dmarc: {}: {why}", file.display());
                failed = true;
            }
        }
    }
    println!("domain\tsource\tmessages\tpass\tdkim\tspf");
    for ((domain, source), row) in rows {
        let percent = |part: u64| 100.0 * part as f64 / row.messages.max(1) as f64;
        println!(
            "{domain}\t{source}\t{}\t{:.1} %\t{:.1} %\t{:.1} %",
            row.messages,
            percent(row.either),
            percent(row.dkim),
            percent(row.spf)
        );
    }
    ExitCode::from(u8::from(failed))
}

/// `check  would-have  times  last  client  from  reply`
fn would_have(args: &Args) -> ExitCode {
    let folder = state::folder(args.state.as_deref());
    let lines = match observed::read(&folder) {
        Ok(lines) => lines,
        Err(error) => {
            eprintln!("hamgate report: {}: {error}", folder.display());
            return ExitCode::from(1);
        }
    };
    let mut rows = BTreeMap::<(String, String), (u64, observed::Line)>::new();
    for line in lines {
        let row = rows.entry((line.check.clone(), line.would_have.clone())).or_insert_with(|| (0, line.clone()));
        row.0 += 1;
        row.1 = line;
    }
    println!("check\twould have\ttimes\tlast\tclient\tfrom\treply");
    for ((check, would_have), (times, last)) in rows {
        let when = crate::mail::received_build::date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(last.time));
        let (from, reply) = (printable(&last.from), last.reply.replace(|c: char| !(c == ' ' || c.is_ascii_graphic()), "?"));
        println!("{check}\t{would_have}\t{times}\t{when}\t{}\t{from}\t{reply}", printable(&last.client));
    }
    ExitCode::SUCCESS
}

fn read(path: &Path) -> Result<Report, String> {
    let mut raw = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut raw)).map_err(|error| error.to_string())?;
    if raw.len() as u64 > LARGEST {
        return Err("larger than 25 MB: no report is".into());
    }
    if raw.trim_ascii_start().starts_with(b"<") {
        return Report::parse_xml(&raw);
    }
    Report::parse_rfc5322(&raw, LARGEST as usize).map_err(|error| format!("no aggregate report: {error:?}"))
}

fn add(report: &Report, rows: &mut BTreeMap<(String, String), Row>) {
    for record in report.records() {
        let source = record.source_ip().map_or_else(|| "unknown".to_owned(), |ip| ip.to_string());
        let row = rows.entry((printable(report.domain()), source)).or_default();
        let count = u64::from(record.count());
        let (dkim, spf) = (record.dmarc_dkim_result() == DmarcResult::Pass, record.dmarc_spf_result() == DmarcResult::Pass);
        row.messages += count;
        row.dkim += if dkim { count } else { 0 };
        row.spf += if spf { count } else { 0 };
        row.either += if dkim || spf { count } else { 0 };
    }
}

/// A report is somebody's word: nothing of it drives the terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).take(253).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_summed_by_source() {
        let xml = b"<feedback><report_metadata><org_name>o</org_name><email>e</email><report_id>1</report_id><date_range><begin>1</begin><end>2</end></date_range></report_metadata><policy_published><domain>example.org</domain><p>none</p></policy_published><record><row><source_ip>192.0.2.1</source_ip><count>3</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>example.org</header_from></identifiers><auth_results></auth_results></record></feedback>";
        let report = Report::parse_xml(xml).unwrap();
        let mut rows = BTreeMap::new();
        add(&report, &mut rows);
        add(&report, &mut rows);
        let row = &rows[&("example.org".to_owned(), "192.0.2.1".to_owned())];
        assert_eq!((row.messages, row.dkim, row.spf, row.either), (6, 6, 0, 6));
    }
}
