//! A link and the forms that a reader's program may make of it (Util.pm, uri_list_canonicalize).

use super::distinct::Distinct;
use super::redirect::Redirects;
use crate::base::limits;
use crate::mail::domains::DomainTables;
use crate::mail::html::Text;
use memchr::{memchr, memchr_iter, memchr2, memchr3};
use regex::{Captures, Regex};
use std::borrow::Cow;
use std::sync::LazyLock;

fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

macro_rules! patterns {
    ($($name:ident = $text:literal;)*) => { $(static $name: LazyLock<Option<Regex>> = LazyLock::new(|| pattern($text));)* };
}

patterns! {
    MAIL_QUERY = r"^([^@]+@[^?]+)\?";
    MAIL_AMPERSAND = r"^([^@]+@[^?&]+)&";
    MAIL_SPACES = r"^(?:mailto:)?(?:%20)*([^@]+@[^?&%]+)";
    MAIL_BRACKETS = r"^[^?&]*<([^@>]+@[^>]+)>";
    DECIMAL = r"&#0*(3[3-9]|[4-9][0-9]|1[01][0-9]|12[0-6]);";
    HEXADECIMAL = r"&#x0*(2[1-9]|[3-6][a-fA-F0-9]|7[0-9a-eA-E]);";
    DOTS = r"(?i)&#(?:x2e|12290|x3002|65294|xff0e|65377|xff61);";
}

fn first_group<'t>(pattern: &LazyLock<Option<Regex>>, text: &'t str) -> Option<&'t str> {
    pattern.as_ref()?.captures(text)?.get(1).map(|group| group.as_str())
}

/// The link itself, what its redirectors lead to, and the variants of each; every form once.
pub fn forms(uri: &Text, redirects: &mut Redirects<'_>, tables: &DomainTables) -> Vec<Text> {
    let mut given = vec![trimmed(uri)];
    let mut made = Vec::new();
    let mut next = 0;
    while let Some(uri) = given.get(next) {
        next += 1;
        let target = Variants { made: &mut made, tables }.of(uri, redirects);
        if let Some(target) = target.filter(|_| given.len() < limits::REDIRECTS) {
            given.push(trimmed(&target));
        }
    }
    if given.len() + made.len() == 1 {
        return given;
    }
    given.extend(made);
    let is_new: Vec<bool> = {
        let mut seen = Distinct::default();
        given.iter().map(|form| seen.insert(form.chars.as_bytes())).collect()
    };
    given.into_iter().zip(is_new).filter_map(|(form, is_new)| is_new.then_some(form)).collect()
}

/// Without line ends and surrounding white space.
fn trimmed(uri: &Text) -> Text {
    let is_space = |c: char| if c.is_ascii() { matches!(c, ' ' | '\t'..='\r') } else { uri.wide && c.is_whitespace() };
    let chars = if memchr2(b'\n', b'\r', uri.chars.as_bytes()).is_some() {
        uri.chars.replace('\n', "").trim_matches(is_space).replace('\r', "")
    } else {
        uri.chars.trim_matches(is_space).to_owned()
    };
    Text { chars, wide: uri.wide }
}

struct Variants<'v> {
    made: &'v mut Vec<Text>,
    tables: &'v DomainTables,
}

