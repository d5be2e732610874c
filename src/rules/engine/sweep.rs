//! Patterns over texts: rules of one view grouped, gated by the pattern set, verified, counted.

use super::usual;
use crate::mail::HeaderQuery;
use crate::pattern::{Candidate, Candidates, Found, Pattern, PatternSet, Usual};
use crate::rules::model::Rule;
use std::ops::Range;
use std::sync::Arc;

/// A rule with a pattern, ready to run.
#[derive(Clone, Debug)]
pub struct Row {
    pub rule: u32,
    pub pattern: Pattern,
    pub negated: bool,
    /// Hits that end the search: 1 without `tflags multiple`.
    pub most: u32,
    /// `tflags nosubject`: element 0 of the body is passed over.
    pub no_subject: bool,
    /// Named groups become tags.
    pub captures: bool,
    /// What stands for an absent header.
    pub unset: Option<Vec<u8>>,
    /// mimeheader: parts by number, from 1.
    pub parts: (u32, u32),
    /// mimeheader: all parts in one string.
    pub concat: bool,
}

impl Row {
    pub fn new(at: u32, rule: &Rule, pattern: &Pattern, negated: bool, unset: Option<Vec<u8>>) -> Row {
        let most = match (rule.flags.multiple, rule.flags.maxhits) {
            // Perl would search a negated match for ever; SpamAssassin's manual has no meaning for it.
            (true, most) if !negated => most.unwrap_or(u32::MAX).max(1),
            _ => 1,
        };
        Row {
            rule: at,
            pattern: pattern.clone(),
            negated,
            most,
            no_subject: rule.flags.nosubject,
            captures: rule.captures,
            unset,
            parts: part_range(&rule.flags.others),
            concat: rule.flags.others.iter().any(|flag| flag == "concat"),
        }
    }
}

/// `range=2`, `range=2-`, `range=-3`, `range=2-3` (Mail::SpamAssassin::Plugin::MIMEHeader).
fn part_range(flags: &[String]) -> (u32, u32) {
    let whole = (0, 1000);
    let Some(range) = flags.iter().find_map(|flag| flag.strip_prefix("range=")) else { return whole };
    match range.split_once('-') {
        None => range.parse().map_or(whole, |n| (n, n)),
        Some((from, to)) => match (from.parse(), to.parse()) {
            (Ok(from), Ok(to)) => (from, to),
            (Ok(from), Err(_)) if to.is_empty() => (from, 1000),
            (Err(_), Ok(to)) if from.is_empty() => (0, to),
            _ => whole,
        },
    }
}

/// Rules of one view, each tried on each element of it.
#[derive(Debug, Default)]
pub struct Sweep {
    pub rows: Vec<Row>,
    set: PatternSet,
}

impl Sweep {
    pub fn new(rows: Vec<Row>, usual: &Usual) -> Sweep {
        let set = PatternSet::new(rows.iter().map(|row| row.pattern.clone()), usual);
        Sweep { rows, set }
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Finds the rows whose pattern may match the text; every row that matches is among them.
    pub fn scan(&self, text: &[u8], found: &mut Candidates) {
        self.set.scan(text, found);
    }

    /// As `count`, of the row of a candidate.
    pub fn count(&self, text: &[u8], found: &Candidates, candidate: Candidate, most: u32) -> Tried {
        if most == 1 {
            return Tried::of(std::iter::once(self.set.find(text, found, candidate)), most);
        }
        Tried::of(self.set.find_iter(text, found, candidate), most)
    }
}

/// What one search of one text says about one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    pub hits: u32,
    /// Where the first match stands.
    pub first: Range<usize>,
    pub over_budget: bool,
}

impl Tried {
    fn of(matches: impl Iterator<Item = Found>, most: u32) -> Tried {
        let mut tried = Tried::default();
        for found in matches {
            match found {
                Found::Hit(range) => {
                    if tried.hits == 0 {
                        tried.first = range;
                    }
                    tried.hits += 1;
                    if tried.hits >= most {
                        break;
                    }
                }
                Found::Miss => break,
                Found::OverBudget => {
                    tried.over_budget = true;
                    break;
                }
            }
        }
        tried
    }
}

