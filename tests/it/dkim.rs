//! DKIM both ways with others: what we sign they verify, what they sign we verify.

use hamgate::auth::canon::{Canonicalization, Form as Canon};
use hamgate::auth::letter::Letter;
use hamgate::auth::sign::key::Kind;
use hamgate::auth::sign::{Entry, Form, PrivateKey, seal, sign};
use hamgate::auth::{arc, dkim};
use hamgate::dns::{Resolver, Settings, Zone, ZoneServer};
use hamgate::facts::{ArcResult, DkimResult};
use hamgate::outcome::Edit;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

const MESSAGES: usize = 1000;

/// Messages of the corpus, evenly spread over it, with CRLF line ends.
fn corpus() -> Vec<Vec<u8>> {
    let root = PathBuf::from(std::env::var("HAMGATE_CORPUS").expect("HAMGATE_CORPUS names a folder of messages"));
    let mut files: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().map(|file| file.unwrap().path()))
        .collect();
    files.sort();
    let step = files.len().div_ceil(MESSAGES).max(1);
    files
        .iter()
        .step_by(step)
        .chain(files.iter().skip(1).step_by(step))
        .take(MESSAGES)
        .map(|file| crlf(&std::fs::read(file).unwrap()))
        .collect()
}

/// As a mail server hands it on: CRLF, no mbox line, no bare CR.
fn crlf(raw: &[u8]) -> Vec<u8> {
    let raw = if raw.starts_with(b"From ") { &raw[raw.iter().position(|b| *b == b'\n').unwrap() + 1..] } else { raw };
    let mut out = Vec::with_capacity(raw.len() + raw.len() / 20);
    for &b in raw.iter().filter(|b| **b != b'\r') {
        if b == b'\n' {
            out.push(b'\r');
        }
        out.push(b);
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

pub struct Site {
    folder: PathBuf,
    pub rsa: Entry,
    ed: Entry,
}

impl Site {
    pub fn new(name: &str) -> Site {
        use std::os::unix::fs::OpenOptionsExt;
        let folder = std::env::temp_dir().join(format!("hamgate-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let entry = |selector: &str, kind| {
            let text = PrivateKey::generate(kind).unwrap();
            let file = folder.join(format!("{selector}.key"));
            let mut out = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file).unwrap();
            out.write_all(text.as_bytes()).unwrap();
            Entry { domain: "example.org".into(), selector: selector.into(), file, key: Arc::new(PrivateKey::parse(&text).unwrap()) }
        };
        let (rsa, ed) = (entry("rsa", Kind::Rsa2048), entry("ed", Kind::Ed25519));
        Site { folder, rsa, ed }
    }

    fn zone(&self) -> Zone {
        let record = |e: &Entry| format!("\"{}._domainkey.example.org\": [[\"TXT\", \"{}\"]]", e.selector, e.key.record());
        Zone::parse(&format!("{{{}, {}}}", record(&self.rsa), record(&self.ed))).unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// All four forms in turn.
pub fn form(number: usize) -> Form {
    let pick = |bit: usize| if number & bit == 0 { Canon::Relaxed } else { Canon::Simple };
    let oversign = ["From", "To", "Subject", "Date", "Content-Type"].map(str::to_owned).to_vec();
    Form { canonicalization: Canonicalization { header: pick(1), body: pick(2) }, oversign, ..Form::default() }
}

pub fn signed(raw: &[u8], entries: &[&Entry], form: &Form) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let letter = Letter::parse(raw);
    let mut out = Vec::new();
    for entry in entries {
        out.extend_from_slice(format!("DKIM-Signature: {}\r\n", sign(&letter, entry, "example.org", form, now).unwrap()).as_bytes());
    }
    out.extend_from_slice(raw);
    out
}

pub fn run(program: &str, arguments: &[&str], input: &[u8]) -> (bool, Vec<u8>) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    (output.status.success(), output.stdout)
}

#[test]
#[ignore = "needs opendkim and HAMGATE_CORPUS"]
fn opendkim_verifies_what_we_sign() {
    let site = Site::new("opendkim-verifies");
    let keys = site.folder.join("keys");
    std::fs::write(&keys, format!("rsa._domainkey.example.org {}\n", site.rsa.key.record())).unwrap();
    let config = site.folder.join("opendkim.conf");
    std::fs::write(&config, format!("Mode v\nTestDNSData {}\nSyslog no\n", keys.display())).unwrap();
    let (mut verified, mut wrong, mut unread) = (0, Vec::new(), 0);
    for (number, raw) in corpus().iter().enumerate() {
        let file = site.folder.join("mail.eml");
        std::fs::write(&file, signed(raw, &[&site.rsa], &form(number))).unwrap();
        let (_, out) = run("opendkim", &["-x", config.to_str().unwrap(), "-t", file.to_str().unwrap()], b"");
        let out = String::from_utf8_lossy(&out);
        if out.contains("(s=rsa, d=example.org, 2048-bit key) succeeded") {
            verified += 1;
        } else if out.contains("s=rsa, d=example.org") {
            wrong.push(format!("{number}: {out}"));
        } else {
            // Its test mode stops at header lines that are no fields.
            unread += 1;
        }
    }
    println!("{verified} verified, {unread} not read by its test mode");
    assert!(wrong.is_empty(), "{} wrong: {}", wrong.len(), wrong[0]);
    assert!(verified >= MESSAGES * 9 / 10, "{verified}");
}

const DKIMPY: &str = "
import sys, json, dkim
keys = json.loads(sys.argv[2])
def txt(name, timeout=5): return keys.get(name.decode().rstrip('.'), '').encode() or None
import os
bad = []
count = 0
for name in sorted(os.listdir(sys.argv[1])):
    if not name.endswith('.eml'): continue
    raw = open(os.path.join(sys.argv[1], name), 'rb').read()
    d = dkim.DKIM(raw)
    count += 1
    for i in (0, 1):
        try: ok = d.verify(i, dnsfunc=txt)
        except Exception as e: ok = repr(e)
        if ok is not True: bad.append((name, i, ok))
print(json.dumps([count, bad]))
";

/// As above, for signatures of any domain under the selectors that are given.
pub const DKIMPY_ANY: &str = "
import sys, json, dkim, os
keys = json.loads(sys.argv[2])
def txt(name, timeout=5): return keys.get(name.decode().split('._domainkey.')[0], '').encode() or None
bad = []
count = 0
for name in sorted(os.listdir(sys.argv[1])):
    d = dkim.DKIM(open(os.path.join(sys.argv[1], name), 'rb').read().replace(b'\\r\\n', b'\\n').replace(b'\\n', b'\\r\\n'))
    count += 1
    for i in (0, 1):
        try: ok = d.verify(i, dnsfunc=txt)
        except Exception as e: ok = repr(e)
        if ok is not True: bad.append((name, i, ok))
print(json.dumps([count, bad]))
";

#[test]
#[ignore = "needs dkimpy, PyNaCl and HAMGATE_CORPUS"]
fn dkimpy_verifies_both_kinds_of_signature() {
    let site = Site::new("dkimpy-verifies");
    for (number, raw) in corpus().iter().enumerate() {
        std::fs::write(site.folder.join(format!("{number:04}.eml")), signed(raw, &[&site.rsa, &site.ed], &form(number))).unwrap();
    }
    let keys = format!(
        "{{\"rsa._domainkey.example.org\": \"{}\", \"ed._domainkey.example.org\": \"{}\"}}",
        site.rsa.key.record(),
        site.ed.key.record()
    );
    let python = std::env::var("HAMGATE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let (_, out) = run(&python, &["-c", DKIMPY, site.folder.to_str().unwrap(), &keys], b"");
    let answer: serde_json::Value = serde_json::from_slice(&out).expect("dkimpy answered");
    println!("{answer}");
    assert!(answer[0].as_u64().unwrap() >= MESSAGES as u64);
    assert_eq!(answer[1].as_array().unwrap().len(), 0, "{answer}");
}

const DKIMPY_ARC: &str = "
import sys, json, dkim, os
keys = json.loads(sys.argv[2])
def txt(name, timeout=5): return keys.get(name.decode().rstrip('.'), '').encode() or None
bad = []
count = 0
for name in sorted(os.listdir(sys.argv[1])):
    if not name.endswith('.eml'): continue
    try: cv, _, reason = dkim.arc_verify(open(os.path.join(sys.argv[1], name), 'rb').read(), dnsfunc=txt)
    except Exception as e: cv, reason = None, repr(e)
    count += 1
    if cv != b'pass': bad.append((name, repr(cv), repr(reason)))
print(json.dumps([count, bad]))
";

#[test]
#[ignore = "needs dkimpy and HAMGATE_CORPUS"]
fn dkimpy_verifies_our_seals() {
    let site = Site::new("dkimpy-seals");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let unsealed = |raw: &&Vec<u8>| arc::instances(&Letter::parse(raw)).newest == 0;
    for (number, raw) in corpus().iter().filter(unsealed).step_by(20).enumerate() {
        let (mut raw, mut state) = (raw.clone(), ArcResult::None);
        for hand in 0..=number % 3 {
            let results = format!("mx{hand}.example.org;\n\tspf=pass smtp.mailfrom=example.org;\n\tdkim=none");
            let edits = seal(&Letter::parse(&raw), &site.rsa, "example.org", state, &results, now).unwrap();
            let mut sealed = Vec::new();
            for edit in edits {
                let Edit::Prepend { name, value } = edit else { panic!("{edit:?}") };
                sealed.extend([name.as_bytes(), b": ", &value, b"\r\n"].concat());
            }
            sealed.extend_from_slice(&raw);
            (raw, state) = (sealed, ArcResult::Pass);
        }
        std::fs::write(site.folder.join(format!("{number:04}.eml")), raw).unwrap();
    }
    let keys = format!("{{\"rsa._domainkey.example.org\": \"{}\"}}", site.rsa.key.record());
    let python = std::env::var("HAMGATE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let (_, out) = run(&python, &["-c", DKIMPY_ARC, site.folder.to_str().unwrap(), &keys], b"");
    let answer: serde_json::Value = serde_json::from_slice(&out).expect("dkimpy answered");
    println!("{answer}");
    assert!(answer[0].as_u64().unwrap() >= 30);
    assert_eq!(answer[1].as_array().unwrap().len(), 0, "{answer}");
}

#[tokio::test]
#[ignore = "needs opendkim and HAMGATE_CORPUS"]
async fn we_verify_what_opendkim_signs() {
    let site = Site::new("opendkim-signs");
    let server = ZoneServer::start(site.zone()).await.unwrap();
    let resolver = Resolver::new(&Settings { name_servers: vec![server.address.to_string()], ..Settings::default() }).unwrap();
    let path = |name: &str| -> String { site.folder.join(name).to_str().unwrap().to_owned() };
    std::fs::write(path("key.table"), format!("k example.org:rsa:{}\n", path("rsa.key"))).unwrap();
    std::fs::write(path("signing.table"), "* k\n").unwrap();
    for form in ["simple/simple", "relaxed/simple", "simple/relaxed", "relaxed/relaxed"] {
        let text = format!(
            "Mode s\nKeyTable {}\nSigningTable refile:{}\nCanonicalization {form}\nRequireSafeKeys no\nSyslog no\n",
            path("key.table"),
            path("signing.table")
        );
        std::fs::write(path(&form.replace('/', "-")), text).unwrap();
    }
    let (mut verified, mut wrong, mut refused) = (0, Vec::new(), 0);
    for (number, raw) in corpus().iter().enumerate() {
        let form = ["simple-simple", "relaxed-simple", "simple-relaxed", "relaxed-relaxed"][number % 4];
        // Its test mode drops a fold right after the colon, which the simple form of fields would keep.
        let letter = Letter::parse(raw);
        let signed = ["References", "In-Reply-To", "Message-ID", "Subject", "To", "Cc"];
        let folded =
            signed.iter().flat_map(|name| letter.named(name)).any(|field| field.value.trim_ascii_start().len() + 2 < field.value.len());
        if form.starts_with("simple") && folded {
            refused += 1;
            continue;
        }
        let lf: Vec<u8> = raw.iter().copied().filter(|b| *b != b'\r').collect();
        std::fs::write(path("mail.eml"), &lf).unwrap();
        let (_, out) = run("opendkim", &["-x", &path(form), "-t", &path("mail.eml")], b"");
        let Some(at) = out.windows(15).position(|w| w == b"DKIM-Signature:") else {
            // It signs no message without exactly one From and Date, and its test mode stops at odd header lines.
            refused += 1;
            continue;
        };
        let field = String::from_utf8_lossy(&out[at..]).trim_end().replace("\r\n", "\n");
        let whole = [field.as_bytes(), b"\n", &lf].concat();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let facts = dkim::verify(&resolver.session(), &Letter::parse(&whole), now).await;
        match facts.first() {
            Some(fact) if fact.result == DkimResult::Pass => verified += 1,
            other => wrong.push(format!("{number} {form}: {other:?}\n{field}")),
        }
    }
    println!("{verified} verified, {refused} refused by the signer");
    assert!(wrong.is_empty(), "{} wrong: {}", wrong.len(), wrong.join("\n"));
    assert!(verified >= MESSAGES * 9 / 10, "{verified}");
}

/// CPU seconds of this process.
fn cpu() -> f64 {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

#[tokio::test]
#[ignore = "measures; needs HAMGATE_CORPUS and a release build"]
async fn what_verifying_and_signing_cost() {
    let site = Site::new("cost");
    let server = ZoneServer::start(site.zone()).await.unwrap();
    let resolver = Resolver::new(&Settings { name_servers: vec![server.address.to_string()], ..Settings::default() }).unwrap();
    let mails = corpus();
    let octets: usize = mails.iter().map(Vec::len).sum();
    let began = cpu();
    let all: Vec<Vec<u8>> = mails.iter().map(|raw| signed(raw, &[&site.rsa], &form(0))).collect();
    let signing = cpu() - began;
    let began = cpu();
    for _ in 0..mails.len() {
        site.rsa.key.sign(b"x").unwrap();
    }
    let alone = cpu() - began;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let count = mails.len() as f64;
    let began = cpu();
    let mut passed = 0;
    for raw in &all {
        let facts = dkim::verify(&resolver.session(), &Letter::parse(raw), now).await;
        passed += usize::from(facts[0].result == DkimResult::Pass);
    }
    let verifying = cpu() - began;
    let verifier = hamgate::auth::Verifier::default();
    let began = cpu();
    for raw in &all {
        verifier.authenticate(&resolver.session(), raw, None, now).await;
    }
    let everything = cpu() - began;
    println!("{} messages, {} octets each, {passed} pass", mails.len(), octets / mails.len());
    for (what, seconds) in
        [("signing", signing), ("the RSA operation of it", alone), ("verifying", verifying), ("DKIM, DMARC and ARC", everything)]
    {
        println!("{what}: {:.3} ms CPU a message", seconds * 1000.0 / count);
    }
}
