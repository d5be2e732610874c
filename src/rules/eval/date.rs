//! Dates of mail as SpamAssassin reads them, and how far Date and Received lie apart (HeaderEval).

use super::perl::{bound, chomp, lines, lossy, pattern};
use super::{Accepts, Answered, Context, Row, local};
use std::ops::{Range, RangeInclusive};

pub(super) static ROWS: &[Row] = &[
    local("check_for_shifted_date", "HeaderEval", Accepts::Head, check_for_shifted_date),
    local("received_within_months", "HeaderEval", Accepts::Head, received_within_months),
    local("check_outlook_message_id", "HeaderEval", Accepts::Head, check_outlook_message_id),
];

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Zone names that SpamAssassin knows, with their offset as `[-+]hhmm` (RFC 5322 §4.3 and common usage). All others
/// count as UTC.
const ZONES: &[(&str, i32)] = &[
    ("ACDT", 1030),
    ("ACST", 930),
    ("ADT", -300),
    ("AEDT", 1100),
    ("AEST", 1000),
    ("AKDT", -800),
    ("AKST", -900),
    ("AST", -400),
    ("AWST", 800),
    ("BRST", -200),
    ("BRT", -300),
    ("BST", 100),
    ("CDT", -500),
    ("CEST", 200),
    ("CET", 100),
    ("CST", -600),
    ("EDT", -400),
    ("EEST", 300),
    ("EET", 200),
    ("EST", -500),
    ("GMT", 0),
    ("HADT", -900),
    ("HAST", -1000),
    ("HKT", 800),
    ("HST", -1000),
    ("IDT", 300),
    ("IST", 100),
    ("JST", 900),
    ("KST", 900),
    ("MDT", -600),
    ("MEST", 200),
    ("MESZ", 200),
    ("MET", 100),
    ("MEZ", 100),
    ("MSD", 400),
    ("MSK", 300),
    ("MST", -700),
    ("NDT", -230),
    ("NST", -330),
    ("NZDT", 1300),
    ("NZST", 1200),
    ("PDT", -700),
    ("PHT", 800),
    ("PST", -800),
    ("SGT", 800),
    ("UT", 0),
    ("UTC", 0),
    ("WEST", 100),
    ("WET", 0),
];

/// Seconds since 1970 of a date; `None` where no day, month and year are found (Util, parse_rfc822_date).
pub fn parse(date: &[u8]) -> Option<i64> {
    // A space at either end, and one for each run of white space and commas.
    let mut text = Vec::with_capacity(date.len() + 2);
    text.push(b' ');
    for octet in date.iter().chain(b" ") {
        if !(super::perl::is_space(*octet) || *octet == b',') {
            text.push(*octet);
        } else if text.last() != Some(&b' ') {
            text.push(b' ');
        }
    }
    let (day, month, year) = take_date(&mut text)?;
    let (hour, minute, second) = take_time(&mut text);
    let (day, month, year) = real_date(day, month, year)?;
    let time = days_since_1970(year, month, day) * 86_400 + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    let zone = zone_of(&text);
    let offset = i64::from((zone.abs() / 100) * 60 + zone.abs() % 100) * 60;
    // "+0000" and "-0000" alike leave the time as it is.
    Some(if zone < 0 { time + offset } else { (time - offset).max(0) })
}

type Day = (u64, usize, u64);
/// Day, month and year as written.
type Written<'t> = (&'t [u8], usize, &'t [u8]);

/// `2 Aug 2002 `
fn day_first<'t>(text: &mut Text<'t>, digits: RangeInclusive<usize>) -> Option<Written<'t>> {
    let (day, _) = (text.digits(1..=usize::MAX)?, text.octet(b' ')?);
    let (month, _) = (text.month()?, text.octet(b' ')?);
    let (year, _) = (text.digits(digits)?, text.octet(b' ')?);
    Some((day, month, year))
}

/// `Aug 2 13:01:30 2002 `
fn month_first<'t>(text: &mut Text<'t>) -> Option<Written<'t>> {
    let (month, _) = (text.month()?, text.octet(b' ')?);
    let (day, _) = (text.digits(1..=usize::MAX)?, text.octet(b' ')?);
    for end in *b":: " {
        text.digits(1..=usize::MAX)?;
        text.octet(end)?;
    }
    let (year, _) = (text.digits(4..=4)?, text.octet(b' ')?);
    Some((day, month, year))
}

