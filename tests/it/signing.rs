//! Whose mail is signed at the milter.

use super::mailserver::{MailServer, Message, PLAIN};
use super::site::{Daemon, Folder, free_port};
use hamgate::auth::sign::PrivateKey;
use hamgate::auth::sign::key::Kind;
use std::os::unix::fs::PermissionsExt;

#[test]
fn networks_that_are_named_are_signed_for_and_strangers_are_not() {
    let folder = Folder::new("signing-networks");
    let key = folder.write("keys/sender.example/ed.key", &PrivateKey::generate(Kind::Ed25519).unwrap());
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let toml = format!("[dkim]\nkeys = \"{}\"\ninternal = [\"203.0.113.0/24\"]\n", folder.0.join("keys").display());
    let port = free_port();
    let _daemon = Daemon::start(&folder, &toml, &[format!("inet:{port}@127.0.0.1")], &["--local"]);
    let fields = [("From", " a@sender.example"), ("Subject", " x")];
    let signed = |client: &str, login: &str| {
        let mut server = MailServer::tcp(&format!("127.0.0.1:{port}")).greet();
        server.login = login.to_owned();
        server.connect(client).unwrap();
        let outcome = server.deliver(&Message { fields: &fields, ..PLAIN }).unwrap();
        outcome.edits.iter().any(|edit| String::from_utf8_lossy(&edit.1).contains("DKIM-Signature"))
    };
    assert!(signed("203.0.113.7", ""), "a network of ours");
    assert!(signed("198.51.100.7", "a@sender.example"), "a login of ours");
    assert!(!signed("198.51.100.7", ""), "a stranger");
    assert!(!signed("198.51.100.7", "b@elsewhere.example"), "a login that may not use the domain");
}
