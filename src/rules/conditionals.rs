//! `if`, `ifplugin`, `else`, `endif`: which lines of a rule file count.

use super::lexer::expression_words;
use super::plugins;
use std::collections::{HashMap, HashSet};

/// SpamAssassin's version whose language this is, as conditions and `require_version` see it.
pub const VERSION: &str = "4.000001";
/// The Perl that the language is measured against.
const PERL_VERSION: f64 = 5.036;
/// Nesting of parentheses and `!` in one condition.
const DEPTH: usize = 100;

/// What conditions ask about.
pub(super) struct World<'w> {
    pub plugins: &'w HashSet<String>,
    /// `enable_compat` words.
    pub compat: &'w HashSet<String>,
    pub local_tests_only: bool,
}

struct Open {
    /// Whether lines were skipped before this block began.
    skipped_before: bool,
    keyword: &'static str,
    line: u32,
}

/// The open blocks of the file being read. Answers are kept for the whole load, as SpamAssassin keeps them: a plugin that
/// is loaded after its first `ifplugin` stays absent for later ones.
#[derive(Default)]
pub(super) struct Conditions {
    open: Vec<Open>,
    skipping: bool,
    answers: HashMap<String, bool>,
}

impl Conditions {
    pub fn skipping(&self) -> bool {
        self.skipping
    }

    /// The rest of the file does not count.
    pub fn skip_rest(&mut self) {
        self.skipping = true;
    }

    /// `if CONDITION`; for `ifplugin X` the condition is `plugin (X)`.
    pub fn begin(&mut self, keyword: &'static str, condition: &str, line: u32, world: &World<'_>) -> Result<(), String> {
        let asked = format!("{keyword} {condition}");
        let (answer, fault) = match self.answers.get(&asked) {
            Some(&known) => (known, None),
            None => {
                let words = prepare(condition)?;
                match Parser::new(&words, world).whole() {
                    Ok(value) => (value.is_true(), None),
                    Err(fault) => (false, Some(fault)),
                }
            }
        };
        self.open.push(Open { skipped_before: self.skipping, keyword, line });
        self.skipping |= !answer;
        self.answers.insert(asked, answer);
        fault.map_or(Ok(()), Err)
    }

    pub fn otherwise(&mut self) -> Result<(), String> {
        if self.open.is_empty() {
            return Err("\"else\" without \"if\"".into());
        }
        // An outer block that is skipped stays so.
        self.skipping = self.open.iter().any(|block| block.skipped_before) || !self.skipping;
        Ok(())
    }

    pub fn end(&mut self) -> Result<(), String> {
        let block = self.open.pop().ok_or("\"endif\" without \"if\"")?;
        self.skipping = block.skipped_before;
        Ok(())
    }

    /// At the end of a file (and before an `include`) all blocks are closed; gives keyword and line of each that was open.
    pub fn close(&mut self) -> Vec<(&'static str, u32)> {
        self.skipping = false;
        self.open.drain(..).map(|block| (block.keyword, block.line)).collect()
    }
}

/// Checks each word as SpamAssassin does before it evaluates.
fn prepare(condition: &str) -> Result<Vec<&str>, String> {
    let words = expression_words(condition);
    for word in &words {
        let name = word.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic());
        let fits = match name {
            true => word.len() > 1 && word.split("::").all(|part| !part.is_empty() && !part.contains(':')),
            false => is_number(word) || word.bytes().all(|octet| !octet.is_ascii_alphanumeric()),
        };
        if !fits {
            return Err(format!("the condition's \"{word}\" cannot be read"));
        }
    }
    Ok(words)
}

fn is_number(word: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit());
    let word = word.strip_prefix(['+', '-']).unwrap_or(word);
    match word.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part),
        None => digits(word),
    }
}

enum Value {
    Number(f64),
    /// A bare class name.
    Name,
}

impl Value {
    fn from(truth: bool) -> Value {
        Value::Number(f64::from(u8::from(truth)))
    }

    fn number(&self) -> f64 {
        match self {
            Value::Number(number) => *number,
            // Perl reads a word as zero in arithmetic.
            Value::Name => 0.0,
        }
    }

    fn is_true(&self) -> bool {
        match self {
            Value::Number(number) => *number != 0.0,
            Value::Name => true,
        }
    }
}

struct Parser<'p> {
    words: &'p [&'p str],
    at: usize,
    depth: usize,
    world: &'p World<'p>,
}

