//! Heads that leave a model, and how much they mattered.

use std::sync::Arc;

use attentive_attention::{NormKind, NormPlacement, PositionsConfig, RelativeBuckets};
use attentive_backend::{BackendKind, Device};
use attentive_bundle::{Bundle, Processor};
use attentive_core::{EncoderDecoder, LanguageModel, NextToken, TokenMatrix};
use attentive_inspect::{HeadImportance, InspectError, LossOnLines, TextViewer, least_important, silence};
use attentive_model::{
    Attentions, BertConfig, CanineConfig, EncoderModel, GptConfig, ModelConfig, ModelHeads, ModelSpec,
    TransformerConfig,
};
use attentive_testkit::{Fixture, assert_close};
use attentive_tokenizer::{BpeTrainer, Characters, Tokenizer, WordPieceTrainer};
use burn::tensor::Tensor;

const TEXT: &str = "to be or not to be";
const VOCAB: usize = 23;

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

/// A model whose every parameter is random, biases too.
fn bundle<C: ModelSpec + Into<ModelConfig>>(config: C, processor: impl Into<Processor>) -> Bundle {
    let mut params = attentive_weights::params(&config.init(&device(), 7).unwrap());
    let mut fixture = Fixture::new(3);
    for tensor in params.values_mut() {
        let noise = fixture.normal(tensor.values.len());
        tensor.values.iter_mut().zip(noise).for_each(|(value, noise)| *value += 0.3 * noise);
    }
    Bundle::new("model", config, processor, params)
}

fn heads(names: &str) -> ModelHeads {
    names.parse().unwrap()
}

