//! Projection and cross-entropy against the oracle, its gradients against finite differences.

use attentive_kernels::{CrossEntropy, Level, Targets, VocabGradients, VocabProjection, WeightLayout};
use attentive_testkit::{Fixture, assert_close, gradient, linear, matmul, smoothed_cross_entropy, transpose, widen};

struct Case {
    n: usize,
    d_model: usize,
    vocab_size: usize,
    smoothing: f32,
    ignored: Vec<bool>,
    ids: Vec<u32>,
    hidden: Vec<f32>,
    /// `[vocab, d_model]`.
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
}

impl Case {
    fn new([n, d_model, vocab_size]: [usize; 3], smoothing: f32, p_ignored: f64, with_bias: bool) -> Self {
        let mut data = Fixture::new((n + 31 * d_model + 977 * vocab_size) as u64);
        Self {
            n,
            d_model,
            vocab_size,
            smoothing,
            ignored: data.flags(n, p_ignored),
            ids: data.indices(n, vocab_size).into_iter().map(|id| id as u32).collect(),
            hidden: data.normal(n * d_model),
            weight: data.normal(vocab_size * d_model).into_iter().map(|w| w / (d_model as f32).sqrt()).collect(),
            bias: with_bias.then(|| data.normal(vocab_size)),
        }
    }

    fn oracle(&self, hidden: &[f64], weight: &[f64], bias: Option<&[f64]>) -> attentive_testkit::SmoothedCrossEntropy {
        let w = transpose(weight, [self.vocab_size, self.d_model]);
        let logits = linear(hidden, &w, bias, [self.n, self.d_model, self.vocab_size]);
        let targets: Vec<Option<usize>> =
            (0..self.n).map(|i| (!self.ignored[i]).then_some(self.ids[i] as usize)).collect();
        smoothed_cross_entropy(&logits, &targets, self.vocab_size, f64::from(self.smoothing))
    }

    /// Ours: the sums, and the gradients with the weight's as `[vocab, d_model]`.
    fn run(&self, layout: WeightLayout) -> (CrossEntropy, [Vec<f32>; 3]) {
        let transposed = |x: &[f32], dims| transpose(&widen(x), dims).into_iter().map(|x| x as f32).collect::<Vec<_>>();
        let weight = match layout {
            WeightLayout::VocabMajor => self.weight.clone(),
            WeightLayout::ModelMajor => transposed(&self.weight, [self.vocab_size, self.d_model]),
        };
        let (bias, targets) =
            (self.bias.as_deref(), Targets { ids: &self.ids, ignored: Some(&self.ignored), smoothing: self.smoothing });
        let projection =
            VocabProjection { weight: &weight, bias, d_model: self.d_model, vocab_size: self.vocab_size, layout };
        let mut d_hidden = vec![f32::NAN; self.hidden.len()];
        let mut d_weight = vec![f32::NAN; weight.len()];
        let mut d_bias = vec![f32::NAN; self.vocab_size];
        let loss = projection.loss_and_gradients(
            &self.hidden,
            &targets,
            VocabGradients { hidden: &mut d_hidden, weight: Some(&mut d_weight), bias: Some(&mut d_bias) },
        );
        assert_eq!(loss, projection.loss(&self.hidden, &targets));
        let mut alone = vec![f32::NAN; self.hidden.len()];
        let gradients = VocabGradients { hidden: &mut alone, weight: None, bias: None };
        assert_eq!(projection.loss_and_gradients(&self.hidden, &targets, gradients), loss);
        assert_eq!(alone, d_hidden, "the hidden gradient without the weight's");
        if layout == WeightLayout::ModelMajor {
            d_weight = transposed(&d_weight, [self.d_model, self.vocab_size]);
        }
        (loss, [d_hidden, d_weight, d_bias])
    }

