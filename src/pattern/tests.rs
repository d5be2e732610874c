//! What Perl 5.36 says to `qr/.../aa` on octets, each line run there.

use super::generate::{Dice, text};
use super::*;

fn spans(rule: &str, subject: &[u8]) -> Vec<(usize, usize)> {
    let pattern = Pattern::from_rule(rule).unwrap_or_else(|error| panic!("{rule}: {error}"));
    spans_by(pattern.program(), subject)
}

fn spans_by(program: &Program, subject: &[u8]) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let (mut from, mut not_empty) = (0, false);
    loop {
        let mut search = Search { from, not_empty, ..Search::new(program, subject) };
        match search.run(&mut Scratch::default(), &mut STEPS.clone()) {
            Ending::Hit(start, end) => {
                spans.push((start, end));
                (from, not_empty) = (end, start >= end);
            }
            Ending::Miss | Ending::OverBudget => return spans,
        }
    }
}

fn hits(rule: &str, subject: &[u8]) -> bool {
    !spans(rule, subject).is_empty()
}

#[test]
fn hits_are_perls() {
    let cases: &[(&str, &[u8])] = &[
        (r"/foo$/", b"foo\n"),
        (r"/foo\Z/", b"foo\n"),
        (r"/a\hb/", b"a\xa0b"),
        (r"/\e\012\x0a/", b"\x1b\n\n"),
        (r"/\Ga/", b"ab"),
        (r"/(?i)\xe9/", b"\xc9"),
        (r"/[\xe9]/i", b"\xc9"),
        (r"/(?i)(\xe9)\1/", b"\xc9\xe9"),
        (r"/^a{,2}$/", b"aa"),
        (r"/^a{ 1, 2 }$/", b"aa"),
        (r"/\<a/", b"<a"),
        (r"/[[(]/", b"["),
        (r"/^[a&&b]$/", b"&"),
        (r"/^[+--]$/", b"-"),
        (r"/(?x)[ ]/", b" "),
        (r"/(?<=a{1,3})b/", b"aab"),
        (r"/(?aa)a/", b"a"),
        (r"/\s/", b"\x0b"),
        (r"/\R/", b"\x85"),
        (r"/\v/", b"\x85"),
        (r"/\bcaf\b/", b"caf\xe9"),
        (r"/^(?:(a)|b)*\1$/", b"aba"),
        (r"/^(a\1?){3}$/", b"aaaa"),
        (r"/^(?>a*)b/", b"aab"),
        (r"/^(?:a|ab)(?:c|bcd)$/", b"abcd"),
        (r"/^(\((?:[^()]|(?1))*\))$/", b"(a(b)(c(d)))"),
        (r"/^(?<q>['\x22]).*?\k<q>$/", b"'abc'"),
        (r"/^(?:(<)|x)b(?(1)>|y)$/", b"<b>"),
        (r"/^(?(?=a)ab|cd)$/", b"cd"),
        (r"/(?|a(.)|b(.))\1/", b"axbyy"),
        (r"/^a(?#comment)b$/x", b"ab"),
        (r"/^ a b # more/x", b"ab"),
        (r"/^a.b$/s", b"a\nb"),
        (r"/^b/m", b"a\nb"),
        (r"/\p{Lu}/", b"\xc9"),
        (r"/[[:^digit:]]/", b"a"),
        (r"/^[]a]+$/", b"]a"),
        (r"/{a/", b"{a"),
        (r"/^(?i:a)b$/", b"Ab"),
        (r"/^((?i)a|b)c$/", b"Bc"),
        (r"/(*COMMIT)b|(*FAIL)/", b"b"),
    ];
    for (rule, subject) in cases {
        assert!(hits(rule, subject), "{rule} on {}", subject.escape_ascii());
    }
}

