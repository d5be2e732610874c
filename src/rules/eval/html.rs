//! HTMLEval and HTTPSMismatch: what the HTML parts are made of, and links that claim to lead elsewhere.

use super::perl::{number, pattern, rule_pattern};
use super::{Accepts, Answered, Context, Row, local};
use crate::mail::HtmlFacts;
use crate::mail::domains::is_ip_address;
use crate::mail::html::{Fact, Text};
use crate::mail::links::LinkKind;
use crate::pattern::Found;

pub(super) static ROWS: &[Row] = &[
    body("html_tag_balance", html_tag_balance),
    body("html_image_only", html_image_only),
    body("html_image_ratio", html_image_ratio),
    body("html_charset_faraway", html_charset_faraway),
    body("html_tag_exists", |c, a| any(c, |html| a.first().is_some_and(|tag| html.inside.contains_key(tag)))),
    body("html_test", |c, a| any(c, |html| a.first().is_some_and(|name| is_true(html, name)))),
    body("html_eval", html_eval),
    body("html_text_match", |c, a| text_match(c, a, true)),
    body("html_text_not_match", |c, a| text_match(c, a, false)),
    body("html_title_subject_ratio", html_title_subject_ratio),
    body("html_range", html_range),
    body("check_iframe_src", |c, _| any(c, |html| html.links.iter().any(|link| link.kinds.contains(&LinkKind::Html("iframe"))))),
    local("check_https_http_mismatch", "HTTPSMismatch", Accepts::Body, check_https_http_mismatch),
];

const fn body(name: &'static str, run: super::Function) -> Row {
    local(name, "HTMLEval", Accepts::Body, run)
}

pub(super) fn any(context: &Context<'_, '_>, test: impl Fn(&HtmlFacts) -> bool) -> Answered {
    context.reading.html_parts().any(|part| test(&part.facts)).into()
}

fn is_true(html: &HtmlFacts, name: &str) -> bool {
    match html.get(name) {
        Some(Fact::Number(value)) => value != 0.0,
        Some(Fact::Texts(texts)) => !texts.is_empty(),
        // Lists that are always there where the document was read to its end.
        None => matches!(name, "uri" | "inside" | "uri_detail") && !html.broken_off,
    }
}

fn value(html: &HtmlFacts, name: &str) -> Option<f64> {
    match html.get(name)? {
        Fact::Number(value) => Some(value),
        Fact::Texts(_) => None,
    }
}

fn html_tag_balance(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let [tag, expression, ..] = arguments else { return Answered::Miss };
    if tag.is_empty() || !tag.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Answered::Miss;
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of tags")]
    any(context, |html| html.inside.get(tag).is_some_and(|open| holds(*open as f64, expression)))
}

fn html_eval(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let [name, expression, ..] = arguments else { return Answered::Miss };
    any(context, |html| value(html, name).is_some_and(|value| holds(value, expression)))
}

fn html_image_only(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let [least, most, ..] = arguments else { return Answered::Miss };
    let fits = |length: f64| length > number(least) && length <= number(most);
    any(context, |html| html.inside.contains_key("img") && value(html, "length").is_some_and(fits))
}

fn html_image_ratio(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let [least, most, ..] = arguments else { return Answered::Miss };
    any(context, |html| {
        let (Some(text), Some(area)) = (value(html, "non_space_len"), value(html, "image_area")) else { return false };
        area > 0.0 && text / area > number(least) && text / area <= number(most)
    })
}

/// SpamAssassin 4.0.1 notes the charsets of `<meta>` where this function does not look, so that it never hits.
fn html_charset_faraway(_: &Context<'_, '_>, _: &[String]) -> Answered {
    Answered::Miss
}

