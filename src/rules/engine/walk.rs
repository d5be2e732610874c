//! The walks over a message's views: each text once, candidates from the pattern set, then the patterns themselves.

use super::plan::Stage;
use super::run::Run;
use super::sweep::{self, AbsentHit, HeaderGroup, MimeGroup, Row, Sweep, Tried};
use super::template::TemplateRow;
use crate::mail::Link;
use crate::outcome::View;
use crate::pattern::{Candidates, Found};
use crate::rules::model::{Test, UriDetailTerm, UriKey};
use std::borrow::Cow;
use std::rc::Rc;
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

/// Hits that a row may still have.
fn left(run: &Run<'_, '_>, row: &Row) -> u32 {
    if row.most == 1 { 1 } else { row.most.saturating_sub(run.board.count(row.rule)) }
}

/// Records what a search said of a row; the number of hits.
fn record(run: &mut Run<'_, '_>, row: &Row, text: &Text<'_>, tried: &Tried) -> u32 {
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
    for groups in row.pattern.captures_iter(text).take(row.most as usize) {
        for (name, number) in row.pattern.named_groups() {
            let span = groups.get(number).cloned().flatten();
            if let Some(value) = span.and_then(|span| text.get(span)).filter(|value| !value.is_empty()) {
                run.captured.push((row.rule, Arc::from(name), value.to_vec()));
            }
        }
    }
}

/// The rules of a class have run: what each captured becomes its tags.
fn settle_captures(run: &mut Run<'_, '_>) {
    let captured = std::mem::take(&mut run.captured);
    let mut left: &[_] = &captured;
    while let Some((rule, name, _)) = left.first() {
        let values: Vec<Vec<u8>> = left.iter().filter(|(r, n, _)| r == rule && n == name).map(|(_, _, value)| value.clone()).collect();
        let first = captured.len() - left.len();
        let known = captured.iter().take(first).any(|(r, n, _)| r == rule && n == name);
        if !known {
            run.memo.capture(name, &values);
            run.tags.set(name, values);
        }
        left = left.get(1..).unwrap_or(&[]);
    }
}

fn is_done(run: &Run<'_, '_>, row: &Row) -> bool {
    run.board.count(row.rule) >= row.most
}

/// The message has used up its steps, and the row its budget on a text of it: it would do so on the next one.
fn is_given_up(run: &Run<'_, '_>, row: &Row, candidates: &Candidates) -> bool {
    candidates.is_spent() && run.board.over_budget.contains(&row.rule)
}

