//! Access tables as mail servers meet them; and that nothing changes while a check only observes.

use crate::greylist::{client, daemon, reply, send};
use crate::mailserver::{Message, PLAIN};
use crate::site::{Daemon, Folder};

const FROM: &str = "<a@sender.example>";
const TO: &[&str] = &["<b@victim.example>"];

#[test]
fn a_line_answers_with_its_own_text() {
    let folder = Folder::new("access");
    let table = |name: &str, text: &str| folder.write(name, text).display().to_string();
    let clients = table("clients", "192.0.2.5 REJECT go away,\n  really\n198.51 550 5.7.0 not from there\n");
    let cidr = table("clients.cidr", "203.0.113.0/28 DEFER come later\n");
    let helo = table("helo.pcre", "/^bad\\.(.*)$/ REJECT $1 is bad\n");
    let senders = table("senders", "spam@ 451 4.7.0 slowly\nblocked.example REJECT\n<> DISCARD\n");
    let recipients = table("recipients", "gone@victim.example 550 5.1.1 left us\n");
    let toml = format!(
        "[access]\nclient = [\"{clients}\", \"cidr:{cidr}\"]\nhelo = [\"pcre:{helo}\"]\nsender = [\"hash:{senders}\"]\nrecipient = [\"{recipients}\"]\n"
    );
    let daemon = daemon(&folder, &toml, &[]);
    for (ip, from, to, wanted) in [
        ("192.0.2.5", FROM, TO[0], "554 5.7.1 <mail.sender.example[192.0.2.5]>: Client host rejected: go away, really"),
        ("198.51.100.1", FROM, TO[0], "550 5.7.0 <mail.sender.example[198.51.100.1]>: Client host rejected: not from there"),
        ("203.0.113.9", FROM, TO[0], "450 4.7.1 <mail.sender.example[203.0.113.9]>: Client host rejected: come later"),
        ("192.0.2.6", "<Spam@x.example>", TO[0], "451 4.7.0 <Spam@x.example>: Sender address rejected: slowly"),
        ("192.0.2.6", "<x@sub.blocked.example>", TO[0], "554 5.7.1 <x@sub.blocked.example>: Sender address rejected: Access denied"),
        ("192.0.2.6", "<>", TO[0], "d"),
        ("192.0.2.6", FROM, "<gone@victim.example>", "550 5.1.1 <gone@victim.example>: Recipient address rejected: left us"),
        ("192.0.2.6", FROM, TO[0], "c"),
        ("127.0.0.1", "<spam@x.example>", TO[0], "c"),
    ] {
        assert_eq!(reply(&send(&daemon, ip, from, &[to])), wanted, "{ip} {from} {to}");
    }
    let mut ours = client(&daemon, "192.0.2.5");
    ours.login = "ann".to_owned();
    assert_eq!(reply(&ours.deliver(&PLAIN).unwrap()), "c", "who logged in may come from anywhere");
    folder.write("clients", "192.0.2.6 REJECT now you\n");
    assert!(daemon.reload());
    assert_eq!(reply(&send(&daemon, "192.0.2.5", FROM, TO)), "c");
    assert!(reply(&send(&daemon, "192.0.2.6", FROM, TO)).ends_with("now you"));
}

#[test]
fn ok_spares_greylist_and_limits_and_hold_holds() {
    let folder = Folder::new("ok");
    let clients = folder.write("clients", "192.0.2.5 OK\n192.0.2.7 HOLD look at this\n").display().to_string();
    let friends = folder.write("friends", "friend@ OK\n").display().to_string();
    let toml = format!(
        "[access]\nclient = [\"{clients}\"]\npersonal = [{{ recipients = [\"ann@victim.example\"], sender = [\"{friends}\"] }}]\n\
         [greylist]\nmode = \"on\"\napplies = \"always\"\nskip_correspondents = false\n\
         [[limit]]\nby = \"client\"\ncount = \"messages\"\nmost = 2\nper = \"1 h\"\n"
    );
    let daemon = daemon(&folder, &toml, &[]);
    for _ in 0..4 {
        assert_eq!(reply(&send(&daemon, "192.0.2.5", FROM, TO)), "c");
    }
    assert!(reply(&send(&daemon, "192.0.2.6", FROM, TO)).starts_with("450 4.7.1 greylisted"));
    assert_eq!(reply(&send(&daemon, "192.0.2.6", "<friend@far.example>", &["<ann@victim.example>"])), "c");
    assert!(reply(&send(&daemon, "192.0.2.8", "<friend@far.example>", TO)).starts_with("450 4.7.1 greylisted"));
    let held = send(&daemon, "192.0.2.7", FROM, TO);
    // A stranger waits first; what is held is what came back.
    assert!(reply(&held).starts_with("450 "));
}

