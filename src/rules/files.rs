//! Which files are read, in SpamAssassin's order; the files themselves are handed in.

use std::collections::HashSet;

/// The disk, as far as rules need it.
pub trait Reader {
    /// The names in a folder, in any order; `None` when the path is no folder.
    fn folder(&self, path: &str) -> Option<Vec<String>>;
    /// The octets of a file; the error says why not.
    fn file(&self, path: &str) -> Result<Vec<u8>, String>;
}

/// No disk at all: for rules that are given as text.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Reader for NoFiles {
    fn folder(&self, _path: &str) -> Option<Vec<String>> {
        None
    }

    fn file(&self, _path: &str) -> Result<Vec<u8>, String> {
        Err("there are no files here".into())
    }
}

/// Something to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder, or a file that counts as a folder of one.
    Path(String),
    /// Text with the name that complaints give it.
    Text { name: String, text: String },
}

/// One text to parse; `Err` says why it could not be read.
pub(super) struct Opened {
    pub name: String,
    pub text: Result<Vec<u8>, String>,
}

/// All `.pre` files of all sources first, then the `.cf` files source by source, so that the plugins of a site are loaded
/// when the stock rules ask for them. A file is read once.
pub(super) fn in_order(sources: &[Source], reader: &dyn Reader) -> Vec<Opened> {
    let listings: Vec<Option<Vec<String>>> = sources
        .iter()
        .map(|source| match source {
            Source::Path(path) => reader.folder(path),
            Source::Text { .. } => None,
        })
        .collect();
    let mut seen = HashSet::new();
    let mut opened = Vec::new();
    for pass in [Pass::Plugins, Pass::Rules] {
        for (source, listing) in sources.iter().zip(&listings) {
            match (source, listing) {
                (Source::Path(path), Some(names)) => {
                    for name in sorted(names, pass.suffix()) {
                        let file = format!("{}/{name}", path.trim_end_matches('/'));
                        open_once(file, reader, &mut seen, &mut opened);
                    }
                }
                (Source::Path(path), None) => {
                    if Pass::of(path) == pass {
                        open_once(path.clone(), reader, &mut seen, &mut opened);
                    }
                }
                (Source::Text { name, text }, _) => {
                    if Pass::of(name) == pass {
                        opened.push(Opened { name: name.clone(), text: Ok(text.clone().into_bytes()) });
                    }
                }
            }
        }
    }
    opened
}

/// The `.cf` files that `include PATH` stands for.
pub(super) fn included(path: &str, reader: &dyn Reader) -> Vec<String> {
    match reader.folder(path) {
        Some(names) => sorted(&names, ".cf").into_iter().map(|name| format!("{}/{name}", path.trim_end_matches('/'))).collect(),
        None => vec![path.to_owned()],
    }
}

fn open_once(file: String, reader: &dyn Reader, seen: &mut HashSet<String>, opened: &mut Vec<Opened>) {
    if seen.insert(file.clone()) {
        let text = reader.file(&file);
        opened.push(Opened { name: file, text });
    }
}

/// By octets of the name; the channel file of sa-update comes first, as SpamAssassin's _get_cf_pre_files_in_dir has it.
fn sorted<'n>(names: &'n [String], suffix: &str) -> Vec<&'n str> {
    const CHANNEL: &str = "updates_spamassassin_org.cf";
    let mut wanted: Vec<&str> = names.iter().map(String::as_str).filter(|name| name.to_ascii_lowercase().ends_with(suffix)).collect();
    wanted.sort_unstable_by_key(|name| (*name != CHANNEL, *name));
    wanted
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Plugins,
    Rules,
}

impl Pass {
    fn of(path: &str) -> Pass {
        if path.to_ascii_lowercase().ends_with(".pre") { Pass::Plugins } else { Pass::Rules }
    }

    fn suffix(self) -> &'static str {
        match self {
            Pass::Plugins => ".pre",
            Pass::Rules => ".cf",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shelf;

    impl Reader for Shelf {
        fn folder(&self, path: &str) -> Option<Vec<String>> {
            let names: &[&str] = match path {
                "stock" => &["20_b.cf", "10_a.cf", "README", "updates_spamassassin_org.cf"],
                "site" => &["local.cf", "v400.PRE", "local.cf.bak"],
                _ => return None,
            };
            Some(names.iter().map(|name| (*name).to_owned()).collect())
        }

        fn file(&self, path: &str) -> Result<Vec<u8>, String> {
            Ok(path.as_bytes().to_vec())
        }
    }

    #[test]
    fn plugins_of_all_folders_come_before_any_rule() {
        let sources = ["stock", "site", "site/local.cf"].map(|path| Source::Path(path.into()));
        let names: Vec<String> = in_order(&sources, &Shelf).into_iter().map(|opened| opened.name).collect();
        assert_eq!(names, ["site/v400.PRE", "stock/updates_spamassassin_org.cf", "stock/10_a.cf", "stock/20_b.cf", "site/local.cf"]);
    }
}
