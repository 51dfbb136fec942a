//! Decoders of transformers: one configuration of ours, a file of names for each architecture.

mod gemma;
mod gemma2;
pub(crate) mod gemma3;
mod gpt_neox;
mod keys;
mod llama;
mod mistral;
mod names;
mod opt;
mod phi;
mod phi3;
mod qwen2;
mod qwen3;
pub(crate) mod rotary;
mod shared_norm;
mod starcoder2;
pub(crate) mod windows;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use attentive_attention::{Activation, NormKind, PositionsConfig, Rotary, RotaryScaling};
use attentive_bundle::{Bundle, GenerationConfig, Lengths};
use attentive_model::{GptConfig, ModelSpec};
use attentive_weights::Tensors;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    ExportConfig, InterchangeError, activations, config_for,
    family::Family,
    files,
    layout::{Order, Places},
    reader::{CONFIG, Reader},
    settings::{self, GENERATION},
    tokenizers,
};

pub(crate) use self::{
    gemma::Gemma,
    gemma2::Gemma2,
    gemma3::Gemma3,
    gpt_neox::GptNeoX,
    keys::Keys,
    llama::Llama,
    mistral::Mistral,
    names::{Names, Qkv},
    opt::Opt,
    phi::Phi,
    phi3::Phi3,
    qwen2::Qwen2,
    qwen3::Qwen3,
    starcoder2::Starcoder2,
};

/// The longest text that the model was made for, which models of unlimited length need not say.
const CONTEXT: &str = "max_position_embeddings";

/// A decoder of transformers.
pub(crate) trait Architecture {
    /// The value of `model_type`.
    const MODEL_TYPE: &'static str;
    /// The beginning of its classes' names.
    const CLASS_PREFIX: &'static str;
    /// Its tensors.
    const NAMES: Names;

