//! One table per section of `hamgate.toml`: name, unit, default and manual line stand once; sample and manual are printed from it.

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

/// One setting as the sample file shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub key: &'static str,
    /// The default as TOML text.
    pub default: &'static str,
    /// Lines of manual, each with a leading space as `///` leaves it.
    pub manual: &'static [&'static str],
}

/// A section of `hamgate.toml`, owned by the room that reads it.
pub trait Section: Default {
    /// The table's name.
    const NAME: &'static str;
    /// What the section is for.
    const ABOUT: &'static [&'static str];
    const ROWS: &'static [Row];

    /// Sets one key. `None`: there is no such key.
    fn set(&mut self, key: &str, value: Spanned<DeValue<'_>>) -> Option<Result<(), Error>>;
}

/// A mistake in a section, at its octet in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub at: usize,
    pub what: String,
    pub remedy: String,
}

/// Reads one table; every mistake is told, and the keys without one are set.
pub fn read<S: Section>(table: DeTable<'_>) -> (S, Vec<Mistake>) {
    let mut section = S::default();
    let mut mistakes = Vec::new();
    for (key, value) in table {
        let (at, value_at, name) = (key.span().start, value.span().start, key.into_inner());
        match section.set(&name, value) {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                let at = error.span().map_or(value_at, |span| span.start);
                mistakes.push(Mistake { at, what: format!("{name} in [{}]", S::NAME), remedy: error.message().to_owned() });
            }
            None => mistakes.push(unknown(at, &format!("setting \"{name}\" in [{}]", S::NAME), &name, S::ROWS.iter().map(|row| row.key))),
        }
    }
    mistakes.sort_by_key(|mistake| mistake.at);
    (section, mistakes)
}

/// "unknown …", with the nearest name that exists.
pub fn unknown<'a>(at: usize, what: &str, name: &str, names: impl Iterator<Item = &'a str>) -> Mistake {
    let names: Vec<&str> = names.collect();
    let near = names.iter().map(|n| (distance(n, name), *n)).min().filter(|(d, n)| *d <= 1 + n.len() / 3);
    let remedy = match near {
        Some((_, near)) => format!("did you mean \"{near}\"?"),
        None => format!("these exist: {}", names.join(", ")),
    };
    Mistake { at, what: format!("unknown {what}"), remedy }
}

/// Levenshtein's distance of two short names.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, cell) in b.bytes().zip(row.iter_mut().skip(1)) {
            let best = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, best);
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(a.len())
}

/// The section as it stands in the sample file: every key with its manual, commented out at its default.
pub fn sample<S: Section>() -> String {
    let mut text = String::new();
    for line in S::ABOUT {
        text.push_str(&format!("#{line}\n"));
    }
    text.push_str(&format!("[{}]\n", S::NAME));
    for row in S::ROWS {
        for line in row.manual {
            text.push_str(&format!("#{line}\n"));
        }
        text.push_str(&format!("#{} = {}\n", row.key, row.default));
    }
    text
}

/// For the rows that `settings!` makes.
pub fn value<'de, T: Deserialize<'de>>(value: Spanned<DeValue<'de>>) -> Result<T, Error> {
    T::deserialize(value.into_deserializer())
}

/// ```ignore
/// settings! {
///     /// What the section is for.
///     pub struct Settings in "milter" {
///         /// Manual line.
///         pub listen: Vec<Address> = "[\"inet:8891@localhost\"]",
///     }
/// }
/// ```
/// The default is TOML text, read the same way as the operator's; a test of the room that calls `Settings::default()` keeps
/// it readable.
#[macro_export]
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident in $section:literal {
            $( $(#[doc = $manual:literal])+ pub $key:ident : $type:ty = $default:literal, )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        pub struct $name { $( $(#[doc = $manual])+ pub $key: $type, )+ }

        impl Default for $name {
            fn default() -> Self {
                $name { $( $key: $crate::base::settings::default(stringify!($key), $default), )+ }
            }
        }

        impl $crate::base::settings::Section for $name {
            const NAME: &'static str = $section;
            const ABOUT: &'static [&'static str] = &[$($about),+];
            const ROWS: &'static [$crate::base::settings::Row] = &[$(
                $crate::base::settings::Row { key: stringify!($key), default: $default, manual: &[$($manual),+] },
            )+];

            fn set(&mut self, key: &str, value: ::toml::Spanned<::toml::de::DeValue<'_>>) -> Option<Result<(), ::toml::de::Error>> {
                match key {
                    $( stringify!($key) => Some($crate::base::settings::value(value).map(|read| self.$key = read)), )+
                    _ => None,
                }
            }
        }
    };
}

/// A default of a `settings!` row.
///
/// # Panics
/// When the text of the row is no value of its type: a mistake in the table, seen by the first test that touches it.
pub fn default<T: for<'de> Deserialize<'de>>(key: &str, text: &str) -> T {
    match toml::de::ValueDeserializer::parse(text).and_then(T::deserialize) {
        Ok(value) => value,
        Err(error) => panic!("the default of {key}, {text}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ByteCount;

    settings! {
        /// A section for the test.
        pub struct Doors in "doors" {
            /// How large.
            pub largest: ByteCount = "\"25 MB\"",
            /// How many.
            pub count: u32 = "3",
        }
    }

    fn doors(text: &str) -> (Doors, Vec<Mistake>) {
        read(DeTable::parse(text).unwrap().into_inner())
    }

    #[test]
    fn every_mistake_of_a_section_is_told() {
        let (doors, mistakes) = doors("largest = 5\ncuont = 4\n");
        assert_eq!((doors.largest, doors.count), (ByteCount(25_000_000), 3));
        assert_eq!(mistakes.len(), 2);
        assert_eq!(mistakes[1].remedy, "did you mean \"count\"?");
        assert_eq!(mistakes[1].at, 12);
    }

    #[test]
    fn the_sample_shows_each_key_at_its_default() {
        assert_eq!(sample::<Doors>(), "# A section for the test.\n[doors]\n# How large.\n#largest = \"25 MB\"\n# How many.\n#count = 3\n");
        let uncommented: String = sample::<Doors>()
            .lines()
            .filter_map(|l| l.strip_prefix('#').filter(|l| !l.starts_with(' ')))
            .fold(String::new(), |all, line| all + line + "\n");
        assert!(doors(&uncommented).1.is_empty());
    }
}
