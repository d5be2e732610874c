//! BodyEval: how the alternatives of a message differ, its blank lines, wide spacing, and what stock tips look like.

use super::perl::{argument, bound, is_space, lines, number, pattern};
use super::{Accepts, Answered, Context, Row, local};
use crate::mail::Part;
use crate::mail::reading::{PartView, Rendering};
use regex::Regex;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

pub(super) static ROWS: &[Row] = &[
    body("multipart_alternative_difference", multipart_alternative_difference),
    body("multipart_alternative_difference_count", multipart_alternative_difference_count),
    body("check_blank_line_ratio", check_blank_line_ratio),
    body("tvd_vertical_words", tvd_vertical_words),
    body("check_stock_info", check_stock_info),
    body("check_body_length", check_body_length),
    body("plaintext_body_length", |c, a| is_between(signature(c).map(|s| s.body), a)),
    body("plaintext_sig_length", |c, a| is_between(signature(c).map(|s| s.signature), a)),
    body("plaintext_body_sig_ratio", |c, a| is_between(signature(c).map(|s| s.ratio), a)),
];

const fn body(name: &'static str, run: super::Function) -> Row {
    local(name, "BodyEval", Accepts::Body, run)
}

/// How the plain and the HTML text of multipart/alternative parts differ.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Alternatives {
    /// The greatest share of HTML words that the plain text lacks, in percent.
    difference: f64,
    /// Distinct words of the last part that was compared.
    html: f64,
    text: f64,
}

/// Words with their number; the text of one multipart/alternative by kind.
#[derive(Default)]
struct Words<'t> {
    html: Counted<'t>,
    text: Counted<'t>,
}

type Counted<'t> = HashMap<&'t [u8], usize, foldhash::fast::RandomState>;

/// Stands for an image in a text without words; no word holds it.
const IMAGE: &[u8] = b"\n";

fn alternatives(context: &Context<'_, '_>) -> Alternatives {
    *context.memo.alternatives.get_or_init(|| {
        let parts = context.reading.mail.parts();
        let mut found = Alternatives::default();
        if !parts.iter().any(is_alternative) || is_meeting(parts) {
            return found;
        }
        let mut by_part: BTreeMap<usize, Words<'_>> = BTreeMap::new();
        for view in context.reading.rendered() {
            let Some(part) = parts.get(view.part).filter(|part| is_word_of(&part.content_type, "text")) else { continue };
            let mut above = part.parent;
            while let Some(id) = above {
                let Some(container) = parts.get(id) else { break };
                if is_alternative(container) {
                    add_words(by_part.entry(id).or_default(), view, &part.effective_type);
                }
                above = container.parent;
            }
        }
        for words in by_part.values().filter(|words| !words.html.is_empty()) {
            compare(&mut found, words);
        }
        found
    })
}

fn is_alternative(part: &Part) -> bool {
    is_word_of(&part.content_type, "multipart/alternative")
}

/// `^word\b`
fn is_word_of(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|rest| !rest.bytes().next().is_some_and(super::perl::is_word))
}

/// Meeting requests of Exchange have a calendar for an alternative.
fn is_meeting(parts: &[Part]) -> bool {
    let Some(root) = parts.first().filter(|root| root.content_type == "multipart/alternative") else { return false };
    let kinds: Vec<&str> = root.children.iter().filter_map(|child| parts.get(*child)).map(|part| part.content_type.as_str()).collect();
    kinds == ["text/html", "text/calendar"]
}

fn add_words<'t>(words: &mut Words<'t>, view: &'t PartView<'_>, kind: &str) {
    match &view.rendering {
        Rendering::Html(html) => {
            count_words(&mut words.html, &html.text.chars, html.text.wide);
            if words.html.is_empty() && html.facts.inside.contains_key("img") {
                words.html.insert(IMAGE, 1);
            }
        }
        Rendering::Plain { text, wide } if kind != "text/html" => count_words(&mut words.text, text, *wide),
        Rendering::Plain { .. } => {}
    }
}

