//! The real antivirus daemon, with a signature file made here, and a real Postfix in front of it.

use super::ambiguous_shapes::{payload, shapes};
use super::attachment_files::{letter, pdf, zip};
use crate::site::{Daemon, Folder, Postfix, Smtp, free_port};
use hamgate::base::settings;
use hamgate::facts::{Answer, Virus};
use hamgate::mail::{Mail, Wanted};
use hamgate::virus::{Scanner, Settings};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Clamd(Child);

impl Drop for Clamd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// clamd with one signature: the test file of EICAR, by its octets.
fn clamd(folder: &Folder) -> (Clamd, String) {
    let socket = folder.0.join("clamd.sock").display().to_string();
    let signatures = folder.0.join("signatures");
    std::fs::create_dir_all(&signatures).unwrap();
    let hex: String = payload().iter().map(|octet| format!("{octet:02x}")).collect();
    std::fs::write(signatures.join("test.ndb"), format!("Test.Eicar:0:*:{hex}\n")).unwrap();
    let text = format!(
        "LocalSocket {socket}\nLocalSocketMode 666\nDatabaseDirectory {}\nForeground yes\nLogFile {}\nOfficialDatabaseOnly no\n",
        signatures.display(),
        folder.0.join("clamd.log").display()
    );
    let file = folder.0.join("clamd.conf");
    std::fs::write(&file, text).unwrap();
    let child = Command::new("clamd").arg("--config-file").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let daemon = Clamd(child);
    let began = Instant::now();
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(began.elapsed() < Duration::from_secs(60), "clamd does not listen");
        std::thread::sleep(Duration::from_millis(100));
    }
    (daemon, socket)
}

fn scanner(socket: &str) -> Scanner {
    let text = format!("servers = [\"unix:{socket}\"]");
    let table = toml::de::DeTable::parse(&text).unwrap().into_inner();
    Scanner::new(&settings::read::<Settings>(table).0).unwrap().unwrap()
}

#[test]
#[ignore = "needs clamd"]
fn the_daemon_finds_what_is_attached_packed_or_hidden() {
    let folder = Folder::new("clamd");
    let (_clamd, socket) = clamd(&folder);
    let scanner = scanner(&socket);
    let ask = |raw: Vec<u8>| {
        scanner.inspect(&Mail::parse(raw).wanting(Wanted { readings: true, ..Wanted::default() }), Instant::now() + Duration::from_secs(30))
    };
    assert_eq!(ask(letter("clean", "a.txt", b"nothing")), Answer::Known(Virus::Clean));
    let found = |answer: &Answer<Virus>| matches!(answer, Answer::Known(Virus::Found(name)) if name.starts_with("Test.Eicar"));
    let file = payload();
    assert!(found(&ask(letter("x", "a.com", &file))));
    assert!(found(&ask(letter("x", "a.zip", &zip(&[("a.com", &file)], true)))));
    // One in ten of the shapes that other readers do not see through.
    let all = shapes();
    let some: Vec<_> = all.iter().step_by(10).collect();
    let count = some.iter().filter(|shape| found(&ask(shape.raw.clone()))).count();
    println!("{count} of {} hidden ones found", some.len());
    assert!(count * 100 >= some.len() * 95, "{count} of {}", some.len());
}

