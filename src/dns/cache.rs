//! Answers kept for their time to live, in two generations: when the young one is full, it becomes the old one and the
//! old one goes, so that no look-up ever walks the cache.

use super::wire::Records;
use crate::facts::DnsQuestion;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// Octets that one generation may weigh, whatever the number of its entries.
const GENERATION_OCTETS: usize = 32 << 20;

#[derive(Debug)]
struct Kept {
    records: Arc<Records>,
    until: Instant,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<DnsQuestion, Kept>,
    old: HashMap<DnsQuestion, Kept>,
    weight: usize,
}

#[derive(Debug)]
pub struct Cache {
    generations: Mutex<Generations>,
    most: usize,
}

impl Cache {
    pub fn new(entries: usize) -> Cache {
        Cache { generations: Mutex::default(), most: entries.div_ceil(2) }
    }

    pub fn get(&self, question: &DnsQuestion) -> Option<Arc<Records>> {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(kept) = generations.young.get(question) {
            return (kept.until > now).then(|| Arc::clone(&kept.records));
        }
        let kept = generations.old.remove(question).filter(|kept| kept.until > now)?;
        let records = Arc::clone(&kept.records);
        self.put(&mut generations, question.clone(), kept);
        Some(records)
    }

    pub fn keep(&self, question: DnsQuestion, records: &Arc<Records>) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = Kept { records: Arc::clone(records), until: Instant::now() + records.ttl };
        self.put(&mut generations, question, kept);
    }

    pub fn clear(&self) {
        *self.generations.lock().unwrap_or_else(PoisonError::into_inner) = Generations::default();
    }

    fn put(&self, generations: &mut Generations, question: DnsQuestion, kept: Kept) {
        if self.most == 0 {
            return;
        }
        if generations.young.len() >= self.most || generations.weight >= GENERATION_OCTETS {
            generations.old = std::mem::take(&mut generations.young);
            generations.weight = 0;
        }
        generations.weight += kept.records.weight() + question.name.len();
        generations.young.insert(question, kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::DnsType;
    use std::time::Duration;

    fn question(n: usize) -> DnsQuestion {
        DnsQuestion { name: format!("n{n}.example").into(), kind: DnsType::A }
    }

    fn lasting(seconds: u64) -> Arc<Records> {
        Arc::new(Records { exists: true, values: Vec::new(), ttl: Duration::from_secs(seconds) })
    }

    #[tokio::test]
    async fn an_answer_lives_no_longer_than_it_says() {
        let cache = Cache::new(10);
        cache.keep(question(1), &lasting(60));
        assert!(cache.get(&question(1)).is_some());
        cache.keep(question(2), &lasting(0));
        assert!(cache.get(&question(2)).is_none());
    }

    #[tokio::test]
    async fn the_cache_stays_within_its_bound_and_keeps_what_is_asked_for() {
        let cache = Cache::new(100);
        for n in 0..1000 {
            cache.keep(question(n), &lasting(60));
            let _ = cache.get(&question(0));
        }
        let generations = cache.generations.lock().unwrap();
        assert!(generations.young.len() + generations.old.len() <= 101);
        drop(generations);
        assert!(cache.get(&question(0)).is_some());
        assert!(cache.get(&question(999)).is_some());
        assert!(cache.get(&question(500)).is_none());
    }
}
