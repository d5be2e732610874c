//! What a function is given: the message, the options, the facts so far, and what was computed before on this message.

use super::{attachment, body, date, forged, fromname, header, image, mime, ole, pdf, relay, spf, welcome};
use crate::facts::{DnsQuestion, Facts};
use crate::mail::{HeaderQuery, Reading};
use crate::rules::model::{EvalKind, Flags};
use crate::rules::options::Options;
use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

/// As many as functions of the stock rules ask for.
const QUERIES_A_MESSAGE: usize = 28;

thread_local! {
    /// Queries that functions ask for, taken apart once.
    static QUERIES: RefCell<HashMap<&'static str, Option<Rc<HeaderQuery>>, foldhash::fast::RandomState>> = RefCell::default();
}

/// Most fields that are asked for are absent.
static ABSENT: LazyLock<Arc<Header>> = LazyLock::new(Arc::default);

pub struct Context<'c, 'm> {
    pub reading: &'c Reading<'m>,
    pub options: &'c Options,
    pub facts: &'c Facts,
    /// One for each message, kept from the first call to the last.
    pub memo: &'c Memo,
    /// The rule that calls, and its type: a `rawbody` rule hands over other text than a `body` rule.
    pub rule: &'c str,
    pub kind: EvalKind,
    /// Its `tflags`.
    pub flags: &'c Flags,
    /// Questions to the network will be answered.
    pub network: bool,
    /// The classifier will be asked.
    pub bayes: bool,
    /// Seconds since 1970.
    pub now: u64,
}

impl<'m> Context<'_, 'm> {
    /// The values of `Name[:modifier…]`, looked up once a message.
    pub fn header(&self, query: &'static str) -> Arc<Header> {
        if let Some(known) = self.memo.headers.borrow().get(query) {
            return Arc::clone(known);
        }
        let parsed =
            QUERIES.with_borrow_mut(|queries| queries.entry(query).or_insert_with(|| HeaderQuery::parse(query).ok().map(Rc::new)).clone());
        self.look_up(Cow::Borrowed(query), parsed.as_deref())
    }

    /// As `header`, for a name that a rule gives.
    pub fn header_of(&self, query: &str) -> Arc<Header> {
        if let Some(known) = self.memo.headers.borrow().get(query) {
            return Arc::clone(known);
        }
        self.look_up(Cow::Owned(query.to_owned()), HeaderQuery::parse(query).ok().as_ref())
    }

    /// The text of `header_of`, not kept: for fields that nobody else asks for.
    pub fn text_of(&self, query: &str) -> Cow<'_, [u8]> {
        let Ok(parsed) = HeaderQuery::parse(query) else { return Cow::default() };
        if is_single(query, &parsed) {
            return Cow::Owned(self.header_of(query).text().to_vec());
        }
        let mut values = self.reading.header_values(&parsed);
        if values.len() < 2 { values.pop().unwrap_or_default() } else { Cow::Owned(values.concat()) }
    }

    fn look_up(&self, query: Cow<'static, str>, parsed: Option<&HeaderQuery>) -> Arc<Header> {
        let values = parsed.map(|parsed| self.reading.header_values(parsed)).unwrap_or_default();
        let found = match parsed {
            Some(parsed) if !values.is_empty() => {
                Arc::new(Header::new(is_single(&query, parsed), values.into_iter().map(Cow::into_owned).collect()))
            }
            _ => Arc::clone(&ABSENT),
        };
        let mut headers = self.memo.headers.borrow_mut();
        if headers.is_empty() {
            headers.reserve(QUERIES_A_MESSAGE);
        }
        headers.insert(query, Arc::clone(&found));
        found
    }

    /// The pieces of text that the rule's type hands over. SpamAssassin's FreeMail takes quoted addresses out of the very
    /// text that functions of body rules read after it.
    pub fn text(&self) -> &[Vec<u8>] {
        match self.kind {
            EvalKind::Body => self.memo.body(self.reading),
            EvalKind::RawBody => self.reading.rawbody(),
            EvalKind::Head | EvalKind::Full | EvalKind::Rbl => &[],
        }
    }

    /// Hosts and domains of links, as URIDNSBL chooses them.
    pub(super) fn asked_hosts(&self) -> &[(String, String)] {
        crate::rules::engine::uri_lists::hosts(self)
    }

    /// Sets `_NAME_`, as set_tag does.
    pub fn set_tag(&self, name: &str, value: String) {
        self.memo.tags.borrow_mut().insert(name.to_owned(), value);
    }
}

