//! Questions to packets and packets to answers. What does not belong to the question is ignored.

use super::name;
use crate::facts::{DnsReply, DnsType};
use hickory_proto::op::{Edns, Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Octets that we take in one UDP packet (the DNS flag day value, which hardly ever fragments).
const UDP_PAYLOAD: u16 = 1232;
/// Aliases followed within one answer.
const CHAIN: usize = 8;
/// Records kept of one answer.
const RECORDS: usize = 500;
/// Octets kept of one answer's TXT records together.
const TXT_OCTETS: usize = 65_536;
const SHORTEST_TTL: u32 = 1;
const LONGEST_TTL: u32 = 86_400;
/// RFC 2308 §5 suggests one to three hours as the upper bound for "no such name"; mail wants to hear of new names sooner.
const LONGEST_NEGATIVE_TTL: u32 = 900;
const NEGATIVE_TTL_WITHOUT_SOA: u32 = 60;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Mx(u16, String),
    /// NS or PTR.
    Name(String),
    /// The strings of one TXT record, joined (RFC 7208 §3.3, RFC 6376 §3.6.2.2).
    Txt(Vec<u8>),
}

/// The answer to one question. No values: the name (`exists` false) or the type does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    pub exists: bool,
    pub values: Vec<Value>,
    /// How long it may be kept.
    pub ttl: Duration,
}

impl Records {
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.values.iter().filter_map(|value| match value {
            Value::Txt(octets) => Some(octets.as_slice()),
            Value::A(_) | Value::Aaaa(_) | Value::Mx(..) | Value::Name(_) => None,
        })
    }

    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.values.iter().filter_map(|value| match value {
            Value::A(v4) => Some(IpAddr::V4(*v4)),
            Value::Aaaa(v6) => Some(IpAddr::V6(*v6)),
            Value::Mx(..) | Value::Name(_) | Value::Txt(_) => None,
        })
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.iter().filter_map(|value| match value {
            Value::Mx(_, name) | Value::Name(name) => Some(name.as_str()),
            Value::A(_) | Value::Aaaa(_) | Value::Txt(_) => None,
        })
    }

    /// As rules see it.
    pub fn reply(&self) -> DnsReply {
        let text = |value: &Value| match value {
            Value::A(v4) => v4.to_string(),
            Value::Aaaa(v6) => v6.to_string(),
            Value::Mx(preference, name) => format!("{preference} {name}"),
            Value::Name(name) => name.clone(),
            Value::Txt(octets) => String::from_utf8_lossy(octets).into_owned(),
        };
        DnsReply { records: self.values.iter().map(text).collect(), exists: self.exists }
    }

    /// Octets of memory, roughly.
    pub fn weight(&self) -> usize {
        let of = |value: &Value| match value {
            Value::A(_) | Value::Aaaa(_) => 0,
            Value::Mx(_, name) | Value::Name(name) => name.len(),
            Value::Txt(octets) => octets.len(),
        };
        self.values.iter().map(|value| 40 + of(value)).sum::<usize>() + 64
    }
}

/// What a packet told.
#[derive(Debug)]
pub enum Told {
    Answer(Records),
    /// Asked over UDP and cut off there.
    Truncated,
    /// The chain of aliases ends in a name that this packet says nothing about.
    Alias(String),
    /// SERVFAIL, REFUSED and kin.
    Failed,
    /// Not for us: another id, another question, or no DNS at all.
    Foreign,
}

pub fn record_type(kind: DnsType) -> RecordType {
    match kind {
        DnsType::A => RecordType::A,
        DnsType::Aaaa => RecordType::AAAA,
        DnsType::Mx => RecordType::MX,
        DnsType::Ns => RecordType::NS,
        DnsType::Ptr => RecordType::PTR,
        DnsType::Txt => RecordType::TXT,
    }
}

/// The packet and its random id; `name` has been checked.
pub fn question(name: &str, kind: DnsType) -> Option<(u16, Vec<u8>)> {
    let mut query = Query::query(Name::from_labels(name.split('.').map(str::as_bytes)).ok()?, record_type(kind));
    query.set_query_class(DNSClass::IN);
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(query);
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_PAYLOAD);
    message.set_edns(edns);
    let id = message.metadata.id;
    message.to_vec().ok().map(|packet| (id, packet))
}

