//! Registry boundaries: valid top-level domains and the names below which domains are registered.
//!
//! The tables come from rule files (`util_rb_tld` and kin); without any, a short built-in list serves.

use memchr::{memchr, memchr_iter, memchr3, memrchr, memrchr_iter};
use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

/// Names in lower case, A-labels.
#[derive(Clone, Debug, Default)]
pub struct DomainTables {
    pub tlds: HashSet<String>,
    pub two_level: HashSet<String>,
    pub three_level: HashSet<String>,
    pub four_level: HashSet<String>,
}

/// Serves where no rule file names any: the generic domains in common use and those of countries (ISO 3166-1).
const BUILT_IN_TLDS: &str = "com net org edu gov mil int arpa info biz name pro aero asia cat coop jobs mobi museum post tel travel xxx \
 app blog club cloud dev email icu link live online page shop site space store tech top vip website work world xyz \
 ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bv bw by bz ca cc cd cf cg ch ci ck \
 cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr \
 gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt \
 lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk \
 pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl \
 tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw";

const BUILT_IN_TWO_LEVEL: &str = "ac.uk co.uk gov.uk ltd.uk me.uk net.uk org.uk plc.uk sch.uk com.au edu.au gov.au net.au org.au co.nz net.nz \
 org.nz ac.jp co.jp go.jp ne.jp or.jp com.br gov.br net.br org.br com.cn net.cn org.cn com.tw co.kr or.kr co.in net.in org.in co.za \
 com.mx com.ar com.tr com.sg com.hk com.my co.id co.il co.th com.ua com.pl";

static BUILT_IN: LazyLock<DomainTables> = LazyLock::new(|| {
    let set = |names: &str| names.split_whitespace().map(str::to_owned).collect();
    DomainTables { tlds: set(BUILT_IN_TLDS), two_level: set(BUILT_IN_TWO_LEVEL), ..DomainTables::default() }
});

/// RFC 1480: below a state of `us` the registry's boundary lies deeper.
const US_STATES: &str = " ak al ar az ca co ct dc de fl ga gu hi ia id il in ks ky la ma md me mi mn mo ms mt nc nd ne nh nj nm nv ny oh ok \
 or pa pr ri sc sd tn tx ut va vi vt wa wi wv wy ";

fn is_us_state(label: &str) -> bool {
    label.len() == 2 && US_STATES.split(' ').any(|state| state == label)
}

impl DomainTables {
    fn in_force(&self) -> &DomainTables {
        if self.tlds.is_empty() { &BUILT_IN } else { self }
    }

