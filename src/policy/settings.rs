//! The section `[policy]`: which findings lead to which action, for whom.

use super::expression::Expression;
use crate::base::NetSet;
use serde::{Deserialize, Deserializer};

/// Conditions that differ for some senders or recipients; what is not given is as in [policy].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Differences {
    pub mark: Option<Expression>,
    pub rewrite: Option<Expression>,
    pub quarantine: Option<Expression>,
    pub discard: Option<Expression>,
    pub tempfail: Option<Expression>,
    pub reject: Option<Expression>,
}

/// Recipients with conditions of their own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// `user@example.com`, `@example.com`, `.example.com` (and all below it).
    pub recipients: Vec<String>,
    #[serde(flatten)]
    pub differences: GroupDifferences,
}

/// As `Differences`; serde cannot refuse unknown keys of a flattened table, so they are collected and refused here.
#[derive(Clone, Debug, Default)]
pub struct GroupDifferences(pub Differences);

impl<'de> Deserialize<'de> for GroupDifferences {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Differences::deserialize(d).map(GroupDifferences)
    }
}

crate::settings! {
    /// What is done about a message. A condition is an expression over score, required (the required_score of the rules), spam
    /// (score >= required), partial (not all was asked in time) and names of rules: "score >= 12 || (RULE_A && !RULE_B)"; "off"
    /// never holds. The strictest action whose condition holds is taken: reject, discard, tempfail, quarantine.
    pub struct Settings in "policy" {
        /// X-Spam-Flag: YES, and the fields that the rules add to spam.
        pub mark: Expression = "\"spam\"",
        /// Rewrite Subject as rewrite_header of the rules asks.
        pub rewrite: Expression = "\"spam\"",
        /// Into the mail server's hold queue (Postfix: postqueue -p, postsuper -H).
        pub quarantine: Expression = "\"off\"",
        /// Accept and drop: nobody learns of it. Prefer reject.
        pub discard: Expression = "\"off\"",
        /// Ask to come back.
        pub tempfail: Expression = "\"off\"",
        /// Refuse with 550 5.7.1: a sender who is no spammer learns that the message did not arrive.
        pub reject: Expression = "\"score >= 15\"",
        /// The text of a refusal; {id} is the id under which log and explain know the message.
        pub reject_text: String = "\"message refused as spam, id {id}\"",
        /// Clients whose mail is judged by [policy.trusted].
        pub trusted_networks: NetSet = "[\"127.0.0.0/8\", \"::1\"]",
        /// Conditions for trusted networks and local submission; what is not given is as above.
        pub trusted: Differences = "{ reject = \"off\", rewrite = \"off\" }",
        /// Conditions for those who logged in: nothing is added to what they send, but spam does not leave.
        pub authenticated: Differences = "{ mark = \"off\", rewrite = \"off\" }",
        /// Conditions for some recipients, for example
        /// { recipients = ["abuse@example.com", "@lists.example.com"], reject = "off" }. Where the recipients of one message
        /// differ, the mildest action is taken.
        pub groups: Vec<Group> = "[]",
        /// Write X-Spam fields (add_header of the rules) to mail that is not spam, too.
        pub headers: bool = "true",
    }
}

impl Settings {
    /// All conditions, with the names of their settings.
    pub fn conditions(&self) -> impl Iterator<Item = (&'static str, &Expression)> {
        let own = [
            ("mark", &self.mark),
            ("rewrite", &self.rewrite),
            ("quarantine", &self.quarantine),
            ("discard", &self.discard),
            ("tempfail", &self.tempfail),
            ("reject", &self.reject),
        ];
        let groups = self.groups.iter().map(|group| &group.differences.0);
        own.into_iter().chain([&self.trusted, &self.authenticated].into_iter().chain(groups).flat_map(Differences::conditions))
    }
}

impl Differences {
    fn conditions(&self) -> impl Iterator<Item = (&'static str, &Expression)> {
        let own = [
            ("mark", &self.mark),
            ("rewrite", &self.rewrite),
            ("quarantine", &self.quarantine),
            ("discard", &self.discard),
            ("tempfail", &self.tempfail),
            ("reject", &self.reject),
        ];
        own.into_iter().filter_map(|(name, condition)| condition.as_ref().map(|condition| (name, condition)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::settings::{Mistake, read};
    use toml::de::DeTable;

    fn policy(text: &str) -> (Settings, Vec<Mistake>) {
        read(DeTable::parse(text).unwrap().into_inner())
    }

    #[test]
    fn a_wrong_condition_is_placed() {
        let (settings, mistakes) = policy("mark = \"spam\"\nreject = \"score >>\"\ntrusted_networks = [\"10.300\"]\n");
        assert!(!settings.reject.is_off());
        assert_eq!(mistakes.iter().map(|m| m.at).collect::<Vec<_>>(), vec![23, 53]);
        assert!(mistakes[0].remedy.contains("write a condition"));
    }

    #[test]
    fn groups_refuse_unknown_keys_too() {
        let (settings, mistakes) = policy("groups = [{ recipients = [\"@a.example\"], reject = \"off\" }]\n");
        assert!(mistakes.is_empty(), "{mistakes:?}");
        assert_eq!(settings.groups.len(), 1);
        assert_eq!(policy("groups = [{ recipients = [], refuse = \"off\" }]\n").1.len(), 1);
        assert_eq!(policy("trusted = { refuse = \"off\" }\n").1.len(), 1);
    }
}
