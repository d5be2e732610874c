//! The engine over real messages and rules: what SpamAssassin 4.0.1 says of the same.

use super::{Circumstances, Program, ScoreSet};
use crate::facts::{Answer, Bayes, Told};
use crate::mail::{Arrival, Mail, Reading};
use crate::outcome::{Findings, View};
use crate::rules::{NoFiles, Settings, Source, load};

const MAIL: &str = "Received: from a.example.org (a.example.org [192.0.2.1]) by mx.example.com (Postfix) with ESMTP id 1;\n\
    \tWed, 25 Nov 2026 12:00:00 +0000\nFrom: One <one@example.org>\nTo: two@example.com\nSubject: order X17 village\n\
    Date: Wed, 25 Nov 2026 12:00:00 +0000\n\n\
    The village has a village hall.\n\nWrite to ref X17 in the village.\nhttp://www.example.net/two@example.com/a\n";

fn program(rules: &str) -> Program {
    let plugins = ["Shortcircuit", "MIMEHeader", "Bayes"].map(|name| format!("loadplugin Mail::SpamAssassin::Plugin::{name}\n"));
    let sources =
        [Source::Text { name: "a.pre".into(), text: plugins.concat() }, Source::Text { name: "a.cf".into(), text: rules.to_owned() }];
    Program::new(load(&sources, &NoFiles, &Settings::default()).0)
}

fn run(rules: &str, raw: &str) -> Findings {
    let program = program(rules);
    let mail = Mail::parse(raw.as_bytes().to_vec());
    let reading = Reading::new(&mail, &Arrival::FromFields, &program.set.options.view);
    let circumstances = Circumstances { set: ScoreSet { network: false, bayes: false }, now: 0, explain: true, watch: &|| false };
    let mut run = program.begin(&reading, circumstances);
    assert_eq!(run.questions(), None);
    run.finish()
}

fn names(findings: &Findings) -> Vec<String> {
    findings.hits.iter().map(|hit| hit.rule.to_string()).collect()
}

const WORDS: &str = "body __W /village/\nbody __M /village/\ntflags __M multiple\nbody __M3 /village/\ntflags __M3 multiple maxhits=3\n\
    body __NS /village/\ntflags __NS multiple nosubject\n";

#[test]
fn hits_are_counted_and_a_counted_rule_scores_each_time() {
    let found = run(&format!("{WORDS}body SCORED /village/\ntflags SCORED multiple maxhits=2\nscore SCORED 0.3\n"), MAIL);
    let counts: Vec<u32> = ["__W", "__M", "__M3", "__NS"].iter().map(|name| found.subrules[*name]).collect();
    assert_eq!(counts, [1, 4, 3, 3]);
    assert_eq!((found.hits[0].count, found.score), (2, 0.6));
}

#[test]
fn metas_reckon_with_counts_and_with_values_of_metas() {
    let rules = "meta A __M + __M3 > 6\nmeta B __M ? 0 : 1\nmeta __C __M\nmeta D __C + __C > 7\nmeta E NO_SUCH || __W\nmeta F !NO_SUCH\nmeta G 2 * 3\n";
    assert_eq!(names(&run(&format!("{WORDS}{rules}"), MAIL)), ["A", "D", "E", "F", "G"]);
}

#[test]
fn a_rule_of_score_zero_counts_as_missed_but_a_true_meta_of_score_zero_blocks_all_that_look_at_it() {
    let rules = "body Z1 /./\nscore Z1 0\nmeta Z2 Z1\nmeta Z3 !Z1\nmeta Z4 __W\nscore Z4 0\nmeta Z5 __W && Z4\nmeta Z6 __W && !Z4\nmeta Z7 __W || Z4\n\
        meta Z8 !__W\nscore Z8 0\nmeta Z9 !Z8\nmeta ZA Z3\nscore ZA 0\nmeta ZB !ZA\n";
    assert_eq!(names(&run(&format!("{WORDS}{rules}"), MAIL)), ["Z3", "Z9"]);
}

#[test]
fn metas_in_a_circle_are_reckoned_once_before_anything_hit() {
    let rules = "meta C5 !__LOOP1 && __W\nmeta __LOOP1 __LOOP2\nmeta __LOOP2 __LOOP1\nmeta C6 C6 || __W\nmeta C7 __W || C6\nmeta C9 !C9\n\
        header CAPX Subject =~ /(?<ZZTOP>o)/\nmeta CB CB || CAPX\n";
    assert_eq!(names(&run(&format!("{WORDS}{rules}"), MAIL)), ["C9", "CAPX", "CB"]);
}

#[test]
fn absent_headers_match_as_empty_or_as_what_is_given_for_them() {
    let rules = "header A X-No =~ /^$/\nheader B X-No !~ /a/\nheader C X-No =~ /^UNSET$/ [if-unset: UNSET]\nheader D exists:X-No\n\
        header E exists:Subject\nheader F Subject !~ /village/\nheader G Subject =~ /order/\n";
    assert_eq!(names(&run(rules, MAIL)), ["A", "B", "C", "E", "G"]);
}

