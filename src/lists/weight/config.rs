//! The file of policyd-weight: Perl assignments of numbers, strings, lists and patterns; all else is passed over.

use crate::pattern::Pattern;

/// What weighs how much.
#[derive(Clone, Debug)]
pub struct Weights {
    /// Zone, score of a hit, score of a miss, name in the log.
    pub lists: Vec<(String, f64, f64, String)>,
    pub domain_lists: Vec<(String, f64, f64, String)>,
    pub lists_only: bool,
    /// Names of clients that are looked up in lists alone; what Perl could not read either has no pattern.
    pub lists_only_for: Vec<Option<Pattern>>,
    pub most_hits: f64,
    pub most_list_score: f64,
    pub most_errors: i64,
    pub ignore_private: bool,
    pub log_bad_only: bool,
    pub add_header: bool,
    pub reject_level: f64,
    pub defer_level: f64,
    pub defer_strings: Vec<String>,
    pub cached: Cached,
    pub texts: Texts,
    pub scores: Scores,
}

/// How long results are remembered; times in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Cached {
    /// $CACHESIZE and $CACHEMAXSIZE, $POSCACHESIZE and $POSCACHEMAXSIZE.
    pub refused: usize,
    pub refused_at_most: usize,
    pub passed: usize,
    pub passed_at_most: usize,
    /// $CACHEREJECTMSG, $NTTL, $NTIME.
    pub text: String,
    pub retries: i64,
    pub retry: u64,
    /// $POSCACHEMSG, $PTTL, $PTIME, $TEMP_PTIME.
    pub word: String,
    pub passes: i64,
    pub renewal: u64,
    pub trial: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Texts {
    pub reject: String,
    pub defer_action: String,
    pub dns_error: String,
    pub most_hits: String,
    pub most_errors: String,
}

/// Hit and miss of each check.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    pub ip_eq_helo: [f64; 2],
    pub helo: [f64; 2],
    pub mx_eq_ip: [f64; 2],
    pub numeric: [f64; 2],
    pub verified: [f64; 2],
    pub unverified: [f64; 2],
    pub failed: [f64; 2],
    pub dialup: [f64; 2],
    pub failed_dialup: [f64; 2],
    pub subnet: [f64; 2],
    pub subnet16: [f64; 2],
    pub client_dialup: [f64; 2],
    pub multipart: [f64; 2],
    pub anonymous: [f64; 2],
    pub bogus_mx: [f64; 2],
    pub random: [f64; 2],
    pub domain_penalty: [f64; 2],
    pub dyndns: [f64; 2],
}

/// policyd-weight's own words, which Postfix hands on.
const REJECT: &str = "550 Mail appeared to be SPAM or forged. Ask your Mail/DNS-Administrator to correct HELO and DNS MX settings or to get \
     removed from DNSBLs";