#[test]
fn misses_are_perls() {
    let cases: &[(&str, &[u8])] = &[
        (r"/(?i)\xf7/", b"\xd7"),
        (r"/(?i)\xdf/", b"ss"),
        (r"/\x{201c}/", b"\xe2\x80\x9c"),
        (r"/\s/", b"\x85"),
        (r"/\s/", b"\xa0"),
        (r"/foo\z/", b"foo\n"),
        (r"/^a{2}$/", b"aaa"),
        (r"/^a.b$/", b"a\nb"),
        (r"/(?>a*)ab/", b"aaab"),
        (r"/a++b*+b/", b"aabb"),
        (r"/(?!a)a/", b"a"),
        (r"/(?<!a)b/", b"ab"),
        (r"/^((?i)a)b$/", b"AB"),
        (r"/\d/", b"\xb2"),
        (r"/\w/", b"\xe9"),
        (r"/(?^i:\xe9)/", b"\xc9"),
    ];
    for (rule, subject) in cases {
        assert!(!hits(rule, subject), "{rule} on {}", subject.escape_ascii());
    }
}

#[test]
fn spamassassin_refuses_these() {
    let refused = [
        "[\\w-.]",
        "[a-\\d]",
        "a{",
        "\\d{foo",
        "[a]{foo",
        "(a){b",
        "\\Qa",
        "\\i",
        "\\xg",
        "\\x5g",
        "[[:alpha:]-z]",
        "[:alpha:]",
        "[[:foo:]]",
        "(?<=(a|bc))b",
        "(?<=a*)b",
        "(?i:a",
        "a)",
        "[z-a]",
        "a{3,2}",
        "\\8",
        "(a)\\2",
        "\\p{Foo}",
        "\\N{foo}",
        "\\C",
        "\\b{wb}",
        "a{2}*",
        "\\b*",
        "(?:\\b)*",
        "^*",
        "(?=a)*",
        "\\z*",
        "[a",
        "[]",
        "(?#abc",
        "(?#abc)*",
        "(?<=a\\K)b",
        "a{0,65535}",
        "a{1,}{2}",
        "(?(1)a|b|c)(d)",
        "(?2)(a)",
        "\\E",
        "\\k<x>",
        "[\\8]",
        "[\\q]",
        "[a-[:alpha:]]",
        "[\\d-a]",
        "[.a.]",
        "[[.a.]]",
        "[[=a=]]",
        "\\g",
        "(?aaa:b)",
        "(?-a:b)",
        "(?o:b)",
        "(?g:b)",
        "(?z:b)",
        "(? :b)",
        "a+++",
        "a*??",
        "a**",
        "x{2}?",
        "^{1}",
        "(?:){2}",
        "(?=a){2}",
        "a{2}{3}",
    ];
    for text in refused {
        assert!(Pattern::from_expression(text.as_bytes()).is_err(), "{text}");
    }
    for rule in ["/a/g", "/a/c", "/a/o", "/a/e", "a"] {
        assert!(Pattern::from_rule(rule).is_err(), "{rule}");
    }
}

#[test]
fn spamassassin_takes_these() {
    let taken = [
        "(|a)*",
        "\\x",
        "(?<=a{1,3})b",
        "a{,2}",
        "\\10",
        "\\p{Han}",
        "\\N{U+41}",
        "(?=a)?",
        "(?P<n>a)(?P=n)(?P>n)",
        "(?<n>a)(?<n>b)",
        "\\o{12}\\g{1}(a)",
        "[\\x{201c}-\\x{201d}a]",
        "a\\c[b",
        "(?^i:a)",
        "(?^aai:a)",
        "|a",
        "a||b",
        "\\Z?",
        "\\K",
        "a{0,65534}",
        "(?(1)a|b)(d)",
        "(?(<x>)a|b)(?<x>d)",
        "(?(DEFINE)(?<x>d))(?&x)",
        "(?1)(a)",
        "[\\400]",
        "\\400",
        "\\_\\-\\é",
        "[--a]",
        "[+--]",
        "[a\\-z]",
        "[a-a]",
        "[A-z]",
        "\\g1(a)",
        "(?a)(?u)b",
        "\\ba{2,3}+b",
        "a++",
        "(?>a)",
        "{a",
        "a|{b",
        "a*{b",
        "^{b",
        "{2}*",
        "(){2}",
        "x{2}+",
    ];
    for text in taken {
        assert!(Pattern::from_expression(text.as_bytes()).is_ok(), "{text}: {:?}", Pattern::from_expression(text.as_bytes()).err());
    }
}

