//! Vocabularies that are extended and replaced.

use std::{borrow::Cow, sync::Arc};

use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, GenerationConfig, Generator, Processor, TextModel, VocabularyError};
use attentive_decode::SamplingConfig;
use attentive_model::{BertConfig, GptConfig, ModelConfig, ModelSpec, TransformerConfig};
use attentive_tokenizer::{BpeTrainer, ByteLevelBpeTrainer, Characters, TokenId, Tokenizer};

const TEXT: &str = "the animal did not cross the street because it was too tired";

fn bundle<C: ModelSpec + Into<ModelConfig>>(config: C, tokenizer: impl Tokenizer + 'static) -> Bundle {
    let model = config.init(&BackendKind::Flex.device().unwrap(), 1).unwrap();
    let params = attentive_weights::params(&model);
    Bundle::new("model", config, Processor::Text(Arc::new(tokenizer)), params)
}

fn tokenizer() -> impl Tokenizer + 'static {
    ByteLevelBpeTrainer::with_vocab_size(280).train([TEXT]).unwrap()
}

fn row(bundle: &Bundle, name: &str, id: TokenId) -> Vec<f32> {
    let param = &bundle.params[name];
    let width = param.values.len() / param.shape[0];
    param.values[id as usize * width..][..width].to_vec()
}

#[test]
fn new_tokens_begin_as_the_mean_of_their_pieces() {
    let tokenizer = tokenizer();
    let n = tokenizer.vocab_size();
    let pieces = tokenizer.encode("tiredness");
    let gpt = GptConfig { tie_projection: false, projection_bias: true, ..GptConfig::gpt2_like(n, 32, [1, 1, 4]) };
    let transformer = TransformerConfig { d_model: 4, d_ff: 8, n_heads: 1, ..TransformerConfig::base(n) };
    let models = [
        bundle(gpt, ByteLevelBpeTrainer::with_vocab_size(280).train([TEXT]).unwrap()),
        bundle(BertConfig { masked_lm: true, ..BertConfig::bert_like(n, 32, [1, 1, 4]) }, self::tokenizer()),
        bundle(transformer, self::tokenizer()),
    ];
    for before in models {
        let mut after = before.clone();
        let new = after.extend_vocabulary(&["tiredness", "Okapi"], false).unwrap();
        assert_eq!(new[0].pieces, pieces);
        assert_eq!(
            (after.model.vocab_size(), after.model.n_params()),
            (n + 2, {
                let sizes = after.params.values().map(|param| param.values.len());
                sizes.sum::<usize>()
            })
        );
        for (name, param) in &before.params {
            let found = &after.params[name];
            assert_eq!(found.values[..param.values.len()], param.values, "{name}");
            if found.shape == param.shape {
                continue;
            }
            let rows: Vec<Vec<f32>> = pieces.iter().map(|&id| row(&before, name, id)).collect();
            for (at, value) in row(&after, name, n as TokenId).into_iter().enumerate() {
                let mean = rows.iter().map(|row| f64::from(row[at])).sum::<f64>() / rows.len() as f64;
                assert!((f64::from(value) - mean).abs() < 1e-6, "{name}");
            }
        }
        let folder = tempfile::tempdir().unwrap();
        after.save(folder.path().join("model")).unwrap();
        let again = Bundle::read(folder.path().join("model")).unwrap();
        assert_eq!(again.tokenizer().unwrap().encode("an Okapi"), after.tokenizer().unwrap().encode("an Okapi"));
    }
}

#[test]
fn rows_without_a_token_are_the_first_that_new_tokens_have() {
    let n = tokenizer().vocab_size();
    let before = bundle(GptConfig::gpt2_like(n + 3, 16, [1, 1, 4]), tokenizer());
    let mut after = before.clone();
    after.extend_vocabulary(&["Okapi"], false).unwrap();
    assert_eq!(after.model.vocab_size(), n + 3);
    let last = (n + 2) as TokenId;
    assert_eq!(row(&after, "embedding.weight", last), row(&before, "embedding.weight", last));
    assert_ne!(row(&after, "embedding.weight", n as TokenId), row(&before, "embedding.weight", n as TokenId));
}

