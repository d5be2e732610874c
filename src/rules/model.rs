//! Rules as loaded: what each tests, what it scores, where it stands.

use crate::base::Place;
use crate::mail::HeaderQuery;
use crate::pattern::Pattern;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct Rule {
    pub name: Arc<str>,
    pub place: Place,
    pub test: Test,
    /// Local, network, Bayes, Bayes and network.
    pub scores: [f64; 4],
    /// Where the score in force stands; `None`: the default.
    pub score_place: Option<Place>,
    pub describe: Option<Arc<str>>,
    pub flags: Flags,
    pub priority: i32,
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
    /// DNS rules of their own syntax (askdns, uridnsbl and kin), by their directive.
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
