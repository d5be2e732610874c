//! The section `[bayes]`.

use super::TokenRules;

crate::settings! {
    /// The classifier: what it learned lies in the state folder, or on a server that several exchangers share.
    pub struct Settings in "bayes" {
        /// Ask the classifier.
        pub enabled: bool = "true",
        /// "" is the state folder's SQLite file; "redis://host:6379/0" or "redis+unix:///path" a Valkey or Redis server.
        pub store: String = "\"\"",
        /// How messages become tokens: "hamgate", or "spamassassin" for what was learned by SpamAssassin and imported.
        /// What was learned under one is of no use to the other.
        pub tokens: TokenRules = "\"hamgate\"",
        /// Messages of each kind that must have been learned before it has an opinion.
        pub least_learned: u64 = "200",
        /// Tokens kept of one classifier; those not seen for the longest time go first.
        pub most_tokens: u64 = "1000000",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_read() {
        let settings = Settings::default();
        assert!(settings.tokens == TokenRules::Hamgate && settings.enabled && settings.store.is_empty());
    }
}
