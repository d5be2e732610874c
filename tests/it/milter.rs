//! The milter door, spoken to as a mail server does, with judges of the test's own.

use crate::mailserver::{ALL_OPTIONS, MailServer, Message, PLAIN};
use hamgate::base::units::Span;
use hamgate::mail::{Arrival, Envelope};
use hamgate::milter::judge::{Afterwards, Promise, Stages};
use hamgate::milter::{Door, Early, Judge, Judgement, Letter, Listener, Settings, Summary, Visit};
use hamgate::outcome::{Action, Edit, Reply, Verdict};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn judged(action: Action, edits: Vec<Edit>) -> Judgement {
    Judgement { verdict: Verdict { action, spam: false, edits }, summary: Summary::default(), afterwards: Afterwards::default() }
}

/// Answers by what the message says of itself, and keeps the letters.
#[derive(Clone, Default)]
struct Obedient {
    letters: Arc<Mutex<Vec<(Arrival, Vec<u8>, bool)>>>,
}

impl Stages for Obedient {
    fn mail<'a>(&'a self, _: &'a Visit, envelope: &'a Envelope) -> Promise<'a, Early> {
        let refused = envelope.mail_from.starts_with("refused@");
        Box::pin(async move {
            if refused {
                return Early::Reject(Reply { code: 550, status: "5.7.1".into(), text: "no 100% welcome".into() });
            }
            Early::Continue
        })
    }

    fn rcpt<'a>(&'a self, _: &'a Visit, _: &'a Envelope, recipient: &'a str) -> Promise<'a, Early> {
        Box::pin(async move {
            match recipient {
                "later@victim.example" => Early::TempFail(Reply { code: 451, status: "4.7.1".into(), text: "later".into() }),
                "panic@victim.example" => panic!("at the recipient"),
                _ => Early::Continue,
            }
        })
    }
}

impl Judge for Obedient {
    fn stages(&self) -> &dyn Stages {
        self
    }

    fn message(&self, letter: Letter) -> Judgement {
        let text = String::from_utf8_lossy(&letter.raw).into_owned();
        assert!(!text.contains("panic now"), "as told");
        if text.contains("sleep now") {
            std::thread::sleep(Duration::from_millis(700));
        }
        self.letters.lock().unwrap().push((letter.arrival, letter.raw, letter.truncated));
        judged(Action::Accept, vec![Edit::Prepend { name: "X-Seen".into(), value: b"yes".to_vec() }])
    }
}

struct Served {
    runtime: tokio::runtime::Runtime,
    door: Arc<Door>,
    judge: Obedient,
    at: Vec<String>,
    inside: tokio::task::JoinHandle<()>,
}

fn serve(listen: &[&str], change: impl FnOnce(&mut Settings)) -> Served {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let judge = Obedient::default();
    let mut settings = Settings::default();
    change(&mut settings);
    let (door, at, inside) = runtime.block_on(async {
        let listeners: Vec<Listener> = listen.iter().flat_map(|at| Listener::bind(&at.parse().unwrap()).unwrap()).collect();
        let at = listeners.iter().map(Listener::name).collect();
        let door = Door::new(Box::new(judge.clone()), settings);
        let inside = tokio::spawn({
            let door = Arc::clone(&door);
            async move { door.run(listeners).await }
        });
        (door, at, inside)
    });
    Served { runtime, door, judge, at, inside }
}

impl Served {
    fn connect(&self) -> MailServer {
        connect(&self.at[0])
    }

    /// Negotiated, with a client that has greeted.
    fn greeted(&self) -> MailServer {
        let mut server = self.connect().greet();
        assert_eq!(server.connect("192.0.2.1").unwrap().0, 'c');
        server
    }

    fn letters(&self) -> Vec<(Arrival, Vec<u8>, bool)> {
        self.judge.letters.lock().unwrap().clone()
    }
}

fn connect(at: &str) -> MailServer {
    match at.split_once(':').unwrap() {
        ("inet", rest) => MailServer::tcp(&rest.split_once('@').map(|(port, host)| format!("{host}:{port}")).unwrap()),
        ("inet6", rest) => MailServer::tcp(&rest.split_once('@').map(|(port, host)| format!("[{host}]:{port}")).unwrap()),
        (_, path) => MailServer::unix(path.as_ref()),
    }
}

