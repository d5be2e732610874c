//! Which characters are letters, and where words are torn apart.

use super::target;

/// Perl's `\w`.
pub fn is_word(c: char, wide: bool) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() || c == '_' } else { wide && (c.is_alphanumeric() || is_mark(c)) }
}

/// Combining marks of the common scripts, which `\w` counts and `char::is_alphanumeric` does not.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{200C}'..='\u{200D}' | '\u{20D0}'..='\u{20F0}' | '\u{FE00}'..='\u{FE0F}' | '\u{203F}'..='\u{2040}')
}

/// Neither white space nor ASCII punctuation: what obfuscation puts its breaks between.
pub fn is_letter(c: char, wide: bool) -> bool {
    !target::is_space(c, wide) && !c.is_ascii_punctuation()
}

/// The longest run of at most seven letters at the end that begins at a word boundary.
pub fn tail_length(text: &str, wide: bool) -> Option<usize> {
    let mut found = None;
    let mut reversed = text.chars().rev().peekable();
    for length in 1..=7 {
        let Some(c) = reversed.next().filter(|c| is_letter(*c, wide)) else { break };
        let before = reversed.peek().is_some_and(|before| is_word(*before, wide));
        if is_word(c, wide) != before {
            found = Some(length);
        }
    }
    found
}

/// The longest run of at most seven letters at the start that ends at a word boundary.
pub fn head_length(text: &str, wide: bool) -> Option<usize> {
    let mut found = None;
    let mut chars = text.chars().peekable();
    for length in 1..=7 {
        let Some(c) = chars.next().filter(|c| is_letter(*c, wide)) else { break };
        let after = chars.peek().is_some_and(|after| is_word(*after, wide));
        if is_word(c, wide) != after {
            found = Some(length);
        }
    }
    found
}
