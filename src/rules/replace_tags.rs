//! `replace_tag` and kin: letters that stand for many look-alikes (Mail::SpamAssassin::Plugin::ReplaceTags).

use super::draft::{Draft, DraftTest, Fault, Line};
use super::lexer::{first_word, words};
use super::model::{Matcher, Test};
use crate::pattern::Pattern;
use std::collections::{BTreeSet, HashMap};

/// A replacement may name further tags, so many times.
const PASSES: usize = 6;
/// Octets that a pattern may grow to.
const LONGEST: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Replacements {
    tags: HashMap<String, String>,
    pre: HashMap<String, String>,
    inter: HashMap<String, String>,
    post: HashMap<String, String>,
    rules: BTreeSet<String>,
    start: String,
    end: String,
}

impl Default for Replacements {
    fn default() -> Self {
        Replacements {
            tags: HashMap::new(),
            pre: HashMap::new(),
            inter: HashMap::new(),
            post: HashMap::new(),
            rules: BTreeSet::new(),
            start: "<".into(),
            end: ">".into(),
        }
    }
}

impl Replacements {
    /// Takes one line; `Ok(false)` when its key is none of this plugin's.
    pub fn read(&mut self, line: &Line<'_>) -> Result<bool, Fault> {
        let missing = || Fault::warning(format!("\"{}\" is not complete", line.whole), format!("write a value after \"{}\"", line.key));
        let table = match line.key {
            "replace_tag" => &mut self.tags,
            "replace_pre" => &mut self.pre,
            "replace_inter" => &mut self.inter,
            "replace_post" => &mut self.post,
            "replace_rules" | "replace_start" | "replace_end" => {
                if line.value.is_empty() {
                    return Err(missing());
                }
                match line.key {
                    "replace_start" => self.start = line.value.to_owned(),
                    "replace_end" => self.end = line.value.to_owned(),
                    _ => self.rules.extend(words(line.value).map(str::to_owned)),
                }
                return Ok(true);
            }
            _ => return Ok(false),
        };
        let (name, text) = first_word(line.value);
        if text.is_empty() {
            return Err(missing());
        }
        table.insert(name.to_owned(), text.to_owned());
        Ok(true)
    }

    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(String::as_str)
    }

    /// The pattern with its tags replaced; an unchanged one comes back as it was.
    pub fn apply(&self, pattern: &str) -> String {
        let mut pattern = pattern.to_owned();
        for _ in 0..PASSES {
            let (next, again) = self.pass(&pattern);
            pattern = next;
            if !again || pattern.len() > LONGEST {
                break;
            }
        }
        pattern
    }

    fn pass(&self, pattern: &str) -> (String, bool) {
        let mut text = pattern.to_owned();
        let pre = self.marker(&mut text, "pre ").and_then(|name| given(&self.pre, &name));
        let post = self.marker(&mut text, "post ").and_then(|name| given(&self.post, &name));
        let inter = self.marker(&mut text, "inter ").and_then(|name| given(&self.inter, &name));
        let mut again = false;
        let mut joined = String::with_capacity(text.len() * 2);
        for mut piece in pieces(&text) {
            let tag = self.tag(&piece).map(str::to_owned);
            if let Some(tag) = &tag {
                let whole = format!("{}{tag}{}", self.start, self.end);
                if let Some(pre) = pre {
                    piece = piece.replacen(&whole, &format!("{pre}{whole}"), 1);
                }
                if let Some(post) = post {
                    piece = piece.replace(&whole, &format!("{whole}{post}"));
                }
                if let Some(replacement) = given(&self.tags, tag) {
                    piece = piece.replace(&whole, replacement);
                    again |= replacement.find('<').is_some_and(|at| replacement.get(at + 2..).is_some_and(|rest| rest.contains('>')));
                }
            } else if let (true, Some(inter)) = (piece.is_empty(), inter) {
                piece = inter.to_owned();
            }
            joined.push_str(&piece);
        }
        (joined, again)
    }

    /// Takes the first `<pre NAME>` out and gives its name.
    fn marker(&self, text: &mut String, word: &str) -> Option<String> {
        let opening = format!("{}{word}", self.start);
        let start = text.find(&opening)?;
        let inside = start + opening.len();
        // At least one octet of name.
        let end = text.get(inside + 1..)?.find(&self.end)? + inside + 1;
        let name = text.get(inside..end)?.to_owned();
        text.replace_range(start..end + self.end.len(), "");
        Some(name)
    }

    /// The name between the marks, if the piece has them.
    fn tag<'p>(&self, piece: &'p str) -> Option<&'p str> {
        let inside = piece.get(piece.find(&self.start)? + self.start.len()..)?;
        let end = inside.get(1..)?.find(&self.end)? + 1;
        inside.get(..end)
    }
}

