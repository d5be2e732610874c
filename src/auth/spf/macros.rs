//! Macro strings (RFC 7208 §7): parsed once and strictly, expanded into at most 253 octets of a name.

/// A letter of `%{…}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letter {
    Sender,
    LocalPart,
    SenderDomain,
    Domain,
    Ip,
    Ptr,
    Version,
    Helo,
    ReadableIp,
    Receiver,
    Time,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Literal(String),
    Macro { letter: Letter, escape: bool, keep: Option<usize>, reverse: bool, delimiters: String },
}

#[derive(Clone, Debug, PartialEq)]
pub struct MacroString {
    pieces: Vec<Piece>,
}

/// What the letters stand for; `Ptr` is looked up only where it is used.
pub trait Meanings {
    fn of(&self, letter: Letter) -> String;
}

/// Octets that one expansion may grow to before it is cut; hostile records multiply long local parts.
const LARGEST: usize = 4096;

impl MacroString {
    /// `domain-spec`: a macro string that ends in a top label or a macro.
    pub fn parse_domain(text: &str) -> Result<MacroString, String> {
        let parsed = MacroString::parse(text)?;
        match parsed.pieces.last() {
            Some(Piece::Macro { .. }) => {}
            Some(Piece::Literal(end)) if ends_in_top_label(end) => {}
            Some(Piece::Literal(_)) | None => return Err("does not end in a top-level domain".to_owned()),
        }
        if parsed.has(|letter| matches!(letter, Letter::ReadableIp | Letter::Receiver | Letter::Time)) {
            // §7.2: "c", "r" and "t" are for explanations only.
            return Err("%{c}, %{r} and %{t} are allowed in explanations only".to_owned());
        }
        Ok(parsed)
    }

    pub fn parse(text: &str) -> Result<MacroString, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            literal.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let (taken, length) = match after.as_bytes().first() {
                Some(b'%') => ("%", 1),
                Some(b'_') => (" ", 1),
                Some(b'-') => ("%20", 1),
                Some(b'{') => {
                    let end = after.find('}').ok_or("\"%{\" without \"}\"")?;
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(expand(&after[1..end])?);
                    ("", end + 1)
                }
                Some(_) | None => return Err("\"%\" that begins no macro".to_owned()),
            };
            literal.push_str(taken);
            rest = &after[length..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(MacroString { pieces })
    }

    /// The text where it holds no macro.
    pub fn literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    pub fn has(&self, wanted: impl Fn(Letter) -> bool) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Macro { letter, .. } if wanted(*letter)))
    }

    pub fn needs_ptr(&self) -> bool {
        self.has(|letter| letter == Letter::Ptr)
    }

    pub fn expand(&self, meanings: &impl Meanings) -> String {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Macro { letter, escape, keep, reverse, delimiters } => {
                    let value = transform(&meanings.of(*letter), *keep, *reverse, delimiters);
                    out.push_str(&if *escape { escaped(&value) } else { value });
                }
            }
            if out.len() > LARGEST {
                break;
            }
        }
        out
    }

    /// §7.3: a name longer than 253 octets loses labels on the left until it fits.
    pub fn expand_domain(&self, meanings: &impl Meanings) -> String {
        let whole = self.expand(meanings);
        let mut name = whole.strip_suffix('.').unwrap_or(&whole);
        while name.len() > crate::dns::name::LONGEST_NAME {
            let Some((_, shorter)) = name.split_once('.') else { break };
            name = shorter;
        }
        name.to_owned()
    }
}

/// What stands between `%{` and `}`.
fn expand(inside: &str) -> Result<Piece, String> {
    let mut chars = inside.chars();
    let first = chars.next().ok_or("empty macro")?;
    let letter = match first.to_ascii_lowercase() {
        's' => Letter::Sender,
        'l' => Letter::LocalPart,
        'o' => Letter::SenderDomain,
        'd' => Letter::Domain,
        'i' => Letter::Ip,
        'p' => Letter::Ptr,
        'v' => Letter::Version,
        'h' => Letter::Helo,
        'c' => Letter::ReadableIp,
        'r' => Letter::Receiver,
        't' => Letter::Time,
        _ => return Err(format!("unknown macro letter \"{first}\"")),
    };
    let rest = chars.as_str();
    let digits_end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at(digits_end);
    let keep = match digits {
        "" => None,
        // §7.1: "The DIGIT transformer … MUST be nonzero". A huge number keeps everything.
        _ => Some(digits.parse::<usize>().unwrap_or(usize::MAX)).filter(|n| *n > 0).map(Some).ok_or("zero labels kept")?,
    };
    let (reverse, rest) = match rest.strip_prefix(['r', 'R']) {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    if !rest.chars().all(|c| ".-+,/_=".contains(c)) {
        return Err("unknown macro transformer or delimiter".to_owned());
    }
    let delimiters = if rest.is_empty() { "." } else { rest }.to_owned();
    Ok(Piece::Macro { letter, escape: first.is_ascii_uppercase(), keep, reverse, delimiters })
}

fn transform(value: &str, keep: Option<usize>, reverse: bool, delimiters: &str) -> String {
    if keep.is_none() && !reverse && delimiters == "." {
        return value.to_owned();
    }
    let mut parts: Vec<&str> = value.split(|c| delimiters.contains(c)).collect();
    if reverse {
        parts.reverse();
    }
    let skip = parts.len().saturating_sub(keep.unwrap_or(usize::MAX));
    parts.get(skip..).unwrap_or_default().join(".")
}

/// §7.3: all but the unreserved characters of RFC 3986 §2.3.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for octet in value.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            out.push_str(&format!("%{octet:02X}"));
        }
    }
    out
}

/// `domain-end = "." toplabel ["."]`, where a top label is not all digits.
fn ends_in_top_label(literal: &str) -> bool {
    let literal = literal.strip_suffix('.').unwrap_or(literal);
    let Some((_, top)) = literal.rsplit_once('.') else { return false };
    let ldh = top.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let edges = !top.starts_with('-') && !top.ends_with('-');
    !top.is_empty() && ldh && edges && !top.bytes().all(|b| b.is_ascii_digit())
}
