//! Lines that define rules or say something about one: `header`, `body`, `meta`, `score`, `describe` … (one table).

use super::captures;
use super::draft::{Draft, DraftTest, Drafts, Fault, Line};
use super::lexer::{first_word, is_rule_name, words};
use super::meta;
use super::model::{EvalKind, Shortcircuit, Test};
use super::scores;
use crate::mail::HeaderQuery;

/// Longer names are refused, as SpamAssassin refuses them.
const LONGEST_NAME: usize = 100;
/// Longer names are odd (`check` says so); the report has no room for them.
const LONG_NAME: usize = 40;

type Handler = fn(&mut Drafts, &Line<'_>) -> Result<(), Fault>;

/// One directive: its name, the plugin it belongs to (empty: none), what reads it.
pub(super) struct Directive {
    pub name: &'static str,
    pub plugin: &'static str,
    pub read: Handler,
}

const fn directive(name: &'static str, plugin: &'static str, read: Handler) -> Directive {
    Directive { name, plugin, read }
}

pub(super) static DIRECTIVES: &[Directive] = &[
    directive("header", "", header),
    directive("body", "", |drafts, line| text(drafts, line, EvalKind::Body, Test::Body)),
    directive("rawbody", "", |drafts, line| text(drafts, line, EvalKind::RawBody, Test::RawBody)),
    directive("full", "", |drafts, line| text(drafts, line, EvalKind::Full, Test::Full)),
    directive("uri", "", uri),
    directive("meta", "", meta_rule),
    directive("reuse", "", reuse),
    directive("score", "", score),
    directive("describe", "", describe),
    directive("tflags", "", tflags),
    directive("priority", "", priority),
    directive("shortcircuit", "Shortcircuit", shortcircuit),
    directive("mimeheader", "MIMEHeader", super::plugin_rules::mimeheader),
    directive("uri_detail", "URIDetail", super::plugin_rules::uri_detail),
    directive("askdns", "AskDNS", super::plugin_rules::askdns),
    directive("uridnsbl", "URIDNSBL", |drafts, line| super::plugin_rules::zone(drafts, line, "uridnsbl")),
    directive("uridnssub", "URIDNSBL", |drafts, line| super::plugin_rules::zone(drafts, line, "uridnssub")),
    directive("urirhsbl", "URIDNSBL", |drafts, line| super::plugin_rules::zone(drafts, line, "urirhsbl")),
    directive("urirhssub", "URIDNSBL", |drafts, line| super::plugin_rules::zone(drafts, line, "urirhssub")),
    directive("urinsrhsbl", "URIDNSBL", |drafts, line| super::plugin_rules::zone(drafts, line, "urinsrhsbl")),
    directive("urinsrhssub", "URIDNSBL", |drafts, line| super::plugin_rules::zone(drafts, line, "urinsrhssub")),
    directive("urifullnsrhsbl", "URIDNSBL", |drafts, line| super::plugin_rules::zone(drafts, line, "urifullnsrhsbl")),
    directive("urifullnsrhssub", "URIDNSBL", |drafts, line| super::plugin_rules::zone(drafts, line, "urifullnsrhssub")),
];

/// Splits a rule's name off and checks that something follows.
pub(super) fn name_and_rest<'l>(line: &Line<'l>) -> Result<(&'l str, &'l str), Fault> {
    let (name, rest) = first_word(line.value);
    if name.is_empty() || rest.is_empty() {
        return Err(Fault::warning(
            format!("\"{}\" is not complete", line.whole),
            format!("write the name of the rule and its value after \"{}\"", line.key),
        ));
    }
    Ok((name, rest))
}

/// Puts a definition into force; the name is checked as SpamAssassin's add_test checks it.
pub(super) fn define(drafts: &mut Drafts, line: &Line<'_>, name: &str, test: DraftTest, pattern: Option<&str>) -> Result<(), Fault> {
    check_name(name)?;
    if name.len() > LONG_NAME && !name.starts_with("__") && !name.starts_with("T_") {
        drafts.complain(
            line.place,
            Fault::note(format!("the rule name {name} is longer than {LONG_NAME} letters"), "a name of up to 22 fits into reports"),
        );
    }
    let draft = drafts.rule(name, line.place);
    draft.place = Some(line.place.clone());
    draft.definition = line.whole.into();
    draft.test = Some(test);
    draft.priority.get_or_insert(0);
    if pattern.is_some_and(captures::captures) {
        draft.priority = Some(captures::PRIORITY);
        draft.captures = true;
    }
    Ok(())
}

