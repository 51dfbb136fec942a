//! Models of published sizes with random weights, in the folders that both sides read.

use std::{borrow::Cow, fs, path::Path};

use anyhow::{Context, Result, bail};
use attentive_attention::{Activation, NormKind, PositionsConfig};
use attentive_backend::BackendKind;
use attentive_bundle::{Bundle, WeightFormat};
use attentive_core::mix64;
use attentive_interchange::{ExportConfig, Format, export};
use attentive_model::{BertConfig, GptConfig, ModelConfig, ModelSpec, Role, TransformerConfig};
use attentive_tokenizer::{ByteLevelBpe, ByteLevelBpeTrainer, Characters, Tokenizer, WordPiece};
use attentive_weights::Tensors;
use serde_json::{Map, json};

use crate::{
    decode, embed, generate,
    workload::{t5_small, translation},
};

/// The file of what the peers read.
pub(crate) const ROWS: &str = "rows.json";

/// The precisions that a model runs in here.
pub(crate) fn precisions(name: &str) -> &'static [&'static str] {
    if name == "smollm2" { &["f32", "int8", "q8_0", "q4_0"] } else { &["f32", "int8"] }
}

/// Writes a model: ours in a folder for each precision; theirs in `transformers`, if that has such models; and rows of ids,
/// which the peers read, in `rows.json`.
pub(crate) fn prepare(name: &str, folder: &Path) -> Result<()> {
    let (mut bundle, format) = match name {
        "minilm" => (encoder([6, 12, 384])?, Some(Format::Bert)),
        "bert" => (encoder([12, 12, 768])?, Some(Format::Bert)),
        "gpt2" => (writer(GptConfig::gpt2())?, Some(Format::Gpt2)),
        "smollm2" => (writer(smollm2())?, None),
        "t5" => (translator(t5_small())?, Some(Format::T5)),
        "opus-mt" => (marian(opus_mt())?, Some(Format::Marian)),
        "small" | "base" => (marian(translation(name)?)?, Some(Format::Marian)),
        _ => bail!("there is no model {name}"),
    };
    for precision in precisions(name) {
        bundle.decoding.precision = precision.parse::<WeightFormat>().map_err(anyhow::Error::msg)?;
        bundle.save(folder.join(precision))?;
    }
    if let Some(format) = format {
        export(&bundle, format, &ExportConfig::default(), &folder.join("transformers"))?;
    }
    let vocab = bundle.model.vocab_size();
    let rows = match bundle.model.role() {
        Role::Encoder => embed::rows(),
        Role::LanguageModel => generate::prompts(vocab),
        Role::EncoderDecoder => decode::sources(name, vocab),
        role => bail!("{name} is {role}, which is not measured here"),
    };
    let path = folder.join(ROWS);
    fs::write(&path, json!(rows).to_string()).with_context(|| format!("can't write {}", path.display()))
}

/// An encoder with BERT's vocabulary and pooler, and no other head.
fn encoder(sizes: [usize; 3]) -> Result<Bundle> {
    let bert = BertConfig { masked_lm: false, next_sentence: false, ..BertConfig::bert_like(30_522, 512, sizes) };
    let words = words(bert.vocab_size)?;
    bundle(bert, words)
}

/// The shape of SmolLM2 of 135 million parameters (Allal et al. 2025).
fn smollm2() -> GptConfig {
    GptConfig {
        d_ff: 1536,
        n_kv_heads: Some(3),
        activation: Activation::Silu,
        gated: true,
        bias: false,
        norm_kind: NormKind::Rms,
        positions: PositionsConfig::rotary(100_000.0),
        ..GptConfig::gpt2_like(49_152, 2048, [30, 9, 576])
    }
}

/// The shape of OPUS-MT's models (Tiedemann and Thottingal 2020).
fn opus_mt() -> TransformerConfig {
    TransformerConfig { activation: Activation::Silu, projection_bias: true, ..TransformerConfig::base(58_101) }
}

/// A language model.
fn writer(config: GptConfig) -> Result<Bundle> {
    let bytes = bytes(config.vocab_size)?;
    let mut bundle = bundle(config, bytes)?;
    enliven(&mut bundle.params);
    Ok(bundle)
}

