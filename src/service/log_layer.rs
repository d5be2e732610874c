//! Events as lines: text, JSON, journal fields or syslog; whatever mail puts into a value, it stays one value of one line.

use super::log::{Format, Outlet, Target};
use std::fmt::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Characters of one value, and octets of one line.
const VALUE: usize = 1500;
const LINE: usize = 4096;

pub(super) struct LogLayer {
    outlet: Outlet,
    shape: Shape,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// With the time, unless the journal puts its own beside it.
    Text {
        time: bool,
    },
    Json,
    Journal,
    Syslog,
}

impl LogLayer {
    pub(super) fn new(outlet: Outlet, target: Target, format: Format) -> LogLayer {
        let shape = match (target, format) {
            // systemd.exec(5): set where standard error goes to the journal.
            (Target::Stderr, Format::Text) => Shape::Text { time: std::env::var_os("JOURNAL_STREAM").is_none() },
            (Target::Stderr, Format::Json) => Shape::Json,
            (Target::Journald, Format::Text | Format::Json) => Shape::Journal,
            (Target::Syslog, Format::Text | Format::Json) => Shape::Syslog,
        };
        LogLayer { outlet, shape }
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut told = Told::default();
        event.record(&mut told);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
        let line = told.line(self.shape, *event.metadata().level(), now);
        self.outlet.send(line.into_bytes());
    }
}

/// The message and the values of one event.
#[derive(Default)]
struct Told {
    message: String,
    values: Vec<(&'static str, Value)>,
}

enum Value {
    Text(String),
    /// As it stands in JSON and text alike.
    Number(String),
}

impl Visit for Told {
    fn record_str(&mut self, field: &Field, value: &str) {
        let kept: String = value.chars().take(VALUE).collect();
        if field.name() == "message" {
            self.message = kept;
        } else if !kept.is_empty() {
            self.values.push((field.name(), Value::Text(kept)));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let value = if value.is_finite() { format!("{value:.3}") } else { "0".to_owned() };
        self.values.push((field.name(), Value::Number(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.values.push((field.name(), Value::Number(value.to_string())));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.values.push((field.name(), Value::Number(value.to_string())));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.values.push((field.name(), Value::Number(value.to_string())));
    }
}

impl Told {
    fn line(&self, shape: Shape, level: Level, milliseconds: u64) -> String {
        let mut line = String::new();
        match shape {
            Shape::Text { time } => {
                if time {
                    line = format!("{} ", rfc3339(milliseconds));
                }
                line.push_str(&format!("{level:<5} "));
                self.text(&mut line);
                shorten(&mut line);
                line.push('\n');
            }
            Shape::Json => {
                line = self.json(level, milliseconds);
                line.push('\n');
            }
            Shape::Journal => self.journal(&mut line, level),
            Shape::Syslog => {
                // RFC 3164 §4.1: facility mail is 2.
                line = format!("<{}>hamgate[{}]: ", 16 + severity(level), std::process::id());
                self.text(&mut line);
                shorten(&mut line);
            }
        }
        line
    }

    fn text(&self, line: &mut String) {
        escape(line, &self.message, false);
        for (name, value) in &self.values {
            let _ = write!(line, " {name}=");
            match value {
                Value::Text(text) => escape(line, text, true),
                Value::Number(number) => line.push_str(number),
            }
        }
    }

    fn json(&self, level: Level, milliseconds: u64) -> String {
        let string = |text: &str| serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned());
        let mut line = format!(
            "{{\"time\":\"{}\",\"level\":\"{}\",\"event\":{}",
            rfc3339(milliseconds),
            level.as_str().to_ascii_lowercase(),
            string(&self.message)
        );
        for (name, value) in &self.values {
            let value = match value {
                Value::Text(text) => string(text),
                Value::Number(number) => number.clone(),
            };
            if line.len() + name.len() + value.len() > LINE {
                break;
            }
            let _ = write!(line, ",\"{name}\":{value}");
        }
        line.push('}');
        line
    }

    /// systemd's native protocol: a name, `=`, a value without line ends.
    fn journal(&self, line: &mut String, level: Level) {
        let mut message = String::new();
        self.text(&mut message);
        shorten(&mut message);
        let _ = write!(line, "PRIORITY={}\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=hamgate\nMESSAGE={message}\n", severity(level));
        for (name, value) in &self.values {
            let mut text = String::new();
            match value {
                Value::Text(value) => escape(&mut text, value, false),
                Value::Number(number) => text.push_str(number),
            }
            let _ = writeln!(line, "HAMGATE_{}={text}", name.to_ascii_uppercase());
        }
    }
}

/// Control characters, and whatever turns the direction of writing, as escapes; quoted where a value would not be one word.
fn escape(line: &mut String, text: &str, quote: bool) {
    let quote = quote && !text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'='));
    if quote {
        let _ = write!(line, "{text:?}");
        return;
    }
    for c in text.chars() {
        if c == '"' || c == '\'' || c == '\\' {
            line.push(c);
        } else {
            let _ = write!(line, "{}", c.escape_debug());
        }
    }
}

fn shorten(line: &mut String) {
    if line.len() > LINE {
        let mut end = LINE;
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        line.push_str(" ...");
    }
}

/// RFC 5424 §6.2.1.
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// UTC, from milliseconds since 1970. The calendar is Howard Hinnant's `civil_from_days`.
fn rfc3339(milliseconds: u64) -> String {
    let (seconds, fraction) = (milliseconds / 1000, milliseconds % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{fraction:03}Z", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(values: &[(&'static str, &str)]) -> Told {
        let values = values.iter().map(|(name, text)| (*name, Value::Text(text.to_string()))).collect();
        Told { message: "message".to_owned(), values }
    }

    #[test]
    fn no_value_can_forge_a_line() {
        let told = told(&[("helo", "x\nNov 1 sshd: root"), ("from", "a b=\"c\"\u{202e}\x1b[31m"), ("to", "a@b.example")]);
        for shape in [Shape::Text { time: true }, Shape::Json, Shape::Syslog] {
            let line = told.line(shape, Level::INFO, 0);
            assert_eq!(line.trim_end().lines().count(), 1, "{line}");
            assert!(!line.contains('\x1b'), "{line}");
        }
        let text = told.line(Shape::Text { time: false }, Level::INFO, 0);
        assert_eq!(text, "INFO  message helo=\"x\\nNov 1 sshd: root\" from=\"a b=\\\"c\\\"\\u{202e}\\u{1b}[31m\" to=a@b.example\n");
        let journal = told.line(Shape::Journal, Level::INFO, 0);
        assert_eq!(journal.lines().filter(|l| l.starts_with("HAMGATE_HELO=x\\n")).count(), 1);
        assert_eq!(journal.lines().count(), 7);
    }

    #[test]
    fn json_is_one_object() {
        let line = told(&[("helo", "\"}\n{")]).line(Shape::Json, Level::WARN, 0);
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["helo"], "\"}\n{");
        assert_eq!(read["level"], "warn");
    }

    #[test]
    fn a_line_has_an_end() {
        let long = "é".repeat(VALUE);
        let line = told(&[("a", &long), ("b", &long), ("c", &long)]).line(Shape::Text { time: true }, Level::INFO, 0);
        assert!(line.len() <= LINE + 8, "{}", line.len());
    }

    #[test]
    fn the_calendar_knows_leap_years() {
        assert_eq!(rfc3339(951_782_400_123), "2000-02-29T00:00:00.123Z");
        assert_eq!(rfc3339(1_798_761_599_000), "2026-12-31T23:59:59.000Z");
    }
}
