//! `hamgate dkim`: keys made and tested, messages signed and verified.

use super::auth::read_message;
use super::dns::DnsArgs;
use crate::auth::dkim::{self, verify};
use crate::auth::letter::Letter;
use crate::auth::sign::key::{FEWEST_BITS, Kind};
use crate::auth::sign::testkey::{self, Fault};
use crate::auth::sign::{Entry, Form, PrivateKey, Signers, Signing, opendkim, table};
use crate::auth::{canon::Canonicalization, domain};
use crate::base::{Clock, NetSet, Severity};
use crate::dns;
use crate::facts::DkimResult;
use crate::mail::Client;
use crate::outcome::Edit;
use crate::service::config::Config;
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make keys, readable by you alone, and print the DNS records to publish.
    Keygen(KeygenArgs),
    /// Compare published keys with those we sign with: one word a key, and a status of its own for each fault.
    ///
    /// Status: 0 good, 3 missing, 4 mismatched, 5 short, 6 wrong-length, 7 several, 8 revoked, 9 malformed,
    /// 10 not-for-mail, 11 unusable-file, 12 silent; of several keys the first fault counts.
    #[command(verbatim_doc_comment)]
    Testkey(TestkeyArgs),
    /// Sign a message and print it.
    Sign(SignArgs),
    /// Verify the signatures of a message; status 0 when one passes.
    Verify(VerifyArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KeyType {
    Rsa,
    Ed25519,
    /// One of each, so that old verifiers and new ones are served.
    Both,
}

#[derive(Debug, ClapArgs)]
struct KeygenArgs {
    domain: String,
    /// Selector of the RSA key; the Ed25519 key of a pair gets "-ed25519" added.
    #[arg(long, short, default_value = "hamgate")]
    selector: String,
    #[arg(long = "type", short, value_enum, default_value = "both")]
    kind: KeyType,
    /// Bits of the RSA key: 2048, 3072 or 4096.
    #[arg(long, short, default_value_t = 2048)]
    bits: u32,
    /// The folder of keys; files go to DOMAIN/SELECTOR.key below it.
    #[arg(long, short, value_name = "DIR", default_value = "/etc/hamgate/dkim")]
    out: PathBuf,
}

#[derive(Debug, ClapArgs)]
struct TestkeyArgs {
    /// Test this domain's key alone instead of all configured ones.
    #[arg(long, short, requires = "selector")]
    domain: Option<String>,
    #[arg(long, short, requires = "domain")]
    selector: Option<String>,
    /// The private key to compare with.
    #[arg(long, short, value_name = "FILE", requires = "domain")]
    key: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    dns: DnsArgs,
}

/// Where configured keys come from.
#[derive(Debug, ClapArgs)]
struct Source {
    /// hamgate.toml, whose [dkim] names the keys.
    #[arg(long, short = 'c', value_name = "FILE")]
    config: Option<PathBuf>,
    /// An opendkim.conf instead.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    opendkim_conf: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
struct SignArgs {
    file: PathBuf,
    /// Sign with this key alone instead of the configured ones.
    #[arg(long, short, value_name = "FILE", requires = "domain", requires = "selector")]
    key: Option<PathBuf>,
    #[arg(long, short, requires = "key")]
    domain: Option<String>,
    #[arg(long, short, requires = "key")]
    selector: Option<String>,
    /// Canonical forms of header and body.
    #[arg(long, default_value = "relaxed/relaxed", value_name = "FORM/FORM")]
    canonicalization: String,
    /// Sign as for this login; without it as for an internal host.
    #[arg(long)]
    login: Option<String>,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, ClapArgs)]
struct VerifyArgs {
    file: PathBuf,
    #[command(flatten)]
    dns: DnsArgs,
}

pub fn run(args: Args) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    let done = match args.command {
        Command::Keygen(args) => keygen(&args),
        Command::Testkey(args) => runtime.block_on(test_keys(args)),
        Command::Sign(args) => sign(&args),
        Command::Verify(args) => runtime.block_on(verify_file(args)),
    };
    done.unwrap_or_else(|error| failed(&error))
}

