//! What we sign verifies, with every form and key; what is not ours is not signed.

use super::*;
use crate::auth::canon::{Canonicalization, Form as Canon};
use crate::auth::dkim;
use crate::dns::{Resolver, Settings as DnsSettings, Zone, ZoneServer};
use crate::facts::DkimResult;
use std::sync::Arc;

const MAIL: &[u8] = b"Received: from x\r\nFrom: Ann <ann@example.org>\r\nTo: b@example.net\r\nSubject: long\r\n  subject\r\nDate: Wed, 25 Nov 2026 10:00:00 +0000\r\n\r\nHello  world \r\n\r\nbye\r\n\r\n\r\n";

fn entry(kind: key::Kind, selector: &str) -> Entry {
    let key = PrivateKey::parse(&PrivateKey::generate(kind).unwrap()).unwrap();
    Entry { domain: "example.org".into(), selector: selector.into(), file: "test".into(), key: Arc::new(key) }
}

fn signing(entries: Vec<Entry>, canonicalization: Canonicalization) -> Signing {
    let mut signers = Signers::default();
    for entry in entries {
        signers.add("example.org", entry, false);
    }
    let mut internal = NetSet::default();
    internal.add("127.0.0.1").unwrap();
    let form = Form { canonicalization, oversign: vec!["From".into(), "Content-Type".into()], also: Vec::new(), lifetime: 3600 };
    Signing { signers, form, internal, logins: table::Logins::default() }
}

fn local() -> Client {
    Client { ip: Some("127.0.0.1".parse().unwrap()), ..Client::default() }
}

