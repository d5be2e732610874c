//! What rules see of a message, against what SpamAssassin's rules see of it.
//!
//! `HAMGATE_TRUTH` holds `edge/views.jsonl` beside its messages; `HAMGATE_VIEWS` may name further such files, separated by
//! colons, whose paths are absolute. Prints a table by view and family, then the first differences.

use hamgate::mail::html::{HtmlFacts, Text};
use hamgate::mail::{Arrival, HeaderQuery, Mail, Reading, ViewOptions};
use hamgate::rules::{NoFiles, Settings, Source, load};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

/// Where Debian puts the stock rules, whose top-level domains the views need.
const STOCK_RULES: &str = "/usr/share/spamassassin";

struct Case {
    name: String,
    family: String,
    message: Vec<u8>,
    options: ViewOptions,
    expected: Value,
}

/// One view: its name, and what we and SpamAssassin say where they differ.
type View = fn(&Reading<'_>, &Value) -> Option<(String, String)>;

const VIEWS: &[(&str, View)] = &[
    ("body", |r, v| list(r.body(), &v["body"])),
    ("rawbody", |r, v| list(r.rawbody(), &v["rawbody"])),
    ("visible", |r, v| list(r.visible(), &v["visible"])),
    ("invisible", |r, v| list(r.invisible(), &v["invisible"])),
    ("header", |r, v| headers(r, v, |name| !name.starts_with("X-Spam-Relays-"))),
    ("relays", |r, v| headers(r, v, |name| name.starts_with("X-Spam-Relays-"))),
    ("parts", parts),
    ("uris", uris),
    ("uri_detail", uri_detail),
    ("html", html),
];

#[test]
#[ignore = "needs the parity folder (HAMGATE_TRUTH)"]
fn rules_see_what_spamassassins_rules_see() {
    let mut table: BTreeMap<(&str, String), (usize, usize)> = BTreeMap::new();
    let mut differences = String::new();
    let only = env::var("HAMGATE_VIEW").ok();
    for case in cases() {
        let mail = Mail::parse(case.message);
        let arrival = Arrival::FromFields;
        let reading = Reading::new(&mail, &arrival, &case.options);
        for (view, compare) in VIEWS.iter().filter(|(view, _)| only.as_deref().is_none_or(|o| o == *view)) {
            let difference = compare(&reading, &case.expected);
            let cell = table.entry((view, case.family.clone())).or_default();
            match difference {
                None => cell.0 += 1,
                Some((ours, theirs)) => {
                    cell.1 += 1;
                    let _ = writeln!(differences, "{} {view}\n  ours   {ours}\n  theirs {theirs}", case.name);
                }
            }
        }
    }
    println!("{differences}");
    let mut totals: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for ((view, family), (equal, different)) in &table {
        println!("{view:10} {family:10} equal {equal:5} different {different:4}");
        let total = totals.entry(view).or_default();
        (total.0, total.1) = (total.0 + equal, total.1 + different);
    }
    for (view, (equal, different)) in &totals {
        println!(
            "{view:10} all        equal {equal:5} different {different:4}  {:.2} %",
            100.0 * *equal as f64 / (equal + different) as f64
        );
    }
    let (equal, different) = totals.values().fold((0, 0), |sum, t| (sum.0 + t.0, sum.1 + t.1));
    assert!(equal > 0, "no case was found");
    assert!(equal * 100 >= (equal + different) * 98, "{different} of {} views differ", equal + different);
}

fn cases() -> Vec<Case> {
    let edge = PathBuf::from(env::var("HAMGATE_TRUTH").expect("HAMGATE_TRUTH")).join("edge");
    let stock = stock_lines();
    let plain = options(&stock, "");
    let mut files = vec![edge.join("views.jsonl")];
    if let Ok(more) = env::var("HAMGATE_VIEWS") {
        files.extend(more.split(':').map(PathBuf::from));
    }
    let mut cases = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        for line in text.lines() {
            let expected: Value = serde_json::from_str(line).expect("JSON");
            let name = expected["path"].as_str().expect("path").to_string();
            let path = edge.join(&name);
            let Ok(message) = fs::read(&path) else { panic!("{}", path.display()) };
            let is_edge = path.parent() == Some(&*edge);
            let own = if is_edge { fs::read(path.with_extension("cf")).unwrap_or_default() } else { Vec::new() };
            let options = if own.is_empty() { plain.clone() } else { options(&stock, &view_lines(&String::from_utf8_lossy(&own))) };
            let family = if is_edge { name.split('-').nth(1).unwrap_or("?").to_string() } else { "corpus".to_string() };
            cases.push(Case { name, family, message, options, expected });
        }
    }
    cases
}