#[test]
fn captured_tags_fill_patterns_and_a_pattern_without_its_tag_does_not_run() {
    let rules = "header CAPT Subject =~ /order (?<ORDER>\\w+)/\nbody USE1 /ref %{ORDER}/\nbody USE2 /ref %{NOTHING}/\nmeta USE4 !USE2\n\
        header __TO To:addr =~ /(?<ADDRESS>.*)/\nuri USE5 m|net/%{ADDRESS}/|i\nrawbody USE6 /%{ORDER} on/\n";
    let found = run(rules, MAIL);
    assert_eq!(names(&found), ["CAPT", "USE1", "USE4", "USE5"]);
    assert_eq!(found.tags["ORDER"], "X17");
}

const STOPS: &str =
    "body PA /village/\npriority PA -500\nbody PB /village/\npriority PB 500\nbody SAME /hall/\npriority SAME -500\nmeta PD !PB\n";

#[test]
fn a_short_circuit_ends_it_after_the_class_that_runs() {
    let rules = format!("{STOPS}shortcircuit PA spam\nshortcircuit_spam_score 42\n");
    let found = run(&rules, MAIL);
    assert_eq!(names(&found), ["PA", "SAME", "SHORTCIRCUIT"]);
    assert_eq!((found.score, found.tags["SCTYPE"].as_str()), (44.0, "spam"));
    let found = run(&format!("{STOPS}shortcircuit PA on\n"), MAIL);
    assert_eq!(found.score, 2.0);
}

#[test]
fn without_a_short_circuit_priorities_do_not_show() {
    assert_eq!(names(&run(STOPS, MAIL)), ["PA", "PB", "SAME"]);
}

#[test]
fn every_hit_tells_where_it_matched() {
    let found = run(&format!("{WORDS}header H Subject =~ /X\\d+/\nbody B /hall/\nuri U /example.net/\nmeta M __W && B\n"), MAIL);
    let evidence: Vec<(View, &str, &[u8])> =
        found.hits.iter().flat_map(|hit| &hit.evidence).map(|e| (e.view, e.place.as_str(), e.text.as_slice())).collect();
    assert_eq!(
        evidence,
        [
            (View::Body, "1", &b"hall"[..]),
            (View::Header, "Subject", b"X17"),
            (View::Meta, "", b"B"),
            (View::Meta, "", b"__W"),
            (View::Uri, "0", b"example.net"),
        ]
    );
    assert_eq!(found.support.iter().find(|hit| &*hit.rule == "__W").map(|hit| hit.evidence[0].start), Some(10));
}

#[test]
fn when_the_time_is_up_the_findings_are_partial() {
    let program = program("body A /village/\n");
    let mail = Mail::parse(MAIL.as_bytes().to_vec());
    let reading = Reading::new(&mail, &Arrival::FromFields, &program.set.options.view);
    let circumstances = Circumstances { set: ScoreSet { network: false, bayes: false }, now: 0, explain: false, watch: &|| true };
    let found = program.begin(&reading, circumstances).finish();
    assert!(found.partial && !found.has("A"));
}

#[test]
fn a_mimeheader_rule_ends_at_the_first_part_that_hits_and_a_negated_one_always_hits() {
    let raw = "From: a@example.com\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nx\n--b\nContent-Type: text/html\n\ny\n--b--\n";
    let rules = "mimeheader A Content-Type =~ /html/\nmimeheader B Content-Type !~ /text/\nmimeheader __C Content-Type =~ /t/\ntflags __C multiple\n\
        mimeheader D Content-Type =~ /multipart/\ntflags D range=2-3\nmimeheader E Content-Type =~ /plain.*html/s\ntflags E concat\nmimeheader F X-No =~ /^$/\n";
    let found = run(rules, raw);
    assert_eq!(names(&found), ["A", "B", "E", "F"]);
    assert_eq!(found.subrules["__C"], 2);
}

#[test]
fn answers_are_asked_for_once_and_silence_does_not_hit() {
    let program =
        program("body BAYES_99 eval:check_bayes('0.99', '1.00')\ntflags BAYES_99 learn\nscore BAYES_99 0 0 3 3\nmeta M !BAYES_99\n");
    let mail = Mail::parse(MAIL.as_bytes().to_vec());
    let reading = Reading::new(&mail, &Arrival::FromFields, &program.set.options.view);
    let circumstances = Circumstances { set: ScoreSet { network: false, bayes: true }, now: 0, explain: false, watch: &|| false };
    for (answer, expected) in [(Answer::Known(Bayes { probability: Some(0.999) }), vec!["BAYES_99"]), (Answer::Silent, vec!["M"])] {
        let mut run = program.begin(&reading, circumstances);
        while let Some(questions) = run.questions() {
            assert_eq!(questions.len(), 1);
            run.tell(vec![Told::Bayes(answer.clone())]);
        }
        assert_eq!(names(&run.finish()), expected);
    }
}
