//! `hamgate auth`: what SPF, DKIM, DMARC and ARC say of a client, a message or a domain.

use super::dns::DnsArgs;
use crate::auth::{self, Verifier, diagnose, results, spf};
use crate::base::Clock;
use crate::dns;
use crate::facts::DmarcResult;
use crate::mail::{Arrival, Client, Envelope, Mail, Reading, ViewOptions};
use clap::{Args as ClapArgs, Subcommand};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// May this client send for this sender? The result word comes first.
    Spf(SpfArgs),
    /// Who really sent this message? Prints what Authentication-Results would say.
    Message(MessageArgs),
    /// What a domain publishes: MX, SPF as a tree with its look-ups, DKIM keys, DMARC, and what is wrong with them.
    Domain(DomainArgs),
}

#[derive(Debug, ClapArgs)]
struct MessageArgs {
    /// A message; `-` reads standard input.
    file: PathBuf,
    /// Address of the SMTP client; without it client and sender are taken from the Received fields.
    #[arg(long, value_name = "IP")]
    client_ip: Option<IpAddr>,
    /// The name it gave.
    #[arg(long, value_name = "NAME", default_value = "", requires = "client_ip")]
    helo: String,
    /// Envelope sender; '' is the null sender.
    #[arg(long, value_name = "ADDRESS", default_value = "", requires = "client_ip", allow_hyphen_values = true)]
    mail_from: String,
    /// Domains whose ARC seal is believed.
    #[arg(long, value_name = "DOMAIN")]
    trusted_sealer: Vec<String>,
    #[command(flatten)]
    dns: DnsArgs,
}

#[derive(Debug, ClapArgs)]
struct DomainArgs {
    name: String,
    /// DKIM selectors to look for; without any, usual ones are tried.
    #[arg(long, value_name = "NAME")]
    selector: Vec<String>,
    #[command(flatten)]
    dns: DnsArgs,
}

#[derive(Debug, ClapArgs)]
struct SpfArgs {
    /// Address of the SMTP client.
    #[arg(long, value_name = "IP")]
    client_ip: IpAddr,
    /// The name it gave.
    #[arg(long, value_name = "NAME", default_value = "", allow_hyphen_values = true)]
    helo: String,
    /// Envelope sender; '' is the null sender, for which the HELO name is asked.
    #[arg(long, value_name = "ADDRESS", default_value = "", allow_hyphen_values = true)]
    mail_from: String,
    #[command(flatten)]
    dns: DnsArgs,
}

pub fn run(args: Args) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    let done = match args.command {
        Command::Spf(args) => runtime.block_on(run_spf(args)),
        Command::Message(args) => runtime.block_on(run_message(args)),
        Command::Domain(args) => runtime.block_on(run_domain(args)),
    };
    done.unwrap_or_else(|error| failed(&error))
}

fn failed(error: &str) -> ExitCode {
    eprintln!("hamgate auth: {error}");
    ExitCode::from(1)
}

async fn run_spf(args: SpfArgs) -> Result<ExitCode, String> {
    let (resolver, _server) = args.dns.resolver(dns::Settings::default()).await?;
    let session = resolver.session();
    let mail_from = args.mail_from.trim().trim_start_matches('<').trim_end_matches('>');
    let envelope = spf::Envelope { ip: args.client_ip, helo: &args.helo, mail_from, receiver: "unknown", now: Clock::System.unix() };
    let (domain, outcome) = spf::check_mail_from(&session, envelope).await;
    let identity = if mail_from.is_empty() { "helo" } else { "mailfrom" };
    println!("{} {identity}={domain} ({}; {} of 10 look-ups)", spf::word(outcome.result), outcome.reason, outcome.look_ups);
    if let Some(explanation) = &outcome.explanation {
        println!("explanation: {explanation}");
    }
    if !mail_from.is_empty() {
        let (domain, helo) = spf::check_helo(&session, envelope).await;
        println!("helo: {} helo={domain} ({})", spf::word(helo.result), helo.reason);
    }
    Ok(ExitCode::SUCCESS)
}

/// A message file, or standard input for `-`.
pub fn read_message(file: &std::path::Path) -> Result<Vec<u8>, String> {
    let read = if file.as_os_str() == "-" {
        let mut all = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut all).map(|_| all)
    } else {
        std::fs::read(file)
    };
    read.map_err(|e| format!("{}: {e}", file.display()))
}

async fn run_message(args: MessageArgs) -> Result<ExitCode, String> {
    let mail = Mail::parse(read_message(&args.file)?);
    let arrival = args.client_ip.map_or(Arrival::FromFields, |ip| {
        let mail_from = args.mail_from.trim().trim_start_matches('<').trim_end_matches('>').to_owned();
        let client = Client { ip: Some(ip), helo: args.helo.clone(), ..Client::default() };
        Arrival::Live(Box::new((client, Envelope { mail_from, ..Envelope::default() })))
    });
    let options = ViewOptions::default();
    let reading = Reading::new(&mail, &arrival, &options);
    let outsider = auth::outsider(&reading);
    let (resolver, _server) = args.dns.resolver(dns::Settings::default()).await?;
    let verifier = Verifier::new("unknown", &args.trusted_sealer);
    let facts = verifier.authenticate(&resolver.session(), mail.as_sent(), outsider.as_ref(), Clock::System.unix()).await;
    println!("Authentication-Results: {}", results::render("localhost", outsider.as_ref(), &facts));
    println!("dmarc: {} ({})", auth::dmarc::word(facts.dmarc.result), facts.dmarc.reason);
    Ok(ExitCode::from(u8::from(matches!(facts.dmarc.result, DmarcResult::Fail | DmarcResult::PermError))))
}

async fn run_domain(args: DomainArgs) -> Result<ExitCode, String> {
    let (resolver, _server) = args.dns.resolver(dns::Settings { questions_per_message: 200, ..dns::Settings::default() }).await?;
    let report = diagnose::domain(&resolver.session(), &args.name, &args.selector).await?;
    for line in &report.lines {
        println!("{line}");
    }
    for warning in &report.warnings {
        println!("warning: {warning}");
    }
    Ok(ExitCode::from(u8::from(!report.warnings.is_empty())))
}
