//! One update of a model's parameters.

use attentive_backend::{Objective, Precision, Recompute, Tally};
use attentive_collective::{BalancedSum, Collective, CollectiveError, gather_equal};
use attentive_core::Dropout;
use attentive_optim::{Gradients, Optimizer, Shards, StepSize};
use attentive_weights::Rounding;
use burn::module::Module;

use crate::{TrainError, divergence::GradientNorms, rounding::rounded};

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
    /// The model of the passes, if it is another.
    rounded: Option<M>,
    objective: &'a O,
    precision: Precision,
    recompute: Recompute,
    clip_norm: f64,
    sum: BalancedSum<Part>,
}

/// What some micro-batches add up to.
#[derive(Default)]
struct Part {
    gradients: Gradients,
    totals: Totals,
}

/// The numbers of some micro-batches, in nats, summed over targets.
#[derive(Debug, Clone, Default)]
struct Totals {
    loss: f64,
    nll: f64,
    n_targets: usize,
    tally: Tally,
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
    /// What the objective tells beside the loss, by name: means over targets.
    pub scores: Vec<(&'static str, f64)>,
    /// Whether the parameters were left as they are because the loss or the gradient is not finite.
    pub skipped: bool,
    pub(crate) norms: GradientNorms,
}

impl<'a, M: Module, O: Objective<M>> Update<'a, M, O> {
    /// An update of `model`, which lives on a device with gradients; in f32, without clipping, and nothing
    /// is computed twice.
    pub fn of(model: M, objective: &'a O) -> Self {
        let sum = BalancedSum::of_any(Part::plus);
        let (precision, recompute) = (Precision::F32, Recompute::None);
        Self { model, rounded: None, objective, precision, recompute, clip_norm: 0.0, sum }
    }

    /// Number type that matrix products multiply.
    #[must_use]
    pub fn precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// What backward passes compute again.
    #[must_use]
    pub fn recompute(self, recompute: Recompute) -> Self {
        Self { recompute, ..self }
    }

    /// Rounds matrices in the passes of all micro-batches. Their gradients change the matrices as they were before, as if nothing
    /// had been rounded: the straight-through estimator (Bengio et al. 2013, §4, of Hinton), by which Jacob et al. 2018, §3,
    /// train.
    ///
    /// # Errors
    /// [`TrainError::Quantize`] names a matrix that can't be rounded.
    pub fn rounding(self, rounding: &dyn Rounding) -> Result<Self, TrainError> {
        let model = rounded(self.model.clone(), rounding)?;
        Ok(self.through(Some(model)))
    }

    /// Passes are those of `rounded`, if there is one: the model with its matrices rounded.
    pub(crate) fn through(self, rounded: Option<M>) -> Self {
        Self { rounded, ..self }
    }

    /// Largest L2 norm of the mean gradient over all parameters; 0 for no limit.
    #[must_use]
    pub fn clip_norm(self, clip_norm: f64) -> Self {
        Self { clip_norm, ..self }
    }

    /// The number of micro-batches that will be added: gradients add up in a balanced tree over so many, which several
    /// processes can share. Without it, the tree is that of the next power of two.
    #[must_use]
    pub fn accumulate(self, n: usize) -> Self {
        Self { sum: BalancedSum::new(n as u64, Part::plus), ..self }
    }

    /// Adds a micro-batch, a forward and a backward pass; returns its loss, in nats, summed over targets.
    ///
    /// The pass is one of training where `dropout` gives its randomness, else as in use.
    ///
    /// # Panics
    /// If there are more micro-batches than [`accumulate`](Self::accumulate) says.
    pub fn add(&mut self, batch: &O::Batch, dropout: Option<&Dropout>) -> f64 {
        let model = self.rounded.as_ref().unwrap_or(&self.model);
        let forward = || self.objective.loss_and_tally(model, batch, dropout);
        let (loss, tally) = self.precision.during(|| self.recompute.during(forward));
        let totals = Totals {
            loss: f64::from(loss.sum.clone().into_scalar::<f32>()),
            nll: f64::from(loss.nll_sum.into_scalar::<f32>()),
            n_targets: loss.n_targets,
            tally,
        };
        let loss_nats = totals.loss;
        // A batch without targets may have a loss that depends on no parameter.
        let gradients = match loss.sum.is_tracked() {
            true => Gradients::take(self.precision.during(|| loss.sum.backward()), model),
            false => Gradients::default(),
        };
        self.sum.add(Part { gradients, totals });
        loss_nats
    }

