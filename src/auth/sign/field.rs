//! The DKIM-Signature field.

use super::table::Entry;
use crate::auth::base64;
use crate::auth::canon::Canonicalization;
use crate::auth::dkim::verify::{Bodies, header_hash_input};
use crate::auth::letter::{HeaderField, Letter};

/// RFC 6376 §5.4.1, and what a reader shows or acts on. Each is signed as often as it stands there.
const SIGNED: &[&str] = &[
    "From",
    "Sender",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "To",
    "Cc",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-ID",
    "Content-Description",
    "In-Reply-To",
    "References",
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
];

/// Octets of a line of the field.
const LINE: usize = 76;
/// Fields of one name that are listed; a message with more of them is no mail of ours.
const MOST_OF_A_NAME: usize = 20;

/// How signatures look.
#[derive(Clone, Debug)]
pub struct Form {
    pub canonicalization: Canonicalization,
    /// Names signed once more than they stand there.
    pub oversign: Vec<String>,
    /// Further names to sign.
    pub also: Vec<String>,
    /// Seconds from `t=` to `x=`; 0: no `x=`.
    pub lifetime: u64,
}

impl Default for Form {
    fn default() -> Self {
        Form { canonicalization: Canonicalization::RELAXED, oversign: vec!["From".to_owned()], also: Vec::new(), lifetime: 0 }
    }
}

/// The value of the field, folded with CRLF; `l=` is never used.
///
/// # Errors
/// The key failed to sign.
pub fn sign(letter: &Letter<'_>, entry: &Entry, domain: &str, form: &Form, now: u64) -> Result<String, String> {
    let algorithm = entry.key.algorithm();
    let names = names(letter, form);
    let mut tags = vec![
        "v=1".to_owned(),
        format!("a={}", algorithm.word()),
        format!("c={}/{}", form.canonicalization.header.word(), form.canonicalization.body.word()),
        format!("d={domain}"),
        format!("s={}", entry.selector),
        format!("t={now}"),
    ];
    if form.lifetime > 0 {
        tags.push(format!("x={}", now.saturating_add(form.lifetime)));
    }
    let mut value = String::new();
    let mut column = "DKIM-Signature: ".len();
    for tag in tags {
        put(&mut value, &mut column, &format!("{tag};"), " ");
    }
    for (index, name) in names.iter().enumerate() {
        let (before, after) = (if index == 0 { "h=" } else { "" }, if index + 1 == names.len() { ";" } else { ":" });
        put(&mut value, &mut column, &format!("{before}{name}{after}"), if index == 0 { " " } else { "" });
    }
    let body = Bodies::new(letter.body).text(form.canonicalization.body, algorithm);
    put(&mut value, &mut column, &format!("bh={body};"), " ");
    put(&mut value, &mut column, "b=", " ");

    let whole = format!("DKIM-Signature: {value}\r\n");
    let own = HeaderField { name: b"DKIM-Signature", value: value.as_bytes(), whole: whole.as_bytes() };
    let lower: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    let hashed = header_hash_input(letter, &lower, form.canonicalization.header, &own);
    let signature = base64::encode(&entry.key.sign(&hashed)?);
    let mut rest = signature.as_str();
    while !rest.is_empty() {
        let room = LINE.saturating_sub(column).max(1).min(rest.len());
        let (piece, left) = rest.split_at(room);
        value.push_str(piece);
        column += piece.len();
        rest = left;
        if !rest.is_empty() {
            value.push_str("\r\n\t");
            column = 8;
        }
    }
    Ok(value)
}

/// Appends a piece, on a new line where it does not fit.
fn put(value: &mut String, column: &mut usize, piece: &str, space: &str) {
    if value.is_empty() {
        value.push_str(piece);
        *column += piece.len();
    } else if *column + space.len() + piece.len() > LINE {
        value.push_str("\r\n\t");
        value.push_str(piece);
        *column = 8 + piece.len();
    } else {
        value.push_str(space);
        value.push_str(piece);
        *column += space.len() + piece.len();
    }
}

fn names(letter: &Letter<'_>, form: &Form) -> Vec<String> {
    let mut names = Vec::new();
    let wanted = SIGNED.iter().copied().chain(form.also.iter().map(String::as_str));
    let mut done: Vec<String> = Vec::new();
    for name in wanted.chain(form.oversign.iter().map(String::as_str)) {
        let lower = name.to_ascii_lowercase();
        if done.contains(&lower) {
            continue;
        }
        let over = form.oversign.iter().any(|other| other.eq_ignore_ascii_case(name));
        let count = letter.named(name).take(MOST_OF_A_NAME).count() + usize::from(over);
        names.extend(std::iter::repeat_n(name.to_owned(), count));
        done.push(lower);
    }
    names
}
