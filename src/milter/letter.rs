//! The message as it comes in: header fields to the octet, then the body, within limits and a budget of all that is in flight.

use super::settings::Settings;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Octets that all messages in flight may take together.
#[derive(Debug, Default)]
pub struct Budget {
    taken: AtomicU64,
}

/// A share of the budget, given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    octets: u64,
}

/// Shares grow by so much at a time.
const STEP: u64 = 64 * 1024;

impl Share {
    pub fn new(budget: &Arc<Budget>) -> Share {
        Share { budget: Arc::clone(budget), octets: 0 }
    }

    /// Makes the share at least `octets` large; `false`: the budget is spent.
    fn grow(&mut self, octets: u64, most: u64) -> bool {
        if octets <= self.octets {
            return true;
        }
        let more = (octets - self.octets).max(STEP);
        let before = self.budget.taken.fetch_add(more, Ordering::Relaxed);
        if before.saturating_add(more) > most {
            self.budget.taken.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.octets += more;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.octets, Ordering::Relaxed);
    }
}

/// Which limit a message passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    MessageSize,
    HeaderSize,
    Fields,
    InFlight,
}

impl Limit {
    pub fn word(self) -> &'static str {
        match self {
            Limit::MessageSize => "largest_message",
            Limit::HeaderSize => "largest_header",
            Limit::Fields => "most_fields",
            Limit::InFlight => "in_flight",
        }
    }
}

/// The limits of one message, from `[milter]`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub message: usize,
    pub header: usize,
    pub fields: usize,
    pub in_flight: u64,
    pub recipients: usize,
}

impl From<&Settings> for Limits {
    fn from(settings: &Settings) -> Limits {
        let octets = |count: crate::base::ByteCount| usize::try_from(count.0).unwrap_or(usize::MAX);
        Limits {
            message: octets(settings.largest_message),
            header: octets(settings.largest_header),
            fields: settings.most_fields,
            in_flight: settings.in_flight.0,
            recipients: settings.most_recipients,
        }
    }
}

/// A message so far.
#[derive(Debug)]
pub struct Text {
    raw: Vec<u8>,
    fields: usize,
    in_body: bool,
    passed: Option<Limit>,
    limits: Limits,
    share: Share,
}

impl Text {
    pub fn new(limits: Limits, share: Share) -> Text {
        Text { raw: Vec::new(), fields: 0, in_body: false, passed: None, limits, share }
    }

    pub fn in_body(&self) -> bool {
        self.in_body
    }

    /// One field. `value` is all after the colon where the mail server keeps the leading space; elsewhere one is put in front.
    pub fn field(&mut self, name: &[u8], value: &[u8], leading_space: bool) {
        self.fields += 1;
        let added = name.len() + value.len() + 4;
        if self.fields > self.limits.fields {
            self.pass(Limit::Fields);
        } else if self.raw.len() + added > self.limits.header {
            self.pass(Limit::HeaderSize);
        } else if self.may_add(added) {
            self.raw.extend_from_slice(name);
            self.raw.push(b':');
            if !leading_space {
                self.raw.push(b' ');
            }
            self.folded(value);
            self.raw.extend_from_slice(b"\r\n");
        }
    }

    /// Mail servers hand folds over as bare LF; on the wire they were CR LF, and so signatures want them.
    fn folded(&mut self, value: &[u8]) {
        let mut rest = value;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(at);
            self.raw.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
            self.raw.extend_from_slice(b"\r\n");
            rest = after.get(1..).unwrap_or_default();
        }
        self.raw.extend_from_slice(rest);
    }

    /// The header section ends.
    pub fn end_of_header(&mut self) {
        if !self.in_body {
            self.in_body = true;
            self.raw.extend_from_slice(b"\r\n");
        }
    }

    pub fn body(&mut self, chunk: &[u8]) {
        if chunk.is_empty() {
            return;
        }
        self.end_of_header();
        let room = self.limits.message.saturating_sub(self.raw.len());
        let (kept, cut) = chunk.split_at(room.min(chunk.len()));
        if !kept.is_empty() && self.may_add(kept.len()) {
            self.raw.extend_from_slice(kept);
        }
        if !cut.is_empty() {
            self.pass(Limit::MessageSize);
        }
    }

    fn may_add(&mut self, octets: usize) -> bool {
        if self.passed == Some(Limit::InFlight) {
            return false;
        }
        let fits = self.share.grow((self.raw.len() + octets) as u64, self.limits.in_flight);
        if !fits {
            self.pass(Limit::InFlight);
            self.raw = Vec::new();
        }
        fits
    }

    fn pass(&mut self, limit: Limit) {
        // A spent budget stands above all else: nothing is kept that could be judged.
        if self.passed.is_none() || limit == Limit::InFlight {
            self.passed = Some(limit);
        }
    }

    /// The message, the limit it passed, and its share of the budget, to be kept until it has been judged.
    pub fn finish(mut self) -> (Vec<u8>, Option<Limit>, Share) {
        if self.passed != Some(Limit::InFlight) {
            self.end_of_header();
        }
        (self.raw, self.passed, self.share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { message: 1000, header: 500, fields: 5, in_flight: 200_000, recipients: 10 };

    fn text(budget: &Arc<Budget>) -> Text {
        Text::new(LIMITS, Share::new(budget))
    }

    #[test]
    fn fields_keep_their_octets_and_folds_become_lines() {
        let mut text = text(&Arc::default());
        text.field(b"Subject", b"  two\n\tfolded", true);
        text.field(b"X", b"without", false);
        text.end_of_header();
        text.body(b"a\r\n");
        text.body(b"b\n");
        assert_eq!(text.finish().0, b"Subject:  two\r\n\tfolded\r\nX: without\r\n\r\na\r\nb\n");
    }

    #[test]
    fn a_limit_that_was_passed_is_told() {
        let budget = Arc::default();
        let mut long = text(&budget);
        long.body(&[b'x'; 1500]);
        let (raw, passed, _) = long.finish();
        assert_eq!((raw.len(), passed), (1000, Some(Limit::MessageSize)));

        let mut many = text(&budget);
        (0..6).for_each(|_| many.field(b"A", b"b", true));
        assert_eq!(many.finish().1, Some(Limit::Fields));

        let mut wide = text(&budget);
        wide.field(b"A", &[b'b'; 600], true);
        assert_eq!(wide.finish().1, Some(Limit::HeaderSize));
    }

    #[test]
    fn the_budget_is_shared_and_given_back() {
        let budget = Arc::default();
        let mut open: Vec<Text> = (0..4).map(|_| text(&budget)).collect();
        open.iter_mut().for_each(|text| text.body(b"x"));
        let passed: Vec<_> = open.drain(..).map(|text| text.finish().1).collect();
        assert_eq!(passed, vec![None, None, None, Some(Limit::InFlight)]);
        assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
    }
}
