//! Domain names as mail may show them: LDH labels (with underscore) or U-labels, which become A-labels. Everything else
//! is no domain, so that nothing but names ever reaches a packet, a comparison or a header field.

use crate::dns::name;

/// Lower-case A-labels without the final dot; `None` for what is no domain name.
pub fn host(text: &str) -> Option<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let ascii = if text.is_ascii() { text.to_ascii_lowercase() } else { idna::domain_to_ascii_strict(text).ok()? };
    let ascii = name::checked(&ascii)?;
    let octets = ascii.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    octets.then_some(ascii)
}

/// As `host`, with at least two labels, of which the last is not all digits (an address is no domain).
pub fn registrable(text: &str) -> Option<String> {
    let host = host(text)?;
    let (_, top) = host.rsplit_once('.')?;
    (!top.bytes().all(|b| b.is_ascii_digit())).then_some(host)
}

/// The same name, or one below it.
pub fn is_within(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The domain of an address, after the last `@`.
pub fn of_address(address: &str) -> Option<String> {
    registrable(address.rsplit_once('@')?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_domains() {
        assert_eq!(registrable("Example.ORG.").as_deref(), Some("example.org"));
        assert_eq!(registrable("bücher.example").as_deref(), Some("xn--bcher-kva.example"));
        assert_eq!(registrable("_dmarc.example.org").as_deref(), Some("_dmarc.example.org"));
        for odd in [
            "example",
            "192.0.2.1",
            "[192.0.2.1]",
            "a..example",
            "a b.example",
            "x(y).example",
            "a\0.example",
            "a;b.example",
            "\"a\".example",
            "",
        ] {
            assert_eq!(registrable(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_name_lies_within_its_parent_only() {
        assert!(is_within("a.example.org", "example.org") && is_within("example.org", "example.org"));
        assert!(!is_within("badexample.org", "example.org"));
    }
}