fn failed(error: &str) -> ExitCode {
    eprintln!("hamgate dkim: {error}");
    ExitCode::from(1)
}

fn keygen(args: &KeygenArgs) -> Result<ExitCode, String> {
    let name = domain::registrable(&args.domain).ok_or_else(|| format!("\"{}\" is no domain name", args.domain))?;
    let selector = domain::host(&args.selector).ok_or_else(|| format!("\"{}\" is no selector", args.selector))?;
    let rsa = match args.bits {
        2048 => Kind::Rsa2048,
        3072 => Kind::Rsa3072,
        4096 => Kind::Rsa4096,
        bits => {
            let remedy = if bits < FEWEST_BITS { "are too few" } else { "are no usual size" };
            eprintln!("hamgate dkim: {bits} bits {remedy}: give 2048, 3072 or 4096");
            return Ok(ExitCode::from(2));
        }
    };
    let wanted = match args.kind {
        KeyType::Rsa => vec![(selector, rsa)],
        KeyType::Ed25519 => vec![(selector, Kind::Ed25519)],
        KeyType::Both => vec![(selector.clone(), rsa), (format!("{selector}-ed25519"), Kind::Ed25519)],
    };
    let folder = args.out.join(&name);
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for (selector, kind) in wanted {
        let text = PrivateKey::generate(kind)?;
        let file = folder.join(format!("{selector}.key"));
        write_key(&file, &text).map_err(|e| format!("{}: {e}", file.display()))?;
        let record = PrivateKey::parse(&text)?.record();
        println!("; {}", file.display());
        println!("{}", zone_line(&format!("{selector}._domainkey.{name}."), &record));
        println!("; for panels: name {selector}._domainkey, type TXT, value:\n{record}\n");
    }
    Ok(ExitCode::SUCCESS)
}

/// Never over an existing key; whole or not at all.
fn write_key(file: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let part = file.with_extension(format!("part{}", std::process::id()));
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    let written = out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).and_then(|()| std::fs::hard_link(&part, file));
    let removed = std::fs::remove_file(&part);
    written.and(removed)
}

/// RFC 1035 §5.1: strings of at most 255 octets.
fn zone_line(name: &str, record: &str) -> String {
    let strings: Vec<String> =
        (0..record.len()).step_by(250).map(|at| format!("\"{}\"", &record[at..record.len().min(at + 250)])).collect();
    format!("{name} IN TXT ( {} )", strings.join("\n\t"))
}

/// The configured keys; complaints go to standard error.
fn configured(source: &Source) -> Result<(Signing, bool), String> {
    let (signing, complaints) = match &source.opendkim_conf {
        Some(path) => {
            let import = opendkim::read(path);
            (import.signing, import.complaints)
        }
        None => {
            let config =
                Config::read(source.config.as_deref()).map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
            Signing::load(&config.dkim)
        }
    };
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    Ok((signing, complaints.iter().any(|complaint| complaint.severity == Severity::Error)))
}

async fn test_keys(args: TestkeyArgs) -> Result<ExitCode, String> {
    let (resolver, _server) = args.dns.resolver(dns::Settings { questions_per_message: 1000, ..dns::Settings::default() }).await?;
    let session = resolver.session();
    let mut first = None;
    let mut tell = |domain: &str, selector: &str, outcome: Result<dkim::key::Key, Fault>| match outcome {
        Ok(key) => println!("good {selector}._domainkey.{domain} ({} bits)", key.bits()),
        Err(fault) => {
            println!("{} {selector}._domainkey.{domain} ({})", fault.word(), fault.remedy());
            first.get_or_insert(fault.status());
        }
    };
    if let (Some(domain), Some(selector)) = (&args.domain, &args.selector) {
        let outcome = match args.key.as_deref().map(PrivateKey::read).transpose() {
            Ok(private) => testkey::test(&session, domain, selector, private.as_ref()).await,
            Err(what) => Err(Fault::File(what)),
        };
        tell(domain, selector, outcome);
        return Ok(ExitCode::from(first.unwrap_or(0)));
    }
    let (signing, broken) = configured(&args.source)?;
    let mut entries: Vec<&Entry> = signing.signers.entries().filter(|entry| entry.domain != "%").collect();
    entries.sort_by(|a, b| (&a.domain, &a.selector).cmp(&(&b.domain, &b.selector)));
    if entries.is_empty() && !broken {
        return Err("no key is configured: name one with --domain, --selector and --key, or keys in [dkim]".to_owned());
    }
    for entry in entries {
        tell(&entry.domain, &entry.selector, testkey::test_entry(&session, entry).await);
    }
    let unusable = broken.then(|| Fault::File(String::new()).status());
    Ok(ExitCode::from(first.or(unusable).unwrap_or(0)))
}