    /// `www.example.co.uk` → `example.co.uk` (RegistryBoundaries' trim_domain), for a host in lower case without empty
    /// labels; others: `trimmed`.
    pub fn registered<'a>(&self, host: &'a str) -> &'a str {
        let tables = self.in_force();
        // Where the last labels begin, from the right; no table asks for more than five.
        let mut starts = [0; 6];
        let mut labels = 1;
        for dot in memrchr_iter(b'.', host.as_bytes()).take(5) {
            starts[labels] = dot + 1;
            labels += 1;
        }
        // `name(n)`: the last n labels.
        let name = |n: usize| starts.get(n).and_then(|start| host.get(*start..)).unwrap_or(host);
        let label = |n: usize| name(n).split('.').next().unwrap_or("");
        let below = |n: usize| name((n + 1).min(labels));
        if labels >= 4
            && label(1) == "us"
            && is_us_state(label(2))
            && (matches!(label(4), "ci" | "co") || (label(4) == "pvt" && label(3) == "k12"))
        {
            return below(4);
        }
        if labels >= 3 {
            let deep = if label(1) == "us" { is_us_state(label(2)) } else { tables.three_level.contains(name(3)) };
            if deep {
                return below(3);
            }
        }
        if labels >= 2 && tables.two_level.contains(name(2)) {
            return below(2);
        }
        name(2.min(labels))
    }

    /// As `registered`, for any text that should be a host: lower-cased, surplus dots dropped.
    pub fn trimmed(&self, host: &str) -> String {
        let lower = host.to_ascii_lowercase();
        let clean: Vec<&str> = lower.split('.').filter(|label| !label.is_empty()).collect();
        self.registered(&clean.join(".")).to_owned()
    }

    pub fn is_tld(&self, label: &str) -> bool {
        self.in_force().tlds.contains(label)
    }

    /// A dotted name under a known top-level domain (is_domain_valid).
    pub fn is_valid(&self, host: &str) -> bool {
        if host.bytes().any(|b| b.is_ascii_whitespace() || b == 0x0B) {
            return false;
        }
        let tld = top_label(host);
        tld.is_some_and(
            |tld| {
                if tld.bytes().any(|b| b.is_ascii_uppercase()) { self.is_tld(&tld.to_ascii_lowercase()) } else { self.is_tld(tld) }
            },
        )
    }

    /// `(host, domain)` of a link (uri_to_domain); an address is its own domain.
    pub fn of_link(&self, link: &[u8]) -> Option<(String, String)> {
        self.of_host(host_of(link)?)
    }

    /// The same by the host part of a link.
    pub fn of_host(&self, host: &[u8]) -> Option<(String, String)> {
        // Escapes that need not be escapes: the decoded form of the link is seen as well.
        if holds_printable_escape(host) {
            return None;
        }
        let host = str::from_utf8(host).ok()?.to_ascii_lowercase();
        if is_ip_address(&host) {
            return Some((host.clone(), host));
        }
        if !is_host_name(&host) || !top_label(&host).is_some_and(|tld| self.is_tld(tld)) {
            return None;
        }
        let domain = self.registered(&host).to_owned();
        Some((host, domain))
    }
}

/// What stands behind the last dot.
fn top_label(host: &str) -> Option<&str> {
    memrchr(b'.', host.as_bytes()).and_then(|dot| host.get(dot + 1..))
}

/// The host part of a link, as loosely as uri_to_domain cuts it out.
pub fn host_of(link: &[u8]) -> Option<&[u8]> {
    let begins = |word: &[u8]| link.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    if [&b"javascript:"[..], b"cid:", b"file:"].iter().any(|scheme| begins(scheme)) {
        return None;
    }
    if begins(b"mailto:") {
        let address = link.get(b"mailto:".len()..)?;
        let address = address.get(..memchr(b'?', address).unwrap_or(address.len()))?;
        let at = memchr(b'@', address).filter(|at| Some(*at) == memrchr(b'@', address))?;
        return address.get(at + 1..);
    }
    let scheme = link.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let mut host = link;
    if scheme > 0 && link.get(scheme) == Some(&b':') {
        host = link.get(scheme + 1..)?;
        for _ in 0..2 {
            host = host.strip_prefix(b"/").unwrap_or(host);
        }
    }
    host = host.get(..memchr3(b'/', b'?', b'#', host).unwrap_or(host.len()))?;
    host = host.get(memrchr(b'@', host).map_or(0, |at| at + 1)..)?;
    let digits = host.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    match host.len().checked_sub(digits + 1) {
        Some(colon) if host.get(colon) == Some(&b':') => host.get(..colon),
        _ => Some(host),
    }
}

/// `%21` to `%7e`.
fn holds_printable_escape(host: &[u8]) -> bool {
    memchr_iter(b'%', host).any(|at| match host.get(at + 1..at + 3) {
        Some([high, low]) => {
            let value = char::from(*high).to_digit(16).zip(char::from(*low).to_digit(16)).map(|(h, l)| h * 16 + l);
            value.is_some_and(|v| (0x21..=0x7E).contains(&v))
        }
        Some(_) | None => false,
    })
}

/// An IPv4 or IPv6 address as text (Constants.pm, IS_IP_ADDRESS).
pub fn is_ip_address(text: &str) -> bool {
    if text.parse::<Ipv4Addr>().is_ok() {
        return true;
    }
    let v6 = match text.split_at_checked(5) {
        Some((start, rest)) if start.eq_ignore_ascii_case("IPv6:") => rest,
        _ => text,
    };
    v6.contains(':') && v6.parse::<Ipv6Addr>().is_ok()
}

