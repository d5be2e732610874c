//! Redirectors: links that carry another link (`redirector_pattern`), followed for a bounded number of steps.

use crate::base::limits;
use crate::mail::html::{Text, octets_of};
use crate::pattern::{Pattern, PatternSet, Usual};
use std::sync::{Arc, OnceLock};

/// `redirector_pattern`, in order.
#[derive(Clone, Debug, Default)]
pub struct Redirectors {
    patterns: Vec<Pattern>,
    /// Tells which of them may match; made when first asked.
    set: OnceLock<Arc<PatternSet>>,
}

/// Links like those that will be searched.
const USUAL: &[u8] = b"http://www.example.com/\nhttps://www.example.org/path/page.html?id=1&x=2\nhttps://example.net/x\n\
    http://mail.example.com/a?q=b\nhttps://www.example.com/index.php?a=b\nmailto:user@example.com\n";

impl Redirectors {
    pub fn push(&mut self, pattern: Pattern) {
        self.patterns.push(pattern);
        self.set = OnceLock::new();
    }

    /// Patterns that may match, in order.
    fn candidates(&self, subject: &[u8]) -> impl Iterator<Item = &Pattern> {
        let mut numbers = Vec::new();
        if !self.patterns.is_empty() {
            let set = self.set.get_or_init(|| Arc::new(PatternSet::new(self.patterns.iter().cloned(), &Usual::new(USUAL))));
            set.candidates(subject, &mut numbers);
        }
        numbers.into_iter().filter_map(|number| self.patterns.get(number as usize))
    }
}

pub struct Redirects<'p> {
    redirectors: &'p Redirectors,
    /// Octets that may still be searched for this message.
    budget: usize,
    exhausted: bool,
}

impl<'p> Redirects<'p> {
    pub fn new(redirectors: &'p Redirectors) -> Self {
        Redirects { redirectors, budget: limits::REDIRECTOR_BYTES, exhausted: false }
    }

    pub fn exhausted(&self) -> bool {
        self.exhausted
    }

    /// The link that `whole` leads to, by the patterns or else by an inner `http:` in what follows the host.
    pub fn target(&mut self, whole: &str, wide: bool, rest: &str) -> Option<Text> {
        if self.budget < whole.len() {
            self.exhausted = true;
            return None;
        }
        self.budget -= whole.len();
        self.by_pattern(whole, wide).or_else(|| inner_link(rest).map(|chars| Text { chars: chars.to_owned(), wide }))
    }

    fn by_pattern(&self, whole: &str, wide: bool) -> Option<Text> {
        let subject = octets_of(whole, wide);
        self.redirectors.candidates(&subject).find_map(|pattern| {
            let range = pattern.captures(&subject)?.into_iter().nth(1)??;
            let target = subject.get(range)?;
            if !target.contains(&b'.') {
                return None;
            }
            Some(match wide {
                true => Text { chars: String::from_utf8_lossy(target).into_owned(), wide: true },
                false => Text::of_octets(target),
            })
        })
    }
}

/// `http:` or `https:` with what follows, up to `&` or `#`, where it holds a dot.
fn inner_link(rest: &str) -> Option<&str> {
    let bytes = rest.as_bytes();
    let mut from = 0;
    while let Some(offset) = bytes.get(from..).and_then(|text| memchr::memchr2(b'h', b'H', text)) {
        let start = from + offset;
        from = start + 1;
        let scheme = [&b"https:"[..], b"http:"]
            .into_iter()
            .find(|scheme| bytes.get(start..start + scheme.len()).is_some_and(|found| found.eq_ignore_ascii_case(scheme)));
        let Some(scheme) = scheme else { continue };
        let after = start + scheme.len();
        let end = bytes.get(after..).and_then(|text| memchr::memchr2(b'&', b'#', text)).map_or(bytes.len(), |at| after + at);
        if end > after {
            return rest.get(start..end).filter(|link| link.contains('.'));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inner_link_is_found() {
        assert_eq!(inner_link("/r?u=http:/example.com/x&y"), Some("http:/example.com/x"));
        assert_eq!(inner_link("/http:&https://example.com"), Some("https://example.com"));
        assert_eq!(inner_link("/http:x/y"), None);
    }

    #[test]
    fn the_search_ends_when_its_budget_does() {
        let redirectors = Redirectors::default();
        let mut redirects = Redirects { redirectors: &redirectors, budget: 30, exhausted: false };
        let link = "http://a/http://b.example";
        assert!(redirects.target(link, false, "/http://b.example").is_some());
        assert!(redirects.target(link, false, "/http://b.example").is_none());
        assert!(redirects.exhausted());
    }
}
