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
/// Columns of the tab that begins a further line.
const TAB: usize = 8;
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
    let expires = (form.lifetime > 0).then(|| now.saturating_add(form.lifetime));
    let frame = Frame { field: "DKIM-Signature", first: "v=1".to_owned(), domain, now, expires };
    signature(letter, entry, &frame, &names(letter, form), form.canonicalization)
}

/// What a field that signs a message says before the fields it signs.
pub(super) struct Frame<'a> {
    pub field: &'a str,
    /// The tag that comes first: `v=` or `i=`.
    pub first: String,
    pub domain: &'a str,
    /// `t=`, seconds since 1970.
    pub now: u64,
    /// `x=`.
    pub expires: Option<u64>,
}

/// The value of a field that signs this message.
pub(super) fn signature(
    letter: &Letter<'_>,
    entry: &Entry,
    frame: &Frame<'_>,
    names: &[String],
    form: Canonicalization,
) -> Result<String, String> {
    let algorithm = entry.key.algorithm();
    let mut tags = vec![
        frame.first.clone(),
        format!("a={}", algorithm.word()),
        format!("c={}/{}", form.header.word(), form.body.word()),
        format!("d={}", frame.domain),
        format!("s={}", entry.selector),
        format!("t={}", frame.now),
    ];
    tags.extend(frame.expires.map(|at| format!("x={at}")));
    let mut folded = Folded::after(frame.field);
    for tag in tags {
        folded.put(&format!("{tag};"), " ");
    }
    for (index, name) in names.iter().enumerate() {
        let (before, after) = (if index == 0 { "h=" } else { "" }, if index + 1 == names.len() { ";" } else { ":" });
        folded.put(&format!("{before}{name}{after}"), if index == 0 { " " } else { "" });
    }
    folded.put(&format!("bh={};", Bodies::new(letter.body).text(form.body, algorithm)), " ");
    folded.put("b=", " ");

    let whole = folded.whole(frame.field);
    let own = HeaderField { name: frame.field.as_bytes(), value: folded.value.as_bytes(), whole: &whole };
    let lower: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    let hashed = header_hash_input(letter, &lower, form.header, &own);
    Ok(folded.with_signature(&entry.key.sign(&hashed)?))
}

/// A value that is folded as it grows.
pub(super) struct Folded {
    pub value: String,
    column: usize,
}

impl Folded {
    pub fn after(field: &str) -> Folded {
        Folded { value: String::new(), column: field.len() + 2 }
    }

    /// Appends a piece, on a new line where it does not fit.
    pub fn put(&mut self, piece: &str, space: &str) {
        let fits = self.column + space.len() + piece.len() <= LINE;
        let before = if self.value.is_empty() {
            ""
        } else if fits {
            space
        } else {
            self.column = TAB;
            "\r\n\t"
        };
        self.value.push_str(before);
        self.value.push_str(piece);
        self.column += piece.len() + if fits { before.len() } else { 0 };
    }

    /// The field as it stands in the message.
    pub fn whole(&self, field: &str) -> Vec<u8> {
        format!("{field}: {}\r\n", self.value).into_bytes()
    }

    pub fn with_signature(mut self, signature: &[u8]) -> String {
        let text = base64::encode(signature);
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let room = LINE.saturating_sub(self.column).max(1).min(rest.len());
            let (piece, left) = rest.split_at(room);
            self.value.push_str(piece);
            self.column += piece.len();
            rest = left;
            if !rest.is_empty() {
                self.value.push_str("\r\n\t");
                self.column = TAB;
            }
        }
        self.value
    }
}

/// The names to sign, each as often as it stands there.
pub(super) fn names(letter: &Letter<'_>, form: &Form) -> Vec<String> {
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
