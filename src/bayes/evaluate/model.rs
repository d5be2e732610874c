//! Logistic regression with L2 over what hit: how much the rules know that the classifier does not.

/// Weight of the messages against the penalty on the weights (C).
const MESSAGES: f64 = 1.0;
const NEWTON_STEPS: usize = 30;
const GRADIENT_STEPS: usize = 60;

/// A weight for each feature and a bias without penalty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    weights: Vec<f64>,
    bias: f64,
}

/// A message: the features it has, and whether it is spam.
pub type Row<'r> = (&'r [u32], bool);

impl Model {
    /// Newton's method; each step is solved by conjugate gradients, so that the Hessian is never written down.
    pub fn fit(rows: &[Row<'_>], features: usize) -> Model {
        let mut at = vec![0.0; features + 1];
        let mut loss = objective(rows, &at);
        for _ in 0..NEWTON_STEPS {
            let (gradient, curvature) = derivatives(rows, &at);
            let size = dot(&gradient, &gradient).sqrt();
            if size < 1e-6 * (1.0 + rows.len() as f64) {
                break;
            }
            let step = solve(rows, &curvature, &gradient);
            let Some((next, next_loss)) = shortened(rows, &at, &step, loss) else { break };
            let gained = loss - next_loss;
            (at, loss) = (next, next_loss);
            if gained < 1e-9 * (1.0 + loss.abs()) {
                break;
            }
        }
        let bias = at.pop().unwrap_or(0.0);
        Model { weights: at, bias }
    }

    /// Natural log-odds of spam.
    pub fn log_odds(&self, features: &[u32]) -> f64 {
        self.bias + features.iter().filter_map(|feature| self.weights.get(*feature as usize)).sum::<f64>()
    }
}

/// The bias is the last coordinate.
fn product(features: &[u32], at: &[f64]) -> f64 {
    features.iter().filter_map(|feature| at.get(*feature as usize)).sum::<f64>() + at.last().copied().unwrap_or(0.0)
}

fn objective(rows: &[Row<'_>], at: &[f64]) -> f64 {
    let penalty: f64 = at.iter().rev().skip(1).map(|w| w * w / 2.0).sum();
    let losses: f64 = rows
        .iter()
        .map(|(features, spam)| {
            let z = if *spam { product(features, at) } else { -product(features, at) };
            // ln(1 + e^-z) without overflow.
            (-z.abs()).exp().ln_1p() + (-z).max(0.0)
        })
        .sum();
    penalty + MESSAGES * losses
}

/// The gradient, and p (1 - p) of each row.
fn derivatives(rows: &[Row<'_>], at: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut gradient = at.to_vec();
    if let Some(bias) = gradient.last_mut() {
        *bias = 0.0;
    }
    let mut curvature = Vec::with_capacity(rows.len());
    for (features, spam) in rows {
        let p = 1.0 / (1.0 + (-product(features, at)).exp());
        add(&mut gradient, features, MESSAGES * (p - f64::from(u8::from(*spam))));
        curvature.push(p * (1.0 - p));
    }
    (gradient, curvature)
}

fn add(to: &mut [f64], features: &[u32], amount: f64) {
    for feature in features {
        if let Some(entry) = to.get_mut(*feature as usize) {
            *entry += amount;
        }
    }
    if let Some(bias) = to.last_mut() {
        *bias += amount;
    }
}

fn hessian_times(rows: &[Row<'_>], curvature: &[f64], direction: &[f64]) -> Vec<f64> {
    let mut out = direction.to_vec();
    if let Some(bias) = out.last_mut() {
        *bias *= 1e-8;
    }
    for ((features, _), d) in rows.iter().zip(curvature) {
        add(&mut out, features, MESSAGES * d * product(features, direction));
    }
    out
}

/// Conjugate gradients for Hessian · x = gradient.
fn solve(rows: &[Row<'_>], curvature: &[f64], gradient: &[f64]) -> Vec<f64> {
    let mut x = vec![0.0; gradient.len()];
    let mut rest = gradient.to_vec();
    let mut direction = rest.clone();
    let mut size = dot(&rest, &rest);
    let enough = size * 1e-6;
    for _ in 0..GRADIENT_STEPS {
        if size <= enough {
            break;
        }
        let image = hessian_times(rows, curvature, &direction);
        let along = dot(&direction, &image);
        if along <= 0.0 {
            break;
        }
        let length = size / along;
        for i in 0..x.len() {
            x[i] += length * direction[i];
            rest[i] -= length * image[i];
        }
        let next = dot(&rest, &rest);
        for i in 0..direction.len() {
            direction[i] = rest[i] + next / size * direction[i];
        }
        size = next;
    }
    x
}

/// The longest of the halved steps that lowers the loss.
fn shortened(rows: &[Row<'_>], at: &[f64], step: &[f64], loss: f64) -> Option<(Vec<f64>, f64)> {
    let mut length = 1.0;
    for _ in 0..20 {
        let next: Vec<f64> = at.iter().zip(step).map(|(a, s)| a - length * s).collect();
        let next_loss = objective(rows, &next);
        if next_loss < loss {
            return Some((next, next_loss));
        }
        length /= 2.0;
    }
    None
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_spam_gets_weight_and_what_tells_nothing_does_not() {
        let spam: [&[u32]; 2] = [&[0, 2], &[0]];
        let ham: [&[u32]; 2] = [&[1, 2], &[1]];
        let rows: Vec<Row<'_>> = (0..20).flat_map(|i| [(spam[i % 2], true), (ham[i % 2], false)]).collect();
        let model = Model::fit(&rows, 3);
        assert!(model.log_odds(&[0]) > 2.0 && model.log_odds(&[1]) < -2.0);
        assert!(model.log_odds(&[2]).abs() < 1e-3 && model.log_odds(&[99]).abs() < 1e-3);
    }

    #[test]
    fn the_gradient_is_nought_where_it_ends() {
        let rows: Vec<Row<'_>> = vec![(&[0], true), (&[0], true), (&[0], false), (&[], false), (&[1], true)];
        let model = Model::fit(&rows, 2);
        let at = [&model.weights[..], &[model.bias]].concat();
        assert!(derivatives(&rows, &at).0.iter().all(|g| g.abs() < 1e-4));
        assert_eq!(Model::fit(&[], 2).log_odds(&[0]), 0.0);
    }
}
