//! Master files (RFC 1035 §5), as far as `--zone` needs them: `$ORIGIN`, parentheses, quoted strings, comments; TTL and
//! class are read over.

use super::zone::{Entry, Zone, record};

/// One word, and whether it stood in quotes.
type Word = (String, bool);

/// A line, parentheses joined: where it began, whether it begins with white space, and its words.
struct Line {
    number: u32,
    indented: bool,
    words: Vec<Word>,
}

/// The error is a line and a fact.
pub fn read(text: &str) -> Result<Zone, (u32, String)> {
    let mut zone = Zone::default();
    let mut origin = String::new();
    let mut owner = String::new();
    for line in lines(text)? {
        let mut words = line.words.iter();
        let Some((first, _)) = line.words.first() else { continue };
        match first.to_ascii_uppercase().as_str() {
            "$ORIGIN" => {
                let name = line.words.get(1).map_or("", |(name, _)| name);
                origin = absolute(name, &origin);
                continue;
            }
            "$TTL" => continue,
            _ if first.starts_with('$') => return Err((line.number, format!("{first} is not served"))),
            _ => {}
        }
        if !line.indented {
            owner = absolute(first, &origin);
            words.next();
        }
        let rest: Vec<&Word> = words.skip_while(|(word, quoted)| !quoted && is_ttl_or_class(word)).collect();
        let Some(((kind, _), values)) = rest.split_first() else { return Err((line.number, "a name without record".to_owned())) };
        let texts: Vec<String> = match kind.to_ascii_uppercase().as_str() {
            "TXT" => values.iter().map(|(value, _)| value.clone()).collect(),
            "MX" => vec![match values {
                [(preference, _), (host, _)] => format!("{preference} {}", absolute(host, &origin)),
                _ => return Err((line.number, "MX needs preference and name".to_owned())),
            }],
            "NS" | "PTR" | "CNAME" => values.iter().take(1).map(|(host, _)| absolute(host, &origin)).collect(),
            _ => values.iter().map(|(value, _)| value.clone()).collect(),
        };
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let entry: Option<Entry> = record(kind, &texts).map_err(|what| (line.number, what))?;
        zone.names.entry(owner.to_lowercase()).or_default().extend(entry);
    }
    Ok(zone)
}

fn is_ttl_or_class(word: &str) -> bool {
    matches!(word.to_ascii_uppercase().as_str(), "IN" | "CH" | "HS")
        || word.starts_with(|c: char| c.is_ascii_digit()) && word.bytes().all(|b| b.is_ascii_digit() || b"smhdwSMHDW".contains(&b))
}

/// Without the final dot.
fn absolute(name: &str, origin: &str) -> String {
    match name.strip_suffix('.') {
        Some(whole) => whole.to_owned(),
        None if name == "@" => origin.to_owned(),
        None if origin.is_empty() => name.to_owned(),
        None => format!("{name}.{origin}"),
    }
}

fn lines(text: &str) -> Result<Vec<Line>, (u32, String)> {
    let mut lines = Vec::new();
    let mut open = 0u32;
    let mut current = Line { number: 1, indented: false, words: Vec::new() };
    for (number, raw) in (1u32..).zip(text.lines()) {
        if open == 0 {
            let indented = raw.starts_with([' ', '\t']);
            lines.push(std::mem::replace(&mut current, Line { number, indented, words: Vec::new() }));
        }
        split(raw, &mut open, &mut current.words).map_err(|what| (number, what))?;
    }
    if open > 0 {
        return Err((current.number, "\"(\" without \")\"".to_owned()));
    }
    lines.push(current);
    Ok(lines)
}

fn split(raw: &str, open: &mut u32, words: &mut Vec<Word>) -> Result<(), String> {
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ';' => break,
            '(' => *open += 1,
            ')' => *open = open.checked_sub(1).ok_or("\")\" without \"(\"")?,
            '"' => {
                let mut word = String::new();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => word.push(escape(&mut chars)?),
                        Some(c) => word.push(c),
                        None => return Err("a quoted string without end".to_owned()),
                    }
                }
                words.push((word, true));
            }
            _ if c.is_whitespace() => {}
            _ => {
                let mut word = if c == '\\' { escape(&mut chars)?.to_string() } else { c.to_string() };
                while let Some(next) = chars.next_if(|c| !c.is_whitespace() && !"();\"".contains(*c)) {
                    word.push(if next == '\\' { escape(&mut chars)? } else { next });
                }
                words.push((word, false));
            }
        }
    }
    Ok(())
}

/// `\DDD` or `\X`.
fn escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, String> {
    let first = chars.next().ok_or("\"\\\" at the end of a line")?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let digits: String = [Some(first), chars.next(), chars.next()].into_iter().flatten().collect();
    digits.parse::<u8>().map(char::from).map_err(|_| format!("\\{digits} is no octet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_quotes_and_origins_are_read() {
        let zone = read(
            "$ORIGIN example.\n$TTL 1h\n@ 3600 IN SOA ns root (1 ; serial\n 2 3 4 5)\n IN MX 10 mail\nmail A 192.0.2.1\n\
             key._domainkey IN TXT ( \"v=DKIM1; p=a\"\n\t\"bc\" )\nother.test. IN CNAME mail\n",
        )
        .unwrap();
        assert_eq!(zone.entries("example").unwrap().len(), 1);
        assert_eq!(zone.entries("key._domainkey.example").unwrap().len(), 1);
        assert!(format!("{:?}", zone.entries("other.test").unwrap()).contains("mail"));
        assert_eq!(read("a IN TXT \"x").unwrap_err().0, 1);
    }
}
