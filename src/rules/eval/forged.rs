//! HeaderEval: senders that claim a well-known webmail service whose Received fields look otherwise.

use super::header::is_gated;
use super::perl::{IP, chomp, contains, holds_ip, pattern, squeeze};
use super::{Accepts, Answered, Context, Row, local};

pub(super) static ROWS: &[Row] = &[
    head("check_for_fake_aol_relay_in_rcvd", check_for_fake_aol_relay_in_rcvd),
    head("check_for_forged_hotmail_received_headers", check_for_forged_hotmail_received_headers),
    head("check_for_no_hotmail_received_headers", check_for_no_hotmail_received_headers),
    head("check_for_msn_groups_headers", check_for_msn_groups_headers),
    head("check_for_forged_eudoramail_received_headers", check_for_forged_eudoramail_received_headers),
    head("check_for_forged_yahoo_received_headers", check_for_forged_yahoo_received_headers),
    head("check_for_forged_juno_received_headers", check_for_forged_juno_received_headers),
    head("check_for_forged_gmail_received_headers", check_for_forged_gmail_received_headers),
    head("check_for_forged_gw05_received_headers", check_for_forged_gw05_received_headers),
];

const fn head(name: &'static str, run: super::Function) -> Row {
    local(name, "HeaderEval", Accepts::Head, run)
}

fn from_ends_in(context: &Context<'_, '_>, pattern: &regex::bytes::Regex) -> bool {
    pattern.is_match(chomp(context.header("From:addr").text()))
}

fn check_for_fake_aol_relay_in_rcvd(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let received = context.header("Received");
    let holds_mark = memchr::memchr_iter(b'-', received.text())
        .any(|at| received.text()[..at].last_chunk().is_some_and(|word: &[u8; 3]| word.eq_ignore_ascii_case(b"rly")));
    if !holds_mark {
        return Answered::Miss;
    }
    let received = squeeze(received.text());
    let claimed = pattern!(r"(?i) rly-[a-z][a-z]\d\d\.").is_match(&received);
    let real = || pattern!(r"/AOL-\d+\.\d+\.\d+\)|ESMTP id (?:RELAY|MAILRELAY|MAILIN)").is_match(&received);
    (claimed && !real()).into()
}

/// How a message stands to Hotmail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hotmail {
    Unclaimed,
    /// The HELO name is Hotmail's, the host is not.
    ForgedHelo,
    /// The sender's address is Hotmail's, no Received field is.
    AddressAlone,
}

fn hotmail(context: &Context<'_, '_>) -> Hotmail {
    *context.memo.hotmail.get_or_init(|| judge_hotmail(context))
}

fn judge_hotmail(context: &Context<'_, '_>) -> Hotmail {
    let received = context.header("Received");
    // Both verdicts need this word in Received or From: most mail ends here.
    let in_helo = contains(received.text(), b"hotmail.com");
    let in_from = || from_ends_in(context, pattern!(r"(?i)\bhotmail\.com$"));
    if !in_helo && !in_from() {
        return Hotmail::Unclaimed;
    }
    let received = squeeze(received.text());
    let genuine = contains(&received, b"from mail pickup service by hotmail.com with Microsoft SMTPSVC;")
        || is_msn_groups(context)
        || is_gated(context)
        || passed_microsoft(context, &received);
    if genuine {
        Hotmail::Unclaimed
    } else if pattern!(r"(?:from |HELO |helo=)\S*hotmail\.com\b").is_match(&received) {
        Hotmail::ForgedHelo
    } else if in_from() {
        Hotmail::AddressAlone
    } else {
        Hotmail::Unclaimed
    }
}

fn passed_microsoft(context: &Context<'_, '_>, received: &[u8]) -> bool {
    let with_address = holds_ip(context.header("X-Originating-Ip").text());
    let with_organisation = pattern!(r"hotmail\.com|msonline-outlook").is_match(context.header("X-OriginatorOrg").text());
    let by_address = || {
        pattern!(r"from (?:\S*\.)?hotmail.com \(\S+\.hotmail(?:\.msn)?\.com[ )]").is_match(received)
            || pattern!(&format!(r"from \S*\.hotmail.com \(\[{IP}\][ ):]")).is_match(received)
            || pattern!(r"from \S+ by \S+\.hotmail(?:\.msn)?\.com with HTTP;").is_match(received)
            || pattern!(r"from \[66\.218.\S+\] by \S+\.yahoo\.com").is_match(received)
    };
    let by_organisation = || {
        pattern!(r"from \S*\.outbound\.protection\.outlook\.com \(\S+\.outbound\.protection\.outlook\.com[ )]").is_match(received)
            || pattern!(&format!(r"from \S*\.(?:eur|nam)prd\d+\.prod\.outlook\.com \({IP}\)")).is_match(received)
    };
    (with_address && by_address()) || (with_organisation && by_organisation())
}

fn check_for_forged_hotmail_received_headers(context: &Context<'_, '_>, _: &[String]) -> Answered {
    (hotmail(context) == Hotmail::ForgedHelo).into()
}

fn check_for_no_hotmail_received_headers(context: &Context<'_, '_>, _: &[String]) -> Answered {
    (hotmail(context) == Hotmail::AddressAlone).into()
}

fn check_for_msn_groups_headers(context: &Context<'_, '_>, _: &[String]) -> Answered {
    is_msn_groups(context).into()
}