#[test]
#[ignore = "needs postfix and clamd"]
fn what_the_daemon_finds_is_refused_and_its_absence_is_told() {
    let folder = Folder::new("virus");
    let (clamd, socket) = clamd(&folder);
    let rules = folder.0.join("site.cf");
    std::fs::write(&rules, "body NO_EXE eval:attachment_extension('exe','scr')\ndescribe NO_EXE A program\nscore NO_EXE 20\n").unwrap();
    let toml = format!(
        "[virus]\nservers = [\"unix:{socket}\"]\n[rules]\nadd = [\"{}\"]\n[policy]\nreject = \"HG_VIRUS || NO_EXE\"\ntempfail = \"HG_VIRUS_UNSEEN\"\n\
         groups = [{{ recipients = [\"box7@victim.example\"], reject = \"HG_VIRUS\" }}]\n\
         [policy.trusted]\nreject = \"HG_VIRUS || NO_EXE\"\n[dns]\nname_servers = [\"127.0.0.1:9\"]\ndeadline = \"1 s\"\n",
        rules.display()
    );
    let port = free_port();
    let daemon = Daemon::start(&folder, &toml, &[format!("inet:{port}@127.0.0.1")], &[]);
    let postfix = Postfix::start(&[&format!("inet:127.0.0.1:{port}")], "");
    let send = |name: &str, raw: &[u8]| {
        let mut smtp = Smtp::outside(postfix.ports[0]).unwrap();
        smtp.send("sender@sender.example", &format!("{name}@victim.example"), raw).unwrap()
    };
    let taken = send("box0", &letter("clean", "a.txt", b"nothing"));
    assert!(taken.starts_with("250"), "{taken} {}", daemon.log_text());
    let refused = send("box1", &letter("x", "a.com", &payload()));
    assert!(refused.starts_with("550"), "{refused}");
    let program = zip(&[("tool/setup.exe", b"MZ harmless")], true);
    let inner = [b"Subject: fwd\r\nContent-Type: message/rfc822\r\n\r\n".as_slice(), &letter("look", "a.zip", &program)].concat();
    let outer =
        [b"From: <a@sender.example>\r\nSubject: fwd\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n".as_slice(), &inner]
            .concat();
    let refused = send("box2", &outer);
    assert!(refused.starts_with("550"), "{refused}");
    let taken = send("box7", &letter("look", "a.zip", &program));
    assert!(taken.starts_with("250"), "the laboratory takes programs: {taken}");
    // A flag of the local header, and of the directory: the entry is encrypted.
    let mut locked = zip(&[("a.txt", b"secret")], true);
    let directory = memchr::memmem::rfind(&locked, b"PK\x01\x02").unwrap();
    locked[6] |= 1;
    locked[directory + 8] |= 1;
    let taken = send("box4", &letter("The password is: 4711ab", "a.zip", &locked));
    assert!(taken.starts_with("250"), "{taken}");
    let boxes = postfix.delivered(&["box4".to_owned()], Duration::from_secs(60));
    let delivered = crate::site::read(&boxes[0][0]);
    assert!(memchr::memmem::find(&delivered, b"HG_ATTACH_PASSWORD").is_some(), "{}", String::from_utf8_lossy(&delivered));
    let docx = zip(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<w:document>text</w:document>")], true);
    for (name, file, bytes) in [("box5", "minutes.pdf", pdf("/Lang (en)")), ("box6", "minutes.docx", docx)] {
        let taken = send(name, &letter("Dear Anna,\r\nthe minutes are attached.", file, &bytes));
        assert!(taken.starts_with("250"), "{taken}");
        let boxes = postfix.delivered(&[name.to_owned()], Duration::from_secs(60));
        let delivered = crate::site::read(&boxes[0][0]);
        assert!(memchr::memmem::find(&delivered, b"score=0.0").is_some(), "{file}: {}", String::from_utf8_lossy(&delivered));
    }
    drop(clamd);
    let deferred = send("box3", &letter("clean", "a.txt", b"nothing"));
    assert!(deferred.starts_with("451") || deferred.starts_with("4"), "{deferred}");
}

#[test]
#[ignore = "needs clamd"]
fn scan_asks_the_daemon_that_is_configured() {
    let folder = Folder::new("clamd-scan");
    let (_clamd, socket) = clamd(&folder);
    let file = |name: &str, text: &[u8]| {
        let path = folder.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let config = file("hamgate.toml", format!("[virus]\nservers = [\"unix:{socket}\"]\n").as_bytes());
    let zone = file("zone.json", b"{}");
    let mails = [file("clean.eml", &letter("clean", "a.txt", b"nothing")), file("virus.eml", &letter("x", "a.com", &payload()))];
    let scan = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hamgate"));
        command.args(["scan", "--json", "--no-bayes", "--zone"]).arg(&zone).arg("--config").arg(&config).args(more).args(&mails);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.contains("\"HG_VIRUS\"")).collect::<Vec<bool>>()
    };
    assert_eq!(scan(&[]), [false, true]);
    assert_eq!(scan(&["--local"]), [false, false]);
}
