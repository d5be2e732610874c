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
}
