//! What rule files say of SpamAssassin's tokens.

use crate::pattern::Pattern;
use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

#[derive(Clone, Debug)]
pub struct Options {
    /// Names of fields that are not read (`bayes_ignore_header`), lower case.
    pub ignored_fields: HashSet<String>,
    /// Octets from which a token is cut to its beginning (`bayes_max_token_length`).
    pub longest: usize,
    /// What is read of a message (`bayes_token_sources`).
    pub sources: Sources,
    /// Words that are no tokens (`bayes_stopword_languages`, `bayes_stopword_…`).
    pub stopwords: Stopwords,
    /// Tokens seen in one message count too (`bayes_use_hapaxes`).
    pub hapaxes: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { ignored_fields: HashSet::new(), longest: 15, sources: Sources::default(), stopwords: Stopwords::default(), hapaxes: true }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sources {
    pub header: bool,
    pub visible: bool,
    pub invisible: bool,
    pub uri: bool,
    pub mimepart: bool,
}

impl Default for Sources {
    fn default() -> Self {
        Sources { header: true, visible: true, invisible: true, uri: true, mimepart: false }
    }
}

impl Sources {
    /// From the words of the option, as far as they are known.
    pub fn of(words: &[String]) -> Sources {
        let has = |name: &str| words.iter().any(|word| word == name);
        Sources { header: has("header"), visible: has("visible"), invisible: has("invisible"), uri: has("uri"), mimepart: has("mimepart") }
    }
}

/// English words that say nothing (bayes_stopword_en), of three letters or more, as they are compared: in any case.
const ENGLISH: &str = "able already all and any are because both can come each mail email even few first for from give have has http \
    information into it's just know like long look made mail mailing mailto make many more most much need not now number off only one \
    out own people place right same see such that this through the time using web where why with without work world year years you \
    your you're";

/// Words that are no tokens: the English ones of SpamAssassin's rules, or patterns of rule files.
#[derive(Clone, Debug, Default)]
pub struct Stopwords(Option<Arc<[Pattern]>>);

impl Stopwords {
    /// `languages` with the pattern of each, as rule files give it; without one, English has its usual words and another language
    /// none. A pattern begins where the word begins and ends where it says so itself; of several in one line the last holds.
    pub fn of<'t>(languages: impl Iterator<Item = (&'t str, Option<&'t str>)>) -> Stopwords {
        let mut patterns = Vec::new();
        for (language, text) in languages {
            let usual = || (language == "en").then(|| format!("(?:{})$", ENGLISH.replace(' ', "|")));
            let text = match text {
                Some(text) => text.split_ascii_whitespace().next_back().map(str::to_owned),
                None => usual(),
            };
            patterns.extend(text.and_then(|text| Pattern::from_expression(format!("^(?i){text}").as_bytes()).ok()));
        }
        Stopwords(Some(patterns.into()))
    }

    pub fn holds(&self, word: &[u8]) -> bool {
        static WORDS: LazyLock<HashSet<&'static [u8]>> = LazyLock::new(|| ENGLISH.split_ascii_whitespace().map(str::as_bytes).collect());
        match &self.0 {
            None => word.len() <= 11 && WORDS.contains(word.to_ascii_lowercase().as_slice()),
            Some(patterns) => patterns.iter().any(|pattern| pattern.is_match(word)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stopwords_are_english_unless_rule_files_say_more() {
        let usual = Stopwords::default();
        assert!(usual.holds(b"Because") && !usual.holds(b"because1") && !usual.holds(b"weil"));
        let both = Stopwords::of([("en", None), ("de", Some("(?:weil|oder)$"))].into_iter());
        assert!(both.holds(b"because") && both.holds(b"Weil") && both.holds(b"oder") && !both.holds(b"oderbruch"));
        // SpamAssassin's own patterns of other languages have no end, and `(?^:` takes the case back.
        let open = Stopwords::of([("nl", Some("(?^:(?:alles|altijd))"))].into_iter());
        assert!(open.holds(b"altijdgroen") && !open.holds(b"Alles") && !open.holds(b"because"));
        assert!(!Stopwords::of(std::iter::empty()).holds(b"because"));
    }
}
