//! Learning put together: the alias map from the disk, whose classifier a message goes to.

use super::config::Config;
use crate::base::{Complaint, Place, Severity};
use crate::learn::{Users, users};
use std::sync::Arc;

/// Octets of a source in the journal.
const LONGEST_SOURCE: usize = 200;

/// Who teaches, as the command line gives it: one line of printable text.
///
/// # Errors
/// What to write.
pub fn source(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > LONGEST_SOURCE || text.chars().any(char::is_control) {
        return Err(format!("give 1 to {LONGEST_SOURCE} characters without control characters, such as dovecot:alice"));
    }
    Ok(text.to_owned())
}

/// Recipients to users; `None`: there is one classifier for all.
///
/// # Errors
/// A map that is missing, or each of its mistakes with file, line and remedy.
pub fn users(config: &Config) -> Result<Option<Users>, Vec<Complaint>> {
    let settings = &config.learn;
    if !settings.per_user {
        return Ok(None);
    }
    if settings.aliases.is_empty() {
        return Ok(Some(Users::without_aliases(&settings.recipient_delimiter)));
    }
    let text = std::fs::read(&settings.aliases).map_err(|error| {
        vec![Complaint {
            severity: Severity::Error,
            place: Some(Place { file: settings.aliases.as_str().into(), line: 0 }),
            what: format!("cannot be read ({error})"),
            remedy: "check aliases in [learn], and the permissions of the file".to_owned(),
        }]
    })?;
    let (users, complaints) = Users::parse(&String::from_utf8_lossy(&text), &settings.aliases, &settings.recipient_delimiter);
    if complaints.is_empty() { Ok(Some(users)) } else { Err(complaints) }
}

/// The classifier that learns on behalf of a user: the user's, or the site's where there is one for all.
///
/// # Errors
/// No name that can be kept, or mistakes of the alias map.
pub fn classifier_of(config: &Config, user: &str) -> Result<Arc<str>, Vec<String>> {
    users::name(user).map_err(|why| vec![why])?;
    let users = users(config).map_err(|complaints| complaints.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let Some(users) = users else { return Ok(Arc::from("")) };
    users
        .of(user)
        .map(Arc::from)
        .ok_or_else(|| vec![format!("{user} stands for several users in {}: name one of them", config.learn.aliases)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_classifier_only_where_users_have_them() {
        let config = |text: &str| Config::parse(text, "hamgate.toml").unwrap();
        assert_eq!(classifier_of(&config(""), "Alice").as_deref(), Ok(""));
        assert_eq!(classifier_of(&config("[learn]\nper_user = true\n"), "Alice+x@Example.com").as_deref(), Ok("alice@example.com"));
        assert!(classifier_of(&config(""), "../alice").is_err());
        let missing = classifier_of(&config("[learn]\nper_user = true\naliases = \"/nowhere/aliases\"\n"), "alice").unwrap_err();
        assert!(missing[0].starts_with("/nowhere/aliases: cannot be read ("), "{missing:?}");
    }

    #[test]
    fn a_source_is_one_line() {
        assert!(source("dovecot:alice").is_ok());
        for wrong in ["", "a\tb", "a\nb", &"x".repeat(201)] {
            assert!(source(wrong).is_err(), "{wrong:?}");
        }
    }
}
