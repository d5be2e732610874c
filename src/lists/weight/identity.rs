//! The names of one envelope in the forms that are compared with each other.

use regex::Regex;
use std::net::IpAddr;
use std::sync::LazyLock;

macro_rules! form {
    ($name:ident, $text:literal) => {
        static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($text).ok());
    };
}

form!(SERVER, r"(?i)(mx|smtp|mail|dedicated|(\b|[^n])stat).*?\..*?\.");
form!(LINE, r"(?i)(\.dip|cable|ppp|dial|dsl|dyn|client|rev.*?(ip|home)).*?\..*?\.");
form!(NUMBERS, r"(?i)[a-z._-]+\d{1,3}[-._]\d{1,3}[-._]\d{1,3}[-._]\d{1,3}");
form!(PRIVATE, r" 127\.| 192\.168\.| 10\.| 172\.(?:1[6-9]|2\d|3[01])\.");
form!(CONSONANTS, r"(?i)[bcdfgjklmnpqrtvwxz]{5,}.*@");
form!(VOWELS, r"(?i)[aeiou]{4,}.*@");
form!(NUMERIC, r"^[\d|\[][\d.]+[\d|\]]$");
form!(TWO_TWO, r"(?i)\.[a-z]{2}\.[a-z]{2}$");
form!(GENERIC_TWO, r"(?i)\.(com|org|net)\.[a-z]{2}$");
form!(TOP, r"(?i)\.[a-z]{2,5}$");
form!(MULTIPART, r"@.*?\..*?\.");

fn is(form: &LazyLock<Option<Regex>>, text: &str) -> bool {
    form.as_ref().is_some_and(|form| form.is_match(text))
}

pub fn looks_like_server(name: &str) -> bool {
    is(&SERVER, name)
}

pub fn looks_like_line(name: &str) -> bool {
    is(&LINE, name)
}

pub fn holds_numbers(name: &str) -> bool {
    is(&NUMBERS, name)
}

pub fn is_numeric(helo: &str) -> bool {
    is(&NUMERIC, helo)
}

pub fn is_random(sender: &str) -> bool {
    is(&CONSONANTS, sender) || is(&VOWELS, sender)
}

pub fn is_multipart(sender: &str) -> bool {
    is(&MULTIPART, sender)
}

/// Addresses, each with a space before it: none at all, or one of a private network.
pub fn are_bogus(addresses: &str) -> bool {
    !addresses.bytes().any(|octet| octet.is_ascii_digit()) || is(&PRIVATE, addresses)
}

pub fn is_bogus(address: &str) -> bool {
    is(&PRIVATE, &format!(" {address}"))
}

/// Without its top-level domain; whether something was cut.
fn cut(name: &str) -> (&str, bool) {
    for form in [&TWO_TWO, &GENERIC_TWO, &TOP] {
        if let Some(found) = form.as_ref().and_then(|form| form.find(name)) {
            return (&name[..found.start()], true);
        }
    }
    (name, false)
}

fn last_label(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// The registered label of a sender's domain, between dots.
pub fn sender_label(domain: &str) -> String {
    let (name, was_cut) = cut(domain);
    format!(".{}.", if was_cut { last_label(name) } else { name })
}

/// HELO without its top-level domain, and its last label, between dots.
pub fn helo_labels(helo: &str) -> (String, String) {
    let (name, _) = cut(helo);
    (format!(".{name}."), format!(".{}.", last_label(name)))
}

/// `a+tag@b`, `a-list@b` → `a@b`.
pub fn without_extension(address: &str) -> String {
    let Some(at) = address.rfind('@') else { return address.to_owned() };
    match address.get(..at).and_then(|local| local.find(['+', '-'])) {
        Some(mark) => format!("{}{}", &address[..mark], &address[at..]),
        None => address.to_owned(),
    }
}

/// One address and its neighbourhood, as text that can be looked for.
pub struct Networks {
    pub ip: String,
    /// The address in reverse, as lists are asked.
    pub reversed: String,
    pub near: String,
    pub far: String,
}

impl Networks {
    pub fn new(ip: IpAddr) -> Networks {
        let text = address(ip);
        let (near, far) = match ip {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                (format!("{a}.{b}.{c}."), format!("{a}.{b}."))
            }
            IpAddr::V6(_) => (text.chars().take(20).collect(), text.chars().take(15).collect()),
        };
        Networks { reversed: crate::lists::guard::reversed(ip), ip: text, near, far }
    }
}

/// IPv6 with all its digits.
pub fn address(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => v6.segments().map(|group| format!("{group:04x}")).join(":"),
    }
}

/// The second label from the end of one name is a whole label of the other.
pub fn share_a_label(a: &str, b: &str) -> bool {
    second_last(b).is_some_and(|label| holds_label(a, label)) || second_last(a).is_some_and(|label| holds_label(b, label))
}

fn second_last(name: &str) -> Option<&str> {
    name.rsplit('.').nth(1).filter(|label| !label.is_empty()).or(Some(name)).filter(|label| !label.is_empty())
}

/// Not as the last one.
fn holds_label(name: &str, label: &str) -> bool {
    name.rsplit('.').skip(1).any(|other| other.eq_ignore_ascii_case(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_to_what_is_compared() {
        assert_eq!(sender_label("mail.example.co.uk"), ".example.");
        assert_eq!(sender_label("sub.example.com"), ".example.");
        assert_eq!(helo_labels("mx.sub.example.com"), (".mx.sub.example.".into(), ".example.".into()));
        assert_eq!(without_extension("a+b-c@ex-ample.org"), "a@ex-ample.org");
        assert!(share_a_label("mx.example.com", "out.example.net"));
        assert!(!share_a_label("mx.example.com", "mx.other.net"));
        assert!(are_bogus("") && are_bogus(" 10.1.2.3") && !are_bogus(" 192.0.2.1"));
    }
}
