//! One table: indexed keys, networks (cidr_table(5)) or patterns (regexp_table(5), pcre_table(5)).

use super::action::{self, Word};
use super::lines::logical;
use crate::base::{Complaint, Place, Severity};
use crate::pattern::Pattern;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Indexed,
    Cidr,
    Regexp,
    Pcre,
}

/// Types of Postfix that can be read, and how.
const KINDS: &[(&str, Kind)] = &[
    ("hash", Kind::Indexed),
    ("btree", Kind::Indexed),
    ("lmdb", Kind::Indexed),
    ("cdb", Kind::Indexed),
    ("dbm", Kind::Indexed),
    ("texthash", Kind::Indexed),
    ("cidr", Kind::Cidr),
    ("regexp", Kind::Regexp),
    ("pcre", Kind::Pcre),
];

/// Type and path of `cidr:/etc/postfix/client`; without a type it is a text of keys. The error lists the types.
fn kind(source: &str) -> Result<(Kind, &str), String> {
    match source.split_once(':') {
        Some((name, path)) if !name.contains('/') => match KINDS.iter().find(|(known, _)| *known == name) {
            Some((_, kind)) => Ok((*kind, path)),
            None => Err(format!("use one of {}", KINDS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "))),
        },
        _ => Ok((Kind::Indexed, source)),
    }
}

/// The path of a table as it is named in the configuration.
pub fn path(source: &str) -> Result<&str, String> {
    kind(source).map(|(_, path)| path)
}

#[derive(Clone, Debug)]
enum Test {
    Network(IpNet),
    Pattern(Pattern),
}

#[derive(Clone, Debug)]
enum Result_ {
    Say(Word),
    /// With `$1` and its kin.
    Text(String),
    /// `if`: where it does not hold, go on at this row.
    SkipTo(usize),
}

#[derive(Clone, Debug)]
struct Row {
    line: u32,
    negated: bool,
    test: Test,
    result: Result_,
}

/// A table as it was read.
#[derive(Clone, Debug)]
pub struct Table {
    pub file: Arc<str>,
    keys: HashMap<String, (u32, Word)>,
    rows: Vec<Row>,
    kind: Kind,
}

impl Table {
    /// Reads the text of a table named `source`. A line with a mistake is left out, and told.
    pub fn parse(source: &str, text: &str) -> (Table, Vec<Complaint>) {
        let (kind, path) = kind(source).unwrap_or((Kind::Indexed, source));
        let mut table = Table { file: path.into(), keys: HashMap::new(), rows: Vec::new(), kind };
        let mut complaints = Vec::new();
        let mut open = Vec::new();
        for (line, text) in logical(text) {
            let read = match kind {
                Kind::Indexed => table.key(line, &text),
                Kind::Cidr | Kind::Regexp | Kind::Pcre => table.row(line, &text, &mut open),
            };
            if let Err((what, remedy)) = read {
                complaints.push(table.complaint(line, what, remedy));
            }
        }
        for at in open {
            let end = table.rows.len();
            if let Some(row) = table.rows.get_mut(at) {
                row.result = Result_::SkipTo(end);
                let line = row.line;
                complaints.push(table.complaint(line, "if without endif".into(), "add a line endif".into()));
            }
        }
        (table, complaints)
    }

    fn complaint(&self, line: u32, what: String, remedy: String) -> Complaint {
        Complaint { severity: Severity::Warning, place: Some(Place { file: Arc::clone(&self.file), line }), what, remedy }
    }

    fn key(&mut self, line: u32, text: &str) -> Result<(), (String, String)> {
        let (key, result) = match text.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
            Some((key, result)) => (key, result.trim()),
            None => split(text),
        };
        let word = action::parse(result).map_err(|why| (format!("{key}: {why}"), REMEDY.to_owned()))?;
        match self.keys.entry(key.to_lowercase()) {
            std::collections::hash_map::Entry::Occupied(before) => {
                Err((format!("{key} stands in line {} already", before.get().0), "keep one of the two; the first holds".to_owned()))
            }
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert((line, word));
                Ok(())
            }
        }
    }

    fn row(&mut self, line: u32, text: &str, open: &mut Vec<usize>) -> Result<(), (String, String)> {
        let (first, _) = split(text);
        if first.eq_ignore_ascii_case("endif") {
            let end = self.rows.len();
            let row = open.pop().and_then(|at| self.rows.get_mut(at));
            row.ok_or_else(|| ("endif without if".to_owned(), "remove it".to_owned()))?.result = Result_::SkipTo(end);
            return Ok(());
        }
        let conditional = first.eq_ignore_ascii_case("if");
        let rest = if conditional { split(text).1 } else { text };
        let (negated, rest) = match rest.strip_prefix('!') {
            Some(rest) => (true, rest.trim_start()),
            None => (false, rest),
        };
        let read = match self.kind {
            Kind::Cidr => network(rest),
            Kind::Indexed | Kind::Regexp | Kind::Pcre => pattern(rest, self.kind == Kind::Pcre),
        };
        let (test, result) = match read {
            Ok(read) => read,
            Err(why) if conditional => {
                // What it encloses must not hold for everybody.
                open.push(self.rows.len());
                self.rows.push(Row { line, negated: true, test: Test::Network(IpNet::default()), result: Result_::SkipTo(0) });
                return Err(why);
            }
            Err(why) => return Err(why),
        };
        let result = if conditional {
            open.push(self.rows.len());
            Result_::SkipTo(0)
        } else if result.contains('$') && self.kind != Kind::Cidr {
            // What it comes to is known when it matches; that it is an action at all, now.
            action::parse(&substitute(result, &[], "")).map_err(|why| (why, REMEDY.to_owned()))?;
            Result_::Text(result.to_owned())
        } else {
            Result_::Say(action::parse(result).map_err(|why| (why, REMEDY.to_owned()))?)
        };
        self.rows.push(Row { line, negated, test, result });
        Ok(())
    }

    /// Whether a key must be given whole: cut short, patterns and networks are not asked.
    pub fn is_indexed(&self) -> bool {
        self.kind == Kind::Indexed
    }

    /// What the table says of a key, and in which line.
    pub fn look_up(&self, key: &str) -> Option<(Word, Place)> {
        let place = |line| Place { file: Arc::clone(&self.file), line };
        if self.is_indexed() {
            return self.keys.get(&key.to_lowercase()).map(|(line, word)| (word.clone(), place(*line)));
        }
        let ip: Option<IpAddr> = key.parse().ok();
        let mut at = 0;
        while let Some(row) = self.rows.get(at) {
            at += 1;
            let spans = match &row.test {
                Test::Network(net) => ip.is_some_and(|ip| net.contains(&ip)).then(Vec::new),
                Test::Pattern(pattern) => pattern.captures(key.as_bytes()),
            };
            // A table of networks has nothing to say of a name, not even by `!`.
            let holds = spans.is_some() != row.negated && (self.kind != Kind::Cidr || ip.is_some());
            match &row.result {
                Result_::SkipTo(to) if !holds => at = *to,
                Result_::Say(word) if holds => return Some((word.clone(), place(row.line))),
                Result_::Text(text) if holds => {
                    let spans = spans.unwrap_or_default();
                    let groups: Vec<&str> = spans.into_iter().map(|span| span.and_then(|span| key.get(span)).unwrap_or("")).collect();
                    return action::parse(&substitute(text, &groups, "")).ok().map(|word| (word, place(row.line)));
                }
                Result_::SkipTo(_) | Result_::Say(_) | Result_::Text(_) => {}
            }
        }
        None
    }
}

