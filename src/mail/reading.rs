//! The message as rules see it: pure, lazy views, each made at most once.

use super::attachment_text::{self, AttachmentText, Said};
use super::headers::{self, Headers, Pristine, ValueSource};
use super::html::{self, Input, Rendered};
use super::links::{self, LinkList};
use super::text::{self, PartText};
use super::{Arrival, Defect, HeaderQuery, HtmlFacts, Link, Mail, PartId, Relays, ViewOptions, addresses, charset, received};
use std::borrow::Cow;
use std::sync::OnceLock;

pub struct Reading<'m> {
    pub mail: &'m Mail,
    pub arrival: &'m Arrival,
    pub options: &'m ViewOptions,
    headers: Headers<'m>,
    pristine: OnceLock<Pristine<'m>>,
    relays: OnceLock<Relays>,
    envelope_from: OnceLock<Option<Vec<u8>>>,
    rendered: OnceLock<Vec<PartView<'m>>>,
    said: OnceLock<Vec<Said>>,
    views: Views,
}

/// What was asked for so far.
#[derive(Default)]
struct Views {
    body: OnceLock<Vec<Vec<u8>>>,
    visible: OnceLock<Vec<Vec<u8>>>,
    invisible: OnceLock<Vec<Vec<u8>>>,
    rawbody: OnceLock<Vec<Vec<u8>>>,
    full: OnceLock<Vec<u8>>,
    links: OnceLock<LinkList>,
}

/// A leaf that is rendered for body rules.
pub struct PartView<'m> {
    pub part: PartId,
    pub rendering: Rendering<'m>,
}

pub enum Rendering<'m> {
    /// Not `wide`: each char stands for one octet (`normalize_charset 0`, or ASCII).
    Plain {
        text: Cow<'m, str>,
        wide: bool,
    },
    Html(Box<Rendered>),
}

impl Rendering<'_> {
    fn text(&self) -> PartText<'_> {
        match self {
            Rendering::Plain { text, wide } => PartText { text: Cow::Borrowed(text), characters: *wide },
            Rendering::Html(rendered) => PartText { text: Cow::Borrowed(&rendered.text.chars), characters: rendered.text.wide },
        }
    }

    /// Plain text is all visible.
    fn visible(&self) -> PartText<'_> {
        match self {
            Rendering::Plain { .. } => self.text(),
            Rendering::Html(rendered) => PartText::of(rendered.visible()),
        }
    }

    fn invisible(&self) -> PartText<'_> {
        match self {
            Rendering::Plain { .. } => PartText::default(),
            Rendering::Html(rendered) => PartText::of(rendered.invisible()),
        }
    }
}

impl<'m> Reading<'m> {
    pub fn new(mail: &'m Mail, arrival: &'m Arrival, options: &'m ViewOptions) -> Self {
        Reading {
            mail,
            arrival,
            options,
            headers: Headers::new(mail),
            pristine: OnceLock::new(),
            relays: OnceLock::new(),
            envelope_from: OnceLock::new(),
            rendered: OnceLock::new(),
            said: OnceLock::new(),
            views: Views::default(),
        }
    }

