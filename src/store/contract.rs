//! What every backend promises; each backend's tests walk this list over a fresh store.

use super::*;
use crate::store::greylist::{Known, Seen, Stale, Triplet, Waiting, Welcome};
use crate::store::windows::Draw;
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) fn lesson(number: u8, label: Option<Label>, tokens: &[Token]) -> Lesson {
    Lesson {
        classifier: Arc::from(""),
        digest: [number; 20],
        label,
        tokens: tokens.to_vec(),
        source: Arc::from("test"),
        at: 86_400 * 20_000,
        yields: false,
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

fn what_was_learned_unasked_yields_to_what_is_known(store: &dyn Tokens) {
    let unasked = |number, label| Lesson { yields: true, source: Arc::from("auto"), ..lesson(number, label, &[1, 2]) };
    store.learn(&[lesson(1, Some(Label::Spam), &[1, 2])]).unwrap();
    let before = state(store);
    assert_eq!(store.learn(&[unasked(1, Some(Label::Ham))]).unwrap(), [Effect::AlreadyKnown]);
    assert_eq!(state(store), before);
    assert_eq!(store.learn(&[unasked(2, Some(Label::Ham))]).unwrap(), [Effect::Learned]);
    assert_eq!(store.learn(&[lesson(2, Some(Label::Spam), &[1, 2])]).unwrap(), [Effect::Relearned]);
}

fn a_source_is_taken_back_exactly(store: &dyn Tokens) {
    store.learn(&[lesson(1, Some(Label::Spam), &[1, 2])]).unwrap();
    let before = state(store);
    let mut bad = lesson(2, Some(Label::Ham), &[2, 5]);
    bad.source = Arc::from("poison");
    store.learn(&[bad]).unwrap();
    assert_eq!(store.revert(&Which { source: Some("poison".into()), since: None }).unwrap(), 1);
    assert_eq!(state(store), before);
    let unasked = Lesson { source: Arc::from("auto:192.0.2.0/24:score=14"), ..lesson(3, Some(Label::Spam), &[5]) };
    let other = Lesson { source: Arc::from("automat"), ..lesson(4, Some(Label::Spam), &[6]) };
    store.learn(&[unasked, other]).unwrap();
    assert_eq!(store.revert(&Which { source: Some("auto".into()), since: None }).unwrap(), 1, "a source stands for all below it");
    store.learn(&[lesson(4, None, &[])]).unwrap();
    assert_eq!(state(store), before);
}

fn what_a_lesson_replaced_comes_back_with_its_revert(store: &dyn Tokens) {
    let by = |source: &str, at: u64, label| Lesson { source: Arc::from(source), at, ..lesson(1, Some(label), &[1, 2]) };
    let taken = |source: &str| Which { source: Some(source.into()), since: None };
    store.learn(&[by("good", 86_400, Label::Spam)]).unwrap();
    let good = state(store);
    store.learn(&[by("poison", 2 * 86_400, Label::Ham)]).unwrap();
    let poisoned = state(store);
    assert_eq!(store.revert(&taken("poison")).unwrap(), 1);
    assert_eq!(state(store), good);
    // In the other order: what was replaced is taken back, and what stands stays.
    store.learn(&[by("poison", 2 * 86_400, Label::Ham)]).unwrap();
    assert_eq!(store.revert(&taken("good")).unwrap(), 0);
    assert_eq!(state(store), poisoned);
    assert_eq!(store.revert(&taken("poison")).unwrap(), 1);
    assert_eq!(state(store), Default::default());
    // By time, and a message that is forgotten leaves nothing behind.
    store.learn(&[by("a", 86_400, Label::Spam)]).unwrap();
    store.learn(&[by("a", 3 * 86_400, Label::Ham)]).unwrap();
    assert_eq!(store.revert(&Which { since: Some(2 * 86_400), source: None }).unwrap(), 1);
    assert_eq!(state(store), good);
    store.learn(&[by("b", 86_400, Label::Ham), lesson(1, None, &[])]).unwrap();
    assert_eq!(state(store), Default::default());
    assert_eq!(store.revert(&Which::default()).unwrap(), 0);
    assert_eq!(state(store), Default::default());
}

fn rules_are_remembered_while_something_is_learned_under_them(store: &dyn Tokens) {
    store.fill_under("one").unwrap();
    store.fill_under("two").unwrap();
    assert_eq!(store.rules().unwrap().as_deref(), Some("two"));
    store.learn(&[lesson(1, Some(Label::Spam), &[1])]).unwrap();
    store.fill_under("two").unwrap();
    let refused = store.fill_under("one").unwrap_err();
    assert!(refused.0.contains("\"two\"") && refused.0.contains("\"one\""), "{refused}");
    store.learn(&[lesson(1, None, &[])]).unwrap();
    store.fill_under("one").unwrap();
}

fn a_backup_holds_everything_and_is_put_back(store: &dyn Tokens) {
    let folder = std::env::temp_dir().join(format!("hamgate-contract-backup-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("copy.sqlite");
    let old = Lesson { source: Arc::from("old"), ..lesson(1, Some(Label::Ham), &[1, 2, 3]) };
    let users = Lesson { classifier: Arc::from("ann@example.com"), ..lesson(7, Some(Label::Ham), &[8]) };
    store.fill_under("hamgate").unwrap();
    store.learn(&[old, lesson(1, Some(Label::Spam), &[1, 2, 3]), lesson(2, Some(Label::Ham), &[4]), users]).unwrap();
    store.expire("", 3).unwrap();
    let (key, before, expiry) = (store.key().unwrap(), state(store), store.last_expiry("").unwrap());
    assert_eq!(expiry.map(|expiry| expiry.removed), Some(1));
    store.backup(&file).unwrap();
    assert!(store.backup(&file).is_err(), "an existing file is never overwritten");
    store.learn(&[lesson(3, Some(Label::Spam), &[1, 9]), lesson(2, None, &[])]).unwrap();
    store.restore(&file).unwrap();
    assert_eq!((store.key().unwrap(), state(store), store.last_expiry("").unwrap()), (key, before, expiry));
    assert_eq!(store.rules().unwrap().as_deref(), Some("hamgate"));
    assert_eq!(store.classifiers().unwrap(), ["", "ann@example.com"]);
    assert_eq!(store.counts("ann@example.com", &[8]).unwrap().1, [Count { spam: 0, ham: 1 }]);
    assert_eq!(store.revert(&Which { source: Some("test".into()), since: None }).unwrap(), 3);
    assert_eq!(store.counts("", &[]).unwrap().0, Totals { spam: 0, ham: 1 }, "what was replaced is in the backup too");
    std::fs::remove_dir_all(folder).unwrap();
}

fn expiry_keeps_what_was_seen_last(store: &dyn Tokens) {
    let mut old = lesson(1, Some(Label::Spam), &(1..=5_000).collect::<Vec<_>>());
    old.at = 86_400 * 10_000;
    store.learn(&[old, lesson(2, Some(Label::Ham), &[4_999, 5_000, 5_001])]).unwrap();
    assert_eq!(store.expire("", 3).unwrap(), Expired { removed: 4_998, kept: 3 });
    assert_eq!(state(store).1.into_keys().collect::<Vec<_>>(), [4_999, 5_000, 5_001]);
    let last = store.last_expiry("").unwrap().unwrap();
    assert!(last.at > 1_700_000_000 && (last.days, last.removed) == (10_000, 4_998), "{last:?}");
    // A token that expired is not counted below zero when its message is forgotten.
    store.learn(&[lesson(1, None, &[])]).unwrap();
    assert_eq!(store.counts("", &[1, 5_000]).unwrap(), (Totals { spam: 0, ham: 1 }, vec![Count::default(), Count { spam: 0, ham: 1 }]));
}

type Promise = fn(&dyn Tokens);

/// Name and test of each promise.
pub(super) const PROMISES: &[(&str, Promise)] = &[
    ("exact", learning_twice_changes_nothing_and_forgetting_restores_exactly),
    ("move", learning_the_other_way_round_moves_a_message),
    ("yield", what_was_learned_unasked_yields_to_what_is_known),
    ("revert", a_source_is_taken_back_exactly),
    ("expire", expiry_keeps_what_was_seen_last),
    ("import", imported_rows_are_added),
    ("former", what_a_lesson_replaced_comes_back_with_its_revert),
    ("rules", rules_are_remembered_while_something_is_learned_under_them),
    ("backup", a_backup_holds_everything_and_is_put_back),
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

fn triplets_wait_pass_and_are_forgotten(store: &dyn Pace) {
    let triplet = |key: u8, sender: &str| Triplet {
        key: [key; 16],
        client: "192.0.2.0".into(),
        sender: sender.into(),
        recipient: "b@victim.example".into(),
    };
    let (waits, passed) = (Seen { first: 1_000, last: 1_100, passed: false }, Seen { first: 900, last: 2_000, passed: true });
    let welcome = Welcome { count: 3, last: 2_000 };
    store.keep(&[(triplet(1, "a@b"), waits), (triplet(2, "c@d"), passed)], &[([9; 16], welcome)]).unwrap();
    let known = store.look_up(&[[2; 16], [7; 16], [1; 16]], &[[9; 16], [8; 16]]).unwrap();
    assert_eq!(known, Known { triplets: vec![Some(passed), None, Some(waits)], welcome: vec![Some(welcome), None] });
    assert_eq!(store.waiting(10).unwrap(), [Waiting { triplet: triplet(1, "a@b"), seen: waits }]);
    store.keep(&[(triplet(1, "a@b"), Seen { last: 1_500, passed: true, ..waits })], &[]).unwrap();
    assert!(store.waiting(10).unwrap().is_empty());
    store.keep(&[(triplet(3, "e@f"), waits)], &[]).unwrap();
    store.expire(&Stale { waiting_before: 1_200, passed_before: 0, windows_before: 0 }).unwrap();
    let left = store.look_up(&[[1; 16], [2; 16], [3; 16]], &[[9; 16]]).unwrap();
    assert_eq!((left.triplets.iter().map(Option::is_some).collect::<Vec<_>>(), left.welcome[0].is_some()), (vec![true, true, false], true));
}

fn a_window_counts_until_it_is_full(store: &dyn Pace) {
    let draw = |key: u8, most: u64, binding: bool| Draw { key: [key; 16], span: Duration::from_secs(60), most, amount: 1, binding };
    for held in 0..3 {
        assert_eq!(store.draw(&[draw(1, 3, true), draw(2, 2, false)], 1_000_000 + held).unwrap()[0], held);
    }
    assert_eq!(store.draw(&[draw(1, 3, true), draw(2, 2, false)], 1_001_000).unwrap(), [3, 2]);
    // What is refused is not counted anywhere.
    assert_eq!(store.draw(&[draw(3, 9, true), draw(1, 3, true)], 1_002_000).unwrap(), [0, 3]);
    assert_eq!(store.draw(&[draw(3, 9, true)], 1_002_000).unwrap(), [0]);
    // A clock that goes back frees nobody, and a minute later all are free.
    assert_eq!(store.draw(&[draw(1, 3, true)], 990_000).unwrap(), [3]);
    assert_eq!(store.draw(&[draw(1, 3, true)], 1_062_000).unwrap(), [0]);
}

fn a_habit_is_kept_by_day(store: &dyn Pace) {
    for day in 100..110 {
        store.habit(&[1; 16], 20, day).unwrap();
    }
    let habit = store.habit(&[1; 16], 5, 110).unwrap();
    assert_eq!((habit.today, habit.mean.round() as u64), (5, 20));
}

fn the_secret_stays_the_same(store: &dyn Pace) {
    assert_eq!(store.secret().unwrap(), store.secret().unwrap());
}

type PromiseOfTheDoor = fn(&dyn Pace);

/// What the door asks of a backend.
pub(super) const PROMISES_OF_THE_DOOR: &[(&str, PromiseOfTheDoor)] = &[
    ("triplets", triplets_wait_pass_and_are_forgotten),
    ("windows", a_window_counts_until_it_is_full),
    ("habits", a_habit_is_kept_by_day),
    ("secret", the_secret_stays_the_same),
];
