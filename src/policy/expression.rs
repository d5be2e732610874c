//! Conditions as operators write them: `score >= 12 || (DMARC_REJECT && !KNOWN_FORWARDER)`.

use crate::outcome::Findings;
use serde::{Deserialize, Deserializer, de};
use std::sync::Arc;

/// A condition in postfix order, so that neither reading nor evaluating recurses. `off` never holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expression {
    program: Vec<Item>,
}

#[derive(Clone, Debug, PartialEq)]
enum Item {
    Number(f64),
    Score,
    Required,
    Spam,
    Partial,
    /// 1 where the rule hit, 0 where not.
    Rule(Arc<str>),
    Apply(Operator),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Not,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
}

/// Sign, operator, binding strength. Longer signs stand before their beginnings.
const OPERATORS: &[(&str, Operator, u8)] = &[
    ("||", Operator::Or, 1),
    ("&&", Operator::And, 2),
    ("==", Operator::Equal, 3),
    ("!=", Operator::Unequal, 3),
    ("<=", Operator::LessOrEqual, 4),
    (">=", Operator::GreaterOrEqual, 4),
    ("<", Operator::Less, 4),
    (">", Operator::Greater, 4),
    ("+", Operator::Plus, 5),
    ("-", Operator::Minus, 5),
    ("*", Operator::Times, 6),
    ("!", Operator::Not, 7),
];

const REMEDY: &str = "write a condition such as \"score >= 12 || (RULE_A && !RULE_B)\", or \"off\"";
/// Operators and operands of one condition.
const LONGEST: usize = 1000;

enum Waiting {
    Parenthesis,
    Operator(Operator, u8),
}

impl Expression {
    pub fn parse(text: &str) -> Result<Expression, String> {
        let mut reader = Reader { program: Vec::new(), waiting: Vec::new(), operand_next: true };
        let mut rest = text.trim();
        if rest.is_empty() || rest == "off" {
            return Ok(Expression::default());
        }
        while !rest.is_empty() {
            rest = reader.token(rest).map_err(|what| format!("\"{text}\": {what}; {REMEDY}"))?.trim_start();
            if reader.program.len() + reader.waiting.len() > LONGEST {
                return Err(format!("a condition of more than {LONGEST} words; {REMEDY}"));
            }
        }
        reader.finish().map_err(|what| format!("\"{text}\": {what}; {REMEDY}"))
    }

    pub fn is_off(&self) -> bool {
        self.program.is_empty()
    }

    pub fn holds(&self, findings: &Findings) -> bool {
        let mut stack: Vec<f64> = Vec::new();
        for item in &self.program {
            let value = match item {
                Item::Number(number) => *number,
                Item::Score => findings.score,
                Item::Required => findings.required,
                Item::Spam => truth(findings.is_spam()),
                Item::Partial => truth(findings.partial),
                Item::Rule(name) => truth(findings.has(name)),
                Item::Apply(Operator::Not) => truth(stack.pop() == Some(0.0)),
                Item::Apply(operator) => {
                    let (right, left) = (stack.pop().unwrap_or(0.0), stack.pop().unwrap_or(0.0));
                    apply(*operator, left, right)
                }
            };
            stack.push(value);
        }
        stack.pop().is_some_and(|value| value != 0.0)
    }

    /// The rules it names.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.program.iter().filter_map(|item| match item {
            Item::Rule(name) => Some(&**name),
            Item::Number(_) | Item::Score | Item::Required | Item::Spam | Item::Partial | Item::Apply(_) => None,
        })
    }
}

fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

fn apply(operator: Operator, left: f64, right: f64) -> f64 {
    // Scores have three decimals; 12.0 reached by tenths must count as 12.
    let same = (left - right).abs() < 0.0005;
    match operator {
        Operator::Or => truth(left != 0.0 || right != 0.0),
        Operator::And => truth(left != 0.0 && right != 0.0),
        Operator::Equal => truth(same),
        Operator::Unequal => truth(!same),
        Operator::Less => truth(left < right && !same),
        Operator::LessOrEqual => truth(left < right || same),
        Operator::Greater => truth(left > right && !same),
        Operator::GreaterOrEqual => truth(left > right || same),
        Operator::Plus => left + right,
        Operator::Minus => left - right,
        Operator::Times => left * right,
        Operator::Not => truth(right == 0.0),
    }
}

/// Dijkstra's shunting yard.
struct Reader {
    program: Vec<Item>,
    waiting: Vec<Waiting>,
    operand_next: bool,
}