#[test]
fn global_matching_goes_on_as_perl_does() {
    assert_eq!(spans("/a*/", b"baac"), [(0, 0), (1, 3), (3, 3), (4, 4)]);
    assert_eq!(spans("/|a/", b"aa"), [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)]);
    assert_eq!(spans("/^/m", b"a\n"), [(0, 0)]);
    assert_eq!(spans("/^/", b"a\nb"), [(0, 0)]);
    assert_eq!(spans("/a\\Kb/", b"abab"), [(1, 2), (3, 4)]);
    assert_eq!(spans("/a|ab/", b"ab"), [(0, 1)]);
    assert_eq!(spans("/\\Ga/", b"aab"), [(0, 1), (1, 2)]);
}

#[test]
fn groups_are_reported_by_number_and_name() {
    let pattern = Pattern::from_rule("/(?<USER>[a-z]+)@(?<HOST>[a-z.]+)(x)?/i").unwrap();
    assert_eq!(pattern.named_groups().collect::<Vec<_>>(), [("USER", 1), ("HOST", 2)]);
    assert_eq!(pattern.captures(b" Joe@a.b ").unwrap(), [Some(1..8), Some(1..4), Some(5..8), None]);
    assert_eq!(pattern.source(), "(?i)(?<USER>[a-z]+)@(?<HOST>[a-z.]+)(x)?");
}

#[test]
fn quoted_text_matches_itself() {
    let text: Vec<u8> = (0..=255).collect();
    let pattern = Pattern::from_expression(&[b"^(?:", &Pattern::quote(&text)[..], b"|x)\\z"].concat()).unwrap();
    assert!(pattern.is_match(&text));
}

#[test]
fn a_hostile_subject_ends_over_budget_and_says_so() {
    let pattern = Pattern::from_rule("/^(?:(a*)*\\1?)*(?=b)c/").unwrap();
    let subject = [&[b'a'; 5000][..], b"c"].concat();
    assert_eq!(pattern.find(&subject, 0), Found::OverBudget);
    assert!(pattern.count(&subject, 10).over_budget);
}

#[test]
fn a_set_finds_what_each_of_its_patterns_finds_alone() {
    let rules = [
        r"/\b(?:your|the) (?:account|mailbox|e-?mail)\s(?:is|was|has been) (?:locked|suspended|limited)/i",
        r"/(?:^|\s)(?:[v\\][i1!][a@]gr[a@]|c[i1!][a@]l[i1!]s|(?:m[o0]n[e3]y|c[a@]sh) (?:b[a@]ck|n[o0]w))/i",
        r"/(?:send|give|pay)\s(?:me|us)\s(?:\d+ (?:dollars|euros?)|(?:all|some) of your (?:bitcoins?|coins))/",
        r"/[A-Z]{12}/",
        r"/^[^\r\n]{60}/m",
        r"/^Received:[^\n]{0,40} for <([^>]+)>[^z]*\1/m",
        r"/(?:[a-z]{5,}[\s.]+){4}/",
        r"/^https?:\/\/(?:\w+\.)?(?:example|shop)\.(?:com|net)\//i",
        r"/(?:name|address|phone(?: number)?)(?::|\s-){1,3}\s*(?:name|address|age)/i",
        r"/\x00|e/",
        r"/w(?!ord)o(?:r|u)[a-z]{1,8}\b/",
        r"/(?:[,;]\s?[^,;]{1,9}){6}/",
        r"/^[^>].*?<a href=/im",
        r"/^>?.*\bwire\s[^\n]*transfers/m",
    ];
    let patterns: Vec<Pattern> = rules.iter().map(|rule| Pattern::from_rule(rule).unwrap()).collect();
    // A text in which some are common, one in which none is, none at all: what is looked for differs, what is found does not.
    let common = b"Your account was locked. Send me 5 dollars; the mailbox is limited, http://shop.example.com/ words would work.";
    for usual in [Usual::default(), Usual::new(common), Usual::new(b"Lorem ipsum dolor sit amet")] {
        let set = PatternSet::new(patterns.iter().cloned(), &usual);
        let (mut dice, mut candidates, mut hits) = (Dice::new(7), Candidates::default(), 0);
        for round in 0..1200 {
            let mut subject = if round % 2 == 0 { common[dice.below(common.len())..].to_vec() } else { Vec::new() };
            for _ in 0..=dice.below(3) {
                let one = patterns[dice.below(patterns.len())].tree();
                subject.extend(text(one, &mut dice));
                subject.extend_from_slice([&b" "[..], b"\n", b"", b"the end of it, "][dice.below(4)]);
            }
            set.scan(&subject, &mut candidates);
            for (number, pattern) in patterns.iter().enumerate() {
                let alone = pattern.count(&subject, 100);
                let among = candidates.of(number as u32).map(|candidate| set.count(&subject, &candidates, candidate, 100));
                assert_eq!(among.unwrap_or_default(), alone, "{pattern:?} in {}", subject.escape_ascii());
                hits += alone.hits;
            }
        }
        assert!(hits > 3000, "{hits}");
    }
}

