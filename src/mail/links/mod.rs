//! The list of links with canonical forms, as `uri` and `uri_detail` rules see it.

mod canonical;
mod redirect;
mod text;

use super::ViewOptions;
use super::domains::DomainTables;
use super::html::{HtmlFacts, Text, target_limit};
use crate::base::limits;
use std::collections::{HashMap, HashSet};

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
            let mut seen = HashSet::new();
            let anchors = link.anchors.iter().map(Text::octets).filter(|anchor| seen.insert(anchor.clone()));
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
    by_raw: HashMap<String, usize>,
}

impl<'o> Collector<'o> {
    fn new(options: &'o ViewOptions) -> Self {
        let redirects = redirect::Redirects::new(&options.redirectors);
        Collector { tables: &options.domains, redirects, list: LinkList::default(), by_raw: HashMap::new() }
    }

    /// Adds a link or adds to it; its index, unless nothing of it can be used. `needs_domain`: a link without a valid
    /// domain is dropped (PerMsgStatus.pm, add_uri_detail_list).
    fn add(&mut self, uri: &Text, kinds: &[LinkKind], needs_domain: bool) -> Option<usize> {
        let noclean = kinds.contains(&LinkKind::Noclean);
        let known = self.by_raw.get(&uri.chars).copied();
        if known.is_none() && self.list.links.len() >= limits::LINKS {
            self.list.too_many = true;
            return None;
        }
        let mut forms = if noclean { vec![uri.clone()] } else { canonical::forms(uri, &mut self.redirects, self.tables) };
        let mut hosts: Vec<(String, String)> = Vec::new();
        let mut cleaned: Vec<Vec<u8>> = Vec::with_capacity(forms.len());
        for form in &mut forms {
            self.list.truncated |= target_limit(form);
            let octets = form.octets();
            if let Some((host, domain)) = self.tables.of_link(&octets) {
                add_new(&mut hosts, (host, domain));
            }
            cleaned.push(octets);
        }
        if needs_domain && hosts.is_empty() {
            return None;
        }
        let at = known.unwrap_or_else(|| {
            self.list.links.push(Link { raw: uri.octets(), ..Link::default() });
            self.by_raw.insert(uri.chars.clone(), self.list.links.len() - 1);
            self.list.links.len() - 1
        });
        let link = self.list.links.get_mut(at)?;
        if !noclean {
            cleaned.into_iter().for_each(|form| add_new(&mut link.cleaned, form));
        }
        for (host, domain) in hosts {
            add_new(&mut link.domains, domain.clone());
            add_new(&mut link.hosts, (host, domain));
        }
        kinds.iter().for_each(|kind| add_new(&mut link.kinds, *kind));
        Some(at)
    }

    fn finish(mut self) -> LinkList {
        self.list.too_many |= self.redirects.exhausted();
        let mut seen: HashSet<&[u8]> = HashSet::new();
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
