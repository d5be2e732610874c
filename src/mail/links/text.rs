//! Links in rendered text: what mail readers make clickable, and host names that stand bare (PerMsgStatus.pm, _tbirdurire).

use super::LinkKind;
use super::canonical::url_encode;
use super::distinct::Distinct;
use crate::mail::domains::{DomainTables, is_host_name};
use crate::mail::html::Text;

pub struct Found {
    pub uri: Text,
    pub kinds: Vec<LinkKind>,
}

/// Classes of octets, by bit.
mod class {
    pub const WORD: u8 = 1;
    /// A link may begin after it.
    pub const BEFORE: u8 = 2;
    /// A host name without scheme may begin after it.
    pub const BEFORE_BARE: u8 = 4;
    /// Ends a link.
    pub const END: u8 = 8;
    /// Ends an address.
    pub const END_MAIL: u8 = 16;
    /// Of a host name: letters, digits, `.`, `_`, `-`.
    pub const HOST: u8 = 32;
}

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    add(&mut table, b"><\"'`,{[(| \t\n\x0b\x0c\r\x1b\xa0", class::BEFORE);
    add(&mut table, b"!\"#$&'()*+,/:;<=>?@[\\]^`{|}~ \t\n\x0b\x0c\r\x1b\xa0", class::BEFORE_BARE);
    add(&mut table, b"><\"`}]{[| \t\n\x0b\x0c\r\x1b\xa0", class::END | class::END_MAIL);
    add(&mut table, b",('", class::END_MAIL);
    add(&mut table, b"._-", class::HOST);
    add(&mut table, b"_", class::WORD);
    let mut octet = 0;
    while octet < 256 {
        if (octet as u8).is_ascii_alphanumeric() {
            table[octet] |= class::WORD | class::HOST;
        }
        if octet >= 0x80 {
            table[octet] |= class::END_MAIL;
        }
        octet += 1;
    }
    table
}

const fn add(table: &mut [u8; 256], octets: &[u8], class: u8) {
    let mut at = 0;
    while at < octets.len() {
        table[octets[at] as usize] |= class;
        at += 1;
    }
}

/// Most octets of a link after its scheme, of an address on either side of its `@`, of a host name before its last dot.
const LINK: usize = 2048;
const ADDRESS: usize = 251;
const HOST: usize = 252;

/// How a candidate was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Scheme,
    Mail,
    /// The end of its host.
    Bare(usize),
}

/// Links of all paragraphs, each raw form once.
pub fn scan(paragraphs: &[Vec<u8>], tables: &DomainTables) -> Vec<Found> {
    let mut seen = Distinct::default();
    let mut found = Vec::new();
    for paragraph in paragraphs {
        // Every form of a link holds one of these.
        if memchr::memchr3(b'.', b':', b'@', paragraph).is_none() {
            continue;
        }
        let mut scanner = Scanner {
            text: paragraph,
            tables,
            at: 0,
            shifts: memchr::memchr(0x1B, paragraph).is_some(),
            next_end: 0,
            next_mail_end: 0,
            next_at: 0,
            next_sign: 0,
        };
        while let Some((start, end, form)) = scanner.next() {
            let whole = paragraph.get(start..end).unwrap_or(&[]);
            let raw = trimmed(whole);
            if !seen.insert(raw) {
                continue;
            }
            let bare_host = match form {
                Form::Bare(host_end) => paragraph.get(start..host_end),
                Form::Scheme | Form::Mail => None,
            };
            found.extend(accepted(raw, form, bare_host, tables));
        }
    }
    found
}

/// Thunderbird ends a link at `)` where no `(` came before, and drops punctuation at its end.
fn trimmed(whole: &[u8]) -> &[u8] {
    let opened = memchr::memchr(b'(', whole).unwrap_or(whole.len());
    let cut = whole.get(..opened).and_then(|start| memchr::memrchr(b')', start)).and_then(|at| whole.get(..at)).unwrap_or(whole);
    let kept = cut.iter().rposition(|b| !b"-~!@#^&*()_+=:;'?,.".contains(b)).map_or(0, |at| at + 1);
    cut.get(..kept).unwrap_or(&[])
}

