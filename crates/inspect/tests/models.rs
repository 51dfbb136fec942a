//! What is shown of models, against what they compute.

use std::sync::Arc;

use attentive_attention::{NormPlacement, PositionsConfig};
use attentive_backend::{BackendKind, Device};
use attentive_bundle::{Bundle, Translator};
use attentive_core::{EncoderDecoder, LanguageModel, NextToken, TokenMatrix};
use attentive_inspect::{AttentionKind, InspectError, Saliency, TextViewer, TranslationViewer, label, silence};
use attentive_model::{
    BertConfig, CanineConfig, EncoderModel, Gpt, GptConfig, ModelHead, ModelSpec, Transformer, TransformerConfig,
};
use attentive_testkit::assert_close;
use attentive_tokenizer::{BpeTrainer, Characters, CodePoints, DictionaryBpe, Specials, Tokenizer, WordPieceTrainer};
use burn::tensor::Tensor;

const TEXT: &str = "to be or not to be";

fn device() -> Device {
    BackendKind::Flex.device().unwrap()
}

/// Weights large enough to matter.
fn bundle<C: ModelSpec>(config: C, tokenizer: Arc<dyn Tokenizer>) -> Bundle
where
    attentive_model::ModelConfig: From<C>,
{
    let mut params = attentive_weights::params(&config.init(&device(), 7).unwrap());
    for tensor in params.values_mut().filter(|tensor| tensor.shape.len() == 2) {
        tensor.values.iter_mut().for_each(|value| *value *= 4.0);
    }
    Bundle::new("model", config, tokenizer, params)
}

fn gpt() -> Bundle {
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(Characters::train([TEXT]));
    bundle(GptConfig::gpt2_like(tokenizer.vocab_size(), 40, [2, 2, 16]), tokenizer)
}

fn bert() -> Bundle {
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(WordPieceTrainer::with_vocab_size(40).train([TEXT]).unwrap());
    bundle(BertConfig::bert_like(tokenizer.vocab_size(), 40, [3, 2, 16]), tokenizer)
}

fn translator() -> Bundle {
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(BpeTrainer::with_vocab_size(280).train([TEXT]).unwrap());
    let sizes =
        TransformerConfig { d_model: 16, d_ff: 24, n_heads: 4, ..TransformerConfig::base(tokenizer.vocab_size()) };
    bundle(TransformerConfig { n_encoder_layers: 2, n_decoder_layers: 3, ..sizes }, tokenizer)
}

