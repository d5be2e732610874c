//! Text and links of documents, for rules and the classifier that shall read attachments as their readers do. No layout:
//! words in order, a line a paragraph. What is longer than a reader would read is cut.

use super::octets::{contains_ignoring_case, find_ignoring_case, name};
use super::{Budget, Kind, text_ole, text_pdf, text_rtf};

/// Octets of text taken out of one file, and links.
pub(super) const TEXT: usize = 256 << 10;
pub(super) const LINKS: usize = 500;
const LINK: usize = 8 << 10;

/// What a document says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    pub text: String,
    /// Targets of links that the text need not show.
    pub links: Vec<String>,
}

impl Extracted {
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty() && self.links.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.text.len() >= TEXT
    }

    pub(super) fn push(&mut self, c: char) {
        if self.text.len() < TEXT {
            self.text.push(c);
        }
    }

    pub(super) fn push_str(&mut self, text: &str) {
        let room = TEXT.saturating_sub(self.text.len());
        let end = (0..=text.len().min(room)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        self.text.push_str(&text[..end]);
    }

    pub(super) fn line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.push('\n');
        }
    }

    pub(super) fn space(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with([' ', '\n']) {
            self.push(' ');
        }
    }

    pub(super) fn link(&mut self, target: &str) {
        let target: String = target.trim().chars().filter(|c| !c.is_control()).collect();
        if !target.is_empty() && target.len() <= LINK && self.links.len() < LINKS && !self.links.contains(&target) {
            self.links.push(target);
        }
    }

    /// `HYPERLINK "target"` in the code of a field (ECMA-376 part 1 §17.16.5.25; the same in RTF and in Word's own format).
    pub(super) fn field_code(&mut self, code: &str) {
        let Some(at) = find_ignoring_case(code.as_bytes(), b"hyperlink", 0) else { return };
        let rest = code.get(at + 9..).unwrap_or_default();
        let target = match rest.split_once(['"', '\u{201c}', '\u{201d}']) {
            Some((_, quoted)) => quoted.split(['"', '\u{201c}', '\u{201d}']).next().unwrap_or_default(),
            None => rest.split_whitespace().next().unwrap_or_default(),
        };
        self.link(target);
    }
}

/// Text and links of a document, or of one part of a document that is a zip (`name` tells which). Pages and plain text are
/// left to who knows charsets and HTML.
pub fn extract(kind: Kind, name: &str, bytes: &[u8], budget: &mut Budget) -> Extracted {
    match kind {
        Kind::Pdf => text_pdf::extract(bytes, budget),
        Kind::Ole => text_ole::extract(bytes),
        Kind::Rtf => text_rtf::extract(bytes),
        Kind::Xml => of_part(&name.to_ascii_lowercase().replace('\\', "/"), bytes),
        _ => Extracted::default(),
    }
}

/// Which character data of an XML part is text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// Elements `t` alone (ECMA-376 part 1 §17.3.3.31, §18.4.12, §21.1.2.3.11).
    Runs,
    /// All (OpenDocument).
    All,
}

/// One part of an Office or OpenDocument file, by its place in the zip.
fn of_part(path: &str, bytes: &[u8]) -> Extracted {
    let of_office = path.starts_with("word/") || path.starts_with("xl/") || path.starts_with("ppt/");
    if path.ends_with(".rels") {
        return relations(bytes);
    }
    if of_office {
        let is_text = ["word/document", "word/header", "word/footer", "word/footnotes", "word/endnotes", "word/comments"]
            .iter()
            .chain(&["xl/sharedstrings", "xl/worksheets/", "ppt/slides/", "ppt/notesslides/"])
            .any(|part| path.starts_with(part));
        return if is_text { xml(bytes, Inside::Runs) } else { Extracted::default() };
    }
    if path == "content.xml" { xml(bytes, Inside::All) } else { Extracted::default() }
}

