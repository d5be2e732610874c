//! What each pattern of a set is looked for by: literals, or chains where they are rarer than its literals.

use super::Pattern;
use super::assemble::is_anchored;
use super::chain::{self, Chain, Way};
use super::literals::{Need, need};
use super::rows::Rows;
use super::usual::Usual;

/// Literals this rare need no chain beside them.
const RARE: f32 = 11.0;
/// Bits that chains must be ahead of literals, which cost less.
const AHEAD: f32 = 1.5;
/// Chains with fewer are not worth a pass over the text for a few of them.
const FEW_CHAINS: usize = 4;
/// Bits beyond which it does not matter, and what a link costs in bits.
const ENOUGH: f32 = 15.0;
const LINK: f32 = 0.1;
/// Chains counted in one pass.
const AT_ONCE: usize = 2048;

#[derive(Debug)]
pub enum Sieve {
    /// The pattern is tried on every text.
    Nothing,
    Literals(Need),
    Chains(Vec<Chain>),
}

pub fn sieves(patterns: &[Pattern], usual: &Usual) -> Vec<Sieve> {
    let needs: Vec<Option<Need>> = patterns.iter().map(|pattern| need(pattern.tree(), usual)).collect();
    let bits = |need: &Option<Need>| need.as_ref().map_or(0.0, Need::bits);
    let wants_chains = |(pattern, need): (&Pattern, &Option<Need>)| bits(need) < RARE && !is_anchored(pattern.tree());
    let mut ways: Vec<Vec<Way>> =
        patterns.iter().zip(&needs).map(|both| if wants_chains(both) { chain::ways(both.0.tree()) } else { Vec::new() }).collect();
    count(&mut ways, usual);
    let mut chains: Vec<Option<Vec<Chain>>> = ways.into_iter().zip(&needs).map(|(ways, need)| best(ways, bits(need) + AHEAD)).collect();
    if chains.iter().flatten().count() < FEW_CHAINS {
        chains.iter_mut().for_each(|chains| *chains = None);
    }
    let sieve = |(need, chains)| match (need, chains) {
        (_, Some(chains)) => Sieve::Chains(chains),
        (Some(need), None) => Sieve::Literals(need),
        (None, None) => Sieve::Nothing,
    };
    needs.into_iter().zip(chains).map(sieve).collect()
}

/// Puts what is seen in the usual text in the place of what a model guessed.
fn count(ways: &mut [Vec<Way>], usual: &Usual) {
    let mut chains: Vec<&mut Chain> = ways.iter_mut().flatten().flatten().flatten().collect();
    for some in chains.chunks_mut(AT_ONCE) {
        let numbered: Vec<(u32, &Chain)> = some.iter().enumerate().map(|(number, chain)| (number as u32, &**chain)).collect();
        let mut spans = Vec::new();
        Rows::new(&numbered).scan(usual.text(), &mut spans);
        let mut times = vec![0usize; some.len()];
        spans.iter().for_each(|(number, _, _)| times[*number as usize] += 1);
        for (chain, times) in some.iter_mut().zip(times) {
            chain.bits = usual.weighed(chain.bits, times);
        }
    }
}

/// The chains of the best way, if they are rarer than so many bits.
fn best(ways: Vec<Way>, least: f32) -> Option<Vec<Chain>> {
    let value = |chain: &Chain| chain.bits.min(ENOUGH) - LINK * chain.links.len() as f32;
    let rarest = |parts: Vec<Chain>| parts.into_iter().max_by(|a, b| value(a).total_cmp(&value(b)));
    let chosen = ways.into_iter().filter_map(|way| way.into_iter().map(rarest).collect::<Option<Vec<Chain>>>());
    let together = |chains: &Vec<Chain>| chain::bits(chains.iter().map(value));
    let best = chosen.max_by(|a, b| together(a).total_cmp(&together(b)))?;
    (chain::bits(best.iter().map(|chain| chain.bits)) > least).then_some(best)
}