/// A folder of the test's own, gone with it.
pub struct Folder(pub std::path::PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("hamgate-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_judge_sees_what_was_sent_over_every_kind_of_socket() {
    let folder = Folder::new("sockets");
    let unix = format!("unix:{}/m.sock,mode=600", folder.0.display());
    let served = serve(&["inet:0@127.0.0.1", "inet6:0@::1", &unix], |_| {});
    let odd = Message {
        fields: &[
            ("Received", " from a\n\tby b"),
            ("Subject", "   three spaces"),
            ("Subject", "none"),
            ("X-Fold", "\n one\n\ttwo "),
            ("x-EMPTY", ""),
        ],
        body: b"line\r\nbare\nnul\0end",
        ..PLAIN
    };
    for at in &served.at {
        let mut server = connect(at).greet();
        server.connect("2001:db8::7").unwrap();
        let outcome = server.deliver(&odd).unwrap();
        assert_eq!(outcome.answer, ('c', vec![]));
        assert_eq!(outcome.edits, vec![('i', b"\0\0\0\0X-Seen\0 yes\0".to_vec())]);
    }
    for (arrival, raw, truncated) in served.letters() {
        assert_eq!(
            String::from_utf8_lossy(&raw),
            "Received: from a\r\n\tby b\r\nSubject:   three spaces\r\nSubject:none\r\nX-Fold:\r\n one\r\n\ttwo \r\nx-EMPTY:\r\n\r\n\
             line\r\nbare\nnul\0end"
        );
        assert!(!truncated);
        let Arrival::Live(live) = arrival else { panic!() };
        let (client, envelope) = *live;
        assert_eq!(client.ip, "2001:db8::7".parse().ok());
        assert_eq!((client.name.as_str(), client.helo.as_str(), client.port), ("mail.sender.example", "mail.sender.example", 2525));
        assert_eq!(envelope.mail_from, "a@sender.example");
        assert_eq!(envelope.recipients, vec!["b@victim.example"]);
        assert_eq!((envelope.queue_id.as_str(), envelope.server.as_str()), ("4XQUEUEID", "mx.victim.example"));
        assert_eq!(envelope.macros.get("daemon_name").map(String::as_str), Some("smtpd"));
    }
    assert_eq!(served.letters().len(), 3);
}

#[test]
fn a_socket_in_the_file_system_has_its_mode_and_goes_with_the_daemon() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("mode");
    let path = folder.0.join("m.sock");
    let stale = std::os::unix::net::UnixListener::bind(&path).unwrap();
    drop(stale);
    let served = serve(&[&format!("unix:{},mode=640", path.display())], |_| {});
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    let second = served.runtime.block_on(async { Listener::bind(&format!("unix:{}", path.display()).parse().unwrap()) });
    assert!(second.unwrap_err().to_string().contains("second hamgate"));
    served.door.close();
    served.runtime.block_on(served.inside).unwrap();
    assert!(!path.exists());
}

#[test]
fn a_taken_port_names_who_usually_sits_there() {
    let _neighbour = std::net::TcpListener::bind("127.0.0.1:8891");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(async { Listener::bind(&"inet:8891@localhost".parse().unwrap()) }).unwrap_err();
    assert!(error.to_string().contains("OpenDKIM"), "{error}");
}

#[test]
fn an_old_mail_server_is_answered_at_every_stage() {
    let served = serve(&["inet:0@127.0.0.1"], |_| {});
    let mut server = served.connect();
    // Sendmail 8.13: no leading space, no silence, edits only.
    server.negotiate(2, 0x3f, 0x7f).unwrap();
    assert_eq!((server.version, server.options), (2, 0));
    server.connect("192.0.2.1").unwrap();
    let outcome = server.deliver(&PLAIN).unwrap();
    assert_eq!(outcome.edits, vec![('i', b"\0\0\0\0X-Seen\0yes\0".to_vec())]);
    assert!(served.letters()[0].1.starts_with(b"From: <a@sender.example>\r\n"));
    assert_eq!(server.ask('U', b"XYZZY\0").unwrap().0, 'c');
}

