//! Rule files from the disk, beside or in place of those compiled in.

use super::config::{Config, RuleSettings};
use crate::base::{Complaint, Place, Severity};
use crate::lists;
use crate::rules::{self, Reader, RuleSet, Source, builtin};
use std::path::{Path, PathBuf};

/// The disk as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Reader for Disk {
    fn folder(&self, path: &str) -> Option<Vec<String>> {
        let entries = std::fs::read_dir(path).ok()?;
        Some(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(path).map_err(|error| error.to_string())
    }
}

/// As `load`, with the rules that `[[list]]` makes.
pub fn load_all(config: &Config) -> (RuleSet, Vec<Complaint>) {
    let text = lists::rule_text(&config.own_lists);
    let own = (!text.is_empty()).then(|| Source::Text { name: "[[list]].cf".to_owned(), text });
    read(&config.rules, own)
}

/// Loads what the configuration asks for. A path of `only` that is missing is an error; one of `add` is passed over.
pub fn load(settings: &RuleSettings) -> (RuleSet, Vec<Complaint>) {
    read(settings, None)
}

fn read(settings: &RuleSettings, own: Option<Source>) -> (RuleSet, Vec<Complaint>) {
    let mut missing = Vec::new();
    let mut sources = Vec::new();
    for path in &settings.only {
        match path.metadata() {
            Ok(_) => sources.push(source(path)),
            Err(error) => missing.push(Complaint {
                severity: Severity::Error,
                place: Some(Place { file: path.display().to_string().into(), line: 0 }),
                what: format!("cannot be read ({error})"),
                remedy: "check the path and its permissions".into(),
            }),
        }
    }
    if settings.only.is_empty() {
        sources = builtin::sources();
    }
    // Before the operator's files, which may give other scores.
    sources.extend(own);
    sources.extend(settings.add.iter().filter(|path| path.exists()).map(|path| source(path)));
    let language = locale();
    let (set, complaints) = rules::load(&sources, &Disk, &rules::Settings { local_tests_only: settings.local, language });
    missing.extend(complaints);
    (set, missing)
}

fn source(path: &Path) -> Source {
    Source::Path(PathBuf::from(path).to_string_lossy().into_owned())
}

/// The locale whose `lang` lines are read, as the environment names it.
#[must_use]
pub fn locale() -> String {
    language(|name| std::env::var(name).ok())
}

/// The locale of messages (gettext's order), without its character set.
fn language(variable: impl Fn(&str) -> Option<String>) -> String {
    let first = |name: &str| variable(name).filter(|value| !value.is_empty());
    let chosen = first("LANGUAGE")
        .and_then(|list| list.split(':').next().map(str::to_owned))
        .filter(|value| !value.is_empty())
        .or_else(|| first("LC_ALL"))
        .or_else(|| first("LC_MESSAGES"))
        .or_else(|| first("LANG"))
        .unwrap_or_default();
    match chosen.split(['@', '.', '+', ',']).next().unwrap_or_default() {
        "" | "C" | "POSIX" => "en_US".into(),
        language => language.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_is_taken_as_gettext_takes_it() {
        let with =
            |pairs: &[(&str, &str)]| language(|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()));
        assert_eq!(with(&[]), "en_US");
        assert_eq!(with(&[("LANG", "C")]), "en_US");
        assert_eq!(with(&[("LANG", "C.UTF-8")]), "en_US");
        assert_eq!(with(&[("LANG", "de_AT.UTF-8"), ("LANGUAGE", "fr:en")]), "fr");
        assert_eq!(with(&[("LANG", "de_AT.UTF-8")]), "de_AT");
    }
}
