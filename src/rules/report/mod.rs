//! What a judged message gets to carry: `X-Spam-…` fields, rewritten fields, the report around spam, byte for byte as
//! `spamassassin` prints them.

mod fold;
mod rewrite;
mod summary;
mod tags;

pub use rewrite::message;

use super::options::Options;
use super::set::RuleSet;
use crate::mail::Reading;
use crate::outcome::{Findings, Hit};

/// SpamAssassin's version and its date, for templates: the fields have the form that scripts read.
pub const VERSION: &str = "4.0.1";
pub const SUBVERSION: &str = "2024-03-25";

/// What is known of the judging beside the findings.
#[derive(Clone, Debug, Default)]
pub struct Occasion {
    /// The name of this host, unless `report_hostname` gives another.
    pub host: String,
    /// Now, as RFC 5322 writes dates.
    pub date: String,
    /// Seconds since 1970, and a number that no other message gets, for the boundary.
    pub now: u64,
    pub unique: u32,
    /// Bayes' probability, where it has an opinion.
    pub bayes: Option<f64>,
    /// `ham`, `spam`, `no`, `disabled`, `failed`, `unavailable`.
    pub autolearn: String,
    /// The points that automatic learning counts.
    pub autolearn_points: Option<f64>,
}

/// One judged message, ready to be written about.
#[derive(Clone, Copy)]
pub struct Rendering<'r, 'm> {
    pub set: &'r RuleSet,
    pub reading: &'r Reading<'m>,
    pub findings: &'r Findings,
    pub occasion: &'r Occasion,
}

impl<'r> Rendering<'r, '_> {
    fn options(&self) -> &'r Options {
        &self.set.options
    }

    /// Name and value of each field that `add_header` asks for, in order; a value is folded and safe for a header.
    pub fn fields(&self) -> Vec<(String, Vec<u8>)> {
        self.fields_of(self.findings.is_spam())
    }

    fn fields_of(&self, spam: bool) -> Vec<(String, Vec<u8>)> {
        let output = &self.options().output;
        let templates = if spam { &output.spam } else { &output.ham };
        templates.iter().map(|(name, template)| (format!("X-Spam-{name}"), self.field(name, template))).collect()
    }

    fn field(&self, name: &str, template: &str) -> Vec<u8> {
        let mut value = self.expand(template);
        while value.ends_with(b"\n") {
            value.pop();
            if value.ends_with(b"\r") {
                value.pop();
            }
        }
        let folded = if !self.options().is_on("fold_headers", true) {
            value.iter().map(|octet| if *octet == b'\n' { b' ' } else { *octet }).collect()
        } else if value.contains(&b'\n') {
            fold::lines(&value)
        } else {
            fold::field(name, &value)
        };
        fold::encoded(folded)
    }

    /// The tags that `rewrite_header` puts into Subject, From and To, expanded, on one line.
    pub fn rewrites(&self) -> Vec<(&'r str, Vec<u8>)> {
        let spam = self.findings.is_spam();
        let rewrite = &self.options().output.rewrite;
        rewrite.iter().filter(|_| spam).map(|(field, template)| (field.as_str(), one_line(self.expand(template)))).collect()
    }

    /// Hits in the order in which SpamAssassin comes to them: by stage, and in a stage by type; within a type its order is
    /// that of a hash, here that of names. A rule with `tflags multiple` stands there once for each hit.
    fn hits_in_order(&self) -> Vec<&'r Hit> {
        let mut hits: Vec<&Hit> = self.findings.hits.iter().collect();
        hits.sort_by_cached_key(|hit| {
            let turn = self.set.get(&hit.rule).map_or(u8::MAX, |rule| summary::turn(&rule.test));
            (self.set.stage(&hit.rule).unwrap_or(i32::MAX), turn)
        });
        hits.into_iter().flat_map(|hit| std::iter::repeat_n(hit, hit.count.max(1) as usize)).collect()
    }
}

fn one_line(text: Vec<u8>) -> Vec<u8> {
    text.into_iter().map(|octet| if octet == b'\n' { b' ' } else { octet }).collect()
}
