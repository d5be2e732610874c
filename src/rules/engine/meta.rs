//! Meta rules: expressions to flat code, their order of evaluation, and the arithmetic (Perl's, over counts of hits).

use crate::rules::model::{Expression, Operator};

/// One step of a compiled expression; jumps are absolute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    Push(f64),
    /// The value of a rule: 0 where it did not hit.
    Load(u32),
    Not,
    Apply(Operator),
    /// `&&`: false on top stays as the result and the right side is passed over; else it is dropped.
    AndTo(u32),
    /// `||`, likewise for true.
    OrTo(u32),
    /// Drops the top and goes on at the place given when it was false.
    FalseTo(u32),
    Jump(u32),
}

/// A meta expression as a flat list of steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Code {
    steps: Vec<Step>,
    /// Rules it looks at, each once, in ascending order.
    pub operands: Vec<u32>,
}

impl Code {
    pub fn compile(expression: &Expression) -> Code {
        let mut code = Code::default();
        code.emit(expression);
        code.operands.sort_unstable();
        code.operands.dedup();
        code
    }

    /// The depth of an expression is bounded by the one who parsed it.
    fn emit(&mut self, expression: &Expression) {
        match expression {
            Expression::Number(n) => self.steps.push(Step::Push(*n)),
            Expression::Rule(index) => {
                let rule = u32::try_from(*index).unwrap_or(u32::MAX);
                self.operands.push(rule);
                self.steps.push(Step::Load(rule));
            }
            Expression::Not(inner) => {
                self.emit(inner);
                self.steps.push(Step::Not);
            }
            Expression::Binary(Operator::And, left, right) => self.emit_lazy(left, right, Step::AndTo),
            Expression::Binary(Operator::Or, left, right) => self.emit_lazy(left, right, Step::OrTo),
            Expression::Binary(operator, left, right) => {
                self.emit(left);
                self.emit(right);
                self.steps.push(Step::Apply(*operator));
            }
            Expression::Choose(condition, yes, no) => {
                self.emit(condition);
                let to_no = self.reserve();
                self.emit(yes);
                let to_end = self.reserve();
                self.settle(to_no, Step::FalseTo);
                self.emit(no);
                self.settle(to_end, Step::Jump);
            }
        }
    }

    fn emit_lazy(&mut self, left: &Expression, right: &Expression, step: fn(u32) -> Step) {
        self.emit(left);
        let jump = self.reserve();
        self.emit(right);
        self.settle(jump, step);
    }

    fn reserve(&mut self) -> usize {
        self.steps.push(Step::Jump(0));
        self.steps.len() - 1
    }

    fn settle(&mut self, at: usize, step: fn(u32) -> Step) {
        self.steps[at] = step(self.steps.len() as u32);
    }

    /// Perl's value of the expression; a false comparison is 0. A division by zero counts as false.
    pub fn value(&self, values: &[f64]) -> f64 {
        let mut stack = Stack::default();
        let mut at = 0usize;
        while let Some(step) = self.steps.get(at) {
            at += 1;
            match *step {
                Step::Push(n) => stack.push(n),
                Step::Load(rule) => stack.push(values.get(rule as usize).copied().unwrap_or(0.0)),
                Step::Not => {
                    let n = stack.pop();
                    stack.push(truth(n == 0.0));
                }
                Step::Apply(operator) => {
                    let right = stack.pop();
                    let left = stack.pop();
                    stack.push(apply(operator, left, right));
                }
                Step::AndTo(to) => match stack.top() == 0.0 {
                    true => at = to as usize,
                    false => drop(stack.pop()),
                },
                Step::OrTo(to) => match stack.top() == 0.0 {
                    true => drop(stack.pop()),
                    false => at = to as usize,
                },
                Step::FalseTo(to) => {
                    if stack.pop() == 0.0 {
                        at = to as usize;
                    }
                }
                Step::Jump(to) => at = to as usize,
            }
        }
        stack.pop()
    }
}

