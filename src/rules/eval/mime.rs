//! MIMEEval: what the parts of a message are, how they are encoded, and what their octets look like.

use super::header::CAPS_CHARSETS;
use super::locales;
use super::perl::{argument, contains, count, is_space, lines, lossy, number, pattern};
use super::{Accepts, Answered, Context, Row, local};
use crate::mail::Defect;
use crate::mail::Part;
use crate::mail::content_type::ContentType;

pub(super) static ROWS: &[Row] = &[
    body("check_for_mime", check_for_mime),
    body("check_for_mime_html", |c, _| (is_html(c) || counts(c).html > 0).into()),
    body("check_for_mime_html_only", |c, _| (is_html(c) || (counts(c).html > 0 && counts(c).text == 0)).into()),
    body("check_mime_multipart_ratio", check_mime_multipart_ratio),
    local("check_msg_parse_flags", "MIMEEval", Accepts::Any, |c, a| {
        a.first().is_some_and(|flag| c.reading.mail.has_parse_flag(flag)).into()
    }),
    body("check_for_ascii_text_illegal", |c, _| (counts(c).ascii_illegal > 0).into()),
    body("check_abundant_unicode_ratio", check_abundant_unicode_ratio),
    body("check_for_faraway_charset", check_for_faraway_charset),
    body("check_for_uppercase", check_for_uppercase),
    body("check_ma_non_text", check_ma_non_text),
    body("check_base64_length", check_base64_length),
    body("check_qp_ratio", |c, a| a.first().is_some_and(|least| counts(c).qp_ratio >= number(least)).into()),
];

const fn body(name: &'static str, run: super::Function) -> Row {
    local(name, "MIMEEval", Accepts::Body, run)
}

/// Counted once over all parts, containers and the message itself included.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counts {
    html: u32,
    text: u32,
    base64: u32,
    quoted: u32,
    attachments: u32,
    base64_text: bool,
    bad_iso_charset: bool,
    faraway_charset: bool,
    alternative: bool,
    charsets: Vec<String>,
    qp_long_line: bool,
    qp_octets: usize,
    qp_encoded: i64,
    qp_ratio: f64,
    ascii_illegal: u32,
    unicode_ratio: f64,
    multipart_ratio: f64,
}

/// Octets of plain and of marked-up text, and marks of Unicode in them.
#[derive(Default)]
struct Sums {
    normal: usize,
    unicode: usize,
    /// Type and size of each leaf in order; no size for attachments.
    leaves: Vec<(String, Option<usize>)>,
}

fn counts<'c>(context: &'c Context<'_, '_>) -> &'c Counts {
    context.memo.mime.get_or_init(|| {
        let mut counts = Counts { multipart_ratio: 1.0, ..Counts::default() };
        let mut sums = Sums::default();
        for part in context.reading.mail.parts().iter().filter(|part| !part.content_type.is_empty()) {
            // The field as written: a multipart without boundary is read as text, yet counts as what it says.
            let mut declared = ContentType::parse(part.value("content-type").as_deref());
            declared.charset = declared.charset.map(|charset| charset.to_ascii_lowercase());
            counts.alternative |= declared.kind == "multipart/alternative";
            let disposition = part.disposition.to_ascii_lowercase();
            count_fields(&mut counts, part, &declared, &disposition, context.options.text("ok_locales", "all"));
            if part.is_leaf() {
                count_octets(&mut counts, &mut sums, part, &declared, &disposition);
            }
        }
        conclude(&mut counts, &sums);
        counts
    })
}

