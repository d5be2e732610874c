//! What checks under `observe` would have done, kept in the state folder for `hamgate report --would-have`: one JSON line
//! each, in a file for us alone, the one before it kept when it is full.

use crate::base::Clock;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Octets of one file.
const FULL: u64 = 10 << 20;
/// Lines that wait for the disk; beyond it they are dropped.
const WAITING: usize = 4096;

static JOURNAL: OnceLock<SyncSender<Line>> = OnceLock::new();

/// One thing that was not done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Seconds since 1970.
    pub time: u64,
    pub id: String,
    pub client: String,
    pub from: String,
    pub check: String,
    pub would_have: String,
    pub reply: String,
}

/// Opens the journal of this process; lines before it are not kept.
pub fn open(folder: &Path) {
    let (sender, receiver) = sync_channel(WAITING);
    let path = file(folder);
    if JOURNAL.set(sender).is_ok() {
        // Nobody waits for it, and it ends with the process.
        let _ = std::thread::Builder::new().name("observed".into()).spawn(move || write(&path, &receiver));
    }
}

pub fn note(line: Line) {
    if let Some(journal) = JOURNAL.get() {
        let _ = journal.try_send(line);
    }
}

pub fn now() -> u64 {
    Clock::System.unix()
}

fn file(folder: &Path) -> PathBuf {
    folder.join("observed.jsonl")
}

fn before(folder: &Path) -> PathBuf {
    folder.join("observed.1.jsonl")
}

fn write(path: &Path, lines: &Receiver<Line>) {
    while let Ok(line) = lines.recv() {
        let Ok(text) = serde_json::to_string(&line) else { continue };
        if std::fs::metadata(path).is_ok_and(|file| file.len() > FULL)
            && let Some(folder) = path.parent()
        {
            let _ = std::fs::rename(path, before(folder));
        }
        let opened = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        if let Err(error) = opened.and_then(|mut file| writeln!(file, "{text}")) {
            tracing::debug!(%error, "what was observed is not kept");
        }
    }
}

/// All lines that are kept, the oldest first. A line that cannot be read is left out.
///
/// # Errors
/// No file, or one that cannot be read.
pub fn read(folder: &Path) -> std::io::Result<Vec<Line>> {
    let mut all = Vec::new();
    for path in [before(folder), file(folder)] {
        let opened = match std::fs::File::open(&path) {
            Ok(opened) => opened,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for line in std::io::BufReader::new(opened).lines() {
            all.extend(serde_json::from_str::<Line>(&line?).ok());
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_can_be_read_by_us_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("hamgate-observed-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (sender, receiver) = sync_channel(10);
        let line = Line {
            time: 1,
            id: "1.1".into(),
            client: "192.0.2.1".into(),
            from: "a@example.org".into(),
            check: "lists".into(),
            would_have: "reject".into(),
            reply: "554 5.7.1 x\ny".into(),
        };
        sender.send(line).unwrap();
        drop(sender);
        write(&file(&folder), &receiver);
        let lines = read(&folder).unwrap();
        assert_eq!((lines.len(), lines[0].reply.as_str()), (1, "554 5.7.1 x\ny"));
        assert_eq!(std::fs::metadata(file(&folder)).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
