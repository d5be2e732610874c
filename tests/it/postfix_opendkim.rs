//! OpenDKIM and Hamgate side by side under one real Postfix: what one signs the other verifies.

use super::site::{Daemon, Folder, Postfix, Smtp, corpus, free_port, is_named, read, split};
use hamgate::auth::sign::PrivateKey;
use hamgate::auth::sign::key::Kind;
use hamgate::dns::{Zone, ZoneServer};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Messages each way; `HAMGATE_SAMPLE` asks for another number.
fn sample() -> usize {
    std::env::var("HAMGATE_SAMPLE").ok().and_then(|text| text.parse().ok()).unwrap_or(1000)
}

/// OpenDKIM as a milter of its own.
struct OpenDkim {
    child: Child,
    address: String,
}

impl OpenDkim {
    fn start(folder: &Folder, name: &str, lines: &str) -> OpenDkim {
        let port = free_port();
        let config = format!("Socket inet:{port}@127.0.0.1\nSyslog no\nRequireSafeKeys no\nAuthservID opendkim.victim.example\n{lines}");
        let path = folder.write(name, &config);
        let child = Command::new("opendkim").args(["-f", "-x"]).arg(path).stdout(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "opendkim does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        OpenDkim { child, address: format!("inet:127.0.0.1:{port}") }
    }
}

impl Drop for OpenDkim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The corpus as if written here: no trace of a way, no older signature. What shows no single author is left out, since neither
/// of the two signs that.
fn letters() -> Vec<Vec<u8>> {
    let gone = ["Received", "DKIM-Signature", "Authentication-Results", "From", "Return-Path", "Sender"];
    corpus(sample())
        .iter()
        .map(|path| {
            let (fields, body) = split(&read(path));
            let fields: Vec<Vec<u8>> = fields.into_iter().filter(|field| !gone.iter().any(|name| is_named(field, name))).collect();
            [b"From: Ann <ann@example.org>\n".to_vec(), fields.concat(), b"\n".to_vec(), body].concat()
        })
        .collect()
}

/// Sends all and answers them as delivered.
fn delivered(postfix: &Postfix, mut smtp: Smtp, letters: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let names: Vec<String> = (0..letters.len()).map(|number| format!("box{number}")).collect();
    for (name, raw) in names.iter().zip(letters) {
        let reply = smtp.send("ann@example.org", &format!("{name}@victim.example"), raw).unwrap();
        assert!(reply.starts_with("250"), "{reply}");
    }
    postfix.delivered(&names, Duration::from_secs(180)).iter().map(|mails| read(&mails[0])).collect()
}

/// How many say that the signature of example.org holds, by the field of this authserv-id.
fn passed(mails: &[Vec<u8>], authserv_id: &str) -> (usize, Vec<String>) {
    let mut wrong = Vec::new();
    for (number, raw) in mails.iter().enumerate() {
        let (fields, _) = split(raw);
        let results: Vec<String> = fields
            .iter()
            .filter(|field| is_named(field, "Authentication-Results"))
            .map(|field| String::from_utf8_lossy(field).split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|text| text.contains(authserv_id))
            .collect();
        if !results.iter().any(|text| text.contains("dkim=pass") && text.contains("header.d=example.org")) {
            wrong.push(format!("{number}: {results:?}"));
        }
    }
    (mails.len() - wrong.len(), wrong)
}

fn key(folder: &Folder) -> (String, PrivateKey) {
    let text = PrivateKey::generate(Kind::Rsa2048).unwrap();
    let path = folder.write("keys/example.org/rsa.key", &text);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    (path.display().to_string(), PrivateKey::parse(&text).unwrap())
}

fn keys_of(path: &str) -> String {
    Path::new(path).ancestors().nth(2).unwrap().display().to_string()
}

#[test]
#[ignore = "needs postfix, opendkim and HAMGATE_CORPUS"]
fn opendkim_verifies_behind_us_what_we_sign() {
    let folder = Folder::new("we-sign");
    let (path, key) = key(&folder);
    let known = folder.write("keys.txt", &format!("rsa._domainkey.example.org {}\n", key.record()));
    let verifier = OpenDkim::start(&folder, "verify.conf", &format!("Mode v\nTestDNSData {}\n", known.display()));
    let port = free_port();
    let toml = format!("[policy]\nreject = \"off\"\n[dkim]\nkeys = \"{}\"\n", keys_of(&path));
    let _daemon = Daemon::start(&folder, &toml, &[format!("inet:{port}@127.0.0.1")], &["--local"]);
    let postfix = Postfix::start(&[&format!("inet:127.0.0.1:{port},{}", verifier.address)], "");
    let mut smtp = Smtp::connect(postfix.ports[0]).unwrap();
    smtp.command("EHLO here").unwrap();
    let mails = delivered(&postfix, smtp, &letters());
    let (count, wrong) = passed(&mails, "opendkim.victim.example");
    println!("opendkim accepts {count} of {} signed by us", mails.len());
    assert!(wrong.is_empty() && count >= sample(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
#[ignore = "needs postfix, opendkim and HAMGATE_CORPUS"]
fn we_verify_behind_opendkim_what_it_signs() {
    let folder = Folder::new("opendkim-signs");
    let (path, key) = key(&folder);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let zone = serde_json::json!({ "rsa._domainkey.example.org": [["TXT", key.record()]] });
    let server = runtime.block_on(ZoneServer::start(Zone::parse(&zone.to_string()).unwrap())).unwrap();
    let signer = OpenDkim::start(
        &folder,
        "sign.conf",
        &format!("Mode s\nDomain example.org\nSelector rsa\nKeyFile {path}\nCanonicalization relaxed/simple\nInternalHosts 0.0.0.0/0\n"),
    );
    let port = free_port();
    let toml = "[policy]\nreject = \"off\"\n[auth]\nauthserv_id = \"hamgate.victim.example\"\n";
    let nameserver = server.address.to_string();
    let _daemon = Daemon::start(&folder, toml, &[format!("inet:{port}@127.0.0.1")], &["--nameserver", &nameserver]);
    let postfix = Postfix::start(&[&format!("{},inet:127.0.0.1:{port}", signer.address)], "");
    let mails = delivered(&postfix, Smtp::outside(postfix.ports[0]).unwrap(), &letters());
    let (count, wrong) = passed(&mails, "hamgate.victim.example");
    println!("we accept {count} of {} signed by opendkim", mails.len());
    assert!(wrong.is_empty() && count >= sample(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
