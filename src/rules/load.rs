//! Files to a set of rules: each line goes to the directive or option that its first word names.

use super::assemble;
use super::conditionals::{Conditions, VERSION};
use super::definitions::DIRECTIVES;
use super::draft::{Drafts, Fault, Line};
use super::files::{self, Opened, Reader, Source};
use super::lexer;
use super::set::RuleSet;
use super::{options_read, options_special};
use crate::base::{Complaint, Place};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

/// Files that one load may read, `include` counted.
const MOST_FILES: usize = 10_000;

/// What loading depends on beside the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// No network question will be asked (`if local_tests_only`).
    pub local_tests_only: bool,
    /// The locale whose `lang` lines count, such as `de_AT`.
    pub language: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { local_tests_only: false, language: "en_US".into() }
    }
}

/// Reads all sources. Mistakes cost their line alone and are told with place and remedy.
pub fn load(sources: &[Source], reader: &dyn Reader, settings: &Settings) -> (RuleSet, Vec<Complaint>) {
    let mut drafts = Drafts { local_tests_only: settings.local_tests_only, ..Drafts::default() };
    let mut conditions = Conditions::default();
    let opened = files::in_order(sources, reader);
    let mut seen: HashSet<String> = opened.iter().map(|file| file.name.clone()).collect();
    for file in opened {
        let mut parser = Parser { drafts: &mut drafts, conditions: &mut conditions, reader, settings, seen: &mut seen };
        parser.read(file);
    }
    let mut complaints = std::mem::take(&mut drafts.complaints);
    let set = assemble::assemble(drafts, &mut complaints);
    (set, complaints)
}

struct Parser<'p> {
    drafts: &'p mut Drafts,
    conditions: &'p mut Conditions,
    reader: &'p dyn Reader,
    settings: &'p Settings,
    /// Paths that were read; none is read twice.
    seen: &'p mut HashSet<String>,
}

/// A file that is being read, and how far.
struct Reading {
    file: Arc<str>,
    text: Vec<u8>,
    /// Octets and lines that are done.
    done: usize,
    line: u32,
}

static DIRECTIVE_BY_NAME: LazyLock<HashMap<&'static str, &'static super::definitions::Directive>> =
    LazyLock::new(|| DIRECTIVES.iter().map(|directive| (directive.name, directive)).collect());

