//! Text and links of attachments, for rules and the classifier where the rule files ask for it (`attachment_text`): what
//! documents, pages and texts say that the message itself does not show. SpamAssassin's ExtractText has them by programs.

use super::attachments::{self, Item, Origin};
use super::html::{self, HtmlFacts, Input, Text};
use super::reading::Rendering;
use super::{Mail, charset};
use crate::unpack::text::{self, Extracted};
use crate::unpack::{Budget, Kind};
use std::borrow::Cow;

/// Files read of one message, and octets of one page or text.
const FILES: usize = 200;
const OCTETS: usize = 1 << 20;

/// Where text and links of attachments count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttachmentText {
    /// Text, in `body` rules.
    pub body: bool,
    /// Links, and those that stand in the text, in `uri` rules and in what is asked of lists.
    pub uri: bool,
    /// Text, in the classifier.
    pub bayes: bool,
}

impl AttachmentText {
    pub fn is_wanted(self) -> bool {
        self.body || self.uri || self.bayes
    }
}

/// What one file says.
pub struct Said {
    pub rendering: Rendering<'static>,
    /// Links of a document; those of a page are in its rendering.
    pub links: HtmlFacts,
}

impl Said {
    pub fn link_facts(&self) -> impl Iterator<Item = &HtmlFacts> {
        let page = match &self.rendering {
            Rendering::Html(rendered) => Some(&rendered.facts),
            Rendering::Plain { .. } => None,
        };
        page.into_iter().chain([&self.links])
    }
}

/// What the files of a message say, in order.
pub fn collect(mail: &Mail) -> Vec<Said> {
    let mut said: Vec<Said> = Vec::new();
    let mut budget = Budget::default();
    attachments::walk(mail, &mut |item| {
        if said.len() < FILES && !is_shown(item) {
            said.extend(of_item(item, &mut budget));
        }
    });
    said
}

/// The message itself shows it (SpamAssassin renders every part of these types), or nobody is sure to see it.
fn is_shown(item: &Item<'_>) -> bool {
    let is_page = |name: &String| [".htm", ".html", ".shtm", ".shtml"].iter().any(|end| name.to_ascii_lowercase().ends_with(end));
    let rendered = matches!(item.declared, "text/plain" | "text/html") || item.names.iter().any(is_page);
    item.origin == Origin::Reading || item.origin == Origin::Part && item.depth == 0 && rendered
}

fn of_item(item: &Item<'_>, budget: &mut Budget) -> Option<Said> {
    let name = item.names.first().map_or("", String::as_str);
    let octets = item.bytes.get(..OCTETS).unwrap_or(item.bytes);
    // Readers go by the place in the document, whatever its octets begin with.
    let is_part = item.origin == Origin::Entry && text::is_document_part(name);
    let kind = if is_part && matches!(item.kind, Kind::Text | Kind::Html | Kind::Data) { Kind::Xml } else { item.kind };
    match kind {
        Kind::Html | Kind::Svg => Some(page(octets)),
        Kind::Text if !text::is_bookkeeping(name, octets) => Some(plain(charset::normalize(octets, "", false).into_owned())),
        Kind::Xml if !text::is_document_part(name) => None,
        kind => {
            let Extracted { text, links } = text::extract(kind, name, item.bytes, budget);
            (!text.trim().is_empty() || !links.is_empty()).then(|| Said { links: targets(&links), ..plain(text) })
        }
    }
}

fn plain(text: String) -> Said {
    let wide = !text.is_ascii();
    Said { rendering: Rendering::Plain { text: Cow::Owned(text), wide }, links: HtmlFacts::default() }
}

fn page(octets: &[u8]) -> Said {
    let text = charset::normalize(octets, "", false);
    let input = if text.is_ascii() { Input::Octets } else { Input::Characters };
    Said { rendering: Rendering::Html(Box::new(html::render(&text, input, octets.len()))), links: HtmlFacts::default() }
}

fn targets(links: &[String]) -> HtmlFacts {
    let link = |target: &String| html::HtmlLink { target: Text::of_octets(target.as_bytes()), kinds: Vec::new(), anchors: Vec::new() };
    HtmlFacts { links: links.iter().map(link).collect(), ..HtmlFacts::default() }
}