/// A header as Perl's `get` gives it: a list, or one string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    pub list: Vec<Vec<u8>>,
    /// The values in one string, where that is not the first one.
    joined: Vec<u8>,
    /// The first value alone is the string.
    single: bool,
}

/// PerMsgStatus, get: a query for addresses and kin gives the first value, others give all values joined.
fn is_single(query: &str, parsed: &HeaderQuery) -> bool {
    query == "EnvelopeFrom" || parsed.addr || parsed.display_name || parsed.host || parsed.ip
}

impl Header {
    fn new(single: bool, list: Vec<Vec<u8>>) -> Header {
        let joined = if single || list.len() < 2 { Vec::new() } else { list.concat() };
        Header { list, joined, single }
    }

    pub fn is_present(&self) -> bool {
        !self.list.is_empty()
    }

    /// The value in one string; empty where absent.
    pub fn text(&self) -> &[u8] {
        match self.list.as_slice() {
            [] => &[],
            [first, ..] if self.single => first.strip_suffix(b"\n").unwrap_or(first),
            [only] => only,
            _ => &self.joined,
        }
    }
}

/// What was computed before on this message, and what functions left for the report.
#[derive(Default)]
pub struct Memo {
    headers: RefCell<HashMap<Cow<'static, str>, Arc<Header>, foldhash::fast::RandomState>>,
    tags: RefCell<BTreeMap<String, String>>,
    pub(super) times: OnceCell<date::Times>,
    pub(super) recipients: OnceCell<header::Recipients>,
    pub(super) gated: OnceCell<bool>,
    pub(super) hotmail: OnceCell<forged::Hotmail>,
    pub(super) trail: OnceCell<relay::Trail>,
    pub(super) pdfs: OnceCell<pdf::Pdfs>,
    pub(super) alternatives: OnceCell<body::Alternatives>,
    pub(super) blank_lines: OnceCell<(f64, f64)>,
    pub(super) spacing: OnceCell<f64>,
    pub(super) stock_labels: OnceCell<u32>,
    pub(super) signature: OnceCell<Option<body::Signature>>,
    pub(super) attachments: OnceCell<attachment::Attachments>,
    pub(super) office: OnceCell<ole::Office>,
    pub(super) from_name: OnceCell<fromname::Name>,
    /// What rules asked of DNS lists, by the name of their set.
    pub(super) list_sets: RefCell<HashMap<String, Vec<DnsQuestion>>>,
    /// Hosts and domains of links that lists are asked about.
    pub(in crate::rules) asked_hosts: OnceCell<Vec<(String, String)>>,
    /// Some rule asks for the name servers of links.
    pub(in crate::rules) asks_servers: Cell<bool>,
    /// Tags that patterns captured so far.
    pub(in crate::rules) captured: RefCell<BTreeMap<String, Vec<String>>>,
    pub(super) mime: OnceCell<mime::Counts>,
    pub(super) uppercase: OnceCell<f64>,
    pub(super) base64_line: OnceCell<usize>,
    pub(super) images: OnceCell<image::Images>,
    pub(super) written_spf: OnceCell<spf::Written>,
    pub(super) dkim_tags: OnceCell<()>,
    pub(super) senders: OnceCell<Vec<String>>,
    pub(super) all_recipients: OnceCell<Vec<String>>,
    pub(super) welcome: OnceCell<welcome::Welcome>,
    pub(super) default_welcome: OnceCell<welcome::Welcome>,
    pub(super) listed_hosts: OnceCell<BTreeMap<String, String>>,
    pub(super) stripped_body: OnceCell<Vec<Vec<u8>>>,
    pub(super) freemail: OnceCell<Option<Vec<String>>>,
}

impl Memo {
    /// The paragraphs as body rules see them after functions ran: FreeMail takes out the addresses it reads.
    pub fn body<'b>(&'b self, reading: &'b Reading<'_>) -> &'b [Vec<u8>] {
        self.stripped_body.get().map_or_else(|| reading.body(), Vec::as_slice)
    }

    /// A pattern captured these values for a tag.
    pub(in crate::rules) fn capture(&self, name: &str, values: &[Vec<u8>]) {
        let values = values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect();
        self.captured.borrow_mut().insert(name.to_owned(), values);
    }

    /// Tags that functions set so far.
    pub fn tags(&self) -> BTreeMap<String, String> {
        self.tags.borrow().clone()
    }
}
