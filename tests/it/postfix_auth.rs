//! Authentication and signing as a real Postfix sees them.

use super::dkim::{DKIMPY_ANY, run};
use super::site::{Daemon, Folder, Postfix, Smtp, corpus, free_port, is_named, read, split};
use hamgate::auth::sign::PrivateKey;
use hamgate::auth::sign::key::Kind;
use hamgate::dns::{Zone, ZoneServer};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// A DNS server that runs as long as the runtime does.
fn dns(zone: &serde_json::Value) -> (tokio::runtime::Runtime, ZoneServer) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(ZoneServer::start(Zone::parse(&zone.to_string()).unwrap())).unwrap();
    (runtime, server)
}

fn milter() -> (String, String) {
    let port = free_port();
    (format!("inet:{port}@127.0.0.1"), format!("inet:127.0.0.1:{port}"))
}

/// MAIL FROM, From, and whether the stranger is turned away.
const STRANGERS: &[(&str, &str, bool)] = &[
    ("a@sender.example", "a@sender.example", false),
    ("a@victim.example", "a@victim.example", true),
    ("a@VICTIM.example", "a@sender.example", true),
    ("a@sender.example", "a@victim.example", true),
    ("a@sender.example", "Ann <a@Victim.Example>", true),
    ("a@sender.example", "a@sub.victim.example", true),
    ("a@sub.victim.example", "a@sender.example", true),
    ("a@spf.victim.example", "a@spf.victim.example", false),
    ("a@spf.victim.example", "a@victim.example", false),
    ("a@soft.victim.example", "a@soft.victim.example", true),
    ("a@badvictim.example", "a@badvictim.example", false),
    ("a@victim.example.sender.example", "a@sender.example", false),
    ("", "a@victim.example", false),
    ("", "mailer-daemon@sender.example", false),
    ("news@service.example", "a@victim.example", false),
    ("other@service.example", "a@victim.example", true),
    ("a@partner.example", "a@victim.example", false),
    ("a@sender.example", "a@sender.example, b@victim.example", true),
    ("a@sender.example", "<a@victim.example><a@sender.example>", true),
    ("a@sender.example", "\"a@victim.example via list\" <a@sender.example>", false),
];

#[test]
#[ignore = "needs postfix"]
fn strangers_do_not_write_in_our_name() {
    let zone = serde_json::json!({
        "spf.victim.example": ["TXT v=spf1 ip4:203.0.113.7 -all"],
        "soft.victim.example": ["TXT v=spf1 ~all"],
    });
    let (_runtime, server) = dns(&zone);
    let folder = Folder::new("own-domains");
    let (listen, address) = milter();
    let toml = "[auth]\nauthserv_id = \"mx.victim.example\"\nown_domains = [\"victim.example\"]\n\
                own_domains_except = [\"news@service.example\", \"partner.example\"]\n[policy]\nreject = \"off\"\n";
    let _daemon = Daemon::start(&folder, toml, &[listen], &["--nameserver", &server.address.to_string()]);
    let postfix = Postfix::start(&[&address], "");
    let mut smtp = Smtp::outside(postfix.ports[0]).unwrap();
    let mut wrong = Vec::new();
    let mut accepted = Vec::new();
    for (number, (mail_from, from, refused)) in STRANGERS.iter().enumerate() {
        let name = format!("box{number}");
        let raw = format!(
            "Authentication-Results: mx.victim.example; dmarc=pass header.from=victim.example\r\nFrom: {from}\r\nTo: b@victim.example\r\n\
             Subject: x\r\nDate: Wed, 25 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{number}@sender.example>\r\n\r\nhello\r\n"
        );
        let reply = smtp.send(mail_from, &format!("{name}@victim.example"), raw.as_bytes()).unwrap();
        if reply.starts_with("550 5.7.1") != *refused {
            wrong.push(format!("{mail_from} {from}: {reply}"));
        }
        if reply.starts_with("250") {
            accepted.push(name);
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {wrong:?}", wrong.len());
    for mails in postfix.delivered(&accepted, Duration::from_secs(30)) {
        let text = String::from_utf8(read(&mails[0])).unwrap();
        assert_eq!(text.matches("Authentication-Results:").count(), 1, "{text}");
        assert!(text.contains("Authentication-Results: mx.victim.example;\n\tspf="), "{text}");
        assert!(!text.contains("dmarc=pass"), "{text}");
    }
}

#[test]
#[ignore = "needs postfix, dkimpy and HAMGATE_CORPUS"]
fn what_leaves_through_postfix_is_signed_and_verifies() {
    let folder = Folder::new("signing");
    let mut records = serde_json::Map::new();
    for (selector, kind) in [("rsa", Kind::Rsa2048), ("ed", Kind::Ed25519)] {
        let text = PrivateKey::generate(kind).unwrap();
        let path = folder.write(&format!("keys/{selector}.key"), &text);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        records.insert(selector.to_owned(), PrivateKey::parse(&text).unwrap().record().into());
    }
    let keys = folder.0.join("keys").display().to_string();
    let key_table = folder.write("key.table", &format!("rsa %:rsa:{keys}/rsa.key\ned %:ed:{keys}/ed.key\n"));
    let signing_table = folder.write("signing.table", "* rsa\n* ed\n");
    let (listen, address) = milter();
    let toml = format!(
        "[policy]\nreject = \"off\"\nrewrite = \"off\"\n[dkim]\nkey_table = \"{}\"\nsigning_table = \"refile:{}\"\n",
        key_table.display(),
        signing_table.display()
    );
    let _daemon = Daemon::start(&folder, &toml, &[listen], &["--local"]);
    let postfix = Postfix::start(&[&address], "");
    let mut smtp = Smtp::connect(postfix.ports[0]).unwrap();
    smtp.command("EHLO here").unwrap();
    let mails = corpus(1000);
    let mut names = Vec::new();
    for (number, mail) in mails.iter().enumerate() {
        let name = format!("box{number}");
        // Mail that an internal host passes on from outside is not ours to sign: these must look as if written here.
        let (fields, body) = split(&read(mail));
        let fields: Vec<Vec<u8>> = fields.into_iter().filter(|field| !is_named(field, "Received")).collect();
        let raw = [fields.concat(), b"\n".to_vec(), body].concat();
        let reply = smtp.send("sender@sender.example", &format!("{name}@victim.example"), &raw).unwrap();
        assert!(reply.starts_with("250"), "{reply}");
        names.push(name);
    }
    let mut signed = 0;
    for (number, mails) in postfix.delivered(&names, Duration::from_secs(120)).iter().enumerate() {
        let raw = read(&mails[0]);
        // Ours is the topmost field below what delivery added.
        if raw.windows(24).any(|w| w == b"DKIM-Signature: v=1; a=r") && String::from_utf8_lossy(&raw).contains("s=rsa;") {
            folder.write(&format!("signed/{number:04}.eml"), "");
            std::fs::write(folder.0.join(format!("signed/{number:04}.eml")), &raw).unwrap();
            signed += 1;
        }
    }
    let python = std::env::var("HAMGATE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let signed_folder = folder.0.join("signed").display().to_string();
    let (_, out) = run(&python, &["-c", DKIMPY_ANY, &signed_folder, &serde_json::Value::from(records).to_string()], b"");
    let answer: serde_json::Value = serde_json::from_slice(&out).expect("dkimpy answered");
    println!("{signed} of {} signed; dkimpy: {answer}", mails.len());
    assert_eq!(answer[1].as_array().unwrap().len(), 0, "{answer}");
    // The rest show no single author: "phishing@pot", addresses without quotes as names, none at all.
    assert!(signed >= 800, "{signed}");
}