fn text_match(context: &Context<'_, '_>, arguments: &[String], wanted: bool) -> Answered {
    let [name, text, ..] = arguments else { return Answered::Miss };
    let Some(pattern) = rule_pattern(text) else { return Answered::Miss };
    any(context, |html| {
        let texts: Vec<&Text> = match html.get(name) {
            Some(Fact::Texts(texts)) => texts.iter().collect(),
            None if name == "uri" => html.links.iter().map(|link| &link.target).collect(),
            Some(Fact::Number(_)) | None => return false,
        };
        texts.into_iter().any(|text| matches!(pattern.find(&text.octets(), 0), Found::Hit(_)) == wanted)
    })
}

fn html_title_subject_ratio(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let Some(ratio) = arguments.first().map(|text| number(text)) else { return Answered::Miss };
    let subject = context.header("Subject");
    let subject = subject.text().len();
    if subject == 0 {
        return Answered::Miss;
    }
    #[expect(clippy::cast_precision_loss, reason = "lengths of titles and subjects")]
    any(context, |html| {
        let lengths = html.titles.iter().filter(|title| title.chars != "0").map(|title| title.chars.chars().count());
        lengths.max().is_some_and(|longest| longest > 0 && longest as f64 / subject as f64 > ratio)
    })
}

fn html_range(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let [name, least, rest @ ..] = arguments else { return Answered::Miss };
    let below = |value: f64| rest.first().filter(|most| *most != "inf").is_none_or(|most| value <= number(most));
    any(context, |html| value(html, name).is_some_and(|value| value > number(least) && below(value)))
}

/// A link whose text names another domain by `https://`. Arguments: at least so many links, and fewer than so many.
fn check_https_http_mismatch(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let least = arguments.first().map(|text| number(text)).filter(|least| *least != 0.0).unwrap_or(1.0);
    let most = arguments.get(1).map(|text| number(text));
    let tables = &context.options.view.domains;
    let claims = |text: &Text| names_https(&text.octets());
    any(context, |html| {
        // Most mail claims nothing: no look at its domains.
        if !html.links.iter().any(|link| link.anchors.iter().any(claims)) {
            return false;
        }
        let (mut hit, mut anchors) = (false, 0.0);
        for link in html.links.iter().filter(|link| !link.anchors.is_empty()) {
            let target = link.target.octets();
            let Some(host) = group(pattern!(r"^(?i:https?)://([^/:?#]+)"), &target) else { continue };
            if is_ip_address(&host) {
                continue;
            }
            let domain = tables.trimmed(&host);
            if domain.is_empty() || tables.of_link(domain.as_bytes()).is_none_or(|(_, domain)| !tables.is_valid(&domain)) {
                continue;
            }
            anchors += 1.0;
            hit |= link.anchors.iter().any(|anchor| {
                let Some(claimed) = group(pattern!(r"(?i:https)://([^\s/:?#]+)"), &anchor.octets()) else { return false };
                let claimed = if is_ip_address(&claimed) {
                    claimed
                } else {
                    let claimed = tables.trimmed(&claimed);
                    if !tables.is_valid(&claimed) {
                        return false;
                    }
                    claimed
                };
                claimed != domain
            });
        }
        hit && anchors >= least && most.is_none_or(|most| anchors < most)
    })
}

/// `https://` in any case.
fn names_https(text: &[u8]) -> bool {
    memchr::memmem::find_iter(text, b"://")
        .any(|at| text[..at].last_chunk().is_some_and(|word: &[u8; 5]| word.eq_ignore_ascii_case(b"https")))
}

fn group(pattern: &regex::bytes::Regex, text: &[u8]) -> Option<String> {
    pattern.captures(text)?.get(1).map(|found| String::from_utf8_lossy(found.as_bytes()).into_owned())
}

/// Whether `value EXPRESSION` holds, as Perl evaluates it (`> 3`, `!= 0`, `- 1 >= 2`). What Perl could not compile does not.
pub(super) fn holds(value: f64, expression: &str) -> bool {
    let mut words = Words { text: expression, pending: None };
    equality(value, &mut words).is_some_and(|result| words.next().is_none() && result != 0.0)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Word {
    Number(f64),
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    Compare,
    Add,
    Subtract,
    Not,
    Unknown,
}

struct Words<'t> {
    text: &'t str,
    pending: Option<Word>,
}

