//! Forged authors: whatever a mail reader could take for the victim never passes, and never goes without a verdict.

use hamgate::auth::canon::Canonicalization;
use hamgate::auth::letter::Letter;
use hamgate::auth::sign::key::Kind;
use hamgate::auth::sign::{Entry, Form, PrivateKey, sign};
use hamgate::auth::{Verifier, results};
use hamgate::base::units::Span;
use hamgate::dns::{Resolver, Settings, Zone, ZoneServer};
use hamgate::facts::{Authentication, DkimResult, DmarcResult, Outsider, SpfResult};
use std::sync::Arc;
use std::time::Duration;

/// The attacker's own domain passes SPF and DKIM; the victim's asks for rejection.
struct Stage {
    _server: ZoneServer,
    resolver: Resolver,
    key: Arc<PrivateKey>,
}

impl Stage {
    async fn new() -> Stage {
        let key = PrivateKey::parse(&PrivateKey::generate(Kind::Ed25519).unwrap()).unwrap();
        let zone = serde_json::json!({
            "victim.example": ["TXT v=spf1 ip4:192.0.2.200 -all", "A 192.0.2.200"],
            "_dmarc.victim.example": ["TXT v=DMARC1; p=reject"],
            "attack.example": ["TXT v=spf1 ip4:198.51.100.1 -all", "A 198.51.100.1"],
            "sub.attack.example": ["TXT v=spf1 ip4:198.51.100.1 -all"],
            "_dmarc.attack.example": ["TXT v=DMARC1; p=none"],
            "s._domainkey.attack.example": [["TXT", key.record()]],
            // Whatever a careless resolver makes of odd names leads to the attacker's key and records.
            "*": [["TXT", key.record()], ["TXT", "v=spf1 +all"]],
        });
        let mut zone = zone;
        // "*" answers for everything that is not named, so the victim's key must be named to be missing.
        zone["s._domainkey.victim.example"] = serde_json::json!(["NXDOMAIN"]);
        zone["s._domainkey.attack.example._domainkey.victim.example"] = serde_json::json!(["NXDOMAIN"]);
        zone["_dmarc.example"] = serde_json::json!(["NXDOMAIN"]);
        let server = ZoneServer::start(Zone::parse(&zone.to_string()).unwrap()).await.unwrap();
        let settings = Settings {
            name_servers: vec![server.address.to_string()],
            timeout: Span(Duration::from_millis(300)),
            retries: 0,
            ..Settings::default()
        };
        let resolver = Resolver::new(&settings).unwrap();
        Stage { _server: server, resolver, key: Arc::new(key) }
    }

    /// `signer`: `d=` and `s=` as written by the attacker; empty: unsigned.
    async fn judge(&self, helo: &str, mail_from: &str, signer: (&str, &str), header: &str) -> (Authentication, Outsider) {
        let raw = format!("{header}To: reader@example.net\r\nSubject: x\r\nDate: Wed, 25 Nov 2026 10:00:00 +0000\r\n\r\nhello\r\n");
        let raw = if signer.0.is_empty() { raw } else { self.signed(&raw, signer) };
        let outsider = Outsider { ip: "198.51.100.1".parse().unwrap(), helo: helo.to_owned(), mail_from: Some(mail_from.to_owned()) };
        let facts = Verifier::default().authenticate(&self.resolver.session(), raw.as_bytes(), Some(&outsider), 2_000_000_000).await;
        (facts, outsider)
    }

    fn signed(&self, raw: &str, (domain, selector): (&str, &str)) -> String {
        let entry = Entry { domain: domain.to_owned(), selector: selector.to_owned(), file: "".into(), key: Arc::clone(&self.key) };
        let form = Form { canonicalization: Canonicalization::RELAXED, ..Form::default() };
        let value = sign(&Letter::parse(raw.as_bytes()), &entry, domain, &form, 1_900_000_000).unwrap();
        format!("DKIM-Signature: {value}\r\n{raw}")
    }
}

const ATTACKER: (&str, &str) = ("attack.example", "s");
const A: &str = "x@attack.example";

/// Name, HELO, MAIL FROM, signer, header.
type Case = (&'static str, &'static str, &'static str, (&'static str, &'static str), &'static str);

