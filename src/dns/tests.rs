//! The resolver against a real server on loopback, and against hostile ones.

use super::*;
use crate::base::units::Span;
use crate::facts::{Answer, DnsQuestion, DnsType};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;

const ZONE: &str = r#"{
  "a.example": ["A 192.0.2.1", "AAAA 2001:db8::1", "MX 10 Mail.Example", ["TXT", ["one ", "two"]]],
  "alias.example": ["CNAME a.example"],
  "loop.example": ["CNAME loop.example"],
  "silent.example": ["TIMEOUT"],
  "broken.example": ["SERVFAIL"],
  "*.wild.example": ["A 127.0.0.2"]
}"#;

fn quick(server: SocketAddr) -> Settings {
    Settings {
        name_servers: vec![server.to_string()],
        timeout: Span(Duration::from_millis(200)),
        retries: 0,
        deadline: Span(Duration::from_secs(2)),
        ..Settings::default()
    }
}

async fn asked(zone: &str, name: &str, kind: DnsType) -> Result<Vec<Value>, Trouble> {
    let server = ZoneServer::start(Zone::parse(zone).unwrap()).await.unwrap();
    let session = Resolver::new(&quick(server.address)).unwrap().session();
    session.look_up(name, kind).await.map(|records| records.values.clone())
}

#[tokio::test]
async fn records_of_each_type_are_answered() {
    assert_eq!(asked(ZONE, "A.example.", DnsType::A).await, Ok(vec![Value::A([192, 0, 2, 1].into())]));
    assert_eq!(asked(ZONE, "a.example", DnsType::Aaaa).await, Ok(vec![Value::Aaaa("2001:db8::1".parse().unwrap())]));
    assert_eq!(asked(ZONE, "a.example", DnsType::Mx).await, Ok(vec![Value::Mx(10, "mail.example".into())]));
    assert_eq!(asked(ZONE, "a.example", DnsType::Txt).await, Ok(vec![Value::Txt(b"one two".to_vec())]));
    assert_eq!(asked(ZONE, "alias.example", DnsType::A).await, Ok(vec![Value::A([192, 0, 2, 1].into())]));
    assert_eq!(asked(ZONE, "x.wild.example", DnsType::A).await, Ok(vec![Value::A([127, 0, 0, 2].into())]));
}

#[tokio::test]
async fn silence_and_failure_are_not_absence() {
    assert_eq!(asked(ZONE, "silent.example", DnsType::A).await, Err(Trouble::Silent));
    assert_eq!(asked(ZONE, "broken.example", DnsType::A).await, Err(Trouble::Silent));
    assert_eq!(asked(ZONE, "loop.example", DnsType::A).await, Err(Trouble::Silent));
    assert_eq!(asked(ZONE, "none.example", DnsType::A).await, Ok(vec![]));
    assert_eq!(asked(ZONE, "a.example", DnsType::Ptr).await, Ok(vec![]));
}

#[tokio::test]
async fn a_bad_name_is_never_asked() {
    let long = "a".repeat(64);
    for name in ["", ".", "a..example", "a\0b.example", "a\\.example", &format!("{long}.example"), &"a.".repeat(128)] {
        assert_eq!(asked("{\"*\": [\"A 127.0.0.2\"]}", name, DnsType::A).await, Err(Trouble::BadName), "{name:?}");
    }
}

#[tokio::test]
async fn an_answer_too_large_for_udp_comes_over_tcp() {
    let zone = format!("{{\"big.example\": [\"TXT {}\"]}}", "x".repeat(30_000));
    let values = asked(&zone, "big.example", DnsType::Txt).await.unwrap();
    assert!(matches!(values.as_slice(), [Value::Txt(octets)] if octets.len() == 30_000));
}

