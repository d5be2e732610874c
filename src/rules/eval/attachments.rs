//! Attachments by what they are, whatever the fields claim: Hamgate's own functions. No plugin need be loaded for them.
//! Names, types and facts are those of every plausible reading of the message, and of archives and messages inside it.

use super::perl::{lossy, pattern, rule_pattern};
use super::{Accepts, Answered, Context, Needs, Row, local};
use crate::facts::{Answer, Question, Virus};
use crate::mail::Carried;
use crate::mail::attachments::Origin;
use crate::mail::attachments_names::{PROGRAMS, all_extensions};
use crate::mail::carried::File;
use crate::pattern::Found as Match;
use crate::unpack::{Fact, Kind};

pub(super) static ROWS: &[Row] = &[
    any("attachment_extension", |c, a| of_files(c, |file| all_extensions(&file.names).iter().any(|e| a.iter().any(|w| is_word(w, e))))),
    any("attachment_name", attachment_name),
    any("attachment_type", |c, a| of_files(c, |file| a.iter().any(|word| is_type(file, word)))),
    any("attachment_has", |c, a| of_files(c, |file| a.iter().filter_map(|w| Fact::by_word(w)).any(|fact| file.facts.contains(&fact)))),
    any("attachment_program", attachment_program),
    any("attachment_password_in_text", attachment_password_in_text),
    any("message_ambiguous", message_ambiguous),
    virus("check_virus", |c, _| match &c.facts.virus {
        Some(Answer::Known(Virus::Found(name))) => Answered::HitWith(1.0, name.clone()),
        Some(Answer::Known(Virus::Clean | Virus::Unseen(_)) | Answer::Silent) => Answered::Miss,
        None => pending(c),
    }),
    virus("check_virus_unseen", |c, _| match &c.facts.virus {
        Some(Answer::Silent) => Answered::Hit(1.0),
        Some(Answer::Known(Virus::Unseen(why))) if why != crate::facts::NO_SCANNER => Answered::HitWith(1.0, why.clone()),
        Some(Answer::Known(Virus::Clean | Virus::Found(_) | Virus::Unseen(_))) => Answered::Miss,
        None => pending(c),
    }),
];

const fn any(name: &'static str, run: super::Function) -> Row {
    local(name, "", Accepts::Any, run)
}

const fn virus(name: &'static str, run: super::Function) -> Row {
    Row { name, plugin: "", accepts: Accepts::Any, needs: Needs::Asks(ask_virus), run }
}

fn ask_virus(context: &Context<'_, '_>, _: &[String]) -> Vec<Question> {
    if context.network { vec![Question::Virus] } else { Vec::new() }
}

fn pending(context: &Context<'_, '_>) -> Answered {
    if context.network { Answered::Pending } else { Answered::Miss }
}

/// A kind's word, or a media type, as declared or as the content is.
fn is_type(file: &File, word: &str) -> bool {
    if word.contains('/') {
        is_word(word, &file.declared) || is_word(word, file.kind.media_type())
    } else {
        is_word(word, file.kind.word())
    }
}

/// A text that is read in the mail program is no file, whatever it looks like.
fn is_program(file: &File) -> bool {
    let is_text = file.names.is_empty() && file.kind == Kind::Script && file.origin != Origin::Entry;
    file.kind.is_program() && !is_text || all_extensions(&file.names).iter().any(|e| PROGRAMS.contains(&e.as_str()))
}

fn shown(file: &File) -> String {
    let name = file.names.first().cloned().unwrap_or_default();
    let name: String = name.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(80).collect();
    if name.is_empty() { format!("part {}", file.path.chars().filter(char::is_ascii_graphic).take(80).collect::<String>()) } else { name }
}

fn carried<'c>(context: &'c Context<'_, '_>) -> &'c Carried {
    context.reading.mail.carried()
}

fn is_word(word: &str, value: &str) -> bool {
    word.trim_start_matches('.').eq_ignore_ascii_case(value)
}

/// Whether a file is so; the report names the first.
fn of_files(context: &Context<'_, '_>, holds: impl Fn(&File) -> bool) -> Answered {
    carried(context).files.iter().find(|file| holds(file)).map_or(Answered::Miss, |file| Answered::HitWith(1.0, shown(file)))
}

fn attachment_name(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let Some(pattern) = arguments.first().and_then(|text| rule_pattern(text)) else { return Answered::Miss };
    of_files(context, |file| file.names.iter().any(|name| matches!(pattern.find(name.as_bytes(), 0), Match::Hit(_))))
}

/// A program; with 'inside' one in an archive or a document.
fn attachment_program(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let inside = arguments.first().is_some_and(|word| word == "inside");
    of_files(context, |file| (file.origin == Origin::Entry) == inside && is_program(file))
}

/// Something encrypted, and the text tells how to open it.
fn attachment_password_in_text(context: &Context<'_, '_>, _: &[String]) -> Answered {
    let is_locked = |file: &File| file.facts.contains(&Fact::Encrypted) || file.facts.contains(&Fact::EncryptedDocument);
    let Some(file) = carried(context).files.iter().find(|file| is_locked(file)) else { return Answered::Miss };
    let form = pattern!(
        r"(?i)(?:\b(?:pass\s?(?:word|code|phrase|wort)?|pwd|pw|kennwort|zugangscode|contrase(?:n|\xc3\xb1)a|mot\s+de\s+passe|senha|wachtwoord|has(?:l|\xc5\x82)o|lozinka|sifre)|\xd0\xbf\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c|\xe5\xaf\x86\xe7\xa0\x81|\xe3\x83\x91\xe3\x82\xb9\xe3\x83\xaf\xe3\x83\xbc\xe3\x83\x89)[^\n]{0,30}?(?:[:=]|\bis\b|\bist\b|\best\b|\bes\b|\blautet\b|\xef\xbc\x9a)\s*\S{3,}"
    );
    let told = context.reading.body().iter().any(|paragraph| form.is_match(paragraph));
    if told { Answered::HitWith(1.0, shown(file)) } else { Answered::Miss }
}

/// Readers may take the structure differently; with words (`boundary`, `base64` …) in one of these ways.
fn message_ambiguous(context: &Context<'_, '_>, arguments: &[String]) -> Answered {
    let words = carried(context).odd.iter().filter_map(|defect| defect.word().strip_prefix("ambiguous-"));
    let found: Vec<&str> = words.filter(|word| arguments.is_empty() || arguments.iter().any(|wanted| wanted == word)).collect();
    if found.is_empty() { Answered::Miss } else { Answered::HitWith(1.0, lossy(found.join(", ").as_bytes())) }
}