impl<'p> Parser<'p> {
    fn new(words: &'p [&'p str], world: &'p World<'p>) -> Self {
        Parser { words, at: 0, depth: 0, world }
    }

    fn whole(mut self) -> Result<Value, String> {
        let value = self.binary(0)?;
        match self.peek() {
            None => Ok(value),
            Some(word) => Err(format!("the condition has \"{word}\" too many")),
        }
    }

    fn peek(&self) -> Option<&'p str> {
        self.words.get(self.at).copied()
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Operators by precedence, loosest first.
    fn binary(&mut self, level: usize) -> Result<Value, String> {
        const LEVELS: &[&[&str]] = &[&["||"], &["&&"], &["^"], &["==", "!="], &["<", "<=", ">", ">="], &["+", "-"], &["*", "/"]];
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = self.peek().filter(|word| operators.contains(word)) {
            self.at += 1;
            let right = self.binary(level + 1)?;
            let (a, b) = (left.number(), right.number());
            left = match operator {
                "||" => Value::from(left.is_true() || right.is_true()),
                "&&" => Value::from(left.is_true() && right.is_true()),
                "^" => Value::Number(((a as u64) ^ (b as u64)) as f64),
                "==" => Value::from(a == b),
                "!=" => Value::from(a != b),
                "<" => Value::from(a < b),
                "<=" => Value::from(a <= b),
                ">" => Value::from(a > b),
                ">=" => Value::from(a >= b),
                "+" => Value::Number(a + b),
                "-" => Value::Number(a - b),
                "*" => Value::Number(a * b),
                _ if b == 0.0 => return Err("the condition divides by zero".into()),
                _ => Value::Number(a / b),
            };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Value, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("the condition is nested too deeply".into());
        }
        let value = self.primary();
        self.depth -= 1;
        value
    }

    fn primary(&mut self) -> Result<Value, String> {
        let word = self.peek().ok_or("the condition breaks off")?;
        self.at += 1;
        match word {
            "!" => Ok(Value::from(!self.unary()?.is_true())),
            "(" => {
                let value = self.binary(0)?;
                if self.take(")") { Ok(value) } else { Err("a parenthesis of the condition is not closed".into()) }
            }
            "version" => Ok(Value::Number(VERSION.parse().unwrap_or(0.0))),
            "perl_version" => Ok(Value::Number(PERL_VERSION)),
            "local_tests_only" => Ok(Value::from(self.world.local_tests_only)),
            "plugin" => Ok(Value::from(self.argument().is_some_and(|class| self.is_loaded(&class)))),
            "has" | "can" => {
                let method = self.argument().ok_or_else(|| format!("{word}() needs a function"))?;
                self.offers(word, &method).map(Value::from)
            }
            _ if is_number(word) => word.parse().map(Value::Number).map_err(|_| format!("\"{word}\" is no number")),
            _ if word.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic()) => Ok(Value::Name),
            _ => Err(format!("the condition's \"{word}\" stands in the wrong place")),
        }
    }

    /// `(NAME)`.
    fn argument(&mut self) -> Option<String> {
        if !self.take("(") {
            return None;
        }
        let name = self.peek().filter(|word| *word != ")").map(plugins::present_name);
        self.at += usize::from(name.is_some());
        self.take(")").then_some(name).flatten()
    }

    fn is_loaded(&self, class: &str) -> bool {
        match class.strip_prefix(plugins::PREFIX) {
            // Its rules were taken out of it; conditions treat it as always there.
            Some("RaciallyCharged") => true,
            Some(short) => self.world.plugins.contains(short),
            None => self.world.plugins.contains(class),
        }
    }

    fn offers(&self, word: &str, method: &str) -> Result<bool, String> {
        let Some((module, function)) = method.rsplit_once("::") else {
            return Err(format!("{word}({method}) names no module"));
        };
        if module == "Mail::SpamAssassin::Conf" {
            let compat = function.strip_prefix("compat_").is_some_and(|flag| self.world.compat.contains(flag));
            return Ok(compat || plugins::FEATURES.contains(&function));
        }
        Ok(self.is_loaded(module) && plugins::offers(module.strip_prefix(plugins::PREFIX).unwrap_or(module), function))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(condition: &str) -> bool {
        let plugins = HashSet::from(["DKIM".to_owned()]);
        let compat = HashSet::from(["welcomelist_blocklist".to_owned()]);
        let world = World { plugins: &plugins, compat: &compat, local_tests_only: true };
        let mut conditions = Conditions::default();
        conditions.begin("if", condition, 1, &world).unwrap();
        !conditions.skipping()
    }

    #[test]
    fn conditions_ask_for_versions_plugins_and_features() {
        for (condition, wanted) in [
            ("(version >= 3.004000)", true),
            ("version >= 4.000002", false),
            ("plugin(Mail::SpamAssassin::Plugin::DKIM)", true),
            ("!plugin(Mail::SpamAssassin::Plugin::AWL) && (1)", true),
            ("can(Mail::SpamAssassin::Conf::feature_bug6558_free)", true),
            ("can(Mail::SpamAssassin::Conf::feature_of_tomorrow)", false),
            ("can(Mail::SpamAssassin::Conf::compat_welcomelist_blocklist)", true),
            ("has(Mail::SpamAssassin::Plugin::DKIM::has_arc)", true),
            ("has(Mail::SpamAssassin::Plugin::DKIM::check_dkim_valid)", true),
            ("has(Mail::SpamAssassin::Plugin::BodyEval::has_check_body_length)", false),
            ("perl_version >= 5.018000", true),
            ("local_tests_only", true),
        ] {
            assert_eq!(answer(condition), wanted, "{condition}");
        }
    }

    #[test]
    fn an_else_inside_a_skipped_block_stays_skipped() {
        let none = HashSet::new();
        let world = World { plugins: &none, compat: &none, local_tests_only: false };
        let mut conditions = Conditions::default();
        conditions.begin("if", "0", 1, &world).unwrap();
        conditions.begin("if", "1", 2, &world).unwrap();
        assert!(conditions.skipping());
        conditions.otherwise().unwrap();
        assert!(conditions.skipping());
        conditions.end().unwrap();
        conditions.otherwise().unwrap();
        assert!(!conditions.skipping());
        assert_eq!(conditions.close(), [("if", 1)]);
        assert!(conditions.end().is_err());
    }

    #[test]
    fn a_condition_nested_without_end_is_refused() {
        let none = HashSet::new();
        let world = World { plugins: &none, compat: &none, local_tests_only: false };
        let deep = "(".repeat(100_000);
        assert!(Conditions::default().begin("if", &deep, 1, &world).is_err());
    }
}
