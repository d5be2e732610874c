//! Lessons: what one message adds to a classifier, and the journal entry that can take it back.

use super::Token;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    Spam,
    Ham,
}

#[derive(Clone, Debug)]
pub struct Lesson {
    /// `""`: the site's.
    pub classifier: Arc<str>,
    /// Names the message; the same message has the same digest.
    pub digest: [u8; 20],
    /// `None`: forget it.
    pub label: Option<Label>,
    /// Sorted, each once.
    pub tokens: Vec<Token>,
    /// Who taught it and how, such as `train:root` or `auto`.
    pub source: Arc<str>,
    /// Seconds since 1970.
    pub at: u64,
    /// It yields: where the message is known, whatever as, nothing changes (what people taught stands above what was learned
    /// unasked).
    pub yields: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Learned,
    /// Known with the same label, or the lesson yields: nothing changed.
    AlreadyKnown,
    /// It was known with the other label and moved.
    Relearned,
    Forgotten,
    /// Nothing to forget.
    Unknown,
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LessonEntry {
    pub classifier: String,
    pub digest: [u8; 20],
    pub label: Label,
    pub at: u64,
    pub source: String,
    pub tokens: Vec<Token>,
}

/// Which lessons: all conditions that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Which {
    pub since: Option<u64>,
    /// The source, and all below it: `auto` names `auto:192.0.2.0/24:score=14.2` too.
    pub source: Option<String>,
}

/// Whether a source of the journal is the one named, or below it.
pub(super) fn is_below(source: &str, named: &str) -> bool {
    source.strip_prefix(named).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// Sorted tokens as differences, seven bits an octet, low bits first.
pub(super) fn pack(tokens: &[Token]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(tokens.len() * 5);
    let mut before = 0;
    for &token in tokens {
        let mut step = token.wrapping_sub(before);
        before = token;
        while step >= 0x80 {
            packed.push((step as u8 & 0x7F) | 0x80);
            step >>= 7;
        }
        packed.push(step as u8);
    }
    packed
}

/// `None` for octets that `pack` did not write.
pub(super) fn unpack(packed: &[u8]) -> Option<Vec<Token>> {
    let mut tokens = Vec::with_capacity(packed.len() / 4);
    let (mut before, mut step, mut shift) = (0u64, 0u64, 0u32);
    for &octet in packed {
        step |= u64::from(octet & 0x7F).checked_shl(shift)?;
        shift += 7;
        if octet & 0x80 == 0 {
            before = before.wrapping_add(step);
            tokens.push(before);
            (step, shift) = (0, 0);
        } else if shift > 56 {
            return None;
        }
    }
    (shift == 0).then_some(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_tokens_come_back() {
        let tokens = vec![0, 1, 127, 128, 300, 1 << 20, (1 << 40) - 1];
        assert_eq!(unpack(&pack(&tokens)), Some(tokens));
        assert_eq!(unpack(&[0x80]), None);
        assert_eq!(unpack(&[0xFF; 12]), None);
    }
}