pub(super) fn check_name(name: &str) -> Result<(), Fault> {
    if !is_rule_name(name) {
        return Err(Fault::warning(
            format!("\"{name}\" is no rule name"),
            "use letters, digits and underscores, and do not begin with a digit",
        ));
    }
    if name.len() > LONGEST_NAME {
        return Err(Fault::warning(format!("the rule name {name} is longer than {LONGEST_NAME} letters"), "choose a shorter one"));
    }
    Ok(())
}

/// `bad pattern`, with what would be right.
pub(super) fn bad_pattern(name: &str, pattern: &str, why: &str) -> Fault {
    Fault::warning(format!("{name}: the pattern {pattern} cannot be used: {why}"), "the rule is left out; correct the pattern")
}

/// `eval:function(arguments)`; `None` when the value is no such call.
fn eval_call(value: &str) -> Option<&str> {
    value.strip_prefix("eval:")
}

/// Reads a call; a fault in its arguments costs the rule.
fn define_eval(drafts: &mut Drafts, line: &Line<'_>, name: &str, kind: EvalKind, call: &str) -> Result<(), Fault> {
    let remedy = "write it as eval:function('argument', …)";
    let (function, rest) = call.split_once('(').ok_or_else(|| Fault::warning(format!("{name}: \"{call}\" is no call"), remedy))?;
    let inside = rest.strip_suffix(')').ok_or_else(|| Fault::warning(format!("{name}: \"{call}\" does not end in \")\""), remedy))?;
    if function.is_empty() || !function.bytes().all(|octet| octet == b'_' || octet.is_ascii_alphanumeric()) {
        return Err(Fault::warning(format!("{name}: \"{function}\" is no function name"), remedy));
    }
    let Some(arguments) = arguments(inside) else {
        return Err(Fault::warning(
            format!("{name}: the arguments ({inside}) cannot be read"),
            "separate them by commas and put text in single or double quotes",
        ));
    };
    let test = Test::Eval { kind, function: function.into(), arguments };
    define(drafts, line, name, DraftTest::Made(test), None)
}

/// Quoted strings (no escapes inside), or bare words of letters, digits, `.`, `:` and `-`.
fn arguments(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim_matches(super::lexer::is_space);
    let mut found = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (argument, after) = if first == '\'' || first == '"' {
            quoted(rest, first)?
        } else {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-'))).unwrap_or(rest.len());
            if end == 0 {
                return None;
            }
            rest.split_at(end)
        };
        found.push(argument.to_owned());
        rest = after.trim_start_matches(super::lexer::is_space);
        if let Some(next) = rest.strip_prefix(',') {
            rest = next.trim_start_matches(super::lexer::is_space);
        } else if !rest.is_empty() {
            return None;
        }
    }
    Some(found)
}

/// A string ends at the first such quote that a comma or the end follows.
fn quoted(text: &str, quote: char) -> Option<(&str, &str)> {
    let inside = text.get(1..)?;
    inside.match_indices(quote).find_map(|(at, _)| {
        let after = inside.get(at + 1..)?;
        let next = after.trim_start_matches(super::lexer::is_space);
        (next.is_empty() || next.starts_with(',')).then(|| inside.get(..at).map(|argument| (argument, after)))?
    })
}

fn header(drafts: &mut Drafts, line: &Line<'_>) -> Result<(), Fault> {
    let (name, value) = name_and_rest(line)?;
    if let Some(call) = eval_call(value).or_else(|| value.strip_prefix("rbleval:")) {
        let kind = if call.starts_with("check_rbl") || call.starts_with("check_dns") { EvalKind::Rbl } else { EvalKind::Head };
        return define_eval(drafts, line, name, kind, call);
    }
    check_name(name)?;
    if let Some(field) = value.strip_prefix("exists:") {
        let plain = field.strip_suffix(':').unwrap_or(field);
        if !is_field_name(plain) {
            return Err(Fault::warning(format!("{name}: \"{field}\" is no header name"), "write exists:Header-Name"));
        }
        let query = query(name, plain)?;
        return define(drafts, line, name, DraftTest::Made(Test::Exists(query)), None);
    }
    let parts = header_parts(value)
        .ok_or_else(|| Fault::warning(format!("{name}: \"{value}\" is no header test"), "write Header-Name =~ /pattern/"))?;
    let (query_text, negated, rest) = parts;
    let query = query(name, query_text)?;
    let (pattern, unset) = if_unset(rest);
    let matcher = captures::matcher(pattern).map_err(|why| bad_pattern(name, pattern, &why))?;
    let test = Test::Header { query, negated, unset: unset.map(|text| text.as_bytes().to_vec()), pattern: matcher };
    define(drafts, line, name, DraftTest::Made(test), Some(pattern))
}

