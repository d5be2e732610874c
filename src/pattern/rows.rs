//! Many chains searched for in one pass: a bit for each link, up to 512 in a row that each octet moves on.

use super::chain::Chain;

/// What an octet does to a row.
#[derive(Clone, Copy, Debug)]
struct Move<const WORDS: usize> {
    /// Links that the octet fulfils.
    enter: [u64; WORDS],
    /// Links after which it may lie between.
    stay: [u64; WORDS],
}

#[derive(Debug)]
struct Block<const WORDS: usize> {
    moves: Vec<Move<WORDS>>,
    first: [u64; WORDS],
    last: [u64; WORDS],
    chains: Vec<End>,
}

/// The last link of a chain.
#[derive(Clone, Copy, Debug)]
struct End {
    bit: usize,
    pattern: u32,
    /// Octets from the match's start to the end of the last link.
    least: u32,
    most: u32,
}

#[derive(Debug, Default)]
pub struct Rows(Vec<Box<dyn Scan>>);

trait Scan: std::fmt::Debug + Send + Sync {
    /// Adds a span of possible starts for each chain found.
    fn scan(&self, text: &[u8], spans: &mut Vec<(u32, u32, u32)>);
}

/// Chains side by side in one word, since shifts do not carry.
type Word<'c> = Vec<(u32, &'c Chain)>;

impl Rows {
    /// Chains with the numbers of their patterns.
    pub fn new(chains: &[(u32, &Chain)]) -> Rows {
        let (words, mut blocks): (_, Vec<Box<dyn Scan>>) = (packed(chains), Vec::new());
        let mut rest = &words[..];
        while !rest.is_empty() {
            let block: Box<dyn Scan> = match rest.len() {
                1 => Box::new(Block::<1>::take(&mut rest)),
                2 => Box::new(Block::<2>::take(&mut rest)),
                3..=6 => Box::new(Block::<4>::take(&mut rest)),
                _ => Box::new(Block::<8>::take(&mut rest)),
            };
            blocks.push(block);
        }
        Rows(blocks)
    }

    /// Adds a span of possible starts for each chain found.
    pub fn scan(&self, text: &[u8], spans: &mut Vec<(u32, u32, u32)>) {
        self.0.iter().for_each(|block| block.scan(text, spans));
    }
}

/// The longest first, each into the first word with room for it.
fn packed<'c>(chains: &[(u32, &'c Chain)]) -> Vec<Word<'c>> {
    let mut sorted = chains.to_vec();
    sorted.sort_by_key(|(_, chain)| std::cmp::Reverse(chain.links.len()));
    let mut words: Vec<(usize, Word)> = Vec::new();
    for (pattern, chain) in sorted {
        let length = chain.links.len();
        match words.iter_mut().find(|(used, _)| used + length <= 64) {
            Some((used, word)) => {
                *used += length;
                word.push((pattern, chain));
            }
            None => words.push((length, vec![(pattern, chain)])),
        }
    }
    words.into_iter().map(|(_, word)| word).collect()
}

impl<const WORDS: usize> Block<WORDS> {
    /// Of as many of the words as go into it.
    fn take(words: &mut &[Word]) -> Block<WORDS> {
        let nowhere = Move { enter: [0; WORDS], stay: [0; WORDS] };
        let mut block = Block { moves: vec![nowhere; 256], first: [0; WORDS], last: [0; WORDS], chains: Vec::new() };
        let (taken, rest) = words.split_at(words.len().min(WORDS));
        *words = rest;
        for (number, word) in taken.iter().enumerate() {
            let mut from = number * 64;
            for (pattern, chain) in word {
                block.place(*pattern, chain, from);
                from += chain.links.len();
            }
        }
        block
    }

    fn place(&mut self, pattern: u32, chain: &Chain, from: usize) {
        for (number, link) in chain.links.iter().enumerate() {
            let (word, bit) = ((from + number) / 64, 1u64 << ((from + number) % 64));
            let last = number + 1 == chain.links.len();
            for octet in link.octets.iter() {
                self.moves[usize::from(octet)].enter[word] |= bit;
            }
            if !last {
                for octet in link.gap.iter() {
                    self.moves[usize::from(octet)].stay[word] |= bit;
                }
            }
            if number == 0 {
                self.first[word] |= bit;
            }
            if last {
                self.last[word] |= bit;
                let most = link.end.1.unwrap_or(u32::MAX);
                self.chains.push(End { bit: from + number, pattern, least: link.end.0, most });
            }
        }
    }

    /// Chains whose last link was just reached; it is left at once.
    #[cold]
    #[inline(never)]
    fn report(&self, state: [u64; WORDS], end: u32, spans: &mut Vec<(u32, u32, u32)>) -> [u64; WORDS] {
        for word in 0..WORDS {
            let mut found = state[word] & self.last[word];
            while found != 0 {
                let bit = word * 64 + found.trailing_zeros() as usize;
                found &= found - 1;
                let place = self.chains.partition_point(|chain| chain.bit < bit);
                if let Some(chain) = self.chains.get(place)
                    && let Some(last) = end.checked_sub(chain.least)
                {
                    spans.push((chain.pattern, end.saturating_sub(chain.most), last));
                }
            }
        }
        std::array::from_fn(|word| state[word] & !self.last[word])
    }
}

impl<const WORDS: usize> Scan for Block<WORDS> {
    fn scan(&self, text: &[u8], spans: &mut Vec<(u32, u32, u32)>) {
        let mut state = [0u64; WORDS];
        let (first, last) = (self.first, self.last);
        let Ok(moves) = <&[Move<WORDS>; 256]>::try_from(&self.moves[..]) else { return };
        for (at, octet) in text.iter().enumerate() {
            let Move { enter, stay } = &moves[usize::from(*octet)];
            state = std::array::from_fn(|word| ((state[word] << 1 | first[word]) & enter[word]) | (state[word] & stay[word]));
            let found: [u64; WORDS] = std::array::from_fn(|word| state[word] & last[word]);
            if found.iter().fold(0, |all, word| all | word) != 0 {
                state = self.report(state, at as u32 + 1, spans);
            }
        }
    }
}
