//! Option lines read into `Options`, by the kind that the table of settings gives each.

use super::draft::{Drafts, Fault, Line};
use super::lexer::{first_word, words};
use super::options::{Options, PairedEntry};
use super::options_special;
use super::settings::{self, Kind, Row};
use std::collections::HashMap;
use std::sync::LazyLock;

static BY_NAME: LazyLock<HashMap<&'static str, &'static Row>> = LazyLock::new(|| {
    settings::rows().flat_map(|row| std::iter::once(row.name).chain(row.aliases.iter().copied()).map(move |name| (name, row))).collect()
});

/// The row of an option by any of its spellings.
pub(super) fn find(key: &str) -> Option<&'static Row> {
    BY_NAME.get(key).copied()
}

/// Reads a line whose row is known and whose plugin is loaded.
pub(super) fn read(drafts: &mut Drafts, row: &'static Row, line: &Line<'_>) -> Result<(), Fault> {
    if let Some(why) = row.idle {
        return Err(Fault::note(format!("{} has no effect", line.key), why));
    }
    let options = &mut drafts.options;
    let value = line.value;
    let empty_is_fine = matches!(row.kind, Kind::ClearWords(_) | Kind::Special);
    if value.is_empty() && !empty_is_fine {
        return Err(Fault::warning(format!("\"{}\" has no value", line.whole), format!("write one after \"{}\"", line.key)));
    }
    match row.kind {
        Kind::Text => set(options, row, value.to_owned()),
        Kind::Flag => {
            let on = flag(value).ok_or_else(|| wrong(line, "write 1 or 0, yes or no"))?;
            set(options, row, u8::from(on).to_string());
        }
        Kind::Number => {
            let number = number(value).ok_or_else(|| wrong(line, "write a decimal number"))?;
            set(options, row, number.to_string());
        }
        Kind::Seconds => {
            let seconds = seconds(value).ok_or_else(|| wrong(line, "write seconds, or a number with s, m, h, d or w"))?;
            set(options, row, seconds.to_string());
        }
        Kind::Words => add_words(options, row.name, words(value).map(str::to_owned)),
        Kind::LowerWords => add_words(options, row.name, words(value).map(str::to_lowercase)),
        Kind::ClearWords(list) => clear_words(options, list, value),
        Kind::Table => {
            let (name, text) = first_word(value);
            if text.is_empty() {
                return Err(wrong(line, "write a name and a text"));
            }
            options.tables.entry(row.name.to_owned()).or_default().insert(name.to_owned(), text.to_owned());
        }
        Kind::Addresses => {
            let list = options.lists.entry(row.name.to_owned()).or_default();
            words(value).for_each(|address| list.add(&glob(address)));
        }
        Kind::Unlist(lists) => {
            for list in lists {
                if let Some(list) = options.lists.get_mut(*list) {
                    words(value).for_each(|address| list.remove(&glob(address)));
                }
            }
        }
        Kind::Subject => options.lists.entry(row.name.to_owned()).or_default().add(&glob(&format!("*{value}*"))),
        Kind::Pairs { optional } => pair(options, row, line, optional)?,
        Kind::Unpair { lists, partner } => unpair(options, lists, value, partner),
        Kind::Special => return options_special::read(drafts, row, line),
    }
    Ok(())
}

pub(super) fn wrong(line: &Line<'_>, remedy: &str) -> Fault {
    Fault::warning(format!("the value of \"{}\" cannot be used", line.whole), remedy)
}

fn set(options: &mut Options, row: &Row, value: String) {
    options.settings.insert(row.name.to_owned(), value);
}

pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "yes" => Some(true),
        "0" | "no" => Some(false),
        _ => None,
    }
}

/// `[+-]?\d+(\.\d*)?`
pub(super) fn number(text: &str) -> Option<f64> {
    let digits = |part: &str| part.bytes().all(|octet| octet.is_ascii_digit());
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, part) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    (!whole.is_empty() && digits(whole) && digits(part)).then(|| text.parse().ok()).flatten()
}

/// `\+?\d+(\.\d*)?\s*[smhdw]?`, in seconds.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let (number_text, factor) = match text.chars().last()?.to_ascii_lowercase() {
        's' => (text.get(..text.len() - 1)?, 1.0),
        'm' => (text.get(..text.len() - 1)?, 60.0),
        'h' => (text.get(..text.len() - 1)?, 3_600.0),
        'd' => (text.get(..text.len() - 1)?, 86_400.0),
        'w' => (text.get(..text.len() - 1)?, 604_800.0),
        _ => (text, 1.0),
    };
    number(number_text.trim_end()).filter(|number| *number >= 0.0).map(|number| number * factor)
}

/// SpamAssassin makes these three a literal underscore in an address, to keep its patterns safe.
pub(super) fn glob(address: &str) -> String {
    address.replace(['\0', '\\', '('], "_")
}

pub(super) fn add_words(options: &mut Options, name: &str, more: impl Iterator<Item = String>) {
    let list = options.words.entry(name.to_owned()).or_default();
    let mut known: std::collections::HashSet<String> = list.iter().cloned().collect();
    for word in more {
        if known.insert(word.clone()) {
            list.push(word);
        }
    }
}

fn clear_words(options: &mut Options, name: &str, value: &str) {
    if let Some(list) = options.words.get_mut(name) {
        let gone: Vec<String> = words(value).map(str::to_lowercase).collect();
        list.retain(|word| !gone.is_empty() && !gone.contains(word));
    }
}

/// `*@example.com relay.example.com`; the address of DKIM lists may stand alone.
fn pair(options: &mut Options, row: &Row, line: &Line<'_>, optional: bool) -> Result<(), Fault> {
    let parts: Vec<&str> = words(line.value).collect();
    let (address, partner) = match parts.as_slice() {
        [address, partner] => (*address, *partner),
        [address] if optional => (*address, ""),
        _ => return Err(wrong(line, "write an address and what must come with it")),
    };
    let address = glob(&address.to_lowercase());
    let partner = partner.to_lowercase();
    let list = options.paired_lists.entry(row.name.to_owned()).or_default();
    match list.iter_mut().find(|entry| entry.address == address) {
        Some(entry) => entry.partners.push(partner),
        None => list.push(PairedEntry { address, partners: vec![partner] }),
    }
    Ok(())
}

fn unpair(options: &mut Options, lists: &[&str], value: &str, one_partner: bool) {
    let mut given = words(value).map(|word| glob(&word.to_lowercase()));
    if one_partner {
        let address = given.next().unwrap_or_default();
        let partner = given.next().unwrap_or_default();
        for name in lists {
            let Some(list) = options.paired_lists.get_mut(*name) else { continue };
            for entry in list.iter_mut().filter(|entry| entry.address == address) {
                entry.partners.retain(|known| *known != partner);
            }
            list.retain(|entry| !entry.partners.is_empty());
        }
        return;
    }
    let gone: Vec<String> = given.collect();
    for name in lists {
        if let Some(list) = options.paired_lists.get_mut(*name) {
            list.retain(|entry| !gone.contains(&entry.address));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_kept_in_seconds() {
        for (text, wanted) in [("5", Some(5.0)), ("2 h", Some(7200.0)), ("1.5m", Some(90.0)), ("x", None), ("-1", None), ("", None)] {
            assert_eq!(seconds(text), wanted, "{text}");
        }
        assert_eq!(number("5."), Some(5.0));
        assert_eq!(number("1e3"), None);
    }
}
