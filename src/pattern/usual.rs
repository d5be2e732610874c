//! How often something stands in mail: counted in a text like those that a set will search, else guessed from octet pairs.

use super::frequency;

/// Times that are enough to believe the count alone.
const SURE: usize = 3;

/// A text like those that will be searched.
#[derive(Debug, Default)]
pub struct Usual {
    text: Vec<u8>,
    lower: Vec<u8>,
    /// Offsets into `lower`, in the order of what begins there.
    places: Vec<u32>,
}

impl Usual {
    pub fn new(text: &[u8]) -> Usual {
        let lower = text.to_ascii_lowercase();
        let mut places: Vec<u32> = (0..lower.len() as u32).collect();
        places.sort_unstable_by(|a, b| lower[*a as usize..].cmp(&lower[*b as usize..]));
        Usual { text: text.to_vec(), lower, places }
    }

    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// On average one in 2^bits places holds this text, which is in lower case.
    pub fn bits(&self, text: &[u8]) -> f32 {
        self.weighed(frequency::bits(text), self.count(text))
    }

    /// The same of anything that was found so often in the text, and of which a model guessed so many bits.
    pub fn weighed(&self, guessed: f32, times: usize) -> f32 {
        let counted = (self.lower.len() as f32 / times.max(1) as f32).log2();
        match times {
            0 => guessed,
            _ if times >= SURE => counted,
            _ => (counted + guessed.max(counted)) / 2.0,
        }
    }

    fn count(&self, text: &[u8]) -> usize {
        let begins = |place: &u32| self.lower.get(*place as usize..).unwrap_or(&[]);
        let from = self.places.partition_point(|place| begins(place) < text);
        self.places[from..].partition_point(|place| begins(place).starts_with(text))
    }
}