fn count_words<'t>(counts: &mut Counted<'t>, text: &'t str, wide: bool) {
    static WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\w").expect("a constant pattern"));
    counts.reserve((text.len() / 16).min(1024));
    let has_letter = |word: &[u8]| word.iter().any(|octet| super::perl::is_word(*octet));
    let mut count = |word: &'t [u8]| *counts.entry(word).or_default() += 1;
    if wide && !text.is_ascii() {
        let words = text.split(|c: char| c.is_whitespace() || c == '\u{B}');
        words
            .filter(|word| has_letter(word.as_bytes()) || (!word.is_ascii() && WORD.is_match(word)))
            .for_each(|word| count(word.as_bytes()));
    } else {
        text.as_bytes().split(|octet| is_space(*octet)).filter(|word| has_letter(word)).for_each(count);
    }
}

#[expect(clippy::cast_precision_loss, reason = "words of a message are counted in thousands")]
fn compare(found: &mut Alternatives, words: &Words<'_>) {
    let missing = words.html.iter().filter(|(word, count)| words.text.get(*word).is_none_or(|told| told < count)).count();
    found.html = words.html.len() as f64;
    found.text = words.text.len() as f64;
    found.difference = found.difference.max(missing as f64 / found.html * 100.0);
}

fn multipart_alternative_difference(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let difference = alternatives(context).difference;
    let least = argument(arguments, 0).unwrap_or(0.0);
    ((least == 0.0 || difference > least) && bound(arguments, 1).is_none_or(|most| difference <= most)).into()
}

fn multipart_alternative_difference_count(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let found = alternatives(context);
    (found.html > argument(arguments, 1).unwrap_or(0.0) && found.text / found.html > argument(arguments, 0).unwrap_or(0.0)).into()
}

#[expect(clippy::cast_precision_loss, reason = "lines of a message fit a double")]
fn check_blank_line_ratio(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let (blank, all) = *context.memo.blank_lines.get_or_init(|| {
        let all = || context.reading.rawbody().iter().flat_map(|piece| lines(piece));
        (all().filter(|line| line.iter().all(|octet| is_space(*octet))).count() as f64, all().count() as f64)
    });
    let fewest = argument(arguments, 2).filter(|fewest| *fewest >= 1.0).unwrap_or(1.0);
    let share = if all < fewest { -1.0 } else { 100.0 * blank / all };
    let (least, most) = (argument(arguments, 0).unwrap_or(0.0), argument(arguments, 1).unwrap_or(0.0));
    ((least == 0.0 || share > least) && share <= most).into()
}

/// The greatest share of blanks to other octets of a paragraph, in percent.
fn tvd_vertical_words(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let widest = *context.memo.spacing.get_or_init(|| {
        let share = |piece: &Vec<u8>| {
            let blanks = memchr::memchr_iter(b' ', piece).count();
            let others = piece.len() - blanks;
            if blanks > others || others == 0 { 100 } else { 100 * blanks / others }
        };
        context
            .text()
            .iter()
            .filter(|piece| piece.len() > 5)
            .map(share)
            .max()
            .map_or(-1.0, |share| f64::from(u32::try_from(share).unwrap_or(100)))
    });
    let most = argument(arguments, 1).unwrap_or(0.0);
    let most = if most >= 100.0 { 101.0 } else { most };
    (widest >= argument(arguments, 0).unwrap_or(0.0) && widest < most).into()
}

fn check_stock_info(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let least = argument(arguments, 0).unwrap_or(0.0);
    let kinds = *context.memo.stock_labels.get_or_init(|| stock_labels(context));
    (least == 0.0 || f64::from(kinds) >= least).into()
}

