//! The sections `[greylist]`, `[harvest]` and `[accounts]`; `[[limit]]` stands in `limits`.

use crate::base::{Mode, Span};
use serde::Deserialize;
use std::path::PathBuf;

/// Which mail is greylisted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Applies {
    /// What the condition `doubtful` holds for.
    Doubtful,
    Always,
}

/// When a sender is asked to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// At the end of the message, when it is known who really sent it and how doubtful it is.
    Message,
    /// At each recipient, as postgrey does; needs applies = "always".
    Recipient,
}

crate::settings! {
    /// Greylisting, RFC 6647: a stranger is asked to come back, and most senders of spam do not. A stranger is the network of the
    /// client with sender and recipient; where SPF or DKIM prove the sender's domain, that domain stands for the network, so that
    /// it may come back from another host. Trusted networks and those who logged in never wait.
    pub struct GreylistSettings in "greylist" {
        /// "on", "observe" (the log says who would have had to wait), "off".
        pub mode: Mode = "\"off\"",
        /// "doubtful" (mail for which the condition below holds) or "always".
        pub applies: Applies = "\"doubtful\"",
        /// What is doubtful: a condition as in [policy].
        pub doubtful: String = "\"score >= required - 3\"",
        /// Mail that never waits: a condition as in [policy], over rules of lists of good clients for example.
        pub except: String = "\"off\"",
        /// "message": at the end of the message; "recipient": at each RCPT, by network alone (needs applies = "always").
        pub at: When = "\"message\"",
        /// How long a stranger must wait before coming back.
        pub delay: Span = "\"5 min\"",
        /// Coming back later than this begins anew.
        pub retry_window: Span = "\"2 days\"",
        /// Who has not been seen for so long is a stranger again.
        pub age: Span = "\"35 days\"",
        /// A client (or proven domain) that came back so often need not wait any more; 0: never.
        pub welcome_after: u64 = "5",
        /// Domains that prove themselves by DMARC and ask to quarantine or reject what does not never wait.
        pub skip_proven: bool = "true",
        /// Who was written to by one of ours is let in without waiting.
        pub skip_correspondents: bool = "true",
        /// Clients that never wait, in files of postgrey's syntax; a file that is missing is passed over.
        pub welcome_clients: Vec<PathBuf> = "[\"/etc/postgrey/whitelist_clients\", \"/etc/postgrey/whitelist_clients.local\"]",
        /// Recipients for whom nobody waits, in files of postgrey's syntax.
        pub welcome_recipients: Vec<PathBuf> = "[\"/etc/postgrey/whitelist_recipients\", \"/etc/postgrey/whitelist_recipients.local\"]",
        /// Length of the network of an IPv4 client.
        pub ipv4_network: u8 = "24",
        /// And of an IPv6 client.
        pub ipv6_network: u8 = "64",
        /// The reply, after 450 4.7.1; {seconds} is the time that is left to wait, {domain} the recipient's.
        pub text: String = "\"greylisted: please come back in {seconds} seconds\"",
        /// Write X-Greylist to mail that had to wait.
        pub header: bool = "true",
        /// Keep no addresses of those that wait: `hamgate greylist pending` then shows times alone.
        pub privacy: bool = "false",
    }
}

crate::settings! {
    /// Directory harvest: clients that try many recipients whom the mail server refuses (it must reject unknown recipients itself,
    /// as Postfix does by reject_unlisted_recipient).
    pub struct HarvestSettings in "harvest" {
        /// "on", "observe", "off".
        pub mode: Mode = "\"off\"",
        /// Refused recipients of one client after which it is sent away with 421.
        pub most: u64 = "20",
        /// In so long a time.
        pub per: Span = "\"10 min\"",
    }
}

crate::settings! {
    /// Accounts of our own whose sending is not like them: hijacked, perhaps. The log warns, at most once a minute; use [[limit]] by
    /// "user" to stop them.
    pub struct AccountSettings in "accounts" {
        /// "on" or "off".
        pub alarm: Mode = "\"off\"",
        /// An alarm is given when an account has reached so many times the recipients of its usual day.
        pub factor: u64 = "5",
        /// Fewer recipients than this in one day never give an alarm.
        pub least: u64 = "50",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_read_and_all_rest() {
        let greylist = GreylistSettings::default();
        assert_eq!((greylist.mode, greylist.applies, greylist.at), (Mode::Off, Applies::Doubtful, When::Message));
        assert_eq!((HarvestSettings::default().mode, AccountSettings::default().alarm), (Mode::Off, Mode::Off));
    }
}