fn take_date(text: &mut Vec<u8>) -> Option<Day> {
    let ((day, month, year), whole) = leftmost(text, |text| day_first(text, 4..=4))
        .or_else(|| leftmost(text, month_first))
        .or_else(|| leftmost(text, |text| day_first(text, 2..=3)))?;
    // RFC 5322 §4.3: two digits below 50 are of this century, others and three digits of the last.
    let year = match (year.len(), value(year).unwrap_or(0)) {
        (4, year) => year,
        (2, year) if year < 50 => year + 2000,
        (_, year) => year + 1900,
    };
    let day = value(day).unwrap_or(u64::MAX);
    text.drain(whole.start + 1..whole.end);
    Some((day, month, year))
}

/// The first place after a space where a form fits, with its span, space included.
fn leftmost<'t, T>(text: &'t [u8], form: impl Fn(&mut Text<'t>) -> Option<T>) -> Option<(T, Range<usize>)> {
    memchr::memchr_iter(b' ', text).find_map(|at| {
        let mut rest = Text(text.get(at + 1..)?);
        form(&mut rest).map(|found| (found, at..text.len() - rest.0.len()))
    })
}

fn value(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What is left of a text that is read from the front.
#[derive(Clone, Copy)]
struct Text<'t>(&'t [u8]);

impl<'t> Text<'t> {
    fn octet(&mut self, octet: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[octet])?;
        Some(())
    }

    /// All digits that stand here, if they are so many.
    fn digits(&mut self, many: RangeInclusive<usize>) -> Option<&'t [u8]> {
        let length = self.0.iter().take_while(|octet| octet.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(length).filter(|_| many.contains(&length))?;
        self.0 = rest;
        Some(digits)
    }

    /// Its number, from 1.
    fn month(&mut self) -> Option<usize> {
        let (name, rest) = self.0.split_at_checked(3)?;
        self.0 = rest;
        MONTHS.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes())).map(|at| at + 1)
    }
}

/// Hour, minute and second; what is out of range becomes the last in range.
fn take_time(text: &mut Vec<u8>) -> (u32, u32, u32) {
    let clock = |text: &mut Text<'_>| {
        let (hour, _) = (text.digits(1..=2)?, text.octet(b':')?);
        let minute = text.digits(2..=2)?;
        let second = if text.octet(b':').is_some() { text.digits(2..=2)? } else { b"0" };
        text.octet(b' ')?;
        Some([hour, minute, second].map(|digits| value(digits).map_or(0, |number| number as u32)))
    };
    let Some(([hour, minute, second], whole)) = leftmost(text, clock) else { return (0, 0, 0) };
    text.drain(whole.start + 1..whole.end);
    (hour.min(23), minute.min(59), second.min(59))
}

/// A day after the end of its month becomes the first of the next one; years are held within 1970 to 2037.
fn real_date(day: u64, month: usize, year: u64) -> Option<(u32, u32, i64)> {
    let longest = match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    };
    let (mut day, mut month, mut year) = (day, month, year);
    if day > longest {
        day = 1;
        month += 1;
        if month > 12 {
            month = 1;
            year += 1;
        }
    }
    let year = year.clamp(1970, 2037);
    if day == 0 {
        return None;
    }
    // The 29th of a leap year that was held to 1970 does not exist there.
    if month == 2 && day == 29 && !year.is_multiple_of(4) {
        return None;
    }
    Some((u32::try_from(day).ok()?, u32::try_from(month).ok()?, i64::try_from(year).ok()?))
}

fn days_since_1970(year: i64, month: u32, day: u32) -> i64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let era = year / 400;
    let of_era = year - era * 400;
    let of_year = i64::from((153 * month + 2) / 5 + day - 1);
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The offset as signed `hhmm`.
fn zone_of(text: &[u8]) -> i32 {
    let offset = |text: &mut Text<'_>| {
        let sign = if text.octet(b'-').is_some() { -1 } else { text.octet(b'+').map(|()| 1)? };
        let digits = text.digits(4..=4)?;
        text.octet(b' ')?;
        Some(sign * value(digits).map_or(0, |number| number as i32))
    };
    if let Some((offset, _)) = leftmost(text, offset) {
        return offset;
    }
    let Some(found) = pattern!(r"\b([A-Z]{2,4}(?:-DST)?)\b").find(text) else { return 0 };
    ZONES.iter().find(|(name, _)| name.as_bytes() == found.as_bytes()).map_or(0, |(_, offset)| *offset)
}