/// Options that views depend on; rules of the same files are left out, since compiling them takes long.
const KEYS: [&str; 12] = [
    "util_rb_",
    "clear_util_rb",
    "trusted_networks",
    "internal_networks",
    "msa_networks",
    "normalize_charset",
    "parse_dkim_uris",
    "body_part_scan_size",
    "rawbody_part_scan_size",
    "envelope_sender_header",
    "originating_ip_headers",
    "redirector_pattern",
];

/// Those lines of the stock rules.
fn stock_lines() -> String {
    let mut files: Vec<PathBuf> = fs::read_dir(STOCK_RULES).map(|dir| dir.flatten().map(|e| e.path()).collect()).unwrap_or_default();
    files.retain(|f| f.extension().is_some_and(|e| e == "cf"));
    files.sort();
    let mut text = String::new();
    for file in files {
        let content = fs::read(&file).unwrap_or_default();
        text.push_str(&view_lines(&String::from_utf8_lossy(&content)));
    }
    assert!(text.contains("util_rb_tld"), "no top-level domains in {STOCK_RULES}");
    text
}

fn view_lines(text: &str) -> String {
    text.lines().filter(|l| KEYS.iter().any(|k| l.trim_start().starts_with(k))).flat_map(|l| [l, "\n"]).collect()
}

fn options(stock: &str, own: &str) -> ViewOptions {
    let sources = [stock, own].map(|text| Source::Text { name: "options.cf".into(), text: text.into() });
    load(&sources, &NoFiles, &Settings::default()).0.options.view
}

/// One character for each octet, as in the views.
fn shown(octets: &[u8]) -> String {
    octets.iter().map(|b| char::from(*b)).collect()
}

fn list(ours: &[Vec<u8>], theirs: &Value) -> Option<(String, String)> {
    let ours: Vec<String> = ours.iter().map(|p| shown(p)).collect();
    let theirs: Vec<String> =
        theirs.as_array().map(|a| a.iter().map(|v| v.as_str().unwrap_or("").to_string()).collect()).unwrap_or_default();
    let at = (0..ours.len().max(theirs.len())).find(|i| ours.get(*i) != theirs.get(*i))?;
    let piece = |list: &[String]| list.get(at).map_or("(none)".to_string(), |p| excerpt(p, ours.get(at), theirs.get(at)));
    Some((format!("[{at}/{}] {}", ours.len(), piece(&ours)), format!("[{at}/{}] {}", theirs.len(), piece(&theirs))))
}

/// The text around the first difference.
fn excerpt(text: &str, a: Option<&String>, b: Option<&String>) -> String {
    let common = match (a, b) {
        (Some(a), Some(b)) => a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count(),
        _ => 0,
    };
    let start = common.saturating_sub(30);
    format!("{}{:?}", if start > 0 { "…" } else { "" }, text.chars().skip(start).take(110).collect::<String>())
}

