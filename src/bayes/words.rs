//! Text to words: lower case, digits folded to 0, invisible characters dropped, look-alike letters of
//! another script put right, Chinese, Japanese and Korean text in pairs of characters.

/// Longer runs say nothing as words; a shape stands for them.
const LONGEST: usize = 40;

/// Calls `each` for the words of `text` in order; the buffer is reused. An answer of `false` ends it.
pub fn words(text: &str, mut each: impl FnMut(&str) -> bool) {
    let mut words = Words { word: String::with_capacity(LONGEST), before_cjk: None, latin: false, foreign: false, each: &mut each };
    let mut rest = text;
    while !rest.is_empty() {
        // Most text is ASCII: its runs need no tables.
        let ascii = rest.bytes().take_while(u8::is_ascii).count();
        let (plain, other) = rest.split_at(ascii);
        if !words.ascii(plain) {
            return;
        }
        let end = other.bytes().position(|octet| octet.is_ascii()).unwrap_or(other.len());
        let (wide, more) = other.split_at(end);
        if !wide.chars().all(|c| words.character(c)) {
            return;
        }
        rest = more;
    }
    words.finish();
}

struct Words<'e> {
    word: String,
    before_cjk: Option<char>,
    latin: bool,
    foreign: bool,
    each: &'e mut dyn FnMut(&str) -> bool,
}

impl Words<'_> {
    fn ascii(&mut self, text: &str) -> bool {
        self.before_cjk = self.before_cjk.filter(|_| text.is_empty());
        for octet in text.bytes() {
            match octet {
                b'a'..=b'z' | b'A'..=b'Z' => {
                    self.latin = true;
                    self.word.push(char::from(octet.to_ascii_lowercase()));
                }
                b'0'..=b'9' => self.word.push('0'),
                b'\'' | b'$' | b'!' | b'%' => self.word.push(char::from(octet)),
                _ => {
                    if !self.word.is_empty() && !self.finish() {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn character(&mut self, c: char) -> bool {
        if is_invisible(c) {
            return true;
        }
        if is_cjk(c) {
            let mut goes_on = self.finish();
            if let Some(first) = self.before_cjk {
                goes_on &= (self.each)(String::from_iter([first, c]).as_str());
            }
            self.before_cjk = Some(c);
            return goes_on;
        }
        self.before_cjk = None;
        if c.is_numeric() {
            self.word.push('0');
        } else if c.is_alphabetic() {
            self.foreign |= look_alike(c).is_some();
            self.word.extend(c.to_lowercase());
        } else if matches!(c, '€' | '£') {
            self.word.push(c);
        } else {
            return self.finish();
        }
        true
    }

    /// Hands on the word read so far.
    fn finish(&mut self) -> bool {
        let mixed = self.latin && self.foreign;
        (self.latin, self.foreign) = (false, false);
        let trimmed = self.word.trim_matches('\'');
        let goes_on = if trimmed.is_empty() {
            true
        } else if mixed {
            let put_right: String = trimmed.chars().map(|c| look_alike(c).unwrap_or(c)).collect();
            shaped(&put_right, self.each)
        } else {
            shaped(trimmed, self.each)
        };
        self.word.clear();
        goes_on
    }
}

fn shaped(word: &str, each: &mut dyn FnMut(&str) -> bool) -> bool {
    if word.len() <= LONGEST {
        return each(word);
    }
    let head: String = word.chars().take(2).collect();
    each(&format!("{head}~{}", word.chars().count() / 10))
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
        words(text, |w| {
            found.push(w.to_owned());
            true
        });
        found
    }

    #[test]
    fn words_are_lower_case_with_folded_digits() {
        assert_eq!(all("Save 1,250$ NOW! (don't wait)"), ["save", "0", "000$", "now!", "don't", "wait"]);
        assert_eq!(all("a--b ... -x- 2026 bob@mail.example"), ["a", "b", "x", "0000", "bob", "mail", "example"]);
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
