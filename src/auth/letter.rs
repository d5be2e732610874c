//! A message as signatures see it: fields with their exact octets, and the body.

use crate::base::limits;

/// A header field; lines end as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderField<'m> {
    /// Without white space before the colon.
    pub name: &'m [u8],
    /// All after the colon, line end included.
    pub value: &'m [u8],
    /// Name, colon and value as they came.
    pub whole: &'m [u8],
}

impl HeaderField<'_> {
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

#[derive(Clone, Debug, Default)]
pub struct Letter<'m> {
    pub fields: Vec<HeaderField<'m>>,
    pub body: &'m [u8],
    /// A line of the section is no field and no continuation: readers differ on where the header ends.
    pub stray_lines: bool,
}

impl<'m> Letter<'m> {
    /// Lines may end in CRLF or LF. The section ends at the first empty line.
    pub fn parse(raw: &'m [u8]) -> Letter<'m> {
        let mut letter = Letter::default();
        let mut at = 0;
        // The field that is being read: start and place of its colon.
        let mut open: Option<(usize, usize)> = None;
        while let Some(line) = line_at(raw, at) {
            let text = line.trim_ascii_end();
            let empty = line == b"\n" || line == b"\r\n";
            let continues = matches!(line.first(), Some(b' ' | b'\t'));
            if !continues || empty {
                letter.close(raw, open.take(), at);
            }
            if empty {
                letter.body = raw.get(at + line.len()..).unwrap_or_default();
                return letter;
            }
            if !continues {
                match memchr::memchr(b':', line).filter(|colon| is_name(line.get(..*colon).unwrap_or_default())) {
                    Some(colon) => open = Some((at, at + colon)),
                    // A line of mbox or of a spool file before the first field is none of the sender's.
                    None if at == 0 && text.starts_with(b"From ") => {}
                    None => letter.stray_lines = true,
                }
            } else if open.is_none() {
                letter.stray_lines = true;
            }
            at += line.len();
        }
        letter.close(raw, open, at);
        letter
    }

    fn close(&mut self, raw: &'m [u8], open: Option<(usize, usize)>, end: usize) {
        let Some((start, colon)) = open else { return };
        if self.fields.len() >= limits::FIELDS {
            self.stray_lines = true;
            return;
        }
        let (Some(name), Some(value), Some(whole)) = (raw.get(start..colon), raw.get(colon + 1..end), raw.get(start..end)) else { return };
        self.fields.push(HeaderField { name: name.trim_ascii_end(), value, whole });
    }

    pub fn named<'s>(&'s self, name: &'s str) -> impl DoubleEndedIterator<Item = &'s HeaderField<'m>> {
        self.fields.iter().filter(move |field| field.is(name))
    }
}

/// RFC 5322 §3.6.8: printable ASCII without the colon; white space before the colon is obsolete, not wrong.
fn is_name(name: &[u8]) -> bool {
    let name = name.trim_ascii_end();
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

fn line_at(raw: &[u8], at: usize) -> Option<&[u8]> {
    let rest = raw.get(at..).filter(|rest| !rest.is_empty())?;
    let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |newline| newline + 1);
    rest.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_octets() {
        let letter = Letter::parse(b"From : a@b.example\r\nSubject: x\n y\r\n\r\nbody\r\n");
        assert_eq!(letter.fields.len(), 2);
        assert_eq!(letter.fields[0].name, b"From");
        assert_eq!(letter.fields[0].whole, b"From : a@b.example\r\n");
        assert_eq!(letter.fields[1].value, b" x\n y\r\n");
        assert_eq!(letter.body, b"body\r\n");
        assert!(!letter.stray_lines);
    }

    #[test]
    fn a_line_that_is_no_field_is_told() {
        assert!(Letter::parse(b"From: a\nodd line\nTo: b\n\n").stray_lines);
        assert!(!Letter::parse(b"From x Mon\nFrom: a\n\n").stray_lines);
        assert!(Letter::parse(b" folded\nFrom: a\n\n").stray_lines);
        assert_eq!(Letter::parse(b"").fields.len(), 0);
        assert_eq!(Letter::parse(b"\nFrom: a\n").fields.len(), 0);
    }
}