/// Perl takes an empty text and a lone zero for no value.
fn given<'t>(table: &'t HashMap<String, String>, name: &str) -> Option<&'t str> {
    table.get(name).map(String::as_str).filter(|text| !text.is_empty() && *text != "0")
}

/// Splits at `<…>`, which are pieces too; between two adjacent ones stands an empty piece, as Perl's split gives it.
fn pieces(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while let Some(open) = text.get(at..).and_then(|rest| rest.find('<')).map(|found| found + at) {
        let inside = text.get(open + 1..).unwrap_or("");
        match inside.find(['<', '>']) {
            Some(length) if length > 0 && inside.as_bytes().get(length) == Some(&b'>') => {
                let end = open + 1 + length + 1;
                all.push(text.get(from..open).unwrap_or("").to_owned());
                all.push(text.get(open..end).unwrap_or("").to_owned());
                from = end;
                at = end;
            }
            Some(_) | None => at = open + 1,
        }
    }
    // Perl drops trailing empty pieces.
    if from < text.len() {
        all.push(text.get(from..).unwrap_or("").to_owned());
    }
    all
}

/// Replaces the tags of one rule; the error says what its pattern became and why that cannot be used.
pub(super) fn replace(draft: &mut Draft, replacements: &Replacements) -> Result<(), String> {
    let Some(DraftTest::Made(test)) = draft.test.as_mut() else { return Ok(()) };
    let matcher = match test {
        Test::Header { pattern, .. } => pattern,
        Test::Body(matcher) | Test::RawBody(matcher) | Test::Full(matcher) | Test::Uri(matcher) => matcher,
        // SpamAssassin passes over rules of plugins.
        Test::Exists(_)
        | Test::MimeHeader { .. }
        | Test::UriDetail(_)
        | Test::Eval { .. }
        | Test::Meta(_)
        | Test::Dns { .. }
        | Test::Empty => {
            return Ok(());
        }
    };
    let Matcher::Fixed(pattern) = matcher else { return Ok(()) };
    // SpamAssassin works on what Perl prints of the compiled pattern, which begins with these modifiers; so no tag stands first.
    let plain = format!("(?aa){}", pattern.source());
    let replaced = replacements.apply(&plain);
    if replaced == plain {
        return Ok(());
    }
    let text = replaced.strip_prefix("(?aa)").unwrap_or(&replaced);
    *pattern = Pattern::from_expression(text.as_bytes()).map_err(|error| format!("{} in {text}", error.0))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Place;

    fn table(lines: &[&str]) -> Replacements {
        let mut replacements = Replacements::default();
        let place = Place { file: "t.cf".into(), line: 1 };
        for whole in lines {
            let (key, value) = first_word(whole);
            assert!(replacements.read(&Line { key, value, whole, place: &place }).unwrap(), "{whole}");
        }
        replacements
    }

    #[test]
    fn letters_become_their_look_alikes() {
        let table = table(&["replace_tag A [a@]", "replace_tag B (?:b|<A>)", "replace_inter W [^a-z]?", "replace_post P +"]);
        assert_eq!(table.apply("x<A>y"), "x[a@]y");
        assert_eq!(table.apply("<B>"), "(?:b|[a@])");
        assert_eq!(table.apply("<inter W><A><A>"), "[^a-z]?[a@][^a-z]?[a@]");
        assert_eq!(table.apply("<inter W>x<A><A>"), "x[a@][^a-z]?[a@]");
        assert_eq!(table.apply("<post P><A>b"), "[a@]+b");
        assert_eq!(table.apply("(?<x>a)<Q>"), "(?<x>a)<Q>");
    }

    #[test]
    fn a_tag_that_names_itself_ends() {
        let table = table(&["replace_tag A <A><A>"]);
        assert!(table.apply("<A>").len() < 1000);
    }
}
