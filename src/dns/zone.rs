//! A zone file for diagnosis and tests: JSON (`{"example.org": ["A 192.0.2.1", ["TXT", ["two ", "strings"]], "TIMEOUT"]}`)
//! or a master file (RFC 1035 §5).

use crate::base::{Complaint, Place, Severity};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, PTR, TXT};
use hickory_proto::rr::{Name, RData, RecordType};
use serde_json::Value as Json;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// What is written under one name.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    Record(RData),
    /// A question of this type (`None`: of any type that has no record before it) gets no answer.
    Timeout(Option<RecordType>),
    ServFail,
    NxDomain,
}

/// Entries by lower-case name. `*.parent` answers for names directly below it, `*` for all that are not there.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    pub names: HashMap<String, Vec<Entry>>,
}

impl Zone {
    /// Reads the operator's file; fails with file and line.
    pub fn read(path: &Path) -> Result<Zone, Complaint> {
        let complain = |line: u32, what: String, remedy: &str| Complaint {
            severity: Severity::Error,
            place: Some(Place { file: path.display().to_string().into(), line }),
            what,
            remedy: remedy.to_owned(),
        };
        let text = std::fs::read_to_string(path).map_err(|e| complain(0, e.to_string(), "give a readable zone file"))?;
        Zone::parse(&text).map_err(|(line, what)| complain(line, what, "write \"TYPE value\" as in {\"example.org\": [\"A 192.0.2.1\"]}"))
    }

    /// The error is a line (0: unknown) and a fact.
    pub fn parse(text: &str) -> Result<Zone, (u32, String)> {
        if text.trim_start().starts_with('{') { from_json(text) } else { super::master::read(text) }
    }

    /// The entries that answer for a name, with the rule of wildcards above.
    pub fn entries(&self, name: &str) -> Option<&[Entry]> {
        let parent = name.split_once('.').map_or("", |(_, parent)| parent);
        self.names
            .get(name)
            .or_else(|| self.names.get("*"))
            .or_else(|| name.starts_with("_dmarc.").then(|| self.names.get("_dmarc.*")).flatten())
            .or_else(|| self.names.get(&format!("*.{parent}")))
            .map(Vec::as_slice)
    }

    /// RFC 8020: these names exist, whatever is written under them.
    pub fn with_names_below(&self) -> HashSet<&str> {
        let above = |name: &str| name.match_indices('.').map(|(dot, _)| dot + 1).collect::<Vec<_>>();
        self.names.keys().flat_map(|name| above(name).into_iter().filter_map(|from| name.get(from..))).collect()
    }
}

fn from_json(text: &str) -> Result<Zone, (u32, String)> {
    let object: HashMap<String, Vec<Json>> =
        serde_json::from_str(text).map_err(|e| (u32::try_from(e.line()).unwrap_or(0), e.to_string()))?;
    let mut zone = Zone::default();
    for (name, entries) in object {
        let read: Result<Vec<Entry>, String> = entries.iter().filter_map(|entry| from_value(entry).transpose()).collect();
        let read = read.map_err(|what| (0, format!("{name}: {what}")))?;
        zone.names.entry(name.trim_end_matches('.').to_lowercase()).or_default().extend(read);
    }
    Ok(zone)
}

fn from_value(value: &Json) -> Result<Option<Entry>, String> {
    match value {
        Json::String(word) => match word.as_str() {
            "TIMEOUT" => Ok(Some(Entry::Timeout(None))),
            "SERVFAIL" => Ok(Some(Entry::ServFail)),
            "NXDOMAIN" => Ok(Some(Entry::NxDomain)),
            line => {
                let (kind, rest) = line.split_once(' ').ok_or_else(|| format!("\"{line}\" has no value"))?;
                record(kind, &[rest])
            }
        },
        Json::Array(pair) => {
            let [Json::String(kind), value] = pair.as_slice() else { return Err(format!("{value} is no [type, value]")) };
            let strings: Vec<&str> = match value {
                Json::String(one) => vec![one],
                Json::Array(many) => many.iter().filter_map(Json::as_str).collect(),
                _ => return Err(format!("{value} is no text")),
            };
            record(kind, &strings)
        }
        _ => Err(format!("{value} is no record")),
    }
}

/// `Ok(None)`: a type that nobody asks for (SPF, type 99, which RFC 7208 §3.1 retired).
pub(super) fn record(kind: &str, strings: &[&str]) -> Result<Option<Entry>, String> {
    let value = strings.first().copied().unwrap_or("");
    let name = |text: &str| labels(text).ok_or_else(|| format!("\"{text}\" is no name"));
    let wanted = kind.to_ascii_uppercase();
    if value == "TIMEOUT" {
        return Ok(wanted.parse::<RecordType>().ok().map(|kind| Entry::Timeout(Some(kind))));
    }
    let data = match wanted.as_str() {
        "A" => RData::A(A(value.parse().map_err(|e| format!("{value}: {e}"))?)),
        "AAAA" => RData::AAAA(AAAA(value.parse().map_err(|e| format!("{value}: {e}"))?)),
        "MX" => {
            let (preference, host) = value.split_once(' ').ok_or_else(|| format!("\"{value}\": MX needs preference and name"))?;
            RData::MX(MX::new(preference.parse().map_err(|e| format!("{preference}: {e}"))?, name(host)?))
        }
        "NS" => RData::NS(NS(name(value)?)),
        "PTR" => RData::PTR(PTR(name(value)?)),
        "CNAME" => RData::CNAME(CNAME(name(value)?)),
        "TXT" => {
            let chunks: Vec<&[u8]> =
                strings.iter().flat_map(|s| if s.is_empty() { vec![s.as_bytes()] } else { s.as_bytes().chunks(255).collect() }).collect();
            RData::TXT(TXT::from_bytes(if chunks.is_empty() { vec![b"".as_slice()] } else { chunks }))
        }
        "SPF" | "SOA" | "CAA" | "SRV" | "DS" | "DNSKEY" | "TLSA" => return Ok(None),
        other => return Err(format!("type {other} is not served")),
    };
    Ok(Some(Entry::Record(data)))
}

/// Any octets may stand in a label here: hostile zones are what this is for.
fn labels(text: &str) -> Option<Name> {
    Name::from_labels(text.trim_end_matches('.').split('.').filter(|label| !label.is_empty()).map(str::as_bytes)).ok()
}