fn headers(reading: &Reading<'_>, expected: &Value, wanted: fn(&str) -> bool) -> Option<(String, String)> {
    const NAMES: &str = "From From:addr From:name From:raw From:addr:first From:addr:last From:addr:host From:addr:domain Reply-To:addr \
        Reply-To:name Sender:addr To To:addr To:name Cc:addr ToCc ToCc:addr MESSAGEID MESSAGEID:host EnvelopeFrom Subject Subject:raw \
        X-Other Received Received:ip Return-Path:addr X-Spam-Relays-Trusted X-Spam-Relays-Untrusted X-Spam-Relays-Internal \
        X-Spam-Relays-External Content-Type ALL ALL:raw ALL-TRUSTED ALL-INTERNAL ALL-UNTRUSTED ALL-EXTERNAL";
    let theirs = &expected["header"];
    for name in NAMES.split_whitespace().filter(|name| wanted(name)) {
        let query = HeaderQuery::parse(name).expect("query");
        if name.starts_with("ALL") && theirs.get(name).is_none() {
            continue;
        }
        // SpamAssassin's `get` in scalar context: the first value of a filtered list, else all joined.
        let values = reading.header_values(&query);
        let is_single =
            name.contains(":addr") || name.contains(":name") || name.contains(":host") || name.contains(":ip") || name == "EnvelopeFrom";
        let mut ours = match (values.first(), is_single) {
            (None, _) => None,
            (Some(first), true) => Some(shown(first.strip_suffix(b"\n").unwrap_or(first))),
            (Some(_), false) => Some(shown(&values.concat())),
        };
        if let Some(text) = &mut ours {
            *text = text.chars().take(6000).collect();
        }
        // The views were taken before SpamAssassin drops what claims to be its own fields, as it does before any rule runs.
        if name.starts_with("ALL")
            && name != "ALL:raw"
            && theirs[name].as_str().is_some_and(|t| t.to_ascii_lowercase().contains("\nx-spam-"))
        {
            continue;
        }
        let theirs = theirs.get(name).and_then(Value::as_str).map(|t| t.chars().take(6000).collect::<String>());
        if ours != theirs {
            let piece =
                |text: &Option<String>| text.as_ref().map_or("(absent)".to_string(), |t| excerpt(t, ours.as_ref(), theirs.as_ref()));
            return Some((format!("{name}: {}", piece(&ours)), format!("{name}: {}", piece(&theirs))));
        }
    }
    None
}