const CASES: &[Case] = &[
    // The identity of SPF.
    ("plain forgery", "attack.example", A, ("", ""), "From: ceo@victim.example\r\n"),
    ("signed by the attacker", "attack.example", A, ATTACKER, "From: ceo@victim.example\r\n"),
    (
        "MAIL FROM below the victim that does not exist",
        "attack.example",
        "x@gone.victim.example.attack.example",
        ("", ""),
        "From: ceo@victim.example\r\n",
    ),
    ("HELO passes, MAIL FROM is the victim's", "attack.example", "ceo@victim.example", ("", ""), "From: ceo@victim.example\r\n"),
    ("HELO of the victim, MAIL FROM passes", "victim.example", A, ("", ""), "From: ceo@victim.example\r\n"),
    ("null sender with the attacker's HELO", "attack.example", "", ("", ""), "From: ceo@victim.example\r\n"),
    ("null sender in disguise", "attack.example", "(x@victim.example", ("", ""), "From: ceo@victim.example\r\n"),
    ("parenthesis in MAIL FROM", "attack.example", "x@victim.example(.attack.example", ("", ""), "From: ceo@victim.example\r\n"),
    ("quote in MAIL FROM", "attack.example", "x@victim.example'.attack.example", ("", ""), "From: ceo@victim.example\r\n"),
    ("double quote in MAIL FROM", "attack.example", "x@victim.example\".attack.example", ("", ""), "From: ceo@victim.example\r\n"),
    (
        "semicolon in MAIL FROM",
        "attack.example",
        "x@victim.example; dmarc=pass header.from=victim.example.attack.example",
        ("", ""),
        "From: ceo@victim.example\r\n",
    ),
    (
        "source route in MAIL FROM",
        "attack.example",
        "@victim.example,@any.example:'x@attack.example",
        ("", ""),
        "From: ceo@victim.example\r\n",
    ),
    ("NUL in MAIL FROM", "attack.example", "x@victim.example\0.attack.example", ("", ""), "From: ceo@victim.example\r\n"),
    ("line end in HELO", "attack.example\r\nX: y", "", ("", ""), "From: ceo@victim.example\r\n"),
    // The identity of DKIM.
    ("NUL in the selector", "attack.example", A, ("victim.example", "s._domainkey.attack.example.\0.any"), "From: ceo@victim.example\r\n"),
    (
        "a selector that ends the name",
        "attack.example",
        A,
        ("victim.example", "s._domainkey.attack.example."),
        "From: ceo@victim.example\r\n",
    ),
    ("quote in d=", "attack.example", A, ("victim.example'a.attack.example", "s"), "From: ceo@victim.example\r\n"),
    ("double quote in d=", "attack.example", A, ("victim.example\"a.attack.example", "s"), "From: ceo@victim.example\r\n"),
    ("parenthesis in d=", "attack.example", A, ("victim.example(.attack.example", "s"), "From: ceo@victim.example\r\n"),
    ("backslash in d=", "attack.example", A, ("victim.example\\.attack.example", "s"), "From: ceo@victim.example\r\n"),
    ("d= of a top-level domain", "attack.example", A, ("example", "s"), "From: ceo@victim.example\r\n"),
    ("d= with a space", "attack.example", A, ("victim.example attack.example", "s"), "From: ceo@victim.example\r\n"),
    // Which field is the author's.
    ("two fields, victim first", "attack.example", A, ATTACKER, "From: ceo@victim.example\r\nFrom: x@attack.example\r\n"),
    ("two fields, victim last", "attack.example", A, ATTACKER, "From: x@attack.example\r\nFrom: ceo@victim.example\r\n"),
    ("a space before the colon", "attack.example", A, ATTACKER, "From : ceo@victim.example\r\nFrom: x@attack.example\r\n"),
    ("a tab before the colon", "attack.example", A, ATTACKER, "From: x@attack.example\r\nFrom\t: ceo@victim.example\r\n"),
    ("a space before the name", "attack.example", A, ("", ""), " From: ceo@victim.example\r\nFrom: x@attack.example\r\n"),
    ("a fold before the colon", "attack.example", A, ATTACKER, "From\r\n : ceo@victim.example\r\nFrom: x@attack.example\r\n"),
    ("another case", "attack.example", A, ATTACKER, "FROM: ceo@victim.example\r\nfrom: x@attack.example\r\n"),
    ("no From but Sender", "attack.example", A, ATTACKER, "Sender: ceo@victim.example\r\n"),
    ("no From but Resent-From", "attack.example", A, ATTACKER, "Resent-From: ceo@victim.example\r\n"),
    ("NUL in the name", "attack.example", A, ATTACKER, "From\0: ceo@victim.example\r\nFrom: x@attack.example\r\n"),
    ("bare CR before another From", "attack.example", A, ATTACKER, "X: y\rFrom: ceo@victim.example\r\nFrom: x@attack.example\r\n"),
    // Which address is the author's.
    ("two addresses", "attack.example", A, ATTACKER, "From: <ceo@victim.example>, <x@attack.example>\r\n"),
    ("two addresses, attacker first", "attack.example", A, ATTACKER, "From: x@attack.example, ceo@victim.example\r\n"),
    ("addresses side by side", "attack.example", A, ATTACKER, "From: <ceo@victim.example><x@attack.example>\r\n"),
    ("an address before the bracket", "attack.example", A, ATTACKER, "From: ceo@victim.example <x@attack.example>\r\n"),
    ("an address after the bracket", "attack.example", A, ATTACKER, "From: <x@attack.example>ceo@victim.example\r\n"),
    (
        "an encoded address and a comma",
        "attack.example",
        A,
        ATTACKER,
        "From: =?utf-8?B?PGNlb0B2aWN0aW0uZXhhbXBsZT4=?=,<x@attack.example>\r\n",
    ),
    (
        "an encoded address as the name",
        "attack.example",
        A,
        ATTACKER,
        "From: =?utf-8?B?PGNlb0B2aWN0aW0uZXhhbXBsZT4=?= <x@attack.example>\r\n",
    ),
    ("an encoded address in the bracket", "attack.example", A, ATTACKER, "From: <=?utf-8?Q?ceo=40victim.example?=@attack.example>\r\n"),
    ("a source route", "attack.example", A, ATTACKER, "From: <@attack.example,@any.example:ceo@victim.example>\r\n"),
    ("a source route of the victim", "attack.example", A, ATTACKER, "From: <@victim.example:x@attack.example>\r\n"),
    ("a quoted comma", "attack.example", A, ATTACKER, "From: <ceo@victim.example>\\,<x@attack.example>\r\n"),
    ("a comment in the domain", "attack.example", A, ATTACKER, "From: x@attack.example(.victim.example)\r\n, <ceo@victim.example>\r\n"),
    ("a comment that shows the victim", "attack.example", A, ATTACKER, "From: x@attack.example (ceo@victim.example)\r\n"),
    ("a group", "attack.example", A, ATTACKER, "From: victim: ceo@victim.example, x@attack.example;\r\n"),
    ("a group of one", "attack.example", A, ATTACKER, "From: victim: x@attack.example;\r\n"),
    ("a quoted local part", "attack.example", A, ATTACKER, "From: \"ceo@victim.example\"@attack.example\r\n"),
    ("a name in angle brackets", "attack.example", A, ATTACKER, "From: \"<ceo@victim.example>\" <x@attack.example>\r\n"),
    ("an unclosed quote", "attack.example", A, ATTACKER, "From: \"ceo@victim.example <x@attack.example>\r\n"),
    ("an unclosed comment", "attack.example", A, ATTACKER, "From: (ceo@victim.example <x@attack.example>\r\n"),
    ("NUL after the victim", "attack.example", A, ATTACKER, "From: ceo@victim.example\0@attack.example\r\n"),
    ("a fold over an empty line", "attack.example", A, ATTACKER, "From: ceo@victim.example\r\n \r\n <x@attack.example>\r\n"),
    ("two at signs", "attack.example", A, ATTACKER, "From: ceo@victim.example@attack.example\r\n"),
    ("no address", "attack.example", A, ATTACKER, "From: victim\r\n"),
    ("an empty field", "attack.example", A, ATTACKER, "From:\r\n"),
    ("an address literal", "attack.example", A, ATTACKER, "From: ceo@[198.51.100.1]\r\n"),
    ("full-width dots", "attack.example", A, ATTACKER, "From: ceo@victim\u{ff0e}example\r\n"),
];

