//! Meta expressions: from the text of a rule to a tree over rule names, as SpamAssassin and Perl read it
//! (Mail::SpamAssassin::Conf, "META TESTS").

use super::lexer::{expression_words, is_rule_name};
use super::model::{Expression, Operator};

/// Nesting of one expression; long chains of the same operator are balanced and stay far below.
const DEPTH: usize = 60;
/// Operators in a row whose grouping matters, such as `-`.
const CHAIN: usize = 100;

/// An expression whose operands are still names, in order of first use.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parsed {
    pub tree: Expression,
    /// What `Expression::Rule(n)` of the tree stands for.
    pub names: Vec<String>,
}

/// What a meta says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meta {
    Expression(Parsed),
    /// `meta X ()`: declares a rule that something else hits.
    Declared,
}

/// Checks a meta when its line is read; the error says why it is refused. `rules_matching()` counts as a number here.
pub(super) fn check(text: &str) -> Result<(), String> {
    if let Some(bad) = ["::", "->", "$", "@", "%", ";", "{", "}"].iter().find(|bad| text.contains(**bad)) {
        return Err(format!("\"{bad}\" does not belong into an expression"));
    }
    let squeezed: String = text.chars().filter(|c| !super::lexer::is_space(*c)).collect();
    if squeezed.contains("**") {
        return Err("\"**\" does not belong into an expression".into());
    }
    match parse(text, &Surroundings { local_tests_only: false, matching: &|_| Vec::new() })? {
        Meta::Declared => Ok(()),
        Meta::Expression(parsed) => value(&parsed.tree, &|_| 0.0).map(drop).ok_or_else(|| "it may divide by zero".to_owned()),
    }
}

/// What an expression may ask of the rule set around it.
pub(super) struct Surroundings<'s> {
    pub local_tests_only: bool,
    /// The rules that a glob of `rules_matching()` names, without the asking one, sorted.
    pub matching: &'s dyn Fn(&str) -> Vec<String>,
}

pub(super) fn parse(text: &str, around: &Surroundings<'_>) -> Result<Meta, String> {
    let expanded = expand(text, around);
    let words = expression_words(&expanded);
    if words == ["(", ")"] {
        return Ok(Meta::Declared);
    }
    let mut parser = Parser { words: split_signs(&words)?, at: 0, depth: 0, names: Vec::new(), local_tests_only: around.local_tests_only };
    let tree = parser.choice()?;
    match parser.peek() {
        None => Ok(Meta::Expression(Parsed { tree, names: parser.names })),
        Some(word) => Err(format!("\"{word}\" stands where an operator or the end is expected")),
    }
}

/// Puts the sum of the rules in place of each `rules_matching(GLOB)`.
fn expand(text: &str, around: &Surroundings<'_>) -> String {
    const CALL: &str = "rules_matching(";
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(CALL) {
        let (before, call) = rest.split_at(at);
        let inside = call.get(CALL.len()..).unwrap_or("");
        let glob = inside.find(')').and_then(|end| inside.get(..end)).map(str::trim);
        let part_of_a_word = before.ends_with(|c: char| c == '_' || c.is_ascii_alphanumeric());
        done.push_str(before);
        match glob.filter(|glob| !part_of_a_word && is_rule_name(&glob.replace(['*', '?'], "_"))) {
            Some(glob) => {
                let names = (around.matching)(glob);
                done.push_str(" (");
                done.push_str(if names.is_empty() { "0" } else { "" });
                done.push_str(&names.join("+"));
                done.push_str(") ");
                rest = inside.find(')').and_then(|end| inside.get(end + 1..)).unwrap_or("");
            }
            None => {
                done.push_str(CALL);
                rest = inside;
            }
        }
    }
    done.push_str(rest);
    done
}

/// Checks the words and takes runs of signs apart.
fn split_signs<'w>(words: &[&'w str]) -> Result<Vec<&'w str>, String> {
    let mut all = Vec::with_capacity(words.len());
    for &word in words {
        let signs = word.bytes().all(|octet| octet == b'+' || octet == b'-');
        match word {
            "++" | "--" => return Err(format!("\"{word}\" is no operator of expressions")),
            _ if signs && word.len() <= 2 => all.extend(word.get(..1).into_iter().chain(word.get(1..).filter(|rest| !rest.is_empty()))),
            _ if is_rule_name(word) || is_number(word) || !word.bytes().any(|o| o.is_ascii_alphanumeric() || b"+-._:".contains(&o)) => {
                all.push(word);
            }
            ":" => all.push(word),
            _ => return Err(format!("\"{word}\" is neither a rule name nor a number (a sign or operator needs spaces around it)")),
        }
    }
    Ok(all)
}

/// `\d+(\.\d+)?`
fn is_number(word: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit());
    match word.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part),
        None => digits(word),
    }
}

