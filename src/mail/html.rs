//! HTML to text with visibility, links and facts, as SpamAssassin's parser sees it.

/// What eval functions ask of the last HTML part.
#[derive(Clone, Debug, Default)]
pub struct HtmlFacts {}
