//! Characters that a CANINE guesses one after another: causality in their order, and the definition in scalar loops.

use attentive_attention::{Activation, NormPlacement};
use attentive_backend::{BackendKind, Device, Objective};
use attentive_core::{Dropout, MaskedBatch, TokenMatrix, mix64};
use attentive_model::{
    Canine, CanineConfig, EncoderModel, EncoderSpec, Guessing, HiddenTokens, MaskedLmObjective, ModelSpec,
    canine::bucket,
};
use attentive_testkit::{Attention, AttentionShape, assert_close, layer_norm, linear};
use attentive_weights::Tensors;
use burn::{module::Module, tensor::Tensor};
use proptest::prelude::*;

const D_MODEL: usize = 8;
const N_HEADS: usize = 2;
const D_FF: usize = 32;
const N_HASHES: usize = 4;
const N_BUCKETS: usize = 32;
const MAX_LEN: usize = 23;
const MASK: u32 = 0xe003;

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

fn config() -> CanineConfig {
    CanineConfig {
        n_hashes: N_HASHES,
        n_buckets: N_BUCKETS,
        max_len: MAX_LEN,
        block: 5,
        alphabet: "abcdef".to_owned(),
        guessing: Guessing::Autoregressive,
        init_std: 0.3,
        n_segments: 2,
        activation: Activation::Relu,
        dropout: 0.0,
        attention_dropout: 0.0,
        next_sentence: false,
        ..CanineConfig::canine_like([1, N_HEADS, D_MODEL])
    }
}

