//! Greylisting over a real store, with the time of day scripted.

use super::*;
use crate::base::Span;
use crate::facts::{ArcResult, Dmarc, Spf};
use crate::store::PaceFile;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// A store in a folder that goes with the test.
pub(crate) struct Home {
    folder: PathBuf,
    pub(crate) store: Arc<dyn Pace>,
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn store(name: &str) -> Home {
    let folder = std::env::temp_dir().join(format!("hamgate-greylist-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let store = Arc::new(PaceFile::open(&folder.join("pace.sqlite")).unwrap());
    Home { folder, store }
}

const DAY: u64 = 86_400;

struct Table(Greylisting, Home);

impl Table {
    fn new(name: &str, change: impl FnOnce(&mut GreylistSettings)) -> Table {
        let home = store(name);
        let mut settings = GreylistSettings { welcome_after: 0, ..GreylistSettings::default() };
        change(&mut settings);
        let greylisting = Greylisting::new(settings, WelcomeList::default(), WelcomeList::default(), home.store.clone(), Clock::default());
        Table(greylisting, home)
    }

    fn at(&mut self, seconds: u64) -> &Greylisting {
        self.0.clock = Clock::Fixed(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds));
        &self.0
    }

    fn ask(&mut self, seconds: u64, ip: &str, from: &str, to: &[&str], facts: Option<&Authentication>) -> Ruling {
        let client = Client { ip: ip.parse().ok(), ..Client::default() };
        let to: Vec<String> = to.iter().map(|to| (*to).to_owned()).collect();
        self.at(seconds).judge(&Letter { client: &client, sender: from, recipients: &to, facts }).unwrap()
    }
}

fn facts(spf: SpfResult, dmarc: DmarcResult, policy: DmarcPolicy) -> Authentication {
    let of = |result| Spf { domain: "sender.example".into(), result, reason: String::new() };
    Authentication {
        spf_mail_from: of(spf),
        spf_helo: of(SpfResult::None),
        dkim: Vec::new(),
        dmarc: Dmarc { domain: "sender.example".into(), result: dmarc, policy, record_found: true, reason: String::new() },
        arc: ArcResult::None,
        trusted_sealer: None,
    }
}

fn came_back(waited: Option<u64>) -> Ruling {
    Ruling::Pass { reason: "came back", waited }
}

const FROM: &str = "a@sender.example";
const TO: &[&str] = &["b@victim.example"];

#[test]
fn a_stranger_is_asked_to_come_back() {
    let mut table = Table::new("stranger", |_| {});
    assert_eq!(table.ask(0, "192.0.2.1", FROM, TO, None), Ruling::Wait { seconds: 300 });
    assert_eq!(table.ask(100, "192.0.2.1", FROM, TO, None), Ruling::Wait { seconds: 200 });
    // Another host of the same network, and another of another.
    assert_eq!(table.ask(300, "198.51.100.1", FROM, TO, None), Ruling::Wait { seconds: 300 });
    assert_eq!(table.ask(301, "192.0.2.200", FROM, TO, None), came_back(Some(301)));
    assert_eq!(table.ask(302, "192.0.2.1", FROM, TO, None), came_back(None));
    assert_eq!(table.ask(302, "192.0.2.1", "other@sender.example", TO, None), Ruling::Wait { seconds: 300 });
}

#[test]
fn too_late_is_a_first_try_and_who_stays_away_is_a_stranger_again() {
    let mut table = Table::new("late", |_| {});
    table.ask(0, "192.0.2.1", FROM, TO, None);
    assert_eq!(table.ask(2 * DAY + 1, "192.0.2.1", FROM, TO, None), Ruling::Wait { seconds: 300 });
    assert_eq!(table.ask(2 * DAY + 301, "192.0.2.1", FROM, TO, None), came_back(Some(300)));
    assert_eq!(table.ask(30 * DAY, "192.0.2.1", FROM, TO, None), came_back(None));
    assert_eq!(table.ask(64 * DAY, "192.0.2.1", FROM, TO, None), came_back(None));
    assert_eq!(table.ask(100 * DAY, "192.0.2.1", FROM, TO, None), Ruling::Wait { seconds: 300 });
}

#[test]
fn a_proven_domain_may_come_back_from_anywhere() {
    let mut table = Table::new("domain", |_| {});
    let spf = facts(SpfResult::Pass, DmarcResult::None, DmarcPolicy::None);
    assert_eq!(table.ask(0, "192.0.2.1", FROM, TO, Some(&spf)), Ruling::Wait { seconds: 300 });
    assert_eq!(table.ask(300, "203.0.113.9", FROM, TO, Some(&spf)), came_back(Some(300)));
    let failed = facts(SpfResult::Fail, DmarcResult::Fail, DmarcPolicy::None);
    assert_eq!(table.ask(301, "198.51.100.9", FROM, TO, Some(&failed)), Ruling::Wait { seconds: 300 });
    // Seen by its network first, while DNS was silent.
    table.ask(0, "203.0.113.200", "x@sender.example", TO, None);
    assert_eq!(table.ask(300, "203.0.113.200", "x@sender.example", TO, Some(&spf)), came_back(Some(300)));
}

#[test]
fn a_domain_that_has_forgeries_refused_never_waits() {
    let mut table = Table::new("dmarc", |_| {});
    let proven = facts(SpfResult::Pass, DmarcResult::Pass, DmarcPolicy::Reject);
    assert_eq!(table.ask(0, "192.0.2.1", FROM, TO, Some(&proven)), pass("proven by DMARC"));
    let lax = facts(SpfResult::Pass, DmarcResult::Pass, DmarcPolicy::None);
    assert_eq!(table.ask(0, "192.0.2.1", FROM, TO, Some(&lax)), Ruling::Wait { seconds: 300 });
}

#[test]
fn who_came_back_often_need_not_wait() {
    let mut table = Table::new("welcome", |settings| settings.welcome_after = 2);
    for number in 0..2 {
        let from = format!("user-{number}x@sender.example");
        assert_eq!(table.ask(number * 7_200, "192.0.2.1", &from, TO, None), Ruling::Wait { seconds: 300 });
        assert_eq!(table.ask(number * 7_200 + 400, "192.0.2.1", &from, TO, None), came_back(Some(400)));
    }
    assert_eq!(table.ask(20_000, "192.0.2.1", "new@sender.example", TO, None), pass("welcome"));
    assert_eq!(table.ask(20_000, "192.0.2.2", "new@sender.example", TO, None), Ruling::Wait { seconds: 300 });
    assert_eq!(table.ask(20_000 + 36 * DAY, "192.0.2.1", "more@sender.example", TO, None), Ruling::Wait { seconds: 300 });
}

#[test]
fn who_was_written_to_may_answer_at_once() {
    let mut table = Table::new("correspondents", |_| {});
    table.at(0).remember_correspondents("B@victim.example", &["A@sender.example".to_owned()]).unwrap();
    assert_eq!(table.ask(10, "192.0.2.1", FROM, TO, None), pass("correspondent"));
    assert_eq!(table.ask(10, "192.0.2.1", FROM, &["c@victim.example"], None), Ruling::Wait { seconds: 300 });
}

#[test]
fn the_mildest_of_several_recipients_decides() {
    let mut table = Table::new("several", |_| {});
    let both = ["b@victim.example", "c@victim.example"];
    table.ask(0, "192.0.2.1", FROM, TO, None);
    assert_eq!(table.ask(400, "192.0.2.1", FROM, &both, None), came_back(Some(400)));
    assert_eq!(table.ask(400, "192.0.2.1", FROM, &both[1..], None), Ruling::Wait { seconds: 300 });
    assert!(table.0.recipients.add(crate::pace::welcome::About::Recipients, "r", "postmaster@\n").is_empty());
    assert_eq!(table.ask(0, "192.0.2.1", FROM, &["postmaster@victim.example"], None), pass("recipient welcome list"));
}

#[test]
fn a_clock_that_goes_back_costs_one_more_wait_at_most() {
    let mut table = Table::new("clock", |_| {});
    table.ask(1_000, "192.0.2.1", FROM, TO, None);
    assert_eq!(table.ask(0, "192.0.2.1", FROM, TO, None), Ruling::Wait { seconds: 300 });
    assert_eq!(table.ask(300, "192.0.2.1", FROM, TO, None), came_back(Some(300)));
}

#[test]
fn names_are_kept_while_they_wait_alone() {
    let mut table = Table::new("names", |settings| settings.delay = Span(Duration::from_secs(60)));
    table.ask(0, "192.0.2.1", FROM, TO, None);
    let waiting = table.1.store.waiting(10).unwrap();
    assert_eq!((waiting[0].triplet.client.as_str(), waiting[0].triplet.sender.as_str()), ("192.0.2.0", FROM));
    table.ask(60, "192.0.2.1", FROM, TO, None);
    assert!(table.1.store.waiting(10).unwrap().is_empty());
    let mut private = Table::new("private", |settings| settings.privacy = true);
    private.ask(0, "192.0.2.1", FROM, TO, None);
    assert_eq!(private.1.store.waiting(10).unwrap()[0].triplet.sender, "");
}