/// Rules of which one at least must have hit for the expression to be true; `None` where it may be true without. Of the
/// choices that `&&` leaves, those that weigh least.
pub fn causes(expression: &Expression, weight: &dyn Fn(u32) -> usize) -> Option<Vec<u32>> {
    let of = |part: &Expression| causes(part, weight);
    let weigh = |rules: &Vec<u32>| rules.iter().map(|rule| weight(*rule)).sum::<usize>();
    let both = |a: Option<Vec<u32>>, b: Option<Vec<u32>>| a.into_iter().chain(b).min_by_key(weigh);
    let either = |a: Option<Vec<u32>>, b: Option<Vec<u32>>| Some([a?, b?].concat());
    match expression {
        Expression::Number(n) => (*n == 0.0).then(Vec::new),
        Expression::Rule(index) => Some(vec![u32::try_from(*index).unwrap_or(u32::MAX)]),
        Expression::Not(_) => None,
        Expression::Choose(condition, yes, no) => either(both(of(condition), of(yes)), of(no)),
        Expression::Binary(operator, left, right) => match (operator, &**right) {
            (Operator::And | Operator::Multiply | Operator::Divide, _) => both(of(left), of(right)),
            (Operator::Or | Operator::Xor | Operator::Add | Operator::Subtract, _) => either(of(left), of(right)),
            (Operator::Greater, Expression::Number(n)) if *n >= 0.0 => of(left),
            (Operator::GreaterEqual | Operator::Equal, Expression::Number(n)) if *n > 0.0 => of(left),
            (Operator::Greater | Operator::GreaterEqual | Operator::Less | Operator::LessEqual, _) => None,
            (Operator::Equal | Operator::NotEqual, _) => None,
        },
    }
}

/// A few numbers in place, more on the heap.
#[derive(Default)]
struct Stack {
    low: [f64; 16],
    len: usize,
    high: Vec<f64>,
}

impl Stack {
    fn push(&mut self, n: f64) {
        match self.low.get_mut(self.len) {
            Some(slot) => *slot = n,
            None => self.high.push(n),
        }
        self.len += 1;
    }

    fn pop(&mut self) -> f64 {
        let Some(len) = self.len.checked_sub(1) else { return 0.0 };
        self.len = len;
        match self.low.get(len) {
            Some(n) => *n,
            None => self.high.pop().unwrap_or(0.0),
        }
    }

    fn top(&self) -> f64 {
        let Some(last) = self.len.checked_sub(1) else { return 0.0 };
        self.low.get(last).copied().unwrap_or_else(|| self.high.last().copied().unwrap_or(0.0))
    }
}

fn truth(yes: bool) -> f64 {
    if yes { 1.0 } else { 0.0 }
}

fn apply(operator: Operator, left: f64, right: f64) -> f64 {
    match operator {
        // Both sides were computed: the lazy forms have steps of their own.
        Operator::Or => {
            if left == 0.0 {
                right
            } else {
                left
            }
        }
        Operator::And => {
            if left == 0.0 {
                left
            } else {
                right
            }
        }
        // perlop: `^` on numbers works on integers.
        Operator::Xor => ((left as i64) ^ (right as i64)) as f64,
        Operator::Equal => truth(left == right),
        Operator::NotEqual => truth(left != right),
        Operator::Less => truth(left < right),
        Operator::LessEqual => truth(left <= right),
        Operator::Greater => truth(left > right),
        Operator::GreaterEqual => truth(left >= right),
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide if right == 0.0 => 0.0,
        Operator::Divide => left / right,
    }
}

/// Metas in an order in which each stands after the metas it looks at, and those without such an order: members of a
/// cycle and all that look at them.
#[derive(Debug, Default)]
pub struct Order {
    pub solved: Vec<u32>,
    pub unsolved: Vec<u32>,
}

