//! Header values as rules ask for them: `From:addr`, `Subject:raw`, `ALL`, `ToCc`, `X-Spam-Relays-Untrusted`.

use super::addresses::{self, Address};
use super::domains::DomainTables;
use super::part::{self, ALL_LIMIT};
use super::{Mail, Part, decode, ip};
use memchr::{memchr, memchr_iter};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

/// A header name with modifiers, parsed once at load.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderQuery {
    /// As written; pseudo names keep their case.
    pub name: String,
    pub raw: bool,
    pub addr: bool,
    pub display_name: bool,
    pub first: bool,
    pub last: bool,
    pub host: bool,
    pub domain: bool,
    pub ip: bool,
    pub revip: bool,
    pub(super) source: ValueSource,
}

impl HeaderQuery {
    /// `Name[:mod[:mod]]`; the error tells which modifier is unknown.
    pub fn parse(text: &str) -> Result<HeaderQuery, String> {
        let text = text.strip_suffix(':').unwrap_or(text);
        let (name, modifiers) = text.split_once(':').unwrap_or((text, ""));
        let mut query = HeaderQuery::plain(name);
        for modifier in modifiers.split(':').filter(|m| !m.is_empty()) {
            match modifier {
                "raw" => query.raw = true,
                "addr" => query.addr = true,
                "name" => query.display_name = true,
                "first" => query.first = true,
                "last" => query.last = true,
                "host" => query.host = true,
                "domain" => (query.host, query.domain) = (true, true),
                "ip" => query.ip = true,
                "revip" => (query.ip, query.revip) = (true, true),
                other => {
                    return Err(format!(
                        "\"{text}\": the modifier \"{other}\" is unknown: use raw, addr, name, first, last, host, domain, ip or revip"
                    ));
                }
            }
        }
        Ok(query)
    }

    /// The name alone.
    pub fn plain(name: &str) -> HeaderQuery {
        HeaderQuery {
            name: name.to_string(),
            raw: false,
            addr: false,
            display_name: false,
            first: false,
            last: false,
            host: false,
            domain: false,
            ip: false,
            revip: false,
            source: ValueSource::of(name),
        }
    }

    /// It asks for a field, all of it, as it is.
    pub(super) fn is_plain(&self) -> bool {
        let changed = self.raw | self.first | self.last | self.host | self.ip;
        self.source == ValueSource::Field && !changed && !self.reads_addresses()
    }

    /// It asks for what stands in addresses, not for the field.
    pub(super) fn reads_addresses(&self) -> bool {
        self.addr || self.display_name
    }
}

/// Where a query's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ValueSource {
    Field,
    All,
    /// Fields above (below) the handover from the outermost trusted (internal) relay, the handover's own included.
    Range {
        from_top: bool,
        internal: bool,
    },
    MessageId,
    EnvelopeFrom,
    ToCc,
    /// Inside (`trusted`) or outside one of the two zones.
    Relays {
        trusted: bool,
        internal: bool,
    },
    /// The domain of the envelope sender, or those of From: seen where no field has that name.
    SenderDomain,
    AuthorDomain,
}

impl ValueSource {
    fn of(name: &str) -> ValueSource {
        const EXACT: [(&str, ValueSource); 6] = [
            ("ALL", ValueSource::All),
            ("ALL-TRUSTED", ValueSource::Range { from_top: true, internal: false }),
            ("ALL-INTERNAL", ValueSource::Range { from_top: true, internal: true }),
            ("ALL-UNTRUSTED", ValueSource::Range { from_top: false, internal: false }),
            ("ALL-EXTERNAL", ValueSource::Range { from_top: false, internal: true }),
            ("MESSAGEID", ValueSource::MessageId),
        ];
        const ANY_CASE: [(&str, ValueSource); 8] = [
            ("EnvelopeFrom", ValueSource::EnvelopeFrom),
            ("ToCc", ValueSource::ToCc),
            ("X-Spam-Relays-Trusted", ValueSource::Relays { trusted: true, internal: false }),
            ("X-Spam-Relays-Untrusted", ValueSource::Relays { trusted: false, internal: false }),
            ("X-Spam-Relays-Internal", ValueSource::Relays { trusted: true, internal: true }),
            ("X-Spam-Relays-External", ValueSource::Relays { trusted: false, internal: true }),
            ("X-SenderDomain", ValueSource::SenderDomain),
            ("X-AuthorDomain", ValueSource::AuthorDomain),
        ];
        EXACT
            .iter()
            .find(|(known, _)| *known == name)
            .or_else(|| ANY_CASE.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)))
            .map_or(ValueSource::Field, |(_, source)| *source)
    }
}