fn count_fields(counts: &mut Counts, part: &Part, declared: &ContentType, disposition: &str, ok_locales: &str) {
    let is_text = declared.kind.starts_with("text");
    if declared.kind == "text/html" {
        counts.html += 1;
    } else if is_text {
        counts.text += 1;
    }
    let encoding = part.encoding.as_str();
    if encoding.contains("base64") {
        counts.base64 += 1;
    } else if encoding.contains("quoted-printable") {
        counts.quoted += 1;
    }
    counts.attachments += u32::from(disposition.contains("attachment"));
    let charset = declared.charset.clone().unwrap_or_default();
    if is_text && encoding.contains("base64") && !disposition.starts_with("attachment") && !disposition.starts_with("inline") {
        let ascii = || {
            pattern!(r"us-ascii|ansi_x3\.4-1968|iso-ir-6|ansi_x3\.4-1986|iso_646\.irv:1991|ascii|iso646-us|us|ibm367|cp367|csascii")
                .is_match(charset.as_bytes())
        };
        counts.base64_text |= charset.is_empty() || charset == "0" || ascii();
    }
    counts.bad_iso_charset |= pattern!(r"(?i)iso-\S+-\S+\b").is_match(charset.as_bytes())
        && !pattern!(r"iso-(?:8859-\d{1,2}|2022-(?:jp|kr))\b").is_match(charset.as_bytes());
    if charset.bytes().any(|octet| octet.is_ascii_alphabetic()) {
        counts.faraway_charset |= !locales::all(ok_locales) && !locales::accept(&charset, ok_locales);
        counts.charsets.push(charset);
    }
}

fn count_octets(counts: &mut Counts, sums: &mut Sums, part: &Part, declared: &ContentType, disposition: &str) {
    let attached = disposition.contains("attachment");
    let kind = declared.kind.as_str();
    let is_plain = kind == "text/plain";
    let raw = part.raw();
    let sized = counts.alternative && !attached && (is_plain || kind == "text/html");
    sums.leaves.push((kind.to_owned(), (!attached).then_some(if sized { raw.len() } else { 0 })));
    // RFC 2045 §5.2: plain text is US-ASCII unless it says otherwise.
    let is_ascii = is_plain && declared.charset.as_deref().is_none_or(|charset| charset == "us-ascii");
    let is_bare = is_plain && matches!(part.encoding.as_str(), "" | "7bit" | "8bit");
    let is_quoted = part.encoding == "quoted-printable";
    if is_ascii && (!raw.is_ascii() || memchr::memchr2(0, b'\r', raw).is_some()) {
        let illegal = lines(raw).filter(|line| line.iter().any(|octet| matches!(octet, 0 | b'\r' | 0x80..))).count();
        counts.ascii_illegal += u32::try_from(illegal).unwrap_or(u32::MAX);
    }
    if is_bare {
        // Each mark is "&#x" with four digits and a semicolon.
        let marks = memchr::memmem::find_iter(raw, b"&#x").filter(|at| is_mark(&raw[*at..])).count();
        sums.unicode += marks;
        sums.normal += raw.len() - marks * 8;
    }
    if is_quoted {
        for line in lines(raw).filter(|line| !line.starts_with(b"SPAM: ")) {
            // RFC 5322 §2.1.1: 78 characters without the line end.
            counts.qp_long_line |= line.len() > 79;
            counts.qp_octets += line.len();
            counts.qp_encoded += needless(line);
        }
    }
}

fn is_mark(text: &[u8]) -> bool {
    text.get(7) == Some(&b';')
        && text.get(3..7).is_some_and(|digits| digits.iter().all(|o| o.is_ascii_digit() || (b'A'..=b'F').contains(o)))
}

/// Characters encoded that need not be (`=09`, `=20` to `=7E` but for `=3D`); blanks before the line end are excused.
fn needless(line: &[u8]) -> i64 {
    let needless = |at: usize| match line.get(at + 1..at + 3) {
        Some(b"09") => true,
        Some([b'3', digit]) => matches!(digit, b'0'..=b'9' | b'A' | b'B' | b'C' | b'E' | b'F'),
        Some([b'2' | b'4'..=b'6', digit]) => matches!(digit, b'0'..=b'9' | b'A'..=b'F'),
        Some([b'7', digit]) => matches!(digit, b'0'..=b'9' | b'A'..=b'E'),
        _ => false,
    };
    let count = memchr::memchr_iter(b'=', line).filter(|at| needless(*at)).count();
    if count == 0 {
        return 0;
    }
    let mut rest = super::perl::trim(line);
    let mut trailing = 0;
    while let Some(before) = rest.strip_suffix(b"=20").or_else(|| rest.strip_suffix(b"=09")) {
        (rest, trailing) = (before, trailing + 1);
    }
    i64::try_from(count).unwrap_or(0) - trailing
}

