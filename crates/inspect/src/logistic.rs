//! Logistic regression, in double precision.

/// Pairs of steps that the curvature is estimated from.
const MEMORY: usize = 10;

/// The most steps of a search.
const MAX_STEPS: usize = 1_000;

/// The largest slope, in nats, at which a search is over.
const FLAT: f64 = 1e-8;

/// A linear classifier: soft-max over an affine map of features.
///
/// ```
/// use attentive_inspect::LogisticRegression;
///
/// let classifier = LogisticRegression::fit(&[-1.0, -2.0, 1.0, 2.0], &[0, 0, 1, 1], 2, 0.01);
/// assert_eq!((classifier.class_of(&[-0.5]), classifier.class_of(&[0.5])), (0, 1));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticRegression {
    /// `[classes, features + 1]`, each row with its constant at the end.
    weights: Vec<f64>,
    n_features: usize,
}

impl LogisticRegression {
    /// The classifier with the least mean of `-ln p` of the labels plus `penalty / 2` times the sum of squared weights, without
    /// constants. Scikit-learn's `C` is `1 / (penalty · n)` for `n` rows.
    ///
    /// `features` are rows, `[labels, features]`.
    ///
    /// # Panics
    /// If there are no labels, or features are not as many for each, or a label is not below `n_classes`.
    pub fn fit(features: &[f32], labels: &[u32], n_classes: usize, penalty: f64) -> Self {
        assert!(!labels.is_empty() && features.len().is_multiple_of(labels.len()), "as many features for each label");
        let n_features = features.len() / labels.len();
        let (mut scores, mut x) = (vec![0.0; n_classes], vec![0.0; n_features]);
        let objective = |weights: &[f64], gradient: &mut [f64]| {
            gradient.fill(0.0);
            let share = 1.0 / labels.len() as f64;
            let mut sum = 0.0;
            for (at, &label) in labels.iter().enumerate() {
                widen(&features[at * n_features..][..n_features], &mut x);
                log_probabilities(weights, &x, &mut scores);
                sum -= share * scores[label as usize];
                for (class, (row, log_p)) in gradient.chunks_exact_mut(n_features + 1).zip(&scores).enumerate() {
                    let error = share * (log_p.exp() - f64::from(u8::from(class == label as usize)));
                    row.iter_mut().zip(&x).for_each(|(slope, x)| *slope += error * x);
                    row[n_features] += error;
                }
            }
            let rows = weights.chunks_exact(n_features + 1).zip(gradient.chunks_exact_mut(n_features + 1));
            for (weight, slope) in rows.flat_map(|(weights, slopes)| weights.iter().zip(slopes).take(n_features)) {
                sum += 0.5 * penalty * weight * weight;
                *slope += penalty * weight;
            }
            sum
        };
        Self { weights: minimise(vec![0.0; n_classes * (n_features + 1)], objective), n_features }
    }

    /// The logarithms of the probabilities of all classes.
    ///
    /// # Panics
    /// If there are not as many features as before.
    pub fn log_probabilities(&self, features: &[f32]) -> Vec<f64> {
        assert_eq!(features.len(), self.n_features, "as many features as before");
        let mut scores = vec![0.0; self.weights.len() / (self.n_features + 1)];
        let mut x = vec![0.0; self.n_features];
        widen(features, &mut x);
        log_probabilities(&self.weights, &x, &mut scores);
        scores
    }

    /// The most probable class; the first of equals.
    ///
    /// # Panics
    /// As [`log_probabilities`](Self::log_probabilities).
    pub fn class_of(&self, features: &[f32]) -> u32 {
        let scores = self.log_probabilities(features);
        (0..scores.len()).reduce(|best, class| if scores[class] > scores[best] { class } else { best }).unwrap_or(0)
            as u32
    }
}

fn widen(from: &[f32], to: &mut [f64]) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = f64::from(from));
}

fn log_probabilities(weights: &[f64], x: &[f64], scores: &mut [f64]) {
    for (score, row) in scores.iter_mut().zip(weights.chunks_exact(x.len() + 1)) {
        *score = row[x.len()] + dot(&row[..x.len()], x);
    }
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum = most + scores.iter().map(|score| (score - most).exp()).sum::<f64>().ln();
    scores.iter_mut().for_each(|score| *score -= sum);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Sums beside one another, which a processor adds at once.
    let (mut sums, [a_blocks, b_blocks]) = ([0.0; 8], [a, b].map(|x| x.chunks_exact(8)));
    let rest: f64 = a_blocks.remainder().iter().zip(b_blocks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_blocks.zip(b_blocks) {
        (0..8).for_each(|lane| sums[lane] += a[lane] * b[lane]);
    }
    sums.iter().sum::<f64>() + rest
}

/// Where a convex function, which gives its value and writes its gradient, is least, from `x` on: L-BFGS with steps that are
/// halved until they go down enough.
///
/// Source: Liu and Nocedal 1989, "On the limited memory BFGS method for large scale optimization"; the condition is Armijo's.
fn minimise(mut x: Vec<f64>, mut f: impl FnMut(&[f64], &mut [f64]) -> f64) -> Vec<f64> {
    let mut gradient = vec![0.0; x.len()];
    let mut value = f(&x, &mut gradient);
    let mut pairs: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    for _ in 0..MAX_STEPS {
        if gradient.iter().all(|slope| slope.abs() <= FLAT) {
            break;
        }
        let direction = direction(&pairs, &gradient);
        let slope = dot(&direction, &gradient);
        let mut length = if pairs.is_empty() { (1.0 / dot(&gradient, &gradient).sqrt()).min(1.0) } else { 1.0 };
        let mut next_gradient = vec![0.0; x.len()];
        let found = loop {
            let next: Vec<f64> = x.iter().zip(&direction).map(|(x, step)| x + length * step).collect();
            let next_value = f(&next, &mut next_gradient);
            if next_value <= value + 1e-4 * length * slope {
                break Some((next, next_value));
            }
            length /= 2.0;
            if length < 1e-12 {
                break None;
            }
        };
        // No step goes down: this is as low as rounding lets it be.
        let Some((next, next_value)) = found else { break };
        let difference =
            |to: &[f64], from: &[f64]| to.iter().zip(from).map(|(to, from)| to - from).collect::<Vec<f64>>();
        let pair = (difference(&next, &x), difference(&next_gradient, &gradient));
        if dot(&pair.0, &pair.1) > 0.0 {
            pairs.push(pair);
            pairs.drain(..pairs.len().saturating_sub(MEMORY));
        }
        (x, value, gradient) = (next, next_value, next_gradient);
    }
    x
}

/// Where to go: down the gradient, as steps and the changes of gradients that they made say the function is curved.
fn direction(pairs: &[(Vec<f64>, Vec<f64>)], gradient: &[f64]) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|slope| -slope).collect();
    let add = |q: &mut [f64], factor: f64, to: &[f64]| q.iter_mut().zip(to).for_each(|(q, to)| *q += factor * to);
    let mut factors = Vec::with_capacity(pairs.len());
    for (step, change) in pairs.iter().rev() {
        let factor = dot(step, &q) / dot(step, change);
        add(&mut q, -factor, change);
        factors.push(factor);
    }
    if let Some((step, change)) = pairs.last() {
        let size = dot(step, change) / dot(change, change);
        q.iter_mut().for_each(|q| *q *= size);
    }
    for ((step, change), factor) in pairs.iter().zip(factors.iter().rev()) {
        let other = dot(change, &q) / dot(step, change);
        add(&mut q, factor - other, step);
    }
    q
}
