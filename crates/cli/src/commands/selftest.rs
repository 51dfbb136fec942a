//! `attentive selftest`: laws that hold for every model, tried on one.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use attentive_backend::ops;
use attentive_bundle::{Bundle, ModelConfig};
use attentive_core::{Objective, TokenId, TokenMatrix, TranslationBatch};
use attentive_model::{TeacherForced, TranslationObjective};
use attentive_optim::Gradients;
use burn::{
    module::Module,
    tensor::{Device, Int, Tensor, TensorData, activation::log_softmax},
};
use clap::Args;

use super::BackendArgs;
use crate::run_dir;

/// Tokens of a sentence that laws are tried on.
const LEN: usize = 7;

/// Sentences in a batch.
const ROWS: usize = 3;

/// Try on a model what must hold for every one: causality, padding, caches, gradients.
#[derive(Debug, Args)]
pub(crate) struct Selftest {
    /// The model's folder.
    #[arg(long, value_name = "DIR", default_value = "runs/latest")]
    model: PathBuf,
    #[command(flatten)]
    backend: BackendArgs,
}

impl Selftest {
    pub(super) fn run(self) -> Result<ExitCode> {
        let device = self.backend.device()?;
        let bundle = Bundle::read(&run_dir::resolve(&self.model))?;
        let trained_on = device.clone().autodiff();
        match &bundle.model {
            ModelConfig::Transformer(config) => Subject {
                model: bundle.transformer(&device)?,
                trained: bundle.transformer(&trained_on)?,
                device,
                vocab_size: config.target_vocab_size.min(config.source_vocab_size),
                len: config.positions.max_len().map_or(LEN, |max_len| max_len.min(LEN)),
            }
            .judge(),
            ModelConfig::Rnn(config) => Subject {
                model: bundle.rnn(&device)?,
                trained: bundle.rnn(&trained_on)?,
                device,
                vocab_size: config.target_vocab_size.min(config.source_vocab_size),
                len: LEN,
            }
            .judge(),
            other => bail!("{} is a {}; selftest tries encoder–decoders", bundle.path.display(), other.family()),
        }
    }
}

/// A model, without and with gradients.
struct Subject<M> {
    model: M,
    trained: M,
    device: Device,
    vocab_size: usize,
    len: usize,
}

