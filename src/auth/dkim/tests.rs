//! The worked examples of RFC 6376 and RFC 8463, and what must not pass.

use super::*;
use crate::auth::letter::Letter;
use crate::base::units::Span;
use crate::dns::{Resolver, Settings, Zone, ZoneServer};
use crate::facts::DkimSignature;
use std::time::Duration;

const MESSAGE: &str = "From: Joe SixPack <joe@football.example.com>\r\n\
    To: Suzie Q <suzie@shopping.example.net>\r\n\
    Subject: Is dinner ready?\r\n\
    Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
    Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\
    \r\n\
    Hi.\r\n\
    \r\n\
    We lost the game.  Are you hungry yet?\r\n\
    \r\n\
    Joe.\r\n";

// RFC 8463 appendix A.
const ED25519: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n \
    q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n \
    bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n \
    b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n";
const RSA: &str = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n \
    q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n date : message-id : from : subject : date;\r\n \
    bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n \
    b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n \
    dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n";
const RSA_KEY: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";
const NOW: u64 = 1_528_640_000;

fn zone(rsa: &str) -> String {
    format!(
        "{{\"brisbane._domainkey.football.example.com\": [\"TXT v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"],
          \"test._domainkey.football.example.com\": [\"TXT {rsa}\"], \"silent._domainkey.football.example.com\": [\"TIMEOUT\"]}}"
    )
}

async fn verified(raw: &str, zone: &str) -> Vec<DkimSignature> {
    let server = ZoneServer::start(Zone::parse(zone).unwrap()).await.unwrap();
    let settings = Settings {
        name_servers: vec![server.address.to_string()],
        timeout: Span(Duration::from_millis(200)),
        retries: 0,
        ..Settings::default()
    };
    let session = Resolver::new(&settings).unwrap().session();
    verify(&session, &Letter::parse(raw.as_bytes()), NOW).await
}

async fn results(raw: &str) -> Vec<&'static str> {
    let rsa = format!("v=DKIM1; k=rsa; p={RSA_KEY}");
    verified(raw, &zone(&rsa)).await.iter().map(|fact| word(fact.result)).collect()
}

/// The result with another key record in the place of the RSA one.
async fn with_key(record: &str) -> (&'static str, String) {
    let facts = verified(&format!("{RSA}{MESSAGE}"), &zone(record)).await;
    (word(facts[0].result), facts[0].reason.clone())
}

#[tokio::test]
async fn the_example_of_rfc_8463_passes_with_both_keys() {
    assert_eq!(results(&format!("{ED25519}{RSA}{MESSAGE}")).await, ["pass", "pass"]);
    let lf = format!("{ED25519}{RSA}{MESSAGE}").replace("\r\n", "\n");
    assert_eq!(results(&lf).await, ["pass", "pass"], "line ends of a spool file");
}

#[tokio::test]
async fn the_example_of_rfc_6376_passes() {
    // Appendix A.2; the folds of the signature are those of the printed text.
    let signature = "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\r\n      c=simple/simple; q=dns/txt; \
        i=joe@football.example.com;\r\n      h=Received : From : To : Subject : Date : Message-ID;\r\n      \
        bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\r\n      \
        4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\r\n      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\r\n      \
        4bmp/YzhwvcubU4=;\r\nReceived: from client1.football.example.com  [192.0.2.1]\r\n      by submitserver.example.com with SUBMISSION;\r\n      \
        Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\r\n";
    let key = "{\"brisbane._domainkey.example.com\": [\"TXT v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB\"]}";
    let facts = verified(&format!("{signature}{}", MESSAGE.replace("game.  Are", "game. Are")), key).await;
    assert_eq!((word(facts[0].result), facts[0].identity.as_str()), ("pass", "football.example.com"), "{}", facts[0].reason);
}

#[tokio::test]
async fn a_changed_message_fails() {
    for (from, to) in [("hungry", "Hungry"), ("Is dinner", "is dinner"), ("Suzie Q", "Suzie"), ("Joe.\r\n", "Joe.\r\nmore\r\n")] {
        assert_eq!(results(&format!("{RSA}{}", MESSAGE.replace(from, to))).await, ["fail"], "{from}");
    }
    let second = format!("{RSA}From: x@evil.example\r\n{MESSAGE}");
    assert_eq!(results(&second).await, ["fail"], "From is signed twice, so a second one breaks it");
}

