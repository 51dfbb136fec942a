//! Label smoothing (§5.4).

use attentive_plot::{Chart, Series};

use crate::{Exhibit, Part, Table};

/// Places of each line.
const N_POINTS: u32 = 400;

/// What label smoothing asks of a model: the loss of a target by the probability that its right token has.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelSmoothing {
    /// Entries of the vocabulary.
    pub vocab_size: usize,
    /// The values of ε.
    pub epsilons: Vec<f64>,
}

/// The paper's vocabulary of about 37,000; no smoothing, its 0.1, and 0.2.
impl Default for LabelSmoothing {
    fn default() -> Self {
        Self { vocab_size: 37_000, epsilons: vec![0.0, 0.1, 0.2] }
    }
}

impl LabelSmoothing {
    /// The least losses and where they are; the drawing `label-smoothing`.
    ///
    /// # Errors
    /// The vocabulary has fewer than two entries, or an ε is not from 0 to 1, 1 left out.
    pub fn make(&self) -> crate::Result<Exhibit> {
        if self.vocab_size < 2 || self.epsilons.iter().any(|epsilon| !(0.0..1.0).contains(epsilon)) {
            refuse!("label smoothing needs a vocabulary of two entries at least, and an ε from 0 to 1, 1 left out");
        }
        let mut table = Table::new([
            "ε",
            "target of the right token",
            "of each other one",
            "loss at 0.5, nats",
            "at 0.9",
            "at 0.999",
        ]);
        let mut series = Vec::new();
        for &epsilon in &self.epsilons {
            let [right, other] = self.targets(epsilon);
            table.row([
                epsilon.to_string(),
                format!("{right:.4}"),
                format!("{other:.2e}"),
                format!("{:.3}", self.loss(epsilon, 0.5)),
                format!("{:.3}", self.loss(epsilon, 0.9)),
                format!("{:.3}", self.loss(epsilon, 0.999)),
            ]);
            // Equal steps of the log-odds from 1/20 on: the loss bends most at the end.
            let place = |step: u32| 1.0 / (1.0 + 19.0 * (-11.0 * f64::from(step) / f64::from(N_POINTS)).exp());
            let mut places: Vec<f64> =
                (0..=N_POINTS).map(place).chain([right].into_iter().filter(|&p| p < 1.0)).collect();
            places.sort_by(f64::total_cmp);
            let points = places.into_iter().map(|p| (p, self.loss(epsilon, p))).collect();
            series.push(Series { label: format!("ε = {epsilon}"), points });
        }
        let table = table.under(format!("Label smoothing over {} entries", self.vocab_size));
        let note = "The right token has the target 1 − ε + ε / V, each other one ε / V (Szegedy et al. 2016). A model that is too \
                    sure pays for it: with smoothing the loss, the divergence of its probabilities from the targets, is 0 at the \
                    target's probability, and rises again towards 1.";
        let title = "loss of a target, nats".to_owned();
        let chart =
            Chart { title, x_label: "probability of the right token, the others being equal".to_owned(), series };
        Ok(Exhibit::from([table.into(), Part::Text(note.to_owned())]).with_figure("label-smoothing", chart))
    }

    /// The target probability of the right token, and of each other one.
    fn targets(&self, epsilon: f64) -> [f64; 2] {
        let share = epsilon / self.vocab_size as f64;
        [1.0 - epsilon + share, share]
    }

    /// The divergence of the probabilities from the targets, where the right token has `p` and the others share the rest.
    fn loss(&self, epsilon: f64, p: f64) -> f64 {
        let ([right, other], n_others) = (self.targets(epsilon), (self.vocab_size - 1) as f64);
        let part = |target: f64, p: f64| if target > 0.0 { target * (target / p).ln() } else { 0.0 };
        let divergence = part(right, p) + n_others * part(other, (1.0 - p) / n_others);
        // Rounding leaves something of 0.
        if divergence < 1e-12 { 0.0 } else { divergence }
    }
}

#[cfg(test)]
mod tests {
    use attentive_backend::{BackendKind, ops};
    use burn::tensor::Tensor;

    use super::*;

    /// The loss of training is the one that is drawn.
    #[test]
    fn it_is_the_loss_of_training() {
        let device = BackendKind::Flex.device().unwrap();
        let figure = LabelSmoothing { vocab_size: 8, ..LabelSmoothing::default() };
        for (epsilon, p) in [(0.0, 0.3_f64), (0.1, 0.9), (0.2, 0.05)] {
            let mut logits = [((1.0 - p) / 7.0).ln() as f32; 8];
            logits[2] = p.ln() as f32;
            let logits = Tensor::<1>::from_floats(&logits[..], &device).reshape([1, 8]);
            let found = ops::cross_entropy(logits, &[2], &[false], epsilon).divergence.into_scalar::<f32>();
            assert!((f64::from(found) - figure.loss(epsilon, p)).abs() < 1e-5, "ε {epsilon}, p {p}");
        }
    }

    #[test]
    fn the_least_loss_is_at_the_target() {
        let figure = LabelSmoothing::default();
        for epsilon in [0.1, 0.2] {
            let [right, _] = figure.targets(epsilon);
            let least = figure.loss(epsilon, right);
            assert!([0.99 * right, (1.0 + right) / 2.0].iter().all(|&p| figure.loss(epsilon, p) > least));
        }
        assert!(LabelSmoothing { vocab_size: 1, ..figure.clone() }.make().is_err());
        assert!(LabelSmoothing { epsilons: vec![1.0], ..figure }.make().is_err());
    }
}
