//! Layers that the backward pass runs again: the gradients of layers that were kept, bit for bit.

use std::collections::BTreeMap;

use attentive_attention::{NormKind, NormPlacement, PositionsConfig, RelativeBuckets};
use attentive_backend::{BackendKind, Device, Objective, Precision, Recompute};
use attentive_core::{
    ActionSpace, Dropout, ImageBatch, MaskedBatch, Patches, SequenceBatch, Spectrograms, SpeechBatch, Steps,
    TokenMatrix, TrajectoryBatch, TranslationBatch,
};
use attentive_model::{
    AdapterConfig, AdapterKind, BertConfig, CanineConfig, CausalLmObjective, Data2Vec, Data2VecConfig,
    Data2VecObjective, DecisionTransformerConfig, GptConfig, ImageClassificationObjective, ImageModel,
    MaskedLmObjective, ModelConfig, ModelSpec, PolicyObjective, PolicySpec, SpeechObjective, TransformerConfig,
    TranslationObjective, VitConfig, WhisperConfig, data2vec::Hiding,
};
use attentive_optim::{AdamConfig, Gradients, Optimizer};
use attentive_testkit::Fixture;
use burn::module::Module;

const VOCAB: usize = 13;

type Bits = BTreeMap<String, Vec<u32>>;

fn device() -> Device {
    BackendKind::Flex.device().unwrap().autodiff()
}

/// The loss and the gradients of a pass.
fn pass<M: Module, O: Objective<M>>(
    recompute: Recompute,
    (model, objective): (&M, &O),
    batch: &O::Batch,
    dropout: Option<&Dropout>,
) -> (u32, Bits) {
    let loss = recompute.during(|| objective.loss(model, batch, dropout)).sum;
    let sum = loss.clone().into_scalar::<f32>();
    let gradients = Gradients::take(loss.backward(), model);
    let bits = gradients.iter().map(|(name, gradient)| {
        let values: Vec<f32> = gradient.clone().into_data().try_into_vec().unwrap();
        (name.to_owned(), values.iter().map(|value| value.to_bits()).collect())
    });
    (sum.to_bits(), bits.collect())
}

/// Holds the gradients of recomputed layers, in training and in use, against those of kept ones; returns how many there are.
#[track_caller]
fn assert_same<M: Module, O: Objective<M>>(of: &str, model: &M, objective: &O, batch: &O::Batch) -> usize {
    let mut n = 0;
    for seed in [None, Some(11)] {
        let [(kept_loss, kept), (loss, found)] = [Recompute::None, Recompute::Layers].map(|recompute| {
            let dropout = seed.map(Dropout::new);
            pass(recompute, (model, objective), batch, dropout.as_ref())
        });
        assert_eq!(loss, kept_loss, "{of}: the loss");
        assert_eq!(found.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>(), "{of}");
        let differing: Vec<_> =
            kept.iter().filter(|(name, bits)| found[*name] != **bits).map(|(name, _)| name).collect();
        assert!(differing.is_empty(), "{of}: {differing:?}");
        n = kept.len();
    }
    n
}

fn rows(rows: &[&[u32]]) -> TokenMatrix {
    TokenMatrix::from_rows(rows, 0, 0)
}

fn translation() -> TranslationBatch {
    let source = rows(&[&[4, 5, 6, 7, 2], &[8, 2], &[9, 3, 3, 2]]);
    TranslationBatch { source, target: rows(&[&[1, 6, 7, 2], &[1, 5, 9, 12, 4, 2], &[1, 2]]), indices: vec![0, 1, 2] }
}

fn sequences() -> SequenceBatch {
    SequenceBatch::next_tokens(&[vec![1, 2, 3, 4, 5, 6, 12], vec![6, 7, 8]], 0, vec![0, 1])
}

