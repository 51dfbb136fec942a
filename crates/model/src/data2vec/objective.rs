//! The loss of what is hidden.

use attentive_attention::Dropout;
use attentive_backend::{Loss, Objective};
use attentive_core::Batch;
use burn::{
    module::{Module, ModuleDisplay, Param},
    tensor::{Tensor, TensorData},
};

use super::{Data2Vec, Hidden, Hiding, LayeredEncoder, TargetNorm, teacher::running_mean};
use crate::tokens::vectors_at;

/// ε of the normalisation of a layer's output.
const EPSILON: f64 = 1e-5;

/// How a student learns from its own running mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Data2VecConfig {
    /// Layers of the teacher, from the last one down, the mean of whose outputs is learnt: `K`.
    pub top_layers: usize,
    /// Part of the teacher that stays in the first update: `τ₀`.
    pub tau: f64,
    /// Part that stays from update `tau_steps` on: `τₑ`.
    pub tau_end: f64,
    /// Updates in which it rises from one to the other, linearly: `n`.
    pub tau_steps: u64,
    /// Errors below this count by their squares, and those above by their size (smooth L1); 0 for the squared error of all.
    pub beta: f64,
    /// What is hidden of pictures and sound; texts have their own way.
    pub hiding: Hiding,
}

impl Data2VecConfig {
    /// Part of the teacher that stays in an update, counted from 1: `τ₀ + (τₑ - τ₀) min(n / tau_steps, 1)`.
    pub fn tau_of(&self, n_updates: u64) -> f64 {
        let risen = if self.tau_steps == 0 { 1.0 } else { (n_updates as f64 / self.tau_steps as f64).min(1.0) };
        self.tau + (self.tau_end - self.tau) * risen
    }

    /// Part of the first teacher, which is the student before it learns, in that after so many updates. While it is large,
    /// targets are those of a model that has learnt nothing.
    pub fn first_in_teacher(&self, n_updates: u64) -> f64 {
        let rising = n_updates.min(self.tau_steps);
        let while_rising: f64 = (1..=rising).map(|n| self.tau_of(n)).product();
        while_rising * self.tau_end.powf((n_updates - rising) as f64)
    }
}

/// Loss of what is hidden (Baevski et al. 2022, §3.4): the distance of the student's prediction from the mean of the
/// normalised outputs of the teacher's top layers, the mean over features, summed over hidden positions
/// (docs/deviations.md#what-a-student-learns).
///
/// A layer's output is that of its feed-forward network before the residual sum. The teacher sees all of the input, in use.
pub struct Data2VecObjective<M, B> {
    config: Data2VecConfig,
    view: fn(&M) -> Option<&dyn LayeredEncoder<B>>,
}

impl<M, B> std::fmt::Debug for Data2VecObjective<M, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Data2VecObjective").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What a batch says of a student and its teacher.
#[derive(Debug, Clone)]
pub struct Data2VecReport {
    /// The loss.
    pub loss: Loss,
    /// Standard deviation of targets over hidden positions, the mean over features. Near zero, the teacher says the same of
    /// everything: training has collapsed (Baevski et al. 2022, §5, "Representation collapse").
    pub target_deviation: f64,
    /// That of predictions.
    pub prediction_deviation: f64,
}

/// Targets and predictions of hidden positions: `[places, d_model]` each.
struct Pair {
    targets: Tensor<2>,
    predictions: Tensor<2>,
}

/// What is normalised together of `[rows, positions, d_model]`.
enum Mean {
    /// The features of each position.
    OfFeatures,
    /// The positions of each row, by their weights, `[rows, positions, 1]`.
    OfPositions(Box<Tensor<3>>),
}

impl Mean {
    /// Of the first positions of each row, `lengths` of them.
    fn of_positions(lengths: &[usize], output: &Tensor<3>) -> Self {
        let [rows, n, _] = output.dims();
        let weight = |row: usize, at: usize| if at < lengths[row] { 1.0 / lengths[row] as f32 } else { 0.0 };
        let weights: Vec<f32> = (0..rows * n).map(|place| weight(place / n, place % n)).collect();
        let weights = Tensor::from_data(TensorData::new(weights, [rows, n, 1]), &output.device());
        Self::OfPositions(Box::new(weights))
    }

    fn of(&self, x: Tensor<3>) -> Tensor<3> {
        match self {
            Self::OfFeatures => x.mean_dim(2),
            Self::OfPositions(weights) => (x * *weights.clone()).sum_dim(1),
        }
    }
}

impl<M: Module + ModuleDisplay, B: Batch> Data2VecObjective<M, B> {
    /// The loss of models that `view` shows as what is trained.
    pub fn new(config: Data2VecConfig, view: fn(&M) -> Option<&dyn LayeredEncoder<B>>) -> Self {
        Self { config, view }
    }

