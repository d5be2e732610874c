//! VBounce: whether a bounce is about mail that passed one of the site's own relays (`welcomelist_bounce_relays`); and, beyond
//! SpamAssassin, whether it is about mail that was remembered when it was sent.

use super::perl::{is_space, lossy, pattern};
use super::{Accepts, Answered, Context, Row, local};
use crate::mail::{Arrival, Envelope};
use crate::rules::options::AddressList;

pub(super) static ROWS: &[Row] = &[
    any("have_any_bounce_relays", |context, _| relays(context).is_some().into()),
    any("check_welcomelist_bounce_relays", check_welcomelist_bounce_relays),
    any("check_whitelist_bounce_relays", check_welcomelist_bounce_relays),
    local("bounce_of_our_mail", "", Accepts::Any, |context, _| is_about(context, "ours")),
    local("bounce_of_foreign_mail", "", Accepts::Any, |context, _| is_about(context, "foreign")),
];

const fn any(name: &'static str, run: super::Function) -> Row {
    local(name, "VBounce", Accepts::Any, run)
}

/// Where `[bounces]` remembers what was sent; of delivered mail nothing is known.
fn is_about(context: &Context<'_, '_>, what: &str) -> Answered {
    match context.reading.arrival {
        Arrival::Live(live) => live.1.macros.get(Envelope::BOUNCED).is_some_and(|word| word == what).into(),
        Arrival::FromFields | Arrival::Sender(_) => Answered::Miss,
    }
}

fn relays<'c>(context: &'c Context<'_, '_>) -> Option<&'c AddressList> {
    context.options.lists.get("welcomelist_bounce_relays").filter(|list| !list.is_empty())
}

fn check_welcomelist_bounce_relays(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let Some(relays) = relays(context) else { return Answered::Miss };
    let starts = |line: &[u8]| pattern!(r"(?i)^[> ]*Received:").is_match(line);
    let in_text = context.reading.body().iter().filter(|line| starts(line)).any(|line| {
        let words = pattern!(r" (\S+\.\S+) ").captures_iter(line);
        words.into_iter().any(|found| found.get(1).is_some_and(|word| relays.covers(&lossy(word.as_bytes()))))
    });
    (in_text || in_raw_body(context, relays)).into()
}

/// The message sent back is searched as it stands, folded fields joined.
fn in_raw_body(context: &Context<'_, '_>, relays: &AddressList) -> bool {
    let body = context.reading.mail.body();
    if !pattern!(r"(?i)Received:").is_match(body) {
        return false;
    }
    let begins = |line: &[u8]| pattern!(r"(?i)^[> ]*Received:").is_match(line);
    let mut lines = body.split(|octet| *octet == b'\n').skip_while(|line| !begins(line)).peekable();
    while let Some(line) = lines.next() {
        if !begins(line) {
            // What is folded belongs to a field that is no Received.
            continue;
        }
        let mut field = line.to_vec();
        while let Some(more) = lines.next_if(|next| next.first().is_some_and(|octet| is_space(*octet))) {
            field.extend_from_slice(more);
        }
        if names(&field).any(|word| relays.covers(&word)) {
            return true;
        }
    }
    false
}

/// Words with a dot and white space on both sides. As SpamAssassin looks after each line, the space that ends one word does
/// not begin the next, and the last word of the last line stays out.
fn names(field: &[u8]) -> impl Iterator<Item = String> {
    let found: Vec<String> =
        pattern!(r"\s(\S+\.\S+)\s").captures_iter(field).filter_map(|found| found.get(1)).map(|word| lossy(word.as_bytes())).collect();
    found.into_iter()
}