#[expect(clippy::cast_precision_loss, reason = "sizes of messages fit a double")]
fn conclude(counts: &mut Counts, sums: &Sums) {
    if counts.qp_octets > 0 {
        counts.qp_ratio = counts.qp_encoded as f64 / counts.qp_octets as f64;
    }
    if sums.normal > 0 {
        counts.unicode_ratio = sums.unicode as f64 / sums.normal as f64;
    }
    if counts.alternative {
        let last = |kind: &str| sums.leaves.iter().rev().filter(|(k, _)| k == kind).find_map(|(_, size)| *size);
        if let (Some(text), Some(html)) = (last("text/plain"), last("text/html"))
            && html > 0
        {
            counts.multipart_ratio = text as f64 / html as f64;
        }
    }
}

fn is_html(context: &Context<'_, '_>) -> bool {
    super::header::starts_ignoring_case(context.header("Content-Type").text(), b"text/html")
}

fn check_for_mime(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let counts = counts(context);
    match arguments.first().map_or("", String::as_str) {
        "mime_base64_count" => counts.base64 > 0,
        "mime_base64_encoded_text" => counts.base64_text,
        "mime_body_html_count" => counts.html > 0,
        "mime_body_text_count" => counts.text > 0,
        "mime_attachment" => counts.attachments > 0,
        "mime_bad_iso_charset" => counts.bad_iso_charset,
        "mime_faraway_charset" => counts.faraway_charset,
        "mime_missing_boundary" => context.reading.mail.defects().contains(&Defect::UnclosedMultipart),
        "mime_multipart_alternative" => counts.alternative,
        "mime_multipart_ratio" => counts.multipart_ratio != 0.0,
        // The number of parts gives way to that of characters as soon as a part has a body.
        "mime_qp_count" if counts.qp_octets > 0 => counts.qp_encoded != 0,
        "mime_qp_count" => counts.quoted > 0,
        "mime_qp_bytes" => counts.qp_octets > 0,
        "mime_qp_long_line" => counts.qp_long_line,
        "mime_qp_ratio" => counts.qp_ratio != 0.0,
        "mime_ascii_text_illegal" => counts.ascii_illegal > 0,
        "mime_text_unicode_ratio" => counts.unicode_ratio != 0.0,
        "mime_html_charsets" => !counts.charsets.is_empty(),
        "mime_checked_attachments" => true,
        _ => false,
    }
    .into()
}

fn check_mime_multipart_ratio(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let ratio = counts(context).multipart_ratio;
    (ratio >= argument(arguments, 0).unwrap_or(0.0) && ratio < argument(arguments, 1).unwrap_or(0.0)).into()
}

fn check_abundant_unicode_ratio(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let Some(least) = arguments.first().filter(|text| pattern!(r"^\d{0,3}\.\d{1,3}$").is_match(text.as_bytes())) else {
        return Answered::Miss;
    };
    (counts(context).unicode_ratio >= number(least)).into()
}