#[test]
fn hold_is_carried_out_when_the_message_has_come() {
    let folder = Folder::new("hold");
    let clients = folder.write("clients", "192.0.2.7 HOLD look at this\n").display().to_string();
    let daemon = daemon(&folder, &format!("[access]\nclient = [\"{clients}\"]\n"), &[]);
    let held = send(&daemon, "192.0.2.7", FROM, TO);
    assert_eq!(reply(&held), "c");
    assert!(held.edits.contains(&('q', b"look at this\0".to_vec())), "{:?}", held.edits);
}

#[test]
fn a_mistake_names_file_and_line_and_a_missing_table_keeps_the_old() {
    let folder = Folder::new("mistakes");
    let clients = folder.write("clients", "192.0.2.5 REJECT no\n192.0.2.6 REJCT\n").display().to_string();
    let daemon = daemon(&folder, &format!("[access]\nclient = [\"{clients}\"]\n"), &[]);
    daemon.says(&format!("{clients}:2: 192.0.2.6: \\\"REJCT\\\" is no action"));
    std::fs::remove_file(&clients).unwrap();
    assert!(!daemon.reload());
    assert!(reply(&send(&daemon, "192.0.2.5", FROM, TO)).ends_with("rejected: no"));
    let config = folder.0.join("hamgate.toml");
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_hamgate")).args(["check", "--config"]).arg(&config).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stdout).contains(&format!("{clients}: cannot be read")));
}

/// Every answer and edit of a busy hour, as octets.
fn busy_hour(daemon: &Daemon) -> Vec<String> {
    let mut heard = Vec::new();
    for round in 0..3 {
        for ip in ["192.0.2.1", "192.0.2.5", "198.51.100.1"] {
            let mut server = client(daemon, ip);
            for from in [FROM, "<blocked@sender.example>", "<>"] {
                heard.push(format!("{ip} {from} {round}: {:?}", server.deliver(&Message { from, ..PLAIN }).unwrap()));
            }
            server.ask('M', b"<a@sender.example>\0").unwrap();
            server.macros('R', &[("{rcpt_mailer}", "error")]).unwrap();
            heard.push(format!("{:?}", server.ask('R', b"<nobody@victim.example>\0").unwrap()));
            server.macros('R', &[("{rcpt_mailer}", "local")]).unwrap();
            heard.push(format!("{:?}", server.ask('R', b"<held@victim.example>\0").unwrap()));
            server.send('A', b"").unwrap();
        }
    }
    heard
}

#[test]
fn a_check_that_observes_changes_no_octet_and_tells_what_it_would_have_done() {
    let folder = Folder::new("observe-off");
    let plain = busy_hour(&daemon(&folder, "", &[]));
    let tables = Folder::new("observe-tables");
    let clients = tables.write("clients", "192.0.2.5 REJECT no\n192.0.2.1 HOLD\n").display().to_string();
    let senders = tables.write("senders", "blocked@ 450 later\n<> DISCARD\nsender.example OK\n").display().to_string();
    let checks = [
        ("access", format!("[access]\nmode = \"observe\"\nclient = [\"{clients}\"]\nsender = [\"{senders}\"]\n")),
        ("greylist", "[greylist]\nmode = \"observe\"\napplies = \"always\"\n".to_owned()),
        ("greylist", "[greylist]\nmode = \"observe\"\napplies = \"always\"\ndelay = \"1 ms\"\n".to_owned()),
        ("greylist", "[greylist]\nmode = \"observe\"\napplies = \"always\"\nat = \"recipient\"\n".to_owned()),
        ("limit", "[[limit]]\nby = \"client\"\ncount = \"messages\"\nmost = 1\nper = \"1 h\"\nmode = \"observe\"\n".to_owned()),
        ("limit", "[[limit]]\nby = \"network\"\ncount = \"connections\"\nmost = 0\nmode = \"observe\"\n".to_owned()),
        ("harvest", "[harvest]\nmode = \"observe\"\nmost = 1\n".to_owned()),
    ];
    for (number, (name, toml)) in checks.into_iter().enumerate() {
        let folder = Folder::new(&format!("observe-{number}"));
        let daemon = daemon(&folder, &toml, &[]);
        let heard = busy_hour(&daemon);
        for (one, other) in plain.iter().zip(&heard) {
            assert_eq!(one, other, "{toml}");
        }
        if !toml.contains("1 ms") {
            daemon.says(&format!("\"check\":\"{name}\",\"would_have\":\""));
        }
    }
}
