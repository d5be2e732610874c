//! `[lists]`: how lists are treated; `[[list]]`: Hamgate's own.

use crate::base::{Mode, Span};
use serde::Deserialize;

crate::settings! {
    /// DNS lists, those of the rules and those of [[list]] alike. A list that lists everything, refuses to answer or keeps silent
    /// does not count, is tried again later, and is told in the log. `hamgate lists test` shows the health of all.
    pub struct Settings in "lists" {
        /// Watch over lists: "on", or "off" to believe whatever comes.
        pub health: Mode = "\"on\"",
        /// How long a list may think about one question; `rbl_timeout` of rule files goes before.
        pub patience: Span = "\"3 s\"",
        /// How long a list rests that kept silent; doubled each time, up to twenty times as long.
        pub rest: Span = "\"30 s\"",
        /// Refuse a recipient when so many lists with refuse = true agree about the client: "on", "observe", "off".
        pub refusal: Mode = "\"off\"",
        /// How many lists must agree.
        pub refuse_at: u32 = "2",
        /// The reply, after 554 5.7.1; {client} is the address, {zones} the lists.
        pub text: String = "\"{client} is listed by {zones}\"",
    }
}

/// What a list is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asks {
    /// The address of the client.
    Client,
    /// The name it gave itself.
    Helo,
    /// The name its address points to.
    Ptr,
    /// The domain of the envelope sender.
    MailFrom,
    /// The domain of header From.
    From,
    /// The domain of Reply-To.
    ReplyTo,
    /// The domains of links.
    Uri,
    /// SHA-1 of addresses in From, Reply-To and the text.
    Digest,
}

/// One `[[list]]`: a zone, what it is asked about, which answers count, and the rule that hits then.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    pub zone: String,
    pub asks: Asks,
    /// An address, a range `127.0.0.4-127.0.0.7`, a value under a mask `127.0.0.0/255.255.255.0`, or a number: bits of which one
    /// must be set. None: any answer in 127.0.0.0/8.
    #[serde(default)]
    pub answer: String,
    /// The rule that hits.
    pub rule: String,
    /// Its score, where no rule file gives another.
    #[serde(default)]
    pub score: Option<f64>,
    /// It speaks well of senders.
    #[serde(default)]
    pub welcome: bool,
    /// It takes part in refusals at RCPT (asks = "client" alone).
    #[serde(default)]
    pub refuse: bool,
}

impl List {
    /// What is wrong with it, and what helps.
    pub fn mistake(&self) -> Option<(String, String)> {
        let word = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_');
        if crate::dns::name::checked(&self.zone).is_none() || !self.zone.contains('.') || self.zone.contains(['\'', '"', ' ']) {
            return Some((format!("zone = \"{}\"", self.zone), "give the name of a zone such as \"bl.example.org\"".to_owned()));
        }
        if !word(&self.rule) || self.rule.starts_with(|c: char| c.is_ascii_digit()) {
            return Some((format!("rule = \"{}\"", self.rule), "give a name of capitals, digits and underscores".to_owned()));
        }
        if !self.answer.bytes().all(|octet| octet.is_ascii_digit() || b"./-x".contains(&octet)) {
            return Some((format!("answer = \"{}\"", self.answer), "give an address, a range, a mask or a number".to_owned()));
        }
        if self.refuse && self.asks != Asks::Client {
            return Some(("refuse = true".to_owned(), "only lists of client addresses refuse: write asks = \"client\"".to_owned()));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_read() {
        assert_eq!(Settings::default().refuse_at, 2);
    }

    #[test]
    fn a_list_is_a_zone_a_subject_and_a_rule() {
        let read = |text: &str| toml::from_str::<List>(text).unwrap();
        assert_eq!(read("zone = \"bl.example.org\"\nasks = \"reply-to\"\nrule = \"X\"").mistake(), None);
        assert!(read("zone = \"bl\"\nasks = \"client\"\nrule = \"X\"").mistake().is_some());
        assert!(read("zone = \"bl.example.org\"\nasks = \"uri\"\nrule = \"X\"\nrefuse = true").mistake().is_some());
    }
}
