//! Every gradient of the operations, by our kernels on flex and over burn's on ndarray, against central differences of scalar
//! oracles in f64.

use attentive_backend::{BackendKind, Device, Mask, ops};
use attentive_core::Dropout;
use attentive_testkit::{
    Area, Attention, AttentionShape, Comparison, Fixture, gelu_erf, gelu_tanh, gradient, layer_norm, linear,
    relative_error, relu, rms_norm, silu, smoothed_cross_entropy, transpose, widen,
};
use burn::tensor::{Int, Tensor, TensorData};

const ALLOWED: f64 = 1e-5;
/// The kernels draw masks from 16 bits a value: a rate that those have exactly.
const RATE: f64 = 0.375;
const SEED: u64 = 5;

type Operation<'a> = dyn Fn(&[Tensor<1>], &Device) -> Tensor<1> + 'a;
type Oracle<'a> = dyn Fn(&[Vec<f64>]) -> Vec<f64> + 'a;

/// An operation of flat inputs, and the same in f64.
struct Case<'a> {
    name: &'static str,
    /// Lengths of the inputs.
    lengths: Vec<usize>,
    operation: Box<Operation<'a>>,
    oracle: Box<Oracle<'a>>,
}

impl<'a> Case<'a> {
    fn new(
        name: &'static str,
        lengths: &[usize],
        operation: impl Fn(&[Tensor<1>], &Device) -> Tensor<1> + 'a,
        oracle: impl Fn(&[Vec<f64>]) -> Vec<f64> + 'a,
    ) -> Self {
        Self { name, lengths: lengths.to_vec(), operation: Box::new(operation), oracle: Box::new(oracle) }
    }

    /// The relative error of each input's gradient, for an output gradient of different values everywhere.
    fn errors(&self, kind: BackendKind) -> Vec<f64> {
        let mut fixture = Fixture::new(self.lengths.iter().sum::<usize>() as u64);
        let inputs: Vec<Vec<f32>> = self.lengths.iter().map(|&n| fixture.normal(n)).collect();
        let device = kind.device().unwrap().autodiff();
        let leaf = |x: &Vec<f32>| Tensor::<1>::from_floats(x.as_slice(), &device).require_grad();
        let leaves: Vec<Tensor<1>> = inputs.iter().map(leaf).collect();
        let y = (self.operation)(&leaves, &device);
        let [n] = y.dims();
        let upstream = fixture.normal(n);
        let tape = (y * Tensor::<1>::from_floats(upstream.as_slice(), &device)).sum().backward();
        let wide: Vec<Vec<f64>> = inputs.iter().map(|x| widen(x)).collect();
        (0..inputs.len())
            .map(|input| {
                let loss = |x: &[f64]| -> f64 {
                    let mut moved = wide.clone();
                    moved[input] = x.to_vec();
                    (self.oracle)(&moved).iter().zip(&upstream).map(|(y, &dy)| y * f64::from(dy)).sum()
                };
                let actual: Vec<f32> = leaves[input].grad(&tape).unwrap().into_data().try_into_vec().unwrap();
                relative_error(&actual, &gradient(loss, &wide[input]))
            })
            .collect()
    }
}

/// Checks cases without dropout on both backends, and those with dropout on flex, where its mask is a function of its key
/// alone: burn's generators are shared by the tests that run beside.
fn check(what: &str, plain: &[Case<'_>], dropped: &[Case<'_>]) {
    let with_dropout = if plain.is_empty() || dropped.is_empty() { "" } else { " with and without dropout" };
    for (kind, dropped, with_dropout) in [(BackendKind::Flex, dropped, with_dropout), (BackendKind::NdArray, &[], "")] {
        if plain.is_empty() && dropped.is_empty() {
            continue;
        }
        let what = format!("gradients of {what}{with_dropout}, {kind}");
        let mut comparison = Comparison::new(Area::Numbers, what, "central differences in f64", ALLOWED);
        for case in plain.iter().chain(dropped) {
            for (input, error) in case.errors(kind).into_iter().enumerate() {
                comparison.case(format!("{}, input {input}", case.name), error);
            }
        }
        comparison.report();
    }
}

fn shaped<const D: usize>(leaf: &Tensor<1>, shape: [usize; D]) -> Tensor<D> {
    leaf.clone().reshape(shape)
}

fn flat<const D: usize>(y: Tensor<D>) -> Tensor<1> {
    y.flatten(0, D - 1)
}

/// What the first place that drops something multiplies by: 0 or `1 / (1 - rate)`.
fn first_mask(rows: usize, cols: usize) -> Vec<f64> {
    let ones = Tensor::<2>::ones([rows, cols], &BackendKind::Flex.device().unwrap());
    let mask: Vec<f32> = ops::dropout(ones, RATE, Some(&Dropout::new(SEED))).into_data().try_into_vec().unwrap();
    // In f32 a little off.
    mask.iter().map(|&kept| if kept > 0.0 { 1.0 / (1.0 - RATE) } else { 0.0 }).collect()
}