pub fn answer(packet: &[u8], id: u16, asked: &str, kind: DnsType) -> Told {
    let Ok(message) = Message::from_vec(packet) else { return Told::Foreign };
    let [question] = message.queries.as_slice() else { return Told::Foreign };
    let ours = message.metadata.id == id
        && message.metadata.message_type == hickory_proto::op::MessageType::Response
        && message.metadata.op_code == OpCode::Query
        && question.query_type() == record_type(kind)
        && owner(question.name()) == asked;
    if !ours {
        return Told::Foreign;
    }
    if message.metadata.truncation {
        return Told::Truncated;
    }
    match message.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => {}
        _ => return Told::Failed,
    }
    read(&message, asked, kind)
}

fn read(message: &Message, asked: &str, kind: DnsType) -> Told {
    let exists = message.metadata.response_code == ResponseCode::NoError;
    let mut target = asked.to_owned();
    let mut ttl = LONGEST_TTL;
    // Each round walks the records once; CHAIN bounds the rounds.
    for _ in 0..=CHAIN {
        let values = values(message, &target, kind, &mut ttl);
        if !values.is_empty() {
            return Told::Answer(Records { exists: true, values, ttl: seconds(ttl.clamp(SHORTEST_TTL, LONGEST_TTL)) });
        }
        match alias(message, &target) {
            Some((next, alias_ttl)) => {
                ttl = ttl.min(alias_ttl);
                target = next;
            }
            None if target == asked || !exists || has_soa(message) => {
                return Told::Answer(Records { exists, values: Vec::new(), ttl: negative_ttl(message, ttl) });
            }
            None => return Told::Alias(target),
        }
    }
    // RFC 1034 §3.6.2: a loop of aliases is an error.
    Told::Failed
}

fn values(message: &Message, owner_name: &str, kind: DnsType, ttl: &mut u32) -> Vec<Value> {
    let mut room = TXT_OCTETS;
    let mut found = Vec::new();
    for record in message.answers.iter().filter(|record| belongs(record, owner_name)) {
        let value = match (&record.data, kind) {
            (RData::A(a), DnsType::A) => Value::A(a.0),
            (RData::AAAA(aaaa), DnsType::Aaaa) => Value::Aaaa(aaaa.0),
            (RData::MX(mx), DnsType::Mx) => Value::Mx(mx.preference, owner(&mx.exchange)),
            (RData::NS(ns), DnsType::Ns) => Value::Name(owner(&ns.0)),
            (RData::PTR(ptr), DnsType::Ptr) => Value::Name(owner(&ptr.0)),
            (RData::TXT(txt), DnsType::Txt) => {
                let octets = txt.txt_data.concat();
                if octets.len() > room {
                    break;
                }
                room -= octets.len();
                Value::Txt(octets)
            }
            _ => continue,
        };
        *ttl = (*ttl).min(record.ttl);
        found.push(value);
        if found.len() == RECORDS {
            break;
        }
    }
    found
}

fn belongs(record: &Record, owner_name: &str) -> bool {
    record.dns_class == DNSClass::IN && owner(&record.name) == owner_name
}

fn alias(message: &Message, owner_name: &str) -> Option<(String, u32)> {
    message.answers.iter().find_map(|record| match &record.data {
        RData::CNAME(target) if belongs(record, owner_name) => Some((owner(&target.0), record.ttl)),
        _ => None,
    })
}

fn has_soa(message: &Message) -> bool {
    message.authorities.iter().any(|record| matches!(record.data, RData::SOA(_)))
}

/// RFC 2308 §5: the lesser of the SOA record's own TTL and its MINIMUM field.
fn negative_ttl(message: &Message, ttl: u32) -> Duration {
    let soa = message.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
        _ => None,
    });
    seconds(soa.unwrap_or(NEGATIVE_TTL_WITHOUT_SOA).min(ttl).clamp(SHORTEST_TTL, LONGEST_NEGATIVE_TTL))
}

fn seconds(n: u32) -> Duration {
    Duration::from_secs(u64::from(n))
}

fn owner(name: &Name) -> String {
    name::text(name.iter())
}
