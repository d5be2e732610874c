//! Messages given on the command line: files, folders, Maildirs, mboxes, standard input.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// One message, not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The path as given; below a given folder: that folder, `/`, the rest; in an mbox of several messages `#` and a number.
    pub path: String,
    pub source: Source,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    Standard,
    /// Octets of an mbox.
    Part {
        file: PathBuf,
        start: u64,
        length: u64,
    },
    /// It cannot be read, and why.
    Broken(String),
}

impl Input {
    pub fn read(&self) -> Result<Vec<u8>, String> {
        let mut octets = Vec::new();
        let result = match &self.source {
            Source::File(path) => return fs::read(path).map_err(|error| error.to_string()),
            Source::Standard => io::stdin().lock().read_to_end(&mut octets).map(drop),
            Source::Part { file, start, length } => read_part(file, *start, *length, &mut octets),
            Source::Broken(why) => return Err(why.clone()),
        };
        result.map(|()| octets).map_err(|error| error.to_string())
    }
}

fn read_part(path: &Path, start: u64, length: u64, octets: &mut Vec<u8>) -> io::Result<()> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    file.take(length).read_to_end(octets).map(drop)
}

/// All messages that the paths stand for, in the order given, folders in the order of their names.
pub fn list(paths: &[PathBuf]) -> Vec<Input> {
    let mut inputs = Vec::new();
    for path in paths {
        let shown = path.to_string_lossy().into_owned();
        if shown == "-" {
            inputs.push(Input { path: shown, source: Source::Standard });
        } else if path.is_dir() {
            folder(path, shown.trim_end_matches('/'), &mut inputs);
        } else {
            file(path, shown, &mut inputs);
        }
    }
    inputs
}

fn folder(path: &Path, shown: &str, inputs: &mut Vec<Input>) {
    let mut left = vec![(path.to_path_buf(), shown.to_owned())];
    while let Some((path, shown)) = left.pop() {
        if !path.is_dir() {
            file(&path, shown, inputs);
            continue;
        }
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) => {
                inputs.push(Input { path: shown, source: Source::Broken(error.to_string()) });
                continue;
            }
        };
        let mut names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
        names.sort();
        let maildir = ["cur", "new"].iter().all(|name| path.join(name).is_dir());
        for name in names.iter().rev() {
            // What stands in `tmp` is being written (maildir(5)).
            if !(maildir && name == "tmp") {
                left.push((path.join(name), format!("{shown}/{}", name.to_string_lossy())));
            }
        }
    }
}

fn file(path: &Path, shown: String, inputs: &mut Vec<Input>) {
    match parts(path) {
        Ok(Some(parts)) => {
            let several = parts.len() > 1;
            for (number, (start, length)) in parts.into_iter().enumerate() {
                let path_shown = if several { format!("{shown}#{}", number + 1) } else { shown.clone() };
                inputs.push(Input { path: path_shown, source: Source::Part { file: path.to_path_buf(), start, length } });
            }
        }
        Ok(None) => inputs.push(Input { path: shown, source: Source::File(path.to_path_buf()) }),
        Err(error) => inputs.push(Input { path: shown, source: Source::Broken(error.to_string()) }),
    }
}

/// Start and length of each message of an mbox; `None` for any other file.
///
/// A single message may begin with a `From ` line too, so a file that is named as a message counts as one.
fn parts(path: &Path) -> io::Result<Option<Vec<(u64, u64)>>> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let mut reader = BufReader::new(File::open(path)?);
    if matches!(extension.as_str(), "eml" | "msg") || !reader.fill_buf()?.starts_with(b"From ") {
        return Ok(None);
    }
    split(&mut reader).map(|parts| (parts.len() > 1 || matches!(extension.as_str(), "mbox" | "mbx")).then_some(parts))
}

fn split(reader: &mut impl BufRead) -> io::Result<Vec<(u64, u64)>> {
    let (mut starts, mut parts): (Vec<u64>, Vec<(u64, u64)>) = (Vec::new(), Vec::new());
    let (mut at, mut blank, mut blank_length) = (0u64, true, 0u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)? as u64;
        if read == 0 {
            break;
        }
        if blank && is_separator(&line) {
            if let Some(start) = starts.last() {
                parts.push((*start, at - blank_length - start));
            }
            starts.push(at);
        }
        blank = matches!(line.as_slice(), b"\n" | b"\r\n");
        blank_length = if blank { read } else { 0 };
        at += read;
    }
    if let Some(start) = starts.last() {
        parts.push((*start, at - start));
    }
    Ok(parts)
}

/// `From SENDER Www Mmm dd hh:mm:ss yyyy` (mbox(5)).
fn is_separator(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else { return false };
    let text = String::from_utf8_lossy(rest);
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let time =
        |word: &&str| word.len() >= 5 && word.as_bytes().get(2) == Some(&b':') && word.bytes().all(|c| c.is_ascii_digit() || c == b':');
    let year = |word: &&str| word.len() == 4 && word.bytes().all(|c| c.is_ascii_digit());
    words.iter().any(time) && words.iter().any(year)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MBOX: &[u8] = b"From a@example.com Wed Nov 25 21:32:41 2026\nSubject: a\n\nFrom here on\n\n\
        From b@example.com  Wed Nov  5 21:32:41 2026\nSubject: b\n\nb\n";

    #[test]
    fn an_mbox_is_cut_at_its_separators_alone() {
        let parts = split(&mut &MBOX[..]).unwrap();
        let texts: Vec<&[u8]> = parts.iter().map(|(start, length)| &MBOX[*start as usize..(start + length) as usize]).collect();
        assert_eq!(texts.len(), 2);
        assert!(texts[0].ends_with(b"From here on\n"));
        assert!(texts[1].ends_with(b"\n\nb\n"));
    }

    #[test]
    fn folders_are_walked_in_order_and_a_maildir_without_tmp() {
        let root = std::env::temp_dir().join(format!("hamgate-inputs-{}", std::process::id()));
        for folder in ["cur", "new", "tmp", "z"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for name in ["cur/2", "cur/1", "new/3", "tmp/4", "z/5.eml"] {
            fs::write(root.join(name), b"Subject: x\n\n").unwrap();
        }
        fs::write(root.join("box"), MBOX).unwrap();
        let shown = root.to_string_lossy().into_owned();
        let paths: Vec<String> =
            list(&[root.clone(), PathBuf::from("-")]).into_iter().map(|input| input.path.replace(&shown, "R")).collect();
        assert_eq!(paths, ["R/box#1", "R/box#2", "R/cur/1", "R/cur/2", "R/new/3", "R/z/5.eml", "-"]);
        let missing = list(&[root.join("none")]);
        assert!(matches!(missing[0].source, Source::Broken(_)));
        fs::remove_dir_all(root).unwrap();
    }
}
