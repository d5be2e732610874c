//! The walks over a message's views: each text once, candidates from the pattern set, then the patterns themselves.

use super::plan::Stage;
use super::run::Run;
use super::sweep::{self, AbsentHit, HeaderGroup, MimeGroup, Row, Sweep};
use super::template::TemplateRow;
use crate::mail::Link;
use crate::outcome::View;
use crate::pattern::Found;
use crate::rules::model::{Test, UriDetailTerm, UriKey};
use std::sync::Arc;

/// Texts walked between two looks at the time allowed.
const TEXTS_A_LOOK: usize = 16;

/// A text with the name of its place.
struct Text<'t> {
    view: View,
    place: Place<'t>,
    octets: &'t [u8],
}

enum Place<'t> {
    Name(&'t str),
    Number(usize),
    NameOfPart(&'t str, usize),
}

impl Text<'_> {
    fn place(&self) -> String {
        match self.place {
            Place::Name(name) => name.to_owned(),
            Place::Number(number) => number.to_string(),
            Place::NameOfPart(name, part) => format!("{name} of part {}", part + 1),
        }
    }
}

/// Tries one row on one text; the number of hits.
fn try_row(run: &mut Run<'_, '_>, row: &Row, text: &Text<'_>) -> u32 {
    let most = row.most.saturating_sub(if row.most == 1 { 0 } else { run.board.count(row.rule) });
    let tried = sweep::count(&row.pattern, text.octets, most);
    if tried.over_budget {
        run.board.ran_out(row.rule);
    }
    if tried.hits > 0 && !row.negated {
        run.board.hit(row.rule, tried.hits, 1.0);
        run.board.keep(row.rule, text.view, || text.place(), text.octets, &tried.first);
        if row.captures {
            capture(run, row, text.octets);
        }
    }
    tried.hits
}

/// Collects named groups of all matches into tags (Plugin/Check.pm, capture_plugin_code). Values of one rule come
/// together over the texts it hit.
fn capture(run: &mut Run<'_, '_>, row: &Row, text: &[u8]) {
    let mut from = 0;
    for _ in 0..row.most {
        let Some(groups) = row.pattern.captures_at(text, from) else { break };
        for (name, number) in row.pattern.named_groups() {
            let span = groups.get(number).cloned().flatten();
            if let Some(value) = span.and_then(|span| text.get(span)).filter(|value| !value.is_empty()) {
                run.captured.push((row.rule, Arc::from(name), value.to_vec()));
            }
        }
        // An empty match captures nothing that counts: the next search may begin one octet on.
        let Some(Some(whole)) = groups.into_iter().next() else { break };
        from = if whole.is_empty() { whole.end + 1 } else { whole.end };
        if from > text.len() {
            break;
        }
    }
}

/// The rules of a class have run: what each captured becomes its tags.
fn settle_captures(run: &mut Run<'_, '_>) {
    let captured = std::mem::take(&mut run.captured);
    let mut left: &[_] = &captured;
    while let Some((rule, name, _)) = left.first() {
        let values = left.iter().filter(|(r, n, _)| r == rule && n == name).map(|(_, _, value)| value.clone()).collect();
        let first = captured.len() - left.len();
        let known = captured.iter().take(first).any(|(r, n, _)| r == rule && n == name);
        if !known {
            run.tags.set(name, values);
        }
        left = left.get(1..).unwrap_or(&[]);
    }
}

fn is_done(run: &Run<'_, '_>, row: &Row) -> bool {
    run.board.count(row.rule) >= row.most
}

/// `body`, `rawbody`, `uri` and `full` rules.
pub fn texts(run: &mut Run<'_, '_>, sweep: &Sweep, view: View) {
    if sweep.is_empty() {
        return;
    }
    let reading = run.reading;
    match view {
        View::Body => elements(run, sweep, view, reading.body().iter().map(Vec::as_slice)),
        View::RawBody => elements(run, sweep, view, reading.rawbody().iter().map(Vec::as_slice)),
        View::Uri => elements(run, sweep, view, reading.uris().iter().map(Vec::as_slice)),
        View::Full => elements(run, sweep, view, std::iter::once(reading.full())),
        View::Header | View::MimeHeader | View::Eval | View::Meta => {}
    }
    settle_captures(run);
}

