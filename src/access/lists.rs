//! All tables together: who is asked about what, in Postfix's order of keys.

use super::action::Word;
use super::settings::{Personal, Settings};
use super::table::Table;
use crate::base::Place;
use crate::mail::{Client, Envelope};
use crate::outcome::Reply;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Client,
    Helo,
    Sender,
    Recipient,
}

impl Stage {
    /// What Postfix calls it in a reply.
    fn class(self) -> &'static str {
        match self {
            Stage::Client => "Client host",
            Stage::Helo => "Helo command",
            Stage::Sender => "Sender address",
            Stage::Recipient => "Recipient address",
        }
    }
}

/// What is known so far.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub client: &'a Client,
    pub sender: Option<&'a str>,
    pub recipient: Option<&'a str>,
}

impl<'a> Subject<'a> {
    pub fn new(client: &'a Client, envelope: Option<&'a Envelope>, recipient: Option<&'a str>) -> Subject<'a> {
        Subject { client, sender: envelope.map(|envelope| envelope.mail_from.as_str()), recipient }
    }
}

/// What the tables say, as it will be answered, and which line says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub word: Word,
    pub place: Place,
}

type Tables = Vec<Arc<Table>>;

#[derive(Clone, Debug)]
struct Own {
    recipients: Vec<String>,
    client: Tables,
    sender: Tables,
}

/// Every table of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Access {
    client: Tables,
    helo: Tables,
    sender: Tables,
    recipient: Tables,
    personal: Vec<Own>,
    parents: bool,
    delimiter: Option<char>,
}

impl Access {
    /// `read` are the tables by the name that the configuration gives them; one that is missing there is left out.
    pub fn new(settings: &Settings, read: &HashMap<String, Arc<Table>>) -> Access {
        let tables = |names: &[String]| names.iter().filter_map(|name| read.get(name).cloned()).collect::<Tables>();
        let own = |one: &Personal| Own {
            recipients: one.recipients.iter().map(|name| name.to_lowercase()).collect(),
            client: tables(&one.client),
            sender: tables(&one.sender),
        };
        Access {
            client: tables(&settings.client),
            helo: tables(&settings.helo),
            sender: tables(&settings.sender),
            recipient: tables(&settings.recipient),
            personal: settings.personal.iter().map(own).collect(),
            parents: settings.parent_domain_matches_subdomains,
            delimiter: settings.recipient_delimiter.chars().next(),
        }
    }

    pub fn is_empty(&self) -> bool {
        [&self.client, &self.helo, &self.sender, &self.recipient].iter().all(|tables| tables.is_empty()) && self.personal.is_empty()
    }

    /// What is to be answered at a stage. `DEFER_IF_…` of the stages before take effect at the recipient.
    pub fn answer(&self, stage: Stage, subject: &Subject<'_>) -> Option<Answer> {
        let found = self.found(stage, subject);
        if stage != Stage::Recipient {
            return found.filter(|answer| !matches!(answer.word, Word::DeferIfPermit(_) | Word::DeferIfReject(_)));
        }
        let own = [Stage::Client, Stage::Sender].into_iter().find_map(|stage| self.own(stage, subject));
        let found =
            [found, own].into_iter().flatten().find(|answer| !matches!(answer.word, Word::Ok)).or_else(|| self.found(stage, subject));
        let earlier: Vec<Answer> = [Stage::Client, Stage::Helo, Stage::Sender].into_iter().filter_map(|s| self.found(s, subject)).collect();
        let softened = earlier.iter().find(|answer| matches!(answer.word, Word::DeferIfReject(_)));
        match (found, softened) {
            (Some(Answer { word: Word::Reject(_), .. }), Some(Answer { word: Word::DeferIfReject(reply), place })) => {
                Some(Answer { word: Word::Defer(reply.clone()), place: place.clone() })
            }
            (Some(answer), _) => Some(match answer {
                Answer { word: Word::DeferIfPermit(reply), place } => Answer { word: Word::Defer(reply), place },
                other => other,
            })
            .filter(|answer| !matches!(answer.word, Word::DeferIfReject(_))),
            (None, _) => earlier.into_iter().find_map(|answer| match answer.word {
                Word::DeferIfPermit(reply) => Some(Answer { word: Word::Defer(reply), place: answer.place }),
                Word::Ok
                | Word::Dunno
                | Word::Reject(_)
                | Word::Defer(_)
                | Word::DeferIfReject(_)
                | Word::Discard
                | Word::Hold(_)
                | Word::Note(..) => None,
            }),
        }
    }

