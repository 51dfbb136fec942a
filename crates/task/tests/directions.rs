//! The batches of a translation task in one direction and in both: what stands before which text.

use std::collections::HashSet;

use attentive_core::{Batch as _, TokenMatrix};
use attentive_corpus::BuiltinConfig;
use attentive_model::TransformerConfig;
use attentive_task::{
    Error, Start, Task, Translation,
    config::{RunRecipe, TranslationRecipe},
};

/// The settings of a translation of the built-in corpus.
const RECIPE: &str = "
tokenizer = { merges = 300 }
model = { family = 'transformer' }
batch = { max_tokens = 4096 }
";

const RUN: &str = "
name = 'run'
schedule = { kind = 'constant', lr = 1e-3 }
training = { steps = 1 }
";

/// The task, with this of `[data]`.
fn prepared(data: &str) -> Result<Translation<TransformerConfig>, Error> {
    prepared_with(data, "")
}

/// The task, with this of `[data]` and other settings.
fn prepared_with(data: &str, settings: &str) -> Result<Translation<TransformerConfig>, Error> {
    let small = TransformerConfig { d_model: 8, d_ff: 8, n_heads: 2, ..TransformerConfig::base(8) };
    let config = TransformerConfig { n_encoder_layers: 1, n_decoder_layers: 1, ..small };
    let mut table: toml::Table = [RECIPE, settings].concat().parse().unwrap();
    table["model"] = toml::Value::try_from(attentive_model::ModelConfig::from(config.clone())).unwrap();
    table.insert("data".into(), data.parse::<toml::Table>().unwrap().into());
    let mut recipe: TranslationRecipe = table.try_into().unwrap();
    let run: RunRecipe = toml::from_str(RUN).unwrap();
    Translation::prepare(&run, &mut recipe, config, Start::default(), &())
}

/// The pairs of an epoch, and the name of the token before each source, if there is one.
fn pairs(task: &Translation<TransformerConfig>) -> Vec<(Option<String>, [String; 2])> {
    let processor = task.processor();
    let tokenizer = processor.tokenizer().unwrap();
    let text = |ids: &[u32]| tokenizer.decode(ids).unwrap();
    let row = |matrix: &TokenMatrix, row: usize| matrix.row(row).to_vec();
    let mut pairs = Vec::new();
    let mut batches = task.batches();
    for _ in 0..batches.n_batches().unwrap() {
        let batch = batches.next_batch().unwrap();
        for at in 0..batch.n_rows() {
            let (source, target) = (row(&batch.source, at), row(&batch.target, at));
            let first = tokenizer.token(source[0]).filter(|token| token.starts_with(">>"));
            pairs.push((first.map(std::borrow::Cow::into_owned), [text(&source), text(&target)]));
        }
    }
    pairs
}

#[test]
fn each_source_begins_with_the_language_of_its_target() {
    let corpus = BuiltinConfig::default().generate();
    let english: HashSet<[&str; 2]> =
        corpus.train.iter().map(|pair| [pair.source.as_str(), pair.target.as_str()]).collect();
    let both = pairs(&prepared("directions = 'both'").unwrap());
    assert_eq!(both.len(), 2 * corpus.train.len());
    let mut n_german = 0;
    for (token, [source, target]) in &both {
        let is_german = english.contains(&[source.as_str(), target.as_str()]);
        assert!(is_german || english.contains(&[target.as_str(), source.as_str()]), "{source}: {target}");
        assert_eq!(token.as_deref(), Some(if is_german { ">>de<<" } else { ">>en<<" }), "{source}: {target}");
        n_german += usize::from(is_german);
    }
    assert_eq!(n_german, corpus.train.len());

    let backward = pairs(&prepared("directions = 'backward'").unwrap());
    assert_eq!(backward.len(), corpus.train.len());
    for (token, [source, target]) in &backward {
        assert!(token.is_none() && english.contains(&[target.as_str(), source.as_str()]), "{source}: {target}");
    }
}

#[test]
fn the_usual_direction_is_the_first_one() {
    let processor = prepared("directions = 'both'").unwrap().processor();
    let tokenizer = processor.tokenizer().unwrap();
    let languages = tokenizer.framing().unwrap().languages.clone().unwrap();
    assert_eq!([languages.source.as_deref(), languages.target.as_deref()], [Some("en"), Some("de")]);
    assert_eq!(languages.of_sources(), ["de", "en"]);
    let [usual, german] = [None, Some("de")].map(|target| tokenizer.pair_frame(None, target).unwrap());
    assert_eq!(usual, german);
    assert_ne!(usual, tokenizer.pair_frame(Some("de"), Some("en")).unwrap());
}

#[test]
fn the_measure_of_validations_tells_what_greedy_translations_depend_on() {
    let measure = |settings: &str| prepared_with("", settings).unwrap().measure().unwrap();
    let usual = measure("");
    assert!(usual.starts_with("BLEU of 200 sentences"), "{usual}");
    assert_eq!(measure("decoding = { beam = 2, length_penalty = 1.0, batch_tokens = 100 }"), usual);
    assert_eq!(measure("decoding = { max_len_offset = 50 }"), usual);
    let other = measure("decoding = { repetition_penalty = 1.5, max_len = 9 }");
    assert_eq!(other, format!("{usual}, {}", r#"{"max_len":9,"repetition_penalty":1.5}"#));
    // What versions before this one have said.
    assert!(!usual.contains('{'), "{usual}");
}
