//! One update of a model's parameters.

use attentive_backend::Objective;
use attentive_backend::Precision;
use attentive_core::Dropout;
use attentive_optim::{Gradients, Optimizer, StepSize};
use burn::module::Module;

use crate::divergence::GradientNorms;

/// One update: forward and backward passes over micro-batches, whose gradients add up, then a step of an optimizer.
///
/// The mean is taken over the targets of all micro-batches together. The model is taken by value: an optimizer that is the
/// only one to hold the parameters changes them in place.
///
/// ```
/// use attentive_backend::BackendKind;
/// use attentive_core::SequenceBatch;
/// use attentive_model::{CausalLmObjective, GptConfig, ModelSpec};
/// use attentive_optim::AdamConfig;
/// use attentive_trainer::Update;
///
/// let device = BackendKind::Flex.device()?.autodiff();
/// let model = GptConfig::gpt2_like(8, 4, [1, 2, 16]).init(&device, 1)?;
/// let objective = CausalLmObjective::default();
/// let mut optimizer = AdamConfig::default().init()?;
///
/// let mut update = Update::of(model, &objective).clip_norm(1.0);
/// update.add(&SequenceBatch::next_tokens(&[[1, 2, 3]], 0, vec![0]), None);
/// update.add(&SequenceBatch::next_tokens(&[[4, 5]], 0, vec![1]), None);
/// let (model, report) = update.step(&mut optimizer, 1e-3);
/// assert_eq!((report.n_targets, report.skipped), (2 + 1, false));
/// # drop(model);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Update<'a, M, O> {
    model: M,
    objective: &'a O,
    precision: Precision,
    clip_norm: f64,
    gradients: Gradients,
    loss_sum: f64,
    nll_sum: f64,
    n_targets: usize,
}

/// The result of an update.
#[derive(Debug)]
pub struct UpdateReport {
    /// The loss that was minimised, in nats per target.
    pub loss_nats: f64,
    /// Cross-entropy without smoothing, in nats per target.
    pub nll_nats: f64,
    /// L2 norm of the mean gradient over all parameters, before clipping.
    pub grad_norm: f64,
    /// Number of targets.
    pub n_targets: usize,
    /// Whether the parameters were left as they are because the loss or the gradient is not finite.
    pub skipped: bool,
    pub(crate) norms: GradientNorms,
}

impl<'a, M: Module, O: Objective<M>> Update<'a, M, O> {
    /// An update of `model`, which lives on a device with gradients; in f32, without clipping.
    pub fn of(model: M, objective: &'a O) -> Self {
        Self {
            model,
            objective,
            precision: Precision::F32,
            clip_norm: 0.0,
            gradients: Gradients::default(),
            loss_sum: 0.0,
            nll_sum: 0.0,
            n_targets: 0,
        }
    }

    /// Number type that matrix products multiply.
    #[must_use]
    pub fn precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Largest L2 norm of the mean gradient over all parameters; 0 for no limit.
    #[must_use]
    pub fn clip_norm(self, clip_norm: f64) -> Self {
        Self { clip_norm, ..self }
    }

    /// Adds a micro-batch, a forward and a backward pass; returns its loss, in nats, summed over targets.
    ///
    /// The pass is one of training where `dropout` gives its randomness, else as in use.
    pub fn add(&mut self, batch: &O::Batch, dropout: Option<&Dropout>) -> f64 {
        let loss = self.precision.during(|| self.objective.loss(&self.model, batch, dropout));
        let loss_sum = f64::from(loss.sum.clone().into_scalar::<f32>());
        self.loss_sum += loss_sum;
        self.nll_sum += f64::from(loss.nll_sum.into_scalar::<f32>());
        self.n_targets += loss.n_targets;
        let tape = self.precision.during(|| loss.sum.backward());
        self.gradients.add(Gradients::take(tape, &self.model));
        loss_sum
    }

    /// Changes the parameters, unless a number is not finite.
    pub fn step(self, optimizer: &mut dyn Optimizer, lr: f64) -> (M, UpdateReport) {
        let mean = 1.0 / self.n_targets.max(1) as f64;
        let norms = GradientNorms::of(&self.gradients, mean);
        let grad_norm = norms.global();
        let is_finite = grad_norm.is_finite() && self.loss_sum.is_finite();
        let clip = if self.clip_norm > 0.0 { (self.clip_norm / grad_norm).min(1.0) } else { 1.0 };
        let model = match is_finite {
            true => attentive_optim::step(optimizer, self.model, self.gradients, StepSize { scale: mean * clip, lr }),
            false => self.model,
        };
        let report = UpdateReport {
            loss_nats: self.loss_sum * mean,
            nll_nats: self.nll_sum * mean,
            grad_norm,
            n_targets: self.n_targets,
            skipped: !is_finite,
            norms,
        };
        (model, report)
    }
}
