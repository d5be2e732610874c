//! A mail site of the test's own: the daemon as operators run it, a Postfix beside it, an SMTP client, mailboxes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A folder that other users may enter, gone with the test (kept where HAMGATE_KEEP is set).
pub struct Folder(pub PathBuf);

static FOLDERS: AtomicU32 = AtomicU32::new(0);

impl Folder {
    pub fn new(name: &str) -> Folder {
        Folder::below(&std::env::temp_dir(), name)
    }

    pub fn below(parent: &Path, name: &str) -> Folder {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("hamgate-{name}-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Folder(path)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::env::var_os("HAMGATE_KEEP").is_none() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What a variable such as HAMGATE_CORPUS names.
pub fn given(variable: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(variable).unwrap_or_else(|| panic!("set {variable}")))
}

/// All files below a folder, sorted.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// As many as HAMGATE_SAMPLE says, else `whole`.
pub fn sample(whole: usize) -> usize {
    std::env::var("HAMGATE_SAMPLE").ok().and_then(|text| text.parse().ok()).unwrap_or(whole)
}

/// At most `most` messages of the corpus, spread over all of it, in a fixed order.
pub fn corpus(most: usize) -> Vec<PathBuf> {
    let root = given("HAMGATE_CORPUS");
    let mut all = files_below(&root);
    // A file beside the folders describes them.
    all.retain(|path| path.parent() != Some(&root));
    let step = (all.len() / most).max(1);
    all.into_iter().step_by(step).take(most).collect()
}

/// The daemon, as a process.
pub struct Daemon {
    pub child: Child,
    arguments: Vec<String>,
    pub state: PathBuf,
    pub log: PathBuf,
    pub listen: Vec<String>,
}

impl Daemon {
    /// With a configuration file of `toml` (its log as JSON), listening on all of `listen`.
    pub fn start(folder: &Folder, toml: &str, listen: &[String], more: &[&str]) -> Daemon {
        let config = folder.write("hamgate.toml", &format!("{toml}\n[log]\nformat = \"json\"\n"));
        let state = folder.0.join("state");
        let mut arguments = vec!["serve".to_owned(), "--config".to_owned(), config.display().to_string()];
        arguments.extend(["--state".to_owned(), state.display().to_string()]);
        arguments.extend(listen.iter().flat_map(|at| ["--listen".to_owned(), at.clone()]));
        arguments.extend(more.iter().map(|argument| argument.to_string()));
        let log = folder.0.join("hamgate.log");
        let child = Daemon::spawn(&arguments, &log);
        let daemon = Daemon { child, arguments, state, log, listen: listen.to_vec() };
        daemon.wait();
        daemon
    }

    fn spawn(arguments: &[String], log: &Path) -> Child {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        Command::new(env!("CARGO_BIN_EXE_hamgate")).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    /// Until it takes connections.
    pub fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let answers = |at: &String| match at.split_once(':').unwrap() {
            ("unix", rest) => std::os::unix::net::UnixStream::connect(rest.split(',').next().unwrap()).is_ok(),
            (_, rest) => {
                let (port, host) = rest.split_once('@').unwrap();
                TcpStream::connect((host, port.parse::<u16>().unwrap())).is_ok()
            }
        };
        while !self.listen.iter().all(answers) {
            assert!(Instant::now() < deadline, "the daemon does not answer: {}", self.log_text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn restart(&mut self) {
        self.child = Daemon::spawn(&self.arguments, &self.log);
    }

    /// SIGTERM; answers exit status and how long it took.
    pub fn stop(&mut self) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        self.signal("TERM");
        let status = self.child.wait().unwrap();
        (status.code(), begun.elapsed())
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub fn reload(&self) -> bool {
        let state = self.state.display().to_string();
        Command::new(env!("CARGO_BIN_EXE_hamgate"))
            .args(["reload", "--state", &state])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }

    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The log lines of so many messages; a line is written after the reply.
    pub fn logged(&self, count: usize) -> Vec<serde_json::Value> {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let messages = self.messages();
            if messages.len() >= count || Instant::now() > deadline {
                assert_eq!(messages.len(), count);
                return messages;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The log says this, now or soon: lines are written by a thread of their own.
    pub fn says(&self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while !self.log_text().contains(text) {
            assert!(Instant::now() < deadline, "the log does not say {text}: {}", self.log_text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn messages(&self) -> Vec<serde_json::Value> {
        let text = self.log_text();
        text.lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|line| line["event"] == "message")
            .collect()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Postfix instance with its own configuration, queue and ports, delivering to Maildirs below `boxes`.
pub struct Postfix {
    pub folder: Folder,
    /// One SMTP port for each milter address given; the address "" means none.
    pub ports: Vec<u16>,
}

const SERVICES: &str = "\
pickup    unix  n  -  n  60  1  pickup
cleanup   unix  n  -  n  -   0  cleanup
qmgr      unix  n  -  n  300 1  qmgr
rewrite   unix  -  -  n  -   -  trivial-rewrite
bounce    unix  -  -  n  -   0  bounce
defer     unix  -  -  n  -   0  bounce
trace     unix  -  -  n  -   0  bounce
verify    unix  -  -  n  -   1  verify
flush     unix  n  -  n  1000? 0 flush
proxymap  unix  -  -  n  -   -  proxymap
error     unix  -  -  n  -   -  error
retry     unix  -  -  n  -   -  error
discard   unix  -  -  n  -   -  discard
virtual   unix  -  n  n  -   -  virtual
anvil     unix  -  -  n  -   1  anvil
postlog   unix-dgram n - n - 1 postlogd
";

impl Postfix {
    pub fn start(milters: &[&str], more: &str) -> Postfix {
        let folder = Folder::new("postfix");
        let root = folder.0.display().to_string();
        for (name, owner) in [("spool", "root"), ("data", "postfix"), ("boxes", "nobody")] {
            std::fs::create_dir_all(folder.0.join(name)).unwrap();
            run("chown", &[owner, &format!("{root}/{name}")]);
        }
        std::fs::set_permissions(folder.0.join("boxes"), std::fs::Permissions::from_mode(0o777)).unwrap();
        let nobody = String::from_utf8(Command::new("id").args(["-u", "nobody"]).output().unwrap().stdout).unwrap();
        let group = String::from_utf8(Command::new("id").args(["-g", "nobody"]).output().unwrap().stdout).unwrap();
        let names = ["plain", "inet", "unix", "box"].iter().flat_map(|way| (0..1100).map(move |number| format!("{way}{number}")));
        let boxes: String = names.map(|name| format!("{name}@victim.example {name}/\n")).collect();
        folder.write("etc/boxes", &boxes);
        folder.write(
            "etc/main.cf",
            &format!(
                "compatibility_level = 3.6\nqueue_directory = {root}/spool\ndata_directory = {root}/data\nmail_owner = postfix\n\
                 setgid_group = postdrop\nmyhostname = mx.victim.example\nmydestination =\nmynetworks = 192.0.2.254/32\n\
                 inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmaillog_file = {root}/log\nmaillog_file_prefixes = {root}\n\
                 virtual_mailbox_domains = victim.example\nvirtual_mailbox_base = {root}/boxes\n\
                 virtual_mailbox_maps = texthash:{root}/etc/boxes\nvirtual_uid_maps = static:{}\nvirtual_gid_maps = static:{}\n\
                 virtual_mailbox_limit = 0\nsmtpd_authorized_xclient_hosts = 127.0.0.0/8\nsmtpd_peername_lookup = no\n\
                 milter_default_action = tempfail\nmilter_content_timeout = 60s\nmessage_size_limit = 50000000\n\
                 smtpd_error_sleep_time = 0\nsmtpd_hard_error_limit = 100000\nsmtpd_soft_error_limit = 100000\n\
                 smtpd_client_connection_count_limit = 0\ndefault_process_limit = 200\nsmtpd_junk_command_limit = 100000\n\
                 in_flow_delay = 0\nalias_maps =\nalias_database =\n{more}\n",
                nobody.trim(),
                group.trim()
            ),
        );
        let ports: Vec<u16> = milters.iter().map(|_| free_port()).collect();
        let mut services = SERVICES.to_owned();
        for (port, milter) in ports.iter().zip(milters) {
            services.push_str(&format!("127.0.0.1:{port} inet n - n - - smtpd -o smtpd_milters={milter}\n"));
        }
        folder.write("etc/master.cf", &services);
        let etc = format!("{root}/etc");
        let started = Command::new("postfix").args(["-c", &etc, "start"]).stdout(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        let postfix = Postfix { folder, ports };
        let deadline = Instant::now() + Duration::from_secs(20);
        while !postfix.ports.iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok()) {
            assert!(Instant::now() < deadline, "Postfix does not answer: {}", postfix.log_text());
            std::thread::sleep(Duration::from_millis(50));
        }
        postfix
    }

    pub fn log_text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.0.join("log")).unwrap_or_default()).into_owned()
    }

    /// Messages in a mailbox: `plain`, `inet`, `unix` or `box` with a number below 1,100.
    pub fn mailbox(&self, name: &str) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.folder.0.join("boxes").join(name).join("new")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Waits until each mailbox has something, and the queue is empty of it; answers what is there.
    pub fn delivered(&self, names: &[String], patience: Duration) -> Vec<Vec<PathBuf>> {
        let deadline = Instant::now() + patience;
        loop {
            let boxes: Vec<Vec<PathBuf>> = names.iter().map(|name| self.mailbox(name)).collect();
            let missing = boxes.iter().filter(|mails| mails.is_empty()).count();
            if missing == 0 {
                return boxes;
            }
            assert!(Instant::now() < deadline, "{missing} of {} mailboxes are empty", names.len());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let etc = self.folder.0.join("etc").display().to_string();
        let _ = Command::new("postfix").args(["-c", &etc, "stop"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

pub fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// An SMTP client that may say it is somebody else (XCLIENT).
pub struct Smtp {
    reader: BufReader<TcpStream>,
}

impl Smtp {
    /// As an outside client.
    pub fn outside(port: u16) -> std::io::Result<Smtp> {
        let mut smtp = Smtp::connect(port)?;
        smtp.command("EHLO here")?;
        smtp.command("XCLIENT ADDR=203.0.113.7 NAME=mail.sender.example PORT=40000")?;
        smtp.command("EHLO mail.sender.example")?;
        Ok(smtp)
    }

    pub fn connect(port: u16) -> std::io::Result<Smtp> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.set_nodelay(true)?;
        let mut smtp = Smtp { reader: BufReader::new(stream) };
        smtp.reply()?;
        Ok(smtp)
    }

    fn reply(&mut self) -> std::io::Result<String> {
        let mut whole = String::new();
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            whole.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(whole);
            }
        }
    }

    pub fn command(&mut self, line: &str) -> std::io::Result<String> {
        self.reader.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// One message; answers the last reply. `raw` may have any line ends.
    pub fn send(&mut self, from: &str, to: &str, raw: &[u8]) -> std::io::Result<String> {
        for line in [format!("MAIL FROM:<{from}>"), format!("RCPT TO:<{to}>")] {
            let reply = self.command(&line)?;
            if !reply.starts_with('2') {
                let _ = self.command("RSET")?;
                return Ok(reply);
            }
        }
        self.data(raw)
    }

    /// DATA and the message.
    pub fn data(&mut self, raw: &[u8]) -> std::io::Result<String> {
        let reply = self.command("DATA")?;
        if !reply.starts_with('3') {
            let _ = self.command("RSET")?;
            return Ok(reply);
        }
        self.reader.get_mut().write_all(&on_the_wire(raw))?;
        self.reply()
    }
}

/// CR LF line ends, dots doubled, the final dot.
fn on_the_wire(raw: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(raw.len() + raw.len() / 20);
    let whole = raw.strip_suffix(b"\n").unwrap_or(raw);
    for line in whole.split(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

/// Header fields with their folds, and the body.
pub fn split(raw: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut fields: Vec<Vec<u8>> = Vec::new();
    let mut rest = raw;
    while let Some(end) = rest.iter().position(|octet| *octet == b'\n') {
        let (line, after) = rest.split_at(end + 1);
        if line == b"\n" || line == b"\r\n" {
            return (fields, after.to_vec());
        }
        match fields.last_mut() {
            Some(last) if line.starts_with(b" ") || line.starts_with(b"\t") => last.extend_from_slice(line),
            _ => fields.push(line.to_vec()),
        }
        rest = after;
    }
    (fields, rest.to_vec())
}

pub fn is_named(field: &[u8], name: &str) -> bool {
    let wanted = name.as_bytes();
    field.len() > wanted.len()
        && field[..wanted.len()].eq_ignore_ascii_case(wanted)
        && field[wanted.len()..].trim_ascii_start().starts_with(b":")
}

pub fn read(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}