    /// Some table says OK to what is known so far.
    pub fn exempts(&self, subject: &Subject<'_>) -> bool {
        let stages = [Stage::Client, Stage::Helo, Stage::Sender, Stage::Recipient];
        let own = [Stage::Client, Stage::Sender].into_iter().filter_map(|stage| self.own(stage, subject));
        stages.into_iter().filter_map(|stage| self.found(stage, subject)).chain(own).any(|answer| answer.word == Word::Ok)
    }

    /// Some table wants this message in the hold queue.
    pub fn holds(&self, subject: &Subject<'_>) -> Option<Answer> {
        [Stage::Client, Stage::Helo, Stage::Sender, Stage::Recipient]
            .into_iter()
            .filter_map(|stage| self.found(stage, subject))
            .find(|answer| matches!(answer.word, Word::Hold(_)))
    }

    fn found(&self, stage: Stage, subject: &Subject<'_>) -> Option<Answer> {
        let tables = match stage {
            Stage::Client => &self.client,
            Stage::Helo => &self.helo,
            Stage::Sender => &self.sender,
            Stage::Recipient => &self.recipient,
        };
        self.ask(tables, stage, subject)
    }

    /// Tables of the recipient's own.
    fn own(&self, stage: Stage, subject: &Subject<'_>) -> Option<Answer> {
        let recipient = subject.recipient?.to_lowercase();
        let bare = without_extension(&recipient, self.delimiter);
        let is_theirs = |entry: &String| {
            let domain = recipient.rsplit_once('@').map_or("", |(_, domain)| domain);
            match (entry.strip_prefix('@'), entry.strip_prefix('.')) {
                (Some(of), _) => domain == of,
                (None, Some(below)) => domain.strip_suffix(below).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
                (None, None) => *entry == recipient || bare.as_ref() == Some(entry),
            }
        };
        self.personal.iter().filter(|own| own.recipients.iter().any(is_theirs)).find_map(|own| {
            let tables = if stage == Stage::Client { &own.client } else { &own.sender };
            self.ask(tables, stage, subject)
        })
    }

    fn ask(&self, tables: &[Arc<Table>], stage: Stage, subject: &Subject<'_>) -> Option<Answer> {
        if tables.is_empty() {
            return None;
        }
        let (keys, name) = self.keys(stage, subject)?;
        // The first table that knows decides; DUNNO hands on to the next.
        tables.iter().find_map(|table| {
            let asked = keys.iter().filter(|(_, whole)| *whole || table.is_indexed());
            let (word, place) = asked.map(|(key, _)| key).find_map(|key| table.look_up(key))?;
            let word = match word {
                Word::Dunno => return None,
                Word::Reject(reply) => Word::Reject(named(reply, &name, stage)),
                Word::Defer(reply) => Word::Defer(named(reply, &name, stage)),
                Word::DeferIfPermit(reply) => Word::DeferIfPermit(named(reply, &name, stage)),
                Word::DeferIfReject(reply) => Word::DeferIfReject(named(reply, &name, stage)),
                other @ (Word::Ok | Word::Discard | Word::Hold(_) | Word::Note(..)) => other,
            };
            Some(Answer { word, place })
        })
    }

    /// The keys in Postfix's order, each with whether it is whole; and how the subject is named in a reply.
    fn keys(&self, stage: Stage, subject: &Subject<'_>) -> Option<(Vec<(String, bool)>, String)> {
        let mut keys = Vec::new();
        let name = match stage {
            Stage::Client => {
                let ip = subject.client.ip?.to_string();
                let name = if subject.client.name.is_empty() { "unknown" } else { &subject.client.name };
                self.domains(name, true, &mut keys);
                addresses(&ip, &mut keys);
                format!("{name}[{ip}]")
            }
            Stage::Helo => {
                let helo = &subject.client.helo;
                if helo.is_empty() {
                    return None;
                }
                self.domains(helo.trim_end_matches('.'), true, &mut keys);
                helo.clone()
            }
            Stage::Sender => {
                let sender = subject.sender?;
                self.mailbox(if sender.is_empty() { "<>" } else { sender }, &mut keys);
                sender.to_owned()
            }
            Stage::Recipient => {
                let recipient = subject.recipient?;
                self.mailbox(recipient, &mut keys);
                recipient.to_owned()
            }
        };
        Some((keys, name))
    }

