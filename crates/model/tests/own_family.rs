//! A family from outside of the registry: a neural n-gram model (Bengio et al. 2003), trained and written with as any other.

use std::fmt::Debug;

use attentive_attention::{Dropout, Embedding, Initializer, Linear};
use attentive_backend::{BackendKind, Device, Objective, ops};
use attentive_core::{DeviceError, LanguageModel, NextToken, Scores, SequenceBatch, TokenId, TokenMatrix, Want};
use attentive_model::{CausalLmObjective, CausalModel, ConfigError, LanguageModelSpec, ModelSpec, Preset};
use attentive_optim::{AdamConfig, Gradients, Optimizer};
use attentive_testkit::assert_close;
use burn::{
    module::Module,
    tensor::{Int, Tensor, TensorData, activation::log_softmax},
};
use serde::{Deserialize, Serialize};

/// Sizes of an [`Mlp`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MlpConfig {
    vocab_size: usize,
    d_model: usize,
    d_ff: usize,
    /// Tokens that are seen.
    n_seen: usize,
}

/// Embeddings of the last tokens side by side, a hidden layer, and the embeddings again.
#[derive(Module, Debug)]
struct Mlp {
    embedding: Embedding,
    inner: Linear,
    output: Linear,
    n_seen: usize,
}

impl ModelSpec for MlpConfig {
    type Model = Mlp;

    const FAMILY: &'static str = "mlp";
    const SUMMARY: &'static str = "n-gram model";

    fn validate(&self) -> Result<(), ConfigError> {
        let sizes = [("vocab_size", self.vocab_size), ("d_model", self.d_model), ("n_seen", self.n_seen)];
        match sizes.into_iter().find(|&(_, size)| size == 0) {
            Some((key, _)) => Err(ConfigError::Zero { key }),
            None => Ok(()),
        }
    }

    fn n_params(&self) -> usize {
        let Self { vocab_size, d_model, d_ff, n_seen } = *self;
        vocab_size * d_model + Linear::n_params(n_seen * d_model, d_ff, true) + Linear::n_params(d_ff, d_model, true)
    }

    fn build(&self, init: &Initializer) -> Mlp {
        Mlp {
            embedding: Embedding::unscaled(self.vocab_size, self.d_model, init),
            inner: Linear::new(self.n_seen * self.d_model, self.d_ff, true, init),
            output: Linear::new(self.d_ff, self.d_model, true, init),
            n_seen: self.n_seen,
        }
    }

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn set_vocab_size(&mut self, vocab_size: usize) -> Result<(), ConfigError> {
        self.vocab_size = vocab_size;
        Ok(())
    }

    fn max_len(&self) -> Option<usize> {
        None
    }

    fn d_model(&self) -> usize {
        self.d_model
    }

    fn forward_flops_per_token(&self, _len: usize) -> usize {
        2 * self.d_model * (self.n_seen * self.d_ff + self.d_ff + self.vocab_size)
    }

    fn describe(&self) -> String {
        format!("d_model {}, d_ff {}, {} tokens seen", self.d_model, self.d_ff, self.n_seen)
    }

    fn presets() -> Vec<Preset<Self>> {
        let config = Self { vocab_size: 17_964, d_model: 60, d_ff: 50, n_seen: 5 };
        vec![Preset { name: "mlp10", config, params_millions: None }]
    }
}

impl LanguageModelSpec for MlpConfig {
    fn cached_values_per_token(&self) -> usize {
        0
    }
}

impl CausalModel for Mlp {
    fn hidden(&self, tokens: &TokenMatrix, _pass: Option<&Dropout>) -> Tensor<3> {
        let device = self.embedding.weight.device();
        let (rows, seq) = (tokens.n_rows(), tokens.n_cols());
        let ids: Vec<i64> = tokens.ids().iter().map(|&id| i64::from(id)).collect();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [rows, seq]), &device);
        let x = ops::embedding(self.embedding.weight.val(), ids, None, 1.0, 0.0, None); // [rows, seq, d_model]
        let [.., d_model] = x.dims();
        let x = match self.n_seen - 1 {
            0 => x,
            before => Tensor::cat(vec![Tensor::zeros([rows, before, d_model], &device), x], 1),
        };
        let seen = (0..self.n_seen).map(|at| x.clone().narrow(1, at, seq)).collect();
        self.output.forward(self.inner.forward(Tensor::cat(seen, 2)).tanh()) // [rows, seq, d_model]
    }

    fn output_projection(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        (self.embedding.weight.val(), None)
    }
}

impl LanguageModel for Mlp {
    fn start(&self, n_rows: usize) -> Vec<Vec<TokenId>> {
        vec![Vec::new(); n_rows]
    }
}

impl NextToken for Mlp {
    /// All tokens of each row.
    type State = Vec<Vec<TokenId>>;

    fn vocab_size(&self) -> usize {
        self.embedding.weight.dims()[0]
    }

    fn max_len(&self) -> Option<usize> {
        None
    }

