//! `[dns]`: whom to ask, how long to wait, how much to keep.

use crate::base::units::Span;
use std::net::{IpAddr, SocketAddr};

crate::settings! {
    /// The DNS: whom to ask, how long to wait, how much to keep.
    pub struct Settings in "dns" {
        /// Name servers: "192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53"; none: those of /etc/resolv.conf, else 127.0.0.1.
        /// A resolver of your own is best: DNS lists refuse the large public ones.
        pub name_servers: Vec<String> = "[]",
        /// How long one server may think before the next is asked.
        pub timeout: Span = "\"2 s\"",
        /// Further tries after the first, each at the next server.
        pub retries: u32 = "2",
        /// All questions of one message together; what has not come by then counts as no answer.
        pub deadline: Span = "\"8 s\"",
        /// Questions that the authentication of one message may send out.
        pub questions_per_message: u32 = "60",
        /// Answers kept for their time to live.
        pub cache_entries: usize = "20000",
    }
}

impl Settings {
    /// The servers to ask, in order.
    pub fn servers(&self) -> Result<Vec<SocketAddr>, String> {
        if self.name_servers.is_empty() {
            return Ok(of_the_system(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default()));
        }
        self.name_servers.iter().map(|text| server(text)).collect()
    }
}

/// One server as operators write it; port 53 unless told.
pub fn server(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    text.parse::<SocketAddr>()
        .or_else(|_| text.trim_matches(['[', ']']).parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)))
        .map_err(|_| format!("\"{text}\" is no name server: give an address such as 192.0.2.1:53 or [2001:db8::1]:53"))
}

/// resolv.conf(5): at most three `nameserver` lines count; without any, the local machine is asked.
fn of_the_system(resolv_conf: &str) -> Vec<SocketAddr> {
    let mut servers: Vec<SocketAddr> = resolv_conf
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .filter_map(|rest| rest.trim().split('%').next()?.parse::<IpAddr>().ok())
        .map(|ip| SocketAddr::new(ip, 53))
        .take(3)
        .collect();
    if servers.is_empty() {
        servers.push(SocketAddr::from(([127, 0, 0, 1], 53)));
    }
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_names_its_servers() {
        let found = of_the_system("# x\nsearch a\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n");
        assert_eq!(found, ["192.0.2.1:53".parse().unwrap(), "[2001:db8::1]:53".parse().unwrap()]);
        assert_eq!(of_the_system("").len(), 1);
    }

    #[test]
    fn a_server_is_an_address_with_or_without_port() {
        assert_eq!(server("192.0.2.1").unwrap().port(), 53);
        assert_eq!(server("[::1]:5353").unwrap().port(), 5353);
        assert_eq!(server("::1").unwrap().port(), 53);
        assert!(server("dns.example").is_err());
    }
}