fn model() -> Canine {
    config().init(&device(), 3).unwrap()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// Texts of letters in and out of the alphabet, and what decides which of them are hidden, in which order.
fn rows() -> impl Strategy<Value = Vec<(Vec<u32>, u64)>> {
    prop::collection::vec((prop::collection::vec(97_u32..105, 1..=MAX_LEN), any::<u64>()), 1..4)
}

/// Some characters of each row hidden, in an order of their own; at least one of the first row.
fn batch(rows: &[(Vec<u32>, u64)]) -> MaskedBatch {
    let mut texts: Vec<Vec<u32>> = rows.iter().map(|(text, _)| text.clone()).collect();
    let n_cols = texts.iter().map(Vec::len).max().unwrap();
    let (mut masked, mut targets) = (Vec::new(), Vec::new());
    for (row, (text, (_, seed))) in texts.iter_mut().zip(rows).enumerate() {
        let mut order: Vec<usize> = (0..text.len()).collect();
        order.sort_by_key(|&at| mix64(seed.wrapping_add(at as u64)));
        let n = (*seed % (text.len() as u64 + 1)) as usize;
        for &at in &order[..n.max(usize::from(row == 0))] {
            masked.push((row * n_cols + at) as u32);
            targets.push(std::mem::replace(&mut text[at], MASK));
        }
    }
    let ids = TokenMatrix::from_rows(&texts, 0, 0);
    let segments = (0..ids.ids().len()).map(|at| (at / 3 % 2) as u8).collect();
    MaskedBatch { segments, masked, targets, follows: None, indices: vec![0; rows.len()], ids }
}

/// The vectors that the hidden characters of a batch are guessed from.
fn vectors(model: &Canine, batch: &MaskedBatch) -> Vec<f32> {
    let encoding = model.encode(&batch.ids, &batch.segments, None);
    values(model.vectors_of_hidden(&encoding, HiddenTokens::from(batch), None))
}

/// Parameters in `f64`, and the layers that they make, a number at a time.
struct Naive(Tensors);

impl Naive {
    fn param(&self, name: &str) -> Vec<f64> {
        self.0[name].values.iter().map(|&x| f64::from(x)).collect()
    }

    fn dense(&self, name: &str, x: &[f64], [n, d_in, d_out]: [usize; 3]) -> Vec<f64> {
        let [weight, bias] = ["weight", "bias"].map(|kind| self.param(&format!("{name}.{kind}")));
        linear(x, &weight, Some(&bias), [n, d_in, d_out])
    }

    fn norm(&self, name: &str, x: &[f64]) -> Vec<f64> {
        layer_norm(x, &self.param(&format!("{name}.gamma")), &self.param(&format!("{name}.beta")), 1e-12)
    }

    /// A character's own vector: a slice from the table of each hash function.
    fn character(&self, id: u32) -> Vec<f64> {
        let (tables, width) = (self.param("embedding.weight"), D_MODEL / N_HASHES);
        let row = |table: usize| table * N_BUCKETS + bucket(id, table, N_BUCKETS);
        (0..N_HASHES).flat_map(|table| tables[row(table) * width..][..width].to_vec()).collect()
    }

    fn embedded(&self, id: u32, column: usize, segment: u8) -> Vec<f64> {
        let of = |table: &str, row: usize| self.param(table)[row * D_MODEL..][..D_MODEL].to_vec();
        let parts = [self.character(id), of("positions.weight", column), of("segments.weight", segment.into())];
        let sum: Vec<f64> = (0..D_MODEL).map(|i| parts.iter().map(|part| part[i]).sum()).collect();
        self.norm("norm", &sum)
    }

    /// The layer, post-norm, over the `n` steps of one row.
    fn layer(&self, x: &[f64], n: usize) -> Vec<f64> {
        let block = "autoregressive.layer.layers.0";
        let d_k = D_MODEL / N_HEADS;
        let heads = |part: &str| {
            let all = self.dense(&format!("{block}.self_attention.{part}"), x, [n, D_MODEL, D_MODEL]);
            let head = |head: usize| (0..n).flat_map(move |at| (0..d_k).map(move |i| at * D_MODEL + head * d_k + i));
            (0..N_HEADS).flat_map(head).map(|at| all[at]).collect::<Vec<f64>>()
        };
        let shape = AttentionShape { batch: 1, heads: N_HEADS, kv_heads: N_HEADS, q_len: n, k_len: n, d_k, d_v: d_k };
        let attention = Attention { causal: true, ..Attention::new(shape) };
        let seen = attention.forward(&heads("query"), &heads("key"), &heads("value"));
        let joined: Vec<f64> =
            (0..n * D_MODEL).map(|at| seen[(at % D_MODEL / d_k) * n * d_k + at / D_MODEL * d_k + at % d_k]).collect();
        let add = |x: &[f64], f: &[f64]| x.iter().zip(f).map(|(x, f)| x + f).collect::<Vec<f64>>();
        let attended = self.dense(&format!("{block}.self_attention.output"), &joined, [n, D_MODEL, D_MODEL]);
        let x = self.norm(&format!("{block}.self_attention_add_norm.norm"), &add(x, &attended));
        let inner = relu(self.dense(&format!("{block}.feed_forward.inner"), &x, [n, D_MODEL, D_FF]));
        let outer = self.dense(&format!("{block}.feed_forward.outer"), &inner, [n, D_FF, D_MODEL]);
        self.norm(&format!("{block}.feed_forward_add_norm.norm"), &add(&x, &outer))
    }

    /// The vector that each hidden character is guessed from, where the encoder's are `hidden`.
    fn vectors(&self, hidden: &[f32], batch: &MaskedBatch) -> Vec<f64> {
        let seq = batch.ids.n_cols();
        let positions = self.param("positions.weight");
        let hidden_in = |row: usize| {
            let all = batch.masked.iter().map(|&place| place as usize).zip(&batch.targets);
            all.filter(move |(place, _)| place / seq == row).map(|(place, &id)| (place, id)).collect::<Vec<_>>()
        };
        let of_row = |row: usize| {
            let characters = hidden_in(row);
            let mut before = (row * seq, batch.ids.ids()[row * seq]);
            let mut x = Vec::new();
            for &(place, id) in &characters {
                let mut joint = self.embedded(before.1, before.0 % seq, batch.segments[before.0]);
                joint.extend(hidden[place * D_MODEL..][..D_MODEL].iter().map(|&x| f64::from(x)));
                let joint = relu(self.dense("autoregressive.joint", &joint, [1, 2 * D_MODEL, D_MODEL]));
                x.extend(joint.iter().zip(&positions[place % seq * D_MODEL..]).map(|(x, position)| x + position));
                before = (place, id);
            }
            if characters.is_empty() { x } else { self.layer(&x, characters.len()) }
        };
        (0..batch.ids.n_rows()).flat_map(of_row).collect()
    }

    /// `-ln p` of a character guessed from a vector.
    fn nll(&self, vector: &[f64], target: u32) -> f64 {
        let features = self.norm("masked_lm.norm", &relu(self.dense("masked_lm.dense", vector, [1, D_MODEL, D_MODEL])));
        let classes = "abcdef\u{fffd}".chars().map(|c| self.character(c.into()));
        let score =
            |(vector, bias): (Vec<f64>, f64)| vector.iter().zip(&features).map(|(a, b)| a * b).sum::<f64>() + bias;
        let scores: Vec<f64> = classes.zip(self.param("masked_lm.bias")).map(score).collect();
        let sum: f64 = scores.iter().map(|score| score.exp()).sum();
        sum.ln() - scores[(target as usize - 97).min(6)]
    }
}

fn relu(x: Vec<f64>) -> Vec<f64> {
    x.into_iter().map(|x| x.max(0.0)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_character_is_seen_by_those_that_are_guessed_later_alone(rows in rows(), at in any::<prop::sample::Index>()) {
        let (model, batch) = (model(), batch(&rows));
        let at = at.index(batch.masked.len());
        let mut changed = batch.clone();
        changed.targets[at] += 9;
        let row_of = |idx: usize| batch.masked[idx] as usize / batch.ids.n_cols();
        let (before, after) = (vectors(&model, &batch), vectors(&model, &changed));
        for (idx, (before, after)) in before.chunks(D_MODEL).zip(after.chunks(D_MODEL)).enumerate() {
            let sees = idx > at && row_of(idx) == row_of(at);
            prop_assert_eq!(before != after, sees, "guess {} of {}", idx, at);
        }
    }

    #[test]
    fn the_order_decides_what_is_seen(rows in rows()) {
        let (model, batch) = (model(), batch(&rows[..1]));
        prop_assume!(batch.masked.len() > 1);
        let mut reversed = batch.clone();
        reversed.masked.reverse();
        reversed.targets.reverse();
        let (there, back) = (vectors(&model, &batch), vectors(&model, &reversed));
        // The character that is guessed last sees all others, and the one that is guessed first none.
        prop_assert!(there[..D_MODEL] != back[back.len() - D_MODEL..]);
        let mut alone = batch.clone();
        alone.masked.truncate(1);
        alone.targets.truncate(1);
        assert_close(&vectors(&model, &alone), &there[..D_MODEL], 1e-5, 1e-6);
    }

    #[test]
    fn the_loss_is_that_of_scalar_loops(rows in rows()) {
        let (model, batch) = (model(), batch(&rows));
        let naive = Naive(attentive_weights::params(&model));
        let hidden = values(model.encode(&batch.ids, &batch.segments, None).hidden);
        let expected = naive.vectors(&hidden, &batch);
        assert_close(&vectors(&model, &batch), &expected, 1e-3, 1e-4);
        let nll: f64 = expected.chunks(D_MODEL).zip(&batch.targets).map(|(vector, &id)| naive.nll(vector, id)).sum();
        let loss = MaskedLmObjective::default().loss(&model, &batch, None);
        assert_close(&[loss.sum.into_scalar::<f32>()], &[nll], 1e-3, 1e-3);
    }

    #[test]
    fn company_changes_no_guess(rows in rows()) {
        let model = model();
        let together = batch(&rows);
        let found = vectors(&model, &together);
        let mut first = 0;
        for (row, one) in rows.iter().enumerate() {
            let n_cols = together.ids.n_cols();
            let n = together.masked.iter().filter(|&&place| place as usize / n_cols == row).count();
            if n > 0 {
                let at = first..first + n;
                let ids = TokenMatrix::from_rows(&[together.ids.row(row)], 0, 0);
                let alone = MaskedBatch {
                    segments: together.segments[row * n_cols..][..one.0.len()].to_vec(),
                    masked: together.masked[at.clone()].iter().map(|place| place - (row * n_cols) as u32).collect(),
                    targets: together.targets[at.clone()].to_vec(),
                    follows: None,
                    indices: vec![0],
                    ids,
                };
                let found = &found[at.start * D_MODEL..at.end * D_MODEL];
                assert_close(found, &vectors(&model, &alone), 1e-4, 1e-5);
            }
            first += n;
        }
    }

    #[test]
    fn parameters_are_counted_without_making_any(pre in any::<bool>(), n_layers in 1_usize..4) {
        let norm = if pre { NormPlacement::Pre } else { NormPlacement::Post };
        let config = CanineConfig { norm, n_layers, ..config() };
        prop_assert_eq!(config.init(&device(), 9).unwrap().num_params(), config.n_params());
    }
}

#[test]
fn subwords_have_vectors_of_their_own() {
    let subwords = ["a", "b", "ab"].map(str::to_owned).to_vec();
    let config = CanineConfig { guessing: Guessing::Subwords, subwords, ..config() };
    let model = config.init(&device(), 2).unwrap();
    assert_eq!(model.num_params(), config.n_params());
    assert!(model.alphabet().is_none() && (model.class_of(2), model.token_of(2)) == (2, 2));
    let batch = MaskedBatch {
        ids: TokenMatrix::from_rows(&[[97, MASK, MASK, 98, MASK]], 0, 0),
        segments: vec![0; 5],
        masked: vec![1, 4],
        targets: vec![2, 0],
        follows: None,
        indices: vec![0],
    };
    let loss = MaskedLmObjective::default().loss(&model, &batch, None);
    let hidden = model.encode(&batch.ids, &batch.segments, None);
    let features = values(model.masked_lm.as_ref().unwrap().transform(hidden.at(&batch.masked)));
    let vectors = values(model.subwords.as_ref().unwrap().val());
    let nll = |(features, &target): (&[f32], &u32)| {
        let product = |vector: &[f32]| vector.iter().zip(features).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let scores: Vec<f64> = vectors.chunks(D_MODEL).map(product).collect();
        scores.iter().map(|score| score.exp()).sum::<f64>().ln() - scores[target as usize]
    };
    let expected: f64 = features.chunks(D_MODEL).zip(&batch.targets).map(nll).sum();
    assert_close(&[loss.sum.into_scalar::<f32>()], &[expected], 1e-4, 1e-4);
}

/// Gradients of the loss, by the names of the parameters that guessing in order adds or reaches.
fn gradients(kind: BackendKind) -> Vec<(&'static str, Vec<f32>)> {
    let device = kind.device().unwrap().autodiff();
    let model = config().init(&device, 9).unwrap();
    let rows = [((97..97 + 8).collect(), 8), ((97..105).rev().collect(), 5), (vec![99; 3], 3)];
    let grads = MaskedLmObjective::default().loss(&model, &batch(&rows), Some(&Dropout::new(1))).sum.backward();
    let decoder = model.autoregressive.as_ref().unwrap();
    let layer = &decoder.layer.layers[0];
    let params = [
        ("embedding", model.embedding.weight.val()),
        ("positions", model.positions.weight.as_ref().unwrap().val()),
        ("segments", model.segments.weight.val()),
        ("encoder", model.encoder.layers[0].self_attention.query.weight.val()),
        ("joint", decoder.joint.weight.val()),
        ("query", layer.self_attention.query.weight.val()),
        ("value", layer.self_attention.value.weight.val()),
        ("outer", layer.feed_forward.outer.weight.val()),
    ];
    let grad = |name, param: Tensor<2>| param.grad(&grads).unwrap_or_else(|| panic!("{name} has no gradient"));
    params.into_iter().map(|(name, param)| (name, values(grad(name, param)))).collect()
}

#[test]
fn gradients_are_the_same_on_every_backend() {
    let [flex, ndarray] = [BackendKind::Flex, BackendKind::NdArray].map(gradients);
    for ((name, flex), (_, ndarray)) in flex.iter().zip(&ndarray) {
        assert!(flex.iter().all(|g| g.is_finite()) && flex.iter().any(|&g| g != 0.0), "{name}");
        assert_close(flex, ndarray, 1e-3, 1e-4);
    }
}

#[test]
fn a_classifier_guesses_nothing_and_nothing_is_guessed_without_a_head() {
    let mut classifier = config();
    classifier.set_labels(vec!["a".to_owned(), "b".to_owned()]);
    let model = classifier.init(&device(), 1).unwrap();
    assert!(model.autoregressive.is_none() && !model.guesses_in_order());
    let message = CanineConfig { masked_lm: false, ..config() }.validate().unwrap_err().to_string();
    assert!(message.contains("masked_lm = true"), "{message}");
}
