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
    /// For each rule the priority of the stage that tells whether it hits.
    stages: Vec<i32>,
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
        let stages = stages(&rules);
        RuleSet { rules, options, by_name, readers, stages }
    }

    pub fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub fn get(&self, name: &str) -> Option<&Rule> {
        self.index(name).and_then(|index| self.rules.get(index))
    }

    /// The priority of the stage that tells whether a rule hits: a meta's is that in which the last of its parts is tried.
    pub fn stage(&self, name: &str) -> Option<i32> {
        self.index(name).and_then(|index| self.stages.get(index).copied())
    }

    /// The metas that read this rule, by index.
    pub fn metas_of(&self, index: usize) -> &[usize] {
        self.readers.get(index).map_or(&[], Vec::as_slice)
    }
}

fn stages(rules: &[Rule]) -> Vec<i32> {
    let metas: Vec<(usize, Vec<usize>)> = rules
        .iter()
        .enumerate()
        .filter_map(|(index, rule)| match &rule.test {
            Test::Meta(expression) => Some((index, expression.operands())),
            _ => None,
        })
        .collect();
    let mut stages: Vec<i32> = rules.iter().map(|rule| rule.priority).collect();
    metas.iter().for_each(|(meta, _)| stages[*meta] = i32::MIN);
    // Metas read metas: until none moves any more.
    let mut moved = true;
    while std::mem::take(&mut moved) {
        for (meta, parts) in &metas {
            let last = parts.iter().filter_map(|part| stages.get(*part).copied()).max().unwrap_or(i32::MIN);
            moved |= last > stages[*meta];
            stages[*meta] = stages[*meta].max(last);
        }
    }
    stages
}

#[cfg(test)]
mod tests {
    use crate::rules::{NoFiles, Settings, Source, load};

    #[test]
    fn a_meta_belongs_to_the_stage_in_which_the_last_of_its_parts_is_tried() {
        let text = "header __EARLY X =~ /x/\npriority __EARLY -2000\nbody __USUAL /x/\nheader LATE X =~ /x/\npriority LATE 500\n\
                    meta FIRST !__EARLY\nmeta SECOND FIRST && __USUAL\nmeta LAST __EARLY || SECOND || LATE\npriority LAST 600\nmeta ALONE 1\n";
        let set = load(&[Source::Text { name: "t.cf".into(), text: text.into() }], &NoFiles, &Settings::default()).0;
        let stage = |name| set.stage(name).unwrap();
        assert_eq!([stage("FIRST"), stage("SECOND"), stage("LAST"), stage("ALONE")], [-2000, 0, 500, i32::MIN]);
        assert_eq!(set.stage("NONE"), None);
    }
}
