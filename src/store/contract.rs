//! What every backend promises; each backend's tests walk this list over a fresh store.

use super::*;
use std::collections::BTreeMap;

pub(super) fn lesson(number: u8, label: Option<Label>, tokens: &[Token]) -> Lesson {
    Lesson {
        classifier: Arc::from(""),
        digest: [number; 20],
        label,
        tokens: tokens.to_vec(),
        source: Arc::from("test"),
        at: 86_400 * 20_000,
    }
}

pub(super) fn state(store: &dyn Tokens) -> (Totals, BTreeMap<Token, Count>) {
    let mut all = BTreeMap::new();
    store
        .rows("", &mut |token, count, _| {
            all.insert(token, count);
        })
        .unwrap();
    (store.counts("", &[]).unwrap().0, all)
}

fn learning_twice_changes_nothing_and_forgetting_restores_exactly(store: &dyn Tokens) {
    assert_eq!(
        store.learn(&[lesson(1, Some(Label::Spam), &[1, 2, 3]), lesson(2, Some(Label::Ham), &[2, 3])]).unwrap(),
        [Effect::Learned; 2]
    );
    let before = state(store);
    assert_eq!(store.learn(&[lesson(1, Some(Label::Spam), &[1, 2, 3])]).unwrap(), [Effect::AlreadyKnown]);
    assert_eq!(state(store), before);
    assert_eq!(store.learn(&[lesson(3, Some(Label::Ham), &[3, 4])]).unwrap(), [Effect::Learned]);
    assert_eq!(store.learn(&[lesson(3, None, &[])]).unwrap(), [Effect::Forgotten]);
    assert_eq!(state(store), before);
    assert_eq!(store.learn(&[lesson(3, None, &[])]).unwrap(), [Effect::Unknown]);
}

fn learning_the_other_way_round_moves_a_message(store: &dyn Tokens) {
    store.learn(&[lesson(1, Some(Label::Spam), &[1, 2])]).unwrap();
    assert_eq!(store.learn(&[lesson(1, Some(Label::Ham), &[1, 2])]).unwrap(), [Effect::Relearned]);
    let (totals, counts) = store.counts("", &[1, 2, 9]).unwrap();
    assert_eq!(totals, Totals { spam: 0, ham: 1 });
    assert_eq!(counts, [Count { spam: 0, ham: 1 }, Count { spam: 0, ham: 1 }, Count::default()]);
}

fn a_source_is_taken_back_exactly(store: &dyn Tokens) {
    store.learn(&[lesson(1, Some(Label::Spam), &[1, 2])]).unwrap();
    let before = state(store);
    let mut bad = lesson(2, Some(Label::Ham), &[2, 5]);
    bad.source = Arc::from("poison");
    store.learn(&[bad]).unwrap();
    assert_eq!(store.revert(&Which { source: Some("poison".into()), since: None }).unwrap(), 1);
    assert_eq!(state(store), before);
}

fn expiry_keeps_what_was_seen_last(store: &dyn Tokens) {
    let mut old = lesson(1, Some(Label::Spam), &(1..=5_000).collect::<Vec<_>>());
    old.at = 86_400 * 10_000;
    store.learn(&[old, lesson(2, Some(Label::Ham), &[4_999, 5_000, 5_001])]).unwrap();
    assert_eq!(store.expire("", 3).unwrap(), Expired { removed: 4_998, kept: 3 });
    assert_eq!(state(store).1.into_keys().collect::<Vec<_>>(), [4_999, 5_000, 5_001]);
    // A token that expired is not counted below zero when its message is forgotten.
    store.learn(&[lesson(1, None, &[])]).unwrap();
    assert_eq!(store.counts("", &[1, 5_000]).unwrap(), (Totals { spam: 0, ham: 1 }, vec![Count::default(), Count { spam: 0, ham: 1 }]));
}

type Promise = fn(&dyn Tokens);

/// Name and test of each promise.
pub(super) const PROMISES: &[(&str, Promise)] = &[
    ("exact", learning_twice_changes_nothing_and_forgetting_restores_exactly),
    ("move", learning_the_other_way_round_moves_a_message),
    ("revert", a_source_is_taken_back_exactly),
    ("expire", expiry_keeps_what_was_seen_last),
    ("import", imported_rows_are_added),
];

fn imported_rows_are_added(store: &dyn Tokens) {
    let rows = [(7, Count { spam: 2, ham: 1 }, 20_000), (8, Count { spam: 0, ham: 3 }, 20_001)];
    assert_eq!(store.import("", Totals { spam: 5, ham: 6 }, &mut rows.into_iter()).unwrap(), 2);
    store.learn(&[lesson(1, Some(Label::Spam), &[7])]).unwrap();
    assert_eq!(
        store.counts("", &[7, 8]).unwrap(),
        (Totals { spam: 6, ham: 6 }, vec![Count { spam: 3, ham: 1 }, Count { spam: 0, ham: 3 }])
    );
    assert_eq!(store.classifiers().unwrap(), [""]);
}