fn parts(reading: &Reading<'_>, expected: &Value) -> Option<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or("").to_string();
    let theirs: Vec<String> = expected["parts"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(|p| {
            let leaf = p["leaf"].as_u64() == Some(1);
            let leaf_only = |key: &str| if leaf { text(&p[key]) } else { String::new() };
            format!(
                "{} {} name={} charset={} boundary={} {}",
                text(&p["type"]),
                text(&p["effective_type"]),
                leaf_only("name"),
                leaf_only("charset"),
                leaf_only("boundary"),
                p["bytes"].as_u64().map_or("-".into(), |n| n.to_string())
            )
        })
        .collect();
    let ours: Vec<String> = reading
        .mail
        .parts()
        .iter()
        .filter(|p| !p.content_type.is_empty())
        .map(|p| {
            let leaf = p.is_leaf();
            let leaf_only = |octets: &[u8]| if leaf { shown(octets) } else { String::new() };
            let bytes = if leaf { p.decoded().len().to_string() } else { "-".into() };
            format!(
                "{} {} name={} charset={} boundary={} {bytes}",
                p.content_type,
                p.effective_type,
                leaf_only(p.name.as_bytes()),
                leaf_only(p.charset.as_bytes()),
                leaf_only(p.boundary.as_deref().unwrap_or_default())
            )
        })
        .collect();
    let at = (0..ours.len().max(theirs.len())).find(|i| ours.get(*i) != theirs.get(*i))?;
    let piece = |list: &[String]| list.get(at).cloned().unwrap_or("(none)".into());
    Some((format!("[{at}/{}] {}", ours.len(), piece(&ours)), format!("[{at}/{}] {}", theirs.len(), piece(&theirs))))
}

/// The words of a JSON list, or the keys of an object, in order.
fn words(theirs: &Value) -> Vec<String> {
    let mut words: Vec<String> = match theirs {
        Value::Array(list) => list.iter().map(|v| v.as_str().unwrap_or("").to_string()).collect(),
        Value::Object(map) => map.keys().cloned().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    words.sort();
    words
}

fn sorted<T: AsRef<[u8]>>(ours: impl IntoIterator<Item = T>) -> Vec<String> {
    let mut ours: Vec<String> = ours.into_iter().map(|text| shown(text.as_ref())).collect();
    ours.sort();
    ours
}

/// What either list has and the other has not.
fn difference(ours: &[String], theirs: &[String]) -> Option<(String, String)> {
    let without = |a: &[String], b: &[String]| a.iter().filter(|word| !b.contains(word)).take(3).cloned().collect::<Vec<_>>();
    (ours != theirs).then(|| (format!("{:?}", without(ours, theirs)), format!("{:?}", without(theirs, ours))))
}

fn uris(reading: &Reading<'_>, expected: &Value) -> Option<(String, String)> {
    difference(&sorted(reading.uris()), &words(&expected["uris"]))
}

fn uri_detail(reading: &Reading<'_>, expected: &Value) -> Option<(String, String)> {
    let theirs = &expected["uri_detail"];
    if let Some(keys) = difference(&sorted(reading.links().iter().map(|link| &link.raw)), &words(theirs)) {
        return Some(keys);
    }
    reading.links().iter().find_map(|link| {
        let detail = &theirs[shown(&link.raw)];
        let hosts = link.hosts.iter().map(|(host, domain)| format!("{host} {domain}"));
        let their_hosts = detail["hosts"].as_object().into_iter().flatten();
        let their_hosts: Vec<String> = their_hosts.map(|(host, domain)| format!("{host} {}", domain.as_str().unwrap_or(""))).collect();
        let rows = [
            (sorted(&link.cleaned), words(&detail["cleaned"])),
            (sorted(link.kinds.iter().map(|kind| kind.name())), words(&detail["types"])),
            (sorted(&link.domains), words(&detail["domains"])),
            (sorted(hosts), their_hosts),
            (sorted(&link.anchors), words(&detail["anchor_text"])),
        ];
        rows.iter().find_map(|(ours, theirs)| difference(ours, theirs))
    })
}

/// Perl prints a number with 15 significant digits.
fn printed(number: f64) -> String {
    let digits = format!("{number:.14e}");
    digits.parse::<f64>().map(|rounded| rounded.to_string()).unwrap_or(digits)
}

fn html(reading: &Reading<'_>, expected: &Value) -> Option<(String, String)> {
    let theirs = expected["html"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ours: Vec<&HtmlFacts> = reading.html_parts().map(|part| &part.facts).collect();
    if ours.len() != theirs.len() {
        return Some((format!("{} parts", ours.len()), format!("{} parts", theirs.len())));
    }
    ours.into_iter().zip(theirs).find_map(|(ours, theirs)| {
        let texts = |texts: &[Text]| texts.iter().map(|text| shown(&text.octets())).collect::<Vec<_>>();
        let listed = |name: &str| theirs[name].as_array().into_iter().flatten().map(|v| v.as_str().unwrap_or("").to_string()).collect();
        let inside = theirs["inside"].as_object().into_iter().flatten();
        let mut our_inside: Vec<String> = ours.inside.iter().map(|(tag, open)| format!("{tag} {open}")).collect();
        our_inside.sort();
        let mut their_inside: Vec<String> = inside.map(|(tag, open)| format!("{tag} {}", open.as_str().unwrap_or(""))).collect();
        their_inside.sort();
        let numbers = theirs.as_object().into_iter().flatten().filter(|(name, value)| value.is_string() && *name != "uri_truncated");
        let mut their_numbers: Vec<String> = numbers.map(|(name, value)| format!("{name} {}", value.as_str().unwrap_or(""))).collect();
        their_numbers.sort();
        let mut our_numbers: Vec<String> = ours.numbers.iter().map(|(name, number)| format!("{name} {}", printed(*number))).collect();
        our_numbers.sort();
        let rows: [(Vec<String>, Vec<String>); 6] = [
            (our_numbers, their_numbers),
            (our_inside, their_inside),
            (texts(&ours.comments), listed("comment")),
            (texts(&ours.scripts), listed("script")),
            (texts(&ours.anchors), listed("anchor")),
            (sorted(ours.links.iter().map(|link| link.target.octets())), words(&theirs["uri"])),
        ];
        rows.iter().find_map(|(ours, theirs)| difference(ours, theirs))
    })
}
