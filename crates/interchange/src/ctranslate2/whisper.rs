//! CTranslate2's folders of Whisper on their way in.

use std::path::Path;

use attentive_attention::NormPlacement;
use attentive_bundle::{Processor, SpeechProcessor};
use attentive_model::{ModelSpec, WhisperConfig};
use attentive_speech::FeatureConfig;
use attentive_weights::ModelBin;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    import::{Settings, config},
    names::{CTranslate2, PROJECTION, TARGET, positions},
};
use crate::{
    ImportConfig, Imported, InterchangeError, files,
    layout::Order,
    reader::Reader,
    source::{File, Source},
    whisper::{self, Steering},
};

/// The kind of model, and the revision of its names.
pub(super) const SPEC: (&str, u32) = ("WhisperSpec", 3);

/// The latest first time of programs on CTranslate2, a second.
const LATEST_FIRST: u32 = 50;

/// The settings of `config.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    suppress_ids: Vec<u32>,
    suppress_ids_begin: Vec<u32>,
    /// Of times of words, which are not made here.
    #[serde(rename = "alignment_heads")]
    _alignment_heads: Value,
    /// As the tokenizer has them.
    #[serde(rename = "lang_ids")]
    _lang_ids: Value,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// Reads a folder; weights of any kind of number become f32.
///
/// # Errors
/// [`InterchangeError`]: settings or tensors that do not fit, no tokenizer, damaged files.
pub(super) fn import(folder: &Path, file: ModelBin, options: &ImportConfig) -> Result<Imported, InterchangeError> {
    let path = folder.join(super::MODEL);
    let theirs: Config = files::read_json(&folder.join("config.json"))?;
    let mut reader = Reader::open(folder, options)?;
    if !theirs.unknown.is_empty() {
        let keys: Vec<&str> = theirs.unknown.keys().map(String::as_str).collect();
        reader.notes.push(format!("config.json: not followed here: {}", keys.join(", ")));
    }
    let mut settings = Settings::new(&file);
    // The encoder has no choices.
    settings.assume("encoder/activation", "decoder/activation");
    settings.assume("encoder/scale_embeddings", "decoder/scale_embeddings");
    settings.assume("encoder/pre_norm", "decoder/pre_norm");
    let shape = config(&mut settings);
    settings.flag("decoder/start_from_zero_embedding");
    let n_rows = |name: &str| settings.size(name, 0);
    let (max_source_len, max_target_len) = (n_rows(&positions("encoder")), n_rows(&positions("decoder")));
    let n_mels = settings.size("encoder/conv1/weight", 1);
    settings.finish(&path)?;
    let is_tied = file.stored_name(PROJECTION) == file.stored_name(TARGET);
    if !is_tied || shape.norm != NormPlacement::Pre || shape.scale_embeddings {
        let problem = "its projection is not its embeddings, or it is not pre-norm, or its embeddings are scaled";
        return Err(InterchangeError::Unsupported { path, problems: vec![problem.to_owned()] });
    }
    let model = WhisperConfig {
        vocab_size: shape.target_vocab_size,
        n_mels,
        d_model: shape.d_model,
        d_ff: shape.d_ff,
        n_heads: shape.n_heads,
        n_encoder_layers: shape.n_encoder_layers,
        n_decoder_layers: shape.n_decoder_layers,
        max_source_len,
        max_target_len,
        activation: shape.activation,
        ..WhisperConfig::whisper_like(shape.target_vocab_size, n_mels, [1, 1, shape.d_model])
    };
    model.validate()?;
    let mut source = Source::of(&path, vec![File::ModelBin(file)])?;
    reader.stored = source.kinds();
    source.drop(PROJECTION);
    reader.notes.extend(whisper::check_sinusoids(&mut source, &positions("encoder"), &model)?);
    let convolution = |n: usize, part: &str| format!("encoder/conv{n}/{part}");
    let slots = whisper::slots_named(&model, &CTranslate2, convolution, positions("decoder"));
    let params = source.take(slots, &Order::sines_first(model.d_model))?;
    reader.notes.extend(source.finish(options.drop_unknown)?);
    let tokenizer = reader.tokenizer(None)?;
    let steering = Steering {
        suppress_tokens: Some(theirs.suppress_ids),
        begin_suppress_tokens: Some(theirs.suppress_ids_begin),
        max_initial_timestamp_index: Some(LATEST_FIRST),
        ..Steering::default()
    };
    let tokens = steering.tokens(&mut reader, &*tokenizer, model.vocab_size)?;
    let features = match folder.join(whisper::FEATURES).is_file() {
        true => whisper::features(&mut reader, &model)?,
        // Which programs on CTranslate2 have by themselves.
        false => {
            let usual = FeatureConfig { n_mels, ..FeatureConfig::default() };
            let window_seconds = (2 * max_source_len) as f64 * usual.frame_seconds();
            FeatureConfig { window_seconds, ..usual }
        }
    };
    let mut bundle = reader.bundle(model, tokenizer, params)?;
    let tokenizer = bundle.tokenizer()?.clone();
    bundle.processor = Processor::Speech(Box::new(SpeechProcessor { features, tokens }), tokenizer);
    let Reader { stored, notes, .. } = reader;
    Ok(Imported { bundle, architecture: SPEC.0, stored, notes })
}
