//! The forms of Received lines that mail servers write, in the order in which SpamAssassin tries them.

use super::Relay;
use super::shape::{Groups, Mark, Marks, Shape, text};
use crate::mail::ip;
use memchr::memmem;

/// A line while it is read.
#[derive(Debug, Default)]
pub struct Draft {
    pub relay: Relay,
    /// The server that wrote the line looks names up, so that an absent one means that there is none.
    pub looked_up: bool,
}

/// What a form means.
#[derive(Clone, Copy)]
pub enum Meaning {
    /// A hop.
    Hop,
    /// A hop seen by a server that looks names up.
    LookedUp,
    /// A hop that needs a second look.
    Then(fn(&mut Draft, &Groups<'_>, &[u8])),
    /// No hop over SMTP, or one without an address.
    Ignore,
    /// qmail-scanner's remark on the line below.
    Scanned,
    /// The mail was fetched from a mailbox.
    Fetched,
}

/// Servers whose lines are tried against their own forms before the general ones. The first mark found decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Smtpsvc,
    Exchange,
    XMail,
    Ecelerity,
    Exim,
    Postfix,
    Scalix,
    Domino,
    /// All but qmail-ldap, which no mark tells: see `is_qmail_ldap`.
    Sendmail,
    Other,
}

pub fn family(line: &[u8]) -> Family {
    static MARKS: [(Mark, Family); 8] = [
        (Mark::new(" SMTPSVC"), Family::Smtpsvc),
        (Mark::new(" with Microsoft SMTP Server "), Family::Exchange),
        (Mark::new("[XMail "), Family::XMail),
        (Mark::new("(ecelerity"), Family::Ecelerity),
        (Mark::new("Exim"), Family::Exim),
        (Mark::new(" (Postfix) with"), Family::Postfix),
        (Mark::new("(Scalix SMTP Relay"), Family::Scalix),
        (Mark::new(" (Lotus Domino "), Family::Domino),
    ];
    static MAPI: Mark = Mark::new(" with mapi id ");
    static ANY: Marks = Marks::new();
    if !ANY.any(line, MARKS.iter().map(|(mark, _)| mark).chain([&MAPI])) {
        return Family::Other;
    }
    for (mark, family) in &MARKS {
        let found = match family {
            Family::Exchange => [mark, &MAPI].into_iter().any(|mark| mark.ends(line).any(|end| begins_with_version(&line[end..]))),
            Family::Ecelerity => mark.is_in(line) && ECELERITY.is_match(line),
            _ => mark.is_in(line),
        };
        if found {
            return *family;
        }
    }
    Family::Other
}

/// `15.20.1.2`, perhaps with a remark in parentheses before it.
fn begins_with_version(text: &[u8]) -> bool {
    let is_number = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let is_version = |text: &[u8]| {
        let numbers = text.split(|octet| *octet == b' ').next().unwrap_or_default().split(|octet| *octet == b'.');
        numbers.clone().count() == 4 && numbers.into_iter().all(is_number)
    };
    let after_remark = || {
        let remark = text.strip_prefix(b"(")?;
        let close = memchr::memchr(b')', remark).filter(|close| *close > 0)?;
        remark[close + 1..].strip_prefix(b" ")
    };
    is_version(text) || after_remark().is_some_and(is_version)
}

pub struct Form {
    pub family: Family,
    /// A text without which the shape cannot match.
    pub needs: Mark,
    pub shape: Shape,
    pub meaning: Meaning,
}

const fn form(family: Family, needs: &'static str, shape: &'static str, meaning: Meaning) -> Form {
    Form { family, needs: Mark::new(needs), shape: Shape::new(shape), meaning }
}

const fn hop(needs: &'static str, shape: &'static str) -> Form {
    form(Family::Other, needs, shape, Meaning::Hop)
}

const fn looked_up(needs: &'static str, shape: &'static str) -> Form {
    form(Family::Other, needs, shape, Meaning::LookedUp)
}

const fn then(needs: &'static str, shape: &'static str, meaning: fn(&mut Draft, &Groups<'_>, &[u8])) -> Form {
    form(Family::Other, needs, shape, Meaning::Then(meaning))
}

const fn ignore(needs: &'static str, shape: &'static str) -> Form {
    form(Family::Other, needs, shape, Meaning::Ignore)
}

static ECELERITY: Shape = Shape::new(r"\(ecelerity\b");

/// Lines that begin with `from `, that word taken off.
pub static FROM: [Form; 17] = [
    // Web mail.
    hop(" (SquirrelMail authenticated user ", r"\b<ip>\b[^.\-].{9,79}by <by> with HTTP"),
    hop(" (NaSMail authenticated user ", r"\b<ip>\b[^.\-].{9,79}by <by> with HTTP"),
    hop("with HTTP (WebMailUI)", r"<ip> by (?P<by>\S*aol\.com\S*) \(<an ip>\) with HTTP \(WebMailUI\)"),
    // Servers with forms of their own.
    form(Family::Smtpsvc, " SMTPSVC", r"^<helo?> \(\[<ip>\][^\)]{0,40}\) by <by> with Microsoft SMTPSVC", Meaning::Hop),
    form(Family::Smtpsvc, "mail pickup service", r"^mail pickup service by \S+ with Microsoft SMTPSVC$", Meaning::Ignore),
    form(
        Family::Exchange,
        " by ",
        r"^<helo> \(\[?<boxed ip>(?:%[A-Z0-9._~-]*)?\]?\) by <by> ",
        Meaning::Then(|d, _, _| d.relay.id.clear()),
    ),
    form(Family::XMail, "[XMail", r"^<helo> \((?P<boxed>\[?<an ip>\]?):\d+\) by <by>(?: \(\S+\))? with \[XMail", Meaning::Then(xmail)),
    form(Family::Ecelerity, "helo=", r"^\(\[<ip>:\d+\] helo=<helo>\) by <by> ", Meaning::Hop),
    form(Family::Ecelerity, "([", r"^\S+ \(\[<ip>:\d+\]\) by <by> ", Meaning::Hop),
    form(Family::Exim, "with local", r"\bwith local(?:-\S+)? ", Meaning::Ignore),
    form(Family::Exim, "] (", r"^\[<ip>\] \((?P<sub>.*?)\) by <by> ", Meaning::Then(remarks)),
    form(Family::Exim, " ([", r"^<rdns> \(\[<boxed ip>\](?P<sub>.*?)\) by <by> ", Meaning::Then(exim)),
    form(Family::Exim, " [", r"^<rdns> \[<ip>\](?::\d+)? by <by> ", Meaning::Then(helo_is_rdns)),
    form(Family::Postfix, "])", r"^<helo> \(<rdns> \[<boxed ip>\]\) by <by> ", Meaning::LookedUp),
    form(Family::Postfix, "])", r"^<helo> \(<rdns>\[<ip>\]\) by <by> ", Meaning::LookedUp),
    form(Family::Scalix, "(Scalix", r"^<helo> \( ?<ip>\) by <by>", Meaning::Hop),
    form(Family::Domino, "(Lotus", r"^<helo> \(\[<ip>\]\) by <by> \(Lotus", Meaning::Hop),
];

/// qmail's lines end in the protocol; "SMTP id" is Sendmail's.
macro_rules! qmail_line {
    ($protocol:literal) => {
        concat!(
            r"^\S+ \((?:(?:HELO|EHLO) \S*\) \()?(?:\S+@)?\[?<an ip>\]?\)(?: \(envelope-sender <\S+>\))?",
            r" by \S+(?: \(.+\))? with (?:.* )?",
            $protocol,
            r"(?:$|[^ ]| (?:$|[^i]|i(?:$|[^d]|d(?:$|[^ ]))))"
        )
    };
}

/// Forms tried for every family after its own.
pub static GENERAL: [Form; 70] = [
    hop("with HTTP", r"^<ip> \(\[<an ip>\]\) by <by>.*\bwith HTTP\b"),
    form(Family::Sendmail, "]", r"^<helo> \(<rdns> \[<boxed ip>\].*\) by <by> \(", Meaning::Then(sendmail)),
    looked_up("])", r"^<helo> \(<rdns> \[<boxed ip>\]\) by <by> with \S+ \("),
    hop("] helo=", r"^<rdns> \(\[<ip>\] helo=<helo>\) by <by> with "),
    hop("(<unknown", r"^<helo> \(<unknown\S*>\[<ip>\]\) by <by> "),
    looked_up("])", r"^<helo> \((?P<rdns>\S+\.\S+)\[<ip>\]\) by <by> "),
    looked_up("@[", r"^<helo> \((?P<ident>\S*)@\[<ip>\].*\) by <by> \("),
    then(".hotmail.msn.com ", r"by (?P<by>\S+\.hotmail\.msn\.com) ", hotmail),
    hop("(qpsmtpd/", r"^<rdns> \((?:HELO|EHLO) <helo?>\) \(<ip>\) by <by> \(qpsmtpd/\S+\) with (?:ESMTP|SMTP)"),
    hop("(LHLO ", r"^<rdns> \(LHLO <helo?>\) \(<ip>\) by <by> with LMTP"),
    hop("LO ", r"^<rdns> \((?:HELO|EHLO) <helo?>\) \[<ip>\] by <by> \([^\)]+\) with (?:ESMTP|SMTP)"),
    hop("via smtpd (for ", r"^<helo> \(\[<ip>\]\) by <by> via smtpd \(for \S+\) with SMTP\("),
    then(" SMTP", qmail_line!("SMTP"), qmail),
    then(" QMQP", qmail_line!("QMQP"), qmail),
    hop(" via HTTP", r"^\[<ip>\] by <by> via HTTP$"),
    hop(" ( [", r"^\S+ \( \[<ip>\]\).*? by <by> "),
    hop("])", r"^\(<helo> \[<ip>\]\) by <by> "),
    hop("] by ", r"^\[<ip>\] by <by> "),
    hop(") by ", r"^\(\[?<ip>\]?\) by <by> "),
    looked_up("] with ", r"^<helo> \[<ip>\] by <by> \[<an ip>\] with "),
    hop(" [(", r"^<helo> \[\(<ip>\)\] by <by> \(<an ip>\) "),
    looked_up("]) by ", r"^<helo> \(\[<boxed ip>\]\) by <by> \("),
    then("])", r"^<helo> \(<word> \[<boxed ip>\]\).*? by (?P<by>\S+)\b", courier),
    looked_up("])", r"^<helo> \(\[<ip>(?:[.:]\d+)?\]\).*? by <by> "),
    form(Family::Other, "with ", r"with (?:POP3|IMAP)", Meaning::Fetched),
    then("LO ", r"^<rdns> \((?:HELO|EHLO) (?P<helo>[^\)]*)\) \((?P<ident>\S*@)?\[?<ip>\]?\).* by <by> ", login),
    then(")", r"^<rdns> \((?P<ident>\S*@)?\[?<boxed ip>\]?\).* by <by> ", named_login),
    looked_up(" via smap ", r"^<rdns>\(<ip>\) by <by> via smap "),
    looked_up(" via smap ", r"^<rdns>\(<ip>, (?:HELO|EHLO) <helo?>\) by <by> via smap "),
    hop(" by ", r"^<ip> by <by> \((?:SMTPL|InterScan)\b"),
    ignore(" with BSMTP", r"^\S+ by \S+ with BSMTP"),
    looked_up("LO ", r"^<rdns> \((?:HELO|EHLO) <helo?>\) \((?:<ident>@)?<ip>.*?\) by <by> with "),
    hop("LO ", r"^\[<ip>\] \((?:account \S+ )?(?:HELO|EHLO) <helo?>\) by <by> \("),
    then(" (CommuniGate Pro", r"^<rdns> \(\[<ip>\] verified\) by <by> \(", communigate),
    ignore("(Content Technologies ", r"^\S+ \(\S+\) by \S+ \(Content Technologies "),
    hop("] [", r"^<helo> \(\[<ip>\] \[\S+\]\) by <by> with "),
    hop(" with ", r"^<ip> by <by> with "),
    looked_up("])", r"^<helo> \(<rdns>\[<ip>\]\) by <by> "),
    hop("LO ", r"^\[<ip>\]\S+ \((?:HELO|EHLO) <helo?>\) by <by> "),
    hop("LO ", r"^<ip> \((?:HELO|EHLO) <helo?>\) by <by> "),
    hop("] by ", r"^<helo> \[<ip>\] by <by> "),
    hop(") by ", r"^<rdns>\(<ip>\) by <by> "),
    hop(") by ", r"^<ip> \([A-Za-z][^\)]+\) by <by> with "),
    then("] (", r"^\[<ip>\] \((?P<sub>[^\)]+)\) by <by> ", remarks),
    then(" via ", r#"^<rdns>\(<ip>\)(?:, claiming to be "<helo>")? via \S+ by <by>,"#, obtuse),
    hop(" with login) by ", r"^<helo> \(\S+@<ip> with login\) by (?P<by>\S+\.yahoo\.com) with SMTP"),
    then("X-Originating-IP: ", r"^X-Originating-IP: <ip>$", |d, _, _| d.relay.by.clear()),
    // What is no hop.
    ignore("@", r"^\S+ \([^\s@]+@LOCALHOST\) by \S+ \("),
    ignore("with local-", r"^\S+ \S+ by \S+ with local-e?smtp "),
    ignore("(AVG SMTP ", r"^127\.0\.0\.1 \(AVG SMTP \S+ \[\S+\]\)"),
    ignore("@", r"^\S+@\S+ by \S+ "),
    ignore("Unknown/Local (", r"^Unknown/Local \("),
    ignore("(", r"^LOCALHOST \((?:\S+@)?LOCALHOST[\)\[]"),
    ignore("(", r"^\S+ \((?:\S+@)?LOCALHOST\) "),
    ignore("@", r"^\S+ \(\S+@\S+ \[LOCALHOST\]\) "),
    ignore("(AUTH: ", r"^\(AUTH: \S+\) by \S+ with "),
    ignore("[[UNIX: ", r"^localhost \(localhost \[\[UNIX: localhost\]\]\) by "),
    ignore("Novell_GroupWise", r"^[^\.]+ by \S+ with Novell_GroupWise"),
    form(Family::Other, "qmail-scanner", r"^\S+ by \S+ \(.{0,100}\) with qmail-scanner", Meaning::Scanned),
    ignore("([unix socket])", r"^\S+ \(\[unix socket\]\) by \S+ \(Cyrus v[0-9]*?\.[0-9]*?\.[0-9]*?\) with LMTPA"),
    ignore(" by ", r"^\S+ by \S+ (?:with|via|for|\()"),
    ignore(" by", r"^\S+ (?:(?:with|via|for) \S+|\(unverified\)) by\b"),
    ignore("(SG)", r"^\S+ \(unknown\) by \S+ \(SG\) with \b"),
    ignore("[local]", r"^\S+ \(\S+ \[local\]\) by \S+ \(OpenSMTPD\) with \b"),
    ignore("(LSMTP for", r"\(LSMTP for"),
    ignore("MailEnable", r"^\(\[LOCALHOST\]\) with MailEnable "),
    ignore("facebook.com", r"^facebook\.com \([^\)]+\) by facebook\.com with Thrift id \S+$"),
    ignore("HTTPREST", r"^\S+ named \S+ by gmailapi\.google\.com with HTTPREST$"),
    ignore(" id ", r"^\S+ id \S+$"),
    ignore("(Jetsend", r"^\[<.*? \(Jetsend"),
];

/// Lines that begin with `FROM ` (simta).
pub static UPPER_FROM: [Form; 1] =
    [then(" BY ", r"^<helo> \(<rdns> \[<ip>\]\) BY <by> (?:\([^\)]+\) WITH SMTP )?ID <?(?P<id>\S+?)>?(?: FOR <[^>]+>)?$", simta)];

/// Lines that begin with `(from `.
pub static OPEN_FROM: [Form; 3] = [
    hop("(NAVGW ", r"^<helo?> \[<ip>\]\) by <by> \(NAVGW .*?\) with "),
    ignore("@localhost) by ", r"^\S+@localhost\) by \S+ "),
    ignore("(jqueuemail)", r"^[^\s@]+@[^)]+\) by \S+\(jqueuemail\) id [^\s;]+"),
];

/// Oddities of Exim lines that no form fits: whatever can be found.
pub static EXIM_PIECES: [Shape; 4] =
    [Shape::new(r"^<rdns> "), Shape::new(r" \(<helo>\) "), Shape::new(r" \[<ip>(?:\.\d+)?\] "), Shape::new(r"by <by> ")];

/// A text without which a shape cannot match, the shape, and whether the client's HELO was no other name than its own.
static QMAIL_FORMS: [(Mark, Shape, bool); 5] = [
    (
        Mark::new("LO "),
        Shape::new(r"^<rdns> \((?:HELO|EHLO) (?P<helo>[^ \(\)]*)\) \((?P<ident>\S*)@\[?<ip>\]?\)(?: \(envelope-sender <\S+>\))? by <by>"),
        false,
    ),
    (
        Mark::new("LO "),
        Shape::new(r"^<rdns> \((?:HELO|EHLO) (?P<helo>[^ \(\)]*)\) \(\[?<boxed ip>\]?\)(?: \(envelope-sender <\S+>\))? by <by>"),
        false,
    ),
    (Mark::new("@"), Shape::new(r"^<rdns> \((?P<ident>\S*)@\[?<ip>\]?\)(?: \(envelope-sender <\S+>\))? by <by>"), true),
    (Mark::new(") by "), Shape::new(r"^<rdns> \(\[?<boxed ip>\]?\) by <by>"), true),
    (Mark::new("(envelope-sender"), Shape::new(r"^<rdns> \(\[?<ip>\]?\) \(envelope-sender <\S+>\) by <by>"), true),
];

static QMAIL_LDAP: Shape = Shape::new(r" by \S+ \(qmail-\S+\) with ");

impl Draft {
    /// Takes what a match captured.
    pub fn take(&mut self, found: &Groups<'_>) {
        let relay = &mut self.relay;
        for (name, octets) in found.all() {
            let slot = match name {
                "helo" => &mut relay.helo,
                "rdns" => &mut relay.rdns,
                "by" => &mut relay.by,
                "ident" => &mut relay.ident,
                "ip" => &mut relay.ip_text,
                _ => continue,
            };
            *slot = text(octets);
        }
    }
}

/// Lines of qmail-ldap look like Sendmail's.
pub fn is_qmail_ldap(line: &[u8]) -> bool {
    static NAME: Mark = Mark::new("(qmail-");
    NAME.is_in(line) && QMAIL_LDAP.is_match(line)
}

fn after<'l>(line: &'l [u8], mark: &str, end: u8) -> Option<&'l [u8]> {
    let at = memmem::find(line, mark.as_bytes())? + mark.len();
    let word = line[at..].split(|b| *b == b' ').next()?;
    let len = memchr::memrchr(end, word)?;
    (len > 0).then(|| &word[..len])
}

fn xmail(draft: &mut Draft, found: &Groups<'_>, line: &[u8]) {
    if let Some(boxed) = found.text("boxed") {
        draft.relay.ip_text = boxed;
    }
    if let Some(id) = after(line, " id <", b'>') {
        draft.relay.id = text(id);
    }
    if let Some(sender) = after(line, " from <", b'>') {
        draft.relay.envfrom = Some(text(sender));
    }
}

/// `helo=` and `ident=` in parentheses.
fn remarks(draft: &mut Draft, found: &Groups<'_>, _: &[u8]) {
    let Some(sub) = found.text("sub") else { return };
    let mut rest = sub.clone();
    if let Some((before, after)) = sub.split_once("helo=") {
        let word = after.split(' ').next().unwrap_or_default();
        if !word.is_empty() {
            draft.relay.helo = word.to_string();
            rest = format!("{before}{}", &after[word.len()..]);
        }
    }
    if let Some((_, after)) = rest.split_once("ident=") {
        draft.relay.ident = after.split(' ').next().unwrap_or_default().to_string();
    }
}

fn exim(draft: &mut Draft, found: &Groups<'_>, line: &[u8]) {
    draft.relay.helo = draft.relay.rdns.clone();
    remarks(draft, found, line);
}

fn helo_is_rdns(draft: &mut Draft, _: &Groups<'_>, _: &[u8]) {
    draft.relay.helo = draft.relay.rdns.clone();
}

/// `IDENT:user@name` or `user@name` before the address.
fn sendmail(draft: &mut Draft, _: &Groups<'_>, _: &[u8]) {
    draft.looked_up = true;
    for prefix in ["IDENT:", ""] {
        if let Some((ident, name)) = draft.relay.rdns.strip_prefix(prefix).and_then(|r| r.split_once('@')) {
            let (ident, name) = (ident.to_string(), name.to_string());
            (draft.relay.ident, draft.relay.rdns) = (ident, name);
        }
    }
}

fn hotmail(draft: &mut Draft, _: &Groups<'_>, line: &[u8]) {
    if let Some(len) = ip::length_at(line, 0).filter(|len| line.get(*len) == Some(&b' ')) {
        draft.relay.ip_text = text(&line[..len]);
    }
}

fn qmail(draft: &mut Draft, _: &Groups<'_>, line: &[u8]) {
    let mut forms = QMAIL_FORMS.iter().filter(|(needs, ..)| needs.is_in(line));
    if let Some((found, helo_is_rdns)) = forms.find_map(|(_, shape, helo_is_rdns)| Some((shape.captures(line)?, *helo_is_rdns))) {
        draft.take(&found);
        // A name given in HELO is left out where it is the client's own.
        if helo_is_rdns {
            draft.relay.helo = draft.relay.rdns.clone();
        }
    }
    draft.looked_up = draft.relay.rdns != "unknown";
    if !draft.looked_up {
        draft.relay.rdns.clear();
    }
}

fn courier(draft: &mut Draft, found: &Groups<'_>, _: &[u8]) {
    let word = found.text("word").unwrap_or_default();
    draft.looked_up = word != "softdnserr";
    if draft.looked_up {
        draft.relay.rdns = word;
    }
}

fn login(draft: &mut Draft, found: &Groups<'_>, _: &[u8]) {
    draft.looked_up = true;
    draft.relay.ident = found.text("ident").unwrap_or_default().trim_end_matches('@').to_string();
}

fn named_login(draft: &mut Draft, found: &Groups<'_>, line: &[u8]) {
    login(draft, found, line);
    draft.relay.helo = draft.relay.rdns.clone();
}

fn communigate(draft: &mut Draft, _: &Groups<'_>, _: &[u8]) {
    draft.looked_up = true;
    draft.relay.helo = draft.relay.rdns.clone();
}

fn obtuse(draft: &mut Draft, found: &Groups<'_>, _: &[u8]) {
    draft.relay.helo = found.text("helo").unwrap_or_default();
    draft.looked_up = draft.relay.rdns != "UNKNOWN";
}

fn simta(draft: &mut Draft, found: &Groups<'_>, _: &[u8]) {
    draft.looked_up = true;
    draft.relay.id = found.text("id").unwrap_or_default();
    if draft.relay.rdns == "unverified" {
        draft.relay.rdns.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::Beginning;
    use super::*;

    #[test]
    fn a_line_that_a_shape_matches_begins_as_the_shape_does() {
        let lines = [
            "x (y [192.0.2.1]) by z (8.12.6/8.12.6) with ESMTP id abc",
            "x ([192.0.2.1]) by z (Postfix) with SMTP id 1",
            "x (HELO h) (192.0.2.3) by z with SMTP",
            "x (LHLO h) (192.0.2.3) by z with LMTP",
            "x [192.0.2.9] by b with IMAP (fetchmail-5.9.0)",
            "[192.0.2.2] (helo=h ident=i) by z with smtp (Exim 3.35) id 1-2-3",
            "x ([192.0.2.4] helo=h) by z with esmtp (Exim 4.50) id 1",
            "x ( [192.0.2.4]) (a) by z with SMTP",
            "x(192.0.2.4) by z via smap (V1.3)",
            "192.0.2.1 by z (InterScan E-Mail VirusWall NT)",
            "x by y with BSMTP id 1",
        ];
        let mut found = 0;
        for form in FROM.iter().chain(&GENERAL).chain(&OPEN_FROM) {
            for line in lines.map(str::as_bytes) {
                assert!(
                    form.shape.may_match(Beginning::of(line)) || !form.shape.is_match(line),
                    "{}: {}",
                    form.shape.text,
                    line.escape_ascii()
                );
                found += usize::from(form.shape.is_match(line));
            }
        }
        assert!(found > 12, "{found}");
    }

    #[test]
    fn every_shape_compiles_and_needs_what_it_needs() {
        let forms = FROM.iter().chain(&GENERAL).chain(&UPPER_FROM).chain(&OPEN_FROM);
        for form in forms {
            assert!(form.shape.pattern().is_some(), "{}", form.shape.text);
        }
        for shape in QMAIL_FORMS.iter().map(|(_, shape, _)| shape).chain(&EXIM_PIECES).chain([&ECELERITY, &QMAIL_LDAP]) {
            assert!(shape.pattern().is_some(), "{}", shape.text);
        }
    }
}