/// One field of the top section, cooked when first asked for.
struct Entry<'m> {
    name: &'m [u8],
    raw: Cow<'m, [u8]>,
    cooked: OnceLock<Vec<u8>>,
    addresses: OnceLock<Vec<Address>>,
}

/// The parsed set of top fields. Fields that claim to be our own results (`X-Spam-…`) are not in it.
pub(super) struct Headers<'m> {
    entries: Vec<Entry<'m>>,
    /// Places of entries by the kind of their name, then in order.
    places: Vec<u32>,
    /// Where each kind begins in `places`.
    starts: [u32; KINDS + 1],
    all: OnceLock<Vec<u8>>,
}

/// Kinds of names, so that few entries are looked at for each.
const KINDS: usize = 64;

/// The kind of a name, whatever its case: by its length and its last letter.
fn kind(name: &[u8]) -> usize {
    let last = name.last().map_or(0, |octet| octet & 0x1f);
    (name.len() * 11 + usize::from(last)) % KINDS
}

impl<'m> Headers<'m> {
    pub fn new(mail: &'m Mail) -> Self {
        let section = mail.as_seen();
        let crlf = mail.section().crlf;
        let is_ours = |name: &[u8]| name.get(..7).is_some_and(|n| n.eq_ignore_ascii_case(b"X-Spam-"));
        let entries = mail
            .fields()
            .iter()
            .map(|f| (f, f.name(section)))
            .filter(|(_, name)| !is_ours(name))
            .map(|(f, name)| Entry::new(&name[..name.len().min(part::NAME_LIMIT)], part::cut_value(f.value(section), crlf)))
            .collect();
        Headers::of(entries)
    }

    fn of(entries: Vec<Entry<'m>>) -> Self {
        let mut starts = [0; KINDS + 1];
        entries.iter().for_each(|entry| starts[kind(entry.name) + 1] += 1);
        (0..KINDS).for_each(|kind| starts[kind + 1] += starts[kind]);
        let mut next = starts;
        let mut places = vec![0; entries.len()];
        for (at, entry) in entries.iter().enumerate() {
            let place = &mut next[kind(entry.name)];
            places[*place as usize] = at as u32;
            *place += 1;
        }
        Headers { entries, places, starts, all: OnceLock::new() }
    }

    /// The fields of a part.
    pub fn of_part(part: &'m Part) -> Self {
        let entries = part.fields().map(|(name, raw)| Entry::new(name, raw)).collect();
        Headers::of(entries)
    }

    /// Places of the entries whose names are of the same kind.
    fn akin(&self, name: &str) -> &[u32] {
        let kind = kind(name.as_bytes());
        &self.places[self.starts[kind] as usize..self.starts[kind + 1] as usize]
    }

    /// No field has that name: known of most names without a look.
    pub fn lacks(&self, name: &str) -> bool {
        self.akin(name).is_empty()
    }