/// `metas`: rule and its code; `is_meta` tells by rule.
pub fn order(metas: &[(u32, Code)], is_meta: &dyn Fn(u32) -> bool) -> Order {
    use std::collections::HashMap;
    let mut missing: HashMap<u32, usize> = HashMap::with_capacity(metas.len());
    let mut users: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut queue: Vec<u32> = Vec::new();
    for (rule, code) in metas {
        let deps: Vec<u32> = code.operands.iter().copied().filter(|o| is_meta(*o)).collect();
        missing.insert(*rule, deps.len());
        if deps.is_empty() {
            queue.push(*rule);
        }
        for dep in deps {
            users.entry(dep).or_default().push(*rule);
        }
    }
    let mut solved = Vec::with_capacity(metas.len());
    let mut next = 0;
    while let Some(rule) = queue.get(next).copied() {
        next += 1;
        solved.push(rule);
        for user in users.get(&rule).into_iter().flatten() {
            if let Some(count) = missing.get_mut(user) {
                *count -= 1;
                if *count == 0 {
                    queue.push(*user);
                }
            }
        }
    }
    let mut unsolved: Vec<u32> = missing.iter().filter(|(_, count)| **count > 0).map(|(rule, _)| *rule).collect();
    unsolved.sort_unstable();
    Order { solved, unsolved }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(index: usize) -> Box<Expression> {
        Box::new(Expression::Rule(index))
    }

    fn number(n: f64) -> Box<Expression> {
        Box::new(Expression::Number(n))
    }

    #[test]
    fn and_and_or_give_an_operand_and_pass_the_rest_over() {
        let sum = Expression::Binary(Operator::Add, rule(0), rule(1));
        assert_eq!(Code::compile(&sum).value(&[2.0, 1.0]), 3.0);
        let or = Expression::Binary(Operator::Or, rule(0), Box::new(sum.clone()));
        assert_eq!(Code::compile(&or).value(&[0.0, 4.0]), 4.0);
        assert_eq!(Code::compile(&or).value(&[7.0, 4.0]), 7.0);
        let and = Expression::Binary(Operator::And, rule(0), Box::new(Expression::Not(rule(1))));
        assert_eq!(Code::compile(&and).value(&[3.0, 0.0]), 1.0);
        assert_eq!(Code::compile(&and).value(&[3.0, 1.0]), 0.0);
    }

    #[test]
    fn a_choice_runs_one_branch() {
        let choose = Expression::Choose(rule(0), number(0.0), Box::new(Expression::Binary(Operator::Divide, number(6.0), number(2.0))));
        assert_eq!(Code::compile(&choose).value(&[5.0]), 0.0);
        assert_eq!(Code::compile(&choose).value(&[0.0]), 3.0);
    }

    #[test]
    fn xor_is_bitwise_and_division_by_zero_is_false() {
        let xor = Expression::Binary(Operator::Xor, rule(0), number(1.0));
        assert_eq!(Code::compile(&xor).value(&[7.0]), 6.0);
        let div = Expression::Binary(Operator::Divide, number(1.0), rule(0));
        assert_eq!(Code::compile(&div).value(&[0.0]), 0.0);
    }

    #[test]
    fn an_expression_waits_for_the_rarest_rule_that_it_needs() {
        let binary = |operator, left, right| Box::new(Expression::Binary(operator, left, right));
        let sum = || binary(Operator::Add, rule(1), rule(2));
        let not = || Box::new(Expression::Not(rule(9)));
        for (expression, needed) in [
            (binary(Operator::And, rule(7), rule(3)), Some(vec![3])),
            (binary(Operator::And, not(), rule(7)), Some(vec![7])),
            (binary(Operator::Or, not(), rule(7)), None),
            (binary(Operator::And, binary(Operator::Greater, sum(), number(1.0)), rule(7)), Some(vec![1, 2])),
            (binary(Operator::Less, sum(), number(1.0)), None),
            (binary(Operator::GreaterEqual, sum(), number(0.0)), None),
        ] {
            assert_eq!(causes(&expression, &|rule| rule as usize), needed, "{expression:?}");
        }
    }

    #[test]
    fn a_cycle_and_all_that_look_at_it_have_no_order() {
        let not = |i| Code::compile(&Expression::Not(rule(i)));
        let metas = [(1, not(2)), (2, not(1)), (3, not(1)), (4, not(0)), (5, not(4)), (6, not(6))];
        let order = order(&metas, &|r| r >= 1);
        assert_eq!(order.solved, [4, 5]);
        assert_eq!(order.unsolved, [1, 2, 3, 6]);
    }

    #[test]
    fn a_deep_expression_needs_no_deep_stack() {
        let mut deep = Expression::Number(1.0);
        for _ in 0..100 {
            deep = Expression::Binary(Operator::Add, number(1.0), Box::new(deep));
        }
        assert_eq!(Code::compile(&deep).value(&[]), 101.0);
    }
}
