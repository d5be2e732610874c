//! Conformance suites outside the repository, found by HAMGATE_SUITES, and their zones.

use hamgate::dns::zone::Zone;
use serde_json::Value;
use std::path::PathBuf;

/// The folder of the suites.
pub fn folder() -> PathBuf {
    PathBuf::from(std::env::var("HAMGATE_SUITES").expect("HAMGATE_SUITES names the folder of the conformance suites"))
}

/// A zone of the SPF suites: a type 99 record is served as TXT too, unless the name has TXT records of its own.
pub fn spf_zone(scenario: &Value) -> Zone {
    let mut zone = serde_json::Map::new();
    for (name, records) in scenario.as_object().unwrap() {
        let mut entries: Vec<Value> = Vec::new();
        let mut late: Vec<Value> = Vec::new();
        let mut duplicate = true;
        for record in records.as_array().unwrap() {
            let Some(record) = record.as_object() else {
                entries.push(record.clone());
                continue;
            };
            for (kind, value) in record {
                let strings = if value.is_string() { Value::Array(vec![value.clone()]) } else { value.clone() };
                match kind.as_str() {
                    "TXT" => duplicate = false,
                    "SPF" if duplicate => late.push(serde_json::json!(["TXT", strings])),
                    _ => {}
                }
                if strings == serde_json::json!(["NONE"]) {
                    continue;
                }
                entries.push(match kind.as_str() {
                    "MX" => {
                        let host = value[1].as_str().filter(|host| !host.is_empty()).unwrap_or(".");
                        Value::String(format!("MX {} {host}", value[0]))
                    }
                    "TXT" | "SPF" => serde_json::json!([kind, strings]),
                    _ => Value::String(format!("{kind} {}", value.as_str().unwrap())),
                });
            }
        }
        if duplicate {
            entries.extend(late);
        }
        zone.insert(name.to_lowercase().trim_end_matches('.').to_owned(), Value::Array(entries));
    }
    Zone::parse(&Value::Object(zone).to_string()).unwrap()
}

/// One case of the ARC suites: a small subset of YAML is enough for them.
#[derive(Debug, Default)]
pub struct ArcCase {
    pub name: String,
    pub fields: std::collections::HashMap<String, String>,
}

/// Documents of cases and the zone that goes with each.
pub fn arc_documents(file: &str) -> Vec<(Vec<ArcCase>, Zone)> {
    let text = std::fs::read_to_string(folder().join("arc").join(file)).unwrap();
    let mut documents = Vec::new();
    for document in text.split("\n---") {
        let (tests, after) =
            document.split_once("\ntests:\n").map_or(("", document), |(_, rest)| rest.split_once("\ntxt-records:").unwrap());
        let mut cases: Vec<ArcCase> = Vec::new();
        let mut open: Option<String> = None;
        for line in tests.lines() {
            let indent = line.len() - line.trim_start().len();
            let key = line.trim().split_once(':').filter(|_| !line.trim().is_empty());
            match (indent, key) {
                (2, Some((name, _))) => {
                    cases.push(ArcCase { name: name.to_owned(), ..ArcCase::default() });
                    open = None;
                }
                (4, Some((key, value))) => {
                    let value = value.trim();
                    let block = matches!(value, "|" | ">-" | ">");
                    cases.last_mut().unwrap().fields.insert(key.to_owned(), if block { String::new() } else { value.to_owned() });
                    open = block.then(|| key.to_owned());
                }
                _ => {
                    if let Some(key) = &open {
                        let field = cases.last_mut().unwrap().fields.get_mut(key).unwrap();
                        field.push_str(line.get(6..).unwrap_or(""));
                        field.push('\n');
                    }
                }
            }
        }
        let mut zone: std::collections::HashMap<String, Vec<(String, String)>> = std::collections::HashMap::new();
        let mut name = String::new();
        for line in after.lines() {
            let indent = line.len() - line.trim_start().len();
            match (indent, line.trim().split_once(": ").or_else(|| line.trim().split_once(":").filter(|(_, v)| v.is_empty()))) {
                (2, Some((key, value))) => {
                    name = key.to_owned();
                    let value = if matches!(value, "|" | ">-") { "" } else { value };
                    zone.insert(name.clone(), vec![("TXT".to_owned(), value.to_owned())]);
                }
                (4, _) => zone.get_mut(&name).unwrap()[0].1.push_str(line.trim()),
                _ => {}
            }
        }
        if !cases.is_empty() {
            documents.push((cases, Zone::parse(&serde_json::to_string(&zone).unwrap()).unwrap()));
        }
    }
    documents
}
