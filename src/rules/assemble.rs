//! Drafts to the rule set: tags replaced, metas tied to their operands, default scores, flags and priorities settled.

use super::draft::{Draft, DraftTest, Drafts, Fault};
use super::meta::{self, Meta, Surroundings};
use super::model::{EvalKind, Flags, Rule, Test};
use super::options::Options;
use super::set::RuleSet;
use super::{eval, replace_tags, scores};
use crate::base::{Complaint, Place};
use crate::mail::attachment_text::AttachmentText;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The stage of network rules without a priority of their own.
const NETWORK_PRIORITY: i32 = -100;

pub(super) fn assemble(mut drafts: Drafts, complaints: &mut Vec<Complaint>) -> RuleSet {
    replace(&mut drafts);
    zones(&mut drafts);
    functions(&mut drafts);
    let metas = metas(&mut drafts);
    undefined(&mut drafts, &metas);
    view(&mut drafts);
    complaints.append(&mut drafts.complaints);

    let index: HashMap<Arc<str>, usize> = drafts.rules.keys().enumerate().map(|(at, name)| (Arc::clone(name), at)).collect();
    let mut rules: Vec<Rule> = Vec::with_capacity(drafts.rules.len());
    for (name, draft) in std::mem::take(&mut drafts.rules) {
        let expression = metas.get(&name).cloned();
        rules.push(finish(name, draft, expression, &index));
    }
    settle(&mut rules);
    RuleSet::new(rules, drafts.options)
}

/// `replace_rules`.
fn replace(drafts: &mut Drafts) {
    let names: Vec<String> = drafts.replace.rules().map(str::to_owned).collect();
    for name in names {
        let Some(draft) = drafts.rules.get_mut(name.as_str()) else { continue };
        if let Err(why) = replace_tags::replace(draft, &drafts.replace)
            && let Some(place) = draft.place.clone()
        {
            drafts.complain(
                &place,
                Fault::warning(format!("{name}: with its tags replaced the pattern cannot be used: {why}"), "the pattern stays as written"),
            );
        }
    }
}

/// A `body` rule that calls `check_uridnsbl` and has a zone is a rule about DNS.
fn zones(drafts: &mut Drafts) {
    for draft in drafts.rules.values_mut() {
        let Some((directive, arguments)) = draft.zone.take() else { continue };
        if let Some(DraftTest::Made(test @ Test::Eval { .. })) = &mut draft.test
            && matches!(test, Test::Eval { function, .. } if &**function == "check_uridnsbl")
        {
            *test = Test::Dns { directive: directive.into(), arguments, pattern: None };
        }
    }
}

/// Rules whose plugin starts a helper process start early, whatever their file says (Razor2 and Pyzor, finish_parsing_start).
const EARLY: &[&str] = &["check_razor2", "check_razor2_range", "check_pyzor"];

/// A rule whose function does not exist, or does not suit the rule's type, never runs.
fn functions(drafts: &mut Drafts) {
    let mut faults: Vec<(Place, Fault)> = Vec::new();
    for (name, draft) in &mut drafts.rules {
        let Some(DraftTest::Made(test)) = &mut draft.test else { continue };
        let Test::Eval { kind, function, .. } = test else { continue };
        if EARLY.contains(&&**function) {
            draft.priority = Some(NETWORK_PRIORITY);
        }
        let fault = function_fault(name, *kind, function, &drafts.options);
        if let Some(fault) = fault {
            *test = Test::Empty;
            faults.extend(draft.place.clone().map(|place| (place, fault)));
        }
    }
    for (place, fault) in faults {
        drafts.complain(&place, fault);
    }
}

fn function_fault(rule: &str, kind: EvalKind, function: &str, options: &Options) -> Option<Fault> {
    let Some(row) = eval::find(function) else {
        return Some(Fault::warning(
            format!("{rule}: there is no function {function}"),
            "the rule never hits; correct the name, or put it between \"ifplugin\" and \"endif\"",
        ));
    };
    if !row.plugin.is_empty() && !options.plugins.contains(row.plugin) {
        return Some(Fault::note(
            format!("{rule}: the function {function} belongs to the plugin {}, which is not loaded", row.plugin),
            format!("add \"loadplugin Mail::SpamAssassin::Plugin::{}\" to a .pre file", row.plugin),
        ));
    }
    (!row.accepts.admits(kind)).then(|| {
        Fault::warning(
            format!("{rule}: the function {function} is for another type of rule"),
            "the rule never hits; use the type that the manual names",
        )
    })
}