    /// The joined value that a header rule matches; `None`: absent. Borrowed where one field alone answers.
    pub fn header(&self, query: &HeaderQuery) -> Option<Cow<'_, [u8]>> {
        if query.source == ValueSource::Field && self.headers.lacks(&query.name) {
            return None;
        }
        if query.is_plain() {
            // Most rules ask for a field as it is, which most messages have once or not at all.
            let mut fields = self.headers.cooked(&query.name);
            let first = fields.next()?;
            if fields.next().is_none() {
                return Some(Cow::Borrowed(first));
            }
        }
        let mut values = self.header_values(query);
        if values.len() < 2 {
            return values.pop();
        }
        let between = if values.first().is_some_and(|first| first.ends_with(b"\n")) { &b""[..] } else { b"\n" };
        Some(Cow::Owned(values.join(between)))
    }

    /// The values one by one (`get` in list context).
    pub fn header_values(&self, query: &HeaderQuery) -> Vec<Cow<'_, [u8]>> {
        let values = match (query.source, query.reads_addresses()) {
            (ValueSource::Field, true) => {
                let fields = headers::chosen(query, self.headers.addresses(&query.name).collect());
                fields.into_iter().flatten().filter_map(|address| headers::told(query, address)).collect()
            }
            (_, true) => {
                let read = headers::chosen(query, self.unmodified(query)).into_iter().flat_map(|value| addresses::parse(&value));
                read.filter_map(|address| headers::told(query, &address).map(|told| Cow::Owned(told.into_owned()))).collect()
            }
            (_, false) => headers::chosen(query, self.unmodified(query)),
        };
        headers::placed(query, values, &self.options.domains)
    }

    fn unmodified(&self, query: &HeaderQuery) -> Vec<Cow<'_, [u8]>> {
        let listed = |names: &[&str]| -> Vec<Cow<'_, [u8]>> {
            let mut values = Vec::new();
            for name in names {
                if query.raw {
                    values.extend(self.headers.raw(name).map(|v| Cow::Owned(headers::unfolded(v))));
                } else {
                    values.extend(self.headers.cooked(name).map(Cow::Borrowed));
                }
            }
            values
        };
        let or = |other: &dyn Fn() -> Option<Vec<u8>>| {
            let values = self.field_values(query);
            if values.is_empty() { other().map(Cow::Owned).into_iter().collect() } else { values }
        };
        match query.source {
            ValueSource::All if query.raw => self.pristine().fields().map(Cow::Borrowed).collect(),
            ValueSource::All => Some(self.headers.all()).filter(|all| !all.is_empty()).map(Cow::Borrowed).into_iter().collect(),
            ValueSource::Range { from_top, internal } => self.handover_range(query.raw, from_top, internal),
            ValueSource::MessageId => {
                let mut values = listed(&["X-Message-Id", "Resent-Message-Id", "X-Original-Message-ID", "Message-Id"]);
                values.retain(|v| !v.is_empty());
                values
            }
            ValueSource::EnvelopeFrom => self.envelope_from().map(Cow::Borrowed).into_iter().collect(),
            ValueSource::ToCc => listed(&["To", "Cc"]),
            ValueSource::Relays { trusted, internal } => vec![Cow::Borrowed(self.relays().joined(trusted, internal).as_bytes())],
            ValueSource::Field => self.field_values(query),
            // Without a final LF.
            ValueSource::SenderDomain => or(&|| self.hosts("EnvelopeFrom:first:addr:host").into_iter().next()),
            ValueSource::AuthorDomain => or(&|| Some(self.hosts("From:addr:host").join(&b' ')).filter(|hosts| !hosts.is_empty())),
        }
    }

    fn field_values(&self, query: &HeaderQuery) -> Vec<Cow<'_, [u8]>> {
        if query.raw || query.reads_addresses() {
            self.headers.raw(&query.name).map(Cow::Borrowed).collect()
        } else {
            self.headers.cooked(&query.name).map(Cow::Borrowed).collect()
        }
    }

    fn handover_range(&self, raw: bool, from_top: bool, internal: bool) -> Vec<Cow<'_, [u8]>> {
        let relays = self.relays();
        let handover = if internal { relays.last_internal_field } else { relays.last_trusted_field } + 1;
        let pieces = if raw {
            headers::handover_range(self.pristine().fields(), handover, from_top)
        } else {
            headers::handover_range(headers::lines(self.headers.all()), handover, from_top)
        };
        pieces.into_iter().map(Cow::Borrowed).collect()
    }

    fn pristine(&self) -> &Pristine<'m> {
        self.pristine.get_or_init(|| Pristine::new(self.mail.pristine_header()))
    }

    /// Hosts that a query names, in lower case, each once.
    fn hosts(&self, query: &str) -> Vec<Vec<u8>> {
        let hosts = HeaderQuery::parse(query).map(|q| self.header_values(&q)).unwrap_or_default();
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for host in hosts {
            let lower = host.to_ascii_lowercase();
            if !seen.contains(&lower) {
                seen.push(lower);
            }
        }
        seen
    }

    /// The envelope sender: live, or guessed from the fields in SpamAssassin's order (PerMsgStatus.pm, get_envelope_from).
    fn envelope_from(&self) -> Option<&[u8]> {
        self.envelope_from
            .get_or_init(|| match self.arrival.sender() {
                // As the Return-Path field of the delivered message will be read: the null sender is no address.
                Some(sender) => first_address(format!("<{sender}>").as_bytes()),
                None => self.guess_envelope_from(),
            })
            .as_deref()
    }

    fn guess_envelope_from(&self) -> Option<Vec<u8>> {
        let usable = |address: &[u8]| address.is_empty() || memchr::memchr(b'@', address).is_some_and(|at| at > 0);
        if let Some(name) = &self.options.envelope_sender_header {
            let query = HeaderQuery { first: true, addr: true, ..HeaderQuery::plain(name) };
            return self.header_values(&query).into_iter().next().map(Cow::into_owned).filter(|a| usable(a));
        }
        let first = |name: &str| self.headers.addresses(name).next()?.iter().find_map(|a| a.address.as_deref());
        let relays = self.relays();
        let last_hop = relays.untrusted.first().or(relays.trusted.last()).and_then(|i| relays.all.get(*i));
        if let Some(envfrom) = last_hop.and_then(|relay| relay.envfrom.as_ref())
            && usable(envfrom.as_bytes())
        {
            return Some(envfrom.clone().into_bytes());
        }
        // fetchmail writes X-Sender's address as envelope sender.
        let is_fetched = || self.headers.cooked("Received").any(|v| memchr::memmem::find(v, b"(fetchmail").is_some());
        if first("X-Sender").is_some_and(|a| a.contains(&b'@')) && is_fetched() {
            return None;
        }
        for (name, ends_search) in [("X-Envelope-From", true), ("Envelope-Sender", false), ("Return-Path", false)] {
            let Some(address) = first(name) else { continue };
            if !self.stands_below_received(name) {
                return Some(address.to_vec());
            }
            if ends_search {
                return None;
            }
        }
        None
    }

    fn stands_below_received(&self, name: &str) -> bool {
        let begins = |line: &[u8], name: &str| {
            line.get(..name.len()).is_some_and(|l| l.eq_ignore_ascii_case(name.as_bytes())) && line.get(name.len()) == Some(&b':')
        };
        let mut received = false;
        headers::lines(self.headers.all()).any(|line| {
            let below = received && begins(line, name);
            received |= begins(line, "Received");
            below
        })
    }

    /// The value of a part's last field of that name, as `mimeheader` rules match it (cooked, `:raw`, or `ALL`); part 0 is
    /// the message itself. `None`: absent.
    pub fn part_header(&self, part: PartId, query: &HeaderQuery) -> Option<Vec<u8>> {
        let of_part;
        let headers = if part == 0 {
            &self.headers
        } else {
            of_part = Headers::of_part(self.mail.parts().get(part)?);
            &of_part
        };
        match (query.name.as_str(), query.raw) {
            ("ALL", true) => Some(headers.all_unfolded()).filter(|all| !all.is_empty()),
            ("ALL", false) => Some(headers.all().to_vec()).filter(|all| !all.is_empty()),
            (name, true) => headers.raw(name).next_back().map(<[u8]>::to_vec),
            (name, false) => headers.cooked(name).next_back().map(<[u8]>::to_vec),
        }
    }

    /// Leaves that body rules see, rendered.
    pub fn rendered(&self) -> &[PartView<'m>] {
        self.rendered.get_or_init(|| {
            self.mail
                .leaves()
                .filter(|(_, part)| matches!(part.effective_type.as_str(), "text/plain" | "text/html"))
                .map(|(id, part)| {
                    let octets = part.decoded();
                    let declared = if part.charset.is_empty() { "us-ascii" } else { &part.charset };
                    let (text, wide) = decoded_text(octets, declared, self.options.normalize_charset);
                    let is_html = part.effective_type == "text/html" && !octets.is_empty();
                    let rendering = if is_html {
                        let input = match (wide, self.options.normalize_charset) {
                            (true, _) => Input::Characters,
                            (false, true) => Input::Octets,
                            (false, false) => Input::Undecoded,
                        };
                        Rendering::Html(Box::new(html::render(&text, input, octets.len())))
                    } else {
                        Rendering::Plain { text, wide }
                    };
                    PartView { part: id, rendering }
                })
                .collect()
        })
    }

    /// The HTML parts in order.
    pub fn html_parts(&self) -> impl DoubleEndedIterator<Item = &Rendered> {
        self.rendered().iter().filter_map(|v| match &v.rendering {
            Rendering::Html(rendered) => Some(&**rendered),
            Rendering::Plain { .. } => None,
        })
    }

    /// What attachments say, where some view counts it.
    fn said(&self) -> &[Said] {
        self.said.get_or_init(|| attachment_text::collect(self.mail))
    }

    /// `with`: what attachments say stands behind the message's own text.
    fn paragraphs(&self, subject: bool, with: bool, text_of: impl for<'r> Fn(&'r Rendering<'m>) -> PartText<'r>) -> Vec<Vec<u8>> {
        let mut texts: Vec<PartText<'_>> = Vec::new();
        let mut views = self.rendered().iter().peekable();
        for (id, _) in self.mail.leaves() {
            // A leaf that is not rendered still separates its neighbours.
            texts.push(views.next_if(|v| v.part == id).map_or_else(PartText::default, |v| text_of(&v.rendering)));
        }
        if with {
            texts.extend(self.said().iter().map(|said| text_of(&said.rendering)));
        }
        if texts.is_empty() {
            return Vec::new();
        }
        let subject = if subject { self.headers.cooked("Subject").next_back().unwrap_or(b"\n") } else { b"" };
        text::paragraphs(subject, &texts, self.options.body_part_scan_size)
    }

    /// Paragraphs of rendered text in UTF-8 octets; element 0 is the subject.
    pub fn body(&self) -> &[Vec<u8>] {
        self.views.body.get_or_init(|| self.paragraphs(true, self.options.attachment_text.body, Rendering::text))
    }

    /// Rendered text that a reader can see, and what is hidden (for Bayes and HTML functions).
    pub fn visible(&self) -> &[Vec<u8>] {
        self.views.visible.get_or_init(|| self.paragraphs(true, self.options.attachment_text.bayes, Rendering::visible))
    }

    pub fn invisible(&self) -> &[Vec<u8>] {
        self.views.invisible.get_or_init(|| self.paragraphs(false, self.options.attachment_text.bayes, Rendering::invisible))
    }

    /// Decoded, not rendered, in chunks of up to 4,096 octets.
    pub fn rawbody(&self) -> &[Vec<u8>] {
        self.views.rawbody.get_or_init(|| {
            let mut chunks = Vec::new();
            for (_, part) in self.mail.leaves() {
                let begins = |word: &str| {
                    part.effective_type
                        .strip_prefix(word)
                        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
                };
                if (begins("text") || begins("message")) && part.content_type != "text/calendar" {
                    text::chunks(part.decoded(), self.options.rawbody_part_scan_size, &mut chunks);
                }
            }
            chunks
        })
    }

    /// Pristine header and body in one string.
    pub fn full(&self) -> &[u8] {
        match self.mail.pristine() {
            Cow::Borrowed(text) => text,
            Cow::Owned(text) => self.views.full.get_or_init(|| text),
        }
    }

    fn link_list(&self) -> &LinkList {
        self.views.links.get_or_init(|| {
            let mut facts: Vec<&HtmlFacts> = self.html_parts().map(|r| &r.facts).collect();
            let AttachmentText { body, uri, .. } = self.options.attachment_text;
            if uri {
                facts.extend(self.said().iter().flat_map(Said::link_facts));
            }
            let text = if body == uri { Cow::Borrowed(self.body()) } else { Cow::Owned(self.paragraphs(true, uri, Rendering::text)) };
            let names = if self.options.parse_dkim_uris { &["DomainKey-Signature", "DKIM-Signature"][..] } else { &[] };
            let signatures: Vec<Vec<u8>> = names.iter().flat_map(|name| self.headers.cooked(name)).map(<[u8]>::to_vec).collect();
            links::collect(&text, &facts, &signatures, self.options)
        })
    }

    pub fn links(&self) -> &[Link] {
        &self.link_list().links
    }

    /// Distinct cleaned forms, what `uri` rules match.
    pub fn uris(&self) -> &[Vec<u8>] {
        &self.link_list().uris
    }

    /// What only the views find odd, beside `Mail::defects`.
    pub fn defects(&self) -> Vec<Defect> {
        let list = self.link_list();
        let too_many = list.too_many.then_some(Defect::TooManyLinks);
        let truncated = list.truncated.then_some(Defect::TextTruncated);
        let unreadable = self.html_parts().any(|part| part.facts.broken_off).then_some(Defect::UnreadableStyle);
        too_many.into_iter().chain(truncated).chain(unreadable).collect()
    }

    pub fn relays(&self) -> &Relays {
        self.relays.get_or_init(|| {
            let fields = self.headers.cooked("Received").map(Cow::Borrowed);
            let origins = self.options.originating_ip_headers.iter().filter_map(|name| {
                let value = self.headers.cooked(name).next_back()?;
                let found = super::ip::find(value)?;
                let mut line = b"from X-Originating-IP: ".to_vec();
                line.extend_from_slice(&value[found]);
                Some(Cow::Owned(line))
            });
            received::read(fields.chain(origins), self.options)
        })
    }

    /// Facts of the last HTML part; `None` without one.
    pub fn html(&self) -> Option<&HtmlFacts> {
        self.html_parts().next_back().map(|r| &r.facts)
    }
}

fn first_address(value: &[u8]) -> Option<Vec<u8>> {
    addresses::parse(value).into_iter().find_map(|a| a.address)
}

/// The text, and whether it is characters. With `normalize_charset 0` only valid UTF-8 that is declared as such (or as
/// ASCII) becomes characters.
fn decoded_text<'a>(octets: &'a [u8], declared: &str, normalize: bool) -> (Cow<'a, str>, bool) {
    if normalize {
        let text = charset::normalize(octets, declared, false);
        let wide = matches!(text, Cow::Owned(_)) || !text.is_ascii();
        return (text, wide);
    }
    let is_utf8 = ["us-ascii", "utf-8"].iter().any(|name| declared.eq_ignore_ascii_case(name));
    match charset::strict_utf8(octets) {
        Some(text) if is_utf8 && !octets.is_ascii() => (Cow::Borrowed(text), true),
        _ => (charset::latin1(octets), false),
    }
}
