//! `add_header`, `rewrite_header`, `report` and kin: what a message gets to carry.

use super::draft::{Fault, Line};
use super::lexer::first_word;
use super::options::{Options, Output};
use super::options_read::wrong;

pub(super) fn read(options: &mut Options, name: &str, line: &Line<'_>) -> Result<(), Fault> {
    let output = &mut options.output;
    match name {
        "rewrite_header" => rewrite(output, line)?,
        "add_header" => add(output, line)?,
        "remove_header" => remove(output, line)?,
        "clear_headers" => {
            for list in [&mut output.ham, &mut output.spam] {
                list.retain(|(name, _)| name.eq_ignore_ascii_case("checker-version"));
            }
        }
        "report_safe" => {
            output.report_safe = match line.value {
                "0" => 0,
                "1" => 1,
                "2" => 2,
                _ => return Err(wrong(line, "write 0, 1 or 2")),
            };
            // Mail::SpamAssassin::Conf, report_safe: without a report in the body, a field carries it.
            if output.report_safe == 0 && !output.spam.iter().any(|(name, _)| name.eq_ignore_ascii_case("report")) {
                output.spam.push(("Report".into(), "_REPORT_".into()));
            }
        }
        "report" => append(&mut output.report, line.value),
        "unsafe_report" => append(&mut output.unsafe_report, line.value),
        "clear_report_template" => output.report.clear(),
        "clear_unsafe_report_template" => output.unsafe_report.clear(),
        _ => {
            let tag: String = line.value.to_lowercase().chars().map(|c| if fits_tag(c) { c } else { '_' }).collect();
            if !tag.is_empty() && !output.version_tags.contains(&tag) {
                output.version_tags.push(tag);
            }
        }
    }
    Ok(())
}

fn fits_tag(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '/')
}

fn append(template: &mut String, value: &str) {
    let inside = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    template.push_str(inside.unwrap_or(value));
    template.push('\n');
}

fn rewrite(output: &mut Output, line: &Line<'_>) -> Result<(), Fault> {
    let (field, text) = first_word(line.value);
    let field = match field.to_ascii_lowercase().as_str() {
        "subject" => "Subject",
        "from" => "From",
        "to" => "To",
        _ => return Err(wrong(line, "only Subject, From and To can be rewritten")),
    };
    if text.is_empty() {
        output.rewrite.remove(field);
        return Ok(());
    }
    // In an address field the text becomes a comment, which parentheses would end.
    let text = if field == "Subject" { text.to_owned() } else { text.replace('(', "[").replace(')', "]") };
    output.rewrite.insert(field.into(), text);
    Ok(())
}

/// `ham`, `spam` or `all`, then a name of letters, digits, `_` and `-`, then the rest.
fn target<'l>(line: &Line<'l>) -> Result<(bool, bool, &'l str, &'l str), Fault> {
    let (kind, rest) = first_word(line.value);
    let (name, value) = first_word(rest);
    let (ham, spam) = match kind {
        "ham" => (true, false),
        "spam" => (false, true),
        "all" => (true, true),
        _ => return Err(wrong(line, "write ham, spam or all, then a name without X-Spam-")),
    };
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'_' || octet == b'-';
    if name.is_empty() || !name.bytes().all(fits) {
        return Err(wrong(line, "the name of a field has letters, digits, _ and - only"));
    }
    Ok((ham, spam, name, value))
}

fn add(output: &mut Output, line: &Line<'_>) -> Result<(), Fault> {
    let (ham, spam, name, value) = target(line)?;
    let inside = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let template = unescape(inside);
    for (wanted, list) in [(ham, &mut output.ham), (spam, &mut output.spam)] {
        if wanted {
            list.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            list.push((name.to_owned(), template.clone()));
        }
    }
    Ok(())
}

fn remove(output: &mut Output, line: &Line<'_>) -> Result<(), Fault> {
    let (ham, spam, name, rest) = target(line)?;
    if !rest.is_empty() {
        return Err(wrong(line, "write ham, spam or all, then one name"));
    }
    if name == "Checker-Version" {
        return Ok(());
    }
    for (wanted, list) in [(ham, &mut output.ham), (spam, &mut output.spam)] {
        if wanted {
            list.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        }
    }
    Ok(())
}

/// `\t`, `\n` and `\\`; any other escape vanishes with the character it stands before.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, if c == '\\' { rest.next() } else { None }) {
            ('\\', Some('t')) => plain.push('\t'),
            ('\\', Some('n')) => plain.push('\n'),
            ('\\', Some('\\') | None) => plain.push('\\'),
            ('\\', Some(_)) => {}
            _ => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Place;

    fn after(lines: &[&str]) -> Output {
        let mut options = Options::default();
        let place = Place { file: "t.cf".into(), line: 1 };
        for whole in lines {
            let (key, value) = first_word(whole);
            read(&mut options, key, &Line { key, value, whole, place: &place }).unwrap();
        }
        options.output
    }

    #[test]
    fn fields_are_added_and_taken_away_by_kind() {
        let output =
            after(&["clear_headers", r"add_header all Status _YESNO_,\n\tx\\y\q", "add_header spam Flag YES", "remove_header ham status"]);
        let names = |list: &[(String, String)]| list.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&output.ham), ["Checker-Version"]);
        assert_eq!(names(&output.spam), ["Checker-Version", "Status", "Flag"]);
        assert_eq!(output.spam[1].1, "_YESNO_,\n\tx\\y");
    }

    #[test]
    fn without_a_report_in_the_body_a_field_carries_it() {
        assert_eq!(after(&["report_safe 0"]).spam.last().unwrap().0, "Report");
        assert_eq!(after(&["rewrite_header from (SPAM)"]).rewrite["From"], "[SPAM]");
    }
}
