//! Rules while files are still being read: the latest word on each name, not put together yet.

use super::conditionals::World;
use super::model::{Shortcircuit, Test, UriDetailTerm, UriKey};
use super::options::Options;
use super::scores::Scores;
use crate::base::{Complaint, Place, Severity};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// One rule. The parts are separate in SpamAssassin too: a new definition keeps scores, flags and priority.
#[derive(Default)]
pub(super) struct Draft {
    /// Where the name first stands, or where it is defined.
    pub place: Option<Place>,
    pub definition: Arc<str>,
    pub test: Option<DraftTest>,
    pub scores: Option<Scores>,
    pub score_place: Option<Place>,
    pub describe: Option<Arc<str>>,
    /// The words of the last `tflags` line.
    pub flags: String,
    pub priority: Option<i32>,
    pub captures: bool,
    pub shortcircuit: Shortcircuit,
    pub uri_terms: BTreeMap<UriKey, UriDetailTerm>,
    /// `uridnsbl` and kin: directive, then its arguments.
    pub zone: Option<(&'static str, Vec<String>)>,
}

pub(super) enum DraftTest {
    Made(Test),
    /// The text of an expression whose operands may not be known yet.
    Meta(String),
}

/// What all lines so far said.
#[derive(Default)]
pub(super) struct Drafts {
    pub rules: BTreeMap<Arc<str>, Draft>,
    pub options: Options,
    pub replace: super::replace_tags::Replacements,
    /// `enable_compat` words.
    pub compat: HashSet<String>,
    pub local_tests_only: bool,
    pub networks: super::networks::Networks,
    pub complaints: Vec<Complaint>,
}

impl Drafts {
    pub fn world(&self) -> World<'_> {
        World { plugins: &self.options.plugins, compat: &self.compat, local_tests_only: self.local_tests_only }
    }

    /// The draft of that name, begun here if it is new.
    pub fn rule(&mut self, name: &str, place: &Place) -> &mut Draft {
        self.rules.entry(name.into()).or_insert_with(|| Draft { place: Some(place.clone()), ..Draft::default() })
    }

    pub fn complain(&mut self, place: &Place, fault: Fault) {
        self.complaints.push(Complaint { severity: fault.severity, place: Some(place.clone()), what: fault.what, remedy: fault.remedy });
    }
}

/// One line, ready to be understood.
pub(super) struct Line<'l> {
    /// In its present spelling, for options; as written for rules.
    pub key: &'l str,
    pub value: &'l str,
    pub whole: &'l str,
    pub place: &'l Place,
}

/// Why a line does not count, or what is odd about it.
#[derive(Debug)]
pub(super) struct Fault {
    pub severity: Severity,
    pub what: String,
    pub remedy: String,
}

impl Fault {
    pub fn warning(what: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault { severity: Severity::Warning, what: what.into(), remedy: remedy.into() }
    }

    pub fn note(what: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault { severity: Severity::Note, what: what.into(), remedy: remedy.into() }
    }
}
