//! TextCat: text in languages that the site does not read (`ok_languages`).

use super::{Accepts, Answered, Context, Needs, Row, local};

pub(super) static ROWS: &[Row] = &[
    Row {
        name: "check_language",
        plugin: "TextCat",
        accepts: Accepts::Any,
        needs: Needs::Outside("languages are not told apart; every language counts as one that the site reads"),
        run: |_, _| Answered::Miss,
    },
    local("check_body_8bits", "TextCat", Accepts::Body, check_body_8bits),
];

/// Languages whose text holds long runs of octets beyond ASCII.
const EIGHT_BIT: &[&str] = &[
    "am", "ar", "be", "bg", "cs", "el", "et", "fa", "fi", "he", "hi", "hy", "is", "ja", "ka", "ko", "mr", "pt", "ru", "ta", "th", "tr",
    "uk", "vi", "yi", "zh",
];

/// Eight octets beyond ASCII in a row, though none of the site's languages has them.
fn check_body_8bits(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let languages = context.options.text("ok_languages", "all");
    if languages.split_whitespace().any(|language| language == "all" || EIGHT_BIT.contains(&language)) {
        return Answered::Miss;
    }
    let has_run = |line: &Vec<u8>| line.split(u8::is_ascii).any(|run| run.len() >= 8);
    context.text().iter().any(has_run).into()
}
