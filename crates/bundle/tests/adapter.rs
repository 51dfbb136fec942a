//! Models with adapters over one folder, against models that the adapters were merged into.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use attentive_backend::BackendKind;
use attentive_bundle::{Adapter, Bundle, EmbeddingConfig, LowRankChange, Params, TextEncoder, WeightFormat};
use attentive_core::{EncoderDecoder, LanguageModel, NextToken, TokenMatrix, mix64};
use attentive_model::{BertConfig, GptConfig, ModelConfig, ModelSpec, Role, TransformerConfig};
use attentive_tokenizer::{BpeTrainer, Tokenizer, WordPieceTrainer};
use attentive_weights::HostTensor;

const TEXT: &str = "to be or not to be, the bee";
const RANK: usize = 2;

/// A number between -0.5 and 0.5.
fn unit(at: usize) -> f32 {
    (mix64(at as u64) % 1000) as f32 / 1000.0 - 0.5
}

fn random(shape: &[usize], salt: usize) -> HostTensor {
    let values = (0..shape.iter().product()).map(|at| unit(salt * 10_007 + at)).collect();
    HostTensor { shape: shape.to_vec(), values }
}

fn bundle_of<C: ModelSpec + Into<ModelConfig>>(config: &C, tokenizer: Box<dyn Tokenizer>) -> Bundle {
    let params = attentive_weights::params(&config.init(&BackendKind::Flex.device().unwrap(), 1).unwrap());
    Bundle::new("", config.clone(), tokenizer, params)
}

/// An encoder–decoder, a decoder, and an encoder with a classifier.
fn bundles() -> [Bundle; 3] {
    let bpe = || Box::new(BpeTrainer::with_merges(5).train([TEXT]).unwrap());
    let word_piece = Box::new(WordPieceTrainer::with_vocab_size(40).train([TEXT]).unwrap());
    let n = bpe().vocab_size();
    let small = TransformerConfig { d_model: 8, d_ff: 12, n_heads: 2, ..TransformerConfig::base(n) };
    let transformer = TransformerConfig { n_encoder_layers: 1, n_decoder_layers: 1, ..small };
    let gpt = GptConfig::gpt2_like(n, 16, [2, 2, 8]);
    let labels = vec!["a".to_owned(), "b".to_owned()];
    let bert = BertConfig { labels, ..BertConfig::bert_like(word_piece.vocab_size(), 40, [2, 2, 8]) };
    [bundle_of(&transformer, bpe()), bundle_of(&gpt, bpe()), bundle_of(&bert, word_piece)]
}

/// An adapter on every map of attention and of feed-forward networks, and a norm that was trained as a whole.
fn adapter(bundle: &Bundle, salt: usize, with_lengths: bool) -> Adapter {
    let mut adapter = Adapter::default();
    for (number, (name, param)) in bundle.params.iter().enumerate() {
        let salt = salt + 10 * number;
        if name.ends_with("layers.0.feed_forward_add_norm.norm.gamma") {
            adapter.params.insert(name.clone(), random(&param.shape, salt));
        }
        let is_map = name.contains("attention.") || name.contains("feed_forward.");
        let Some(path) = name.strip_suffix(".weight").filter(|_| is_map) else { continue };
        let &[d_in, d_out] = &param.shape[..] else { panic!("{name} is a matrix") };
        let mut magnitude = random(&[d_out], salt + 2);
        magnitude.values.iter_mut().for_each(|length| *length += 1.0);
        let change = LowRankChange {
            down: random(&[d_in, RANK], salt),
            up: random(&[RANK, d_out], salt + 1),
            magnitude: with_lengths.then_some(magnitude),
            scale: 1.5,
        };
        adapter.changes.insert(path.to_owned(), change);
    }
    adapter
}

fn merged(bundle: &Bundle, adapter: &Adapter) -> Bundle {
    let mut bundle = bundle.clone();
    adapter.merge(&mut bundle.params).unwrap();
    bundle
}

/// What a bundle's model computes on a device.
fn outputs<P: Params>(bundle: &Bundle<P>, kind: BackendKind, format: Option<WeightFormat>) -> Vec<f32> {
    let device = kind.device().unwrap();
    match bundle.model.role() {
        Role::EncoderDecoder => {
            let model = bundle.translation_model(&device, format).unwrap();
            let mut state = EncoderDecoder::start(&model, &TokenMatrix::from_rows(&[vec![5, 6, 2], vec![7, 2]], 0, 0));
            model.log_probs(&[1, 1], &mut state).unwrap()
        }
        Role::LanguageModel => {
            let model = bundle.text_model(&device, format).unwrap();
            let mut state = LanguageModel::start(&model, 2);
            model.log_probs(&[1, 5, 6, 1, 7, 8], &mut state).unwrap()
        }
        _ => {
            let encoder = TextEncoder::from_bundle(bundle, &device, format).unwrap();
            encoder.embed(TEXT, &EmbeddingConfig::default()).unwrap()
        }
    }
}

