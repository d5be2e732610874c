//! Link targets: trimmed, cut, and resolved against the base (RFC 3986 §5.2, as loosely as SpamAssassin reads it).

use std::borrow::Cow;

/// Characters of a link that are kept.
pub const LONGEST: usize = 8192;

/// A target without surrounding white space; `true` where it was cut.
pub fn canonical(text: &str, wide: bool) -> (&str, bool) {
    let outer = |c: char| c == '\u{A0}' || is_space(c, wide);
    let text = text.trim_matches(outer);
    if text.len() <= LONGEST {
        return (text, false);
    }
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => (text.get(..at).unwrap_or(""), true),
        None => (text, false),
    }
}

/// Perl's `\s`: beyond ASCII only in wide strings.
pub fn is_space(c: char, wide: bool) -> bool {
    if c.is_ascii() { matches!(c, ' ' | '\t'..='\r') } else { wide && c.is_whitespace() }
}

#[derive(Clone, Copy, Default)]
struct Parts<'u> {
    scheme: Option<&'u str>,
    authority: Option<&'u str>,
    path: &'u str,
    query: Option<&'u str>,
    fragment: Option<&'u str>,
}

impl<'u> Parts<'u> {
    fn of(uri: &'u str) -> Parts<'u> {
        let mut parts = Parts::default();
        let mut rest = uri;
        if let Some(at) = rest.find([':', '/', '?', '#']).filter(|at| *at > 0 && rest.as_bytes().get(*at) == Some(&b':')) {
            parts.scheme = rest.get(..at);
            rest = rest.get(at + 1..).unwrap_or("");
        }
        if let Some(after) = rest.strip_prefix("//") {
            let end = after.find(['/', '?', '#']).unwrap_or(after.len());
            (parts.authority, rest) = (after.get(..end), after.get(end..).unwrap_or(""));
        }
        let end = rest.find(['?', '#']).unwrap_or(rest.len());
        let after;
        (parts.path, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        rest = after;
        if let Some(after) = rest.strip_prefix('?') {
            let end = after.find('#').unwrap_or(after.len());
            (parts.query, rest) = (after.get(..end), after.get(end..).unwrap_or(""));
        }
        if let Some(after) = rest.strip_prefix('#') {
            parts.fragment = after.split('\n').next();
        }
        parts
    }
}

/// The target of `relative` in a document whose base is `base` (empty: none, and a relative link stays relative).
pub fn resolve<'u>(base: &str, relative: &'u str) -> Cow<'u, str> {
    if base.is_empty() && is_resolved(relative) {
        return Cow::Borrowed(relative);
    }
    Cow::Owned(resolved(base, relative))
}

/// `http://host/path` without dots to take out: what most links are.
fn is_resolved(link: &str) -> bool {
    let rest = link.strip_prefix("http").map(|rest| rest.strip_prefix('s').unwrap_or(rest)).and_then(|rest| rest.strip_prefix("://"));
    let Some(rest) = rest.map(str::as_bytes) else { return false };
    memchr::memmem::find(rest, b"/.").is_none() && memchr::memchr(b'\n', rest).is_none()
}

fn resolved(base: &str, relative: &str) -> String {
    let (base, mut link) = (Parts::of(base), Parts::of(relative));
    if link.scheme.is_some() && link.scheme == base.scheme {
        link.scheme = None;
    }
    let (mut scheme, mut authority, mut query) = (link.scheme, link.authority, link.query);
    let path = if link.scheme.is_some() || link.authority.is_some() {
        without_dots(link.path)
    } else {
        authority = base.authority;
        if link.path.is_empty() {
            query = query.or(base.query);
            base.path.to_owned()
        } else if link.path.starts_with('/') {
            without_dots(link.path)
        } else {
            without_dots(&merged(&base, link.path))
        }
    };
    if link.scheme.is_none() {
        scheme = base.scheme;
    }
    composed(scheme, authority, &path, query, link.fragment)
}

fn composed(scheme: Option<&str>, authority: Option<&str>, path: &str, query: Option<&str>, fragment: Option<&str>) -> String {
    let mut result = String::new();
    match (scheme, authority) {
        (Some(scheme), _) if scheme != "0" => {
            result.push_str(scheme);
            result.push(':');
        }
        // Not of the standard: a host that names its service gets the scheme of it.
        (_, Some(host)) if names_service(host, "www") => result.push_str("http:"),
        (_, Some(host)) if names_service(host, "ftp") => result.push_str("ftp:"),
        _ => {}
    }
    for (mark, part) in [("//", authority), ("", Some(path)), ("?", query), ("#", fragment)] {
        if let Some(part) = part {
            result.push_str(mark);
            result.push_str(part);
        }
    }
    result
}

/// `www.`, `WWW2.`
fn names_service(host: &str, service: &str) -> bool {
    let Some((start, rest)) = host.split_at_checked(service.len()) else { return false };
    start.eq_ignore_ascii_case(service) && rest.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with('.')
}

fn merged(base: &Parts<'_>, path: &str) -> String {
    if base.authority.is_some() && matches!(base.path, "" | "0") {
        return format!("/{path}");
    }
    match base.path.rfind('/') {
        Some(at) => format!("{}{path}", base.path.get(..=at).unwrap_or("")),
        None => path.to_owned(),
    }
}

/// RFC 3986 §5.2.4; a leading `.` or `..` becomes `/`.
fn without_dots(path: &str) -> String {
    let mut output = String::with_capacity(path.len());
    let mut input = path;
    let mut slash_pending = false;
    if let Some(rest) = input.strip_prefix("../").or_else(|| input.strip_prefix("./")) {
        (input, slash_pending) = (rest, true);
    }
    // `slash_pending`: the input begins with a `/` that was put in place of what was removed.
    loop {
        let rest = match (slash_pending, input.strip_prefix('/')) {
            (true, _) => Some(input),
            (false, Some(rest)) => Some(rest),
            (false, None) => None,
        };
        let Some(rest) = rest else {
            // Perl takes "0" for false and stops.
            if input.is_empty() || input == "0" {
                return output;
            }
            let end = input.find('/').unwrap_or(input.len());
            output.push_str(input.get(..end).unwrap_or(""));
            input = input.get(end..).unwrap_or("");
            continue;
        };
        let end = rest.find('/').unwrap_or(rest.len());
        let (segment, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        match segment {
            "." => {
                (slash_pending, input) = (true, after.strip_prefix('/').unwrap_or(after));
            }
            ".." => {
                (slash_pending, input) = (true, after.strip_prefix('/').unwrap_or(after));
                output.truncate(output.rfind('/').unwrap_or(0));
            }
            _ => {
                output.push('/');
                output.push_str(segment);
                (slash_pending, input) = (false, after);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_link_is_resolved_as_the_standard_says() {
        // RFC 3986 §5.4, without the forms that strict and loose readers take differently.
        let base = "http://a/b/c/d;p?q";
        for (link, target) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q#s"),
            ("..", "http://a/b/"),
            ("../..", "http://a/"),
            ("../../../g", "http://a/g"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("http:g", "http://a/b/c/g"),
        ] {
            assert_eq!(resolve(base, link), target, "{link}");
        }
    }

    #[test]
    fn without_a_base_a_link_stays_as_it_is() {
        for (link, target) in [
            ("index.html", "index.html"),
            ("//www.example.com/x", "http://www.example.com/x"),
            ("//example.com/x", "//example.com/x"),
            ("http://example.com/a/../b", "http://example.com/b"),
            ("http://example.com", "http://example.com"),
            ("0", ""),
        ] {
            assert_eq!(resolve("", link), target, "{link}");
        }
    }
}
