//! The same model on every backend of this build: flex and ndarray always, wgpu where it is compiled in.
#![recursion_limit = "256"]

use std::sync::Arc;

use attentive_backend::{BackendKind, Device, Objective};
use attentive_bundle::{Bundle, DecodingConfig, TrainingRecord, Translator};
use attentive_core::{ClassShares, EncoderDecoder, ImageBatch, NextToken, Patches, TokenMatrix, TranslationBatch};
use attentive_model::{
    Data2Vec, Data2VecConfig, Data2VecObjective, Distillation, ImageClassificationObjective, ImageModel, ModelConfig,
    ModelSpec, Transformer, TransformerConfig, TranslationObjective, VitConfig, data2vec::Hiding,
};
use attentive_optim::{AdamConfig, Gradients, Optimizer};
use attentive_testkit::assert_close;
use attentive_tokenizer::{BpeTrainer, Tokenizer};
use burn::{module::Module, tensor::Tensor};

/// Words that are translated to themselves, so that a minute model learns something in a few steps.
const LINES: [&str; 6] = ["the animal", "the street", "a tired animal", "a wide street", "the wide animal", "a street"];

struct Fixture {
    tokenizer: Arc<dyn Tokenizer>,
    config: TransformerConfig,
    batch: TranslationBatch,
}

impl Fixture {
    fn new() -> Self {
        let tokenizer = BpeTrainer::with_merges(40).train(LINES).unwrap();
        let rows: Vec<Vec<u32>> = LINES.iter().map(|line| [tokenizer.encode(line), vec![2]].concat()).collect();
        let target: Vec<Vec<u32>> = rows.iter().map(|row| [&[1], row.as_slice()].concat()).collect();
        let batch = TranslationBatch {
            source: TokenMatrix::from_rows(&rows, 0, 0),
            target: TokenMatrix::from_rows(&target, 0, 0),
            indices: (0..rows.len() as u64).collect(),
        };
        let config = TransformerConfig {
            d_model: 16,
            d_ff: 24,
            n_heads: 2,
            n_encoder_layers: 1,
            n_decoder_layers: 2,
            dropout: 0.0,
            ..TransformerConfig::base(tokenizer.vocab_size())
        };
        Self { tokenizer: Arc::new(tokenizer), config, batch }
    }

    /// Trained for a few steps on flex, as any bundle is.
    fn trained(&self) -> Transformer {
        let mut model = self.config.init(&Device::flex().autodiff(), 1).unwrap();
        let mut adam = AdamConfig::default().init().unwrap();
        let objective = TranslationObjective { label_smoothing: 0.1 };
        for _ in 0..60 {
            let loss = objective.loss(&model, &self.batch, None);
            let gradients = Gradients::take(loss.sum.backward(), &model);
            model = adam.step(model, gradients, 1.0 / loss.n_targets as f64, 1e-2);
        }
        model.valid()
    }

    fn write_bundle(&self, model: &Transformer, path: &std::path::Path) {
        let table = |model: &ModelConfig| format!("[model]\n{}", toml::to_string(model).unwrap());
        let config = table(&ModelConfig::Transformer(self.config.clone()));
        let params = attentive_weights::params(model);
        Bundle::write(path, &config, &self.tokenizer.clone().into(), &params, &TrainingRecord::default()).unwrap();
    }
}