/// Every second token of each row is guessed.
fn masked(texts: &[Vec<u32>], follows: Option<Vec<bool>>) -> MaskedBatch {
    let ids = TokenMatrix::from_rows(texts, 0, 0);
    let n_cols = ids.n_cols();
    let places = texts.iter().enumerate().flat_map(|(row, ids)| {
        ids.iter().enumerate().step_by(2).map(move |(at, &id)| ((row * n_cols + at) as u32, id))
    });
    let (masked, targets) = places.unzip();
    let segments = ids.ids().iter().map(|&id| (id % 2) as u8).collect();
    MaskedBatch { segments, masked, targets, follows, indices: (0..texts.len() as u64).collect(), ids }
}

fn transformer(norm: NormPlacement, positions: PositionsConfig) -> TransformerConfig {
    TransformerConfig {
        d_model: 10,
        d_ff: 17,
        n_heads: 3,
        d_k: Some(6),
        d_v: Some(7),
        n_encoder_layers: 3,
        n_decoder_layers: 3,
        norm,
        positions,
        dropout: 0.2,
        attention_dropout: 0.1,
        activation_dropout: 0.1,
        ..TransformerConfig::base(VOCAB)
    }
}

/// What the decoder's layers read of the encoder, and tables that are used three times, have gradients from many places.
#[test]
fn encoder_decoders() {
    let buckets = PositionsConfig::RelativeBuckets(RelativeBuckets { n_buckets: 8, max_distance: 7 });
    let rotary = PositionsConfig::rotary(1e4);
    let learned = PositionsConfig::Learned { max_len: 19 };
    for norm in [NormPlacement::Post, NormPlacement::Pre, NormPlacement::Both] {
        for positions in
            [PositionsConfig::Sinusoidal, learned.clone(), rotary.clone(), PositionsConfig::Alibi, buckets.clone()]
        {
            for (gated, rms) in [(false, false), (true, true)] {
                let norm_kind = if rms { NormKind::Rms } else { NormKind::Layer };
                let config = TransformerConfig { gated, norm_kind, ..transformer(norm, positions.clone()) };
                let model = config.init(&device(), 1).unwrap();
                assert_same(&format!("{config:?}"), &model, &TranslationObjective::default(), &translation());
            }
        }
    }
}

#[test]
fn decoders() {
    let gpt = || GptConfig { dropout: 0.2, attention_dropout: 0.1, ..GptConfig::gpt2_like(VOCAB, 16, [3, 2, 8]) };
    let rotary = PositionsConfig::rotary(1e4);
    for (of, config) in [
        ("GPT-2", gpt()),
        ("side by side", GptConfig { parallel: true, positions: rotary.clone(), ..gpt() }),
        ("heads that share keys", GptConfig { n_kv_heads: Some(1), positions: rotary, gated: true, ..gpt() }),
        ("windows", GptConfig { window: Some(3), full_layers: vec![1], ..gpt() }),
    ] {
        let model = config.init(&device(), 1).unwrap();
        assert_same(of, &model, &CausalLmObjective::default(), &sequences());
        assert_same(&format!("{of}, packed"), &model, &CausalLmObjective::default(), &sequences().packed());
    }
}

/// Layers that share their parameters add their gradients up, and so does a relative bias that all layers have.
#[test]
fn encoders_of_texts() {
    let bert = || BertConfig {
        next_sentence: true,
        pooler: true,
        dropout: 0.2,
        attention_dropout: 0.1,
        ..BertConfig::bert_like(VOCAB, 11, [4, 2, 8])
    };
    let buckets = RelativeBuckets { n_buckets: 6, max_distance: 7 };
    let batch = masked(&[vec![4, 5, 6, 7, 8], vec![9, 3, 2]], Some(vec![true, false]));
    for (of, config) in [
        ("BERT", bert()),
        ("ALBERT", BertConfig { n_layer_groups: Some(1), ..bert() }),
        ("two groups", BertConfig { n_layer_groups: Some(2), ..bert() }),
        ("MPNet", BertConfig { relative_buckets: Some(buckets), ..bert() }),
    ] {
        let model = config.init(&device(), 1).unwrap();
        assert_same(of, &model, &MaskedLmObjective::default(), &batch);
    }
    let canine = CanineConfig {
        n_hashes: 4,
        n_buckets: 32,
        max_len: 23,
        block: 5,
        alphabet: "abcdef".to_owned(),
        init_std: 0.3,
        n_segments: 2,
        next_sentence: true,
        pooler: true,
        dropout: 0.2,
        attention_dropout: 0.1,
        ..CanineConfig::canine_like([3, 2, 8])
    };
    let text = |n: u32| (0..n).map(|at| 97 + at * 5 % 6).collect();
    let batch = masked(&[text(14), text(9)], Some(vec![true, false]));
    assert_same("CANINE", &canine.init(&device(), 1).unwrap(), &MaskedLmObjective::default(), &batch);
}