impl Parser<'_> {
    /// One file, with what it includes.
    fn read(&mut self, file: Opened) {
        let mut stack = Vec::new();
        stack.extend(self.open(file));
        while let Some(current) = stack.last_mut() {
            let Some(line) = current.next_line() else {
                let place = current.place();
                self.close_conditions(&place);
                stack.pop();
                continue;
            };
            let place = current.place();
            let Some(text) = lexer::strip(&line) else { continue };
            if let Some(path) = self.line(&text, &place) {
                // The markers that SpamAssassin puts around an included file close the blocks that are open.
                self.close_conditions(&place);
                let mut more = self.included(&path, &place);
                more.reverse();
                stack.extend(more);
            }
        }
    }

    fn open(&mut self, file: Opened) -> Option<Reading> {
        let name: Arc<str> = file.name.into();
        match file.text {
            Ok(text) => Some(Reading { file: name, text, done: 0, line: 0 }),
            Err(why) => {
                let place = Place { file: name, line: 0 };
                self.drafts.complain(&place, Fault::warning(format!("cannot be read: {why}"), "correct the path or the permissions"));
                None
            }
        }
    }

    fn included(&mut self, path: &str, place: &Place) -> Vec<Reading> {
        let base = place.file.rsplit_once('/').map(|(folder, _)| folder);
        let path = match base {
            Some(folder) if !path.starts_with('/') => format!("{folder}/{path}"),
            Some(_) | None => path.to_owned(),
        };
        let mut opened = Vec::new();
        for file in files::included(&path, self.reader) {
            if self.seen.len() >= MOST_FILES || !self.seen.insert(file.clone()) {
                continue;
            }
            match self.reader.file(&file) {
                Ok(text) => opened.push(Reading { file: file.into(), text, done: 0, line: 0 }),
                Err(why) => self
                    .drafts
                    .complain(place, Fault::warning(format!("{file} cannot be read: {why}"), "correct the path or the permissions")),
            }
        }
        opened
    }

    fn close_conditions(&mut self, place: &Place) {
        for (keyword, line) in self.conditions.close() {
            let place = Place { file: Arc::clone(&place.file), line };
            self.drafts.complain(
                &place,
                Fault::warning(
                    format!("this \"{keyword}\" is not closed"),
                    "write \"endif\" before the file ends and before any \"include\"",
                ),
            );
        }
    }

    /// Understands one line; gives the path of an `include`.
    fn line(&mut self, text: &str, place: &Place) -> Option<String> {
        let text = localized(text, &self.settings.language)?;
        let (word, value) = lexer::first_word(text);
        let key = lexer::key(word);
        let outcome = match key.as_str() {
            "if" | "ifplugin" | "else" | "endif" => self.conditional(&key, value, place),
            "include" if value.is_empty() => Err(Fault::warning("\"include\" names no file", "write the path of a file or folder")),
            "include" => return Some(value.to_owned()),
            _ if self.conditions.skipping() => Ok(()),
            "require_version" => self.require_version(value),
            _ => self.setting(&Line { key: &key, value, whole: text, place }),
        };
        if let Err(fault) = outcome {
            self.drafts.complain(place, fault);
        }
        None
    }

    fn conditional(&mut self, key: &str, value: &str, place: &Place) -> Result<(), Fault> {
        let outcome = match key {
            "else" | "endif" if !value.is_empty() => Err(format!("\"{key}\" stands alone on its line")),
            "else" => self.conditions.otherwise(),
            "endif" => self.conditions.end(),
            _ if value.is_empty() => Err(format!("\"{key}\" has no condition")),
            "ifplugin" => self.conditions.begin("ifplugin", &format!("plugin ({value})"), place.line, &self.drafts.world()),
            _ => self.conditions.begin("if", value, place.line, &self.drafts.world()),
        };
        outcome.map_err(|why| Fault::warning(why, "see \"Conditional rules\" in the manual"))
    }

    fn require_version(&mut self, value: &str) -> Result<(), Fault> {
        if value == "@@VERSION@@" || value == VERSION {
            return Ok(());
        }
        self.conditions.skip_rest();
        Err(Fault::warning(
            format!("this file is for version \"{value}\" of SpamAssassin; the rest of it is skipped"),
            format!("rules are read as those of version {VERSION}"),
        ))
    }

    fn setting(&mut self, line: &Line<'_>) -> Result<(), Fault> {
        if let Some(directive) = DIRECTIVE_BY_NAME.get(line.key) {
            self.needs(directive.plugin, line)?;
            return (directive.read)(self.drafts, line);
        }
        if line.key.starts_with("replace_") && self.drafts.replace.read(line)? {
            return self.needs("ReplaceTags", line);
        }
        if self.drafts.networks.read(line)? {
            return Ok(());
        }
        if let Some(row) = options_read::find(line.key) {
            self.needs(row.plugin, line)?;
            return options_read::read(self.drafts, row, line);
        }
        options_special::read_family(&mut self.drafts.options, line)
            .unwrap_or_else(|| Err(Fault::warning(format!("\"{}\" is no known option", line.key), suggestion(line.key))))
    }

    fn needs(&self, plugin: &str, line: &Line<'_>) -> Result<(), Fault> {
        if plugin.is_empty() || self.drafts.options.plugins.contains(plugin) {
            return Ok(());
        }
        Err(Fault::note(
            format!("\"{}\" belongs to the plugin {plugin}, which is not loaded", line.key),
            format!("add \"loadplugin Mail::SpamAssassin::Plugin::{plugin}\" to a .pre file"),
        ))
    }
}

impl Reading {
    fn next_line(&mut self) -> Option<Vec<u8>> {
        let rest = self.text.get(self.done..).filter(|rest| !rest.is_empty())?;
        let length = rest.iter().position(|&octet| octet == b'\n').unwrap_or(rest.len());
        let line = rest.get(..length)?.to_vec();
        self.done += length + 1;
        self.line += 1;
        Some(line)
    }

    fn place(&self) -> Place {
        Place { file: Arc::clone(&self.file), line: self.line }
    }
}

/// `lang de describe …` counts when the locale begins with `de`, and then stands for what follows.
fn localized<'t>(text: &'t str, language: &str) -> Option<&'t str> {
    let (word, rest) = lexer::first_word(text);
    if word != "lang" || rest.is_empty() {
        return Some(text);
    }
    let (wanted, command) = lexer::first_word(rest);
    if command.is_empty() {
        return Some(text);
    }
    let begins = language.get(..wanted.len()).is_some_and(|start| start.eq_ignore_ascii_case(wanted));
    begins.then_some(command)
}

/// The known name nearest to a mistyped one.
fn suggestion(key: &str) -> String {
    let known = DIRECTIVES.iter().map(|directive| directive.name).chain(super::settings::rows().map(|row| row.name));
    let near = known.map(|name| (distance(key, name), name)).min().filter(|(far, _)| *far <= 2 && key.len() > 4);
    match near {
        Some((_, name)) => format!("did you mean \"{name}\"?"),
        None => "the line is ignored; correct or remove it".into(),
    }
}

/// Letters to add, take away or change; 3 or more are all the same.
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return 3;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let here = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = here;
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_option_gets_a_suggestion() {
        assert_eq!(suggestion("requierd_score"), "did you mean \"required_score\"?");
        assert_eq!(suggestion("add_headr"), "did you mean \"add_header\"?");
        assert!(suggestion("frobnicate").contains("ignored"));
    }

    #[test]
    fn lines_of_another_language_do_not_count() {
        assert_eq!(localized("lang de describe A x", "de_AT"), Some("describe A x"));
        assert_eq!(localized("lang de describe A x", "en_US"), None);
        assert_eq!(localized("langue x", "en_US"), Some("langue x"));
    }
}