fn farthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn saved(bundle: &Bundle, folder: &Path) -> PathBuf {
    let path = folder.join(bundle.model.family());
    bundle.save(&path).unwrap();
    path
}

#[test]
fn an_adapter_in_use_is_the_adapter_merged() {
    let folder = tempfile::tempdir().unwrap();
    for base in bundles() {
        let shared = Bundle::open_shared(saved(&base, folder.path())).unwrap();
        let adapters = [adapter(&base, 1, false), adapter(&base, 500, false), adapter(&base, 1000, true)];
        for kind in [BackendKind::Flex, BackendKind::NdArray] {
            let before = outputs(&base, kind, None);
            for adapter in &adapters {
                let expected = outputs(&merged(&base, adapter), kind, None);
                let found = outputs(&shared.with_adapter(adapter.clone()).unwrap(), kind, None);
                let (family, apart) = (base.model.family(), farthest(&found, &expected));
                assert!(apart < 1e-5, "{family}, {kind}: {apart}");
                assert!(farthest(&before, &expected) > 0.05, "{family}, {kind}");
                // The model without it stays as it is.
                assert_eq!(outputs(&shared, kind, None), before, "{family}, {kind}");
            }
        }
    }
}

#[test]
fn an_adapter_is_added_to_weights_of_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for mut base in bundles() {
        base.decoding.precision = WeightFormat::Int8;
        let path = saved(&base, folder.path());
        let adapter = adapter(&base, 1, false);
        let found = outputs(
            &Bundle::open_shared(&path).unwrap().with_adapter(adapter.clone()).unwrap(),
            BackendKind::Flex,
            None,
        );
        let read = Bundle::read(&path).unwrap();
        let exact = |bundle: &Bundle| outputs(bundle, BackendKind::Flex, Some(WeightFormat::F32));
        let (before, expected) = (exact(&read), exact(&merged(&read, &adapter)));
        // The rest is that inputs are rounded.
        let (apart, moved) = (farthest(&found, &expected), farthest(&before, &expected));
        assert!(apart > 0.0 && apart < 0.3 && 2.0 * apart < moved, "{}: {apart} of {moved}", base.model.family());
    }
}

#[test]
fn models_that_differ_in_a_number_of_their_adapters_have_other_identities() {
    let folder = tempfile::tempdir().unwrap();
    let [_, gpt, _] = bundles();
    let path = saved(&gpt, folder.path());
    let shared = Bundle::open_shared(&path).unwrap();
    let identity = |adapter: &Adapter| shared.with_adapter(adapter.clone()).unwrap().identity().unwrap();
    let first = adapter(&gpt, 1, true);
    let changed = |change: &dyn Fn(&mut LowRankChange)| {
        let mut other = first.clone();
        change(other.changes.values_mut().next_back().unwrap());
        other
    };
    let mut norm = first.clone();
    norm.params.values_mut().next().unwrap().values[0] += 1.0;
    let others = [
        Adapter::default(),
        first.clone(),
        norm,
        changed(&|change| change.scale = 2.0),
        changed(&|change| change.up.values[1] += 1.0),
        changed(&|change| change.magnitude = None),
    ];
    let all: BTreeSet<String> = others.iter().map(identity).collect();
    assert_eq!(all.len(), others.len());
    assert_eq!(identity(&first), identity(&first.clone()));
    // Without an adapter, the folder's sum alone.
    assert_eq!(shared.identity().unwrap(), Bundle::sum(&path).unwrap());
}

#[test]
fn an_adapter_of_another_model_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let [translator, gpt, _] = bundles();
    let shared = Bundle::open_shared(saved(&gpt, folder.path())).unwrap();
    let says = |adapter: Adapter, what: &str| {
        let problem = shared.with_adapter(adapter).unwrap_err().to_string();
        assert!(problem.contains(what), "{problem}");
    };
    says(adapter(&translator, 1, false), "encoder.layers.0.feed_forward.inner.weight [8, 12] is not in the model");
    let query = "decoder.layers.0.self_attention.query";
    let change = |change: &dyn Fn(&mut LowRankChange)| {
        let mut adapter = adapter(&gpt, 1, false);
        change(adapter.changes.get_mut(query).unwrap());
        adapter
    };
    let wide = change(&|change| change.up = random(&[RANK, 9], 1));
    says(wide, "decoder.layers.0.self_attention.query.weight: the model has [8, 8], the adapter changes [8, 9]");
    says(change(&|change| change.up = random(&[3, 8], 1)), "do not fit each other");
    says(
        change(&|change| change.down.values[3] = f32::NAN),
        "decoder.layers.0.self_attention.query: the adapter has values",
    );
}
