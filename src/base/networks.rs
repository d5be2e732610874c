//! Sets of networks as SpamAssassin writes them: `192.0.2.0/24`, `10.`, `2001:db8::/32`, `!192.0.2.7`.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};

/// The most specific network that holds an address decides; `!` excludes (SpamAssassin's NetSet).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetSet {
    /// Longest prefix first.
    nets: Vec<(IpNet, bool)>,
}

impl NetSet {
    pub fn is_empty(&self) -> bool {
        self.nets.is_empty()
    }

    /// Adds one network; a leading `!` excludes it. The error tells what was expected.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let (wanted, plain) = match text.strip_prefix('!') {
            Some(rest) => (false, rest.trim()),
            None => (true, text.trim()),
        };
        let net = parse(plain).ok_or_else(|| format!("\"{text}\" is no network: give an address such as 192.0.2.0/24 or 2001:db8::/32"))?;
        let at = self.nets.partition_point(|(n, _)| n.prefix_len() >= net.prefix_len());
        self.nets.insert(at, (net, wanted));
        Ok(())
    }

    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = unmap(ip);
        self.nets.iter().find(|(net, _)| net.contains(&ip)).is_some_and(|(_, wanted)| *wanted)
    }
}

impl NetSet {
    /// Whether a whole network, as written, lies in one that is not excluded.
    pub fn contains_net(&self, text: &str) -> bool {
        let Some(inner) = parse(text.trim_start_matches('!').trim()) else { return false };
        self.nets.iter().find(|(net, _)| net.contains(&inner)).is_some_and(|(_, wanted)| *wanted)
    }
}

/// `::ffff:192.0.2.1` is 192.0.2.1.
pub fn unmap(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

fn parse(text: &str) -> Option<IpNet> {
    let text = text.trim_start_matches('[').replace(']', "");
    if let Ok(net) = text.parse::<IpNet>() {
        return Some(net.trunc());
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(IpNet::from(unmap(ip)));
    }
    // Mail::SpamAssassin::Conf, trusted_networks: "10." and "10.1" stand for 10.0.0.0/8 and 10.1.0.0/16.
    let mut octets = [0u8; 4];
    let mut count = 0u8;
    for part in text.trim_end_matches('.').split('.') {
        *octets.get_mut(usize::from(count))? = part.parse().ok()?;
        count += 1;
    }
    IpNet::new(IpAddr::V4(Ipv4Addr::from(octets)), count * 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_network_decides() {
        let mut set = NetSet::default();
        for text in ["10.", "!10.1.2.0/24", "10.1.2.3", "2001:db8::/32"] {
            set.add(text).unwrap();
        }
        for (ip, inside) in [
            ("10.9.9.9", true),
            ("10.1.2.4", false),
            ("10.1.2.3", true),
            ("::ffff:10.9.9.9", true),
            ("2001:db8::1", true),
            ("192.0.2.1", false),
        ] {
            assert_eq!(set.contains(ip.parse().unwrap()), inside, "{ip}");
        }
        assert!(set.add("10.300").is_err());
    }
}
