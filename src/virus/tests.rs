//! A daemon's side of the talk, as clamd(8) has it.

use super::*;
use crate::mail::Wanted;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

/// Reads sessions and says of each stream whether it holds the word; returns how many streams it read.
fn daemon(listener: TcpListener, word: &'static [u8], reply_late: Duration) -> thread::JoinHandle<usize> {
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut start = [0; 11];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"zIDSESSION\0");
        let mut count = 0;
        let mut command = [0; 10];
        while stream.read_exact(&mut command).is_ok() {
            assert_eq!(&command, b"zINSTREAM\0");
            let mut content = Vec::new();
            loop {
                let mut len = [0; 4];
                stream.read_exact(&mut len).unwrap();
                let len = u32::from_be_bytes(len) as usize;
                if len == 0 {
                    break;
                }
                let from = content.len();
                content.resize(from + len, 0);
                stream.read_exact(&mut content[from..]).unwrap();
            }
            count += 1;
            thread::sleep(reply_late);
            let found = content.windows(word.len()).any(|window| window == word);
            let reply = if found { format!("{count}: stream: Test.Word FOUND\0") } else { format!("{count}: stream: OK\0") };
            if stream.write_all(reply.as_bytes()).is_err() {
                break;
            }
        }
        count
    })
}

fn scanner(ports: &[u16], more: &str) -> Scanner {
    let servers: Vec<String> = ports.iter().map(|port| format!("\"inet:{port}@127.0.0.1\"")).collect();
    let text = format!("servers = [{}]\n{more}", servers.join(", "));
    let table = toml::de::DeTable::parse(&text).unwrap().into_inner();
    let (settings, mistakes) = crate::base::settings::read::<Settings>(table);
    assert!(mistakes.is_empty(), "{mistakes:?}");
    Scanner::new(&settings).unwrap().unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[test]
fn what_the_daemon_finds_has_its_name() {
    let (listener, port) = listen();
    let talk = daemon(listener, b"bad word", Duration::ZERO);
    let mail = Mail::parse(b"Subject: x\r\n\r\na bad word\r\n".to_vec());
    assert_eq!(scanner(&[port], "").inspect(&mail, soon()), Answer::Known(Virus::Found("Test.Word".into())));
    assert_eq!(talk.join().unwrap(), 1);
}

#[test]
fn what_only_other_readers_see_is_asked_about_too() {
    let (listener, port) = listen();
    let talk = daemon(listener, b"bad word", Duration::ZERO);
    let raw = b"Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
        Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nYSBiYWQgd29yZCBpbiBhIGZpbGUgb2YgaXRzIG93bg==\r\n--b--\r\n";
    assert_eq!(
        scanner(&[port], "").inspect(&Mail::parse(raw.to_vec()).wanting(Wanted { readings: true, ..Wanted::default() }), soon()),
        Answer::Known(Virus::Found("Test.Word".into()))
    );
    assert!(talk.join().unwrap() > 1);
}

#[test]
fn another_daemon_is_asked_where_one_is_away() {
    let (away, gone) = listen();
    drop(away);
    let (listener, port) = listen();
    let talk = daemon(listener, b"bad word", Duration::ZERO);
    let mail = Mail::parse(b"Subject: x\r\n\r\nfine\r\n".to_vec());
    assert_eq!(scanner(&[gone, port], "").inspect(&mail, soon()), Answer::Known(Virus::Clean));
    assert_eq!(talk.join().unwrap(), 1);
    assert_eq!(scanner(&[gone], "").inspect(&mail, soon()), Answer::Silent);
}

#[test]
fn a_daemon_that_thinks_too_long_has_not_answered() {
    let (listener, port) = listen();
    let talk = daemon(listener, b"bad word", Duration::from_millis(600));
    let mail = Mail::parse(b"Subject: x\r\n\r\nfine\r\n".to_vec());
    let began = Instant::now();
    assert_eq!(scanner(&[port], "timeout = \"200 ms\"").inspect(&mail, soon()), Answer::Silent);
    assert!(began.elapsed() < Duration::from_millis(550));
    talk.join().unwrap();
}

#[test]
fn a_message_that_is_too_large_is_not_sent() {
    let (_listener, port) = listen();
    let mail = Mail::parse([b"Subject: x\r\n\r\n".as_slice(), &[b'x'; 3000]].concat());
    let answer = scanner(&[port], "largest = \"1 kB\"").inspect(&mail, soon());
    assert!(matches!(answer, Answer::Known(Virus::Unseen(_))), "{answer:?}");
}

#[test]
fn servers_are_written_like_listeners() {
    assert_eq!(Server::parse("inet:3310@localhost"), Ok(Server::Tcp("localhost".into(), 3310)));
    assert_eq!(Server::parse("unix:/run/c"), Ok(Server::Unix("/run/c".into())));
    for wrong in ["", "unix:", "inet:x@y", "localhost:3310", "inet:3310@"] {
        assert!(Server::parse(wrong).is_err_and(|told| told.contains("inet:3310@")), "{wrong}");
    }
}
