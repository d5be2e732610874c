//! Perl's patterns over octets: parsed to a tree, run by the engine that fits, gated by the literals they need.

use std::ops::Range;

/// One compiled pattern. Clones share the program.
#[derive(Clone, Debug)]
pub struct Pattern {}

/// A pattern could not be read; says why and what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(pub String);

/// What a search said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Hit(Range<usize>),
    Miss,
    /// The match budget ran out: a finding, counted as a miss.
    OverBudget,
}

impl Pattern {
    /// `/re/mods`, `m{re}mods`, `qr!re!`: the text of a rule line after `=~`, as SpamAssassin's compile_regexp reads it.
    pub fn from_rule(_text: &str) -> Result<Pattern, PatternError> {
        todo!()
    }

    /// First match at or after `from`.
    pub fn find(&self, _subject: &[u8], _from: usize) -> Found {
        todo!()
    }

    /// Spans of all groups of the first match.
    pub fn captures(&self, _subject: &[u8]) -> Option<Vec<Option<Range<usize>>>> {
        todo!()
    }

    /// All matches from the start as Perl's `while (/…/g)` finds them: after an empty match the next one at the same
    /// place must not be empty. Ends with the first `Miss` or `OverBudget`.
    pub fn find_iter<'a>(&'a self, _subject: &'a [u8]) -> impl Iterator<Item = Found> + 'a {
        std::iter::empty()
    }

    /// All matches as `find_iter` finds them, each with the spans of all groups.
    pub fn captures_iter<'a>(&'a self, _subject: &'a [u8]) -> impl Iterator<Item = Vec<Option<Range<usize>>>> + 'a {
        std::iter::empty()
    }

    /// Name of each group by number; element 0, the whole match, has none. A name may stand for several groups.
    pub fn group_names(&self) -> &[Option<std::sync::Arc<str>>] {
        &[]
    }
}

/// Patterns that are tried on the same texts: one pass over a text tells which of them are worth trying.
#[derive(Debug, Default)]
pub struct PatternSet {
    count: u32,
}

impl PatternSet {
    pub fn new(patterns: impl IntoIterator<Item = Pattern>) -> PatternSet {
        PatternSet { count: patterns.into_iter().count() as u32 }
    }

    /// Adds the numbers (in the order given to `new`, ascending) of all patterns that may match the text.
    pub fn candidates(&self, _text: &[u8], found: &mut Vec<u32>) {
        found.extend(0..self.count);
    }
}