    fn named<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a Entry<'m>> {
        self.akin(name).iter().map(|at| &self.entries[*at as usize]).filter(move |e| e.name.eq_ignore_ascii_case(name.as_bytes()))
    }

    pub fn raw<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.named(name).map(|e| &*e.raw)
    }

    /// Values with one LF at the end.
    pub fn cooked<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.named(name).map(Entry::cooked)
    }

    /// Addresses of each field, by its raw value.
    pub fn addresses<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a [Address]> {
        self.named(name).map(Entry::addresses)
    }

    /// `Name: value` of all fields, cooked, up to 65,536 octets.
    pub fn all(&self) -> &[u8] {
        self.all.get_or_init(|| self.join(|e| Cow::Borrowed(e.cooked())))
    }

    /// As `all`, with raw values whose folds are spaces.
    pub fn all_unfolded(&self) -> Vec<u8> {
        self.join(|e| Cow::Owned(unfolded(&e.raw)))
    }

    fn join<'e>(&'e self, value: impl Fn(&'e Entry<'m>) -> Cow<'e, [u8]>) -> Vec<u8> {
        let values: Vec<Cow<'_, [u8]>> = self.entries.iter().map(value).collect();
        let sizes: Vec<usize> = self.entries.iter().zip(&values).map(|(e, v)| e.name.len() + v.len() + 2).collect();
        let total: usize = sizes.iter().sum();
        let kept = (total > ALL_LIMIT).then(|| self.within_limit(&sizes));
        let mut out = Vec::with_capacity(total.min(ALL_LIMIT));
        for (i, (entry, value)) in self.entries.iter().zip(&values).enumerate() {
            if kept.as_ref().is_none_or(|kept| kept[i]) {
                out.extend_from_slice(entry.name);
                out.extend_from_slice(b": ");
                out.extend_from_slice(value);
            }
        }
        out
    }

    /// Fields are taken name by name, in the order in which names first appear, until the limit.
    fn within_limit(&self, sizes: &[usize]) -> Vec<bool> {
        let mut kept = vec![false; self.entries.len()];
        let mut groups: std::collections::HashMap<Vec<u8>, usize> = std::collections::HashMap::new();
        let mut order: Vec<(usize, usize)> = Vec::with_capacity(self.entries.len());
        for (i, entry) in self.entries.iter().enumerate() {
            let next = groups.len();
            order.push((*groups.entry(entry.name.to_ascii_lowercase()).or_insert(next), i));
        }
        order.sort_unstable();
        let mut total = 0;
        for (_, i) in order {
            total += sizes[i];
            if total > ALL_LIMIT {
                break;
            }
            kept[i] = true;
        }
        kept
    }
}

impl<'m> Entry<'m> {
    fn new(name: &'m [u8], raw: Cow<'m, [u8]>) -> Self {
        Entry { name, raw, cooked: OnceLock::new(), addresses: OnceLock::new() }
    }

    fn addresses(&self) -> &[Address] {
        self.addresses.get_or_init(|| addresses::parse(&self.raw))
    }

    fn cooked(&self) -> &[u8] {
        self.cooked.get_or_init(|| {
            let mut value = decode::header(&self.raw, self.name);
            value.push(b'\n');
            value
        })
    }
}

/// The section as it came, split into fields.
pub(super) struct Pristine<'m> {
    section: Cow<'m, [u8]>,
    fields: Vec<Range<usize>>,
}

impl<'m> Pristine<'m> {
    pub fn new(section: Cow<'m, [u8]>) -> Self {
        let fields = pristine_fields(&section);
        Pristine { section, fields }
    }

    pub fn fields(&self) -> impl Iterator<Item = &[u8]> {
        self.fields.iter().filter_map(|field| self.section.get(field.clone()))
    }
}

/// Where the fields of the pristine section stand: what begins with no blank, up to the LF before the next such line.
fn pristine_fields(section: &[u8]) -> Vec<Range<usize>> {
    let mut fields = Vec::with_capacity(32);
    let mut open: Option<usize> = None;
    let mut at = 0;
    for end in memchr_iter(b'\n', section).map(|n| n + 1) {
        let is_blank_line = end == at + 1;
        if open.is_none() && !matches!(section[at], b' ' | b'\t') && !is_blank_line {
            open = Some(at);
        }
        if !matches!(section.get(end), Some(b' ' | b'\t')) {
            fields.extend(open.take().map(|start| start..end));
        }
        at = end;
    }
    fields
}

/// Pieces from the top through the Received field numbered `handover`, or from it to the end.
pub(super) fn handover_range<'a>(pieces: impl Iterator<Item = &'a [u8]>, handover: isize, from_top: bool) -> Vec<&'a [u8]> {
    let mut found = Vec::new();
    if from_top && handover < 0 {
        return found;
    }
    let mut index = -1;
    for piece in pieces {
        index += isize::from(piece.get(..9).is_some_and(|p| p.eq_ignore_ascii_case(b"Received:")));
        match from_top {
            true if index < handover => found.push(piece),
            true => {
                found.push(piece);
                break;
            }
            false if index >= handover => found.push(piece),
            false => {}
        }
    }
    found
}

