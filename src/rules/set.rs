//! The rules in force: what loading gives and everything else reads.

use super::model::{Rule, Test};
use super::options::Options;
use std::collections::HashMap;
use std::sync::Arc;

/// Rules in order of their names, with the options that stand beside them.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    pub rules: Vec<Rule>,
    pub options: Options,
    by_name: HashMap<Arc<str>, usize>,
    /// For each rule the metas that read it.
    readers: Vec<Vec<usize>>,
}

impl RuleSet {
    pub(super) fn new(rules: Vec<Rule>, options: Options) -> RuleSet {
        let by_name = rules.iter().enumerate().map(|(index, rule)| (Arc::clone(&rule.name), index)).collect();
        let mut readers = vec![Vec::new(); rules.len()];
        for (index, rule) in rules.iter().enumerate() {
            if let Test::Meta(expression) = &rule.test {
                for operand in expression.operands() {
                    if let Some(list) = readers.get_mut(operand) {
                        list.push(index);
                    }
                }
            }
        }
        RuleSet { rules, options, by_name, readers }
    }

    pub fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub fn get(&self, name: &str) -> Option<&Rule> {
        self.index(name).and_then(|index| self.rules.get(index))
    }

    /// The metas that read this rule, by index.
    pub fn metas_of(&self, index: usize) -> &[usize] {
        self.readers.get(index).map_or(&[], Vec::as_slice)
    }
}
