//! Mail addresses in running text, as SpamAssassin's FreeMail and FromNameSpoof find them: by hand and in one pass, since an
//! expression for them would be run over every paragraph.

use super::perl::{is_space, lossy, pattern};
use crate::mail::domains::DomainTables;

/// Octets of the part before `@`.
const USER: usize = 64;
/// Labels of the part behind it, the top-level one included.
const LABELS: usize = 5;
const LABEL: usize = 61;

fn is_atom(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&octet)
}

/// Where an address that ends its user at `at` may begin, from the left.
fn starts(text: &[u8], at: usize) -> Vec<usize> {
    let floor = at.saturating_sub(USER);
    let mut found = Vec::new();
    let mut end = at;
    loop {
        let mut start = end;
        while start > floor && is_atom(text[start - 1]) {
            start -= 1;
        }
        let bounded = start == 0 || !is_atom(text[start - 1]);
        if start == end || !bounded {
            break;
        }
        found.push(start);
        if start > floor && text[start - 1] == b'.' {
            end = start - 1;
        } else {
            break;
        }
    }
    found.reverse();
    found
}

/// End of the host that begins at `from`: two to five labels, the last one a known top-level domain.
fn host_end(text: &[u8], from: usize, domains: &DomainTables) -> Option<usize> {
    let mut at = from;
    for count in 1..=LABELS {
        let start = at;
        while text.get(at).is_some_and(|octet| octet.is_ascii_alphanumeric() || *octet == b'-') {
            at += 1;
        }
        let label = &text[start..at];
        let goes_on = text.get(at) == Some(&b'.') && text.get(at + 1).is_some_and(u8::is_ascii_alphanumeric);
        if !goes_on {
            let name = lossy(label).to_ascii_lowercase();
            return (count > 1 && domains.is_tld(&name)).then_some(at);
        }
        if label.is_empty() || label.len() > LABEL || label[0] == b'-' || label.ends_with(b"-") {
            return None;
        }
        at += 1;
    }
    None
}

/// All addresses, lower case, in order.
pub(super) fn find_addresses(text: &[u8], domains: &DomainTables) -> Vec<String> {
    let mut found = Vec::new();
    let mut done = 0;
    for at in memchr::memchr_iter(b'@', text) {
        let Some(start) = starts(text, at).into_iter().find(|start| *start >= done) else { continue };
        if let Some(end) = host_end(text, at + 1, domains) {
            found.push(lossy(&text[start..end]).to_ascii_lowercase());
            done = end;
        }
    }
    found
}

/// The address that the text begins with.
pub(super) fn lead_address(text: &[u8], domains: &DomainTables) -> Option<String> {
    let at = memchr::memchr(b'@', text)?;
    let leads = at <= USER && starts(text, at).first() == Some(&0);
    let end = host_end(text, at + 1, domains).filter(|_| leads)?;
    Some(lossy(&text[..end]).to_ascii_lowercase())
}

/// The text without links that hold an address, and without addresses in `<>` or before a word with a colon (`… wrote:`).
pub(super) fn after_addresses_stripped(text: &[u8], domains: &DomainTables) -> Vec<u8> {
    let text = links_stripped(text);
    let mut out = Vec::with_capacity(text.len());
    let mut done = 0;
    for at in memchr::memchr_iter(b'@', &text) {
        let Some(end) = host_end(&text, at + 1, domains) else { continue };
        let Some(tail) = quoting_tail(&text[end..]) else { continue };
        let Some(start) = starts(&text, at).into_iter().find(|start| *start >= done && !ends_in_mailto(&text[..*start])) else { continue };
        let open = usize::from(start > done && text[start - 1] == b'<');
        out.extend_from_slice(&text[done..start - open]);
        out.push(b' ');
        done = end + tail;
    }
    out.extend_from_slice(&text[done..]);
    out
}

fn ends_in_mailto(text: &[u8]) -> bool {
    text.len().checked_sub(7).is_some_and(|at| text[at..].eq_ignore_ascii_case(b"mailto:"))
}

/// `>`, or blanks and a word with a colon that does not announce a number or address.
fn quoting_tail(text: &[u8]) -> Option<usize> {
    if text.first() == Some(&b'>') {
        return Some(1);
    }
    let blanks = text.iter().take(11).take_while(|octet| is_space(**octet)).count();
    if !(1..=10).contains(&blanks) {
        return None;
    }
    let word = &text[blanks..];
    let length = word.iter().take(12).take_while(|octet| octet.is_ascii_alphabetic()).count();
    let announced = pattern!(r"(?i)^(?:fa(?:x|csi)|tel|phone|e?-?mail)").is_match(word);
    (!announced && (2..=11).contains(&length) && word.get(length) == Some(&b':')).then_some(blanks + length + 1)
}

/// Octets on each side of the `@` of a link that are taken with it.
const LINK: usize = 255;

fn links_stripped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut done = 0;
    for found in pattern!(r"(?i)<?https?://").find_iter(text) {
        if found.start() < done {
            continue;
        }
        let rest = &text[found.end()..];
        let run = rest.iter().take(2 * LINK + 3).take_while(|octet| !is_space(**octet)).count();
        let mark = (0..=LINK.min(run)).rev().find_map(|at| {
            let here = &rest[at..run];
            if here.first() == Some(&b'@') { Some(at + 1) } else { here.starts_with(b"%40").then_some(at + 3) }
        });
        if let Some(mark) = mark {
            out.extend_from_slice(&text[done..found.start()]);
            out.push(b' ');
            done = found.end() + run.min(mark + LINK);
        }
    }
    out.extend_from_slice(&text[done..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains() -> DomainTables {
        DomainTables { tlds: ["com", "org", "example"].map(String::from).into(), ..DomainTables::default() }
    }

    #[test]
    fn addresses_end_at_a_known_top_level_domain() {
        for (text, found) in [
            ("write to Joe.Doe@Example.com, or", vec!["joe.doe@example.com"]),
            ("a..b@x.com", vec!["b@x.com"]),
            (".a@x.com.", vec!["a@x.com"]),
            ("a@x.invalid a@com a@x-.com a@-x.com", vec![]),
            ("a@x.com-y a@x.com.y b@x.com.", vec!["b@x.com"]),
            ("a@b@x.com", vec!["b@x.com"]),
            ("a@1.2.3.4.5.com a@2.3.4.5.com", vec!["a@2.3.4.5.com"]),
        ] {
            assert_eq!(find_addresses(text.as_bytes(), &domains()), found, "{text}");
        }
        let long = format!("{}@x.com {}.b@x.com", "a".repeat(65), "a".repeat(64));
        assert_eq!(find_addresses(long.as_bytes(), &domains()), ["b@x.com"]);
    }

    #[test]
    fn quoted_and_linked_addresses_are_taken_out() {
        for (text, left) in [
            ("x <a@x.com> y", "x   y"),
            ("a@x.com wrote: hi", "  hi"),
            ("a@x.com phone: hi", "a@x.com phone: hi"),
            ("<mailto:a@x.com>", "<mailto:a@x.com>"),
            ("see http://x.com/?m=a@x.com now", "see   now"),
            ("see http://x.com/ a@x.com", "see http://x.com/ a@x.com"),
        ] {
            assert_eq!(lossy(&after_addresses_stripped(text.as_bytes(), &domains())), left, "{text}");
        }
    }
}