    /// Changes the parameters, unless a number is not finite.
    pub fn step(self, optimizer: &mut dyn Optimizer, lr: f64) -> (M, UpdateReport) {
        let Self { model, rounded, clip_norm, sum, .. } = self;
        // It holds the parameters that are not rounded, too, which then could not be changed in place.
        drop(rounded);
        let Part { gradients, totals } = sum.finish().unwrap_or_default();
        let (report, scale) = totals.report(gradients.squared_norms(), clip_norm);
        let model = match report.skipped {
            true => model,
            false => attentive_optim::step(optimizer, model, gradients, StepSize { scale, lr }),
        };
        (model, report)
    }

    /// As [`step`](Self::step), of the micro-batches of all processes, each of which calls it: all have the new parameters
    /// then, and the same report.
    ///
    /// Numbers of processes that are powers of two give the bits of one process, on flex.
    ///
    /// # Errors
    /// [`CollectiveError`] if a process has ended.
    pub fn step_among(
        self,
        peers: &dyn Collective,
        shards: &Shards,
        optimizer: &mut dyn Optimizer,
        lr: f64,
    ) -> Result<(M, UpdateReport), CollectiveError> {
        let Self { model, rounded, clip_norm, sum, .. } = self;
        drop(rounded);
        let Part { gradients, totals } = sum.finish().unwrap_or_default();
        let totals = totals.among(peers)?;
        let gradients = gradients.reduce(shards, peers)?;
        let (report, scale) = totals.report(gradients.squared_norms().to_vec(), clip_norm);
        let model = match report.skipped {
            true => model,
            false => gradients.step(optimizer, model, StepSize { scale, lr })?,
        };
        Ok((model, report))
    }
}

impl Part {
    fn plus(self, other: Self) -> Self {
        Self { gradients: self.gradients.plus(other.gradients), totals: self.totals.plus(other.totals) }
    }
}

impl Totals {
    fn plus(self, other: Self) -> Self {
        let Self { loss, nll, n_targets, mut tally } = self;
        for (name, sum) in other.tally {
            match tally.iter_mut().find(|(mine, _)| *mine == name) {
                Some((_, mine)) => *mine += sum,
                None => tally.push((name, sum)),
            }
        }
        Self { loss: loss + other.loss, nll: nll + other.nll, n_targets: n_targets + other.n_targets, tally }
    }

    /// Those of all processes together.
    fn among(self, peers: &dyn Collective) -> Result<Self, CollectiveError> {
        let Self { loss, nll, n_targets, tally } = self;
        let mut sum = BalancedSum::new(peers.size() as u64, Self::plus);
        let mine: Vec<u64> = [loss.to_bits(), nll.to_bits(), n_targets as u64]
            .into_iter()
            .chain(tally.iter().map(|(_, sum)| sum.to_bits()))
            .collect();
        // Objectives tell the same names of each batch.
        for theirs in gather_equal(peers, &mine)? {
            let [loss, nll] = [0, 1].map(|at| f64::from_bits(theirs[at]));
            let names = tally.iter().map(|(name, _)| *name);
            let tally = names.zip(&theirs[3..]).map(|(name, &sum)| (name, f64::from_bits(sum))).collect();
            sum.add(Self { loss, nll, n_targets: theirs[2] as usize, tally });
        }
        Ok(sum.finish().unwrap_or_default())
    }

    /// The report of an update with these squares of norms, and what gradients, which are sums, are multiplied by.
    fn report(self, squares: Vec<(String, f64)>, clip_norm: f64) -> (UpdateReport, f64) {
        let Self { loss, nll, n_targets, tally } = self;
        let mean = 1.0 / n_targets.max(1) as f64;
        let norms = GradientNorms::new(squares, mean);
        let grad_norm = norms.global();
        let clip = if clip_norm > 0.0 { (clip_norm / grad_norm).min(1.0) } else { 1.0 };
        let skipped = !(grad_norm.is_finite() && loss.is_finite());
        let scores = tally.into_iter().map(|(name, sum)| (name, sum * mean)).collect();
        let report =
            UpdateReport { loss_nats: loss * mean, nll_nats: nll * mean, grad_norm, n_targets, scores, skipped, norms };
        (report, mean * clip)
    }
}
