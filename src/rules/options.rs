//! Options of rule files as loaded: what views, `eval` functions and the engine read of them.

use crate::mail::ViewOptions;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;

/// Keys come from rule files: no sender chooses what collides.
type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
type HashSet<K> = std::collections::HashSet<K, foldhash::fast::RandomState>;

#[derive(Clone, Debug, Default)]
pub struct Options {
    pub view: ViewOptions,
    /// Plugins that are loaded, without `Mail::SpamAssassin::Plugin::`.
    pub plugins: std::collections::HashSet<String>,
    /// Lists of addresses or subjects by their present name: `welcomelist_from`, `blocklist_to`, `welcomelist_subject`,
    /// `welcomelist_bounce_relays` … (`whitelist_from` and kin are other spellings of these).
    pub lists: HashMap<String, AddressList>,
    /// Lists whose entries name a second thing: `welcomelist_from_rcvd`, `def_welcomelist_from_dkim` …
    pub paired_lists: HashMap<String, PairedList>,
    /// `enlist_uri_host`, `blocklist_uri_host` (BLOCK), `welcomelist_uri_host` (WELCOME): list name, then host, then
    /// whether it is listed (`!host` is not).
    pub uri_hosts: BTreeMap<String, HashMap<String, bool>>,
    pub freemail: Freemail,
    /// `adsp_override`: domain (with a leading `*.` where given) to practice, one of `N U A D 1 2 3`.
    pub adsp_override: HashMap<String, char>,
    /// Lists of words by the name of their option, in order, each once: `uridnsbl_skip_domain`, `bayes_ignore_header`,
    /// `report_safe_copy_headers`, `dns_block_rule …`, `hashbl_acl_NAME` (with `!` for exclusions) …
    pub words: HashMap<String, Vec<String>>,
    /// Texts by a first word: `subjprefix`, `dns_query_restriction` (domain to `allow` or `deny`), `dns_block_rule` (domain
    /// to rules), `rbl_timeout` (zone to seconds), `hashbl_email_domain_alias`, `bayes_stopword` (language to pattern).
    pub tables: HashMap<String, BTreeMap<String, String>>,
    pub output: Output,
    /// Every other setting by its present name; the last line wins.
    pub settings: HashMap<String, String>,
}

impl Options {
    pub fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.settings.get(name).map_or(default, String::as_str)
    }

    /// A setting that SpamAssassin reads as a number or a switch.
    pub fn number(&self, name: &str, default: f64) -> f64 {
        self.settings.get(name).and_then(|text| text.trim().parse().ok()).unwrap_or(default)
    }

    /// The words of a list option; empty where none was given.
    pub fn word_list(&self, name: &str) -> &[String] {
        self.words.get(name).map_or(&[], Vec::as_slice)
    }

    pub fn is_on(&self, name: &str, default: bool) -> bool {
        self.number(name, f64::from(u8::from(default))) != 0.0
    }
}

/// What a message gets to carry: `add_header`, `rewrite_header`, `report` and kin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Fields added to ham: name without `X-Spam-`, template.
    pub ham: Vec<(String, String)>,
    pub spam: Vec<(String, String)>,
    /// `Subject`, `From`, `To` to the text put before (behind, for addresses: as a comment).
    pub rewrite: BTreeMap<String, String>,
    /// 0: fields alone; 1: the message becomes an attachment of a report; 2: as text.
    pub report_safe: u8,
    pub report: String,
    pub unsafe_report: String,
    /// `version_tag`, appended to the version.
    pub version_tags: Vec<String>,
}

impl Default for Output {
    /// SpamAssassin itself adds no other field than this; the rest comes from its stock files.
    fn default() -> Self {
        let version = ("Checker-Version".to_owned(), "SpamAssassin _VERSION_ (_SUBVERSION_) on _HOSTNAME_".to_owned());
        Output {
            ham: vec![version.clone()],
            spam: vec![version],
            rewrite: BTreeMap::new(),
            report_safe: 1,
            report: String::new(),
            unsafe_report: String::new(),
            version_tags: Vec::new(),
        }
    }
}

/// Globs over lower-case text: `*` stands for any run, `?` for one octet; all else is literal
/// (Mail::SpamAssassin::Conf, welcomelist_from).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressList {
    plain: HashSet<String>,
    globs: Vec<String>,
}

impl AddressList {
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.globs.is_empty()
    }

    pub fn add(&mut self, entry: &str) {
        let entry = entry.to_ascii_lowercase();
        if entry.contains(['*', '?']) {
            if !self.globs.contains(&entry) {
                self.globs.push(entry);
            }
        } else {
            self.plain.insert(entry);
        }
    }

    pub fn remove(&mut self, entry: &str) {
        let entry = entry.to_ascii_lowercase();
        self.plain.remove(&entry);
        self.globs.retain(|glob| *glob != entry);
    }

    pub fn clear(&mut self) {
        self.plain.clear();
        self.globs.clear();
    }

    /// Whether some entry covers the text, without regard to ASCII case.
    pub fn covers(&self, text: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        let text = text.to_ascii_lowercase();
        // SpamAssassin ends its patterns with `$`, which lets one final line feed pass.
        let line = text.strip_suffix('\n').unwrap_or(&text);
        self.plain.contains(line) || self.globs.iter().any(|glob| glob_covers(glob.as_bytes(), line.as_bytes()))
    }

    /// Whether some entry is found anywhere in the text, as `welcomelist_subject` looks for it.
    pub fn is_within(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let found = |glob: &String| glob_covers(format!("*{glob}*").as_bytes(), text.as_bytes());
        self.plain.iter().any(|plain| text.contains(plain.as_str())) || self.globs.iter().any(found)
    }
}