/// `body`, `rawbody`, `uri` and `full` rules.
pub fn texts(run: &mut Run<'_, '_>, sweep: &Sweep, view: View) {
    if sweep.is_empty() {
        return;
    }
    let reading = run.reading;
    match view {
        View::Body => {
            let memo = Rc::clone(&run.memo);
            elements(run, sweep, view, memo.body(reading).iter().map(Vec::as_slice));
        }
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
        sweep.scan(octets, &mut candidates);
        let text = Text { view, place: Place::Number(number), octets };
        for candidate in candidates.iter() {
            let Some(row) = sweep.rows.get(candidate.pattern as usize) else { continue };
            let passed_over = row.no_subject && number == 0 && view == View::Body;
            if !(is_done(run, row) || passed_over || is_given_up(run, row, &candidates)) {
                let tried = sweep.count(octets, &candidates, candidate, left(run, row));
                record(run, row, &text, &tried);
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
    group.sweep.scan(value, &mut candidates);
    for candidate in candidates.iter() {
        let Some(row) = group.sweep.rows.get(candidate.pattern as usize) else { continue };
        if !row.negated {
            let tried = group.sweep.count(value, &candidates, candidate, left(run, row));
            record(run, row, &text, &tried);
        }
    }
    for at in &group.negated {
        let Some(row) = group.sweep.rows.get(*at as usize) else { continue };
        let tried = candidates.of(*at).map_or_else(Tried::default, |candidate| group.sweep.count(value, &candidates, candidate, 1));
        if record(run, row, &text, &tried) == 0 {
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
    let mut joined: Vec<Vec<u8>> = vec![Vec::new(); group.concat.len()];
    for part in 0..reading.mail.parts().len() {
        let value = reading.part_header(part, &group.query);
        match &value {
            Some(octets) => mime_present(run, group, part, octets),
            None => mime_absent(run, group, part),
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
        if run.is_expired() {
            return;
        }
    }
    for (at, all) in group.concat.iter().zip(&joined) {
        let Some(row) = group.sweep.rows.get(*at as usize) else { continue };
        let tried = sweep::count(&row.pattern, all, row.most);
        record(run, row, &Text { view: View::MimeHeader, place: Place::Name(&group.name), octets: all }, &tried);
    }
}

fn tries_part(run: &Run<'_, '_>, row: &Row, part: usize) -> bool {
    !row.negated && !row.concat && run.board.count(row.rule) == 0 && in_range(row, part)
}

fn mime_present(run: &mut Run<'_, '_>, group: &MimeGroup, part: usize, octets: &[u8]) {
    let mut candidates = std::mem::take(&mut run.scratch);
    group.sweep.scan(octets, &mut candidates);
    for candidate in candidates.iter() {
        let Some(row) = group.sweep.rows.get(candidate.pattern as usize) else { continue };
        if tries_part(run, row, part) && !is_given_up(run, row, &candidates) {
            let tried = group.sweep.count(octets, &candidates, candidate, row.most);
            record(run, row, &Text { view: View::MimeHeader, place: Place::NameOfPart(&group.name, part), octets }, &tried);
        }
    }
    run.scratch = candidates;
}

fn mime_absent(run: &mut Run<'_, '_>, group: &MimeGroup, part: usize) {
    for hit in &group.absent {
        let Some(row) = group.sweep.rows.get(hit.row as usize) else { continue };
        if tries_part(run, row, part) {
            let octets = row.unset.as_deref().unwrap_or(b"");
            let tried = sweep::count(&row.pattern, octets, row.most);
            record(run, row, &Text { view: View::MimeHeader, place: Place::NameOfPart(&group.name, part), octets }, &tried);
        }
    }
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
    let values: Vec<Vec<Vec<u8>>> = template.tags().map(|tag| run.tag_values(tag)).collect();
    if values.iter().any(|values| values.iter().all(|value| value.is_empty())) {
        run.board.wait(template.rule);
        return;
    }
    let (header, negated, unset) = match &rule.test {
        Test::Header { query, negated, unset, .. } => (reading.header(query), *negated, unset.clone().map(Cow::Owned)),
        _ => (None, false, None),
    };
    let header = header.or(unset).unwrap_or_default();
    let whole = [header];
    let memo = Rc::clone(&run.memo);
    let texts: Vec<&[u8]> = match template.view {
        View::Header => whole.iter().map(|value| &**value).collect(),
        View::Body => memo.body(reading).iter().map(Vec::as_slice).collect(),
        View::RawBody => reading.rawbody().iter().map(Vec::as_slice).collect(),
        View::Uri => reading.uris().iter().map(Vec::as_slice).collect(),
        View::Full => vec![reading.full()],
        View::MimeHeader | View::Eval | View::Meta => Vec::new(),
    };
    let may_match = template.may_match(&values);
    let likely: Vec<(usize, &[u8])> = texts.iter().copied().enumerate().filter(|(_, text)| may_match(text)).collect();
    let filled = if likely.is_empty() { None } else { template.fill(&values) };
    if let Some(pattern) = filled {
        let row = Row::new(template.rule, rule, &pattern, negated, None);
        for (number, octets) in likely {
            if !(is_done(run, &row) || row.no_subject && number == 0 && template.view == View::Body) {
                let tried = sweep::count(&pattern, octets, left(run, &row));
                record(run, &row, &Text { view: template.view, place: Place::Number(number), octets }, &tried);
            }
        }
        if negated && run.board.count(template.rule) == 0 && sweep::count(&pattern, texts.first().unwrap_or(&&b""[..]), 1).hits == 0 {
            run.board.hit(template.rule, 1, 1.0);
        }
    } else if negated {
        run.board.hit(template.rule, 1, 1.0);
    }
}