    /// What a batch says; nothing if nothing of it is hidden.
    pub fn report(&self, model: &Data2Vec<M>, batch: &B) -> Option<Data2VecReport> {
        let pair = self.pair(model, batch, None)?;
        let deviation = |x: &Tensor<2>| {
            let centred = x.clone() - x.clone().mean_dim(0);
            f64::from(centred.powi_scalar(2).mean_dim(0).sqrt().mean().into_scalar::<f32>())
        };
        let (target_deviation, prediction_deviation) = (deviation(&pair.targets), deviation(&pair.predictions));
        Some(Data2VecReport { loss: self.loss_of(pair), target_deviation, prediction_deviation })
    }

    /// # Panics
    /// If the model is not an encoder of layers.
    fn encoder<'a>(&self, student: &'a M) -> &'a dyn LayeredEncoder<B> {
        (self.view)(student).expect("a model that data2vec can train")
    }

    /// The mean of the normalised outputs of the teacher's top layers, of hidden positions: `[places, d_model]`.
    fn targets(&self, model: &Data2Vec<M>, batch: &B, places: &[u32]) -> Tensor<2> {
        let encoder = self.encoder(&model.student);
        let features = encoder.features(batch, None, None);
        let outputs = model.teacher.top_outputs(features, &encoder.sight(batch), self.config.top_layers);
        let n = outputs.len() as f64;
        let mean = match encoder.target_norm(batch) {
            TargetNorm::Layer => Mean::OfFeatures,
            TargetNorm::Instance { lengths } => Mean::of_positions(&lengths, &outputs[0]),
        };
        let normalised = outputs.into_iter().map(|output| {
            let centred = output.clone() - mean.of(output);
            let variance = mean.of(centred.clone().powi_scalar(2));
            vectors_at(centred / (variance + EPSILON).sqrt(), places)
        });
        normalised.reduce(|sum, output| sum + output).expect("one layer at least") / n
    }

    /// Targets and predictions of what is hidden, if anything is.
    fn pair(&self, model: &Data2Vec<M>, batch: &B, pass: Option<&Dropout>) -> Option<Pair> {
        let encoder = self.encoder(&model.student);
        let places = encoder.hidden(batch, self.config.hiding, pass);
        if places.is_empty() {
            return None;
        }
        let targets = match model.predictor.weight.val().is_autodiff() {
            true => Tensor::from_inner(self.targets(&model.valid(), batch, &places)),
            false => self.targets(model, batch, &places),
        };
        let vector = model.mask.as_ref().map(Param::val);
        let hidden = Hidden { places: &places, vector: vector.as_ref() };
        let features = encoder.features(batch, Some(hidden), pass);
        let encoded = encoder.layers().forward(features, &encoder.sight(batch), pass);
        Some(Pair { targets, predictions: model.predictor.forward(vectors_at(encoded, &places)) })
    }

    fn loss_of(&self, Pair { targets, predictions }: Pair) -> Loss {
        let [n_targets, d_model] = targets.dims();
        let (errors, beta) = (predictions - targets, self.config.beta);
        let distances = if beta > 0.0 {
            // ½ d² / β below β, d - ½ β above.
            let sizes = errors.abs();
            let small = sizes.clone().clamp_max(beta);
            small.clone().powi_scalar(2) * (0.5 / beta) + (sizes - small)
        } else {
            errors.powi_scalar(2)
        };
        let sum = distances.sum() / d_model as f64;
        Loss { nll_sum: sum.clone().detach(), sum, n_targets }
    }
}

impl<M: Module + ModuleDisplay, B: Batch> Objective<Data2Vec<M>> for Data2VecObjective<M, B> {
    type Batch = B;

    /// # Panics
    /// If the model is not an encoder of layers.
    fn loss(&self, model: &Data2Vec<M>, batch: &B, pass: Option<&Dropout>) -> Loss {
        match self.pair(model, batch, pass) {
            Some(pair) => self.loss_of(pair),
            None => {
                let device = model.predictor.weight.device();
                let zero = || Tensor::zeros([1], &device);
                Loss { sum: zero(), nll_sum: zero(), n_targets: 0 }
            }
        }
    }

    fn after_update(&self, model: Data2Vec<M>, n_updates: u64) -> Data2Vec<M> {
        let Data2Vec { student, teacher, mask, predictor } = model;
        let teacher = running_mean(teacher, self.encoder(&student).layers(), self.config.tau_of(n_updates));
        Data2Vec { student, teacher, mask, predictor }
    }

    fn is_in_nats(&self, _: &Data2Vec<M>) -> bool {
        false
    }
}
