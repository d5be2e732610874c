//! One Received line to a relay: what every server writes alike, then the form that fits.

use super::forms::{self, Draft, EXIM_PIECES, FROM, Family, Form, GENERAL, Meaning, OPEN_FROM, UPPER_FROM};
use super::shape::{Beginning, Mark, Shape, text};
use super::{Relay, auth, clean_sender, finish};
use crate::mail::fields::{is_space, trim};
use crate::mail::text::next_odd;

/// What a line says; `()` stands for a relay that is still a draft.
#[derive(Debug)]
pub enum Parsed<R = ()> {
    Relay(R),
    /// No hop, and known to be none.
    Ignored,
    /// qmail-scanner's remark on the line below.
    Scanned {
        envfrom: Option<String>,
    },
    /// Mail was fetched from a mailbox.
    Fetched,
    Unparseable,
}

static DATE: Shape = Shape::new(
    r"[\s;]+(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?\d+ (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d+ \d+:\d+(?::\d+)? \S+$",
);
static LOCALLY: Mark = Mark::new("with local for");
static UNSPACED_BY: Mark = Mark::new(")by ");
static BY: Mark = Mark::new(" by ");
static ID: Mark = Mark::new(" id ");
static HELO_IS: Mark = Mark::new("helo=");
/// `HELO ` or `EHLO `.
static GREETING: Mark = Mark::new("LO ");
static LOCAL: Shape = Shape::new(r"\bwith local for\b");
static SENDER: Shape = Shape::new(r"(?i:return-path:? |envelope-(?:sender|from)[ =])(?P<word>\S+)\b");
static BRACKETED: Shape = Shape::new(r"\[<ip>\]");

/// `value`: the cooked field.
pub fn parse(value: &[u8]) -> Parsed<Relay> {
    let squeezed = squeeze(value);
    let mut line = squeezed.as_slice();
    let opened = line.strip_prefix(b"(").unwrap_or(line);
    if !opened.get(..5).is_some_and(|w| w.eq_ignore_ascii_case(b"from ")) {
        return Parsed::Ignored;
    }
    if LOCALLY.is_in(line) && LOCAL.is_match(line) || names_alone(line) {
        return Parsed::Ignored;
    }
    line = without_date(line);
    let mended = mend_by(line);
    let line = mended.as_deref().unwrap_or(line);
    let mut draft = Draft { relay: common(line), looked_up: false };
    draft.relay.auth = auth::method(line);
    match dispatch(line, &mut draft) {
        Parsed::Relay(()) => Parsed::Relay(finish(draft.relay, draft.looked_up)),
        Parsed::Ignored => Parsed::Ignored,
        Parsed::Scanned { envfrom } => Parsed::Scanned { envfrom },
        Parsed::Fetched => Parsed::Fetched,
        Parsed::Unparseable => Parsed::Unparseable,
    }
}