fn sign(args: &SignArgs) -> Result<ExitCode, String> {
    let raw = read_message(&args.file)?;
    let signing = match (&args.key, &args.domain, &args.selector) {
        (Some(file), Some(domain), Some(selector)) => one_key(args, file, domain, selector)?,
        _ => configured(&args.source)?.0,
    };
    // Without a login the message is taken as local submission, which has no client address.
    let client = Client { login: args.login.clone().unwrap_or_default(), ..Client::default() };
    let edits = signing.edits(&raw, &client, Clock::System.unix()).map_err(|why| format!("not signed: {why}"))?;
    let crlf = raw.windows(2).any(|pair| pair == b"\r\n");
    let mut out = std::io::stdout().lock();
    let mut whole = Vec::new();
    for edit in edits.iter().rev() {
        if let Edit::Prepend { name, value } = edit {
            let field = format!("{name}: {}\r\n", String::from_utf8_lossy(value));
            whole.extend_from_slice(if crlf { field } else { field.replace("\r\n", "\n") }.as_bytes());
        }
    }
    whole.extend_from_slice(&raw);
    out.write_all(&whole).and_then(|()| out.flush()).map_err(|e| e.to_string())?;
    Ok(ExitCode::SUCCESS)
}

fn one_key(args: &SignArgs, file: &Path, domain: &str, selector: &str) -> Result<Signing, String> {
    let key = PrivateKey::read(file).map_err(|what| format!("{} {what}", file.display()))?;
    let domain = domain::registrable(domain).ok_or_else(|| format!("\"{domain}\" is no domain name"))?;
    let selector = domain::host(selector).ok_or_else(|| format!("\"{selector}\" is no selector"))?;
    let canonicalization = Canonicalization::parse(&args.canonicalization).ok_or("give --canonicalization relaxed/relaxed or kin")?;
    let mut signers = Signers::default();
    signers.add(&domain.clone(), Entry { domain, selector, file: file.to_owned(), key: Arc::new(key) }, true);
    let oversign = crate::auth::sign::Settings::default().oversign;
    let form = Form { canonicalization, oversign, also: Vec::new(), lifetime: 0 };
    Ok(Signing { signers, form, internal: NetSet::default(), logins: table::Logins::default() })
}

async fn verify_file(args: VerifyArgs) -> Result<ExitCode, String> {
    let raw = read_message(&args.file)?;
    let (resolver, _server) = args.dns.resolver(dns::Settings::default()).await?;
    let facts = verify(&resolver.session(), &Letter::parse(&raw), Clock::System.unix()).await;
    if facts.is_empty() {
        println!("none");
    }
    for fact in &facts {
        let bits = fact.key_bits.map(|bits| format!(" {bits}-bit key")).unwrap_or_default();
        let reason = if fact.reason.is_empty() { String::new() } else { format!(" ({})", fact.reason) };
        println!("{} d={} s={} a={}{bits}{reason}", dkim::word(fact.result), fact.domain, fact.selector, fact.algorithm);
    }
    Ok(ExitCode::from(u8::from(!facts.iter().any(|fact| fact.result == DkimResult::Pass))))
}