/// Counts matches of a pattern in a text, as Perl's `while (/…/g)` does, up to `most`.
pub fn count(pattern: &Pattern, text: &[u8], most: u32) -> Tried {
    Tried::of(pattern.find_iter(text), most)
}

/// A hit known before any message: what a rule says of an absent header.
#[derive(Clone, Debug)]
pub struct AbsentHit {
    pub row: u32,
    pub hits: u32,
}

/// Rules that ask for one header.
#[derive(Debug)]
pub struct HeaderGroup {
    pub query: HeaderQuery,
    pub name: Arc<str>,
    pub sweep: Sweep,
    /// Rows with `!~`: they hit where their pattern was not found.
    pub negated: Vec<u32>,
    /// `exists:` rules.
    pub exists: Vec<u32>,
    pub absent: Vec<AbsentHit>,
}

impl HeaderGroup {
    pub fn new(query: HeaderQuery, rows: Vec<Row>, exists: Vec<u32>) -> HeaderGroup {
        let negated = indices(&rows, |row| row.negated);
        let absent = absent_hits(&rows);
        let name = Arc::from(shown(&query));
        let sweep = Sweep::new(rows, usual::of_header(&query));
        HeaderGroup { query, name, sweep, negated, exists, absent }
    }
}

/// A query as a rule writes it.
fn shown(query: &HeaderQuery) -> String {
    let mut text = query.name.clone();
    for (set, word) in [
        (query.raw, ":raw"),
        (query.addr, ":addr"),
        (query.display_name, ":name"),
        (query.first, ":first"),
        (query.last, ":last"),
        (query.host, ":host"),
        (query.domain, ":domain"),
        (query.ip, ":ip"),
        (query.revip, ":revip"),
    ] {
        if set {
            text.push_str(word);
        }
    }
    text
}

fn indices(rows: &[Row], wanted: impl Fn(&Row) -> bool) -> Vec<u32> {
    rows.iter().enumerate().filter(|(_, row)| wanted(row)).map(|(at, _)| at as u32).collect()
}

/// An absent header matches as the text given for it, else as the empty string (do_head_tests).
fn absent_hits(rows: &[Row]) -> Vec<AbsentHit> {
    let mut hits = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let tried = count(&row.pattern, row.unset.as_deref().unwrap_or(b""), row.most);
        let found = if row.negated { u32::from(tried.hits == 0) } else { tried.hits };
        if found > 0 {
            hits.push(AbsentHit { row: at as u32, hits: found });
        }
    }
    hits
}

/// `mimeheader` rules that ask for one header.
#[derive(Debug)]
pub struct MimeGroup {
    pub query: HeaderQuery,
    pub name: Arc<str>,
    pub sweep: Sweep,
    /// Rows over all parts in one string.
    pub concat: Vec<u32>,
    /// Rows with `!~`, which always hit (SpamAssassin 4.0.1: the match that should prevent it is never reported).
    pub negated: Vec<u32>,
    pub absent: Vec<AbsentHit>,
}

impl MimeGroup {
    pub fn new(query: HeaderQuery, mut rows: Vec<Row>) -> MimeGroup {
        if query.raw {
            // The raw form of an absent field is the empty string, so that `[if-unset]` never shows.
            rows.iter_mut().for_each(|row| row.unset = None);
        }
        for row in &mut rows {
            row.most = if row.most == 1 { 1 } else { row.most.min(1000) };
        }
        let negated = indices(&rows, |row| row.negated);
        let concat = indices(&rows, |row| row.concat && !row.negated);
        let absent = absent_hits(&rows);
        let name = Arc::from(shown(&query));
        let sweep = Sweep::new(rows, usual::of_header(&query));
        MimeGroup { query, name, sweep, concat, negated, absent }
    }
}