/// A line end with the white space after it becomes one space (Node.pm, get_header raw).
pub(super) fn unfolded(value: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memchr(b'\n', rest) {
        let blanks = rest[at + 1..].iter().take_while(|b| super::fields::is_space(**b)).count();
        if blanks == 0 {
            out.extend_from_slice(&rest[..=at]);
        } else {
            out.extend_from_slice(rest[..at].strip_suffix(b"\r").unwrap_or(&rest[..at]));
            out.push(b' ');
        }
        rest = &rest[at + 1 + blanks..];
    }
    out.extend_from_slice(rest);
    out
}

/// Lines of a text, each with its LF.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut from = 0;
    let last = (!text.is_empty() && !text.ends_with(b"\n")).then_some(text.len());
    memchr_iter(b'\n', text).map(|at| at + 1).chain(last).map(move |end| {
        let line = &text[from..end];
        from = end;
        line
    })
}

type Values<'a> = Vec<Cow<'a, [u8]>>;

/// What `first` and `last` leave.
pub(super) fn chosen<T>(query: &HeaderQuery, mut fields: Vec<T>) -> Vec<T> {
    if query.first {
        fields.truncate(1);
    } else if query.last && fields.len() > 1 {
        fields.drain(..fields.len() - 1);
    }
    fields
}

/// What a query for addresses or names says of an address.
pub(super) fn told<'a>(query: &HeaderQuery, address: &'a Address) -> Option<Cow<'a, [u8]>> {
    if query.addr {
        return address.address.as_deref().map(Cow::Borrowed);
    }
    address.phrase.as_deref().map(|phrase| if query.raw { Cow::Borrowed(phrase) } else { Cow::Owned(display_name(phrase)) })
}

/// Hosts or addresses of hosts that values name, where a query asks for them.
pub(super) fn placed<'a>(query: &HeaderQuery, values: Values<'a>, domains: &DomainTables) -> Values<'a> {
    if query.host {
        return values
            .iter()
            .filter_map(|v| host_of(v, query.addr, domains))
            .map(|h| Cow::Owned(if query.domain { registered(&h, domains) } else { h }))
            .collect();
    }
    if query.ip {
        let found = |v: &Cow<'_, [u8]>| {
            let address = ip::find_free(v)?;
            if query.revip { ip::reversed(address).map(String::into_bytes) } else { Some(address.to_vec()) }
        };
        return values.iter().filter_map(found).map(Cow::Owned).collect();
    }
    values
}

fn registered(host: &[u8], domains: &DomainTables) -> Vec<u8> {
    let host = String::from_utf8_lossy(host).to_ascii_lowercase();
    let host: Vec<&str> = host.split('.').filter(|label| !label.is_empty()).collect();
    domains.registered(&host.join(".")).as_bytes().to_vec()
}

fn display_name(phrase: &[u8]) -> Vec<u8> {
    let decoded = decode::words(strip_folds(phrase), b"");
    let mut out = Vec::with_capacity(decoded.len());
    for word in decoded.split(|b| super::fields::is_space(*b)).filter(|w| !w.is_empty()) {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
    if out.is_empty() {
        return decoded;
    }
    match out.as_slice() {
        [b'\'', inner @ .., b'\''] => inner.to_vec(),
        _ => out,
    }
}

/// A line end vanishes, and a tab after it counts as a space.
fn strip_folds(phrase: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\n', phrase).is_none() {
        return Cow::Borrowed(phrase);
    }
    let mut out: Vec<u8> = Vec::with_capacity(phrase.len());
    let mut after_line_end = false;
    for &b in phrase {
        match b {
            b'\n' => {
                if out.last() == Some(&b'\r') {
                    out.pop();
                }
            }
            b'\t' if after_line_end => out.push(b' '),
            _ => out.push(b),
        }
        after_line_end = b == b'\n';
    }
    Cow::Owned(out)
}

