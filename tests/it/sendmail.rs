//! A real Sendmail hands its mail to the daemon. Its package excludes Postfix, so it is unpacked into a folder of its own.

use crate::site::{Daemon, Folder, Smtp, corpus, free_port, is_named, read, run, split};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Recipient and message, as the last hop was given them.
type Sunk = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// An SMTP server that keeps what it is sent.
fn sink() -> (u16, Sunk) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let sunk: Sunk = Arc::default();
    std::thread::spawn({
        let sunk = Arc::clone(&sunk);
        move || {
            for stream in listener.incoming().flatten() {
                let sunk = Arc::clone(&sunk);
                std::thread::spawn(move || receive(stream, &sunk));
            }
        }
    });
    (port, sunk)
}

fn receive(mut stream: TcpStream, sunk: &Sunk) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut say = |line: &str| stream.write_all(format!("{line}\r\n").as_bytes()).ok();
    say("220 sink ESMTP")?;
    let mut to = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.get(..4).unwrap_or("").to_ascii_uppercase().as_str() {
            "EHLO" => say("250-sink\r\n250 8BITMIME")?,
            "RCPT" => {
                to = line.split(['<', '@']).nth(1).unwrap_or("").to_owned();
                say("250 ok")?;
            }
            "DATA" => {
                say("354 go on")?;
                let mut message = Vec::new();
                loop {
                    let mut line = Vec::new();
                    reader.read_until(b'\n', &mut line).ok()?;
                    if line == b".\r\n" {
                        break;
                    }
                    message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
                }
                sunk.lock().unwrap().push((to.clone(), message));
                say("250 ok")?;
            }
            "QUIT" => {
                say("221 bye")?;
                return Some(());
            }
            _ => say("250 ok")?,
        }
    }
}

struct Sendmail {
    child: Child,
    pub port: u16,
    folder: Folder,
}

impl Drop for Sendmail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The unpacked packages.
fn unpacked() -> &'static Folder {
    static UNPACKED: std::sync::OnceLock<Folder> = std::sync::OnceLock::new();
    UNPACKED.get_or_init(|| {
        let folder = Folder::new("sendmail-packages");
        let root = folder.0.display().to_string();
        // Downloads go to a folder that the sandbox user of apt can write.
        run("sh", &["-c", &format!("cd {root} && apt-get download -q sendmail-bin sendmail-cf libwrap0 >/dev/null 2>&1 || true")]);
        run("sh", &["-c", &format!("cd {root} && for deb in *.deb; do dpkg-deb -x $deb {root}; done")]);
        // The loader takes no library path for a program that runs as another group.
        run("chmod", &["g-s,u-s", &format!("{root}/usr/libexec/sendmail/sendmail")]);
        folder
    })
}