    fn advance(&self, tokens: &[TokenId], state: &mut Self::State, _: Want) -> Result<Scores, DeviceError> {
        let new = tokens.len() / state.len();
        for (row, new) in state.iter_mut().zip(tokens.chunks(new)) {
            row.extend(new);
        }
        let seen: Vec<&[TokenId]> = state.iter().map(|row| &row[row.len().saturating_sub(self.n_seen)..]).collect();
        let hidden = self.hidden(&TokenMatrix::from_rows(&seen, 0, 0), None);
        let [_, seq, _] = hidden.dims();
        let last = hidden.narrow(1, seq - 1, 1).squeeze_dim::<2>(1); // [rows, d_model]
        let log_probs = log_softmax(last.matmul(self.embedding.weight.val().transpose()), 1); // [rows, vocab]
        Ok(Scores::All(log_probs.into_data().try_into_vec().map_err(|cause| DeviceError::new(format!("{cause:?}")))?))
    }

    fn reorder(&self, state: &mut Self::State, parents: &[usize]) {
        *state = parents.iter().map(|&parent| state[parent].clone()).collect();
    }
}

const CONFIG: MlpConfig = MlpConfig { vocab_size: 8, d_model: 12, d_ff: 16, n_seen: 3 };

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

/// Counts of eight from anywhere.
fn counts() -> SequenceBatch {
    let rows: Vec<Vec<TokenId>> = (0..8).map(|first| (first..first + 7).map(|n| n % 8).collect()).collect();
    SequenceBatch::next_tokens(&rows, 0, (0..8).collect())
}

/// What any task does with any language model: nothing here knows the family.
fn trained<C: LanguageModelSpec>(spec: &C, steps: usize) -> (C::Model, f64) {
    let (objective, batch) = (CausalLmObjective::default(), counts());
    let mut model = spec.init(&device().autodiff(), 1).unwrap();
    let mut optimizer = AdamConfig::default().init().unwrap();
    for _ in 0..steps {
        let loss = objective.loss(&model, &batch, None);
        let gradients = Gradients::take(loss.sum.backward(), &model);
        model = optimizer.step(model, gradients, 1.0 / loss.n_targets as f64, 0.01);
    }
    let model = model.valid();
    let loss = objective.loss(&model, &batch, None);
    let nats = f64::from(loss.nll_sum.into_scalar::<f32>()) / loss.n_targets as f64;
    (model, nats)
}

#[test]
fn a_family_of_one_s_own_learns_to_count_and_counts() {
    let (model, nats) = trained(&CONFIG, 200);
    assert!(nats < 0.1, "{nats}");
    let (mut state, mut token, mut written) = (model.start(1), 5, Vec::new());
    for _ in 0..6 {
        let log_probs = model.log_probs(&[token], &mut state).unwrap();
        token = (0..8).max_by(|&a, &b| log_probs[a as usize].total_cmp(&log_probs[b as usize])).unwrap();
        written.push(token);
    }
    assert_eq!(written, [6, 7, 0, 1, 2, 3]);
}

#[test]
fn one_token_after_another_is_scored_as_all_at_once() {
    let model = CONFIG.init(&device(), 3).unwrap();
    let rows = [[1, 5, 2, 7, 0], [3, 3, 6, 1, 4]];
    let hidden = model.hidden(&TokenMatrix::from_rows(&rows, 0, 0), None);
    let (projection, bias) = model.output_projection();
    let expected: Vec<f32> =
        log_softmax(ops::linear(hidden, projection.transpose(), bias), 2).into_data().try_into_vec().unwrap();
    let mut state = model.start(2);
    for at in 0..5 {
        let log_probs = model.log_probs(&[rows[0][at], rows[1][at]], &mut state).unwrap();
        for (row, log_probs) in log_probs.chunks(8).enumerate() {
            assert_close(log_probs, &expected[(row * 5 + at) * 8..][..8], 1e-5, 1e-5);
        }
    }
}

#[test]
fn packed_rows_are_read_as_they_are_without_their_padding() {
    let model = CONFIG.init(&device(), 4).unwrap();
    let rows = SequenceBatch::next_tokens(&[vec![1, 5, 2, 7, 0], vec![3, 6]], 0, vec![0, 1]);
    let loss = |batch: &SequenceBatch| CausalLmObjective::default().loss(&model, batch, None);
    let (apart, packed) = (loss(&rows), loss(&rows.clone().packed()));
    assert_eq!((apart.n_targets, packed.n_targets), (5, 5));
    assert_close(&[packed.sum.into_scalar::<f32>()], &[apart.sum.into_scalar::<f32>()], 1e-5, 1e-5);
}

#[test]
fn its_parameters_are_counted_drawn_by_seed_and_loaded() {
    let model = CONFIG.init(&device(), 7).unwrap();
    assert_eq!(model.num_params(), CONFIG.n_params());
    let params = attentive_weights::params(&model);
    assert_eq!(attentive_weights::params(&CONFIG.init(&device(), 7).unwrap()), params);
    let blank = CONFIG.blank(&device()).unwrap();
    assert!(attentive_weights::params(&blank)["embedding.weight"].values.iter().all(|&value| value == 0.0));
    assert_eq!(attentive_weights::params(&attentive_weights::load(blank, params.clone()).unwrap()), params);
    let error = MlpConfig { n_seen: 0, ..CONFIG }.init(&device(), 7).unwrap_err();
    assert!(error.to_string().contains("n_seen"), "{error}");
}