#[test]
fn a_replaced_vocabulary_keeps_what_it_shares() {
    let config = GptConfig::gpt2_like(tokenizer().vocab_size(), 64, [1, 2, 8]);
    let before = bundle(config, tokenizer());
    // The same tokens in the same order: the same model.
    let mut same = before.clone();
    assert!(same.replace_vocabulary(Arc::new(tokenizer())).unwrap().is_empty());
    assert_eq!(same.params, before.params);
    let other = ByteLevelBpeTrainer::with_vocab_size(300)
        .train([TEXT, "a giraffe was hungry, hungry as giraffes are"])
        .unwrap();
    let shared: Vec<String> = {
        let old = tokenizer();
        let known: Vec<_> =
            (0..old.vocab_size() as TokenId).filter_map(|id| old.token(id).map(Cow::into_owned)).collect();
        (0..other.vocab_size() as TokenId)
            .filter_map(|id| other.token(id).map(Cow::into_owned))
            .filter(|token| known.contains(token))
            .collect()
    };
    let mut after = before.clone();
    let new = after.replace_vocabulary(Arc::new(other)).unwrap();
    assert_eq!(new.len() + shared.len(), after.model.vocab_size());
    assert!(new.iter().all(|entry| !entry.pieces.is_empty() && !shared.contains(&entry.content)));
    let id_of = |bundle: &Bundle, wanted: &str| {
        let tokenizer = bundle.tokenizer().unwrap().clone();
        (0..tokenizer.vocab_size() as TokenId)
            .find(|&id| tokenizer.token(id).is_some_and(|token| token == wanted))
            .unwrap()
    };
    for token in &shared {
        let (old, new) = (id_of(&before, token), id_of(&after, token));
        assert_eq!(row(&before, "embedding.weight", old), row(&after, "embedding.weight", new), "{token}");
    }
    // It writes.
    let device = BackendKind::Flex.device().unwrap();
    let generator: Generator<TextModel> = Generator::from_bundle(&after, &device, None).unwrap();
    let greedy = GenerationConfig {
        max_tokens: 3,
        sampling: SamplingConfig { temperature: 0.0, ..SamplingConfig::default() },
        ..GenerationConfig::default()
    };
    generator.generate("the giraffe", &greedy, &mut |_: &str| std::ops::ControlFlow::Continue(())).unwrap();
}

#[test]
fn settings_name_the_same_tokens_of_a_replaced_vocabulary() {
    let characters = |text: &str| Characters::train([text]).framed();
    let (old, new) = (characters("cde"), characters("abcd"));
    let ids = |tokenizer: &Characters| [tokenizer.encode("c")[0], tokenizer.encode("d")[0]];
    let ([c, d], [new_c, new_d], [end, new_end]) =
        (ids(&old), ids(&new), [&old, &new].map(|tokenizer| tokenizer.specials().eos.unwrap()));
    assert!(c != new_c && d != new_d && end != new_end);
    let e = old.encode("e")[0];
    let mut model = bundle(GptConfig::gpt2_like(old.vocab_size(), 8, [1, 1, 4]), old);
    (model.decoding.forced_first, model.decoding.bad_words) = (Some(d), vec![vec![d, c]]);
    model.generation = GenerationConfig {
        begin_id: Some(c),
        ends: vec![end, d],
        suppressed: vec![e, d],
        bad_words: vec![vec![c, c]],
        ..GenerationConfig::default()
    };
    // Words that can't be told any more are not left out in silence.
    let before = model.generation.clone();
    let error = model.replace_vocabulary(Arc::new(characters("abd"))).unwrap_err();
    assert!(matches!(error, VocabularyError::Refused { .. }), "{error}");
    assert!(error.to_string().contains(&format!("decoding.bad_words has the id {c}")), "{error}");
    assert_eq!(model.generation, before);
    model.replace_vocabulary(Arc::new(new)).unwrap();
    assert_eq!(model.decoding.forced_first, Some(new_d));
    assert_eq!(model.decoding.bad_words, [[new_d, new_c]]);
    let GenerationConfig { begin_id, ends, suppressed, bad_words, .. } = model.generation;
    assert_eq!((begin_id, ends), (Some(new_c), vec![new_end, new_d]));
    // One that is not there is never written.
    assert_eq!((suppressed, bad_words), (vec![new_d], vec![vec![new_c, new_c]]));
}

#[test]
fn what_can_not_be_changed_is_refused() {
    let tokenizer = BpeTrainer::with_merges(10).train([TEXT]).unwrap();
    let n = tokenizer.vocab_size();
    let separate = TransformerConfig {
        d_model: 4,
        d_ff: 8,
        n_heads: 1,
        share_embeddings: false,
        source_vocab_size: n + 3,
        ..TransformerConfig::base(n)
    };
    let mut two = bundle(separate, tokenizer);
    let before = two.params.clone();
    assert!(matches!(two.extend_vocabulary(&["x y"], false), Err(VocabularyError::Refused { .. })));
    assert_eq!(two.params, before);
    let mut one = bundle(GptConfig::gpt2_like(self::tokenizer().vocab_size(), 8, [1, 1, 4]), self::tokenizer());
    assert!(matches!(one.extend_vocabulary(&["a"], false), Err(VocabularyError::Extension(_))));
}