pub(super) fn query(rule: &str, text: &str) -> Result<HeaderQuery, Fault> {
    HeaderQuery::parse(text)
        .map_err(|why| Fault::warning(format!("{rule}: {why}"), "use raw, addr, name, first, last, host, domain, ip or revip"))
}

fn is_field_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'.' | b'-'))
}

/// `Name:mod:mod =~ rest` to the query without a final colon, whether negated, and the rest.
fn header_parts(value: &str) -> Option<(&str, bool, &str)> {
    let end = value.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ':'))).unwrap_or(value.len());
    let (query, rest) = value.split_at(end);
    let rest = rest.trim_start_matches(super::lexer::is_space);
    let negated = rest.starts_with("!~");
    let pattern = rest.strip_prefix("=~").or_else(|| rest.strip_prefix("!~"))?.trim_start_matches(super::lexer::is_space);
    let mut parts = query.split(':');
    let named = is_field_name(parts.next()?);
    let modifiers: Vec<&str> = parts.collect();
    let lone_colon = modifiers == [""];
    let fits = modifiers.len() <= 2 && modifiers.iter().all(|word| !word.is_empty() && word.bytes().all(|o| o.is_ascii_lowercase()));
    (named && (lone_colon || fits) && !pattern.is_empty()).then(|| (query.strip_suffix(':').unwrap_or(query), negated, pattern))
}

/// `/re/ [if-unset: text]` taken apart.
pub(super) fn if_unset(text: &str) -> (&str, Option<&str>) {
    let split = || {
        let inside = text.strip_suffix(']')?;
        let at = inside.find("[if-unset:")?;
        let (before, after) = inside.split_at(at);
        let value = after.strip_prefix("[if-unset:")?;
        let plain = value.trim_start_matches(super::lexer::is_space);
        let pattern = before.trim_end_matches(super::lexer::is_space);
        (plain.len() < value.len() && pattern.len() < before.len() && !plain.is_empty()).then_some((pattern, plain))
    };
    split().map_or((text, None), |(pattern, value)| (pattern, Some(value)))
}

fn text(drafts: &mut Drafts, line: &Line<'_>, kind: EvalKind, make: fn(super::model::Matcher) -> Test) -> Result<(), Fault> {
    let (name, value) = name_and_rest(line)?;
    match eval_call(value) {
        Some(call) => define_eval(drafts, line, name, kind, call),
        None => pattern_rule(drafts, line, name, value, make),
    }
}

fn uri(drafts: &mut Drafts, line: &Line<'_>) -> Result<(), Fault> {
    let (name, value) = name_and_rest(line)?;
    pattern_rule(drafts, line, name, value, Test::Uri)
}

fn pattern_rule(
    drafts: &mut Drafts,
    line: &Line<'_>,
    name: &str,
    pattern: &str,
    make: fn(super::model::Matcher) -> Test,
) -> Result<(), Fault> {
    check_name(name)?;
    let matcher = captures::matcher(pattern).map_err(|why| bad_pattern(name, pattern, &why))?;
    define(drafts, line, name, DraftTest::Made(make(matcher)), Some(pattern))
}

fn meta_rule(drafts: &mut Drafts, line: &Line<'_>) -> Result<(), Fault> {
    let (name, value) = name_and_rest(line)?;
    check_name(name)?;
    meta::check(value).map_err(|why| {
        Fault::warning(
            format!("{name}: {why}"),
            "the rule is left out; write rule names, numbers and && || ! + - * / < > == with spaces around",
        )
    })?;
    define(drafts, line, name, DraftTest::Meta(value.to_owned()), None)
}

