//! A real Dovecot with the Sieve scripts that are shipped: moving a message to Junk and back teaches the classifier.

use crate::site::{Folder, free_port, run};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const MESSAGE: &str = "From: Ann <ann@sender.example>\r\nTo: bob@victim.example\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n\
                       Message-ID: <1@sender.example>\r\nSubject: lottery\r\n\r\nYou won the lottery.\r\n";

struct Dovecot {
    child: Child,
    folder: Folder,
    port: u16,
}

impl Dovecot {
    /// As an operator sets it up by docs/dovecot.md, in folders of its own, with `toml` as Hamgate's configuration.
    fn start(toml: &str) -> Dovecot {
        let folder = Folder::new("dovecot");
        let root = folder.0.display().to_string();
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/dovecot");
        let shipped = |name: &str| std::fs::read_to_string(examples.join(name)).unwrap();
        let config = folder.write("hamgate.toml", toml);
        let learn = shipped("hamgate-learn")
            .replace("hamgate=/usr/local/bin/hamgate", &format!("hamgate={}", env!("CARGO_BIN_EXE_hamgate")))
            .replace("owner=hamgate", "owner=mail")
            .replace("options=\n", &format!("options=\"--config {} --state {root}/state\"\n", config.display()));
        let learn = folder.write("lib/hamgate-learn", &learn);
        std::fs::set_permissions(learn, std::fs::Permissions::from_mode(0o755)).unwrap();
        let scripts = ["report-spam.sieve", "report-ham.sieve"].map(|name| folder.write(&format!("lib/{name}"), &shipped(name)));
        for name in ["run", "login", "home", "state"] {
            std::fs::create_dir_all(folder.0.join(name)).unwrap();
        }
        for name in ["home", "state", "lib"] {
            run("chown", &["-R", "mail:mail", &format!("{root}/{name}")]);
        }
        let port = free_port();
        let number = |option: &str| String::from_utf8(Command::new("id").args([option, "mail"]).output().unwrap().stdout).unwrap();
        let (uid, gid) = (number("-u"), number("-g"));
        let conf = folder.write(
            "dovecot.conf",
            &format!(
                "protocols = imap\nlisten = 127.0.0.1\nssl = no\ndisable_plaintext_auth = no\nbase_dir = {root}/run\nstate_dir = {root}/run\n\
                 log_path = {root}/log\nmail_location = maildir:~/Maildir\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n\
                 passdb {{\n  driver = static\n  args = password=secret\n}}\n\
                 userdb {{\n  driver = static\n  args = uid={} gid={} home={root}/home/%u\n}}\n\
                 service imap-login {{\n  inet_listener imap {{\n    port = {port}\n  }}\n  inet_listener imaps {{\n    port = 0\n  }}\n}}\n\
                 namespace inbox {{\n  inbox = yes\n  mailbox Junk {{\n    auto = create\n  }}\n  mailbox Trash {{\n    auto = create\n  }}\n}}\n{}",
                uid.trim(),
                gid.trim(),
                shipped("95-hamgate.conf").replace("/usr/local/lib/hamgate", &format!("{root}/lib"))
            ),
        );
        for script in scripts {
            run(
                "sievec",
                &["-c", conf.to_str().unwrap(), "-x", "+vnd.dovecot.pipe +vnd.dovecot.environment +imapsieve", script.to_str().unwrap()],
            );
        }
        let child = Command::new("dovecot").arg("-F").arg("-c").arg(&conf).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let dovecot = Dovecot { child, folder, port };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "Dovecot does not answer: {}", dovecot.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        dovecot
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.0.join("log")).unwrap_or_default()
    }

    /// Lines of the journal: source, label, whose classifier.
    fn journal(&self) -> Vec<(String, String, String)> {
        let state: PathBuf = self.folder.0.join("state");
        let out = Command::new(env!("CARGO_BIN_EXE_hamgate")).args(["bayes", "dump", "--lessons", "--state"]).arg(state).output().unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        let words = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
        text.lines().map(words).map(|w| (w[1].clone(), w[2].clone(), w[3].clone())).collect()
    }

    /// The journal says so, now or soon.
    fn learns(&self, wanted: &[(&str, &str, &str)]) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let journal = self.journal();
            let told: Vec<(&str, &str, &str)> = journal.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
            if told == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "{told:?} is not {wanted:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // SIGTERM, so that its own processes go with it.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

struct Imap {
    reader: BufReader<TcpStream>,
    number: u32,
}

impl Imap {
    fn login(port: u16, user: &str) -> Imap {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut imap = Imap { reader: BufReader::new(stream), number: 0 };
        imap.line();
        imap.ask(&format!("LOGIN {user} secret"));
        imap
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line
    }

    fn ask(&mut self, command: &str) {
        self.number += 1;
        let tag = format!("a{}", self.number);
        write!(self.reader.get_mut(), "{tag} {command}\r\n").unwrap();
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "Dovecot hung up at {command}");
            if let Some(answer) = line.strip_prefix(&tag) {
                assert!(answer.trim_start().starts_with("OK"), "{command}: {line}");
                return;
            }
        }
    }

    fn append(&mut self, mailbox: &str, message: &str) {
        // RFC 7888: a literal that need not be asked for.
        self.ask(&format!("APPEND {mailbox} {{{}+}}\r\n{message}", message.len()));
    }

    fn move_first(&mut self, from: &str, to: &str) {
        self.ask(&format!("SELECT {from}"));
        self.ask(&format!("MOVE 1 {to}"));
    }
}

#[test]
#[ignore = "needs dovecot"]
fn moving_a_message_to_junk_and_back_teaches() {
    let dovecot = Dovecot::start("");
    let mut imap = Imap::login(dovecot.port, "bob");
    imap.append("INBOX", MESSAGE);
    imap.move_first("INBOX", "Junk");
    dovecot.learns(&[("train:dovecot:bob", "spam", "-")]);
    imap.move_first("Junk", "INBOX");
    dovecot.learns(&[("train:dovecot:bob", "ham", "-")]);
    imap.move_first("INBOX", "Junk");
    dovecot.learns(&[("train:dovecot:bob", "spam", "-")]);
    // Thrown away, it stays what it is.
    imap.move_first("Junk", "Trash");
    std::thread::sleep(Duration::from_secs(2));
    dovecot.learns(&[("train:dovecot:bob", "spam", "-")]);
}

#[test]
#[ignore = "needs dovecot"]
fn each_user_teaches_the_own_classifier_where_users_have_them() {
    let dovecot = Dovecot::start("[learn]\nper_user = true\n");
    for user in ["bob", "ann@victim.example"] {
        let mut imap = Imap::login(dovecot.port, user);
        imap.append("INBOX", MESSAGE);
        imap.ask("SELECT INBOX");
        imap.ask("COPY 1 Junk");
    }
    dovecot.learns(&[("train:dovecot:bob", "spam", "bob"), ("train:dovecot:ann@victim.example", "spam", "ann@victim.example")]);
}