fn vit() -> VitConfig {
    let labels = vec!["a".to_owned(), "b".to_owned()];
    VitConfig { init_std: 0.3, labels, dropout: 0.2, attention_dropout: 0.1, ..VitConfig::vit_like(8, 2, [3, 2, 8]) }
}

fn pictures() -> ImageBatch {
    let patches = Patches::new(Fixture::new(1).uniform(2 * 16 * 12, -1.0, 1.0), 2, [4, 4]);
    ImageBatch { patches, classes: vec![0.into(), 1.into()], indices: vec![0, 1] }
}

#[test]
fn pictures_sound_and_actions() {
    let model = vit().init(&device(), 1).unwrap();
    assert_same("ViT", &model, &ImageClassificationObjective::default(), &pictures());

    let whisper = WhisperConfig {
        n_heads: 2,
        max_source_len: 9,
        max_target_len: 8,
        dropout: 0.2,
        attention_dropout: 0.1,
        activation_dropout: 0.1,
        ..WhisperConfig::whisper_like(VOCAB, 5, [3, 3, 8])
    };
    let sound = Spectrograms::new(Fixture::new(2).uniform(2 * 18 * 5, -1.0, 1.5), [18, 5]);
    let batch = SpeechBatch { sound, target: rows(&[&[1, 4, 7, 2], &[1, 9, 2]]), n_prompt: 1, indices: vec![0, 1] };
    assert_same("Whisper", &whisper.init(&device(), 1).unwrap(), &SpeechObjective::default(), &batch);

    let mut policy =
        DecisionTransformerConfig { d_model: 8, d_ff: 6, n_heads: 2, ..DecisionTransformerConfig::gym(1, 1) };
    policy.set_widths(3, ActionSpace::Continuous(2));
    let numbers = |n: usize, seed: u64| Fixture::new(seed).uniform(n, -1.0, 1.0);
    let steps = Steps {
        n_rows: 2,
        n_steps: 4,
        states: numbers(8 * 3, 1),
        actions: numbers(8 * 2, 2),
        returns: numbers(8, 3),
        timesteps: (0..8).map(|at| at % 4).collect(),
    };
    let batch = TrajectoryBatch { steps, lengths: vec![4, 2], indices: vec![0, 1] };
    assert_same("Decision Transformer", &policy.init(&device(), 1).unwrap(), &PolicyObjective::default(), &batch);
}

#[test]
fn a_student_of_data2vec() {
    let config = Data2VecConfig {
        top_layers: 2,
        tau: 0.5,
        tau_end: 0.9,
        tau_steps: 4,
        beta: 0.0,
        hiding: Hiding { rate: 0.6, block: 4 },
    };
    let model = Data2Vec::new(vit().init(&device(), 1).unwrap(), ImageModel::layered, 8, 1).unwrap();
    assert_same("data2vec", &model, &Data2VecObjective::new(config, ImageModel::layered), &pictures());
}