impl Variants<'_> {
    fn push(&mut self, parts: &[&str], wide: bool) {
        self.made.push(Text { chars: parts.concat(), wide });
    }

    /// Makes the variants of one link; gives what its redirector leads to.
    fn of(&mut self, uri: &Text, redirects: &mut Redirects<'_>) -> Option<Text> {
        let text = uri.chars.as_str();
        if text.chars().nth(1).is_none() || text.starts_with(['#', '?', '&']) || (text.starts_with('/') && !text.starts_with("//")) {
            return None;
        }
        if starts_ignoring_case(text, "mailto:") || memchr2(b':', b'@', text.as_bytes()).is_some_and(|at| text.as_bytes()[at] == b'@') {
            self.of_address(text, uri.wide);
            return None;
        }
        let text = spelled_out(uri);
        if text != uri.chars {
            self.push(&[&text], uri.wide);
        }
        self.of_host(&text, uri.wide, redirects)
    }

    /// What Outlook and others make of an address with parameters, spaces or brackets.
    fn of_address(&mut self, text: &str, wide: bool) {
        let has = |b: u8| memchr(b, text.as_bytes()).is_some();
        for (sign, cut) in [(b'?', &MAIL_QUERY), (b'&', &MAIL_AMPERSAND)] {
            if has(sign)
                && let Some(address) = first_group(cut, text)
            {
                self.push(&[address], wide);
            }
        }
        if text.contains('%')
            && text.contains("%20")
            && let Some(address) = first_group(&MAIL_SPACES, text)
        {
            self.push(&["mailto:", address], wide);
        }
        if has(b'<')
            && let Some(address) = first_group(&MAIL_BRACKETS, text)
        {
            self.push(&["mailto:", address], wide);
        }
    }

    fn of_host(&mut self, text: &str, wide: bool, redirects: &mut Redirects<'_>) -> Option<Text> {
        let parts = Parts::of(text)?;
        let Parts { scheme, rest, .. } = parts;
        let mut host = Cow::Borrowed(parts.host);
        let default_port = if scheme == "http://" { "80" } else { "443" };
        let port = if parts.port.is_empty() { default_port } else { parts.port };
        let mut portless = None;
        if !parts.port.is_empty() {
            let without = rest.strip_prefix(':').and_then(|rest| rest.strip_prefix(default_port));
            match without.filter(|rest| !rest.starts_with(|c: char| c == '_' || c.is_alphanumeric())) {
                Some(without) => {
                    self.push(&[scheme, &host, without], wide);
                    portless = Some(without);
                }
                None => portless = Some(rest),
            }
        }
        if wide && !host.is_ascii() {
            let named = lower_octets(&host, wide);
            if named != host.to_lowercase() {
                self.push(&[scheme, &named, rest], wide);
                if let Some(portless) = portless.filter(|rest| !matches!(*rest, "" | "0")) {
                    self.push(&[scheme, &named, portless], wide);
                }
                host = Cow::Owned(named);
            }
        }
        if host.bytes().any(|b| b <= b' ') {
            host = Cow::Owned(host.replace(|c: char| c <= ' ', ""));
            self.push(&[scheme, &host, rest], wide);
        }
        let whole = match &host {
            Cow::Borrowed(_) if !parts.has_user => Cow::Borrowed(text),
            host => Cow::Owned([scheme, host, rest].concat()),
        };
        let target = redirects.target(&whole, wide, rest);
        // A second user name before the host.
        if let Some(at) = host.find('@').filter(|at| *at > 0) {
            host = Cow::Owned(host.get(at + 1..).unwrap_or("").to_owned());
            self.push(&[scheme, &host, rest], wide);
        }
        if host.ends_with(|c: char| !c.is_ascii_alphanumeric()) {
            host = Cow::Owned(host.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned());
            self.push(&[scheme, &host, rest], wide);
        }
        if let Some(address) = disguised_address(&host) {
            self.push(&[scheme, &address, rest], wide);
        } else if scheme == "http://" && !parts.has_user && port == "80" && memchr_iter(b'.', parts.host.as_bytes()).count() < 2 {
            let named = lower_octets(parts.host, wide);
            if named == "localhost" {
                return target;
            }
            // A lone label, as browsers complete it.
            let label = named.strip_prefix("www.").filter(|label| !label.is_empty()).unwrap_or(&named);
            if !label.contains('.') && !self.tables.is_valid(&named) {
                self.push(&[scheme, "www.", label, ".com", rest], wide);
            }
        }
        target
    }
}

/// `http://user@host:port/…` of a link.
struct Parts<'t> {
    /// As written, `HTTPS://`.
    scheme: &'t str,
    has_user: bool,
    host: &'t str,
    /// Digits, perhaps none.
    port: &'t str,
    /// All after the host.
    rest: &'t str,
}

impl<'t> Parts<'t> {
    fn of(text: &'t str) -> Option<Parts<'t>> {
        let length = ["http://", "https://"].iter().find(|scheme| starts_ignoring_case(text, scheme))?.len();
        let (scheme, after) = text.split_at_checked(length)?;
        let authority = after.get(..authority_end(after))?;
        let user = memchr(b'@', authority.as_bytes()).map(|at| at + 1);
        let start = user.filter(|start| !matches!(authority.as_bytes().get(*start), None | Some(b':')));
        let (has_user, host) = (start.is_some(), authority.get(start.unwrap_or(0)..)?);
        let host = host.get(..memchr(b':', host.as_bytes()).unwrap_or(host.len())).filter(|host| !host.is_empty())?;
        let rest = after.get(start.unwrap_or(0) + host.len()..)?;
        let digits = rest.strip_prefix(':').unwrap_or("");
        let port = digits.get(..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len()))?;
        Some(Parts { scheme, has_user, host, port, rest })
    }
}