fn elements<'t>(run: &mut Run<'_, '_>, sweep: &Sweep, view: View, texts: impl Iterator<Item = &'t [u8]>) {
    let mut candidates = std::mem::take(&mut run.scratch);
    for (number, octets) in texts.enumerate() {
        if number % TEXTS_A_LOOK == TEXTS_A_LOOK - 1 && run.is_expired() {
            break;
        }
        sweep.candidates(octets, &mut candidates);
        let text = Text { view, place: Place::Number(number), octets };
        for candidate in &candidates {
            let Some(row) = sweep.rows.get(*candidate as usize) else { continue };
            if !(is_done(run, row) || row.no_subject && number == 0 && view == View::Body) {
                try_row(run, row, &text);
            }
        }
    }
    run.scratch = candidates;
}

pub fn headers(run: &mut Run<'_, '_>, stage: &Stage) {
    for group in &stage.headers {
        match run.reading.header(&group.query) {
            Some(value) => header_present(run, group, &value),
            None => header_absent(run, group),
        }
        if run.is_expired() {
            break;
        }
    }
    settle_captures(run);
}

fn header_present(run: &mut Run<'_, '_>, group: &HeaderGroup, value: &[u8]) {
    let text = Text { view: View::Header, place: Place::Name(&group.name), octets: value };
    for rule in &group.exists {
        run.board.hit(*rule, 1, 1.0);
        run.board.keep(*rule, View::Header, || text.place(), value, &(0..value.len()));
    }
    let mut candidates = std::mem::take(&mut run.scratch);
    group.sweep.candidates(value, &mut candidates);
    for candidate in &candidates {
        let Some(row) = group.sweep.rows.get(*candidate as usize) else { continue };
        if !row.negated {
            try_row(run, row, &text);
        }
    }
    for at in &group.negated {
        let Some(row) = group.sweep.rows.get(*at as usize) else { continue };
        let matches = candidates.binary_search(at).is_ok() && try_row(run, row, &text) > 0;
        if !matches {
            run.board.hit(row.rule, 1, 1.0);
            run.board.keep(row.rule, View::Header, || text.place(), value, &(0..0));
        }
    }
    run.scratch = candidates;
}

fn header_absent(run: &mut Run<'_, '_>, group: &HeaderGroup) {
    for AbsentHit { row, hits } in &group.absent {
        let Some(row) = group.sweep.rows.get(*row as usize) else { continue };
        run.board.hit(row.rule, *hits, 1.0);
        run.board.keep(row.rule, View::Header, || format!("no {}", group.name), b"", &(0..0));
        if row.captures {
            capture(run, row, row.unset.as_deref().unwrap_or(b""));
        }
    }
}

pub fn mime_headers(run: &mut Run<'_, '_>, stage: &Stage) {
    for group in &stage.mime {
        if group.negated.len() < group.sweep.rows.len() {
            mime_group(run, group);
        }
        for at in &group.negated {
            let Some(row) = group.sweep.rows.get(*at as usize) else { continue };
            run.board.hit(row.rule, 1, 1.0);
        }
    }
    settle_captures(run);
}

/// Each rule ends at the first part in which it hits.
fn mime_group(run: &mut Run<'_, '_>, group: &MimeGroup) {
    let reading = run.reading;
    let parts = reading.mail.parts().len();
    let mut joined: Vec<Vec<u8>> = vec![Vec::new(); group.concat.len()];
    let mut candidates = std::mem::take(&mut run.scratch);
    for part in 0..parts {
        let value = reading.part_header(part, &group.query);
        candidates.clear();
        match &value {
            Some(octets) => group.sweep.candidates(octets, &mut candidates),
            None => candidates.extend(group.absent.iter().map(|hit| hit.row)),
        }
        for candidate in &candidates {
            let Some(row) = group.sweep.rows.get(*candidate as usize) else { continue };
            if row.negated || row.concat || run.board.count(row.rule) > 0 || !in_range(row, part) {
                continue;
            }
            let octets = value.as_deref().or(row.unset.as_deref()).unwrap_or(b"");
            try_row(run, row, &Text { view: View::MimeHeader, place: Place::NameOfPart(&group.name, part), octets });
        }
        for (at, all) in group.concat.iter().zip(&mut joined) {
            let Some(row) = group.sweep.rows.get(*at as usize) else { continue };
            if in_range(row, part) {
                all.extend_from_slice(value.as_deref().or(row.unset.as_deref()).unwrap_or(b""));
                if all.last() != Some(&b'\n') {
                    all.push(b'\n');
                }
            }
        }
    }
    for (at, all) in group.concat.iter().zip(&joined) {
        let Some(row) = group.sweep.rows.get(*at as usize) else { continue };
        try_row(run, row, &Text { view: View::MimeHeader, place: Place::Name(&group.name), octets: all });
    }
    run.scratch = candidates;
}