/// An encoder–decoder, which is given ids: its tokenizer is the smallest one.
fn translator(config: TransformerConfig) -> Result<Bundle> {
    bundle(config, Box::new(Characters::train(["text"]).framed()))
}

/// An encoder–decoder whose translations begin with a vector of zeros, that of the last entry, as Marian's do.
fn marian(config: TransformerConfig) -> Result<Bundle> {
    let mut bundle = translator(config)?;
    let table = &mut bundle.params.get_mut("source_embedding.weight").context("no embeddings")?.values;
    let last = table.len() - bundle.model.d_model();
    table[last..].fill(0.0);
    if let Some(bias) = bundle.params.get_mut("projection_bias") {
        bias.values.iter_mut().zip(0..).for_each(|(bias, at)| *bias = 0.1 * unit(at));
    }
    Ok(bundle)
}

/// A model of random weights.
fn bundle<C: ModelSpec + Into<ModelConfig>>(config: C, tokenizer: Box<dyn Tokenizer>) -> Result<Bundle> {
    let params = attentive_weights::params(&config.init(&BackendKind::Flex.device()?, 1)?);
    Ok(Bundle::new("", config, tokenizer, params))
}

/// Makes the maps at the ends of residual branches larger: with those of a new model, what is written repeats what was
/// read, and an error shows in no token.
fn enliven(params: &mut Tensors) {
    let ends = |name: &str| name.ends_with(".output.weight") || name.ends_with(".outer.weight");
    for (_, tensor) in params.iter_mut().filter(|(name, _)| ends(name)) {
        tensor.values.iter_mut().for_each(|value| *value *= 8.0);
    }
}

/// A number between -1 and 1.
fn unit(at: u64) -> f32 {
    (mix64((6 << 40) + at) >> 40) as f32 / (1 << 23) as f32 - 1.0
}

/// The word of an id in the vocabulary of encoders.
pub(crate) fn word(id: u32) -> String {
    format!("w{id}")
}

/// Special tokens at the beginning of the vocabulary of encoders.
pub(crate) const BERT_SPECIALS: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// WordPiece over whole words, one for each id.
fn words(size: usize) -> Result<Box<dyn Tokenizer>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("vocab.txt");
    let words = (BERT_SPECIALS.len() as u32..size as u32).map(word);
    let entries: Vec<String> = BERT_SPECIALS.map(str::to_owned).into_iter().chain(words).collect();
    fs::write(&path, entries.join("\n"))?;
    Ok(Box::new(WordPiece::from_vocab(&path, false)?))
}

/// Byte-level BPE over every byte and as many pairs of bytes as there is room for; the last entry ends a text.
fn bytes(size: usize) -> Result<Box<dyn Tokenizer>> {
    // The smallest vocabulary knows the names of bytes.
    let learned = ByteLevelBpeTrainer::with_vocab_size(261).train(["text"])?;
    let names = (0..learned.vocab_size() as u32).filter_map(|id| learned.token(id)).map(Cow::into_owned);
    let bytes: Vec<String> = names.filter(|name| name.chars().count() == 1).collect();
    let pairs = bytes.iter().flat_map(|a| bytes.iter().map(move |b| (a, b)));
    let pairs: Vec<_> = pairs.take(size - bytes.len() - 1).collect();
    let merged = pairs.iter().map(|(a, b)| format!("{a}{b}"));
    let entries = bytes.iter().cloned().chain(merged).chain(["<|endoftext|>".to_owned()]);
    let vocab: Map<_, _> = entries.zip(0_u32..).map(|(entry, id)| (entry, id.into())).collect();
    let merges: String = pairs.iter().map(|(a, b)| format!("{a} {b}\n")).collect();

    let folder = tempfile::tempdir()?;
    let [vocab_path, merges_path] = ["vocab.json", "merges.txt"].map(|name| folder.path().join(name));
    fs::write(&vocab_path, json!(vocab).to_string())?;
    fs::write(&merges_path, format!("#version: 0.2\n{merges}"))?;
    Ok(Box::new(ByteLevelBpe::from_files(&vocab_path, &merges_path)?))
}
