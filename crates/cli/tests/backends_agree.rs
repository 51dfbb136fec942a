//! The same model on every backend of this build: flex and ndarray always, wgpu where it is compiled in.
#![recursion_limit = "256"]

use std::sync::Arc;

use attentive_backend::{BackendKind, Device, Objective};
use attentive_bundle::{Bundle, DecodingConfig, TrainingRecord, Translator};
use attentive_core::{
    ActionSpace, Batch, ClassShares, EncoderDecoder, ImageBatch, MaskedBatch, NextToken, Patches, SequenceBatch,
    Spectrograms, SpeechBatch, Steps, TokenMatrix, TrajectoryBatch, TranslationBatch,
};
use attentive_model::{
    BertConfig, CanineConfig, CausalLmObjective, Data2Vec, Data2VecConfig, Data2VecObjective,
    DecisionTransformerConfig, Distillation, EncoderModel, GptConfig, Guessing, ImageClassificationObjective,
    ImageModel, LayeredEncoder, MaskedLmObjective, ModelConfig, ModelSpec, PolicyObjective, PolicySpec, RnnConfig,
    SpeechModel, SpeechObjective, Transformer, TransformerConfig, TranslationObjective, VitConfig, WhisperConfig,
    data2vec::Hiding,
};
use attentive_optim::{AdamConfig, Gradients, Optimizer};
use attentive_testkit::{assert_close, named};
use attentive_tokenizer::{BpeTrainer, Tokenizer};
use attentive_weights::{HostTensor, param_shapes};
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

/// Gives every parameter values that its name decides, large enough to tell one backend's result from another's.
fn with_named_parameters<M: Module>(model: M) -> M {
    let tensors = param_shapes(&model).into_iter().map(|param| {
        let offset = if param.name.ends_with("gamma") { 1.0 } else { 0.0 };
        let values = named(&param.name, param.shape.iter().product()).iter().map(|x| x * 0.5 + offset).collect();
        (param.name, HostTensor { shape: param.shape, values })
    });
    attentive_weights::load(model, tensors.collect()).unwrap()
}

