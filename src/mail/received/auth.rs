//! Traces of a login in a Received line.

use super::shape::{Mark, Marks, Shape};

/// How a trace is told: the texts a line must hold (none: the empty one), the shape, and what the method is called.
struct Trace {
    needs: [Mark; 2],
    shape: Shape,
    name: Name,
}

enum Name {
    Fixed(&'static str),
    /// The group `word`.
    Word,
    /// `GMX (protocol / server)`.
    Gmx,
    /// `Postfix`, or `Postfix (NAME)` where the server goes by another name.
    Postfix,
}

/// In order; the first that fits counts, after the protocols of RFC 3848, RFC 6531 and their kin.
static TRACES: [Trace; 9] = [
    Trace {
        needs: [Mark::new(" by mx.google.com with ESMTPS id "), Mark::new("(version=")],
        shape: Shape::new(
            r" by mx\.google\.com with ESMTPS id [a-z0-9]{1,4}sm[0-9]{2,9}[a-z]{3}\.[0-9]{1,3}\.[0-9]{4}\.(?:[0-6][0-9]\.){4}[0-6][0-9]",
        ),
        name: Name::Fixed("GMail"),
    },
    Trace {
        needs: [Mark::new("(AUTH: "), Mark::new("")],
        shape: Shape::new(r"^from .*?(?:\]\)|\)\]) \(AUTH: (?P<word>LOGIN|PLAIN|DIGEST-MD5|CRAM-MD5) \S+(?:, .*?)?\) by "),
        name: Name::Word,
    },
    Trace {
        needs: [Mark::new("authenticated"), Mark::new("")],
        shape: Shape::new(r"^from .*?(?:\](?: \([^)]*\))?\)|\)\]) .*?\(.*?authenticated.*?\).*? by"),
        name: Name::Fixed("Sendmail"),
    },
    Trace {
        needs: [Mark::new("by mail.gmx."), Mark::new("")],
        shape: Shape::new(
            r"from \S* \((?:HELO|EHLO) \S*\) \[<ip>\] by (?P<by>mail\.gmx\.(?:net|com)) \([^\)]+\) with (?P<word>ESMTP|SMTP)",
        ),
        name: Name::Gmx,
    },
    Trace {
        needs: [Mark::new(" (authenticated as "), Mark::new("")],
        shape: Shape::new(r"\) by .+ \(\d{1,2}\.\d\.\d{3}(?:\.\d{1,3})?\) \(authenticated as .+\) id "),
        name: Name::Fixed("CriticalPath"),
    },
    Trace {
        needs: [Mark::new(") (Authenticated sender: "), Mark::new("")],
        shape: Shape::new(r"\) \(Authenticated sender: \S+\) by \S+ \((?P<word>[^\)]+)\) with "),
        name: Name::Postfix,
    },
    Trace {
        needs: [Mark::new("CommuniGate Pro "), Mark::new(" (account ")],
        shape: Shape::new(r"CommuniGate Pro (?:HTTP|SMTP|XIMSS|IMAP)"),
        name: Name::Fixed("Communigate"),
    },
    Trace {
        needs: [Mark::new("HTTP-DAV"), Mark::new("")],
        shape: Shape::new(r" with Microsoft Exchange Server HTTP-DAV\b"),
        name: Name::Fixed("HTTP-DAV"),
    },
    Trace { needs: [Mark::new(" by "), Mark::new(" (")], shape: Shape::new(r"(?i: \(via (?P<word>HTTP.?)\)(?: |;|$))"), name: Name::Word },
];

/// Whether ` (via http` stands in a line, in any case.
fn names_web(line: &[u8]) -> bool {
    static OPEN: Mark = Mark::new(" (");
    OPEN.places(line).any(|at| line.get(at + 2..at + 10).is_some_and(|word| word.eq_ignore_ascii_case(b"via http")))
}

/// The first protocol with a login that stands behind ` with `.
fn protocol(line: &[u8]) -> Option<String> {
    const PROTOCOLS: [&str; 12] =
        ["ESMTPA", "ESMTPSA", "LMTPA", "LMTPSA", "UTF8SMTPA", "UTF8SMTPSA", "UTF8LMTPA", "UTF8LMTPSA", "ASMTP", "HTTP", "HTTPS", "HTTPU"];
    static BY: Mark = Mark::new(" by ");
    let found = memchr::memchr2_iter(b'w', b'W', line).find_map(|at| {
        let begins_word = at.checked_sub(1).is_some_and(|before| line[before] == b' ');
        line.get(at..at + 5).filter(|word| begins_word && word.eq_ignore_ascii_case(b"with "))?;
        let protocol = line[at + 5..].split(|octet| matches!(octet, b' ' | b';')).next()?;
        PROTOCOLS.iter().any(|known| protocol.eq_ignore_ascii_case(known.as_bytes())).then_some(protocol)
    })?;
    BY.is_in(line).then(|| String::from_utf8_lossy(found).into_owned())
}

static VERSION: Shape = Shape::new(r"\(version=(?P<word>[^ ]+) cipher=(?P<by>[^\)]+)\)");

/// The method, empty for none.
pub fn method(line: &[u8]) -> String {
    let [others @ .., web] = &TRACES;
    let by_web = || names_web(line).then(|| web.of(line)).flatten();
    let by_others = || {
        static ANY: Marks = Marks::new();
        let may_be = ANY.any(line, others.iter().map(|trace| &trace.needs[0]));
        may_be.then(|| others.iter().find_map(|trace| trace.of(line))).flatten()
    };
    protocol(line).or_else(by_others).or_else(by_web).unwrap_or_default()
}

impl Trace {
    fn of(&self, line: &[u8]) -> Option<String> {
        if !self.needs.iter().all(|need| need.is_in(line)) {
            return None;
        }
        let found = self.shape.captures(line)?;
        Some(match self.name {
            Name::Fixed("GMail") => {
                let version = VERSION.captures(line)?;
                format!("GMail - transport={} cipher={}", version.text("word")?, version.text("by")?)
            }
            Name::Fixed(name) => name.to_string(),
            Name::Word => found.text("word")?,
            Name::Gmx => format!("GMX ({} / {})", found.text("word")?, found.text("by")?),
            Name::Postfix => match found.text("word")? {
                name if name == "Postfix" => name,
                name => format!("Postfix ({name})"),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_leave_traces() {
        for (line, method_name) in [
            ("from a (b [192.0.2.1]) by c with ESMTPSA id 1", "ESMTPSA"),
            ("from a (b [192.0.2.1]) (Authenticated sender: x@y) by c (Postfix) with ESMTP id 1", "Postfix"),
            ("from a (b [192.0.2.1]) (authenticated bits=0) by c (8.12.5) with ESMTP id 1", "Sendmail"),
            ("from a ([192.0.2.1]) by c (via HTTPS) id 1", "HTTPS"),
            ("from a (b [192.0.2.1]) by c with ESMTPS id 1", ""),
        ] {
            assert_eq!(method(line.as_bytes()), method_name, "{line}");
        }
    }
}
