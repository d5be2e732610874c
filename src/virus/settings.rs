//! `[virus]`: which daemon to ask, how large a message, how long to wait.

use crate::base::units::{ByteCount, Span};
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

crate::settings! {
    /// The antivirus daemon (ClamAV's clamd). What it finds is the rule HG_VIRUS; where it does not answer, HG_VIRUS_UNSEEN:
    /// in [policy] write reject = "HG_VIRUS || ..." and, to defer what was not inspected, tempfail = "HG_VIRUS_UNSEEN".
    pub struct Settings in "virus" {
        /// Sockets of clamd, asked in turn: "unix:/run/clamav/clamd.ctl", "inet:3310@127.0.0.1"; none: no daemon is asked.
        pub servers: Vec<String> = "[]",
        /// Larger messages are not inspected (HG_VIRUS_UNSEEN); not more than StreamMaxLength in clamd.conf.
        pub largest: ByteCount = "\"25 MB\"",
        /// How long all daemons together may take over one message.
        pub timeout: Span = "\"15 s\"",
    }
}

/// Where a daemon listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    Unix(PathBuf),
    Tcp(String, u16),
}

impl Server {
    /// As listeners of milters are written.
    ///
    /// # Errors
    /// What is wrong, and how to write it.
    pub fn parse(text: &str) -> Result<Server, String> {
        let remedy = || format!("\"{text}\": write unix:/run/clamav/clamd.ctl or inet:3310@127.0.0.1");
        if let Some(path) = text.strip_prefix("unix:").or_else(|| text.starts_with('/').then_some(text)) {
            return if path.is_empty() { Err(remedy()) } else { Ok(Server::Unix(path.into())) };
        }
        let (port, host) =
            text.strip_prefix("inet:").or_else(|| text.strip_prefix("inet6:")).and_then(|rest| rest.split_once('@')).ok_or_else(remedy)?;
        let port = port.parse().map_err(|_| remedy())?;
        if host.is_empty() { Err(remedy()) } else { Ok(Server::Tcp(host.to_owned(), port)) }
    }

    pub(super) fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        match self {
            Server::Unix(_) => Ok(Vec::new()),
            Server::Tcp(host, port) => Ok((host.trim_matches(['[', ']']), *port).to_socket_addrs()?.collect()),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Server::Unix(path) => write!(f, "unix:{}", path.display()),
            Server::Tcp(host, port) => write!(f, "inet:{port}@{host}"),
        }
    }
}
