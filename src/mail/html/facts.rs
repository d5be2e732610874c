//! What eval functions ask of an HTML part: counts, ratios, texts, elements, links.

use super::{Text, elements};
use crate::mail::links::LinkKind;
use std::collections::HashMap;

/// Facts by the names that `html_test`, `html_range` and kin ask for.
#[derive(Clone, Debug, Default)]
pub struct HtmlFacts {
    /// Numbers and flags (`length`, `image_area`, `font_low_contrast` …); a missing name is not defined.
    pub numbers: HashMap<&'static str, f64>,
    pub inside: Inside,
    /// `comment`, `script`, `title`, `anchor`: the texts in order.
    pub comments: Vec<Text>,
    pub scripts: Vec<Text>,
    pub titles: Vec<Text>,
    pub anchors: Vec<Text>,
    pub links: Vec<HtmlLink>,
    /// A link was longer than 8,192 characters and was cut.
    pub uri_truncated: bool,
    /// There were more links than are kept.
    pub too_many_links: bool,
    /// SpamAssassin's reader broke off within the document (an empty CSS `background`): text and links behind that
    /// place are in no view.
    pub broken_off: bool,
}

/// Elements seen, with how many are still open.
#[derive(Clone, Debug, Default)]
pub struct Inside {
    /// By row of the element table.
    pub(super) known: Vec<Option<i64>>,
    pub(super) others: HashMap<String, i64>,
}

impl Inside {
    /// By the name in lower case.
    pub fn get(&self, name: &str) -> Option<&i64> {
        match elements::find(name) {
            Some((row, element)) if element.name == name => self.known.get(row)?.as_ref(),
            Some(_) | None => self.others.get(name),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &i64)> {
        let known = elements::ELEMENTS.iter().zip(&self.known).filter_map(|(element, open)| Some((element.name, open.as_ref()?)));
        known.chain(self.others.iter().map(|(name, open)| (name.as_str(), open)))
    }

    pub fn contains_key(&self, name: impl AsRef<str>) -> bool {
        self.get(name.as_ref()).is_some()
    }
}

/// A fact by its name.
#[derive(Clone, Copy, Debug)]
pub enum Fact<'a> {
    Number(f64),
    Texts(&'a [Text]),
}

impl HtmlFacts {
    pub(super) fn set(&mut self, name: &'static str, value: f64) {
        self.numbers.insert(name, value);
    }

    /// The fact of that name, where it is defined.
    pub fn get(&self, name: &str) -> Option<Fact<'_>> {
        match name {
            "comment" => Some(Fact::Texts(&self.comments)),
            "script" => Some(Fact::Texts(&self.scripts)),
            "title" => Some(Fact::Texts(&self.titles)),
            "anchor" => Some(Fact::Texts(&self.anchors)),
            _ => self.numbers.get(name).map(|n| Fact::Number(*n)),
        }
    }
}

/// A link of an HTML part, resolved against its base.
#[derive(Clone, Debug, Default)]
pub struct HtmlLink {
    pub target: Text,
    pub kinds: Vec<LinkKind>,
    /// What stands between `<a>` and `</a>`, one for each use.
    pub anchors: Vec<Text>,
}
