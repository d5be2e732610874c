//! Header values as rules ask for them: `From:addr`, `Subject:raw`, `ALL`, `ToCc`, `X-Spam-Relays-Untrusted`.

/// A header name with modifiers, parsed once at load.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderQuery {
    /// As written; pseudo names keep their case.
    pub name: String,
    pub raw: bool,
    pub addr: bool,
    pub display_name: bool,
    pub first: bool,
    pub last: bool,
    pub host: bool,
    pub domain: bool,
    pub ip: bool,
    pub revip: bool,
}

impl HeaderQuery {
    /// `Name[:mod[:mod]]`; the error tells which modifier is unknown.
    pub fn parse(_text: &str) -> Result<HeaderQuery, String> {
        todo!()
    }
}
