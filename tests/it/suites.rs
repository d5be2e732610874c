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
