//! Templates: `_SCORE_`, `_TESTS(,)_` and all others of Mail::SpamAssassin::Conf, "TEMPLATE TAGS".

use super::{Rendering, SUBVERSION, VERSION, summary};
use crate::mail::{HeaderQuery, Relay};
use crate::outcome::Findings;
use std::net::IpAddr;

impl Rendering<'_, '_> {
    /// The template with its tags replaced; a tag that is not known stays as written.
    pub(super) fn expand(&self, template: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(template.len() + 64);
        let mut rest = template;
        while let Some(at) = rest.find('_') {
            let (before, from) = rest.split_at(at);
            out.extend_from_slice(before.as_bytes());
            let Some((name, argument, length)) = tag_at(from) else {
                out.push(b'_');
                rest = from.get(1..).unwrap_or("");
                continue;
            };
            match self.tag(name, argument) {
                Some(value) => out.extend_from_slice(&value),
                None => out.extend_from_slice(from.get(..length).unwrap_or("").as_bytes()),
            }
            rest = from.get(length..).unwrap_or("");
        }
        out.extend_from_slice(rest.as_bytes());
        out
    }

    fn tag(&self, name: &str, argument: Option<&str>) -> Option<Vec<u8>> {
        let findings = self.findings;
        let text = match name {
            "YESNO" => yes_no(findings, argument),
            "YESNOCAPS" => yes_no(findings, argument).to_uppercase(),
            "SCORE" | "HITS" => score(findings, argument),
            "REQD" => shown(findings.required),
            "VERSION" => self.version(),
            "SUBVERSION" => SUBVERSION.into(),
            "RULESVERSION" => String::new(),
            "HOSTNAME" => self.host().to_owned(),
            "REMOTEHOSTNAME" => findings.tags.get(name).cloned().unwrap_or_else(|| "localhost".into()),
            "REMOTEHOSTADDR" => findings.tags.get(name).cloned().unwrap_or_else(|| "127.0.0.1".into()),
            "CONTACTADDRESS" => self.options().text("report_contact", "the administrator of that system").to_owned(),
            "BAYES" => self.occasion.bayes.map_or_else(|| "0.5".into(), |probability| format!("{probability:.4}")),
            "DATE" => self.occasion.date.clone(),
            "STARS" => argument.filter(|text| !text.is_empty()).unwrap_or("*").repeat((findings.score.max(0.0) as usize).min(50)),
            "AUTOLEARN" => self.autolearn(),
            "AUTOLEARNSCORE" => number(self.occasion.autolearn_points.unwrap_or_else(|| self.autolearn_points())),
            "TESTS" => joined(self.tests(), separator(argument)),
            "TESTSSCORES" => joined(self.scored_tests(), separator(argument)),
            "SUBTESTS" => joined(self.subtests(), separator(argument)),
            "SUBTESTSCOLLAPSED" => joined(self.counted_subtests(), ","),
            "PREVIEW" => return Some(summary::preview(self.reading.body())),
            "REPORT" => return Some([b"\n", &*self.terse_report()].concat()),
            "SUMMARY" => return Some(self.summary()),
            "SUBJPREFIX" => self.subject_prefix().unwrap_or_default(),
            "HEADER" => return Some(self.header(argument.unwrap_or(""))),
            "TIMING" => String::new(),
            // The manual names these, but SpamAssassin's templates leave them as they are.
            "ADDEDHEADERHAM" | "ADDEDHEADERSPAM" | "ADDEDHEADER" => return None,
            "BAYESTC" | "BAYESTCLEARNED" | "BAYESTCSPAMMY" | "BAYESTCHAMMY" if self.options().plugins.contains("Bayes") => {
                findings.tags.get(name).cloned().unwrap_or_default()
            }
            _ => return self.relay_tag(name).or_else(|| findings.tags.get(name).map(|value| value.clone().into_bytes())),
        };
        Some(text.into_bytes())
    }

    pub(super) fn version(&self) -> String {
        std::iter::once(VERSION).chain(self.options().output.version_tags.iter().map(String::as_str)).collect::<Vec<_>>().join("-")
    }

    pub(super) fn host(&self) -> &str {
        match self.options().text("report_hostname", "") {
            "" => &self.occasion.host,
            name => name,
        }
    }

    fn autolearn(&self) -> String {
        let plain = if self.occasion.autolearn.is_empty() { "unavailable" } else { &self.occasion.autolearn };
        match self.findings.tags.get("AUTOLEARNFORCE") {
            Some(forced) => format!("{plain} autolearn_force={forced}"),
            None => plain.to_owned(),
        }
    }

    /// What automatic learning counts: neither Bayes' own opinion nor lists of users, nor rules that say so.
    fn autolearn_points(&self) -> f64 {
        let counts = |hit: &&crate::outcome::Hit| {
            self.set.get(&hit.rule).is_none_or(|rule| !(rule.flags.learn || rule.flags.userconf || rule.flags.noautolearn))
        };
        let points: f64 = self.findings.hits.iter().filter(counts).map(|hit| hit.score * f64::from(hit.count)).sum();
        format!("{points:.3}").parse().unwrap_or(points)
    }

