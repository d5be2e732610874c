//! The test points of RFC 5782 §5: 127.0.0.2 and TEST are listed, 127.0.0.1 and INVALID are not.

use super::health::{Fault, Subject};
use crate::dns::{Session, Trouble, Value};
use crate::facts::DnsType;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What one test point answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Point {
    Listed(Vec<String>),
    NotListed,
    Silent,
}

/// The health of one list, as `hamgate lists test` shows it.
#[derive(Clone, Debug)]
pub struct Report {
    pub zone: String,
    pub listed: Point,
    pub unlisted: Point,
    pub took: Duration,
    pub fault: Option<Fault>,
}

pub(super) async fn ask(session: &Session, name: &str, kind: DnsType) -> Point {
    match session.look_up(name, kind).await {
        Ok(records) if records.values.is_empty() => Point::NotListed,
        Ok(records) => {
            let text = |value: &Value| match value {
                Value::A(ip) => IpAddr::V4(*ip).to_string(),
                Value::Aaaa(ip) => IpAddr::V6(*ip).to_string(),
                Value::Mx(_, name) | Value::Name(name) => name.clone(),
                Value::Txt(octets) => String::from_utf8_lossy(octets).into_owned(),
            };
            Point::Listed(records.values.iter().map(text).collect())
        }
        Err(Trouble::Silent | Trouble::BadName | Trouble::TooMany) => Point::Silent,
    }
}

/// What must not be listed.
pub(super) fn never(zone: &str, subject: Subject) -> String {
    match subject {
        Subject::Address => format!("1.0.0.127.{zone}"),
        Subject::Name => format!("invalid.{zone}"),
    }
}

fn always(zone: &str, subject: Subject) -> String {
    match subject {
        Subject::Address => format!("2.0.0.127.{zone}"),
        Subject::Name => format!("test.{zone}"),
    }
}

/// Asks a list for its test points.
pub async fn examine(session: &Session, zone: &str, subjects: &[Subject]) -> Report {
    let began = Instant::now();
    let zone = zone.trim_end_matches('.');
    let (mut listed, mut unlisted) = (Point::Silent, Point::NotListed);
    for subject in subjects {
        let (yes, no) = (always(zone, *subject), never(zone, *subject));
        let (positive, negative) = tokio::join!(ask(session, &yes, DnsType::A), ask(session, &no, DnsType::A));
        listed = better(listed, positive);
        unlisted = worse(unlisted, negative);
    }
    let took = began.elapsed();
    let refusal = |point: &Point| match point {
        Point::Listed(records) => records.iter().find(|record| is_refusal(record)).cloned(),
        Point::NotListed | Point::Silent => None,
    };
    let foreign = |point: &Point| match point {
        Point::Listed(records) => records.first().filter(|_| !records.iter().any(|record| record.starts_with("127."))).cloned(),
        Point::NotListed | Point::Silent => None,
    };
    let fault = match (refusal(&listed).or_else(|| refusal(&unlisted)), &listed, &unlisted) {
        (Some(answer), ..) => Some(Fault::Refuses(answer)),
        (None, ..) if foreign(&listed).is_some() => foreign(&listed).map(Fault::NoList),
        (None, _, Point::Listed(_)) => Some(Fault::ListsAll),
        (None, Point::Silent, _) | (None, _, Point::Silent) => Some(Fault::Silent),
        (None, Point::NotListed, Point::NotListed) => Some(Fault::NoTestPoint),
        (None, Point::Listed(_), Point::NotListed) => None,
    };
    Report { zone: zone.to_owned(), listed, unlisted, took, fault }
}

/// One kind of subject that is listed will do: a list of names need not know addresses.
fn better(a: Point, b: Point) -> Point {
    match (&a, &b) {
        (Point::Listed(_), _) => a,
        (_, Point::Listed(_)) => b,
        (Point::NotListed, _) => a,
        (Point::Silent, _) => b,
    }
}

fn worse(a: Point, b: Point) -> Point {
    match (&a, &b) {
        (Point::Listed(_), _) => a,
        (_, Point::Listed(_)) => b,
        (Point::Silent, _) => a,
        (Point::NotListed, _) => b,
    }
}

/// Lists say "you may not ask" by an answer in 127.255.255.0/24.
pub(super) fn is_refusal(record: &str) -> bool {
    record.strip_prefix("127.255.255.").is_some_and(|last| last.parse::<u8>().is_ok())
}