    /// Our configuration of what `config.json` says, with transformers' defaults for what it does not say.
    ///
    /// # Errors
    /// As [`Keys::find`].
    fn read(keys: &mut Keys<'_>) -> Result<GptConfig, InterchangeError>;

    /// The `config.json` of a model of ours, as far as this architecture can express it.
    fn write(config: &GptConfig) -> Map<String, Value>;

    /// Its row in the table of families.
    const FAMILY: Family = Family {
        name: Self::MODEL_TYPE,
        class_prefix: Self::CLASS_PREFIX,
        import: Some(import::<Self>),
        export: export::<Self>,
        places: Some(places::<Self>),
    };
}

/// Buffers of old files, which models compute themselves.
const BUFFERS: [&str; 3] = [".rotary_emb.inv_freq", ".attention.bias", ".attention.masked_bias"];

/// Reads a folder of the architecture.
///
/// # Errors
/// [`InterchangeError`] lists all settings or tensors that do not fit.
fn import<A: Architecture + ?Sized>(reader: &mut Reader<'_>) -> Result<Bundle, InterchangeError> {
    let (mut config, context) = reader.read_keys(|keys| Ok((A::read(keys)?, keys.find(CONTEXT)?)))?;
    config.validate()?;
    match rotary::for_length(&mut config.positions, reader.options.long_context) {
        Ok(note) => reader.notes.extend(note),
        Err(problem) => {
            return Err(InterchangeError::Unsupported { path: reader.config_path(), problems: vec![problem] });
        }
    }
    let names = &A::NAMES;
    let (prefix, projection) = (names.prefix, format!("{}.", names.projection));
    let mut source = reader.source(|name| match gemma3::of_text(name) {
        name if name.starts_with(&projection) => name.to_owned(),
        name => format!("{prefix}{}", without_prefix(name, prefix)),
    })?;
    source.drop_all(|name| BUFFERS.iter().any(|end| name.ends_with(end)) || gemma3::is_of_pictures(name));
    source.check_layers("num_hidden_layers", config.n_layers, &format!("{prefix}{}", names.layers))?;
    let (table, own) = (format!("{prefix}{}.weight", names.embedding), format!("{projection}weight"));
    if config.tie_projection {
        config.tie_projection = source.settle_projection(&own, &table, &mut reader.notes)?;
    }
    let mut params = source.take(names.slots(&config), &Order::SAME)?;
    reader.finish(source)?;
    add_to_gains(&mut params, names.gain_offset);
    let tokenizer = reader.tokenizer(None)?;
    if let Some(frame) = reader.frame.as_ref().filter(|frame| frame.before.len() > 1 || !frame.after.is_empty()) {
        let [before, after] = [frame.before.len(), frame.after.len()];
        reader.notes.push(format!(
            "the tokenizer's files put {before} tokens before a text and {after} after it; here the first one stands before it"
        ));
    }
    let (begin, begin_id) = reader.begin(tokenizer.specials().eos);
    let mut bundle = reader.bundle(config, tokenizer, params)?;
    (bundle.generation.begin, bundle.generation.begin_id) = (begin, begin_id);
    bundle.lengths = Lengths::new(context, reader.tokenizer_max_len);
    Ok(bundle)
}

/// Writes a folder of the architecture; tells what could not be expressed.
///
/// # Errors
/// [`InterchangeError::Inexpressible`], or what the system refuses.
fn export<A: Architecture + ?Sized>(
    bundle: &Bundle,
    options: &ExportConfig,
    folder: &Path,
) -> Result<Vec<String>, InterchangeError> {
    let config = &config_for::<GptConfig>(bundle, A::MODEL_TYPE)?;
    let mut theirs = A::write(config);
    theirs.insert("model_type".into(), json!(A::MODEL_TYPE));
    theirs.entry(CONTEXT).or_insert(json!(options.context(bundle)));
    check_expressed::<A>(config, &theirs)?;
    let specials = bundle.tokenizer()?.specials();
    theirs.extend([
        ("architectures".to_owned(), json!([format!("{}ForCausalLM", A::CLASS_PREFIX)])),
        ("bos_token_id".to_owned(), json!(specials.bos)),
        ("eos_token_id".to_owned(), json!(specials.eos)),
        ("pad_token_id".to_owned(), json!(specials.pad)),
    ]);
    let places = Places::new(A::NAMES.slots(config), Order::SAME);
    let n_shared = if A::NAMES.attention_norm == A::NAMES.feed_forward_norm { config.n_layers } else { 0 };
    let shared = shared_norm::share(bundle, n_shared).map_err(|n| {
        let problem = format!("the two norms of layer {n} differ, and there is one for both");
        InterchangeError::Inexpressible { format: A::MODEL_TYPE, problems: vec![problem] }
    })?;
    let bundle = &*shared;
    let tensors = if A::NAMES.gain_offset == 0.0 {
        places.export(bundle)?
    } else {
        let mut params = bundle.params.clone();
        add_to_gains(&mut params, -A::NAMES.gain_offset);
        places.export(&Bundle { params, ..bundle.clone() })?
    };
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    files::make_folder(folder)?;
    files::write_json(&folder.join(CONFIG), &theirs)?;
    let (mut notes, GenerationConfig { begin, begin_id, .. }) = (Vec::new(), bundle.generation.clone());
    files::write_json(&folder.join(GENERATION), &settings::of_language_model(bundle, specials, &mut notes))?;
    attentive_weights::write(&folder.join("model.safetensors"), &tensors, &metadata)?;
    let longest = options.max_len.or(bundle.lengths.tokenizer);
    notes.extend(tokenizers::export_decoder(folder, &**bundle.tokenizer()?, (begin, begin_id), longest)?);
    Ok(notes)
}

/// Every parameter under the names of the architecture, of a model that it can express.
fn places<A: Architecture + ?Sized>(bundle: &Bundle) -> Result<Places, InterchangeError> {
    let config = &config_for::<GptConfig>(bundle, A::MODEL_TYPE)?;
    let mut theirs = A::write(config);
    theirs.insert("model_type".into(), json!(A::MODEL_TYPE));
    theirs.entry(CONTEXT).or_insert(json!(ExportConfig::MAX_LEN));
    check_expressed::<A>(config, &theirs)?;
    Ok(Places { gain_offset: A::NAMES.gain_offset, ..Places::new(A::NAMES.slots(config), Order::SAME) })
}

/// A tensor's name without the prefix, or its end: files of a part of a model lack what stands before.
fn without_prefix<'a>(name: &'a str, prefix: &str) -> &'a str {
    let ends =
        std::iter::once(0).chain(prefix.match_indices('.').map(|(dot, _)| dot + 1)).map(|start| &prefix[start..]);
    ends.filter(|end| !end.is_empty()).find_map(|end| name.strip_prefix(end)).unwrap_or(name)
}

