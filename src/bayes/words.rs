//! Text to words: lower case, runs of digits folded to one 0, invisible characters dropped, look-alike letters of
//! another script put right, Chinese, Japanese and Korean text in pairs of characters.

/// Longer runs say nothing as words; a shape stands for them.
const LONGEST: usize = 40;

/// Calls `each` for the words of `text` in order; the buffer is reused.
pub fn words(text: &str, mut each: impl FnMut(&str)) {
    let mut word = String::with_capacity(LONGEST);
    let mut before_cjk: Option<char> = None;
    let mut latin = false;
    let mut foreign = false;
    for c in text.chars() {
        if is_invisible(c) {
            continue;
        }
        if is_cjk(c) {
            finish(&mut word, latin && foreign, &mut each);
            (latin, foreign) = (false, false);
            if let Some(first) = before_cjk {
                word.push(first);
                word.push(c);
                each(&word);
                word.clear();
            }
            before_cjk = Some(c);
            continue;
        }
        before_cjk = None;
        if c.is_alphanumeric() || is_inner(c) {
            if c.is_numeric() {
                if !word.ends_with('0') {
                    word.push('0');
                }
            } else if c.is_ascii() {
                latin |= c.is_ascii_alphabetic();
                word.push(c.to_ascii_lowercase());
            } else {
                foreign |= look_alike(c).is_some();
                word.extend(c.to_lowercase());
            }
        } else {
            finish(&mut word, latin && foreign, &mut each);
            (latin, foreign) = (false, false);
        }
    }
    finish(&mut word, latin && foreign, &mut each);
}

fn finish(word: &mut String, mixed: bool, each: &mut impl FnMut(&str)) {
    let trimmed = word.trim_matches(|c: char| matches!(c, '.' | '-' | '\'' | '_' | ',' | ':' | '@' | '/'));
    if trimmed.is_empty() {
        word.clear();
        return;
    }
    if mixed {
        let put_right: String = trimmed.chars().map(|c| look_alike(c).unwrap_or(c)).collect();
        shaped(&put_right, each);
    } else {
        shaped(trimmed, each);
    }
    word.clear();
}

fn shaped(word: &str, each: &mut impl FnMut(&str)) {
    if word.len() <= LONGEST {
        each(word);
    } else {
        let head: String = word.chars().take(2).collect();
        each(&format!("{head}~{}", word.chars().count() / 10));
    }
}

/// Characters that hold a word together.
fn is_inner(c: char) -> bool {
    matches!(c, '\'' | '-' | '_' | '.' | '$' | '€' | '£' | '%' | '!' | '@')
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{34F}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}')
}

fn is_cjk(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{2FA1F}')
}

/// The Latin letter that a Cyrillic or Greek one passes for.
fn look_alike(c: char) -> Option<char> {
    Some(match c {
        'а' | 'А' | 'α' | 'Α' => 'a',
        'в' | 'В' | 'Β' | 'β' => 'b',
        'с' | 'С' | 'ϲ' => 'c',
        'е' | 'Е' | 'Ε' | 'ё' => 'e',
        'һ' | 'Н' | 'Η' => 'h',
        'і' | 'І' | 'ι' | 'Ι' => 'i',
        'ј' | 'Ј' => 'j',
        'к' | 'К' | 'κ' | 'Κ' => 'k',
        'м' | 'М' | 'Μ' => 'm',
        'п' | 'Ν' => 'n',
        'о' | 'О' | 'ο' | 'Ο' => 'o',
        'р' | 'Р' | 'ρ' | 'Ρ' => 'p',
        'ѕ' | 'Ѕ' => 's',
        'т' | 'Т' | 'τ' | 'Τ' => 't',
        'υ' | 'Υ' => 'u',
        'ν' => 'v',
        'х' | 'Х' | 'χ' | 'Χ' => 'x',
        'у' | 'У' => 'y',
        'Ζ' => 'z',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        words(text, |w| found.push(w.to_owned()));
        found
    }

    #[test]
    fn words_are_lower_case_with_folded_digits() {
        assert_eq!(all("Save 1,250$ NOW! (don't wait)"), ["save", "0", "0$", "now!", "don't", "wait"]);
        assert_eq!(all("a--b ... -x- 2026"), ["a--b", "x", "0"]);
    }

    #[test]
    fn hidden_and_false_letters_are_put_right() {
        assert_eq!(all("pass\u{200B}word"), ["password"]);
        assert_eq!(all("pаypаl"), ["paypal"], "Cyrillic a among Latin letters");
        assert_eq!(all("привет"), ["привет"], "a Russian word stays Russian");
    }

    #[test]
    fn cjk_comes_in_pairs() {
        assert_eq!(all("中文字"), ["中文", "文字"]);
    }

    #[test]
    fn a_long_run_becomes_a_shape() {
        assert_eq!(all(&"x".repeat(100)), ["xx~10"]);
    }
}
