//! What do we say about it? Hits, findings, the verdict and the edits that carry it out.

use crate::base::Place;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which view of the message a rule matched in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum View {
    Header,
    Body,
    RawBody,
    Full,
    Uri,
    MimeHeader,
    Eval,
    Meta,
}

/// Where a rule matched, in octets of the string that the view gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub view: View,
    /// The header name, or the index of the paragraph, chunk or link.
    pub place: String,
    pub start: usize,
    pub end: usize,
    /// The matched octets, at most 256 of them.
    pub text: Vec<u8>,
}

/// A rule that hit.
#[derive(Clone, Debug)]
pub struct Hit {
    pub rule: Arc<str>,
    /// The score of one hit in the active score set, in thousandths of a point as the rule file gave it.
    pub score: f64,
    /// How often it hit (more than once under `tflags multiple` alone).
    pub count: u32,
    pub describe: Option<Arc<str>>,
    pub place: Option<Place>,
    /// The area of the report: `""`, `"BODY: "`, `"RAW: "`, `"URI: "`, as SpamAssassin prefixes descriptions.
    pub area: &'static str,
    pub evidence: Vec<Evidence>,
}

/// Everything the rules said of one message.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Sum of scores, three decimals.
    pub score: f64,
    pub required: f64,
    /// In order of their names.
    pub hits: Vec<Hit>,
    /// `__` rules that hit, with their number of hits.
    pub subrules: BTreeMap<Arc<str>, u32>,
    /// Sub-rules that hit, with their places, where an explanation was asked for; their score is 0.
    pub support: Vec<Hit>,
    /// Captured and computed tags (`_NAME_` in templates).
    pub tags: BTreeMap<Arc<str>, String>,
    /// The deadline or a budget came first; some rules were not asked.
    pub partial: bool,
    /// Rules that ran out of their budget on this message.
    pub over_budget: Vec<Arc<str>>,
}

impl Findings {
    /// SpamAssassin: spam when the score, rounded to three decimals, reaches the requirement.
    pub fn is_spam(&self) -> bool {
        self.score >= self.required
    }

    pub fn has(&self, rule: &str) -> bool {
        self.hits.iter().any(|hit| &*hit.rule == rule) || self.subrules.contains_key(rule)
    }
}

/// What the mail server is told at the end of a message, mildest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Deliver, with whatever edits the verdict carries.
    Accept,
    /// Keep it in the mail server's hold queue (SMFIR_QUARANTINE), with the reason.
    Quarantine(String),
    /// Accept and drop it.
    Discard,
    /// 4xx: ask to come back.
    TempFail(Reply),
    /// 5xx.
    Reject(Reply),
}

/// An SMTP reply: `550 5.7.1 text`. The text is one line of printable ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    /// RFC 3463 enhanced status, `5.7.1`.
    pub status: String,
    pub text: String,
}

/// One change of a header section. `occurrence` counts fields of that name from 1, from the top, as the message came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A new field above all others.
    Prepend {
        name: String,
        value: Vec<u8>,
    },
    /// A new field below all others.
    Append {
        name: String,
        value: Vec<u8>,
    },
    Replace {
        name: String,
        occurrence: u32,
        value: Vec<u8>,
    },
    Remove {
        name: String,
        occurrence: u32,
    },
}

#[derive(Clone, Debug)]
pub struct Verdict {
    pub action: Action,
    /// Marked as spam (X-Spam-Flag: YES).
    pub spam: bool,
    /// Removals come with the highest occurrence first, so that each number still means what it meant.
    pub edits: Vec<Edit>,
}
