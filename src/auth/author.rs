//! The one domain that header From shows, or why there is none. Strict on purpose: where two readers could show two
//! authors, no domain may be believed (RFC 9989 §5.3.1 leaves such mail to the receiver; we call it permerror).

use super::domain;
use super::letter::Letter;

/// Octets of one From field that are read.
const LONGEST: usize = 16_384;
/// Addresses of one field.
const MOST: usize = 32;
/// Nesting of comments.
const COMMENTS: usize = 8;

/// The domain in A-labels; the error tells what is wrong.
pub fn domain_of(letter: &Letter<'_>) -> Result<String, &'static str> {
    if letter.stray_lines {
        return Err("a line of the header section is no field");
    }
    let mut fields = letter.named("From");
    let Some(field) = fields.next() else { return Err("no From field") };
    if fields.next().is_some() {
        return Err("several From fields");
    }
    if letter.fields.iter().any(|field| hides_a_field(field.whole)) {
        return Err("a bare CR hides a second From field");
    }
    let addresses = addresses(field.value)?;
    let mut domains = addresses.iter().map(|address| domain::of_address(address).ok_or("From shows no domain name"));
    let first = domains.next().ok_or("From shows no address")??;
    for other in domains {
        if other? != first {
            return Err("From shows several domains");
        }
    }
    Ok(first)
}

/// Every domain that some reader could take for the author's where `domain_of` finds none: whatever follows an `@` in any
/// From field.
pub fn possible_domains(letter: &Letter<'_>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for field in letter.named("From") {
        let text = String::from_utf8_lossy(field.value.get(..LONGEST.min(field.value.len())).unwrap_or_default()).into_owned();
        for after in text.split('@').skip(1) {
            let end = after.find(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !"-_.".contains(c)).unwrap_or(after.len());
            if let Some(name) = domain::registrable(&after[..end])
                && found.len() < MOST
                && !found.contains(&name)
            {
                found.push(name);
            }
        }
    }
    found
}

/// Some readers end a line at a bare CR.
fn hides_a_field(whole: &[u8]) -> bool {
    whole.split(|b| *b == b'\r').skip(1).any(|rest| {
        let name = rest.get(..5.min(rest.len())).unwrap_or_default();
        name.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"from")) && matches!(name.get(4), Some(b':' | b' ' | b'\t'))
    })
}

/// The addr-specs of a mailbox-list (RFC 5322 §3.4), without the obsolete forms: routes, empty members, white space
/// inside addresses. Groups have no place in From.
pub fn addresses(value: &[u8]) -> Result<Vec<String>, &'static str> {
    if value.len() > LONGEST {
        return Err("From is too long");
    }
    let tokens = tokens(&unfolded(value)?)?;
    let mut addresses = Vec::new();
    for mailbox in tokens.split(|token| *token == Token::Mark(',')) {
        if addresses.len() == MOST {
            return Err("From shows too many addresses");
        }
        addresses.push(mailbox_address(mailbox)?);
    }
    Ok(addresses)
}

fn unfolded(value: &[u8]) -> Result<String, &'static str> {
    let mut lines = Vec::new();
    for line in value.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().any(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f) {
            return Err("From holds control characters");
        }
        lines.push(line);
    }
    // The field's own line end leaves one empty piece; any other is a fold without text, which readers end at.
    while lines.len() > 1 && lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    if lines.iter().skip(1).any(|line| line.trim_ascii().is_empty()) {
        return Err("From is folded over an empty line");
    }
    // Display names in an old charset are common and harmless: each such octet becomes U+FFFD, which no address may hold.
    Ok(String::from_utf8_lossy(&lines.concat()).into_owned())
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// Text without white space, brackets and marks; dots and `@` are part of it.
    Word(String),
    /// A quoted string, unescaped.
    Quoted(String),
    /// `<`, `>`, `,`, `:`, `;` and the rest of the specials.
    Mark(char),
    Space,
}

/// Comments vanish, but must not show an address.
fn tokens(text: &str) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => {
                if tokens.last() != Some(&Token::Space) {
                    tokens.push(Token::Space);
                }
            }
            '"' => tokens.push(Token::Quoted(quoted(&mut chars)?)),
            '(' => {
                comment(&mut chars)?;
                tokens.push(Token::Space);
            }
            '<' | '>' | ',' | ':' | ';' | '[' | ']' | '\\' | ')' => tokens.push(Token::Mark(c)),
            _ => match tokens.last_mut() {
                Some(Token::Word(word)) => word.push(c),
                Some(Token::Quoted(_) | Token::Mark(_) | Token::Space) | None => tokens.push(Token::Word(c.to_string())),
            },
        }
    }
    Ok(tokens)
}