    /// A domain and its parents.
    fn domains(&self, name: &str, whole: bool, keys: &mut Vec<(String, bool)>) {
        keys.push((name.to_owned(), whole));
        let mut rest = name;
        while let Some((_, parent)) = rest.split_once('.') {
            keys.push((if self.parents { parent.to_owned() } else { format!(".{parent}") }, false));
            rest = parent;
        }
    }

    /// access(5), "EMAIL ADDRESS PATTERNS": user@domain, domain and its parents, user@; with and without extension.
    fn mailbox(&self, address: &str, keys: &mut Vec<(String, bool)>) {
        keys.push((address.to_owned(), true));
        let bare = without_extension(address, self.delimiter);
        keys.extend(bare.iter().map(|bare| (bare.clone(), false)));
        let Some((user, domain)) = address.rsplit_once('@') else { return };
        self.domains(domain, false, keys);
        keys.push((format!("{user}@"), false));
        keys.extend(bare.iter().filter_map(|bare| bare.rsplit_once('@')).map(|(user, _)| (format!("{user}@"), false)));
    }
}

/// An address, then its shorter and shorter beginnings (access(5), "HOST NAME/ADDRESS PATTERNS").
fn addresses(ip: &str, keys: &mut Vec<(String, bool)>) {
    keys.push((ip.to_owned(), true));
    let separator = if ip.contains(':') { ':' } else { '.' };
    let mut rest = ip;
    while let Some((shorter, _)) = rest.rsplit_once(separator) {
        keys.push((shorter.to_owned(), false));
        rest = shorter;
    }
}

/// `user@domain` of `user+extension@domain`.
fn without_extension(address: &str, delimiter: Option<char>) -> Option<String> {
    let (user, domain) = address.rsplit_once('@')?;
    let (bare, _) = user.split_once(delimiter?)?;
    (!bare.is_empty()).then(|| format!("{bare}@{domain}"))
}

