//! The section `[learn]`.

use crate::base::NetSet;
use crate::base::units::Span;
use serde::{Deserialize, Deserializer, de};

/// Whether the daemon learns unasked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    On,
    Off,
    /// As `bayes_auto_learn` in the rule files says; off where they say nothing.
    #[default]
    Rules,
}

/// What becomes of a message that was sent to be learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    #[default]
    Discard,
    Accept,
}

/// `user@example.com`, in lower case.
#[derive(Clone, Debug, Default)]
pub struct Addresses(pub Vec<String>);

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let all = Vec::<String>::deserialize(d)?;
        if let Some(wrong) = all.iter().find(|text| !is_address(text)) {
            return Err(de::Error::custom(format!("\"{wrong}\" is no address: write one such as spam@example.com")));
        }
        Ok(Addresses(all.iter().map(|address| address.to_ascii_lowercase()).collect()))
    }
}

fn is_address(text: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '@');
    text.split_once('@').is_some_and(|(local, domain)| plain(local) && plain(domain))
}

crate::settings! {
    /// Who teaches the classifier beside `hamgate train`.
    pub struct Settings in "learn" {
        /// Learn what is plainly spam or wanted, by SpamAssassin's conditions: "on", "off", "rules" (as bayes_auto_learn in rule
        /// files says; off where none does). The thresholds stand in rule files: bayes_auto_learn_threshold_spam and kin.
        pub auto: Auto = "\"rules\"",
        /// Messages learned so of one client network (/24, /64) or account in the span below; the rest is not learned.
        pub auto_most: u32 = "30",
        /// The span; it begins with the first message of that network or account.
        pub auto_per: Span = "\"1 day\"",
        /// Mail to these addresses is learned as spam: the messages attached to it, or itself where it was
        /// redirected (Resent-From). From those who logged in, and from the networks below, alone; from others it is mail like any.
        pub spam_addresses: Addresses = "[]",
        /// Likewise, as wanted mail.
        pub ham_addresses: Addresses = "[]",
        /// Networks from which the addresses above may be used without login.
        pub networks: NetSet = "[]",
        /// Messages that one account, or one client address, may have learned so in the span below; what is more is asked to come
        /// back.
        pub sent_most: u32 = "100",
        /// The span; it begins with the first message.
        pub sent_per: Span = "\"1 day\"",
        /// "discard": nobody gets it; "accept": it is delivered to the address.
        pub then: Then = "\"discard\"",
        /// A classifier for each user, over that of the site: `hamgate train --user`. One recipient's mail is judged by both.
        pub per_user: bool = "false",
        /// Recipients to users, as Postfix's virtual(5): "sales@example.com alice"; others are users by their address.
        pub aliases: String = "\"\"",
        /// What follows it in an address does not name another user.
        pub recipient_delimiter: String = "\"+\"",
        /// A user's message weighs as much as so many of the site's.
        pub user_weight: u32 = "10",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::settings::read;
    use toml::de::DeTable;

    #[test]
    fn the_defaults_learn_nothing_unasked() {
        let settings = Settings::default();
        assert!(settings.auto == Auto::Rules && settings.spam_addresses.0.is_empty() && !settings.per_user);
    }

    #[test]
    fn what_is_no_address_is_told() {
        let text = "spam_addresses = [\"Spam@Example.com\"]\nham_addresses = [\"ham\"]\n";
        let (settings, mistakes) = read::<Settings>(DeTable::parse(text).unwrap().into_inner());
        assert_eq!(settings.spam_addresses.0, ["spam@example.com"]);
        assert_eq!(mistakes[0].remedy, "\"ham\" is no address: write one such as spam@example.com");
    }
}
