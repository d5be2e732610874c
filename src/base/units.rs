//! Sizes and durations as operators write them: `"25 MB"`, `"5 min"`. A bare number is refused, since it hides its unit.

use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::time::Duration;

/// A number of octets, written with a unit: B, kB, MB, GB (powers of 1000), KiB, MiB, GiB (powers of 1024).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteCount(pub u64);

impl ByteCount {
    pub fn parse(text: &str) -> Result<ByteCount, String> {
        let (number, unit) = split(text).ok_or_else(|| size_remedy(text))?;
        let factor: u64 = match unit {
            "B" => 1,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(size_remedy(text)),
        };
        number.checked_mul(factor).map(ByteCount).ok_or_else(|| size_remedy(text))
    }
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n >= 1_000_000_000 && n % 1_000_000_000 == 0 => write!(f, "{} GB", n / 1_000_000_000),
            n if n >= 1_000_000 && n % 1_000_000 == 0 => write!(f, "{} MB", n / 1_000_000),
            n if n >= 1_000 && n % 1_000 == 0 => write!(f, "{} kB", n / 1_000),
            n => write!(f, "{n} B"),
        }
    }
}

impl<'de> Deserialize<'de> for ByteCount {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        ByteCount::parse(&String::deserialize(d)?).map_err(de::Error::custom)
    }
}

/// A length of time, written with a unit: ms, s, min, h, days, weeks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        duration(d).map(Span)
    }
}

/// Reads `"300 ms"`, `"5 s"`, `"5 min"`, `"2 h"`, `"2 days"`, `"1 week"`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text).ok_or_else(|| duration_remedy(text))?;
    let seconds = match unit {
        "ms" => return Ok(Duration::from_millis(number)),
        "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 604_800,
        _ => return Err(duration_remedy(text)),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| duration_remedy(text))
}

/// For `#[serde(deserialize_with = "units::duration")]`.
pub fn duration<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(d)?).map_err(de::Error::custom)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..end].parse().ok()?, text[end..].trim_start()))
}

fn size_remedy(text: &str) -> String {
    format!("\"{text}\": give a number and a unit, such as \"25 MB\"")
}

fn duration_remedy(text: &str) -> String {
    format!("\"{text}\": give a number and a unit, such as \"5 min\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_needs_its_unit() {
        assert_eq!(ByteCount::parse("25 MB"), Ok(ByteCount(25_000_000)));
        assert_eq!(ByteCount::parse("4KiB"), Ok(ByteCount(4096)));
        assert!(ByteCount::parse("25").is_err());
        assert!(ByteCount::parse("99999999999999999999 GB").is_err());
    }

    #[test]
    fn a_duration_needs_its_unit() {
        assert_eq!(parse_duration("5 min"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_duration("300 ms"), Ok(Duration::from_millis(300)));
        assert!(parse_duration("5").unwrap_err().contains("such as"));
    }
}
