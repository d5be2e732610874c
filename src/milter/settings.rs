//! The section `[milter]`: where it listens, what it bears, and what becomes of a message beyond that.

use super::Address;
use crate::base::{ByteCount, Span};
use serde::Deserialize;

/// What becomes of a message that passes a limit; the log says which in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Excess {
    /// Judge what was kept of it.
    Scan,
    /// Let it pass unjudged.
    Accept,
    TempFail,
    Reject,
}

crate::settings! {
    /// The milter: sockets, timeouts and limits.
    pub struct Settings in "milter" {
        /// Sockets to listen on: "inet:PORT@HOST", "inet6:PORT@HOST", "unix:PATH,owner=USER:GROUP,mode=660".
        /// Sockets handed over by systemd (hamgate.socket) take their place. A change needs a restart.
        pub listen: Vec<Address> = "[\"inet:8891@localhost\"]",
        /// Connections at once; beyond it the one that has been idle longest is closed.
        pub connections: usize = "2000",
        /// Messages judged at once; others wait their turn. Most of that time is spent waiting for the DNS.
        pub judges: usize = "64",
        /// A connection on which nothing arrives for so long is closed.
        pub idle: Span = "\"1 h\"",
        /// A packet once begun must be whole by then.
        pub packet: Span = "\"20 s\"",
        /// A verdict must have been found by then, or the message is asked to come back. Keep it below Postfix's
        /// milter_content_timeout (300 s).
        pub verdict: Span = "\"60 s\"",
        /// How often a mail server that waits for a verdict is told that work goes on.
        pub progress: Span = "\"10 s\"",
        /// At a stop, messages in flight are answered until then; the rest is asked to come back.
        pub stop: Span = "\"8 s\"",
        /// Octets kept of one message.
        pub largest_message: ByteCount = "\"25 MB\"",
        /// What becomes of a larger one: "scan" (judge its beginning), "accept", "tempfail", "reject".
        pub larger_message: Excess = "\"scan\"",
        /// Header fields kept of one message.
        pub most_fields: usize = "9000",
        /// Octets kept of a header section.
        pub largest_header: ByteCount = "\"1 MB\"",
        /// What becomes of a message with more: "scan", "accept", "tempfail", "reject". Fields beyond the limit are not
        /// looked at, so forged X-Spam fields among them would stay.
        pub larger_header: Excess = "\"reject\"",
        /// Octets of all messages in flight; beyond it new ones are asked to come back.
        pub in_flight: ByteCount = "\"512 MB\"",
        /// Recipients kept of one message.
        pub most_recipients: usize = "10000",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_read() {
        let settings = Settings::default();
        assert_eq!(settings.listen, vec![Address::Inet { port: 8891, host: "localhost".into() }]);
        assert_eq!(settings.larger_header, Excess::Reject);
    }
}