fn viewer(bundle: &Bundle) -> TextViewer {
    TextViewer::new(bundle, &device()).unwrap()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

#[test]
fn rows_of_a_translation_are_the_tokens_that_are_written() {
    let bundle = translator();
    let viewer = TranslationViewer::new(&bundle, &device()).unwrap();
    let views = viewer.look("to be", "or not").unwrap();
    let kinds: Vec<_> = views.iter().map(|view| (view.kind, view.weights.n_layers(), view.weights.n_heads())).collect();
    use AttentionKind::{Cross, Decoder, Encoder};
    assert_eq!(kinds, [(Encoder, 2, 4), (Decoder, 3, 4), (Cross, 3, 4)]);
    let [encoder, decoder, cross] = &views[..] else { panic!("three") };
    assert_eq!(encoder.queries, encoder.keys);
    assert_eq!(cross.keys, encoder.keys);
    assert_eq!(cross.queries, decoder.queries);
    // The token that is read at a row is the one that the row before wrote.
    assert_eq!(decoder.keys[1..], decoder.queries[..decoder.queries.len() - 1]);
    assert_eq!(decoder.queries.last(), encoder.keys.last(), "the end of a sentence");
    for view in &views {
        assert_eq!(view.weights.n_queries(), view.queries.len());
        assert_eq!(view.weights.n_keys(), view.keys.len());
    }
    let long = "to be ".repeat(300);
    assert!(viewer.look(&long, "or").is_ok(), "sinusoids have no end");
    let of_word = encoder.keys[viewer.source_tokens("to be", 3..5)].concat();
    assert_eq!(of_word.trim_end_matches("</w>"), "be");
    let error = TranslationViewer::new(&gpt(), &device()).unwrap_err();
    assert!(matches!(error, InspectError::Bundle(_)), "{error}");
}

/// Ids of sources are those of a dictionary of their own, which is larger.
#[test]
fn each_side_of_a_translation_has_its_own_tokens() {
    let entries = |words: &str| -> Vec<String> {
        ["<s>", "<pad>", "</s>", "<unk>"].into_iter().chain(words.split(' ')).map(str::to_owned).collect()
    };
    let [source, target] = ["a dog sleeps the to be or not", "hund der"].map(entries);
    let specials = Specials { pad: Some(1), bos: Some(0), eos: Some(2), unk: Some(3), ..Specials::default() };
    let tokenizer: Arc<dyn Tokenizer> =
        Arc::new(DictionaryBpe::with_lists(None, Some(source), target, specials).unwrap());
    let sizes = TransformerConfig {
        source_vocab_size: tokenizer.source_vocab_size(),
        d_model: 16,
        d_ff: 24,
        n_heads: 2,
        n_encoder_layers: 1,
        n_decoder_layers: 1,
        share_embeddings: false,
        ..TransformerConfig::base(tokenizer.vocab_size())
    };
    let bundle = bundle(sizes, tokenizer);
    let viewer = TranslationViewer::new(&bundle, &device()).unwrap();
    let views = viewer.look("the dog sleeps", "der hund").unwrap();
    let [encoder, decoder, cross] = &views[..] else { panic!("three") };
    assert_eq!(encoder.keys, ["the", "dog", "sleeps", "</s>"]);
    assert_eq!(decoder.queries, ["der", "hund", "</s>"]);
    assert_eq!((&cross.queries, &cross.keys), (&decoder.queries, &encoder.keys));
    assert_eq!(viewer.source_tokens("the dog sleeps", 4..7), 1..2);
    assert_eq!(viewer.target_tokens("der hund", 4..8), 1..2);
    // What the model writes is looked at by its tokens.
    let translator = Translator::from_bundle(&bundle, &device(), None).unwrap();
    let written = translator.translate(&["the dog"], &bundle.decoding).unwrap().swap_remove(0);
    let views = viewer.look_at_tokens("the dog", &written.tokens).unwrap();
    assert_eq!(views[1].queries.len(), written.tokens.len() + 1);
}

#[test]
fn a_text_is_looked_at_as_the_model_reads_it() {
    for (bundle, kind, is_causal) in [(gpt(), AttentionKind::Decoder, true), (bert(), AttentionKind::Encoder, false)] {
        let viewer = viewer(&bundle);
        let view = viewer.look(TEXT).unwrap();
        assert_eq!(view.keys[viewer.tokens(TEXT, 3..5)].concat().replace("##", ""), "be");
        assert_eq!((view.kind, &view.queries), (kind, &view.keys));
        for (layer, head) in view.weights.heads() {
            for query in 0..view.weights.n_queries() {
                let row = view.weights.row(layer, head, query);
                assert_close(&[row.iter().sum::<f32>()], &[1.0_f32], 1e-5, 0.0);
                assert_eq!(row[query + 1..].iter().all(|&weight| weight == 0.0), is_causal || query + 1 == row.len());
            }
        }
    }
    let canine = CanineConfig { n_buckets: 32, max_len: 64, ..CanineConfig::canine_like([1, 2, 16]) };
    let error = TextViewer::new(&bundle(canine, Arc::new(CodePoints::default())), &device()).unwrap_err();
    assert!(error.to_string().contains("\"canine\""), "{error}");
    let error = viewer(&gpt()).look(&"be".repeat(40)).unwrap_err();
    assert_eq!(error.to_string(), "the text has 80 tokens, and the model has positions for 40; shorten it");
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(Characters::train([TEXT]));
    let config = GptConfig::gpt2_like(tokenizer.vocab_size(), 40, [2, 2, 16]);
    let unlimited = bundle(GptConfig { positions: PositionsConfig::Alibi, ..config }, tokenizer);
    let error = viewer(&unlimited).look(&"be".repeat(10_000)).unwrap_err();
    assert_eq!(error.to_string(), "the text has 20000 tokens, and at most 16384 are read at once; shorten it");
}

#[test]
fn the_last_layer_predicts_what_the_model_predicts() {
    let bundle = gpt();
    let found = viewer(&bundle).lens(TEXT, 3).unwrap();
    assert_eq!((found.layers.len(), found.is_next), (2 + 1, true));
    let tokenizer = bundle.tokenizer().unwrap();
    let model = bundle.text_model(&device(), None).unwrap();
    let ids = tokenizer.encode(TEXT);
    let mut state = model.start(1);
    for (at, guesses) in found.layers[2].iter().enumerate() {
        let log_probs = NextToken::log_probs(&model, &ids[at..=at], &mut state).unwrap();
        let mut order: Vec<usize> = (0..log_probs.len()).collect();
        order.sort_by(|&a, &b| log_probs[b].total_cmp(&log_probs[a]));
        let expected: Vec<String> = order[..3].iter().map(|&id| label(&**tokenizer, id as u32)).collect();
        assert_eq!(guesses.iter().map(|guess| guess.token.clone()).collect::<Vec<_>>(), expected);
        let best: Vec<f32> = order[..3].iter().map(|&id| log_probs[id].exp()).collect();
        assert_close(&guesses.iter().map(|guess| guess.probability as f32).collect::<Vec<_>>(), &best, 1e-4, 1e-6);
    }
    // A model of one layer, with the same weights, ends with what the lens reads of the first.
    let mut shallow = gpt();
    shallow.params.retain(|name, _| !name.contains("layers.1."));
    shallow.model = GptConfig::gpt2_like(tokenizer.vocab_size(), 40, [1, 2, 16]).into();
    let model = shallow.text_model(&device(), None).unwrap();
    let mut state = model.start(1);
    for (&id, guesses) in ids.iter().zip(&found.layers[1]) {
        let log_probs = NextToken::log_probs(&model, &[id], &mut state).unwrap();
        let best = log_probs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        assert_close(&[guesses[0].probability as f32], &[best.exp()], 1e-4, 1e-6);
    }

    let bundle = bert();
    let found = viewer(&bundle).lens(TEXT, 1).unwrap();
    assert_eq!((found.layers.len(), found.is_next), (3 + 1, false));
    let model = bundle.model::<BertConfig>(&device()).unwrap();
    let frame = attentive_bundle::frame_ids(&**bundle.tokenizer().unwrap()).unwrap();
    let ids = [&[frame.begin][..], &bundle.tokenizer().unwrap().encode(TEXT), &[frame.end]].concat();
    let rows = TokenMatrix::from_rows(&[&ids], 0, 0);
    let hidden = model.encode(&rows, &vec![0; ids.len()], None).hidden;
    let logits = model.token_logits(hidden).unwrap();
    let best = values(burn::tensor::activation::softmax(logits, 2).max_dim(2));
    let found: Vec<f32> = found.layers[3].iter().map(|guesses| guesses[0].probability as f32).collect();
    assert_close(&found, &best, 1e-4, 1e-6);
}

/// Integrated gradients are complete: shares sum to what the tokens make of the log-probability (Sundararajan et al. 2017,
/// proposition 1).
#[test]
fn integrated_gradients_sum_to_the_difference() {
    for bundle in [gpt(), bert()] {
        let viewer = TextViewer::new(&bundle, &device().autodiff()).unwrap();
        let found = viewer.attribute(TEXT, Some(4), None, Saliency::Integrated { steps: 100 }).unwrap();
        let [with, without] = found.log_prob;
        assert!((with - without).abs() > 0.01, "the text matters: {with} and {without}");
        assert_close(&[found.shares.iter().sum::<f64>()], &[with - without], 2e-2, 1e-3);
        if found.tokens.len() == TEXT.len() {
            assert!(found.shares[5..].iter().all(|&share| share == 0.0), "what comes after is not seen");
        }
    }
}

/// What an encoder guesses is a hidden token: the name of one in a text is one.
#[test]
fn the_prediction_of_an_encoder_is_that_of_its_mask() {
    let viewer = TextViewer::new(&bert(), &device().autodiff()).unwrap();
    let found = viewer.attribute("to be [MASK] not to be", None, None, Saliency::GradientTimesInput).unwrap();
    assert_eq!(found.tokens[3], "[MASK]");
    let lens = viewer.lens("to be [MASK] not to be", 1).unwrap();
    let guess = &lens.layers[3][3][0];
    assert_close(&[found.log_prob[0]], &[guess.probability.ln()], 1e-4, 1e-5);
    assert_eq!(lens.tokens, found.tokens);
}

/// Gradient times input sums to the change of the log-probability as all embeddings grow together.
#[test]
fn gradient_times_input_is_the_change_with_the_size_of_embeddings() {
    let bundle = gpt();
    let viewer = TextViewer::new(&bundle, &device().autodiff()).unwrap();
    let found = viewer.attribute(TEXT, None, Some(3), Saliency::GradientTimesInput).unwrap();
    assert!(viewer.attribute(TEXT, Some(99), None, Saliency::GradientTimesInput).is_err());
    let model = bundle.model::<GptConfig>(&device()).unwrap();
    let ids = bundle.tokenizer().unwrap().encode(TEXT);
    let log_prob = |size: f32| {
        let stack = attentive_model::CausalModel::text_stack(&model).unwrap();
        let rows = TokenMatrix::from_rows(&[&ids], 0, 0);
        let hidden = stack.stack().forward(stack.embed(&rows, &[]) * size, &stack.sight(&rows), None);
        let scores = stack.token_scores(hidden).unwrap();
        let log_probs = values(burn::tensor::activation::log_softmax(scores, 2));
        f64::from(log_probs[(ids.len() - 1) * bundle.tokenizer().unwrap().vocab_size() + 3])
    };
    let step = 1e-2;
    let expected = (log_prob(1.0 + step) - log_prob(1.0 - step)) / (2.0 * f64::from(step));
    assert_close(&[found.shares.iter().sum::<f64>()], &[expected], 2e-2, 1e-3);
    assert_close(&[found.log_prob[0]], &[log_prob(1.0)], 1e-4, 1e-5);
}

/// What an attention gives is the sum of what its heads give.
#[test]
fn a_silent_head_adds_nothing() {
    let head = |head| format!("decoder.1.self:{head}").parse::<ModelHead>().unwrap();
    let output_of = |bundle: &Bundle| {
        let model: Gpt = bundle.model::<GptConfig>(&device()).unwrap();
        let x = Tensor::<3>::from_data([[[0.5_f32; 16], [-1.0; 16]]], &device());
        let context = attentive_attention::Mask::causal().into();
        values(model.decoder.layers[1].self_attention.forward_self(x, &context, None))
    };
    let output = |silent: &[ModelHead]| {
        let mut bundle = gpt();
        silence(&mut bundle, &silent.iter().copied().collect()).unwrap();
        output_of(&bundle)
    };
    let [all, first, second, none] = [&[][..], &[head(1)], &[head(0)], &[head(0), head(1)]].map(output);
    assert!(all.iter().zip(&first).any(|(a, b)| (a - b).abs() > 1e-3), "a head matters");
    let sum: Vec<f32> = first.iter().zip(&second).zip(&none).map(|((a, b), bias)| a + b - bias).collect();
    assert_close(&sum, &all, 1e-4, 1e-5);
    // It is this head, whose values are 8 columns: without them it has nothing to add.
    for (silent, expected) in [(0, &second), (1, &first)] {
        let mut bundle = gpt();
        for name in ["weight", "bias"] {
            let param = bundle.params.get_mut(&format!("decoder.layers.1.self_attention.value.{name}")).unwrap();
            param.values.chunks_mut(16).for_each(|row| row[8 * silent..][..8].fill(0.0));
        }
        assert_close(&output_of(&bundle), expected, 1e-4, 1e-5);
    }
    for absent in ["decoder.1.self:2", "decoder.2.self:0", "encoder.0.self:0", "decoder.0.cross:1"] {
        let error = silence(&mut gpt(), &absent.parse().unwrap()).unwrap_err();
        assert!(error.to_string().starts_with(&format!("there is no head {absent} in the model")), "{error}");
    }
}

#[test]
fn a_translation_model_with_a_silent_head_writes_by_the_others() {
    let mut bundle = translator();
    let text = |bundle: &Bundle| {
        let model: Transformer = bundle.model::<TransformerConfig>(&device()).unwrap();
        let params = attentive_weights::params(&model);
        params["encoder.layers.0.self_attention.output.weight"].values.iter().filter(|&&value| value == 0.0).count()
    };
    assert_eq!(text(&bundle), 0);
    silence(&mut bundle, &"encoder.0.self:3".parse().unwrap()).unwrap();
    assert_eq!(text(&bundle), 16 * 16 / 4);
}

/// The tokens that the model reads of a source, and what begins a target with its tokens.
fn as_read(bundle: &Bundle, source: &str, target: &str) -> [Vec<u32>; 2] {
    let tokenizer = bundle.tokenizer().unwrap();
    let frame = tokenizer.pair_frame(None, None).unwrap();
    let source = [&frame.source.before[..], &tokenizer.encode(source), &frame.source.after].concat();
    let target = tokenizer.encode_target(target).into_iter();
    [source, [frame.begin].into_iter().chain(frame.first).chain(target).collect()]
}

/// Log-probabilities of all tokens after each token of a target.
fn steps(bundle: &Bundle, source: &[u32], target: &[u32]) -> Vec<Vec<f32>> {
    let model = bundle.translation_model(&device(), None).unwrap();
    let mut state = model.start(&TokenMatrix::from_rows(&[source], 0, 0));
    target.iter().map(|&id| model.log_probs(&[id], &mut state).unwrap()).collect()
}

#[test]
fn the_decoders_last_layer_predicts_what_the_model_predicts() {
    for norm in [NormPlacement::Post, NormPlacement::Pre] {
        let mut bundle = translator();
        if norm == NormPlacement::Pre {
            let config = TransformerConfig { norm, ..bundle.model.spec().unwrap() };
            bundle = self::bundle(config, bundle.tokenizer().unwrap().clone());
        }
        let tokenizer = bundle.tokenizer().unwrap();
        let viewer = TranslationViewer::new(&bundle, &device()).unwrap();
        let found = viewer.lens("to be", &tokenizer.encode_target("or not"), 2).unwrap();
        let [source, target] = as_read(&bundle, "to be", "or not");
        assert_eq!((found.layers.len(), found.tokens.len(), found.is_next), (3 + 1, target.len(), true));
        for (log_probs, guesses) in steps(&bundle, &source, &target).iter().zip(&found.layers[3]) {
            let mut best: Vec<f32> = log_probs.clone();
            best.sort_by(|a, b| b.total_cmp(a));
            let guessed: Vec<f32> = guesses.iter().map(|guess| guess.probability as f32).collect();
            assert_close(&guessed, &[best[0].exp(), best[1].exp()], 1e-4, 1e-6);
        }
        // A decoder of one layer, with the same weights, ends with what the lens reads of the first.
        let mut shallow = bundle.clone();
        shallow.params.retain(|name, _| !name.contains("decoder.layers.1.") && !name.contains("decoder.layers.2."));
        let config = TransformerConfig { n_decoder_layers: 1, ..bundle.model.spec().unwrap() };
        shallow.model = config.into();
        for (log_probs, guesses) in steps(&shallow, &source, &target).iter().zip(&found.layers[1]) {
            let best = log_probs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_close(&[guesses[0].probability as f32], &[best.exp()], 1e-4, 1e-6);
        }
    }
}

/// Shares of the source and of what was written sum to what both make of the log-probability.
#[test]
fn shares_of_a_translation_sum_to_the_difference() {
    let bundle = translator();
    let tokenizer = bundle.tokenizer().unwrap();
    let viewer = TranslationViewer::new(&bundle, &device().autodiff()).unwrap();
    let written = tokenizer.encode_target("or not to be");
    for at in [0, 2, written.len()] {
        let found = viewer.attribute("to be", &written, Some(at), None, Saliency::Integrated { steps: 3000 }).unwrap();
        let [source, target] = as_read(&bundle, "to be", "or not to be");
        assert_eq!((found.source.len(), found.target.len()), (source.len(), target.len() - written.len() + at));
        let expected = if at < written.len() { written[at] } else { tokenizer.specials().end().unwrap() };
        assert_eq!(found.predicted, expected, "the token that is written there");
        let log_probs = steps(&bundle, &source, &target[..found.target.len()]);
        let last = f64::from(log_probs.last().unwrap()[expected as usize]);
        assert_close(&[found.log_prob[0]], &[last], 1e-4, 1e-4);
        let sum: f64 = found.source.iter().chain(&found.target).map(|(_, share)| share).sum();
        let difference = found.log_prob[0] - found.log_prob[1];
        assert!(difference.abs() > 0.01, "the texts matter: {:?}", found.log_prob);
        assert_close(&[sum], &[difference], 3e-2, 2e-3);
        let of_source: f64 = found.source.iter().map(|(_, share)| share.abs()).sum();
        assert!(of_source > 1e-3, "the source matters: {found:?}");
    }
    let last = viewer.attribute("to be", &written, None, None, Saliency::GradientTimesInput).unwrap();
    assert_eq!(last.predicted, written[written.len() - 1], "by default the last one");
    let other = viewer.attribute("to be", &written, Some(1), Some(7), Saliency::GradientTimesInput).unwrap();
    assert_eq!(other.predicted, 7);
    let beyond = viewer.attribute("to be", &written, Some(written.len() + 1), None, Saliency::GradientTimesInput);
    assert!(matches!(beyond, Err(InspectError::NoSuchToken { .. })));
}

/// A model's own translation has the token, and one that is given as text does not.
#[test]
fn the_token_that_all_targets_begin_with_is_not_counted() {
    let mut bundle = translator();
    let first = 7;
    bundle.decoding.forced_first = Some(first);
    let viewer = TranslationViewer::new(&bundle, &device().autodiff()).unwrap();
    let given = bundle.tokenizer().unwrap().encode_target("or not");
    assert_ne!(given[0], first);
    let own = [&[first][..], &given].concat();
    for at in [None, Some(0), Some(1), Some(given.len())] {
        let of =
            |target: &[u32]| viewer.attribute("to be", target, at, None, Saliency::Integrated { steps: 2 }).unwrap();
        assert_eq!(of(&own), of(&given), "{at:?}");
    }
}
