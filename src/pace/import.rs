//! What postgrey has learned: its Berkeley DB as `db_dump` prints it, and plain lists of those who are welcome.

use super::keys::{Hashes, sender, triplet};
use crate::store::greylist::{Seen, Triplet, Welcome};
use crate::store::{Key, Pace, Trouble};
use std::net::IpAddr;

/// One entry of the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Triplet {
        client: String,
        sender: String,
        recipient: String,
        first: u64,
        last: u64,
    },
    /// An address, or `@domain` for a domain that proves itself.
    Welcome {
        client: String,
        count: u64,
        last: u64,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub entries: Vec<Entry>,
    /// Lines that are neither, with what is wrong.
    pub refused: Vec<(u32, String)>,
}

/// Reads a dump (of `postgrey.db` or `postgrey_clients.db`), or a list with one address or domain a line.
pub fn read(text: &str, now: u64, welcome_after: u64) -> Imported {
    if text.starts_with("VERSION=") { dump(text) } else { list(text, now, welcome_after) }
}

/// db_dump(1): header lines, `HEADER=END`, then key and value in turn, each line beginning with a space, `DATA=END`.
fn dump(text: &str) -> Imported {
    let mut imported = Imported::default();
    let is_print = text.lines().take_while(|line| *line != "HEADER=END").any(|line| line == "format=print");
    let mut key: Option<String> = None;
    let mut inside = false;
    for (number, line) in (1u32..).zip(text.lines()) {
        match line {
            "HEADER=END" => inside = true,
            "DATA=END" => inside = false,
            _ if !inside => {}
            _ => {
                let value = if is_print { printed(line.trim_start()) } else { hex(line.trim_start()) };
                match (key.take(), value) {
                    (None, Some(value)) => key = Some(value),
                    (None, None) => key = Some(String::new()),
                    (Some(key), value) => match value.as_deref().and_then(|value| entry(&key, value)) {
                        Some(entry) => imported.entries.push(entry),
                        None if key.len() == 40 && key.bytes().all(|b| b.is_ascii_hexdigit()) => {
                            imported.refused.push((number, "a hash (postgrey --privacy): nobody can tell whose".to_owned()));
                        }
                        None => imported.refused.push((number, format!("\"{key}\" is no entry of postgrey"))),
                    },
                }
            }
        }
    }
    imported
}

/// `network/sender/recipient` with `first,last`, or an address with `count,last`.
fn entry(key: &str, value: &str) -> Option<Entry> {
    let mut numbers = value.split(',').map(|number| number.trim().parse::<u64>());
    let (one, two) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    let Some((client, rest)) = key.split_once('/') else {
        let client = key.parse::<IpAddr>().ok()?.to_string();
        return Some(Entry::Welcome { client, count: one, last: two });
    };
    let client = client.parse::<IpAddr>().ok()?.to_string();
    let (from, to) = rest.rsplit_once('/')?;
    Some(Entry::Triplet { client, sender: from.to_owned(), recipient: to.to_owned(), first: one, last: two })
}

fn hex(text: &str) -> Option<String> {
    let octets: Option<Vec<u8>> = (0..text.len() / 2).map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()).collect();
    String::from_utf8(octets?).ok()
}

/// `\xx` stands for an octet, `\\` for a backslash.
fn printed(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            octets.push(*first);
        } else if let Some(after) = rest.strip_prefix(b"\\") {
            octets.push(b'\\');
            rest = after;
        } else {
            let (digits, after) = rest.split_at_checked(2)?;
            octets.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        }
    }
    String::from_utf8(octets).ok()
}

fn list(text: &str, now: u64, welcome_after: u64) -> Imported {
    let mut imported = Imported::default();
    for (number, line) in (1u32..).zip(text.lines()) {
        let name = line.split('#').next().unwrap_or_default().trim();
        if name.is_empty() {
            continue;
        }
        let domain = name.trim_start_matches('@');
        let client = match name.parse::<IpAddr>() {
            Ok(ip) => ip.to_string(),
            Err(_) if domain.contains('.') && domain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) => {
                format!("@{}", domain.to_lowercase())
            }
            Err(_) => {
                imported.refused.push((number, format!("\"{name}\" is neither an address nor a domain")));
                continue;
            }
        };
        imported.entries.push(Entry::Welcome { client, count: welcome_after.max(1), last: now });
    }
    imported
}

/// Puts entries into the store; what is there already is overwritten.
///
/// # Errors
/// The store is away.
pub fn keep(entries: &[Entry], store: &dyn Pace, delay: u64) -> Result<(), Trouble> {
    let hashes = Hashes(store.secret()?);
    for some in entries.chunks(500) {
        let (mut triplets, mut welcomes): (Vec<(Triplet, Seen)>, Vec<(Key, Welcome)>) = (Vec::new(), Vec::new());
        for entry in some {
            match entry {
                Entry::Triplet { client, sender: from, recipient, first, last } => {
                    let key = hashes.key("triplet", &triplet(client, &sender(from), recipient));
                    let words = Triplet { key, client: client.clone(), sender: from.clone(), recipient: recipient.clone() };
                    triplets.push((words, Seen { first: *first, last: *last, passed: last.saturating_sub(*first) >= delay }));
                }
                Entry::Welcome { client, count, last } => {
                    welcomes.push((hashes.key("client", client), Welcome { count: *count, last: *last }));
                }
            }
        }
        store.keep(&triplets, &welcomes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumps_of_postgrey_are_read_in_both_formats() {
        let print = "VERSION=3\nformat=print\ntype=btree\nHEADER=END\n 192.0.2.0/a@b.example/c@d.example\n 1700000000,1700000400\n \
                     192.0.2.9\n 7,1700000500\n 2001:db8:0:0:0:0:0:0/x/y@s.example/r@t.example\n 1,2\nDATA=END\n";
        let imported = read(print, 0, 5);
        assert_eq!(imported.refused, []);
        assert_eq!(
            imported.entries,
            [
                Entry::Triplet {
                    client: "192.0.2.0".into(),
                    sender: "a@b.example".into(),
                    recipient: "c@d.example".into(),
                    first: 1_700_000_000,
                    last: 1_700_000_400
                },
                Entry::Welcome { client: "192.0.2.9".into(), count: 7, last: 1_700_000_500 },
                Entry::Triplet {
                    client: "2001:db8::".into(),
                    sender: "x/y@s.example".into(),
                    recipient: "r@t.example".into(),
                    first: 1,
                    last: 2
                },
            ]
        );
        let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
        let bytes = format!("VERSION=3\nformat=bytevalue\nHEADER=END\n {}\n {}\nDATA=END\n", hex("192.0.2.9"), hex("7,1700000500"));
        assert_eq!(read(&bytes, 0, 5).entries, imported.entries[1..2]);
    }

    #[test]
    fn lists_and_what_cannot_be_taken_over_are_told() {
        let imported = read("192.0.2.1\nexample.com # ours\n\nnonsense here\n", 9, 5);
        assert_eq!(imported.entries.len(), 2);
        assert_eq!(imported.entries[1], Entry::Welcome { client: "@example.com".into(), count: 5, last: 9 });
        assert_eq!(imported.refused.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [4]);
        let hashed = format!("VERSION=3\nformat=print\nHEADER=END\n {}\n 1,2\nDATA=END\n", "0a".repeat(20));
        assert!(read(&hashed, 0, 5).refused[0].1.contains("--privacy"));
    }
}
