//! Authentication-Results (RFC 8601), as we write it. Nothing that a stranger chose stands there except as a checked
//! domain, a token or a quoted string.

use super::{arc, dkim, dmarc, spf};
use crate::facts::{ArcResult, Authentication, DkimResult, DmarcResult, Outsider, SpfResult};

/// Longest value that is shown; more is cut.
const LONGEST_VALUE: usize = 200;

/// What may stand bare (RFC 2045 §5.1 token); else a quoted string. Octets outside printable ASCII become `?`.
pub fn value(text: &str) -> String {
    let shown: String = text.chars().take(LONGEST_VALUE).map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect();
    let token = !shown.is_empty() && shown.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~@/".contains(&b));
    // "@" and "/" are no token characters, but RFC 8601 §2.2 lets a pvalue be [[local-part] "@"] domain-name.
    if token {
        return shown;
    }
    let mut quoted = String::with_capacity(shown.len() + 2);
    quoted.push('"');
    for c in shown.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// A word of a stranger inside one of our reasons.
pub fn token_like(text: &str) -> String {
    text.chars().take(20).map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '?' }).collect()
}

/// Comments hold text of ours and names; what could end one is taken out.
fn comment(text: &str) -> String {
    let inside: String =
        text.chars().take(LONGEST_VALUE).map(|c| if (' '..='~').contains(&c) && !"()\\".contains(c) { c } else { '?' }).collect();
    if inside.is_empty() { String::new() } else { format!(" ({inside})") }
}

/// The value of the field: the authserv-id and one result a line. Folded with bare LF, as a milter hands it over.
pub fn render(authserv_id: &str, outsider: Option<&Outsider>, facts: &Authentication) -> String {
    let mut results: Vec<String> = outsider.map(|outsider| spf_result(outsider, facts)).into_iter().collect();
    if outsider.is_some_and(|o| o.mail_from.as_deref() != Some("")) && facts.spf_helo.result != SpfResult::None {
        results.push(format!("spf={} smtp.helo={}", spf::word(facts.spf_helo.result), value(&facts.spf_helo.domain)));
    }
    for signature in &facts.dkim {
        let mut line = format!("dkim={}{}", dkim::word(signature.result), comment(&dkim_comment(signature)));
        for (property, shown) in
            [("d", &signature.domain), ("i", &format!("@{}", signature.identity)), ("s", &signature.selector), ("a", &signature.algorithm)]
        {
            if !shown.is_empty() && shown != "@" {
                line.push_str(&format!(" header.{property}={}", value(shown)));
            }
        }
        // "/" and "=" of base64 want quotes.
        line.push_str(&format!(" header.b=\"{}\"", signature.head));
        results.push(line);
    }
    if facts.dkim.is_empty() {
        results.push("dkim=none".to_owned());
    }
    results.push(dmarc_result(facts));
    if facts.arc != ArcResult::None {
        let sealer = facts.trusted_sealer.as_ref().map(|domain| format!(" header.d={}", value(domain))).unwrap_or_default();
        results.push(format!("arc={}{sealer}", arc::word(facts.arc)));
    }
    format!("{};\n\t{}", value(authserv_id), results.join(";\n\t"))
}

fn spf_result(outsider: &Outsider, facts: &Authentication) -> String {
    let reason = comment(&facts.spf_mail_from.reason);
    let result = spf::word(facts.spf_mail_from.result);
    if outsider.mail_from.as_deref() == Some("") {
        return format!("spf={result}{reason} smtp.helo={}", value(&facts.spf_helo.domain));
    }
    // Only the checked domain: the local part is the stranger's own text and nobody needs it here.
    let shown = if facts.spf_mail_from.domain.is_empty() { "unknown" } else { &facts.spf_mail_from.domain };
    format!("spf={result}{reason} smtp.mailfrom={}", value(shown))
}

fn dkim_comment(signature: &crate::facts::DkimSignature) -> String {
    match (signature.result, signature.key_bits) {
        (DkimResult::Pass, Some(bits)) if signature.reason.is_empty() => format!("{bits}-bit key"),
        (DkimResult::Pass, Some(bits)) => format!("{bits}-bit key, {}", signature.reason),
        _ => signature.reason.clone(),
    }
}

fn dmarc_result(facts: &Authentication) -> String {
    let dmarc = &facts.dmarc;
    let policy = match dmarc.result {
        DmarcResult::Pass | DmarcResult::Fail => format!("p={}", dmarc::policy_word(dmarc.policy)),
        DmarcResult::None | DmarcResult::TempError | DmarcResult::PermError => dmarc.reason.clone(),
    };
    let domain = if dmarc.domain.is_empty() { String::new() } else { format!(" header.from={}", value(&dmarc.domain)) };
    format!("dmarc={}{}{domain}", dmarc::word(dmarc.result), comment(&policy))
}

/// The `auth` object of `scan --json`.
pub fn json(facts: &Authentication) -> serde_json::Value {
    let dkim: Vec<serde_json::Value> = facts
        .dkim
        .iter()
        .map(|s| {
            serde_json::json!({
                "domain": s.domain, "selector": s.selector, "algorithm": s.algorithm, "result": dkim::word(s.result), "reason": s.reason
            })
        })
        .collect();
    serde_json::json!({
        "spf": spf::word(facts.spf_mail_from.result),
        "spf_domain": facts.spf_mail_from.domain,
        "spf_helo": spf::word(facts.spf_helo.result),
        "dkim": dkim,
        "dmarc": {
            "domain": facts.dmarc.domain,
            "result": dmarc::word(facts.dmarc.result),
            "policy": dmarc::policy_word(facts.dmarc.policy),
            "reason": facts.dmarc.reason,
        },
        "arc": arc::word(facts.arc),
    })
}

/// `Received-SPF` (RFC 7208 §9.1), for those who still read it.
pub fn received_spf(receiver: &str, outsider: &Outsider, facts: &Authentication) -> String {
    let sender = outsider.mail_from.as_deref().unwrap_or("");
    let identity = if sender.is_empty() { "helo" } else { "mailfrom" };
    let word = spf::word(facts.spf_mail_from.result);
    format!(
        "{word}{} identity={identity};\n\tclient-ip={}; helo={}; envelope-from={}; receiver={}",
        comment(&facts.spf_mail_from.reason),
        outsider.ip,
        value(&outsider.helo),
        value(sender),
        value(receiver)
    )
}
