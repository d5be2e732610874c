//! A set of small numbers, one bit each.

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    words: Vec<u64>,
}

impl Bits {
    pub fn new(size: usize) -> Bits {
        Bits { words: vec![0; size.div_ceil(64)] }
    }

    pub fn insert(&mut self, n: u32) {
        if let Some(word) = self.words.get_mut(n as usize / 64) {
            *word |= 1 << (n % 64);
        }
    }

    pub fn remove(&mut self, n: u32) {
        if let Some(word) = self.words.get_mut(n as usize / 64) {
            *word &= !(1 << (n % 64));
        }
    }

    pub fn contains(&self, n: u32) -> bool {
        self.words.get(n as usize / 64).is_some_and(|word| word >> (n % 64) & 1 == 1)
    }

    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The first member at or after `from` that stands in both sets.
    pub fn next_in(&self, other: &Bits, from: u32) -> Option<u32> {
        let mut at = from as usize / 64;
        let mut mask = u64::MAX << (from % 64);
        while let (Some(a), Some(b)) = (self.words.get(at), other.words.get(at)) {
            let both = a & b & mask;
            if both != 0 {
                return Some(at as u32 * 64 + both.trailing_zeros());
            }
            mask = u64::MAX;
            at += 1;
        }
        None
    }

    pub fn add_all(&mut self, other: &Bits) {
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_in_order_and_only_common_ones() {
        let (mut a, mut b) = (Bits::new(200), Bits::new(200));
        for n in [1, 63, 64, 130, 199] {
            a.insert(n);
        }
        for n in [63, 130, 131] {
            b.insert(n);
        }
        assert_eq!(a.next_in(&b, 0), Some(63));
        assert_eq!(a.next_in(&b, 64), Some(130));
        assert_eq!(a.next_in(&b, 131), None);
        a.remove(130);
        assert!(!a.contains(130) && a.contains(199) && !a.contains(5000));
    }
}
