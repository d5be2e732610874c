//! A message as signatures see it: fields with their exact octets, and the body.

use crate::mail::fields;

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
    /// A line of the section is no field and no continuation, or no empty line ends it: readers differ on what is header.
    pub stray_lines: bool,
}

impl<'m> Letter<'m> {
    /// By the one field splitter (`mail::fields`), and with what it tolerated.
    pub fn parse(raw: &'m [u8]) -> Letter<'m> {
        let section = fields::split(raw);
        let at = |range: std::ops::Range<usize>| raw.get(range).unwrap_or_default();
        let fields =
            section.fields.iter().map(|field| HeaderField { name: field.name(raw), value: field.value(raw), whole: at(field.whole()) });
        let body = raw.get(section.body..).unwrap_or_default();
        let begins_folded = matches!(raw.get(section.start), Some(b' ' | b'\t'));
        let cut = section.too_many_fields || section.too_large;
        let stray_lines = section.bad_lines > 0 || begins_folded || cut || section.missing_separator && !body.is_empty();
        Letter { fields: fields.collect(), body, stray_lines }
    }

    pub fn named<'s>(&'s self, name: &'s str) -> impl DoubleEndedIterator<Item = &'s HeaderField<'m>> {
        self.fields.iter().filter(move |field| field.is(name))
    }
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
