//! What follows from authentication beside the rules: fields written and removed, and refusals that the operator asked for.

use super::forged;
use super::forgery::OwnDomains;
use super::letter::Letter;
use super::policyd::{self, Policyd};
use super::settings::{Dmarc, Settings};
use super::{author, domain, results};
use crate::base::{Complaint, Severity};
use crate::facts::{Authentication, DkimResult, DmarcPolicy, DmarcResult, Outsider, SpfResult};
use crate::mail::Client;
use crate::outcome::{Action, Edit, Reply};

#[derive(Clone, Debug)]
pub struct Effects {
    settings: Settings,
    own: OwnDomains,
    forwarders: Vec<String>,
    policyd: Option<Policyd>,
}

impl Effects {
    /// The complaints are those of `policyd_spf_conf`.
    pub fn load(settings: &Settings) -> (Effects, Vec<Complaint>) {
        let mut complaints = Vec::new();
        let policyd = match settings.policyd_spf_conf.as_str() {
            "" => None,
            path => match policyd::read(std::path::Path::new(path)) {
                Ok((policyd, notes)) => {
                    complaints.extend(notes);
                    Some(policyd)
                }
                Err(complaint) => {
                    complaints.push(complaint);
                    None
                }
            },
        };
        let sealer = Some(&settings.seal).filter(|name| !name.is_empty());
        for name in settings.own_domains.iter().chain(&settings.trusted_sealers).chain(&settings.trusted_forwarders).chain(sealer) {
            if domain::host(name).is_none() {
                complaints.push(Complaint {
                    severity: Severity::Error,
                    place: None,
                    what: format!("\"{name}\" in [auth] is no domain name"),
                    remedy: "write it as in example.com".to_owned(),
                });
            }
        }
        let effects = Effects {
            own: OwnDomains::new(&settings.own_domains, &settings.own_domains_except),
            forwarders: settings.trusted_forwarders.iter().filter_map(|name| domain::host(name)).collect(),
            settings: settings.clone(),
            policyd,
        };
        (effects, complaints)
    }

    /// Our name in Authentication-Results: as configured, else the mail server's.
    fn authserv_id<'a>(&'a self, server: &'a str) -> &'a str {
        match (self.settings.authserv_id.as_str(), server) {
            ("", "") => "localhost",
            ("", server) => server,
            (configured, _) => configured,
        }
    }

    /// Fields of strangers that claim to be ours go, the highest occurrence first; then ours are put above all others.
    /// Mail of our own logins and hosts (`outsider` is `None`) gets no result, and its claims go as well.
    pub fn edits(&self, sent: &[u8], server: &str, outsider: Option<&Outsider>, facts: Option<&Authentication>) -> Vec<Edit> {
        let id = self.authserv_id(server);
        let mut ours: Vec<&str> = vec![id, server];
        ours.extend(self.settings.authserv_aliases.iter().map(String::as_str));
        ours.retain(|name| !name.is_empty());
        let mut edits: Vec<Edit> =
            forged::claims(&Letter::parse(sent), &ours).into_iter().map(|(name, occurrence)| Edit::Remove { name, occurrence }).collect();
        let (Some(facts), Some(outsider)) = (facts, outsider) else { return edits };
        let mut prepend = |name: &str, value: String| edits.push(Edit::Prepend { name: name.to_owned(), value: value.into_bytes() });
        if self.settings.received_spf {
            prepend("Received-SPF", results::received_spf(id, outsider, facts));
        }
        if self.settings.results {
            prepend("Authentication-Results", results::render(id, Some(outsider), facts));
        }
        edits
    }

    /// For whom mail that passes through is sealed, and the results to seal; `None`: nothing is sealed.
    pub fn to_seal(&self, server: &str, outsider: Option<&Outsider>, facts: Option<&Authentication>) -> Option<(&str, String)> {
        let facts = facts.filter(|_| !self.settings.seal.is_empty())?;
        Some((&self.settings.seal, results::render(self.authserv_id(server), Some(outsider?), facts)))
    }

    /// The refusal that the operator asked for; `None`: go on to the verdict of the rules. Nothing is ever refused because a
    /// DNS server was silent (unless a `policyd-spf.conf` defers on that).
    pub fn action(&self, sent: &[u8], client: &Client, outsider: Option<&Outsider>, facts: &Authentication) -> Option<Action> {
        let outsider = outsider.filter(|_| client.login.is_empty())?;
        let letter = Letter::parse(sent);
        let author = author::domain_of(&letter);
        let refuse = |status: &str, text: String| Some(Action::Reject(Reply { code: 550, status: status.to_owned(), text }));
        let sender = outsider.mail_from.as_deref().unwrap_or("");
        let authors = author.as_ref().map_or_else(|_| author::possible_domains(&letter), |name| vec![name.clone()]);
        if let Some(forged) = self.own.forged(sender, &authors, facts) {
            return refuse("5.7.1", forged.text());
        }
        if let (true, Err(reason)) = (self.settings.refuse_ambiguous_from, &author) {
            return refuse("5.7.1", format!("no single author: {reason}"));
        }
        if let Some(reply) = self.policyd.as_ref().and_then(|p| p.judge(outsider.ip, sender, &facts.spf_helo, &facts.spf_mail_from)) {
            return Some(if reply.code >= 500 { Action::Reject(reply) } else { Action::TempFail(reply) });
        }
        self.dmarc(facts)
    }