/// The line up to the date at its end, which words of one space between them make.
fn without_date(line: &[u8]) -> &[u8] {
    const MONTHS: [&[u8]; 12] = [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    const DAYS: [&[u8]; 7] = [b"Mon,", b"Tue,", b"Wed,", b"Thu,", b"Fri,", b"Sat,", b"Sun,"];
    let is_number = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let mut words = line.rsplit(|octet| *octet == b' ');
    let (Some(_zone), Some(time)) = (words.next(), words.next()) else { return line };
    let fields = time.split(|octet| *octet == b':');
    if !(2..=3).contains(&fields.clone().count()) || !fields.clone().all(is_number) {
        return line;
    }
    let mut simple = || {
        let (year, month, day, weekday) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let place = |word: &[u8]| word.as_ptr() as usize - line.as_ptr() as usize;
        let is_date = is_number(year) && MONTHS.contains(&month) && is_number(day) && DAYS.contains(&weekday);
        let before = line.get(..place(weekday)).filter(|_| is_date)?;
        let end = before.iter().rposition(|octet| !matches!(octet, b' ' | b';')).map_or(0, |last| last + 1);
        (end < before.len()).then(|| &line[..end])
    };
    // Other ways to write it, without a day of the week among them.
    simple().unwrap_or_else(|| match DATE.find(line) {
        Some(date) => &line[..date.start],
        None => line,
    })
}

/// Runs of white space to one space, none at the ends, no semicolons at the end.
fn squeeze(value: &[u8]) -> Vec<u8> {
    let value = trim(value);
    let mut line: Vec<u8> = Vec::with_capacity(value.len());
    let (mut plain, mut at) = (0, 0);
    loop {
        // A lone space stays as it is.
        at = next_odd(value, at, |b| b < b' ');
        let run = value[at..].iter().take_while(|b| is_space(**b)).count();
        if run > 0 {
            line.extend_from_slice(&value[plain..at]);
            line.push(b' ');
            plain = at + run;
        } else if at == value.len() {
            break;
        }
        at += run.max(1);
    }
    line.extend_from_slice(&value[plain..]);
    while line.last() == Some(&b';') {
        line.pop();
        if line.last() == Some(&b' ') {
            line.pop();
        }
    }
    line
}

/// `from NAME by NAME;`: nothing to learn from it.
fn names_alone(line: &[u8]) -> bool {
    let mut words = line.splitn(4, |b| *b == b' ');
    let (Some(from), Some(client), Some(by), Some(rest)) = (words.next(), words.next(), words.next(), words.next()) else { return false };
    let server = rest.iter().take_while(|b| **b != b' ' && **b != b';').count();
    let tail = rest[server..].strip_prefix(b" ").unwrap_or(&rest[server..]);
    let is_address = client.len() > 2
        && client.starts_with(b"[")
        && client.ends_with(b"]")
        && client[1..client.len() - 1].iter().all(|b| b.is_ascii_digit() || *b == b'.');
    from.eq_ignore_ascii_case(b"from")
        && by.eq_ignore_ascii_case(b"by")
        && !client.is_empty()
        && server > 0
        && tail.starts_with(b";")
        && !is_address
}

/// Some servers write `)by`.
fn mend_by(line: &[u8]) -> Option<Vec<u8>> {
    let at = UNSPACED_BY.places(line).next()? + 1;
    Some([&line[..at], b" ", &line[at..]].concat())
}

/// What can be found in a line of any form.
fn common(line: &[u8]) -> Relay {
    let by = BY.places(line).find_map(|at| {
        let len = line[at + 4..].iter().take_while(|b| **b != b' ').count();
        (len > 0).then(|| &line[at + 4..at + 4 + len])
    });
    let found = |octets: Option<&[u8]>| octets.map(text).unwrap_or_default();
    Relay { id: found(identifier(line)), helo: found(helo(line)), by: found(by), ..Relay::default() }
}

fn identifier(line: &[u8]) -> Option<&[u8]> {
    ID.places(line).find_map(|at| {
        let rest = &line[at + 4..];
        let rest = rest.strip_prefix(b"<").unwrap_or(rest);
        let len = rest.iter().take_while(|b| !matches!(b, b' ' | b'<' | b'>' | b';')).count();
        (len >= 3).then(|| &rest[..len])
    })
}

/// What the client calls itself: behind the first `helo=` with a name, or else `HELO ` or `EHLO `.
fn helo(line: &[u8]) -> Option<&[u8]> {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let is_in_name = |b: u8| b.is_ascii_alphanumeric() || b"-.^+_&:=?!@%*$\\/".contains(&b);
    let name_behind = |start: usize, end: usize| {
        let rest = &line[end..];
        let len = rest.iter().take_while(|b| is_in_name(**b)).count();
        (len > 0 && !start.checked_sub(1).is_some_and(|before| is_word(line[before]))).then(|| &rest[..len])
    };
    let greeting = |lo: usize| lo.checked_sub(2).filter(|start| matches!(&line[*start..lo], b"HE" | b"EH"));
    let said = || GREETING.places(line).find_map(|lo| name_behind(greeting(lo)?, lo + 3));
    HELO_IS.places(line).find_map(|at| name_behind(at, at + 5)).or_else(said)
}

fn dispatch(line: &[u8], draft: &mut Draft) -> Parsed {
    let outcome = if let Some(rest) = line.strip_prefix(b"from ") {
        from(rest, draft)
    } else if let Some(rest) = line.strip_prefix(b"FROM ") {
        try_forms(rest, &UPPER_FROM, |f| f.family == Family::Other, draft)
    } else if let Some(rest) = line.strip_prefix(b"(from ") {
        try_forms(rest, &OPEN_FROM, |f| f.family == Family::Other, draft)
    } else {
        None
    };
    if let Some(parsed) = outcome {
        return parsed;
    }
    if draft.relay.ip_text.is_empty()
        && let Some(found) = BRACKETED.captures(line)
        && let Some(address) = found.text("ip")
    {
        draft.relay.ip_text = address;
    }
    if draft.relay.ip_text.is_empty() || matches!(draft.relay.by.as_str(), "" | "0") { Parsed::Unparseable } else { Parsed::Relay(()) }
}

fn from(rest: &[u8], draft: &mut Draft) -> Option<Parsed> {
    if let Some(found) = Some(&SENDER).filter(|_| holds_sender(rest)).and_then(|sender| sender.captures(rest)) {
        draft.relay.envfrom = found.text("word");
    }
    let family = forms::family(rest);
    if let Some(parsed) = try_forms(rest, &FROM, |f| f.family == family || f.family == Family::Other, draft) {
        return Some(parsed);
    }
    if family == Family::Exim && exim_pieces(rest, draft) {
        return Some(Parsed::Relay(()));
    }
    let is_qmail_ldap = forms::is_qmail_ldap(rest);
    if let Some(parsed) = try_forms(rest, &GENERAL, |f| f.family == Family::Other || !is_qmail_ldap, draft) {
        return Some(parsed);
    }
    // What precedes the first character that stands in no name.
    if matches!(draft.relay.helo.as_str(), "" | "0") {
        let word = rest.iter().take_while(|b| **b != b' ').count();
        let end = (1..=word).rev().find(|at| rest.get(*at).is_some_and(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))));
        if let Some(end) = end {
            draft.relay.helo = text(&rest[..end]);
        }
    }
    None
}

