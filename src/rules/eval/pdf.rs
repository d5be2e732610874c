//! PDFInfo: attached PDF files by name, size of their images, properties and digests.

use super::perl::{argument, contains, lossy, number, pattern};
use super::{Accepts, Answered, Context, Row, local};
use crate::mail::Part;
use crate::pattern::{Found, Pattern};
use md5::{Digest, Md5};
use std::collections::{BTreeMap, BTreeSet};

pub(super) static ROWS: &[Row] = &[
    body("pdf_count", |c, a| within(Some(f64::from(pdfs(c).count)), a)),
    body("pdf_image_count", |c, a| within(Some(f64::from(pdfs(c).images)), a)),
    body("pdf_pixel_coverage", |c, a| within(pdfs(c).area, a)),
    body("pdf_image_size_exact", pdf_image_size_exact),
    body("pdf_image_size_range", pdf_image_size_range),
    body("pdf_named", |c, a| a.first().is_some_and(|name| pdfs(c).names.contains(name)).into()),
    body("pdf_name_regex", |c, a| a.first().is_some_and(|text| matches_some(text, &pdfs(c).names)).into()),
    body("pdf_image_to_text_ratio", pdf_image_to_text_ratio),
    body("pdf_match_md5", |c, a| a.first().is_some_and(|digest| pdfs(c).digests.contains(&digest.to_ascii_uppercase())).into()),
    body("pdf_match_fuzzy_md5", |c, a| a.first().is_some_and(|digest| pdfs(c).fuzzy.contains(&digest.to_ascii_uppercase())).into()),
    body("pdf_match_details", pdf_match_details),
    body("pdf_is_encrypted", |c, _| pdfs(c).encrypted.into()),
    body("pdf_is_empty_body", pdf_is_empty_body),
];

const fn body(name: &'static str, run: super::Function) -> Row {
    local(name, "PDFInfo", Accepts::Body, run)
}

/// What all PDF files of a message say together.
#[derive(Clone, Debug, Default)]
pub(super) struct Pdfs {
    count: u32,
    images: u32,
    names: BTreeSet<String>,
    /// Pixels of all images of the last file that has any.
    area: Option<f64>,
    /// Height and width.
    sizes: BTreeSet<(u64, u64)>,
    encrypted: bool,
    /// `author`, `creator`, `created`, `modified`, `producer`, `title`.
    details: BTreeMap<&'static str, BTreeSet<String>>,
    /// Upper-case MD5 of whole files; of their first lines and of their keys.
    digests: BTreeSet<String>,
    fuzzy: BTreeSet<String>,
}

fn pdfs<'c>(context: &'c Context<'_, '_>) -> &'c Pdfs {
    context.memo.pdfs.get_or_init(|| {
        let mut found = Pdfs::default();
        for part in context.reading.mail.parts().iter().filter(|part| part.is_leaf()) {
            let kind = part.content_type.as_str();
            if !matches!(kind, "image/pdf" | "application/pdf" | "image/octet-stream" | "application/octet-stream") {
                continue;
            }
            let name = part.name.to_ascii_lowercase();
            // fdf: a file that pretends to be a PDF.
            if kind.ends_with("/pdf") || name.ends_with(".pdf") || name.ends_with(".fdf") {
                read(&mut found, part);
                found.count += 1;
            }
        }
        for (tag, count) in [("PDFCOUNT", found.count), ("PDFIMGCOUNT", found.images)] {
            context.set_tag(tag, count.to_string());
        }
        found
    })
}

/// Totals of one file.
#[derive(Default)]
struct File {
    height: u64,
    width: u64,
    area: f64,
    lines: usize,
    /// First lines, until a stream or an image.
    first: Vec<u8>,
    first_done: bool,
    keys: Vec<u8>,
    awaits_image: bool,
}

