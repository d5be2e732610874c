//! Attributes and text with their references decoded, as wide as the input makes them.

use super::letters::is_word;
use super::style::Attributes;
use super::tokenizer::Attribute;
use super::{Input, entities};
use std::borrow::Cow;

/// Attribute values as asked for, decoded.
pub struct Decoded<'s, 't> {
    pub attributes: &'s [Attribute<'t>],
    pub input: Input,
}

impl<'t> Decoded<'_, 't> {
    /// The first attribute of that lower-case name, with its width.
    pub fn text(&self, name: &str) -> Option<(Cow<'t, str>, bool)> {
        let found = self.attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))?;
        Some(self.decode(found))
    }

    fn decode(&self, attribute: &Attribute<'t>) -> (Cow<'t, str>, bool) {
        let Some(value) = attribute.value else {
            return (Cow::Borrowed(attribute.name), self.input == Input::Characters);
        };
        decode(value, self.input, false)
    }

    /// `x/href` counts as `href`, and before it.
    pub fn link(&self, name: &str) -> Option<(Cow<'t, str>, bool)> {
        let wide = self.input == Input::Characters;
        let garbled = self.attributes.iter().rfind(|attribute| {
            attribute.name.as_bytes().contains(&b'/')
                && attribute.name.match_indices('/').any(|(at, _)| {
                    let before = attribute.name.get(..at).and_then(|text| text.chars().next_back());
                    let after = attribute.name.get(at + 1..).and_then(|text| text.get(..name.len()));
                    before.is_some_and(|c| is_word(c, wide)) && after.is_some_and(|text| text.eq_ignore_ascii_case(name))
                })
        });
        match garbled {
            Some(attribute) => Some(self.decode(attribute)),
            None => self.text(name),
        }
    }
}

impl Attributes for Decoded<'_, '_> {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.text(name).map(|(text, _)| text)
    }
}

pub fn decode(text: &str, input: Input, prefixes: bool) -> (Cow<'_, str>, bool) {
    match input {
        Input::Characters => entities::decode(text, true, prefixes),
        Input::Octets => entities::decode(text, false, prefixes),
        Input::Undecoded if text.is_ascii() && !text.contains('&') => (Cow::Borrowed(text), false),
        Input::Undecoded => (Cow::Owned(entities::decode_octets(text, prefixes).chars), false),
    }
}