/// The charset of the message's own Content-Type, as written.
fn declared_charset(context: &Context<'_, '_>) -> Option<String> {
    let value = context.header("Content-Type");
    [pattern!(r#"(?i)charset="([^"]+)""#), pattern!(r"(?i)charset='([^']+)'"), pattern!(r"(?i)charset=(\S+)")]
        .iter()
        .find_map(|form| form.captures(value.text()))
        .and_then(|found| found.get(1))
        .map(|group| lossy(group.as_bytes()))
}

fn check_for_faraway_charset(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let locales = context.options.text("ok_locales", "all");
    if locales::all(locales) || declared_charset(context).is_none_or(|charset| locales::accept(&charset, locales)) {
        return Answered::Miss;
    }
    // Charsets such as koi8-r hold ASCII too, so most octets must be beyond it. Pieces are joined by line feeds.
    let pieces = context.text();
    let high: usize = pieces.iter().map(|piece| piece.iter().filter(|octet| !octet.is_ascii()).count()).sum();
    let all: usize = pieces.iter().map(|piece| piece.len() + 1).sum::<usize>().saturating_sub(1);
    (all - high <= high && high > 3).into()
}

/// The share of capitals among letters and digits of the text, in percent; 0 where there is little text or the charset
/// looks like shouting.
fn uppercase(context: &Context<'_, '_>) -> f64 {
    *context.memo.uppercase.get_or_init(|| {
        let charset = declared_charset(context);
        let shouting = |charset: &str| pattern!(&format!(r"(?i)^{CAPS_CHARSETS}\n?$")).is_match(charset.as_bytes());
        if charset.as_deref().is_some_and(shouting)
            || counts(context).charsets.iter().flat_map(|c| c.split_ascii_whitespace()).any(shouting)
        {
            return 0.0;
        }
        let (mut length, mut lower, mut upper) = (0, 0, 0);
        for line in context.text() {
            if !has_inner_space(line) || pattern!(r"^(?:[A-Za-z0-9+/=]{60,76} ){2}").is_match(line) {
                continue;
            }
            let stripped = if line.contains(&b'\x1b') && contains(line, b"\x1b$B") {
                pattern!(r"(?s)\x1b\$B.*\x1b\(B").replace_all(line, &b""[..])
            } else {
                line.into()
            };
            length += stripped.len();
            lower += count(&stripped, |octet| octet.is_ascii_lowercase() | octet.is_ascii_digit());
            upper += count(&stripped, |octet| octet.is_ascii_uppercase());
        }
        #[expect(clippy::cast_precision_loss, reason = "sizes of messages fit a double")]
        let share = upper as f64 / (upper + lower).max(1) as f64 * 100.0;
        if length < 200 { 0.0 } else { share }
    })
}

/// White space stands between two other octets.
fn has_inner_space(line: &[u8]) -> bool {
    super::perl::trim(line).iter().any(|octet| is_space(*octet))
}

fn check_for_uppercase(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let share = uppercase(context);
    (share > argument(arguments, 0).unwrap_or(0.0) && share <= argument(arguments, 1).unwrap_or(0.0)).into()
}

fn check_ma_non_text(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let parts = context.reading.mail.parts();
    let odd = |part: &Part| {
        let kind = part.content_type.as_str();
        part.is_leaf() && !kind.is_empty() && !matches!(kind, "multipart/related" | "application/rtf") && !kind.starts_with("text/")
    };
    parts
        .iter()
        .filter(|part| part.content_type == "multipart/alternative")
        .any(|part| part.children.iter().filter_map(|child| parts.get(*child)).any(odd) || odd(part))
        .into()
}

/// The longest line of base64 parts.
fn check_base64_length(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let longest = *context.memo.base64_line.get_or_init(|| {
        let parts = context.reading.mail.parts().iter();
        let encoded = parts.filter(|part| part.is_leaf() && part.content_type != "application/ics" && part.encoding == "base64");
        encoded.flat_map(|part| lines(part.raw()).map(<[u8]>::len)).max().unwrap_or(0)
    });
    #[expect(clippy::cast_precision_loss, reason = "sizes of messages fit a double")]
    let longest = longest as f64;
    (argument(arguments, 1).is_none_or(|most| longest <= most) && longest >= argument(arguments, 0).unwrap_or(0.0)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_at_the_end_of_a_line_may_be_encoded() {
        for (line, count) in [(&b"=41=42 x\n"[..], 2), (b"a=20=20\n", 0), (b"=20a=20\n", 1), (b"=3D=C3=A4\n", 0), (b"=7F", 0)] {
            assert_eq!(needless(line), count, "{}", lossy(line));
        }
    }
}