fn signed(edits: &[Edit], mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for edit in edits {
        let Edit::Prepend { name, value } = edit else { panic!("{edit:?}") };
        out.extend_from_slice(format!("{name}: ").as_bytes());
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(mail);
    out
}

async fn results(entries: &[Entry], raw: &[u8], now: u64) -> Vec<DkimResult> {
    let zone: std::collections::HashMap<String, Vec<(String, String)>> =
        entries.iter().map(|e| (format!("{}._domainkey.example.org", e.selector), vec![("TXT".to_owned(), e.key.record())])).collect();
    let server = ZoneServer::start(Zone::parse(&serde_json::to_string(&zone).unwrap()).unwrap()).await.unwrap();
    let settings = DnsSettings { name_servers: vec![server.address.to_string()], ..DnsSettings::default() };
    let session = Resolver::new(&settings).unwrap().session();
    dkim::verify(&session, &Letter::parse(raw), now).await.iter().map(|fact| fact.result).collect()
}

#[tokio::test]
async fn what_we_sign_verifies_in_every_form_with_both_kinds_of_key() {
    let entries = vec![entry(key::Kind::Rsa2048, "rsa"), entry(key::Kind::Ed25519, "ed")];
    for header in [Canon::Simple, Canon::Relaxed] {
        for body in [Canon::Simple, Canon::Relaxed] {
            let signing = signing(entries.clone(), Canonicalization { header, body });
            let edits = signing.edits(MAIL, &local(), 1_000_000).unwrap();
            let raw = signed(&edits, MAIL);
            assert!(raw.split(|b| *b == b'\n').all(|line| line.len() <= 80), "lines are short");
            assert_eq!(results(&entries, &raw, 1_000_100).await, [DkimResult::Pass, DkimResult::Pass], "{header:?}/{body:?}");
            let lf = String::from_utf8(raw.clone()).unwrap().replace("\r\n", "\n");
            assert_eq!(results(&entries, lf.as_bytes(), 1_000_100).await, [DkimResult::Pass, DkimResult::Pass]);
            assert_eq!(results(&entries, &raw, 1_009_999).await, [DkimResult::Fail, DkimResult::Fail], "expired");
            let added = [b"Content-Type: text/html\r\n".as_slice(), &raw].concat();
            assert_eq!(results(&entries, &added, 1_000_100).await, [DkimResult::Fail, DkimResult::Fail], "oversigned");
        }
    }
}

#[test]
fn only_our_own_mail_is_signed() {
    let signing = signing(vec![entry(key::Kind::Ed25519, "ed")], Canonicalization::RELAXED);
    let client = |ip: &str, login: &str| Client { ip: Some(ip.parse().unwrap()), login: login.to_owned(), ..Client::default() };
    for (client, raw, signs) in [
        (client("127.0.0.1", ""), MAIL, true),
        (client("192.0.2.1", ""), MAIL, false),
        (client("192.0.2.1", "ann@example.org"), MAIL, true),
        (client("192.0.2.1", "eve@example.net"), MAIL, false),
        (client("192.0.2.1", "plain"), MAIL, true),
        (Client::default(), MAIL, true),
        (client("127.0.0.1", ""), b"From: a@example.net\r\n\r\n", false),
        (client("127.0.0.1", ""), b"From: a@sub.example.org\r\n\r\n", false),
        (client("127.0.0.1", ""), b"From: a@example.org, b@example.net\r\n\r\n", false),
        (client("127.0.0.1", ""), b"From: a@example.org\r\nFrom: b@example.org\r\n\r\n", false),
        (client("127.0.0.1", ""), b"Subject: x\r\n\r\n", false),
    ] {
        assert_eq!(signing.edits(raw, &client, 1).is_ok(), signs, "{client:?} {}", String::from_utf8_lossy(raw));
    }
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = std::env::temp_dir().join(format!("hamgate-key-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("s.key");
    std::fs::write(&file, PrivateKey::generate(key::Kind::Ed25519).unwrap()).unwrap();
    for (mode, good) in [(0o600, true), (0o400, true), (0o640, true), (0o644, false), (0o660, false), (0o604, false)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(PrivateKey::read(&file).is_ok(), good, "{mode:o}");
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let link = folder.join("link.key");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert!(PrivateKey::read(&link).is_err(), "a link may lead elsewhere tomorrow");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    assert!(PrivateKey::read(&file).is_err(), "a folder that everybody may write to");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A folder with OpenDKIM's files, each as `(name, text)`.
fn site(name: &str, files: &[(&str, String)]) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let folder = std::env::temp_dir().join(format!("hamgate-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (file, text) in files {
        let path = folder.join(file);
        std::fs::write(&path, text.replace("@DIR@", folder.to_str().unwrap())).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    folder
}

#[test]
fn tables_of_opendkim_are_read_as_they_are() {
    let folder = site(
        "tables",
        &[
            ("a.key", PrivateKey::generate(key::Kind::Rsa2048).unwrap()),
            ("b.key", PrivateKey::generate(key::Kind::Ed25519).unwrap()),
            ("key.table", "# keys\nrsa example.org:s1:@DIR@/a.key\ned example.org:s2:@DIR@/b.key\nany %:s3:@DIR@/b.key\n".to_owned()),
            ("signing.table", "*@example.org rsa\n*@example.org ed\n*@*.example.net any\n*@example.com missing\n".to_owned()),
            ("opendkim.conf", "KeyTable @DIR@/key.table\nSigningTable refile:@DIR@/signing.table\nSocket inet:8891@localhost\nMode sv\nCanonicalization relaxed/simple\n".to_owned()),
        ],
    );
    let import = opendkim::read(&folder.join("opendkim.conf"));
    let signers = &import.signing.signers;
    let selectors = |address: &str| -> Vec<String> {
        let domain = address.rsplit_once('@').unwrap().1;
        signers.for_author(address, domain).iter().map(|e| format!("{}:{}", e.signing_domain(domain), e.selector)).collect()
    };
    assert_eq!(selectors("ann@example.org"), ["example.org:s1", "example.org:s2"]);
    assert_eq!(selectors("bob@x.example.net"), ["x.example.net:s3"]);
    assert_eq!(selectors("bob@example.net"), Vec::<String>::new());
    assert_eq!(import.socket.as_deref(), Some("inet:8891@localhost"));
    let told: Vec<&str> = import.complaints.iter().map(|c| c.what.as_str()).collect();
    assert_eq!(told, ["mode has no effect", "no key is named \"missing\""]);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_plain_opendkim_conf_signs_for_its_domain() {
    let folder = site(
        "plain",
        &[
            ("a.key", PrivateKey::generate(key::Kind::Rsa2048).unwrap()),
            (
                "opendkim.conf",
                "Domain example.org\nKeyFile @DIR@/a.key\nSelector mail\nSocket inet:8891@localhost\nSubDomains yes\n".to_owned(),
            ),
        ],
    );
    let import = opendkim::read(&folder.join("opendkim.conf"));
    assert!(import.complaints.is_empty(), "{:?}", import.complaints);
    assert!(import.signing.edits(MAIL, &local(), 1).is_ok());
    let sub = import.signing.signers.for_author("a@sub.example.org", "sub.example.org");
    assert_eq!(sub[0].signing_domain("sub.example.org"), "example.org");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn keys_lie_in_folders_by_domain() {
    let folder = site("folders", &[]);
    let files = site("folders/example.org", &[]);
    let _ = files;
    let inside = folder.join("example.org");
    std::fs::create_dir_all(&inside).unwrap();
    for (name, kind) in [("rsa.key", key::Kind::Rsa2048), ("ed.key", key::Kind::Ed25519)] {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(inside.join(name)).unwrap();
        file.write_all(PrivateKey::generate(kind).unwrap().as_bytes()).unwrap();
    }
    let mut complaints = Vec::new();
    let signers = Signers::of_folder(&folder, &mut complaints);
    assert!(complaints.is_empty(), "{complaints:?}");
    assert_eq!(signers.for_author("a@example.org", "example.org").len(), 2);
    assert_eq!(signers.for_author("a@other.example", "other.example").len(), 0);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn each_fault_of_a_published_key_has_its_word_and_status() {
    use crate::base::units::Span;
    let own = entry(key::Kind::Rsa2048, "good");
    let ed = entry(key::Kind::Ed25519, "ed");
    let other = entry(key::Kind::Rsa2048, "other");
    let short = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";
    let record = own.key.record();
    // Cut where a panel drops the second string of a long record.
    let cut = &record[..250 - 250 % 4 + 2];
    let asn1 = format!("v=DKIM1; k=ed25519; p={}", crate::auth::base64::encode(&[&[0x30u8, 0x2a, 0x30, 0x05][..], &[0; 40]].concat()));
    let faults: [(&str, Vec<String>, &Entry, &str, u8); 13] = [
        ("good", vec![record.clone()], &own, "good", 0),
        ("ed", vec![ed.key.record()], &ed, "good", 0),
        ("wildcard", vec!["v=spf1 -all".to_owned(), record.clone()], &own, "good", 0),
        ("missing", vec![], &own, "missing", 3),
        ("foreign", vec!["v=spf1 -all".to_owned()], &own, "missing", 3),
        ("mismatched", vec![other.key.record()], &own, "mismatched", 4),
        ("short", vec![format!("v=DKIM1; p={short}")], &own, "short", 5),
        ("cut", vec![cut.to_owned()], &own, "wrong-length", 6),
        ("asn1", vec![asn1], &ed, "wrong-length", 6),
        ("several", vec![record.clone(), other.key.record()], &own, "several", 7),
        ("revoked", vec!["v=DKIM1; p=".to_owned()], &own, "revoked", 8),
        ("malformed", vec!["v=DKIM1; k=rsa; p=***".to_owned()], &own, "malformed", 9),
        ("other-service", vec![format!("s=tlsrpt; {}", record.trim_start_matches("v=DKIM1; "))], &own, "not-for-mail", 10),
    ];
    let mut zone = serde_json::Map::new();
    for (name, records, ..) in &faults {
        let records: Vec<serde_json::Value> = records.iter().map(|text| serde_json::json!(["TXT", text])).collect();
        zone.insert(format!("{name}._domainkey.example.org"), records.into());
    }
    zone.insert("silent._domainkey.example.org".to_owned(), serde_json::json!(["TIMEOUT"]));
    zone.insert("alias._domainkey.example.org".to_owned(), serde_json::json!(["CNAME alias._domainkey.example.org"]));
    let server = ZoneServer::start(Zone::parse(&serde_json::Value::from(zone).to_string()).unwrap()).await.unwrap();
    let settings = DnsSettings {
        name_servers: vec![server.address.to_string()],
        timeout: Span(std::time::Duration::from_millis(200)),
        retries: 0,
        ..DnsSettings::default()
    };
    let session = Resolver::new(&settings).unwrap().session();
    for (name, _, private, word, status) in &faults {
        let (found, code) = match testkey::test(&session, "example.org", name, Some(&private.key)).await {
            Ok(_) => ("good", 0),
            Err(fault) => (fault.word(), fault.status()),
        };
        assert_eq!((found, code), (*word, *status), "{name}");
    }
    for silent in ["silent", "alias"] {
        let fault = testkey::test(&session, "example.org", silent, None).await.unwrap_err();
        assert_eq!((fault.word(), fault.status()), ("silent", 12));
    }
}

async fn chain(entries: &[Entry], raw: &[u8]) -> crate::auth::arc::Arc {
    let zone: std::collections::HashMap<String, Vec<(String, String)>> =
        entries.iter().map(|e| (format!("{}._domainkey.example.org", e.selector), vec![("TXT".to_owned(), e.key.record())])).collect();
    let server = ZoneServer::start(Zone::parse(&serde_json::to_string(&zone).unwrap()).unwrap()).await.unwrap();
    let settings = DnsSettings { name_servers: vec![server.address.to_string()], ..DnsSettings::default() };
    let session = Resolver::new(&settings).unwrap().session();
    crate::auth::arc::verify(&session, &Letter::parse(raw), 1_000_010).await
}

#[tokio::test]
async fn a_chain_of_our_seals_passes_until_somebody_changes_the_message() {
    for kind in [key::Kind::Rsa2048, key::Kind::Ed25519] {
        let entries = vec![entry(kind, "seal")];
        let signing = signing(entries.clone(), Canonicalization::RELAXED);
        let mut raw = MAIL.to_vec();
        let mut state = ArcResult::None;
        for hand in 1..=3 {
            let results = format!("mx{hand}.example.org;\n\tspf=pass smtp.mailfrom=example.org;\n\tdkim=none");
            let edits = signing.seal(&raw, "example.org", state, &results, 1_000_000 + hand).unwrap();
            raw = signed(&edits, &raw);
            let found = chain(&entries, &raw).await;
            assert_eq!((found.result, found.sealer.as_deref()), (ArcResult::Pass, Some("example.org")), "{} {}", hand, found.reason);
            state = found.result;
        }
        let mut changed = raw.clone();
        changed.extend_from_slice(b"One more line.\r\n");
        assert_eq!(chain(&entries, &changed).await.result, ArcResult::Fail);
        // A broken chain is sealed as broken, once; after that nobody seals.
        let edits = signing.seal(&changed, "example.org", ArcResult::Fail, "mx4.example.org; arc=fail", 1_000_005).unwrap();
        let closed = signed(&edits, &changed);
        assert!(String::from_utf8_lossy(&closed).contains("cv=fail"));
        assert_eq!(chain(&entries, &closed).await.result, ArcResult::Fail);
        assert!(signing.seal(&closed, "example.org", ArcResult::Fail, "mx5.example.org; arc=fail", 1_000_006).is_err());
        assert!(signing.seal(&raw, "example.net", ArcResult::Pass, "mx; none", 1).is_err(), "no key of that domain");
    }
}