impl Default for Weights {
    /// policyd-weight 0.1.15 beta-2.
    fn default() -> Self {
        let row = |zone: &str, hit: f64, miss: f64, name: &str| (zone.to_owned(), hit, miss, name.to_owned());
        Weights {
            lists: vec![
                row("pbl.spamhaus.org", 3.25, 0.0, "DYN_PBL_SPAMHAUS"),
                row("sbl-xbl.spamhaus.org", 4.35, -1.5, "SBL_XBL_SPAMHAUS"),
                row("bl.spamcop.net", 3.75, -1.5, "SPAMCOP"),
                row("ix.dnsbl.manitu.net", 4.35, 0.0, "IX_MANITU"),
            ],
            domain_lists: vec![row("multi.surbl.org", 4.0, 0.0, "SURBL")],
            lists_only: false,
            lists_only_for: Vec::new(),
            most_hits: 2.0,
            most_list_score: 8.0,
            most_errors: 3,
            ignore_private: false,
            log_bad_only: true,
            add_header: true,
            reject_level: 1.0,
            defer_level: 5.0,
            defer_strings: vec!["IN_SPAMCOP=".into(), "BOGUS_MX=".into()],
            cached: Cached {
                refused: 2000,
                refused_at_most: 4000,
                passed: 1000,
                passed_at_most: 2000,
                text: format!("{REJECT} [cached]"),
                retries: 1,
                retry: 30,
                word: "using cached result".into(),
                passes: 60,
                renewal: 3 * 3_600,
                trial: 86_400,
            },
            texts: Texts {
                reject: REJECT.into(),
                defer_action: "450".into(),
                dns_error: "450 No DNS entries for your MTA, HELO and Domain. Contact YOUR administrator".into(),
                most_hits: "550 Your MTA is listed in too many DNSBLs".into(),
                most_errors: "passed - too many local DNS-errors".into(),
            },
            scores: Scores {
                ip_eq_helo: [1.5, -1.25],
                helo: [1.5, -2.0],
                mx_eq_ip: [1.5, -3.1],
                numeric: [2.5, 0.0],
                verified: [1.0, -2.0],
                unverified: [1.6, -1.5],
                failed: [2.5, 0.0],
                dialup: [1.5, 0.0],
                failed_dialup: [2.0, 0.0],
                subnet: [0.0, -1.2],
                subnet16: [0.0, -0.41],
                client_dialup: [3.75, 0.0],
                multipart: [1.09, 0.0],
                anonymous: [1.17, 0.0],
                bogus_mx: [2.1, 0.0],
                random: [0.25, 0.0],
                domain_penalty: [3.1, 0.0],
                dyndns: [3.0, 0.0],
            },
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(String),
    List(Vec<String>),
}

impl Weights {
    /// The settings of a file over the defaults; names that mean nothing here are told.
    pub fn parse(file: &str) -> (Weights, Vec<String>) {
        let mut weights = Weights::default();
        let mut unknown = Vec::new();
        for (name, value) in assignments(file) {
            if !weights.set(&name, &value) {
                unknown.push(name);
            }
        }
        (weights, unknown)
    }

    fn set(&mut self, name: &str, value: &Value) -> bool {
        let scores = &mut self.scores;
        let texts = &mut self.texts;
        match value {
            Value::List(items) => {
                let pair = match name {
                    "dnsbl_checks_only_regexps" => {
                        self.lists_only_for = items.iter().map(|item| pattern(item)).collect();
                        return true;
                    }
                    "dnsbl_score" => {
                        self.lists = rows(items);
                        return true;
                    }
                    "rhsbl_score" => {
                        self.domain_lists = rows(items);
                        return true;
                    }
                    "client_ip_eq_helo_score" => &mut scores.ip_eq_helo,
                    "helo_score" => &mut scores.helo,
                    "helo_from_mx_eq_ip_score" => &mut scores.mx_eq_ip,
                    "helo_numeric_score" => &mut scores.numeric,
                    "from_match_regex_verified_helo" => &mut scores.verified,
                    "from_match_regex_unverified_helo" => &mut scores.unverified,
                    "from_match_regex_failed_helo" => &mut scores.failed,
                    "helo_seems_dialup" => &mut scores.dialup,
                    "failed_helo_seems_dialup" => &mut scores.failed_dialup,
                    "helo_ip_in_client_subnet" => &mut scores.subnet,
                    "helo_ip_in_cl16_subnet" => &mut scores.subnet16,
                    "client_seems_dialup_score" => &mut scores.client_dialup,
                    "from_multiparted" => &mut scores.multipart,
                    "from_anon" => &mut scores.anonymous,
                    "bogus_mx_score" => &mut scores.bogus_mx,
                    "random_sender_score" => &mut scores.random,
                    "rhsbl_penalty_score" => &mut scores.domain_penalty,
                    "enforce_dyndns_score" => &mut scores.dyndns,
                    _ => return false,
                };
                for (slot, item) in pair.iter_mut().zip(items) {
                    *slot = number(item);
                }
            }
            Value::Text(text) => match name {
                "REJECTMSG" => texts.reject.clone_from(text),
                "DEFER_ACTION" => texts.defer_action.clone_from(text),
                "DNSERRMSG" => texts.dns_error.clone_from(text),
                "MAXDNSBLMSG" => texts.most_hits.clone_from(text),
                "MAXDNSERRMSG" => texts.most_errors.clone_from(text),
                "DEFER_STRING" => self.defer_strings = text.split_whitespace().map(str::to_owned).collect(),
                "REJECTLEVEL" => self.reject_level = number(text),
                "DEFER_LEVEL" => self.defer_level = number(text),
                "MAXDNSBLHITS" => self.most_hits = number(text),
                "MAXDNSBLSCORE" => self.most_list_score = number(text),
                #[expect(clippy::cast_possible_truncation, reason = "a small count")]
                "MAXDNSERR" => self.most_errors = number(text) as i64,
                "dnsbl_checks_only" => self.lists_only = number(text) == 1.0,
                "CACHESIZE" => self.cached.refused = count(text),
                "CACHEMAXSIZE" => self.cached.refused_at_most = count(text),
                "POSCACHESIZE" => self.cached.passed = count(text),
                "POSCACHEMAXSIZE" => self.cached.passed_at_most = count(text),
                "CACHEREJECTMSG" => self.cached.text.clone_from(text),
                "POSCACHEMSG" => self.cached.word.clone_from(text),
                #[expect(clippy::cast_possible_truncation, reason = "a small count")]
                "NTTL" => self.cached.retries = number(text) as i64,
                "NTIME" => self.cached.retry = count(text) as u64,
                #[expect(clippy::cast_possible_truncation, reason = "a small count")]
                "PTTL" => self.cached.passes = number(text) as i64,
                "PTIME" => self.cached.renewal = seconds(text).unwrap_or(3 * 3_600),
                "TEMP_PTIME" => self.cached.trial = seconds(text).unwrap_or(3 * 86_400),
                "LOG_BAD_RBL_ONLY" => self.log_bad_only = number(text) == 1.0,
                "IGNORE_RFC1918_A" => self.ignore_private = number(text) == 1.0,
                "ADD_X_HEADER" => self.add_header = number(text) != 0.0,
                _ => return false,
            },
        }
        true
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of entries")]
fn count(text: &str) -> usize {
    number(text).clamp(0.0, 1e7) as usize
}

/// `3h`: digits and s, m, h or d; seconds without. The first digits count, whatever stands before them.
fn seconds(text: &str) -> Option<u64> {
    let digits = text.get(text.find(|c: char| c.is_ascii_digit())?..)?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (number, unit) = digits.split_at(end);
    let unit = match unit.chars().next() {
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        Some(_) | None => 1,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// `qr/…/i`, or a string that holds an expression.
fn pattern(item: &str) -> Option<Pattern> {
    match item.strip_prefix("qr") {
        Some(_) => Pattern::from_rule(item).ok(),
        None if item.is_empty() => None,
        None => Pattern::from_expression(item.as_bytes()).ok(),
    }
}

fn number(text: &str) -> f64 {
    text.trim().parse().unwrap_or(0.0)
}

fn rows(items: &[String]) -> Vec<(String, f64, f64, String)> {
    let row = |row: &[String]| match row {
        [zone, hit, miss, name] => Some((zone.clone(), number(hit), number(miss), name.clone())),
        _ => None,
    };
    items.chunks(4).filter_map(row).collect()
}

/// `$NAME = …;` and `@NAME = (…);`, strings without what Perl would put into them.
fn assignments(file: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for statement in statements(file) {
        let statement = statement.trim();
        let statement = statement.strip_prefix("my ").or_else(|| statement.strip_prefix("our ")).unwrap_or(statement).trim();
        let Some((name, value)) = statement.split_once('=') else { continue };
        let value = put_in(value, &found);
        let value = value.as_str();
        let (sigil, name) = (name.chars().next(), name.get(1..).unwrap_or("").trim().to_owned());
        let words = words(value);
        match sigil {
            Some('$') => found.extend(words.into_iter().next().map(|word| (name, Value::Text(word)))),
            Some('@') => found.push((name, Value::List(words))),
            Some(_) | None => {}
        }
    }
    found
}

/// What `qr` quotes with ends with this.
fn closing(open: char) -> Option<char> {
    match open {
        '(' => Some(')'),
        '{' => Some('}'),
        '[' => Some(']'),
        '<' => Some('>'),
        _ => (open.is_ascii_punctuation() && open != '_').then_some(open),
    }
}

/// `$REJECTMSG . " [cached]"`: one string of two, where the first is known.
fn put_in(value: &str, found: &[(String, Value)]) -> String {
    let trimmed = value.trim_start();
    let Some((name, rest)) = trimmed.strip_prefix('$').and_then(|rest| rest.split_once('.')) else { return value.to_owned() };
    let known = found.iter().rev().find(|(known, _)| known == name.trim()).map(|(_, value)| value);
    let before = match (known, name.trim()) {
        (Some(Value::Text(text)), _) => text.clone(),
        (None, "REJECTMSG") => REJECT.to_owned(),
        (Some(Value::List(_)) | None, _) => return value.to_owned(),
    };
    let after: String = words(rest).into_iter().take(1).collect();
    format!("\"{}\"", format!("{before}{after}").replace('\\', "\\\\").replace('"', "\\\""))
}

/// Cut at `;`, comments taken out, quotes respected.
fn statements(file: &str) -> Vec<String> {
    let (mut all, mut current, mut quote, mut comment, mut escaped) = (Vec::new(), String::new(), None, false, false);
    for c in file.chars() {
        if comment {
            comment = c != '\n';
            continue;
        }
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, _) if current.ends_with("qr") && closing(c).is_some() => quote = closing(c),
            (None, '#') => {
                comment = true;
                continue;
            }
            (None, ';') => {
                all.push(std::mem::take(&mut current));
                continue;
            }
            (None, _) => {}
        }
        current.push(c);
    }
    all
}

/// Strings and numbers of a value.
fn words(value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\'' => {
                let mut word = String::new();
                while let Some(next) = chars.next() {
                    match next {
                        '\\' => word.extend(chars.next()),
                        _ if next == c => break,
                        _ => word.push(next),
                    }
                }
                words.push(word);
            }
            'q' if chars.peek() == Some(&'r') => {
                let mut word = String::from("q");
                word.extend(chars.next());
                let close = chars.peek().copied().and_then(closing);
                word.extend(chars.next());
                while let Some(next) = chars.next() {
                    word.push(next);
                    match next {
                        '\\' => word.extend(chars.next()),
                        _ if Some(next) == close => break,
                        _ => {}
                    }
                }
                while let Some(flag) = chars.next_if(char::is_ascii_alphabetic) {
                    word.push(flag);
                }
                words.push(word);
            }
            _ if c.is_ascii_digit() || c == '-' || c == '.' => {
                let mut word = c.to_string();
                while let Some(next) = chars.next_if(|next| next.is_ascii_digit() || *next == '.') {
                    word.push(next);
                }
                if word.bytes().any(|octet| octet.is_ascii_digit()) {
                    words.push(word);
                }
            }
            _ => {}
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_over_the_defaults() {
        let (weights, unknown) = Weights::parse(
            "# comment; with = signs\n$REJECTLEVEL = 2.5; # \"x\"\n   $DEFER_STRING = 'IN_A= IN_B=';\n$REJECTMSG = \"551 no; really\";\n\
             @dnsbl_score = (\n 'bl.example.org', 3, -0.5, 'EX',\n 'wl.example.org', -2, 0, 'WL' );\n@helo_score = (1.25, -2);\n$NS = '';\n",
        );
        assert_eq!((weights.reject_level, weights.texts.reject.as_str()), (2.5, "551 no; really"));
        assert_eq!(weights.defer_strings, ["IN_A=", "IN_B="]);
        assert_eq!(weights.lists.len(), 2);
        assert_eq!(weights.lists[1], ("wl.example.org".into(), -2.0, 0.0, "WL".into()));
        assert_eq!(weights.scores.helo, [1.25, -2.0]);
        assert_eq!(unknown, ["NS"]);
    }

    #[test]
    fn caches_and_patterns_are_read() {
        let (weights, unknown) = Weights::parse(
            "$REJECTMSG = '550 no';\n$CACHEREJECTMSG = $REJECTMSG . \" [again]\";\n$PTIME = '2d';\n$CACHESIZE = 0;\n\
             @dnsbl_checks_only_regexps = (\n # qr/x/,\n qr/[^.]*(smtp|mx);?#\\..*/i,\n 'yahoo\\.com$', '' );\n$NTIME = 20;",
        );
        assert_eq!((weights.cached.text.as_str(), weights.cached.renewal, weights.cached.retry), ("550 no [again]", 172_800, 20));
        assert_eq!(weights.lists_only_for.len(), 3);
        let hits = |name: &str| weights.lists_only_for.iter().position(|re| re.as_ref().is_some_and(|re| re.is_match(name.as_bytes())));
        assert_eq!((hits("MX#.example.com"), hits("out.yahoo.com"), hits("example.com")), (Some(0), Some(1), None));
        assert!(unknown.is_empty() && weights.cached.refused == 0, "{unknown:?}");
        assert_eq!(Weights::default().cached.text, Weights::parse("$CACHEREJECTMSG = $REJECTMSG . ' [cached]';").0.cached.text);
    }
}