/// Targets outside of the document (ECMA-376 part 2 §9.3).
fn relations(bytes: &[u8]) -> Extracted {
    let mut found = Extracted::default();
    for tag in tags(bytes) {
        let is_external = attribute(tag.head, b"targetmode").is_some_and(|mode| mode.eq_ignore_ascii_case("external"));
        if tag.is(b"relationship")
            && is_external
            && let Some(target) = attribute(tag.head, b"target")
        {
            // CVE-2021-40444: what is fetched stands behind.
            let stem = target.get(..6).filter(|stem| stem.eq_ignore_ascii_case("mhtml:")).map_or(0, str::len);
            found.link(&target[stem..]);
        }
    }
    found
}

fn xml(bytes: &[u8], inside: Inside) -> Extracted {
    let mut found = Extracted::default();
    let mut code = String::new();
    let (mut in_run, mut in_code) = (false, false);
    for tag in tags(bytes) {
        let opens = !tag.closes && !tag.head.ends_with(b"/");
        match tag.local {
            b"t" => in_run = opens,
            b"instrText" => in_code = opens,
            b"p" | b"h" | b"si" | b"row" | b"table-row" if tag.closes => {
                found.line();
                found.field_code(&std::mem::take(&mut code));
            }
            b"br" | b"line-break" => found.line(),
            b"tab" | b"s" | b"c" | b"table-cell" => found.space(),
            b"fldSimple" => attribute(tag.head, b"instr").into_iter().for_each(|code| found.field_code(&code)),
            _ => {}
        }
        if inside == Inside::All
            && !tag.closes
            && let Some(target) = attribute(tag.head, b"href")
        {
            found.link(&target);
        }
        if in_code && code.len() < LINK {
            code.push_str(&unescaped(tag.text));
        } else if in_run || inside == Inside::All {
            found.push_str(&unescaped(tag.text));
        }
        if found.is_full() {
            break;
        }
    }
    found
}

/// A tag, and the character data behind it.
struct Tag<'b> {
    /// Without prefix.
    local: &'b [u8],
    /// All between the angle brackets, without the slash of a closing one.
    head: &'b [u8],
    closes: bool,
    text: &'b [u8],
}

impl Tag<'_> {
    fn is(&self, name: &[u8]) -> bool {
        !self.closes && self.local.eq_ignore_ascii_case(name)
    }
}

fn tags(bytes: &[u8]) -> impl Iterator<Item = Tag<'_>> {
    let mut at = memchr::memchr(b'<', bytes).unwrap_or(bytes.len());
    std::iter::from_fn(move || {
        let rest = bytes.get(at + 1..)?;
        let end = memchr::memchr(b'>', rest)?;
        let head = &rest[..end];
        let after = &rest[end + 1..];
        let text = &after[..memchr::memchr(b'<', after).unwrap_or(after.len())];
        at += 1 + end + 1 + text.len();
        let (head, closes) = head.strip_prefix(b"/").map_or((head, false), |head| (head, true));
        let full = &head[..head.iter().position(|b| b.is_ascii_whitespace() || *b == b'/').unwrap_or(head.len())];
        let local = full.rsplit(|b| *b == b':').next().unwrap_or_default();
        Some(Tag { local, head, closes, text })
    })
}

/// The value of an attribute, whatever its prefix; `name` in lower case.
fn attribute(head: &[u8], name: &[u8]) -> Option<String> {
    let mut from = 0;
    while let Some(at) = find_ignoring_case(head, name, from) {
        from = at + name.len();
        let before = at.checked_sub(1).and_then(|n| head.get(n))?;
        let rest = head.get(from..)?;
        let Some(value) = rest.strip_prefix(b"=") else { continue };
        if !(before.is_ascii_whitespace() || *before == b':') {
            continue;
        }
        let quote = *value.first()?;
        let value = value.get(1..)?;
        return Some(unescaped(&value[..memchr::memchr(quote, value)?]));
    }
    None
}