/// The model without heads, and with these silent.
fn both(bundle: &Bundle, names: &str) -> [Bundle; 2] {
    let [mut pruned, mut silent] = [bundle.clone(), bundle.clone()];
    pruned.prune_heads(&heads(names)).unwrap();
    silence(&mut silent, &heads(names)).unwrap();
    let n_params = |bundle: &Bundle| bundle.params.values().map(|tensor| tensor.values.len()).sum::<usize>();
    assert_eq!(n_params(&pruned), pruned.model.n_params(), "the configuration knows its size");
    assert!(n_params(&pruned) < n_params(bundle), "there is less of it");
    assert!(pruned.model.forward_flops_per_token(10) < bundle.model.forward_flops_per_token(10));
    [pruned, silent]
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// Holds what `outputs` makes of models without heads against what it makes of models in which they are silent, and what it
/// makes of the whole model.
fn same(name: &str, bundle: &Bundle, names: &str, outputs: impl Fn(&Bundle) -> Vec<f32>) {
    let (whole, [pruned, silent]) = (outputs(bundle), both(bundle, names).map(|bundle| outputs(&bundle)));
    assert!(whole.iter().zip(&silent).any(|(a, b)| (a - b).abs() > 1e-3), "{name}: the heads matter");
    for (pruned, silent) in pruned.iter().zip(&silent) {
        assert!((pruned - silent).abs() < 1e-5 * silent.abs().max(1.0), "{name}: {pruned} and {silent}");
    }
}

/// Log-probabilities of a whole text on tensors, and by steps after a prompt in the engine.
fn of_gpt(bundle: &Bundle) -> Vec<f32> {
    let model = bundle.model::<GptConfig>(&device()).unwrap();
    let text: Vec<u32> = (0..14).map(|at| at * 5 % VOCAB as u32).collect();
    let mut found = LanguageModel::log_probs_of(&model, &text).unwrap();
    let packed = bundle.text_model(&device(), None).unwrap();
    found.extend(packed.log_probs_of(&text).unwrap());
    // Rows that go on after a prompt, and change places: caches of layers of other widths.
    let mut state = packed.start(2);
    for tokens in [&text[..8], &text[8..10]] {
        found.extend(packed.log_probs(tokens, &mut state).unwrap());
        packed.reorder(&mut state, &[1, 1, 0][..2]);
    }
    found
}

#[test]
fn a_language_model_without_heads_is_the_one_where_they_are_silent() {
    let base = GptConfig { vocab_size: VOCAB, ..GptConfig::gpt2_like(VOCAB, 20, [2, 4, 24]) };
    let buckets = PositionsConfig::RelativeBuckets(RelativeBuckets { n_buckets: 6, max_distance: 5 });
    let llama = GptConfig::llama_like(VOCAB, 20, [2, 4, 24]);
    let grouped = GptConfig { n_kv_heads: Some(2), qk_norm: true, ..llama.clone() };
    for (name, config, pruned) in [
        ("GPT-2", base.clone(), "decoder.0.self:2,decoder.1.self:0,decoder.1.self:1,decoder.1.self:3"),
        ("Llama", llama.clone(), "decoder.1.self:3"),
        ("a whole group", grouped.clone(), "decoder.0.self:0,decoder.0.self:1,decoder.1.self:2,decoder.1.self:3"),
        ("one of each group", grouped, "decoder.0.self:1,decoder.0.self:2"),
        ("one of the only group", GptConfig { n_kv_heads: Some(1), ..llama }, "decoder.1.self:0"),
        ("ALiBi", GptConfig { positions: PositionsConfig::Alibi, ..base.clone() }, "decoder.0.self:1,decoder.1.self:0"),
        ("buckets", GptConfig { positions: buckets, window: Some(5), ..base }, "decoder.0.self:1,decoder.1.self:0"),
    ] {
        same(name, &bundle(config, Processor::None), pruned, of_gpt);
    }
}

/// Log-probabilities of the first steps of two sentences, on tensors and in the engine.
fn of_transformer(bundle: &Bundle) -> Vec<f32> {
    fn steps<M: EncoderDecoder>(model: &M) -> Vec<f32> {
        let source = TokenMatrix::from_rows(&[&[3, 1, 4, 1, 5][..], &[9, 2]], 0, 0);
        let mut state = model.start(&source);
        let mut found = Vec::new();
        for tokens in [[1, 1], [6, 7], [8, 2]] {
            found.extend(model.log_probs(&tokens, &mut state).unwrap());
        }
        model.reorder(&mut state, &[1, 1, 0]);
        found.extend(model.log_probs(&[5, 6, 7], &mut state).unwrap());
        found
    }
    let mut found = steps(&bundle.model::<TransformerConfig>(&device()).unwrap());
    found.extend(steps(&bundle.translation_model(&device(), None).unwrap()));
    found
}

#[test]
fn a_translation_model_without_heads_is_the_one_where_they_are_silent() {
    let base = TransformerConfig {
        d_model: 24,
        d_ff: 20,
        n_heads: 4,
        d_k: Some(5),
        d_v: Some(3),
        n_encoder_layers: 2,
        n_decoder_layers: 2,
        ..TransformerConfig::base(VOCAB)
    };
    let t5 = TransformerConfig {
        norm: NormPlacement::Pre,
        norm_kind: NormKind::Rms,
        bias: false,
        scale_scores: false,
        positions: PositionsConfig::RelativeBuckets(RelativeBuckets { n_buckets: 8, max_distance: 6 }),
        ..base.clone()
    };
    let pruned = "encoder.0.self:1,encoder.1.self:0,encoder.1.self:3,decoder.0.self:3,decoder.1.self:0,\
                  decoder.0.cross:0,decoder.1.cross:1,decoder.1.cross:2";
    for (name, config) in [("the paper's", base), ("T5's", t5)] {
        same(name, &bundle(config, Processor::None), pruned, of_transformer);
    }
}

fn wordpiece() -> Arc<dyn Tokenizer> {
    Arc::new(WordPieceTrainer::with_vocab_size(40).train([TEXT]).unwrap())
}

#[test]
fn an_encoder_without_heads_is_the_one_where_they_are_silent() {
    let tokenizer = wordpiece();
    let base = BertConfig::bert_like(tokenizer.vocab_size(), 40, [4, 2, 16]);
    let shared = BertConfig { n_layer_groups: Some(2), ..base.clone() };
    let distances = BertConfig { relative_buckets: Some(RelativeBuckets::default()), ..base.clone() };
    let outputs = |bundle: &Bundle| {
        let model = bundle.model::<BertConfig>(&device()).unwrap();
        let frame = attentive_bundle::frame_ids(&**bundle.tokenizer().unwrap()).unwrap();
        let ids = [&[frame.begin][..], &bundle.tokenizer().unwrap().encode(TEXT), &[frame.end]].concat();
        let mut found = values(model.encode(&TokenMatrix::from_rows(&[&ids], 0, 0), &vec![0; ids.len()], None).hidden);
        let encoder = attentive_bundle::TextEncoder::from_bundle(bundle, &device(), None).unwrap();
        found.extend(encoder.embed(TEXT, &bundle.embedding).unwrap());
        found
    };
    for (name, config, pruned) in [
        ("BERT", base, "encoder.0.self:1,encoder.3.self:0"),
        ("ALBERT", shared, "encoder.1.self:1"),
        ("MPNet", distances, "encoder.0.self:0,encoder.1.self:1"),
    ] {
        same(name, &bundle(config, tokenizer.clone()), pruned, outputs);
    }
}

#[test]
fn heads_may_leave_one_after_another() {
    let bundle = bundle(GptConfig::gpt2_like(VOCAB, 20, [2, 4, 24]), Processor::None);
    let mut once = bundle.clone();
    once.prune_heads(&heads("decoder.0.self:0,decoder.0.self:2,decoder.1.self:3")).unwrap();
    let mut twice = bundle.clone();
    twice.prune_heads(&heads("decoder.0.self:2")).unwrap();
    // Numbers are those of the whole model; what is gone is gone.
    twice.prune_heads(&heads("decoder.0.self:0,decoder.0.self:2,decoder.1.self:3")).unwrap();
    assert_eq!((&once.model, &once.params), (&twice.model, &twice.params));
    assert!(matches!(silence(&mut twice, &heads("decoder.0.self:2")), Err(InspectError::NoHead { .. })));
    silence(&mut twice, &heads("decoder.0.self:3")).unwrap();
    let mut silent = bundle.clone();
    silence(&mut silent, &heads("decoder.0.self:0,decoder.0.self:2,decoder.0.self:3,decoder.1.self:3")).unwrap();
    assert_close(&of_gpt(&twice), &of_gpt(&silent), 1e-5, 1e-5);
    // It comes back from its folder, and the whole model's folder says nothing of pruned heads.
    let folder = tempfile::tempdir().unwrap();
    let places = ["pruned", "whole"].map(|name| folder.path().join(name));
    once.save(&places[0]).unwrap();
    bundle.save(&places[1]).unwrap();
    let texts = places.each_ref().map(|place| std::fs::read_to_string(place.join("config.toml")).unwrap());
    assert!(texts[0].contains("pruned_heads = [\"decoder.0.self:0\", "), "{}", texts[0]);
    assert!(!texts[1].contains("pruned_heads"), "{}", texts[1]);
    let read = Bundle::read(&places[0]).unwrap();
    assert_eq!((&read.model, &read.params), (&once.model, &once.params));
    let sizes = places.map(|place| std::fs::metadata(place.join("model.safetensors")).unwrap().len());
    assert!(sizes[0] < sizes[1], "{sizes:?}");
}

#[test]
fn what_can_not_leave_is_refused_by_name() {
    let grouped = GptConfig { n_kv_heads: Some(2), ..GptConfig::gpt2_like(VOCAB, 20, [2, 4, 24]) };
    let gpt = bundle(grouped, Processor::None);
    for (names, expected) in [
        ("decoder.0.self:4", "decoder.0.self:4"),
        ("decoder.2.self:0", "decoder.2.self:0"),
        ("encoder.0.self:0", "encoder.0.self:0"),
        ("decoder.0.self:0", "in different numbers; prune all 2 of a group"),
        ("decoder.1.self:0,decoder.1.self:1,decoder.1.self:2,decoder.1.self:3", "no head of decoder.1.self"),
    ] {
        let mut bundle = gpt.clone();
        let error = bundle.prune_heads(&heads(names)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!((&bundle.model, &bundle.params), (&gpt.model, &gpt.params), "as it was");
    }
    let canine = CanineConfig { n_buckets: 32, max_len: 64, ..CanineConfig::canine_like([1, 2, 16]) };
    let mut canine = bundle(canine, Arc::new(attentive_tokenizer::CodePoints::default()) as Arc<dyn Tokenizer>);
    let error = canine.prune_heads(&heads("encoder.0.self:0")).unwrap_err().to_string();
    assert!(error.contains("\"canine\" can't be pruned"), "{error}");
    for bad in
        ["encoder.0.self", "encoder.0.cross:1", "encoder.x.self:0", "encoder.0.self:0:1", "decoder.0.self.x:1", ""]
    {
        bad.parse::<ModelHeads>().expect_err(bad);
    }
}

#[test]
fn pruned_heads_look_at_nothing() {
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(Characters::train([TEXT]));
    let mut bundle = bundle(GptConfig::gpt2_like(tokenizer.vocab_size(), 40, [2, 4, 16]), tokenizer);
    let whole = TextViewer::new(&bundle, &device()).unwrap().look(TEXT).unwrap().weights;
    bundle.prune_heads(&heads("decoder.0.self:1,decoder.0.self:2")).unwrap();
    let found = TextViewer::new(&bundle, &device()).unwrap().look(TEXT).unwrap().weights;
    assert_eq!((found.n_layers(), found.n_heads()), (2, 4), "they keep their numbers");
    for head in [0, 3] {
        assert_close(found.head(0, head), whole.head(0, head), 1e-5, 1e-6);
    }
    assert!([1, 2].iter().all(|&head| found.head(0, head).iter().all(|&weight| weight == 0.0)));
    for row in found.mean(0).chunks(found.n_keys()) {
        assert_close(&[row.iter().sum::<f32>()], &[1.0_f32], 1e-5, 0.0);
    }
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
}

/// A factor on what a head adds, in the rows of the output projection.
fn scaled(bundle: &Bundle, one: &HeadImportance, n_heads: usize, factor: f32) -> Bundle {
    let mut bundle = bundle.clone();
    let weight = bundle.params.get_mut(&format!("{}.output.weight", one.head.attention.path())).unwrap();
    let n = weight.values.len() / n_heads;
    weight.values[one.head.head * n..][..n].iter_mut().for_each(|value| *value *= factor);
    bundle
}

/// The gradient by a head's factor is the slope of the loss as the factor changes.
#[test]
fn importance_is_the_slope_of_the_loss() {
    let bpe: Arc<dyn Tokenizer> = Arc::new(BpeTrainer::with_vocab_size(280).train([TEXT]).unwrap());
    let sizes = TransformerConfig { d_model: 16, d_ff: 24, n_heads: 4, ..TransformerConfig::base(bpe.vocab_size()) };
    let transformer = TransformerConfig { n_encoder_layers: 1, n_decoder_layers: 1, ..sizes };
    let characters: Arc<dyn Tokenizer> = Arc::new(Characters::train([TEXT]));
    let gpt = GptConfig::gpt2_like(characters.vocab_size(), 40, [2, 2, 16]);
    let bert = BertConfig::bert_like(wordpiece().vocab_size(), 40, [2, 2, 16]);
    let labels = vec!["a".to_owned(), "b".to_owned()];
    let classes = BertConfig { labels, masked_lm: false, next_sentence: false, ..bert.clone() };
    for (bundle, n_heads, line) in [
        (bundle(transformer, bpe), 4, "to be\tor not to be"),
        (bundle(gpt, characters), 2, "to be or not"),
        (bundle(bert, wordpiece()), 2, "to be or not to be"),
        (bundle(classes, wordpiece()), 2, "to be or not\tb"),
    ] {
        let read = LossOnLines::new(&bundle, &lines(&[line])).unwrap();
        let importance = read.importance(&bundle, &device()).unwrap();
        let expected: Vec<_> = bundle.model.attentions().unwrap().heads().collect();
        assert_eq!(importance.iter().map(|one| one.head).collect::<Vec<_>>(), expected);
        for one in &importance {
            let step = 1e-2;
            let loss = |factor| read.loss(&scaled(&bundle, one, n_heads, factor), &device()).unwrap().nats;
            let slope = (loss(1.0 + step) - loss(1.0 - step)) / (2.0 * f64::from(step));
            assert_close(&[one.gradient], &[slope.abs()], 5e-2, 2e-3);
        }
        assert!(importance.iter().any(|one| one.gradient > 1e-2), "some head matters: {importance:?}");
    }
}

#[test]
fn the_loss_is_the_mean_over_all_targets() {
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(Characters::train([TEXT]));
    let bundle = bundle(GptConfig::gpt2_like(tokenizer.vocab_size(), 40, [2, 2, 16]), tokenizer.clone());
    let texts = ["to be", "or not to be", "", "to"];
    let found = LossOnLines::new(&bundle, &lines(&texts)).unwrap().loss(&bundle, &device()).unwrap();
    let model = bundle.text_model(&device(), None).unwrap();
    let log_probs = texts.iter().flat_map(|text| model.log_probs_of(&tokenizer.encode(text)).unwrap());
    let log_probs: Vec<f64> = log_probs.map(f64::from).collect();
    assert_eq!(found.n_targets, log_probs.len());
    assert_close(&[found.nats], &[-log_probs.iter().sum::<f64>() / log_probs.len() as f64], 1e-5, 0.0);
    let error = LossOnLines::new(&bundle, &lines(&["to", &"be".repeat(30)])).unwrap_err().to_string();
    assert!(error.starts_with("line 2: the text has 59 tokens"), "{error}");
    assert!(matches!(LossOnLines::new(&bundle, &lines(&[""])), Err(InspectError::Empty)));
}

#[test]
fn the_least_important_heads_are_chosen() {
    let attentions = |n_kv_heads| {
        let config = GptConfig { n_kv_heads, ..GptConfig::gpt2_like(VOCAB, 20, [2, 4, 24]) };
        config.attentions().unwrap()
    };
    let gradients = [[4.0, 3.0, 0.0, 0.1], [0.2, 0.1, 0.0, 0.0]];
    let choose = |attentions: &Attentions, n| {
        let heads = attentions.heads();
        let importance = |head: attentive_model::ModelHead| HeadImportance {
            head,
            gradient: gradients[head.attention.layer][head.head],
        };
        least_important(&heads.map(importance).collect::<Vec<_>>(), attentions, n).to_string()
    };
    // Shares of an attention: [0.8, 0.6, 0, 0.02] and [0.89, 0.45, 0, 0].
    let own = attentions(None);
    assert_eq!(choose(&own, 3), "decoder.0.self:2,decoder.1.self:2,decoder.1.self:3");
    assert_eq!(choose(&own, 5), "decoder.0.self:2,decoder.0.self:3,decoder.1.self:1,decoder.1.self:2,decoder.1.self:3");
    assert_eq!(choose(&own, 8).split(',').count(), 6, "a head of each attention stays");
    let grouped = attentions(Some(2));
    assert_eq!(choose(&grouped, 1), "", "two leave, or none");
    assert_eq!(choose(&grouped, 3), "decoder.1.self:2,decoder.1.self:3");
    assert_eq!(choose(&grouped, 4), "decoder.0.self:2,decoder.0.self:3,decoder.1.self:2,decoder.1.self:3");
    assert_eq!(choose(&attentions(Some(1)), 1), "decoder.0.self:2");
}