/// Backends of this build, flex first; a GPU backend without a GPU fails here, with its own words.
fn devices() -> Vec<(BackendKind, Device)> {
    let compiled_in = BackendKind::ALL.into_iter().filter(|kind| kind.is_compiled_in());
    compiled_in.map(|kind| (kind, kind.device().unwrap())).collect()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

#[test]
fn a_bundle_trained_on_flex_gives_the_same_translations_everywhere() {
    let fixture = Fixture::new();
    let folder = tempfile::tempdir().unwrap();
    fixture.write_bundle(&fixture.trained(), folder.path());

    let mut expected: Option<(Vec<f32>, Vec<Vec<u32>>)> = None;
    for (kind, device) in devices() {
        let model = Bundle::read(folder.path()).unwrap().model::<TransformerConfig>(&device).unwrap();
        let mut state = model.start(&fixture.batch.source);
        let log_p = model.log_probs(&[1; LINES.len()], &mut state).unwrap();

        let translator = Translator::new(model, fixture.tokenizer.clone()).unwrap();
        let greedy = DecodingConfig { beam: 1, ..DecodingConfig::default() };
        let translations = translator.translate(&LINES, &greedy).unwrap();
        let tokens: Vec<Vec<u32>> = translations.into_iter().map(|best| best.tokens).collect();
        match &expected {
            None => {
                // Sixty steps teach it the words at least, else equality would say little.
                assert!(tokens.iter().all(|tokens| !tokens.is_empty()));
                expected = Some((log_p, tokens));
            }
            Some((expected_log_p, expected_tokens)) => {
                assert_close(&log_p, expected_log_p, 1e-3, 1e-3);
                assert_eq!(&tokens, expected_tokens, "greedy translations on {kind}");
            }
        }
    }
}

/// Holds the loss of a batch, and its gradient for every parameter, of all backends against those of the first.
fn step_agrees<M: Module, O: Objective<M>>(make: impl Fn(&Device) -> M, objective: &O, batch: &O::Batch) {
    let mut expected: Option<(f32, Gradients)> = None;
    for (kind, device) in devices() {
        let model = make(&device.autodiff());
        let loss = objective.loss(&model, batch, None);
        let sum = loss.sum.clone().into_scalar::<f32>();
        let gradients = Gradients::take(loss.sum.backward(), &model);
        let trained = attentive_weights::param_shapes(&model).into_iter().map(|param| param.name);
        let n_trained = trained.filter(|name| !name.starts_with("teacher.")).count();
        assert_eq!(gradients.iter().count(), n_trained, "every parameter has a gradient on {kind}");
        match &expected {
            None => expected = Some((sum, gradients)),
            Some((expected_sum, expected_gradients)) => {
                assert_close(&[sum], &[*expected_sum], 1e-3, 1e-3);
                for (name, gradient) in gradients.iter() {
                    let expected = values(expected_gradients.get(name).unwrap().clone());
                    assert_close(&values(gradient.clone()), &expected, 1e-3, 1e-3);
                }
            }
        }
    }
}

#[test]
fn a_training_step_gives_the_same_loss_and_gradients_everywhere() {
    let fixture = Fixture::new();
    let trained = attentive_weights::params(&fixture.trained());
    let make =
        |device: &Device| attentive_weights::load(fixture.config.init(device, 2).unwrap(), trained.clone()).unwrap();
    step_agrees(make, &TranslationObjective { label_smoothing: 0.1 }, &fixture.batch);
}

/// Pictures of another size than the model's, so that positions are interpolated, and a mixture of classes.
#[test]
fn a_training_step_of_a_vit_gives_the_same_loss_and_gradients_everywhere() {
    let config = VitConfig {
        distillation: Distillation::Head,
        labels: ["a", "b", "c"].map(String::from).to_vec(),
        init_std: 0.3,
        ..VitConfig::vit_like(6, 2, [2, 2, 8])
    };
    let value = |at: usize| (at as f32 * 0.37).sin();
    let patches = Patches::new((0..2 * 3 * 4 * 12).map(value).collect(), 2, [3, 4]);
    let classes = vec![2.into(), ClassShares { class: 1, other: 0, share: 0.7 }];
    let batch = ImageBatch { patches, classes, indices: vec![0, 1] };
    let objective = ImageClassificationObjective { label_smoothing: 0.1 };
    step_agrees(|device| config.init(device, 2).unwrap(), &objective, &batch);
}

#[test]
fn a_step_of_data2vec_gives_the_same_loss_and_gradients_everywhere() {
    let config = VitConfig { init_std: 0.3, ..VitConfig::vit_like(8, 2, [2, 2, 8]) };
    let data2vec = Data2VecConfig {
        top_layers: 2,
        tau: 0.9,
        tau_end: 0.99,
        tau_steps: 10,
        beta: 0.5,
        hiding: Hiding { rate: 0.5, block: 3 },
    };
    let patches = Patches::new((0..2 * 16 * 12).map(|at| (at as f32 * 0.37).sin()).collect(), 2, [4, 4]);
    let batch = ImageBatch { patches, classes: vec![0.into(); 2], indices: vec![0, 1] };
    let make = |device: &Device| Data2Vec::new(config.init(device, 2).unwrap(), ImageModel::layered, 8, 2).unwrap();
    step_agrees(make, &Data2VecObjective::new(data2vec, ImageModel::layered), &batch);
}
