//! Names under which the door remembers: networks, senders without what changes from mail to mail, keyed hashes.

use crate::base::networks::unmap;
use crate::store::{Key, Pace, Trouble};
use ipnet::IpNet;
use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher;
use std::net::IpAddr;
use std::sync::OnceLock;

/// Makes keys of words; without the secret nobody can find out by trying which words they were.
#[derive(Clone, Copy)]
pub struct Hashes(pub [u8; 16]);

impl Hashes {
    /// `kind` keeps names of different use apart.
    pub fn key(&self, kind: &str, name: &str) -> Key {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(kind.as_bytes());
        hasher.write_u8(0);
        hasher.write(name.as_bytes());
        hasher.finish128().as_bytes()
    }
}

/// The hashes of a store, asked for once it answers.
#[derive(Default)]
pub struct Secret(OnceLock<Hashes>);

impl Secret {
    /// # Errors
    /// The store is away.
    pub fn of(&self, store: &dyn Pace) -> Result<Hashes, Trouble> {
        if let Some(hashes) = self.0.get() {
            return Ok(*hashes);
        }
        let hashes = Hashes(store.secret()?);
        Ok(*self.0.get_or_init(|| hashes))
    }
}

/// The network of a client, by its first address.
pub fn network(ip: IpAddr, ipv4: u8, ipv6: u8) -> String {
    let ip = unmap(ip);
    let length = if ip.is_ipv4() { ipv4.min(32) } else { ipv6.min(128) };
    IpNet::new(ip, length).map_or_else(|_| ip.to_string(), |net| net.network().to_string())
}

/// A sender without what changes from mail to mail: BATV tags, extensions, numbers of mailing lists (postgrey does the same, so
/// that its database can be taken over).
pub fn sender(address: &str) -> String {
    let Some((user, domain)) = address.split_once('@') else { return address.to_lowercase() };
    let user = batv(user).unwrap_or(user);
    let user = user.split('+').next().unwrap_or(user);
    format!("{}@{domain}", without_numbers(user)).to_lowercase()
}

/// `prvs=tag=user`, or with tag and user the other way round. A tag has ten letters or digits at its beginning.
fn batv(user: &str) -> Option<&str> {
    let (first, second) = user.strip_prefix("prvs=")?.split_once('=')?;
    if second.contains('=') {
        return None;
    }
    let is_tag = |text: &str| text.len() >= 10 && text.bytes().take(10).all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    Some(if is_tag(second) && !is_tag(first) { first } else { second })
}

/// Each whole word of digits becomes `#`.
fn without_numbers(user: &str) -> String {
    let mut out = String::with_capacity(user.len());
    let mut word = String::new();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let close = |word: &mut String, out: &mut String| {
        let number = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
        out.push_str(if number { "#" } else { word });
        word.clear();
    };
    for c in user.chars() {
        if is_word(c) {
            word.push(c);
        } else {
            close(&mut word, &mut out);
            out.push(c);
        }
    }
    close(&mut word, &mut out);
    out
}

/// The name of a triplet.
pub fn triplet(client: &str, sender: &str, recipient: &str) -> String {
    format!("{client}/{sender}/{recipient}").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_known_again_whatever_changes_in_it() {
        for (address, known) in [
            ("Bounces-1234-ann=b.example@list.example", "bounces-#-ann=b.example@list.example"),
            ("ann+tag@x.example", "ann@x.example"),
            ("prvs=0123456789=ann@x.example", "ann@x.example"),
            ("prvs=ann=0123456789@x.example", "ann@x.example"),
            ("a1b22@x.example", "a1b22@x.example"),
            ("", ""),
        ] {
            assert_eq!(sender(address), known, "{address}");
        }
    }

    #[test]
    fn networks_have_their_first_address() {
        for (ip, net) in [("192.0.2.77", "192.0.2.0"), ("::ffff:192.0.2.77", "192.0.2.0"), ("2001:db8:1:2:3::4", "2001:db8:1:2::")] {
            assert_eq!(network(ip.parse().unwrap(), 24, 64), net);
        }
    }
}
