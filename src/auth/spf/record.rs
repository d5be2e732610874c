//! An SPF record, read whole before anything is evaluated: RFC 7208 §4.6 wants permerror for a syntax error anywhere.

use super::macros::MacroString;
use std::net::{Ipv4Addr, Ipv6Addr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

/// Network lengths of `a` and `mx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    pub v4: u8,
    pub v6: u8,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Mechanism {
    All,
    Include(MacroString),
    A(Option<MacroString>, Cidr),
    Mx(Option<MacroString>, Cidr),
    Ptr(Option<MacroString>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(MacroString),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Directive {
    pub qualifier: Qualifier,
    pub mechanism: Mechanism,
    /// As written, for the reason.
    pub text: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    pub directives: Vec<Directive>,
    pub redirect: Option<MacroString>,
    pub explanation: Option<MacroString>,
}

/// RFC 7208 §4.5: "exactly "v=spf1"", followed by a space or the end.
pub fn is_spf(text: &[u8]) -> bool {
    let (version, rest) = text.split_at_checked(6).unwrap_or((b"", b""));
    version.eq_ignore_ascii_case(b"v=spf1") && rest.first().is_none_or(|b| *b == b' ')
}

impl Record {
    /// The error is what is wrong, with the term as written.
    pub fn parse(text: &[u8]) -> Result<Record, String> {
        // RFC 7208 §3.1: a record is ASCII. Control characters are no separators (§4.6.1: terms are separated by SP).
        let text = std::str::from_utf8(text).ok().filter(|t| t.bytes().all(|b| (0x20..0x7f).contains(&b)));
        let text = text.ok_or("the record holds octets other than printable ASCII")?;
        let mut record = Record::default();
        for term in text.get(6..).unwrap_or("").split(' ').filter(|term| !term.is_empty()) {
            record.add(term).map_err(|what| format!("\"{term}\": {what}"))?;
        }
        Ok(record)
    }

    fn add(&mut self, term: &str) -> Result<(), String> {
        let name_end = term.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(term.len());
        let (name, rest) = term.split_at(name_end);
        if let Some(value) = rest.strip_prefix('=').filter(|_| name.starts_with(|c: char| c.is_ascii_alphabetic())) {
            return self.add_modifier(name, value);
        }
        self.directives.push(directive(term)?);
        Ok(())
    }

    fn add_modifier(&mut self, name: &str, value: &str) -> Result<(), String> {
        let slot = match name.to_ascii_lowercase().as_str() {
            "redirect" => &mut self.redirect,
            "exp" => &mut self.explanation,
            // §6: unknown modifiers are ignored, but their value must be a macro-string.
            _ => return MacroString::parse(value).map(|_| ()),
        };
        // §6: each "MUST NOT appear in a record more than once".
        if slot.is_some() {
            return Err("stands there twice".to_owned());
        }
        *slot = Some(MacroString::parse_domain(value)?);
        Ok(())
    }
}

fn directive(term: &str) -> Result<Directive, String> {
    let (qualifier, rest) = match term.split_at_checked(1) {
        Some(("+", rest)) => (Qualifier::Pass, rest),
        Some(("-", rest)) => (Qualifier::Fail, rest),
        Some(("~", rest)) => (Qualifier::SoftFail, rest),
        Some(("?", rest)) => (Qualifier::Neutral, rest),
        _ => (Qualifier::Pass, term),
    };
    let name_end = rest.find([':', '/']).unwrap_or(rest.len());
    let (name, argument) = rest.split_at(name_end);
    let mechanism = match name.to_ascii_lowercase().as_str() {
        "all" if argument.is_empty() => Mechanism::All,
        "all" => return Err("\"all\" takes no argument".to_owned()),
        "include" => Mechanism::Include(MacroString::parse_domain(needed(argument)?)?),
        "exists" => Mechanism::Exists(MacroString::parse_domain(needed(argument)?)?),
        "ptr" if argument.is_empty() => Mechanism::Ptr(None),
        "ptr" => Mechanism::Ptr(Some(MacroString::parse_domain(needed(argument)?)?)),
        "a" => addressed(argument).map(|(domain, cidr)| Mechanism::A(domain, cidr))?,
        "mx" => addressed(argument).map(|(domain, cidr)| Mechanism::Mx(domain, cidr))?,
        "ip4" => {
            let (address, length) = network(needed(argument)?, 32)?;
            Mechanism::Ip4(address.parse().map_err(|_| "no IPv4 address")?, length)
        }
        "ip6" => {
            let (address, length) = network(needed(argument)?, 128)?;
            Mechanism::Ip6(address.parse().map_err(|_| "no IPv6 address")?, length)
        }
        _ => return Err("unknown mechanism".to_owned()),
    };
    Ok(Directive { qualifier, mechanism, text: term.to_owned() })
}

fn needed(argument: &str) -> Result<&str, String> {
    argument.strip_prefix(':').filter(|rest| !rest.is_empty()).ok_or_else(|| "needs \":\" and a value".to_owned())
}

/// `[":" domain-spec] [dual-cidr-length]`
fn addressed(argument: &str) -> Result<(Option<MacroString>, Cidr), String> {
    let (domain, cidr) = dual_cidr(argument)?;
    let domain = if domain.is_empty() { None } else { Some(MacroString::parse_domain(needed(domain)?)?) };
    Ok((domain, cidr))
}

/// Cuts `/24`, `//64` or `/24//64` off the end. A slash before anything but digits belongs to the domain.
fn dual_cidr(text: &str) -> Result<(&str, Cidr), String> {
    let is_length = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let (rest, v6) = match text.rsplit_once("//") {
        Some((rest, digits)) if is_length(digits) => (rest, length(digits, 128)?),
        Some(_) | None => (text, 128),
    };
    let (rest, v4) = match rest.rsplit_once('/') {
        Some((rest, digits)) if is_length(digits) => (rest, length(digits, 32)?),
        Some(_) | None => (rest, 32),
    };
    Ok((rest, Cidr { v4, v6 }))
}

fn network(text: &str, most: u8) -> Result<(&str, u8), String> {
    match text.split_once('/') {
        Some((address, digits)) => Ok((address, length(digits, most)?)),
        None => Ok((text, most)),
    }
}

/// RFC 7208 §12: no leading zeros.
fn length(digits: &str, most: u8) -> Result<u8, String> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|n| plain && *n <= most).ok_or_else(|| format!("\"/{digits}\" is no network length up to {most}"))
}