/// Holds the loss of a batch, and its gradient for every parameter, of all backends against those of the first;
/// parameters whose names begin with one of `untrained` have none.
fn step_agrees<M: Module, O: Objective<M>>(
    make: impl Fn(&Device) -> M,
    objective: &O,
    batch: &O::Batch,
    untrained: &[&str],
) {
    let mut expected: Option<(f32, Gradients)> = None;
    for (kind, device) in devices() {
        let model = make(&device.autodiff());
        let loss = objective.loss(&model, batch, None);
        let sum = loss.sum.clone().into_scalar::<f32>();
        let gradients = Gradients::take(loss.sum.backward(), &model);
        let names = param_shapes(&model).into_iter().map(|param| param.name);
        let is_trained = |name: &String| !untrained.iter().any(|part| name.starts_with(part));
        let missing: Vec<String> = names.filter(|name| is_trained(name) != gradients.get(name).is_some()).collect();
        assert_eq!(missing, [""; 0], "parameters that have no gradient on {kind}, or have one");
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

/// As [`step_agrees`], of a whole model of a configuration.
fn family_agrees<C: ModelSpec, O: Objective<C::Model>>(config: &C, objective: &O, batch: &O::Batch) {
    let make = |device: &Device| with_named_parameters(config.init(device, 2).unwrap());
    step_agrees(make, objective, batch, &[]);
}

#[test]
fn a_training_step_gives_the_same_loss_and_gradients_everywhere() {
    let fixture = Fixture::new();
    let trained = attentive_weights::params(&fixture.trained());
    let make =
        |device: &Device| attentive_weights::load(fixture.config.init(device, 2).unwrap(), trained.clone()).unwrap();
    step_agrees(make, &TranslationObjective { label_smoothing: 0.1 }, &fixture.batch, &[]);
}

#[test]
fn a_training_step_of_an_rnn_gives_the_same_loss_and_gradients_everywhere() {
    let fixture = Fixture::new();
    let config = RnnConfig {
        d_embedding: 4,
        d_hidden: 3,
        d_attention: 5,
        ..RnnConfig::rnn_search(fixture.tokenizer.vocab_size())
    };
    family_agrees(&config, &TranslationObjective { label_smoothing: 0.1 }, &fixture.batch);
}

#[test]
fn a_training_step_of_a_gpt_gives_the_same_loss_and_gradients_everywhere() {
    let rows: [&[u32]; 2] = [&[1, 5, 3, 6, 2], &[4, 2, 7]];
    let batch = SequenceBatch::next_tokens(&rows, 0, vec![0, 1]);
    let objective = CausalLmObjective { label_smoothing: 0.1 };
    family_agrees(&GptConfig::gpt2_like(11, 8, [2, 2, 8]), &objective, &batch);
    family_agrees(&GptConfig::llama_like(11, 12, [2, 2, 8]), &objective, &batch);
}

/// Two texts of ids below 13, three tokens of which are hidden.
fn text() -> MaskedBatch {
    MaskedBatch {
        ids: TokenMatrix::from_rows(&[&[2, 4, 7, 4, 9, 3][..], &[2, 11, 4, 3]], 0, 0),
        segments: vec![0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0],
        masked: vec![1, 3, 8],
        targets: vec![8, 5, 6],
        follows: Some(vec![true, false]),
        indices: vec![0, 1],
    }
}

#[test]
fn a_training_step_of_a_bert_gives_the_same_loss_and_gradients_everywhere() {
    family_agrees(&BertConfig::bert_like(13, 9, [2, 2, 8]), &MaskedLmObjective { label_smoothing: 0.1 }, &text());
}

/// Characters that are guessed each by itself, and one after another in an order of their own.
#[test]
fn a_training_step_of_a_canine_gives_the_same_loss_and_gradients_everywhere() {
    const MASK: u32 = 0xe003;
    let rows: [&[u32]; 2] = [&[97, MASK, 99, 100, MASK, 102, 97, 98], &[MASK, 98, 104]];
    let batch = MaskedBatch {
        ids: TokenMatrix::from_rows(&rows, 0, 0),
        segments: (0..16).map(|at| at / 3 % 2).collect(),
        masked: vec![4, 1, 8],
        targets: vec![101, 98, 97],
        follows: Some(vec![true, false]),
        indices: vec![0, 1],
    };
    for guessing in [Guessing::Independent, Guessing::Autoregressive] {
        let config = CanineConfig {
            n_hashes: 4,
            n_buckets: 32,
            max_len: 16,
            block: 5,
            alphabet: "abcdef".to_owned(),
            n_segments: 2,
            guessing,
            ..CanineConfig::canine_like([1, 2, 8])
        };
        family_agrees(&config, &MaskedLmObjective::default(), &batch);
    }
}

fn whisper() -> WhisperConfig {
    WhisperConfig { n_heads: 2, max_source_len: 5, max_target_len: 4, ..WhisperConfig::whisper_like(7, 5, [2, 1, 8]) }
}

/// Two recordings, of an odd number of frames, the second of which ends before its window does.
fn sound() -> SpeechBatch {
    let sound = Spectrograms::new(named("sound", 2 * 9 * 5), [9, 5]).with_heard(vec![9, 6]);
    let target = TokenMatrix::from_rows(&[&[1, 2, 5, 3][..], &[1, 2, 3]], 0, 0);
    SpeechBatch { sound, target, n_prompt: 2, indices: vec![0, 1] }
}

#[test]
fn a_training_step_of_a_whisper_gives_the_same_loss_and_gradients_everywhere() {
    family_agrees(&whisper(), &SpeechObjective { label_smoothing: 0.1 }, &sound());
}

/// Actions that are one of two, and the same ones as numbers.
#[test]
fn a_training_step_of_an_agent_gives_the_same_loss_and_gradients_everywhere() {
    let steps = Steps {
        n_rows: 2,
        n_steps: 3,
        states: named("states", 2 * 3 * 3),
        actions: vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0],
        returns: named("returns", 2 * 3),
        timesteps: vec![0, 1, 2, 3, 4, 0],
    };
    let batch = TrajectoryBatch { steps, lengths: vec![3, 2], indices: vec![0, 1] };
    for actions in [ActionSpace::Discrete(2), ActionSpace::Continuous(2)] {
        let mut config = DecisionTransformerConfig {
            d_model: 8,
            d_ff: 12,
            n_heads: 2,
            n_layers: 2,
            max_steps: 6,
            ..DecisionTransformerConfig::gym(3, 2)
        };
        config.set_widths(3, actions);
        family_agrees(&config, &PolicyObjective::default(), &batch);
    }
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
    step_agrees(|device| config.init(device, 2).unwrap(), &objective, &batch, &[]);
}

fn data2vec_agrees<C: ModelSpec, B: Batch>(
    config: &C,
    view: fn(&C::Model) -> Option<&dyn LayeredEncoder<B>>,
    batch: &B,
    untrained: &[&str],
) {
    let data2vec = Data2VecConfig {
        top_layers: 2,
        tau: 0.9,
        tau_end: 0.99,
        tau_steps: 10,
        beta: 0.5,
        hiding: Hiding { rate: 0.5, block: 3 },
    };
    let make = |device: &Device| {
        let student = config.init(device, 2).unwrap();
        with_named_parameters(Data2Vec::new(student, view, config.d_model(), 2).unwrap())
    };
    step_agrees(make, &Data2VecObjective::new(data2vec, view), batch, untrained);
}

#[test]
fn a_step_of_data2vec_gives_the_same_loss_and_gradients_everywhere() {
    let patches = Patches::new(named("patches", 2 * 16 * 12), 2, [4, 4]);
    let pictures = ImageBatch { patches, classes: vec![0.into(); 2], indices: vec![0, 1] };
    data2vec_agrees(&VitConfig::vit_like(8, 2, [2, 2, 8]), ImageModel::layered, &pictures, &["teacher."]);
    let bert =
        BertConfig { masked_lm: false, next_sentence: false, pooler: false, ..BertConfig::bert_like(13, 9, [2, 2, 8]) };
    data2vec_agrees(&bert, EncoderModel::layered, &text(), &["teacher."]);
    // Of a Whisper, the encoder alone learns.
    let untrained = ["teacher.", "student.decoder.", "student.embedding.", "student.target_positions."];
    data2vec_agrees(&whisper(), SpeechModel::layered, &sound(), &untrained);
}

/// The main job by the command, for 50 updates on a GPU or on Vulkan in software: the losses of flex, and memory that no longer
/// grows.
#[cfg(any(feature = "wgpu", feature = "wgpu-unfused"))]
mod main_job {
    use std::{
        fs,
        path::Path,
        process::{Child, Command, Stdio},
        thread,
        time::Duration,
    };

    use serde_json::Value;

    const N_UPDATES: usize = 50;
    /// Updates after which the command has all the memory that it will have.
    const N_GROWING: usize = 10;

    /// The losses of the updates that a run has written down.
    fn losses(folder: &Path) -> Vec<f64> {
        let log = fs::read_to_string(folder.join("builtin-1/metrics.jsonl")).unwrap_or_default();
        let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["event"] == "step").map(|event| event["loss_nats"].as_f64().unwrap()).collect()
    }

    /// MiB that a process holds now; of devices in software, theirs too.
    fn memory(process: u32) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? / 1024)
    }

    /// Ends with its test.
    struct Training(Child);

    impl Drop for Training {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// The losses, and the most memory up to update [`N_GROWING`] and after it. What follows the last update is left out.
    fn train(backend: &str) -> (Vec<f64>, [u64; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let steps = format!("training.steps={N_UPDATES}");
        let settings = [&steps, "model.dropout=0", "tokenizer.merges=500"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_attentive"));
        command.args(["train", "--backend", backend, "--runs"]).arg(folder.path());
        command.args(settings.iter().flat_map(|setting| ["--set", setting])).stdout(Stdio::null());
        let mut training = Training(command.spawn().unwrap());
        let mut most = [0; 2];
        loop {
            let losses = losses(folder.path());
            if losses.len() >= N_UPDATES {
                return (losses, most);
            }
            assert!(training.0.try_wait().unwrap().is_none(), "training on {backend} has ended");
            let place = &mut most[usize::from(losses.len() > N_GROWING)];
            *place = memory(training.0.id()).unwrap_or(0).max(*place);
            thread::sleep(Duration::from_millis(50));
        }
    }

    #[test]
    #[ignore = "minutes in software: `cargo xtask vulkan -- --ignored`"]
    fn the_main_job_has_the_same_losses_and_steady_memory() {
        let (expected, _) = train("flex");
        let (losses, [early, late]) = train("wgpu");
        assert_eq!((losses.len(), expected.len()), (N_UPDATES, N_UPDATES));
        let furthest = losses.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!(
            "50 updates: losses within {furthest:.1e} of flex's; {early} MiB by update {N_GROWING}, {late} MiB after it"
        );
        assert!(furthest < 1e-2, "{losses:?} is not {expected:?}");
        assert!(late <= early + early / 20, "memory grows from {early} to {late} MiB");
    }
}
