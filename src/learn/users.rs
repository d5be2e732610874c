//! Whose classifier a message belongs to: recipients to users, by a map in the form of Postfix's virtual(5).

use crate::base::{Complaint, Place, Severity};
use std::collections::HashMap;

/// Octets of a user's name.
const LONGEST: usize = 128;
/// Steps from alias to alias (Postfix's virtual_alias_recursion_limit is 1000; nobody needs as many).
const STEPS: usize = 20;
/// Lines of the map.
const MOST_ALIASES: usize = 1_000_000;

/// The map, and how addresses are read.
#[derive(Clone, Debug, Default)]
pub struct Users {
    /// Lower-case pattern to lower-case results, which are names or further patterns.
    aliases: HashMap<String, Alias>,
    delimiter: String,
}

#[derive(Clone, Debug)]
struct Alias {
    line: u32,
    /// `None`: several, so nobody's alone.
    to: Option<String>,
}

/// A user's name in lower case: letters, digits and `. _ + = @ -`, the first a letter, a digit or `_`. It names rows and
/// keys of the store, so that nothing else may stand in it.
///
/// # Errors
/// What is wrong with it, and what to write.
pub fn name(text: &str) -> Result<String, String> {
    let told = || format!("\"{}\" is no name of a user", text.chars().take(40).flat_map(char::escape_default).collect::<String>());
    if text.is_empty() || text.len() > LONGEST {
        return Err(format!("{}: give 1 to {LONGEST} characters", told()));
    }
    let first = text.as_bytes().first().is_some_and(|octet| octet.is_ascii_alphanumeric() || *octet == b'_');
    if !first || !text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"._+=@-".contains(&octet)) {
        return Err(format!("{}: use ASCII letters, digits and . _ + = @ -, the first a letter or digit", told()));
    }
    Ok(text.to_ascii_lowercase())
}

impl Users {
    /// Everybody is a user by the own address.
    pub fn without_aliases(delimiter: &str) -> Users {
        Users { aliases: HashMap::new(), delimiter: delimiter.to_owned() }
    }

    /// Lines `PATTERN RESULT`: a pattern is `user@domain`, `user` or `@domain`; a result is a user's name, or a further
    /// pattern. `#` begins a comment line; a line that begins with white space continues the one before.
    pub fn parse(text: &str, file: &str, delimiter: &str) -> (Users, Vec<Complaint>) {
        let mut users = Users::without_aliases(delimiter);
        let mut complaints = Vec::new();
        let mut complain = |line: u32, what: String, remedy: &str| {
            let place = Some(Place { file: file.into(), line });
            complaints.push(Complaint { severity: Severity::Error, place, what, remedy: remedy.to_owned() });
        };
        for (line, entry) in logical_lines(text) {
            let mut words = entry.split([' ', '\t', ',']).filter(|word| !word.is_empty());
            let Some(pattern) = words.next() else { continue };
            let results: Vec<&str> = words.collect();
            let plain = pattern.strip_prefix('@').unwrap_or(pattern);
            if let Err(why) = name(plain) {
                complain(line, why, "write user@example.com, user, or @example.com for all of a domain");
                continue;
            }
            let to = match results.as_slice() {
                [] => {
                    complain(line, format!("\"{pattern}\" leads nowhere"), "write the user behind it, such as: sales@example.com alice");
                    continue;
                }
                [one] => match name(one) {
                    Ok(to) => Some(to),
                    Err(why) => {
                        complain(line, why, "write a user's name, or another address of this file");
                        continue;
                    }
                },
                _ => None,
            };
            if users.aliases.len() >= MOST_ALIASES {
                complain(line, format!("more than {MOST_ALIASES} aliases"), "split the map, or name domains as a whole");
                break;
            }
            if let Some(before) = users.aliases.insert(pattern.to_ascii_lowercase(), Alias { line, to }) {
                complain(line, format!("\"{pattern}\" stands in line {} already", before.line), "keep one of the two");
            }
        }
        for (pattern, alias) in &users.aliases {
            if users.follow(pattern.strip_prefix('@').map_or(pattern.clone(), |domain| format!("x@{domain}"))).is_err() {
                complain(alias.line, format!("\"{pattern}\" leads back to itself"), "let one of the lines name a user");
            }
        }
        complaints.sort_by(|a, b| a.place.cmp(&b.place));
        (users, complaints)
    }

    /// The user behind an address or name; `None`: nobody's alone, or no name that can be kept.
    pub fn of(&self, address: &str) -> Option<String> {
        self.follow(name(address).ok()?).ok().flatten()
    }

    /// The one user behind all recipients; `None`: there are several, or none.
    pub fn of_all(&self, recipients: &[String]) -> Option<String> {
        let (first, rest) = recipients.split_first()?;
        let user = self.of(first)?;
        rest.iter().all(|other| self.of(other).as_deref() == Some(&user)).then_some(user)
    }

