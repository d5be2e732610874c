//! AskDNS: names made of a template with `_TAGS_`, records looked at by type.

use super::dns::Said;
use super::subtest;
use crate::facts::{Answer, DnsQuestion, DnsReply, DnsType, Question};
use crate::mail::domains::is_host_name;
use crate::pattern::{Found, Pattern};
use crate::rules::eval::Context;
use crate::rules::eval::tags::{self, Tag};
use crate::rules::model::{Rule, Test};

/// Names made of one template, where tags have several values.
const MOST_NAMES: usize = 50;

const TYPES: &[(&str, DnsType)] = &[
    ("A", DnsType::A),
    ("AAAA", DnsType::Aaaa),
    ("MX", DnsType::Mx),
    ("TXT", DnsType::Txt),
    ("SPF", DnsType::Txt),
    ("PTR", DnsType::Ptr),
    ("NS", DnsType::Ns),
];

pub fn evaluate(rule: &Rule, context: &Context<'_, '_>) -> Said {
    let Test::Dns { arguments, pattern, .. } = &rule.test else { return Said::Miss };
    let (Some(template), Some(types)) = (arguments.first(), arguments.get(1)) else { return Said::Miss };
    if !context.network {
        return Said::Miss;
    }
    let names = match names(context, template) {
        Ok(names) => names,
        Err(said) => return said,
    };
    let types = wanted(types);
    let test = Wanted { text: arguments.get(2).map(String::as_str), pattern: pattern.as_ref() };
    let (mut open, mut hit) = (Vec::new(), None);
    for name in names {
        for (word, kind) in &types {
            let question = DnsQuestion { name: name.as_str().into(), kind: *kind };
            match context.facts.dns.get(&question) {
                None => open.push(Question::Dns(question)),
                Some(Answer::Silent) => {}
                Some(Answer::Known(reply)) if hit.is_none() => {
                    hit = test.first(reply, *kind).map(|record| format!("{name} {word}:{record}"));
                }
                Some(Answer::Known(_)) => {}
            }
        }
    }
    match hit {
        _ if !open.is_empty() => Said::Ask(open),
        Some(words) => Said::Hit(words),
        None => Said::Miss,
    }
}

/// Types that nobody can be asked for here give no question.
fn wanted(types: &str) -> Vec<(&str, DnsType)> {
    let all = types.split(',').any(|word| word == "ANY");
    TYPES.iter().filter(|(name, _)| (all && *name != "SPF") || types.split(',').any(|word| word == *name)).copied().collect()
}

/// The template's tags replaced by each of their values.
fn names(context: &Context<'_, '_>, template: &str) -> Result<Vec<String>, Said> {
    let mut made = vec![String::new()];
    let mut rest = template;
    while let Some((before, tag, after)) = tags::next(rest) {
        let values = match tags::values(context, tag) {
            Tag::Values(values) if values.is_empty() => return Err(Said::Later),
            Tag::Values(values) => values,
            Tag::Asks(question) => return Err(Said::Ask(vec![question])),
        };
        let longer = made.iter().flat_map(|name| values.iter().map(move |value| format!("{name}{before}{value}")));
        made = longer.take(MOST_NAMES).collect();
        rest = after;
    }
    let names = made.into_iter().map(|name| format!("{name}{rest}").trim_end_matches('.').to_ascii_lowercase());
    Ok(names.filter(|name| is_host_name(name)).collect())
}

struct Wanted<'r> {
    text: Option<&'r str>,
    pattern: Option<&'r Pattern>,
}

impl Wanted<'_> {
    /// The first record that passes; the code of an answer without records, where that is asked for.
    fn first(&self, reply: &DnsReply, kind: DnsType) -> Option<String> {
        if let Some(codes) = self.text.and_then(|text| text.strip_prefix('[')).and_then(|text| text.strip_suffix(']')) {
            let code = if reply.exists { "0" } else { "3" };
            return codes.split(',').any(|wanted| wanted == code).then(String::new);
        }
        reply.records.iter().map(|record| shown(record, kind)).find(|record| self.passes(record, kind))
    }

    fn passes(&self, record: &str, kind: DnsType) -> bool {
        if let Some(pattern) = self.pattern {
            return matches!(pattern.find(record.as_bytes(), 0), Found::Hit(_));
        }
        match self.text {
            None => !(kind == DnsType::A && subtest::is_refusal(record)),
            Some(text) => match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                Some(plain) => plain == record,
                None => text == record || kind == DnsType::A && subtest::number(record).is_some_and(|n| subtest::passes(text, n)),
            },
        }
    }
}

/// As zone files write it: names with a final dot.
fn shown(record: &str, kind: DnsType) -> String {
    match kind {
        DnsType::Mx | DnsType::Ns | DnsType::Ptr => format!("{record}."),
        DnsType::A | DnsType::Aaaa | DnsType::Txt => record.to_owned(),
    }
}