fn read(found: &mut Pdfs, part: &Part) {
    let data = part.decoded();
    let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    if !pattern!(r"(?s)^.{0,1024}%PDF-\d\.\d").is_match(data) {
        return;
    }
    if !part.name.is_empty() {
        found.names.insert(part.name.clone());
    }
    let mut file = File::default();
    for line in data.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
        file.keep_first(line);
        file.awaits_image |= contains(line, b"/Image");
        found.encrypted |= line.starts_with(b"/Encrypt");
        if file.awaits_image
            && let Some((height, width)) = image_size(line)
        {
            file.awaits_image = false;
            file.first_done = true;
            file.height = file.height.saturating_add(height);
            file.width = file.width.saturating_add(width);
            #[expect(clippy::cast_precision_loss, reason = "areas are compared roughly")]
            let area = height as f64 * width as f64;
            file.area += area;
            found.sizes.insert((height, width));
            found.images += 1;
        }
        if line.contains(&b'/') {
            file.read_keys(line, &mut found.details);
        }
    }
    if file.height > 0 && file.width > 0 {
        found.sizes.insert((file.height, file.width));
    }
    if file.area > 0.0 {
        found.area = Some(file.area);
    }
    found.digests.insert(digest(data));
    found.fuzzy.extend([&file.first, &file.keys].into_iter().filter(|text| !text.is_empty()).map(|text| digest(text)));
}

fn digest(data: &[u8]) -> String {
    Md5::digest(data).iter().map(|octet| format!("{octet:02X}")).collect()
}

/// Both sizes of an image in one line; a line with one of them alone does not count.
fn image_size(line: &[u8]) -> Option<(u64, u64)> {
    let matrix = pattern!(r"^(\d+)\s+\d+\s+\d+\s+(\d+)\s+\d+\s+\d+\s+cm$").captures(line);
    let pair = matrix.or_else(|| {
        let alone = pattern!(r"^/(?:Width|Height)\s\d").is_match(line);
        if alone { None } else { pattern!(r"/Width\s(\d+)/Height\s(\d+)").captures(line) }
    })?;
    let part = |at: usize| pair.get(at).and_then(|group| lossy(group.as_bytes()).parse::<u64>().ok());
    let (width, height) = (part(1)?, part(2)?);
    (width > 0 && height > 0).then_some((height, width))
}

impl File {
    fn keep_first(&mut self, line: &[u8]) {
        if self.first_done {
            return;
        }
        self.lines += 1;
        if self.lines >= 70 {
            return;
        }
        let varies = line.starts_with(b"%")
            || pattern!(r"^/(?:Height|Width|(?:Media|Crop)Box)").is_match(line)
            || pattern!(r"^\d+\s+\d+\s+\d+\s+\d+\s+\d+\s+\d+\s+cm$").is_match(line);
        if !varies {
            let end = line.iter().rposition(|octet| !super::perl::is_space(*octet)).map_or(0, |at| at + 1);
            self.first.extend_from_slice(&line[..end]);
        }
        self.first_done = contains(line, b"stream");
    }

    fn read_keys(&mut self, line: &[u8], details: &mut BTreeMap<&'static str, BTreeSet<String>>) {
        if let Some(key) = line.strip_prefix(b"/") {
            self.keys.extend(key.iter().take_while(|octet| octet.is_ascii_alphabetic()));
        }
        let texts = [
            ("author", &b"/Author"[..], pattern!(r"/Author\s{0,2}(\((?:.*?[^\\])??\)|<[^>]*>)")),
            ("creator", b"/Creator", pattern!(r"/Creator\s{0,2}(\((?:.*?[^\\])??\)|<[^>]*>)")),
            ("created", b"/CreationDate", pattern!(r"/CreationDate\s{0,2}\(D:(\d+)")),
            ("modified", b"/ModDate", pattern!(r"/ModDate\s{0,2}\(D:(\d+)")),
            ("producer", b"/Producer", pattern!(r"/Producer\s{0,2}(\((?:.*?[^\\])??\)|<[^>]*>)")),
            ("title", b"/Title", pattern!(r"/Title\s{0,2}(\((?:.*?[^\\])??\)|<[^>]*>)")),
        ];
        for (name, _, form) in texts.into_iter().filter(|(_, key, _)| contains(line, key)) {
            if let Some(value) = form.captures(line).and_then(|hit| hit.get(1)) {
                details.entry(name).or_default().insert(lossy(&string(value.as_bytes())));
            }
        }
    }
}

