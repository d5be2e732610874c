//! Files of the door: access tables, and postgrey's welcome lists.

use super::config::Config;
use crate::access::{self, Access, Table};
use crate::base::{Complaint, Place, Severity};
use crate::pace::WelcomeList;
use crate::pace::welcome::About;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

/// What the files say.
#[derive(Default)]
pub struct DoorFiles {
    pub access: Access,
    pub clients: WelcomeList,
    pub recipients: WelcomeList,
}

/// Reads all of them. A table that is missing is an error; a welcome list that is missing is passed over.
pub fn load(config: &Config) -> (DoorFiles, Vec<Complaint>) {
    let (mut read, mut complaints) = (HashMap::new(), Vec::new());
    for source in config.access.sources() {
        let text = access::table::path(source).map_err(|remedy| (source.to_owned(), "is of a type that cannot be read".to_owned(), remedy));
        let text = text.and_then(|path| {
            let text = std::fs::read(path).map_err(|error| {
                (path.to_owned(), format!("cannot be read ({error})"), "check the path in [access], and its permissions".to_owned())
            })?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        });
        match text {
            Ok(text) => {
                let (table, mistakes) = Table::parse(source, &text);
                complaints.extend(mistakes);
                read.insert(source.to_owned(), Arc::new(table));
            }
            Err((file, what, remedy)) => {
                complaints.push(Complaint { severity: Severity::Error, place: Some(Place { file: file.into(), line: 0 }), what, remedy });
            }
        }
    }
    let mut welcome = |about, paths: &[PathBuf]| {
        let mut list = WelcomeList::default();
        for path in paths {
            let file = path.display().to_string();
            match std::fs::read(path) {
                Ok(text) => complaints.extend(list.add(about, &file, &String::from_utf8_lossy(&text))),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => complaints.push(Complaint {
                    severity: Severity::Warning,
                    place: Some(Place { file: file.into(), line: 0 }),
                    what: format!("cannot be read ({error})"),
                    remedy: "check its permissions".to_owned(),
                }),
            }
        }
        list
    };
    let (clients, recipients) = if config.greylist.mode == crate::base::Mode::Off {
        Default::default()
    } else {
        (welcome(About::Clients, &config.greylist.welcome_clients), welcome(About::Recipients, &config.greylist.welcome_recipients))
    };
    (DoorFiles { access: Access::new(&config.access, &read), clients, recipients }, complaints)
}