/// The five entities of XML, and characters by number.
fn unescaped(octets: &[u8]) -> String {
    let text = name(octets);
    if !text.contains('&') {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|b| b == b';');
        let is_entity = |entity: &&str| entity.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'#');
        let Some(entity) = end.and_then(|end| rest.get(1..end)).filter(is_entity) else {
            out.push('&');
            rest = &rest[1..];
            continue;
        };
        let number = entity.strip_prefix('#').and_then(|digits| match digits.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        });
        match (entity, number.and_then(char::from_u32)) {
            ("amp", _) => out.push('&'),
            ("lt", _) => out.push('<'),
            ("gt", _) => out.push('>'),
            ("quot", _) => out.push('"'),
            ("apos", _) => out.push('\''),
            (_, Some(c)) => out.push(c),
            _ => out.push(' '),
        }
        rest = &rest[entity.len() + 2..];
    }
    out.push_str(rest);
    out
}

/// Whether XML is a part of a document that `extract` reads, so that a page's renderer need not.
pub fn is_document_part(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(".rels") || name == "content.xml" || ["word/", "xl/", "ppt/"].iter().any(|folder| name.starts_with(folder))
}

/// An OpenDocument file declares itself by a part of this name; nothing in it is text.
pub fn is_bookkeeping(name: &str, bytes: &[u8]) -> bool {
    name == "mimetype" || name.starts_with("META-INF/") || contains_ignoring_case(&bytes[..bytes.len().min(200)], b"content-types")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_document_tells_paragraphs_and_links() {
        let document = br#"<w:document><w:body><w:p><w:r><w:t xml:space="preserve">Dear </w:t></w:r><w:r><w:t>Anna &amp; Ben</w:t></w:r></w:p>
<w:p><w:r><w:instrText> HYPERLINK "http://one.example/?a=1&amp;b=2" </w:instrText></w:r><w:r><w:t>click</w:t></w:r></w:p></w:body></w:document>"#;
        let found = extract(Kind::Xml, "word/document.xml", document, &mut Budget::default());
        assert_eq!(found.text, "Dear Anna & Ben\nclick\n");
        assert_eq!(found.links, ["http://one.example/?a=1&b=2"]);
        let relations = br#"<Relationships><Relationship Id="a" Type="x/hyperlink" Target="http://two.example/" TargetMode="External"/>
<Relationship Id="b" Target="styles.xml"/></Relationships>"#;
        assert_eq!(extract(Kind::Xml, "word/_rels/document.xml.rels", relations, &mut Budget::default()).links, ["http://two.example/"]);
    }

    #[test]
    fn sheets_slides_and_open_documents_are_read() {
        let budget = &mut Budget::default();
        let shared = b"<sst><si><t>one</t></si><si><r><t>two</t></r><r><t> three</t></r></si></sst>";
        assert_eq!(extract(Kind::Xml, "xl/sharedStrings.xml", shared, budget).text, "one\ntwo three\n");
        let slide = b"<p:sld><a:p><a:r><a:t>title</a:t></a:r></a:p><a:p><a:r><a:t>more</a:t></a:r></a:p></p:sld>";
        assert_eq!(extract(Kind::Xml, "ppt/slides/slide1.xml", slide, budget).text, "title\nmore\n");
        let content =
            br#"<office:text><text:p>One<text:s/>word <text:a xlink:href="http://odf.example/">here</text:a></text:p></office:text>"#;
        let found = extract(Kind::Xml, "content.xml", content, budget);
        assert_eq!((found.text.as_str(), found.links), ("One word here\n", vec!["http://odf.example/".to_owned()]));
    }

    #[test]
    fn what_never_ends_is_cut() {
        let long = [b"<w:t>".as_slice(), &b"word ".repeat(1 << 18), b"</w:t>"].concat();
        let found = extract(Kind::Xml, "word/document.xml", &long, &mut Budget::default());
        assert_eq!(found.text.len(), TEXT);
        assert_eq!(unescaped(b"&&amp;&#65;&#x42;&nosuchentityatall;"), "&&AB&nosuchentityatall;");
    }
}