/// Adds a number to the gains of all norms.
pub(crate) fn add_to_gains(params: &mut Tensors, offset: f32) {
    let gains = params.iter_mut().filter(|(name, _)| offset != 0.0 && name.ends_with(".gamma"));
    gains.for_each(|(_, gain)| gain.values.iter_mut().for_each(|value| *value += offset));
}

/// Reads back what is to be written: each choice of ours that is another then is one that the architecture lacks.
fn check_expressed<A: Architecture + ?Sized>(
    config: &GptConfig,
    theirs: &Map<String, Value>,
) -> Result<(), InterchangeError> {
    let mut keys = Keys::new(CONFIG.into(), theirs);
    let read = A::read(&mut keys)?;
    let problems = match keys.finish() {
        Err(InterchangeError::Unsupported { problems, .. }) => problems,
        Err(other) => return Err(other),
        Ok(_) => differences(&normal(config), &normal(&read)),
    };
    match problems.is_empty() {
        true => Ok(()),
        false => Err(InterchangeError::Inexpressible { format: A::MODEL_TYPE, problems }),
    }
}

/// The settings in which a configuration of ours differs from what was read back.
pub(crate) fn differences(ours: &impl Serialize, read: &impl Serialize) -> Vec<String> {
    let fields = |config: Result<Value, serde_json::Error>| match config {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let (ours, read) = (fields(serde_json::to_value(ours)), fields(serde_json::to_value(read)));
    let keys: BTreeSet<&String> = ours.keys().chain(read.keys()).collect();
    let of =
        |fields: &Map<String, Value>, key: &str| fields.get(key).map_or_else(|| "not set".to_owned(), Value::to_string);
    let differs = keys.into_iter().filter(|key| ours.get(*key) != read.get(*key));
    differs.map(|key| format!("{key}: {} here, {} there", of(&ours, key), of(&read, key))).collect()
}

/// The same model with every choice spelled out, and without what has no effect in use.
fn normal(config: &GptConfig) -> GptConfig {
    let mut positions = config.positions.clone();
    if let PositionsConfig::Rotary(Rotary { scaling: Some(RotaryScaling::LongRope { is_long, .. }), .. }) =
        &mut positions
    {
        *is_long = false; // it depends on the text there
    }
    GptConfig {
        positions,
        head_dim: Some(config.head_dim()),
        n_kv_heads: Some(config.n_kv_heads.unwrap_or(config.n_heads)),
        qkv_bias: Some(config.qkv_bias.unwrap_or(config.bias)),
        dropout: 0.0,
        attention_dropout: 0.0,
        ..config.clone()
    }
}

/// What an architecture has where `config.json` does not say it.
struct Usual {
    /// Width of a head; without it, `d_model / n_heads`.
    head_dim: Option<usize>,
    /// Share of a head's features that rotary positions turn; without it, all are turned.
    share: Option<rotary::Share>,
    /// Function within the feed-forward sub-layers, and its name.
    activation: &'static str,
    activation_key: &'static str,
    /// Whether the projection is the embeddings.
    tied: bool,
    /// Heads of keys and values; without it, as many as of queries.
    kv_heads: Option<usize>,
    /// Bases of frequencies.
    bases: rotary::Bases,
}

impl Usual {
    const LLAMA: Self = Self {
        head_dim: None,
        share: None,
        activation: "silu",
        activation_key: "hidden_act",
        tied: false,
        kv_heads: None,
        bases: rotary::Bases::USUAL,
    };
}

/// What most decoders have, under the names that Llama gave: sizes, heads, RMS norm, SwiGLU, rotary positions.
///
/// # Errors
/// As [`Keys::find`].
fn read_llama_like(keys: &mut Keys<'_>, usual: &Usual) -> Result<GptConfig, InterchangeError> {
    let [d_model, d_ff, n_layers, n_heads] = sizes_of(keys, "intermediate_size")?;
    let activation = activation(keys, usual.activation_key, usual.activation)?;
    for other in ["hidden_act", "hidden_activation"] {
        keys.repeats(other, |name| name.as_str().and_then(activations::ours) == Some(activation));
    }
    let config = GptConfig {
        n_kv_heads: keys.find("num_key_value_heads")?.or(usual.kv_heads),
        head_dim: keys.find("head_dim")?.or(usual.head_dim),
        activation,
        epsilon: keys.get("rms_norm_eps", 1e-6)?,
        attention_dropout: keys.get("attention_dropout", 0.0)?,
        tie_projection: keys.get("tie_word_embeddings", usual.tied)?,
        ..GptConfig::llama_like(keys.need("vocab_size")?, d_ff, [n_layers, n_heads, d_model])
    };
    let rotary::Positions { rotary, window_theta } =
        rotary::read(keys, config.head_dim(), usual.share.as_ref(), &usual.bases)?;
    Ok(GptConfig { positions: PositionsConfig::Rotary(rotary), window_theta, ..config })
}

/// Width of the model and of its feed-forward sub-layers, which has the name `d_ff`; layers and heads.
///
/// # Errors
/// As [`Keys::need`].
fn sizes_of(keys: &mut Keys<'_>, d_ff: &str) -> Result<[usize; 4], InterchangeError> {
    Ok([
        keys.need("hidden_size")?,
        keys.need(d_ff)?,
        keys.need("num_hidden_layers")?,
        keys.need("num_attention_heads")?,
    ])
}

/// The settings of [`read_llama_like`].
fn write_llama_like(config: &GptConfig) -> Map<String, Value> {
    let mut settings = sizes(config);
    let own = json!({
        "intermediate_size": config.d_ff,
        "num_key_value_heads": config.n_kv_heads.unwrap_or(config.n_heads),
        "head_dim": config.head_dim(),
        "hidden_act": activations::theirs(config.activation),
        "rms_norm_eps": config.epsilon,
        "attention_dropout": config.attention_dropout,
    });
    extend(&mut settings, own);
    if let PositionsConfig::Rotary(rotary) = &config.positions {
        settings.extend(rotary::write(rotary, config.window_theta, config.head_dim()));
    }
    settings
}

/// The settings that all decoders have.
fn sizes(config: &GptConfig) -> Map<String, Value> {
    let mut settings = Map::new();
    let own = json!({
        "vocab_size": config.vocab_size,
        "hidden_size": config.d_model,
        "num_hidden_layers": config.n_layers,
        "num_attention_heads": config.n_heads,
        "tie_word_embeddings": config.tie_projection,
        "torch_dtype": "float32",
    });
    extend(&mut settings, own);
    settings
}

/// Adds the members of an object.
pub(crate) fn extend(settings: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        settings.extend(more);
    }
}

/// The activation that `key` says, or `usual`.
///
/// # Errors
/// As [`Keys::find`].
fn activation(keys: &mut Keys<'_>, key: &str, usual: &str) -> Result<Activation, InterchangeError> {
    let name: String = keys.get(key, usual.to_owned())?;
    let activation = activations::ours(&name);
    keys.must(activation.is_some(), activations::unknown(key, &name));
    Ok(activation.unwrap_or(Activation::Silu))
}

/// Layer norms with ε `layer_norm_eps`, biases everywhere: what GPT-NeoX and Phi have before their own.
///
/// # Errors
/// As [`Keys::find`].
fn with_layer_norms(keys: &mut Keys<'_>, config: GptConfig) -> Result<GptConfig, InterchangeError> {
    Ok(GptConfig { norm_kind: NormKind::Layer, epsilon: keys.get("layer_norm_eps", 1e-5)?, bias: true, ..config })
}
