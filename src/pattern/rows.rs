//! Many chains searched for in one pass: a bit for each link, 256 bits a row, all rows moved on by each octet.

use super::chain::Chain;

const WORDS: usize = 4;
const BITS: usize = 64 * WORDS;

type Row = [u64; WORDS];

/// What an octet does to a row.
#[derive(Clone, Copy, Debug, Default)]
struct Move {
    /// Links that the octet fulfils.
    enter: Row,
    /// Links after which it may lie between.
    stay: Row,
}

#[derive(Debug)]
struct Block {
    moves: Vec<Move>,
    first: Row,
    last: Row,
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
pub struct Rows(Vec<Block>);

impl Rows {
    /// Chains with the numbers of their patterns.
    pub fn new(chains: &[(u32, Chain)]) -> Rows {
        let mut rows = Rows::default();
        let mut used = BITS;
        for (pattern, chain) in chains {
            if used + chain.links.len() > BITS {
                rows.0.push(Block { moves: vec![Move::default(); 256], first: [0; WORDS], last: [0; WORDS], chains: Vec::new() });
                used = 0;
            }
            // A chain lies within one word, since shifts do not carry.
            if used / 64 != (used + chain.links.len() - 1) / 64 {
                used = used.next_multiple_of(64);
                if used + chain.links.len() > BITS {
                    rows.0.push(Block { moves: vec![Move::default(); 256], first: [0; WORDS], last: [0; WORDS], chains: Vec::new() });
                    used = 0;
                }
            }
            if let Some(block) = rows.0.last_mut() {
                block.place(*pattern, chain, used);
            }
            used += chain.links.len();
        }
        rows
    }

    /// Adds a span of possible starts for each chain found.
    pub fn scan(&self, text: &[u8], spans: &mut Vec<(u32, u32, u32)>) {
        for block in &self.0 {
            block.scan(text, spans);
        }
    }
}

impl Block {
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

    fn scan(&self, text: &[u8], spans: &mut Vec<(u32, u32, u32)>) {
        let mut state: Row = [0; WORDS];
        let Ok(moves) = <&[Move; 256]>::try_from(&self.moves[..]) else { return };
        for (at, octet) in text.iter().enumerate() {
            let step = &moves[usize::from(*octet)];
            let mut found = 0;
            for word in 0..WORDS {
                state[word] = ((state[word] << 1 | self.first[word]) & step.enter[word]) | (state[word] & step.stay[word]);
                found |= state[word] & self.last[word];
            }
            if found != 0 {
                self.report(&mut state, at as u32 + 1, spans);
            }
        }
    }

    /// Chains whose last link was just reached; it is left at once.
    fn report(&self, state: &mut Row, end: u32, spans: &mut Vec<(u32, u32, u32)>) {
        for word in 0..WORDS {
            let mut found = state[word] & self.last[word];
            state[word] &= !self.last[word];
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
    }
}
