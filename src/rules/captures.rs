//! Named groups that become tags, and patterns with `%{TAG}` in them (Mail::SpamAssassin::Conf, "CAPTURING TAGS USING REGEX
//! NAMED CAPTURE GROUPS").

use super::model::Matcher;
use crate::pattern::Pattern;

/// The stage of rules that set tags.
pub(super) const PRIORITY: i32 = -10_000;

/// Whether a pattern has a named group that begins with a capital.
pub(super) fn captures(text: &str) -> bool {
    text.match_indices("(?").any(|(at, opening)| {
        let rest = text.get(at + opening.len()..).unwrap_or("");
        let rest = rest.strip_prefix('P').unwrap_or(rest);
        rest.strip_prefix(['<', '\'']).is_some_and(|name| name.starts_with(|c: char| c.is_ascii_uppercase()))
    })
}

/// Compiles a pattern, or keeps it as a template when it speaks of tags; it must be a pattern either way.
pub(super) fn matcher(text: &str) -> Result<Matcher, String> {
    let tags = templates(text);
    if tags.is_empty() {
        return Pattern::from_rule(text).map(Matcher::Fixed).map_err(|error| error.0);
    }
    let mut plain = String::with_capacity(text.len() + 2 * tags.len());
    let mut done = 0;
    for tag in tags {
        plain.push_str(text.get(done..tag.start).unwrap_or(""));
        plain.push_str("%\\{");
        plain.push_str(text.get(tag.start + 2..tag.end - 1).unwrap_or(""));
        plain.push_str("\\}");
        done = tag.end;
    }
    plain.push_str(text.get(done..).unwrap_or(""));
    Pattern::from_rule(&plain).map_err(|error| error.0)?;
    Ok(Matcher::Template(text.into()))
}

/// Where `%{TAG}` or `%{TAG(argument)}` stands, unless a backslash precedes it.
pub fn templates(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = text.get(from..).and_then(|rest| rest.find("%{")).map(|at| at + from) {
        let escaped = text.get(..start).is_some_and(|before| before.ends_with('\\'));
        let end = text.get(start..).and_then(|rest| rest.find('}')).map(|at| start + at + 1);
        match end.filter(|&end| !escaped && text.get(start + 2..end - 1).is_some_and(is_tag)) {
            Some(end) => {
                found.push(start..end);
                from = end;
            }
            None => from = start + 2,
        }
    }
    found
}

/// `[A-Z][A-Z0-9]*(_[A-Z0-9]+)*`, with an argument in parentheses or without.
pub fn is_tag(text: &str) -> bool {
    let (name, rest) = match text.split_once('(') {
        Some((name, rest)) => (name, Some(rest)),
        None => (text, None),
    };
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.split('_').all(|part| !part.is_empty() && part.bytes().all(|o| o.is_ascii_uppercase() || o.is_ascii_digit()))
        && rest.is_none_or(|rest| rest.strip_suffix(')').is_some_and(|argument| !argument.contains([')', '}'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_groups_in_capitals_set_tags() {
        assert!(captures(r"/(?<NAME>a)/"));
        assert!(captures(r"/(?P<Name>a)/"));
        assert!(captures(r"/(?'X'a)/"));
        assert!(!captures(r"/(?<name>a)(?<=B)(?:X)/"));
    }

    #[test]
    fn a_template_names_tags() {
        let text = r"/%{TO_ADDR}x\%{NO}%{HEADER(From:addr)}%{lower}/";
        let found: Vec<&str> = templates(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, ["%{TO_ADDR}", "%{HEADER(From:addr)}"]);
    }
}
