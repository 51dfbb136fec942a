//! Whisper as transformers keeps it, with its tokenizer and what makes its spectrograms.
//!
//! Its sinusoids stand sine half before cosine half, as those of fairseq's kin do ([`Order::sines_first`]).

mod config;
mod features;
mod tokens;

pub(crate) use features::{FILE as FEATURES, import as features};
pub(crate) use tokens::{FOLLOWED, Steering};

use std::{collections::BTreeMap, path::Path};

use attentive_attention::{NormPlacement, Sinusoids};
use attentive_bundle::{Bundle, Processor, SpeechProcessor};
use attentive_model::{ModelSpec, TransformerConfig, WhisperConfig};

use self::config::Settings;
use crate::{
    ExportConfig, InterchangeError, config_for,
    family::Family,
    files,
    layout::{Layout, Order, Places, Slot, sinusoids},
    reader::Reader,
    source::Source,
    tokenizers,
    translators::{self, FairseqNames, Names},
};

pub(crate) const FAMILY: Family =
    Family { name: MODEL_TYPE, class_prefix: "Whisper", import: Some(import), export, places: Some(places) };

/// The value of `model_type`.
const MODEL_TYPE: &str = "whisper";

/// Its name among people.
const NAME: &str = "Whisper";

/// The table of the encoder's sinusoids, which transformers reads and never trains.
const SINUSOIDS: &str = "model.encoder.embed_positions.weight";

/// The projection, which is the embeddings.
const PROJECTION: &str = "proj_out.weight";
const EMBEDDINGS: &str = "model.decoder.embed_tokens.weight";

/// How far a file's sinusoids may be from ours that are as exact.
const ROUNDING: f32 = 1e-5;
/// How far a file's sinusoids may be from ours: some are stored as f16.
const TOLERANCE: f32 = 2e-3;

/// Reads what transformers wrote.
///
/// # Errors
/// [`InterchangeError`] lists all settings or tensors that do not fit.
fn import(reader: &mut Reader<'_>) -> Result<Bundle, InterchangeError> {
    let path = reader.config_path();
    let theirs: Settings = reader.config()?;
    let config = theirs.to_ours(&path)?;
    config.validate()?;
    let mut source = reader.source(name_with_head)?;
    source.check_layers("encoder_layers", config.n_encoder_layers, "model.encoder.layers.")?;
    source.check_layers("decoder_layers", config.n_decoder_layers, "model.decoder.layers.")?;
    reader.notes.extend(check_sinusoids(&mut source, SINUSOIDS, &config)?);
    source.alias(PROJECTION, EMBEDDINGS);
    if source.has(PROJECTION) {
        if !source.are_equal(PROJECTION, EMBEDDINGS)? {
            source.problem(format!("{PROJECTION} differs from {EMBEDDINGS}: here the projection is the embeddings"));
        }
        source.drop(PROJECTION);
    }
    let params = source.take(slots(&config), &Order::sines_first(config.d_model))?;
    reader.finish(source)?;
    let tokenizer = reader.tokenizer(None)?;
    let features = features::import(reader, &config)?;
    let tokens = tokens::import(reader, &*tokenizer, config.vocab_size)?;
    let mut bundle = reader.bundle(config, tokenizer, params)?;
    let tokenizer = bundle.tokenizer()?.clone();
    bundle.processor = Processor::Speech(Box::new(SpeechProcessor { features, tokens }), tokenizer);
    Ok(bundle)
}

/// Writes what `WhisperForConditionalGeneration.from_pretrained` and `WhisperProcessor.from_pretrained` read; tells what could
/// not be expressed.
///
/// # Errors
/// [`InterchangeError::Inexpressible`], or what the system refuses.
fn export(bundle: &Bundle, _: &ExportConfig, folder: &Path) -> Result<Vec<String>, InterchangeError> {
    let config = &config_for::<WhisperConfig>(bundle, MODEL_TYPE)?;
    let inexpressible =
        |problem: &str| InterchangeError::Inexpressible { format: NAME, problems: vec![problem.into()] };
    let SpeechProcessor { features, tokens } =
        bundle.processor.speech().ok_or_else(|| inexpressible("nothing says how sound becomes what it reads"))?;
    let features = features::export(features, config)?;
    let places = places(bundle)?;
    let mut tensors = places.export(bundle)?;
    let positions = sinusoids(&Sinusoids::fairseq(config.d_model, 0), config.max_source_len);
    tensors.insert(SINUSOIDS.to_owned(), places.order.of_columns(&positions));
    files::make_folder(folder)?;
    files::write_json(&folder.join("config.json"), &Settings::of_ours(config, tokens))?;
    files::write_json(&folder.join("generation_config.json"), &tokens::export(tokens, config.max_target_len))?;
    files::write_json(&folder.join(features::FILE), &features)?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    attentive_weights::write(&folder.join("model.safetensors"), &tensors, &metadata)?;
    let ends = [tokens.start, tokens.end];
    Ok(tokenizers::export_speech(folder, &**bundle.tokenizer()?, ends)?.into_iter().collect())
}