#[test]
fn an_opening_and_a_screen_turn_away_no_beginning_of_a_match() {
    let rules = [
        r"/\s{0,5}(?:x?(?:ab|ba){2,9}[\s,.]{0,20}){3}/i",
        r"/(?:your\s)?(?:name|state|mail)(?:\sin\sfull)?[-:.,\s]{1,30}(?:P[a-z]{2,9})?(?:name|mail)/i",
        r"/\b(?<=[a-z] )(?:foo|bar)\b(?!s)/",
        r"/^(?>\s{0,50})(?:\d{1,3}[).]\s)?(?:one|two){1,3}$/im",
        r"/(\w{3})\W[^\n]{0,40}\1?$/",
        r"/a.{0,600}b$/s",
        r"/(?:[ab]{2,}|x\w{0,2}-){2,3}c/",
        r"/(?:a?){3}(?:x?,?){5,}bcde/",
        r"/\W?(?:\d{1,3}[.:]{1,80}|[\xc3\xc4][\x80-\x9f])(?:no){0,5}\S/",
    ];
    let (mut dice, mut hits, mut turned_away, mut refused) = (Dice::new(11), 0, 0, 0);
    for rule in rules {
        let pattern = Pattern::from_rule(rule).unwrap();
        let opening = opening::Opening::new(pattern.tree());
        // The machine alone says what is found.
        let alone = Program { opening: None, ..pattern.program().clone() };
        let screen = screen::Screen::new(pattern.tree()).unwrap();
        for _ in 0..600 {
            let mut subject = Vec::new();
            for _ in 0..=dice.below(3) {
                subject.extend_from_slice([&b" "[..], b"\n", b"x", b"abba name, ", b"y foo"][dice.below(5)]);
                subject.extend(text(pattern.tree(), &mut dice));
            }
            let found: Vec<usize> = spans_by(&alone, &subject).into_iter().map(|(start, _)| start).collect();
            let mut questions = screen.questions();
            for start in 0..=subject.len() {
                let perhaps = questions.may_begin(&subject, start, &mut 1_000_000);
                assert!(perhaps || !found.contains(&start), "{rule} at {start} of {}", subject.escape_ascii());
                turned_away += usize::from(!perhaps);
                let holds = opening.as_ref().is_none_or(|opening| opening.holds(&subject[start..]));
                assert!(holds || !found.contains(&start), "{rule} opens at {start} of {}", subject.escape_ascii());
                refused += usize::from(!holds);
            }
            hits += found.len();
        }
    }
    assert!(hits > 1000 && turned_away > 10_000 && refused > 10_000, "{hits} {turned_away} {refused}");
}

/// The same program without what it knows of that which follows loops.
fn unaware(program: &Program) -> Program {
    let mut plain = program.clone();
    for (at, instruction) in plain.code.iter_mut().enumerate() {
        match *instruction {
            program::Instruction::Checkpoint(_) => *instruction = program::Instruction::Jump(at as u32 + 1),
            program::Instruction::SplitIf { other, .. } => *instruction = program::Instruction::Split { other },
            _ => {}
        }
    }
    for set_loop in &mut plain.loops {
        (set_loop.follow, set_loop.follow_end, set_loop.follow_line, set_loop.probe) = (None, true, false, None);
    }
    plain.counted.iter_mut().for_each(|counted| (counted.on, counted.out) = (None, None));
    Program { opening: None, ..plain }
}