fn starts_ignoring_case(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// The link that a candidate stands for, with its scheme.
fn accepted(raw: &[u8], form: Form, bare_host: Option<&[u8]>, tables: &DomainTables) -> Option<Found> {
    let has = |b: u8| memchr::memchr(b, raw).is_some();
    if form == Form::Mail && !has(b'@') {
        return None;
    }
    if bare_host.is_some_and(|host| !str::from_utf8(host).is_ok_and(|host| is_host_name(&host.to_ascii_lowercase()))) {
        return None;
    }
    if starts_ignoring_case(raw, b"cid:") || starts_ignoring_case(raw, b"mid:") || is_scheme_alone(raw) {
        return None;
    }
    let mut kinds = vec![LinkKind::Parsed];
    let mut uri = Text::of_octets(raw);
    if ![&b"http:"[..], b"https:", b"ftp:", b"mailto:"].iter().any(|scheme| starts_ignoring_case(raw, scheme)) {
        let (scheme, unlinked) = scheme_for(raw)?;
        if scheme == "mailto:" {
            uri.chars = without_misread_scheme(&uri.chars).to_owned();
        }
        uri.chars.insert_str(0, scheme);
        if unlinked {
            kinds.push(LinkKind::Unlinked);
        }
        kinds.push(LinkKind::Schemeless);
    }
    if starts_ignoring_case(uri.chars.as_bytes(), b"mailto:") {
        if holds_escape(uri.chars.as_bytes()) {
            uri = url_encode(&uri);
        }
        let (_, after) = uri.chars.split_once('@')?;
        let mut host = after.split(['?', '&', '>']).next().unwrap_or("");
        while let Some(shorter) = host.strip_suffix("%20") {
            host = shorter;
        }
        if !tables.is_valid(host) {
            return None;
        }
    }
    Some(Found { uri, kinds })
}

/// The scheme that a reader would put before it, and whether none would.
fn scheme_for(raw: &[u8]) -> Option<(&'static str, bool)> {
    if starts_ignoring_case(raw, b"ftp.") {
        return Some(("ftp://", false));
    }
    if starts_ignoring_case(raw, b"www") {
        let digits = raw.iter().skip(3).take(2).take_while(|b| b.is_ascii_digit()).count();
        if raw.get(3 + digits) == Some(&b'.') {
            return Some(("http://", false));
        }
    }
    let at = memchr::memchr(b'@', raw);
    let slash = memchr::memchr(b'/', raw);
    if let (Some(slash), Some(at)) = (slash, memchr::memrchr(b'@', raw))
        && at > slash + 1
    {
        return Some(("http://", false));
    }
    match at {
        Some(at) => {
            let dotted = raw.get(at + 2..).is_some_and(|rest| rest.contains(&b'.'));
            let garbled = memchr::memmem::find(raw, b"&nbsp;").is_some();
            (dotted && !garbled).then_some(("mailto:", false))
        }
        None => raw.contains(&b'.').then_some(("http://", true)),
    }
}

/// `skype:`, `email:`, `E-mail:`, `:` before an address.
fn without_misread_scheme(text: &str) -> &str {
    for word in ["skype", "e-mail", "email", "-mail", "mail", ""] {
        if starts_ignoring_case(text.as_bytes(), word.as_bytes())
            && let Some(rest) = text.get(word.len()..).filter(|rest| rest.starts_with(':'))
        {
            return rest.trim_start_matches(':');
        }
    }
    text
}

/// A word, a colon and at most two slashes.
fn is_scheme_alone(raw: &[u8]) -> bool {
    let word = raw.iter().take_while(|b| CLASSES[usize::from(**b)] & class::WORD != 0).count();
    word > 0 && matches!(raw.get(word..), Some(b":" | b":/" | b"://"))
}

fn holds_escape(text: &[u8]) -> bool {
    text.windows(3).any(|w| matches!(w, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

struct Scanner<'t> {
    text: &'t [u8],
    tables: &'t DomainTables,
    at: usize,
    /// An escape octet stands somewhere in the text.
    shifts: bool,
    /// Places found by looking ahead; each moves forward only, so that the scan stays linear.
    next_end: usize,
    next_mail_end: usize,
    /// The next octet that ends an address or is `@`.
    next_at: usize,
    /// The next `.`, `:` or `@`: before the word that it stands in, nothing begins.
    next_sign: usize,
}

/// The first place at or after `from` whose octet is of the class; `known` is such a place for an earlier `from`.
fn next_of(text: &[u8], known: &mut usize, from: usize, is_it: impl Fn(u8) -> bool) -> usize {
    if *known < from {
        *known = from;
    }
    while text.get(*known).is_some_and(|b| !is_it(*b)) {
        *known += 1;
    }
    *known
}

impl Scanner<'_> {
    fn class(&self, at: usize) -> u8 {
        self.text.get(at).map_or(0, |b| CLASSES[usize::from(*b)])
    }

    fn next(&mut self) -> Option<(usize, usize, Form)> {
        while self.at < self.text.len() {
            self.skip_plain_words()?;
            let start = self.at;
            if let Some((end, form)) = self.link_at(start) {
                self.at = end;
                return Some((start, end, form));
            }
            self.at += 1;
            // Inside a word nothing begins.
            if !self.shifts && self.class(start) & class::WORD != 0 {
                while self.class(self.at) & class::WORD != 0 {
                    self.at += 1;
                }
            }
        }
        None
    }

    /// Goes on to the text that the next `.`, `:` or `@` stands in: every form of a link holds one of them, and none holds
    /// what ends an address before the first of them. `None`: there is no other.
    fn skip_plain_words(&mut self) -> Option<()> {
        if self.next_sign < self.at || self.next_sign == 0 {
            let rest = self.text.get(self.at..)?;
            let sign = memchr::memchr3(b'.', b':', b'@', rest)?;
            let plain = rest.get(..sign)?.iter().rposition(|b| CLASSES[usize::from(*b)] & class::END_MAIL != 0);
            self.next_sign = self.at + sign;
            self.at += plain.map_or(0, |at| at + 1);
        }
        Some(())
    }

    fn link_at(&mut self, start: usize) -> Option<(usize, Form)> {
        let before = start.checked_sub(1).map_or(0, |at| self.class(at));
        let here = self.class(start);
        let bounded = (before ^ here) & class::WORD != 0 || before & class::BEFORE != 0 || (self.shifts && self.after_shift(start));
        if !bounded {
            return None;
        }
        if let Some(end) = self.known_scheme(start) {
            return Some((end, Form::Scheme));
        }
        if let Some(end) = self.address(start) {
            return Some((end, Form::Mail));
        }
        let bare = (start == 0 || before & class::BEFORE_BARE != 0) && self.text.get(start)?.is_ascii_alphanumeric();
        if bare { self.bare_host(start).map(|(host, end)| (end, Form::Bare(host))) } else { None }
    }

    /// After an ISO-2022 shift (`ESC ( x`).
    fn after_shift(&self, start: usize) -> bool {
        start.checked_sub(3).and_then(|at| self.text.get(at..start)).is_some_and(|w| matches!(w, [0x1B, b'(', x] if *x != b'\n'))
    }

    /// `http://…`, `www.…`: up to what ends a link.
    fn known_scheme(&mut self, start: usize) -> Option<usize> {
        let rest = self.text.get(start..)?;
        let prefix = match rest.first()?.to_ascii_lowercase() {
            b'h' if starts_ignoring_case(rest, b"http://") => 7,
            b'h' if starts_ignoring_case(rest, b"https://") => 8,
            b'f' if starts_ignoring_case(rest, b"ftp://") => 6,
            b'f' if starts_ignoring_case(rest, b"ftp.") => 4,
            b'w' if starts_ignoring_case(rest, b"www") => {
                let digits = rest.iter().skip(3).take(2).take_while(|b| b.is_ascii_digit()).count();
                (rest.get(3 + digits) == Some(&b'.')).then_some(4 + digits)?
            }
            _ => return None,
        };
        let from = start + prefix;
        let end = next_of(self.text, &mut self.next_end, from, |b| CLASSES[usize::from(b)] & class::END != 0);
        (1..=LINK).contains(&(end - from)).then_some(end)
    }

    /// `mailto:…`, `x@y`.
    fn address(&mut self, start: usize) -> Option<usize> {
        let ends = |b: u8| CLASSES[usize::from(b)] & class::END_MAIL != 0;
        let may_be = matches!(self.text.get(start), Some(b'm' | b'M'));
        if may_be && self.text.get(start..).is_some_and(|rest| starts_ignoring_case(rest, b"mailto:")) {
            let from = start + 7;
            let end = next_of(self.text, &mut self.next_mail_end, from, ends);
            if (1..=LINK).contains(&(end - from)) {
                return Some(end);
            }
        }
        let at = next_of(self.text, &mut self.next_at, start, |b| b == b'@' || ends(b));
        if self.text.get(at) != Some(&b'@') || !(1..=ADDRESS).contains(&(at - start)) {
            return None;
        }
        let end = next_of(self.text, &mut self.next_mail_end, at + 1, ends);
        (1..=ADDRESS).contains(&(end - at - 1)).then_some(end)
    }

    /// `host.TLD`, perhaps with a dot, a port and a path behind it; the end of the host and of all.
    fn bare_host(&mut self, start: usize) -> Option<(usize, usize)> {
        let run = self.text.get(start..)?.iter().take_while(|b| CLASSES[usize::from(**b)] & class::HOST != 0).count();
        let name = self.text.get(start..start + run)?;
        let host = name.strip_suffix(b".").unwrap_or(name);
        let dot = memchr::memrchr(b'.', host)?;
        let label = host.get(dot + 1..).filter(|_| (1..=HOST).contains(&dot))?;
        let label = str::from_utf8(label).ok()?;
        if label.contains('_') || !self.tables.is_tld(&label.to_ascii_lowercase()) {
            return None;
        }
        let mut end = start + run;
        if self.text.get(end) == Some(&b':') {
            let digits = self.text.iter().skip(end + 1).take(6).take_while(|b| b.is_ascii_digit()).count();
            if !(1..=5).contains(&digits) {
                return None;
            }
            end += 1 + digits;
        }
        if self.text.get(end) == Some(&b'/') {
            let path_end = next_of(self.text, &mut self.next_end, end + 1, |b| CLASSES[usize::from(b)] & class::END != 0);
            if !(1..=LINK).contains(&(path_end - end - 1)) {
                return None;
            }
            end = path_end;
        }
        let ended = end == self.text.len() || self.class(end) & class::END != 0;
        ended.then_some((start + host.len(), end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(text: &str) -> Vec<String> {
        scan(&[text.as_bytes().to_vec()], &DomainTables::default()).into_iter().map(|found| found.uri.chars).collect()
    }

    #[test]
    fn links_in_text_are_found_and_given_their_scheme() {
        for (text, expected) in [
            ("see http://example.com/a, or www.example.com.", vec!["http://example.com/a", "http://www.example.com"]),
            ("(see http://example.com/x) now", vec!["http://example.com/x"]),
            ("http://example.com/a(b)c", vec!["http://example.com/a(b)c"]),
            ("write to joe@example.com, please", vec!["mailto:joe@example.com"]),
            ("Email:joe@example.com", vec!["mailto:joe@example.com"]),
            ("joe@example.notatld joe@x", vec![]),
            ("go to example.com now; hxxp://example.org/x", vec!["http://example.com", "http://example.org/x"]),
            ("-example.com %example.com x_example.com", vec![]),
            ("example.com:8080/x example.com:123456 example.com/ ", vec!["http://example.com:8080/x"]),
            ("index.html file.txt 1.2", vec![]),
            ("ftp.example.com ftp://x", vec!["ftp://ftp.example.com", "ftp://x"]),
            ("cid:image@example.com", vec![]),
        ] {
            assert_eq!(links(text), expected, "{text}");
        }
    }

    #[test]
    fn a_link_may_not_be_endless() {
        assert_eq!(links(&format!("http://example/{}", "a".repeat(2048))).len(), 0);
        assert_eq!(links(&format!("{}@example.com", "a".repeat(252))), ["http://example.com"]);
        assert!(links(&format!("{}@example.com", "a".repeat(251))).iter().all(|link| link.starts_with("mailto:")));
    }
}
