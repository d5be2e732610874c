//! Our own domains, used by strangers: refused unless SPF or DKIM proves them.

use super::domain;
use crate::facts::{Authentication, DkimResult, SpfResult};

/// Who may use what.
#[derive(Clone, Debug, Default)]
pub struct OwnDomains {
    /// A-labels; names below them are ours too.
    domains: Vec<String>,
    /// Addresses and domains that may use ours from outside without proof.
    except: Vec<String>,
}

/// What was forged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forged {
    MailFrom(String),
    From(String),
}

impl Forged {
    /// One line for the SMTP reply.
    pub fn text(&self) -> String {
        match self {
            Forged::MailFrom(domain) => format!("MAIL FROM claims {domain}, which is ours, without proof by SPF or DKIM"),
            Forged::From(domain) => format!("From claims {domain}, which is ours, without proof by SPF or DKIM"),
        }
    }
}

impl OwnDomains {
    pub fn new(domains: &[String], except: &[String]) -> OwnDomains {
        OwnDomains {
            domains: domains.iter().filter_map(|d| domain::host(d)).collect(),
            except: except.iter().map(|e| e.to_lowercase()).collect(),
        }
    }

    pub fn is_ours(&self, name: &str) -> bool {
        self.domains.iter().any(|own| domain::is_within(name, own))
    }

    /// For mail from outside without login; the caller knows. `mail_from`: envelope sender, empty for the null sender
    /// (bounces pass). `authors`: the domain that From shows, or all possible ones where it shows no single one.
    pub fn forged(&self, mail_from: &str, authors: &[String], facts: &Authentication) -> Option<Forged> {
        if self.domains.is_empty() {
            return None;
        }
        if let Some(name) = domain::of_address(mail_from)
            && self.is_ours(&name)
            && !self.excepted(mail_from, &name)
            && !self.proven(&name, facts)
        {
            return Some(Forged::MailFrom(name));
        }
        // A bounce carries the null sender and the address of a mail system, often in the name of the bounced domain.
        if mail_from.is_empty() {
            return None;
        }
        authors
            .iter()
            .find(|name| self.is_ours(name) && !self.excepted(mail_from, name) && !self.proven(name, facts))
            .map(|name| Forged::From(name.clone()))
    }

    fn excepted(&self, mail_from: &str, claimed: &str) -> bool {
        let sender = mail_from.to_lowercase();
        let domain = domain::of_address(mail_from).unwrap_or_default();
        self.except.iter().any(|entry| *entry == sender || *entry == domain || *entry == claimed)
    }

    /// SPF or DKIM passed for a domain of ours that holds the claimed one, or the other way round (relaxed alignment among
    /// domains that are all ours).
    fn proven(&self, claimed: &str, facts: &Authentication) -> bool {
        let related =
            |name: &str| !name.is_empty() && self.domains.iter().any(|own| domain::is_within(name, own) && domain::is_within(claimed, own));
        facts.spf_mail_from.result == SpfResult::Pass && related(&facts.spf_mail_from.domain)
            || facts.dkim.iter().any(|signature| signature.result == DkimResult::Pass && related(&signature.domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{ArcResult, DkimSignature, Dmarc, DmarcPolicy, DmarcResult, Spf};

    fn facts(spf: (&str, SpfResult), dkim: Option<(&str, DkimResult)>) -> Authentication {
        let spf = Spf { domain: spf.0.to_owned(), result: spf.1, reason: String::new() };
        let signature = |(domain, result): (&str, DkimResult)| DkimSignature {
            domain: domain.to_owned(),
            identity: domain.to_owned(),
            selector: "s".to_owned(),
            algorithm: "rsa-sha256".to_owned(),
            key_bits: Some(2048),
            partial_body: false,
            result,
            reason: String::new(),
            head: String::new(),
        };
        Authentication {
            spf_helo: spf.clone(),
            spf_mail_from: spf,
            dkim: dkim.into_iter().map(signature).collect(),
            dmarc: Dmarc {
                domain: String::new(),
                result: DmarcResult::None,
                policy: DmarcPolicy::None,
                record_found: false,
                reason: String::new(),
            },
            arc: ArcResult::None,
            trusted_sealer: None,
        }
    }

    #[test]
    fn our_domains_need_proof_from_outside() {
        use DkimResult as D;
        use SpfResult as S;
        let own = OwnDomains::new(
            &["example.com".to_owned(), "Bücher.example".to_owned()],
            &["news@service.example".to_owned(), "partner.example".to_owned()],
        );
        let none = ("", S::None);
        for (mail_from, from, spf, dkim, forged) in [
            ("a@example.com", "example.com", none, None, true),
            ("a@EXAMPLE.com", "example.net", none, None, true),
            ("a@sub.example.com", "example.net", none, None, true),
            ("a@xn--bcher-kva.example", "example.net", none, None, true),
            ("a@bücher.example", "example.net", none, None, true),
            ("a@example.net", "example.com", none, None, true),
            ("a@example.net", "sub.example.com", none, None, true),
            ("a@example.net", "example.net", none, None, false),
            ("a@badexample.com", "badexample.com", none, None, false),
            ("a@example.com.evil.example", "evil.example", none, None, false),
            ("a@example.com", "example.com", ("example.com", S::Pass), None, false),
            ("a@example.com", "example.com", ("example.com", S::SoftFail), None, true),
            ("a@example.com", "example.com", ("example.com", S::Neutral), None, true),
            ("a@example.net", "example.com", ("example.net", S::Pass), None, true),
            ("a@example.net", "example.com", ("example.net", S::Pass), Some(("example.com", D::Pass)), false),
            ("a@example.net", "example.com", none, Some(("sub.example.com", D::Pass)), false),
            ("a@example.net", "example.com", none, Some(("example.net", D::Pass)), true),
            ("a@example.net", "example.com", none, Some(("example.com", D::Fail)), true),
            ("a@example.net", "example.com", none, Some(("example.com", D::Policy)), true),
            ("", "example.com", none, None, false),
            ("news@service.example", "example.com", none, None, false),
            ("other@service.example", "example.com", none, None, true),
            ("x@partner.example", "example.com", none, None, false),
        ] {
            let found = own.forged(mail_from, &[from.to_owned()], &facts(spf, dkim));
            assert_eq!(found.is_some(), forged, "{mail_from} {from} {found:?}");
        }
        assert_eq!(OwnDomains::default().forged("a@example.com", &["example.com".to_owned()], &facts(none, None)), None);
    }
}