#[test]
fn one_connection_carries_many_messages_and_many_clients() {
    let served = serve(&["inet:0@127.0.0.1"], |_| {});
    let mut server = served.greeted();
    for _ in 0..3 {
        assert_eq!(server.deliver(&PLAIN).unwrap().answer.0, 'c');
    }
    server.send('K', b"").unwrap();
    assert_eq!(server.connect("192.0.2.9").unwrap().0, 'c');
    assert_eq!(server.deliver(&PLAIN).unwrap().answer.0, 'c');
    // A message given up half-way leaves nothing behind.
    server.ask('M', b"<gone@sender.example>\0").unwrap();
    server.ask('R', b"<gone@victim.example>\0").unwrap();
    server.ask('L', b"Subject\0 gone\0").unwrap();
    server.send('A', b"").unwrap();
    assert_eq!(server.deliver(&PLAIN).unwrap().answer.0, 'c');
    let letters = served.letters();
    let clients: Vec<_> = letters
        .iter()
        .map(|(arrival, raw, _)| match arrival {
            Arrival::Live(live) => (live.0.ip.unwrap().to_string(), live.1.recipients.len(), raw.len()),
            Arrival::Sender(_) | Arrival::FromFields => panic!(),
        })
        .collect();
    let length = clients[0].2;
    assert_eq!(clients.iter().filter(|(ip, to, raw)| ip == "192.0.2.1" && *to == 1 && *raw == length).count(), 3);
    assert_eq!(clients.iter().filter(|(ip, to, raw)| ip == "192.0.2.9" && *to == 1 && *raw == length).count(), 2);
}

#[test]
fn local_mail_has_no_client() {
    let served = serve(&["inet:0@127.0.0.1"], |_| {});
    let mut server = served.connect().greet();
    server.connect("local").unwrap();
    server.deliver(&PLAIN).unwrap();
    let Arrival::Live(live) = served.letters()[0].0.clone() else { panic!() };
    assert_eq!(live.0.ip, None);
}

#[test]
fn a_refused_recipient_does_not_cost_the_others() {
    let served = serve(&["inet:0@127.0.0.1"], |_| {});
    let mut server = served.greeted();
    let mixed = Message { to: &["<later@victim.example>", "<b@victim.example>", "<panic@victim.example>"], ..PLAIN };
    assert_eq!(server.deliver(&mixed).unwrap().answer.0, 'c');
    let Arrival::Live(live) = served.letters()[0].0.clone() else { panic!() };
    assert_eq!(live.1.recipients, vec!["b@victim.example"]);
    let later = Message { to: &["<later@victim.example>"], ..PLAIN };
    assert_eq!(server.deliver(&later).unwrap().answer, ('y', b"451 4.7.1 later\0".to_vec()));
    let refused = Message { from: "<refused@sender.example>", ..PLAIN };
    assert_eq!(server.deliver(&refused).unwrap().answer, ('y', b"550 5.7.1 no 100%% welcome\0".to_vec()));
    assert_eq!(server.deliver(&PLAIN).unwrap().answer.0, 'c');
}

#[test]
fn a_judge_that_panics_costs_that_message_alone() {
    let served = serve(&["inet:0@127.0.0.1"], |_| {});
    let mut server = served.greeted();
    let outcome = server.deliver(&Message { body: b"panic now\r\n", ..PLAIN }).unwrap();
    assert!(outcome.answer.1.starts_with(b"451 4.3.0 "), "{:?}", outcome.answer);
    assert_eq!(server.deliver(&PLAIN).unwrap().answer.0, 'c');
}

#[test]
fn a_slow_judge_is_announced_and_a_late_one_given_up() {
    let served = serve(&["inet:0@127.0.0.1"], |settings| {
        settings.progress.0 = Duration::from_millis(100);
    });
    let mut server = served.greeted();
    let slow = Message { body: b"sleep now\r\n", ..PLAIN };
    let outcome = server.deliver(&slow).unwrap();
    assert_eq!(outcome.answer.0, 'c');
    assert!(outcome.progress >= 3, "{}", outcome.progress);

    let late = serve(&["inet:0@127.0.0.1"], |settings| settings.verdict.0 = Duration::from_millis(100));
    let outcome = late.greeted().deliver(&slow).unwrap();
    assert!(outcome.answer.1.starts_with(b"451 4.3.0 no verdict"), "{:?}", outcome.answer);
}