fn holds_sender(line: &[u8]) -> bool {
    memchr::memchr_iter(b'-', line).any(|at| {
        let after = |word: &str| line.get(at + 1..at + 1 + word.len()).is_some_and(|w| w.eq_ignore_ascii_case(word.as_bytes()));
        after("path") || after("from") || after("sender")
    })
}

fn try_forms(line: &[u8], table: &[Form], applies: impl Fn(&Form) -> bool, draft: &mut Draft) -> Option<Parsed> {
    let beginning = Beginning::of(line);
    for form in table.iter().filter(|f| applies(f)) {
        if !form.shape.may_match(beginning) || !form.needs.is_in(line) {
            continue;
        }
        let Some(found) = form.shape.captures(line) else { continue };
        match form.meaning {
            Meaning::Ignore => return Some(Parsed::Ignored),
            Meaning::Fetched => return Some(Parsed::Fetched),
            Meaning::Scanned => return Some(Parsed::Scanned { envfrom: draft.relay.envfrom.take().map(|e| clean_sender(&e)) }),
            Meaning::Hop => draft.take(&found),
            Meaning::LookedUp => {
                draft.take(&found);
                draft.looked_up = true;
            }
            Meaning::Then(second_look) => {
                draft.take(&found);
                second_look(draft, &found, line);
            }
        }
        return Some(Parsed::Relay(()));
    }
    None
}