fn is_msn_groups(context: &Context<'_, '_>) -> bool {
    let to = context.header("To");
    let Some(found) = pattern!(r"(?i)<(\S+)@groups\.msn\.com>").captures(to.text()) else { return false };
    let list = found.get(1).map_or(&[][..], |group| group.as_bytes());
    let received = context.header("Received");
    let Some(found) = pattern!(r"from mail pickup service by ((?:p\d\d\.)groups\.msn\.com)\b").captures(received.text()) else {
        return false;
    };
    let server = found.get(1).map_or(&[][..], |group| group.as_bytes());
    let id = context.header("Message-Id");
    let Some(id) = id.text().strip_prefix(b"<") else { return false };
    if chomp(list) == b"notifications" {
        let user = id.iter().position(|octet| *octet == b'@' || super::perl::is_space(*octet)).filter(|at| *at > 0);
        return user.is_some_and(|at| id[at..].starts_with(&[b"@", server, b">"].concat()));
    }
    let numbered = id.strip_prefix(list).and_then(|rest| rest.strip_prefix(b"-"));
    let sender = [list, b"-bounce@groups.msn.com"].concat();
    numbered.is_some_and(|rest| pattern!(r"^\S+@groups\.msn\.com>").is_match(rest))
        && contains(context.header("EnvelopeFrom:addr").text(), &sender)
}

fn check_for_forged_eudoramail_received_headers(context: &Context<'_, '_>, _: &[String]) -> Answered {
    if !from_ends_in(context, pattern!(r"(?i)\beudoramail\.com$")) || is_gated(context) {
        return Answered::Miss;
    }
    let received = squeeze(context.header("Received").text());
    let genuine = pattern!(r"by \S*whowhere.com;").is_match(&received) && holds_ip(context.header("X-Sender-Ip").text());
    (!genuine).into()
}

fn check_for_forged_yahoo_received_headers(context: &Context<'_, '_>, _: &[String]) -> Answered {
    if !from_ends_in(context, pattern!(r"(?i)\byahoo\.com$")) {
        return Answered::Miss;
    }
    let mut received = context.header("Received");
    if context.header("Resent-From").is_present() && context.header("Resent-To").is_present() {
        let other = context.header("X-Received");
        if other.is_present() {
            received = other;
        }
    }
    let received = squeeze(received.text());
    let from_reply = || from_ends_in(context, pattern!(r"(?i)@reply\.yahoo\.com$"));
    let genuine = is_gated(context)
        || pattern!(r" rdns=\S+\.yahoo\.com ").is_match(context.header("X-Spam-Relays-Trusted").text())
        || pattern!(r"^[^\]]+ rdns=\S+\.yahoo\.com ").is_match(context.header("X-Spam-Relays-Untrusted").text())
        || pattern!(r"by web\S+\.mail\S*\.yahoo\.com via HTTP").is_match(&received)
        || pattern!(r"by sonic\S+\.consmr\.mail\S*\.yahoo\.com with HTTP").is_match(&received)
        || pattern!(r"by smtp\S+\.yahoo\.com with SMTP").is_match(&received)
        || pattern!(&format!(r"from \[{IP}\] by \S+\.(?:groups|scd|dcn)\.yahoo\.com with NNFMP")).is_match(&received)
        || (pattern!(r"\bmailer\d+\.bulk\.scd\.yahoo\.com\b").is_match(&received) && from_reply())
        || pattern!(r"by \w+\.\w+\.yahoo\.com \(\d+\.\d+\.\d+/\d+\.\d+\.\d+\)(?: with ESMTP)? id \w+").is_match(&received);
    (!genuine).into()
}

fn check_for_forged_juno_received_headers(context: &Context<'_, '_>, _: &[String]) -> Answered {
    if !from_ends_in(context, pattern!(r"(?i)\bjuno\.com$")) || is_gated(context) {
        return Answered::Miss;
    }
    // Without X-Originating-IP, SpamAssassin's last test for an address in that field always fails.
    if !context.header("X-Originating-IP").is_present() {
        return Answered::Hit(1.0);
    }
    let received = context.header("Received");
    let genuine = pattern!(&format!(r"from.*\b(?:juno|untd)\.com.*[\[(]{IP}[\])].*by")).is_match(received.text())
        || pattern!(r" cookie\.(?:juno|untd)\.com ").is_match(received.text());
    (!genuine || !contains(context.header("X-Mailer").text(), b"Juno ")).into()
}

fn check_for_forged_gmail_received_headers(context: &Context<'_, '_>, _: &[String]) -> Answered {
    if !from_ends_in(context, pattern!(r"(?i)\bgmail\.com$")) {
        return Answered::Miss;
    }
    let inner = context.header("X-Received");
    let genuine = pattern!(r"by 10\.\S+ with SMTP id \S+").is_match(inner.text())
        || pattern!(r"by 2002:a\d\d:\w+:\S+ with SMTP id \S+").is_match(inner.text())
        || pattern!(r"by smtp\.googlemail\.com with ESMTPSA id \S+").is_match(context.header("Received").text())
        || (context.header("X-Gm-Message-State").text().len() >= 60 && context.header("X-Google-Smtp-Source").text().len() >= 60);
    (!genuine).into()
}

fn check_for_forged_gw05_received_headers(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let received = context.header("Received");
    pattern!(r"\nfrom\s(\S+)\sby\s(\S+)\swith\sESMTP;\s+\S\S\S,\s+\d+\s+\S\S\S\s+\d{4}\s+\d\d:\d\d:\d\d\s+[-+]*\d{4}\n\n?$")
        .captures(received.text())
        .is_some_and(|found| found.get(2).is_some_and(|by| !by.as_bytes().contains(&b'.')))
        .into()
}