impl Words<'_> {
    fn next(&mut self) -> Option<Word> {
        if let Some(word) = self.pending.take() {
            return Some(word);
        }
        const SIGNS: &[(&str, Word)] = &[
            ("<=>", Word::Compare),
            ("<<", Word::Unknown),
            (">>", Word::Unknown),
            ("++", Word::Unknown),
            ("--", Word::Unknown),
            ("<=", Word::LessEqual),
            (">=", Word::GreaterEqual),
            ("==", Word::Equal),
            ("!=", Word::NotEqual),
            ("<", Word::Less),
            (">", Word::Greater),
            ("+", Word::Add),
            ("-", Word::Subtract),
            ("!", Word::Not),
        ];
        self.text = self.text.trim_start();
        let first = self.text.chars().next()?;
        if first.is_ascii_digit() {
            let end = self.text.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.text.len());
            let (digits, rest) = self.text.split_at(end);
            self.text = rest;
            return Some(digits.parse().map_or(Word::Unknown, Word::Number));
        }
        match SIGNS.iter().find(|(sign, _)| self.text.starts_with(sign)) {
            Some((sign, word)) => {
                self.text = self.text.get(sign.len()..).unwrap_or("");
                Some(*word)
            }
            None => Some(Word::Unknown),
        }
    }
}

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn equality(first: f64, words: &mut Words<'_>) -> Option<f64> {
    let mut left = relation(first, words)?;
    while let Some(word) = words.next() {
        if !matches!(word, Word::Equal | Word::NotEqual | Word::Compare) {
            words.pending = Some(word);
            break;
        }
        let right = unary(words)?;
        let right = relation(right, words)?;
        left = match word {
            Word::Equal => truth(left == right),
            Word::NotEqual => truth(left != right),
            _ => truth(left > right) - truth(left < right),
        };
    }
    Some(left)
}

fn relation(first: f64, words: &mut Words<'_>) -> Option<f64> {
    let mut left = sum(first, words)?;
    while let Some(word) = words.next() {
        if !matches!(word, Word::Less | Word::LessEqual | Word::Greater | Word::GreaterEqual) {
            words.pending = Some(word);
            break;
        }
        let right = unary(words)?;
        let right = sum(right, words)?;
        left = truth(match word {
            Word::Less => left < right,
            Word::LessEqual => left <= right,
            Word::Greater => left > right,
            _ => left >= right,
        });
    }
    Some(left)
}

fn sum(first: f64, words: &mut Words<'_>) -> Option<f64> {
    let mut left = first;
    while let Some(word) = words.next() {
        match word {
            Word::Add => left += unary(words)?,
            Word::Subtract => left -= unary(words)?,
            other => {
                words.pending = Some(other);
                break;
            }
        }
    }
    Some(left)
}

/// A number with its signs.
fn unary(words: &mut Words<'_>) -> Option<f64> {
    let mut signs = Vec::new();
    loop {
        match words.next()? {
            Word::Number(number) => {
                let apply = |value: f64, sign: &Word| match sign {
                    Word::Subtract => -value,
                    Word::Not => truth(value == 0.0),
                    _ => value,
                };
                return Some(signs.iter().rev().fold(number, apply));
            }
            sign @ (Word::Add | Word::Subtract | Word::Not) => signs.push(sign),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_evaluated_as_perl_evaluates_it() {
        for (value, expression, held) in [
            (1.0, "!= 0", true),
            (0.0, "!= 0", false),
            (3.0, "> 2", true),
            (3.0, ">3", false),
            (3.0, "- 1 >= 2", true),
            (3.0, "< 4 == 1", true),
            (3.0, "== -  -3", true),
            (0.0, "", false),
            (2.0, "", true),
            (3.0, "<< 2", false),
            (3.0, "> > 2", false),
            (3.0, "= 3", false),
            (3.0, "> ", false),
        ] {
            assert_eq!(holds(value, expression), held, "{value} {expression}");
        }
    }
}