/// The host that a value names: after the last `@` if that is a host, else the first text that looks like one.
fn host_of(value: &[u8], is_address: bool, domains: &DomainTables) -> Option<Vec<u8>> {
    if is_address {
        return value.split(|b| *b == b'\n').find_map(|line| {
            memchr_iter(b'@', line).rev().find_map(|at| {
                let rest = &line[at + 1..];
                let len = rest.iter().take_while(|b| !super::fields::is_space(**b)).count();
                (len > 0).then(|| rest[..len].to_vec())
            })
        });
    }
    let after_at = value.split(|b| *b == b'\n').find_map(|line| {
        memchr_iter(b'@', line).rev().find_map(|at| host_len(&line[at + 1..], domains).map(|len| &line[at + 1..at + 1 + len]))
    });
    if let Some(host) = after_at
        && addresses::is_fqdn(host)
    {
        return Some(host.to_vec());
    }
    let mut at = 0;
    while at < value.len() {
        let free = at.checked_sub(1).is_none_or(|i| !matches!(value[i], b'.' | b'_' | b'-'));
        match free.then(|| host_len(&value[at..], domains)).flatten() {
            Some(len) if addresses::is_fqdn(&value[at..at + len]) => return Some(value[at..at + len].to_vec()),
            Some(len) => at += len,
            None => at += 1,
        }
    }
    None
}

/// Length of the longest text without spaces at the start that ends in a top-level domain (RegistryBoundaries' valid_tlds_re).
fn host_len(text: &[u8], domains: &DomainTables) -> Option<usize> {
    const MOST: usize = 251;
    let run = text.iter().take(MOST + 64).take_while(|b| !super::fields::is_space(**b)).count();
    let is_label = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-';
    memchr::memrchr_iter(b'.', &text[..run]).filter(|dot| (1..=MOST).contains(dot)).find_map(|dot| {
        let label = text[dot + 1..].iter().take(64).take_while(|b| is_label(b)).count();
        let end = dot + 1 + label;
        let free = !matches!(text.get(end), Some(b'.' | b'_' | b'-'));
        (label > 0 && free && is_tld(&text[dot + 1..end], domains)).then_some(end)
    })
}

fn is_tld(label: &[u8], domains: &DomainTables) -> bool {
    let mut buffer = [0u8; 64];
    let Some(lower) = buffer.get_mut(..label.len()) else { return false };
    lower.copy_from_slice(label);
    lower.make_ascii_lowercase();
    std::str::from_utf8(lower).is_ok_and(|l| domains.tlds.contains(l))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_are_read_at_load() {
        let query = HeaderQuery::parse("From:addr:first").unwrap();
        assert!(query.addr && query.first && !query.raw);
        assert!(HeaderQuery::parse("From:adr").unwrap_err().contains("adr"));
        assert_eq!(HeaderQuery::parse("From:").unwrap(), HeaderQuery::plain("From"));
    }

    #[test]
    fn pseudo_names_are_told_from_fields() {
        assert_eq!(HeaderQuery::plain("ALL").source, ValueSource::All);
        assert_eq!(HeaderQuery::plain("all").source, ValueSource::Field);
        assert_eq!(HeaderQuery::plain("tocc").source, ValueSource::ToCc);
    }

    #[test]
    fn the_pristine_section_is_split_into_fields() {
        let fields =
            |section: &'static [u8]| -> Vec<Vec<u8>> { Pristine::new(Cow::Borrowed(section)).fields().map(<[u8]>::to_vec).collect() };
        assert_eq!(fields(b" x\nA: 1\n 2\nB: 3\n\n"), [&b"A: 1\n 2\n"[..], b"B: 3\n"]);
        assert_eq!(fields(b"A: 1\r\n\r\n"), [&b"A: 1\r\n"[..], b"\r\n"]);
    }

    #[test]
    fn a_host_needs_a_known_top_level_domain() {
        let domains = DomainTables { tlds: ["com".to_string(), "net".to_string()].into(), ..DomainTables::default() };
        let host = |text: &str| host_of(text.as_bytes(), false, &domains).map(|h| String::from_utf8_lossy(&h).into_owned());
        assert_eq!(host("<x.y@mail.example.com>\n").as_deref(), Some("mail.example.com"));
        assert_eq!(host("by mail.example.net; x").as_deref(), Some("mail.example.net"));
        assert_eq!(host("mail.example.internal"), None);
    }
}
