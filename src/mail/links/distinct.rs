//! Texts, each once: a few are looked through one by one, which is quicker than a hash; many are hashed.

use std::collections::{HashMap, HashSet};

/// Texts that are looked through.
const FEW: usize = 16;

/// Octets seen so far.
#[derive(Default)]
pub struct Distinct<'t> {
    few: Vec<&'t [u8]>,
    many: HashSet<&'t [u8]>,
}

impl<'t> Distinct<'t> {
    /// `false`: it was there.
    pub fn insert(&mut self, text: &'t [u8]) -> bool {
        if self.few.contains(&text) {
            return false;
        }
        if self.few.len() < FEW {
            self.few.push(text);
            return true;
        }
        self.many.insert(text)
    }
}

/// Texts numbered in the order in which they came.
#[derive(Default)]
pub struct Numbered {
    few: Vec<String>,
    many: HashMap<String, usize>,
}

impl Numbered {
    pub fn get(&self, text: &str) -> Option<usize> {
        let few = self.few.iter().position(|known| known == text);
        few.or_else(|| self.many.get(text).copied())
    }

    /// Gives the next number to a text that is not there.
    pub fn push(&mut self, text: String) -> usize {
        let number = self.few.len() + self.many.len();
        if number < FEW {
            self.few.push(text);
        } else {
            self.many.insert(text, number);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_new_once_however_many_there_are() {
        let texts: Vec<String> = (0..3 * FEW).map(|number| number.to_string()).collect();
        let (mut distinct, mut numbered) = (Distinct::default(), Numbered::default());
        for (at, text) in texts.iter().enumerate() {
            assert!(distinct.insert(text.as_bytes()) && numbered.get(text).is_none());
            assert_eq!(numbered.push(text.clone()), at);
        }
        for (at, text) in texts.iter().enumerate() {
            assert!(!distinct.insert(text.as_bytes()));
            assert_eq!(numbered.get(text), Some(at));
        }
    }
}
