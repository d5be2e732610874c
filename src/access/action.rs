//! What stands to the right of a pattern, access(5) "ACCEPT ACTIONS", "REJECT ACTIONS" and "OTHER ACTIONS".

use crate::outcome::Reply;

/// What a table says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Ok,
    Dunno,
    /// 5xx, with the text of the line.
    Reject(Reply),
    /// 4xx.
    Defer(Reply),
    /// 4xx where nothing else refuses.
    DeferIfPermit(Reply),
    /// What would be a refusal later becomes 4xx.
    DeferIfReject(Reply),
    Discard,
    /// Into the hold queue, when the message has come.
    Hold(String),
    /// A line for the log; `true`: a warning.
    Note(bool, String),
}

/// Postfix: access_map_reject_code, access_map_defer_code.
const REJECT: u16 = 554;
const DEFER: u16 = 450;

/// Actions that a milter cannot carry out.
const NOT_OURS: &[&str] = &["BCC", "FILTER", "PREPEND", "REDIRECT"];

/// Reads an action. The error says why a milter does not follow it.
pub fn parse(text: &str) -> Result<Word, String> {
    let (word, rest) = text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""));
    let rest = rest.trim();
    if !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(number(word, rest));
    }
    let or = |default: &str| if rest.is_empty() { default.to_owned() } else { rest.to_owned() };
    Ok(match word.to_ascii_uppercase().as_str() {
        "OK" | "RELAY" => Word::Ok,
        "DUNNO" => Word::Dunno,
        "REJECT" => Word::Reject(reply(REJECT, '5', rest, "Access denied")),
        "DEFER" => Word::Defer(reply(DEFER, '4', rest, "Access denied")),
        "DEFER_IF_PERMIT" => Word::DeferIfPermit(reply(DEFER, '4', rest, "Service unavailable")),
        "DEFER_IF_REJECT" => Word::DeferIfReject(reply(DEFER, '4', rest, "Service unavailable")),
        "DISCARD" => Word::Discard,
        "HOLD" => Word::Hold(or("held by an access table")),
        "INFO" => Word::Note(false, or("matched")),
        "WARN" => Word::Note(true, or("matched")),
        "" => return Err("nothing stands after the pattern".to_owned()),
        other if NOT_OURS.contains(&other) => return Err(format!("{other} is for the mail server itself")),
        _ => return Err(format!("\"{word}\" is no action of access(5) that a milter knows")),
    })
}

/// "An all-numerical result is treated as OK", except 4NN and 5NN, which may stand without text.
fn number(word: &str, rest: &str) -> Word {
    match (word.len(), word.as_bytes().first(), word.parse::<u16>()) {
        (3, Some(b'4'), Ok(code)) => Word::Defer(reply(code, '4', rest, "Access denied")),
        (3, Some(b'5'), Ok(code)) => Word::Reject(reply(code, '5', rest, "Access denied")),
        _ => Word::Ok,
    }
}

/// The text may begin with an enhanced status of the same class (RFC 3463).
fn reply(code: u16, class: char, rest: &str, default: &str) -> Reply {
    let (first, text) = rest.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((rest, ""));
    let mut parts = first.split('.');
    let digits =
        |part: Option<&str>, most: usize| part.is_some_and(|p| (1..=most).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()));
    let is_status =
        first.starts_with(class) && digits(parts.next(), 1) && digits(parts.next(), 3) && digits(parts.next(), 3) && parts.next().is_none();
    let (status, text) = if is_status { (first.to_owned(), text.trim()) } else { (format!("{class}.7.1"), rest) };
    Reply { code, status, text: if text.is_empty() { default.to_owned() } else { text.to_owned() } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_read_as_postfix_reads_them() {
        let reply = |code, status: &str, text: &str| Reply { code, status: status.into(), text: text.into() };
        for (text, word) in [
            ("OK", Word::Ok),
            ("ok for them", Word::Ok),
            ("12345", Word::Ok),
            ("200", Word::Ok),
            ("dunno", Word::Dunno),
            ("REJECT", Word::Reject(reply(554, "5.7.1", "Access denied"))),
            ("REJECT  go away", Word::Reject(reply(554, "5.7.1", "go away"))),
            ("550 5.1.8 no such domain", Word::Reject(reply(550, "5.1.8", "no such domain"))),
            ("550 4.1.8 odd", Word::Reject(reply(550, "5.7.1", "4.1.8 odd"))),
            ("451 later", Word::Defer(reply(451, "4.7.1", "later"))),
            ("DEFER", Word::Defer(reply(450, "4.7.1", "Access denied"))),
            ("DEFER_IF_PERMIT", Word::DeferIfPermit(reply(450, "4.7.1", "Service unavailable"))),
            ("DISCARD quietly", Word::Discard),
            ("HOLD", Word::Hold("held by an access table".into())),
            ("WARN look", Word::Note(true, "look".into())),
        ] {
            assert_eq!(parse(text), Ok(word), "{text}");
        }
        for wrong in ["", "FILTER smtp:x", "permit_mynetworks", "REJECTED"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