#[tokio::test]
async fn tags_are_read_strictly() {
    for (from, to, expected) in [
        ("v=1;", "v=1.0;", "permerror"),
        ("v=1;", "", "permerror"),
        ("a=rsa-sha256", "a=rsa-sha512", "permerror"),
        ("a=rsa-sha256", "a=rsa-sha1", "policy"),
        ("a=rsa-sha256", "a=ed25519-sha256", "permerror"),
        ("d=football", "d=football.example.com; d=football", "permerror"),
        ("i=@football", "i=@other", "permerror"),
        ("h=from :", "h=", "fail"),
        ("h=from : to : subject :\r\n date : message-id : from :", "h=to :", "permerror"),
        ("s=test;", "s=test.football.example.com.\0.any;", "permerror"),
        ("s=test;", "s=te st;", "permerror"),
        ("d=football.example.com;", "d=football.example.com(.evil.example;", "permerror"),
        ("d=football.example.com;", "d=com;", "permerror"),
        ("q=dns/txt", "q=http", "permerror"),
        ("t=1528637909", "t=1528637909; x=1528637908", "permerror"),
        ("t=1528637909", "t=1528637909; x=1528637999", "fail"),
        ("t=1528637909", "t=9928637909", "policy"),
        ("t=1528637909", "t=-1", "permerror"),
        ("bh=2jU", "bh=*2jU", "permerror"),
        ("bh=2jU", "l=999999; bh=2jU", "fail"),
        ("s=test;", "s=silent;", "temperror"),
        ("s=test;", "s=none;", "permerror"),
        ("c=relaxed/relaxed", "c=odd", "permerror"),
    ] {
        assert!(RSA.contains(from), "{from}");
        assert_eq!(results(&format!("{}{MESSAGE}", RSA.replacen(from, to, 1))).await, [expected], "{to:?}");
    }
}

#[tokio::test]
async fn a_bad_key_never_passes() {
    let short =
        "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAIWmlgix/84GJ+dfgjm7LTc9EPdfkftlgiPpCq4/kbDAZmU0VvYKDljjleJ1dfvS+CGy9U/kk1tG3EeEvb82xAcCAwEAAQ==";
    for (record, expected) in [
        (format!("v=DKIM1; p={short}"), "policy"),
        ("v=DKIM1; p=".to_owned(), "permerror"),
        (format!("v=DKIM2; p={RSA_KEY}"), "permerror"),
        (format!("k=rsa; v=DKIM1; p={RSA_KEY}"), "permerror"),
        (format!("v=DKIM1; h=sha1; p={RSA_KEY}"), "permerror"),
        (format!("v=DKIM1; s=other; p={RSA_KEY}"), "permerror"),
        (format!("v=DKIM1; k=ed25519; p={RSA_KEY}"), "permerror"),
        (format!("v=DKIM1; p={}", &RSA_KEY[..200]), "permerror"),
        (format!("v=DKIM1; p={RSA_KEY}\", \"TXT v=DKIM1; p={RSA_KEY}"), "permerror"),
        (format!("v=DKIM1; n={}; p={RSA_KEY}", "x".repeat(9000)), "permerror"),
        ("v=spf1 -all".to_owned(), "permerror"),
    ] {
        assert_eq!(with_key(&record).await.0, expected, "{record}");
    }
    for record in [format!("p={RSA_KEY}"), format!("v=DKIM1; t=y:s; s=email; h=sha256:sha1; p={RSA_KEY}")] {
        assert_eq!(with_key(&record).await.0, "pass", "{record}");
    }
}

#[tokio::test]
async fn signatures_beyond_eight_are_not_verified() {
    let facts = results(&format!("{}{MESSAGE}", RSA.repeat(12))).await;
    assert_eq!(facts.iter().filter(|word| **word == "pass").count(), 8);
    assert_eq!(facts.iter().filter(|word| **word == "policy").count(), 4);
}
