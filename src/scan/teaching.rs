//! A message in octets to a lesson, the same for every way by which people teach.

use crate::bayes::Classifier;
use crate::mail::{Arrival, Mail, Reading, fields};
use crate::rules::Options;
use crate::store::{Label, Lesson};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Who teaches what, and for whom.
#[derive(Clone, Debug)]
pub struct Teaching {
    /// `None`: forget.
    pub label: Option<Label>,
    /// `""`: the site's classifier, else a user's.
    pub classifier: Arc<str>,
    /// For the journal.
    pub source: Arc<str>,
    /// Seconds since 1970.
    pub at: u64,
}

impl Teaching {
    /// # Errors
    /// Reading it failed, which is a mistake of ours.
    pub fn lesson(&self, classifier: &Classifier, options: &Options, mut raw: Vec<u8>) -> Result<Lesson, String> {
        unmark(&mut raw, options);
        let read = AssertUnwindSafe(|| {
            let (mail, arrival) = (Mail::parse(raw), Arrival::FromFields);
            let reading = Reading::new(&mail, &arrival, &options.view);
            classifier.lesson(&reading, self.label, &self.source, self.at)
        });
        let lesson = catch_unwind(read).map_err(|_| "reading this message failed; please report it".to_owned())?;
        Ok(Lesson { classifier: Arc::clone(&self.classifier), ..lesson })
    }
}

/// A Subject that we marked is learned as the sender wrote it: else the mark itself would be the best sign of spam.
fn unmark(raw: &mut Vec<u8>, options: &Options) {
    let Some(tag) = options.output.rewrite.get("Subject").map(String::as_bytes).filter(|tag| !tag.is_empty() && !tag.contains(&b'_'))
    else {
        return;
    };
    let section = fields::split(raw);
    let marked = section.fields.iter().find(|field| field.name(raw).eq_ignore_ascii_case(b"Subject")).and_then(|field| {
        let value = raw.get(field.value.clone())?;
        let blank = value.iter().take_while(|octet| **octet == b' ').count();
        let rest = value.get(blank..)?.strip_prefix(tag)?;
        let after = rest.iter().take_while(|octet| **octet == b' ').count();
        Some(field.value.start + blank..field.value.start + blank + tag.len() + after)
    });
    if let Some(marked) = marked {
        raw.drain(marked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{NoFiles, Settings, Source, load};

    #[test]
    fn a_subject_is_learned_as_the_sender_wrote_it() {
        let text = "rewrite_header Subject [SPAM]\n".to_owned();
        let options = load(&[Source::Text { name: "t.cf".into(), text }], &NoFiles, &Settings::default()).0.options;
        let unmarked = |raw: &[u8]| {
            let mut raw = raw.to_vec();
            unmark(&mut raw, &options);
            raw
        };
        assert_eq!(unmarked(b"To: b\r\nSubject: [SPAM] win\r\n\r\n[SPAM] x"), b"To: b\r\nSubject: win\r\n\r\n[SPAM] x");
        assert_eq!(unmarked(b"Subject: Re: [SPAM] win\n\nx"), b"Subject: Re: [SPAM] win\n\nx");
        assert_eq!(unmarked(b""), b"");
    }
}