const REMEDY: &str = "write OK, DUNNO, REJECT, DEFER, DEFER_IF_PERMIT, DISCARD, HOLD, WARN or a code such as 550 with a text";

/// The first word and the rest.
fn split(text: &str) -> (&str, &str) {
    text.split_once(|c: char| c.is_ascii_whitespace()).map_or((text, ""), |(first, rest)| (first, rest.trim()))
}

fn network(text: &str) -> Result<(Test, &str), (String, String)> {
    let (word, result) = split(text);
    let bare = word.trim_start_matches('[').replacen(']', "", 1);
    let net = bare.parse::<IpNet>().or_else(|_| bare.parse::<IpAddr>().map(IpNet::from));
    match net {
        Ok(net) if net.trunc() == net => Ok((Test::Network(net), result)),
        Ok(net) => Err((format!("{word} has bits beyond its length"), format!("write {}", net.trunc()))),
        Err(_) => Err((format!("\"{word}\" is no network"), "write 192.0.2.0/24 or 2001:db8::/32".to_owned())),
    }
}

/// `/pattern/flags result`; matching ignores case unless the flag `i` turns that off.
fn pattern(text: &str, pcre: bool) -> Result<(Test, &str), (String, String)> {
    let bad = |what: String| (what, "write /pattern/ and an action".to_owned());
    let delimiter = text.chars().next().filter(|c| c.is_ascii_punctuation());
    let delimiter = delimiter.ok_or_else(|| bad(format!("\"{}\" begins no pattern", split(text).0)))?;
    let inside = text.get(1..).unwrap_or_default();
    let mut escaped = false;
    let end = inside.char_indices().find(|(_, c)| {
        let ends = *c == delimiter && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    let (end, _) = end.ok_or_else(|| bad(format!("the pattern has no closing {delimiter}")))?;
    let (expression, after) = inside.split_at(end);
    let (flags, result) = split(after.get(1..).unwrap_or_default());
    let mut ignore_case = true;
    let mut inner = String::new();
    for flag in flags.chars() {
        match (flag, pcre) {
            ('i', _) => ignore_case = !ignore_case,
            ('m', false) => inner.push('m'),
            ('m' | 's' | 'x', true) => inner.push(flag),
            // Extended syntax is what there is; anchoring and greediness of PCRE.
            ('x', false) | ('X', true) => {}
            _ => return Err(bad(format!("unknown flag {flag} after the pattern"))),
        }
    }
    if pcre && !inner.contains('s') {
        // pcre_table(5): "s (default: on)".
        inner.push('s');
    } else if pcre {
        inner.retain(|c| c != 's');
    }
    if ignore_case {
        inner.push('i');
    }
    let expression = expression.replace(&format!("\\{delimiter}"), &delimiter.to_string());
    let whole = if inner.is_empty() { expression } else { format!("(?{inner}){expression}") };
    match Pattern::from_expression(whole.as_bytes()) {
        Ok(pattern) => Ok((Test::Pattern(pattern), result)),
        Err(error) => Err((format!("the pattern cannot be read: {error}"), "correct it".to_owned())),
    }
}

/// `$1`, `${1}`, `$(1)` and `$$`.
fn substitute(text: &str, groups: &[&str], missing: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (open, close) = match after.chars().next() {
            Some('{') => (1, Some('}')),
            Some('(') => (1, Some(')')),
            Some('$') => {
                out.push('$');
                rest = after.get(1..).unwrap_or_default();
                continue;
            }
            _ => (0, None),
        };
        let digits: String = after.chars().skip(open).take_while(char::is_ascii_digit).collect();
        match digits.parse::<usize>() {
            Ok(number) => out.push_str(groups.get(number).copied().unwrap_or(missing)),
            Err(_) => out.push('$'),
        }
        let used = if digits.is_empty() { 0 } else { open + digits.len() };
        rest = after.get(used..).unwrap_or_default();
        if let (Some(close), true) = (close, used > 0) {
            rest = rest.strip_prefix(close).unwrap_or(rest);
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Reply;

    fn table(source: &str, text: &str) -> Table {
        let (table, complaints) = Table::parse(source, text);
        assert!(complaints.is_empty(), "{complaints:?}");
        table
    }

    fn told(table: &Table, key: &str) -> Option<(String, u32)> {
        table.look_up(key).map(|(word, place)| {
            let text = match word {
                Word::Reject(Reply { code, text, .. }) | Word::Defer(Reply { code, text, .. }) => format!("{code} {text}"),
                other => format!("{other:?}"),
            };
            (text, place.line)
        })
    }

    #[test]
    fn networks_are_asked_in_order_with_if_and_not() {
        let text = "192.0.2.7 OK\n192.0.2.0/24 REJECT one\nif !10.0.0.0/8\n  # a comment\n2001:db8::/32\n 550 six\nif 203.0.113.0/24\n\
                    203.0.113.9 451 later\nendif\nendif\n10.0.0.0/8 REJECT ten\n";
        let table = table("cidr:/etc/c", text);
        let ok = |line| Some(("Ok".to_owned(), line));
        assert_eq!(told(&table, "192.0.2.7"), ok(1));
        assert_eq!(told(&table, "192.0.2.8"), Some(("554 one".into(), 2)));
        assert_eq!(told(&table, "2001:db8::5"), Some(("550 six".into(), 5)));
        assert_eq!(told(&table, "203.0.113.9"), Some(("451 later".into(), 8)));
        assert_eq!(told(&table, "203.0.113.8"), None);
        assert_eq!(told(&table, "10.1.1.1"), Some(("554 ten".into(), 11)));
        assert_eq!(told(&table, "mail.example"), None);
    }

    #[test]
    fn patterns_substitute_what_they_matched() {
        let text = "/^(.*)\\.dyn\\.example$/ 550 5.7.1 no $1 from ${1}, $$5\nif /\\.example$/\n!/^mail/ REJECT not a mail server\nendif\n\
                    /^UPPER$/i OK\n";
        for kind in ["regexp", "pcre"] {
            let table = table(&format!("{kind}:/etc/r"), text);
            assert_eq!(told(&table, "A.dyn.Example"), Some(("550 no A from A, $5".into(), 1)));
            assert_eq!(told(&table, "www.example"), Some(("554 not a mail server".into(), 3)));
            assert_eq!(told(&table, "mail.example"), None);
            assert_eq!(told(&table, "UPPER"), Some(("Ok".into(), 5)));
            assert_eq!(told(&table, "upper"), None);
        }
    }

    #[test]
    fn a_mistake_costs_its_line_alone_and_is_placed() {
        let (table, complaints) = Table::parse("hash:/etc/a", "a.example REJCT\nb.example OK\nB.example REJECT\nc.example FILTER x:\n");
        let told_: Vec<String> = complaints.iter().map(ToString::to_string).collect();
        assert!(told_[0].starts_with("/etc/a:1: a.example: \"REJCT\" is no action"), "{told_:?}");
        assert!(told_[1].starts_with("/etc/a:3: B.example stands in line 2 already"), "{told_:?}");
        assert!(told_[2].starts_with("/etc/a:4: c.example: FILTER is for the mail server itself"), "{told_:?}");
        assert_eq!(told(&table, "b.example"), Some(("Ok".into(), 2)));
        let (table, complaints) = Table::parse("cidr:/etc/c", "192.0.2.1/24 OK\nif 10.0.0.0/8\n0.0.0.0/0 REJECT\n");
        assert_eq!(complaints.len(), 2);
        assert_eq!(complaints[0].remedy, "write 192.0.2.0/24");
        assert_eq!(told(&table, "192.0.2.1"), None);
        let (_, complaints) = Table::parse("pcre:/etc/p", "/(open/ OK\n/x/q OK\nplain OK\nendif\n/never closed OK\n");
        assert_eq!(complaints.len(), 5);
        assert!(path("ldap:/etc/x").unwrap_err().contains("texthash"));
        assert_eq!(path("cidr:/etc/x"), Ok("/etc/x"));
    }

    #[test]
    fn an_if_that_cannot_be_read_encloses_nobody() {
        let (table, complaints) = Table::parse("cidr:/c", "if nonsense\n0.0.0.0/0 REJECT\nendif\n");
        assert_eq!(complaints.len(), 1);
        assert_eq!(told(&table, "192.0.2.1"), None);
    }
}