/// What is read once of Date and Received.
#[derive(Debug, Default)]
pub(super) struct Times {
    date: Option<i64>,
    received: Vec<i64>,
    fetchmail: Option<i64>,
    /// Date minus the nearest Received time; 0 where there is none.
    difference: i64,
}

fn times<'c>(context: &'c Context<'_, '_>) -> &'c Times {
    context.memo.times.get_or_init(|| {
        let date = ["Resent-Date", "Date"].iter().find_map(|name| date_of(context, name));
        let (received, fetchmail) = received_times(context);
        let difference = date.map_or(0, |date| nearest(date, &received));
        Times { date, received, fetchmail, difference }
    })
}

/// The first occurrence that can be read.
fn date_of(context: &Context<'_, '_>, name: &'static str) -> Option<i64> {
    context.header(name).list.iter().map(|value| chomp(value)).filter(|value| !value.is_empty()).find_map(parse)
}

fn time_within(line: &[u8]) -> Option<i64> {
    parse(clock_within(line)?)
}

/// `\s.?\d+ \S\S\S \d+ \d+:\d+:\d+ \S+`
fn clock_within(line: &[u8]) -> Option<&[u8]> {
    let is_space = |octet: &u8| super::perl::is_space(*octet);
    // Before the first colon stand digits, three others and digits, each with a space; before the first digits white space,
    // at most one octet away.
    let starts_of = |colon: usize| {
        let digits = |rest: &[u8]| rest.iter().rev().take_while(|octet| octet.is_ascii_digit()).count();
        let before = line.get(..colon)?;
        let before = before.get(..before.len() - digits(before))?.strip_suffix(b" ")?;
        let before = before.get(..before.len() - digits(before))?.strip_suffix(b" ")?;
        let before = before.get(..before.len().checked_sub(3)?)?.strip_suffix(b" ")?;
        let first = before.len() - digits(before);
        Some([2, 1].into_iter().filter_map(move |back| first.checked_sub(back)).filter(|at| line.get(*at).is_some_and(is_space)))
    };
    let end_of = |at: usize| {
        let mut rest = Text(line.get(at + 1..)?);
        let first = *rest.0.first()?;
        if !first.is_ascii_digit() {
            rest.0 = rest.0.get(1..).filter(|_| first != b'\n')?;
        }
        rest.digits(1..=usize::MAX)?;
        rest.octet(b' ')?;
        let (_, after) = rest.0.split_at_checked(3).filter(|(month, _)| !month.iter().any(is_space))?;
        rest.0 = after;
        rest.octet(b' ')?;
        for end in *b" :: " {
            rest.digits(1..=usize::MAX)?;
            rest.octet(end)?;
        }
        let zone = rest.0.iter().take_while(|octet| !is_space(octet)).count();
        (zone > 0).then(|| line.len() - rest.0.len() + zone)
    };
    let starts = memchr::memchr_iter(b':', line).filter_map(starts_of).flatten();
    let found = starts.filter_map(|at| Some(at..end_of(at)?)).min_by_key(|found| found.start)?;
    line.get(found)
}

/// Times of Received fields, and the latest one of fields that a local fetchmail wrote.
fn received_times(context: &Context<'_, '_>) -> (Vec<i64>, Option<i64>) {
    let received = context.header("Received");
    let mut lines: Vec<&[u8]> =
        lines(received.text()).map(chomp).filter(|line| line.iter().any(|octet| !super::perl::is_space(*octet))).collect();
    let Some(first) = lines.first() else { return (Vec::new(), None) };
    let mut local = Vec::new();
    // A text that each pattern needs spares most lines the pattern.
    let holds = |line: &[u8], text: &str| memchr::memmem::find(line, text.as_bytes()).is_some();
    let is_local = (holds(first, "localhost") || holds(first, "127.0.0.1"))
        && pattern!(r"\bfrom (?:localhost\s|(?:\S+ ){1,2}\S*\b127\.0\.0\.1\b)").is_match(first);
    if is_local || holds(first, " invoked by uid ") && pattern!(r"qmail \d+ invoked by uid \d+").is_match(first) {
        local.push(lines.remove(0));
    }
    let is_fetched = |line: &[u8]| holds(line, "(fetchmail-") && pattern!(r"\bby localhost with \w+ \(fetchmail-[\d.]+").is_match(line);
    if lines.first().is_some_and(|line| is_fetched(line)) {
        local.push(lines.remove(0));
    } else if let Some(back) = local.pop() {
        lines.insert(0, back);
    }
    let now = i64::try_from(context.now).unwrap_or(i64::MAX);
    let fetchmail = local.iter().filter_map(|line| time_within(line)).filter(|time| now >= *time).max();
    (lines.iter().filter_map(|line| time_within(line)).collect(), fetchmail)
}

