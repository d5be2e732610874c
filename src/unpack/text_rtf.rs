//! Text of RTF (Rich Text Format 1.9.1): groups, control words, characters by code; targets of link fields.

use super::text::Extracted;

/// Groups kept apart; deeper ones are as their parent.
const DEPTH: usize = 200;

/// Destinations whose content is no text.
const SILENT: &[&str] = &[
    "fonttbl",
    "colortbl",
    "stylesheet",
    "info",
    "pict",
    "objdata",
    "themedata",
    "colorschememapping",
    "datastore",
    "latentstyles",
    "listtable",
    "listoverridetable",
    "rsidtbl",
    "generator",
    "xmlnstbl",
    "filetbl",
    "revtbl",
    "header",
    "footer",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Silent,
    /// The code of a field.
    Code,
}

#[derive(Clone, Copy)]
struct Group {
    place: Place,
    /// Characters that stand for one `\u` where a reader knows no Unicode.
    fallback: usize,
}

pub(super) fn extract(bytes: &[u8]) -> Extracted {
    let mut found = Extracted::default();
    let mut stack: Vec<Group> = Vec::new();
    let mut group = Group { place: Place::Text, fallback: 1 };
    let (mut at, mut skip, mut deeper) = (0, 0usize, 0usize);
    let mut code = String::new();
    let mut optional = false;
    while let Some(b) = bytes.get(at).copied() {
        at += 1;
        match b {
            b'{' if stack.len() < DEPTH => stack.push(group),
            b'{' => deeper += 1,
            b'}' if deeper > 0 => deeper -= 1,
            b'}' => {
                if group.place == Place::Code {
                    found.field_code(&std::mem::take(&mut code));
                }
                group = stack.pop().unwrap_or(group);
                optional = false;
            }
            b'\\' => {
                let (word, number, next) = control(bytes, at);
                at = next;
                let told = match word {
                    "*" => {
                        optional = true;
                        continue;
                    }
                    "'" => number.and_then(|n| u8::try_from(n).ok()).map(windows_1252),
                    "u" => {
                        let c = number.and_then(|n| char::from_u32(if n < 0 { 65_536 + n } else { n }.try_into().ok()?));
                        tell(&mut found, &mut code, group.place, c.unwrap_or('?'));
                        skip = group.fallback;
                        continue;
                    }
                    "uc" => {
                        group.fallback = number.and_then(|n| usize::try_from(n).ok()).unwrap_or(1).min(10);
                        None
                    }
                    "par" | "line" | "row" | "sect" | "page" => Some('\n'),
                    "tab" | "cell" | "~" => Some(' '),
                    "emdash" => Some('\u{2014}'),
                    "endash" => Some('\u{2013}'),
                    "lquote" | "rquote" => Some('\''),
                    "ldblquote" | "rdblquote" => Some('"'),
                    "\\" | "{" | "}" => word.chars().next(),
                    "fldinst" => {
                        group.place = Place::Code;
                        None
                    }
                    "fldrslt" | "shptxt" => {
                        group.place = Place::Text;
                        None
                    }
                    "bin" => {
                        at = at.saturating_add(number.and_then(|n| usize::try_from(n).ok()).unwrap_or(0));
                        None
                    }
                    known if optional || SILENT.contains(&known) => {
                        group.place = Place::Silent;
                        None
                    }
                    _ => None,
                };
                optional = false;
                if let Some(c) = told {
                    if word == "'" && skip > 0 {
                        skip -= 1;
                    } else {
                        tell(&mut found, &mut code, group.place, c);
                    }
                }
            }
            b'\r' | b'\n' => {}
            _ if skip > 0 => skip -= 1,
            _ => tell(&mut found, &mut code, group.place, windows_1252(b)),
        }
        if found.is_full() {
            break;
        }
    }
    found
}

fn tell(found: &mut Extracted, code: &mut String, place: Place, c: char) {
    match place {
        Place::Text => found.push(c),
        Place::Code if code.len() < 8192 => code.push(c),
        Place::Code | Place::Silent => {}
    }
}

fn windows_1252(b: u8) -> char {
    super::text_ole::windows_1252(b)
}

/// The control word or symbol after a backslash, its number, and where the text goes on.
fn control(bytes: &[u8], at: usize) -> (&str, Option<i64>, usize) {
    let rest = bytes.get(at..).unwrap_or_default();
    let len = rest.iter().take(32).take_while(|b| b.is_ascii_alphabetic()).count();
    if len == 0 {
        let symbol = rest.get(..1).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or("");
        if symbol == "'" {
            let code = rest.get(1..3).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| i64::from_str_radix(h, 16).ok());
            return (symbol, code, (at + 3).min(bytes.len()));
        }
        return (if symbol == "\n" || symbol == "\r" { "par" } else { symbol }, None, (at + 1).min(bytes.len()));
    }
    let word = std::str::from_utf8(&rest[..len]).unwrap_or("");
    let digits = rest[len..].iter().enumerate().take(12).take_while(|(i, b)| b.is_ascii_digit() || *i == 0 && **b == b'-').count();
    let number = std::str::from_utf8(&rest[len..len + digits]).ok().and_then(|n| n.parse().ok());
    let end = len + digits;
    (word, number, at + end + usize::from(rest.get(end) == Some(&b' ')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stands_without_its_tables_and_links_are_told() {
        let rtf = br#"{\rtf1\ansi{\fonttbl{\f0 Arial;}}{\*\generator Word;}Caf\'e9 \u8364? {\b bold}\par
{\field{\*\fldinst{HYPERLINK "http://rtf.example/x"}}{\fldrslt{click}}}\par}"#;
        let found = extract(rtf);
        assert_eq!(found.text, "Caf\u{e9} \u{20ac} bold\nclick\n");
        assert_eq!(found.links, ["http://rtf.example/x"]);
    }

    #[test]
    fn groups_without_end_end_soon() {
        assert_eq!(extract(&b"{".repeat(1 << 20)).text, "");
        assert!(extract(&b"}\\'".repeat(1 << 18)).text.len() <= super::super::text::TEXT);
    }
}