/// A host name in a legal form (Util.pm, is_fqdn_valid): at least two labels of 1 to 63 letters, digits, inner hyphens;
/// underscores left of the last two.
pub fn is_host_name(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    if host.len() > 253 {
        return false;
    }
    // From the right: where the label ends, its level from zero, whether its last octet so far may stand at an edge.
    let bytes = host.as_bytes();
    let (mut end, mut level, mut at_edge) = (bytes.len(), 0, false);
    for (at, b) in bytes.iter().enumerate().rev() {
        let is_last = at + 1 == end;
        match b {
            b'.' if at_edge && end - at <= 64 => (end, level, at_edge) = (at, level + 1, false),
            b'_' if level < 2 => return false,
            b'_' => at_edge = true,
            b'-' if !is_last => at_edge = false,
            _ if b.is_ascii_alphanumeric() => at_edge = true,
            _ => return false,
        }
    }
    level > 0 && at_edge && end <= 63
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> DomainTables {
        let set = |names: &str| names.split_whitespace().map(str::to_owned).collect();
        DomainTables { tlds: set("com uk us net"), two_level: set("co.uk"), three_level: set("demon.co.uk"), ..DomainTables::default() }
    }

    #[test]
    fn a_host_is_cut_at_the_registry_boundary() {
        for (host, domain) in [
            ("www.example.com", "example.com"),
            ("example.com", "example.com"),
            ("a.b.example.co.uk", "example.co.uk"),
            ("co.uk", "co.uk"),
            ("www.x.demon.co.uk", "x.demon.co.uk"),
            ("demon.co.uk", "demon.co.uk"),
            ("www.x.ca.us", "www.x.ca.us"),
            ("fire.ci.los-angeles.ca.us", "fire.ci.los-angeles.ca.us"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(tables().registered(host), domain, "{host}");
        }
        assert_eq!(tables().trimmed("..WWW..Example.com."), "example.com");
    }

    #[test]
    fn the_host_of_a_link_is_found_under_its_disguises() {
        let host = |link: &str| tables().of_link(link.as_bytes()).map(|(host, _)| host);
        for (link, expected) in [
            ("http://user:pass@www.Example.com:80/x@y", Some("www.example.com")),
            ("http:www.example.com?x", Some("www.example.com")),
            ("mailto:a@example.com?subject=x@y", Some("example.com")),
            ("mailto:a@b@example.com", None),
            ("javascript:x@example.com", None),
            ("http://192.0.2.1/", Some("192.0.2.1")),
            ("http://www.example.example/", None),
            ("http://ex%61mple.com/", None),
            ("http://_x.y.example.com:/", Some("_x.y.example.com")),
            ("http://ex_ample.com/", None),
            ("domainkeys:example.com", Some("example.com")),
        ] {
            assert_eq!(host(link).as_deref(), expected, "{link}");
        }
    }

    #[test]
    fn a_host_name_has_labels_of_a_legal_form() {
        let long = "a".repeat(63);
        for (host, legal) in [
            ("example.com", true),
            ("example.com..", true),
            ("com", false),
            ("", false),
            (".com", false),
            ("a..com", false),
            ("-a.com", false),
            ("a-.com", false),
            ("a-b.com", true),
            ("_a.b.com", true),
            ("a_.b.com", true),
            ("a.b_c.com", false),
            ("a.com_", false),
            ("a b.com", false),
            ("é.com", false),
            (&format!("{long}.{long}.com"), true),
            (&format!("{long}a.com"), false),
            (&format!("a.{long}a.com"), false),
        ] {
            assert_eq!(is_host_name(host), legal, "{host}");
        }
    }

    #[test]
    fn without_tables_the_built_in_list_serves() {
        assert!(DomainTables::default().is_valid("example.de"));
        assert!(!DomainTables::default().is_valid("example.notatld"));
        assert_eq!(DomainTables::default().registered("www.example.co.uk"), "example.co.uk");
    }
}