#[tokio::test]
async fn a_message_asks_no_more_than_it_may() {
    let server = ZoneServer::start(Zone::parse("{\"*\": [\"A 192.0.2.1\"]}").unwrap()).await.unwrap();
    let resolver = Resolver::new(&Settings { questions_per_message: 3, ..quick(server.address) }).unwrap();
    let session = resolver.session();
    for n in 0..3 {
        assert!(session.look_up(&format!("n{n}.example"), DnsType::A).await.is_ok());
    }
    assert_eq!(session.look_up("n9.example", DnsType::A).await, Err(Trouble::TooMany));
    assert!(session.look_up("n1.example", DnsType::A).await.is_ok(), "what is known costs nothing");
    let question = DnsQuestion { name: "n9.example".into(), kind: DnsType::A };
    assert_eq!(session.ask(&question).await, Answer::Silent);
}

#[tokio::test]
async fn the_deadline_holds_for_all_questions_together() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let settings = Settings {
        timeout: Span(Duration::from_secs(30)),
        deadline: Span(Duration::from_millis(300)),
        ..quick(silent.local_addr().unwrap())
    };
    let session = Resolver::new(&settings).unwrap().session();
    let began = std::time::Instant::now();
    for name in ["a.example", "b.example", "c.example"] {
        assert_eq!(session.look_up(name, DnsType::A).await, Err(Trouble::Silent));
    }
    assert!(began.elapsed() < Duration::from_secs(2));
}

/// Answers each question with what `forge` makes of a correct answer's octets.
async fn lying(forge: fn(Vec<u8>) -> Vec<u8>) -> Result<Vec<Value>, Trouble> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let mut answer = hickory_proto::op::Message::from_vec(&buffer[..length]).unwrap().into_response();
            let name = hickory_proto::rr::Name::from_ascii("a.example.").unwrap();
            let data = hickory_proto::rr::RData::A(hickory_proto::rr::rdata::A([192, 0, 2, 1].into()));
            answer.add_answer(hickory_proto::rr::Record::from_rdata(name, 60, data));
            answer.edns = None;
            let _ = socket.send_to(&forge(answer.to_vec().unwrap()), peer).await;
        }
    });
    let session = Resolver::new(&quick(address)).unwrap().session();
    let answer = session.look_up("a.example", DnsType::A).await.map(|records| records.values.clone());
    task.abort();
    answer
}

#[tokio::test]
async fn packets_that_answer_another_question_are_ignored() {
    assert_eq!(lying(|packet| packet).await, Ok(vec![Value::A([192, 0, 2, 1].into())]));
    let other_id = |mut packet: Vec<u8>| {
        packet[0] ^= 1;
        packet
    };
    assert_eq!(lying(other_id).await, Err(Trouble::Silent));
    let other_name = |mut packet: Vec<u8>| {
        packet[13] = b'b';
        packet
    };
    assert_eq!(lying(other_name).await, Err(Trouble::Silent));
    let cut = |mut packet: Vec<u8>| {
        packet.truncate(5);
        packet
    };
    assert_eq!(lying(cut).await, Err(Trouble::Silent));
    let endless_name = |mut packet: Vec<u8>| {
        packet.truncate(27);
        packet.extend([0xc0, 27, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
        packet
    };
    assert_eq!(lying(endless_name).await, Err(Trouble::Silent));
}

#[tokio::test]
async fn a_dead_server_is_passed_over_for_the_next() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = ZoneServer::start(Zone::parse(ZONE).unwrap()).await.unwrap();
    let settings = Settings {
        name_servers: vec![silent.local_addr().unwrap().to_string(), server.address.to_string()],
        retries: 1,
        ..quick(server.address)
    };
    let session = Resolver::new(&settings).unwrap().session();
    assert!(session.look_up("a.example", DnsType::A).await.is_ok());
    let began = std::time::Instant::now();
    assert!(session.look_up("a.example", DnsType::Aaaa).await.is_ok());
    assert!(began.elapsed() < Duration::from_millis(150), "the server that answered is asked first");
}

#[test]
fn a_master_file_is_a_zone_too() {
    let zone = Zone::parse("$ORIGIN example.\n$TTL 60\n@ IN SOA ns root 1 2 3 4 5\na IN A 192.0.2.1\na IN TXT \"x y\"\n").unwrap();
    assert_eq!(zone.entries("a.example").unwrap().len(), 2);
}