/// Parses all metas; one that turns out unreadable, or declares only, becomes empty.
fn metas(drafts: &mut Drafts) -> BTreeMap<Arc<str>, meta::Parsed> {
    // `rules_matching()` looks at every name that has a score, by default or by a line.
    let scored: Vec<Arc<str>> =
        drafts.rules.iter().filter(|(_, draft)| draft.test.is_some() || draft.scores.is_some()).map(|(name, _)| Arc::clone(name)).collect();
    let mut parsed = BTreeMap::new();
    let mut faults = Vec::new();
    for (name, draft) in &mut drafts.rules {
        let Some(DraftTest::Meta(text)) = &draft.test else { continue };
        let matching = |glob: &str| -> Vec<String> {
            let fits = |other: &&Arc<str>| *other != name && super::options::glob_covers(glob.as_bytes(), other.as_bytes());
            scored.iter().filter(fits).map(|other| other.to_string()).collect()
        };
        match meta::parse(text, &Surroundings { local_tests_only: drafts.local_tests_only, matching: &matching }) {
            Ok(Meta::Expression(expression)) => {
                parsed.insert(Arc::clone(name), expression);
            }
            Ok(Meta::Declared) => draft.test = Some(DraftTest::Made(Test::Empty)),
            Err(why) => {
                draft.test = Some(DraftTest::Made(Test::Empty));
                faults.extend(draft.place.clone().map(|place| (place, Fault::warning(format!("{name}: {why}"), "the rule never hits"))));
            }
        }
    }
    for (place, fault) in faults {
        drafts.complain(&place, fault);
    }
    parsed
}

/// Operands that no line defines count as nothing, but the expression can name them.
fn undefined(drafts: &mut Drafts, metas: &BTreeMap<Arc<str>, meta::Parsed>) {
    for (name, expression) in metas {
        let Some(place) = drafts.rules.get(name).and_then(|draft| draft.place.clone()) else { continue };
        let missing: Vec<String> = expression
            .names
            .iter()
            .filter(|operand| drafts.rules.get(operand.as_str()).is_none_or(|draft| draft.test.is_none()))
            .cloned()
            .collect();
        for operand in &missing {
            drafts.rule(operand, &place);
        }
        if !missing.is_empty() {
            drafts.complain(
                &place,
                Fault::note(
                    format!("{name}: no rule defines {}", missing.join(", ")),
                    "it counts as not hit; define it or load its plugin",
                ),
            );
        }
    }
}

/// What views read of the options.
fn view(drafts: &mut Drafts) {
    let networks = std::mem::take(&mut drafts.networks);
    let options = &mut drafts.options;
    let left_out = networks.apply(&mut options.view);
    let size = |options: &Options, name: &str, default: usize| options.number(name, default as f64).max(0.0) as usize;
    options.view.body_part_scan_size = size(options, "body_part_scan_size", 50_000);
    options.view.rawbody_part_scan_size = size(options, "rawbody_part_scan_size", 500_000);
    options.view.normalize_charset = options.is_on("normalize_charset", true);
    options.view.parse_dkim_uris = options.is_on("parse_dkim_uris", true);
    options.view.always_trust_envelope_sender = options.is_on("always_trust_envelope_sender", false);
    options.view.envelope_sender_header = options.settings.get("envelope_sender_header").cloned();
    let words = options.word_list("attachment_text").to_vec();
    let has = |word: &str| words.iter().any(|known| known == word);
    options.view.attachment_text = AttachmentText { body: has("body"), uri: has("uri"), bayes: has("bayes") };
    let unknown = words.iter().filter(|word| !matches!(word.as_str(), "body" | "uri" | "bayes" | "none"));
    let wrong: Vec<Fault> =
        unknown.map(|word| Fault::warning(format!("attachment_text: {word}"), "these words exist: body, uri, bayes")).collect();
    for fault in wrong {
        drafts.complaints.push(Complaint { severity: fault.severity, place: None, what: fault.what, remedy: fault.remedy });
    }
    for what in left_out {
        let fault = Fault::warning(what, "it is left out; add it to the outer list too");
        drafts.complaints.push(Complaint { severity: fault.severity, place: None, what: fault.what, remedy: fault.remedy });
    }
}

