//! Name servers that are dead, slow, lying or verbose: a message is judged within its deadline, and silence is never "no".

use hamgate::auth::Verifier;
use hamgate::base::units::Span;
use hamgate::dns::{Resolver, Settings, Zone, ZoneServer};
use hamgate::facts::{Authentication, DkimResult, DmarcResult, Outsider, SpfResult};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, UdpSocket};

const MESSAGE: &str = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.example; s=s;\r\n h=from; \
    bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\nFrom: a@sender.example\r\n\r\n";

/// One message's worth of questions, with a deadline of 0.9 seconds.
async fn judged(server: SocketAddr) -> (Authentication, Duration) {
    let settings = Settings {
        name_servers: vec![server.to_string()],
        timeout: Span(Duration::from_millis(250)),
        retries: 1,
        deadline: Span(Duration::from_millis(900)),
        ..Settings::default()
    };
    let resolver = Resolver::new(&settings).unwrap();
    let outsider =
        Outsider { ip: "192.0.2.1".parse().unwrap(), helo: "mx.sender.example".to_owned(), mail_from: Some("a@sender.example".to_owned()) };
    let began = Instant::now();
    let facts = Verifier::default().authenticate(&resolver.session(), MESSAGE.as_bytes(), Some(&outsider), 1_900_000_000).await;
    (facts, began.elapsed())
}

fn is_in_doubt(facts: &Authentication) -> bool {
    facts.spf_mail_from.result == SpfResult::TempError
        && facts.spf_helo.result == SpfResult::TempError
        && facts.dkim[0].result == DkimResult::TempError
        && facts.dmarc.result == DmarcResult::TempError
}

#[tokio::test]
async fn a_dead_server_leaves_everything_in_doubt() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (facts, took) = judged(silent.local_addr().unwrap()).await;
    assert!(is_in_doubt(&facts), "{facts:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_closed_port_is_noticed_at_once() {
    let closed = {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.local_addr().unwrap()
    };
    let (facts, took) = judged(closed).await;
    assert!(is_in_doubt(&facts), "{facts:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// Answers each packet with whatever `forge` makes of it, after a while.
async fn odd_server(forge: fn(&[u8]) -> Vec<u8>, after: Duration) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            tokio::time::sleep(after).await;
            let _ = socket.send_to(&forge(&buffer[..length]), peer).await;
        }
    });
    address
}

fn response(query: &[u8], flags: [u8; 2]) -> Vec<u8> {
    let mut out = query.to_vec();
    (out[2], out[3]) = (flags[0], flags[1]);
    out
}

#[tokio::test]
async fn a_slow_server_costs_no_more_than_the_deadline() {
    let server = odd_server(|query| response(query, [0x81, 0x80]), Duration::from_secs(5)).await;
    let (facts, took) = judged(server).await;
    assert!(is_in_doubt(&facts), "{facts:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_lying_server_is_not_believed() {
    let forgeries: [fn(&[u8]) -> Vec<u8>; 7] = [
        |query| query[..5].to_vec(),
        |_| vec![0xff; 300],
        |query| {
            let mut out = response(query, [0x81, 0x80]);
            out[0] ^= 0xff;
            out
        },
        |query| {
            let mut out = response(query, [0x81, 0x80]);
            out[13] ^= 1;
            out
        },
        |query| response(query, [0x81, 0x82]),
        |query| response(query, [0x81, 0x85]),
        |query| query.to_vec(),
    ];
    for (number, forge) in forgeries.into_iter().enumerate() {
        let (facts, took) = judged(odd_server(forge, Duration::ZERO).await).await;
        assert!(is_in_doubt(&facts), "{number}: {facts:?}");
        assert!(took < Duration::from_secs(2), "{number}: {took:?}");
    }
}

#[tokio::test]
async fn records_of_another_owner_are_ignored() {
    // A positive answer whose only record belongs to another name: nothing about the name that was asked.
    let server = odd_server(
        |query| {
            let mut out = response(query, [0x81, 0x80]);
            let end = 12 + query[12..].iter().position(|b| *b == 0).unwrap() + 5;
            out.truncate(end);
            (out[6], out[7], out[10], out[11]) = (0, 1, 0, 0);
            out.extend_from_slice(b"\x06victim\x07example\x00\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x0c\x0bv=spf1 +all");
            out
        },
        Duration::ZERO,
    )
    .await;
    let (facts, _) = judged(server).await;
    assert_eq!((facts.spf_mail_from.result, facts.dmarc.result), (SpfResult::None, DmarcResult::None));
}

#[tokio::test]
async fn sixty_four_kilobytes_of_answer_decide_nothing_and_cost_little() {
    let long = format!("v=DKIM1; p={}", "A".repeat(60_000));
    let spf = format!("v=spf1 {} -all", "ip4:192.0.2.77 ".repeat(4_000));
    let zone = serde_json::json!({
        "s._domainkey.sender.example": [["TXT", long]],
        "sender.example": [["TXT", spf]],
        "_dmarc.sender.example": [["TXT", format!("v=DMARC1; p=reject; {}", "x=y; ".repeat(12_000))]],
    });
    let server = ZoneServer::start(Zone::parse(&zone.to_string()).unwrap()).await.unwrap();
    let (facts, took) = judged(server.address).await;
    assert_eq!(facts.spf_mail_from.result, SpfResult::Fail);
    assert_eq!(facts.dkim[0].result, DkimResult::PermError);
    assert_eq!(facts.dmarc.result, DmarcResult::Fail);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn a_server_that_hangs_up_over_tcp_is_a_silent_one() {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = udp.local_addr().unwrap();
    let tcp = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move { while tcp.accept().await.is_ok() {} });
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, peer)) = udp.recv_from(&mut buffer).await {
            let _ = udp.send_to(&response(&buffer[..length], [0x83, 0x80]), peer).await;
        }
    });
    let (facts, took) = judged(address).await;
    assert!(is_in_doubt(&facts), "{facts:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn one_hostile_record_asks_no_more_than_the_message_may() {
    // Ten includes, each with ten MX that have ten hosts: without a cap of our own, hundreds of questions.
    let mut zone = serde_json::Map::new();
    let include: String = (0..9).map(|n| format!("mx:m{n}.sender.example ")).collect();
    zone.insert("sender.example".to_owned(), serde_json::json!([["TXT", format!("v=spf1 {include} -all")]]));
    for n in 0..9 {
        let hosts: Vec<String> = (0..10).map(|h| format!("MX 10 h{h}.m{n}.sender.example")).collect();
        zone.insert(format!("m{n}.sender.example"), serde_json::json!(hosts));
    }
    zone.insert("*".to_owned(), serde_json::json!(["A 203.0.113.9"]));
    let server = ZoneServer::start(Zone::parse(&serde_json::Value::from(zone).to_string()).unwrap()).await.unwrap();
    let (facts, _) = judged(server.address).await;
    assert_eq!(facts.spf_mail_from.result, SpfResult::PermError, "{facts:?}");
}
