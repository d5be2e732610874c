//! The list of links with canonical forms, as `uri` and `uri_detail` rules see it.

mod canonical;
mod distinct;
mod redirect;
mod text;

use super::ViewOptions;
use super::domains::{DomainTables, host_of};
use super::html::{HtmlFacts, Text, target_limit};
use crate::base::limits;
use distinct::{Distinct, Numbered};
use std::borrow::Cow;

pub use redirect::Redirectors;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LinkKind {
    Parsed,
    Schemeless,
    Unlinked,
    Domainkeys,
    /// Not put into canonical forms; not seen by `uri` rules.
    Nocanon,
    Noclean,
    /// By the HTML element that held it: `a`, `img`, `form` …
    Html(&'static str),
}

impl LinkKind {
    /// As `uri_detail` rules name it.
    pub fn name(self) -> &'static str {
        match self {
            LinkKind::Parsed => "parsed",
            LinkKind::Schemeless => "schemeless",
            LinkKind::Unlinked => "unlinked",
            LinkKind::Domainkeys => "domainkeys",
            LinkKind::Nocanon => "nocanon",
            LinkKind::Noclean => "noclean",
            LinkKind::Html(element) => element,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    pub raw: Vec<u8>,
    pub kinds: Vec<LinkKind>,
    /// The raw form and every variant; empty for links that `uri` rules do not see.
    pub cleaned: Vec<Vec<u8>>,
    pub domains: Vec<String>,
    /// `(host, registered domain)`.
    pub hosts: Vec<(String, String)>,
    pub anchors: Vec<Vec<u8>>,
}

/// All links of a message.
#[derive(Clone, Debug, Default)]
pub struct LinkList {
    /// In order of first appearance: text, HTML, signatures.
    pub links: Vec<Link>,
    /// Distinct cleaned forms, what `uri` rules match.
    pub uris: Vec<Vec<u8>>,
    /// A link was longer than 8,192 characters and was cut.
    pub truncated: bool,
    /// There were more links, or longer chains of redirectors, than are followed.
    pub too_many: bool,
}

/// `paragraphs`: what body rules see. `html`: facts of every HTML part, in order. `signatures`: cooked values of
/// DomainKey-Signature fields, then of DKIM-Signature fields (empty unless `parse_dkim_uris`).
pub fn collect(paragraphs: &[Vec<u8>], html: &[&HtmlFacts], signatures: &[Vec<u8>], options: &ViewOptions) -> LinkList {
    let mut collector = Collector::new(options);
    for found in text::scan(paragraphs, &options.domains) {
        collector.add(&found.uri, &found.kinds, true);
    }
    for facts in html {
        collector.list.truncated |= facts.uri_truncated;
        collector.list.too_many |= facts.too_many_links;
        for link in &facts.links {
            // A target that only anchors name (it was resolved against a base) counts as found in text.
            let kinds = if link.kinds.is_empty() { &[LinkKind::Parsed][..] } else { &link.kinds };
            let Some(at) = collector.add(&link.target, kinds, false) else { continue };
            let octets: Vec<Cow<'_, [u8]>> = link.anchors.iter().map(Text::as_octets).collect();
            let mut seen = Distinct::default();
            let anchors = octets.iter().map(|anchor| &**anchor).filter(|anchor| seen.insert(anchor)).map(<[u8]>::to_vec);
            if let Some(known) = collector.list.links.get_mut(at) {
                known.anchors.extend(anchors);
            }
        }
    }
    for domain in signatures.iter().flat_map(|value| signing_domains(value)) {
        let uri = Text::of_octets(&[b"domainkeys:", domain.as_slice()].concat());
        collector.add(&uri, &[LinkKind::Domainkeys, LinkKind::Nocanon, LinkKind::Noclean], true);
    }
    collector.finish()
}

struct Collector<'o> {
    tables: &'o DomainTables,
    redirects: redirect::Redirects<'o>,
    list: LinkList,
    by_raw: Numbered,
    /// The last host as written, and what the tables say of it.
    last: (Vec<u8>, Option<(String, String)>),
}

impl<'o> Collector<'o> {
    fn new(options: &'o ViewOptions) -> Self {
        let redirects = redirect::Redirects::new(&options.redirectors);
        Collector { tables: &options.domains, redirects, list: LinkList::default(), by_raw: Numbered::default(), last: (Vec::new(), None) }
    }

    /// Adds a link or adds to it; its index, unless nothing of it can be used. `needs_domain`: a link without a valid
    /// domain is dropped (PerMsgStatus.pm, add_uri_detail_list).
    fn add(&mut self, uri: &Text, kinds: &[LinkKind], needs_domain: bool) -> Option<usize> {
        let noclean = kinds.contains(&LinkKind::Noclean);
        let known = self.by_raw.get(&uri.chars);
        if known.is_none() && self.list.links.len() >= limits::LINKS {
            self.list.too_many = true;
            return None;
        }
        // The forms of a link are the same wherever it stands.
        if let Some(at) = known.filter(|_| !noclean)
            && let Some(link) = self.list.links.get_mut(at)
            && !link.cleaned.is_empty()
        {
            kinds.iter().for_each(|kind| add_new(&mut link.kinds, *kind));
            return Some(at);
        }
        let forms = if noclean { vec![uri.clone()] } else { canonical::forms(uri, &mut self.redirects, self.tables) };
        let mut hosts: Vec<(String, String)> = Vec::new();
        let mut cleaned: Vec<Vec<u8>> = Vec::with_capacity(forms.len());
        for mut form in forms {
            self.list.truncated |= target_limit(&mut form);
            let octets = form.into_octets();
            if let Some(known) = host_of(&octets).and_then(|host| self.host(host)) {
                add_new(&mut hosts, known);
            }
            cleaned.push(octets);
        }
        if needs_domain && hosts.is_empty() {
            return None;
        }
        let at = known.unwrap_or_else(|| {
            self.list.links.push(Link { raw: uri.octets(), ..Link::default() });
            self.by_raw.push(uri.chars.clone())
        });
        let link = self.list.links.get_mut(at)?;
        if !noclean {
            // Forms are distinct, but two may be the same octets.
            link.cleaned.reserve(cleaned.len());
            cleaned.into_iter().for_each(|form| add_new(&mut link.cleaned, form));
        }
        for (host, domain) in hosts {
            if !link.domains.contains(&domain) {
                link.domains.push(domain.clone());
            }
            add_new(&mut link.hosts, (host, domain));
        }
        kinds.iter().for_each(|kind| add_new(&mut link.kinds, *kind));
        Some(at)
    }

    /// A host with its registered domain; links of a message mostly lead to the host of the one before.
    fn host(&mut self, host: &[u8]) -> Option<(String, String)> {
        if self.last.0 != host {
            self.last = (host.to_vec(), self.tables.of_host(host));
        }
        self.last.1.clone()
    }

    fn finish(mut self) -> LinkList {
        self.list.too_many |= self.redirects.exhausted();
        let mut seen = Distinct::default();
        let distinct = self.list.links.iter().flat_map(|link| &link.cleaned).filter(|form| seen.insert(form));
        self.list.uris = distinct.cloned().collect();
        self.list
    }
}

fn add_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// The values of `d=` tags in a signature field.
fn signing_domains(value: &[u8]) -> Vec<Vec<u8>> {
    let is_space = |b: &u8| matches!(b, b' ' | b'\t'..=b'\r');
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = value.get(at..).and_then(|rest| memchr::memchr(b'd', rest)) {
        let d = at + offset;
        at = d + 1;
        let bounded = d.checked_sub(1).and_then(|before| value.get(before)).is_none_or(|b| !is_word(b));
        let rest = value.get(at..).unwrap_or(&[]);
        let spaces = rest.iter().take_while(|b| is_space(b)).count();
        if !bounded || rest.get(spaces) != Some(&b'=') {
            continue;
        }
        let tag = rest.get(spaces + 1..).unwrap_or(&[]);
        let end = memchr::memchr(b';', tag).unwrap_or(tag.len());
        found.push(tag.get(..end).unwrap_or(&[]).iter().copied().filter(|b| !is_space(b)).collect());
        at += spaces + 1 + end;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::html::{Input, render};

    fn links(paragraphs: &[&str], html: &str, signatures: &[&str]) -> LinkList {
        let octets = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
        let rendered = render(html, Input::Characters, html.len());
        collect(&octets(paragraphs), &[&rendered.facts], &octets(signatures), &ViewOptions::default())
    }

    #[test]
    fn one_link_of_several_sources_is_one_entry() {
        let list = links(&["see http://example.com/\n"], "<a href='http://example.com/'>here</a><img src='http://example.com/'>", &[]);
        assert_eq!(list.links.len(), 1);
        let link = &list.links[0];
        assert_eq!(link.kinds, [LinkKind::Parsed, LinkKind::Html("a"), LinkKind::Html("img")]);
        assert_eq!(link.anchors, [b"here".to_vec()]);
        assert_eq!(link.hosts, [("example.com".to_owned(), "example.com".to_owned())]);
        assert_eq!(list.uris, [b"http://example.com/".to_vec()]);
    }

    #[test]
    fn signing_domains_are_links_that_uri_rules_do_not_see() {
        let list = links(&[], "", &["v=1; bd=x; d = example.com ; d=example\n .org; h=d\n"]);
        assert_eq!(
            list.links.iter().map(|link| link.raw.clone()).collect::<Vec<_>>(),
            [&b"domainkeys:example.com"[..], b"domainkeys:example.org"]
        );
        assert!(list.uris.is_empty());
    }

    #[test]
    fn a_relative_link_has_no_domain_and_is_kept() {
        let list = links(&[], "<a href='page.html'>", &[]);
        assert_eq!(list.uris, [b"page.html".to_vec(), b"http://page.html".to_vec()]);
        assert!(list.links[0].domains.is_empty());
    }

    #[test]
    fn a_host_beyond_ascii_is_also_seen_as_octets() {
        let list = links(&[], "<a href='http://EXÄMPLE.com/'>", &[]);
        assert!(list.uris.contains(&"http://EXÄMPLE.com/".as_bytes().to_vec()));
        assert_eq!(list.uris.len(), 2);
    }

    #[test]
    fn chains_of_redirectors_end() {
        let list = links(&[], &format!("<a href='{}'>", "http://a.example.com/".repeat(300)), &[]);
        assert!(list.links[0].cleaned.len() <= limits::REDIRECTS);
    }

    #[test]
    fn no_text_makes_the_scanner_panic() {
        const PIECES: &[&[u8]] = &[
            b"http://",
            b"https:",
            b"www.",
            b"ftp.",
            b"mailto:",
            b"@",
            b".",
            b"example.com",
            b"com",
            b"/",
            b"?",
            b"#",
            b"&",
            b"%41",
            b"%",
            b"&#46;",
            b"&#x41;",
            b"(",
            b")",
            b"<",
            b">",
            b"\"",
            b" ",
            b"\x1b(B",
            b"\xa0",
            b"\xe9",
            b"\xc3\xa9",
            b":80",
            b":",
            b"0x7f",
            b"0",
            b"377.",
            b"\\",
            b"\n",
            b"\r",
            b"-",
            b"_",
            b"url=",
        ];
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        for _ in 0..2000 {
            let count = random(40);
            let text: Vec<u8> = (0..count).flat_map(|_| PIECES[random(PIECES.len())]).copied().collect();
            let chars: String = String::from_utf8_lossy(&text).replace(['\'', '<', '>'], "");
            let rendered = render(&format!("<a href='{chars}'>{chars}</a>"), Input::Characters, 0);
            let list = collect(&[text], &[&rendered.facts], &[], &ViewOptions::default());
            // What uri rules see is what the links hold.
            assert!(list.links.iter().all(|link| link.cleaned.iter().all(|form| list.uris.contains(form))));
        }
    }
}