    /// # Errors
    /// Aliases that go round.
    fn follow(&self, address: String) -> Result<Option<String>, ()> {
        let mut at = address;
        for _ in 0..STEPS {
            match self.find(&at) {
                None => return Ok(Some(self.without_extension(&at))),
                Some(None) => return Ok(None),
                // A name that is its own alias stands for itself, as in virtual(5).
                Some(Some(next)) if next == at => return Ok(Some(at)),
                Some(Some(next)) => at = next,
            }
        }
        Err(())
    }

    /// The order of virtual(5): the address, the address without its extension, the local part, the domain.
    fn find(&self, address: &str) -> Option<Option<String>> {
        let bare = self.without_extension(address);
        let found = |key: &str| self.aliases.get(key).map(|alias| alias.to.clone());
        let (_, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        found(address).or_else(|| found(&bare)).or_else(|| if domain.is_empty() { None } else { found(&format!("@{domain}")) })
    }

    fn without_extension(&self, address: &str) -> String {
        let (local, domain) = match address.rsplit_once('@') {
            Some((local, domain)) => (local, Some(domain)),
            None => (address, None),
        };
        let cut = local.find(|c| self.delimiter.contains(c)).filter(|at| *at > 0).and_then(|at| local.get(..at)).unwrap_or(local);
        domain.map_or_else(|| cut.to_owned(), |domain| format!("{cut}@{domain}"))
    }
}

/// Lines with those that continue them, by the number of the first.
fn logical_lines(text: &str) -> Vec<(u32, String)> {
    let mut lines: Vec<(u32, String)> = Vec::new();
    for (number, line) in (1u32..).zip(text.lines()) {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        match lines.last_mut().filter(|_| line.starts_with([' ', '\t'])) {
            Some((_, whole)) => {
                whole.push(' ');
                whole.push_str(line);
            }
            None => lines.push((number, line.to_owned())),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "\
# who reads what
sales@example.com   alice
Info@Example.com    sales@example.com
team@example.com    alice, bob
@example.net        bob
bob@example.org
    bob
bob                 bob
";

    fn users() -> Users {
        let (users, complaints) = Users::parse(MAP, "aliases", "+");
        assert!(complaints.is_empty(), "{complaints:?}");
        users
    }

    #[test]
    fn aliases_lead_to_their_user() {
        let users = users();
        for (address, user) in [
            ("sales@example.com", Some("alice")),
            ("INFO+news@example.com", Some("alice")),
            ("team@example.com", None),
            ("whoever@example.net", Some("bob")),
            ("bob@example.org", Some("bob")),
            ("bob", Some("bob")),
            ("Carol+x@example.com", Some("carol@example.com")),
        ] {
            assert_eq!(users.of(address).as_deref(), user, "{address}");
        }
    }

    #[test]
    fn several_recipients_are_one_user_only_where_all_are() {
        let users = users();
        let of_all = |all: &[&str]| users.of_all(&all.iter().map(|to| to.to_string()).collect::<Vec<_>>());
        assert_eq!(of_all(&["sales@example.com", "info@example.com"]).as_deref(), Some("alice"));
        assert_eq!(of_all(&["sales@example.com", "bob@example.org"]), None);
        assert_eq!(of_all(&[]), None);
    }

    #[test]
    fn mistakes_of_the_map_have_file_line_and_remedy() {
        let text =
            "a@x.example\n b@x.example\nc@x.example\nd/e f\n\ne f\ne g\nl@x.example m@x.example\nm@x.example l@x.example\nz ../etc\n";
        let told: Vec<String> = Users::parse(text, "aliases", "+").1.iter().map(ToString::to_string).collect();
        let wanted = [
            "aliases:3: \"c@x.example\" leads nowhere: write the user behind it, such as: sales@example.com alice",
            "aliases:4: \"d/e\" is no name of a user: use ASCII letters, digits and . _ + = @ -, the first a letter or digit: \
             write user@example.com, user, or @example.com for all of a domain",
            "aliases:7: \"e\" stands in line 6 already: keep one of the two",
            "aliases:8: \"l@x.example\" leads back to itself: let one of the lines name a user",
            "aliases:9: \"m@x.example\" leads back to itself: let one of the lines name a user",
            "aliases:10: \"../etc\" is no name of a user: use ASCII letters, digits and . _ + = @ -, the first a letter or digit: \
             write a user's name, or another address of this file",
        ];
        assert_eq!(told, wanted);
    }

    #[test]
    fn names_cannot_leave_their_place() {
        for wrong in ["", "../x", "a b", "a:b", "a\0", "-x", "ä@example.com", &"x".repeat(LONGEST + 1), "a\nb", ".", "*"] {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(name("Alice+x@Example.com").as_deref(), Ok("alice+x@example.com"));
        assert_eq!(Users::default().of("a:b@example.com"), None);
    }
}
