//! The live side of an arrival: client and envelope as the mail server told them.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// The SMTP client, from CONNECT, HELO and macros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// `None` for local submission (non_smtpd_milters).
    pub ip: Option<IpAddr>,
    /// The name the mail server verified, empty where unknown.
    pub name: String,
    /// The PTR name, verified or not (`{client_ptr}`).
    pub ptr: String,
    pub port: u16,
    pub helo: String,
    /// The login, empty where not authenticated (`{auth_authen}`).
    pub login: String,
    /// `{tls_version}`, empty without TLS.
    pub tls_version: String,
}

/// What MAIL and RCPT said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Without angle brackets; empty for the null sender.
    pub mail_from: String,
    pub recipients: Vec<String>,
    /// The mail server's queue id (`i`), empty where not known yet.
    pub queue_id: String,
    /// The mail server's own name (`j`).
    pub server: String,
    /// Further macros by name, without braces.
    pub macros: BTreeMap<String, String>,
}

impl Envelope {
    /// Among the macros: how many recipients of this client the mail server has refused of late, as we counted them.
    pub const REFUSED: &str = "hamgate_refused_recipients";
    /// Among the macros: what a bounce is about ("ours", "foreign"), as far as sent mail is remembered.
    pub const BOUNCED: &str = "hamgate_bounced";
}

/// Whether client and envelope are live or are to be read from the fields (Received, Return-Path) as SpamAssassin does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Arrival {
    Live(Box<(Client, Envelope)>),
    /// The way is read from the fields, the envelope sender is told.
    Sender(String),
    #[default]
    FromFields,
}

impl Arrival {
    /// The envelope sender, where it need not be guessed; empty for the null sender.
    pub fn sender(&self) -> Option<&str> {
        match self {
            Arrival::Live(live) => Some(&live.1.mail_from),
            Arrival::Sender(sender) => Some(sender),
            Arrival::FromFields => None,
        }
    }
}