    fn tests(&self) -> Vec<&str> {
        let hits = self.findings.hits.iter();
        let mut names: Vec<&str> = hits.flat_map(|hit| std::iter::repeat_n(&*hit.rule, hit.count.max(1) as usize)).collect();
        names.sort();
        names
    }

    fn scored_tests(&self) -> Vec<String> {
        let mut hits = self.hits_in_order();
        hits.sort_by(|a, b| a.rule.cmp(&b.rule));
        hits.iter().map(|hit| format!("{}={}", hit.rule, number(hit.score))).collect()
    }

    fn subtests(&self) -> Vec<String> {
        let times = |name: &str, count: u32| if self.set.get(name).is_some_and(|rule| rule.flags.multiple) { count } else { 1 };
        let all = self.findings.subrules.iter();
        all.flat_map(|(name, count)| std::iter::repeat_n(name.to_string(), times(name, *count) as usize)).collect()
    }

    fn counted_subtests(&self) -> Vec<String> {
        let mut counted: Vec<(String, usize)> = Vec::new();
        for name in self.subtests() {
            match counted.last_mut().filter(|(last, _)| *last == name) {
                Some((_, count)) => *count += 1,
                None => counted.push((name, 1)),
            }
        }
        counted.into_iter().map(|(name, count)| if count > 1 { format!("{name}({count})") } else { name }).collect()
    }

    /// `subjprefix` of the rules that hit, each once.
    pub(super) fn subject_prefix(&self) -> Option<String> {
        let prefixes = self.options().tables.get("subjprefix")?;
        let mut all = String::new();
        for hit in self.hits_in_order() {
            if let Some(prefix) = prefixes.get(&*hit.rule).filter(|prefix| !all.contains(prefix.as_str())) {
                all.push_str(prefix);
                all.push(' ');
            }
        }
        (!all.is_empty()).then_some(all)
    }

    fn header(&self, name: &str) -> Vec<u8> {
        let Ok(query) = HeaderQuery::parse(name) else { return Vec::new() };
        // PerMsgStatus, get: addresses and kin are a list, of which a template takes the first.
        if query.addr || query.display_name || query.host || query.domain || query.ip || query.revip {
            return self.reading.header_values(&query).first().map(|value| value.to_vec()).unwrap_or_default();
        }
        self.reading.header(&query).map(|value| value.to_vec()).unwrap_or_default()
    }

    fn relay_tag(&self, name: &str) -> Option<Vec<u8>> {
        let relays = self.reading.relays();
        let list = |query: &str| Some(self.header(query));
        let relay = |list: &[usize], from_end: bool| -> Option<&Relay> {
            let at = if from_end { list.last() } else { list.first() };
            at.and_then(|at| relays.all.get(*at))
        };
        let text = match name {
            "RELAYSTRUSTED" => return list("X-Spam-Relays-Trusted"),
            "RELAYSUNTRUSTED" => return list("X-Spam-Relays-Untrusted"),
            "RELAYSINTERNAL" => return list("X-Spam-Relays-Internal"),
            "RELAYSEXTERNAL" => return list("X-Spam-Relays-External"),
            "FIRSTTRUSTEDIP" => relay(&relays.trusted, true).map(|relay| relay.ip_text.clone()),
            "FIRSTTRUSTEDREVIP" => relay(&relays.trusted, true).and_then(|relay| relay.ip).map(reversed),
            "LASTEXTERNALIP" => relay(&relays.external, false).map(|relay| relay.ip_text.clone()),
            "LASTEXTERNALREVIP" => relay(&relays.external, false).and_then(|relay| relay.ip).map(reversed),
            "LASTEXTERNALRDNS" => relay(&relays.external, false).map(|relay| relay.rdns.clone()),
            "LASTEXTERNALHELO" => relay(&relays.external, false).map(|relay| relay.helo.clone()),
            "LANGUAGES" => Some(self.findings.tags.get(name).cloned().unwrap_or_default()),
            "SENDERDOMAIN" => Some(self.first("EnvelopeFrom:first:addr:host")?),
            "AUTHORDOMAIN" => Some(self.distinct("From:addr:host")?),
            _ => return None,
        };
        Some(text.unwrap_or_default().into_bytes())
    }

    fn first(&self, query: &str) -> Option<String> {
        let value = self.reading.header_values(&HeaderQuery::parse(query).ok()?).first()?.to_vec();
        Some(String::from_utf8_lossy(&value).trim_end().to_lowercase())
    }