/// Whether a glob covers the whole text; time is bounded by the product of the lengths.
pub fn glob_covers(glob: &[u8], text: &[u8]) -> bool {
    // Most globs end in a domain that is another one.
    let end = glob.iter().rev().take_while(|octet| !matches!(octet, b'*' | b'?'));
    if end.zip(text.iter().rev()).any(|(a, b)| a != b) {
        return false;
    }
    let (mut g, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match (glob.get(g), text.get(t)) {
            (Some(b'*'), _) => {
                retry = Some((g + 1, t));
                g += 1;
                continue;
            }
            // `.` in Perl does not match a line feed, nor does `.*` run over one.
            (Some(b'?'), Some(&octet)) if octet != b'\n' => {}
            (Some(&wanted), Some(&octet)) if wanted != b'?' && wanted == octet => {}
            (None, None) => return true,
            _ => match retry {
                Some((after, at)) if text.get(at).is_some_and(|&octet| octet != b'\n') => {
                    retry = Some((after, at + 1));
                    g = after;
                    t = at + 1;
                    continue;
                }
                _ => return false,
            },
        }
        g += 1;
        t += 1;
    }
}

/// An address with what must come with it: the relay's name or `[network]`, or the signing domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PairedEntry {
    /// A glob, lower case.
    pub address: String,
    /// In the order given; an empty one (DKIM) means the domain of the address itself.
    pub partners: Vec<String>,
}

impl PairedEntry {
    /// Whether it covers an address in lower case.
    pub fn covers(&self, address: &str) -> bool {
        glob_covers(self.address.as_bytes(), address.strip_suffix('\n').unwrap_or(address).as_bytes())
    }
}

/// Entries in order, and where to look for those that may cover an address.
#[derive(Clone, Debug, Default)]
pub struct PairedList {
    entries: Vec<PairedEntry>,
    ends: OnceLock<Ends>,
}

/// Places of entries by their last eight octets where these are literal, and of all others.
#[derive(Clone, Debug, Default)]
struct Ends {
    literal: HashMap<[u8; 8], Vec<usize>>,
    others: Vec<usize>,
}

impl Ends {
    fn of(entries: &[PairedEntry]) -> Ends {
        let mut ends = Ends::default();
        for (at, entry) in entries.iter().enumerate() {
            match entry.address.as_bytes().last_chunk::<8>() {
                Some(end) if !end.iter().any(|octet| matches!(octet, b'*' | b'?')) => ends.literal.entry(*end).or_default().push(at),
                Some(_) | None => ends.others.push(at),
            }
        }
        ends
    }
}

impl PairedList {
    /// The entries, in order, that cover an address in lower case.
    pub fn covering(&self, address: &str) -> Vec<&PairedEntry> {
        let ends = self.ends.get_or_init(|| Ends::of(&self.entries));
        let line = address.strip_suffix('\n').unwrap_or(address);
        let literal = line.as_bytes().last_chunk::<8>().and_then(|end| ends.literal.get(end));
        let mut places: Vec<usize> = literal.into_iter().flatten().chain(&ends.others).copied().collect();
        places.sort_unstable();
        places.iter().filter_map(|at| self.entries.get(*at)).filter(|entry| entry.covers(address)).collect()
    }
}

impl Deref for PairedList {
    type Target = Vec<PairedEntry>;

    fn deref(&self) -> &Vec<PairedEntry> {
        &self.entries
    }
}

impl DerefMut for PairedList {
    fn deref_mut(&mut self) -> &mut Vec<PairedEntry> {
        self.ends = OnceLock::new();
        &mut self.entries
    }
}

/// `freemail_domains` and `freemail_welcomelist`, lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freemail {
    pub domains: HashSet<String>,
    /// Domains with `*` (a run within one label) or `?`.
    pub wildcards: Vec<String>,
    /// Addresses and domains that are no freemail.
    pub welcome: HashSet<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_addresses_takes_globs_in_any_case() {
        let mut list = AddressList::default();
        for entry in ["*@Example.com", "friend?@example.org", "one@example.net"] {
            list.add(entry);
        }
        for (address, inside) in [
            ("A@EXAMPLE.COM", true),
            ("a@example.com.invalid", false),
            ("friend1@example.org", true),
            ("friend@example.org", false),
            ("one@example.net", true),
            ("one@example.net\n", true),
            ("x one@example.net", false),
        ] {
            assert_eq!(list.covers(address), inside, "{address}");
        }
        list.remove("*@example.COM");
        assert!(!list.covers("a@example.com"));
    }

    #[test]
    fn many_stars_stay_cheap() {
        let glob = "*a".repeat(200);
        assert!(!glob_covers(glob.as_bytes(), "a".repeat(190).as_bytes()));
        assert!(glob_covers(glob.as_bytes(), "ba".repeat(200).as_bytes()));
    }
}