/// Where the authority of a link ends, its scheme taken off.
fn authority_end(text: &str) -> usize {
    memchr3(b'/', b'?', b'#', text.as_bytes()).unwrap_or(text.len())
}

fn starts_ignoring_case(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// With `/` for `\`, two slashes after `http:`, escapes and references decoded, a scheme and a path.
fn spelled_out(uri: &Text) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(uri.chars.as_str());
    if memchr(b'\\', text.as_bytes()).is_some() {
        text = Cow::Owned(text.replace('\\', "/"));
    }
    if let Some(scheme) = ["http:", "https:"].iter().find(|scheme| starts_ignoring_case(&text, scheme)) {
        let slashes = text.bytes().skip(scheme.len()).take(2).take_while(|b| *b == b'/').count();
        if slashes < 2 {
            text.to_mut().insert_str(scheme.len(), if slashes == 0 { "//" } else { "/" });
        }
    }
    let escaped = |w: &[u8]| w.first() == Some(&b'%') && w.iter().skip(1).all(u8::is_ascii_hexdigit);
    if memchr(b'%', text.as_bytes()).is_some_and(|at| text.as_bytes().get(at..).unwrap_or(&[]).windows(3).any(escaped)) {
        text = Cow::Owned(url_encode(&Text { chars: text.into_owned(), wide: uri.wide }).chars);
    }
    let scheme = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')).count();
    if scheme == 0 || text.as_bytes().get(scheme) != Some(&b':') {
        let scheme = if text.starts_with("ftp.") { "ftp://" } else { "http://" };
        text.to_mut().insert_str(0, scheme);
    }
    if let Some(length) = ["http://", "https://"].iter().find(|scheme| starts_ignoring_case(&text, scheme)).map(|scheme| scheme.len())
        && let Some(end) = text.get(length..).map(|rest| length + authority_end(rest))
        && end > length
        && matches!(text.as_bytes().get(end), Some(b'?' | b'#'))
    {
        text.to_mut().insert(end, '/');
    }
    if memchr_iter(b'&', text.as_bytes()).any(|at| text.as_bytes().get(at + 1) == Some(&b'#')) {
        text = Cow::Owned(without_references(text.into_owned()));
    }
    text
}

/// References to printable ASCII, and to what stands for a dot.
fn without_references(text: String) -> String {
    let character = |radix| {
        move |found: &Captures<'_>| {
            let code = found.get(1).and_then(|digits| u32::from_str_radix(digits.as_str(), radix).ok());
            code.and_then(char::from_u32).map(String::from).unwrap_or_default()
        }
    };
    let (Some(decimal), Some(hexadecimal), Some(dots)) = (DECIMAL.as_ref(), HEXADECIMAL.as_ref(), DOTS.as_ref()) else { return text };
    let text = decimal.replace_all(&text, character(10)).into_owned();
    let text = hexadecimal.replace_all(&text, character(16)).into_owned();
    dots.replace_all(&text, ".").into_owned()
}

/// Decodes escapes of printable ASCII and escapes control characters, blanks, `"`, `%`, `<`, `>` and octets above 0x7E
/// (Util.pm, url_encode).
pub fn url_encode(uri: &Text) -> Text {
    let mut out = String::with_capacity(uri.chars.len());
    let mut rest = uri.chars.as_str();
    while let Some(c) = rest.chars().next() {
        let escape = rest.get(1..3).filter(|digits| c == '%' && digits.bytes().all(|b| b.is_ascii_hexdigit()));
        if let Some(digits) = escape {
            match u8::from_str_radix(digits, 16) {
                Ok(code @ 0x21..=0x7E) => out.push(char::from(code)),
                _ => out.push_str(rest.get(..3).unwrap_or("")),
            }
            rest = rest.get(3..).unwrap_or("");
            continue;
        }
        match c {
            '\0'..=' ' | '\u{7F}'..='\u{FF}' | '"' | '%' | '<' | '>' => out.push_str(&format!("%{:02x}", c as u32)),
            _ => out.push(c),
        }
        rest = rest.get(c.len_utf8()..).unwrap_or("");
    }
    Text { chars: out, wide: uri.wide }
}

/// The host as UTF-8 octets in lower case, a char an octet: what SpamAssassin takes for its ASCII form where no library
/// makes A-labels.
fn lower_octets(host: &str, wide: bool) -> String {
    if wide && !host.is_ascii() {
        return host.to_ascii_lowercase().bytes().map(char::from).collect();
    }
    host.to_ascii_lowercase()
}