#[test]
fn what_a_loop_knows_of_that_which_follows_changes_no_match() {
    let rules = [
        r#"/<a\s[^>]{0,99}\bhref=.?(x:[^>" ]{2,9}[^>" :])[^>]{0,99}>(?:[^<]{0,24}<(?!\/a)[^>]{1,24}>){0,99}\s{0,9}(?!\1)x[^\w<]{1,3}/i"#,
        r"/\nTo: (?:[^\n<]{0,9}<)?([^\n\s>]+)>?\n+(?:[^\n]{1,20}\n+)*Subject: [^\n]{0,20}\1[>,:\s\n]/is",
        r"/(?:,[^,]{1,9}){5}/",
        r"/(?:[ab]{1,3},?){2,60}?c/",
        r"/^one:.*?^two:[^\n]*?(?i:end)/ms",
        r"/\w+?(?:\s\w+)*\s?needle\d*(?:st|nd)/",
        r"/(?:a|bc){9,}(?:\w\s){0,70}x\b/",
        r"/\S*?Ab[^z]{0,7}(?:\.\w+)+\.?$/m",
    ];
    let (mut dice, mut hits, mut steps) = (Dice::new(5), 0, [0; 2]);
    for rule in rules {
        let pattern = Pattern::from_rule(rule).unwrap();
        let plain = unaware(pattern.program());
        for _ in 0..400 {
            let mut subject = Vec::new();
            for _ in 0..=dice.below(3) {
                subject.extend_from_slice([&b" "[..], b"\n", b"a,b,", b"needle Ab.", b"\nTo: x\nSubject: x"][dice.below(5)]);
                let made = text(pattern.tree(), &mut dice);
                subject.extend(&made[..made.len() - dice.below(2) * dice.below(made.len())]);
            }
            let aware = spans_by(pattern.program(), &subject);
            assert_eq!(aware, spans_by(&plain, &subject), "{rule} on {}", subject.escape_ascii());
            hits += aware.len();
            for (sum, program) in steps.iter_mut().zip([pattern.program(), &plain]) {
                let mut left = STEPS;
                Search::new(program, &subject).run(&mut Scratch::default(), &mut left);
                *sum += STEPS - left;
            }
        }
    }
    assert!(hits > 1000 && steps[0] * 4 < steps[1] * 3, "{hits} hits, steps {steps:?}");
}

#[test]
fn a_repeat_that_never_fails_leaves_a_bounded_number_of_choices() {
    let pattern = Pattern::from_rule(r"/(?:(((((\w))))))*\1\2\3\4\5$/").unwrap();
    let mut scratch = Scratch::default();
    let ending = Search::new(pattern.program(), &b"x".repeat(4_000_000)).run(&mut scratch, &mut STEPS.clone());
    assert_eq!(ending, Ending::OverBudget);
    // It grows by doubling.
    assert!(scratch.stack.capacity() <= 1 << 20, "{}", scratch.stack.capacity());
}

#[test]
fn a_line_is_matched_from_its_beginning_however_far_the_literal_stands() {
    let set = PatternSet::new([Pattern::from_rule("/^.*<a href=\"x/m").unwrap()], &Usual::default());
    let mut candidates = Candidates::default();
    for length in [10, 4_000, 5_000, 100_000] {
        let subject = [b"one\n", &b"y".repeat(length)[..], b"<a href=\"x\ntwo"].concat();
        set.scan(&subject, &mut candidates);
        let found = candidates.of(0).map(|candidate| set.find(&subject, &candidates, candidate));
        assert_eq!(found, Some(Found::Hit(4..length + 14)), "{length}");
    }
}

#[test]
fn what_begins_with_a_long_run_is_found_wherever_it_stands() {
    for (rule, subject, found) in [
        (r"/[a-z]{5}x?/", &b"abcd1abcdexfghijk9lmno"[..], vec![(5, 11), (11, 16)]),
        (r"/^[^\r\n]{6}$/m", b"12345\n123456\n1234567\n654321", vec![(6, 12), (21, 27)]),
        (r"/\b(?:[A-Z]{5,7}\s){2}/", b"ABCD EFGHI JKLMNO PQRST ", vec![(5, 18)]),
        (r"/[^,]{5}/", b"1234,12345,", vec![(5, 10)]),
    ] {
        assert_eq!(spans(rule, subject), found, "{rule}");
    }
}