impl Sendmail {
    /// Relays everything to the sink, through the milters given (lines of `INPUT_MAIL_FILTER`).
    fn start(milter: Option<&str>, sink: u16) -> Sendmail {
        let packages = unpacked().0.display().to_string();
        let folder = Folder::new("sendmail");
        let root = folder.0.display().to_string();
        for name in ["queue", "etc"] {
            std::fs::create_dir_all(folder.0.join(name)).unwrap();
        }
        std::fs::write(folder.0.join("etc/names"), "").unwrap();
        let port = free_port();
        let filter = milter
            .map_or(String::new(), |socket| format!("INPUT_MAIL_FILTER(`hamgate', `S={socket}, F=T, T=C:30s;S:30s;R:60s;E:2m')dnl\n"));
        let mc = format!(
            "divert(-1)\ndivert(0)dnl\ninclude(`{packages}/usr/share/sendmail/cf/m4/cf.m4')dnl\nOSTYPE(`linux')dnl\n\
             define(`confDOMAIN_NAME', `mx.victim.example')dnl\ndefine(`QUEUE_DIR', `{root}/queue')dnl\n\
             define(`STATUS_FILE', `{root}/statistics')dnl\ndefine(`confPID_FILE', `{root}/pid')dnl\n\
             define(`ALIAS_FILE', `')dnl\ndefine(`confCT_FILE', `-o {root}/etc/names')dnl\ndefine(`confCW_FILE', `-o {root}/etc/names')dnl\n\
             define(`confRUN_AS_USER', `root')dnl\ndefine(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe,GroupWritableIncludeFileSafe')dnl\n\
             define(`confHOSTS_FILE', `/etc/hosts')dnl\ndefine(`confTO_IDENT', `0')dnl\ndefine(`confBAD_RCPT_THROTTLE', `0')dnl\n\
             define(`confMILTER_LOG_LEVEL', `9')dnl\ndefine(`SMART_HOST', `relay:[127.0.0.1]')dnl\n\
             define(`RELAY_MAILER_ARGS', `TCP $h {sink}')dnl\ndefine(`confDELIVERY_MODE', `background')dnl\n\
             FEATURE(`no_default_msa')dnl\nFEATURE(`promiscuous_relay')dnl\nFEATURE(`accept_unresolvable_domains')dnl\nFEATURE(`nocanonify')dnl\n\
             define(`confMAX_HEADERS_LENGTH', `1000000')dnl\ndefine(`confREFUSE_LA', `1000')dnl\ndefine(`confQUEUE_LA', `1000')dnl\ndefine(`confDELAY_LA', `0')dnl\n{filter}\
             DAEMON_OPTIONS(`Port={port}, Addr=127.0.0.1, Name=MTA')dnl\nMAILER(`smtp')dnl\n"
        );
        let mc = folder.write("sendmail.mc", &mc);
        let cf = folder.0.join("sendmail.cf");
        let made = Command::new("m4").arg(format!("-D_CF_DIR_={packages}/usr/share/sendmail/cf/")).arg(&mc).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::write(&cf, made.stdout).unwrap();
        let log = std::fs::File::create(folder.0.join("log")).unwrap();
        // A host without a domain makes Sendmail sleep for a minute; where we may, it gets a name of its own.
        let named = Command::new("unshare").args(["--uts", "true"]).status().is_ok_and(|status| status.success());
        let program = format!("{packages}/usr/libexec/sendmail/sendmail");
        let mut command = if named { Command::new("unshare") } else { Command::new(&program) };
        if named {
            command.args(["--uts", "sh", "-c", "hostname mx.victim.example; exec \"$@\"", "sh", &program]);
        }
        let child = command
            .arg("-bD")
            .arg(format!("-C{}", cf.display()))
            .env("LD_LIBRARY_PATH", format!("{packages}/lib/x86_64-linux-gnu:{packages}/usr/lib/x86_64-linux-gnu"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let sendmail = Sendmail { child, port, folder };
        let deadline = Instant::now() + Duration::from_secs(100);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || std::fs::read_to_string(sendmail.folder.0.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "Sendmail does not answer: {}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
        sendmail
    }
}

fn as_sent(raw: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let (mut fields, body) = split(raw);
    fields.retain(|field| !(field.len() > 7 && field[..7].eq_ignore_ascii_case(b"X-Spam-")));
    let newest = fields.iter().position(|field| is_named(field, "Received")).unwrap();
    fields.remove(newest);
    // Sendmail gives one to a message without; it names the queue id.
    fields.retain(|field| !(is_named(field, "Message-Id") && field.trim_ascii_end().ends_with(b"@mx.victim.example>")));
    (fields, body)
}

#[test]
#[ignore = "needs HAMGATE_CORPUS, m4 and packages of sendmail (apt-get download)"]
fn mail_through_sendmail_arrives_unchanged_but_for_our_fields() {
    // Sendmail takes no socket below a folder that others may write, as /tmp is.
    let folder = Folder::below("/run".as_ref(), "sendmail-site");
    let port = free_port();
    let socket = folder.0.join("milter.sock").display().to_string();
    let listen = [format!("inet:{port}@127.0.0.1"), format!("unix:{socket},mode=600")];
    let daemon = Daemon::start(&folder, "[policy]\nreject = \"off\"\nrewrite = \"off\"\n", &listen, &["--local"]);
    let (sink_port, sunk) = sink();
    let ways = [
        ("plain", Sendmail::start(None, sink_port)),
        ("inet", Sendmail::start(Some(&format!("inet:{port}@127.0.0.1")), sink_port)),
        ("unix", Sendmail::start(Some(&format!("unix:{socket}")), sink_port)),
    ];
    let mails = corpus(200);
    for (way, sendmail) in &ways {
        let mut smtp = Smtp::connect(sendmail.port).unwrap();
        assert!(smtp.command("EHLO mail.sender.example").unwrap().starts_with("250"));
        for (number, mail) in mails.iter().enumerate() {
            let reply = smtp.send("sender@sender.example", &format!("{way}{number}@victim.example"), &read(mail)).unwrap();
            assert!(reply.starts_with("250"), "{}: {reply}", mail.display());
        }
    }
    let deadline = Instant::now() + Duration::from_secs(120);
    while sunk.lock().unwrap().len() < 3 * mails.len() {
        assert!(Instant::now() < deadline, "{} have arrived", sunk.lock().unwrap().len());
        std::thread::sleep(Duration::from_millis(100));
    }
    let arrived: std::collections::HashMap<String, Vec<u8>> = sunk.lock().unwrap().iter().cloned().collect();
    assert_eq!(arrived.len(), 3 * mails.len(), "a message arrived more than once");
    let mut different = Vec::new();
    for way in ["inet", "unix"] {
        for (number, mail) in mails.iter().enumerate() {
            let with = &arrived[&format!("{way}{number}")];
            assert!(split(with).0.iter().any(|field| is_named(field, "X-Spam-Checker-Version")), "{}", mail.display());
            if as_sent(with) != as_sent(&arrived[&format!("plain{number}")]) {
                different.push(mail.display().to_string());
            }
        }
    }
    assert!(different.is_empty(), "{} differ: {:?}", different.len(), &different[..different.len().min(5)]);
    daemon.logged(2 * mails.len());
}
