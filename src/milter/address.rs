//! Where the milter listens, as Sendmail and Postfix write it: `inet:8891@localhost`, `inet6:8891@::1`, `unix:/run/hamgate/milter.sock`.

use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// IPv4 alone.
    Inet {
        port: u16,
        host: String,
    },
    /// IPv6 alone.
    Inet6 {
        port: u16,
        host: String,
    },
    Unix {
        path: PathBuf,
        owner: Owner,
        mode: u32,
    },
}

/// User and group of a socket, as names or numbers; `None`: as the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    pub user: Option<String>,
    pub group: Option<String>,
}

/// The mail server's group may speak, others may not.
const MODE: u32 = 0o660;
const REMEDY: &str = "write inet:8891@localhost, inet6:8891@::1 or unix:/run/hamgate/milter.sock, \
                      the last with owner=USER:GROUP and mode=660 after a comma where wanted";

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let bad = || format!("\"{text}\": {REMEDY}");
        let (kind, rest) = text.split_once(':').ok_or_else(bad)?;
        match kind {
            "inet" | "inet6" => {
                let (port, host) = rest.split_once('@').unwrap_or((rest, ""));
                let port = port.parse().map_err(|_| bad())?;
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                Ok(if kind == "inet" { Address::Inet { port, host } } else { Address::Inet6 { port, host } })
            }
            "unix" | "local" => unix(rest).ok_or_else(bad),
            _ => Err(bad()),
        }
    }
}

fn unix(rest: &str) -> Option<Address> {
    let mut parts = rest.split(',');
    let path = PathBuf::from(parts.next().filter(|path| path.starts_with('/'))?);
    let (mut owner, mut mode) = (Owner::default(), MODE);
    for part in parts {
        match part.trim().split_once('=')? {
            ("mode", octal) => mode = u32::from_str_radix(octal, 8).ok().filter(|mode| *mode <= 0o777)?,
            ("owner", names) => {
                let (user, group) = names.split_once(':').unwrap_or((names, ""));
                let some = |name: &str| (!name.is_empty()).then(|| name.to_owned());
                owner = Owner { user: some(user), group: some(group) };
            }
            _ => return None,
        }
    }
    Some(Address::Unix { path, owner, mode })
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Inet { port, host } if host.is_empty() => write!(f, "inet:{port}"),
            Address::Inet { port, host } => write!(f, "inet:{port}@{host}"),
            Address::Inet6 { port, host } if host.is_empty() => write!(f, "inet6:{port}"),
            Address::Inet6 { port, host } => write!(f, "inet6:{port}@{host}"),
            Address::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_mail_servers_write_them() {
        assert_eq!("inet:8891@localhost".parse(), Ok(Address::Inet { port: 8891, host: "localhost".into() }));
        assert_eq!("inet6:8891@[::1]".parse(), Ok(Address::Inet6 { port: 8891, host: "::1".into() }));
        assert_eq!(
            "unix:/run/x.sock,owner=hamgate:postfix,mode=666".parse(),
            Ok(Address::Unix {
                path: "/run/x.sock".into(),
                owner: Owner { user: Some("hamgate".into()), group: Some("postfix".into()) },
                mode: 0o666
            })
        );
        for wrong in ["8891", "inet:x@y", "tcp:1@y", "unix:relative", "unix:/x,mode=9", "unix:/x,colour=red"] {
            assert!(wrong.parse::<Address>().unwrap_err().contains("inet:8891@localhost"), "{wrong}");
        }
    }
}
