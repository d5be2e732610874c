//! The functions that `eval:` rules call: one table of rows, one file a family, each function as SpamAssassin's plugin
//! of that name answers.
//!
//! A function is pure. What several functions share is computed once a message and kept in `Memo`; what costs a
//! question is read from `Facts`, and while the fact is missing the answer is `Pending`.

mod addresses;
mod attachment;
mod attachments;
mod body;
mod client;
pub mod context;
mod date;
mod dkim;
mod dmarc;
mod dns;
mod forged;
mod freemail;
mod fromname;
mod harvest;
mod hashbl;
mod header;
mod html;
mod image;
mod locales;
mod mailbox;
mod mime;
mod ole;
mod outside;
mod pdf;
mod perl;
mod relay;
mod spf;
pub mod tags;
mod textcat;
mod uri;
mod vbounce;
mod welcome;

pub use context::{Context, Header, Memo};
pub(in crate::rules) use perl::is_private;

use super::model::EvalKind;
use crate::facts::{Answer, Authentication, Question};
use std::collections::HashMap;
use std::sync::LazyLock;

/// What a function said.
#[derive(Clone, Debug, PartialEq)]
pub enum Answered {
    /// True, with the value that metas read (1 for nearly all).
    Hit(f64),
    /// True, with a text that belongs into the report under the rule's description (an address, a host).
    HitWith(f64, String),
    Miss,
    /// A fact that it needs has not been told yet.
    Pending,
}

impl From<bool> for Answered {
    fn from(hit: bool) -> Self {
        if hit { Answered::Hit(1.0) } else { Answered::Miss }
    }
}

/// The rule types that a function was registered for; a rule of another type is dropped at load
/// (Mail::SpamAssassin::Plugin, register_eval_rule).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    Any,
    Head,
    /// `rawbody` rules may call these too.
    Body,
    Full,
    Rbl,
}

impl Accepts {
    pub fn admits(self, kind: EvalKind) -> bool {
        match self {
            Accepts::Any => true,
            Accepts::Head => kind == EvalKind::Head,
            Accepts::Body => matches!(kind, EvalKind::Body | EvalKind::RawBody),
            Accepts::Full => kind == EvalKind::Full,
            Accepts::Rbl => kind == EvalKind::Rbl,
        }
    }
}

/// What a function must be told before it can answer.
#[derive(Clone, Copy)]
pub enum Needs {
    /// The message and the options alone.
    Nothing,
    /// The answers to these questions; without network (or classifier) it answers as SpamAssassin does without.
    Asks(fn(&Context<'_, '_>, &[String]) -> Vec<Question>),
    /// A service or database that Hamgate does not ask (Razor, Pyzor …): it answers as SpamAssassin does where that is
    /// not installed. The text says what is missing.
    Outside(&'static str),
    /// Not written yet; misses.
    ToCome,
}

pub type Function = fn(&Context<'_, '_>, &[String]) -> Answered;

/// One function.
pub struct Row {
    pub name: &'static str,
    /// The plugin that must be loaded (none where it is empty), without `Mail::SpamAssassin::Plugin::`.
    pub plugin: &'static str,
    pub accepts: Accepts,
    pub needs: Needs,
    pub run: Function,
}

/// A row that needs the message alone.
const fn local(name: &'static str, plugin: &'static str, accepts: Accepts, run: Function) -> Row {
    Row { name, plugin, accepts, needs: Needs::Nothing, run }
}

/// SPF, DKIM, DMARC and ARC results: `Ok(None)` where nobody asks for them or nobody answered.
fn authentication<'c>(context: &Context<'c, '_>) -> Result<Option<&'c Authentication>, Answered> {
    match &context.facts.authentication {
        Some(Answer::Known(found)) => Ok(Some(found)),
        Some(Answer::Silent) => Ok(None),
        None if context.network => Err(Answered::Pending),
        None => Ok(None),
    }
}

fn ask_authentication(context: &Context<'_, '_>, _: &[String]) -> Vec<Question> {
    if context.network { vec![Question::Authentication] } else { Vec::new() }
}

/// Every family's rows.
static FAMILIES: &[&[Row]] = &[
    attachment::ROWS,
    attachments::ROWS,
    body::ROWS,
    client::ROWS,
    date::ROWS,
    dkim::ROWS,
    dmarc::ROWS,
    dns::ROWS,
    forged::ROWS,
    freemail::ROWS,
    fromname::ROWS,
    harvest::ROWS,
    hashbl::ROWS,
    header::ROWS,
    html::ROWS,
    image::ROWS,
    mime::ROWS,
    ole::ROWS,
    outside::ROWS,
    pdf::ROWS,
    textcat::ROWS,
    relay::ROWS,
    spf::ROWS,
    uri::ROWS,
    vbounce::ROWS,
    welcome::ROWS,
];

static BY_NAME: LazyLock<HashMap<&'static str, &'static Row>> = LazyLock::new(|| rows().map(|row| (row.name, row)).collect());

pub fn rows() -> impl Iterator<Item = &'static Row> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

/// The function of that name.
pub fn find(name: &str) -> Option<&'static Row> {
    BY_NAME.get(name).copied()
}

impl Row {
    /// Whether it changes the text that body rules see after it (Mail::SpamAssassin::Plugin::FreeMail edits it in place).
    pub fn changes_body(&self) -> bool {
        matches!(self.name, "check_freemail_replyto" | "check_freemail_body")
    }

    /// Questions that must be answered before the function can be run for good.
    pub fn questions(&self, context: &Context<'_, '_>, arguments: &[String]) -> Vec<Question> {
        match self.needs {
            Needs::Nothing | Needs::Outside(_) | Needs::ToCome => Vec::new(),
            Needs::Asks(ask) => ask(context, arguments),
        }
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{}", self.plugin, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_one_row() {
        assert_eq!(rows().count(), BY_NAME.len());
    }
}
