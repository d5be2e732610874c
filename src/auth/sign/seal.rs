//! ARC sealing (RFC 8617 §5.1): what we found out, sealed for those who receive the message after us.

use super::field::{self, Folded, Form};
use super::table::Entry;
use crate::auth::arc::{self, MESSAGE, RESULTS, SEAL, SETS};
use crate::auth::canon;
use crate::auth::letter::Letter;
use crate::auth::tags;
use crate::facts::ArcResult;
use crate::outcome::Edit;

/// The three fields of one more set, the topmost first. `results` is the value of an Authentication-Results field, `chain` what
/// verifying the message as it came said of its sets.
///
/// # Errors
/// The chain takes no further set, or the key failed to sign.
pub fn seal(letter: &Letter<'_>, entry: &Entry, domain: &str, chain: ArcResult, results: &str, now: u64) -> Result<Vec<Edit>, String> {
    let sets = arc::instances(letter);
    if sets.closed {
        return Err("an earlier seal says cv=fail: nothing may follow it".to_owned());
    }
    let instance = sets.newest + 1;
    if instance > SETS {
        return Err(format!("the chain has {SETS} sets already"));
    }
    let results = format!("i={instance}; {}", results.replace("\r\n", "\n").replace('\n', "\r\n"));
    let form = Form { oversign: Vec::new(), also: vec!["DKIM-Signature".to_owned()], ..Form::default() };
    let frame = field::Frame { field: MESSAGE, first: format!("i={instance}"), domain, now, expires: None };
    // §4.1.2: relaxed forms survive what forwarders do; seals are never signed in h=.
    let message = field::signature(letter, entry, &frame, &field::names(letter, &form), form.canonicalization)?;

    let mut folded = Folded::after(SEAL);
    let algorithm = entry.key.algorithm().word();
    for tag in [
        format!("i={instance};"),
        format!("a={algorithm};"),
        format!("t={now};"),
        format!("cv={};", arc::word(chain)),
        format!("d={domain};"),
        format!("s={};", entry.selector),
        "b=".to_owned(),
    ] {
        folded.put(&tag, " ");
    }
    let mut hashed = Vec::new();
    // §5.1.2: of a broken chain only our own set is covered, as if it were the only one.
    if chain == ArcResult::Pass {
        arc::earlier(letter, &mut hashed)?;
    }
    for (name, value) in [(RESULTS, &results), (MESSAGE, &message)] {
        canon::field(format!("{name}: {value}\r\n").as_bytes(), canon::Form::Relaxed, None, &mut hashed);
    }
    let whole = folded.whole(SEAL);
    canon::field(&whole, canon::Form::Relaxed, tags::value_of_b(&whole), &mut hashed);
    hashed.truncate(hashed.len().saturating_sub(2));
    let seal = folded.with_signature(&entry.key.sign(&hashed)?);
    let edit = |name: &str, value: String| Edit::Prepend { name: name.to_owned(), value: value.into_bytes() };
    Ok(vec![edit(SEAL, seal), edit(MESSAGE, message), edit(RESULTS, results)])
}