fn times(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| x * y).collect()
}

#[test]
fn affine_maps() {
    let (rows, d_in, d_out) = (6, 5, 7);
    let case = Case::new(
        "x W + b",
        &[rows * d_in, d_in * d_out, d_out],
        |x, _| flat(ops::linear(shaped(&x[0], [2, 3, d_in]), shaped(&x[1], [d_in, d_out]), Some(x[2].clone()))),
        |x| linear(&x[0], &x[1], Some(&x[2]), [rows, d_in, d_out]),
    );
    check("affine maps", &[case], &[]);
}

#[test]
fn activations() {
    let (rows, cols) = (3, 11);
    let mask = &first_mask(rows, cols);
    let (mut plain, mut dropped) = (Vec::new(), Vec::new());
    for (f, function) in [
        (ops::Activation::Relu, relu as fn(f64) -> f64),
        (ops::Activation::Gelu, gelu_erf),
        (ops::Activation::GeluTanh, gelu_tanh),
        (ops::Activation::Silu, silu),
    ] {
        let apply = move |x: &[Vec<f64>]| -> Vec<f64> { x[0].iter().map(|&x| function(x)).collect() };
        plain.push(Case::new(
            "an activation without dropout",
            &[rows * cols],
            move |x, _| flat(ops::activation(shaped(&x[0], [rows, cols]), f, 0.0, None)),
            apply,
        ));
        dropped.push(Case::new(
            "an activation with dropout",
            &[rows * cols],
            move |x, _| flat(ops::activation(shaped(&x[0], [rows, cols]), f, RATE, Some(&Dropout::new(SEED)))),
            move |x| times(&apply(x), mask),
        ));
    }
    check("ReLU, GELU, GELU by tanh, SiLU", &plain, &dropped);
}

#[test]
fn norms() {
    let (rows, d) = (6, 7);
    let layer = Case::new(
        "layer norm",
        &[rows * d, d, d],
        |x, _| flat(ops::layer_norm(shaped(&x[0], [rows, d]), x[1].clone(), Some(x[2].clone()), 1e-5)),
        |x| layer_norm(&x[0], &x[1], &x[2], 1e-5),
    );
    let rms = Case::new(
        "RMS norm",
        &[rows * d, d],
        |x, _| flat(ops::rms_norm(shaped(&x[0], [rows, d]), x[1].clone(), 1e-5)),
        |x| rms_norm(&x[0], &x[1], 1e-5),
    );
    check("norms", &[layer, rms], &[]);
}

#[test]
fn residual_connections() {
    let (rows, d) = (6, 7);
    let mask = first_mask(rows, d);
    let add_norm = |x: &[Tensor<1>], rate, pass: Option<&Dropout>| {
        let (a, b) = (shaped(&x[0], [rows, d]), shaped(&x[1], [rows, d]));
        flat(ops::add_norm(a, b, x[2].clone(), Some(x[3].clone()), 1e-5, rate, pass))
    };
    let oracle = |x: &[Vec<f64>], f: &[f64]| {
        let sum: Vec<f64> = x[0].iter().zip(f).map(|(x, f)| x + f).collect();
        layer_norm(&sum, &x[2], &x[3], 1e-5)
    };
    let lengths = vec![rows * d, rows * d, d, d];
    let plain = Case::new("without dropout", &lengths, |x, _| add_norm(x, 0.0, None), |x| oracle(x, &x[1]));
    let dropped = Case::new(
        "with dropout",
        &lengths,
        |x, _| add_norm(x, RATE, Some(&Dropout::new(SEED))),
        |x| oracle(x, &times(&x[1], &mask)),
    );
    check("add and norm", &[plain], &[dropped]);
}

