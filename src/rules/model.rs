//! Rules as loaded: what each tests, what it scores, where it stands.

use crate::base::Place;
use crate::mail::HeaderQuery;
use crate::pattern::Pattern;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct Rule {
    pub name: Arc<str>,
    /// Where the definition in force stands; for a name without one, where it is first spoken of.
    pub place: Place,
    /// The line as written, without its place; empty for a name without a definition.
    pub definition: Arc<str>,
    pub test: Test,
    /// Local, network, Bayes, Bayes and network.
    pub scores: [f64; 4],
    /// Where the score in force stands; `None`: the default.
    pub score_place: Option<Place>,
    pub describe: Option<Arc<str>>,
    pub flags: Flags,
    /// The stage in which it runs, lowest first: metas have pulled their operands forward, network rules start at -100.
    pub priority: i32,
    /// Its pattern has named groups that become tags (Mail::SpamAssassin::Conf, "CAPTURING TAGS USING REGEX NAMED CAPTURE
    /// GROUPS").
    pub captures: bool,
    pub shortcircuit: Shortcircuit,
}

#[derive(Clone, Debug)]
pub enum Test {
    Header {
        query: HeaderQuery,
        negated: bool,
        unset: Option<Vec<u8>>,
        pattern: Matcher,
    },
    Exists(HeaderQuery),
    Body(Matcher),
    RawBody(Matcher),
    Full(Matcher),
    Uri(Matcher),
    MimeHeader {
        query: HeaderQuery,
        negated: bool,
        unset: Option<Vec<u8>>,
        pattern: Matcher,
    },
    UriDetail(Vec<UriDetailTerm>),
    Eval {
        kind: EvalKind,
        function: Arc<str>,
        arguments: Vec<String>,
    },
    Meta(Expression),
    /// DNS rules of their own syntax, by their directive.
    ///
    /// `askdns`: query template, record types (`A,AAAA`), then, where given, the subtest: `n`, `n-m`, `n/mask` in decimal,
    /// a string in double quotes, or reply codes `[0,3]`; a pattern stands in `pattern`.
    /// `uridnsbl`, `urirhsbl`, `urinsrhsbl`, `urifullnsrhsbl`: zone, record type. `uridnssub` and kin: subtest as third.
    Dns {
        directive: Arc<str>,
        arguments: Vec<String>,
        pattern: Option<Pattern>,
    },
    /// Named by score, describe or meta alone; never hits.
    Empty,
}

/// A pattern, or a template with `%{TAG}` parts that is compiled for each message.
#[derive(Clone, Debug)]
pub enum Matcher {
    Fixed(Pattern),
    Template(Arc<str>),
}

#[derive(Clone, Debug)]
pub struct UriDetailTerm {
    pub key: UriKey,
    pub negated: bool,
    pub pattern: Pattern,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UriKey {
    Raw,
    Type,
    Cleaned,
    Text,
    Domain,
    Host,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EvalKind {
    Head,
    Body,
    RawBody,
    Full,
    Rbl,
}

/// `tflags` as the last line gave them, with what metas inherit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    pub net: bool,
    pub nice: bool,
    pub learn: bool,
    pub userconf: bool,
    pub noautolearn: bool,
    pub autolearn_force: bool,
    pub multiple: bool,
    pub maxhits: Option<u32>,
    pub nosubject: bool,
    /// Flags of other plugins, as written (`range=1-3`, `concat`, `ips_only` …).
    pub others: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shortcircuit {
    #[default]
    Off,
    On,
    Ham,
    Spam,
}

/// A meta expression, operands by index into the rule set.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    Number(f64),
    Rule(usize),
    Not(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    Choose(Box<Expression>, Box<Expression>, Box<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Or,
    And,
    Xor,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Rule {
    /// A sub-rule: it counts for metas alone and adds nothing to the score.
    pub fn is_subrule(&self) -> bool {
        self.name.starts_with("__")
    }
}

impl Test {
    /// The directive that defines such a rule.
    pub fn kind(&self) -> &str {
        match self {
            Test::Header { .. } | Test::Exists(_) => "header",
            Test::Body(_) => "body",
            Test::RawBody(_) => "rawbody",
            Test::Full(_) => "full",
            Test::Uri(_) => "uri",
            Test::MimeHeader { .. } => "mimeheader",
            Test::UriDetail(_) => "uri_detail",
            Test::Eval { kind, .. } => match kind {
                EvalKind::Head => "header eval",
                EvalKind::Body => "body eval",
                EvalKind::RawBody => "rawbody eval",
                EvalKind::Full => "full eval",
                EvalKind::Rbl => "rbl eval",
            },
            Test::Meta(_) => "meta",
            Test::Dns { directive, .. } => directive,
            Test::Empty => "empty",
        }
    }
}

impl Flags {
    /// Words of a `tflags` line.
    pub fn parse(text: &str) -> Flags {
        let mut flags = Flags::default();
        for word in text.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
            match word {
                "net" => flags.net = true,
                "nice" => flags.nice = true,
                "learn" => flags.learn = true,
                "userconf" => flags.userconf = true,
                "noautolearn" => flags.noautolearn = true,
                "autolearn_force" => flags.autolearn_force = true,
                "multiple" => flags.multiple = true,
                "nosubject" => flags.nosubject = true,
                _ => match word.strip_prefix("maxhits=").and_then(|number| number.parse().ok()) {
                    Some(most) => flags.maxhits = Some(most),
                    None => flags.others.push(word.to_owned()),
                },
            }
        }
        flags
    }
}

impl std::fmt::Display for Flags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = [
            (self.net, "net"),
            (self.nice, "nice"),
            (self.learn, "learn"),
            (self.userconf, "userconf"),
            (self.noautolearn, "noautolearn"),
            (self.autolearn_force, "autolearn_force"),
            (self.multiple, "multiple"),
            (self.nosubject, "nosubject"),
        ];
        let maxhits = self.maxhits.map(|most| format!("maxhits={most}"));
        let words = named.iter().filter(|(set, _)| *set).map(|(_, word)| *word);
        let all: Vec<&str> = words.chain(maxhits.as_deref()).chain(self.others.iter().map(String::as_str)).collect();
        f.write_str(&all.join(" "))
    }
}

impl Expression {
    /// The rules it reads, each once, in order of their index.
    pub fn operands(&self) -> Vec<usize> {
        let mut found = Vec::new();
        let mut open = vec![self];
        while let Some(expression) = open.pop() {
            match expression {
                Expression::Number(_) => {}
                Expression::Rule(index) => found.push(*index),
                Expression::Not(inner) => open.push(inner),
                Expression::Binary(_, left, right) => open.extend([&**left, &**right]),
                Expression::Choose(condition, yes, no) => open.extend([&**condition, &**yes, &**no]),
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}