/// Kinds of labels ("Target price:") at the start of lines of the first plain part.
fn stock_labels(context: &Context<'_, '_>) -> u32 {
    static LABEL: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?m)^\s*([^:\s][^:\n]{2,29})\s*:\s*\S").expect("a constant pattern"));
    let mail = context.reading.mail;
    let Some((first, _)) = mail.leaves().find(|(_, part)| part.content_type == "text/plain") else { return 0 };
    let text = context.reading.rendered().iter().find(|view| view.part == first).map(|view| match &view.rendering {
        Rendering::Plain { text, .. } => text.as_ref(),
        Rendering::Html(html) => &html.text.chars,
    });
    let form = pattern!(
        r"(?x)( ^trad(?:e|ing)date | company(?:name)? | s\w?(?:t\w?o\w?c\w?k|y\w?m(?:\w?b\w?o\w?l)?) | t(?:arget|icker)
          | (?:opening|current)p(?:rice)? | p(?:rojected|osition) | expectations | weeks?high | marketperformance
          | (?:year|week|month|day|price)(?:target|estimates?) | sector | r(?:ecommendation|ating) )$"
    );
    let mut kinds = HashSet::new();
    for piece in text.into_iter().flat_map(short_paragraphs) {
        for found in LABEL.captures_iter(piece) {
            let letters: Vec<u8> = found[1].bytes().map(|octet| octet.to_ascii_lowercase()).filter(u8::is_ascii_lowercase).collect();
            if let Some(kind) = form.find(&letters) {
                kinds.insert(kind.as_bytes().to_vec());
            }
        }
    }
    u32::try_from(kinds.len()).unwrap_or(u32::MAX)
}

/// Constants.pm, MAX_BODY_LINE_LENGTH.
const PARAGRAPH: usize = 2048;

/// Pieces of 2,048 to 4,096 characters that end at a line end, else at `>`, else at a blank.
fn short_paragraphs(text: &str) -> Vec<&str> {
    let ahead = |text: &str, count: usize| text.char_indices().nth(count).map(|(at, _)| at);
    let mut rest = text;
    let mut pieces = Vec::new();
    while ahead(rest, 2 * PARAGRAPH).is_some() {
        let (Some(from), Some(to)) = (ahead(rest, PARAGRAPH), ahead(rest, 2 * PARAGRAPH)) else { break };
        let end = ['\n', '>', ' ']
            .iter()
            .find_map(|mark| rest[from..to].find(*mark))
            .map_or_else(|| ahead(&rest[from..], 1).map_or(to, |one| from + one), |at| from + at + 1);
        pieces.push(&rest[..end]);
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

#[expect(clippy::cast_precision_loss, reason = "sizes of messages fit a double")]
fn check_body_length(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    (context.reading.mail.body().len() as f64 <= argument(arguments, 0).unwrap_or(0.0)).into()
}

/// Octets before and behind the last signature delimiter of the first plain part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signature {
    body: f64,
    signature: f64,
    ratio: f64,
}

#[expect(clippy::cast_precision_loss, reason = "sizes of messages fit a double")]
fn signature(context: &Context<'_, '_>) -> Option<Signature> {
    *context.memo.signature.get_or_init(|| {
        let part = context.reading.mail.parts().iter().find(|part| part.content_type.starts_with("text/plain"))?;
        let text = part.decoded();
        let (mut body, mut signature) = (text.len(), 0);
        // RFC 3676 §4.3, with or without the blank; one at the very end is a decoy.
        for found in pattern!(r"(?m)^-- ?\r?$").find_iter(text) {
            if text.len() - found.end() > 4 {
                (body, signature) = (found.start(), text.len() - found.end());
            }
        }
        let (body, signature) = (body as f64, signature as f64);
        Some(Signature { body, signature, ratio: if signature > 0.0 { body / signature } else { 1e6 } })
    })
}

fn is_between(value: Option<f64>, arguments: &[String]) -> Answered {
    let least = arguments.first().map_or(0.0, |text| number(text));
    value.is_some_and(|value| value >= least && argument(arguments, 1).is_none_or(|most| value <= most)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_at_a_line_end() {
        let text = format!("{}\n{}", "a".repeat(3000), "b".repeat(3000));
        let pieces = short_paragraphs(&text);
        assert_eq!(pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>(), [3001, 3000]);
        assert_eq!(short_paragraphs(&"ä".repeat(5000)).iter().map(|piece| piece.chars().count()).collect::<Vec<_>>(), [2049, 2951]);
    }
}