impl<M: Module + TeacherForced> Subject<M> {
    fn judge(&self) -> Result<ExitCode> {
        let laws = [
            ("causality", "what follows a token changes its log-probabilities by", self.causality(), 0.0),
            ("padding", "padding and company change log-probabilities by", self.padding(), 1e-3),
            ("cache", "a token at a time changes log-probabilities by", self.cache(), 1e-3),
            ("gradients", "slopes differ from gradients, relatively, by", self.gradients()?, 5e-2),
        ];
        for (name, what, worst, limit) in laws {
            let verdict = if worst <= limit { "holds" } else { "BROKEN" };
            println!("{name:<10} {verdict:<7} {what} {worst:.1e} at the most; {limit:.0e} is allowed");
        }
        let all_hold = laws.iter().all(|(_, _, worst, limit)| worst <= limit);
        Ok(if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Some row of tokens.
    fn row(&self, seed: usize, len: usize) -> Vec<TokenId> {
        (0..len).map(|at| ((seed * 131 + at * 37 + at * at * 11) % self.vocab_size) as TokenId).collect()
    }

    fn ids(&self, row: &[TokenId]) -> Tensor<2, Int> {
        let ids: Vec<i64> = row.iter().map(|&id| i64::from(id)).collect();
        Tensor::from_data(TensorData::new(ids, [1, row.len()]), &self.device)
    }

    /// Log-probabilities at every position of `target`, read at once: `tgt · vocab` values.
    fn at_once(&self, source: &[TokenId], target: &[TokenId]) -> Vec<f32> {
        // The last target token is asked for, not read.
        let batch = TranslationBatch {
            source: TokenMatrix::from_rows(&[source], 0, 0),
            target: TokenMatrix::from_rows(&[[target, &[0]].concat()], 0, 0),
            indices: vec![0],
        };
        let (projection, bias) = self.model.output_projection();
        let hidden = self.model.teacher_forced(&batch, None);
        values(log_softmax(ops::linear(hidden, projection.transpose(), bias), 2))
    }

    /// Changes each token in turn: the largest change before it.
    fn causality(&self) -> f64 {
        let (source, target) = (self.row(1, self.len), self.row(2, self.len));
        let expected = self.at_once(&source, &target);
        let vocab = expected.len() / self.len;
        let change_at = |at: usize| {
            let mut changed = target.clone();
            changed[at] = (changed[at] + 1) % self.vocab_size as TokenId;
            largest_difference(&self.at_once(&source, &changed)[..at * vocab], &expected[..at * vocab])
        };
        (1..self.len).map(change_at).fold(0.0, f64::max)
    }

    /// Rows of different lengths together, against each alone.
    fn padding(&self) -> f64 {
        let rows: Vec<Vec<TokenId>> = (0..ROWS).map(|idx| self.row(idx + 3, 1 + idx * (self.len - 1) / ROWS)).collect();
        let first = |source: &TokenMatrix| {
            let mut state = self.model.start(source);
            values(self.model.advance(Tensor::<2, Int>::zeros([source.n_rows(), 1], &self.device), &mut state))
        };
        let together = first(&TokenMatrix::from_rows(&rows, 1, self.len));
        let vocab = together.len() / ROWS;
        let differences = rows
            .iter()
            .zip(together.chunks_exact(vocab))
            .map(|(row, together)| largest_difference(&first(&TokenMatrix::from_rows(&[row], 0, 0)), together));
        differences.fold(0.0, f64::max)
    }

    /// One token after another, against all at once.
    fn cache(&self) -> f64 {
        let (source, target) = (self.row(5, self.len), self.row(6, self.len));
        let expected = self.at_once(&source, &target);
        let mut state = self.model.start(&TokenMatrix::from_rows(&[&source], 0, 0));
        let steps = target.iter().zip(expected.chunks_exact(expected.len() / self.len));
        let differences = steps.map(|(&token, expected)| {
            largest_difference(&values(self.model.advance(self.ids(&[token]), &mut state)), expected)
        });
        differences.fold(0.0, f64::max)
    }

    /// The slope of the loss along each parameter's gradient, by central differences, against the gradient's norm.
    ///
    /// Parameters whose gradient is lost in the loss's round-off are left out, biases of keys for one.
    fn gradients(&self) -> Result<f64> {
        let batch = self.batch();
        let objective = TranslationObjective::default();
        let loss = |model: &M| objective.loss(model, &batch, None);
        let sum = loss(&self.trained).sum;
        let at_rest = f64::from(sum.clone().into_scalar::<f32>());
        let gradients = Gradients::take(sum.backward(), &self.trained);
        let least = 1e-2 * gradients.global_norm();
        let params = attentive_weights::params(&self.model);
        let mut worst = 0.0_f64;
        for ((name, square), (_, gradient)) in gradients.squared_norms().into_iter().zip(gradients.iter()) {
            let norm = square.sqrt();
            if norm < least {
                continue;
            }
            let direction: Vec<f32> = gradient.to_data().convert::<f32>().try_into_vec().expect("converted to f32");
            // A step that moves the loss by some ten-thousandths: more than round-off, less than curvature.
            let step = 3e-4 * at_rest / norm;
            let moved = |step: f64| -> Result<f64> {
                let mut params = params.clone();
                let values = &mut params.get_mut(&name).expect("a gradient is a parameter's").values;
                values.iter_mut().zip(&direction).for_each(|(value, g)| *value += (step / norm) as f32 * g);
                let model = attentive_weights::load(self.model.clone(), params)?;
                Ok(f64::from(loss(&model).sum.into_scalar::<f32>()))
            };
            let slope = (moved(step)? - moved(-step)?) / (2.0 * step);
            worst = worst.max((slope - norm).abs() / norm);
        }
        Ok(worst)
    }

    fn batch(&self) -> TranslationBatch {
        let rows = |seed: usize| -> Vec<Vec<TokenId>> {
            (0..ROWS).map(|idx| self.row(seed + idx, self.len - idx.min(self.len - 2))).collect()
        };
        TranslationBatch {
            source: TokenMatrix::from_rows(&rows(7), 0, 0),
            target: TokenMatrix::from_rows(&rows(11), 0, 0),
            indices: (0..ROWS as u64).collect(),
        }
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().expect("converted to f32")
}

/// Infinite where one is no number.
fn largest_difference(a: &[f32], b: &[f32]) -> f64 {
    let difference = |(a, b): (&f32, &f32)| if a == b { 0.0 } else { f64::from((a - b).abs()) };
    a.iter().zip(b).map(difference).fold(0.0, |max: f64, d| if d.is_nan() { f64::INFINITY } else { max.max(d) })
}