/// As Postfix writes it: `<name>: Sender address rejected: text`.
fn named(reply: Reply, name: &str, stage: Stage) -> Reply {
    Reply { text: format!("<{name}>: {} rejected: {}", stage.class(), reply.text), ..reply }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(change: impl FnOnce(&mut Settings), tables: &[(&str, &str)]) -> Access {
        let mut settings = Settings::default();
        change(&mut settings);
        let read = tables.iter().map(|(name, text)| {
            let (table, complaints) = Table::parse(name, text);
            assert!(complaints.is_empty(), "{complaints:?}");
            ((*name).to_owned(), Arc::new(table))
        });
        Access::new(&settings, &read.collect())
    }

    fn client(name: &str, ip: &str) -> Client {
        Client { name: name.to_owned(), ip: ip.parse().ok(), helo: "helo.example".to_owned(), ..Client::default() }
    }

    fn reply(answer: Option<Answer>) -> String {
        match answer.map(|answer| answer.word) {
            Some(Word::Reject(r) | Word::Defer(r)) => format!("{} {} {}", r.code, r.status, r.text),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn clients_are_found_by_name_parent_address_and_prefix() {
        let text =
            "example.com REJECT a domain\nmail.example.com OK\n192.0.2 REJECT a net\n192.0.2.9 OK\n2001:db8 REJECT six\nunknown 450 who\n";
        let access = access(|s| s.client = vec!["/c".into()], &[("/c", text)]);
        let told = |name: &str, ip: &str| {
            let client = client(name, ip);
            reply(access.answer(Stage::Client, &Subject::new(&client, None, None)))
        };
        assert_eq!(told("x.example.com", "198.51.100.1"), "554 5.7.1 <x.example.com[198.51.100.1]>: Client host rejected: a domain");
        assert_eq!(told("mail.example.com", "192.0.2.1"), "Some(Ok)");
        assert_eq!(told("other.example", "192.0.2.1"), "554 5.7.1 <other.example[192.0.2.1]>: Client host rejected: a net");
        assert_eq!(told("other.example", "192.0.2.9"), "Some(Ok)");
        assert_eq!(told("other.example", "2001:db8::7"), "554 5.7.1 <other.example[2001:db8::7]>: Client host rejected: six");
        assert_eq!(told("", "203.0.113.1"), "450 4.7.1 <unknown[203.0.113.1]>: Client host rejected: who");
        assert_eq!(told("other.example", "203.0.113.1"), "None");
    }

    #[test]
    fn mailboxes_are_found_in_postfix_order() {
        let text = "a@b.example OK\nb.example REJECT domain\nspam@ 550 user\n<> REJECT null\n/x/ OK\n";
        let access = access(|s| s.sender = vec!["/s".into()], &[("/s", text)]);
        let client = client("x", "192.0.2.1");
        let told = |sender: &str| reply(access.answer(Stage::Sender, &Subject { client: &client, sender: Some(sender), recipient: None }));
        assert_eq!(told("A@b.example"), "Some(Ok)");
        assert_eq!(told("a+list@b.example"), "Some(Ok)");
        assert_eq!(told("c@sub.b.example"), "554 5.7.1 <c@sub.b.example>: Sender address rejected: domain");
        assert_eq!(told("spam@elsewhere.example"), "550 5.7.1 <spam@elsewhere.example>: Sender address rejected: user");
        assert_eq!(told(""), "554 5.7.1 <>: Sender address rejected: null");
    }

    #[test]
    fn subdomains_match_only_as_postfix_is_told() {
        let text = "example.com REJECT\n.example.com OK\n";
        let strict = access(
            |s| {
                s.helo = vec!["/h".into()];
                s.parent_domain_matches_subdomains = false;
            },
            &[("/h", text)],
        );
        let mut client = client("x", "192.0.2.1");
        client.helo = "a.example.com".into();
        assert_eq!(reply(strict.answer(Stage::Helo, &Subject::new(&client, None, None))), "Some(Ok)");
        client.helo = "example.com".into();
        assert!(reply(strict.answer(Stage::Helo, &Subject::new(&client, None, None))).starts_with("554"));
    }

    #[test]
    fn a_recipients_own_tables_are_about_that_recipient_alone() {
        let personal = Personal { recipients: vec!["ann@victim.example".into()], client: vec![], sender: vec!["/ann".into()] };
        let access = access(|s| s.personal = vec![personal], &[("/ann", "friend@ OK\nfoe@ REJECT ann is not in\n")]);
        let client = client("x", "192.0.2.1");
        let subject = |sender, recipient| Subject { client: &client, sender: Some(sender), recipient: Some(recipient) };
        assert!(access.exempts(&subject("friend@x.example", "ann+news@victim.example")));
        assert!(!access.exempts(&subject("friend@x.example", "bob@victim.example")));
        let refused = reply(access.answer(Stage::Recipient, &subject("foe@x.example", "Ann@victim.example")));
        assert_eq!(refused, "554 5.7.1 <foe@x.example>: Sender address rejected: ann is not in");
        assert_eq!(reply(access.answer(Stage::Recipient, &subject("foe@x.example", "bob@victim.example"))), "None");
    }

    #[test]
    fn defer_if_waits_for_what_the_recipient_brings() {
        let tables =
            [("/c", "192.0.2.1 DEFER_IF_PERMIT slow\n192.0.2.2 DEFER_IF_REJECT soft\n"), ("/r", "gone@ REJECT no such\nbob@ OK\n")];
        let access = access(
            |s| {
                s.client = vec!["/c".into()];
                s.recipient = vec!["/r".into()];
            },
            &tables,
        );
        let told = |ip: &str, to: &str, stage| {
            let client = client("x", ip);
            reply(access.answer(stage, &Subject { client: &client, sender: Some("a@b"), recipient: Some(to) }))
        };
        assert_eq!(told("192.0.2.1", "x@y", Stage::Client), "None");
        assert_eq!(told("192.0.2.1", "x@y", Stage::Recipient), "450 4.7.1 <x[192.0.2.1]>: Client host rejected: slow");
        assert!(told("192.0.2.1", "gone@y", Stage::Recipient).starts_with("554"));
        assert!(told("192.0.2.2", "gone@y", Stage::Recipient).starts_with("450"));
        assert_eq!(told("192.0.2.2", "x@y", Stage::Recipient), "None");
    }
}