/// A string of a PDF: hexadecimal in `<>`, else with escapes; UTF-16 is told by its mark and loses its zeros. At most 256
/// octets.
fn string(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if text.starts_with(b"<") {
        let mut high = None;
        for octet in text {
            let digit = char::from(*octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            match (digit, high.take()) {
                (Some(low), Some(high)) => out.push(high << 4 | low),
                (digit, _) => high = digit,
            }
        }
        return without_zeros(out);
    }
    let text = text.strip_prefix(b"(").unwrap_or(text);
    let text = text.strip_suffix(b")").unwrap_or(text);
    let octal = pattern!(r"(^|[^\\])\\([0-3][0-7][0-7])");
    let mut rest = text;
    while let Some(found) = octal.captures(rest) {
        let (Some(whole), Some(digits)) = (found.get(0), found.get(2)) else { break };
        out.extend_from_slice(&rest[..digits.start() - 1]);
        out.push(digits.as_bytes().iter().fold(0, |sum, digit| sum << 3 | (digit - b'0')));
        rest = &rest[whole.end()..];
        // The octet before the next escape is one that was just written.
        while let Some(more) = pattern!(r"^\\([0-3][0-7][0-7])").captures(rest).and_then(|next| next.get(1)) {
            out.push(more.as_bytes().iter().fold(0, |sum, digit| sum << 3 | (digit - b'0')));
            rest = &rest[4..];
        }
    }
    out.extend_from_slice(rest);
    let mut plain = Vec::with_capacity(out.len());
    let mut octets = without_zeros(out).into_iter().peekable();
    while let Some(octet) = octets.next() {
        match octets.peek() {
            Some(next) if octet == b'\\' && matches!(next, b'(' | b')' | b'\\') => plain.extend(octets.next()),
            _ => plain.push(octet),
        }
    }
    plain.truncate(256);
    plain
}

fn without_zeros(mut text: Vec<u8>) -> Vec<u8> {
    if text.starts_with(b"\xfe\xff") || text.starts_with(b"\xff\xfe") {
        text.drain(..2);
        text.retain(|octet| *octet != 0);
    }
    text
}

fn within(value: Option<f64>, arguments: &[String]) -> Answered {
    let Some(least) = argument(arguments, 0) else { return Answered::Miss };
    value.is_some_and(|value| value >= least && argument(arguments, 1).is_none_or(|most| value <= most)).into()
}

fn matches_some(text: &str, values: &BTreeSet<String>) -> bool {
    !values.is_empty()
        && Pattern::from_option(text)
            .is_ok_and(|pattern| values.iter().any(|value| matches!(pattern.find(value.as_bytes(), 0), Found::Hit(_))))
}

fn pdf_match_details(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let [detail, text, ..] = arguments else { return Answered::Miss };
    pdfs(context).details.get(detail.as_str()).is_some_and(|values| matches_some(text, values)).into()
}

fn pdf_image_size_exact(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let [height, width, ..] = arguments else { return Answered::Miss };
    pdfs(context).sizes.iter().any(|(h, w)| h.to_string() == *height && w.to_string() == *width).into()
}

#[expect(clippy::cast_precision_loss, reason = "sizes of images fit a double")]
fn pdf_image_size_range(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let [low, narrow, ..] = arguments else { return Answered::Miss };
    let (low, narrow) = (number(low), number(narrow));
    let fits = |(height, width): &(u64, u64)| {
        let (height, width) = (*height as f64, *width as f64);
        height >= low
            && width >= narrow
            && argument(arguments, 2).is_none_or(|most| height <= most)
            && argument(arguments, 3).is_none_or(|most| width <= most)
    };
    pdfs(context).sizes.iter().any(fits).into()
}

#[expect(clippy::cast_precision_loss, reason = "sizes of messages fit a double")]
fn pdf_image_to_text_ratio(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let (Some(least), Some(most), Some(area)) = (argument(arguments, 0), argument(arguments, 1), pdfs(context).area) else {
        return Answered::Miss;
    };
    let length: usize = context.text().iter().map(Vec::len).sum();
    let ratio = length as f64 / area;
    (length > 0 && ratio >= least && ratio < most).into()
}

/// Little or no text stands beside a PDF; the subject does not count.
#[expect(clippy::cast_precision_loss, reason = "sizes of messages fit a double")]
fn pdf_is_empty_body(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    if pdfs(context).count == 0 {
        return Answered::Miss;
    }
    let told = context.text().iter().skip(1).filter(|line| line.iter().any(|octet| !super::perl::is_space(*octet)));
    let length: usize = told.map(Vec::len).sum();
    (length as f64 <= argument(arguments, 0).unwrap_or(0.0)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_a_pdf_are_decoded() {
        for (text, decoded) in
            [(&b"(Foo \\(bar\\))"[..], &b"Foo (bar)"[..]), (b"<FEFF0057>", b"W"), (b"(\\376\\377\\000H\\000P)", b"HP"), (b"()", b"")]
        {
            assert_eq!(string(text), decoded, "{}", lossy(text));
        }
    }
}