#[tokio::test]
async fn no_forged_author_passes_and_none_goes_without_a_verdict() {
    let stage = Stage::new().await;
    let mut wrong = Vec::new();
    for (name, helo, mail_from, signer, header) in CASES {
        let (facts, outsider) = stage.judge(helo, mail_from, *signer, header).await;
        if !matches!(facts.dmarc.result, DmarcResult::Fail | DmarcResult::PermError) {
            wrong.push(format!("{name}: {:?}", facts.dmarc));
        }
        // Nothing of the attacker's text may end a result or begin another one.
        let written = results::render("mx.example.net", Some(&outsider), &facts);
        let passes = written.lines().any(|line| {
            line.contains("=pass") && (line.contains("=victim.example") || line.contains("=\"victim.example") || line.contains("dmarc"))
        });
        let printable = written.chars().all(|c| (' '..='~').contains(&c) || c == '\n' || c == '\t');
        if passes || !printable {
            wrong.push(format!("{name}: {written}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[tokio::test]
async fn honest_mail_of_both_passes() {
    let stage = Stage::new().await;
    let (facts, _) = stage.judge("attack.example", A, ATTACKER, "From: X <x@attack.example>\r\n").await;
    assert_eq!(facts.dmarc.result, DmarcResult::Pass);
    assert_eq!((facts.spf_mail_from.result, facts.dkim[0].result), (SpfResult::Pass, DkimResult::Pass));
    let (facts, _) = stage.judge("attack.example", A, ("", ""), "From: \"ceo@victim.example via list\" <x@sub.attack.example>\r\n").await;
    assert_eq!(facts.dmarc.result, DmarcResult::Pass, "relaxed, and a name that is in quotes");
}

#[tokio::test]
async fn a_body_that_goes_on_beyond_its_signed_length_aligns_nothing() {
    let stage = Stage::new().await;
    let raw = "From: x@attack.example\r\nSubject: x\r\n\r\nhello\r\n";
    let signed = stage.signed(raw, ATTACKER);
    // l= cannot be added afterwards; a signature over the whole body fails when the body grows.
    let grown = format!("{signed}more\r\n");
    let facts = Verifier::default().authenticate(&stage.resolver.session(), grown.as_bytes(), None, 2_000_000_000).await;
    assert_eq!(facts.dkim[0].result, DkimResult::Fail);
    assert_eq!(facts.dmarc.result, DmarcResult::Fail);
}
