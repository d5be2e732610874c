//! `hamgate greylist`: who waits, letting them in, and taking over what postgrey has learned.

use crate::base::Complaint;
use crate::base::networks::NetSet;
use crate::pace::import;
use crate::service::{Config, state};
use crate::store::greylist::{Seen, Triplet, Waiting, Welcome};
use crate::store::{self, Key, Pace, Trouble};
use clap::Subcommand;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// The configuration file, in place of /etc/hamgate/hamgate.toml (which may be missing).
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Where state lives, in place of /var/lib/hamgate.
    #[arg(long, value_name = "DIR", global = true)]
    state: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Who waits, and the line that would let them in.
    Pending {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
        /// At most so many, the oldest first.
        #[arg(long, default_value_t = 1_000)]
        most: usize,
    },
    /// Let in those that wait and fit every condition given: the next try passes.
    Release(Which),
    /// Take over what postgrey has learned: the output of db_dump of postgrey.db or postgrey_clients.db, or a list of addresses and
    /// domains, one a line; `-` is standard input.
    Import { paths: Vec<PathBuf> },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Which {
    /// An address or a network as `pending` shows it, or @domain for a proven one.
    #[arg(long)]
    client: Option<String>,
    /// The envelope sender, or @domain.
    #[arg(long)]
    sender: Option<String>,
    /// The recipient, or @domain.
    #[arg(long)]
    recipient: Option<String>,
    /// All that wait.
    #[arg(long)]
    all: bool,
}

pub fn run(args: Args) -> ExitCode {
    let config = match Config::read(args.config.as_deref()) {
        Ok(config) => config,
        Err(complaints) => return refuse(&complaints),
    };
    let folder = state::folder(args.state.as_deref());
    let done = open(&config, &folder).and_then(|store| match &args.command {
        Command::Pending { json, most } => pending(&*store, &config, *json, *most),
        Command::Release(which) => release(&*store, &config, which),
        Command::Import { paths } => import(&*store, &config, paths),
    });
    done.unwrap_or_else(|trouble| {
        eprintln!("hamgate: {trouble}");
        ExitCode::FAILURE
    })
}

fn open(config: &Config, folder: &Path) -> Result<Arc<dyn Pace>, Trouble> {
    let place = if config.store.door.is_empty() { folder.display().to_string() } else { config.store.door.clone() };
    if config.store.door.is_empty() {
        state::make(folder).map_err(|error| Trouble(format!("{}: {error}: is --state right?", folder.display())))?;
    }
    store::open_pace(&place)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn pending(store: &dyn Pace, config: &Config, json: bool, most: usize) -> Result<ExitCode, Trouble> {
    let now = now();
    for Waiting { triplet, seen } in store.waiting(most)? {
        let Triplet { client, sender, recipient, .. } = triplet;
        let left = (seen.first + config.greylist.delay.0.as_secs()).saturating_sub(now);
        let [by_client, by_sender, by_recipient] = [&client, &sender, &recipient].map(|name| quoted(name));
        let line = format!("hamgate greylist release --client={by_client} --sender={by_sender} --recipient={by_recipient}");
        if json {
            let row = serde_json::json!({
                "client": client, "sender": sender, "recipient": recipient, "first": seen.first, "last": seen.last,
                "seconds_left": left, "release": line
            });
            println!("{row}");
            continue;
        }
        let since = now.saturating_sub(seen.first);
        let when = if left > 0 { format!("may pass in {left} s") } else { "may pass at its next try".to_owned() };
        let shown = |name: &str, none: &str| if name.is_empty() { none.to_owned() } else { printable(name) };
        println!(
            "{} <{}> -> {}: first seen {since} s ago, {when}\n    {}",
            shown(&client, "(no names kept)"),
            printable(&sender),
            shown(&recipient, "(no names kept)"),
            printable(&line)
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// One word for a shell, whatever a stranger wrote.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Addresses come from outside; a terminal must not obey them.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

impl Which {
    fn fits(&self, triplet: &Triplet) -> bool {
        let client = self.client.as_ref().is_none_or(|wanted| {
            let mut networks = NetSet::default();
            let inside = networks.add(wanted).is_ok() && triplet.client.parse().is_ok_and(|ip| networks.contains(ip));
            wanted.eq_ignore_ascii_case(&triplet.client) || inside
        });
        let address = |wanted: &Option<String>, address: &str| {
            wanted.as_ref().is_none_or(|wanted| {
                let wanted = wanted.to_lowercase();
                let address = address.to_lowercase();
                wanted == address || wanted.starts_with('@') && address.ends_with(&wanted)
            })
        };
        client && address(&self.sender, &triplet.sender) && address(&self.recipient, &triplet.recipient)
    }
}

fn release(store: &dyn Pace, config: &Config, which: &Which) -> Result<ExitCode, Trouble> {
    let earlier = now().saturating_sub(config.greylist.delay.0.as_secs());
    // As if first seen one delay ago: the next try is the one that comes back.
    let free = |seen: Seen| Seen { first: seen.first.min(earlier), ..seen };
    let let_in: Vec<(Triplet, Seen)> = store
        .waiting(usize::MAX >> 1)?
        .into_iter()
        .filter(|waiting| which.fits(&waiting.triplet))
        .map(|waiting| (waiting.triplet, free(waiting.seen)))
        .collect();
    store.keep(&let_in, &[] as &[(Key, Welcome)])?;
    println!("{} let in at the next try", let_in.len());
    Ok(if let_in.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn import(store: &dyn Pace, config: &Config, paths: &[PathBuf]) -> Result<ExitCode, Trouble> {
    let mut good = true;
    for path in paths {
        let name = path.display();
        let text = match read(path) {
            Ok(text) => text,
            Err(error) => {
                eprintln!("hamgate: {name}: cannot be read ({error}): check path and permissions");
                good = false;
                continue;
            }
        };
        let imported = import::read(&text, now(), config.greylist.welcome_after);
        for (line, what) in &imported.refused {
            eprintln!("{name}:{line}: {}: left out", printable(what));
        }
        import::keep(&imported.entries, store, config.greylist.delay.0.as_secs())?;
        let triplets = imported.entries.iter().filter(|entry| matches!(entry, import::Entry::Triplet { .. })).count();
        println!(
            "{name}: {triplets} triplets and {} welcome clients taken over, {} lines left out",
            imported.entries.len() - triplets,
            imported.refused.len()
        );
        good &= imported.refused.is_empty();
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut octets = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut octets)?;
    } else {
        octets = std::fs::read(path)?;
        // Berkeley DB writes its magic number twelve octets in.
        if octets.get(12..16).is_some_and(|magic| matches!(u32::from_le_bytes(magic.try_into().unwrap_or_default()), 0x53162 | 0x61561)) {
            return Err(std::io::Error::other("this is the database itself: give the output of db_dump of it"));
        }
    }
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

fn refuse(complaints: &[Complaint]) -> ExitCode {
    complaints.iter().for_each(|complaint| eprintln!("hamgate: {complaint}"));
    ExitCode::FAILURE
}