fn quoted(chars: &mut impl Iterator<Item = char>) -> Result<String, &'static str> {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(text),
            '\\' => text.push(chars.next().ok_or("From holds a quoted string without end")?),
            _ => text.push(c),
        }
    }
    Err("From holds a quoted string without end")
}

fn comment(chars: &mut impl Iterator<Item = char>) -> Result<(), &'static str> {
    let mut depth = 1;
    let mut shows_address = false;
    while let Some(c) = chars.next() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            '\\' => shows_address |= matches!(chars.next(), Some('@' | '<')),
            '@' | '<' => shows_address = true,
            _ => {}
        }
        if depth > COMMENTS {
            return Err("From nests comments too deep");
        }
        if depth == 0 {
            // Old readers show the comment as the author's name.
            return if shows_address { Err("a comment of From shows an address") } else { Ok(()) };
        }
    }
    Err("From holds a comment without end")
}

/// `phrase <addr-spec>` or a bare addr-spec.
fn mailbox_address(mailbox: &[Token]) -> Result<String, &'static str> {
    let first = mailbox.iter().position(|t| *t != Token::Space);
    let last = mailbox.iter().rposition(|t| *t != Token::Space);
    let (Some(first), Some(last)) = (first, last) else { return Err("From holds an empty address") };
    let mailbox = mailbox.get(first..=last).unwrap_or_default();
    let Some(open) = mailbox.iter().position(|t| *t == Token::Mark('<')) else { return addr_spec(mailbox) };
    let (phrase, rest) = mailbox.split_at(open);
    for token in phrase {
        match token {
            Token::Word(word) if word.contains('@') => return Err("the name in From is an address without quotes"),
            Token::Word(word) => decoded_is_harmless(word)?,
            // A name may show an address (many services do so); one in angle brackets is there to be taken for the real one.
            Token::Quoted(text) if text.contains('@') && text.contains(['<', '>']) => {
                return Err("the name in From holds an address in angle brackets");
            }
            Token::Quoted(text) => decoded_is_harmless(text)?,
            Token::Space => {}
            Token::Mark(_) => return Err("From is no list of addresses"),
        }
    }
    match rest {
        [Token::Mark('<'), inside @ .., Token::Mark('>')] => addr_spec(inside),
        _ => Err("From holds text after an address or an unclosed \"<\""),
    }
}

/// Readers that decode before they parse take an address out of an encoded word.
fn decoded_is_harmless(text: &str) -> Result<(), &'static str> {
    let mut rest = text;
    while let Some(at) = rest.find("=?") {
        let word = &rest[at + 2..];
        let mut parts = word.splitn(4, '?');
        let (Some(_), Some(encoding), Some(payload), Some(_)) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Ok(());
        };
        let decoded = if encoding.eq_ignore_ascii_case("b") {
            super::base64::decode(payload.as_bytes()).unwrap_or_default()
        } else {
            from_q(payload)
        };
        let shows = |wanted: &[u8]| decoded.iter().any(|b| wanted.contains(b));
        if shows(b"@") && shows(b"<>,;\"") || shows(b"\0\r\n") {
            return Err("an encoded word of From holds an address");
        }
        rest = word;
    }
    Ok(())
}

fn from_q(payload: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut octets = payload.bytes();
    while let Some(octet) = octets.next() {
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).unwrap_or(0);
        out.push(match octet {
            b'=' => (digit(octets.next()) << 4 | digit(octets.next())) as u8,
            b'_' => b' ',
            _ => octet,
        });
    }
    out
}

