//! The messages that benches measure on.

use std::path::PathBuf;

/// Every file below `HAMGATE_CORPUS`, sorted, and how many the caller wants of them (`HAMGATE_MESSAGES`, else `usual`); `None`
/// without a corpus.
pub fn corpus(usual: usize) -> Option<(Vec<PathBuf>, usize)> {
    let root = PathBuf::from(std::env::var_os("HAMGATE_CORPUS")?);
    let (mut files, mut folders) = (Vec::new(), vec![root]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let wanted: usize = std::env::var("HAMGATE_MESSAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    Some((files, wanted.max(1)))
}