    fn distinct(&self, query: &str) -> Option<String> {
        let query = HeaderQuery::parse(query).ok()?;
        let mut hosts: Vec<String> = Vec::new();
        for value in self.reading.header_values(&query) {
            let host = String::from_utf8_lossy(&value).trim_end().to_lowercase();
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        (!hosts.is_empty()).then(|| hosts.join(" "))
    }
}

/// `_NAME_` or `_NAME(argument)_` at the start: name, argument, length.
fn tag_at(text: &str) -> Option<(&str, Option<&str>, usize)> {
    let inside = text.strip_prefix('_')?;
    if !inside.starts_with(|c: char| c.is_ascii_uppercase()) {
        return None;
    }
    let part = |text: &str| text.bytes().take_while(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit()).count();
    let mut end = part(inside);
    let mut found = None;
    loop {
        let rest = inside.get(end..)?;
        if rest.starts_with('_') {
            // `_A_B_` may be one tag or `_A_` and more: Perl's pattern is greedy, and takes the longest that closes.
            found = Some((end, None, end + 2));
            let more = part(rest.get(1..)?);
            if more == 0 {
                break;
            }
            end += 1 + more;
            continue;
        }
        if let Some(argument) = rest.strip_prefix('(') {
            let close = argument.find(")_").filter(|close| !argument.get(..*close).is_some_and(|text| text.contains('\n')));
            if let Some(close) = close {
                found = Some((end, argument.get(..close), end + 1 + close + 3));
            }
        }
        break;
    }
    found.and_then(|(end, argument, length)| Some((inside.get(..end)?, argument, length)))
}

fn separator(argument: Option<&str>) -> &str {
    argument.filter(|text| !text.is_empty() && *text != "0").unwrap_or(",")
}

fn joined<T: AsRef<str>>(names: Vec<T>, separator: &str) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    if names.is_empty() { "none".into() } else { names.join(separator) }
}

fn yes_no(findings: &Findings, argument: Option<&str>) -> String {
    let (spam, ham) = match argument {
        Some(text) => match text.split_once(',') {
            Some((spam, ham)) => (Some(spam), Some(ham)),
            None if text.is_empty() => (None, None),
            None => (Some(text), None),
        },
        None => (None, None),
    };
    if findings.is_spam() { spam.unwrap_or("Yes") } else { ham.unwrap_or("No") }.to_owned()
}

/// One decimal.
fn shown(score: f64) -> String {
    format!("{score:.1}")
}

/// Ham that would be shown with the score that spam needs is shown a tenth lower; padding is zeros or blanks.
fn score(findings: &Findings, pad: Option<&str>) -> String {
    let plain = shown(findings.score);
    let required = shown(findings.required);
    let value = |text: &str| text.parse::<f64>().unwrap_or(0.0);
    let text = if findings.is_spam() || value(&plain) < value(&required) { plain } else { number(value(&required) - 0.1) };
    let pad = pad.filter(|pad| !pad.is_empty() && (pad.bytes().all(|o| o == b'0') || pad.bytes().all(|o| o == b' '))).unwrap_or("");
    let missing = (pad.len() + 3).saturating_sub(text.len()).min(pad.len());
    if pad.is_empty() { text } else { format!("{}{text}", pad.get(..missing).unwrap_or("")) }
}

/// As Perl prints a number: fifteen significant digits, without trailing zeros.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.14e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value == 0.0 {
        return "0".into();
    }
    if (-5..15).contains(&exponent) {
        let places = usize::try_from(14 - exponent).unwrap_or(0);
        let fixed = format!("{value:.places$}");
        return if fixed.contains('.') { fixed.trim_end_matches('0').trim_end_matches('.').to_owned() } else { fixed };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", digits.trim_end_matches('0').trim_end_matches('.'), exponent.abs())
}

/// `192.0.2.1` to `1.2.0.192`; IPv6 by nibbles.
fn reversed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.octets().iter().rev().map(u8::to_string).collect::<Vec<_>>().join("."),
        IpAddr::V6(v6) => {
            v6.octets().iter().rev().flat_map(|octet| [octet & 15, octet >> 4]).map(|n| format!("{n:x}")).collect::<Vec<_>>().join(".")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_with_their_arguments() {
        assert_eq!(tag_at("_SCORE_ x"), Some(("SCORE", None, 7)));
        assert_eq!(tag_at("_STARS(*)_"), Some(("STARS", Some("*"), 10)));
        assert_eq!(tag_at("_A_B_"), Some(("A_B", None, 5)));
        assert_eq!(tag_at("_A_b"), Some(("A", None, 3)));
        assert_eq!(tag_at("_score_"), None);
        assert_eq!(tag_at("_SCORE"), None);
    }

    #[test]
    fn numbers_look_as_perl_prints_them() {
        for (value, text) in
            [(0.1 + 0.2, "0.3"), (2.43, "2.43"), (100.0, "100"), (-0.001, "-0.001"), (4.9, "4.9"), (0.0, "0"), (1e20, "1e+20")]
        {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn ham_is_never_shown_with_the_score_of_spam() {
        let findings = |score: f64| Findings { score, required: 5.0, ..Findings::default() };
        assert_eq!(score(&findings(4.96), None), "4.9");
        assert_eq!(score(&findings(5.0), None), "5.0");
        assert_eq!(score(&findings(1.3), Some("00")), "001.3".get(..5).unwrap());
        assert_eq!(score(&findings(1.3), Some("0")), "01.3");
        assert_eq!(score(&findings(13.6), Some("0")), "13.6");
    }
}
