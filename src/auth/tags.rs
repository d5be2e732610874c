//! Tag lists (RFC 6376 §3.2), read strictly: a doubled tag or a malformed one makes the whole list invalid.

/// Tags kept of one list; nobody sends more.
const MOST: usize = 64;

/// Name and value of each tag, in order; white space around both is gone, folds inside a value are left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags<'a> {
    tags: Vec<(&'a str, &'a str)>,
}

impl<'a> Tags<'a> {
    /// The error is what is wrong.
    pub fn parse(list: &'a [u8]) -> Result<Tags<'a>, String> {
        let list = std::str::from_utf8(list).map_err(|_| "octets that are no UTF-8")?;
        let mut tags: Vec<(&str, &str)> = Vec::new();
        let mut specs = list.split(';').peekable();
        while let Some(spec) = specs.next() {
            // Empty only after the final semicolon.
            if specs.peek().is_none() && spec.trim_matches(is_space).is_empty() {
                break;
            }
            let (name, value) = spec.split_once('=').ok_or("a tag without \"=\"")?;
            let (name, value) = (name.trim_matches(is_space), value.trim_matches(is_space));
            let named = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !named {
                return Err("a tag without a proper name".to_owned());
            }
            // tval: VALCHAR is %x21-3A / %x3C-7E (RFC 8616 adds UTF-8).
            if value.chars().any(|c| c.is_control() && !is_space(c)) {
                return Err(format!("tag {name} holds control characters"));
            }
            if tags.iter().any(|(other, _)| *other == name) {
                return Err(format!("tag {name} stands there twice"));
            }
            if tags.len() == MOST {
                return Err("too many tags".to_owned());
            }
            tags.push((name, value));
        }
        Ok(Tags { tags })
    }

    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.tags.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }

    pub fn first(&self) -> Option<(&'a str, &'a str)> {
        self.tags.first().copied()
    }

    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }
}

pub fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Where the value of `b=` stands in the field, so that the hash can leave it out (RFC 6376 §3.7): from after the equals
/// sign to before the next semicolon or the end.
pub fn value_of_b(field: &[u8]) -> Option<std::ops::Range<usize>> {
    let colon = memchr::memchr(b':', field)?;
    let mut start = colon + 1;
    while start <= field.len() {
        let end = memchr::memchr(b';', field.get(start..)?).map_or(field.len(), |at| start + at);
        let spec = field.get(start..end)?;
        if let Some(equals) = memchr::memchr(b'=', spec)
            && spec.get(..equals)?.trim_ascii() == b"b"
        {
            return Some(start + equals + 1..end);
        }
        start = end + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_strictly() {
        let tags = Tags::parse(b" v=1; a = rsa-sha256;\r\n\tb=ab\r\n cd ; ").unwrap();
        assert_eq!((tags.get("v"), tags.get("a"), tags.get("b")), (Some("1"), Some("rsa-sha256"), Some("ab\r\n cd")));
        for odd in ["v=1; v=1", "v", "=1", "v=1;;a=b", "1v=1", "v=\0"] {
            assert!(Tags::parse(odd.as_bytes()).is_err(), "{odd}");
        }
    }

    #[test]
    fn the_signature_itself_is_found_and_nothing_else() {
        let field = b"DKIM-Signature: v=1; bh=xx; b= ab\r\n c; d=x";
        assert_eq!(&field[value_of_b(field).unwrap()], b" ab\r\n c");
        assert_eq!(value_of_b(b"DKIM-Signature: bh=xx"), None);
    }
}