#[test]
fn attention() {
    let shape = AttentionShape { batch: 2, heads: 2, kv_heads: 2, q_len: 4, k_len: 5, d_k: 3, d_v: 2 };
    let AttentionShape { batch, heads, q_len, k_len, d_k, d_v, .. } = shape;
    let lengths = vec![batch * heads * q_len * d_k, batch * heads * k_len * d_k, batch * heads * k_len * d_v];
    let keep: Vec<bool> = first_mask(batch * heads * q_len, k_len).iter().map(|&kept| kept > 0.0).collect();
    let hidden: Vec<bool> = (0..batch * k_len).map(|i| i >= k_len + 3).collect();
    let operation = |x: &[Tensor<1>], device: &Device, [causal, padded, dropout]: [bool; 3]| {
        let padding = if padded { Mask::padding(&[5, 3], k_len, device) } else { Mask::none() };
        let mask = Mask { causal, ..padding };
        let q = shaped(&x[0], [batch, heads, q_len, d_k]);
        let (k, v) = (shaped(&x[1], [batch, heads, k_len, d_k]), shaped(&x[2], [batch, heads, k_len, d_v]));
        let pass = dropout.then(|| Dropout::new(SEED));
        flat(ops::attention(q, k, v, &mask, if dropout { RATE } else { 0.0 }, pass.as_ref()))
    };
    let oracle = |x: &[Vec<f64>], [causal, padded, dropout]: [bool; 3]| {
        let keep = dropout.then_some((keep.as_slice(), 1.0 / (1.0 - RATE)));
        let hidden = padded.then_some(hidden.as_slice());
        Attention { hidden, causal, keep, ..Attention::new(shape) }.forward(&x[0], &x[1], &x[2])
    };
    let (operation, oracle, lengths) = (&operation, &oracle, &lengths);
    let cases = |dropout: bool| {
        let masks = [
            ("no mask", [false, false]),
            ("padding", [false, true]),
            ("causal", [true, false]),
            ("padding, causal", [true, true]),
        ];
        let case = |(name, [causal, padded]): (&'static str, [bool; 2])| {
            let kind = [causal, padded, dropout];
            Case::new(name, lengths, move |x, device| operation(x, device, kind), move |x| oracle(x, kind))
        };
        masks.map(case)
    };
    check("attention under every mask", &cases(false), &cases(true));
}

#[test]
fn losses() {
    let (n, d, vocab) = (6, 5, 13);
    let (ids, ignored) = ([3_u32, 99, 0, 12, 1, 7], [false, true, false, false, true, false]);
    let targets: Vec<Option<usize>> =
        ids.iter().zip(ignored).map(|(&id, skip)| (!skip).then_some(id as usize)).collect();
    let loss = |x: &[Tensor<1>], smoothing| {
        let (hidden, projection) = (shaped(&x[0], [n, d]), shaped(&x[1], [vocab, d]));
        ops::projected_cross_entropy(hidden, projection, None, &ids, &ignored, smoothing).divergence
    };
    let oracle = |x: &[Vec<f64>], smoothing| {
        let logits = linear(&x[0], &transpose(&x[1], [vocab, d]), None, [n, d, vocab]);
        // Apart from the divergence by a constant.
        vec![smoothed_cross_entropy(&logits, &targets, vocab, smoothing).loss]
    };
    let lengths = [n * d, vocab * d];
    let cases = [
        Case::new("plain", &lengths, |x, _| loss(x, 0.0), |x| oracle(x, 0.0)),
        Case::new("smoothed", &lengths, |x, _| loss(x, 0.1), |x| oracle(x, 0.1)),
    ];
    check("the loss over the vocabulary, padding left out", &cases, &[]);
}

#[test]
fn embeddings() {
    let (vocab, d, rows, seq, scale) = (11, 6, 2, 3, 1.5);
    let tokens = [3_usize, 10, 3, 0, 3, 7];
    let mask = first_mask(rows * seq, d);
    let operation = |x: &[Tensor<1>], device: &Device, pass: Option<&Dropout>| {
        let ids: Vec<i64> = tokens.iter().map(|&token| token as i64).collect();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [rows, seq]), device);
        let positions = Some(shaped(&x[1], [seq, d]));
        flat(ops::embedding(shaped(&x[0], [vocab, d]), ids, positions, scale, RATE, pass))
    };
    let oracle = |x: &[Vec<f64>]| -> Vec<f64> {
        let value = |(at, &token): (usize, &usize)| -> Vec<f64> {
            (0..d).map(|c| x[0][token * d + c] * scale + x[1][at % seq * d + c]).collect()
        };
        tokens.iter().enumerate().flat_map(value).collect()
    };
    let lengths = [vocab * d, seq * d];
    let plain = Case::new("without dropout", &lengths, |x, device| operation(x, device, None), oracle);
    let dropped = Case::new(
        "with dropout",
        &lengths,
        |x, device| operation(x, device, Some(&Dropout::new(SEED))),
        |x| times(&oracle(x), &mask),
    );
    check("embeddings and positions", &[plain], &[dropped]);
}

#[test]
fn dropout() {
    let (rows, cols) = (3, 8);
    let mask = first_mask(rows, cols);
    let case = Case::new(
        "dropout",
        &[rows * cols],
        |x, _| flat(ops::dropout(shaped(&x[0], [rows, cols]), RATE, Some(&Dropout::new(SEED)))),
        |x| times(&x[0], &mask),
    );
    check("dropout", &[], &[case]);
}