    fn dmarc(&self, facts: &Authentication) -> Option<Action> {
        if self.settings.dmarc != Dmarc::Honour || facts.dmarc.result != DmarcResult::Fail || self.is_forwarded(facts) {
            return None;
        }
        let domain = &facts.dmarc.domain;
        match facts.dmarc.policy {
            DmarcPolicy::None => None,
            DmarcPolicy::Quarantine => Some(Action::Quarantine(format!("DMARC: {domain} asks for quarantine"))),
            // RFC 7372 §3.3: 5.7.26, several authentication checks failed.
            DmarcPolicy::Reject => Some(Action::Reject(Reply {
                code: 550,
                status: "5.7.26".to_owned(),
                text: format!("DMARC: {domain} asks to reject mail that neither SPF nor DKIM proves"),
            })),
        }
    }

    /// Passed on by somebody who is trusted to pass on: a seal, or a proven domain of the list.
    fn is_forwarded(&self, facts: &Authentication) -> bool {
        let listed = |name: &str| self.forwarders.iter().any(|forwarder| domain::is_within(name, forwarder));
        facts.trusted_sealer.is_some()
            || facts.spf_mail_from.result == SpfResult::Pass && listed(&facts.spf_mail_from.domain)
            || facts.dkim.iter().any(|signature| signature.result == DkimResult::Pass && listed(&signature.domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{ArcResult, Dmarc as DmarcFact, Spf};

    fn facts(dmarc: DmarcResult, policy: DmarcPolicy) -> Authentication {
        let spf = Spf { domain: "list.example".to_owned(), result: SpfResult::Pass, reason: String::new() };
        Authentication {
            spf_helo: Spf { result: SpfResult::None, ..spf.clone() },
            spf_mail_from: spf,
            dkim: Vec::new(),
            dmarc: DmarcFact { domain: "victim.example".to_owned(), result: dmarc, policy, record_found: true, reason: String::new() },
            arc: ArcResult::None,
            trusted_sealer: None,
        }
    }

    const SENT: &[u8] = b"Authentication-Results: mx.example.com; dmarc=pass\r\nAuthentication-Results: other.example; x=y\r\n\
        authentication-results: MX.example.com.; dmarc=pass\r\nFrom: a@victim.example\r\n\r\n";

    fn outsider() -> Outsider {
        Outsider { ip: "192.0.2.1".parse().unwrap(), helo: "h.example".to_owned(), mail_from: Some("a@list.example".to_owned()) }
    }

    fn effects(change: impl FnOnce(&mut Settings)) -> Effects {
        let mut settings = Settings { authserv_id: "mx.example.com".to_owned(), ..Settings::default() };
        change(&mut settings);
        Effects::load(&settings).0
    }

    #[test]
    fn claims_go_from_below_and_ours_comes_on_top() {
        let edits = effects(|_| ()).edits(SENT, "", Some(&outsider()), Some(&facts(DmarcResult::Fail, DmarcPolicy::Reject)));
        let shown: Vec<String> = edits
            .iter()
            .map(|edit| match edit {
                Edit::Remove { name, occurrence } => format!("-{name} {occurrence}"),
                Edit::Prepend { name, .. } => format!("+{name}"),
                Edit::Append { .. } | Edit::Replace { .. } => "?".to_owned(),
            })
            .collect();
        assert_eq!(shown, ["-Authentication-Results 3", "-Authentication-Results 1", "+Authentication-Results"]);
        let own = effects(|_| ()).edits(SENT, "", None, None);
        assert_eq!(own.len(), 2, "claims of our own users go too");
    }

    #[test]
    fn a_policy_is_honoured_only_where_it_may_be() {
        use DmarcPolicy as P;
        use DmarcResult as R;
        let honour = |settings: &mut Settings| settings.dmarc = Dmarc::Honour;
        let action =
            |effects: &Effects, result, policy| effects.action(SENT, &Client::default(), Some(&outsider()), &facts(result, policy));
        let plain = effects(honour);
        assert!(matches!(action(&plain, R::Fail, P::Reject), Some(Action::Reject(_))));
        assert!(matches!(action(&plain, R::Fail, P::Quarantine), Some(Action::Quarantine(_))));
        for (result, policy) in [(R::Fail, P::None), (R::Pass, P::Reject), (R::TempError, P::Reject), (R::PermError, P::Reject)] {
            assert_eq!(action(&plain, result, policy), None, "{result:?} {policy:?}");
        }
        assert_eq!(action(&effects(|_| ()), R::Fail, P::Reject), None, "score only");
        let lists = effects(|s| {
            honour(s);
            s.trusted_forwarders = vec!["list.example".to_owned()];
        });
        assert_eq!(action(&lists, R::Fail, P::Reject), None, "a proven forwarder");
        let login = Client { login: "ann".to_owned(), ..Client::default() };
        assert_eq!(plain.action(SENT, &login, Some(&outsider()), &facts(R::Fail, P::Reject)), None, "our own users");
    }

    #[test]
    fn a_stranger_with_our_domain_is_refused() {
        let own = effects(|s| s.own_domains = vec!["victim.example".to_owned()]);
        let action = own.action(SENT, &Client::default(), Some(&outsider()), &facts(DmarcResult::None, DmarcPolicy::None));
        assert!(matches!(action, Some(Action::Reject(_))));
    }
}