/// Declares a rule that some other system hits, unless it is defined already.
fn reuse(drafts: &mut Drafts, line: &Line<'_>) -> Result<(), Fault> {
    let name = first_word(line.value).0;
    check_name(name)?;
    if drafts.rules.get(name).is_some_and(|draft| draft.test.is_some()) {
        return Ok(());
    }
    define(drafts, line, name, DraftTest::Made(Test::Empty), None)
}

fn score(drafts: &mut Drafts, line: &Line<'_>) -> Result<(), Fault> {
    let (name, values) = name_and_rest(line)?;
    let values: Vec<&str> = words(values).collect();
    let earlier = drafts.rules.get(name).and_then(|draft| draft.scores);
    let scores = scores::read(&values, earlier)
        .map_err(|why| Fault::warning(format!("{name}: {why}"), "give one score, or four: local, network, Bayes, Bayes and network"))?;
    let draft = drafts.rule(name, line.place);
    draft.scores = Some(scores);
    draft.score_place = Some(line.place.clone());
    Ok(())
}

fn describe(drafts: &mut Drafts, line: &Line<'_>) -> Result<(), Fault> {
    let (name, text) = name_and_rest(line)?;
    drafts.rule(name, line.place).describe = Some(text.into());
    Ok(())
}

fn tflags(drafts: &mut Drafts, line: &Line<'_>) -> Result<(), Fault> {
    let (name, text) = name_and_rest(line)?;
    drafts.rule(name, line.place).flags = text.to_owned();
    Ok(())
}

fn priority(drafts: &mut Drafts, line: &Line<'_>) -> Result<(), Fault> {
    let (name, text) = name_and_rest(line)?;
    check_name(name)?;
    let number = text
        .parse()
        .ok()
        .filter(|_| !text.starts_with('+'))
        .ok_or_else(|| Fault::warning(format!("{name}: the priority \"{text}\" is no whole number"), "lower ones run first"))?;
    drafts.rule(name, line.place).priority = Some(number);
    Ok(())
}

fn shortcircuit(drafts: &mut Drafts, line: &Line<'_>) -> Result<(), Fault> {
    let (name, word) = name_and_rest(line)?;
    let kind = match word {
        "on" => Shortcircuit::On,
        "off" => Shortcircuit::Off,
        "ham" => Shortcircuit::Ham,
        "spam" => Shortcircuit::Spam,
        _ => return Err(Fault::warning(format!("{name}: \"{word}\" is no kind of short circuit"), "write on, off, ham or spam")),
    };
    let draft = drafts.rule(name, line.place);
    draft.shortcircuit = kind;
    if matches!(kind, Shortcircuit::Ham | Shortcircuit::Spam) {
        abbreviate(draft, kind);
    }
    Ok(())
}

/// `ham` and `spam` run early and teach nothing (Mail::SpamAssassin::Plugin::Shortcircuit).
fn abbreviate(draft: &mut Draft, kind: Shortcircuit) {
    if draft.priority.unwrap_or(0) == 0 {
        draft.priority = Some(-200);
    }
    let more = if kind == Shortcircuit::Ham { "nice noautolearn" } else { "noautolearn" };
    draft.flags = [draft.flags.as_str(), more].join(" ").trim_start().to_owned();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_or_bare() {
        let read = |text| arguments(text);
        assert_eq!(read(""), Some(vec![]));
        assert_eq!(read("'a', \"b c\" , 1.5"), Some(vec!["a".into(), "b c".into(), "1.5".into()]));
        assert_eq!(read("'it's', 'x'"), Some(vec!["it's".into(), "x".into()]));
        assert_eq!(read("a_b"), None);
        assert_eq!(read("'open"), None);
    }

    #[test]
    fn a_header_test_is_taken_apart() {
        assert_eq!(header_parts("From:addr =~ /x/i"), Some(("From:addr", false, "/x/i")));
        assert_eq!(header_parts("Subject!~/x/"), Some(("Subject", true, "/x/")));
        assert_eq!(header_parts("Subject: =~ /x/"), Some(("Subject", false, "/x/")));
        for wrong in ["From:a:b:c =~ /x/", "From:Addr =~ /x/", "From /x/", "From =~ ", "=~ /x/"] {
            assert_eq!(header_parts(wrong), None, "{wrong}");
        }
        assert_eq!(if_unset("/^$/  [if-unset: UNSET]"), ("/^$/", Some("UNSET")));
        assert_eq!(if_unset("/a[if-unset:]/"), ("/a[if-unset:]/", None));
    }
}
