//! `hamgate auth`: what SPF, DKIM, DMARC and ARC say of a client, a message or a domain.

use super::dns::DnsArgs;
use crate::auth::spf;
use crate::base::Clock;
use crate::dns;
use clap::{Args as ClapArgs, Subcommand};
use std::net::IpAddr;
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
