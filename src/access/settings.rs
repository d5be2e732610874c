//! The section `[access]`: which tables are asked about whom.

use crate::base::Mode;
use serde::Deserialize;

/// Tables of single recipients.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Personal {
    /// `user@example.com`, `@example.com`, `.example.com` (and all below it).
    pub recipients: Vec<String>,
    pub client: Vec<String>,
    pub sender: Vec<String>,
}

crate::settings! {
    /// Access tables in Postfix's own syntax, access(5). REJECT, DEFER, 4NN and 5NN answer at once with their text; OK lets in
    /// without greylisting, rate limits and DNS lists at the door (the content is judged all the same). A file may be written with
    /// its type in front: "cidr:/etc/postfix/client.cidr", "regexp:...", "pcre:..."; "hash:", "lmdb:", "btree:" and "texthash:" read
    /// the text from which postmap makes the table.
    pub struct Settings in "access" {
        /// "on", "observe" (the log says what would have been answered), "off".
        pub mode: Mode = "\"on\"",
        /// Asked about the client's name and address.
        pub client: Vec<String> = "[]",
        /// Asked about the name in HELO.
        pub helo: Vec<String> = "[]",
        /// Asked about the envelope sender; the null sender is <>.
        pub sender: Vec<String> = "[]",
        /// Asked about each envelope recipient.
        pub recipient: Vec<String> = "[]",
        /// Welcome and block lists of single recipients, for example
        /// { recipients = ["ann@example.com"], sender = ["/etc/hamgate/ann"], client = [] }.
        pub personal: Vec<Personal> = "[]",
        /// An entry for a domain matches its subdomains too (Postfix: smtpd_access_maps in parent_domain_matches_subdomains); if
        /// false, only ".example.com" does.
        pub parent_domain_matches_subdomains: bool = "true",
        /// Separates a user's name from what follows it.
        pub recipient_delimiter: String = "\"+\"",
    }
}

impl Settings {
    /// Every table that is named, each once.
    pub fn sources(&self) -> Vec<&str> {
        let personal = self.personal.iter().flat_map(|one| one.client.iter().chain(&one.sender));
        let all = self.client.iter().chain(&self.helo).chain(&self.sender).chain(&self.recipient).chain(personal);
        let mut all: Vec<&str> = all.map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_read() {
        let settings = Settings::default();
        assert_eq!(settings.mode, Mode::On);
        assert!(settings.sources().is_empty());
    }
}