/// Parts are counted from 1.
fn in_range(row: &Row, part: usize) -> bool {
    let number = u32::try_from(part + 1).unwrap_or(u32::MAX);
    (row.parts.0..=row.parts.1).contains(&number)
}

pub fn link_details(run: &mut Run<'_, '_>, stage: &Stage) {
    let reading = run.reading;
    for at in &stage.link_details {
        let Some(Test::UriDetail(terms)) = run.board.rule(*at).map(|rule| &rule.test) else { continue };
        if let Some((number, link)) = reading.links().iter().enumerate().find(|(_, link)| terms.iter().all(|term| term_holds(term, link))) {
            run.board.hit(*at, 1, 1.0);
            run.board.keep(*at, View::Uri, || number.to_string(), &link.raw, &(0..link.raw.len()));
        }
    }
}

/// Any member of a list serves; with `!~` any member that does not match; an empty list never.
fn term_holds(term: &UriDetailTerm, link: &Link) -> bool {
    let holds = |text: &[u8]| matches!(term.pattern.find(text, 0), Found::Hit(_)) != term.negated;
    match term.key {
        UriKey::Raw => holds(&link.raw),
        UriKey::Type => link.kinds.iter().any(|kind| holds(kind.name().as_bytes())),
        UriKey::Cleaned => link.cleaned.iter().any(|text| holds(text)),
        UriKey::Text => link.anchors.iter().any(|text| holds(text)),
        UriKey::Domain => link.domains.iter().any(|text| holds(text.as_bytes())),
        UriKey::Host => link.hosts.iter().any(|(host, _)| holds(host.as_bytes())),
    }
}

/// Rules whose pattern is made of tags. A rule without a value for one of its tags does not run.
pub fn templates(run: &mut Run<'_, '_>, stage: &Stage, view: View) {
    for template in stage.templates.iter().filter(|template| template.view == view) {
        run_template(run, template);
    }
    settle_captures(run);
}

fn run_template(run: &mut Run<'_, '_>, template: &TemplateRow) {
    let reading = run.reading;
    let Some(rule) = run.board.rule(template.rule) else { return };
    let values = |name: &str| run.tag_values(name);
    if template.tags().any(|tag| values(tag).iter().all(|value| value.is_empty())) {
        run.board.wait(template.rule);
        return;
    }
    let (header, negated, unset) = match &rule.test {
        Test::Header { query, negated, unset, .. } => (reading.header(query), *negated, unset.clone()),
        _ => (None, false, None),
    };
    let header = header.or(unset).unwrap_or_default();
    let whole = [header];
    let texts: Vec<&[u8]> = match template.view {
        View::Header => whole.iter().map(Vec::as_slice).collect(),
        View::Body => reading.body().iter().map(Vec::as_slice).collect(),
        View::RawBody => reading.rawbody().iter().map(Vec::as_slice).collect(),
        View::Uri => reading.uris().iter().map(Vec::as_slice).collect(),
        View::Full => vec![reading.full()],
        View::MimeHeader | View::Eval | View::Meta => Vec::new(),
    };
    let filled = if template.may_match(&values, texts.iter().copied()) { template.fill(&values) } else { None };
    if let Some(pattern) = filled {
        let row = Row::new(template.rule, rule, &pattern, negated, None);
        for (number, octets) in texts.iter().enumerate() {
            if !(is_done(run, &row) || row.no_subject && number == 0 && template.view == View::Body) {
                try_row(run, &row, &Text { view: template.view, place: Place::Number(number), octets });
            }
        }
        if negated && run.board.count(template.rule) == 0 && sweep::count(&pattern, texts.first().unwrap_or(&&b""[..]), 1).hits == 0 {
            run.board.hit(template.rule, 1, 1.0);
        }
    } else if negated {
        run.board.hit(template.rule, 1, 1.0);
    }
}
