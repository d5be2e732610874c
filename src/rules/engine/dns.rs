//! Network rules of their own syntax (`askdns`, `uridnsbl` and kin): one row a directive; and which names may be asked at all.

use super::{askdns, uri_lists};
use crate::facts::{DnsQuestion, DnsType, Question};
use crate::rules::RuleSet;
use crate::rules::eval::Context;
use crate::rules::model::Rule;
use crate::rules::options::Options;
use std::time::Duration;

/// What a network rule says as far as its answers are known.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// These must be answered first. A question whose answer is known, even as silent, is never asked again.
    Ask(Vec<Question>),
    /// It waits for a tag that some rule to come may set.
    Later,
    /// The records and names that made it hit, for the report.
    Hit(String),
    Miss,
}

/// One directive: reads the rule's arguments, asks, and judges the answers in `context.facts`.
pub struct Row {
    pub directive: &'static str,
    pub evaluate: fn(&Rule, &Context<'_, '_>) -> Said,
}

pub static ROWS: &[Row] = &[
    Row { directive: "askdns", evaluate: askdns::evaluate },
    Row { directive: "uridnsbl", evaluate: uri_lists::by_address },
    Row { directive: "uridnssub", evaluate: uri_lists::by_address },
    Row { directive: "urirhsbl", evaluate: uri_lists::by_name },
    Row { directive: "urirhssub", evaluate: uri_lists::by_name },
    Row { directive: "urinsrhsbl", evaluate: uri_lists::by_server_domain },
    Row { directive: "urinsrhssub", evaluate: uri_lists::by_server_domain },
    Row { directive: "urifullnsrhsbl", evaluate: uri_lists::by_server },
    Row { directive: "urifullnsrhssub", evaluate: uri_lists::by_server },
];

pub fn find(directive: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.directive == directive)
}

/// Whether `dns_query_restriction` keeps a name from being asked: the longest parent that is spoken of decides, `*` speaks
/// of all names.
pub fn is_denied(options: &Options, question: &DnsQuestion) -> bool {
    let Some(table) = options.tables.get("dns_query_restriction") else { return false };
    let mut name: &str = &question.name;
    loop {
        if let Some(word) = table.get(name) {
            return word == "deny";
        }
        match name.split_once('.') {
            Some((_, parent)) => name = parent,
            None => return table.get("*").is_some_and(|word| word == "deny"),
        }
    }
}

/// `dns_available no`: nothing is asked at all.
pub fn is_available(options: &Options) -> bool {
    options.text("dns_available", "yes") != "no"
}

/// The zone that a rule asks, where it asks one: what comes after the last tag of a template, or the list's name.
pub fn zone_of(rule: &Rule) -> Option<&str> {
    use crate::rules::model::Test;
    let zone = match &rule.test {
        Test::Dns { directive, arguments, .. } if &**directive == "askdns" => {
            let (_, after) = arguments.first()?.rsplit_once("_.")?;
            after
        }
        Test::Dns { arguments, .. } => arguments.first()?,
        Test::Eval { function, arguments, .. } => match &**function {
            "check_rbl_sub" | "check_rbl_ns_from" => return None,
            name if name.starts_with("check_rbl") => arguments.get(1)?,
            name if name.starts_with("check_hashbl") => arguments.first()?.split('/').next()?,
            _ => return None,
        },
        Test::Header { .. }
        | Test::Exists(_)
        | Test::Body(_)
        | Test::RawBody(_)
        | Test::Full(_)
        | Test::Uri(_)
        | Test::MimeHeader { .. }
        | Test::UriDetail(_)
        | Test::Meta(_)
        | Test::Empty => return None,
    };
    Some(zone.trim_end_matches('.')).filter(|zone| zone.contains('.'))
}

/// Zones of all lists that rules ask, each once.
pub fn zones(set: &RuleSet) -> Vec<String> {
    let mut all: Vec<String> = set.rules.iter().filter_map(zone_of).map(str::to_ascii_lowercase).collect();
    all.sort();
    all.dedup();
    all
}

/// Lists that are asked about the address of the client, and for which records.
pub fn address_lists(set: &RuleSet) -> Vec<(String, DnsType)> {
    let mut all = Vec::new();
    for rule in &set.rules {
        let crate::rules::model::Test::Eval { function, .. } = &rule.test else { continue };
        let kind = match &**function {
            "check_rbl" => DnsType::A,
            "check_rbl_txt" => DnsType::Txt,
            _ => continue,
        };
        let scored = rule.scores.iter().any(|score| *score != 0.0);
        if let Some(zone) = zone_of(rule).filter(|_| scored || rule.is_subrule()) {
            let row = (zone.to_ascii_lowercase(), kind);
            if !all.contains(&row) {
                all.push(row);
            }
        }
    }
    all
}

/// Domains that `dns_block_rule` names, and the rules whose hit keeps them from being asked for a while.
pub fn blocked(set: &RuleSet, hit: impl Fn(&str) -> bool) -> Vec<(&str, &str)> {
    let rows = set.options.tables.get("dns_block_rule").into_iter().flatten();
    rows.filter_map(|(domain, rules)| rules.split(' ').find(|rule| hit(rule)).map(|rule| (domain.as_str(), rule))).collect()
}

/// `rbl_timeout`, where a rule file sets it.
pub fn patience(set: &RuleSet) -> Option<Duration> {
    let seconds = set.options.number("rbl_timeout", 0.0);
    (seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(3600.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_longest_parent_decides_what_may_be_asked() {
        let mut options = Options::default();
        let words = [("*", "deny"), ("example.org", "allow"), ("bad.example.org", "deny")];
        let table: BTreeMap<String, String> = words.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let question = |name: &str| DnsQuestion { name: name.into(), kind: DnsType::A };
        assert!(!is_denied(&options, &question("a.example.net")));
        options.tables.insert("dns_query_restriction".into(), table);
        for (name, denied) in [("a.example.net", true), ("x.example.org", false), ("1.bad.example.org", true), ("example.org", false)] {
            assert_eq!(is_denied(&options, &question(name)), denied, "{name}");
        }
    }
}
