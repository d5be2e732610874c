//! A room sees lower floors only, and never a neighbour; pure rooms touch neither the world nor the clock.

use std::fs;
use std::path::{Path, PathBuf};

/// Twin of the table in `src/lib.rs`.
const FLOORS: &[&[&str]] = &[
    &["base"],
    &["unpack", "pattern"],
    &["mail"],
    &["facts", "outcome"],
    &["dns", "store"],
    &["auth", "lists", "pace", "bayes", "virus", "learn", "rules", "access", "policy"],
    &["scan"],
    &["milter"],
    &["service"],
    &["cli"],
];

const PURE: &[&str] = &["pattern", "unpack", "mail", "facts", "outcome", "rules", "access", "policy"];
const WORLD: &[&str] = &["async ", "tokio", "rusqlite", "std::fs", "SystemTime::now", "Instant::now"];

fn floor(room: &str) -> usize {
    FLOORS
        .iter()
        .position(|rooms| rooms.contains(&room))
        .unwrap_or_else(|| panic!("room {room} has no floor: give it one in this table and in src/lib.rs"))
}

fn sources() -> Vec<(String, PathBuf, String)> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths
        .into_iter()
        .filter_map(|path| {
            let inside = path.strip_prefix(&root).unwrap();
            let room = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            (!room.ends_with(".rs")).then_some((room, path, text))
        })
        .collect()
}

#[test]
fn a_room_sees_lower_floors_only() {
    let mut faults = Vec::new();
    for (room, path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for seen in line.match_indices("crate::").map(|(at, word)| &line[at + word.len()..]) {
                let names: Vec<&str> = match seen.strip_prefix('{') {
                    Some(group) => group.split(',').map(|n| n.trim().split("::").next().unwrap_or("")).collect(),
                    None => vec![seen],
                };
                for name in names {
                    let other: String = name.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                    let known = FLOORS.iter().any(|rooms| rooms.contains(&other.as_str()));
                    if known && other != room && floor(&other) >= floor(&room) {
                        faults.push(format!("{}:{}: {room} looks at {other}", path.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_tells_its_use() {
    let silent: Vec<_> = sources().into_iter().filter(|(_, _, text)| !text.starts_with("//!")).map(|(_, path, _)| path).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

/// Files that are compiled for tests alone: `#[cfg(test)]` stands before their `mod`.
fn only_for_tests(sources: &[(String, PathBuf, String)]) -> Vec<String> {
    let mut names = Vec::new();
    for (_, _, text) in sources {
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if line == "#[cfg(test)]"
                && let Some(name) = lines.next().and_then(|next| next.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
            {
                names.push(name.to_owned());
            }
        }
    }
    names
}

#[test]
fn pure_rooms_touch_no_world() {
    let mut faults = Vec::new();
    let sources = sources();
    let test_files = only_for_tests(&sources);
    for (room, path, text) in sources.into_iter().filter(|(room, _, _)| PURE.contains(&room.as_str())) {
        if path.file_stem().is_some_and(|stem| test_files.iter().any(|name| **name == *stem)) {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or("");
        for (number, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for word in WORLD.iter().filter(|word| line.contains(**word)) {
                faults.push(format!("{}:{}: {room} is pure but says {word}", path.display(), number + 1));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_map_names_every_room() {
    let map = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    for room in FLOORS.iter().flat_map(|rooms| rooms.iter()) {
        assert!(map.contains(&format!("pub mod {room};")), "src/lib.rs does not name {room}");
    }
}
