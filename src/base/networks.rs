//! Sets of networks as SpamAssassin writes them: `192.0.2.0/24`, `10.`, `2001:db8::/32`, `!192.0.2.7`.

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};
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

/// From a list of texts in the configuration.
impl<'de> Deserialize<'de> for NetSet {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let mut set = NetSet::default();
        for text in Vec::<String>::deserialize(d)? {
            set.add(&text).map_err(de::Error::custom)?;
        }
        Ok(set)
    }
}

/// `::ffff:192.0.2.1` is 192.0.2.1.
pub fn unmap(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

/// `[address%zone]/length`, where zone and length may be absent, an IPv4 address may be cut short (`10.`, `10.1`,
/// `203.0.113/24`) and its length may be a mask (Mail::SpamAssassin::NetSet, add_cidr).
fn parse(text: &str) -> Option<IpNet> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    let address = address.split('%').next().unwrap_or(address);
    if let Ok(ip) = address.parse::<IpAddr>() {
        // A mapped address of IPv4 stands among the last 32 bits of IPv6.
        let (ip, mapped) = (unmap(ip), address.contains(':'));
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let shift = if mapped && ip.is_ipv4() { 96 } else { 0 };
        let length = length.map_or(Some(most), |length| prefix(length)?.checked_sub(shift))?;
        return IpNet::new(ip, length).ok().map(|net| net.trunc());
    }
    let mut octets = [0u8; 4];
    let mut count = 0u8;
    for part in address.strip_suffix('.').unwrap_or(address).split('.') {
        *octets.get_mut(usize::from(count))? = part.parse().ok()?;
        count += 1;
    }
    let length = length.map_or(Some(count * 8), prefix)?;
    IpNet::new(IpAddr::V4(Ipv4Addr::from(octets)), length).ok().map(|net| net.trunc())
}

/// `24` or `255.255.255.0`.
fn prefix(length: &str) -> Option<u8> {
    match length.parse::<Ipv4Addr>() {
        Ok(mask) => ipnet::ipv4_mask_to_prefix(mask).ok(),
        Err(_) => length.parse().ok(),
    }
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

    #[test]
    fn networks_are_written_in_many_ways() {
        for (text, net) in [
            ("203.0.113/24", "203.0.113.0/24"),
            ("192.0.2.", "192.0.2.0/24"),
            ("[2001:db8::1%eth0]/32", "2001:db8::/32"),
            ("10.1.2.3/255.255.0.0", "10.1.0.0/16"),
            ("010.001.002.003", "10.1.2.3/32"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ] {
            assert_eq!(parse(text).map(|net| net.to_string()).as_deref(), Some(net), "{text}");
        }
        for wrong in ["", "/24", "1.2.3.4.5", "192.0.2.1/33", "host.example", "10..1"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
