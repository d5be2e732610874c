//! `hamgate serve`: the milter, until it is told to stop.

use crate::milter::Address;
use crate::service::{self, Wishes};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file, in place of /etc/hamgate/hamgate.toml (which may be missing).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where state lives, in place of /var/lib/hamgate.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// inet:PORT@HOST, inet6:PORT@HOST or unix:PATH, in place of the configured sockets; may be given several times.
    #[arg(long, value_name = "ADDR")]
    pub listen: Vec<Address>,
    /// Folder or file of SpamAssassin rules in place of the built-in ones; may be given several times.
    #[arg(long, value_name = "PATH")]
    pub rules: Vec<PathBuf>,
    /// Folder or file of rules beside the built-in ones; may be given several times.
    #[arg(long, value_name = "PATH")]
    pub rules_add: Vec<PathBuf>,
    /// Ask no network question at all.
    #[arg(long)]
    pub local: bool,
    /// The DNS server, in place of the system's.
    #[arg(long, value_name = "ADDR:PORT")]
    pub nameserver: Option<SocketAddr>,
    /// The name under which Authentication-Results are written.
    #[arg(long, value_name = "NAME")]
    pub authserv_id: Option<String>,
    /// Print a configuration file with every setting at its default, and end.
    #[arg(long)]
    pub print_config: bool,
}

pub fn run(args: Args) -> ExitCode {
    if args.print_config {
        print!("{}", service::Config::sample());
        return ExitCode::SUCCESS;
    }
    service::serve(&Wishes {
        config: args.config,
        state: args.state,
        listen: args.listen,
        rules: args.rules,
        rules_add: args.rules_add,
        local: args.local,
        nameserver: args.nameserver,
        authserv_id: args.authserv_id,
    })
}