#[test]
fn what_has_no_place_closes_that_connection_alone() {
    let served = serve(&["inet:0@127.0.0.1"], |_| {});
    let mut bystander = served.greeted();
    let wrong: &[(&str, &[(char, &[u8])])] = &[
        ("body before envelope", &[('B', b"x")]),
        ("end before envelope", &[('E', b"")]),
        ("recipient before sender", &[('R', b"<a@b>\0")]),
        ("data before sender", &[('T', b"")]),
        ("field after body", &[('M', b"<a@b>\0"), ('B', b"x"), ('L', b"A\0b\0")]),
        ("second negotiation", &[('O', &[0; 12])]),
        ("unknown command", &[('z', b"")]),
        ("field without end", &[('M', b"<a@b>\0"), ('L', b"A\0b")]),
    ];
    for (what, packets) in wrong {
        let mut server = served.greeted();
        server.macros('M', &[("i", "X")]).unwrap();
        for (letter, payload) in *packets {
            server.send(*letter, payload).unwrap();
        }
        if packets[0].0 == 'M' {
            server.hear().unwrap();
        }
        assert!(server.is_closed(), "{what}");
    }
    for bytes in [&[0xff, 0xff, 0xff, 0xff, b'L'][..], &[0, 0, 0, 0], &[0, 0, 0, 1, b'Z'], b"GET / HTTP/1.1\r\n\r\n"] {
        let mut server = served.connect();
        server.raw(bytes).unwrap();
        assert!(server.is_closed(), "{bytes:?}");
    }
    assert_eq!(bystander.deliver(&PLAIN).unwrap().answer.0, 'c');
}

#[test]
fn half_a_packet_times_out_soon_and_an_idle_connection_late() {
    let served = serve(&["inet:0@127.0.0.1"], |settings| {
        settings.packet.0 = Duration::from_millis(200);
        settings.idle.0 = Duration::from_millis(1500);
    });
    let begun = Instant::now();
    let mut idle = served.greeted();
    let mut half = served.greeted();
    half.raw(&[0, 0, 0, 9, b'M', b'<']).unwrap();
    assert!(half.is_closed());
    assert!(begun.elapsed() < Duration::from_millis(1200));
    assert!(idle.is_closed());
    assert!(begun.elapsed() >= Duration::from_millis(1500));
}

#[test]
fn a_packet_of_a_megabyte_is_taken() {
    let served = serve(&["inet:0@127.0.0.1"], |settings| settings.largest_header.0 = 4_000_000);
    let mut server = served.greeted();
    let long = format!(" {}", "x".repeat(1_100_000));
    let outcome = server.deliver(&Message { fields: &[("X-Long", &long)], body: &vec![b'y'; 3_000_000], ..PLAIN }).unwrap();
    assert_eq!(outcome.answer.0, 'c');
    assert_eq!(served.letters()[0].1.len(), "X-Long:".len() + long.len() + 4 + 3_000_000);
}

#[test]
fn limits_do_what_is_configured() {
    let served = serve(&["inet:0@127.0.0.1"], |settings| {
        settings.largest_message.0 = 100_000;
        settings.most_fields = 20;
    });
    let mut server = served.greeted();
    let large = Message { body: &vec![b'x'; 200_000], ..PLAIN };
    assert_eq!(server.deliver(&large).unwrap().answer.0, 'c');
    let (_, raw, truncated) = served.letters().remove(0);
    assert_eq!((raw.len(), truncated), (100_000, true));
    let many = Message { fields: &[("X-Spam-Flag", " NO"); 21], ..PLAIN };
    assert!(server.deliver(&many).unwrap().answer.1.starts_with(b"552 5.3.4 "));

    let small = serve(&["inet:0@127.0.0.1"], |settings| settings.in_flight.0 = 100_000);
    let mut server = small.greeted();
    assert!(server.deliver(&large).unwrap().answer.1.starts_with(b"452 4.3.1 "));
    assert_eq!(server.deliver(&PLAIN).unwrap().answer.0, 'c');
}

#[test]
fn room_is_made_for_a_newcomer() {
    let served = serve(&["inet:0@127.0.0.1"], |settings| settings.connections = 10);
    let mut idle: Vec<MailServer> = (0..10).map(|_| served.greeted()).collect();
    idle[0].ask('M', b"<a@sender.example>\0").unwrap();
    let mut newcomer = served.greeted();
    assert_eq!(newcomer.deliver(&PLAIN).unwrap().answer.0, 'c');
    assert!(idle[1].is_closed(), "the one idle longest has left");
    assert_eq!(idle[0].ask('R', b"<b@victim.example>\0").unwrap().0, 'c', "the one with a message has stayed");
}

