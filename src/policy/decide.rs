//! Findings and recipients to an action. Facts are gathered once; recipients are grouped by their settings; where groups
//! differ, the mildest action is the reply.

use super::expression::Expression;
use super::settings::{Differences, Group, Settings};
use crate::mail::{Client, Envelope};
use crate::outcome::{Action, Findings, Reply};

/// Whose policy applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    Outside,
    Trusted,
    Authenticated,
}

impl Sender {
    pub fn of(client: &Client, settings: &Settings) -> Sender {
        if !client.login.is_empty() {
            return Sender::Authenticated;
        }
        // Without a client it was handed in on this machine (non_smtpd_milters).
        match client.ip {
            None => Sender::Trusted,
            Some(ip) if settings.trusted_networks.contains(ip) => Sender::Trusted,
            Some(_) => Sender::Outside,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub action: Action,
    /// Marked as spam.
    pub spam: bool,
    /// Subject and kin are to be rewritten.
    pub rewrite: bool,
    /// Recipients differ in their settings, and in what they come to.
    pub divided: bool,
}

/// One set of conditions: those of `[policy]`, overlaid by sender and recipient.
struct Conditions<'s> {
    settings: &'s Settings,
    overlays: [Option<&'s Differences>; 2],
}

impl<'s> Conditions<'s> {
    fn get(&self, overlay: fn(&Differences) -> Option<&Expression>, base: &'s Expression) -> &'s Expression {
        let [sender, recipient] = self.overlays;
        recipient.and_then(overlay).or_else(|| sender.and_then(overlay)).unwrap_or(base)
    }

    fn decide(&self, findings: &Findings, id: &str) -> Decision {
        let s = self.settings;
        let holds = |overlay, base| self.get(overlay, base).holds(findings);
        let action = if holds(|d| d.reject.as_ref(), &s.reject) {
            Action::Reject(Reply { code: 550, status: "5.7.1".to_owned(), text: s.reject_text.replace("{id}", id) })
        } else if holds(|d| d.discard.as_ref(), &s.discard) {
            Action::Discard
        } else if holds(|d| d.tempfail.as_ref(), &s.tempfail) {
            Action::TempFail(Reply { code: 451, status: "4.7.1".to_owned(), text: format!("please try again later, id {id}") })
        } else if holds(|d| d.quarantine.as_ref(), &s.quarantine) {
            Action::Quarantine(format!("spam score {:.1}, id {id}", findings.score))
        } else {
            Action::Accept
        };
        let spam = holds(|d| d.mark.as_ref(), &s.mark);
        Decision { action, spam, rewrite: holds(|d| d.rewrite.as_ref(), &s.rewrite), divided: false }
    }
}

/// Mildest first.
fn severity(action: &Action) -> u8 {
    match action {
        Action::Accept => 0,
        Action::Quarantine(_) => 1,
        Action::Discard => 2,
        Action::TempFail(_) => 3,
        Action::Reject(_) => 4,
    }
}

/// The stricter of two actions.
pub fn stricter(one: Action, other: Action) -> Action {
    if severity(&other) > severity(&one) { other } else { one }
}

pub fn decide(findings: &Findings, client: &Client, envelope: &Envelope, settings: &Settings, id: &str) -> Decision {
    let sender = match Sender::of(client, settings) {
        Sender::Outside => None,
        Sender::Trusted => Some(&settings.trusted),
        Sender::Authenticated => Some(&settings.authenticated),
    };
    let mut groups: Vec<Option<usize>> = envelope.recipients.iter().map(|to| group_of(to, &settings.groups)).collect();
    groups.sort_unstable();
    groups.dedup();
    if groups.is_empty() {
        groups.push(None);
    }
    let mut decisions = groups.iter().map(|group| {
        let recipient = group.and_then(|index| settings.groups.get(index)).map(|group| &group.differences.0);
        Conditions { settings, overlays: [sender, recipient] }.decide(findings, id)
    });
    let first = decisions.next().unwrap_or(Decision { action: Action::Accept, spam: false, rewrite: false, divided: false });
    decisions.fold(first, |one, other| {
        let divided = one.divided || one != other;
        let action = if severity(&other.action) < severity(&one.action) { other.action } else { one.action };
        // One set of fields goes to all: a mark harms nobody, a changed Subject must be wanted by all.
        Decision { action, spam: one.spam || other.spam, rewrite: one.rewrite && other.rewrite, divided }
    })
}

/// The first group that names the recipient.
fn group_of(recipient: &str, groups: &[Group]) -> Option<usize> {
    let recipient = recipient.to_ascii_lowercase();
    let domain = recipient.rsplit_once('@').map_or("", |(_, domain)| domain);
    groups.iter().position(|group| {
        group.recipients.iter().any(|entry| {
            let entry = entry.to_ascii_lowercase();
            match (entry.strip_prefix('@'), entry.strip_prefix('.')) {
                (Some(wanted), _) => domain == wanted,
                (_, Some(above)) => domain == above || domain.ends_with(&entry),
                (None, None) => recipient == entry,
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::settings::read;
    use toml::de::DeTable;

    fn settings(text: &str) -> Settings {
        let (settings, mistakes) = read(DeTable::parse(text).unwrap().into_inner());
        assert!(mistakes.is_empty(), "{mistakes:?}");
        settings
    }

    fn decided(settings: &Settings, score: f64, ip: &str, to: &[&str]) -> Decision {
        let findings = Findings { score, required: 5.0, ..Findings::default() };
        let client = Client { ip: ip.parse().ok(), ..Client::default() };
        let envelope = Envelope { recipients: to.iter().map(|to| to.to_string()).collect(), ..Envelope::default() };
        decide(&findings, &client, &envelope, settings, "ID1")
    }

    #[test]
    fn spam_from_outside_is_marked_and_much_of_it_refused() {
        let settings = Settings::default();
        assert_eq!(decided(&settings, 4.9, "192.0.2.1", &["a@b"]).action, Action::Accept);
        assert!(decided(&settings, 5.0, "192.0.2.1", &["a@b"]).spam);
        let Action::Reject(reply) = decided(&settings, 1000.0, "192.0.2.1", &["a@b"]).action else { panic!() };
        assert_eq!((reply.code, reply.status.as_str()), (550, "5.7.1"));
        assert!(reply.text.contains("ID1"));
    }

    #[test]
    fn trusted_networks_and_logins_have_their_own_policy() {
        let settings = Settings::default();
        let trusted = decided(&settings, 1000.0, "127.0.0.1", &["a@b"]);
        assert_eq!((trusted.action, trusted.spam, trusted.rewrite), (Action::Accept, true, false));
        let findings = Findings { score: 20.0, required: 5.0, ..Findings::default() };
        let client = Client { login: "alice".into(), ip: "192.0.2.1".parse().ok(), ..Client::default() };
        let decision = decide(&findings, &client, &Envelope::default(), &settings, "ID1");
        assert!(matches!(decision.action, Action::Reject(_)) && !decision.spam);
    }

    #[test]
    fn the_mildest_of_several_recipients_decides() {
        let settings = settings("groups = [{ recipients = [\"abuse@b.example\", \".lists.example\"], reject = \"off\" }]\n");
        let to = |to: &[&str]| decided(&settings, 20.0, "192.0.2.1", to);
        assert!(matches!(to(&["a@b.example"]).action, Action::Reject(_)));
        assert_eq!(to(&["Abuse@B.example"]).action, Action::Accept);
        let mixed = to(&["a@b.example", "x@eu.lists.example"]);
        assert_eq!((mixed.action, mixed.divided, mixed.spam), (Action::Accept, true, true));
    }
}