fn finish(name: Arc<str>, draft: Draft, expression: Option<meta::Parsed>, index: &HashMap<Arc<str>, usize>) -> Rule {
    let flags = Flags::parse(&draft.flags);
    let test = match (draft.test, expression) {
        (_, Some(mut parsed)) => {
            let indices: Vec<usize> =
                parsed.names.iter().map(|operand| index.get(operand.as_str()).copied().unwrap_or(usize::MAX)).collect();
            meta::resolve(&mut parsed.tree, &indices);
            Test::Meta(parsed.tree)
        }
        (Some(DraftTest::Made(test)), None) => test,
        (Some(DraftTest::Meta(_)) | None, None) => Test::Empty,
    };
    Rule {
        place: draft.place.unwrap_or_else(|| Place { file: "".into(), line: 0 }),
        definition: draft.definition,
        test,
        scores: draft.scores.unwrap_or_else(|| scores::default(&name, flags.nice)),
        score_place: draft.score_place,
        describe: draft.describe,
        priority: draft.priority.unwrap_or(0),
        captures: draft.captures,
        shortcircuit: draft.shortcircuit,
        flags,
        name,
    }
}

/// Priorities and inherited flags, in SpamAssassin's order: operands are pulled forward first (Conf/Parser, fix_priorities),
/// then metas inherit `net` (fix_tflags), then network rules without a priority start at -100.
fn settle(rules: &mut [Rule]) {
    let operands: Vec<Vec<usize>> = operands(rules);
    let mut order: Vec<usize> = (0..rules.len()).collect();
    order.sort_by_key(|&at| rules.get(at).map_or(0, |rule| rule.priority));
    for at in order {
        let Some(base) = rules.get(at).map(|rule| rule.priority) else { continue };
        for &operand in operands.get(at).map_or(&[][..], Vec::as_slice) {
            if let Some(rule) = rules.get_mut(operand).filter(|rule| rule.priority > base) {
                rule.priority = if base < NETWORK_PRIORITY && rule.flags.net { NETWORK_PRIORITY } else { base };
            }
        }
    }
    inherit_net(rules, &operands);
    for rule in rules.iter_mut() {
        if rule.priority == 0 && rule.flags.net {
            rule.priority = NETWORK_PRIORITY;
        }
    }
}

/// The operands of each meta that can be evaluated; one that waits for itself has none.
fn operands(rules: &[Rule]) -> Vec<Vec<usize>> {
    let all: Vec<Vec<usize>> = rules
        .iter()
        .map(|rule| match &rule.test {
            Test::Meta(expression) => expression.operands(),
            _ => Vec::new(),
        })
        .collect();
    let is_meta = |at: usize| matches!(rules.get(at).map(|rule| &rule.test), Some(Test::Meta(_)));
    let mut solved = vec![false; rules.len()];
    // Kahn's algorithm over metas alone.
    let mut waiting: Vec<usize> = all.iter().map(|list| list.iter().filter(|&&at| is_meta(at)).count()).collect();
    let mut readers: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, list) in all.iter().enumerate() {
        for &operand in list.iter().filter(|&&operand| is_meta(operand)) {
            readers.entry(operand).or_default().push(at);
        }
    }
    let mut ready: Vec<usize> = (0..rules.len()).filter(|&at| is_meta(at) && waiting.get(at) == Some(&0)).collect();
    while let Some(at) = ready.pop() {
        if let Some(done) = solved.get_mut(at) {
            *done = true;
        }
        for &reader in readers.get(&at).map_or(&[][..], Vec::as_slice) {
            if let Some(left) = waiting.get_mut(reader) {
                *left -= 1;
                if *left == 0 {
                    ready.push(reader);
                }
            }
        }
    }
    all.into_iter().enumerate().map(|(at, list)| if solved.get(at) == Some(&true) { list } else { Vec::new() }).collect()
}

/// A meta with an operand from the network is itself one. SpamAssassin walks its rules in no fixed order, so that a meta of
/// a meta may or may not inherit; here it does.
fn inherit_net(rules: &mut [Rule], operands: &[Vec<usize>]) {
    let mut readers: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, list) in operands.iter().enumerate() {
        for &operand in list {
            readers.entry(operand).or_default().push(at);
        }
    }
    let mut open: Vec<usize> = (0..rules.len()).filter(|&at| rules.get(at).is_some_and(|rule| rule.flags.net)).collect();
    while let Some(at) = open.pop() {
        for &reader in readers.get(&at).map_or(&[][..], Vec::as_slice) {
            if let Some(rule) = rules.get_mut(reader).filter(|rule| !rule.flags.net) {
                rule.flags.net = true;
                open.push(reader);
            }
        }
    }
}
