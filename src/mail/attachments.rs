//! Everything that a message carries: each part as decoded, of every plausible reading, and what archives, documents
//! and messages inside hold. A walk with a list of its own: nothing recurses, and a budget bounds what comes out.

use super::ambiguous::{self};
use super::ambiguous_decode::{self as decoding, Readings};
use super::ambiguous_sweep::{self, Candidate, How, Quiet};
use super::attachments_fields::{self, MimeFields, Parameters};
use super::attachments_names;
use super::attachments_tree::{self, Encoding, Layout, Leaf};
use super::{Defect, Mail};
use crate::unpack::{self, Budget, Fact, Facts, Kind, budget};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::hash::BuildHasher;
use std::ops::Range;

/// Files and parts that are told of one message.
const ITEMS: usize = 12_000;
/// Candidates of other readings in one text.
const CANDIDATES: usize = 4_000;

/// Where something came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A part by the rules of MIME.
    Part,
    /// Only some readers see it.
    Reading,
    /// An entry of an archive or document.
    Entry,
}

/// One part or file, while it is looked at.
#[derive(Debug)]
pub struct Item<'i> {
    /// `1.2`, `1.2!b/c.exe`, `~1` for what only some readers see.
    pub path: &'i str,
    /// Every name that some reader shows; may be empty.
    pub names: &'i [String],
    /// The declared media type in lower case; empty for entries.
    pub declared: &'i str,
    pub kind: Kind,
    pub bytes: &'i [u8],
    pub facts: &'i Facts,
    pub origin: Origin,
    /// Levels of archives and messages above it.
    pub depth: usize,
}

struct File<'t> {
    path: String,
    names: Vec<String>,
    declared: String,
    bytes: Cow<'t, [u8]>,
    facts: Facts,
    origin: Origin,
    depth: usize,
}

struct Text<'m> {
    bytes: Cow<'m, [u8]>,
    start: usize,
    prefix: String,
    depth: usize,
    /// Found by other than the usual reading.
    origin: Origin,
}

struct Walk<'v, 'm> {
    visit: &'v mut dyn FnMut(&Item<'_>),
    budget: Budget,
    texts: VecDeque<Text<'m>>,
    /// Digests of what was told, with a key of this walk.
    seen: HashSet<u64>,
    key: foldhash::quality::RandomState,
    items: usize,
    /// Octets that other readings may still decode.
    work: usize,
    odd: BTreeSet<Defect>,
}

