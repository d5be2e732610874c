//! What hostile or unlucky peers do to the daemon, and that others do not notice.

use crate::mailserver::{MailServer, PLAIN};
use crate::site::{Daemon, Folder, corpus, free_port, given};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn daemon(folder: &Folder, toml: &str) -> (Daemon, String) {
    let port = free_port();
    (Daemon::start(folder, toml, &[format!("inet:{port}@127.0.0.1")], &["--local"]), format!("127.0.0.1:{port}"))
}

fn passes(at: &str) -> Duration {
    let begun = Instant::now();
    let mut server = MailServer::tcp(at).greet();
    assert_eq!(server.connect("192.0.2.1").unwrap().0, 'c');
    assert_eq!(server.deliver(&PLAIN).unwrap().answer.0, 'c');
    begun.elapsed()
}

#[test]
fn a_thousand_idle_connections_are_borne() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(4096), hard).unwrap();
    let folder = Folder::new("idle");
    let (mut daemon, at) = daemon(&folder, "");
    let mut idle: Vec<MailServer> = Vec::new();
    for number in 0..1000 {
        let server = MailServer::tcp(&at);
        idle.push(if number % 2 == 0 { server.greet() } else { server });
    }
    for _ in 0..20 {
        assert!(passes(&at) < Duration::from_secs(2));
    }
    let memory = resident(daemon.child.id());
    assert!(memory < 120_000, "{memory} kB resident");
    assert_eq!(daemon.stop().0, Some(0));
}

/// Kilobytes.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn without_descriptors_the_idle_leave_and_mail_flows() {
    let folder = Folder::new("descriptors");
    let port = free_port();
    let config = folder.write("hamgate.toml", "");
    let log = std::fs::File::create(folder.0.join("log")).unwrap();
    let command = format!(
        "ulimit -n 48; exec {} serve --local --config {} --state {} --listen inet:{port}@127.0.0.1",
        env!("CARGO_BIN_EXE_hamgate"),
        config.display(),
        folder.0.join("state").display()
    );
    let mut child = Command::new("sh").args(["-c", &command]).stderr(log).spawn().unwrap();
    let at = format!("127.0.0.1:{port}");
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(&at).is_err() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }
    let idle: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(&at).unwrap()).collect();
    for _ in 0..5 {
        assert!(passes(&at) < Duration::from_secs(10));
    }
    drop(idle);
    passes(&at);
    let log = std::fs::read_to_string(folder.0.join("log")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(log.contains("no file descriptor is left"), "{log}");
}

#[test]
fn a_second_daemon_on_the_port_of_the_first_says_so_and_ends() {
    let folder = Folder::new("taken");
    let neighbour = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = neighbour.local_addr().unwrap().port();
    let state = folder.0.display().to_string();
    let listen = format!("inet:{port}@127.0.0.1");
    let ended =
        Command::new(env!("CARGO_BIN_EXE_hamgate")).args(["serve", "--local", "--state", &state, "--listen", &listen]).output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains(&format!("cannot listen on inet:{port}@127.0.0.1")), "{said}");
}

#[test]
fn sockets_of_systemd_are_taken_over() {
    // sd_listen_fds(3): descriptor 3 is the socket, LISTEN_PID the process that shall take it.
    let folder = Folder::new("activation");
    let path = folder.0.join("m.sock");
    let script = "import os, socket, sys\n\
        s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(16)\n\
        os.dup2(s.fileno(), 3); os.set_inheritable(3, True)\n\
        os.environ['LISTEN_FDS'] = '1'; os.environ['LISTEN_PID'] = str(os.getpid())\n\
        os.execv(sys.argv[2], sys.argv[2:])\n";
    let Ok(mut child) = Command::new("python3")
        .args(["-c", script])
        .arg(&path)
        .arg(env!("CARGO_BIN_EXE_hamgate"))
        .args(["serve", "--local", "--state"])
        .arg(folder.0.join("state"))
        .stderr(Stdio::null())
        .spawn()
    else {
        // Without Python nobody can hand over a socket here.
        return;
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::os::unix::net::UnixStream::connect(&path).is_err() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut server = MailServer::unix(&path).greet();
    server.connect("192.0.2.1").unwrap();
    let answer = server.deliver(&PLAIN).unwrap().answer.0;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(answer, 'c');
}

/// Delivers clean mail until told to stop; answers how many and the longest wait.
fn clean_mail_beside(at: &str, mut hostile: impl FnMut()) -> (usize, Duration) {
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clean = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            let mut count = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                longest = longest.max(passes(at));
                count += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            (count, longest)
        });
        hostile();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        clean.join().unwrap()
    })
}

#[test]
#[ignore = "needs python3 and HAMGATE_TOOLS"]
fn chaos_at_the_socket_costs_only_its_own_connections() {
    let folder = Folder::new("chaos");
    let (mut daemon, at) = daemon(&folder, "[milter]\npacket = \"3 s\"\n");
    let socket = format!("inet:{at}");
    let (count, longest) = clean_mail_beside(&at, || {
        for (what, number) in
            [("idle", 1000), ("idleneg", 200), ("slowloris", 50), ("halfclose", 100), ("noread", 100), ("garbage", 300), ("abort", 200)]
        {
            let told = Command::new("python3")
                .arg(given("HAMGATE_TOOLS").join("chaos.py"))
                .args([what, &socket, &number.to_string()])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&told.stdout);
            assert!(said.contains("probe: ok 20/20"), "{what}: {said}{}", String::from_utf8_lossy(&told.stderr));
        }
    });
    assert!(count > 50, "{count} clean messages");
    assert!(longest < Duration::from_secs(3), "{longest:?}");
    let (status, took) = daemon.stop();
    assert_eq!(status, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(!daemon.log_text().contains("\"event\":\"panic\""));
}

/// The load generator, built once into a folder of our own.
pub fn milterload() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("milterload");
    let manifest = given("HAMGATE_TOOLS").join("milterload/Cargo.toml");
    let built = Command::new("cargo")
        .args(["build", "--release", "--quiet", "--manifest-path"])
        .arg(manifest)
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .unwrap();
    assert!(built.success());
    target.join("release/milterload")
}

#[test]
#[ignore = "needs HAMGATE_TOOLS and HAMGATE_CORPUS"]
fn a_protocol_fuzzer_costs_only_its_own_connections() {
    let milterload = milterload();
    let folder = Folder::new("fuzz");
    let (mut daemon, at) = daemon(&folder, "[milter]\npacket = \"3 s\"\n");
    let list: Vec<String> = corpus(100).iter().map(|path| path.display().to_string()).collect();
    let list = folder.write("list", &list.join("\n"));
    let (count, longest) = clean_mail_beside(&at, || {
        let told = Command::new(&milterload)
            .args(["--addr", &format!("inet:{at}"), "--fuzz", "7", "--total", "1000", "--conns", "4", "--list"])
            .arg(&list)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&told.stdout);
        assert!(told.status.success() && said.contains("passed, 0 failed"), "{said}");
    });
    assert!(count > 50, "{count} clean messages");
    assert!(longest < Duration::from_secs(3), "{longest:?}");
    assert_eq!(daemon.stop().0, Some(0));
    assert!(!daemon.log_text().contains("\"event\":\"panic\""), "{}", daemon.log_text());
}