/// Weights that are not trained have no gradient, whether an adapter lies on them or they are frozen.
#[test]
fn adapters_and_frozen_layers() {
    let (gpt, objective) =
        (GptConfig { dropout: 0.2, ..GptConfig::gpt2_like(VOCAB, 16, [3, 2, 8]) }, CausalLmObjective::default());
    let plain = gpt.init(&device(), 1).unwrap();
    for kind in [AdapterKind::Lora, AdapterKind::Dora] {
        let config = AdapterConfig {
            kind,
            rank: 2,
            dropout: 0.1,
            targets: vec!["*.self_attention.*".into(), "*.outer".into()],
            train: vec!["decoder.norm".into()],
            ..AdapterConfig::default()
        };
        let (mut model, maps) = config.attach(plain.clone(), 1).unwrap();
        let mut optimizer = AdamConfig::default().init().unwrap();
        for _ in 0..2 {
            // A new adapter's second matrices are zero.
            let gradients = Gradients::take(objective.loss(&model, &sequences(), None).sum.backward(), &model);
            model = optimizer.step(model, gradients, 1.0, 1e-2);
        }
        let n_of_map = if kind == AdapterKind::Dora { 3 } else { 2 };
        assert_eq!(assert_same(&format!("{kind:?}"), &model, &objective, &sequences()), n_of_map * maps.len() + 2);
    }
    // The middle layer stays as it is, and gradients pass through it.
    let mut model = plain;
    let n = assert_same("all", &model, &objective, &sequences());
    model.decoder.layers[1] = model.decoder.layers[1].clone().no_grad();
    assert_eq!(assert_same("frozen", &model, &objective, &sequences()), n - 16);
    model.decoder.layers = model.decoder.layers.into_iter().map(Module::no_grad).collect();
    model.embedding = model.embedding.no_grad();
    model.positions = model.positions.no_grad();
    assert_eq!(assert_same("the last norm alone", &model, &objective, &sequences()), 2);
}

/// The second pass multiplies as the first one did.
#[test]
fn products_of_bf16() {
    let model = GptConfig::gpt2_like(VOCAB, 16, [3, 2, 8]).init(&device(), 1).unwrap();
    let objective = CausalLmObjective::default();
    let bits = |recompute, precision: Precision| {
        precision.during(|| pass(recompute, (&model, &objective), &sequences(), Some(&Dropout::new(3))))
    };
    let kept = bits(Recompute::None, Precision::Bf16);
    assert!(bits(Recompute::Layers, Precision::Bf16) == kept);
    assert!(bits(Recompute::Layers, Precision::F32) != kept);
}

/// Backends without kernels of their own; dropout there draws from a generator that tests would share.
#[test]
fn every_backend() {
    for kind in BackendKind::ALL.into_iter().filter(|kind| kind.is_compiled_in()) {
        let config = transformer(NormPlacement::Pre, PositionsConfig::rotary(1e4));
        let model = config.init(&kind.device().unwrap().autodiff(), 1).unwrap();
        let bits = |recompute| pass(recompute, (&model, &TranslationObjective::default()), &translation(), None);
        assert!(bits(Recompute::Layers) == bits(Recompute::None), "{kind}");
    }
}

/// A pass that nothing is learnt from has no graph, and one that was left has no influence.
#[test]
fn passes_without_a_backward_pass() {
    let (config, objective) = (GptConfig::gpt2_like(VOCAB, 16, [2, 2, 8]), CausalLmObjective::default());
    let model = config.init(&device(), 1).unwrap();
    let expected = pass(Recompute::None, (&model, &objective), &sequences(), None);
    drop(Recompute::Layers.during(|| objective.loss(&model, &sequences(), None)));
    assert!(pass(Recompute::Layers, (&model, &objective), &sequences(), None) == expected);
    let loss = Recompute::Layers.during(|| objective.loss(&model.valid(), &sequences(), None)).sum;
    assert!(!loss.is_tracked() && loss.into_scalar::<f32>().to_bits() == expected.0);
    assert_eq!(Recompute::current(), Recompute::None);
}

#[test]
fn families_say_whether_their_layers_run_again() {
    let refusing = ModelConfig::presets().into_iter().filter(|preset| !preset.config.recomputes_layers());
    let mut families: Vec<&str> = refusing.map(|preset| preset.config.family()).collect();
    families.dedup();
    assert_eq!(families, ["rnn"]);
}