/// Visits each part and file; what readers take differently is the answer.
pub fn walk(mail: &Mail, visit: &mut dyn FnMut(&Item<'_>)) -> BTreeSet<Defect> {
    let raw = mail.as_sent();
    let start = mail.section().start.saturating_sub(mail.as_seen().len() - raw.len());
    let work = raw.len().saturating_mul(6).saturating_add(1 << 20);
    let mut walk = Walk {
        visit,
        budget: Budget::default(),
        texts: VecDeque::new(),
        seen: HashSet::new(),
        key: foldhash::quality::RandomState::default(),
        items: 0,
        work,
        odd: BTreeSet::new(),
    };
    walk.texts.push_back(Text { bytes: Cow::Borrowed(raw), start, prefix: String::new(), depth: 0, origin: Origin::Part });
    while let Some(text) = walk.texts.pop_front() {
        walk.text(&text);
    }
    walk.odd
}

impl Walk<'_, '_> {
    fn digest(&self, bytes: &[u8]) -> u64 {
        self.key.hash_one(bytes)
    }

    fn text(&mut self, text: &Text<'_>) {
        let layout = attachments_tree::read(&text.bytes, text.start);
        if text.origin == Origin::Part {
            self.odd.extend(ambiguous::oddities(&text.bytes, &layout));
        }
        // Bodies that have one reading alone, so that the sweep need not try them again.
        let mut settled: Vec<Settled> = Vec::new();
        for leaf in &layout.leaves {
            self.leaf(text, leaf, &mut settled);
        }
        settled.sort_by_key(|leaf| leaf.body.start);
        self.other_readings(text, &layout, &settled);
    }

    fn leaf(&mut self, text: &Text<'_>, leaf: &Leaf, settled: &mut Vec<Settled>) {
        let body = text.bytes.get(leaf.body.clone()).unwrap_or_default();
        let readings = match leaf.encoding {
            Encoding::Base64 => decoding::base64(body),
            Encoding::QuotedPrintable => decoding::quoted_printable(body, has_attachment_fields(&leaf.fields)),
            Encoding::Uuencode | Encoding::Identity => Readings { list: Vec::new(), clean: true },
        };
        if readings.clean {
            let end = leaf.body.start + decoding::trimmed(body).len();
            settled.push(Settled {
                body: leaf.body.start..end,
                whole: leaf.body.end,
                entered: leaf.entered,
                encoding: leaf.encoding,
                sure: leaf.is_sure(),
                is_text: leaf.declared.starts_with("text/") && !has_attachment_fields(&leaf.fields),
            });
        } else if leaf.declared.starts_with("text/") && !has_attachment_fields(&leaf.fields) {
            // Text of sloppy senders; what it could hide is told by its content.
        } else {
            self.odd.insert(if leaf.encoding == Encoding::Base64 { Defect::AmbiguousBase64 } else { Defect::AmbiguousQuotedPrintable });
        }
        let names = attachments_fields::names(&leaf.fields);
        let file = |bytes, path, origin| File {
            path,
            names: names.clone(),
            declared: leaf.declared.clone(),
            bytes,
            facts: Facts::default(),
            origin,
            depth: if leaf.at_limit { budget::DEPTH } else { text.depth },
        };
        let path = format!("{}{}", text.prefix, leaf.path);
        let mut list = readings.list.into_iter();
        let main: Cow<'_, [u8]> = list.next().map_or(Cow::Borrowed(body), Cow::Owned);
        // A text in which no file stands by itself: its end is what readers differ in.
        let trimmed = decoding::trimmed(&main);
        let short = (leaf.encoding != Encoding::Base64
            && trimmed.len() < main.len()
            && main.len() < 1 << 16
            && has_attachment_fields(&leaf.fields))
        .then(|| trimmed.to_vec());
        if leaf.entered {
            if self.work < main.len() {
                return;
            }
            self.work -= main.len();
            self.tell_entered(&file(main, path.clone(), text.origin));
        } else {
            self.file(file(main, path.clone(), text.origin));
        }
        for (n, bytes) in short.into_iter().chain(list).enumerate() {
            self.work = self.work.saturating_sub(bytes.len());
            if self.work > 0 {
                self.reading(file(Cow::Owned(bytes), format!("{path}~{}", n + 1), Origin::Reading));
            }
        }
    }

    /// A message whose parts stand in the list by themselves.
    fn tell_entered(&mut self, file: &File<'_>) {
        let kind = Kind::Message;
        let mut facts = file.facts.clone();
        facts.extend(attachments_names::facts(&file.names));
        self.tell(file, kind, &facts);
    }

    fn tell(&mut self, file: &File<'_>, kind: Kind, facts: &Facts) {
        self.items += 1;
        (self.visit)(&Item {
            path: &file.path,
            names: &file.names,
            declared: &file.declared,
            kind,
            bytes: &file.bytes,
            facts,
            origin: file.origin,
            depth: file.depth,
        });
    }

    /// What another reading gives, unless it is known.
    fn reading(&mut self, file: File<'_>) {
        if file.bytes.is_empty() || self.seen.contains(&self.digest(&file.bytes)) {
            return;
        }
        self.file(file);
    }

    /// A file, and everything inside it.
    fn file(&mut self, file: File<'_>) {
        self.seen.insert(self.digest(&file.bytes));
        let mut files: Vec<File<'_>> = vec![file];
        while let Some(file) = files.pop() {
            if self.items >= ITEMS {
                self.odd.insert(Defect::TooManyParts);
                return;
            }
            let kind = Kind::of(&file.bytes);
            let mut facts = file.facts.clone();
            let name = file.names.first().map_or("", String::as_str);
            facts.extend(attachments_names::facts(&file.names));
            facts.extend(attachments_names::mismatch(&file.names, kind).then_some(Fact::TypeMismatch));
            facts.extend(unpack::inspect(kind, name, &file.bytes, &mut self.budget));
            let mut entries = Vec::new();
            if file.depth < budget::DEPTH {
                if let Some(fact) = self.budget.spent().filter(|_| kind.is_archive()) {
                    facts.insert(fact);
                } else {
                    let opened = unpack::open(kind, &file.bytes, &mut self.budget);
                    facts.extend(opened.facts);
                    entries = opened.entries;
                }
            } else if kind.is_archive() {
                facts.insert(Fact::TooDeep);
            }
            let is_document = kind == Kind::Zip && is_document(&entries);
            for entry in &entries {
                // What holds for an entry holds for its archive.
                facts.extend(entry.facts.iter().filter(|f| matches!(f, Fact::Encrypted | Fact::ArchiveBomb | Fact::AmbiguousArchive)));
                if is_document {
                    let name = entry.names.first().map_or("", String::as_str);
                    facts.extend(unpack::inspect_document_entry(name, &entry.bytes));
                }
            }
            self.tell(&file, kind, &facts);
            self.enter(&file, kind);
            for entry in entries.into_iter().rev() {
                let name = entry.names.first().map_or("", String::as_str);
                let path = format!("{}!{}", file.path, attachments_names::shown(name));
                files.push(File {
                    path,
                    names: entry.names,
                    declared: String::new(),
                    bytes: Cow::Owned(entry.bytes),
                    facts: entry.facts,
                    origin: Origin::Entry,
                    depth: file.depth + 1,
                });
            }
        }
    }

    /// A message inside is read like the message itself, later.
    fn enter(&mut self, file: &File<'_>, kind: Kind) {
        let is_message = kind == Kind::Message || matches!(file.declared.as_str(), "message/rfc822" | "message/global");
        let is_text = matches!(kind, Kind::Text | Kind::Data) && file.origin != Origin::Entry && looks_like_parts(&file.bytes);
        if !is_message && !is_text {
            return;
        }
        if file.depth >= budget::DEPTH || self.texts.len() > 100 {
            self.odd.insert(Defect::TooDeep);
            return;
        }
        if file.bytes.len() > self.work {
            return;
        }
        self.work -= file.bytes.len();
        let origin = if is_message && file.origin != Origin::Reading { Origin::Part } else { Origin::Reading };
        self.texts.push_back(Text {
            bytes: Cow::Owned(file.bytes.to_vec()),
            start: 0,
            prefix: format!("{}!", file.path),
            depth: file.depth + 1,
            origin,
        });
    }

    fn other_readings(&mut self, text: &Text<'_>, layout: &Layout, settled: &[Settled]) {
        let mut number = 0;
        let mut hidden = false;
        let quiet: Vec<Quiet> = settled.iter().filter_map(|leaf| quiet(&text.bytes, leaf)).collect();
        for candidate in ambiguous_sweep::sweep(&text.bytes, &layout.boundaries, &quiet, CANDIDATES) {
            let body = &text.bytes[candidate.body.clone()];
            if is_settled(&candidate, decoding::trimmed(body).len(), settled) {
                continue;
            }
            if self.work < body.len() || self.items >= ITEMS {
                break;
            }
            let readings = match candidate.how {
                How::Identity => Readings { list: vec![decoding::trimmed(body).to_vec()], clean: true },
                How::Base64 => decoding::base64(body),
                How::QuotedPrintable => decoding::quoted_printable(body, true),
                How::Uuencode => Readings { list: vec![decoding::uudecode(body)], clean: true },
            };
            let announced = candidate.fields.is_some() || candidate.how == How::Uuencode;
            let names = names_of(&candidate);
            let declared = candidate.fields.as_ref().and_then(|f| f.types.first()).map(|t| Parameters::parse(t).main).unwrap_or_default();
            for bytes in readings.list {
                self.work = self.work.saturating_sub(bytes.len() + 64);
                let kind = Kind::of(&bytes);
                // Letters of a text decode to something too.
                if !announced && matches!(kind, Kind::Data | Kind::Empty) {
                    continue;
                }
                let variants = [decoding::trimmed(&bytes).to_vec(), bytes];
                for bytes in variants {
                    if bytes.is_empty() || self.seen.contains(&self.digest(&bytes)) {
                        continue;
                    }
                    hidden |= !kind.is_vague() && !matches!(kind, Kind::Message | Kind::Html | Kind::Xml);
                    number += 1;
                    self.reading(File {
                        path: format!("{}~{number}", text.prefix),
                        names: names.clone(),
                        declared: String::from_utf8_lossy(&declared).into_owned(),
                        bytes: Cow::Owned(bytes),
                        facts: Facts::default(),
                        origin: Origin::Reading,
                        depth: text.depth,
                    });
                }
            }
        }
        if hidden {
            self.odd.insert(Defect::AmbiguousStructure);
        }
        if layout.too_deep {
            self.odd.insert(Defect::TooDeep);
        }
        if layout.too_many {
            self.odd.insert(Defect::TooManyParts);
        }
    }
}

/// The part is announced as a file.
fn has_attachment_fields(fields: &MimeFields) -> bool {
    !fields.dispositions.is_empty()
        || fields.types.first().is_some_and(|t| unpack::octets::contains_ignoring_case(t, b"name"))
        || fields.types.first().is_some_and(|t| !super::fields::trim(t).get(..5).is_some_and(|t| t.eq_ignore_ascii_case(b"text/")))
}

fn names_of(candidate: &Candidate) -> Vec<String> {
    let mut names = candidate.fields.as_ref().map(attachments_fields::names).unwrap_or_default();
    names.extend(candidate.name.as_ref().map(|n| String::from_utf8_lossy(n).into_owned()).filter(|n| !n.is_empty()));
    names
}

/// A body that keeps to its encoding.
struct Settled {
    /// Without line ends and blanks at the end.
    body: Range<usize>,
    /// Where it ends with them.
    whole: usize,
    /// Its parts stand in the list by themselves.
    entered: bool,
    encoding: Encoding,
    /// Its fields leave no choice.
    sure: bool,
    /// Text to be read, not announced as a file.
    is_text: bool,
}

/// A part by the rules has these very octets and no other reading of them.
fn is_settled(candidate: &Candidate, trimmed: usize, settled: &[Settled]) -> bool {
    let start = candidate.body.start;
    let end = start + trimmed;
    let upto = settled.partition_point(|leaf| leaf.body.start <= start);
    let Some(leaf) = upto.checked_sub(1).and_then(|n| settled.get(n)) else { return false };
    let within = end <= leaf.body.end;
    // Dashes in a text: readers differ in how much of the text they show, and in no file.
    let begins = leaf.body.start == start;
    let whole = within && (leaf.body.end == end && (begins || leaf.is_text) || leaf.is_text && leaf.sure && begins);
    match (leaf.encoding, candidate.how) {
        (Encoding::Base64, How::Base64) => within,
        (Encoding::Base64, How::Identity | How::QuotedPrintable | How::Uuencode) => within && leaf.sure,
        (Encoding::QuotedPrintable, How::QuotedPrintable) => whole,
        (Encoding::QuotedPrintable, How::Identity) | (Encoding::Identity, How::Identity) => whole && leaf.sure,
        (Encoding::Identity, How::QuotedPrintable) => whole && leaf.sure && leaf.is_text,
        (Encoding::QuotedPrintable | Encoding::Identity | Encoding::Uuencode, _) => false,
    }
}

/// A body in which the sweep need not look: each candidate that it would give is settled (`is_settled`).
fn quiet(text: &[u8], leaf: &Settled) -> Option<Quiet> {
    let base64 = leaf.encoding == Encoding::Base64;
    let readable = leaf.is_text && matches!(leaf.encoding, Encoding::QuotedPrintable | Encoding::Identity);
    if !leaf.sure || leaf.entered || !(base64 || readable) {
        return None;
    }
    let body = text.get(leaf.body.start..leaf.whole)?;
    let dashes = if base64 { false } else { ambiguous_sweep::plain(body)? };
    // RFC 2046 §5.1.1: the line end before a delimiter belongs to it.
    let rest = text.get(leaf.whole..)?;
    let line_end = if rest.starts_with(b"\r\n") { 2 } else { usize::from(rest.starts_with(b"\n")) };
    Some(Quiet { body: leaf.body.start..leaf.whole + line_end, base64, dashes })
}

/// Fields or boundaries of MIME stand in it.
fn looks_like_parts(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(1 << 20)];
    let names_field = |dash: usize| {
        let is = |word: &[u8]| head.get(dash + 1..dash + 1 + word.len()).is_some_and(|text| text.eq_ignore_ascii_case(word));
        let stem = dash.checked_sub(7).and_then(|start| head.get(start..dash));
        stem.is_some_and(|stem| stem.eq_ignore_ascii_case(b"content")) && (is(b"type") || is(b"transfer-encoding") || is(b"disposition"))
    };
    memchr::memchr_iter(b'-', head).any(names_field) || memchr::memmem::find(head, b"begin 6").is_some()
}

/// A zip whose entries are the parts of one document.
fn is_document(entries: &[unpack::Entry]) -> bool {
    entries.iter().any(|entry| {
        entry.names.iter().any(|n| n.eq_ignore_ascii_case("[Content_Types].xml") || n == "META-INF/manifest.xml" || n == "mimetype")
    })
}