/// Takes what pieces of an odd Exim line give; enough when there are an address and a server.
fn exim_pieces(line: &[u8], draft: &mut Draft) -> bool {
    for piece in &EXIM_PIECES {
        if let Some(found) = piece.captures(line) {
            draft.take(&found);
        }
    }
    !draft.relay.ip_text.is_empty() && EXIM_PIECES[3].is_match(line)
}

/// The address at the start of a synthetic line, for tests.
#[cfg(test)]
pub fn address_of(line: &str) -> String {
    match parse(line.as_bytes()) {
        Parsed::Relay(relay) => relay.ip_text,
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_many_servers_give_an_address() {
        for (line, address) in [
            ("from x (y [192.0.2.1]) by z (8.12.6/8.12.6) with ESMTP id abc", "192.0.2.1"),
            ("from [192.0.2.2] (helo=h ident=i) by z with smtp (Exim 3.35) id 1-2-3", "192.0.2.2"),
            ("from x (HELO h) (192.0.2.3) by z with SMTP; 1 Nov 2003 07:05:19 -0000", "192.0.2.3"),
            ("from x ([2001:db8::7]) by z with mapi id 15.20.1.2; Wed, 5 Jun 2019 10:17:08 +0000", "2001:db8::7"),
            ("from ([192.0.2.4:123] helo=h) by z (ecelerity 2.1) with ESMTP id 1", "192.0.2.4"),
            ("FROM x (y [192.0.2.5]) BY z ID 12345", "192.0.2.5"),
            ("from x with stray [192.0.2.6] by z", "192.0.2.6"),
            ("by z with Internet Mail Service id <1>", "Ignored"),
            ("from x.example by z.example; Thu, 20 Feb 2003 23:32:58 +0100", "Ignored"),
            ("from nonsense", "Unparseable"),
            ("from a [192.0.2.9] by b with IMAP (fetchmail-5.9.0)", "Fetched"),
            ("from a (192.0.2.10) by loki with POP3; 14 Apr 2010 11:14:29 -0000", "Fetched"),
        ] {
            let found = address_of(line);
            assert!(found == address, "{line}: {found}");
        }
    }

    #[test]
    fn a_date_by_hand_is_the_date_of_the_shape() {
        let by_shape = |line: &[u8]| DATE.find(line).map_or(line.len(), |date| date.start);
        let pieces: [&[&str]; 8] = [
            &["x", "x;", "x ;", "x; ;;", ";", "", "x)"],
            &[" ", "", ";", " ;"],
            &["Wed, ", "", "Wed ", "Xyz, ", ";Fri, "],
            &["12", "1", "", "x9"],
            &[" Nov ", " nov ", " ", " 11 "],
            &["2026", "26", "x", ""],
            &[" 10:00:00", " 10:00", " 10", " 1:2:3:4", " a:00", " :00"],
            &[" +0000", " GMT", "", " +0000 (UTC)", " x;"],
        ];
        let mut dice = 1u64;
        for _ in 0..30_000 {
            let line: String = pieces
                .iter()
                .map(|choices| {
                    dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let at = (dice >> 33) as usize % (choices.len() * 2);
                    *choices.get(at).unwrap_or(&choices[0])
                })
                .collect();
            let line = squeeze(line.as_bytes());
            assert_eq!(without_date(&line).len(), by_shape(&line), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn remarks_are_taken_apart() {
        let Parsed::Relay(relay) =
            parse(b"from a ([192.0.2.1] helo=b ident=c) by d with esmtp (Exim 4.50) id 1AbC (envelope-from <e@f.example>)")
        else {
            panic!("no relay")
        };
        assert_eq!((relay.rdns.as_str(), relay.helo.as_str(), relay.ident.as_str(), relay.id.as_str()), ("a", "b", "c", "1AbC"));
        assert_eq!(relay.envfrom.as_deref(), Some("e@f.example"));
    }
}