struct Parser<'p> {
    words: Vec<&'p str>,
    at: usize,
    depth: usize,
    names: Vec<String>,
    local_tests_only: bool,
}

/// Perl's levels, loosest first. Since 5.32 comparisons may be chained: `A < B < C` is `A < B && B < C`.
const LEVELS: &[&[(&str, Operator)]] = &[
    &[("||", Operator::Or)],
    &[("&&", Operator::And)],
    &[("^", Operator::Xor)],
    &[("==", Operator::Equal), ("!=", Operator::NotEqual)],
    &[("<", Operator::Less), ("<=", Operator::LessEqual), (">", Operator::Greater), (">=", Operator::GreaterEqual)],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide)],
];

impl<'p> Parser<'p> {
    fn peek(&self) -> Option<&'p str> {
        self.words.get(self.at).copied()
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEPTH { Err("the expression is nested too deeply".into()) } else { Ok(()) }
    }

    /// `a ? b : c`, right to left.
    fn choice(&mut self) -> Result<Expression, String> {
        let condition = self.binary(0)?;
        if !self.take("?") {
            return Ok(condition);
        }
        self.deeper()?;
        let yes = self.choice()?;
        if !self.take(":") {
            return Err("\"?\" without \":\"".into());
        }
        let no = self.choice()?;
        self.depth -= 1;
        Ok(Expression::Choose(Box::new(condition), Box::new(yes), Box::new(no)))
    }

    fn binary(&mut self, level: usize) -> Result<Expression, String> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let first = self.binary(level + 1)?;
        let mut chain = Vec::new();
        while let Some(operator) = self.peek().and_then(|word| operators.iter().find(|(text, _)| *text == word)).map(|(_, op)| *op) {
            self.at += 1;
            chain.push((operator, self.binary(level + 1)?));
        }
        link(first, chain)
    }

    fn unary(&mut self) -> Result<Expression, String> {
        self.deeper()?;
        let word = self.peek().ok_or("the expression breaks off")?;
        self.at += 1;
        let found = match word {
            "!" => Expression::Not(Box::new(self.unary()?)),
            "-" => binary(Operator::Subtract, Expression::Number(0.0), self.unary()?),
            "+" => self.unary()?,
            "(" if self.take(")") => Expression::Number(0.0),
            "(" => {
                let inner = self.choice()?;
                if !self.take(")") {
                    return Err("a parenthesis is not closed".into());
                }
                inner
            }
            "local_tests_only" => Expression::Number(f64::from(u8::from(self.local_tests_only))),
            _ if is_rule_name(word) => Expression::Rule(self.name(word)),
            _ => Expression::Number(word.parse().map_err(|_| format!("\"{word}\" stands where a rule name or number is expected"))?),
        };
        self.depth -= 1;
        Ok(found)
    }

    fn name(&mut self, word: &str) -> usize {
        match self.names.iter().position(|known| known == word) {
            Some(at) => at,
            None => {
                self.names.push(word.to_owned());
                self.names.len() - 1
            }
        }
    }
}

fn binary(operator: Operator, left: Expression, right: Expression) -> Expression {
    Expression::Binary(operator, Box::new(left), Box::new(right))
}

/// Puts a chain of one level together.
fn link(first: Expression, chain: Vec<(Operator, Expression)>) -> Result<Expression, String> {
    let Some((head, _)) = chain.first() else { return Ok(first) };
    let head = *head;
    match head {
        Operator::Or | Operator::And | Operator::Xor => {}
        Operator::Add if chain.iter().all(|(operator, _)| *operator == Operator::Add) => {}
        Operator::Equal | Operator::NotEqual | Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual
            if chain.len() > 1 =>
        {
            return Ok(comparisons(first, chain));
        }
        _ => {
            if chain.len() > CHAIN {
                return Err("the expression has too many operators in a row".into());
            }
            return Ok(chain.into_iter().fold(first, |left, (operator, right)| binary(operator, left, right)));
        }
    }
    // The value of `&&`, `||` and sums does not depend on how they are grouped; a balanced tree stays shallow.
    let mut parts: Vec<Expression> = std::iter::once(first).chain(chain.into_iter().map(|(_, part)| part)).collect();
    while parts.len() > 1 {
        let mut pairs = Vec::with_capacity(parts.len().div_ceil(2));
        let mut rest = parts.into_iter();
        while let Some(left) = rest.next() {
            pairs.push(match rest.next() {
                Some(right) => binary(head, left, right),
                None => left,
            });
        }
        parts = pairs;
    }
    Ok(parts.pop().unwrap_or(Expression::Number(0.0)))
}

/// `a < b <= c` is `a < b && b <= c`.
fn comparisons(first: Expression, chain: Vec<(Operator, Expression)>) -> Expression {
    let mut left = first;
    let mut pairs = Vec::new();
    for (operator, right) in chain {
        pairs.push((Operator::And, binary(operator, left, right.clone())));
        left = right;
    }
    let (_, first) = pairs.remove(0);
    link(first, pairs).unwrap_or(Expression::Number(0.0))
}