fn nearest(date: i64, received: &[i64]) -> i64 {
    let mut differences: Vec<i64> = received.iter().map(|time| date - time).collect();
    // The last hop without any difference stamped the date itself.
    if differences.len() > 1 && differences.last() == Some(&0) {
        differences.pop();
    }
    differences.into_iter().min_by_key(|difference| difference.abs()).unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a double")]
fn check_for_shifted_date(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let difference = times(context).difference as f64;
    let above = || bound(arguments, 0).is_none_or(|least| difference >= 3600.0 * least);
    let below = || bound(arguments, 1).is_none_or(|most| difference < 3600.0 * most);
    (above() && below()).into()
}

/// Seconds of a mean year.
const YEAR: f64 = 31_556_952.0;

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a double")]
fn received_within_months(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let times = times(context);
    let mut likely: Vec<i64> = times.date.into_iter().chain(times.received.first().copied()).chain(times.fetchmail).collect();
    if let (Some(date), false) = (times.date, times.received.is_empty()) {
        likely.push(date - times.difference);
    }
    likely.sort_unstable_by(|a, b| b.cmp(a));
    let received = likely.get(likely.len().saturating_sub(1) / 2).copied().unwrap_or(0);
    let age = context.now as f64 - received as f64;
    let above = bound(arguments, 0).is_none_or(|months| age >= YEAR * (months / 12.0));
    let below = bound(arguments, 1).is_none_or(|months| age < YEAR * (months / 12.0));
    (above && below).into()
}

/// Outlook writes a clock of about 429 seconds into its Message-Id: it must agree with Date or Received.
fn check_outlook_message_id(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let id = context.header("MESSAGEID");
    let Some(found) = pattern!(r"^<[0-9a-f]{4}([0-9a-f]{8})\$[0-9a-f]{8}\$[0-9a-f]{8}@").captures(id.text()) else {
        return Answered::Miss;
    };
    let token = found.get(1).map_or(0, |group| i64::from_str_radix(&lossy(group.as_bytes()), 16).unwrap_or(0));
    let far = |name: &'static str| {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "seconds since 1970 fit a double")]
        let expected = (parse(context.header(name).text()).unwrap_or(0) as f64 * 0.002_328_306_436_538_7 + 27_111_902.832_984_9) as i64;
        (token - expected).abs() >= 250
    };
    (far("Date") && far("Received")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_a_received_field_is_found_as_the_pattern_finds_it() {
        let form = super::super::perl::compile(r"\s.?\d+ \S\S\S \d+ \d+:\d+:\d+ \S+");
        let pieces = [" ", "1", "23", "Jan", ":", "2:", "x", "\t", "\n", " 5 Feb 2020 ", "10:11:12 ", "+0000", ";", "é", "2002 1:2:3 Z"];
        let (mut state, mut hits) = (7u64, 0);
        for _ in 0..40_000 {
            let mut line = String::new();
            for _ in 0..(state >> 40) % 9 + 2 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                line.push_str(pieces[(state >> 33) as usize % pieces.len()]);
            }
            let found = form.find(line.as_bytes()).map(|found| found.as_bytes());
            hits += u32::from(found.is_some());
            assert_eq!(clock_within(line.as_bytes()), found, "{line:?}");
        }
        assert!(hits > 100, "{hits}");
    }

    #[test]
    fn dates_are_read_as_leniently_as_spamassassin_reads_them() {
        for (date, time) in [
            ("Thu, 1 Jan 1970 00:00:00 +0000", Some(0)),
            ("Fri, 02 Aug 2002 13:01:30 -0700", Some(1_028_318_490)),
            ("Sat, 31 Feb 2004 10:00 EST", Some(1_078_153_200)),
            ("Mon Jul  1 12:34:56 2002", Some(1_025_481_600)),
            ("1 Jan 02 25:61:61 GMT", Some(1_009_929_599)),
            ("1 Jan 102 00:00:00", Some(1_009_843_200)),
            ("yesterday", None),
            ("0 Jan 2002 00:00:00", None),
        ] {
            assert_eq!(parse(date.as_bytes()), time, "{date}");
        }
    }
}