/// What follows `0x`.
fn hex_digits(text: &str) -> Option<&str> {
    let (start, digits) = text.split_at_checked(2)?;
    start.eq_ignore_ascii_case("0x").then_some(digits)
}

/// An IPv4 address in hexadecimal, octal or one number, dotted.
fn disguised_address(host: &str) -> Option<String> {
    if !host.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let is_hex = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let is_decimal = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = host.split('.').take(5).collect();
    if parts.len() == 4 && parts.iter().all(|part| is_decimal(part) || hex_digits(part).is_some_and(is_hex)) {
        let octets: Vec<String> = parts.iter().map(|part| octet(part, hex_digits(part).filter(|digits| is_hex(digits)))).collect();
        return Some(octets.join("."));
    }
    if let Some(digits) = hex_digits(host).filter(|digits| is_hex(digits)) {
        let last = digits.get(digits.len().saturating_sub(8)..)?;
        return Some(dotted(u128::from_str_radix(last, 16).ok()?));
    }
    is_decimal(host).then(|| dotted(host.parse().unwrap_or(u128::MAX)))
}

/// One octet of a dotted quad: from hexadecimal, from octal where its digits are, and without leading zeros (so that a
/// lone zero vanishes, as in SpamAssassin).
fn octet(part: &str, hex: Option<&str>) -> String {
    let mut text = match hex {
        Some(digits) => match u64::from_str_radix(digits.trim_start_matches('0'), 16) {
            Ok(number) => (number as i64).to_string(),
            Err(_) if digits.bytes().all(|b| b == b'0') => "0".to_owned(),
            Err(_) => i64::MAX.to_string(),
        },
        None => part.to_owned(),
    };
    let digits = text.trim_start_matches('0');
    let octal = digits.len() < text.len()
        && digits.bytes().all(|b| matches!(b, b'0'..=b'7'))
        && match digits.as_bytes().first() {
            Some(b'1'..=b'3') => digits.len() <= 3,
            Some(_) => digits.len() <= 2,
            None => false,
        };
    if octal {
        text = u32::from_str_radix(digits, 8).map(|n| n.to_string()).unwrap_or_default();
    }
    text.trim_start_matches('0').to_owned()
}

/// The first four octets of the number in at least eight hexadecimal digits.
fn dotted(number: u128) -> String {
    let mut digits = format!("{:08x}", u64::try_from(number).unwrap_or(u64::MAX));
    digits.truncate(8);
    let number = u32::from_str_radix(&digits, 16).unwrap_or_default();
    std::net::Ipv4Addr::from(number).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::redirect::Redirectors;
    use super::*;

    fn all(uri: &str) -> Vec<String> {
        let redirectors = Redirectors::default();
        let mut redirects = Redirects::new(&redirectors);
        let mut forms: Vec<String> =
            forms(&Text::of_octets(uri.as_bytes()), &mut redirects, &DomainTables::default()).into_iter().map(|form| form.chars).collect();
        forms.remove(0);
        forms
    }

    #[test]
    fn a_link_has_the_forms_that_readers_make_of_it() {
        for (uri, forms) in [
            ("http://www.example.com/", vec![]),
            ("www.example.com", vec!["http://www.example.com"]),
            ("http:\\\\example.com?x", vec!["http://example.com/?x"]),
            ("http:/example.com", vec!["http://example.com"]),
            ("ftp.example.com", vec!["ftp://ftp.example.com"]),
            ("http://www.ex%61mple.com/%20%7f", vec!["http://www.example.com/%20%7f"]),
            ("http://www.example.com/&#46;&#x2e;&#x3002;", vec!["http://www.example.com/..."]),
            ("http://example.com:80/x", vec!["http://example.com/x"]),
            ("http://example.com:8080/x", vec![]),
            ("http://a@b@example.com/", vec!["http://example.com/"]),
            ("http://example.com.../", vec!["http://example.com/"]),
            ("http://0xC0.0.02.041/", vec!["http://192..2.33/"]),
            ("http://0xC0000221/", vec!["http://192.0.2.33/"]),
            ("http://3221226017/", vec!["http://192.0.2.33/"]),
            ("http://foobar/x", vec!["http://www.foobar.com/x"]),
            ("http://example.com/r?http://example.org/x", vec!["http://example.org/x"]),
            ("mailto:a@example.com?subject=x", vec!["mailto:a@example.com"]),
            ("#top", vec![]),
            ("/image.png", vec![]),
        ] {
            assert_eq!(all(uri), forms, "{uri}");
        }
    }
}