/// The value with operands given; `None` for a division by zero, which Perl dies of. `&&` and `||` give one of their
/// operands, a comparison 1 or 0.
pub fn value(expression: &Expression, operand: &dyn Fn(usize) -> f64) -> Option<f64> {
    let truth = |yes: bool| f64::from(u8::from(yes));
    Some(match expression {
        Expression::Number(number) => *number,
        Expression::Rule(index) => operand(*index),
        Expression::Not(inner) => truth(value(inner, operand)? == 0.0),
        Expression::Choose(condition, yes, no) => {
            let chosen = if value(condition, operand)? != 0.0 { yes } else { no };
            value(chosen, operand)?
        }
        Expression::Binary(operator, left, right) => {
            let a = value(left, operand)?;
            match operator {
                Operator::And if a == 0.0 => return Some(a),
                Operator::Or if a != 0.0 => return Some(a),
                _ => {}
            }
            let b = value(right, operand)?;
            match operator {
                Operator::And | Operator::Or => b,
                // Perl takes both as unsigned 64-bit integers; a negative one wraps around.
                Operator::Xor => (bits(a) ^ bits(b)) as f64,
                Operator::Equal => truth(a == b),
                Operator::NotEqual => truth(a != b),
                Operator::Less => truth(a < b),
                Operator::LessEqual => truth(a <= b),
                Operator::Greater => truth(a > b),
                Operator::GreaterEqual => truth(a >= b),
                Operator::Add => a + b,
                Operator::Subtract => a - b,
                Operator::Multiply => a * b,
                Operator::Divide if b == 0.0 => return None,
                Operator::Divide => a / b,
            }
        }
    })
}

fn bits(number: f64) -> u64 {
    if number < 0.0 { number as i64 as u64 } else { number as u64 }
}

/// The names of a parsed expression replaced by indices of the rule set.
pub(super) fn resolve(tree: &mut Expression, indices: &[usize]) {
    let mut open = vec![tree];
    while let Some(expression) = open.pop() {
        match expression {
            Expression::Number(_) => {}
            Expression::Rule(index) => *index = indices.get(*index).copied().unwrap_or(*index),
            Expression::Not(inner) => open.push(inner),
            Expression::Binary(_, left, right) => open.extend([&mut **left, &mut **right]),
            Expression::Choose(condition, yes, no) => open.extend([&mut **condition, &mut **yes, &mut **no]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, hits: &[(&str, f64)]) -> f64 {
        let around = Surroundings { local_tests_only: true, matching: &|_| vec!["A".into(), "B".into()] };
        match parse(text, &around).unwrap() {
            Meta::Declared => 0.0,
            Meta::Expression(parsed) => {
                let operand = |index: usize| hits.iter().find(|(name, _)| *name == parsed.names[index]).map_or(0.0, |hit| hit.1);
                value(&parsed.tree, &operand).unwrap()
            }
        }
    }

    #[test]
    fn an_expression_is_read_as_perl_reads_it() {
        let hits = [("A", 2.0), ("B", 1.0), ("C", 3.0)];
        for (text, wanted) in [
            ("A && B", 1.0),
            ("A || B", 2.0),
            ("A + B > 2", 1.0),
            ("A + B * C", 5.0),
            ("!A == D", 1.0),
            ("(A + B + C) >= 6 && !D", 1.0),
            ("A ^ B", 3.0),
            ("D ? A : B ? C : A", 3.0),
            ("A - C", -1.0),
            ("C > A > B", 1.0),
            ("A > C > B", 0.0),
            ("rules_matching(X_*) == 3", 1.0),
            ("local_tests_only", 1.0),
            ("8 / A - 1", 3.0),
            ("8 - 4 - 2", 2.0),
        ] {
            assert_eq!(with(text, &hits), wanted, "{text}");
        }
    }

    #[test]
    fn what_perl_refuses_is_refused() {
        for text in
            ["A+1 > 1", "2+A", "-1", "A | B", "A & B", "A B", "(A", "A)", "A &&", "A / B", "A ** B", "$x", "A::b", "A ++ B", "A = B"]
        {
            assert!(check(text).is_err(), "{text}");
        }
        for text in ["A + 1 > 1", "A+B", "A && 1 / B", "()", "- A", "A +- B", "(A && B) || (C > 2.5)", "! A"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn long_and_deep_expressions_are_bounded() {
        let sum = vec!["A"; 50_000].join(" + ");
        assert_eq!(check(&sum), Ok(()));
        assert!(check(&"(".repeat(50_000)).is_err());
        assert!(check(&"! ".repeat(50_000)).is_err());
        assert!(check(&vec!["A"; 50_000].join(" - ")).is_err());
    }
}