/// `dot-atom@domain` or `"quoted"@domain`; no white space, no domain literal.
fn addr_spec(tokens: &[Token]) -> Result<String, &'static str> {
    const MALFORMED: &str = "From holds a malformed address";
    let (local, host) = match tokens {
        [Token::Word(word)] => word.split_once('@').ok_or(MALFORMED)?,
        [Token::Quoted(local), Token::Word(word)] => {
            if local.contains(['@', '<', '>', ',']) {
                return Err("the local part of From shows another address");
            }
            (local.as_str(), word.strip_prefix('@').ok_or(MALFORMED)?)
        }
        _ => return Err(MALFORMED),
    };
    // atext of RFC 5322 §3.2.3; the specials that tokens() leaves inside words are "@" and the dots.
    let bare = matches!(tokens, [Token::Word(_)]);
    let proper = !bare || local.split('.').all(|atom| !atom.is_empty() && !atom.contains(char::REPLACEMENT_CHARACTER));
    if !proper || host.contains('@') || local.contains("=?") {
        return Err(MALFORMED);
    }
    Ok(format!("{local}@{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Result<String, &'static str> {
        let raw = format!("From:{value}\r\n\r\n");
        domain_of(&Letter::parse(raw.as_bytes()))
    }

    #[test]
    fn common_forms_show_their_domain() {
        for value in [
            " a@Example.org",
            " <a@example.org>",
            " Ann Author <a@example.org>",
            " \"Author, Ann\" <a@example.org>",
            " =?utf-8?q?J=C3=BCrgen?= <a@example.org>",
            " a@example.org (Ann Author)",
            " Ann\r\n\t<a@example.org>",
            " \"a@other.example via List\" <a@example.org>",
            " \"a b\"@example.org",
            " a@example.org, b@EXAMPLE.org",
            " J\u{fc}rgen <j\u{fc}rgen@example.org>",
            "a@example.org.",
        ] {
            assert_eq!(of(value).as_deref(), Ok("example.org"), "{value}");
        }
        assert_eq!(of(" a@b\u{fc}cher.example").as_deref(), Ok("xn--bcher-kva.example"));
    }

    #[test]
    fn an_author_in_doubt_is_no_author() {
        for value in [
            "",
            " ",
            " undisclosed",
            " a@v.example, b@x.example",
            " <a@v.example>, <b@x.example>",
            " <a@v.example> <b@x.example>",
            " <a@v.example>b@x.example",
            " a@v.example <b@x.example>",
            " <@x.example,@y.example:a@v.example>",
            " group: a@v.example;",
            " a@v.example;",
            " a@v.example,",
            " ,a@v.example",
            " <a@v.example>\\,<b@x.example>",
            " a@v.example\0 <b@x.example>",
            " =?utf-8?b?PGFAdi5leGFtcGxlPiw=?= <b@x.example>",
            " =?utf-8?b?PGFAdi5leGFtcGxlPg==?=,<b@x.example>",
            " <=?utf-8?q?a=40v.example?=@x.example>",
            " \"a@v.example\"@x.example",
            " b@x.example (a@v.example)",
            " b@x.example ((unclosed)",
            " \"<a@v.example>\" <b@x.example>",
            " \"unclosed <b@x.example>",
            " a@[192.0.2.1]",
            " a@localhost",
            " a @v.example",
            " a@v .example",
            " a@v.example(.x.example",
            " a@b@v.example",
            " a..b@v.example",
            " <a@v.example",
            " a@v.example>",
            "\r\n \r\n a@v.example",
            " b@x.example\rFrom: a@v.example",
        ] {
            assert!(of(value).is_err(), "{value:?}: {:?}", of(value));
        }
    }

    #[test]
    fn all_domains_of_an_odd_from_are_known() {
        let letter = Letter::parse(b"From: <a@v.example>, \"x\" <b@x.example>\r\nFrom : c@y.example;\r\n\r\n");
        assert_eq!(possible_domains(&letter), ["v.example", "x.example", "y.example"]);
    }

    #[test]
    fn fields_in_doubt_are_no_author() {
        for raw in [
            "To: b@x.example\r\n\r\n",
            "From: a@v.example\r\nFrom: b@x.example\r\n\r\n",
            "From: b@x.example\r\nfrom : a@v.example\r\n\r\n",
            "From\r\n : a@v.example\r\nFrom: b@x.example\r\n\r\n",
            "From: b@x.example\r\nSubject: x\rFrom: a@v.example\r\n\r\n",
            "From: b@x.example\r\nno field\r\n\r\n",
            "F\u{0}rom: a@v.example\r\nFrom: b@x.example\r\n\r\n",
            "Sender: a@v.example\r\n\r\n",
        ] {
            assert!(domain_of(&Letter::parse(raw.as_bytes())).is_err(), "{raw:?}");
        }
    }
}