impl Reader {
    /// Reads one token; answers what follows it.
    fn token<'t>(&mut self, text: &'t str) -> Result<&'t str, String> {
        let first = text.chars().next().unwrap_or(' ');
        if first == '(' {
            if !self.operand_next {
                return Err("an operator is missing before \"(\"".to_owned());
            }
            self.waiting.push(Waiting::Parenthesis);
            return Ok(&text[1..]);
        }
        if first == ')' {
            if self.operand_next {
                return Err("a value is missing before \")\"".to_owned());
            }
            self.close()?;
            return Ok(&text[1..]);
        }
        if first.is_ascii_digit() || first == '.' || (self.operand_next && first == '-') {
            let length = 1 + text[1..].find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len() - 1);
            let number = text[..length].parse().map_err(|_| format!("\"{}\" is no number", &text[..length]))?;
            self.operand(Item::Number(number))?;
            return Ok(&text[length..]);
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let length = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
            let item = match &text[..length] {
                "score" => Item::Score,
                "required" => Item::Required,
                "spam" => Item::Spam,
                "partial" => Item::Partial,
                name => Item::Rule(name.into()),
            };
            self.operand(item)?;
            return Ok(&text[length..]);
        }
        let Some((sign, operator, strength)) = OPERATORS.iter().find(|(sign, _, _)| text.starts_with(sign)) else {
            return Err(format!("\"{first}\" is not understood"));
        };
        self.operator(*operator, *strength, sign)?;
        Ok(&text[sign.len()..])
    }

    fn operand(&mut self, item: Item) -> Result<(), String> {
        if !self.operand_next {
            return Err("two values without an operator between them".to_owned());
        }
        self.program.push(item);
        self.operand_next = false;
        Ok(())
    }

    fn operator(&mut self, operator: Operator, strength: u8, sign: &str) -> Result<(), String> {
        if operator == Operator::Not {
            if !self.operand_next {
                return Err("an operator is missing before \"!\"".to_owned());
            }
            self.waiting.push(Waiting::Operator(operator, strength));
            return Ok(());
        }
        if self.operand_next {
            return Err(format!("a value is missing before \"{sign}\""));
        }
        while let Some(Waiting::Operator(before, bound)) = self.waiting.last()
            && *bound >= strength
        {
            self.program.push(Item::Apply(*before));
            self.waiting.pop();
        }
        self.waiting.push(Waiting::Operator(operator, strength));
        self.operand_next = true;
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        loop {
            match self.waiting.pop() {
                Some(Waiting::Operator(operator, _)) => self.program.push(Item::Apply(operator)),
                Some(Waiting::Parenthesis) => return Ok(()),
                None => return Err("\")\" without \"(\"".to_owned()),
            }
        }
    }

    fn finish(mut self) -> Result<Expression, String> {
        if self.operand_next {
            return Err("a value is missing at the end".to_owned());
        }
        while let Some(waiting) = self.waiting.pop() {
            match waiting {
                Waiting::Operator(operator, _) => self.program.push(Item::Apply(operator)),
                Waiting::Parenthesis => return Err("\"(\" without \")\"".to_owned()),
            }
        }
        Ok(Expression { program: self.program })
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Expression::parse(&String::deserialize(d)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, score: f64, rules: &[&str]) -> bool {
        let mut findings = Findings { score, required: 5.0, ..Findings::default() };
        findings.subrules.extend(rules.iter().map(|rule| ((*rule).into(), 1)));
        Expression::parse(text).unwrap().holds(&findings)
    }

    #[test]
    fn conditions_bind_as_in_c() {
        let reject = "score >= 12 || (DMARC_REJECT && !KNOWN_FORWARDER)";
        assert!(holds(reject, 12.0, &[]));
        assert!(holds(reject, 0.0, &["DMARC_REJECT"]));
        assert!(!holds(reject, 11.999, &["DMARC_REJECT", "KNOWN_FORWARDER"]));
        assert!(holds("A || B && C", 0.0, &["A"]));
        assert!(holds("!A == 1 && score - 1 * 2 == 3", 5.0, &[]));
        assert!(holds("score >= required + 0.5", 5.5, &[]));
        assert!(holds("score > -1 && spam", 5.0, &[]));
        assert!(holds("!!A && !(B || !A)", 5.0, &["A"]));
        assert!(!holds("off", 100.0, &[]));
    }

    #[test]
    fn ten_tenths_are_one() {
        let score = (0..10).map(|_| 0.1).sum();
        assert!(score < 1.0);
        assert!(holds("score >= 1", score, &[]));
    }

    #[test]
    fn a_wrong_condition_is_told_with_its_remedy() {
        for (text, what) in [
            ("score >=", "missing at the end"),
            ("score 12", "without an operator"),
            ("(score > 1", "without \")\""),
            ("score > 1)", "without \"(\""),
            ("score & 1", "not understood"),
            ("1..2 > 1", "no number"),
            ("A !B", "before \"!\""),
            ("&& A", "before \"&&\""),
            ("()", "before \")\""),
        ] {
            let error = Expression::parse(text).unwrap_err();
            assert!(error.contains(what) && error.contains("score >= 12"), "{text}: {error}");
        }
    }

    #[test]
    fn no_depth_is_too_deep() {
        let deep = format!("{}A{}", "(".repeat(400), ")".repeat(400));
        assert!(holds(&deep, 0.0, &["A"]));
        assert!(Expression::parse(&"!".repeat(100_000)).is_err());
    }
}