#[test]
fn at_a_stop_messages_in_flight_are_answered_and_idle_connections_leave() {
    let served = serve(&["inet:0@127.0.0.1"], |_| {});
    let mut idle = served.greeted();
    let at = served.at[0].clone();
    let deliveries: Vec<_> = (0..50)
        .map(|_| {
            let mut server = connect(&at).greet();
            server.connect("192.0.2.1").unwrap();
            std::thread::spawn(move || server.deliver(&Message { body: b"sleep now\r\n", ..PLAIN }).unwrap().answer.0)
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    served.door.close();
    assert!(idle.is_closed());
    assert!(deliveries.into_iter().all(|delivery| delivery.join().unwrap() == 'c'));
    let begun = Instant::now();
    served.runtime.block_on(served.inside).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn at_the_deadline_of_a_stop_the_rest_is_asked_to_come_back() {
    let served = serve(&["inet:0@127.0.0.1"], |settings| settings.stop.0 = Duration::from_millis(200));
    let mut server = served.greeted();
    let delivery = std::thread::spawn(move || server.deliver(&Message { body: b"sleep now\r\n", ..PLAIN }).unwrap());
    std::thread::sleep(Duration::from_millis(200));
    served.door.close();
    assert!(delivery.join().unwrap().answer.1.starts_with(b"451 4.3.0 "));
    served.runtime.block_on(served.inside).unwrap();
}

#[test]
fn a_new_judge_takes_over_between_messages() {
    struct Refuse;
    impl Stages for Refuse {}
    impl Judge for Refuse {
        fn stages(&self) -> &dyn Stages {
            self
        }

        fn message(&self, _: Letter) -> Judgement {
            judged(Action::Reject(Reply { code: 550, status: "5.7.1".into(), text: "no".into() }), Vec::new())
        }
    }
    let served = serve(&["inet:0@127.0.0.1"], |_| {});
    let mut server = served.greeted();
    assert_eq!(server.ask('M', b"<a@sender.example>\0").unwrap().0, 'c');
    served.door.swap(Box::new(Refuse), Settings::default());
    server.ask('R', b"<b@victim.example>\0").unwrap();
    server.send('E', b"").unwrap();
    let answers = [server.hear().unwrap().0, server.hear().unwrap().0];
    assert_eq!(answers, ['i', 'c'], "the message under way keeps its judge");
    assert_eq!(server.deliver(&PLAIN).unwrap().answer.0, 'y');
}

#[test]
fn nothing_is_asked_for_that_was_not_offered() {
    let served = serve(&["inet:0@127.0.0.1"], |_| {});
    for actions in [0, 0x01, 0x11, 0x31, 0x1ff] {
        for options in [0, 0x10_0000, 0x7f, ALL_OPTIONS] {
            // The assertions stand in `negotiate`.
            served.connect().negotiate(6, actions, options).unwrap();
        }
    }
}

#[test]
fn what_is_to_be_done_afterwards_is_done_only_once_the_verdict_was_taken() {
    struct Counting(Arc<AtomicU32>);
    impl Stages for Counting {}
    impl Judge for Counting {
        fn stages(&self) -> &dyn Stages {
            self
        }

        fn message(&self, letter: Letter) -> Judgement {
            if String::from_utf8_lossy(&letter.raw).contains("sleep now") {
                std::thread::sleep(Duration::from_millis(700));
            }
            let count = Arc::clone(&self.0);
            let afterwards = Afterwards::new(move || {
                count.fetch_add(1, Ordering::Relaxed);
            });
            Judgement { afterwards, ..judged(Action::Accept, Vec::new()) }
        }
    }
    let served = serve(&["inet:0@127.0.0.1"], |_| {});
    let count = Arc::new(AtomicU32::new(0));
    served.door.swap(Box::new(Counting(Arc::clone(&count))), Settings { verdict: Span(Duration::from_millis(300)), ..Settings::default() });
    let mut server = served.greeted();
    assert_eq!(server.deliver(&PLAIN).unwrap().answer.0, 'c');
    let settled = || {
        std::thread::sleep(Duration::from_millis(900));
        count.load(Ordering::Relaxed)
    };
    assert_eq!(settled(), 1);
    let late = server.deliver(&Message { body: b"sleep now\r\n", ..PLAIN }).unwrap();
    assert!(late.answer.1.starts_with(b"451 "), "{late:?}");
    assert_eq!(settled(), 1, "the verdict came too late for the mail server");
}
