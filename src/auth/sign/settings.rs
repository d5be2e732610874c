//! `[dkim]`: what is signed, and how.

use crate::base::units::Span;
use std::path::PathBuf;

crate::settings! {
    /// DKIM signing of our own mail.
    pub struct Settings in "dkim" {
        /// A folder of keys, DOMAIN/SELECTOR.key: every key of a domain signs, so that RSA and Ed25519 stand side by side.
        pub keys: PathBuf = "\"/etc/hamgate/dkim\"",
        /// Tables of OpenDKIM, read as they are ("refile:PATH" for patterns).
        pub key_table: String = "\"\"",
        /// As key_table.
        pub signing_table: String = "\"\"",
        /// A configuration of OpenDKIM whose Domain, Selector, KeyFile, KeyTable, SigningTable and kin are used as they are.
        pub opendkim_conf: String = "\"\"",
        /// Canonical forms of header and body.
        pub canonicalization: String = "\"relaxed/relaxed\"",
        /// Fields signed once more than they stand there, so that none can be added.
        pub oversign: Vec<String> = "[\"From\", \"To\", \"Subject\", \"Date\", \"MIME-Version\", \"Content-Type\", \"Content-Transfer-Encoding\"]",
        /// A signature is good for so long; "0 s": for ever.
        pub expires: Span = "\"0 s\"",
        /// Networks whose mail is signed without a login.
        pub internal: Vec<String> = "[\"127.0.0.0/8\", \"::1\"]",
        /// A file of lines "LOGIN DOMAIN...": domains that a login may use beside its own. A login without "@" may use all.
        pub logins: String = "\"\"",
    }
}