/// Every parameter under the names of `WhisperForConditionalGeneration`.
fn places(bundle: &Bundle) -> Result<Places, InterchangeError> {
    let config = &config_for::<WhisperConfig>(bundle, MODEL_TYPE)?;
    Ok(Places::new(slots(config), Order::sines_first(config.d_model)))
}

/// The name that a tensor of the class without a head has in that with one.
fn name_with_head(name: &str) -> String {
    let is_of_base = ["encoder.", "decoder."].iter().any(|start| name.starts_with(start));
    if is_of_base { format!("model.{name}") } else { name.to_owned() }
}

/// Drops the table of sinusoids, `name`, which are made again here; gives a note if those of the file are rounded.
pub(crate) fn check_sinusoids(
    source: &mut Source,
    name: &str,
    config: &WhisperConfig,
) -> Result<Option<String>, InterchangeError> {
    if !source.has(name) {
        return Ok(None);
    }
    let found = source.tensor(name)?;
    let expected = sinusoids(&Sinusoids::fairseq(config.d_model, 0), config.max_source_len);
    let expected = Order::sines_first(config.d_model).of_columns(&expected);
    let are_near = |distance: f32| found.values.iter().zip(&expected.values).all(|(a, b)| (a - b).abs() <= distance);
    if found.shape == expected.shape && are_near(TOLERANCE) {
        source.drop(name);
        return Ok(
            (!are_near(ROUNDING)).then(|| format!("{name} is rounded in the file: here the sinusoids are exact"))
        );
    }
    source.problem(format!("{name}: not the sinusoids that transformers makes, which are not learnt here"));
    Ok(None)
}

/// The names of transformers.
const NAMES: FairseqNames = FairseqNames {
    before: "model.",
    tables: [EMBEDDINGS, PROJECTION],
    projection_bias: "",
    is_fused: false,
    more_positions: [0; 2],
};

/// Every parameter of a model.
fn slots(config: &WhisperConfig) -> Vec<Slot> {
    let convolution = |n: usize, part: &str| format!("model.encoder.conv{n}.{part}");
    slots_named(config, &NAMES, convolution, "model.decoder.embed_positions.weight".to_owned())
}

/// Every parameter of a model whose layers have these names; `convolution` names the weight and the bias of the first and the
/// second, and `positions` is the table of the decoder's.
pub(crate) fn slots_named(
    config: &WhisperConfig,
    names: &impl Names,
    convolution: impl Fn(usize, &str) -> String,
    positions: String,
) -> Vec<Slot> {
    let WhisperConfig { vocab_size, d_model, n_mels, max_target_len, .. } = *config;
    let layers = TransformerConfig {
        d_model,
        d_ff: config.d_ff,
        n_heads: config.n_heads,
        n_encoder_layers: config.n_encoder_layers,
        n_decoder_layers: config.n_decoder_layers,
        norm: NormPlacement::Pre,
        ..TransformerConfig::base(vocab_size)
    };
    // What a bias of keys adds to all scores of a query alike does not matter: here there is none.
    let of_layers = translators::slots(&layers, names).into_iter().filter(|slot| !slot.ours.ends_with(".key.bias"));
    let named = |slot: Slot| match slot.ours == "source_embedding.weight" {
        true => Slot { ours: "embedding.weight".to_owned(), ..slot },
        false => slot,
    };
    let slot = |ours: &str, theirs, layout| Slot { ours: ours.to_owned(), theirs, layout };
    let kernel = |d_in| Layout::convolution(3, [d_in, d_model]);
    let bias = Layout::same(&[d_model]);
    // The dimensions between the convolutions keep their order.
    let others = [
        slot("stem.first.weight", convolution(1, "weight"), kernel(n_mels)),
        slot("stem.first.bias", convolution(1, "bias"), bias.clone()),
        slot("stem.second.weight", convolution(2, "weight"), kernel(d_model).with_model_axis(2)),
        slot("stem.second.bias", convolution(2, "bias"), bias.with_model_axis(0)),
        slot("target_positions.weight", positions, Layout::same(&[max_target_len, d_model]).with_model_axis(1)),
    ];
    of_layers.map(named).chain(others).collect()
}