    fn check(&self) {
        let (hidden, weight, bias) = (widen(&self.hidden), widen(&self.weight), self.bias.as_deref().map(widen));
        let expected = self.oracle(&hidden, &weight, bias.as_deref());
        // The logits' gradient is p - q; the chain rule gives the rest.
        let logits = linear(
            &hidden,
            &transpose(&weight, [self.vocab_size, self.d_model]),
            bias.as_deref(),
            [self.n, self.d_model, self.vocab_size],
        );
        let mut g = attentive_testkit::softmax(&logits, self.vocab_size);
        for (i, g) in g.chunks_exact_mut(self.vocab_size).enumerate() {
            g.iter_mut().for_each(|g| *g -= f64::from(self.smoothing) / self.vocab_size as f64);
            g[self.ids[i] as usize] -= 1.0 - f64::from(self.smoothing);
            if self.ignored[i] {
                g.fill(0.0);
            }
        }
        let d_hidden = matmul(&g, &weight, [self.n, self.vocab_size, self.d_model]);
        let d_weight =
            matmul(&transpose(&g, [self.n, self.vocab_size]), &hidden, [self.vocab_size, self.n, self.d_model]);
        let d_bias: Vec<f64> =
            (0..self.vocab_size).map(|v| (0..self.n).map(|i| g[i * self.vocab_size + v]).sum()).collect();
        for level in Level::available() {
            for layout in [WeightLayout::VocabMajor, WeightLayout::ModelMajor] {
                let (loss, gradients) = level.during(|| self.run(layout));
                assert_eq!(loss.n_targets, expected.n_targets);
                assert_close(&[loss.loss, loss.nll], &[expected.loss, expected.nll], 1e-5, 1e-5);
                assert_close(&gradients[0], &d_hidden, 1e-4, 2e-5);
                assert_close(&gradients[1], &d_weight, 1e-4, 2e-5);
                assert_close(&gradients[2], &d_bias, 1e-4, 2e-5);
            }
        }
    }
}

#[test]
fn prime_dimensions() {
    Case::new([7, 5, 11], 0.1, 0.0, true).check();
    Case::new([13, 37, 601], 0.1, 0.3, false).check();
    Case::new([1, 1, 2], 0.0, 0.0, false).check();
    Case::new([523, 29, 1031], 0.2, 0.1, true).check();
    Case::new([17, 269, 263], 0.0, 0.1, true).check();
}

#[test]
fn many_blocks_of_the_vocabulary() {
    Case::new([3, 3, 256 * 33 + 5], 0.1, 0.0, true).check();
}

#[test]
fn no_row_counts() {
    let (loss, gradients) = Case::new([5, 3, 7], 0.1, 1.1, true).run(WeightLayout::VocabMajor);
    assert_eq!(loss, CrossEntropy::default());
    assert!(gradients.iter().flatten().all(|&g| g == 0.0));
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let case = Case::new([5, 3, 7], 0.1, 0.2, true);
    let (hidden, weight, bias) = (widen(&case.hidden), widen(&case.weight), widen(case.bias.as_ref().unwrap()));
    let (_, gradients) = case.run(WeightLayout::VocabMajor);
    assert_close(&gradients[0], &gradient(|x| case.oracle(x, &weight, Some(&bias)).loss, &hidden), 1e-5, 1e-6);
    assert_close(&gradients[1], &gradient(|x| case.oracle(&hidden, x, Some(&bias)).loss, &weight), 1e-5, 1e-6);
    assert_close(&gradients[2], &gradient(|x| case.oracle(&hidden, &weight, Some(x)).loss, &bias), 1e-5, 1e-6);
}

#[test]
fn forbidden_words_are_as_if_they_were_not_there() {
    // One of the first block, and all of the second and of the last.
    let is_forbidden = |word: usize| word == 3 || word >= 256;
    let mut case = Case::new([37, 5, 600], 0.0, 0.2, true);
    case.ids.iter_mut().for_each(|id| *id = *id % 250 + 4);
    let mut fewer =
        Case { vocab_size: 255, weight: Vec::new(), bias: Some(Vec::new()), ..Case::new([37, 5, 600], 0.0, 0.2, true) };
    let (bias, of_fewer) = (case.bias.as_mut().unwrap(), fewer.bias.as_mut().unwrap());
    for (word, bias) in bias.iter_mut().enumerate() {
        if is_forbidden(word) {
            *bias = f32::NEG_INFINITY;
        } else {
            of_fewer.push(*bias);
            fewer.weight.extend_from_slice(&case.weight[word * 5..][..5]);
        }
    }
    // Ids after the forbidden word are one less.
    fewer.ids = case.ids.iter().map(|id| id - 1).collect();
    for level in Level::available() {
        for layout in [WeightLayout::VocabMajor, WeightLayout::ModelMajor] {
            let (loss, gradients) = level.during(|| case.run(layout));
            let (expected, of_fewer) = level.during(|| fewer.run(layout));
            assert_close(&[loss.loss, loss.nll], &[expected.loss, expected.nll], 1e-6, 0.0);
            assert_close(&gradients[0], &widen(&of_fewer[0]), 1e-4, 1e-5);
            for (word, gradient) in gradients[1].chunks(5).enumerate() {
                if is_forbidden(word) {
                    assert_eq!(gradient, [0.0; 5]);
                } else {
                    let expected = &of_fewer[1][(word - usize::from(word > 3)) * 5..][..5];
                    assert_close(gradient, &widen(expected), 1e-4, 1e-5);
                }
            }
        }
    }
}
